//! Lets several writes to a partition happen whole or not at all, also where the process ends in between.
//!
//! What is to be written is brought to the disk beside its place first. Then the journal says what is to be put where
//! and what is to be deleted; once it is there, the transaction has happened. Whoever comes next to the partition and
//! finds a journal does what it says, which can be done again and again, and only then looks at anything else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Failure,
    folder::{Draft, Folder, Write, read, remove},
};

/// How many drafts are open at once where many entries are written.
const DRAFTS_MAX: usize = 100;

/// More than the names of a transaction's writes ever take.
const JOURNAL_BYTES_MAX: usize = 64 << 10;

/// What a transaction does.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Journal {
    /// The items whose files stand beside their places, by the numbers of the drafts.
    puts: Vec<String>,
    deletes: Vec<String>,
}

/// Where the journal of the partition in `folder` is, while there is one.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(".journal")
}

/// Does all of `puts` and `deletes`, or none of them.
pub(super) fn commit(folder: &Folder, puts: &[Write<'_>], deletes: Vec<String>) -> Result<(), Failure> {
    puts.iter().map(|put| put.item).chain(deletes.iter().map(String::as_str)).try_for_each(|item| {
        // A journal that could never be done would keep everybody from the partition.
        let place = folder.file(item);
        if place.symlink_metadata().is_ok_and(|there| there.is_dir()) {
            return Err(Failure::Io(place, io::ErrorKind::IsADirectory.into()));
        }
        Ok(())
    })?;
    let drafts = draft_all(folder, puts)?;
    // What is one step anyway needs no journal.
    match (puts.len(), &*deletes) {
        (0, []) => return Ok(()),
        (0, [item]) => return folder.remove(item).map(drop),
        (1, []) => return place_all(folder, puts, drafts),
        _ => {}
    }
    let journal = Journal { puts: puts.iter().map(|put| put.item.to_owned()).collect(), deletes };
    let path = path(folder.path());
    let written =
        serde_json::to_vec_pretty(&journal).map_err(|error| Failure::Io(path.clone(), error.into()))?;
    let number = puts.len();
    let placed = folder.write_draft(folder.draft(number), &written);
    placed
        .and_then(Draft::settled)
        .and_then(|draft| draft.place(&path))
        .inspect_err(|_| folder.discard(number))?;
    folder.sync()?;
    apply(folder, &journal)
}

/// Does each of `puts` for itself, which is cheaper together: a file system brings many files to the disk at once.
pub(super) fn put_each(folder: &Folder, puts: &[Write<'_>]) -> Result<(), Failure> {
    puts.chunks(DRAFTS_MAX).try_for_each(|puts| place_all(folder, puts, draft_all(folder, puts)?))
}

/// Writes the drafts of all of `puts` and brings them to the disk; none stays where that fails.
fn draft_all(folder: &Folder, puts: &[Write<'_>]) -> Result<Vec<Draft>, Failure> {
    let drafted = puts.iter().enumerate().map(|(number, put)| folder.write(number, put));
    let drafts = drafted.collect::<Result<Vec<_>, _>>();
    let settled = drafts.and_then(|drafts| drafts.into_iter().map(Draft::settled).collect());
    settled.inspect_err(|_| folder.discard(puts.len()))
}

fn place_all(folder: &Folder, puts: &[Write<'_>], drafts: Vec<Draft>) -> Result<(), Failure> {
    let placed = puts.iter().zip(drafts).try_for_each(|(put, draft)| draft.place(&folder.file(put.item)));
    placed.inspect_err(|_| folder.discard(puts.len()))?;
    folder.sync()
}

/// Does what a journal says that another process left. Nothing happens where there is none.
pub(super) fn recover(folder: &Folder) -> Result<(), Failure> {
    let path = path(folder.path());
    let Some(written) = read(&path, JOURNAL_BYTES_MAX)? else { return Ok(()) };
    let journal: Journal = serde_json::from_slice(&written).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::Corrupt(path, format!("is no journal from line {line}, column {column} on"))
    })?;
    apply(folder, &journal)
}

fn apply(folder: &Folder, journal: &Journal) -> Result<(), Failure> {
    let mut items = journal.puts.iter().chain(&journal.deletes);
    // A name that is no item's could lead out of the folder.
    items
        .try_for_each(|item| folder.partition().item(item.as_str()).map(drop))
        .map_err(|error| Failure::Corrupt(path(folder.path()), format!("names what is no item: {error}")))?;
    for (number, item) in journal.puts.iter().enumerate() {
        let (draft, place) = (folder.draft(number), folder.file(item));
        match fs::rename(&draft, &place) {
            // It is in its place already.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            renamed => renamed.map_err(|error| Failure::Io(place, error))?,
        }
    }
    for item in &journal.deletes {
        remove(&folder.file(item))?;
    }
    folder.sync()?;
    // A power cut must not bring it back beside the drafts of a later write, which have the names of its own.
    remove(&path(folder.path()))?;
    folder.sync()
}
