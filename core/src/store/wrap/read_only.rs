//! Lets nothing be written.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{forward::forward, unsupported};
use crate::{
    future::BoxFuture,
    store::{Capabilities, Condition, Entry, Key, Partition, Put, Store, StoreError, Write},
};

/// A store that reads another one and writes nothing: every write is
/// [`Unsupported`](crate::store::StoreErrorKind::Unsupported).
///
/// It is neither atomic nor does it offer transactions, since those are writes; all else it can do is what the store below
/// can. A wrapper around it that writes by itself, as [`Encrypted::rewriting`](super::Encrypted::rewriting) does, writes
/// nothing either.
///
/// ```
/// # use edgemcp::{platform::Platform, store::wrap::ReadOnly};
/// # fn example(platform: &Platform) -> ReadOnly {
/// ReadOnly::new(platform.store().clone())
/// # }
/// ```
pub struct ReadOnly {
    below: Arc<dyn Store>,
}

impl ReadOnly {
    /// It reads `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { below: store }
    }

    fn refuse<T: Send + 'static>(
        &self,
        operation: &'static str,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let name = self.below.capabilities().name;
        let why =
            format!("{name} is open for reading only (write through a store without `ReadOnly` around it)");
        Box::pin(std::future::ready(Err(unsupported(operation, why))))
    }
}

impl Store for ReadOnly {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic: false, transactions: false, ..self.below.capabilities() }
    }

    forward! { below: get list get_many watch }

    fn put<'a>(&'a self, _: &'a Key, _: Bytes, _: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.refuse("put")
    }

    fn delete<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.refuse("delete")
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
        _: &'a Key,
        _: i64,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.refuse("increment")
    }

    fn put_many<'a>(&'a self, _: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.refuse("put_many")
    }

    fn transact<'a>(&'a self, _: &'a Partition, _: &'a [Write]) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.refuse("transact")
    }
}

impl fmt::Debug for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnly").field("store", &self.below.capabilities()).finish()
    }
}
