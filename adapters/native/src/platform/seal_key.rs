//! Gives a server on this machine a key to seal with, so that it needs no setting to begin.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use edgemcp::{
    SEAL_KEYS,
    platform::{Log, LogLevel, Random, RandomError, Vars},
};

use crate::store::{make_folder, store_path};

/// The key of a machine, in bytes.
const KEY_BYTES: usize = 32;

/// The longest file that is read as a key, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// Where the key of a server is kept that was given none ([`SEAL_KEYS`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealKey {
    /// In this file, which is made when it is first needed, and which only its user may read. It outlives the process,
    /// and belongs to this machine: where several serve, they must share what they are given.
    File(PathBuf),
    /// In the process's memory. What was sealed ends with the process.
    Memory,
}

impl SealKey {
    /// Beside the default store of the server with this name, so that what outlives the process together is moved and
    /// deleted together.
    pub(crate) fn beside_default_store(name: &str) -> Self {
        store_path(name).map_or(Self::Memory, |path| Self::File(path.with_file_name("seal.key")))
    }
}

/// Settings with a key to seal with in them, whether or not there is one.
pub(super) struct WithSealKey {
    vars: Arc<dyn Vars>,
    random: Arc<dyn Random>,
    log: Arc<dyn Log>,
    place: SealKey,
    key: OnceLock<Option<String>>,
}

impl WithSealKey {
    pub(super) fn new(
        vars: Arc<dyn Vars>,
        random: Arc<dyn Random>,
        log: Arc<dyn Log>,
        place: SealKey,
    ) -> Self {
        Self { vars, random, log, place, key: OnceLock::new() }
    }

    fn key(&self) -> Option<&str> {
        self.key
            .get_or_init(|| match self.found_or_made() {
                Ok(key) => Some(key),
                Err(why) => {
                    let message = format!(
                        "there is no key to seal sessions and states with: {why} (set `{SEAL_KEYS}` to the output of \
                         `openssl rand -base64 32`)"
                    );
                    self.log.log(LogLevel::Error, &message);
                    None
                }
            })
            .as_deref()
    }

    fn found_or_made(&self) -> Result<String, String> {
        let SealKey::File(path) = &self.place else {
            return self.drawn().map_err(|error| error.to_string());
        };
        let cannot = |error: io::Error| format!("{} cannot be used: {error}", path.display());
        match read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read.map_err(cannot),
        }
        let drawn = || self.drawn().map_err(|error| error.to_string());
        // Others may be about to make one too; the first one stays, and is whole when it is there.
        keep(path, &drawn()?, &drawn()?).map_err(cannot)?;
        let message = format!(
            "sessions and states are sealed with the key of this machine, in {}; set `{SEAL_KEYS}` where several serve",
            path.display()
        );
        self.log.log(LogLevel::Info, &message);
        read(path).map_err(cannot)
    }

    /// A key. Hexadecimal digits are base64 too.
    fn drawn(&self) -> Result<String, RandomError> {
        let mut bytes = [0; KEY_BYTES];
        self.random.fill(&mut bytes)?;
        Ok(bytes.iter().fold(String::new(), |mut key, byte| {
            // Writing to a `String` does not fail.
            let _ = write!(key, "{byte:02x}");
            key
        }))
    }
}

impl Vars for WithSealKey {
    fn var(&self, name: &str) -> Option<String> {
        let set = self.vars.var(name).filter(|value| !value.is_empty());
        match set {
            None if name == SEAL_KEYS => self.key().map(str::to_owned),
            set => set,
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is no key"));
    }
    let key = fs::read_to_string(path)?.trim().to_owned();
    if key.is_empty() { Err(io::Error::other("it is empty")) } else { Ok(key) }
}

/// Writes the key where there is none yet. `suffix` is for a draft that is nobody else's: in containers, processes that
/// share a folder have the same id.
fn keep(path: &Path, key: &str, suffix: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    let draft = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(key.as_bytes())?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // A draft that stays behind harms nobody.
    let _ = fs::remove_file(&draft);
    linked
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::platform::OsRandom;

    struct Set(Option<&'static str>);

    impl Vars for Set {
        fn var(&self, name: &str) -> Option<String> {
            self.0.filter(|_| name == SEAL_KEYS).map(str::to_owned)
        }
    }

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Log for Lines {
        fn log(&self, _: LogLevel, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    fn vars(set: Option<&'static str>, place: SealKey) -> (WithSealKey, Arc<Lines>) {
        let log = Arc::new(Lines::default());
        (WithSealKey::new(Arc::new(Set(set)), Arc::new(OsRandom), log.clone(), place), log)
    }

    #[test]
    fn a_key_that_is_set_is_taken_and_no_file_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let (vars, log) = vars(Some("set"), SealKey::File(path.clone()));
        assert_eq!(vars.var(SEAL_KEYS).as_deref(), Some("set"));
        assert_eq!(vars.var("OTHER"), None);
        assert!(!path.exists() && log.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_key_is_made_once_and_is_its_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/yet/seal.key");
        let (first, log) = vars(None, SealKey::File(path.clone()));
        let key = first.var(SEAL_KEYS).unwrap();
        assert_eq!((key.len(), first.var(SEAL_KEYS).unwrap()), (2 * KEY_BYTES, key.clone()));
        assert_eq!(log.0.lock().unwrap().len(), 1, "it is said once");
        assert!(!log.0.lock().unwrap()[0].contains(&key));
        let (second, log) = vars(None, SealKey::File(path.clone()));
        assert_eq!(second.var(SEAL_KEYS).unwrap(), key);
        assert!(log.0.lock().unwrap().is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no draft stays behind");
    }

    #[test]
    fn of_two_processes_that_make_a_key_both_take_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        keep(&path, "first", "1").unwrap();
        keep(&path, "second", "2").unwrap();
        assert_eq!(read(&path).unwrap(), "first");
    }

    #[test]
    fn many_that_make_a_key_at_once_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let keys = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| vars(None, SealKey::File(path.clone())).0.var(SEAL_KEYS)))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn what_a_process_left_that_was_killed_over_its_draft_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        // In a container every process of the server has the same number.
        let draft = format!("seal.key.{}", std::process::id());
        fs::write(folder.path().join(draft), "half a k").unwrap();
        let (vars, log) = vars(None, SealKey::File(folder.path().join("seal.key")));
        assert!(vars.var(SEAL_KEYS).is_some(), "{:?}", log.0.lock().unwrap());
    }

    #[test]
    fn a_file_that_is_no_key_says_so_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        for content in ["".to_owned(), "x".repeat(5000)] {
            fs::write(&path, &content).unwrap();
            let (vars, log) = vars(None, SealKey::File(path.clone()));
            assert_eq!(vars.var(SEAL_KEYS), None);
            assert!(log.0.lock().unwrap()[0].contains("seal.key cannot be used"));
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_key_in_memory_is_another_for_each_process() {
        let [one, other] = [(); 2].map(|()| vars(None, SealKey::Memory).0.var(SEAL_KEYS).unwrap());
        assert_ne!(one, other);
    }
}
