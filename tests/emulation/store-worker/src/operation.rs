//! Does one operation on a store for a driver outside, which says in JSON what there is to do, and what time it is.

use std::{future::pending, pin::pin, time::Duration};

use edgemcp::{
    platform::Timestamp,
    store::{
        Condition, Consistency, Entry, Key, KeyError, LIST_PAGE_MAX, Page, Partition, Put, Store, StoreError,
        StoreErrorKind, Write,
    },
};
use futures_util::future::{Either, select};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::Delay;

/// An operation, and the time at which the store is asked for it.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// In milliseconds since 1970; the real present where it is not said.
    pub(crate) now_ms: Option<u64>,
    /// After how long nobody waits for the store any more.
    timeout_ms: Option<u64>,
    #[serde(flatten)]
    operation: Operation,
}

/// Keys are `collection/id/item`, partitions `collection/id`, and values are text.
#[derive(Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
enum Operation {
    Get {
        key: String,
    },
    Put {
        key: String,
        value: String,
        ttl_ms: Option<u64>,
    },
    Delete {
        key: String,
    },
    Take {
        key: String,
    },
    /// Where nothing is, or over `equals`.
    PutIf {
        key: String,
        value: String,
        equals: Option<String>,
    },
    Increment {
        key: String,
        by: i64,
        ttl_ms: Option<u64>,
    },
    List {
        partition: String,
        after: Option<String>,
    },
    /// The items of every page, in one event.
    ListAll {
        partition: String,
    },
    GetMany {
        keys: Vec<String>,
    },
    /// Keys and values.
    PutMany {
        entries: Vec<(String, String)>,
    },
    /// Items, each with its new value, or none to be deleted, and the old one that it must have.
    Transact {
        partition: String,
        writes: Vec<(String, Option<String>, Option<String>)>,
    },
}

impl Asked {
    /// `{"done": …}`, or `{"error", "retryable", "detail"}`; the error is "TimedOut" where nobody waits any more.
    pub(crate) async fn answer(self, store: &dyn Store) -> Value {
        let timeout = async {
            match self.timeout_ms {
                Some(timeout_ms) => Delay::from(Duration::from_millis(timeout_ms)).await,
                None => pending().await,
            }
        };
        match select(pin!(self.operation.carry_out(store)), pin!(timeout)).await {
            Either::Right(_) => json!({ "error": "TimedOut", "retryable": true, "detail": "nobody waits" }),
            Either::Left((Ok(done), _)) => json!({ "done": done }),
            Either::Left((Err(error), _)) => {
                let kind = format!("{:?}", error.kind());
                json!({ "error": kind, "retryable": error.is_retryable(), "detail": error.to_string() })
            }
        }
    }
}

impl Operation {
    async fn carry_out(self, store: &dyn Store) -> Result<Value, StoreError> {
        let ttl = |ttl_ms: Option<u64>| ttl_ms.map(Duration::from_millis);
        Ok(match self {
            Self::Get { key } => entry(store.get(&key.parse()?, Consistency::Strong).await?),
            Self::Put { key, value, ttl_ms } => {
                store.put(&key.parse()?, value.into(), ttl(ttl_ms)).await?;
                Value::Null
            }
            Self::Delete { key } => {
                store.delete(&key.parse()?).await?;
                Value::Null
            }
            Self::Take { key } => entry(store.take(&key.parse()?).await?),
            Self::PutIf { key, value, equals } => {
                let condition = equals.map_or(Condition::Absent, |old| Condition::Equals(old.into()));
                store.put_if(&key.parse()?, value.into(), None, condition).await?.into()
            }
            Self::Increment { key, by, ttl_ms } => {
                store.increment(&key.parse()?, by, ttl(ttl_ms)).await?.into()
            }
            Self::List { partition: name, after } => {
                let Page { entries, next } =
                    store.list(&partition(&name)?, after.as_deref(), LIST_PAGE_MAX).await?;
                let entries = entries.into_iter().map(|(item, found)| json!([item, entry(Some(found))]));
                json!({ "entries": entries.collect::<Vec<_>>(), "next": next })
            }
            Self::ListAll { partition: name } => {
                let (partition, mut items, mut after) = (partition(&name)?, Vec::new(), None::<String>);
                loop {
                    let page = store.list(&partition, after.as_deref(), LIST_PAGE_MAX).await?;
                    items.extend(page.entries.into_iter().map(|(item, _)| item));
                    after = page.next;
                    if after.is_none() {
                        break items.into();
                    }
                }
            }
            Self::GetMany { keys } => {
                let keys = keys.iter().map(|key| key.parse()).collect::<Result<Vec<Key>, KeyError>>()?;
                let found = store.get_many(&keys, Consistency::Strong).await?;
                found.into_iter().map(entry).collect()
            }
            Self::PutMany { entries } => {
                let puts = entries.into_iter().map(|(key, value)| Ok(Put::new(key.parse()?, value, None)));
                store.put_many(&puts.collect::<Result<Vec<_>, KeyError>>()?).await?;
                Value::Null
            }
            Self::Transact { partition: name, writes } => {
                let write = |(item, value, old): (String, Option<String>, Option<String>)| {
                    let write = match value {
                        Some(value) => Write::put(item, value, None),
                        None => Write::delete(item),
                    };
                    match old {
                        Some(old) => write.when(Condition::Equals(old.into())),
                        None => write,
                    }
                };
                let writes: Vec<_> = writes.into_iter().map(write).collect();
                store.transact(&partition(&name)?, &writes).await?.into()
            }
        })
    }
}

fn partition(name: &str) -> Result<Partition, StoreError> {
    match name.split_once('/') {
        Some((collection, id)) => Ok(Partition::new(collection, id)?),
        None => {
            let detail = format!("\"{name}\" is not `collection/id`");
            Err(StoreError::new(StoreErrorKind::InvalidKey, "key", detail))
        }
    }
}

fn entry(found: Option<Entry>) -> Value {
    let shown = |entry: Entry| {
        json!({
            "value": String::from_utf8_lossy(&entry.value),
            "ends_ms": entry.expires_at.map(Timestamp::as_millis),
        })
    };
    found.map_or(Value::Null, shown)
}
