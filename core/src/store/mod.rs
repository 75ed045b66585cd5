//! What a server keeps outside itself: one trait over KV, DynamoDB, SQLite and memory, and what each can do.
//!
//! Everything that must outlive a request lives in a [`Store`], because on serverless the next request may meet
//! another instance. A store declares its [`Capabilities`]; what needs more than a store has must refuse by name
//! instead of hoping.

mod batch;
mod error;
mod key;
mod memory;
mod need;
mod none;
mod opener;
#[cfg(feature = "py-key-value")]
pub mod py_key_value;
mod survey;
mod transaction;
mod watch;
pub mod wrap;

use std::time::Duration;

use bytes::Bytes;

pub use self::{
    batch::Put,
    error::{StoreError, StoreErrorKind},
    key::{KEY_PART_BYTES_MAX, Key, KeyError, Partition},
    memory::{MEMORY_ENTRIES_MAX, MemoryStore},
    need::{Lack, Need},
    none::NoStore,
    opener::StoreOpener,
    survey::{Survey, SurveyPage, Surveyed},
    transaction::{Action, TRANSACTION_WRITES_MAX, Write},
    watch::{WATCH_ITEMS_MAX, Watchers},
};
use crate::{
    future::{BoxFuture, BoxStream},
    platform::Timestamp,
};

/// The most entries one [`Store::list`] answers, whatever was asked.
pub const LIST_PAGE_MAX: usize = 100;

/// A value and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes that were put. A counter reads as its decimal digits.
    pub value: Bytes,
    /// When the entry ends; `None` where it has no end.
    pub expires_at: Option<Timestamp>,
}

impl Entry {
    /// Whether the entry has not ended yet at `now`. Stores ask this on every read.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a write asks of the entry that is there before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none, or it has expired.
    Absent,
    /// There is one, it has not expired, and its value is this.
    Equals(Bytes),
}

impl Condition {
    /// Whether it holds of what is there, which has not expired.
    pub fn holds(&self, found: Option<&Entry>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Equals(value) => found.is_some_and(|entry| entry.value == *value),
        }
    }
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// It may miss the latest writes. Half the price on DynamoDB.
    Eventual,
    /// It sees every write that was answered before it, where [`Capabilities::consistent`] says the store can.
    Strong,
}

/// One page of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Item and entry, in the byte order of the items.
    pub entries: Vec<(String, Entry)>,
    /// The last item of this page, to be handed to the next `list`; `None` at the end.
    pub next: Option<String>,
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The store's name, for messages: "Workers KV", "DynamoDB".
    pub name: &'static str,
    /// Entries outlive the process.
    pub durable: bool,
    /// All instances see the same entries.
    pub shared: bool,
    /// A [`Consistency::Strong`] read sees every earlier write.
    pub consistent: bool,
    /// [`Store::take`] and [`Store::put_if`] are offered, and [`Store::increment`] loses no count.
    pub atomic: bool,
    /// [`Store::transact`] is offered.
    pub transactions: bool,
    /// [`Store::watch`] is offered.
    pub watch: bool,
    /// The largest value in bytes, where there is such a limit.
    pub value_bytes_max: Option<usize>,
    /// The shortest time after which the store itself deletes an entry. Expiry is checked on every read, so a
    /// shorter TTL still ends when it should; until then the entry takes up space.
    pub ttl_min: Option<Duration>,
}

/// A place for entries that outlives the request.
///
/// Every operation reads an expired entry as absent, whether or not the store has deleted it yet; the store asks the
/// [`Clock`](crate::platform::Clock) it was made with.
///
/// # Errors
/// Every operation can fail with a [`StoreError`] of kind [`Unavailable`](StoreErrorKind::Unavailable) or
/// [`Throttled`](StoreErrorKind::Throttled), both worth another try, or [`Corrupt`](StoreErrorKind::Corrupt) where
/// an entry was not written by this store. A write of more than [`Capabilities::value_bytes_max`] is
/// [`TooLarge`](StoreErrorKind::TooLarge) and leaves what was there.
///
/// ```
/// # use edgemcp::store::*;
/// # async fn example(store: &dyn Store) -> Result<(), StoreError> {
/// let key = Key::new("visits", "2026", "november")?;
/// store.increment(&key, 1, None).await?;
/// let entry = store.get(&key, Consistency::Strong).await?;
/// assert_eq!(entry.unwrap().value, "1");
/// # Ok(()) }
/// ```
pub trait Store: Send + Sync {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// The entry under `key`.
    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>>;

