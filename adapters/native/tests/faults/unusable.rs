//! A store that cannot be used says so, keeps what was there, and goes on once it can be used again.

use std::{fs, process::Command};

use edgemcp::store::{StoreErrorKind, Survey};

use super::{
    Kind, Subject, get,
    keeper::{Keeper, value},
    key,
};

const ROUNDS: usize = 20;

async fn put(store: &dyn Survey, item: &str) -> Result<(), StoreErrorKind> {
    store.put(&key(item), item.to_owned().into(), None).await.map_err(|error| error.kind())
}

async fn lost_of(store: &dyn Survey, count: usize) -> usize {
    let mut lost = 0;
    for n in 0..count {
        lost += usize::from(get(store, &n.to_string()).await.unwrap().is_none());
    }
    lost
}

#[tokio::test]
async fn a_store_that_is_unusable_at_start_works_once_it_is_usable() {
    for subject in Subject::each() {
        let store = subject.open();
        fs::write(subject.home(), "a file where a folder must be").unwrap();
        for _ in 0..ROUNDS {
            assert_eq!(put(&*store, "0").await, Err(StoreErrorKind::Unavailable));
            let error = get(&*store, "0").await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.is_retryable());
            assert_eq!(store.survey(None).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
        fs::remove_file(subject.home()).unwrap();
        put(&*store, "0").await.unwrap();
        subject.tell("unusable at start", ROUNDS, lost_of(&*store, 1).await);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_becomes_unusable_and_comes_back_has_all_that_it_had() {
    for subject in Subject::each() {
        let store = subject.open();
        let elsewhere = subject.folder.path().join("elsewhere");
        for round in 0..ROUNDS {
            put(&*store, &round.to_string()).await.unwrap();
            fs::rename(subject.home(), &elsewhere).unwrap();
            fs::write(subject.home(), "a file where a folder must be").unwrap();
            assert_eq!(put(&*store, "meanwhile").await, Err(StoreErrorKind::Unavailable));
            let error = get(&*store, "0").await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            fs::remove_file(subject.home()).unwrap();
            fs::rename(&elsewhere, subject.home()).unwrap();
        }
        assert_eq!(get(&*store, "meanwhile").await.unwrap(), None);
        subject.tell("unusable for a while", ROUNDS, lost_of(&*store, ROUNDS).await);
    }
}

#[tokio::test]
async fn another_process_that_keeps_its_lock_is_waited_for_and_not_for_ever() {
    for subject in Subject::each() {
        let store = subject.open();
        put(&*store, "0").await.unwrap();
        let stuck: Box<dyn Send> = match subject.kind {
            Kind::Sqlite => {
                let other = rusqlite::Connection::open(subject.path()).unwrap();
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                Box::new(other)
            }
            Kind::Files => {
                let locks = fs::read_dir(subject.home().join(".store/locks")).unwrap();
                let held: Vec<_> = locks.map(|lock| fs::File::open(lock.unwrap().path()).unwrap()).collect();
                held.iter().for_each(|lock| lock.lock().unwrap());
                Box::new(held)
            }
        };
        assert_eq!(put(&*store, "meanwhile").await, Err(StoreErrorKind::Unavailable));
        let lost = lost_of(&*store, 1).await;
        drop(stuck);
        put(&*store, "meanwhile").await.unwrap();
        subject.tell("another process keeps its lock", 1, lost);
    }
}

/// How large each entry is that fills a disk.
const BYTES: usize = 20_000;

/// `keeper` in a shell that has said this before.
fn keeper_after(said: &str, path: &str) -> Keeper {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{said} && exec \"$0\" \"$1\""), env!("CARGO_BIN_EXE_keeper"), path]);
    Keeper::run(command)
}

