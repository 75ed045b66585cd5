//! Does each operation of a store in SQLite, in one statement or one transaction.

use std::time::Duration;

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Put, Store,
        StoreError, Write,
    },
};

use super::{
    Failure, SqliteStore,
    entries::{live, names, page, remove, take, upsert},
    file::Place,
    watch::Listener,
};
use crate::store::{STORE_VALUE_BYTES_MAX, check_size, check_sizes, check_sizes_of_writes, count, end};

impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        let outlives = !matches!(self.place, Place::Memory);
        Capabilities {
            name: "SQLite",
            durable: outlives,
            shared: outlives,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: true,
            value_bytes_max: Some(STORE_VALUE_BYTES_MAX),
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let (partition, item) = names(key);
        Box::pin(
            self.run("get", move |session, clock| live(&session.connection, &partition, &item, clock.now())),
        )
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (partition, item) = names(key);
        Box::pin(async move {
            check_size("put", &value)?;
            self.write("put", move |transaction, now| {
                upsert(transaction, &partition, &item, &value, end(now, ttl))
            })
            .await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        let (partition, item) = names(key);
        Box::pin(self.write("delete", move |transaction, _| remove(transaction, &partition, &item)))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let (partition, item) = names(key);
        Box::pin(self.write("take", move |transaction, now| {
            let taken = take(transaction, &partition, &item)?;
            Ok(taken.filter(|entry| entry.is_live(now)))
        }))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (partition, item) = names(key);
        Box::pin(async move {
            check_size("put_if", &value)?;
            self.write("put_if", move |transaction, now| {
                let holds = condition.holds(live(transaction, &partition, &item, now)?.as_ref());
                if holds {
                    upsert(transaction, &partition, &item, &value, end(now, ttl))?;
                }
                Ok(holds)
            })
            .await
        })
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        let (partition, item) = names(key);
        Box::pin(self.write("increment", move |transaction, now| {
            let (count, expires_at) = match live(transaction, &partition, &item, now)? {
                Some(entry) => (count(&entry.value), entry.expires_at),
                None => (Some(0), end(now, ttl)),
            };
            let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
                let detail = format!("{partition}/{item} is no counter, or its sum would leave i64");
                return Err(Failure::NotACounter(detail));
            };
            upsert(transaction, &partition, &item, sum.to_string().as_bytes(), expires_at)?;
            Ok(sum)
        }))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let after = after.map(|after| partition.item(after)).transpose()?;
            // No item is empty, so every one comes after the empty text.
            let after = after.map(|key| key.item().to_owned()).unwrap_or_default();
            let partition = partition.to_string();
            let limit = limit.clamp(1, LIST_PAGE_MAX);
            self.run("list", move |session, clock| {
                page(&session.connection, &partition, &after, limit, clock.now())
            })
            .await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        _: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        let keys: Vec<_> = keys.iter().map(names).collect();
        Box::pin(self.run("get_many", move |session, clock| {
            let snapshot = session.connection.transaction()?;
            let now = clock.now();
            keys.iter().map(|(partition, item)| live(&snapshot, partition, item, now)).collect()
        }))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check_sizes(puts)?;
            let puts = puts.to_vec();
            self.write("put_many", move |transaction, now| {
                puts.iter().try_for_each(|put| {
                    let (partition, item) = names(&put.key);
                    upsert(transaction, &partition, &item, &put.value, end(now, put.ttl))
                })
            })
            .await
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Write::check_all(partition, writes)?;
            check_sizes_of_writes(writes)?;
            let (partition, writes) = (partition.to_string(), writes.to_vec());
            self.write("transact", move |transaction, now| {
                for write in &writes {
                    if !write.may_follow(live(transaction, &partition, &write.item, now)?.as_ref()) {
                        return Ok(false);
                    }
                }
                for Write { item, action, .. } in &writes {
                    match action {
                        Action::Put { value, ttl } => {
                            upsert(transaction, &partition, item, value, end(now, *ttl))?;
                        }
                        Action::Delete => remove(transaction, &partition, item)?,
                        Action::Check => {}
                    }
                }
                Ok(true)
            })
            .await
        })
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        let (partition, listener) = (partition.clone(), Listener::of(self));
        Box::pin(self.run("watch", move |session, clock| session.watch(&partition, clock, listener)))
    }
}
