//! Opens the SQLite file: for this user alone, with the schema this version knows, and never another program's.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use edgemcp::store::{StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::store::{StorePathError, make_folder, private};

/// How long an operation waits for another process that is writing.
const BUSY_TIME_MAX: Duration = Duration::from_secs(5);

/// How long to wait before another try at what SQLite refuses at once instead of waiting.
const BUSY_RETRY_EVERY: Duration = Duration::from_millis(10);

/// Marks the file as an edgemcp store ("emcp" in ASCII), so that another program's file is not written into.
const APPLICATION_ID: i32 = 0x656d_6370;

/// The schema below. A change of it gets the next number, and a step from this one.
const SCHEMA_VERSION: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE entries (
        partition TEXT NOT NULL,
        item TEXT NOT NULL,
        value BLOB NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (partition, item)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entries_by_end ON entries (expires_at) WHERE expires_at IS NOT NULL;
";

/// Where a store keeps its entries.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Memory,
    Nowhere(StorePathError),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "at {}", path.display()),
            Self::Memory => f.write_str("in memory"),
            Self::Nowhere(_) => f.write_str("nowhere"),
        }
    }
}

impl Place {
    pub(super) fn at(path: PathBuf) -> Self {
        // A program that changes its own folder goes on with the store it has.
        Self::File(std::path::absolute(&path).unwrap_or(path))
    }

    /// Which file is at this place now, where systems tell.
    pub(super) fn file_id(&self) -> Option<FileId> {
        #[cfg(unix)]
        if let Self::File(path) = self {
            use std::os::unix::fs::MetadataExt;
            return std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        }
        None
    }

    /// Whether the file does not end where SQLite ends one, which SQLite itself does not notice: it takes what is missing
    /// for zeros, and entries for absent. While there is something in the log, a page may just be on its way.
    fn is_cut_off(&self, connection: &Connection) -> bool {
        let Self::File(path) = self else { return false };
        let page = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap_or(1);
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        // Looked at without opening it: closing it again would end the locks of this process's other connections.
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        bytes(path) % u64::from(page.max(1)) != 0 && bytes(Path::new(&log)) == 0
    }

    /// A connection that is ready for use, and the file that it is to.
    pub(super) fn open(&self, operation: &'static str) -> Result<(Connection, Option<FileId>), StoreError> {
        let failed = |kind, why: &dyn fmt::Display| {
            StoreError::new(kind, operation, format!("SQLite {self} cannot be opened: {why}"))
        };
        let unavailable = |why: &dyn fmt::Display| failed(StoreErrorKind::Unavailable, why);
        let (connection, file) = match self {
            Self::File(path) => {
                // SQLite takes `:memory:` and `file:…` for something else than the file that was made.
                let path = std::path::absolute(path).map_err(|error| unavailable(&error))?;
                make(&path).map_err(|error| unavailable(&error))?;
                // Asked before it is opened: where it is replaced in between, the next operation opens it anew.
                let file = self.file_id();
                (Connection::open(&path), file)
            }
            Self::Memory => (Connection::open_in_memory(), None),
            Self::Nowhere(error) => return Err(unavailable(error)),
        };
        let mut connection = connection.map_err(|error| unavailable(&error))?;
        match prepare(&mut connection) {
            Ok(Ok(())) if self.is_cut_off(&connection) => {
                Err(failed(StoreErrorKind::Corrupt, &"the file ends in the middle of a page"))
            }
            Ok(Ok(())) => Ok((connection, file)),
            Ok(Err(foreign)) => Err(failed(StoreErrorKind::Denied, &foreign)),
            Err(error) => Err(failed(kind(&error), &error)),
        }
    }
}

/// Which of the files of this machine one is, whatever it is called: its device, and its number there.
pub(super) type FileId = (u64, u64);

/// What SQLite's failure means to the store's caller.
pub(super) fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch) => {
            StoreErrorKind::Corrupt
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            StoreErrorKind::Denied
        }
        Some(ErrorCode::TooBig) => StoreErrorKind::TooLarge,
        // A file system that is read-only can be writable later, so that is no refusal.
        Some(_) => StoreErrorKind::Unavailable,
        // The row has not the columns that this store writes.
        None => StoreErrorKind::Corrupt,
    }
}

/// Makes the folder, and an empty file whose mode SQLite gives its side files too.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::other(
            "it is a folder (end the path with `/` to keep each entry in a file of its own)",
        ));
    }
    path.parent().map_or(Ok(()), make_folder)?;
    match private::writing().create_new(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Why a sound SQLite file is not for this store.
#[derive(Debug)]
enum Foreign {
    OtherProgram,
    OtherSchema(i32),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProgram => {
                f.write_str("the file belongs to another program (name another one with `--store`)")
            }
            Self::OtherSchema(version) => write!(
                f,
                "the file has schema {version} and this version knows {SCHEMA_VERSION}, so a newer one wrote it (take \
                 that one, or name another file with `--store`)"
            ),
        }
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<Result<(), Foreign>> {
    connection.busy_timeout(BUSY_TIME_MAX)?;
    // Looked at before anything is changed, journal mode included, so that another program's file stays as it was.
    if let Err(foreign) = schema(connection)? {
        return Ok(Err(foreign));
    }
    waiting(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(Ok(()))
}

fn schema(connection: &mut Connection) -> rusqlite::Result<Result<(), Foreign>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    match (application, version) {
        (APPLICATION_ID, SCHEMA_VERSION) => return Ok(Ok(())),
        (APPLICATION_ID, _) => return Ok(Err(Foreign::OtherSchema(version))),
        (0, 0) if tables == 0 => {}
        _ => return Ok(Err(Foreign::OtherProgram)),
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(Ok(()))
}

/// SQLite answers "busy" at once where two processes change the journal mode, because waiting could deadlock.
#[expect(clippy::disallowed_methods, reason = "this runs on a thread that may block")]
fn waiting(mut step: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match step() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < BUSY_TIME_MAX =>
            {
                std::thread::sleep(BUSY_RETRY_EVERY);
                waited += BUSY_RETRY_EVERY;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of the store promises of power cuts and of several processes hangs on these.
    #[test]
    fn a_connection_writes_ahead_syncs_at_checkpoints_and_waits_for_other_writers() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = Place::File(folder.path().join("store.sqlite3")).open("test").unwrap();
        let ask = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        assert_eq!(ask("journal_mode"), "wal".to_owned().into());
        assert_eq!(ask("synchronous"), 1.into(), "NORMAL");
        assert_eq!(ask("busy_timeout"), 5000.into());
    }
}
