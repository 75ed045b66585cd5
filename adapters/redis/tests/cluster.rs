//! What becomes of a store in a cluster whose nodes are lost, and whose partitions move.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Server, SystemClock, clock,
    cluster::{Cluster, bus_port},
    tls::rights,
    until_done,
    wire::Wire,
};
use edgemcp::store::{Condition, Consistency, Key, Partition, Store, StoreErrorKind, Survey, Write};
use edgemcp_redis::RedisStore;
use edgemcp_testkit::{Subject, run_all};
use futures_util::StreamExt;
use tokio::time::timeout;

fn open(cluster: &Cluster) -> RedisStore {
    RedisStore::open(&cluster.url(), Arc::new(SystemClock)).unwrap()
}

/// Keys of many partitions, and of which node each is.
async fn spread(cluster: &Cluster) -> Vec<(Key, usize)> {
    let mut keys = Vec::new();
    for n in 0..30 {
        let key = Key::new("notes", format!("p{n}"), "x").unwrap();
        let slot = slot(cluster, &key).await;
        let node = [5460, 10922, 16383].iter().position(|last| slot <= *last).unwrap();
        keys.push((key, node));
    }
    assert!((0..3).all(|node| keys.iter().any(|(_, of)| *of == node)));
    keys
}

async fn slot(cluster: &Cluster, key: &Key) -> u16 {
    let name = format!("{{edgemcp:{}}}/{}", key.partition(), key.item());
    redis::from_redis_value(cluster.nodes[0].ask(&["CLUSTER", "KEYSLOT", &name]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_rights_that_are_documented_keeps_the_contract() {
    let cluster = Cluster::start().await;
    let rights = rights();
    for node in &cluster.nodes {
        let mut set = vec!["ACL", "SETUSER", "app", "on", ">word"];
        set.extend(rights.split(' '));
        node.ask(&set).await;
    }
    let url = cluster.url().replace("redis://", "redis://app:word@");
    let clock = clock();
    let store = Arc::new(RedisStore::open(&url, Arc::new(clock.clone())).unwrap());
    let report = run_all(&Subject::new(store.clone(), clock, "run").surveyed_by(store)).await;
    report.verdict().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_lost_takes_its_partitions_along_and_gives_them_back() {
    const ROUNDS: usize = 3;
    let mut cluster = Cluster::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        // The others go on without it.
        "--cluster-require-full-coverage",
        "no",
    ])
    .await;
    let store = open(&cluster);
    let keys = spread(&cluster).await;
    for (key, _) in &keys {
        store.put(key, "0".into(), None).await.unwrap();
    }
    let mut lost = 0;
    for round in 1..=ROUNDS {
        let down = round % 3;
        cluster.nodes[down].kill();
        for (key, node) in &keys {
            let put = store.put(key, round.to_string().into(), None).await;
            if *node == down {
                let error = put.unwrap_err();
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            } else {
                put.unwrap();
            }
        }
        cluster.nodes[down].run().await;
        cluster.until_it_is_whole().await;
        for (key, node) in &keys {
            let mut tries = 0;
            let entry = loop {
                match store.get(key, Consistency::Strong).await {
                    Ok(entry) => break entry.unwrap(),
                    Err(error) if error.is_retryable() && tries < 100 => tries += 1,
                    Err(error) => panic!("{error}"),
                }
            };
            let count = match *node == down {
                true => None,
                false => Some(round.to_string()),
            };
            lost += usize::from(count.is_some_and(|count| entry.value != count));
            store.put(key, round.to_string().into(), None).await.unwrap();
        }
    }
    println!("fault: a node of a cluster killed and restarted on Redis: {ROUNDS} rounds, {lost} lost");
    assert_eq!(lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_moves_to_another_node_is_followed_and_its_watches_end() {
    let cluster = Cluster::start().await;
    let store = open(&cluster);
    let (moving, from) = spread(&cluster).await.into_iter().next().unwrap();
    let partition = moving.partition().clone();
    let item = |n: usize| partition.item(format!("n{n:02}")).unwrap();
    for n in 0..20 {
        store.put(&item(n), n.to_string().into(), None).await.unwrap();
    }
    let mut watch = store.watch(&partition).await.unwrap();
    let elsewhere = Partition::new("elsewhere", "x").unwrap();
    drop(store.watch(&elsewhere).await.unwrap());

    let (from, to) = (&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]);
    let slot = slot(&cluster, &moving).await.to_string();
    let (from_id, to_id) = (id(from).await, id(to).await);
    to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    // Half of it is there: what has gone is asked for where it went to.
    for n in 0..10 {
        migrate(from, to, &format!("{{edgemcp:{partition}}}/n{n:02}")).await;
    }
    for n in 0..20 {
        let entry = store.get(&item(n), Consistency::Strong).await.unwrap().unwrap();
        assert_eq!(entry.value, n.to_string(), "while it moves");
    }
    let keys: Vec<_> = (0..20).map(item).collect();
    let many = store.get_many(&keys, Consistency::Strong).await.unwrap();
    assert!(many.iter().all(Option::is_some));
    // A write needs its indexes beside it, and is told to come again, having done nothing.
    let error = store.put_if(&item(0), "y".into(), None, Condition::Equals("0".into())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");

    let rest: Vec<String> =
        redis::from_redis_value(from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).await).unwrap();
    for name in rest {
        migrate(from, to, &name).await;
    }
    for node in [to, from, &cluster.nodes[0], &cluster.nodes[1], &cluster.nodes[2]] {
        node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    let ended = timeout(Duration::from_secs(20), async { while watch.next().await.is_some() {} }).await;
    ended.expect("the watch ends, since what is written now is told elsewhere");
    assert!(store.put_if(&item(0), "y".into(), None, Condition::Equals("0".into())).await.unwrap());
    assert_eq!(store.list(&partition, None, 100).await.unwrap().entries.len(), 20);
    let mut watch = store.watch(&partition).await.unwrap();
    store.transact(&partition, &[Write::delete("n01")]).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap(), "n01");
}

async fn id(node: &Server) -> String {
    redis::from_redis_value(node.ask(&["CLUSTER", "MYID"]).await).unwrap()
}

async fn migrate(from: &Server, to: &Server, name: &str) {
    from.ask(&["MIGRATE", "127.0.0.1", &to.port.to_string(), name, "0", "5000"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_will_do_to_begin_with() {
    let mut cluster = Cluster::start_with(&["--cluster-require-full-coverage", "no"]).await;
    let keys = spread(&cluster).await;
    let [first, second, _] = &mut cluster.nodes[..] else { panic!("three nodes") };
    first.kill();
    let url = format!("{}/?cluster&node=127.0.0.1:{}", first.url(), second.port);
    let store = RedisStore::open(&url, Arc::new(SystemClock)).unwrap();
    for (key, node) in &keys {
        let put = store.put(key, "x".into(), None).await;
        assert_eq!(put.is_ok(), *node != 0, "{put:?}");
    }
    let error = store.survey(None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "a survey without a third of it is none: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_happened_is_not_sent_again_in_a_cluster_either() {
    let mut node = Server::stopped(&["--cluster-enabled", "yes"]);
    let wire = Wire::to(node.port).await;
    let (announced, bus) = (wire.port.to_string(), bus_port().to_string());
    node.also(&[
        "--cluster-announce-ip",
        "127.0.0.1",
        "--cluster-announce-port",
        &announced,
        "--cluster-port",
        &bus,
    ]);
    node.run().await;
    node.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    let store = RedisStore::open(&format!("{}/?cluster", wire.url()), Arc::new(SystemClock)).unwrap();
    let count = Key::new("notes", "of", "count").unwrap();
    let mut expected = 1;
    until_done(|| store.increment(&count, 1, None)).await;
    for _ in 0..3 {
        wire.cut_the_next_answer();
        let error = store.increment(&count, 1, None).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        expected += 1;
        assert_eq!(until_done(|| store.increment(&count, 0, None)).await, expected, "it had happened, once");
        wire.cut_the_next_answer();
        assert_eq!(
            store.get(&count, Consistency::Strong).await.unwrap().unwrap().value,
            expected.to_string()
        );
    }
}

#[tokio::test]
async fn a_server_of_a_cluster_that_is_taken_for_one_alone_says_what_to_add() {
    let cluster = Cluster::start().await;
    let store = RedisStore::open(&cluster.nodes[0].url(), Arc::new(SystemClock)).unwrap();
    let mut refused = 0;
    for (key, node) in spread(&cluster).await {
        let got = store.get(&key, Consistency::Strong).await;
        if node != 0 {
            let error = got.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Denied);
            assert!(error.to_string().contains("`?cluster`"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_goes_over_all_nodes_and_a_place_of_another_cluster_is_none() {
    let cluster = Cluster::start().await;
    let store = open(&cluster);
    let keys = spread(&cluster).await;
    for (key, _) in &keys {
        store.put(key, "x".into(), Some(Duration::from_millis(1))).await.unwrap();
    }
    let (mut found, mut after, mut places) = (0, None::<String>, Vec::new());
    loop {
        let page = store.survey(after.as_deref()).await.unwrap();
        found += page.entries.len();
        after = page.next;
        match &after {
            None => break,
            Some(place) => places.push(place.clone()),
        }
    }
    assert_eq!(found, keys.len());
    assert!(places.len() >= 2, "{places:?}");
    let gone = store.survey(Some("127.0.0.1:1 0")).await.unwrap_err();
    assert_eq!(gone.kind(), StoreErrorKind::Unavailable, "{gone}");
    assert_eq!(store.survey(Some("nowhere")).await.unwrap_err().kind(), StoreErrorKind::InvalidKey);
    assert_eq!(store.purge_expired().await.unwrap(), u64::try_from(keys.len()).unwrap());
}
