//! The Redis store keeps the contract of every store: on a server, over TLS as a user with few rights, in a cluster.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::sync::Arc;

use common::{Server, clock, cluster::Cluster, tls::TlsServer};
use edgemcp_redis::{RedisConfig, RedisStore};
use edgemcp_testkit::{ManualClock, Subject, run_all};

async fn keeps_the_contract(config: &str, store: RedisStore, clock: ManualClock) {
    let store = Arc::new(store);
    let report = run_all(&Subject::new(store.clone(), clock, "run").surveyed_by(store)).await;
    println!("{config}\n{report}");
    report.verdict().unwrap();
}

#[tokio::test]
async fn the_redis_store_keeps_the_contract() {
    let (server, clock) = (Server::start(&[]).await, clock());
    let store = server.store(Arc::new(clock.clone()));
    keeps_the_contract("one server", store, clock).await;
}

#[tokio::test]
async fn so_it_does_over_tls_as_a_user_with_the_rights_that_are_documented() {
    let (tls, clock) = (TlsServer::start().await, clock());
    let config: RedisConfig = tls.url().parse().unwrap();
    let config = config.root_certificates(tls.ca_pem.as_str()).unwrap();
    keeps_the_contract("TLS, a user", RedisStore::new(config, Arc::new(clock.clone())), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_in_a_cluster() {
    let (cluster, clock) = (Cluster::start().await, clock());
    let store = RedisStore::open(&cluster.url(), Arc::new(clock.clone())).unwrap();
    keeps_the_contract("a cluster", store, clock).await;
    // Every node has had its part in it.
    for node in &cluster.nodes {
        let size: usize = redis::from_redis_value(node.ask(&["DBSIZE"]).await).unwrap();
        assert!(size > 100, "{size}");
    }
}
