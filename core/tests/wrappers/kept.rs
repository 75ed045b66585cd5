//! What is kept under a prefix, within a size, for a time, for reading only, or in one of two stores.

use std::{sync::Arc, time::Duration};

use edgemcp::{
    platform::LogLevel,
    store::{
        Condition, Consistency, KEY_PART_BYTES_MAX, Key, MemoryStore, Put, Store, StoreErrorKind, Write,
        wrap::{Fallback, PREFIX_BYTES_MAX, Prefixed, ReadOnly, SizeLimited, TtlClamp},
    },
};
use edgemcp_testkit::{FAILURE, TestStore};
use futures_executor::block_on;
use futures_util::StreamExt;

use crate::stage::{Act, MINUTE, START, Scripted, Stage, get, key, put, value};

fn prefixed(on: &Stage, prefix: &str) -> Prefixed {
    Prefixed::new(on.memory.clone(), prefix).unwrap()
}

#[test]
fn stores_of_two_prefixes_have_no_entry_in_common() {
    let on = Stage::new();
    let (shop, blog) = (prefixed(&on, "shop"), prefixed(&on, "blog"));
    put(&shop, &key("x"), "shop's", None);
    assert_eq!(get(&blog, &key("x")), None);
    put(&blog, &key("x"), "blog's", None);
    assert_eq!(value(&shop, &key("x")).as_deref(), Some("shop's"));
    let below = Key::new("shop.notes", "ada", "x").unwrap();
    assert_eq!(value(&*on.memory, &below).as_deref(), Some("shop's"));
    let watch = block_on(shop.watch(key("x").partition())).unwrap();
    put(&blog, &key("y"), "", None);
    put(&shop, &key("z"), "", None);
    assert_eq!(block_on(watch.take(1).collect::<Vec<_>>()), ["z"]);
}

#[test]
fn collections_that_are_too_long_with_the_prefix_are_told_apart() {
    let on = Stage::new();
    let shop = prefixed(&on, "shop");
    let of = |length: usize, last: char| {
        let collection = format!("{}{last}", "c".repeat(length - 1));
        Key::new(collection, "i", "n").unwrap()
    };
    let keys: Vec<_> =
        (118..=KEY_PART_BYTES_MAX).flat_map(|length| [of(length, 'a'), of(length, 'b')]).collect();
    for key in &keys {
        put(&shop, key, key.to_string(), None);
    }
    for key in &keys {
        assert_eq!(value(&shop, key), Some(key.to_string()));
    }
    // Nor can a collection be named as another one is cut: what would be as long is cut itself.
    let below = |length: usize| {
        let collection = format!("shop.{}", of(length, 'a').partition().collection());
        get(&*on.memory, &Key::new(collection, "i", "n").unwrap()).is_some()
    };
    let as_long = KEY_PART_BYTES_MAX - "shop.".len();
    assert_eq!((below(as_long - 1), below(as_long)), (true, false));
}

#[test]
fn a_prefix_that_could_meet_another_one_is_refused() {
    let on = Stage::new();
    let refused = |prefix: &str| Prefixed::new(on.memory.clone(), prefix).unwrap_err().to_string();
    assert_eq!(
        refused("a.b"),
        "the prefix \"a.b\" has a dot, which stands between prefix and collection (use `-`)"
    );
    assert_eq!(refused(""), "the prefix is no collection: the collection of a key is empty");
    assert!(refused("a/b").starts_with("the prefix is no collection: the collection of a key has '/'"));
    let long = "p".repeat(PREFIX_BYTES_MAX);
    assert!(Prefixed::new(on.memory.clone(), long.as_str()).is_ok());
    assert_eq!(refused(&format!("{long}p")), "the prefix has 65 bytes, more than 64");
}

