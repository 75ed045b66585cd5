//! Who watches an SQLite file is told what any process changes in it, and it bears no trace once nobody does.

use std::{
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, Timestamp},
    store::{Condition, Consistency, Key, Partition, Store, StoreErrorKind},
};
use edgemcp_native::{STORE_CHANGES_MAX, STORE_WATCH_EVERY, SqliteStore};
use edgemcp_testkit::ManualClock;
use futures_util::{FutureExt, StreamExt};

use super::{Restless, START, clock, folder, on_disk};

type Watch = BoxStream<'static, String>;

/// Two handles on one file stand for two processes: SQLite tells neither of the other's commits.
struct Processes {
    _folder: tempfile::TempDir,
    path: PathBuf,
    clock: ManualClock,
    this: SqliteStore,
    other: SqliteStore,
}

fn processes() -> Processes {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("store.sqlite3");
    let (this, other) = (on_disk(&path, &clock), on_disk(&path, &clock));
    Processes { _folder: folder, path, clock, this, other }
}

impl Processes {
    /// The next that is told once this process has looked.
    async fn told(&self, watch: &mut Watch) -> Option<String> {
        self.clock.advance(STORE_WATCH_EVERY);
        told(&self.this, watch).await
    }

    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.path).unwrap()
    }
}

fn partition() -> Partition {
    Partition::new("notes", "of").unwrap()
}

fn item(item: &str) -> Key {
    partition().item(item).unwrap()
}

async fn put(store: &SqliteStore, name: &str) {
    store.put(&item(name), "x".into(), None).await.unwrap();
}

/// Reads `store` until `done` answers. A read takes its turn with the looks, and a test cannot sleep.
async fn until<T>(store: &SqliteStore, mut done: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(done) = done() {
            return done;
        }
        store.get(&item("while-waiting"), Consistency::Strong).await.unwrap();
    }
    panic!("it did not come within 1000 reads");
}

async fn told(store: &SqliteStore, watch: &mut Watch) -> Option<String> {
    until(store, || watch.next().now_or_never()).await
}

/// The names of what the file has besides the entries.
fn besides_the_entries(path: &Path) -> Vec<String> {
    let file = rusqlite::Connection::open(path).unwrap();
    let mut names = file
        .prepare(
            "SELECT name FROM sqlite_schema WHERE name NOT IN ('entries', 'entries_by_end') ORDER BY name",
        )
        .unwrap();
    names.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn every_kind_of_change_of_another_process_is_told_once_the_clock_moves() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    on.other.put(&item("put"), "x".into(), None).await.unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "put");
    on.other.increment(&item("count"), 1, None).await.unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "count");
    assert!(on.other.put_if(&item("put-if"), "x".into(), None, Condition::Absent).await.unwrap());
    assert_eq!(on.told(&mut watch).await.unwrap(), "put-if");
    on.other.delete(&item("put")).await.unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "put");
    on.other.take(&item("count")).await.unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "count");
}

#[tokio::test]
async fn what_changes_nothing_is_not_told() {
    let on = processes();
    put(&on.other, "there").await;
    let mut watch = on.this.watch(&partition()).await.unwrap();
    on.other.delete(&item("absent")).await.unwrap();
    on.other.take(&item("absent")).await.unwrap();
    assert!(!on.other.put_if(&item("there"), "y".into(), None, Condition::Absent).await.unwrap());
    let elsewhere = Key::new("notes", "of-others", "elsewhere").unwrap();
    on.other.put(&elsewhere, "x".into(), None).await.unwrap();
    put(&on.other, "last").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "last");
}

#[tokio::test]
async fn a_change_that_leaves_everything_as_it_was_is_told() {
    let on = processes();
    put(&on.other, "same").await;
    let mut watch = on.this.watch(&partition()).await.unwrap();
    put(&on.other, "brief").await;
    on.other.take(&item("brief")).await.unwrap().unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "brief");
    put(&on.other, "same").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "same");
}

