//! Reads settings and secrets from the process's environment, and from `.env` and `.dev.vars` files behind it.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use edgemcp::{config::Secret, platform::Vars};

use super::dotenv;

/// The most bytes a file of variables may have: 1 MiB.
pub const ENV_FILE_BYTES_MAX: u64 = 1 << 20;

/// The files that are read where none is named. What stands in a later one wins.
const IN_FOLDER: [&str; 2] = [".env", ".dev.vars"];

/// The process's environment variables. One that is not UTF-8 reads as not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvVars;

impl Vars for EnvVars {
    #[expect(clippy::disallowed_methods, reason = "this adapter is where the settings come from")]
    fn var(&self, name: &str) -> Option<String> {
        // The standard library's look-up may panic on such a name on some systems.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }
}

/// The process's environment variables, and behind them those of `.env` and `.dev.vars` files, for development.
///
/// What the process was given wins, also where it was given nothing (`NOTES_KEY= cargo run`). The files are read once,
/// and nothing is put into the process's environment. [`run`](crate::run()) reads those of the working directory; a
/// program of your own says so:
///
/// ```no_run
/// use std::sync::Arc;
/// use edgemcp_native::{EnvFiles, NativePlatform};
///
/// # fn main() -> Result<(), edgemcp_native::EnvFileError> {
/// let vars = EnvFiles::in_folder(".")?;
/// let platform = NativePlatform::builder("calculator").vars(Arc::new(vars)).build();
/// # Ok(())
/// # }
/// ```
///
/// # What stands in a file
///
/// One `NAME=value` a line, as in `wrangler`'s `.dev.vars`; empty lines, and comments behind `#`. A value in quotes (`'`,
/// `"` or `` ` ``) may have several lines and a `#`; within `"` alone `\n` is the end of a line. `$` stands for itself.
///
/// # Limits
/// A file has at most [`ENV_FILE_BYTES_MAX`]. `wrangler dev` reads one of the two only: where there is a `.dev.vars` it
/// leaves out `.env`, in which it also replaces `$NAME`, and it reads `.env.local` too. So what a Worker needs while it is
/// developed belongs into `.dev.vars`, and what only this adapter knows (`EDGEMCP_PORT`) into `.env`.
#[derive(Clone, Debug, Default)]
pub struct EnvFiles {
    values: BTreeMap<String, (Secret, usize)>,
    paths: Vec<PathBuf>,
}

impl EnvFiles {
    /// Reads `.env` and `.dev.vars` in `folder`, as far as they are there. `.dev.vars` wins.
    ///
    /// # Errors
    /// [`EnvFileError`] where one is there and cannot be read.
    pub fn in_folder(folder: impl AsRef<Path>) -> Result<Self, EnvFileError> {
        let mut files = Self::default();
        for name in IN_FOLDER {
            // As `wrangler` and its like name them: the folder that everybody means is not told.
            let path = match folder.as_ref() {
                here if here == Path::new(".") => PathBuf::from(name),
                folder => folder.join(name),
            };
            // A folder of that name is another program's, such as a virtual environment of Python's.
            if !path.is_dir() {
                files.add(path, true)?;
            }
        }
        Ok(files)
    }

    /// Reads these files. A later one wins.
    ///
    /// # Errors
    /// [`EnvFileError`] where one is not there or cannot be read.
    pub fn read(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Result<Self, EnvFileError> {
        let mut files = Self::default();
        for path in paths {
            files.add(path.into(), false)?;
        }
        Ok(files)
    }

    /// The files that were read.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// What a file says, whatever the process was given, and which.
    pub(crate) fn in_file(&self, name: &str) -> Option<(&str, &Path)> {
        let (value, place) = self.values.get(name)?;
        Some((value.expose(), self.paths.get(*place)?))
    }

    fn add(&mut self, path: PathBuf, may_be_missing: bool) -> Result<(), EnvFileError> {
        let text = match text(&path) {
            Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(EnvFileError { path, why: Why::Io(error) }),
            Ok(text) => Secret::new(text),
        };
        let place = self.paths.len();
        match dotenv::parse(text.expose()) {
            Ok(found) => {
                self.values
                    .extend(found.into_iter().map(|(name, value)| (name, (Secret::new(value), place))));
                self.paths.push(path);
                Ok(())
            }
            Err(malformed) => Err(EnvFileError { path, why: Why::Malformed(malformed) }),
        }
    }
}

impl Vars for EnvFiles {
    fn var(&self, name: &str) -> Option<String> {
        EnvVars.var(name).or_else(|| self.in_file(name).map(|(value, _)| value.to_owned()))
    }
}

/// A file of variables that cannot be read. It tells which and where, and no value.
#[derive(Debug)]
pub struct EnvFileError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    Malformed(dotenv::Malformed),
}

impl fmt::Display for EnvFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Io(error) => write!(f, "{path} cannot be read: {error}"),
            Why::Malformed(malformed) => write!(f, "{path}, line {}: {}", malformed.line, malformed.why),
        }
    }
}

