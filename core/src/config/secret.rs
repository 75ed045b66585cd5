//! Holds a value that must not be shown: no log line, error or answer has it by accident.

use std::fmt;

use subtle::ConstantTimeEq;
pub use zeroize::Zeroize;

/// A value that is not shown, such as a password or the key of a service.
///
/// It has no `Display` and no `Serialize`, and its `Debug` says only that it is there; [`expose`](Self::expose) is the
/// one way to it. It is compared in constant time. Its memory is overwritten when it is dropped, and each copy has its
/// own.
///
/// ```
/// use edgemcp::config::Secret;
///
/// let key: Secret = "hunter2".into();
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(format!("Bearer {}", key.expose()), "Bearer hunter2");
/// assert!(key.is("hunter2") && !key.is("hunter3"));
/// ```
///
/// # Limits
/// What is overwritten is the value as it is when it is dropped: a `String` that was grown has left its earlier, shorter
/// self behind, and what is made of an exposed secret is its maker's. A comparison tells how long a secret is.
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Whether it is what somebody presents, compared in constant time.
    pub fn is(&self, presented: impl AsRef<[u8]>) -> bool
    where
        T: AsRef<[u8]>,
    {
        self.0.as_ref().ct_eq(presented.as_ref()).into()
    }

    /// The value itself, for whom it is meant. Do not log it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Says what it was when it was overwritten, and when it was dropped.
    struct Watched(u8, Arc<Mutex<Vec<(&'static str, u8)>>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.zeroize();
            self.1.lock().unwrap().push(("overwritten", self.0));
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(("dropped", self.0));
        }
    }

    #[test]
    fn a_secret_is_overwritten_before_it_is_dropped() {
        let seen = Arc::default();
        drop(Secret::new(Watched(7, Arc::clone(&seen))));
        assert_eq!(*seen.lock().unwrap(), [("overwritten", 0), ("dropped", 0)]);
    }

    #[test]
    fn a_secret_is_not_shown_by_what_holds_it() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "they are looked at by `Debug`")]
        struct Settings {
            key: Secret,
            pin: Option<Secret<u32>>,
            all: Vec<Secret<Vec<u8>>>,
        }
        let settings =
            Settings { key: "hunter2".into(), pin: Some(Secret::new(1234)), all: vec![vec![77].into()] };
        let shown = format!("{settings:?} {settings:#?}");
        assert!(shown.contains("key: Secret(…)"), "{shown}");
        assert!(!["hunter2", "1234", "77"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }

    #[test]
    fn secrets_are_the_same_only_where_every_byte_is() {
        let key = Secret::from("hunter2");
        assert!(key == "hunter2".into() && key.is("hunter2"));
        for other in ["hunter1", "Hunter2", "hunter", "hunter22", ""] {
            assert!(key != other.into() && !key.is(other), "{other}");
        }
        assert!(
            Secret::new([1_u8, 2]) == Secret::new([1, 2]) && Secret::new([1_u8, 2]) != Secret::new([1, 3])
        );
    }

    #[test]
    fn a_copy_outlives_what_it_was_copied_from() {
        let key = Secret::from("hunter2");
        let copy = key.clone();
        drop(key);
        assert_eq!(copy.expose(), "hunter2");
    }
}
