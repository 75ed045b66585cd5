//! A read is answered from memory for its time, and never with what this instance itself has changed.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use edgemcp::store::{
    Condition, Consistency, Entry, Key, MemoryStore, Put, Store, StoreErrorKind, Write, wrap::Cached,
};
use edgemcp_testkit::TestStore;
use futures_executor::block_on;

use crate::stage::{Act, MINUTE, Scripted, Stage, key, put};

fn eventual(store: &dyn Store, key: &Key) -> Option<String> {
    let entry = block_on(store.get(key, Consistency::Eventual)).unwrap();
    entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

/// A cache over a store that says what it is asked.
fn cached(on: &Stage) -> (Arc<Scripted>, Cached) {
    let below = Scripted::new(on.memory.clone());
    let cached = Cached::new(below.clone(), on.clock());
    (below, cached.hits_for(MINUTE).misses_for(MINUTE / 6))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_hit_is_remembered_for_its_time_and_a_miss_for_its_own() {
    let on = Stage::new();
    let (below, store) = cached(&on);
    put(&*on.memory, &key("x"), "1", None);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    assert_eq!(eventual(&store, &key("none")), None);
    assert_eq!(below.done(), ["get", "get"]);
    put(&*on.memory, &key("x"), "2", None);
    put(&*on.memory, &key("none"), "now", None);
    on.clock.advance(MINUTE / 6 - MS);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    assert_eq!(eventual(&store, &key("none")), None);
    on.clock.advance(MS);
    assert_eq!(eventual(&store, &key("none")).as_deref(), Some("now"));
    assert_eq!(below.done(), ["get"]);
    on.clock.advance(MINUTE * 5 / 6 - MS);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    on.clock.advance(MS);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("2"));
    assert_eq!(below.done(), ["get"]);
}

#[test]
fn an_entry_is_remembered_no_longer_than_it_lives() {
    let on = Stage::new();
    let (below, store) = cached(&on);
    put(&*on.memory, &key("x"), "1", Some(MS * 10));
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    on.clock.advance(MS * 9);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    on.clock.advance(MS);
    assert_eq!(eventual(&store, &key("x")), None);
    assert_eq!(below.done(), ["get", "get"]);
}

#[test]
fn a_strong_read_goes_through_and_is_remembered() {
    let on = Stage::new();
    let (below, store) = cached(&on);
    put(&*on.memory, &key("x"), "1", None);
    eventual(&store, &key("x"));
    put(&*on.memory, &key("x"), "2", None);
    let strong = block_on(store.get(&key("x"), Consistency::Strong)).unwrap().unwrap();
    assert_eq!(strong.value, "2");
    // What was seen once is not unseen.
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("2"));
    let keys = [key("x")];
    put(&*on.memory, &key("x"), "3", None);
    assert_eq!(block_on(store.get_many(&keys, Consistency::Strong)).unwrap()[0].as_ref().unwrap().value, "3");
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("3"));
    assert_eq!(below.done(), ["get", "get", "get_many"]);
}

#[test]
fn of_many_only_those_that_are_not_known_are_asked_for() {
    let on = Stage::new();
    let (below, store) = cached(&on);
    for item in ["a", "b", "c"] {
        put(&*on.memory, &key(item), item, None);
    }
    eventual(&store, &key("b"));
    eventual(&store, &key("none"));
    below.done();
    let keys = ["a", "b", "none", "c", "a", "nor"].map(key);
    let read = || {
        let found = block_on(store.get_many(&keys, Consistency::Eventual)).unwrap();
        found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect::<Vec<_>>()
    };
    let want: Vec<_> =
        [Some("a"), Some("b"), None, Some("c"), Some("a"), None].map(|value| value.map(Into::into)).into();
    assert_eq!(read(), want);
    assert_eq!(below.done(), ["get_many"]);
    assert_eq!(read(), want);
    assert_eq!(below.done(), [""; 0]);
}

#[test]
fn whatever_changes_an_entry_makes_it_forgotten() {
    let on = Stage::new();
    let (_, store) = cached(&on);
    let x = key("x");
    let change = |what: &str, change: &dyn Fn(), want: Option<&str>| {
        put(&*on.memory, &x, "7", None);
        // It may be remembered from before.
        block_on(store.get(&x, Consistency::Strong)).unwrap();
        assert_eq!(eventual(&store, &x).as_deref(), Some("7"), "{what}");
        change();
        assert_eq!(eventual(&store, &x).as_deref(), want, "{what}");
    };
    change("put", &|| put(&store, &x, "8", None), Some("8"));
    change("delete", &|| block_on(store.delete(&x)).unwrap(), None);
    change("take", &|| assert!(block_on(store.take(&x)).is_ok()), None);
    change("increment", &|| assert!(block_on(store.increment(&x, 1, None)).is_ok()), Some("8"));
    let puts = [Put::new(x.clone(), "9", None)];
    change("put_many", &|| block_on(store.put_many(&puts)).unwrap(), Some("9"));
    let equals = || Condition::Equals("7".into());
    change("put_if", &|| assert!(block_on(store.put_if(&x, "1".into(), None, equals())).is_ok()), Some("1"));
    let writes = [Write::put("x", "2", None)];
    change("transact", &|| assert!(block_on(store.transact(x.partition(), &writes)).is_ok()), Some("2"));
}

