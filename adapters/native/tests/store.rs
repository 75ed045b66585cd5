//! The SQLite store keeps the contract of every store: in memory, on disk, reopened, and shared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "store/alternating.rs"]
mod alternating;
#[path = "store/watch.rs"]
mod watch;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{Consistency, Key, MemoryStore, Partition, Put, Store, StoreErrorKind, Survey, Write},
};
use edgemcp_native::{STORE_VALUE_BYTES_MAX, SqliteStore};
use edgemcp_testkit::{ManualClock, Subject, run_all};

use self::alternating::Alternating;

/// 2027-01-15, a moment with a fraction of a second.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

fn clock() -> ManualClock {
    ManualClock::at(START)
}

fn on_disk(path: &Path, clock: &ManualClock) -> SqliteStore {
    SqliteStore::open(path, Arc::new(clock.clone()))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn key() -> Key {
    Key::new("notes", "of", "mine").unwrap()
}

async fn keeps_the_contract(store: Arc<impl Survey + 'static>, clock: ManualClock, namespace: &str) {
    let report = run_all(&Subject::new(store.clone(), clock, namespace).surveyed_by(store)).await;
    print!("{report}");
    report.verdict().unwrap();
    assert!(report.passed() > 20, "the contract ran");
}

async fn value(store: &SqliteStore, key: &Key) -> Option<Bytes> {
    store.get(key, Consistency::Strong).await.unwrap().map(|entry| entry.value)
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract_on_this_runtime() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let report = run_all(&Subject::new(store.clone(), clock, "memory").surveyed_by(store)).await;
    report.verdict().unwrap();
}

#[tokio::test]
async fn sqlite_in_memory_keeps_the_contract() {
    let clock = clock();
    keeps_the_contract(Arc::new(SqliteStore::open_in_memory(Arc::new(clock.clone()))), clock, "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_on_disk_keeps_the_contract_and_so_it_does_reopened() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    keeps_the_contract(Arc::new(on_disk(&path, &clock)), clock.clone(), "first").await;
    keeps_the_contract(Arc::new(on_disk(&path, &clock)), clock, "second").await;
}

/// A clock that is moved by hand, and whose sleepers do not wait for that.
struct Restless(ManualClock);

impl Clock for Restless {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_keep_the_contract_together() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let handle = || SqliteStore::open(&path, Arc::new(Restless(clock.clone())));
    let both = Alternating::of([handle(), handle()]);
    keeps_the_contract(Arc::new(both), clock, "shared").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_handles_that_open_one_new_file_at_once_lose_no_count() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = on_disk(&path, &clock);
        callers.spawn(async move {
            for _ in 0..25 {
                store.increment(&key(), 1, None).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    assert_eq!(value(&on_disk(&path, &clock), &key()).await.unwrap(), "200");
}

#[tokio::test]
async fn what_was_put_is_there_after_the_store_was_closed() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let ttl = Duration::from_millis(1500);
    {
        let store = on_disk(&path, &clock);
        assert!(store.capabilities().durable);
        store.put(&key(), Bytes::from_static(b"\0\xff"), Some(ttl)).await.unwrap();
    }
    let store = on_disk(&path, &clock);
    let entry = store.get(&key(), Consistency::Strong).await.unwrap().unwrap();
    assert_eq!((&*entry.value, entry.expires_at), (&b"\0\xff"[..], Some(START.after(ttl))));
    clock.advance(ttl);
    assert_eq!(value(&store, &key()).await, None);
}

#[tokio::test]
async fn nothing_is_opened_before_the_first_operation() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("new/folder/store.sqlite3");
    let store = on_disk(&path, &clock);
    store.capabilities();
    assert!(!folder.path().join("new").exists());
    assert_eq!(value(&store, &key()).await, None);
    assert!(path.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_its_side_files_and_its_folder_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, clock) = (folder(), clock());
    let made = folder.path().join("made");
    let store = on_disk(&made.join("store.sqlite3"), &clock);
    store.put(&key(), "x".into(), None).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&made), 0o700);
    let mut files: Vec<_> = std::fs::read_dir(&made).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3, "the file, its log and its index: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_named_and_tried_again() {
    let (folder, clock) = (folder(), clock());
    let blocked = folder.path().join("blocked");
    std::fs::write(&blocked, "a file where a folder must be").unwrap();
    let store = on_disk(&blocked.join("store.sqlite3"), &clock);
    let error = store.get(&key(), Consistency::Strong).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Unavailable, "get"));
    assert!(error.to_string().contains(&blocked.display().to_string()), "{error}");
    std::fs::remove_file(&blocked).unwrap();
    store.put(&key(), "x".into(), None).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("letter.txt");
    let letter = "Dear Sir or Madam, ".repeat(100);
    std::fs::write(&path, &letter).unwrap();
    let error = on_disk(&path, &clock).put(&key(), "x".into(), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn another_programs_database_is_left_as_it_is() {
    let (folder, clock) = (folder(), clock());
    for (name, made_by) in [
        ("tables.sqlite3", "CREATE TABLE songs (title TEXT)"),
        ("marked.sqlite3", "PRAGMA application_id = 7"),
        ("versioned.sqlite3", "PRAGMA user_version = 1"),
    ] {
        let path = folder.path().join(name);
        rusqlite::Connection::open(&path).unwrap().execute_batch(made_by).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = on_disk(&path, &clock).put(&key(), "x".into(), None).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{name}");
        assert!(
            error.to_string().contains("belongs to another program (name another one with `--store`)"),
            "{error}"
        );
        assert!(std::fs::read(&path).unwrap() == before, "{name}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_schema_is_refused_by_number() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    on_disk(&path, &clock).put(&key(), "x".into(), None).await.unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let error = on_disk(&path, &clock).get(&key(), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("the file has schema 2 and this version knows 1"), "{error}");
}

/// How many entries the file holds, whether or not they have expired.
fn rows(path: &Path) -> i64 {
    let file = rusqlite::Connection::open(path).unwrap();
    file.query_row("SELECT count(*) FROM entries", (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn writes_delete_what_has_expired_a_bounded_number_at_a_time() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let store = on_disk(&path, &clock);
    let partition = Partition::new("notes", "of").unwrap();
    for i in 0..40 {
        let key = partition.item(format!("short-{i}")).unwrap();
        store.put(&key, "x".into(), Some(Duration::from_secs(1))).await.unwrap();
    }
    store.put(&partition.item("long").unwrap(), "x".into(), Some(Duration::from_secs(60))).await.unwrap();
    store.put(&partition.item("endless").unwrap(), "x".into(), None).await.unwrap();
    clock.advance(Duration::from_secs(2));

    assert_eq!(
        store.list(&partition, None, 100).await.unwrap().entries.len(),
        2,
        "they read as absent at once"
    );
    assert_eq!(rows(&path), 42, "reading deletes nothing");
    store.put(&partition.item("endless").unwrap(), "y".into(), None).await.unwrap();
    assert_eq!(rows(&path), 10, "one write deletes 32");
    store.delete(&partition.item("nothing").unwrap()).await.unwrap();
    assert_eq!(rows(&path), 2);
}

#[tokio::test]
async fn a_purge_deletes_all_that_has_expired_however_much_it_is() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let store = on_disk(&path, &clock);
    let partition = Partition::new("notes", "of").unwrap();
    let put = |n: usize| {
        let ttl = (n > 0).then_some(Duration::from_secs(1));
        Put::new(partition.item(format!("n{n}")).unwrap(), "x", ttl)
    };
    store.put_many(&(0..=2100).map(put).collect::<Vec<_>>()).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.purge_expired().await.unwrap(), 2100);
    assert_eq!((rows(&path), store.purge_expired().await.unwrap()), (1, 0));
}

#[tokio::test]
async fn a_transaction_with_a_value_over_the_limit_changes_nothing() {
    let store = SqliteStore::open_in_memory(Arc::new(clock()));
    store.put(&key(), "old".into(), None).await.unwrap();
    let at = Bytes::from(vec![7; STORE_VALUE_BYTES_MAX]);
    let over = Bytes::from(vec![7; STORE_VALUE_BYTES_MAX + 1]);
    let writes = |value| [Write::delete("mine"), Write::put("large", value, None)];
    let error = store.transact(key().partition(), &writes(over)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    assert_eq!(value(&store, &key()).await.unwrap(), "old");
    assert!(store.transact(key().partition(), &writes(at)).await.unwrap());
}

#[tokio::test]
async fn a_row_that_no_store_has_written_is_named_to_the_operator() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let store = on_disk(&path, &clock);
    store.put(&key(), "x".into(), None).await.unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("INSERT INTO entries (partition, item, value) VALUES ('notes', 'a b', x'00')", ()).unwrap();
    let error = store.survey(None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().ends_with("the row \"notes/a b\" is none of a store's"), "{error}");
}

#[tokio::test]
async fn a_folder_is_no_file_and_the_error_says_what_would_be_one() {
    let (folder, clock) = (folder(), clock());
    let error = on_disk(folder.path(), &clock).get(&key(), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("it is a folder (end the path with `/`"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_somebody_deletes_or_replaces_is_not_written_to_any_more() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("made/store.sqlite3");
    let store = on_disk(&path, &clock);
    store.put(&key(), "before".into(), None).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(value(&store, &key()).await, None, "it begins anew");
    store.put(&key(), "after".into(), None).await.unwrap();
    assert_eq!(value(&on_disk(&path, &clock), &key()).await.unwrap(), "after", "others see what it writes");
}

#[tokio::test]
async fn a_page_of_large_values_ends_early_and_goes_on() {
    let store = SqliteStore::open_in_memory(Arc::new(clock()));
    let partition = Partition::new("notes", "of").unwrap();
    let large = Bytes::from(vec![7; STORE_VALUE_BYTES_MAX / 2]);
    for item in ["a", "b", "c"] {
        store.put(&partition.item(item).unwrap(), large.clone(), None).await.unwrap();
    }
    let first = store.list(&partition, None, 100).await.unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref()), (2, Some("b")));
    let rest = store.list(&partition, Some("b"), 100).await.unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));
}

#[tokio::test]
async fn an_operation_ends_even_where_its_caller_is_dropped() {
    let store = SqliteStore::open_in_memory(Arc::new(clock()));
    {
        let key = key();
        let mut put = store.put(&key, "x".into(), None);
        // The first poll takes the connection and hands the work to its thread.
        assert!(futures_util::poll!(&mut put).is_pending());
    }
    assert_eq!(value(&store, &key()).await.unwrap(), "x");
}

#[tokio::test]
async fn an_end_past_what_sqlite_can_count_is_no_earlier_end() {
    let store = SqliteStore::open_in_memory(Arc::new(clock()));
    store.put(&key(), "x".into(), Some(Duration::MAX)).await.unwrap();
    assert_eq!(value(&store, &key()).await.unwrap(), "x");
}
