//! The store in files keeps the contract of every store, and its files are what it says.
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

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{
        Condition, Consistency, Key, LIST_PAGE_MAX, Partition, Put, Store, StoreError, StoreErrorKind,
        Survey, Write,
    },
};
use edgemcp_native::{FileStore, STORE_VALUE_BYTES_MAX};
use edgemcp_testkit::{ManualClock, Subject, run_all};

use self::alternating::Alternating;

/// 2027-01-15, a moment with a fraction of a second.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

fn clock() -> ManualClock {
    ManualClock::at(START)
}

/// A folder that goes with the test, a clock, and the store in a folder within that is not there yet.
struct Stage {
    _folder: tempfile::TempDir,
    root: PathBuf,
    clock: ManualClock,
    store: FileStore,
}

fn stage() -> Stage {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let root = folder.path().join("store");
    let store = FileStore::open(&root, Arc::new(clock.clone()));
    Stage { _folder: folder, root, clock, store }
}

impl Stage {
    /// Another handle, as another process has.
    fn another(&self) -> FileStore {
        FileStore::open(&self.root, Arc::new(self.clock.clone()))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }

    /// The names in a folder of the store, in order.
    fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.file(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    async fn put(&self, item: &str, value: &str) {
        self.store.put(&key(item), value.to_owned().into(), None).await.unwrap();
    }

    async fn value(&self, item: &str) -> Option<Bytes> {
        self.get(item).await.unwrap()
    }

    async fn get(&self, item: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.store.get(&key(item), Consistency::Strong).await?.map(|entry| entry.value))
    }
}

fn partition() -> Partition {
    Partition::new("notes", "ada").unwrap()
}

fn key(item: &str) -> Key {
    partition().item(item).unwrap()
}

async fn keeps_the_contract(store: Arc<impl Survey + 'static>, clock: ManualClock, namespace: &str) {
    let report = run_all(&Subject::new(store.clone(), clock, namespace).surveyed_by(store)).await;
    print!("{report}");
    report.verdict().unwrap();
    assert!(report.passed() > 50, "the contract ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_keep_the_contract() {
    let Stage { _folder, clock, store, .. } = stage();
    keeps_the_contract(Arc::new(store), clock, "files").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_folder_keep_the_contract_together() {
    let stage = stage();
    let both = Alternating::of([stage.another(), stage.another()]);
    keeps_the_contract(Arc::new(both), stage.clock.clone(), "shared").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_handles_that_make_one_folder_at_once_lose_no_count() {
    let on = stage();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = on.another();
        callers.spawn(async move {
            for _ in 0..25 {
                store.increment(&key("count"), 1, None).await.unwrap();
                store
                    .increment(&Key::new("notes", format!("of-{n}"), "count").unwrap(), 1, None)
                    .await
                    .unwrap();
            }
        });
    }
    callers.join_all().await;
    assert_eq!(on.value("count").await.unwrap(), "200");
    assert_eq!(on.names("notes").len(), 9);
}

#[tokio::test]
async fn an_entry_is_a_file_that_people_can_read() {
    let on = stage();
    on.store.put(&key("todo"), "Buy milk.".into(), Some(Duration::from_secs(60))).await.unwrap();
    on.store.put(&key("picture"), Bytes::from_static(b"\x89PNG"), None).await.unwrap();
    let todo = "{\n  \"collection\": \"notes\",\n  \"id\": \"ada\",\n  \"item\": \"todo\",\n  \"expires_at\": \
                \"2027-01-15T08:01:00.123Z\",\n  \"value\": \"Buy milk.\"\n}\n";
    assert_eq!(on.text("notes/ada/todo.json"), todo);
    assert!(on.text("notes/ada/picture.json").contains("\"value_base64\": \"iVBORw==\""));
}

#[tokio::test]
async fn what_a_person_writes_is_read_and_what_a_person_deletes_is_gone() {
    let on = stage();
    on.put("todo", "Buy milk.").await;
    on.put("done", "Sleep.").await;
    let edited = on.text("notes/ada/todo.json").replace("milk", "tea");
    fs::write(on.file("notes/ada/todo.json"), edited).unwrap();
    fs::remove_file(on.file("notes/ada/done.json")).unwrap();
    let by_hand = r#"{"collection":"notes","id":"ada","item":"new","value":"1"}"#;
    fs::write(on.file("notes/ada/new.json"), by_hand).unwrap();
    assert_eq!(on.value("todo").await.unwrap(), "Buy tea.");
    assert_eq!(on.value("done").await, None);
    assert_eq!(on.store.increment(&key("new"), 1, None).await.unwrap(), 2);
}

#[tokio::test]
async fn what_a_person_gave_an_end_is_deleted_after_it() {
    let on = stage();
    on.put("todo", "x").await;
    let with_end = |end: &str| {
        format!(r#"{{"collection":"notes","id":"ada","item":"brief","value":"1","expires_at":"{end}"}}"#)
    };
    fs::write(on.file("notes/ada/brief.json"), with_end("2027-01-15T08:00:00.124Z")).unwrap();
    assert_eq!(on.store.purge_expired().await.unwrap(), 0);
    assert_eq!(on.value("brief").await.unwrap(), "1");
    fs::write(on.file("notes/ada/brief.json"), with_end("2027-01-15T08:00:00Z")).unwrap();
    assert_eq!(on.value("brief").await, None);
    assert_eq!(on.store.purge_expired().await.unwrap(), 1);
    assert_eq!(on.names("notes/ada"), ["todo.json"]);
}

#[tokio::test]
async fn nothing_is_made_before_something_is_written() {
    let on = stage();
    on.store.capabilities();
    assert_eq!(on.value("todo").await, None);
    assert_eq!(on.store.take(&key("todo")).await.unwrap(), None);
    on.store.delete(&key("todo")).await.unwrap();
    assert_eq!(on.store.list(&partition(), None, 10).await.unwrap().entries, []);
    assert_eq!(on.store.survey(None).await.unwrap().entries, []);
    assert_eq!(on.store.purge_expired().await.unwrap(), 0);
    assert!(!on.root.exists());
    on.put("todo", "x").await;
    assert_eq!(on.names(""), [".store", "notes"]);
}

#[cfg(unix)]
#[tokio::test]
async fn every_folder_and_file_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let on = stage();
    on.put("todo", "x").await;
    let (mut waiting, mut files) = (vec![on.root.clone()], 0);
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
        }
    }
    assert_eq!(files, 6, "the entry, two locks of two files each and what the folder says of itself");
}

