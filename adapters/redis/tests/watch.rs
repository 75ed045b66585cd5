//! Who watches hears of every change whoever made it, and is told by the watch's end where something may be missed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Server, SystemClock, clock, equals, key, partition};
use edgemcp::{
    future::BoxStream,
    store::{Condition, Key, Partition, Store, StoreErrorKind, WATCH_ITEMS_MAX, Write},
};
use edgemcp_redis::{RedisConfig, RedisStore};
use futures_util::{FutureExt, StreamExt};
use redis::Value;
use tokio::time::timeout;

type Watch = BoxStream<'static, String>;

/// The next that is told, or `None` at the end.
async fn next(watch: &mut Watch) -> Option<String> {
    timeout(Duration::from_secs(20), watch.next()).await.expect("it is told, or the watch ends")
}

/// So many are told, in the order of their names.
async fn told(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..count {
        told.push(next(watch).await.expect("the watch goes on"));
    }
    told.sort();
    told
}

/// The channels that somebody subscribes to.
async fn channels(server: &Server) -> Vec<String> {
    let mut channels: Vec<String> =
        redis::from_redis_value(server.ask(&["PUBSUB", "CHANNELS"]).await).unwrap();
    channels.sort();
    channels
}

#[tokio::test]
async fn every_kind_of_change_of_another_process_is_told_and_what_changes_nothing_is_not() {
    let server = Server::start(&[]).await;
    let (this, other) = (server.store(Arc::new(clock())), server.store(Arc::new(clock())));
    let mut watch = this.watch(&partition()).await.unwrap();
    other.put(&key("put"), "x".into(), None).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "put");
    other.increment(&key("count"), 1, None).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "count");
    other.put_if(&key("put-if"), "x".into(), None, Condition::Absent).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "put-if");
    let writes = [Write::delete("put-if"), Write::put("in-one", "x", None), Write::check("put", equals("x"))];
    assert!(other.transact(&partition(), &writes).await.unwrap());
    assert_eq!(told(&mut watch, 2).await, ["in-one", "put-if"]);
    other.delete(&key("put")).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "put");
    other.take(&key("count")).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "count");

    other.delete(&key("absent")).await.unwrap();
    other.take(&key("absent")).await.unwrap();
    assert!(!other.put_if(&key("in-one"), "y".into(), None, Condition::Absent).await.unwrap());
    assert!(
        !other
            .transact(&partition(), &[Write::put("in-one", "y", None).when(Condition::Absent)])
            .await
            .unwrap()
    );
    other.increment(&key("in-one"), 1, None).await.unwrap_err();
    other.put(&key("last"), "x".into(), None).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "last");
    // An item that is written as it was is a change all the same.
    other.put(&key("last"), "x".into(), None).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "last");
}

