//! Keeps entries in one SQLite file, the store a server has where nothing else is configured.

mod entries;
mod file;
mod operations;
mod survey;
mod watch;

use std::{path::PathBuf, sync::Arc};

use edgemcp::{
    platform::{Clock, Timestamp},
    store::{StoreError, StoreErrorKind},
};
use rusqlite::{Transaction, TransactionBehavior};
use tokio::sync::Mutex;

pub use self::watch::{STORE_CHANGES_MAX, STORE_WATCH_EVERY};
use self::{
    entries::sweep,
    file::{FileId, Place},
    watch::Watching,
};
use super::store_path;

/// A store in one SQLite file, or in memory.
///
/// The file is opened on first use, so a server that never touches its store has none, and an unusable path shows as
/// [`StoreErrorKind::Unavailable`] on each operation until it becomes usable. Several processes of one machine may
/// share the file; put it on a local disk, since SQLite's locks do not hold on network file systems. For several
/// machines take a store that lives on a server.
///
/// A write survives the end of the process once it is answered, also by SIGKILL. Should the machine itself lose power,
/// the last writes before it may be gone, but the file stays sound (write-ahead log, `synchronous = NORMAL`). An
/// operation waits up to 5 s for another process that is writing, then it is [`StoreErrorKind::Unavailable`].
///
/// Where somebody moves or deletes the file, later operations go to what is at its path then. SQLite keeps no checksum
/// of values, so damage to the file shows as [`StoreErrorKind::Corrupt`] where it makes the file unsound, and where it
/// only changes a value's bytes they are read as they are.
///
/// Expired entries read as absent and are deleted a few at a time by later writes. Operations need a tokio runtime.
///
/// A watch tells of this process's changes at once and of another's within [`STORE_WATCH_EVERY`], each change of
/// another's included: none is so short, or so like what was there, that it goes untold. It also tells of an expired
/// entry when a later write deletes it. The watch ends with the store, where the file fails, and where this process
/// stood still so long that it missed something. Writes cost more only where somebody watches the file.
///
/// # Limits
/// [`STORE_VALUE_BYTES_MAX`](super::STORE_VALUE_BYTES_MAX) a value; [`STORE_CHANGES_MAX`] changes between two looks of a process that watches, and
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
    file: Option<FileId>,
    watching: Option<Watching>,
}

impl SqliteStore {
    /// The store in the file at `path`, which is made on first use, with its folder, for this user alone.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::at(Place::at(path.into()), clock)
    }

    /// A store in memory, which ends with it.
    pub fn open_in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::at(Place::Memory, clock)
    }

    /// The store of the server `name`, at [`store_path`]. Where there is no such path every operation says so.
    pub fn open_default(name: &str, clock: Arc<dyn Clock>) -> Self {
        Self::at(store_path(name).map_or_else(Place::Nowhere, Place::at), clock)
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
            // What is written to a file that somebody has moved or deleted would be lost without a word.
            if session.as_ref().is_some_and(|open| open.file != place.file_id()) {
                *session = None;
            }
            let open = match &mut *session {
                Some(open) => open,
                closed => {
                    let (connection, file) = place.open(operation)?;
                    let mut open = Session { connection, file, watching: None };
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
    /// A row that is called so, as no store calls one.
    NotAKey(String),
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
            Self::NotAKey(name) => {
                let detail = format!("SQLite {place}: the row {name:?} is none of a store's");
                StoreError::new(StoreErrorKind::Corrupt, operation, detail)
            }
            Self::NotACounter(detail) => StoreError::new(StoreErrorKind::NotACounter, operation, detail),
        }
    }
}
