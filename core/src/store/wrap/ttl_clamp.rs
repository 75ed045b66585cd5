//! Keeps the time that entries live within bounds.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::forward::forward;
use crate::{
    future::BoxFuture,
    store::{Action, Condition, Key, Partition, Put, Store, StoreError, Write},
};

/// A store whose entries live neither shorter nor longer than is allowed: a TTL outside is taken for the nearest one
/// inside, and an entry without one lives as long as is said, for ever unless something is.
///
/// A counter that is there keeps its end, as it does in every store. What it can do is what the store below can.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::{platform::Platform, store::wrap::TtlClamp};
/// # fn example(platform: &Platform) -> TtlClamp {
/// let (minute, month) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
/// // Nothing stays for ever, which a table that nobody tidies up is grateful for.
/// TtlClamp::new(platform.store().clone(), minute, month).without(month)
/// # }
/// ```
pub struct TtlClamp {
    below: Arc<dyn Store>,
    min: Duration,
    max: Duration,
    without: Option<Duration>,
}

impl TtlClamp {
    /// Entries of `store` live `min` at the least and `max` at the most; where `min` is more than `max`, `max` holds.
    pub fn new(store: Arc<dyn Store>, min: Duration, max: Duration) -> Self {
        Self { below: store, min, max, without: None }
    }

    /// How long an entry lives that is put without a TTL.
    #[must_use]
    pub fn without(mut self, ttl: Duration) -> Self {
        self.without = Some(ttl);
        self
    }

    fn ttl(&self, ttl: Option<Duration>) -> Option<Duration> {
        ttl.map(|ttl| ttl.max(self.min).min(self.max)).or(self.without)
    }
}

impl Store for TtlClamp {
    forward! { below: capabilities get delete take list get_many watch }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.below.put(key, value, self.ttl(ttl))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.below.put_if(key, value, self.ttl(ttl), condition)
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.below.increment(key, by, self.ttl(ttl))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let puts: Vec<_> = puts.iter().map(|put| Put { ttl: self.ttl(put.ttl), ..put.clone() }).collect();
            self.below.put_many(&puts).await
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let clamped = |write: &Write| match &write.action {
            Action::Put { value, ttl } => {
                let action = Action::Put { value: value.clone(), ttl: self.ttl(*ttl) };
                Write { action, ..write.clone() }
            }
            Action::Delete | Action::Check => write.clone(),
        };
        Box::pin(async move {
            let writes: Vec<_> = writes.iter().map(clamped).collect();
            self.below.transact(partition, &writes).await
        })
    }
}

impl fmt::Debug for TtlClamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlClamp")
            .field("store", &self.below.capabilities())
            .field("min", &self.min)
            .field("max", &self.max)
            .field("without", &self.without)
            .finish()
    }
}
