//! What a store has in Redis: the names, what ends when, and that nothing grows with what is gone; and who is let in.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{START, Server, SystemClock, clock, key, partition, tls::TlsServer};
use edgemcp::store::{Consistency, Store, StoreErrorKind, Survey};
use edgemcp_redis::{CLOCK_DIFFERENCE_MAX, RedisConfig, RedisStore, VALUE_BYTES_MAX};
use redis::Value;

const HOUR: Duration = Duration::from_secs(3600);
const ENTRY: &str = "{edgemcp:notes/of}/x";
const ITEMS: &str = "{edgemcp:notes/of}:items";
const ENDS: &str = "{edgemcp:notes/of}:ends";

/// The names that Redis has, in order.
async fn names(server: &Server) -> Vec<String> {
    let mut names: Vec<String> = redis::from_redis_value(server.ask(&["KEYS", "*"]).await).unwrap();
    names.sort();
    names
}

async fn text(server: &Server, command: &[&str]) -> String {
    redis::from_redis_value(server.ask(command).await).unwrap()
}

/// How long Redis keeps a key still; `None` for ever.
async fn lifetime(server: &Server, name: &str) -> Option<Duration> {
    let ms: i64 = redis::from_redis_value(server.ask(&["PTTL", name]).await).unwrap();
    assert_ne!(ms, -2, "{name} is not there");
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// About so long, since the test takes its time.
fn is_about(lifetime: Option<Duration>, expected: Duration) -> bool {
    lifetime.is_some_and(|lifetime| {
        lifetime <= expected && lifetime > expected.saturating_sub(Duration::from_secs(30))
    })
}

#[tokio::test]
async fn an_entry_is_a_string_beside_two_indexes() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    store.put(&key("x"), "tea".into(), None).await.unwrap();
    assert_eq!(names(&server).await, [ENTRY, ITEMS]);
    assert_eq!(text(&server, &["GET", ENTRY]).await, "e1::tea");
    store.put(&key("x"), "tea".into(), Some(HOUR)).await.unwrap();
    let mut all = [ENTRY, ITEMS, ENDS];
    all.sort_unstable();
    assert_eq!(names(&server).await, all);
    let end = START.after(HOUR).as_millis();
    assert_eq!(text(&server, &["GET", ENTRY]).await, format!("e1:{end}:tea"));
    store.increment(&key("count"), -7, Some(HOUR)).await.unwrap();
    assert_eq!(text(&server, &["GET", "{edgemcp:notes/of}/count"]).await, format!("e1:{end}:-7"));
    store.delete(&key("count")).await.unwrap();
    store.take(&key("x")).await.unwrap();
    assert_eq!(names(&server).await, [""; 0], "nothing is left of a partition without entries");
}

#[tokio::test]
async fn redis_frees_what_has_ended_a_while_later_and_the_indexes_with_the_last_of_it() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let kept = HOUR + CLOCK_DIFFERENCE_MAX;
    store.put(&key("x"), "x".into(), Some(HOUR)).await.unwrap();
    assert!(is_about(lifetime(&server, ENTRY).await, kept));
    let index = lifetime(&server, ITEMS).await;
    assert!(is_about(index, kept + Duration::from_secs(1)) && index > lifetime(&server, ENTRY).await);
    // The one that ends last counts, whoever came first.
    store.put(&key("later"), "x".into(), Some(HOUR * 5)).await.unwrap();
    store.put(&key("sooner"), "x".into(), Some(HOUR)).await.unwrap();
    for index in [ITEMS, ENDS] {
        assert!(is_about(
            lifetime(&server, index).await,
            HOUR * 5 + CLOCK_DIFFERENCE_MAX + Duration::from_secs(1)
        ));
    }
    store.put(&key("endless"), "x".into(), None).await.unwrap();
    assert_eq!((lifetime(&server, ITEMS).await, lifetime(&server, ENDS).await), (None, None));
    store.delete(&key("later")).await.unwrap();
    store.delete(&key("endless")).await.unwrap();
    assert!(is_about(lifetime(&server, ITEMS).await, kept + Duration::from_secs(1)));
    // A counter keeps its window, and the moment at which it is freed.
    store.increment(&key("count"), 1, Some(HOUR * 2)).await.unwrap();
    store.increment(&key("count"), 1, Some(HOUR * 9)).await.unwrap();
    assert!(is_about(lifetime(&server, "{edgemcp:notes/of}/count").await, HOUR * 2 + CLOCK_DIFFERENCE_MAX));
    store.increment(&key("open"), 1, None).await.unwrap();
    store.increment(&key("open"), 1, Some(HOUR)).await.unwrap();
    assert_eq!(lifetime(&server, "{edgemcp:notes/of}/open").await, None);
    store.put(&key("open"), "x".into(), Some(Duration::MAX)).await.unwrap();
    assert_eq!(lifetime(&server, "{edgemcp:notes/of}/open").await, None, "no Redis counts so far");
}

