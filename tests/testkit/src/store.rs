//! A store in a test's hands.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError,
        StoreErrorKind, Write,
    },
};

/// What a store says that was told to fail: a secret, since it names a machine.
pub const FAILURE: &str = "the database at 10.0.0.7 is down";

/// A store that fails while a test says so, and counts what is changed in it. Clones are the same store.
///
/// A watch that has begun goes on while the store fails.
///
/// ```
/// # use std::sync::Arc;
/// # use edgemcp::{platform::Timestamp, store::{MemoryStore, Partition, Store}};
/// # use edgemcp_testkit::{ManualClock, TestStore};
/// # use futures_executor::block_on;
/// let clock = ManualClock::at(Timestamp::from_millis(0));
/// let store = TestStore::new(MemoryStore::new(Arc::new(clock)));
/// let key = Partition::new("notes", "ada")?.item("1")?;
/// assert!(block_on(store.put(&key, "tea".into(), None)).is_ok());
/// store.fail(true);
/// assert!(block_on(store.put(&key, "rum".into(), None)).is_err());
/// assert_eq!(store.changes(), 1);
/// # Ok::<_, edgemcp::store::KeyError>(())
/// ```
#[derive(Clone)]
pub struct TestStore {
    store: Arc<dyn Store>,
    hand: Arc<Hand>,
}

#[derive(Default)]
struct Hand {
    fails: AtomicBool,
    value_bytes_max: AtomicUsize,
    holds_puts: AtomicBool,
    changes: AtomicU64,
}

impl TestStore {
    /// It does what `store` does.
    pub fn new(store: impl Store + 'static) -> Self {
        let hand = Hand { value_bytes_max: AtomicUsize::new(usize::MAX), ..Hand::default() };
        Self { store: Arc::new(store), hand: Arc::new(hand) }
    }

    /// Takes no larger values than these from now on, in bytes. A larger one fails as [`StoreErrorKind::TooLarge`].
    pub fn value_bytes_max(&self, bytes: usize) {
        self.hand.value_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// Lets every operation from now on fail as [`StoreErrorKind::Unavailable`] with [`FAILURE`], or none.
    pub fn fail(&self, fails: bool) {
        self.hand.fails.store(fails, Ordering::Relaxed);
    }

    /// Lets every [`put`](Store::put) from now on take its time, until it is polled once they may go on.
    pub fn hold_puts(&self, holds: bool) {
        self.hand.holds_puts.store(holds, Ordering::Relaxed);
    }

    /// How often an entry was written, counted or removed; what was refused by its condition, or was not there to be
    /// removed, changed nothing. A transaction counts once.
    pub fn changes(&self) -> u64 {
        self.hand.changes.load(Ordering::Relaxed)
    }

    /// Does `work` unless it fails, and counts its `changes`.
    fn work<'a, T: 'a>(
        &'a self,
        operation: &'static str,
        value_bytes: usize,
        // Begun only once it may: a store can do what it does as it is asked, before it is waited for.
        work: impl FnOnce() -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
        changes: fn(&T) -> usize,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            if value_bytes > self.hand.value_bytes_max.load(Ordering::Relaxed) {
                return Err(StoreError::new(StoreErrorKind::TooLarge, operation, "the value is too large"));
            }
            if self.hand.fails.load(Ordering::Relaxed) {
                return Err(StoreError::new(StoreErrorKind::Unavailable, operation, FAILURE));
            }
            let done = work().await?;
            let changes = u64::try_from(changes(&done)).unwrap_or(u64::MAX);
            self.hand.changes.fetch_add(changes, Ordering::Relaxed);
            Ok(done)
        })
    }
}

impl Store for TestStore {
    fn capabilities(&self) -> Capabilities {
        let of_store = self.store.capabilities();
        let own = Some(self.hand.value_bytes_max.load(Ordering::Relaxed)).filter(|bytes| *bytes < usize::MAX);
        let value_bytes_max = own.into_iter().chain(of_store.value_bytes_max).min();
        Capabilities { value_bytes_max, ..of_store }
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.work("get", 0, move || self.store.get(key, consistency), |_| 0)
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let value_bytes = value.len();
        let put = move || -> BoxFuture<'a, Result<(), StoreError>> {
            Box::pin(async move {
                let is_free = || !self.hand.holds_puts.load(Ordering::Relaxed);
                poll_fn(|_| if is_free() { Poll::Ready(()) } else { Poll::Pending }).await;
                self.store.put(key, value, ttl).await
            })
        };
        self.work("put", value_bytes, put, |()| 1)
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        // A delete does not say whether it was there.
        Box::pin(async move { self.take(key).await.map(drop) })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.work("take", 0, || self.store.take(key), |taken| usize::from(taken.is_some()))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.work(
            "put_if",
            value.len(),
            move || self.store.put_if(key, value, ttl, condition),
            |wrote| usize::from(*wrote),
        )
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.work("increment", 0, move || self.store.increment(key, by, ttl), |_| 1)
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.work("list", 0, move || self.store.list(partition, after, limit), |_| 0)
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        self.work("get_many", 0, move || self.store.get_many(keys, consistency), |_| 0)
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        let value_bytes = puts.iter().map(|put| put.value.len()).max().unwrap_or(0);
        let changes = puts.len();
        let put_many = move || -> BoxFuture<'a, Result<usize, StoreError>> {
            Box::pin(async move { self.store.put_many(puts).await.map(|()| changes) })
        };
        let put_many = self.work("put_many", value_bytes, put_many, |changes| *changes);
        Box::pin(async move { put_many.await.map(drop) })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let bytes = |write: &Write| match &write.action {
            Action::Put { value, .. } => value.len(),
            Action::Delete | Action::Check => 0,
        };
        let value_bytes = writes.iter().map(bytes).max().unwrap_or(0);
        let transact = move || self.store.transact(partition, writes);
        self.work("transact", value_bytes, transact, |done| usize::from(*done))
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        self.work("watch", 0, || self.store.watch(partition), |_| 0)
    }
}