#[tokio::test]
async fn a_writer_that_knows_nothing_of_watches_is_heard() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    on.raw().execute_batch("INSERT INTO entries VALUES ('notes/of', 'by-hand', x'00', NULL)").unwrap();
    assert_eq!(on.told(&mut watch).await.unwrap(), "by-hand");
}

#[tokio::test]
async fn an_expired_entry_is_told_when_a_later_write_deletes_it() {
    let on = processes();
    on.other.put(&item("brief"), "x".into(), Some(Duration::from_millis(1))).await.unwrap();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    on.clock.advance(Duration::from_millis(1));
    put(&on.other, "later").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "brief");
    assert_eq!(on.told(&mut watch).await.unwrap(), "later");
}

#[tokio::test]
async fn this_process_is_told_of_its_own_changes_at_once_and_only_once() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    put(&on.this, "own").await;
    assert_eq!(watch.next().now_or_never().unwrap().unwrap(), "own");
    put(&on.other, "the-others").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "the-others");
}

#[tokio::test]
async fn each_watch_hears_what_comes_after_it_and_nothing_before() {
    let on = processes();
    put(&on.other, "a-before-all").await;
    let mut first = on.this.watch(&partition()).await.unwrap();
    put(&on.other, "b-between").await;
    let mut second = on.this.watch(&partition()).await.unwrap();
    put(&on.other, "c-after").await;
    assert_eq!(on.told(&mut first).await.unwrap(), "b-between");
    assert_eq!(on.told(&mut first).await.unwrap(), "c-after");
    assert_eq!(on.told(&mut second).await.unwrap(), "c-after");
}

#[tokio::test]
async fn several_partitions_and_processes_are_watched_at_once() {
    let on = processes();
    let elsewhere = Key::new("notes", "of-others", "elsewhere").unwrap();
    let mut here = on.this.watch(&partition()).await.unwrap();
    let mut there = on.this.watch(elsewhere.partition()).await.unwrap();
    let mut others = on.other.watch(&partition()).await.unwrap();
    on.other.put(&elsewhere, "x".into(), None).await.unwrap();
    put(&on.other, "here").await;
    assert_eq!(on.told(&mut here).await.unwrap(), "here");
    assert_eq!(on.told(&mut there).await.unwrap(), "elsewhere");
    assert_eq!(told(&on.other, &mut others).await.unwrap(), "here");
}

#[tokio::test]
async fn the_task_ends_with_the_last_watch_and_leaves_the_file_as_it_was() {
    let on = processes();
    let clock = Arc::new(on.clock.clone());
    let store = SqliteStore::open(&on.path, clock.clone());
    put(&store, "there").await;
    assert!(besides_the_entries(&on.path).is_empty());
    assert_eq!(Arc::strong_count(&clock), 2, "ours and the store's");

    let (first, mut second) =
        (store.watch(&partition()).await.unwrap(), store.watch(&partition()).await.unwrap());
    assert!(!besides_the_entries(&on.path).is_empty());
    assert_eq!(Arc::strong_count(&clock), 3, "one task for both watches");

    drop(first);
    put(&on.other, "still").await;
    on.clock.advance(STORE_WATCH_EVERY);
    assert_eq!(told(&store, &mut second).await.unwrap(), "still");

    drop(second);
    on.clock.advance(STORE_WATCH_EVERY);
    until(&store, || (Arc::strong_count(&clock) == 2).then_some(())).await;
    assert_eq!(besides_the_entries(&on.path), Vec::<String>::new());

    let mut again = store.watch(&partition()).await.unwrap();
    put(&on.other, "again").await;
    on.clock.advance(STORE_WATCH_EVERY);
    assert_eq!(told(&store, &mut again).await.unwrap(), "again");
}

