//! Puts a prefix before every collection.

use std::{fmt, sync::Arc, time::Duration};

use ::base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::digest::{SHA256, digest};

use super::forward::forward;
use crate::{
    future::{BoxFuture, BoxStream},
    store::{
        Condition, Consistency, Entry, KEY_PART_BYTES_MAX, Key, KeyError, Page, Partition, Put, Store,
        StoreError, Write,
    },
};

/// The longest prefix that [`Prefixed`] takes, in bytes.
pub const PREFIX_BYTES_MAX: usize = 64;

/// A store whose collections all begin with a prefix, so that several servers share one table, one namespace, one file.
///
/// The entry `users/7/profile` stands in the store below as `shop.users/7/profile`. A collection that is too long with the
/// prefix is cut and has a hash (SHA-256) at its end. Stores of two prefixes have no entry in common, since a prefix has
/// no dot; a store without a prefix reaches the entries of all.
///
/// Whoever wraps both ways: the key that [`Encrypted`](super::Encrypted) binds a value to is the one it sees, which has
/// the prefix where `Prefixed` is outside. What it can do is what the store below can.
///
/// ```
/// # use edgemcp::{platform::Platform, store::wrap::{PrefixError, Prefixed}};
/// # fn example(platform: &Platform) -> Result<Prefixed, PrefixError> {
/// Prefixed::new(platform.store().clone(), "shop")
/// # }
/// ```
pub struct Prefixed {
    below: Arc<dyn Store>,
    prefix: String,
}

/// A prefix that no collection can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixError(String);

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PrefixError {}

impl Prefixed {
    /// It puts `prefix` and a dot before every collection in `store`.
    ///
    /// # Errors
    /// [`PrefixError`] where the prefix is empty, has more than [`PREFIX_BYTES_MAX`] bytes, a dot, or what no
    /// [`Key`] takes.
    pub fn new(store: Arc<dyn Store>, prefix: impl Into<String>) -> Result<Self, PrefixError> {
        let prefix = prefix.into();
        if prefix.len() > PREFIX_BYTES_MAX {
            let bytes = prefix.len();
            return Err(PrefixError(format!("the prefix has {bytes} bytes, more than {PREFIX_BYTES_MAX}")));
        }
        if prefix.contains('.') {
            return Err(PrefixError(format!(
                "the prefix {prefix:?} has a dot, which stands between prefix and collection (use `-`)"
            )));
        }
        if let Err(error) = Partition::new(prefix.as_str(), "i") {
            return Err(PrefixError(format!("the prefix is no collection: {error}")));
        }
        Ok(Self { below: store, prefix })
    }

    fn partition(&self, partition: &Partition) -> Result<Partition, KeyError> {
        let whole = format!("{}.{}", self.prefix, partition.collection());
        // One at the very limit is cut too. So those that were cut are all of one length, which no other has, and no
        // collection can be named as another one is cut.
        if whole.len() < KEY_PART_BYTES_MAX {
            return Partition::new(whole, partition.id());
        }
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, partition.collection().as_bytes()));
        let head: String = whole.chars().take(KEY_PART_BYTES_MAX - 1 - hash.len()).collect();
        Partition::new(format!("{head}~{hash}"), partition.id())
    }

    fn key(&self, key: &Key) -> Result<Key, KeyError> {
        self.partition(key.partition())?.item(key.item())
    }
}

impl Store for Prefixed {
    forward! { below: capabilities }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move { self.below.get(&self.key(key)?, consistency).await })
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.below.put(&self.key(key)?, value, ttl).await })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.below.delete(&self.key(key)?).await })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move { self.below.take(&self.key(key)?).await })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.below.put_if(&self.key(key)?, value, ttl, condition).await })
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(async move { self.below.increment(&self.key(key)?, by, ttl).await })
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move { self.below.list(&self.partition(partition)?, after, limit).await })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let keys = keys.iter().map(|key| self.key(key)).collect::<Result<Vec<_>, _>>()?;
            self.below.get_many(&keys, consistency).await
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let puts = puts.iter().map(|put| Ok(Put::new(self.key(&put.key)?, put.value.clone(), put.ttl)));
            self.below.put_many(&puts.collect::<Result<Vec<_>, KeyError>>()?).await
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.below.transact(&self.partition(partition)?, writes).await })
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        Box::pin(async move { self.below.watch(&self.partition(partition)?).await })
    }
}

impl fmt::Debug for Prefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefixed")
            .field("store", &self.below.capabilities())
            .field("prefix", &self.prefix)
            .finish()
    }
}