#[tokio::test]
async fn another_database_and_another_prefix_are_other_stores() {
    let server = Server::start(&[]).await;
    let open = |url: String| RedisStore::open(&url, Arc::new(clock())).unwrap();
    let [store, database, prefixed] =
        [server.url(), format!("{}/1", server.url()), format!("{}/?prefix=other", server.url())].map(open);
    let mut watch = store.watch(&partition()).await.unwrap();
    for elsewhere in [&database, &prefixed] {
        elsewhere.put(&key("elsewhere"), "x".into(), None).await.unwrap();
    }
    store.put(&key("here"), "x".into(), None).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap(), "here");
    assert_eq!(store.list(&partition(), None, 10).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_watch_ends_where_its_connection_is_lost_and_a_later_one_goes_on() {
    let mut server = Server::start(&[]).await;
    let store = server.store(Arc::new(SystemClock));
    for how in ["killed by Redis", "ended with Redis"] {
        let mut watch = store.watch(&partition()).await.unwrap();
        let mut other = store.watch(&Partition::new("notes", "of-others").unwrap()).await.unwrap();
        store.put(&key("before"), "x".into(), None).await.unwrap();
        assert_eq!(next(&mut watch).await.unwrap(), "before");
        if how == "killed by Redis" {
            assert_eq!(server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await, Value::Int(1));
        } else {
            server.kill();
        }
        assert_eq!(next(&mut watch).await, None, "{how}");
        assert_eq!(next(&mut other).await, None, "{how}");
        if how == "ended with Redis" {
            let error = store.watch(&partition()).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            server.run().await;
        }
        let mut watch = store.watch(&partition()).await.unwrap();
        store.put(&key("after"), "x".into(), None).await.unwrap();
        assert_eq!(next(&mut watch).await.unwrap(), "after");
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_store() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let mut watch = store.watch(&partition()).await.unwrap();
    drop(store);
    assert_eq!(next(&mut watch).await, None);
}

#[tokio::test]
async fn nothing_between_the_watch_and_the_first_look_is_missed() {
    const ROUNDS: usize = 200;
    let server = Server::start(&[]).await;
    let (this, other) = (server.store(Arc::new(clock())), server.store(Arc::new(clock())));
    for round in 0..ROUNDS {
        let partition = Partition::new("notes", format!("p{round}")).unwrap();
        let mut watch = this.watch(&partition).await.unwrap();
        other.put(&partition.item("x").unwrap(), "x".into(), None).await.unwrap();
        assert_eq!(next(&mut watch).await.unwrap(), "x", "round {round}");
    }
}

#[tokio::test]
async fn what_nobody_watches_any_more_is_unsubscribed_with_the_next_watch() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let of = |id: &str| Partition::new("notes", id).unwrap();
    let channel = |id: &str| format!("{{edgemcp:notes/{id}}}@0");
    let one = store.watch(&of("a")).await.unwrap();
    let mut other = store.watch(&of("b")).await.unwrap();
    let another = store.watch(&of("a")).await.unwrap();
    assert_eq!(channels(&server).await, [channel("a"), channel("b")]);
    drop(one);
    drop(store.watch(&of("c")).await.unwrap());
    assert_eq!(channels(&server).await, [channel("a"), channel("b"), channel("c")], "one still watches `a`");
    drop(another);
    let mut again = store.watch(&of("d")).await.unwrap();
    assert_eq!(channels(&server).await, [channel("b"), channel("d")]);
    let mut back = store.watch(&of("a")).await.unwrap();
    for (id, watch) in [("b", &mut other), ("d", &mut again), ("a", &mut back)] {
        store.put(&of(id).item("x").unwrap(), "x".into(), None).await.unwrap();
        assert_eq!(next(watch).await.unwrap(), "x", "{id}");
    }
}

#[tokio::test]
async fn what_others_publish_on_a_channel_is_no_change() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let mut watch = store.watch(&partition()).await.unwrap();
    let channel = "{edgemcp:notes/of}@0";
    for nonsense in ["", "a/b", "a b", "\u{fc}", &"x".repeat(1000)] {
        server.ask(&["PUBLISH", channel, nonsense]).await;
    }
    server.ask(&["PUBLISH", channel, "by-hand"]).await;
    assert_eq!(next(&mut watch).await.unwrap(), "by-hand");
}

#[tokio::test]
async fn a_watch_that_nobody_reads_ends_after_what_it_was_told() {
    let server = Server::start(&[]).await;
    let store = server.store(Arc::new(clock()));
    let mut watch = store.watch(&partition()).await.unwrap();
    let keys: Vec<Key> = (0..=WATCH_ITEMS_MAX).map(|n| key(&format!("n{n:05}"))).collect();
    let puts: Vec<_> = keys.iter().map(|key| edgemcp::store::Put::new(key.clone(), "x", None)).collect();
    store.put_many(&puts).await.unwrap();
    let mut mark = store.watch(&partition()).await.unwrap();
    store.put(&key("mark"), "x".into(), None).await.unwrap();
    assert_eq!(next(&mut mark).await.unwrap(), "mark", "by now all of them were told");
    assert_eq!(told(&mut watch, WATCH_ITEMS_MAX).await.len(), WATCH_ITEMS_MAX);
    assert_eq!(next(&mut watch).await, None);
}

#[tokio::test]
async fn who_may_not_subscribe_or_publish_is_told_so_and_has_changed_nothing() {
    let server = Server::start(&[]).await;
    server.ask(&["ACL", "SETUSER", "mute", "on", ">word", "~*", "+@all", "resetchannels"]).await;
    let url = format!("redis://mute:word@127.0.0.1:{}", server.port);
    let config: RedisConfig = url.parse().unwrap();
    let (mute, store) = (RedisStore::new(config, Arc::new(clock())), server.store(Arc::new(clock())));
    let error = mute.watch(&partition()).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    store.increment(&key("count"), 5, None).await.unwrap();
    let mut watch = store.watch(&partition()).await.unwrap();
    let error = mute.put(&key("x"), "x".into(), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(
        error.to_string().contains("can't publish") && error.to_string().contains("documentation"),
        "{error}"
    );
    mute.increment(&key("count"), 1, None).await.unwrap_err();
    mute.take(&key("count")).await.unwrap_err();
    assert_eq!(store.list(&partition(), None, 10).await.unwrap().entries.len(), 1, "nothing was half done");
    assert_eq!(store.increment(&key("count"), 1, None).await.unwrap(), 6);
    assert_eq!(next(&mut watch).await.unwrap(), "count");
    assert!(watch.next().now_or_never().is_none());
}