#[tokio::test]
async fn a_process_that_stops_watching_leaves_the_others_their_watch() {
    let on = processes();
    let clock = Arc::new(on.clock.clone());
    let leaving = SqliteStore::open(&on.path, clock.clone());
    let mut watch = on.this.watch(&partition()).await.unwrap();
    drop(leaving.watch(&partition()).await.unwrap());
    on.clock.advance(STORE_WATCH_EVERY);
    until(&leaving, || (Arc::strong_count(&clock) == 2).then_some(())).await;
    put(&on.other, "heard").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "heard");
}

#[tokio::test]
async fn a_watch_and_its_task_end_with_the_store() {
    let (folder, manual) = (folder(), clock());
    let clock = Arc::new(manual.clone());
    let path = folder.path().join("store.sqlite3");
    let store = SqliteStore::open(&path, clock.clone());
    let mut watch = store.watch(&partition()).await.unwrap();
    put(&store, "told").await;
    drop(store);
    assert_eq!(watch.next().await.unwrap(), "told");
    assert_eq!(watch.next().await, None);
    assert_eq!(Arc::strong_count(&clock), 1);
}

#[test]
fn a_watch_ends_with_the_runtime_that_listens_for_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let on = processes();
    let first = runtime();
    let mut watch = first.block_on(on.this.watch(&partition())).unwrap();
    drop(first);
    let second = runtime();
    assert_eq!(second.block_on(watch.next()), None);
    second.block_on(async {
        let mut watch = on.this.watch(&partition()).await.unwrap();
        put(&on.other, "heard").await;
        assert_eq!(on.told(&mut watch).await.unwrap(), "heard");
    });
}

#[tokio::test]
async fn a_file_that_fails_ends_the_watch() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    put(&on.other, "told").await;
    assert_eq!(on.told(&mut watch).await.unwrap(), "told");

    let raw = on.raw();
    raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&on.path).unwrap();
    let bytes = file.metadata().unwrap().len();
    // The first page stays, so that there can be a commit, after which what SQLite had cached is read again.
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(bytes).unwrap() - 4096]).unwrap();
    raw.execute_batch("PRAGMA user_version = 1").unwrap();

    on.clock.advance(STORE_WATCH_EVERY);
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_log_with_what_no_store_writes_ends_the_watch() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    on.raw().execute_batch("INSERT INTO changes (partition, item) VALUES ('notes/of', 'a b')").unwrap();
    assert_eq!(on.told(&mut watch).await, None);
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_refuses_a_watch() {
    let folder = folder();
    std::fs::write(folder.path().join("blocked"), "a file where a folder must be").unwrap();
    let store = on_disk(&folder.path().join("blocked/store.sqlite3"), &clock());
    let Err(error) = store.watch(&partition()).await else { panic!("it watches nothing") };
    assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Unavailable, "watch"));
}

#[tokio::test]
async fn as_many_changes_as_the_log_holds_are_told_and_one_more_ends_the_watch() {
    let on = processes();
    put(&on.other, "busy").await;
    let mut raw = on.raw();
    let mut change = |times: u32| {
        let transaction = raw.transaction().unwrap();
        for _ in 0..times {
            transaction.execute("UPDATE entries SET value = x'01'", ()).unwrap();
        }
        transaction.commit().unwrap();
    };
    let mut watch = on.this.watch(&partition()).await.unwrap();
    change(STORE_CHANGES_MAX - 1);
    put(&on.other, "last").await;
    // Changes of one item are told as one where they are not heard in between.
    while on.told(&mut watch).await.unwrap() != "last" {}
    change(STORE_CHANGES_MAX + 1);
    assert_eq!(on.told(&mut watch).await, None);
}

#[tokio::test]
async fn a_watch_goes_on_for_as_long_as_its_process_looks() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    for _ in 0..12 {
        on.clock.advance(Duration::from_secs(10));
        put(&on.other, "minute").await;
        assert_eq!(on.told(&mut watch).await.unwrap(), "minute");
        // Whoever ends a watch takes off the list who has stood still.
        drop(on.other.watch(&partition()).await.unwrap());
    }
}