#[tokio::test]
async fn an_index_does_not_grow_with_what_redis_has_freed() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    store.put(&key("endless"), "x".into(), None).await.unwrap();
    for n in 0..150 {
        store.put(&key(&format!("n{n:03}")), "x".into(), Some(HOUR)).await.unwrap();
        // As when its time has come: a test cannot wait for it.
        let name = format!("{{edgemcp:notes/of}}/n{n:03}");
        server.ask(&["DEL", &name]).await;
        server.ask(&["ZADD", ENDS, "1", &format!("n{n:03}")]).await;
    }
    let size = || async { redis::from_redis_value::<usize>(server.ask(&["ZCARD", ITEMS]).await).unwrap() };
    assert!(size().await <= 3, "each write takes away what the one before left");
    // More at once than one write takes away.
    for n in 0..100 {
        server.ask(&["ZADD", ITEMS, "0", &format!("m{n:03}")]).await;
        server.ask(&["ZADD", ENDS, "1", &format!("m{n:03}")]).await;
    }
    store.put(&key("endless"), "y".into(), None).await.unwrap();
    store.put(&key("endless"), "z".into(), None).await.unwrap();
    assert_eq!(size().await, 1);
    assert_eq!(store.list(&partition(), None, 10).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_page_of_large_values_ends_early_and_goes_on() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let large = Bytes::from(vec![7; VALUE_BYTES_MAX / 2]);
    for item in ["a", "b", "c"] {
        store.put(&key(item), large.clone(), None).await.unwrap();
    }
    store.put(&key("bb"), large, Some(Duration::ZERO)).await.unwrap();
    let first = store.list(&partition(), None, 100).await.unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref()), (2, Some("b")));
    let rest = store.list(&partition(), Some("b"), 100).await.unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));
    store.delete(&key("c")).await.unwrap();
    let whole = store.list(&partition(), None, 100).await.unwrap();
    assert_eq!((whole.entries.len(), whole.next), (2, None), "what has ended is no more");
}

#[tokio::test]
async fn what_was_evicted_is_not_listed_and_a_purge_takes_it_from_the_index() {
    let server = Server::start(&[]).await;
    let clock = clock();
    let store = server.store(Arc::new(clock.clone()));
    for item in ["a", "b", "c", "d"] {
        store.put(&key(item), "x".into(), (item > "b").then_some(HOUR)).await.unwrap();
    }
    server.ask(&["DEL", "{edgemcp:notes/of}/a"]).await;
    server.ask(&["DEL", "{edgemcp:notes/of}/c"]).await;
    let listed = store.list(&partition(), None, 10).await.unwrap();
    assert_eq!(listed.entries.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>(), ["b", "d"]);
    clock.advance(HOUR);
    assert_eq!(store.purge_expired().await.unwrap(), 1, "what Redis has deleted is not counted");
    assert_eq!(
        server.ask(&["ZRANGE", ITEMS, "0", "-1"]).await,
        Value::Array(vec![Value::BulkString("b".into())])
    );
    assert_eq!(server.ask(&["EXISTS", ENDS]).await, Value::Int(0));
}

