//! Refuses values past a size.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{forward::forward, too_large};
use crate::{
    future::BoxFuture,
    store::{Action, Capabilities, Condition, Key, Partition, Put, Store, StoreError, Write},
};

/// A store that takes no values past a size: a longer one is
/// [`TooLarge`](crate::store::StoreErrorKind::TooLarge), with its size and the limit, and leaves what was there.
///
/// Of many that are written at once, and of a transaction, one that is too large refuses all of them before anything is
/// written. What it can do is what the store below can; the smaller of both limits holds.
///
/// ```
/// # use edgemcp::{platform::Platform, store::wrap::SizeLimited};
/// # fn example(platform: &Platform) -> SizeLimited {
/// SizeLimited::new(platform.store().clone(), 64 << 10)
/// # }
/// ```
pub struct SizeLimited {
    below: Arc<dyn Store>,
    bytes_max: usize,
}

impl SizeLimited {
    /// It takes values of `bytes_max` bytes at the most into `store`.
    pub fn new(store: Arc<dyn Store>, bytes_max: usize) -> Self {
        Self { below: store, bytes_max }
    }

    fn check(&self, operation: &'static str, key: &Key, value: &Bytes) -> Result<(), StoreError> {
        match value.len() > self.bytes_max {
            true => Err(too_large(operation, key, value.len(), self.bytes_max)),
            false => Ok(()),
        }
    }

    fn check_writes(&self, partition: &Partition, writes: &[Write]) -> Result<(), StoreError> {
        writes.iter().try_for_each(|write| match &write.action {
            Action::Put { value, .. } if value.len() > self.bytes_max => {
                self.check("transact", &partition.item(write.item.as_str())?, value)
            }
            Action::Put { .. } | Action::Delete | Action::Check => Ok(()),
        })
    }
}

fn refused<T: Send + 'static>(error: StoreError) -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(std::future::ready(Err(error)))
}

impl Store for SizeLimited {
    fn capabilities(&self) -> Capabilities {
        let below = self.below.capabilities();
        let value_bytes_max = below.value_bytes_max.map_or(self.bytes_max, |max| max.min(self.bytes_max));
        Capabilities { value_bytes_max: Some(value_bytes_max), ..below }
    }

    forward! { below: get delete take increment list get_many watch }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        match self.check("put", key, &value) {
            Ok(()) => self.below.put(key, value, ttl),
            Err(error) => refused(error),
        }
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        match self.check("put_if", key, &value) {
            Ok(()) => self.below.put_if(key, value, ttl, condition),
            Err(error) => refused(error),
        }
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        match puts.iter().try_for_each(|put| self.check("put_many", &put.key, &put.value)) {
            Ok(()) => self.below.put_many(puts),
            Err(error) => refused(error),
        }
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        match self.check_writes(partition, writes) {
            Ok(()) => self.below.transact(partition, writes),
            Err(error) => refused(error),
        }
    }
}

impl fmt::Debug for SizeLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SizeLimited")
            .field("store", &self.below.capabilities())
            .field("bytes_max", &self.bytes_max)
            .finish()
    }
}
