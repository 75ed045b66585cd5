//! HTTP on real sockets: what a client gets, what a hostile one does not, and how serving ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{http::Body, platform::Exposure, prelude::*, store::NoStore};
use edgemcp_native::{HEAD_BYTES_MAX, McpService, NativePlatform, serve_http};
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

/// Fails a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest body of the servers here.
const BODY_BYTES_MAX: usize = 100_000;

struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<usize>,
}

async fn serving(server: Server) -> Serving {
    let service = server.body_bytes_max(BODY_BYTES_MAX).build().unwrap();
    let platform =
        NativePlatform::builder("http").store(Arc::new(NoStore)).exposure(Exposure::Loopback).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve_http(listener, McpService::new(service, platform), async {
        let _ = stopped.await;
    }));
    Serving { address, stop, served }
}

fn server() -> Server {
    Server::new("http", "0.1.0")
        .route(Method::GET, "/health", |_, _| async { Response::new(Body::from("ok")) })
        .route(Method::POST, "/length", |_, request| async move {
            Response::new(Body::from(format!("{} bytes", request.body().len())))
        })
}

impl Serving {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back for these bytes until the server closes the connection.
    async fn told(&self, sent: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.address))
    }
}

/// Everything up to the end of the connection. One that is reset instead of ended fails here.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends").unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes until `end` has come.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("it comes");
        text.push(char::from(byte.unwrap_or_else(|error| panic!("{error} after {text:?}"))));
    }
    text
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("soon")
}

fn client<B>() -> Client<hyper_util::client::legacy::connect::HttpConnector, B>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

