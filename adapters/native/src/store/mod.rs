//! Keeps entries in one SQLite file, the store a server has where nothing else is configured.

mod file;
mod path;
mod watch;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Store, StoreError,
        StoreErrorKind,
    },
};
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use tokio::sync::Mutex;

use self::{
    file::Place,
    watch::{Listener, Watching},
};
pub use self::{
    path::{StorePathError, store_path},
    watch::{STORE_CHANGES_MAX, STORE_WATCH_EVERY},
};

/// The largest value a [`SqliteStore`] takes, in bytes.
pub const STORE_VALUE_BYTES_MAX: usize = 16 << 20;

/// The bytes of values after which a page of [`Store::list`] ends early.
const LIST_BYTES_MAX: usize = STORE_VALUE_BYTES_MAX;

/// The most expired entries one write deletes besides its own work.
const SWEEP_MAX: u32 = 32;

/// A store in one SQLite file, or in memory.
///
/// The file is opened on first use, so a server that never touches its store has none, and an unusable path shows as
/// [`StoreErrorKind::Unavailable`] on each operation until it becomes usable. Several processes of one machine may
/// share the file; put it on a local disk, since SQLite's locks do not hold on network file systems. For several
/// machines take a store that lives on a server.
///
/// A write survives the end of the process once it is answered. Should the machine itself lose power, the last
/// writes before it may be gone, but the file stays sound.
///
/// Expired entries read as absent and are deleted a few at a time by later writes. Operations need a tokio runtime.
///
/// A watch tells of this process's changes at once and of another's within [`STORE_WATCH_EVERY`], each change of
/// another's included: none is so short, or so like what was there, that it goes untold. It also tells of an expired
/// entry when a later write deletes it. The watch ends with the store, where the file fails, and where this process
/// stood still so long that it missed something. Writes cost more only where somebody watches the file.
///
/// # Limits
/// [`STORE_VALUE_BYTES_MAX`] a value; [`STORE_CHANGES_MAX`] changes between two looks of a process that watches, and
/// [`WATCH_ITEMS_MAX`](edgemcp::store::WATCH_ITEMS_MAX) items that one watch has told and nobody has heard.
///
/// ```
/// use std::sync::Arc;
/// use edgemcp::store::{Key, Store};
/// use edgemcp_native::{SqliteStore, SystemClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), edgemcp::store::StoreError> {
/// let store = SqliteStore::open_in_memory(Arc::new(SystemClock));
/// let key = Key::new("visits", "2026", "november")?;
/// assert_eq!(store.increment(&key, 1, None).await?, 1);
/// # Ok(()) }
/// ```
pub struct SqliteStore {
    place: Place,
    clock: Arc<dyn Clock>,
    // One operation at a time: SQLite has one writer, and a queue here is fair where its busy handler is not.
    session: Arc<Mutex<Option<Session>>>,
}

/// An open connection, and what this process watches through it.
struct Session {
    connection: rusqlite::Connection,
    watching: Option<Watching>,
}