/// A clock that is set back an hour whenever it is asked.
struct SetBack(AtomicU64);

impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_sub(3_600_000, Ordering::Relaxed))
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        assert!(duration <= STORE_WATCH_EVERY, "{duration:?}");
        Box::pin(tokio::task::yield_now())
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_a_watch_waiting() {
    let on = processes();
    put(&on.other, "opened").await;
    let store = SqliteStore::open(&on.path, Arc::new(SetBack(AtomicU64::new(START.as_millis()))));
    let mut watch = store.watch(&partition()).await.unwrap();
    put(&on.other, "heard").await;
    assert_eq!(told(&store, &mut watch).await.unwrap(), "heard");
}

#[tokio::test]
async fn a_process_that_stood_still_and_was_taken_off_the_list_is_told_so() {
    let on = processes();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    let later = ManualClock::at(START.after(Duration::from_secs(30)));
    let other = on_disk(&on.path, &later);
    let mut others = other.watch(&partition()).await.unwrap();
    put(&other, "missed").await;
    assert_eq!(others.next().now_or_never().unwrap().unwrap(), "missed");
    on.clock.advance(Duration::from_secs(30));
    while on.told(&mut watch).await.is_some() {}
    let watched = "SELECT count(*) FROM watched";
    assert_eq!(on.raw().query_row(watched, (), |row| row.get::<_, i64>(0)).unwrap(), 1, "the other's");

    let mut again = on.this.watch(&partition()).await.unwrap();
    put(&other, "heard").await;
    assert_eq!(on.told(&mut again).await.unwrap(), "heard");
}

#[tokio::test]
async fn what_a_process_left_that_ended_while_it_watched_is_taken_away_in_time() {
    let on = processes();
    let store = on_disk(&on.path, &on.clock);
    let watch = store.watch(&partition()).await.unwrap();
    drop((store, watch));
    on.clock.advance(Duration::from_millis(29_999));
    put(&on.this, "too-early").await;
    assert!(!besides_the_entries(&on.path).is_empty());
    on.clock.advance(Duration::from_millis(1));
    put(&on.other, "opened-in-time").await;
    assert_eq!(besides_the_entries(&on.path), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_watches_any_more_is_soon_not_logged_any_more() {
    let on = processes();
    let key = |id: &str| Key::new("notes", id, "elsewhere").unwrap();
    let mut watch = on.this.watch(&partition()).await.unwrap();
    drop(on.this.watch(key("let-go").partition()).await.unwrap());
    let ending = on_disk(&on.path, &on.clock);
    let ended = ending.watch(key("ended").partition()).await.unwrap();
    drop((ending, ended));
    for _ in 0..3 {
        on.clock.advance(Duration::from_secs(10));
        put(&on.other, "renewed").await;
        assert_eq!(on.told(&mut watch).await.unwrap(), "renewed");
    }
    for id in ["let-go", "ended"] {
        on.other.put(&key(id), "x".into(), None).await.unwrap();
    }
    let logged = "SELECT count(*) FROM changes WHERE item = 'elsewhere'";
    assert_eq!(on.raw().query_row(logged, (), |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_do_not_notice_that_others_begin_and_end_to_watch() {
    let on = processes();
    let path = Arc::new(on.path.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let clock = Arc::new(Restless(on.clock.clone()));
        let (writer, watcher) =
            (SqliteStore::open(&*path, clock.clone()), SqliteStore::open(&*path, clock.clone()));
        tasks.spawn(async move {
            for _ in 0..200 {
                writer.increment(&item("count"), 1, None).await.unwrap();
            }
        });
        tasks.spawn(async move {
            for turn in 0..50 {
                let mut watch = watcher.watch(&partition()).await.unwrap();
                if turn % 2 == 0 {
                    put(&watcher, "own").await;
                    while watch.next().await.unwrap() != "own" {}
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(on.this.increment(&item("count"), 0, None).await.unwrap(), 400);
}
