//! Reads the text of one variable into the type of a field.

use std::{
    any::{Any, TypeId},
    borrow::Cow,
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use super::secret::{Secret, Zeroize};
use crate::limits;

/// What a variable can be read into.
///
/// | type | how it is written |
/// | --- | --- |
/// | any [`FromStr`] whose error is [`Display`] (texts, numbers, addresses, enums of your own) | as that reads it |
/// | `bool` | `true`, `yes`, `on`, `1`; `false`, `no`, `off`, `0` |
/// | [`Duration`] | a whole number and its unit: `250ms`, `30s`, `5m`, `2h`, `1d` |
/// | `Vec<T>` | a list, separated by commas |
/// | `Option<T>` | as `T`; it need not be set |
/// | [`Secret<T>`] | as `T`; it is never repeated in an error |
///
/// They nest: `Option<Vec<Secret<String>>>` is one too. A type of your own is one by its [`FromStr`]. `Form` says which
/// line of the table a type falls under, and is found by the compiler.
///
/// ```
/// use std::str::FromStr;
///
/// use edgemcp::prelude::*;
///
/// enum Order {
///     Newest,
///     Title,
/// }
///
/// impl FromStr for Order {
///     type Err = &'static str;
///
///     fn from_str(text: &str) -> Result<Self, Self::Err> {
///         match text {
///             "newest" => Ok(Self::Newest),
///             "title" => Ok(Self::Title),
///             _ => Err("notes are ordered by newest or title"),
///         }
///     }
/// }
///
/// #[derive(Config)]
/// struct Settings {
///     order: Order,
/// }
///
/// let wrong = Settings::from_vars(&[("ORDER", "size")]).err().unwrap();
/// assert!(wrong.to_string().starts_with("`ORDER` is \"size\": notes are ordered by newest or title"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a variable",
    label = "no text is read into this",
    note = "take a text, a number, `bool`, `Duration`, `Vec<…>`, `Option<…>` or `Secret<…>`, or implement `FromStr` for `{Self}` with an error that is `Display`",
    note = "a type that derives `Config` has variables of its own: mark the field with `#[config(nested)]`"
)]
pub trait Setting<Form>: Sized {
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// What is expected, as it stands behind "it takes"; `None` where only the type's own errors tell.
    fn expected() -> Option<Cow<'static, str>>;

    /// Reads `text`, which is not empty.
    ///
    /// # Errors
    /// What is wrong, where [`expected`](Self::expected) does not say it all. It may repeat the text.
    fn read(text: &str) -> Result<Self, Option<String>>;

    /// What the value is where the variable is not set; `None` where it must be set.
    fn unset() -> Option<Self> {
        None
    }
}

/// A type that reads itself.
#[derive(Debug)]
pub struct Plain;

/// A duration.
#[derive(Debug)]
pub struct Time;

/// A list of what is of the form `F`.
#[derive(Debug)]
pub struct List<F>(F);

/// What need not be set, and is of the form `F`.
#[derive(Debug)]
pub struct Maybe<F>(F);

/// A secret of the form `F`.
#[derive(Debug)]
pub struct Hidden<F>(F);

impl<T> Setting<Plain> for T
where
    T: FromStr + 'static,
    T::Err: Display,
{
    fn expected() -> Option<Cow<'static, str>> {
        expected(TypeId::of::<T>())
    }

    fn read(text: &str) -> Result<Self, Option<String>> {
        let mut read = None::<T>;
        // The one type that reads more than its `FromStr` does, which a trait cannot tell apart.
        if let Some(flag) = (&mut read as &mut dyn Any).downcast_mut::<Option<bool>>() {
            *flag = Some(truth(text).ok_or(None)?);
        }
        match read {
            Some(value) => Ok(value),
            // The standard library's errors say less than what is expected.
            None => text.parse().map_err(|why: T::Err| match Self::expected() {
                Some(_) => None,
                None => Some(limits::cut(&why.to_string()).into_owned()),
            }),
        }
    }
}

impl Setting<Time> for Duration {
    fn expected() -> Option<Cow<'static, str>> {
        Some("a time such as 250ms, 30s, 5m, 2h or 1d".into())
    }

    fn read(text: &str) -> Result<Self, Option<String>> {
        let text = text.trim();
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let count: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| None)?;
        let seconds = |each: u64| count.checked_mul(each).map(Self::from_secs);
        let duration = match unit.trim_start() {
            "ms" => Some(Self::from_millis(count)),
            "s" => seconds(1),
            "m" => seconds(60),
            "h" => seconds(60 * 60),
            "d" => seconds(24 * 60 * 60),
            _ => None,
        };
        duration.ok_or(None)
    }
}

impl<T: Setting<F>, F> Setting<List<F>> for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn expected() -> Option<Cow<'static, str>> {
        Some(match T::expected() {
            Some(each) => format!("a list, separated by commas, each {each}").into(),
            None => "a list, separated by commas".into(),
        })
    }

    fn read(text: &str) -> Result<Self, Option<String>> {
        // A comma at the end, as of a list that is built line by line, begins nothing.
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let read = |(item, place): (&str, u32)| {
            T::read(item).map_err(|why| {
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                Some(format!("{} at place {place} is none{why}", limits::echo(item)))
            })
        };
        items.zip(1..).map(read).collect()
    }
}

impl<T: Setting<F>, F> Setting<Maybe<F>> for Option<T> {
    const SECRET: bool = T::SECRET;

    fn expected() -> Option<Cow<'static, str>> {
        T::expected()
    }

    fn read(text: &str) -> Result<Self, Option<String>> {
        T::read(text).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

impl<T: Setting<F> + Zeroize, F> Setting<Hidden<F>> for Secret<T> {
    const SECRET: bool = true;

    fn expected() -> Option<Cow<'static, str>> {
        T::expected()
    }

    fn read(text: &str) -> Result<Self, Option<String>> {
        T::read(text).map(Self::new)
    }
}

/// What people write for yes and no.
fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    match () {
        () if is(&["true", "yes", "on", "1"]) => Some(true),
        () if is(&["false", "no", "off", "0"]) => Some(false),
        () => None,
    }
}

/// What is expected of a type that the standard library reads.
fn expected(ty: TypeId) -> Option<Cow<'static, str>> {
    /// Up to the number that still tells something.
    macro_rules! ranges {
        ($($number:ty),*) => {
            $(if ty == TypeId::of::<$number>() {
                return Some(format!("a whole number from {} to {}", <$number>::MIN, <$number>::MAX).into());
            })*
        };
    }
    ranges!(u8, i8, u16, i16, u32, i32);
    let is_one = |types: &[TypeId]| types.contains(&ty);
    macro_rules! ids { ($($ty:ty),*) => { &[$(TypeId::of::<$ty>()),*] }; }
    Some(Cow::Borrowed(match () {
        () if is_one(ids!(u64, u128, usize)) => "a whole number that is not negative",
        () if is_one(ids!(i64, i128, isize)) => "a whole number",
        () if is_one(ids!(f32, f64)) => "a number",
        () if is_one(ids!(bool)) => "true or false",
        () if is_one(ids!(char)) => "one character",
        () if is_one(ids!(String)) => "a text",
        () if is_one(ids!(PathBuf)) => "a path",
        () if is_one(ids!(IpAddr)) => "an IP address",
        () if is_one(ids!(Ipv4Addr)) => "an IPv4 address, such as 127.0.0.1",
        () if is_one(ids!(Ipv6Addr)) => "an IPv6 address, such as ::1",
        () if is_one(ids!(SocketAddr)) => "an IP address and a port, such as 127.0.0.1:8000",
        () => return None,
    }))
}