impl SqliteStore {
    /// The store in the file at `path`, which is made on first use, with its folder, for this user alone.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::at(Place::File(path.into()), clock)
    }

    /// A store in memory, which ends with it.
    pub fn open_in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::at(Place::Memory, clock)
    }

    /// The store of the server `name`, at [`store_path`]. Where there is no such path every operation says so.
    pub fn open_default(name: &str, clock: Arc<dyn Clock>) -> Self {
        Self::at(store_path(name).map_or_else(Place::Nowhere, Place::File), clock)
    }

    fn at(place: Place, clock: Arc<dyn Clock>) -> Self {
        Self { place, clock, session: Arc::default() }
    }

    /// Runs `work` in one transaction that has the write lock from its start.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(operation, move |session, clock| {
            let transaction = session.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Asked once the lock is held, which another process may have kept for seconds.
            let now = clock.now();
            sweep(&transaction, now)?;
            let done = work(&transaction, now)?;
            transaction.commit()?;
            session.tell();
            Ok(done)
        })
        .await
    }

    /// Runs `work` on the connection, off the runtime's own threads, to its end even where the caller is dropped.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Session, &dyn Clock) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut session = self.session.clone().lock_owned().await;
        let (place, clock) = (self.place.clone(), self.clock.clone());
        let task = tokio::task::spawn_blocking(move || {
            let failed = |failure: Failure| failure.at(&place, operation);
            let open = match &mut *session {
                Some(open) => open,
                closed => {
                    let mut open = Session { connection: place.open(operation)?, watching: None };
                    open.tidy(clock.now()).map_err(failed)?;
                    closed.insert(open)
                }
            };
            work(open, &*clock).map_err(failed)
        });
        task.await.unwrap_or_else(|error| {
            let detail = format!("the operation did not end: {error}");
            Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
        })
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Why an operation failed, before the store and the operation are named.
enum Failure {
    Sqlite(rusqlite::Error),
    NotACounter(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    fn at(self, place: &Place, operation: &'static str) -> StoreError {
        match self {
            Self::Sqlite(error) => {
                StoreError::new(file::kind(&error), operation, format!("SQLite {place}: {error}"))
            }
            Self::NotACounter(detail) => StoreError::new(StoreErrorKind::NotACounter, operation, detail),
        }
    }
}

impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        let outlives = !matches!(self.place, Place::Memory);
        Capabilities {
            name: "SQLite",
            durable: outlives,
            shared: outlives,
            consistent: true,
            atomic: true,
            transactions: false,
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
        Box::pin(self.write("delete", move |transaction, _| {
            let mut delete =
                transaction.prepare_cached("DELETE FROM entries WHERE partition = ?1 AND item = ?2")?;
            delete.execute(params![partition, item])?;
            Ok(())
        }))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let (partition, item) = names(key);
        Box::pin(self.write("take", move |transaction, now| {
            let mut delete = transaction.prepare_cached(
                "DELETE FROM entries WHERE partition = ?1 AND item = ?2 RETURNING value, expires_at",
            )?;
            let taken = delete.query_row(params![partition, item], entry).optional()?;
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
                let found = live(transaction, &partition, &item, now)?;
                let holds = match condition {
                    Condition::Absent => found.is_none(),
                    Condition::Equals(old) => found.is_some_and(|entry| entry.value == old),
                };
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

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        let (partition, listener) = (partition.clone(), Listener::of(self));
        Box::pin(self.run("watch", move |session, clock| session.watch(&partition, clock, listener)))
    }
}

fn page(
    connection: &rusqlite::Connection,
    partition: &str,
    after: &str,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT value, expires_at, item FROM entries WHERE partition = ?1 AND item > ?2
         AND (expires_at IS NULL OR expires_at > ?3) ORDER BY item",
    )?;
    let mut rows = select.query(params![partition, after, sql_ms(now)])?;
    let (mut page, mut bytes) = (Page::default(), 0_usize);
    while let Some(row) = rows.next()? {
        if page.entries.len() == limit || bytes >= LIST_BYTES_MAX {
            page.next = page.entries.last().map(|(item, _)| item.clone());
            break;
        }
        let entry = entry(row)?;
        bytes = bytes.saturating_add(entry.value.len());
        page.entries.push((row.get("item")?, entry));
    }
    Ok(page)
}

fn live(
    connection: &rusqlite::Connection,
    partition: &str,
    item: &str,
    now: Timestamp,
) -> Result<Option<Entry>, Failure> {
    let mut select = connection
        .prepare_cached("SELECT value, expires_at FROM entries WHERE partition = ?1 AND item = ?2")?;
    let found = select.query_row(params![partition, item], entry).optional()?;
    Ok(found.filter(|entry| entry.is_live(now)))
}

fn upsert(
    transaction: &Transaction<'_>,
    partition: &str,
    item: &str,
    value: &[u8],
    expires_at: Option<Timestamp>,
) -> Result<(), Failure> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO entries (partition, item, value, expires_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (partition, item) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
    )?;
    upsert.execute(params![partition, item, value, expires_at.map(sql_ms)])?;
    Ok(())
}

/// Deletes some of what has expired, so that the file does not grow with what nobody reads any more.
fn sweep(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM entries WHERE (partition, item) IN
         (SELECT partition, item FROM entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    delete.execute(params![sql_ms(now), SWEEP_MAX])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let value: Vec<u8> = row.get("value")?;
    let end: Option<i64> = row.get("expires_at")?;
    let expires_at = end.map(|ms| Timestamp::from_millis(u64::try_from(ms).unwrap_or(0)));
    Ok(Entry { value: value.into(), expires_at })
}

fn names(key: &Key) -> (String, String) {
    (key.partition().to_string(), key.item().to_owned())
}

fn end(now: Timestamp, ttl: Option<Duration>) -> Option<Timestamp> {
    ttl.map(|ttl| now.after(ttl))
}

/// SQLite's integers end at half of a `u64`, which is 292 million years from now.
fn sql_ms(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn check_size(operation: &'static str, value: &Bytes) -> Result<(), StoreError> {
    if value.len() <= STORE_VALUE_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("a value of {} bytes is larger than {STORE_VALUE_BYTES_MAX}", value.len());
    Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
}
