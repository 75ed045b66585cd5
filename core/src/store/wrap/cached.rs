//! Answers reads from memory for a while.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{forward::forward, lru::Lru};
use crate::{
    future::BoxFuture,
    platform::Clock,
    store::{Condition, Consistency, Entry, Key, Partition, Put, Store, StoreError, Write},
};

/// A store that remembers what this instance has read, and answers [`Eventual`](Consistency::Eventual) reads with it.
///
/// An entry is remembered for 30 s unless it is said otherwise, and no longer than it lives; that there is none, for 5 s.
/// Of what others write meanwhile an eventual read sees nothing until then. What is written, counted, taken or deleted
/// through this same store is forgotten before and after, also where the write fails or is not waited for; a read that
/// was under way then is not remembered.
///
/// A [`Strong`](Consistency::Strong) read goes through, and is remembered. So do [`list`](Store::list) and
/// [`watch`](Store::watch), which remember nothing. What it can do is what the store below can.
///
/// It keeps 1000 entries of 4 MiB together unless it is said otherwise, keys included, and forgets first what was not
/// asked for longest. They are in this process's memory, as values are seen here: around an
/// [`Encrypted`](super::Encrypted) store they are in the clear.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::{platform::Platform, store::wrap::Cached};
/// # fn example(platform: &Platform) -> Cached {
/// Cached::new(platform.store().clone(), platform.clock().clone())
///     .hits_for(Duration::from_secs(300))
///     .misses_for(Duration::ZERO)
///     .entries_max(10_000)
///     .bytes_max(16 << 20)
/// # }
/// ```
pub struct Cached {
    below: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hits_for: Duration,
    misses_for: Duration,
    memory: Mutex<Memory>,
}

struct Memory {
    lru: Lru,
    /// The reads under way that may be remembered, each with a number of its own: of one key the last one.
    reads: BTreeMap<Key, u64>,
    read: u64,
}

impl Memory {
    fn forget(&mut self, key: &Key) {
        self.lru.remove(key);
        self.reads.remove(key);
    }
}

impl Cached {
    /// It remembers what is read of `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let memory = Memory { lru: Lru::new(1000, 4 << 20), reads: BTreeMap::new(), read: 0 };
        Self {
            below: store,
            clock,
            hits_for: Duration::from_secs(30),
            misses_for: Duration::from_secs(5),
            memory: Mutex::new(memory),
        }
    }

    /// How long an entry is remembered; 30 s unless this says otherwise.
    #[must_use]
    pub fn hits_for(mut self, ttl: Duration) -> Self {
        self.hits_for = ttl;
        self
    }

    /// How long it is remembered that there is no entry; 5 s unless this says otherwise.
    #[must_use]
    pub fn misses_for(mut self, ttl: Duration) -> Self {
        self.misses_for = ttl;
        self
    }

    /// How many entries are remembered at the most; 1000 unless this says otherwise.
    #[must_use]
    pub fn entries_max(self, entries: usize) -> Self {
        self.memory().lru.entries_max = entries;
        self
    }

    /// How many bytes of values and keys are remembered at the most; 4 MiB unless this says otherwise.
    #[must_use]
    pub fn bytes_max(self, bytes: usize) -> Self {
        self.memory().lru.bytes_max = bytes;
        self
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing is left half-written by a panic elsewhere.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, key: &Key, consistency: Consistency) -> Option<Option<Entry>> {
        match consistency {
            Consistency::Eventual => self.memory().lru.get(key, self.clock.now()),
            Consistency::Strong => None,
        }
    }

    /// Begins to read `key`.
    fn reading(&self, key: &Key) -> Reading<'_> {
        let mut memory = self.memory();
        memory.read += 1;
        let number = memory.read;
        memory.reads.insert(key.clone(), number);
        Reading { cached: self, key: key.clone(), number }
    }

    /// Begins to change `keys`.
    fn changing(&self, keys: Vec<Key>) -> Changing<'_> {
        let changing = Changing { cached: self, keys };
        changing.forget();
        changing
    }

    async fn get_through(&self, key: &Key, consistency: Consistency) -> Result<Option<Entry>, StoreError> {
        if let Some(known) = self.known(key, consistency) {
            return Ok(known);
        }
        let reading = self.reading(key);
        let found = self.below.get(key, consistency).await?;
        reading.remember(&found);
        Ok(found)
    }

    async fn get_many_through(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        let known: Vec<_> = keys.iter().map(|key| self.known(key, consistency)).collect();
        let unknown = keys.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<_> = unknown.map(|(key, _)| key.clone()).collect();
        if unknown.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        let reading: Vec<_> = unknown.iter().map(|key| self.reading(key)).collect();
        let found = self.below.get_many(&unknown, consistency).await?;
        reading.into_iter().zip(&found).for_each(|(reading, found)| reading.remember(found));
        let mut found = found.into_iter();
        Ok(known.into_iter().map(|known| known.or_else(|| found.next()).flatten()).collect())
    }
}

/// A read under way. It is remembered unless something was changed meanwhile.
struct Reading<'a> {
    cached: &'a Cached,
    key: Key,
    number: u64,
}

impl Reading<'_> {
    fn remember(&self, found: &Option<Entry>) {
        let ttl = if found.is_some() { self.cached.hits_for } else { self.cached.misses_for };
        let until = self.cached.clock.now().after(ttl);
        let mut memory = self.cached.memory();
        if memory.reads.get(&self.key) == Some(&self.number) {
            memory.lru.insert(&self.key, found.clone(), until);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut memory = self.cached.memory();
        if memory.reads.get(&self.key) == Some(&self.number) {
            memory.reads.remove(&self.key);
        }
    }
}

/// A write under way: what it changes is not known, before it and after it, whatever becomes of it.
struct Changing<'a> {
    cached: &'a Cached,
    keys: Vec<Key>,
}

impl Changing<'_> {
    fn forget(&self) {
        let mut memory = self.cached.memory();
        self.keys.iter().for_each(|key| memory.forget(key));
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Store for Cached {
    forward! { below: capabilities list watch }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(self.get_through(key, consistency))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let _changing = self.changing(vec![key.clone()]);
            self.below.put(key, value, ttl).await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let _changing = self.changing(vec![key.clone()]);
            self.below.delete(key).await
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let _changing = self.changing(vec![key.clone()]);
            self.below.take(key).await
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
            let _changing = self.changing(vec![key.clone()]);
            self.below.put_if(key, value, ttl, condition).await
        })
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(async move {
            let _changing = self.changing(vec![key.clone()]);
            self.below.increment(key, by, ttl).await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(self.get_many_through(keys, consistency))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let _changing = self.changing(puts.iter().map(|put| put.key.clone()).collect());
            self.below.put_many(puts).await
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            // What is no item of a key is refused below.
            let keys = writes.iter().filter_map(|write| partition.item(write.item.as_str()).ok());
            let _changing = self.changing(keys.collect());
            self.below.transact(partition, writes).await
        })
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.memory().lru.size();
        f.debug_struct("Cached")
            .field("store", &self.below.capabilities())
            .field("entries", &entries)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}
