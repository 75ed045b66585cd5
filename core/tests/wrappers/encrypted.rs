//! What is encrypted is read by nobody else, and keys rotate without loss.

use std::sync::Arc;

use edgemcp::{
    platform::{LogLevel, Platform, Random, RandomError},
    store::{
        Condition, Consistency, Entry, MemoryStore, Partition, Put, Store, StoreErrorKind, Write,
        wrap::{Encrypted, Fallback, STORE_KEYS, SizeLimited, StoreKeys, Unreadable},
    },
};
use edgemcp_testkit::TestStore;
use futures_executor::block_on;
use futures_util::future::join;

use crate::stage::{KEY, MINUTE, OTHER_KEY, START, Scripted, Stage, get, key, put, value};

#[test]
fn the_store_below_sees_nothing_of_a_value_however_it_was_written() {
    let on = Stage::new();
    let store = on.encrypted(on.memory.clone(), KEY);
    let secret = "the password is hunter2";
    put(&store, &key("put"), secret, None);
    block_on(store.put_many(&[Put::new(key("many"), secret, None)])).unwrap();
    assert!(block_on(store.put_if(&key("if"), secret.into(), None, Condition::Absent)).unwrap());
    let writes = [Write::put("transact", secret, None)];
    assert!(block_on(store.transact(key("x").partition(), &writes)).unwrap());
    block_on(store.increment(&key("count"), 1_234_567, None)).unwrap();

    let page = block_on(on.memory.list(key("x").partition(), None, 10)).unwrap();
    assert_eq!(page.entries.len(), 5);
    for (item, entry) in &page.entries {
        let below = String::from_utf8_lossy(&entry.value);
        assert!(!below.contains("hunter2") && !below.contains("1234567"), "{item} is in the clear: {below}");
    }
    // The same value is never the same below.
    let forms: std::collections::BTreeSet<_> = page.entries.iter().map(|(_, entry)| &entry.value).collect();
    assert_eq!(forms.len(), 5);
    let seen = block_on(store.list(key("x").partition(), None, 10)).unwrap();
    let secrets = seen.entries.iter().filter(|(_, entry)| entry.value == secret).count();
    assert_eq!(secrets, 4);
}

#[test]
fn a_value_that_was_moved_to_another_entry_does_not_open() {
    let on = Stage::new();
    let store = on.encrypted(on.memory.clone(), KEY);
    put(&store, &key("ada"), "admin", None);
    let below = get(&*on.memory, &key("ada")).unwrap().value;
    let elsewhere = Partition::new("notes", "bob").unwrap().item("ada").unwrap();
    let other_collection = Partition::new("note", "sada").unwrap().item("ada").unwrap();
    for to in [key("bob"), elsewhere, other_collection] {
        put(&*on.memory, &to, below.clone(), None);
        let error = block_on(store.get(&to, Consistency::Strong)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{to}");
        assert!(!error.to_string().contains("admin"), "{error}");
    }
    assert_eq!(value(&store, &key("ada")).as_deref(), Some("admin"));
}

#[test]
fn what_cannot_be_opened_is_an_error_and_stays() {
    let on = Stage::new();
    let foreign = on.encrypted(on.memory.clone(), OTHER_KEY);
    let store = on.encrypted(on.memory.clone(), KEY);
    let lease = key("lease");
    put(&foreign, &lease, "theirs", Some(MINUTE));
    let below = get(&*on.memory, &lease).unwrap();

    let corrupt = |kind: Option<StoreErrorKind>| assert_eq!(kind, Some(StoreErrorKind::Corrupt));
    corrupt(block_on(store.get(&lease, Consistency::Strong)).err().map(|error| error.kind()));
    corrupt(
        block_on(store.get_many(std::slice::from_ref(&lease), Consistency::Strong))
            .err()
            .map(|error| error.kind()),
    );
    corrupt(block_on(store.list(lease.partition(), None, 10)).err().map(|error| error.kind()));
    corrupt(block_on(store.increment(&lease, 1, None)).err().map(|error| error.kind()));
    let equals = Condition::Equals("theirs".into());
    corrupt(
        block_on(store.put_if(&lease, "mine".into(), None, equals.clone())).err().map(|error| error.kind()),
    );
    let writes = [Write::put("lease", "mine", None).when(equals)];
    corrupt(block_on(store.transact(lease.partition(), &writes)).err().map(|error| error.kind()));
    // Something is there, whoever wrote it: nobody claims what another one holds.
    assert!(!block_on(store.put_if(&lease, "mine".into(), None, Condition::Absent)).unwrap());
    let writes = [Write::put("lease", "mine", None).when(Condition::Absent)];
    assert!(!block_on(store.transact(lease.partition(), &writes)).unwrap());
    assert_eq!(get(&*on.memory, &lease), Some(below.clone()));
    // Even what is taken is put back, with its end.
    on.clock.advance(MINUTE / 2);
    corrupt(block_on(store.take(&lease)).err().map(|error| error.kind()));
    assert_eq!(get(&*on.memory, &lease), Some(below));
    assert_eq!(value(&foreign, &lease).as_deref(), Some("theirs"));
}

#[test]
fn what_cannot_be_opened_is_absent_where_that_was_chosen_and_the_log_says_so() {
    let on = Stage::new();
    let foreign = on.encrypted(on.memory.clone(), OTHER_KEY);
    let store = on.encrypted(on.memory.clone(), KEY).unreadable(Unreadable::Absent);
    for item in ["got", "taken", "counted", "claimed", "equal", "listed", "transacted", "overwritten"] {
        put(&foreign, &key(item), "theirs", Some(MINUTE));
    }
    assert_eq!(value(&store, &key("got")), None);
    let lines = on.log.all();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].0, LogLevel::Warning);
    let said = "store get: what memory has under notes/ada/got was not written here, or with another key; it is taken \
                for absent";
    assert_eq!(lines[0].1, said);

    assert_eq!(block_on(store.take(&key("taken"))).unwrap(), None);
    assert_eq!(get(&*on.memory, &key("taken")), None);
    assert_eq!(block_on(store.increment(&key("counted"), 2, None)).unwrap(), 2);
    let equals = Condition::Equals("theirs".into());
    assert!(!block_on(store.put_if(&key("equal"), "mine".into(), None, equals)).unwrap());
    assert!(block_on(store.put_if(&key("claimed"), "mine".into(), None, Condition::Absent)).unwrap());
    assert_eq!(value(&store, &key("claimed")).as_deref(), Some("mine"));
    let writes = [Write::put("transacted", "mine", None).when(Condition::Absent)];
    assert!(block_on(store.transact(key("x").partition(), &writes)).unwrap());
    put(&store, &key("overwritten"), "mine", None);
    let page = block_on(store.list(key("x").partition(), None, 10)).unwrap();
    let items: Vec<_> = page.entries.iter().map(|(item, _)| item.as_str()).collect();
    assert_eq!(items, ["claimed", "counted", "overwritten", "transacted"]);
}