#[test]
fn a_write_that_fails_or_whose_answer_is_lost_makes_it_forgotten_too() {
    let on = Stage::new();
    let (below, store) = cached(&on);
    put(&*on.memory, &key("x"), "1", None);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    below.then(&[Act::Lose]);
    assert!(block_on(store.put(&key("x"), "2".into(), None)).is_err());
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("2"));
    below.then(&[Act::Fail(StoreErrorKind::Unavailable)]);
    put(&*on.memory, &key("x"), "3", None);
    assert!(block_on(store.delete(&key("x"))).is_err());
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("3"));
}

#[test]
fn a_read_that_fails_is_not_remembered() {
    let on = Stage::new();
    let below = TestStore::new(MemoryStore::new(on.clock()));
    let store = Cached::new(Arc::new(below.clone()), on.clock());
    put(&below, &key("x"), "1", None);
    below.fail(true);
    assert!(block_on(store.get(&key("x"), Consistency::Eventual)).is_err());
    below.fail(false);
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
}

/// Polls both by turns as `order` says, and then to their end.
fn interleaved(order: u32, read: impl Future<Output = ()>, write: impl Future<Output = ()>) {
    let (mut read, mut write) = (std::pin::pin!(read), std::pin::pin!(write));
    let mut cx = Context::from_waker(Waker::noop());
    let (mut has_read, mut has_written) = (false, false);
    for turn in 0..64 {
        let reads = if turn < 10 { order & (1 << turn) != 0 } else { turn % 2 == 0 };
        if reads && !has_read {
            has_read = read.as_mut().poll(&mut cx).is_ready();
        } else if !reads && !has_written {
            has_written = write.as_mut().poll(&mut cx).is_ready();
        }
    }
    assert!(has_read && has_written);
}

#[test]
fn a_read_under_way_while_something_is_written_is_never_remembered_as_it_was() {
    // Every way in which two operations of a few steps can come between each other.
    let mut seen = BTreeSet::new();
    for order in 0..1 << 10 {
        for abandoned in [false, true] {
            let on = Stage::new();
            let (_, store) = cached(&on);
            put(&*on.memory, &key("x"), "old", None);
            let x = key("x");
            let read = async {
                let found = store.get(&x, Consistency::Eventual).await.unwrap().unwrap();
                seen.insert(found.value);
            };
            let write = async {
                let mut put = store.put(&x, "new".into(), None);
                if !abandoned {
                    return put.await.unwrap();
                }
                // Its caller lets go of it once it has happened below, before it hears of it.
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    assert!(put.as_mut().poll(cx).is_pending());
                    if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            };
            interleaved(order, read, write);
            assert_eq!(eventual(&store, &key("x")).as_deref(), Some("new"), "{order:b}, {abandoned}");
        }
    }
    assert_eq!(seen, BTreeSet::from(["old".into(), "new".into()]), "both orders were tried");
}

#[test]
fn a_reader_that_gave_up_leaves_nothing_behind() {
    let on = Stage::new();
    let (_, store) = cached(&on);
    put(&*on.memory, &key("x"), "1", None);
    {
        let x = key("x");
        let mut read = store.get(&x, Consistency::Eventual);
        assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(eventual(&store, &key("x")).as_deref(), Some("1"));
    assert!(format!("{store:?}").contains("entries: 1, bytes: 19"), "{store:?}");
}

#[test]
fn it_keeps_no_more_than_it_may_and_forgets_the_longest_unasked() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = Cached::new(below.clone(), on.clock()).entries_max(2).bytes_max(100);
    for item in ["a", "b", "c"] {
        put(&*on.memory, &key(item), item, None);
    }
    put(&*on.memory, &key("large"), "x".repeat(200), None);
    for item in ["a", "b", "a", "c", "large"] {
        eventual(&store, &key(item));
    }
    below.done();
    for (item, is_known) in [("a", true), ("c", true), ("large", false), ("b", false)] {
        eventual(&store, &key(item));
        assert_eq!(below.done().is_empty(), is_known, "{item}");
    }
    let nothing = Cached::new(below.clone(), on.clock()).entries_max(0);
    eventual(&nothing, &key("a"));
    eventual(&nothing, &key("a"));
    assert_eq!(below.done(), ["get", "get"]);
}

#[test]
fn a_time_of_nothing_remembers_nothing() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = Cached::new(below.clone(), on.clock()).hits_for(Duration::ZERO).misses_for(Duration::ZERO);
    put(&*on.memory, &key("x"), "1", None);
    for item in ["x", "x", "none", "none"] {
        eventual(&store, &key(item));
    }
    assert_eq!(below.done(), ["get"; 4]);
    assert_eq!(
        block_on(store.get(&key("x"), Consistency::Eventual)).unwrap(),
        Some(Entry { value: "1".into(), expires_at: None })
    );
}
