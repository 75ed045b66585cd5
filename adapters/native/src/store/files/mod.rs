//! Keeps each entry in a file of its own, which people can read.

mod document;
mod folder;
mod journal;
mod listing;
mod lock;
mod name;
mod operations;
mod place;
mod survey;
mod sweep;

use std::{path::PathBuf, sync::Arc};

use edgemcp::{
    platform::{Clock, Timestamp},
    store::{Entry, Key, KeyError, Partition, StoreError, StoreErrorKind},
};
use tokio::sync::Mutex;

use self::{folder::Folder, listing::Listings, lock::LOCKS, place::Place, sweep::Walk};

/// A store in a folder, each entry in a JSON file of its own, for who wants to look at entries, or to edit, copy and
/// delete them, with the tools there are for files.
///
/// The entry `ada` / `todo` of the collection `notes` is `notes/ada/todo.json` in the folder:
///
/// ```json
/// {
///   "collection": "notes",
///   "id": "ada",
///   "item": "todo",
///   "expires_at": "2027-01-15T08:00:00.123Z",
///   "value": "Buy milk."
/// }
/// ```
///
/// A value that is no text stands as base64 in `value_base64`. Capital letters and what file systems give a meaning are
/// percent-encoded in the names of files and folders, so that a store can be copied to any system. Files that are no
/// entries are left alone.
///
/// The folder is made by the first write, for this user alone. Several processes of one machine may share it; put it
/// on a local disk, since locks do not hold on many network file systems. An operation waits up to 5 s for another
/// process that is writing to the partition, then it is [`StoreErrorKind::Unavailable`], and so is one that the disk or
/// the file system refuses: what was there before stays.
///
/// A write is on the disk once it is answered (`fsync` of the file and of its folder), so it survives a power cut too;
/// that is what it takes its time for, and where there is much to write [`SqliteStore`](crate::SqliteStore) is faster.
/// A transaction that the process does not live to end is ended by whoever comes next to its partition.
///
/// A file that somebody has damaged is [`StoreErrorKind::Corrupt`] to who reads it or lists its partition, with its
/// path in the error's text; the other entries are served. A put or a delete repairs it.
///
/// Expired entries read as absent. Each write also looks at a few entries elsewhere and deletes those that have expired,
/// so that what nobody reads any more goes in the course of time. Operations need a tokio runtime. There is no watch.
///
/// # Limits
/// [`STORE_VALUE_BYTES_MAX`](crate::STORE_VALUE_BYTES_MAX) a value. An end after the year 9999 is the end of that year.
/// A page of a partition with n entries costs a look at the names of all of them, once for every ten thousand entries
/// that are paged through while nobody writes, and for every page for three seconds after somebody did.
///
/// ```
/// use std::sync::Arc;
/// use edgemcp::store::{Key, Store};
/// use edgemcp_native::{FileStore, SystemClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("store");
/// let store = FileStore::open(&folder, Arc::new(SystemClock));
/// store.put(&Key::new("notes", "ada", "todo")?, "Buy milk.".into(), None).await?;
/// let file = std::fs::read_to_string(folder.join("notes/ada/todo.json"))?;
/// assert!(file.contains(r#""value": "Buy milk.""#));
/// # Ok(()) }
/// ```
pub struct FileStore {
    shared: Arc<Shared>,
}

/// What an operation takes with it to a thread that may block.
struct Shared {
    place: Place,
    clock: Arc<dyn Clock>,
    listings: Listings,
    walk: std::sync::Mutex<Walk>,
    // Who waits for a lock within this process waits here, in a fair queue and on no thread.
    lanes: [Arc<Mutex<()>>; LOCKS],
}

impl FileStore {
    /// The store in the folder at `path`, which the first write makes, with those above it.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            place: Place::at(path.into()),
            clock,
            listings: Listings::default(),
            walk: std::sync::Mutex::default(),
            lanes: std::array::from_fn(|_| Arc::default()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `work`, which takes no lock.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        on_a_thread(operation, move || {
            let done = shared.place.check().and_then(|()| work(&shared));
            done.map_err(|failure| failure.at(&shared.place, operation))
        })
        .await
    }

    /// Runs `work` as [`alone`](Self::alone), and then a little of what has to be done now and then.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        partition: &Partition,
        of_nothing: Option<T>,
        work: impl FnOnce(&Folder, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.alone(operation, partition, of_nothing, work).await?;
        let shared = self.shared.clone();
        on_a_thread(operation, move || {
            shared.sweep();
            Ok(done)
        })
        .await
    }

    /// Runs `work` while nobody else writes to `partition`, of whose transactions none is under way. Where the partition
    /// has no folder it answers `of_nothing`, if there is such an answer, and makes none.
    async fn alone<T: Send + 'static>(
        &self,
        operation: &'static str,
        partition: &Partition,
        of_nothing: Option<T>,
        work: impl FnOnce(&Folder, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (shared, partition) = (self.shared.clone(), partition.clone());
        let lane = shared.lane(&partition).lock_owned().await;
        on_a_thread(operation, move || {
            let alone = || {
                if let Some(answer) = of_nothing
                    && !shared.place.has(&partition)?
                {
                    return Ok(answer);
                }
                let (_held, folder) = shared.place.lock(&partition)?;
                // Asked once the lock is held, which another process may have kept for seconds.
                work(&folder, shared.clock.now())
            };
            let done = alone().map_err(|failure| failure.at(&shared.place, operation));
            drop(lane);
            done
        })
        .await
    }
}

impl Shared {
    fn lane(&self, partition: &Partition) -> Arc<Mutex<()>> {
        self.lanes.get(lock::number(partition)).cloned().unwrap_or_default()
    }

    /// The live entry; `None` where its partition has a transaction under way, so that it cannot be said yet.
    fn peek(&self, key: &Key) -> Result<Option<Option<Entry>>, Failure> {
        let folder = self.place.folder(key.partition());
        if folder.has_journal()? {
            return Ok(None);
        }
        folder.live(key.item(), self.clock.now()).map(Some)
    }

    /// Looks at some entries and deletes what has expired. What fails of it is for a later one to find.
    fn sweep(&self) {
        if let Ok(mut walk) = self.walk.try_lock() {
            let _ = walk.sweep(self);
        }
    }
}

/// Off the runtime's own threads, to its end even where the caller is dropped.
async fn on_a_thread<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let detail = format!("the operation did not end: {error}");
        Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
    })
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore").field("place", &self.shared.place).finish_non_exhaustive()
    }
}

/// Why an operation failed, before the store and the operation are named.
#[derive(Debug)]
enum Failure {
    Io(PathBuf, std::io::Error),
    /// The file at this path is not what it should be, and why.
    Corrupt(PathBuf, String),
    NotACounter(String),
    /// The folder is none of this version's.
    Foreign(String),
    Key(KeyError),
}

impl Failure {
    fn at(self, place: &Place, operation: &'static str) -> StoreError {
        let (kind, detail) = match self {
            Self::Io(path, error) => (StoreErrorKind::Unavailable, format!("{}: {error}", path.display())),
            Self::Corrupt(path, why) => (
                StoreErrorKind::Corrupt,
                format!("the file {} {why} (repair it, or delete it)", path.display()),
            ),
            Self::Foreign(why) => (StoreErrorKind::Denied, why),
            Self::NotACounter(detail) => {
                return StoreError::new(StoreErrorKind::NotACounter, operation, detail);
            }
            Self::Key(error) => return error.into(),
        };
        StoreError::new(kind, operation, format!("files {place}: {detail}"))
    }
}
