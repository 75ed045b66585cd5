//! What becomes of a store whose Redis is down, killed, stopped, full or emptied, and of writers that race: what was
//! answered stays, and it goes on.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{START, Server, SystemClock, clock, equals, key, partition, until_done};
use edgemcp::store::{
    Condition, Consistency, Key, LIST_PAGE_MAX, Store, StoreError, StoreErrorKind, Survey, Write,
};
use edgemcp_redis::{RedisStore, VALUE_BYTES_MAX};
use redis::Value;

/// One line for each fault, which `tests/run faults` reads.
fn report(fault: &str, rounds: usize, lost: usize) {
    println!("fault: {fault} on Redis: {rounds} rounds, {lost} lost");
    assert_eq!(lost, 0);
}

async fn value(store: &RedisStore, key: &Key) -> Option<Bytes> {
    store.get(key, Consistency::Strong).await.unwrap().map(|entry| entry.value)
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_redis_that_is_down_at_start_is_unavailable_until_it_is_up() {
    const ROUNDS: usize = 3;
    for _ in 0..ROUNDS {
        let mut server = Server::stopped(&[]);
        let store = server.store(Arc::new(SystemClock));
        for _ in 0..2 {
            let error = unavailable(store.get(&key("x"), Consistency::Strong).await);
            assert!(error.contains(&server.url()), "it says where: {error}");
            unavailable(store.increment(&key("x"), 1, None).await);
            unavailable(store.watch(&partition()).await.map(drop));
        }
        server.run().await;
        assert_eq!(store.increment(&key("x"), 1, None).await.unwrap(), 1, "what failed was not done");
        assert_eq!(value(&store, &key("x")).await.unwrap(), "1");
        drop(store.watch(&partition()).await.unwrap());
    }
    report("down at start", ROUNDS, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_redis_is_killed_amid_a_thousand_writes() {
    const WRITES: usize = 1000;
    const WRITERS: usize = 4;
    const KILLS: usize = 5;
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let store = Arc::new(server.store(Arc::new(SystemClock)));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let (counted, in_doubt) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        let (counted, in_doubt) = (counted.clone(), in_doubt.clone());
        writers.spawn(async move {
            for n in (writer..WRITES).step_by(WRITERS) {
                let key = key(&format!("n{n:04}"));
                until_done(|| store.put(&key, n.to_string().into(), None)).await;
                acknowledged.fetch_add(1, Ordering::Relaxed);
                // A count whose answer was lost may have happened, and is not sent again.
                match store.increment(&common::key("count"), 1, None).await {
                    Ok(_) => counted.fetch_add(1, Ordering::Relaxed),
                    Err(_) => in_doubt.fetch_add(1, Ordering::Relaxed),
                };
            }
        });
    }
    for kill in 1..=KILLS {
        while acknowledged.load(Ordering::Relaxed) < kill * WRITES / (KILLS + 1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        server.run().await;
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    assert_eq!(acknowledged.load(Ordering::Relaxed), WRITES);
    let mut lost = 0;
    for n in 0..WRITES {
        lost += usize::from(value(&store, &key(&format!("n{n:04}"))).await != Some(n.to_string().into()));
    }
    let (counted, in_doubt) = (counted.load(Ordering::Relaxed), in_doubt.load(Ordering::Relaxed));
    let count: i64 =
        std::str::from_utf8(&value(&store, &key("count")).await.unwrap()).unwrap().parse().unwrap();
    assert!(
        (counted..=counted + in_doubt).contains(&count),
        "{counted} <= {count} <= {counted} + {in_doubt}"
    );
    let listed = list_all(&store).await;
    assert_eq!(listed.len(), WRITES + 1, "the index has what the entries have");
    report("killed and restarted, amid writes", WRITES, lost);
}

async fn list_all(store: &RedisStore) -> Vec<String> {
    let (mut items, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(&partition(), after.as_deref(), LIST_PAGE_MAX).await.unwrap();
        items.extend(page.entries.into_iter().map(|(item, _)| item));
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_does_not_answer_is_given_up_in_time_and_asked_again() {
    const ROUNDS: usize = 3;
    let server = Server::start(&[]).await;
    let store = server.hasty_store(Arc::new(SystemClock));
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum = store.increment(&key("count"), 1, None).await.unwrap();
        server.signal("STOP");
        for operation in ["get", "put", "list"] {
            let began = tokio::time::Instant::now();
            let error = unavailable(match operation {
                "get" => store.get(&key("x"), Consistency::Strong).await.map(drop),
                "put" => store.put(&key("x"), "x".into(), None).await,
                _ => store.list(&partition(), None, 10).await.map(drop),
            });
            assert!(began.elapsed() < Duration::from_secs(2), "{operation} took {:?}", began.elapsed());
            assert!(error.contains("within"), "{error}");
        }
        server.signal("CONT");
        assert_eq!(value(&store, &key("count")).await.unwrap(), sum.to_string());
        // Redis itself holds everybody up, but for those who ask for that.
        server.ask(&["CLIENT", "PAUSE", "3000", "WRITE"]).await;
        unavailable(store.put(&key("x"), "x".into(), None).await);
        server.ask(&["CLIENT", "UNPAUSE"]).await;
        store.put(&key("x"), "y".into(), None).await.unwrap();
        assert_eq!(value(&store, &key("x")).await.unwrap(), "y");
    }
    report("stopped and paused", ROUNDS, usize::try_from(sum).unwrap() - ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_that_race_exactly_one_wins_each_round() {
    const ROUNDS: usize = 1000;
    let server = Server::start(&[]).await;
    let store = || Arc::new(server.store(Arc::new(SystemClock)));
    let (one, other) = (store(), store());
    let mut wrong = 0;
    for round in 0..ROUNDS {
        let key = key(&format!("r{round}"));
        let claim = |store: &Arc<RedisStore>, name: &'static str| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(
                async move { store.put_if(&key, name.into(), None, Condition::Absent).await.unwrap() },
            )
        };
        let (first, second) = (claim(&one, "one"), claim(&other, "other"));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let winner = if first { "one" } else { "other" };
        let holds = value(&one, &key).await.unwrap() == winner;

        let take = |store: &Arc<RedisStore>| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move { store.take(&key).await.unwrap().is_some() })
        };
        let (taken, also) = (take(&one), take(&other));
        let (taken, also) = (taken.await.unwrap(), also.await.unwrap());
        wrong += usize::from(first == second || !holds || taken == also);
    }
    report("two writers racing", ROUNDS, wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_entries_of_one_partition_are_listed_whole_and_in_order() {
    const ENTRIES: usize = 10_000;
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let items: Vec<String> = (0..ENTRIES).map(|n| format!("n{n:05}")).collect();
    for items in items.chunks(1000) {
        let put = |item: &String| edgemcp::store::Put::new(key(item), item.clone(), None);
        store.put_many(&items.iter().map(put).collect::<Vec<_>>()).await.unwrap();
    }
    let listed = list_all(&store).await;
    let lost = items.iter().zip(&listed).filter(|(item, listed)| item != listed).count();
    assert_eq!(listed.len(), ENTRIES);
    report("10,000 entries in one partition", ENTRIES, lost);
}

#[tokio::test]
async fn a_value_at_the_limit_is_kept_and_one_byte_more_is_refused() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let largest = Bytes::from(vec![7; VALUE_BYTES_MAX]);
    store.put(&key("x"), largest.clone(), None).await.unwrap();
    assert!(value(&store, &key("x")).await.unwrap() == largest);
    assert!(
        store.put_if(&key("x"), largest.clone(), None, Condition::Equals(largest.clone())).await.unwrap()
    );
    let larger = Bytes::from(vec![7; VALUE_BYTES_MAX + 1]);
    let writes = [Write::put("x", larger.clone(), None)];
    for error in [
        store.put(&key("x"), larger.clone(), None).await.unwrap_err(),
        store.put_if(&key("y"), larger, None, Condition::Absent).await.unwrap_err(),
        store.transact(&partition(), &writes).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
    }
    let taken = store.take(&key("x")).await.unwrap().unwrap();
    report("a value at the limit and one over", 1, usize::from(taken.value != largest));
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    const ROUNDS: usize = 50;
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    for round in 1..=ROUNDS {
        server.ask(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), i64::try_from(round).unwrap());
        server.ask(&["SCRIPT", "FLUSH"]).await;
        store.put(&key("x"), round.to_string().into(), None).await.unwrap();
        server.ask(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.list(&partition(), None, 10).await.unwrap().entries.len(), 2);
        server.ask(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.take(&key("x")).await.unwrap().unwrap().value, round.to_string());
    }
    report("SCRIPT FLUSH", ROUNDS, 0);
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_an_empty_store() {
    const ROUNDS: usize = 10;
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    for _ in 0..ROUNDS {
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(store.increment(&key("count"), 1, hour).await.unwrap(), 1, "counters begin anew");
        store.put(&key("x"), "x".into(), None).await.unwrap();
        server.ask(&["FLUSHALL"]).await;
        assert_eq!(value(&store, &key("x")).await, None);
        assert_eq!(store.list(&partition(), None, 10).await.unwrap().entries, []);
        assert_eq!(store.purge_expired().await.unwrap(), 0);
    }
    report("FLUSHALL", ROUNDS, 0);
}

#[tokio::test]
async fn a_redis_without_memory_takes_no_writes_and_gives_and_deletes_what_it_has() {
    const ENTRIES: usize = 40;
    let server = Server::start(&["--maxmemory-policy", "noeviction"]).await;
    let store = server.store(Arc::new(SystemClock));
    let block = Bytes::from(vec![7; 64 << 10]);
    store.increment(&key("count"), 5, None).await.unwrap();
    for n in 0..ENTRIES {
        store.put(&key(&format!("n{n:03}")), block.clone(), None).await.unwrap();
    }
    let before = list_all(&store).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let refused = unavailable(store.put(&key("n000"), "x".into(), None).await);
    assert!(refused.contains("OOM") && refused.contains("raise `maxmemory`"), "{refused}");
    let writes = [Write::put("other", "x", None), Write::delete("n000")];
    unavailable(store.transact(&partition(), &writes).await);
    unavailable(store.increment(&key("count"), 1, None).await);
    unavailable(store.put_if(&key("other"), "x".into(), None, Condition::Absent).await);
    assert_eq!(list_all(&store).await, before, "no write was half done");
    assert_eq!(value(&store, &key("count")).await.unwrap(), "5");
    let mut lost = 0;
    for n in 0..ENTRIES {
        let taken = store.take(&key(&format!("n{n:03}"))).await.unwrap();
        lost += usize::from(taken.is_none_or(|taken| taken.value != block));
    }
    store.delete(&key("count")).await.unwrap();
    assert_eq!(list_all(&store).await, [""; 0]);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), 1, "there is room again");
    report("out of memory", ENTRIES, lost);
}

#[tokio::test]
async fn what_something_else_keeps_under_an_entrys_name_is_told_and_left() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let name = "{edgemcp:notes/of}/x";
    let foreign: [&[&str]; 6] = [
        &["RPUSH", name, "a"],
        &["HSET", name, "v", "a"],
        &["SADD", name, "a"],
        &["ZADD", name, "1", "a"],
        &["SET", name, "a text"],
        &["SET", name, "e1:soon:x"],
    ];
    for command in foreign {
        server.ask(&["FLUSHALL"]).await;
        server.ask(command).await;
        server.ask(&["ZADD", "{edgemcp:notes/of}:items", "0", "x"]).await;
        let before = server.ask(&["DUMP", name]).await;
        let corrupt = |what: &str, result: Result<(), StoreError>| {
            let error = result.expect_err(what);
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{command:?} {what}: {error}");
        };
        let x = key("x");
        corrupt("get", store.get(&x, Consistency::Strong).await.map(drop));
        corrupt("get_many", store.get_many(std::slice::from_ref(&x), Consistency::Strong).await.map(drop));
        corrupt("take", store.take(&x).await.map(drop));
        corrupt("increment", store.increment(&x, 1, None).await.map(drop));
        corrupt("put_if", store.put_if(&x, "x".into(), None, Condition::Absent).await.map(drop));
        corrupt("put_if", store.put_if(&x, "x".into(), None, equals("a text")).await.map(drop));
        corrupt("list", store.list(&partition(), None, 10).await.map(drop));
        // Only what the mark cannot tell is written over.
        if command[2] != "e1:soon:x" {
            corrupt("put", store.put(&x, "x".into(), None).await);
            corrupt("delete", store.delete(&x).await);
            let writes = [Write::put("y", "y", None), Write::put("x", "x", None)];
            corrupt("transact", store.transact(&partition(), &writes).await.map(drop));
            assert_eq!(value(&store, &key("y")).await, None, "not the other either");
        }
        assert_eq!(server.ask(&["DUMP", name]).await, before, "{command:?}");
        assert_eq!(store.survey(None).await.unwrap().entries, []);
        assert_eq!(store.purge_expired().await.unwrap(), 0);
    }
    for index in ["{edgemcp:notes/of}:items", "{edgemcp:notes/of}:ends"] {
        server.ask(&["FLUSHALL"]).await;
        server.ask(&["SET", index, "a text"]).await;
        let error = store.put(&key("x"), "x".into(), None).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert_eq!(server.ask(&["EXISTS", name]).await, Value::Int(0), "nothing was half done");
    }
    report("a foreign type under an entry's name", foreign.len() + 2, 0);
}

#[tokio::test]
async fn a_clock_that_is_moved_moves_the_ends_and_loses_nothing_that_lives() {
    let (server, day) = (Server::start(&[]).await, Duration::from_secs(86_400));
    // Each shares the store with the others, and has its own idea of the time.
    let right = clock();
    let (ahead, behind) = (
        clock(),
        edgemcp_testkit::ManualClock::at(edgemcp::platform::Timestamp::from_millis(
            START.as_millis() - 86_400_000,
        )),
    );
    ahead.advance(day);
    let store = |clock: &edgemcp_testkit::ManualClock| server.store(Arc::new(clock.clone()));
    let (right, ahead, behind) = (store(&right), store(&ahead), store(&behind));
    for (item, ttl) in [("hour", Some(day / 24)), ("days", Some(day * 3)), ("endless", None)] {
        right.put(&key(item), item.into(), ttl).await.unwrap();
    }
    assert_eq!(list_all(&ahead).await, ["days", "endless"]);
    assert_eq!(list_all(&behind).await, ["days", "endless", "hour"]);
    assert_eq!(value(&ahead, &key("hour")).await, None);
    assert_eq!(value(&behind, &key("hour")).await.unwrap(), "hour");
    // What the one that is ahead writes elsewhere takes nothing from the others, and what it counts anew lives by its
    // own clock.
    for n in 0..100 {
        ahead.put(&key(&format!("n{n}")), "x".into(), Some(day / 24)).await.unwrap();
        ahead.delete(&key(&format!("n{n}"))).await.unwrap();
    }
    assert_eq!(list_all(&right).await, ["days", "endless", "hour"]);
    assert_eq!(value(&right, &key("hour")).await.unwrap(), "hour");
    let count = key("count");
    assert_eq!(behind.increment(&count, 1, Some(day / 24)).await.unwrap(), 1);
    assert_eq!(
        right.increment(&count, 1, Some(day / 24)).await.unwrap(),
        1,
        "a day later its window has ended"
    );
    assert_eq!(right.increment(&count, 1, Some(day / 24)).await.unwrap(), 2);
    assert_eq!(ahead.purge_expired().await.unwrap(), 2);
    assert_eq!(list_all(&right).await, ["days", "endless"]);
    report("a clock that is moved", 3, 0);
}
