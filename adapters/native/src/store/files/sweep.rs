//! Walks through the whole folder, a few entries at a time, and deletes what has expired, and what is empty.

use std::{collections::VecDeque, fs, path::Path};

use edgemcp::store::{Key, Partition};

use super::{
    Failure, Shared,
    folder::{Folder, is_draft, remove},
    listing::What,
    name::name,
};

/// How many steps of the walk one write takes besides its own work. As it is more than one, what has expired goes
/// faster than new entries come.
const STEPS: usize = 4;

/// Where a walk is. Where it ends it begins anew.
#[derive(Debug, Default)]
pub(super) struct Walk {
    collections: Names,
    /// The collection it is in, and what it has not been to there.
    collection: Option<(String, Names)>,
    partition: Option<(Partition, Names)>,
}

/// The names of one folder that the walk has not been to.
#[derive(Debug)]
struct Names {
    waiting: VecDeque<String>,
    /// There may be more after this one.
    more_after: Option<String>,
}

/// What a step came to.
enum Step {
    /// It has been to all there is.
    Ends,
    /// There is nothing to do here.
    GoesOn,
    Entry(Key),
    /// It has been to all entries of a partition.
    Leaves(Partition),
}

impl Default for Names {
    fn default() -> Self {
        // No name is empty, so every one comes after the empty text.
        Self { waiting: VecDeque::new(), more_after: Some(String::new()) }
    }
}

impl Names {
    fn next(&mut self, shared: &Shared, folder: &Path, what: What) -> Result<Option<String>, Failure> {
        if self.waiting.is_empty()
            && let Some(after) = self.more_after.take()
        {
            let window = shared.listings.window(folder, what, &after)?;
            self.waiting = window.after(&after).to_vec().into();
            self.more_after = self.waiting.back().filter(|_| !window.is_last).cloned();
        }
        Ok(self.waiting.pop_front())
    }
}

impl Walk {
    /// Goes on a little, and waits for nobody.
    pub(super) fn sweep(&mut self, shared: &Shared) -> Result<(), Failure> {
        for _ in 0..STEPS {
            let step = self.step(shared)?;
            let Some(partition) = work(shared, &step) else { continue };
            let lane = shared.lane(partition);
            let Ok(_lane) = lane.try_lock() else { continue };
            let Some((_held, folder)) = shared.place.try_lock(partition)? else { continue };
            clear(shared, &folder, &step)?;
        }
        Ok(())
    }

    /// Goes through all there is, and says how many entries it deleted.
    pub(super) fn purge(&mut self, shared: &Shared) -> Result<u64, Failure> {
        let mut purged = 0;
        loop {
            let step = self.step(shared)?;
            if matches!(step, Step::Ends) {
                return Ok(purged);
            }
            let Some(partition) = work(shared, &step) else { continue };
            match shared.place.lock(partition) {
                Ok((_held, folder)) => purged += u64::from(clear(shared, &folder, &step)?),
                // What it says cannot be done, and the rest can.
                Err(Failure::Corrupt(..)) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn step(&mut self, shared: &Shared) -> Result<Step, Failure> {
        let root = shared.place.root();
        if let Some((partition, names)) = &mut self.partition {
            let folder = shared.place.folder(partition);
            return Ok(match names.next(shared, folder.path(), What::Files)? {
                Some(item) => partition.item(item).map_or(Step::GoesOn, Step::Entry),
                None => self.partition.take().map_or(Step::GoesOn, |(partition, _)| Step::Leaves(partition)),
            });
        }
        if let Some((collection, names)) = &mut self.collection {
            match names.next(shared, &root.join(name(collection)), What::Folders)? {
                Some(id) => {
                    let partition = Partition::new(collection.as_str(), id);
                    self.partition = partition.ok().map(|partition| (partition, Names::default()));
                }
                None => self.collection = None,
            }
            return Ok(Step::GoesOn);
        }
        match self.collections.next(shared, root, What::Folders)? {
            Some(collection) => self.collection = Some((collection, Names::default())),
            None => {
                *self = Self::default();
                return Ok(Step::Ends);
            }
        }
        Ok(Step::GoesOn)
    }
}

/// The partition that has to be locked for what there is to do; `None` where there is nothing.
fn work<'a>(shared: &Shared, step: &'a Step) -> Option<&'a Partition> {
    match step {
        Step::Ends | Step::GoesOn => None,
        Step::Entry(key) => {
            has_expired(shared, &shared.place.folder(key.partition()), key.item()).then_some(key.partition())
        }
        Step::Leaves(partition) => Some(partition),
    }
}

/// Deletes the entry if it still has expired, or what is of no use in its folder. Whether an entry was deleted.
fn clear(shared: &Shared, folder: &Folder, step: &Step) -> Result<bool, Failure> {
    match step {
        Step::Entry(key) if has_expired(shared, folder, key.item()) => remove(&folder.file(key.item())),
        Step::Leaves(_) => tidy(folder).map(|()| false),
        _ => Ok(false),
    }
}

/// A file that nobody can read stays, for a person to look at.
fn has_expired(shared: &Shared, folder: &Folder, item: &str) -> bool {
    folder.has_expired(item, shared.clock.now()).unwrap_or(false)
}

/// Deletes what a process left that ended before its files were in their places, and the folder where it is empty.
fn tidy(folder: &Folder) -> Result<(), Failure> {
    let failed = |error| Failure::Io(folder.path().to_owned(), error);
    let mut is_empty = true;
    for entry in fs::read_dir(folder.path()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_draft(&entry.file_name()) {
            remove(&entry.path())?;
        } else {
            is_empty = false;
        }
    }
    // Where the folder above is not empty, or has just been written to, it is not deleted.
    if is_empty && fs::remove_dir(folder.path()).is_ok() {
        let _ = folder.path().parent().map(fs::remove_dir);
    }
    Ok(())
}
