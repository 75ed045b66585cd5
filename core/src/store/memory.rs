//! A store in this process's memory, for tests and for servers that may forget.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Action, Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Store,
    StoreError, StoreErrorKind, Survey, SurveyPage, Surveyed, Watchers, Write,
};
use crate::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, Timestamp},
};

/// The most entries a [`MemoryStore`] holds. A write past it first drops what has expired, then fails.
pub const MEMORY_ENTRIES_MAX: usize = 100_000;

/// A store in this process's memory: neither durable nor shared, but consistent and atomic.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<Key, Entry>>,
    watchers: Watchers,
}

impl MemoryStore {
    /// An empty store that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default(), watchers: Watchers::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        // No operation leaves the map half-written, so a panic elsewhere does not spoil it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(
        &self,
        entries: &mut BTreeMap<Key, Entry>,
        now: Timestamp,
        operation: &'static str,
        key: &Key,
        entry: Entry,
    ) -> Result<(), StoreError> {
        if !entries.contains_key(key) {
            make_room(entries, 1, now, operation)?;
        }
        entries.insert(key.clone(), entry);
        self.watchers.tell(key);
        Ok(())
    }

    fn transact_now(&self, partition: &Partition, writes: &[Write]) -> Result<bool, StoreError> {
        Write::check_all(partition, writes)?;
        let now = self.clock.now();
        let mut entries = self.lock();
        let keys = writes.iter().map(|write| partition.item(write.item.as_str()));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if !writes.iter().zip(&keys).all(|(write, key)| write.may_follow(live(&entries, key, now))) {
            return Ok(false);
        }
        let is_new = |(write, key): (&Write, &Key)| {
            matches!(write.action, Action::Put { .. }) && !entries.contains_key(key)
        };
        let new = writes.iter().zip(&keys).filter(|pair| is_new(*pair)).count();
        make_room(&mut entries, new, now, "transact")?;
        for (write, key) in writes.iter().zip(keys) {
            let is_changed = match &write.action {
                Action::Put { value, ttl } => {
                    let entry = Entry { value: value.clone(), expires_at: ttl.map(|ttl| now.after(ttl)) };
                    entries.insert(key.clone(), entry);
                    true
                }
                Action::Delete => entries.remove(&key).is_some(),
                Action::Check => false,
            };
            if is_changed {
                self.watchers.tell(&key);
            }
        }
        Ok(true)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("entries", &self.lock().len()).finish_non_exhaustive()
    }
}

/// Makes room for so many new entries, or says that there is none.
fn make_room(
    entries: &mut BTreeMap<Key, Entry>,
    new: usize,
    now: Timestamp,
    operation: &'static str,
) -> Result<(), StoreError> {
    if entries.len() + new > MEMORY_ENTRIES_MAX {
        entries.retain(|_, entry| entry.is_live(now));
    }
    if entries.len() + new <= MEMORY_ENTRIES_MAX {
        return Ok(());
    }
    let detail = format!("the memory store is full ({MEMORY_ENTRIES_MAX} entries)");
    Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
}

fn live<'a>(entries: &'a BTreeMap<Key, Entry>, key: &Key, now: Timestamp) -> Option<&'a Entry> {
    entries.get(key).filter(|entry| entry.is_live(now))
}

fn done<T: Send + 'static>(result: Result<T, StoreError>) -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(std::future::ready(result))
}

impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            durable: false,
            shared: false,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: true,
            value_bytes_max: None,
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        done(Ok(live(&self.lock(), key, self.clock.now()).cloned()))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let now = self.clock.now();
        let entry = Entry { value, expires_at: ttl.map(|ttl| now.after(ttl)) };
        done(self.insert(&mut self.lock(), now, "put", key, entry))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.lock().remove(key).is_some() {
            self.watchers.tell(key);
        }
        done(Ok(()))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let now = self.clock.now();
        let taken = self.lock().remove(key);
        if taken.is_some() {
            self.watchers.tell(key);
        }
        done(Ok(taken.filter(|entry| entry.is_live(now))))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let now = self.clock.now();
        let mut entries = self.lock();
        if !condition.holds(live(&entries, key, now)) {
            return done(Ok(false));
        }
        let entry = Entry { value, expires_at: ttl.map(|ttl| now.after(ttl)) };
        done(self.insert(&mut entries, now, "put_if", key, entry).map(|()| true))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        let now = self.clock.now();
        let mut entries = self.lock();
        let (count, expires_at) = match live(&entries, key, now) {
            Some(entry) => (count(&entry.value), entry.expires_at),
            None => (Some(0), ttl.map(|ttl| now.after(ttl))),
        };
        let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
            let detail = format!("{key} is no counter, or its sum would leave i64");
            return done(Err(StoreError::new(StoreErrorKind::NotACounter, "increment", detail)));
        };
        let entry = Entry { value: sum.to_string().into(), expires_at };
        done(self.insert(&mut entries, now, "increment", key, entry).map(|()| sum))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let now = self.clock.now();
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        let entries = self.lock();
        // No item is empty, so the range can start at any name of this partition and be filtered to it.
        let start = match after.map(|after| partition.item(after)) {
            Some(Ok(key)) => Bound::Excluded(key),
            Some(Err(error)) => return done(Err(error.into())),
            None => match partition.item("!") {
                Ok(key) => Bound::Included(key),
                Err(error) => return done(Err(error.into())),
            },
        };
        let mut page = Page::default();
        let mut rest = entries
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.partition() == partition)
            .filter(|(_, entry)| entry.is_live(now));
        page.entries
            .extend(rest.by_ref().take(limit).map(|(key, entry)| (key.item().to_owned(), entry.clone())));
        if rest.next().is_some() {
            page.next = page.entries.last().map(|(item, _)| item.clone());
        }
        done(Ok(page))
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        done(self.transact_now(partition, writes))
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.watchers.watch(partition))))
    }
}

impl Survey for MemoryStore {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>> {
        let mut page = SurveyPage::default();
        let start = match after.map(str::parse::<Key>).transpose() {
            Ok(after) => after.map_or(Bound::Unbounded, Bound::Excluded),
            Err(error) => return done(Err(StoreError::from(error))),
        };
        let entries = self.lock();
        let mut rest = entries.range((start, Bound::Unbounded));
        page.entries.extend(rest.by_ref().take(LIST_PAGE_MAX).map(|(key, entry)| Surveyed {
            key: key.clone(),
            value_bytes: entry.value.len(),
            expires_at: entry.expires_at,
        }));
        if rest.next().is_some() {
            page.next = page.entries.last().map(|entry| entry.key.to_string());
        }
        done(Ok(page))
    }

    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        let now = self.clock.now();
        let mut entries = self.lock();
        let before = entries.len();
        entries.retain(|_, entry| entry.is_live(now));
        done(Ok(u64::try_from(before - entries.len()).unwrap_or(u64::MAX)))
    }
}

fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
