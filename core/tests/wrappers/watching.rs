//! What is done with a store is counted and written down, and nothing of a value or a key.

use std::sync::Arc;

use edgemcp::{
    platform::LogLevel,
    store::{
        Condition, Consistency, Put, Store, StoreErrorKind, Write,
        wrap::{Logging, Operations, Statistics},
    },
};
use futures_executor::block_on;

use crate::stage::{Act, Scripted, Stage, key, put};

fn calls(calls: u64, errors: u64) -> Operations {
    Operations { calls, errors }
}

#[test]
fn every_operation_is_counted_with_what_it_found_and_moved() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = Statistics::new(below.clone());
    let x = key("x");
    block_on(async {
        store.put(&x, "four".into(), None).await.unwrap();
        store.get(&x, Consistency::Strong).await.unwrap();
        store.get(&key("none"), Consistency::Eventual).await.unwrap();
        let puts = [Put::new(key("y"), "12", None), Put::new(key("z"), "123", None)];
        store.put_many(&puts).await.unwrap();
        store.get_many(&[x.clone(), key("y"), key("none")], Consistency::Strong).await.unwrap();
        store.list(x.partition(), None, 10).await.unwrap();
        assert!(!store.put_if(&x, "12345".into(), None, Condition::Absent).await.unwrap());
        store.increment(&key("y"), 1, None).await.unwrap();
        let writes = [Write::put("z", "1234567", None), Write::delete("y")];
        store.transact(x.partition(), &writes).await.unwrap();
        store.take(&x).await.unwrap();
        store.take(&x).await.unwrap();
        store.delete(&x).await.unwrap();
        drop(store.watch(x.partition()).await.unwrap());
    });
    let before = store.counts();
    assert_eq!(before.get, calls(2, 0));
    assert_eq!(before.take, calls(2, 0));
    for one in [
        before.put,
        before.delete,
        before.put_if,
        before.increment,
        before.list,
        before.get_many,
        before.put_many,
        before.transact,
        before.watch,
    ] {
        assert_eq!(one, calls(1, 0));
    }
    // Found: one, two of three, all three listed, one of two taken.
    assert_eq!((before.hits, before.misses), (1 + 2 + 3 + 1, 1 + 1 + 1));
    assert_eq!(before.bytes_read, 4 + (4 + 2) + (4 + 2 + 3) + 4);
    assert_eq!(before.bytes_written, 4 + (2 + 3) + 5 + 7);

    below.then(&[Act::Fail(StoreErrorKind::Unavailable); 2]);
    assert!(block_on(store.put(&x, "lost".into(), None)).is_err());
    assert!(block_on(store.get(&x, Consistency::Strong)).is_err());
    let after = store.counts();
    assert_eq!((after.put, after.get), (calls(2, 1), calls(3, 1)));
    assert_eq!(
        (after.hits, after.misses, after.bytes_read, after.bytes_written),
        (before.hits, before.misses, before.bytes_read, before.bytes_written)
    );
}

#[test]
fn a_line_says_what_was_done_and_nothing_of_value_or_key() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = Logging::new(below.clone(), on.clock(), on.log.clone());
    let secret = edgemcp::store::Key::new("sessions", "session-5f3a", "token-77").unwrap();
    put(&store, &secret, "hunter2", None);
    block_on(store.get(&secret, Consistency::Strong)).unwrap();
    block_on(store.get_many(&[secret.clone(), key("none")], Consistency::Strong)).unwrap();
    block_on(store.list(secret.partition(), None, 10)).unwrap();
    below.then(&[Act::Fail(StoreErrorKind::Throttled)]);
    assert!(block_on(store.delete(&secret)).is_err());

    let lines = on.log.all();
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [vec![LogLevel::Debug; 4], vec![LogLevel::Warning]].concat());
    let begins = [
        ("store put sessions/", ": 0 found, 0 not, 0 bytes read, 7 written, 0 ms"),
        ("store get sessions/", ": 1 found, 0 not, 7 bytes read, 0 written, 0 ms"),
        ("store get_many 2 keys", ": 1 found, 1 not, 7 bytes read, 0 written, 0 ms"),
        ("store list sessions/", ": 1 found, 0 not, 7 bytes read, 0 written, 0 ms"),
        ("store delete sessions/", ": failed after 0 ms (Throttled)"),
    ];
    for ((_, line), (start, end)) in lines.iter().zip(begins) {
        assert!(line.starts_with(start) && line.ends_with(end), "{line}");
    }
    let text = on.log.text();
    for part in ["5f3a", "token", "hunter2"] {
        assert!(!text.contains(part), "{text}");
    }
    // Lines on one entry can be told from lines on others.
    let name = |at: usize| lines[at].1.split(['/', ':']).nth(1).unwrap().to_owned();
    assert_eq!(name(0), name(1));
    assert_eq!(name(0), name(4));
    assert_ne!(name(0), name(3));
}

#[test]
fn a_line_says_how_long_it_took() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let clock = on.clock.clone();
    below.comes_between(move || clock.advance(std::time::Duration::from_millis(35)));
    let store = Logging::new(below, on.clock(), on.log.clone());
    assert!(block_on(store.put_if(&key("x"), "1".into(), None, Condition::Absent)).unwrap());
    assert!(on.log.text().ends_with("1 written, 35 ms"), "{}", on.log.text());
    let _: Arc<dyn Store> = Arc::new(store);
}
