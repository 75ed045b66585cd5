//! `edgemcp store`, as an operator meets it: real stores on disk, the command's output, its exit code.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use edgemcp::store::{Key, Store};
use edgemcp_native::{FileStore, SqliteStore, SystemClock};
use serde_json::Value;

fn edgemcp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgemcp"));
    command.env_remove("EDGEMCP_STORE").args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
fn ran(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = edgemcp(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn said(arguments: &[&str]) -> String {
    let (code, out, err) = ran(arguments);
    assert_eq!((code, &*err), (Some(0), ""), "{arguments:?}");
    out
}

fn json(arguments: &[&str]) -> Vec<Value> {
    said(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A store on disk with a grant, two notes, a counter and something that has expired.
async fn filled(store: &dyn Store) {
    let hour = Some(Duration::from_secs(3600));
    let grant = r#"{"client_id":"inspector","access_token":"hunter2","expires_in":3600}"#;
    store.put(&key("grants/ada/1"), grant.into(), hour).await.unwrap();
    for note in ["tea", "rum"] {
        store.put(&key(&format!("notes/ada/{note}")), format!("buy {note}").into(), None).await.unwrap();
    }
    store.put(&key("notes/bob/x"), vec![0, 255].into(), None).await.unwrap();
    store.increment(&key("counters/all/calls"), 42, None).await.unwrap();
    store.put(&key("old/o/o"), "gone".into(), Some(Duration::ZERO)).await.unwrap();
}

/// Tries `check` with `--store PLACE` of each kind of store that needs no server.
async fn on_each(check: impl Fn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let file = folder.path().join("store.sqlite3");
    filled(&SqliteStore::open(&file, clock.clone())).await;
    check(file.to_str().unwrap());
    let files = folder.path().join("files");
    filled(&FileStore::open(&files, clock)).await;
    check(files.to_str().unwrap());
}

#[tokio::test]
async fn collections_are_listed_with_what_is_in_them() {
    on_each(|place| {
        let rows = json(&["store", "collections", "--json", "--store", place]);
        let of = |name: &str| rows.iter().find(|row| row["collection"] == name).unwrap().clone();
        assert_eq!(
            of("notes"),
            serde_json::json!({"collection": "notes", "partitions": 2, "entries": 3, "bytes": 16, "expired": 0})
        );
        assert_eq!((&of("old")["expired"], &of("old")["entries"]), (&1.into(), &1.into()));
        let text = said(&["store", "--store", place, "collections"]);
        let head = text.lines().next().unwrap();
        assert_eq!(
            head.split_whitespace().collect::<Vec<_>>(),
            ["COLLECTION", "PARTITIONS", "ENTRIES", "SIZE", "EXPIRED"]
        );
        assert_eq!(text.lines().count(), 5, "{text}");
    })
    .await;
}

#[tokio::test]
async fn the_entries_of_a_collection_and_of_a_partition_are_listed() {
    on_each(|place| {
        let keys = |of: &str, limit: &str| -> Vec<String> {
            let rows = json(&["store", "list", of, "--limit", limit, "--json", "--store", place]);
            rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(keys("notes", "9"), ["notes/ada/rum", "notes/ada/tea", "notes/bob/x"]);
        assert_eq!(keys("notes/bob", "9"), ["notes/bob/x"]);
        assert_eq!(keys("notes", "2").len(), 2);
        let text = said(&["store", "list", "notes", "--limit", "2", "--store", place]);
        assert!(text.ends_with("… and more (`--limit` for more than 2)\n"), "{text}");
        let exact = said(&["store", "list", "notes", "--limit", "3", "--store", place]);
        assert!(!exact.contains("more"), "{exact}");
        let none = said(&["store", "list", "nothing", "--store", place]);
        assert!(none.contains("nothing of nothing") && none.contains("store collections"), "{none}");
    })
    .await;
}

#[tokio::test]
async fn an_entry_is_shown_without_its_secrets_unless_they_are_asked_for() {
    on_each(|place| {
        let text = said(&["store", "show", "grants/ada/1", "--store", place]);
        assert!(
            text.contains("inspector") && text.contains("kind    JSON") && text.contains("(in "),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
        let revealed = said(&["store", "show", "grants/ada/1", "--reveal", "--store", place]);
        assert!(revealed.contains("hunter2"), "{revealed}");
        let note = json(&["store", "show", "notes/ada/tea", "--json", "--store", place]);
        assert_eq!((&note[0]["kind"], &note[0]["expires_at"]), (&"text".into(), &Value::Null));
        assert!(!note[0].to_string().contains("buy tea"));
        assert!(said(&["store", "show", "counters/all/calls", "--store", place]).ends_with("\n42\n"));
        let (code, out, err) = ran(&["store", "show", "old/o/o", "--store", place]);
        assert_eq!((code, &*out), (Some(1), ""));
        assert!(err.contains("there is no entry old/o/o, or it has expired"), "{err}");
    })
    .await;
}

#[tokio::test]
async fn what_is_revealed_does_not_rewrite_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite3");
    let store = SqliteStore::open(&file, Arc::new(SystemClock));
    store.put(&key("esc/p/text"), "\u{1b}]0;title\u{7}\u{1b}[31mred\r\nnext\tü".into(), None).await.unwrap();
    store.put(&key("esc/p/json"), "{\"a\": \"\u{9b}31m\"}".into(), None).await.unwrap();
    for (item, part) in [("text", "\\u{1b}[31mred\\u{d}\nnext\tü"), ("json", "\\u{9b}31m")] {
        let text =
            said(&["store", "show", &format!("esc/p/{item}"), "--reveal", "--store", file.to_str().unwrap()]);
        assert!(text.contains(part) && !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\r']), "{text:?}");
    }
}

#[tokio::test]
async fn what_has_expired_is_purged_and_an_entry_deleted() {
    on_each(|place| {
        assert_eq!(said(&["store", "purge", "--store", place]), "1 expired entry is deleted\n");
        assert_eq!(json(&["store", "purge", "--json", "--store", place]), [serde_json::json!({"purged": 0})]);
        assert_eq!(said(&["store", "delete", "notes/bob/x", "--store", place]), "notes/bob/x is deleted\n");
        let again = said(&["store", "delete", "notes/bob/x", "--store", place]);
        assert_eq!(again, "there was no entry notes/bob/x\n");
        let rows = json(&["store", "collections", "--json", "--store", place]);
        assert_eq!(rows.len(), 3, "{rows:?}");
    })
    .await;
}

#[test]
fn looking_for_a_store_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    for place in ["store.sqlite3", "files/"] {
        let path = folder.path().join(place);
        let (code, out, err) = ran(&["store", "collections", "--store", path.to_str().unwrap()]);
        assert_eq!((code, &*out), (Some(1), ""));
        assert!(err.contains("there is no store"), "{err}");
        assert!(!Path::new(&path).exists());
    }
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let (code, _, err) = ran(&["store", "collections", "--store", empty.to_str().unwrap()]);
    assert!(code == Some(1) && err.contains("the file is empty"), "{err}");
    assert_eq!(std::fs::metadata(&empty).unwrap().len(), 0);
    let mut command = edgemcp(&["store", "collections", "--server", "no such server"]);
    let output = command.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("there is no store at ") && err.contains("store.sqlite3"), "{err}");
}

#[tokio::test]
async fn a_server_that_is_named_is_meant_whatever_the_environment_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite3");
    filled(&SqliteStore::open(&file, Arc::new(SystemClock))).await;
    let run = |arguments: &[&str]| {
        let mut command = edgemcp(arguments);
        command.env("EDGEMCP_STORE", &file).env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    };
    let (code, said) = run(&["store", "collections"]);
    assert!(code == Some(0) && said.contains("grants"), "{said}");
    let (code, said) = run(&["store", "collections", "--server", "another"]);
    assert!(code == Some(1) && said.contains("there is no store at ") && said.contains("another"), "{said}");
}

#[test]
fn what_cannot_be_meant_says_the_way_out() {
    for (arguments, code, part) in [
        (&["store", "collections"][..], 1, "--server NAME"),
        (&["store", "collections", "--store", "memory"], 1, "its own process"),
        (&["store", "show", "no-key", "--store", "x"], 2, "is not `collection/id/item`"),
        (&["store", "create-table", "--store", "x.sqlite3"], 1, "has no table"),
        (&["store", "purge", "--store", "x", "--server", "y"], 2, "cannot be used with"),
        (&["store", "list", "notes", "--limit", "0", "--store", "x"], 2, "zero"),
        (&["stroe"], 2, "'store'"),
    ] {
        let (found, _, err) = ran(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {err}");
        assert!(err.contains(part), "{part} in {err}");
    }
}

#[test]
fn a_password_in_the_environment_is_in_no_message() {
    let mut command = edgemcp(&["store", "collections"]);
    let output = command.env("EDGEMCP_STORE", "redis://user:hunter2@127.0.0.1:1/0").output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("127.0.0.1:1") && !err.contains("hunter2"), "{err}");
    let help = edgemcp(&["store", "--help"]).env("EDGEMCP_STORE", "redis://u:hunter2@h").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("hunter2"));
}
