//! Reads and writes the files of one partition, such that whatever ends the process leaves each of them whole.
//!
//! A file is written under another name beside its place, brought to the disk, and then put in its place, which is one
//! step. Who reads needs no lock and sees the earlier file or the later one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use edgemcp::{
    platform::Timestamp,
    store::{Entry, Key, Partition},
};

use super::{
    Failure,
    document::{self, DOCUMENT_BYTES_MAX, HEAD_BYTES},
    journal,
    name::name,
};
use crate::store::{make_folder, private};

/// What the file of an entry is called behind the name of its item.
pub(super) const SUFFIX: &str = ".json";

/// What a draft is called in front of its number.
const DRAFT: &str = ".new-";

/// How often to make a folder anew that somebody deletes as empty before there is a file in it.
const MAKE_TRIES_MAX: usize = 16;

/// The folder of a partition. It may not be there yet.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    partition: Partition,
    path: PathBuf,
}

/// An entry that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub(super) item: &'a str,
    pub(super) value: &'a [u8],
    pub(super) expires_at: Option<Timestamp>,
}

/// A file that is written and not yet in its place.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: File,
}

impl Folder {
    pub(super) fn new(root: &Path, partition: &Partition) -> Self {
        let path = root.join(name(partition.collection())).join(name(partition.id()));
        Self { root: root.to_owned(), partition: partition.clone(), path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Where the file of `item` is, or would be.
    pub(super) fn file(&self, item: &str) -> PathBuf {
        self.path.join(name(item) + SUFFIX)
    }

    /// Where a file stands before it is in its place. A name with a leading dot is no item's. Only the holder of the
    /// lock writes here, so what another left is nobody's any more and is written over.
    pub(super) fn draft(&self, number: usize) -> PathBuf {
        self.path.join(format!("{DRAFT}{number}"))
    }

    /// The entry in the file of `item`, whether or not it has expired.
    pub(super) fn read(&self, item: &str) -> Result<Option<Entry>, Failure> {
        let key = self.key(item)?;
        let path = self.file(item);
        let Some(written) = read(&path, DOCUMENT_BYTES_MAX)? else { return Ok(None) };
        document::read(&key, &written).map(Some).map_err(|why| Failure::Corrupt(path, why))
    }

    /// As [`read`](Self::read), where it has not expired.
    pub(super) fn live(&self, item: &str, now: Timestamp) -> Result<Option<Entry>, Failure> {
        Ok(self.read(item)?.filter(|entry| entry.is_live(now)))
    }

    /// Whether there is an entry and it has expired, for which most files need not be read to their ends.
    pub(super) fn has_expired(&self, item: &str, now: Timestamp) -> Result<bool, Failure> {
        let path = self.file(item);
        let mut head = Vec::new();
        match File::open(&path).and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            read => read.map_err(|error| Failure::Io(path, error))?,
        };
        match document::end(&head) {
            Some(end) => Ok(end.is_some_and(|end| end <= now)),
            None => Ok(self.read(item)?.is_some_and(|entry| !entry.is_live(now))),
        }
    }

    /// Writes an entry to its draft, whose bytes are not yet on the disk.
    pub(super) fn write(&self, number: usize, put: &Write<'_>) -> Result<Draft, Failure> {
        let path = self.draft(number);
        let written = document::write(&self.key(put.item)?, put.value, put.expires_at)
            .map_err(|error| Failure::Io(path.clone(), error.into()))?;
        self.write_draft(path, &written)
    }

    /// Deletes the first `count` drafts, and the one behind them: what fills a disk must not stay on it.
    pub(super) fn discard(&self, count: usize) {
        for number in 0..=count {
            // One that stays is written over, or swept.
            let _ = fs::remove_file(self.draft(number));
        }
    }

    /// Writes `bytes` to the draft at `path`, and makes the folder where it is not there yet.
    pub(super) fn write_draft(&self, path: PathBuf, bytes: &[u8]) -> Result<Draft, Failure> {
        let (mut tries, mut is_new) = (0, false);
        let mut file = loop {
            let opened = private::writing().create(true).truncate(true).open(&path);
            match opened {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < MAKE_TRIES_MAX => {
                    tries += 1;
                    // The next try says whether it is there.
                    match make_folder(&self.path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(Failure::Io(self.path.clone(), error));
                        }
                        _ => is_new = true,
                    }
                }
                opened => break opened.map_err(|error| Failure::Io(path.clone(), error))?,
            }
        };
        if is_new {
            // A file is as durable as the folders above it.
            self.path.parent().map_or(Ok(()), sync)?;
            sync(&self.root)?;
        }
        match file.write_all(bytes) {
            Ok(()) => Ok(Draft { path, file }),
            Err(error) => Err(Failure::Io(path, error)),
        }
    }

    /// Deletes the file of `item`, where there is one, and says whether there was.
    pub(super) fn remove(&self, item: &str) -> Result<bool, Failure> {
        let was_there = remove(&self.file(item))?;
        if was_there {
            self.sync()?;
        }
        Ok(was_there)
    }

    /// Brings what the folder says of its files to the disk: which there are, and where.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        sync(&self.path)
    }

    /// Whether a transaction is under way here, or was when its process ended.
    pub(super) fn has_journal(&self) -> Result<bool, Failure> {
        let path = journal::path(&self.path);
        path.try_exists().map_err(|error| Failure::Io(path, error))
    }

    fn key(&self, item: &str) -> Result<Key, Failure> {
        self.partition.item(item).map_err(Failure::Key)
    }
}

impl Draft {
    /// Itself once its bytes are on the disk; a file whose name got there first would be empty after a power cut.
    pub(super) fn settled(self) -> Result<Self, Failure> {
        match self.file.sync_all() {
            Ok(()) => Ok(self),
            Err(error) => Err(Failure::Io(self.path, error)),
        }
    }

    /// Puts it in its place, over what is there.
    pub(super) fn place(self, at: &Path) -> Result<(), Failure> {
        drop(self.file);
        fs::rename(&self.path, at).map_err(|error| Failure::Io(at.to_owned(), error))
    }
}

/// Whether a file is not in its place yet, or never came there.
pub(super) fn is_draft(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(DRAFT))
}

/// The whole file, where there is one.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error| Failure::Io(path.to_owned(), error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(Failure::Corrupt(path.to_owned(), format!("is larger than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// Deletes the file, where there is one, and says whether there was.
pub(super) fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::Io(path.to_owned(), error)),
    }
}

/// Brings what a folder says of its files to the disk. Elsewhere than on Unix no program can ask for it, and the file
/// system's own journal keeps the order.
pub(super) fn sync(folder: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Failure::Io(folder.to_owned(), error))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