#[test]
fn the_first_key_seals_and_all_of_them_open() {
    let on = Stage::new();
    let old = on.encrypted(on.memory.clone(), OTHER_KEY);
    put(&old, &key("old"), "1", None);
    let both = on.encrypted(on.memory.clone(), &format!("{KEY}, {OTHER_KEY}"));
    put(&both, &key("new"), "2", None);
    assert_eq!(value(&both, &key("old")).as_deref(), Some("1"));
    let new = on.encrypted(on.memory.clone(), KEY);
    assert_eq!(value(&new, &key("new")).as_deref(), Some("2"));
    for (store, item) in [(&old, "new"), (&new, "old")] {
        assert!(block_on(store.get(&key(item), Consistency::Strong)).is_err(), "{item}");
    }
    // Without rewriting, what is read stays as it is.
    assert!(block_on(new.get(&key("old"), Consistency::Strong)).is_err());
}

#[test]
fn what_is_read_is_sealed_anew_with_the_first_key_and_keeps_its_end() {
    let on = Stage::new();
    let old = on.encrypted(on.memory.clone(), OTHER_KEY);
    for item in ["one", "many", "open"] {
        put(&old, &key(item), item, (item != "open").then_some(MINUTE));
    }
    on.clock.advance(MINUTE / 3);
    let both = on.encrypted(on.memory.clone(), &format!("{KEY},{OTHER_KEY}")).rewriting();
    let end = Some(START.after(MINUTE));
    let entry = |item: &'static str, expires_at| Some(Entry { value: item.into(), expires_at });
    assert_eq!(get(&both, &key("one")), entry("one", end));
    let many = block_on(both.get_many(&[key("many"), key("open"), key("none")], Consistency::Eventual));
    assert_eq!(many.unwrap(), [entry("many", end), entry("open", None), None]);
    let new = on.encrypted(on.memory.clone(), KEY);
    assert_eq!(get(&new, &key("one")), entry("one", end));
    assert_eq!(get(&new, &key("many")), entry("many", end));
    assert_eq!(get(&new, &key("open")), entry("open", None));
    // What is sealed with the first key is not written again.
    let below = get(&*on.memory, &key("one"));
    assert_eq!(get(&both, &key("one")), entry("one", end));
    assert_eq!(get(&*on.memory, &key("one")), below);
}

#[test]
fn sealing_anew_never_goes_over_what_somebody_writes_meanwhile() {
    for turns in 0..8 {
        let on = Stage::new();
        let both = format!("{KEY},{OTHER_KEY}");
        put(&on.encrypted(on.memory.clone(), OTHER_KEY), &key("x"), "old", None);
        let slow = Scripted::new(on.memory.clone());
        let reader = on.encrypted(slow.clone(), &both).rewriting();
        let writer = on.encrypted(on.memory.clone(), &both);
        let write = async {
            for _ in 0..turns {
                slow.get(&key("turn"), Consistency::Strong).await.unwrap();
            }
            writer.put(&key("x"), "new".into(), None).await.unwrap();
        };
        let (read, ()) = block_on(join(reader.get(&key("x"), Consistency::Strong), write));
        let read = read.unwrap().unwrap().value;
        assert!(read == "old" || read == "new");
        assert_eq!(value(&writer, &key("x")).as_deref(), Some("new"), "after {turns} turns");
    }
}

