//! The external store on DynamoDB: one table, conditional writes, expiry checked on every read.
//!
//! | attribute | type | what it holds |
//! | --- | --- | --- |
//! | `pk` | S, partition key | `collection/id`, so that a collection spreads over many partitions |
//! | `sk` | S, sort key | the item |
//! | `v` | B | the value |
//! | `n` | N | the value instead of `v`, where it is the decimal digits of an `i64`: a counter, which can be added to |
//! | `large_id`, `large_parts`, `large_bytes`, `large_sha256` | S, N, N, B | instead of `v`, where the value is too large for one item: what its parts are called, how many there are, how long it is, its digest |
//! | `expires_ms` | N | when the entry ends, exactly; absent where it does not |
//! | `ttl` | N | the same in whole seconds, rounded up: the table's TTL attribute, for DynamoDB's own deletion |
//!
//! The parts of a large value have items of their own, where no listing of a partition meets them:
//!
//! | attribute | type | what it holds |
//! | --- | --- | --- |
//! | `pk` | S, partition key | `collection/id/item/large_id` |
//! | `sk` | S, sort key | `0000`, `0001`, … |
//! | `v` | B | so much of the value |
//! | `written_ms` | N | when it was written |
//! | `ttl` | N | a day after the entry's own; absent where it does not end |
//!
//! They are written before the item that names them and deleted after it. So the entry changes in one write, whatever its
//! size, and a reader has one value or another, never some of each. What may be left of them, unseen by every operation:
//! the parts of a write that ended half-way or whose answer was lost, and of a value that `put_many` has put a small one
//! over (a batch does not tell what was there). DynamoDB deletes them with their `ttl`; where the entry has no end,
//! `purge_expired` does, once they are an hour old.

mod batch;
mod client;
mod config;
mod error;
mod expected;
mod increment;
mod item;
mod large;
mod list;
mod pause;
mod survey;
mod transact;
mod write;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError,
        StoreErrorKind, Write,
    },
};
use tokio::sync::OnceCell;

pub(crate) use self::config::TABLE;
pub use self::{
    client::OPERATION_TIMEOUT,
    config::{DynamoDbConfig, DynamoDbCredentials, SPLIT_VALUE_BYTES_MAX, VALUE_BYTES_MAX},
    item::ITEM_VALUE_BYTES_MAX,
};
use self::{client::limited, expected::Expected};
use crate::fetch::Https;

/// A store on one DynamoDB table. Its client is made when it is first used.
///
/// ```no_run
/// # use std::sync::Arc;
/// use edgemcp_lambda::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore};
/// # fn example(clock: Arc<dyn edgemcp::platform::Clock>) {
/// let credentials = DynamoDbCredentials::new("access key id", "secret access key", None);
/// let store = DynamoDbStore::new(DynamoDbConfig::new("calculator", "eu-central-1", credentials), clock);
/// # }
/// ```
///
/// What is asked for again is what may help: reads, `put` and `put_many` where no answer came, a transaction too, which
/// DynamoDB knows by its token; `put_if`, `take`, `delete` and `increment` only where DynamoDB says that they did not
/// happen, since an answer that is lost does not tell. Between two attempts there is a pause, each longer than the one
/// before and partly drawn at random. A `put` that is sent again can go over what somebody else has put in those seconds:
/// where that matters take `put_if`.
///
/// # Limits
/// A value has at most [`VALUE_BYTES_MAX`] bytes, or what [`DynamoDbConfig::value_bytes_max`] says. One that is larger
/// than [`ITEM_VALUE_BYTES_MAX`] is split over several items, which are a request more for every operation on it. The
/// values of a transaction that are not split have 4 MiB in all. An operation ends after [`OPERATION_TIMEOUT`], and where
/// it is about many entries, each batch of them. A page of a listing ends after 4 MiB of values.
pub struct DynamoDbStore {
    config: DynamoDbConfig,
    clock: Arc<dyn Clock>,
    https: Arc<Https>,
    client: OnceCell<Client>,
}

impl DynamoDbStore {
    /// A store on the table of `config` that takes its time from `clock`.
    pub fn new(config: DynamoDbConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, https: Arc::default(), client: OnceCell::new() }
    }

    /// The same store over an HTTPS client that others use too.
    pub(crate) fn sharing(mut self, https: Arc<Https>) -> Self {
        self.https = https;
        self
    }

    /// Makes the table, for local development and tests; nothing happens where it is there. In production the table
    /// is part of the deployment, which also switches on its TTL attribute `ttl`.
    ///
    /// # Errors
    /// [`StoreError`] where DynamoDB does not answer or refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let client = self.client.get_or_init(async || client::client(&self.config, &self.https)).await;
        client::create_table(client, &self.config).await
    }

    async fn client(&self) -> Result<&Client, StoreError> {
        let make = async || {
            let client = client::client(&self.config, &self.https);
            if self.config.creates_table() {
                client::create_table(&client, &self.config).await?;
            }
            Ok(client)
        };
        self.client.get_or_try_init(make).await
    }

    fn end(&self, ttl: Option<Duration>) -> Option<Timestamp> {
        ttl.map(|ttl| self.clock.now().after(ttl))
    }

    /// Checks that a value is no larger than is configured.
    fn check_size(&self, operation: &'static str, value: &Bytes) -> Result<(), StoreError> {
        let (bytes, max) = (value.len(), self.config.value_bytes_max);
        if bytes <= max {
            return Ok(());
        }
        let detail = format!("the value has {bytes} bytes, more than the {max} that this table takes");
        Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
    }
}

impl std::fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDbStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Store for DynamoDbStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "DynamoDB",
            durable: true,
            shared: true,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: false,
            value_bytes_max: Some(self.config.value_bytes_max),
            ttl_min: None,
        }
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(limited("get", async move {
            match self.head("get", key, consistency).await? {
                Some(head) => self.load("get", key, head).await,
                None => Ok(None),
            }
        }))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(limited("put", async move {
            self.check_size("put", &value)?;
            self.put_anyway("put", key, value, ttl).await
        }))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(limited("delete", self.delete_anyway(key)))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(limited("take", self.take_now(key)))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(limited("put_if", async move {
            self.check_size("put_if", &value)?;
            let entry = Entry { value, expires_at: self.end(ttl) };
            self.put_where("put_if", key, entry, Expected::from(Some(&condition))).await
        }))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(limited("increment", increment::increment(self, key, by, ttl)))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(limited("list", self.list_page(partition, after, limit)))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(self.get_each(keys, consistency))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.put_each(puts))
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(limited("transact", self.transact_all(partition, writes)))
    }
}
