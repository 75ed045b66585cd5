//! Stands where a platform was given no store, and says what to configure.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Store, StoreError, StoreErrorKind,
};
use crate::future::BoxFuture;

/// The store of a platform that was given none: every operation says what to configure.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl NoStore {
    fn refuse<T>(operation: &'static str) -> BoxFuture<'static, Result<T, StoreError>>
    where
        T: Send + 'static,
    {
        Box::pin(std::future::ready(Err(StoreError::new(
            StoreErrorKind::Unsupported,
            operation,
            "no store is configured for this server (Workers: bind a KV namespace as `EDGEMCP_STORE`; Lambda: set \
             `EDGEMCP_TABLE`, or `EDGEMCP_REDIS_URL`; natively SQLite is the default)",
        ))))
    }
}

impl Store for NoStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "no store",
            durable: false,
            shared: false,
            consistent: false,
            atomic: false,
            transactions: false,
            watch: false,
            value_bytes_max: Some(0),
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, _: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Self::refuse("get")
    }

    fn put<'a>(&'a self, _: &'a Key, _: Bytes, _: Option<Duration>) -> BoxFuture<'a, Result<(), StoreError>> {
        Self::refuse("put")
    }

    fn delete<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Self::refuse("delete")
    }

    fn take<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Self::refuse("take")
    }

    fn put_if<'a>(
        &'a self,
        _: &'a Key,
        _: Bytes,
        _: Option<Duration>,
        _: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Self::refuse("put_if")
    }

    fn increment<'a>(
        &'a self,
        _: &'a Key,
        _: i64,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Self::refuse("increment")
    }

    fn list<'a>(
        &'a self,
        _: &'a Partition,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Self::refuse("list")
    }
}