#[tokio::test]
async fn names_that_a_file_system_takes_for_one_are_two_files() {
    let on = stage();
    let parts = ["a", "A", "con", "CON", ".", "..", "a.", "a:b", "nul.json"];
    for part in parts {
        on.store.put(&Key::new(part, part, part).unwrap(), part.into(), None).await.unwrap();
    }
    for part in parts {
        let found = on.store.get(&Key::new(part, part, part).unwrap(), Consistency::Strong).await.unwrap();
        assert_eq!(found.unwrap().value, part);
    }
    let names = ["%2E", "%2E%2E", "%41", "%43%4F%4E", "%63on", "%6Eul.json", ".store", "a", "a%2E", "a%3Ab"];
    assert_eq!(on.names(""), names);
    assert_eq!(on.names("a%2E/a%2E"), ["a%2E.json"]);
}

#[tokio::test]
async fn what_is_no_stores_is_not_seen_and_left_alone() {
    let on = stage();
    on.put("todo", "x").await;
    fs::create_dir_all(on.file("lost+found")).unwrap();
    fs::create_dir_all(on.file("notes/ada/folder.json")).unwrap();
    let foreign = [
        "README.md",
        "notes/list.txt",
        "notes/ada/Todo.json",
        "notes/ada/todo.json.bak",
        "notes/ada/.DS_Store",
    ];
    for path in foreign {
        fs::write(on.file(path), "mine").unwrap();
    }
    let listed = on.store.list(&partition(), None, 10).await.unwrap();
    assert_eq!((listed.entries.len(), listed.next), (1, None));
    assert_eq!(on.store.survey(None).await.unwrap().entries.len(), 1);
    on.store.delete(&key("todo")).await.unwrap();
    assert_eq!(on.store.purge_expired().await.unwrap(), 0);
    for path in foreign {
        assert_eq!(on.text(path), "mine");
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_is_named_and_the_others_are_served() {
    let on = stage();
    on.put("secret", "hunter2").await;
    on.put("whole", "x").await;
    let path = on.file("notes/ada/secret.json");
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [&text[..text.len() / 2], "", "\0\0\0\0", &text.replace("\"value\"", "\"volue\"")] {
        fs::write(&path, damaged).unwrap();
        let error = on.get("secret").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        let told = error.to_string();
        assert!(told.contains(&path.display().to_string()) && !told.contains("hunter"), "{told}");
        for kind in [
            on.store.take(&key("secret")).await.map(drop),
            on.store.increment(&key("secret"), 1, None).await.map(drop),
            on.store.put_if(&key("secret"), "x".into(), None, Condition::Absent).await.map(drop),
            on.store.list(&partition(), None, 10).await.map(drop),
            on.store.survey(None).await.map(drop),
        ]
        .map(|done| done.map_err(|error| error.kind()))
        {
            assert_eq!(kind, Err(StoreErrorKind::Corrupt));
        }
        assert_eq!(on.value("whole").await.unwrap(), "x");
        assert_eq!(on.store.purge_expired().await.unwrap(), 0, "nobody can say when it ends");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    on.put("secret", "again").await;
    assert_eq!(on.value("secret").await.unwrap(), "again");
    fs::write(&path, "").unwrap();
    on.store.delete(&key("secret")).await.unwrap();
    assert_eq!(on.value("secret").await, None);
}

#[tokio::test]
async fn a_file_that_was_copied_to_another_name_is_no_entry_of_that_name() {
    let on = stage();
    on.put("todo", "x").await;
    fs::copy(on.file("notes/ada/todo.json"), on.file("notes/ada/copy.json")).unwrap();
    let error = on.get("copy").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("is the file of another entry than notes/ada/copy"), "{error}");
}

#[tokio::test]
async fn a_file_larger_than_any_entry_is_not_read() {
    let on = stage();
    on.put("large", "x").await;
    let file = fs::File::options().write(true).open(on.file("notes/ada/large.json")).unwrap();
    file.set_len(1 << 32).unwrap();
    assert_eq!(on.get("large").await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn what_a_process_left_that_ended_before_its_file_was_in_place_is_cleaned_up() {
    let on = stage();
    on.put("todo", "x").await;
    fs::write(on.file("notes/ada/.new-0"), "half a fi").unwrap();
    fs::write(on.file("notes/ada/.new-7"), "half a fi").unwrap();
    assert_eq!(on.value("todo").await.unwrap(), "x");
    on.put("other", "y").await;
    assert_eq!(on.names("notes/ada"), [".new-7", "other.json", "todo.json"], "the next takes its place");
    on.store.purge_expired().await.unwrap();
    assert_eq!(on.names("notes/ada"), ["other.json", "todo.json"]);
}

/// As a process leaves it that ends after its transaction has happened, and before its files are in their places.
fn leave_a_transaction(on: &Stage) {
    let draft = on.text("notes/ada/a.json").replace("old", "new");
    fs::write(on.file("notes/ada/.new-0"), &draft).unwrap();
    fs::write(on.file("notes/ada/.new-1"), draft.replace("\"a\"", "\"b\"")).unwrap();
    fs::write(on.file("notes/ada/.journal"), r#"{"puts":["a","b"],"deletes":["c"]}"#).unwrap();
}

#[tokio::test]
async fn whoever_comes_first_ends_a_transaction_that_its_process_did_not() {
    for first in ["get", "get_many", "put", "list", "survey", "delete", "purge"] {
        let on = stage();
        on.put("a", "old").await;
        on.put("c", "old").await;
        leave_a_transaction(&on);
        if first == "put" {
            // Some of it may have been done already.
            fs::rename(on.file("notes/ada/.new-0"), on.file("notes/ada/a.json")).unwrap();
        }
        let other = key("other");
        match first {
            "get" => assert_eq!(on.value("a").await.unwrap(), "new"),
            "get_many" => {
                let found = on.store.get_many(&[key("b"), key("c")], Consistency::Strong).await.unwrap();
                assert_eq!((found[0].as_ref().unwrap().value.clone(), &found[1]), ("new".into(), &None));
            }
            "put" => on.put("other", "x").await,
            "list" => assert_eq!(on.store.list(&partition(), None, 10).await.unwrap().entries.len(), 2),
            "survey" => assert_eq!(on.store.survey(None).await.unwrap().entries.len(), 2),
            "delete" => on.store.delete(&other).await.unwrap(),
            _ => assert_eq!(on.store.purge_expired().await.unwrap(), 0),
        }
        on.store.delete(&other).await.unwrap();
        assert_eq!(on.names("notes/ada"), ["a.json", "b.json"], "after {first}");
        assert_eq!((on.value("a").await, on.value("b").await), (Some("new".into()), Some("new".into())));
    }
}

#[tokio::test]
async fn a_folder_in_the_place_of_an_entry_fails_its_transaction_and_no_other() {
    let on = stage();
    on.put("a", "old").await;
    fs::create_dir(on.file("notes/ada/b.json")).unwrap();
    let of_b = [Write::put("b", "new", None), Write::delete("b")];
    for of_b in of_b {
        let writes = [Write::put("a", "new", None), of_b, Write::delete("c")];
        let error = on.store.transact(&partition(), &writes).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("b.json"), "{error}");
        assert_eq!(on.value("a").await.unwrap(), "old", "nothing of it has happened");
    }
    on.put("c", "x").await;
    assert_eq!(on.store.list(&partition(), None, 10).await.unwrap().entries.len(), 2);
    assert_eq!(on.names("notes/ada"), ["a.json", "b.json", "c.json"]);
}

#[tokio::test]
async fn a_journal_that_is_damaged_leads_nowhere_and_is_named() {
    let on = stage();
    on.put("a", "old").await;
    let elsewhere = Key::new("notes", "bob", "a").unwrap();
    on.store.put(&elsewhere, "x".into(), Some(Duration::ZERO)).await.unwrap();
    for damaged in
        ["", r#"{"puts":["a"]}"#, r#"{"puts":["../bob/a"],"deletes":[]}"#, r#"{"puts":[],"deletes":["a/b"]}"#]
    {
        fs::write(on.file("notes/ada/.journal"), damaged).unwrap();
        for result in [on.get("a").await.map(drop), on.store.put(&key("b"), "x".into(), None).await] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damaged}");
            assert!(error.to_string().contains(".journal"), "{error}");
        }
        assert_eq!(on.store.survey(None).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
    assert_eq!(on.store.purge_expired().await.unwrap(), 1, "the other partition's");
    fs::remove_file(on.file("notes/ada/.journal")).unwrap();
    assert_eq!(on.value("a").await.unwrap(), "old");
}

#[tokio::test]
async fn writes_delete_what_has_expired_a_few_at_a_time() {
    let on = stage();
    let put = |n: usize| {
        let ttl = (n >= 2).then_some(Duration::from_secs(1));
        let key = Key::new("notes", format!("of-{}", n % 2), format!("n{n:02}")).unwrap();
        Put::new(key, "x", ttl)
    };
    on.store.put_many(&(0..42).map(put).collect::<Vec<_>>()).await.unwrap();
    on.clock.advance(Duration::from_secs(1));
    let files = || on.names("notes/of-0").len() + on.names("notes/of-1").len();
    assert_eq!(
        on.store.list(&Partition::new("notes", "of-0").unwrap(), None, 50).await.unwrap().entries.len(),
        1
    );
    assert_eq!(files(), 42, "reading deletes nothing");
    let mut before = 42;
    for n in 0..40 {
        on.put("todo", "x").await;
        assert!(before - files() <= 4, "write {n} deleted {before} - {} files", files());
        before = files();
    }
    assert_eq!(before, 2);
}

#[tokio::test]
async fn a_folder_that_is_empty_goes_in_the_course_of_time() {
    let on = stage();
    for id in ["a", "b", "c"] {
        let key = Key::new("sessions", id, "state").unwrap();
        on.store.put(&key, "x".into(), None).await.unwrap();
        on.store.take(&key).await.unwrap().unwrap();
    }
    for n in 0..20 {
        on.put(&format!("n{n}"), "x").await;
    }
    assert_eq!(on.names(""), [".store", "notes"]);
}

#[tokio::test]
async fn a_folder_of_a_newer_format_is_refused_by_number() {
    let on = stage();
    on.put("todo", "x").await;
    let about = on.file(".store/about.json");
    fs::write(&about, r#"{"format": 2}"#).unwrap();
    for done in [
        on.another().get(&key("todo"), Consistency::Strong).await.map(drop),
        on.another().put(&key("todo"), "y".into(), None).await,
        on.another().list(&partition(), None, 1).await.map(drop),
    ] {
        let error = done.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied);
        assert!(error.to_string().contains("the folder has format 2 and this version knows 1"), "{error}");
    }
    fs::write(&about, "{}").unwrap();
    assert_eq!(
        on.another().put(&key("todo"), "y".into(), None).await.unwrap_err().kind(),
        StoreErrorKind::Corrupt
    );
    assert_eq!(on.value("todo").await.unwrap(), "x", "a process that has looked goes on");
}

#[tokio::test]
async fn a_folder_that_somebody_deletes_is_made_anew() {
    let on = stage();
    on.put("todo", "x").await;
    fs::remove_dir_all(&on.root).unwrap();
    assert_eq!(on.value("todo").await, None);
    on.put("todo", "y").await;
    assert_eq!(on.another().get(&key("todo"), Consistency::Strong).await.unwrap().unwrap().value, "y");
    assert_eq!(on.names(".store"), ["about.json", "locks"]);
}

#[tokio::test]
async fn a_transaction_with_a_value_over_the_limit_changes_nothing() {
    let on = stage();
    on.put("a", "old").await;
    let at = Bytes::from(vec![b'x'; STORE_VALUE_BYTES_MAX]);
    let over = Bytes::from(vec![b'x'; STORE_VALUE_BYTES_MAX + 1]);
    let error = on
        .store
        .transact(&partition(), &[Write::delete("a"), Write::put("b", over, None)])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    assert_eq!((on.value("a").await.unwrap(), on.value("b").await), ("old".into(), None));
    assert!(on.store.transact(&partition(), &[Write::delete("a"), Write::put("b", at, None)]).await.unwrap());
    assert_eq!(on.value("b").await.unwrap().len(), STORE_VALUE_BYTES_MAX);
}

#[tokio::test]
async fn a_page_of_large_values_ends_early_and_goes_on() {
    let on = stage();
    let large = Bytes::from(vec![b'x'; STORE_VALUE_BYTES_MAX / 2]);
    for item in ["a", "b", "c"] {
        on.store.put(&key(item), large.clone(), None).await.unwrap();
    }
    let first = on.store.list(&partition(), None, 100).await.unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref()), (2, Some("b")));
    let rest = on.store.list(&partition(), Some("b"), 100).await.unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));
    let surveyed = on.store.survey(None).await.unwrap();
    assert_eq!((surveyed.entries.len(), surveyed.next.as_deref()), (2, Some("notes/ada/b")));
}

#[tokio::test]
async fn a_survey_goes_on_after_what_has_gone_meanwhile() {
    let on = stage();
    let put = |n: usize| {
        Put::new(Key::new("notes", format!("of-{}", n / 60), format!("n{n:03}")).unwrap(), "x", None)
    };
    on.store.put_many(&(0..180).map(put).collect::<Vec<_>>()).await.unwrap();
    let first = on.store.survey(None).await.unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref()), (LIST_PAGE_MAX, Some("notes/of-1/n099")));
    fs::remove_dir_all(on.file("notes/of-1")).unwrap();
    let rest = on.store.survey(first.next.as_deref()).await.unwrap();
    let keys: Vec<_> = rest.entries.iter().map(|entry| entry.key.to_string()).collect();
    assert_eq!((keys.len(), keys[0].as_str(), rest.next), (60, "notes/of-2/n120", None));
    assert_eq!(on.store.survey(Some("no key")).await.unwrap_err().kind(), StoreErrorKind::InvalidKey);
}

#[tokio::test]
async fn an_operation_ends_even_where_its_caller_is_dropped() {
    let on = stage();
    {
        let key = key("todo");
        let mut put = on.store.put(&key, "x".into(), None);
        // The first poll takes the lane and hands the work to its thread.
        assert!(futures_util::poll!(&mut put).is_pending());
    }
    on.put("other", "y").await;
    assert_eq!(on.value("todo").await.unwrap(), "x");
}

#[tokio::test]
async fn an_end_past_the_calendar_is_its_last_moment() {
    let on = stage();
    on.store.put(&key("forever"), "x".into(), Some(Duration::MAX)).await.unwrap();
    let entry = on.store.get(&key("forever"), Consistency::Strong).await.unwrap().unwrap();
    assert_eq!(entry.expires_at.unwrap().to_rfc3339(), "9999-12-31T23:59:59.999Z");
}
