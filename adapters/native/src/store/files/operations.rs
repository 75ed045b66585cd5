//! Does each operation of a store in files: a read without a lock, the rest with that of its partition.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::Timestamp,
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Put, Store,
        StoreError, Write,
    },
};

use super::{
    Failure, FileStore, Shared,
    folder::{self, Folder},
    journal,
    listing::What,
};
use crate::store::{
    LIST_BYTES_MAX, STORE_VALUE_BYTES_MAX, check_size, check_sizes, check_sizes_of_writes, count, end,
};

impl Store for FileStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "files",
            durable: true,
            shared: true,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: false,
            value_bytes_max: Some(STORE_VALUE_BYTES_MAX),
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let name = key.clone();
            match self.run("get", move |shared| shared.peek(&name)).await? {
                Some(found) => Ok(found),
                None => {
                    let item = key.item().to_owned();
                    self.alone("get", key.partition(), Some(None), move |folder, now| folder.live(&item, now))
                        .await
                }
            }
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
            let item = key.item().to_owned();
            self.write("put", key.partition(), None, move |folder, now| {
                put(folder, &item, &value, end(now, ttl))
            })
            .await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        let item = key.item().to_owned();
        Box::pin(
            self.write("delete", key.partition(), Some(()), move |folder, _| folder.remove(&item).map(drop)),
        )
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let item = key.item().to_owned();
        Box::pin(self.write("take", key.partition(), Some(None), move |folder, now| {
            let found = folder.live(&item, now)?;
            folder.remove(&item)?;
            Ok(found)
        }))
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
            let item = key.item().to_owned();
            self.write("put_if", key.partition(), None, move |folder, now| {
                let holds = condition.holds(folder.live(&item, now)?.as_ref());
                if holds {
                    put(folder, &item, &value, end(now, ttl))?;
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
        let item = key.item().to_owned();
        Box::pin(self.write("increment", key.partition(), None, move |folder, now| {
            let (count, expires_at) = match folder.live(&item, now)? {
                Some(entry) => (count(&entry.value), entry.expires_at),
                None => (Some(0), end(now, ttl)),
            };
            let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
                let partition = folder.partition();
                let detail = format!("{partition}/{item} is no counter, or its sum would leave i64");
                return Err(Failure::NotACounter(detail));
            };
            put(folder, &item, sum.to_string().as_bytes(), expires_at)?;
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
            let limit = limit.clamp(1, LIST_PAGE_MAX);
            let shared = self.shared.clone();
            self.alone("list", partition, Some(Page::default()), move |folder, now| {
                page(&shared, folder, after, limit, now)
            })
            .await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let names = keys.to_vec();
            let peeked = self
                .run("get_many", move |shared| {
                    names.iter().map(|key| shared.peek(key)).collect::<Result<Vec<_>, _>>()
                })
                .await?;
            let mut found = Vec::with_capacity(keys.len());
            for (key, peeked) in keys.iter().zip(peeked) {
                found.push(match peeked {
                    Some(found) => found,
                    None => self.get(key, consistency).await?,
                });
            }
            Ok(found)
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check_sizes(puts)?;
            let mut by_partition: BTreeMap<&Partition, Vec<Put>> = BTreeMap::new();
            for put in Put::last_of_each(puts) {
                by_partition.entry(put.key.partition()).or_default().push(put.clone());
            }
            for (partition, puts) in by_partition {
                self.write("put_many", partition, None, move |folder, now| {
                    let write = |put| write_of(put, now);
                    journal::put_each(folder, &puts.iter().map(write).collect::<Vec<_>>())
                })
                .await?;
            }
            Ok(())
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
            let writes = writes.to_vec();
            self.write("transact", partition, None, move |folder, now| transact(folder, &writes, now)).await
        })
    }
}

fn put(folder: &Folder, item: &str, value: &[u8], expires_at: Option<Timestamp>) -> Result<(), Failure> {
    journal::put_each(folder, &[folder::Write { item, value, expires_at }])
}

fn write_of(put: &Put, now: Timestamp) -> folder::Write<'_> {
    folder::Write { item: put.key.item(), value: &put.value, expires_at: end(now, put.ttl) }
}

fn transact(folder: &Folder, writes: &[Write], now: Timestamp) -> Result<bool, Failure> {
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for Write { item, condition, action } in writes {
        if let Some(condition) = condition
            && !condition.holds(folder.live(item, now)?.as_ref())
        {
            return Ok(false);
        }
        match action {
            Action::Put { value, ttl } => {
                puts.push(folder::Write { item, value, expires_at: end(now, *ttl) });
            }
            Action::Delete => deletes.push(item.clone()),
            Action::Check => {}
        }
    }
    journal::commit(folder, &puts, deletes)?;
    Ok(true)
}

fn page(
    shared: &Shared,
    folder: &Folder,
    mut after: String,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Failure> {
    let (mut page, mut bytes) = (Page::default(), 0_usize);
    loop {
        let window = shared.listings.window(folder.path(), What::Files, &after)?;
        let items = window.after(&after);
        for item in items {
            // A name of somebody else's making need not be an item's; the reading of a file checks that.
            let Some(entry) = folder.live(item, now)? else { continue };
            if page.entries.len() == limit || bytes >= LIST_BYTES_MAX {
                page.next = page.entries.last().map(|(item, _)| item.clone());
                return Ok(page);
            }
            bytes = bytes.saturating_add(entry.value.len());
            page.entries.push((item.clone(), entry));
        }
        match items.last() {
            Some(last) if !window.is_last => after = last.clone(),
            _ => return Ok(page),
        }
    }
}