#[test]
fn what_cannot_be_sealed_anew_is_read_all_the_same() {
    let on = Stage::new();
    let both = format!("{KEY},{OTHER_KEY}");
    let small = SizeLimited::new(on.memory.clone(), 10);
    put(&on.encrypted(on.memory.clone(), OTHER_KEY), &key("y"), "old", None);
    let store = on.encrypted(Arc::new(small), &both).rewriting();
    assert_eq!(value(&store, &key("y")).as_deref(), Some("old"));
    assert!(on.log.text().contains("notes/ada/y could not be stored anew"), "{}", on.log.text());
    // A store without compare-and-set keeps it as it is.
    let other = Arc::new(MemoryStore::new(on.clock()));
    put(&on.encrypted(on.memory.clone(), OTHER_KEY), &key("z"), "old", None);
    let below = get(&*on.memory, &key("z"));
    let weak = Arc::new(Fallback::new(on.memory.clone(), other));
    assert_eq!(value(&on.encrypted(weak, &both).rewriting(), &key("z")).as_deref(), Some("old"));
    assert_eq!(get(&*on.memory, &key("z")), below);
}

#[test]
fn a_store_that_fails_fails_and_what_it_says_is_kept() {
    let on = Stage::new();
    let below = TestStore::new(MemoryStore::new(on.clock()));
    let store = on.encrypted(Arc::new(below.clone()), KEY).unreadable(Unreadable::Absent);
    put(&store, &key("x"), "1", None);
    below.fail(true);
    let error = block_on(store.get(&key("x"), Consistency::Strong)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(block_on(store.take(&key("x"))).is_err());
    below.fail(false);
    assert_eq!(value(&store, &key("x")).as_deref(), Some("1"));
}

struct NoRandomness;

impl Random for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[test]
fn without_randomness_nothing_is_written() {
    let on = Stage::new();
    let keys = StoreKeys::parse(KEY).unwrap();
    let store = Encrypted::new(on.memory.clone(), keys, on.clock(), Arc::new(NoRandomness));
    let error = block_on(store.put(&key("x"), "1".into(), None)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(error.to_string(), "store put: the platform gave no randomness to encrypt with");
    assert_eq!(get(&*on.memory, &key("x")), None);
}

struct Vars(Option<String>);

impl edgemcp::platform::Vars for Vars {
    fn var(&self, name: &str) -> Option<String> {
        self.0.clone().filter(|_| name == STORE_KEYS)
    }
}

#[test]
fn a_missing_or_malformed_key_says_the_way_out_and_nothing_of_the_key() {
    let on = Stage::new();
    let platform = |setting: Option<&str>| {
        let vars = Arc::new(Vars(setting.map(str::to_owned)));
        Platform::builder(on.clock(), on.random()).vars(vars).build()
    };
    let text = |setting: Option<&str>| StoreKeys::new(&platform(setting)).unwrap_err().to_string();
    let missing = "no key to encrypt a store with is configured: set `EDGEMCP_STORE_KEYS` to the output of `openssl rand \
                   -base64 32`, the same for all instances";
    assert_eq!(text(None), missing);
    assert_eq!(text(Some(" , ")), missing);
    let start = |text: &'static str, bytes: usize| text.get(..bytes).unwrap();
    let cut = start(KEY, 20);
    let short = text(Some(&format!("{KEY},{cut}")));
    assert_eq!(
        short,
        "`EDGEMCP_STORE_KEYS` has a key of 15 bytes at place 2; 32 are the fewest (`openssl rand -base64 32` makes one)"
    );
    let no_base64 = text(Some("hunter2 is a good key!"));
    assert!(no_base64.starts_with("`EDGEMCP_STORE_KEYS` has no base64 at place 1"), "{no_base64}");
    let many = text(Some(&[KEY; 9].join(",")));
    assert!(many.starts_with("`EDGEMCP_STORE_KEYS` lists 9 keys, more than 8"), "{many}");
    // A list of keys of both alphabets, as it is while one takes the place of the other.
    let fernet = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    let standard = "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let keys = StoreKeys::new(&platform(Some(&format!("{fernet},{standard}")))).unwrap();
    let shown = format!("{keys:?} {:?}", on.encrypted(on.memory.clone(), KEY));
    for part in [start(fernet, 10), start(standard, 10), start(KEY, 10), "hunter2"] {
        assert!(!format!("{shown}{short}{no_base64}{many}").contains(part), "{shown}");
    }
}
