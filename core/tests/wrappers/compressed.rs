//! What is compressed is shorter below, and what was there before is read as it was.

use std::sync::Arc;

use edgemcp::store::{
    Condition, Consistency, Store, StoreErrorKind, Write,
    wrap::{Compressed, Unreadable},
};
use futures_executor::block_on;

use crate::stage::{KEY, MINUTE, START, Stage, get, key, put, value};

const MARK: &[u8] = b"\xff\xfeec";

fn compressed(on: &Stage, below: Arc<dyn Store>) -> Compressed {
    Compressed::new(below, on.clock(), on.random()).log(on.log.clone()).from_bytes(100)
}

fn bytes_below(on: &Stage, item: &str) -> usize {
    get(&*on.memory, &key(item)).unwrap().value.len()
}

#[test]
fn a_long_value_is_shorter_below_and_a_short_one_is_as_it_was() {
    let on = Stage::new();
    let store = compressed(&on, on.memory.clone());
    let text = "all work and no play ".repeat(100);
    put(&store, &key("long"), text.clone(), Some(MINUTE));
    put(&store, &key("at"), "a".repeat(100), None);
    put(&store, &key("under"), "a".repeat(99), None);
    assert!(bytes_below(&on, "long") < text.len() / 10, "{}", bytes_below(&on, "long"));
    assert!(bytes_below(&on, "at") < 100);
    assert_eq!(bytes_below(&on, "under"), 99);
    let entry = get(&store, &key("long")).unwrap();
    assert_eq!((entry.value, entry.expires_at), (text.into(), Some(START.after(MINUTE))));
}

#[test]
fn what_was_there_before_is_read_compared_and_counted() {
    let on = Stage::new();
    let store = compressed(&on, on.memory.clone());
    let long = "x".repeat(500);
    for (item, plain) in [("long", long.as_str()), ("short", "tea"), ("count", "41")] {
        put(&*on.memory, &key(item), plain.to_owned(), None);
        assert_eq!(value(&store, &key(item)).as_deref(), Some(plain));
    }
    assert_eq!(block_on(store.increment(&key("count"), 1, None)).unwrap(), 42);
    let equals = Condition::Equals(long.into());
    let writes = [Write::check("long", equals.clone()), Write::delete("short")];
    assert!(block_on(store.transact(key("x").partition(), &writes)).unwrap());
    assert!(block_on(store.put_if(&key("long"), "y".repeat(500).into(), None, equals)).unwrap());
    assert!(bytes_below(&on, "long") < 100);
    // Another threshold has another form of the same value.
    let other = compressed(&on, on.memory.clone()).from_bytes(10_000);
    let equals = Condition::Equals("y".repeat(500).into());
    assert!(block_on(other.put_if(&key("long"), "z".into(), None, equals)).unwrap());
}

#[test]
fn a_value_that_looks_compressed_is_stored_as_it_is() {
    let on = Stage::new();
    let store = compressed(&on, on.memory.clone());
    for rest in [&b""[..], b"\0", b"\x01", b"\x01abc", b"\x02", b"any"] {
        let plain = [MARK, rest].concat();
        put(&store, &key("x"), plain.clone(), None);
        assert_eq!(get(&store, &key("x")).unwrap().value, plain, "{rest:?}");
        assert_eq!(block_on(store.take(&key("x"))).unwrap().unwrap().value, plain);
    }
}

#[test]
fn what_would_become_too_long_is_refused_before_it_is() {
    let on = Stage::new();
    // A thousand times longer than it is: what a few kilobytes can do to a memory of some megabytes.
    put(&compressed(&on, on.memory.clone()), &key("bomb"), vec![0; 1 << 20], None);
    assert!(bytes_below(&on, "bomb") < 2000);
    for (max, is_read) in [(1 << 20, true), ((1 << 20) - 1, false)] {
        let store = compressed(&on, on.memory.clone()).inflated_bytes_max(max);
        let read = block_on(store.get(&key("bomb"), Consistency::Strong));
        match read {
            Ok(entry) => assert!(is_read && entry.unwrap().value.len() == 1 << 20),
            Err(error) => assert!(!is_read && error.kind() == StoreErrorKind::Corrupt),
        }
    }
}

#[test]
fn what_is_damaged_is_an_error_or_absent_and_never_something_else() {
    let on = Stage::new();
    let store = compressed(&on, on.memory.clone());
    let lenient = compressed(&on, on.memory.clone()).unreadable(Unreadable::Absent);
    put(&store, &key("x"), "all work and no play ".repeat(30), None);
    let whole = get(&*on.memory, &key("x")).unwrap().value;
    for at in MARK.len()..whole.len() {
        put(&*on.memory, &key("x"), whole.slice(..at), None);
        let error = block_on(store.get(&key("x"), Consistency::Strong)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "cut after {at}");
        assert_eq!(get(&lenient, &key("x")), None);
    }
    assert!(on.log.text().contains("it is taken for absent"));
    // Compression alone notices no flipped bit; sealed, each is noticed.
    let sealed = Arc::new(on.encrypted(on.memory.clone(), KEY));
    let store = compressed(&on, sealed);
    put(&store, &key("x"), "all work and no play ".repeat(30), None);
    let whole = get(&*on.memory, &key("x")).unwrap().value;
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        put(&*on.memory, &key("x"), bytes, None);
        let error = block_on(store.get(&key("x"), Consistency::Strong)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "byte {at}");
    }
}