/// Lets it write until it is refused, and says after how many, and with what.
fn filled(keeper: &mut Keeper) -> (usize, String) {
    keeper.tell(&format!("puts 0 100000 {BYTES}"));
    let mut done = 0;
    loop {
        match keeper.says().expect("it does not end over that") {
            line if line == done.to_string() => done += 1,
            line => return (done, line),
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_grow_refuses_what_is_more_and_keeps_what_was_there() {
    for subject in Subject::each() {
        // In blocks of 512 bytes. The signal that comes with it would end the process.
        let limited =
            |blocks: usize| keeper_after(&format!("trap '' XFSZ && ulimit -f {blocks}"), &subject.path());
        // A file of the one store is an entry, of the other one all of them.
        let (done, refused) = match subject.kind {
            Kind::Sqlite => filled(&mut limited(1000)),
            Kind::Files => {
                assert_eq!(limited(1000).asked(&format!("puts 0 1 {BYTES}")), "0");
                (1, limited(30).asked(&format!("puts 1 2 {BYTES}")))
            }
        };
        assert_eq!(refused, "error Unavailable");
        assert!(done > 0);
        let store = subject.open();
        let mut lost = 0;
        for n in 0..done {
            let found = get(&*store, &n.to_string()).await.unwrap();
            lost += usize::from(found.is_none_or(|found| found != value(n, BYTES)));
        }
        put(&*store, "meanwhile").await.unwrap();
        if subject.kind == Kind::Files {
            let left: Vec<_> = fs::read_dir(subject.home().join("faults/kept")).unwrap().collect();
            assert_eq!(left.len(), 2, "no draft takes up space: {left:?}");
        }
        subject.tell("file that may not grow", done + 1, lost);
    }
}

/// Whether this user may make a file system of its own, as the next test needs.
#[cfg(target_os = "linux")]
fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", "mount -t tmpfs none /mnt"]);
    command.output().is_ok_and(|done| done.status.success())
}

/// Only in a mount namespace is it a file system of its own, so all that looks at it is run there.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_or_read_only_refuses_and_keeps_what_was_there() {
    if !can_mount() {
        println!("fault: disk full: not tried, since this user may mount nothing");
        return;
    }
    for subject in Subject::each() {
        let disk = subject.folder.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let path = subject.path_in(&disk.join("home"));
        let script = format!(
            r#"
            ask() {{ printf "$1\n" | "$KEEPER" "$STORE" 2>/dev/null; }}
            mount -t tmpfs -o size=1m none "$DISK" || exit 9
            ask 'puts 0 100000 {BYTES}' >"$OUT"
            tail -n 1 "$OUT"
            done=$(grep -c '^[0-9]' "$OUT"); echo "$done"
            mount -o remount,size=64m "$DISK" || exit 9
            ask "check 0 $done {BYTES}\nputs $done $((done + 1)) {BYTES}" | grep -v '^[0-9]'
            mount -o remount,ro "$DISK" || exit 9
            ask "puts 0 1 {BYTES}"
            mount -o remount,rw "$DISK" || exit 9
            ask "check 0 $((done + 1)) {BYTES}\nput_if more x"
            "#
        );
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script]);
        command.env("KEEPER", env!("CARGO_BIN_EXE_keeper")).env("STORE", &path);
        command.env("DISK", &disk).env("OUT", subject.folder.path().join("out"));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = said.lines().collect();
        let [full, done, rest @ ..] = &*lines else { panic!("{said}") };
        assert_eq!(*full, "error Unavailable", "a full disk: {said}");
        let done: usize = done.parse().unwrap();
        assert!(done > 5, "{said}");
        let lost = rest.iter().filter(|line| line.starts_with("lost")).count();
        // The lock files of a store that is read-only cannot be opened for writing, and so it is with SQLite's.
        assert_eq!(rest, ["sound", "done", "error Unavailable", "sound", "won"], "{said}");
        subject.tell("disk full, then larger, then read-only, then not", done + 1, lost);
    }
}

#[test]
fn a_program_that_goes_to_another_folder_goes_on_with_the_store_it_has() {
    for is_used_before in [true, false] {
        for subject in Subject::each() {
            let (home, elsewhere) = (subject.home(), subject.folder.path().join("elsewhere"));
            fs::create_dir(&home).unwrap();
            fs::create_dir(&elsewhere).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_keeper"));
            let path = if subject.kind == Kind::Sqlite { "store.sqlite3" } else { "store/" };
            command.arg(path).current_dir(&home);
            let mut keeper = Keeper::run(command);
            if is_used_before {
                assert_eq!(keeper.asked("puts 0 1 10"), "0");
                assert_eq!(keeper.says().unwrap(), "done");
            }
            assert_eq!(keeper.asked("goes to ../elsewhere"), "there");
            if !is_used_before {
                assert_eq!(keeper.asked("puts 0 1 10"), "0");
                assert_eq!(keeper.says().unwrap(), "done");
            }
            assert_eq!(keeper.asked("check 0 1 10"), "sound", "{}", subject.name());
            assert!(home.join(path).exists(), "{}", subject.name());
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{}", subject.name());
        }
    }
}