#[tokio::test]
async fn an_mcp_request_and_a_route_are_answered_on_one_connection() {
    let serving = serving(server()).await;
    let client = client();
    let ping = serving
        .request(Method::POST, "/mcp")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(Full::<Bytes>::from(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#))
        .unwrap();
    let answer = client.request(ping).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);

    let health = serving.request(Method::GET, "/health").body(Full::<Bytes>::default()).unwrap();
    let answer = client.request(health).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");

    let mut stream = serving.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(until(&mut stream, "ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn a_name_that_is_not_loopback_is_refused_as_dns_rebinding() {
    let serving = serving(server()).await;
    let refused = serving
        .told("POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken_and_one_byte_more_is_a_413() {
    let serving = serving(server()).await;
    for (bytes, status, text) in [(BODY_BYTES_MAX, 200, "100000 bytes"), (BODY_BYTES_MAX + 1, 413, "100000")]
    {
        let body = Bytes::from(vec![b'x'; bytes]);
        let known = serving.request(Method::POST, "/length").body(Full::<Bytes>::from(body.clone())).unwrap();
        let answer = client().request(known).await.unwrap();
        assert_eq!(answer.status(), status, "with a length of {bytes}");
        let said = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&said).contains(text), "{said:?}");

        let halves = [body.slice(..bytes / 2), body.slice(bytes / 2..)];
        let parts = stream::iter(halves.map(|half| Ok::<_, std::io::Error>(http_body::Frame::data(half))));
        let chunked = serving.request(Method::POST, "/length").body(StreamBody::new(parts)).unwrap();
        assert_eq!(client().request(chunked).await.unwrap().status(), status, "in chunks, {bytes}");
    }
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_still_gets_its_413() {
    let serving = serving(server()).await;
    // More than the buffers of both sockets hold, so that whoever stops reading resets the connection.
    let body = vec![b'x'; 8 << 20];
    let mut stream = serving.connect().await;
    let head = format!(
        "POST /length HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    soon(stream.write_all(&body)).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));

    let mut stream = serving.connect().await;
    let head =
        "POST /length HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await.unwrap();
    soon(stream.write_all(&body)).await.unwrap();
    stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_the_body_is_sent() {
    let serving = serving(server()).await;
    for length in [(BODY_BYTES_MAX + 1).to_string(), (u64::MAX - 2).to_string()] {
        let mut stream = serving.connect().await;
        let head = format!("POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(until(&mut stream, "\r\n").await.starts_with("HTTP/1.1 413 "), "{length}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_without_being_told_to_go_on() {
    let serving = serving(server()).await;
    let head = |length: usize| {
        format!(
            "POST /length HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    // Nothing more is waited for, so the connection is closed long before the time a rest of a body would be given.
    let refused = tokio::time::timeout(Duration::from_secs(4), serving.told(head(BODY_BYTES_MAX + 1))).await;
    let refused = refused.expect("it is closed at once");
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");

    let mut stream = serving.connect().await;
    stream.write_all(head(3).as_bytes()).await.unwrap();
    assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(until(&mut stream, "3 bytes").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_length_shorter_than_the_body_ends_the_body() {
    let serving = serving(server()).await;
    let told = serving
        .told("POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc and this is no request\r\n\r\n")
        .await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("3 bytes"), "{told}");
    assert!(told.contains("HTTP/1.1 400 "), "{told}");
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_handler() {
    let (seen, mut handled) = mpsc::unbounded_channel();
    let serving = serving(server().route(Method::POST, "/seen", move |_, request| {
        seen.send(request.body().len()).unwrap();
        async { Response::new(Body::empty()) }
    }))
    .await;
    let mut stream = serving.connect().await;
    stream
        .write_all(b"POST /seen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    rest(&mut stream).await;
    // A whole one afterwards is the first that is seen.
    serving
        .told("POST /seen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
        .await;
    assert_eq!(handled.recv().await, Some(1));
}

#[tokio::test]
async fn what_is_no_http_is_a_400() {
    let serving = serving(server()).await;
    for sent in [
        "hello\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n",
    ] {
        let told = serving.told(sent).await;
        assert!(told.starts_with("HTTP/1.1 400 "), "{sent:?}: {told:?}");
    }
}

#[tokio::test]
async fn a_head_below_the_limits_is_taken_and_one_that_reaches_them_is_a_431() {
    let serving = serving(server()).await;
    let of_bytes = |bytes: usize| {
        let start = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    assert!(serving.told(of_bytes(HEAD_BYTES_MAX - 1)).await.starts_with("HTTP/1.1 200 "));
    let endless = of_bytes(HEAD_BYTES_MAX + 4);
    assert!(serving.told(&endless[..HEAD_BYTES_MAX]).await.starts_with("HTTP/1.1 431 "));

    let of_headers = |count: usize| {
        let more: String = (2..count).map(|i| format!("X-{i}: y\r\n")).collect();
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
    };
    assert!(serving.told(of_headers(100)).await.starts_with("HTTP/1.1 200 "));
    assert!(serving.told(of_headers(101)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn each_part_of_a_stream_goes_out_when_it_is_made() {
    let (parts, made) = mpsc::unbounded_channel::<&str>();
    let made = Arc::new(std::sync::Mutex::new(Some(made)));
    let serving = serving(server().route(Method::GET, "/stream", move |_, _| {
        let mut made = made.lock().unwrap().take().unwrap();
        let body = stream::poll_fn(move |cx| made.poll_recv(cx)).map(|part| Ok(Bytes::from(part)));
        async { Response::new(Body::stream(Box::pin(body))) }
    }))
    .await;
    let request = serving.request(Method::GET, "/stream").body(Full::<Bytes>::default()).unwrap();
    let mut answer = client().request(request).await.unwrap().into_body();
    for part in ["one", "two", "three"] {
        parts.send(part).unwrap();
        assert_eq!(soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap(), part);
    }
    drop(parts);
    assert!(soon(answer.frame()).await.is_none());
}

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_handler_and_its_stream() {
    let (events, mut told) = mpsc::unbounded_channel();
    let events_of_stream = events.clone();
    let serving = serving(
        server()
            .route(Method::POST, "/wait", move |_, _| {
                let events = events.clone();
                async move {
                    let _guard = Guard(events.clone());
                    events.send("waiting").unwrap();
                    std::future::pending().await
                }
            })
            .route(Method::GET, "/stream", move |_, _| {
                let guard = Guard(events_of_stream.clone());
                let never = stream::poll_fn(move |_| {
                    let _ = &guard;
                    std::task::Poll::Pending
                });
                let body = stream::once(async { Ok(Bytes::from("begun")) }).chain(never);
                async { Response::new(Body::stream(Box::pin(body))) }
            }),
    )
    .await;

    let mut stream = serving.connect().await;
    stream
        .write_all(b"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
        .await
        .unwrap();
    assert_eq!(soon(told.recv()).await, Some("waiting"));
    drop(stream);
    assert_eq!(soon(told.recv()).await, Some("dropped"));

    let mut stream = serving.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until(&mut stream, "begun").await;
    drop(stream);
    assert_eq!(soon(told.recv()).await, Some("dropped"));
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_open_and_takes_nothing_new() {
    let (started, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begun, opened) = (started.clone(), gate.clone());
    let serving = serving(server().route(Method::GET, "/gate", move |_, _| {
        let (begun, opened) = (begun.clone(), opened.clone());
        async move {
            begun.add_permits(1);
            let _ = opened.acquire().await;
            Response::new(Body::from("after the gate"))
        }
    }))
    .await;
    let mut idle = serving.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until(&mut idle, "ok").await;
    let mut open = serving.connect().await;
    open.write_all(b"GET /gate HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let _ = soon(started.acquire()).await.unwrap();

    let Serving { address, stop, served } = serving;
    drop(stop);
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed at once");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert!(!served.is_finished(), "a request is open");
    gate.add_permits(1);
    let answer = rest(&mut open).await;
    assert!(answer.ends_with("after the gate") && answer.contains("connection: close"), "{answer}");
    assert_eq!(soon(served).await.unwrap(), 0, "nothing was cut");
}