    /// Writes `value` under `key`, ending after `ttl`, over whatever was there.
    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes the entry under `key`; nothing happens where there is none.
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes the entry under `key` and returns it: of several callers exactly one gets it.
    ///
    /// # Errors
    /// [`Unsupported`](StoreErrorKind::Unsupported) where the store is not [`atomic`](Capabilities::atomic).
    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>>;

    /// Writes `value` under `key` if `condition` holds, and says whether it did: of several callers exactly one wins.
    ///
    /// # Errors
    /// [`Unsupported`](StoreErrorKind::Unsupported) where the store is not [`atomic`](Capabilities::atomic).
    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Adds `by` to the counter under `key` and returns the sum. A counter that is absent or expired starts at zero
    /// with `ttl`; one that is there keeps its end, which makes it a fixed window.
    ///
    /// On a store that is not [`atomic`](Capabilities::atomic) this is a read and a write, and two callers at once
    /// can lose a count.
    ///
    /// # Errors
    /// [`NotACounter`](StoreErrorKind::NotACounter) where the entry is no counter, or the sum would leave `i64`.
    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>>;

    /// The entries of `partition` in the byte order of their items, after the item `after`, `limit` of them at most
    /// (and [`LIST_PAGE_MAX`] at the very most). A page may be shorter than `limit` and still not be the last.
    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// The entries under `keys`, in their order. Where the store can it asks for many at once; each is read for itself,
    /// so that two of them may stand as they did at two moments.
    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        batch::get_each(keys, &|key| self.get(key, consistency))
    }

    /// Writes many entries, each as [`put`](Self::put) does. Where one fails the others may be written or not: write
    /// them again. Of two with one key the last one stays.
    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        batch::put_each(puts, &|put| self.put(&put.key, put.value.clone(), put.ttl))
    }

    /// Does all of `writes` in `partition` if all their conditions hold, or none of them, and says which: nobody sees
    /// some of them without the others.
    ///
    /// ```
    /// # use edgemcp::store::*;
    /// # async fn example(store: &dyn Store, old: bytes::Bytes, new: bytes::Bytes) -> Result<(), StoreError> {
    /// // A refresh token is spent and its successor is written, both or neither.
    /// let grant = Partition::new("grants", "7f3a")?;
    /// let writes = [
    ///     Write::delete("refresh.1").when(Condition::Equals(old)),
    ///     Write::put("refresh.2", new, None).when(Condition::Absent),
    /// ];
    /// let was_spent = !store.transact(&grant, &writes).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Unsupported`](StoreErrorKind::Unsupported) where the store does not offer
    /// [`transactions`](Capabilities::transactions), and where there are more than [`TRANSACTION_WRITES_MAX`] writes or
    /// two of one item.
    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let _ = (partition, writes);
        Box::pin(std::future::ready(Err(transaction::unsupported(self.capabilities().name))))
    }

    /// Tells of the items that are written or deleted in `partition`, by name. Once this resolves, no later change is
    /// missed; several changes of one item may be told as one. The stream ends where the connection to the store is
    /// lost: look again, then watch again.
    ///
    /// # Errors
    /// [`Unsupported`](StoreErrorKind::Unsupported) where the store does not offer [`watch`](Capabilities::watch).
    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        let name = self.capabilities().name;
        let detail = format!("{name} does not tell of changes in {partition}");
        Box::pin(std::future::ready(Err(StoreError::new(StoreErrorKind::Unsupported, "watch", detail))))
    }
}
