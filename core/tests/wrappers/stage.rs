//! What the tests of wrappers share: a store with a clock, randomness and a log, and stores with something wrong.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Log, LogLevel, Random, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, MemoryStore, Page, Partition, Put, Store,
        StoreError, StoreErrorKind, Write,
        wrap::{Encrypted, StoreKeys},
    },
};
use edgemcp_testkit::{Counting, ManualClock};
use futures_executor::block_on;

/// 2027-01-15, a moment with a fraction of a second.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

/// Two keys, both good for Fernet too.
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const OTHER_KEY: &str = "HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI=";

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What was logged.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl Log for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<(LogLevel, String)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.all().into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    }
}

/// A memory store and what wrappers need.
pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) random: Arc<Counting>,
    pub(crate) log: Arc<Lines>,
    pub(crate) memory: Arc<MemoryStore>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(START);
        let memory = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self { clock, random: Arc::default(), log: Arc::default(), memory }
    }

    pub(crate) fn clock(&self) -> Arc<ManualClock> {
        Arc::new(self.clock.clone())
    }

    pub(crate) fn random(&self) -> Arc<dyn Random> {
        self.random.clone()
    }

    /// `below`, encrypted with `keys`.
    pub(crate) fn encrypted(&self, below: Arc<dyn Store>, keys: &str) -> Encrypted {
        let keys = StoreKeys::parse(keys).unwrap();
        Encrypted::new(below, keys, self.clock(), self.random()).log(self.log.clone())
    }
}

pub(crate) fn key(item: &str) -> Key {
    Key::new("notes", "ada", item).unwrap()
}

pub(crate) fn get(store: &dyn Store, key: &Key) -> Option<Entry> {
    block_on(store.get(key, Consistency::Strong)).unwrap()
}

/// The value there is, as text.
pub(crate) fn value(store: &dyn Store, key: &Key) -> Option<String> {
    get(store, key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

pub(crate) fn put(store: &dyn Store, key: &Key, value: impl Into<Bytes>, ttl: Option<Duration>) {
    block_on(store.put(key, value.into(), ttl)).unwrap();
}

/// Lets others have their turn, once.
async fn give_way() {
    let mut has_yielded = false;
    poll_fn(|cx| match std::mem::replace(&mut has_yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// What a [`Scripted`] store does with an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// It fails, and nothing happens.
    Fail(StoreErrorKind),
    /// It happens, and its answer is lost.
    Lose,
    /// It never answers.
    Hang,
}

/// A store that does with its next operations what a test says, and notes each. Others have their turn before and after
/// every operation, as over a network.
pub(crate) struct Scripted {
    below: Arc<dyn Store>,
    script: Mutex<Vec<Act>>,
    done: Mutex<Vec<&'static str>>,
    between: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Scripted {
    pub(crate) fn new(below: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { below, script: Mutex::default(), done: Mutex::default(), between: Mutex::default() })
    }

    /// Does `act` before every write that has a condition.
    pub(crate) fn comes_between(&self, act: impl Fn() + Send + 'static) {
        *self.between.lock().unwrap() = Some(Box::new(act));
    }

    /// What it does with the operations that come next, the first one first.
    pub(crate) fn then(&self, acts: &[Act]) {
        *self.script.lock().unwrap() = acts.iter().rev().copied().collect();
    }

    /// The operations since this was last asked, those that failed included.
    pub(crate) fn done(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.done.lock().unwrap())
    }

    fn act<'a, T: 'a + Send>(
        &'a self,
        operation: &'static str,
        call: impl FnOnce() -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        self.done.lock().unwrap().push(operation);
        let act = self.script.lock().unwrap().pop();
        let failed = move |kind| Err(StoreError::new(kind, operation, "as the test says"));
        Box::pin(async move {
            give_way().await;
            if ["put_if", "transact"].contains(&operation) {
                self.between.lock().unwrap().iter().for_each(|act| act());
            }
            let done = match act {
                None => call().await,
                Some(Act::Fail(kind)) => failed(kind),
                Some(Act::Lose) => call().await.and_then(|_| failed(StoreErrorKind::Unavailable)),
                Some(Act::Hang) => std::future::pending().await,
            };
            give_way().await;
            done
        })
    }
}

impl Store for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.act("get", move || self.below.get(key, consistency))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act("put", move || self.below.put(key, value, ttl))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act("delete", move || self.below.delete(key))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.act("take", move || self.below.take(key))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.act("put_if", move || self.below.put_if(key, value, ttl, condition))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.act("increment", move || self.below.increment(key, by, ttl))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.act("list", move || self.below.list(partition, after, limit))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        self.act("get_many", move || self.below.get_many(keys, consistency))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.act("put_many", move || self.below.put_many(puts))
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.act("transact", move || self.below.transact(partition, writes))
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        self.done.lock().unwrap().push("watch");
        self.below.watch(partition)
    }
}

/// Runs `future` on `clock`, which moves on whenever everybody waits for it. Says how long that took.
pub(crate) fn run_on<T>(clock: &ManualClock, future: impl Future<Output = T>) -> (T, Duration) {
    use edgemcp::platform::Clock;
    let begun = clock.now();
    let mut future = std::pin::pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let mut cx = std::task::Context::from_waker(&waker);
    for _ in 0..1_000_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return (done, clock.now().since(begun));
        }
        if !woken.0.swap(false, std::sync::atomic::Ordering::Relaxed) {
            clock.advance(Duration::from_millis(1));
        }
    }
    panic!("it does not end");
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
