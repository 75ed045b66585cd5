//! A cluster of three nodes, each a primary with a third of the slots.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

use std::{net::TcpListener, time::Duration};

use redis::Value;

use super::Server;

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

/// What one of three nodes has.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One whose nodes have these settings too.
    pub(crate) async fn start_with(settings: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for _ in SLOTS {
            let bus = bus_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            let mut node = Server::stopped(&[&own[..], settings].concat());
            node.run().await;
            nodes.push(node);
        }
        let first = nodes.first().unwrap();
        for (node, (from, to)) in nodes.iter().zip(SLOTS) {
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", from, to]).await;
            let bus = node.ask(&["CONFIG", "GET", "cluster-port"]).await;
            let bus = texts(bus).pop().unwrap();
            first.ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), &bus]).await;
        }
        let cluster = Self { nodes };
        cluster.until_it_is_whole().await;
        cluster
    }

    /// Every node knows all the others, and that they serve all slots.
    pub(crate) async fn until_it_is_whole(&self) {
        for node in &self.nodes {
            for round in 0.. {
                let info: String = redis::from_redis_value(node.ask(&["CLUSTER", "INFO"]).await).unwrap();
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") {
                    break;
                }
                assert!(round < 1000, "the cluster does not come together: {info}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/?cluster", self.nodes.first().unwrap().url())
    }
}

/// A node's own port and 10,000 more may be taken or too high, so that this one is chosen too.
pub(crate) fn bus_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn texts(value: Value) -> Vec<String> {
    redis::from_redis_value(value).unwrap()
}
