//! Knows the folder that a store is in: whether it is this version's, and who writes to which part of it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use edgemcp::store::Partition;
use serde::{Deserialize, Serialize};

use super::{
    Failure,
    folder::{Folder, read, sync},
    journal,
    lock::{self, Held},
};
use crate::store::{make_folder, private};

/// How entries are kept. A change of it gets the next number.
const FORMAT: u32 = 1;

/// More than a file that says the format ever has, in bytes.
const ABOUT_BYTES_MAX: usize = 4096;

/// A folder that a store is in.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    /// It was seen to be this version's, which does not change.
    is_checked: AtomicBool,
}

/// What a folder says of itself.
#[derive(Debug, Deserialize, Serialize)]
struct About {
    #[serde(default)]
    about: String,
    format: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}", self.root.display())
    }
}

impl Place {
    pub(super) fn at(root: PathBuf) -> Self {
        // A program that changes its own folder goes on with the store it has.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root, is_checked: AtomicBool::new(false) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn folder(&self, partition: &Partition) -> Folder {
        Folder::new(&self.root, partition)
    }

    /// What is no collection, since that begins with no dot.
    fn own(&self) -> PathBuf {
        self.root.join(".store")
    }

    fn lock_file(&self, partition: &Partition) -> PathBuf {
        self.own().join("locks").join(lock::number(partition).to_string())
    }

    /// Whether what is in the folder, if it is there, is of this version's format.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.is_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let path = self.own().join("about.json");
        let Some(written) = read(&path, ABOUT_BYTES_MAX)? else { return Ok(()) };
        let about: About = serde_json::from_slice(&written).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::Corrupt(path, format!("does not say a format from line {line}, column {column} on"))
        })?;
        if about.format != FORMAT {
            let format = about.format;
            return Err(Failure::Foreign(format!(
                "the folder has format {format} and this version knows {FORMAT}, so a newer one wrote it (take that \
                 one, or name another folder with `--store`)"
            )));
        }
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the partition has a folder.
    pub(super) fn has(&self, partition: &Partition) -> Result<bool, Failure> {
        self.check()?;
        let path = self.folder(partition).path().to_owned();
        path.try_exists().map_err(|error| Failure::Io(path, error))
    }

    /// Keeps all others from writing to the partition, and does what is left of a transaction in it.
    pub(super) fn lock(&self, partition: &Partition) -> Result<(Held, Folder), Failure> {
        let path = self.lock_file(partition);
        self.check()?;
        let held = match lock::take(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                lock::take(&path)
            }
            held => held,
        };
        let held = held.map_err(|error| Failure::Io(path, error))?;
        let folder = self.folder(partition);
        journal::recover(&folder)?;
        Ok((held, folder))
    }

    /// As [`lock`](Self::lock), where nobody writes there.
    pub(super) fn try_lock(&self, partition: &Partition) -> Result<Option<(Held, Folder)>, Failure> {
        let path = self.lock_file(partition);
        let Some(held) = lock::try_take(&path).map_err(|error| Failure::Io(path, error))? else {
            return Ok(None);
        };
        let folder = self.folder(partition);
        journal::recover(&folder)?;
        Ok(Some((held, folder)))
    }

    /// Makes the folder a store.
    fn make(&self) -> Result<(), Failure> {
        let (own, locks) = (self.own(), self.own().join("locks"));
        make_folder(&locks).map_err(|error| Failure::Io(locks.clone(), error))?;
        let path = locks.join("about");
        let _held = lock::take(&path).map_err(|error| Failure::Io(path, error))?;
        let path = own.join("about.json");
        if path.exists() {
            return self.check();
        }
        let about = About {
            about: "A store of an MCP server: one JSON file an entry, COLLECTION/ID/ITEM.json.".to_owned(),
            format: FORMAT,
        };
        let draft = own.join("about.json.new");
        let written = serde_json::to_vec_pretty(&about)
            .map_err(io::Error::from)
            .and_then(|text| write(&draft, &text))
            .and_then(|()| fs::rename(&draft, &path));
        written.map_err(|error| Failure::Io(path, error))?;
        sync(&own)?;
        sync(&self.root)?;
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let mut file = private::writing().create(true).truncate(true).open(path)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}
