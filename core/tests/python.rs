//! What Python encrypts and stores is read here, and what is encrypted here Python reads.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use edgemcp::{
    platform::Timestamp,
    store::{
        Consistency, Key, MemoryStore, Store,
        py_key_value::{PyEntry, PyEntryError},
        wrap::{Encrypted, Fernet},
    },
};
use edgemcp_testkit::{Counting, ManualClock};
use futures_executor::block_on;
use serde_json::{Value, json};

/// Has Python `act` on a file of its own, which has `asked` in it before. Returns what is in it then.
fn python(act: &str, asked: &Value) -> Value {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let (process, run) = (std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let file = std::env::temp_dir().join(format!("edgemcp-python-{process}-{run}.json"));
    std::fs::write(&file, asked.to_string()).unwrap();
    let script: PathBuf = ["..", "tests", "store", "python.py"].iter().collect();
    let output = Command::new("python-stores").arg(script).arg(act).arg(&file).output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "`python-stores` cannot be run ({error}): `deploy/toolchain/install stores` installs it, and `. \
             deploy/toolchain/env.sh` puts it into the PATH"
        )
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn made() -> Value {
    python("make", &Value::Null)
}

fn keys(made: &Value) -> Vec<String> {
    made["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

fn list<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    let list = json[name].as_array().unwrap();
    assert!(!list.is_empty(), "there is no {name}");
    list
}

#[test]
fn a_token_that_python_made_opens_here_with_its_key_and_with_no_other() {
    let made = made();
    let keys = keys(&made);
    let all = Fernet::parse(&keys.join(",")).unwrap();
    for token in list(&made, "tokens") {
        let by = usize::try_from(token["by"].as_u64().unwrap()).unwrap();
        let content = STANDARD.decode(token["content"].as_str().unwrap()).unwrap();
        let token = token["token"].as_str().unwrap();
        assert_eq!(all.open(token).unwrap(), content);
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(Fernet::parse(key).unwrap().open(token).is_ok(), number == by);
        }
    }
    let fernet = Fernet::parse(&keys[0]).unwrap();
    let mut opened = 0;
    for age in list(&made, "ages") {
        let ttl = Duration::from_secs(age["ttl_s"].as_u64().unwrap());
        let now = Timestamp::from_millis(age["now_s"].as_u64().unwrap() * 1000);
        let opens = fernet.open_within(age["token"].as_str().unwrap(), ttl, now).is_ok();
        assert_eq!(opens, age["opens"], "{age}");
        opened += usize::from(opens);
    }
    assert!(opened > 20 && opened < 180, "{opened} of the ages are good, so little is tried");
}

#[test]
fn a_token_that_was_made_here_opens_in_python() {
    let random = Counting::default();
    let now = Timestamp::from_millis(1_800_000_000_999);
    let keys: Vec<_> = (0..3).map(|_| Fernet::generate_key(&random).unwrap()).collect();
    let fernet = Fernet::parse(&keys.join(",")).unwrap();
    let contents = [&b""[..], b"x", b"0123456789abcdef", "größer ≥ 🦀".as_bytes(), &[7; 100_000]];
    let mut tokens: Vec<_> =
        contents.iter().map(|content| fernet.seal(content, now, &random).unwrap()).collect();

    // What a store writes is a token too.
    let clock = ManualClock::at(now);
    let below = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let store = Encrypted::new(below.clone(), fernet, Arc::new(clock), Arc::new(random));
    let key = Key::new("users", "7", "profile").unwrap();
    block_on(store.put(&key, "stored".into(), None)).unwrap();
    let stored = block_on(below.get(&key, Consistency::Strong)).unwrap().unwrap().value;
    tokens.push(String::from_utf8(stored.to_vec()).unwrap());
    let contents: Vec<_> = contents.into_iter().chain([&b"stored"[..]]).collect();

    let damaged: Vec<_> = (0..tokens[1].len())
        .map(|at| {
            let mut token = tokens[1].clone();
            let other = if token.split_at(at).1.starts_with('A') { "B" } else { "A" };
            token.replace_range(at..=at, other);
            token
        })
        .filter(|token| Fernet::parse(&keys.join(",")).unwrap().open(token).is_err())
        .collect();
    assert_eq!(damaged.len(), tokens[1].len(), "every change is noticed");
    let tokens: Vec<_> = tokens
        .into_iter()
        .zip(&contents)
        .map(|(token, content)| {
            json!({"token": token, "content": STANDARD.encode(content), "made_s": 1_800_000_000_u64})
        })
        .collect();
    let said = python("open", &json!({"keys": keys, "tokens": tokens, "damaged": damaged}));
    assert_eq!(said, json!({"opened": 6, "refused": damaged.len()}));
}

#[test]
fn a_token_that_python_made_is_a_value_in_a_store() {
    let made = made();
    let keys = keys(&made);
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let below = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let fernet = Fernet::parse(&keys.join(",")).unwrap();
    let store = Encrypted::new(below.clone(), fernet, Arc::new(clock), Arc::new(Counting::default()));
    let key = Key::new("users", "7", "profile").unwrap();
    for token in list(&made, "tokens") {
        block_on(below.put(&key, token["token"].as_str().unwrap().to_owned().into(), None)).unwrap();
        let found = block_on(store.get(&key, Consistency::Strong)).unwrap().unwrap();
        assert_eq!(found.value, STANDARD.decode(token["content"].as_str().unwrap()).unwrap());
    }
}

/// Reads what Python wrote and compares it with what it was told to write.
fn read(entry: &Value, keys: &Fernet) -> PyEntry {
    let bytes = entry["bytes"].as_str().unwrap().as_bytes();
    let found = PyEntry::read(bytes, Some(keys)).unwrap();
    let is_encrypted = entry["is_encrypted"].as_bool().unwrap();
    match PyEntry::read(bytes, None) {
        Err(error) => assert!(is_encrypted && error == PyEntryError::Encrypted, "{error}"),
        Ok(without) => assert!(!is_encrypted && without == found),
    }
    let other = Fernet::parse("HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI=").unwrap();
    assert_eq!(PyEntry::read(bytes, Some(&other)).is_err(), is_encrypted);
    found
}

#[test]
fn the_entries_of_py_key_values_stores_are_read_with_their_ends() {
    let made = made();
    let fernet = Fernet::parse(&keys(&made).join(",")).unwrap();
    let entries = list(&made, "entries");
    for entry in entries {
        let found = read(entry, &fernet);
        let value: Value = serde_json::from_slice(&found.value).unwrap();
        let want: Value = serde_json::from_str(entry["value"].as_str().unwrap()).unwrap();
        assert_eq!(value, want);
        let between = |moment: Timestamp, plus: u64| {
            let [from, to] = [0, 1].map(|at| entry["put_between_ms"][at].as_u64().unwrap() + plus);
            // Read to the next millisecond.
            assert!((from..=to + 1).contains(&moment.as_millis()), "{moment:?} {from} {to}");
        };
        between(found.created_at.unwrap(), 0);
        match entry["ttl_ms"].as_u64() {
            Some(ttl) => between(found.expires_at.unwrap(), ttl),
            None => assert_eq!(found.expires_at, None),
        }
    }
    for (place, count) in [("memory", 10), ("files", 10)] {
        assert_eq!(entries.iter().filter(|entry| entry["where"] == place).count(), count);
    }
}

#[test]
fn a_key_that_py_key_value_derives_is_derived_here() {
    let made = made();
    let derived = &made["derived"];
    let text = |name: &str| derived[name].as_str().unwrap();
    let fernet = Fernet::derive(text("source_material"), text("salt")).unwrap();
    let found = PyEntry::read(text("bytes").as_bytes(), Some(&fernet)).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&found.value).unwrap(), derived["value"]);
    for (source_material, salt) in [(" ", "salt"), ("x", ""), ("", "salt")] {
        let error = Fernet::derive(source_material, salt).unwrap_err();
        assert_eq!(error.to_string(), "no key can be derived: the source material or the salt is blank");
    }
}

/// Written once by the versions it names, each with `MemoryStore` and with `FernetEncryptionWrapper` around it.
const BEFORE: &str = include_str!("python/before.json");

#[test]
fn the_entries_of_earlier_versions_are_read_too() {
    let fernet = Fernet::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let versions: Vec<Value> = serde_json::from_str(BEFORE).unwrap();
    let names: Vec<_> = versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
    assert_eq!(names, ["0.2.8", "0.3.0", "0.4.4"]);
    for version in &versions {
        let entries = list(version, "entries");
        assert_eq!(entries.len(), 4);
        for (number, entry) in entries.iter().enumerate() {
            let found = read(entry, &fernet);
            let value: Value = serde_json::from_slice(&found.value).unwrap();
            assert_eq!(value, entry["value"], "{version}");
            // They were put on 24 November 2026, every other one for a year of 365 days.
            let day = |moment: Timestamp| moment.to_rfc3339().chars().take(10).collect::<String>();
            assert_eq!(day(found.created_at.unwrap()), "2026-11-24");
            let end = (number % 2 == 1).then(|| "2027-11-24".to_owned());
            assert_eq!(found.expires_at.map(day), end, "{version}");
        }
    }
}