#[tokio::test]
async fn a_survey_sees_this_stores_entries_and_nobody_elses() {
    let server = Server::start(&[]).await;
    let clock = clock();
    let open = |query: &str| {
        RedisStore::open(&format!("{}/{query}", server.url()), Arc::new(clock.clone())).unwrap()
    };
    let (store, other) = (open(""), open("?prefix=edgemcp-2"));
    server.ask(&["SET", "session:7", "x"]).await;
    server.ask(&["SET", "{edgemcp:notes/of}/x/y", "x"]).await;
    server.ask(&["RPUSH", "{edgemcp:notes/of}/list", "x"]).await;
    store.put(&key("x"), "tea".into(), Some(HOUR)).await.unwrap();
    other.put(&key("x"), "rum".into(), None).await.unwrap();
    clock.advance(HOUR);
    let found = store.survey(None).await.unwrap();
    let [found] = &found.entries[..] else { panic!("{found:?}") };
    assert_eq!((&found.key, found.value_bytes, found.expires_at), (&key("x"), 3, Some(START.after(HOUR))));
    assert_eq!(store.purge_expired().await.unwrap(), 1);
    assert_eq!(other.get(&key("x"), Consistency::Strong).await.unwrap().unwrap().value, "rum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_tells_of_an_entry_as_it_was_at_one_moment_while_it_is_replaced() {
    let server = Server::start(&[]).await;
    let (store, other) = (server.store(Arc::new(clock())), server.store(Arc::new(clock())));
    let kinds = [(0, None), (50, Some(START.after(HOUR)))];
    store.put(&key("x"), "".into(), None).await.unwrap();
    let replacing = tokio::spawn(async move {
        loop {
            other.put(&key("x"), vec![7; 50].into(), Some(HOUR)).await.unwrap();
            other.put(&key("x"), "".into(), None).await.unwrap();
        }
    });
    let mut seen = [0; 2];
    for round in 0..500 {
        let page = store.survey(None).await.unwrap();
        let [found] = &page.entries[..] else { panic!("round {round}: {page:?}") };
        let kind = kinds.iter().position(|kind| *kind == (found.value_bytes, found.expires_at));
        seen[kind.unwrap_or_else(|| panic!("round {round}: the entry was never {found:?}"))] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}: it was not replaced meanwhile");
    replacing.abort();
}

#[tokio::test]
async fn what_is_no_counter_is_told_at_once_however_many_zeros_it_begins_with() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let zeros = "0".repeat(1 << 20);
    for (value, sum) in [("x", None), ("-7", None), ("", Some(2)), ("40", Some(42))] {
        for sign in ["", "+"] {
            store.put(&key("count"), format!("{sign}{zeros}{value}").into(), None).await.unwrap();
            let summed = store.increment(&key("count"), 2, None).await.map_err(|error| error.kind());
            assert_eq!(summed, sum.ok_or(StoreErrorKind::NotACounter), "zeros and {value:?}");
        }
    }
    store.put(&key("count"), format!("-{zeros}44").into(), None).await.unwrap();
    assert_eq!(store.increment(&key("count"), 2, None).await.unwrap(), -42);
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_will_do_as_well_and_so_will_another_database() {
    let mut server = Server::stopped(&["--unixsocket", "redis.sock", "--requirepass", "word"]);
    server.admin = format!("{}?pass=word", socket(&server));
    server.run().await;
    let url = format!("{}?pass=word&db=3", socket(&server));
    let store = RedisStore::open(&url, Arc::new(clock())).unwrap();
    store.put(&key("x"), "x".into(), None).await.unwrap();
    let three = common::ask(&url, &["GET", ENTRY]).await.unwrap();
    assert_eq!(three, Value::BulkString("e1::x".into()));
    assert_eq!(server.ask(&["GET", ENTRY]).await, Value::Nil, "not in the first");
}

#[cfg(unix)]
fn socket(server: &Server) -> String {
    format!("unix://{}", server.folder().join("redis.sock").display())
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_the_password_is_not() {
    let server = Server::start(&[]).await;
    server.ask(&["ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all"]).await;
    server.ask(&["ACL", "SETUSER", "default", "resetpass", "-@all", "+ping", "+acl", "+config"]).await;
    let address = format!("127.0.0.1:{}", server.port);
    for (user, part) in [("app:s3cret@", "WRONGPASS"), ("nobody:s3cret@", "WRONGPASS"), ("", "NOAUTH")] {
        let store = RedisStore::open(&format!("redis://{user}{address}"), Arc::new(SystemClock)).unwrap();
        for error in [
            store.get(&key("x"), Consistency::Strong).await.unwrap_err(),
            store.increment(&key("x"), 1, None).await.unwrap_err(),
            store.watch(&partition()).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
            let text = format!("{error} {error:?} {store:?}");
            assert!(!text.contains("s3cret"), "{text}");
            assert!(text.contains(part) || text.contains("password"), "{text}");
        }
    }
    let store = RedisStore::open(&format!("redis://app:right@{address}"), Arc::new(SystemClock)).unwrap();
    store.put(&key("x"), "x".into(), None).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_with_the_way_out() {
    let tls = TlsServer::start().await;
    let store = RedisStore::open(&tls.url(), Arc::new(SystemClock)).unwrap();
    let error = store.get(&key("x"), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("`ca=FILE`"), "{error}");
    // One that vouches for another name.
    let config: RedisConfig = tls.url().replace("localhost", "127.0.0.2").parse().unwrap();
    let store =
        RedisStore::new(config.root_certificates(tls.ca_pem.as_str()).unwrap(), Arc::new(SystemClock));
    store.get(&key("x"), Consistency::Strong).await.unwrap_err();
    // The URL's own way to say it.
    let url = format!("{}/?ca={}", tls.url(), tls.server.folder().join("ca.pem").display());
    let store = RedisStore::open(&url, Arc::new(SystemClock)).unwrap();
    store.put(&key("x"), "x".into(), None).await.unwrap();
    let plain = RedisStore::open(&tls.url().replace("rediss", "redis"), Arc::new(SystemClock)).unwrap();
    let error = plain.get(&key("x"), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_replica_says_that_it_is_one() {
    let primary = Server::start(&[]).await;
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]).await;
    let store = replica.store(Arc::new(SystemClock));
    let error = store.put(&key("x"), "x".into(), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("replica") && error.to_string().contains("primary"), "{error}");
    // It becomes the primary, and the store goes on.
    replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    store.put(&key("x"), "x".into(), None).await.unwrap();
}
