//! Counts what is done with a store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::around::{Around, Operation, Outcome, around};
use crate::{
    future::BoxFuture,
    store::{Store, StoreError},
};

/// A store that counts: how often each operation was done and failed, what was found and not, and the bytes of values.
///
/// The counts are of this process, from when it began. What it can do is what the store below can.
///
/// ```
/// # use std::sync::Arc;
/// # use edgemcp::{platform::Platform, store::{Consistency, Key, Store, wrap::Statistics}};
/// # async fn example(platform: &Platform) -> Result<(), edgemcp::store::StoreError> {
/// let store = Arc::new(Statistics::new(platform.store().clone()));
/// store.get(&Key::new("users", "7", "profile")?, Consistency::Eventual).await?;
/// let counts = store.counts();
/// assert_eq!((counts.get.calls, counts.hits + counts.misses), (1, 1));
/// # Ok(()) }
/// ```
pub struct Statistics {
    below: Arc<dyn Store>,
    calls: [AtomicU64; OPERATIONS.len()],
    errors: [AtomicU64; OPERATIONS.len()],
    hits: AtomicU64,
    misses: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

const OPERATIONS: [&str; 11] = [
    "get",
    "put",
    "delete",
    "take",
    "put_if",
    "increment",
    "list",
    "get_many",
    "put_many",
    "transact",
    "watch",
];

/// How often one operation was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// How often it was called and answered, with an error or without. What its caller did not wait for is not counted.
    pub calls: u64,
    /// How often of these with an error.
    pub errors: u64,
}

/// What [`Statistics`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// [`Store::get`].
    pub get: Operations,
    /// [`Store::put`].
    pub put: Operations,
    /// [`Store::delete`].
    pub delete: Operations,
    /// [`Store::take`].
    pub take: Operations,
    /// [`Store::put_if`].
    pub put_if: Operations,
    /// [`Store::increment`].
    pub increment: Operations,
    /// [`Store::list`], by the page.
    pub list: Operations,
    /// [`Store::get_many`], which is one however many entries it is about.
    pub get_many: Operations,
    /// [`Store::put_many`], likewise.
    pub put_many: Operations,
    /// [`Store::transact`].
    pub transact: Operations,
    /// [`Store::watch`].
    pub watch: Operations,
    /// Entries that were read, taken or listed.
    pub hits: u64,
    /// Entries that were to be read or taken, and were not there.
    pub misses: u64,
    /// The bytes of the values of what was read, taken or listed.
    pub bytes_read: u64,
    /// The bytes of the values that were to be written, where that did not fail. A write whose condition did not hold
    /// counts too: they were sent all the same.
    pub bytes_written: u64,
}

impl Statistics {
    /// It counts what is done with `store` through it.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            below: store,
            calls: Default::default(),
            errors: Default::default(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            bytes_read: AtomicU64::default(),
            bytes_written: AtomicU64::default(),
        }
    }

    /// What was counted until now. Where operations end at this moment, one number may have one and another not yet.
    pub fn counts(&self) -> Counts {
        let of = |name| {
            let at = OPERATIONS.iter().position(|known| *known == name);
            let number = |counters: &[AtomicU64]| {
                at.and_then(|at| counters.get(at)).map_or(0, |counter| counter.load(Ordering::Relaxed))
            };
            Operations { calls: number(&self.calls), errors: number(&self.errors) }
        };
        Counts {
            get: of("get"),
            put: of("put"),
            delete: of("delete"),
            take: of("take"),
            put_if: of("put_if"),
            increment: of("increment"),
            list: of("list"),
            get_many: of("get_many"),
            put_many: of("put_many"),
            transact: of("transact"),
            watch: of("watch"),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
        }
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Around for Statistics {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn around<'a, T: Outcome + 'a>(
        &'a self,
        operation: Operation<'a>,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            let done = call().await;
            let at = OPERATIONS.iter().position(|known| *known == operation.name);
            let counter = |counters: &'a [AtomicU64]| at.and_then(|at| counters.get(at));
            counter(&self.calls).into_iter().for_each(|calls| add(calls, 1));
            match &done {
                Ok(outcome) => {
                    let read = outcome.read();
                    add(&self.hits, read.hits);
                    add(&self.misses, read.misses);
                    add(&self.bytes_read, read.bytes);
                    add(&self.bytes_written, operation.bytes_written);
                }
                Err(_) => counter(&self.errors).into_iter().for_each(|errors| add(errors, 1)),
            }
            done
        })
    }
}

around!(Statistics);

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistics")
            .field("store", &self.below.capabilities())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
