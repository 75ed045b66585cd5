//! Keeps the results of a handler's own calls for a while, in the store.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    finite,
    platform::{Log, LogLevel, Platform},
    store::{Consistency, Key, KeyError, Partition, Store, StoreError},
};

/// The largest result that a [`Cache`] keeps, in bytes of JSON, unless it is said otherwise.
pub const CACHED_BYTES_MAX: usize = 256 << 10;

/// Results that are good for a while, by the text that says what was asked.
///
/// They are kept as JSON in the platform's [store](Platform::store), so all instances share them where the store is
/// shared, and each ends after its own time. Any text is a key; it is hashed. What is no result is not kept: neither an
/// error nor `null`, such as `None`, so that what comes into being is found at once.
///
/// A cache never fails a call: where the store does not answer, or what it has cannot be read as `T` (another version
/// wrote it), the call is made, and the log says why. Reads are [`Eventual`](Consistency::Eventual), so a result that was
/// just replaced can be read once more.
///
/// Calls that miss at the same moment are all made, in one instance as in several. They could wait for one of them only
/// by awaiting another request's future, which Workers forbid.
///
/// The key must name all that the result depends on. Where it depends on who asks, that is part of it: results of one
/// user under a key that another user asks for too are a leak.
///
/// ```
/// use std::time::Duration;
///
/// use edgemcp::{cache::Cache, platform::FetchError, prelude::*};
///
/// /// Look up what a currency is worth today.
/// #[tool]
/// async fn rate(cx: &Context, currency: String) -> Result<String, ToolError> {
///     let cache = Cache::new(cx.platform(), "rates")?;
///     let rate = cache.get_or(&currency, Duration::from_secs(3600), async || {
///         let request = http::Request::get(format!("https://rates.example/{currency}")).body(Default::default());
///         let request = request.map_err(|error| FetchError::Address(error.to_string()))?;
///         let answer = cx.platform().fetch().fetch(request).await?;
///         Ok::<_, FetchError>(String::from_utf8_lossy(answer.body()).into_owned())
///     });
///     Ok(rate.await?)
/// }
/// # assert!(Server::new("rates", "1").tool(rate::tool()).build().is_ok());
/// ```
#[derive(Clone)]
pub struct Cache {
    store: Arc<dyn Store>,
    log: Arc<dyn Log>,
    collection: String,
    value_bytes_max: usize,
}

impl Cache {
    /// The cache `name` in the store of `platform`. Results of one name are shared by all that ask for it, so what
    /// has another meaning or another type has another name.
    ///
    /// # Errors
    /// [`KeyError`] where the name cannot be part of a key: it is empty, longer than 100 bytes or so, or has a character
    /// outside printable ASCII or a `/`.
    pub fn new(platform: &Platform, name: &str) -> Result<Self, KeyError> {
        let cache = Self {
            store: platform.store().clone(),
            log: platform.log_sink().clone(),
            collection: format!("edgemcp.cache.{name}"),
            value_bytes_max: CACHED_BYTES_MAX,
        };
        // An empty name would make a collection all the same.
        Key::new(name, "i", "i")?;
        cache.key("")?;
        Ok(cache)
    }

    /// The same results in another store, such as one with a [wrapper](crate::store::wrap) around it.
    #[must_use]
    pub fn in_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// The largest result that is kept, in bytes of JSON; [`CACHED_BYTES_MAX`] unless it is said otherwise. A larger one
    /// is returned and not kept.
    #[must_use]
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// What is kept under `key`, or else what `make` comes to, which is then kept for `ttl`.
    ///
    /// # Errors
    /// That of `make`, and no other.
    pub async fn get_or<T, E, F>(&self, key: &str, ttl: Duration, make: impl FnOnce() -> F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, E>>,
    {
        if let Some(found) = self.find(key).await {
            return Ok(found);
        }
        let made = make().await?;
        // Written out before the store is waited for, so that `T` need not be `Sync`.
        if let Some(json) = self.to_be_kept(&made) {
            self.keep(key, json, ttl).await;
        }
        Ok(made)
    }

    /// Forgets what is kept under `key`.
    ///
    /// # Errors
    /// That of the store: what was to be forgotten may still be there.
    pub async fn forget(&self, key: &str) -> Result<(), StoreError> {
        self.store.delete(&self.key(key)?).await
    }

    /// What is kept under `key` and is a `T`; where that fails the log says why.
    pub(crate) async fn find<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let found = async { self.store.get(&self.key(key)?, Consistency::Eventual).await };
        match found.await {
            Ok(found) => serde_json::from_slice(&found?.value)
                .inspect_err(|_| self.warn("has another type than is asked for; it is made again"))
                .ok(),
            Err(error) => {
                self.warn(&format!("could not be read: {error}"));
                None
            }
        }
    }

    fn to_be_kept<T: Serialize>(&self, made: &T) -> Option<Bytes> {
        let json = match finite::to_raw_json(made) {
            Ok(json) => String::from(Box::<str>::from(json)),
            Err(why) => {
                self.warn(&format!("could not be kept: {why}"));
                return None;
            }
        };
        if json.len() > self.value_bytes_max {
            let (bytes, max) = (json.len(), self.value_bytes_max);
            self.warn(&format!("was not kept: it has {bytes} bytes, more than {max}"));
            return None;
        }
        (json != "null").then(|| json.into())
    }

    /// Keeps `json` under `key`, and says whether that went well; where not, so does the log.
    pub(crate) async fn keep(&self, key: &str, json: Bytes, ttl: Duration) -> bool {
        let kept = async { self.store.put(&self.key(key)?, json, Some(ttl)).await };
        let kept = kept.await;
        if let Err(error) = &kept {
            self.warn(&format!("could not be kept: {error}"));
        }
        kept.is_ok()
    }

    /// Each in a partition of its own, so that no partition takes the load of the whole cache.
    fn key(&self, key: &str) -> Result<Key, KeyError> {
        Partition::of_text(self.collection.as_str(), key)?.item("result")
    }

    fn warn(&self, what: &str) {
        self.log.log(LogLevel::Warning, &format!("a result of {} {what}", self.collection));
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("collection", &self.collection)
            .field("store", &self.store.capabilities())
            .finish_non_exhaustive()
    }
}
