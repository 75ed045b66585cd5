//! Says where a server's store is kept: in this user's data folder, under the server's name.

use std::{fmt, path::PathBuf};

use etcetera::BaseStrategy;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name of a folder, in bytes; file systems take 255.
const FOLDER_BYTES_MAX: usize = 200;

/// What cannot stand in a folder's name on every system. `%` is escaped too, so no two names share a folder.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b' ');

/// Why a server has no default path for its store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorePathError {
    /// This user has no data folder.
    NoDataFolder,
    /// The server's name is too long, or empty, for a folder.
    Name,
}

impl fmt::Display for StorePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDataFolder => f.write_str(
                "this user has no home folder to keep the store in (name a file with `--store`, or say `--store \
                 memory`)",
            ),
            Self::Name => f.write_str(
                "the server's name makes no folder name to keep the store under (name a file with `--store`)",
            ),
        }
    }
}

impl std::error::Error for StorePathError {}

/// Where the store of the server `name` is kept: `edgemcp/<name>/store.sqlite3` in this user's data folder
/// (`$XDG_DATA_HOME` or `~/.local/share`, `~/Library/Application Support` on macOS, `%APPDATA%` on Windows). What
/// cannot stand in a folder's name is percent-encoded.
///
/// # Errors
/// [`StorePathError`], which names the way out.
///
/// ```no_run
/// let path = edgemcp_native::store_path("calculator")?;
/// assert!(path.ends_with("edgemcp/calculator/store.sqlite3"));
/// # Ok::<(), edgemcp_native::StorePathError>(())
/// ```
pub fn store_path(name: &str) -> Result<PathBuf, StorePathError> {
    let folder = folder(name)?;
    let base = etcetera::base_strategy::choose_native_strategy().map_err(|_| StorePathError::NoDataFolder)?;
    Ok(base.data_dir().join("edgemcp").join(folder).join("store.sqlite3"))
}

fn folder(name: &str) -> Result<String, StorePathError> {
    let mut folder: String = utf8_percent_encode(name, ESCAPED).collect();
    // `.` and `..` are folders already, and a leading dot hides one.
    if folder.starts_with('.') {
        folder.replace_range(..1, "%2E");
    }
    // Windows drops what ends a name so, and two names would share a folder.
    for (end, escaped) in [('.', "%2E"), (' ', "%20")] {
        if folder.ends_with(end) {
            folder.pop();
            folder.push_str(escaped);
        }
    }
    if folder.is_empty() || folder.len() > FOLDER_BYTES_MAX {
        return Err(StorePathError::Name);
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_its_own_folder() {
        assert_eq!(folder("calculator-2_x.y").unwrap(), "calculator-2_x.y");
        assert_eq!(folder("my server").unwrap(), "my server");
    }

    #[test]
    fn no_name_leaves_the_folder_and_no_two_share_one() {
        let names =
            ["..", ".", "a/b", "a\\b", "a%2Fb", "a_b", "../../etc", "C:", "a\0", "ü", "a.", "a", "a "];
        let folders: Vec<_> = names.iter().map(|name| folder(name).unwrap()).collect();
        for folder in &folders {
            assert!(!folder.contains(['/', '\\', ':', '\0']), "{folder}");
            assert!(!folder.starts_with('.') && !folder.ends_with(['.', ' ']), "{folder}");
        }
        let distinct: std::collections::HashSet<_> = folders.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{folders:?}");
    }

    #[test]
    fn a_name_at_the_limit_is_taken_and_one_byte_more_is_not() {
        assert!(folder(&"x".repeat(FOLDER_BYTES_MAX)).is_ok());
        assert_eq!(folder(&"x".repeat(FOLDER_BYTES_MAX + 1)), Err(StorePathError::Name));
        assert_eq!(folder(""), Err(StorePathError::Name));
    }
}
