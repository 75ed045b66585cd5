//! Says what is in a folder, in byte order, without reading all of it again for every page.
//!
//! A file system tells the names of a folder in no order, so the first page costs a look at each of them. The next
//! [`WINDOW_MAX`] names in order are kept for the pages that follow, for as long as the folder is as it was. To page
//! through n files thus costs n looks for every ten thousand of them.

use std::{
    collections::{BinaryHeap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use edgemcp::platform::Clock;

use super::{Failure, folder::SUFFIX, name::part};
use crate::platform::SystemClock;

/// The most names that are kept of one folder.
const WINDOW_MAX: usize = 10_000;

/// How many folders are kept in mind: a survey pages through three at once.
const WINDOWS_MAX: usize = 4;

/// How long a folder must have been left alone. Its time of change has steps of two seconds on some file systems, so
/// that an earlier one does not tell a later change.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// What is looked for in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Collections, or the partitions of one.
    Folders,
    /// Entries.
    Files,
}

/// Some of the names in a folder.
#[derive(Debug)]
pub(super) struct Window {
    folder: PathBuf,
    what: What,
    changed_at: SystemTime,
    /// It begins after this part.
    after: String,
    parts: Vec<String>,
    /// Nothing comes after it.
    pub(super) is_last: bool,
}

/// The windows that were looked through last.
#[derive(Debug, Default)]
pub(super) struct Listings(Mutex<VecDeque<Arc<Window>>>);

impl Window {
    /// The parts after this one, in byte order.
    pub(super) fn after(&self, part: &str) -> &[String] {
        let start = self.parts.partition_point(|other| other.as_str() <= part);
        self.parts.get(start..).unwrap_or_default()
    }

    fn is_of(&self, folder: &Path, what: What, after: &str) -> bool {
        let holds_more = self.is_last || self.parts.last().is_some_and(|last| last.as_str() > after);
        self.folder == folder && self.what == what && self.after.as_str() <= after && holds_more
    }
}

impl Listings {
    /// A window of what is in `folder` after the part `after`, and perhaps before it. It is empty where there is no
    /// such folder.
    pub(super) fn window(&self, folder: &Path, what: What, after: &str) -> Result<Arc<Window>, Failure> {
        let failed = |error| Failure::Io(folder.to_owned(), error);
        let changed_at = match fs::metadata(folder).and_then(|metadata| metadata.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => SystemTime::UNIX_EPOCH,
            changed_at => changed_at.map_err(failed)?,
        };
        // Not the store's clock, which may be a test's: this is the file system's time.
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(SystemClock.now().as_millis());
        let is_settled = now.duration_since(changed_at).is_ok_and(|age| age >= SETTLED_AFTER);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|window| window.folder != folder || (is_settled && window.changed_at == changed_at));
        if let Some(window) = windows.iter().find(|window| window.is_of(folder, what, after)) {
            return Ok(window.clone());
        }
        drop(windows);
        let (parts, is_last) = look(folder, what, after).map_err(failed)?;
        let (folder, after) = (folder.to_owned(), after.to_owned());
        let window = Arc::new(Window { folder, what, changed_at, after, parts, is_last });
        if is_settled && !window.parts.is_empty() {
            let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            windows.truncate(WINDOWS_MAX - 1);
            windows.push_front(window.clone());
        }
        Ok(window)
    }
}

/// The first parts in `folder` after `after`, in byte order, and whether they are all. What is no store's is not seen.
fn look(folder: &Path, what: What, after: &str) -> io::Result<(Vec<String>, bool)> {
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), true)),
        found => found?,
    };
    let (mut first, mut is_last) = (BinaryHeap::new(), true);
    for entry in found {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let name = match what {
            What::Folders => Some(name),
            What::Files => name.strip_suffix(SUFFIX),
        };
        let Some(part) = name.and_then(part).filter(|part| part.as_str() > after) else { continue };
        let is_folder = entry.file_type()?.is_dir();
        if is_folder != (what == What::Folders) {
            continue;
        }
        first.push(part);
        if first.len() > WINDOW_MAX {
            first.pop();
            is_last = false;
        }
    }
    Ok((first.into_sorted_vec(), is_last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of so many files, which was left alone for an hour.
    fn folder(files: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..files {
            fs::write(folder.path().join(format!("n{n:06}.json")), "").unwrap();
        }
        age(folder.path(), Duration::from_secs(3600));
        folder
    }

    fn age(folder: &Path, by: Duration) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(SystemClock.now().as_millis());
        fs::File::open(folder).unwrap().set_modified(now - by).unwrap();
    }

    fn page(listings: &Listings, folder: &Path, after: &str) -> Vec<String> {
        listings.window(folder, What::Files, after).unwrap().after(after).iter().take(2).cloned().collect()
    }

    fn is_kept(listings: &Listings, folder: &Path) -> bool {
        let look = || listings.window(folder, What::Files, "").unwrap();
        Arc::ptr_eq(&look(), &look())
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_left_alone_is_looked_through_once() {
        let (folder, listings) = (folder(5), Listings::default());
        assert!(is_kept(&listings, folder.path()));
        assert_eq!(page(&listings, folder.path(), "n000001"), ["n000002", "n000003"]);
        assert_eq!(listings.0.lock().unwrap().len(), 1);
        assert_eq!(page(&listings, folder.path(), "n000004"), [""; 0]);
    }

    #[test]
    fn what_changes_between_two_pages_is_seen() {
        let (folder, listings) = (folder(3), Listings::default());
        assert_eq!(page(&listings, folder.path(), ""), ["n000000", "n000001"]);
        fs::write(folder.path().join("n000000a.json"), "").unwrap();
        fs::remove_file(folder.path().join("n000001.json")).unwrap();
        assert_eq!(page(&listings, folder.path(), "n000000"), ["n000000a", "n000002"]);
        assert!(!is_kept(&listings, folder.path()), "it has just changed, and may have once more");
    }

    #[test]
    fn more_names_than_a_window_holds_are_all_listed() {
        let (folder, listings) = (folder(WINDOW_MAX + 2), Listings::default());
        let window = listings.window(folder.path(), What::Files, "").unwrap();
        assert_eq!((window.after("").len(), window.is_last), (WINDOW_MAX, false));
        let last = format!("n{:06}", WINDOW_MAX - 1);
        let rest = listings.window(folder.path(), What::Files, &last).unwrap();
        assert_eq!((rest.after(&last).len(), rest.is_last), (2, true));
    }
}
