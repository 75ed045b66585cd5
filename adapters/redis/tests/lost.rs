//! What is sent again when an answer is lost, and what is not: nothing happens twice.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{START, Server, SystemClock, clock, key, partition, wire::Wire};
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{Condition, Consistency, Put, Store, StoreError, StoreErrorKind, Write},
};
use edgemcp_redis::{RedisConfig, RedisStore};
use redis::Value;

/// A clock that notes how long it was asked to sleep, and does not.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Duration>>>);

impl Clock for Noting {
    fn now(&self) -> Timestamp {
        START
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// Does an operation that has an effect of its own, by name.
async fn run(store: &RedisStore, operation: &str) -> Result<(), StoreError> {
    let x = key("x");
    match operation {
        "get" => store.get(&x, Consistency::Strong).await.map(drop),
        "list" => store.list(&partition(), None, 10).await.map(drop),
        "get_many" => store.get_many(&[x], Consistency::Strong).await.map(drop),
        "put" => store.put(&x, "new".into(), None).await,
        "put_many" => store.put_many(&[Put::new(x, "new", None)]).await,
        "delete" => store.delete(&x).await,
        "increment" => store.increment(&key("count"), 1, None).await.map(drop),
        "take" => store.take(&x).await.map(drop),
        "put_if" => store.put_if(&x, "new".into(), None, Condition::Equals("old".into())).await.map(drop),
        "transact" => store.transact(&partition(), &[Write::put("x", "new", None)]).await.map(drop),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_twice_is_sent_again_and_the_rest_is_not() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let clock = Noting::default();
    let store = RedisStore::open(&wire.url(), Arc::new(clock.clone())).unwrap();
    // So that no answer that is cut is one of a Redis that does not have the script yet.
    for operation in ["take", "increment", "put", "list"] {
        run(&store, operation).await.unwrap();
    }
    for (operation, is_sent_again) in [
        ("get", true),
        ("list", true),
        ("get_many", true),
        ("put", true),
        ("put_many", true),
        ("delete", true),
        ("increment", false),
        ("take", false),
        ("put_if", false),
        ("transact", false),
    ] {
        store.put(&key("x"), "old".into(), None).await.unwrap();
        let count = store.increment(&key("count"), 1, None).await.unwrap();
        clock.0.lock().unwrap().clear();
        wire.cut_the_next_answer();
        let done = run(&store, operation).await;
        let pauses = clock.0.lock().unwrap().len();
        if is_sent_again {
            assert!(done.is_ok(), "{operation}: {done:?}");
            assert_eq!(pauses, 1, "{operation}");
        } else {
            let error = done.expect_err(operation);
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{operation}: {error}");
            assert_eq!(pauses, 0, "{operation}");
        }
        // What was lost had happened, once.
        let counted = store.increment(&key("count"), 0, None).await.unwrap() - count;
        assert_eq!(counted, i64::from(operation == "increment"), "{operation}");
        let x = store.get(&key("x"), Consistency::Strong).await.unwrap().map(|entry| entry.value);
        let expected = match operation {
            "delete" | "take" => None,
            "put" | "put_many" | "put_if" | "transact" => Some("new".into()),
            _ => Some("old".into()),
        };
        assert_eq!(x, expected, "{operation}");
    }
}

#[tokio::test]
async fn what_was_not_sent_is_tried_three_times_with_longer_and_longer_pauses() {
    let clock = Noting::default();
    let store = Server::stopped(&[]).store(Arc::new(clock.clone()));
    for operation in ["get", "put", "increment", "take", "put_if", "transact"] {
        clock.0.lock().unwrap().clear();
        let error = run(&store, operation).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Unavailable, operation), "{error}");
        let pauses = clock.0.lock().unwrap().clone();
        let [first, second] = pauses[..] else { panic!("{pauses:?}") };
        let (shortest, longest) = (Duration::from_millis(25), Duration::from_millis(50));
        assert!((shortest..=longest).contains(&first), "{first:?}");
        assert!((shortest * 2..=longest * 2).contains(&second), "{second:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_forgotten_while_idle_is_found_out_before_what_must_be_sent_once() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let clock = clock();
    let config: RedisConfig = wire.url().parse().unwrap();
    let store = RedisStore::new(config.operation_timeout(Duration::from_secs(4)), Arc::new(clock.clone()));
    assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), 1);
    let connections = wire.connections();
    clock.advance(Duration::from_secs(10));
    assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), 2);
    wire.forget_the_connections();
    clock.advance(Duration::from_secs(11));
    // The pause before the second attempt is by this clock, which a test moves.
    let counted = async {
        let key = key("count");
        let mut count = store.increment(&key, 1, None);
        loop {
            tokio::select! {
                counted = &mut count => return counted,
                () = tokio::time::sleep(Duration::from_millis(50)) => clock.advance(Duration::from_millis(50)),
            }
        }
    };
    assert_eq!(counted.await.unwrap(), 3, "it was not lost on the way");
    assert_eq!(wire.connections(), connections + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_restarted_while_nobody_asked_takes_the_first_count() {
    const ROUNDS: i64 = 5;
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let store = server.store(Arc::new(SystemClock));
    for round in 1..=ROUNDS {
        assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), round);
        server.kill();
        server.run().await;
    }
}

#[tokio::test]
async fn a_store_that_is_not_touched_connects_to_nothing_and_one_connection_serves_many() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let store = RedisStore::open(&wire.url(), Arc::new(clock())).unwrap();
    store.capabilities();
    assert_eq!(wire.connections(), 0);
    let keys: Vec<_> = (0..200).map(|n| key(&format!("n{n}"))).collect();
    store.get_many(&keys, Consistency::Strong).await.unwrap();
    assert_eq!(wire.connections(), 1);
    drop(store.watch(&partition()).await.unwrap());
    drop(store.watch(keys[0].partition()).await.unwrap());
    assert_eq!(wire.connections(), 2, "all watches share one more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_still_loads_is_asked_again() {
    let mut server = Server::start(&["--appendonly", "yes", "--enable-debug-command", "local"]).await;
    let store = server.store(Arc::new(SystemClock));
    store.put(&key("x"), "x".into(), None).await.unwrap();
    server.ask(&["DEBUG", "POPULATE", "6000", "filler", "1000"]).await;
    server.ask(&["BGREWRITEAOF"]).await;
    loop {
        let info: String = redis::from_redis_value(server.ask(&["INFO", "persistence"]).await).unwrap();
        if info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    // Each key takes it 300 µs, so that it loads for two seconds.
    server.also(&["--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024"]);
    server.spawn();
    let mut refusals = Vec::new();
    let value = loop {
        match store.get(&key("x"), Consistency::Strong).await {
            Ok(entry) => break entry.unwrap().value,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                refusals.push(error.to_string());
            }
        }
        assert!(refusals.len() < 1000);
    };
    assert_eq!(value, "x");
    assert!(refusals.iter().any(|error| error.contains("LOADING")), "{refusals:?}");
    assert!(matches!(server.ask(&["PING"]).await, Value::SimpleString(_)));
}
