//! The external store on DynamoDB: one table, conditional writes, expiry checked on every read.
//!
//! | attribute | type | what it holds |
//! | --- | --- | --- |
//! | `pk` | S, partition key | `collection/id`, so that a collection spreads over many partitions |
//! | `sk` | S, sort key | the item |
//! | `v` | B | the value |
//! | `n` | N | the value instead of `v`, where it is the decimal digits of an `i64`: a counter, which can be added to |
//! | `expires_ms` | N | when the entry ends, exactly; absent where it does not |
//! | `ttl` | N | the same in whole seconds, rounded up: the table's TTL attribute, for DynamoDB's own deletion |

mod client;
mod config;
mod error;
mod increment;
mod item;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValue},
};
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Store, StoreError,
        StoreErrorKind,
    },
};
use tokio::sync::OnceCell;

pub(crate) use self::config::TABLE;
pub use self::{
    client::OPERATION_TIMEOUT,
    config::{DynamoDbConfig, DynamoDbCredentials},
    item::VALUE_BYTES_MAX,
};
use self::{
    client::{Throttled, once},
    error::failed,
    item::{PARTITION, SORT, attributes, decode, encode, sort_key},
};
use crate::fetch::Https;

/// The condition of a write over no entry, or over one that has ended.
const ABSENT: &str = "attribute_not_exists(pk) OR expires_ms <= :now";

/// The condition of an entry that has not ended.
const LIVE: &str = "(attribute_not_exists(expires_ms) OR expires_ms > :now)";

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
/// # Limits
/// A value has at most [`VALUE_BYTES_MAX`] bytes. Each call of DynamoDB ends after [`OPERATION_TIMEOUT`]. Reads and plain
/// writes are one call, tried three times within it; a write that must happen once is called again only where DynamoDB
/// says that it did not happen, and an increment of a counter that others make and end meanwhile takes several.
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

    /// Puts an entry where `condition` holds, and says whether it did.
    async fn put_where(
        &self,
        operation: &'static str,
        key: &Key,
        entry: &Entry,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let mut throttled = Throttled::new(&*self.clock);
        loop {
            let mut put = client
                .put_item()
                .table_name(self.config.table())
                .set_item(Some(attributes(key, entry)))
                .condition_expression(condition);
            for (name, value) in values {
                put = put.expression_attribute_values(*name, value.clone());
            }
            let Err(error) = put.customize().config_override(once()).send().await else { return Ok(true) };
            if let Some(PutItemError::ConditionalCheckFailedException(_)) = error.as_service_error() {
                return Ok(false);
            }
            throttled.pause(failed(operation, &self.config, &error)).await?;
        }
    }

    /// The current moment as an attribute.
    fn now(&self) -> AttributeValue {
        item::number(self.clock.now().as_millis())
    }
}

impl std::fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDbStore").field("config", &self.config).finish_non_exhaustive()
    }
}

fn check_size(operation: &'static str, value: &Bytes) -> Result<(), StoreError> {
    if value.len() <= VALUE_BYTES_MAX {
        return Ok(());
    }
    let detail =
        format!("the value has {} bytes, more than the {VALUE_BYTES_MAX} of a DynamoDB item", value.len());
    Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
}

impl Store for DynamoDbStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "DynamoDB",
            durable: true,
            shared: true,
            consistent: true,
            atomic: true,
            transactions: false,
            watch: false,
            value_bytes_max: Some(VALUE_BYTES_MAX),
            ttl_min: None,
        }
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let answer = self
                .client()
                .await?
                .get_item()
                .table_name(self.config.table())
                .set_key(Some(item::key(key)))
                .consistent_read(consistency == Consistency::Strong)
                .send()
                .await
                .map_err(|error| failed("get", &self.config, &error))?;
            let Some(item) = answer.item() else { return Ok(None) };
            Ok(Some(decode("get", item)?).filter(|entry| entry.is_live(self.clock.now())))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check_size("put", &value)?;
            let entry = Entry { value, expires_at: self.end(ttl) };
            self.client()
                .await?
                .put_item()
                .table_name(self.config.table())
                .set_item(Some(attributes(key, &entry)))
                .send()
                .await
                .map_err(|error| failed("put", &self.config, &error))?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.client()
                .await?
                .delete_item()
                .table_name(self.config.table())
                .set_key(Some(item::key(key)))
                .send()
                .await
                .map_err(|error| failed("delete", &self.config, &error))?;
            Ok(())
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let client = self.client().await?;
            let mut throttled = Throttled::new(&*self.clock);
            let answer = loop {
                let delete = client
                    .delete_item()
                    .table_name(self.config.table())
                    .set_key(Some(item::key(key)))
                    .return_values(ReturnValue::AllOld);
                match delete.customize().config_override(once()).send().await {
                    Ok(answer) => break answer,
                    Err(error) => throttled.pause(failed("take", &self.config, &error)).await?,
                }
            };
            let Some(item) = answer.attributes() else { return Ok(None) };
            Ok(Some(decode("take", item)?).filter(|entry| entry.is_live(self.clock.now())))
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            check_size("put_if", &value)?;
            let entry = Entry { value, expires_at: self.end(ttl) };
            match condition {
                Condition::Absent => {
                    self.put_where("put_if", key, &entry, ABSENT, &[(":now", self.now())]).await
                }
                Condition::Equals(old) => {
                    // DynamoDB refuses to compare with what could never be stored.
                    if old.len() > VALUE_BYTES_MAX {
                        return Ok(false);
                    }
                    let (name, old) = encode(&old);
                    let condition = format!("{name} = :old AND {LIVE}");
                    let values = [(":old", old), (":now", self.now())];
                    self.put_where("put_if", key, &entry, &condition, &values).await
                }
            }
        })
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(increment::increment(self, key, by, ttl))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let limit = limit.clamp(1, LIST_PAGE_MAX);
            let mut query = self
                .client()
                .await?
                .query()
                .table_name(self.config.table())
                // A caller cannot ask for a fresh list, and lists are read right after writes.
                .consistent_read(true)
                .expression_attribute_values(":pk", AttributeValue::S(partition.to_string()))
                // One more than asked for tells whether this page is the last one.
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
            query = match after {
                None => query.key_condition_expression(format!("{PARTITION} = :pk")),
                Some(after) => query
                    .key_condition_expression(format!("{PARTITION} = :pk AND {SORT} > :after"))
                    .expression_attribute_values(
                        ":after",
                        AttributeValue::S(partition.item(after)?.item().to_owned()),
                    ),
            };
            let answer = query.send().await.map_err(|error| failed("list", &self.config, &error))?;
            let now = self.clock.now();
            // DynamoDB's own limit, by size, may have ended the page before ours by number.
            let read_up_to = answer.last_evaluated_key().map(|last| sort_key("list", last)).transpose()?;
            let mut page = Page { entries: Vec::new(), next: read_up_to };
            let mut previous: Option<String> = None;
            for (position, item) in answer.items().iter().enumerate() {
                if position == limit {
                    page.next = previous;
                    break;
                }
                let name = sort_key("list", item)?;
                let entry = decode("list", item)?;
                if entry.is_live(now) {
                    page.entries.push((name.clone(), entry));
                }
                previous = Some(name);
            }
            Ok(page)
        })
    }
}