#[test]
fn a_value_over_the_size_is_refused_with_both_sizes_and_nothing_is_written() {
    let on = Stage::new();
    let store = SizeLimited::new(on.memory.clone(), 5);
    put(&store, &key("x"), "12345", None);
    let error = block_on(store.put(&key("x"), "123456".into(), None)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    assert_eq!(error.to_string(), "store put: the value of notes/ada/x has 6 bytes, more than 5");
    let puts = [Put::new(key("y"), "1", None), Put::new(key("x"), "123456", None)];
    assert!(block_on(store.put_many(&puts)).is_err());
    let writes = [Write::put("y", "1", None), Write::put("x", "123456", None)];
    let error = block_on(store.transact(key("x").partition(), &writes)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    assert_eq!(get(&*on.memory, &key("y")), None);
    assert_eq!(value(&store, &key("x")).as_deref(), Some("12345"));
    // The smaller of both limits is the one.
    let on_top = |bytes| SizeLimited::new(Arc::new(SizeLimited::new(on.memory.clone(), 5)), bytes);
    assert_eq!(on_top(3).capabilities().value_bytes_max, Some(3));
    assert_eq!(on_top(7).capabilities().value_bytes_max, Some(5));
}

#[test]
fn entries_live_within_their_bounds_however_they_are_written() {
    let on = Stage::new();
    let store = TtlClamp::new(on.memory.clone(), MINUTE, MINUTE * 3);
    let everything = store.without(MINUTE * 2);
    let ends = |ttl: Option<Duration>| {
        let x = key("x");
        block_on(async {
            let ttls = || Write::put("t", "1", ttl);
            everything.put(&key("p"), "1".into(), ttl).await.unwrap();
            everything.put_many(&[Put::new(key("m"), "1", ttl)]).await.unwrap();
            assert!(everything.put_if(&x, "1".into(), ttl, Condition::Absent).await.unwrap());
            assert!(
                everything
                    .transact(x.partition(), &[ttls(), Write::check("x", Condition::Equals("1".into()))])
                    .await
                    .unwrap()
            );
            everything.increment(&key("n"), 1, ttl).await.unwrap();
            let page = everything.list(x.partition(), None, 10).await.unwrap();
            for item in ["p", "m", "x", "t", "n"] {
                everything.delete(&key(item)).await.unwrap();
            }
            let mut ends: Vec<_> = page.entries.iter().map(|(_, entry)| entry.expires_at).collect();
            assert_eq!(ends.len(), 5);
            ends.dedup();
            assert_eq!(ends.len(), 1);
            ends[0].unwrap().since(START)
        })
    };
    assert_eq!(ends(Some(Duration::ZERO)), MINUTE);
    assert_eq!(ends(Some(MINUTE * 2 + Duration::from_millis(1))), MINUTE * 2 + Duration::from_millis(1));
    assert_eq!(ends(Some(Duration::MAX)), MINUTE * 3);
    assert_eq!(ends(None), MINUTE * 2);
    let turned = TtlClamp::new(on.memory.clone(), MINUTE * 3, MINUTE);
    put(&turned, &key("x"), "1", Some(MINUTE * 2));
    assert_eq!(get(&turned, &key("x")).unwrap().expires_at, Some(START.after(MINUTE)));
    put(&turned, &key("x"), "1", None);
    assert_eq!(get(&turned, &key("x")).unwrap().expires_at, None);
}

#[test]
fn a_store_for_reading_refuses_every_write_and_reads_everything() {
    let on = Stage::new();
    let store = ReadOnly::new(on.memory.clone());
    put(&*on.memory, &key("x"), "1", None);
    let x = key("x");
    assert_eq!(value(&store, &x).as_deref(), Some("1"));
    assert_eq!(block_on(store.get_many(std::slice::from_ref(&x), Consistency::Strong)).unwrap().len(), 1);
    assert_eq!(block_on(store.list(x.partition(), None, 10)).unwrap().entries.len(), 1);
    let watch = block_on(store.watch(x.partition())).unwrap();
    put(&*on.memory, &key("y"), "1", None);
    assert_eq!(block_on(watch.take(1).collect::<Vec<_>>()), ["y"]);
    let writes = [Write::delete("x")];
    let refused = [
        block_on(store.put(&x, "2".into(), None)).err(),
        block_on(store.put_many(&[Put::new(x.clone(), "2", None)])).err(),
        block_on(store.put_if(&x, "2".into(), None, Condition::Equals("1".into()))).err(),
        block_on(store.increment(&x, 1, None)).err(),
        block_on(store.delete(&x)).err(),
        block_on(store.take(&x)).err(),
        block_on(store.transact(x.partition(), &writes)).err(),
    ];
    for error in refused {
        let error = error.unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Unsupported);
        assert!(error.to_string().contains("memory is open for reading only"), "{error}");
    }
    assert_eq!(value(&*on.memory, &x).as_deref(), Some("1"));
    assert!(!store.capabilities().atomic && !store.capabilities().transactions);
}

fn falling_back(on: &Stage) -> (TestStore, Arc<MemoryStore>, Fallback) {
    let first = TestStore::new(MemoryStore::new(on.clock()));
    let store = Fallback::new(Arc::new(first.clone()), on.memory.clone()).log(on.log.clone());
    (first, on.memory.clone(), store)
}

#[test]
fn the_second_store_is_asked_only_while_the_first_one_is_down() {
    let on = Stage::new();
    let (first, second, store) = falling_back(&on);
    put(&store, &key("before"), "1", None);
    assert_eq!(value(&*second, &key("before")), None);
    first.fail(true);
    put(&store, &key("meanwhile"), "2", None);
    assert_eq!(value(&store, &key("meanwhile")).as_deref(), Some("2"));
    // What was written before is missing, as is said.
    assert_eq!(value(&store, &key("before")), None);
    assert_eq!(block_on(store.increment(&key("n"), 1, None)).unwrap(), 1);
    block_on(store.put_many(&[Put::new(key("many"), "3", None)])).unwrap();
    assert_eq!(block_on(store.list(key("x").partition(), None, 10)).unwrap().entries.len(), 3);
    first.fail(false);
    assert_eq!(value(&store, &key("before")).as_deref(), Some("1"));
    assert_eq!(value(&store, &key("meanwhile")), None);
    let lines = on.log.all();
    assert!(!lines.is_empty() && lines.iter().all(|(level, _)| *level == LogLevel::Warning));
    assert!(lines[0].1.ends_with(&format!("{FAILURE}; memory is asked instead")), "{}", lines[0].1);
}

#[test]
fn an_answer_of_the_first_store_is_its_answer_also_where_it_is_an_error() {
    use StoreErrorKind::*;
    let on = Stage::new();
    let first = Scripted::new(on.memory.clone());
    let second = Arc::new(MemoryStore::new(on.clock()));
    let store = Fallback::new(first.clone(), second.clone());
    for kind in [Throttled, TooLarge, Corrupt, Denied, NotACounter] {
        first.then(&[Act::Fail(kind)]);
        let error = block_on(store.put(&key("x"), "1".into(), None)).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert_eq!(get(&*second, &key("x")), None);
    first.then(&[Act::Fail(Unavailable)]);
    put(&store, &key("x"), "1", None);
    assert_eq!(value(&*second, &key("x")).as_deref(), Some("1"));
}

#[test]
fn what_must_happen_once_is_refused_by_two_stores_whether_they_are_up_or_down() {
    let on = Stage::new();
    let (first, second, store) = falling_back(&on);
    for is_down in [false, true] {
        first.fail(is_down);
        let x = key("x");
        let writes = [Write::put("x", "1", None)];
        for error in [
            block_on(store.take(&x)).err(),
            block_on(store.put_if(&x, "1".into(), None, Condition::Absent)).err(),
            block_on(store.transact(x.partition(), &writes)).err(),
            block_on(store.watch(x.partition())).err(),
        ] {
            assert_eq!(error.unwrap().kind(), StoreErrorKind::Unsupported);
        }
        assert_eq!((first.changes(), get(&*second, &x)), (0, None));
    }
    let both = store.capabilities();
    assert!(!both.atomic && !both.consistent && !both.transactions && !both.watch && !both.durable);
}
