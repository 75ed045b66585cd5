//! A server goes into an application that is there already: axum's router, or a plain hyper server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body as AxumBody, routing::get};
use bytes::Bytes;
use edgemcp::{http::Body, platform::Exposure, prelude::*, store::MemoryStore};
use edgemcp_native::{McpService, NativePlatform, SystemClock};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Add two integers.
#[tool]
async fn add(
    /** First addend. */
    a: i64,
    /** Second addend. */
    b: i64,
) -> i64 {
    a + b
}

fn mcp() -> McpService {
    let server = Server::new("nested", "0.1.0").tool(add::tool()).route(
        Method::GET,
        "/own",
        |_, request: Request<Bytes>| async move {
            let page = request.extensions().get::<Page>().map_or("no page", |page| page.0);
            Response::new(Body::from(page))
        },
    );
    let platform = NativePlatform::builder("nested")
        .store(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .exposure(Exposure::Loopback)
        .build();
    McpService::new(server.build().unwrap(), platform)
}

#[derive(Clone)]
struct Page(&'static str);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn asked(request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn got(address: SocketAddr, path: &str) -> (StatusCode, String) {
    asked(Request::get(format!("http://{address}{path}")).body(Full::default()).unwrap()).await
}

async fn sum(address: SocketAddr, path: &str) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "add", "arguments": {"a": 2, "b": 3}}});
    let request = Request::post(format!("http://{address}{path}"))
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(Full::from(call.to_string()))
        .unwrap();
    let (status, body) = asked(request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["result"]["content"][0]["text"].clone()
}

async fn on_axum(app: Router) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_route_of_an_axum_router_serves_mcp_beside_the_routers_own() {
    let app = Router::new().route("/", get(|| async { "the shop" })).route_service("/mcp", mcp());
    let address = on_axum(app).await;
    assert_eq!(got(address, "/").await, (StatusCode::OK, "the shop".to_owned()));
    assert_eq!(sum(address, "/mcp").await, "5");
    // The router was given one path, so the server's own routes are not there.
    assert_eq!(got(address, "/own").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_axum_fallback_serves_mcp_and_the_servers_routes() {
    let app = Router::new().route("/", get(|| async { "the shop" })).fallback_service(mcp());
    let address = on_axum(app).await;
    assert_eq!(got(address, "/").await.1, "the shop");
    assert_eq!(sum(address, "/mcp").await, "5");
    assert_eq!(got(address, "/own").await, (StatusCode::OK, "no page".to_owned()));
    assert_eq!(got(address, "/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_prefix_of_an_axum_router_is_taken_off_first() {
    let address = on_axum(Router::new().nest_service("/tools", mcp())).await;
    assert_eq!(sum(address, "/tools/mcp").await, "5");
    assert_eq!(got(address, "/tools/own").await.1, "no page");
}

#[tokio::test]
async fn what_the_application_puts_into_the_request_reaches_the_handler() {
    let page = axum::Extension(Page("page 7"));
    let address = on_axum(Router::new().fallback_service(mcp()).layer(page)).await;
    assert_eq!(got(address, "/own").await.1, "page 7");
}

#[tokio::test]
async fn a_plain_hyper_server_takes_it_as_its_service() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), mcp());
            tokio::spawn(connection);
        }
    });
    assert_eq!(sum(address, "/mcp").await, "5");
}

#[tokio::test]
async fn what_a_nested_server_starts_is_started_once_and_cleaned_up_when_the_application_says_so() {
    static STARTS: AtomicUsize = AtomicUsize::new(0);
    static STOPS: AtomicUsize = AtomicUsize::new(0);
    struct Started;

    /// Add two integers.
    #[tool(name = "add")]
    async fn add_with(_started: State<Started>, a: i64, b: i64) -> i64 {
        a + b
    }

    let lifespan = Lifespan::new(|_| async {
        STARTS.fetch_add(1, Ordering::Relaxed);
        Ok::<_, String>(Started)
    })
    .on_stop(|_| async {
        STOPS.fetch_add(1, Ordering::Relaxed);
    });
    let server = Server::new("nested", "0.1.0").with_lifespan(lifespan).tool(add_with::tool());
    let platform = NativePlatform::builder("nested").store(Arc::new(edgemcp::store::NoStore)).build();
    let service = Arc::new(server.build().unwrap());
    let mcp = McpService::new(service.clone(), platform.clone());
    // Nobody passes the server's lifespan on to the router: it is the server's own.
    let address = on_axum(Router::new().nest_service("/tools", mcp)).await;
    for _ in 0..3 {
        assert_eq!(sum(address, "/tools/mcp").await, "5");
    }
    assert_eq!((STARTS.load(Ordering::Relaxed), STOPS.load(Ordering::Relaxed)), (1, 0));
    service.stop(&platform).await;
    assert_eq!(STOPS.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_body_of_any_kind_is_read_up_to_the_limit() {
    let server = || {
        Server::new("nested", "0.1.0").body_bytes_max(10).route(
            Method::POST,
            "/length",
            |_, request| async move { Response::new(Body::from(request.body().len().to_string())) },
        )
    };
    let platform = NativePlatform::builder("nested").store(Arc::new(edgemcp::store::NoStore)).build();
    let mcp = McpService::new(server().build().unwrap(), platform);
    let sent = |body: AxumBody| mcp.answer(Request::post("/length").body(body).unwrap());

    let parts = |lengths: &'static [usize]| {
        AxumBody::from_stream(futures_util::stream::iter(
            lengths.iter().map(|length| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *length]))),
        ))
    };
    let at_the_limit = sent(parts(&[5, 0, 5])).await;
    assert_eq!(at_the_limit.into_body().as_bytes().unwrap(), "10");
    assert_eq!(sent(parts(&[5, 6])).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sent(AxumBody::from("12345678901")).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sent(AxumBody::empty()).await.into_body().as_bytes().unwrap(), "0");

    let echo = Server::new("nested", "0.1.0").route(Method::POST, "/echo", |_, request| async move {
        Response::new(Body::from(request.into_body()))
    });
    let platform = NativePlatform::builder("nested").store(Arc::new(edgemcp::store::NoStore)).build();
    let echo = McpService::new(echo.build().unwrap(), platform);
    for pieces in [&["whole"][..], &["", "who", "", "l", "e"], &["wh", "ole", ""]] {
        let pieces = pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(*piece)));
        let body = AxumBody::from_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
        let answer = echo.answer(Request::post("/echo").body(body).unwrap()).await;
        assert_eq!(answer.into_body().as_bytes().unwrap(), "whole");
    }

    let broken = futures_util::stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("gone"))]);
    assert_eq!(sent(AxumBody::from_stream(broken)).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_a_408() {
    let server = Server::new("nested", "0.1.0");
    let platform = NativePlatform::builder("nested").store(Arc::new(edgemcp::store::NoStore)).build();
    let mcp = McpService::new(server.build().unwrap(), platform);
    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let started = tokio::time::Instant::now();
    let answer = mcp.answer(Request::post("/mcp").body(AxumBody::from_stream(never)).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(started.elapsed().as_secs(), edgemcp_native::BODY_TIME_MAX.as_secs());
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_own_request_a_500() {
    let server =
        Server::new("nested", "0.1.0").route(Method::GET, "/panic", |_, _| async { panic!("on purpose") });
    let platform = NativePlatform::builder("nested").store(Arc::new(edgemcp::store::NoStore)).build();
    let mcp = McpService::new(server.build().unwrap(), platform);
    let answer = mcp.answer(Request::get("/panic").body(AxumBody::empty()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = answer.into_body().collect(1000).await.unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("on purpose"), "{text:?}");
}