impl std::error::Error for EnvFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            Why::Malformed(_) => None,
        }
    }
}

/// What is in the file, which need not be one: password managers serve theirs through a pipe.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(ENV_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > ENV_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {ENV_FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_was_given_is_read_and_the_rest_is_absent() {
        assert_eq!(EnvVars.var("CARGO_PKG_NAME").as_deref(), Some("edgemcp-native"));
        assert_eq!(EnvVars.var("EDGEMCP_NO_SUCH_VARIABLE"), None);
    }

    #[test]
    fn a_name_no_variable_can_have_is_absent() {
        for name in ["", "A=B", "A\0B", "="] {
            assert_eq!(EnvVars.var(name), None, "{name:?}");
        }
    }

    #[test]
    fn of_two_files_in_a_folder_dev_vars_wins_and_the_process_wins_over_both() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".env"), "A_TEST_1=env\nA_TEST_2=env\nCARGO_PKG_NAME=env").unwrap();
        fs::write(folder.path().join(".dev.vars"), "A_TEST_2=dev\nA_TEST_3=dev").unwrap();
        let vars = EnvFiles::in_folder(folder.path()).unwrap();
        let found =
            ["A_TEST_1", "A_TEST_2", "A_TEST_3", "A_TEST_4", "CARGO_PKG_NAME"].map(|name| vars.var(name));
        let expected = [Some("env"), Some("dev"), Some("dev"), None, Some("edgemcp-native")];
        assert_eq!(found.each_ref().map(Option::as_deref), expected);
        assert_eq!(vars.paths(), [folder.path().join(".env"), folder.path().join(".dev.vars")]);
        assert_eq!(EnvVars.var("A_TEST_1"), None, "nothing is put into the environment");
        let (value, path) = vars.in_file("CARGO_PKG_NAME").unwrap();
        assert_eq!((value, path), ("env", &*folder.path().join(".env")));
    }

    #[test]
    fn files_that_are_not_there_are_not_read_unless_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".env")).unwrap();
        assert!(EnvFiles::in_folder(folder.path()).unwrap().paths().is_empty());
        let error = EnvFiles::read([folder.path().join("a.env")]).unwrap_err().to_string();
        assert!(error.contains("a.env cannot be read: "), "{error}");
    }

    #[test]
    fn of_several_named_files_a_later_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "A_TEST=1\nB_TEST=1").unwrap();
        fs::write(&two, "A_TEST=2").unwrap();
        let vars = EnvFiles::read([one, two]).unwrap();
        assert_eq!((vars.var("A_TEST").as_deref(), vars.var("B_TEST").as_deref()), (Some("2"), Some("1")));
    }

    #[test]
    fn a_file_that_cannot_be_read_says_where_and_nothing_of_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let name = path.display();
        for (content, expected) in [
            (&b"A=1\nhunter2\n"[..], format!("{name}, line 2: a line is `NAME=value`")),
            (b"A=\"hunter2", format!("{name}, line 1: the quote that begins here is not closed")),
            (b"A=hunter2\xff", format!("{name} cannot be read: stream did not contain valid UTF-8")),
        ] {
            fs::write(&path, content).unwrap();
            let error = EnvFiles::in_folder(folder.path()).unwrap_err();
            for told in [error.to_string(), format!("{error:?}")] {
                assert!(!told.contains("hunter"), "{told}");
            }
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_a_longer_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let most = usize::try_from(ENV_FILE_BYTES_MAX).unwrap();
        fs::write(&path, format!("A_TEST={}", "x".repeat(most - 7))).unwrap();
        assert_eq!(EnvFiles::read([&path]).unwrap().var("A_TEST").unwrap().len(), most - 7);
        fs::write(&path, format!("A_TEST={}", "x".repeat(most - 6))).unwrap();
        let error = EnvFiles::read([&path]).unwrap_err().to_string();
        assert!(error.ends_with("it has more than 1048576 bytes"), "{error}");
    }

    #[test]
    fn what_holds_the_files_does_not_show_their_values() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".env"), "A_TEST=hunter2").unwrap();
        let shown = format!("{:?}", EnvFiles::in_folder(folder.path()).unwrap());
        assert!(shown.contains("A_TEST") && !shown.contains("hunter2"), "{shown}");
    }
}
