//! A server that mounts another one asks it over real sockets, through the adapter's own HTTP client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    Era, Progress, compose::Mount, platform::Exposure, prelude::*, remote::Remote, store::NoStore,
};
use edgemcp_native::{McpService, NativePlatform, serve_http};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::oneshot, task::JoinHandle};

/// Fails a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(20);

struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<usize>,
}

async fn serving(server: Server) -> Serving {
    let platform =
        NativePlatform::builder("proxy").store(Arc::new(NoStore)).exposure(Exposure::Loopback).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = McpService::new(server.build().unwrap(), platform);
    let served = tokio::spawn(serve_http(listener, service, async {
        let _ = stopped.await;
    }));
    Serving { address, stop, served }
}

impl Serving {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.served).await.expect("it stops").unwrap();
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The result of `method` as a legacy client gets it.
    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = Request::post(self.url())
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("mcp-protocol-version", "2025-11-25")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer =
            tokio::time::timeout(PATIENCE, client.request(request)).await.expect("it answers").unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()["result"].take()
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Addends {
    a: i64,
    b: i64,
}

/// A server that counts the calls it gets, and reports of each, so that it answers with a stream where it can.
fn far(calls: &Arc<AtomicUsize>) -> Server {
    let calls = Arc::clone(calls);
    Server::new("far", "1.0.0").tool(Tool::new("add", "Add.", move |cx: Context, Addends { a, b }| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            cx.progress(Progress::new(1.0));
            cx.info("adding");
            a + b
        }
    }))
}

fn near(url: String, change: impl FnOnce(Remote) -> Remote) -> Server {
    Server::new("near", "1.0.0")
        .tool(Tool::new("own", "Own.", |_, _: NoArguments| async { "own" }))
        .mount(Mount::under("far", change(Remote::new(url))))
}

fn add() -> Value {
    json!({"name": "far_add", "arguments": {"a": 1, "b": 2}})
}

#[tokio::test]
async fn a_remote_is_called_over_sockets_in_both_eras() {
    for era in [None, Some(Era::Modern), Some(Era::Legacy)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let far = serving(far(&calls)).await;
        let near = serving(near(far.url(), |remote| match era {
            Some(era) => remote.era(era),
            None => remote,
        }))
        .await;
        for number in 1..=10 {
            let result = near.ask("tools/call", add()).await;
            assert_eq!(result["structuredContent"], json!({"result": 3}), "{era:?}");
            assert_eq!(calls.load(Ordering::Relaxed), number, "{era:?}");
        }
        let tools = near.ask("tools/list", json!({})).await;
        assert_eq!(tools["tools"][1]["name"], "far_add");
        near.stop().await;
        far.stop().await;
    }
}

#[tokio::test]
async fn a_remote_that_goes_away_takes_its_own_tools_and_nothing_else() {
    let far = serving(far(&Arc::default())).await;
    let near = serving(near(far.url(), |remote| remote)).await;
    assert_eq!(near.ask("tools/call", add()).await["structuredContent"], json!({"result": 3}));
    far.stop().await;
    let failed = near.ask("tools/call", add()).await;
    assert_eq!(failed["isError"], true);
    let text = "the server mounted as \"far\" does not answer (it cannot be reached)";
    assert_eq!(failed["content"][0]["text"], text);
    assert_eq!(near.ask("tools/call", json!({"name": "own"})).await["content"][0]["text"], "own");
    near.stop().await;
}

#[tokio::test]
async fn a_remote_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 16]).await.unwrap();
            held.push(stream);
        }
    });
    let near = serving(near(url, |remote| remote.timeout(Duration::from_millis(100)))).await;
    let list = near.ask("tools/list", json!({})).await;
    assert_eq!(list["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        list["_meta"]["edgemcp/unavailable"],
        json!([{"mount": "far", "why": "no answer within 100ms"}])
    );
    near.stop().await;
    silent.abort();
}
