//! Goes on with a second store where the first one is unavailable.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{too_large, unsupported};
use crate::{
    future::BoxFuture,
    platform::{Log, LogLevel},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError,
        StoreErrorKind,
    },
};

/// A store that asks a second one where the first one is [`Unavailable`](StoreErrorKind::Unavailable).
///
/// Each operation is decided for itself, and nothing is carried from one store to the other. So a server goes on while its
/// store is down, and pays with consistency:
///
/// - What was written to one store is not seen in the other. While the first one is down, its entries are missing or as
///   old as the second one has them; once it is back, what was written meanwhile is gone from sight, and what was deleted
///   meanwhile is there again. Both come back with the next outage, until they end: write with a TTL.
/// - Instances need not agree which store is up, so they may see different entries at the same time.
/// - A write that the first store did not answer may have happened there, and has then happened in both.
/// - A counter counts in the store that is up, and goes on from what that one has.
///
/// It is therefore neither [`consistent`](Capabilities::consistent) nor [`atomic`](Capabilities::atomic): of two callers
/// who take an entry from two stores both would get it. [`take`](Store::take), [`put_if`](Store::put_if),
/// [`transact`](Store::transact) and [`watch`](Store::watch) are refused whatever the two stores can do. What is left is
/// good for caches, preferences and the like.
///
/// Other errors of the first store are errors: one that is throttled, or does not take a value, has answered.
///
/// ```
/// # use std::sync::Arc;
/// # use edgemcp::{platform::Platform, store::{MemoryStore, wrap::Fallback}};
/// # fn example(platform: &Platform) -> Fallback {
/// let memory = Arc::new(MemoryStore::new(platform.clock().clone()));
/// Fallback::new(platform.store().clone(), memory).log(platform.log_sink().clone())
/// # }
/// ```
pub struct Fallback {
    first: Arc<dyn Store>,
    second: Arc<dyn Store>,
    log: Option<Arc<dyn Log>>,
}

impl Fallback {
    /// It asks `first`, and `second` where that one is unavailable.
    pub fn new(first: Arc<dyn Store>, second: Arc<dyn Store>) -> Self {
        Self { first, second, log: None }
    }

    /// Says in the log whenever the second store is asked, and why.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// Does `operation` on the first store, or on the second.
    async fn either<'a, T>(
        &'a self,
        operation: impl Fn(&'a dyn Store) -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match operation(&*self.first).await {
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                if let Some(log) = &self.log {
                    let second = self.second.capabilities().name;
                    log.log(LogLevel::Warning, &format!("{error}; {second} is asked instead"));
                }
                operation(&*self.second).await
            }
            done => done,
        }
    }

    /// Refuses what only one of the two would take.
    fn check(&self, operation: &'static str, key: &Key, value: &Bytes) -> Result<(), StoreError> {
        match self.capabilities().value_bytes_max {
            Some(max) if value.len() > max => Err(too_large(operation, key, value.len(), max)),
            _ => Ok(()),
        }
    }

    fn refuse<T: Send + 'static>(
        &self,
        operation: &'static str,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (first, second) = (self.first.capabilities().name, self.second.capabilities().name);
        let why = format!(
            "{first} with {second} to fall back on cannot say that something happens once, or tell of every change (ask \
             one store, without `Fallback`)"
        );
        Box::pin(std::future::ready(Err(unsupported(operation, why))))
    }
}

impl Store for Fallback {
    fn capabilities(&self) -> Capabilities {
        let (first, second) = (self.first.capabilities(), self.second.capabilities());
        Capabilities {
            name: first.name,
            durable: first.durable && second.durable,
            shared: first.shared && second.shared,
            consistent: false,
            atomic: false,
            transactions: false,
            watch: false,
            value_bytes_max: first.value_bytes_max.into_iter().chain(second.value_bytes_max).min(),
            ttl_min: first.ttl_min.into_iter().chain(second.ttl_min).max(),
        }
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(self.either(move |store| store.get(key, consistency)))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.check("put", key, &value)?;
            self.either(move |store| store.put(key, value.clone(), ttl)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.either(move |store| store.delete(key)))
    }

    fn take<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.refuse("take")
    }

    fn put_if<'a>(
        &'a self,
        _: &'a Key,
        _: Bytes,
        _: Option<Duration>,
        _: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.refuse("put_if")
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(self.either(move |store| store.increment(key, by, ttl)))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.either(move |store| store.list(partition, after, limit)))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(self.either(move |store| store.get_many(keys, consistency)))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            puts.iter().try_for_each(|put| self.check("put_many", &put.key, &put.value))?;
            self.either(move |store| store.put_many(puts)).await
        })
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("first", &self.first.capabilities())
            .field("second", &self.second.capabilities())
            .finish_non_exhaustive()
    }
}
