//! Opens the store that a URL among the function's variables names.

use std::sync::Arc;

use edgemcp::{
    platform::{Clock, Vars},
    store::{Store, StoreOpener},
};

/// The variable that names a store by its URL.
pub(crate) const STORE_URL: &str = "EDGEMCP_REDIS_URL";

/// The store that the variable names, or `None` where it names none.
///
/// # Errors
/// Where nothing opens it, or it cannot be meant. The URL is not in the text, since a password may be in it.
pub(crate) fn store(
    vars: &dyn Vars,
    openers: &[StoreOpener],
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Store>>, String> {
    let Some(url) = vars.var(STORE_URL) else { return Ok(None) };
    if let Some(opener) = openers.iter().find(|opener| opener.opens(&url)) {
        return opener.open(&url, clock.clone()).map(Some).map_err(|error| format!("`{STORE_URL}`: {error}"));
    }
    if openers.is_empty() {
        return Err(format!(
            "`{STORE_URL}` is set, and this function was built without that store (add the crate `edgemcp-redis`, and \
             run the server with `edgemcp_lambda::Program::new(server).store(edgemcp_redis::opener()).run()`)"
        ));
    }
    let schemes: Vec<_> =
        openers.iter().flat_map(StoreOpener::schemes).map(|name| format!("{name}://")).collect();
    Err(format!("`{STORE_URL}` is no URL that this function opens (there are {})", schemes.join(", ")))
}

#[cfg(test)]
mod tests {
    use edgemcp::{
        future::BoxFuture,
        platform::Timestamp,
        store::{MemoryStore, StoreError, StoreErrorKind},
    };

    use super::*;

    struct Set(Option<&'static str>);

    impl Vars for Set {
        fn var(&self, name: &str) -> Option<String> {
            self.0.filter(|_| name == STORE_URL).map(str::to_owned)
        }
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
        fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn shelf() -> StoreOpener {
        StoreOpener::new(&["shelf", "shelves"], |url, clock| match url {
            "shelf://full" => Err(StoreError::new(StoreErrorKind::Denied, "open", "it is full")),
            _ => Ok(Arc::new(MemoryStore::new(clock))),
        })
    }

    fn of(url: Option<&'static str>, openers: &[StoreOpener]) -> Result<bool, String> {
        let clock: Arc<dyn Clock> = Arc::new(Still);
        store(&Set(url), openers, &clock).map(|store| store.is_some())
    }

    #[test]
    fn a_url_is_opened_by_who_opens_its_scheme_and_another_is_refused_without_being_shown() {
        assert_eq!(of(None, &[]), Ok(false));
        assert_eq!(of(None, &[shelf()]), Ok(false));
        assert_eq!(of(Some("shelves://any"), &[shelf()]), Ok(true));
        for (url, openers, parts) in [
            ("redis://u:s3cret@h", &[][..], ["edgemcp-redis", "Program::new(server).store("]),
            ("redis://u:s3cret@h", &[shelf()], ["EDGEMCP_REDIS_URL", "shelf://, shelves://"]),
            ("s3cret", &[shelf()], ["no URL", "shelf://"]),
            ("shelf://full", &[shelf()], ["EDGEMCP_REDIS_URL", "it is full"]),
        ] {
            let problem = of(Some(url), openers).unwrap_err();
            assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}
