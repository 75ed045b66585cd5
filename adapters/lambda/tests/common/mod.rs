//! A function as the tests of events see it: a server with one tool and some routes, and what came back.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    http::Body,
    platform::{Clock, Log, LogLevel, Platform, Random, RandomError, Timestamp},
    prelude::*,
};
use edgemcp_lambda::{Answer, AnswerStream, Function, HOLD_MAX};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use lambda_runtime::{Context, Diagnostic, FunctionResponse, LambdaEvent, StreamResponse};
use serde_json::{Value, json, value::RawValue};

/// Add two integers.
#[tool]
pub(crate) async fn add(
    /** First. */
    a: i64,
    /** Second. */
    b: i64,
) -> i64 {
    a + b
}

/// The body limit of the tests' server.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn server() -> Server {
    let mut server = Server::new("adder", "1.0.0").tool(add::tool()).body_bytes_max(BODY_BYTES_MAX);
    for method in [Method::GET, Method::POST] {
        server = server.route(method, "/echo", |platform, request| async move { echo(&platform, &request) });
    }
    server
        .route(Method::GET, "/cookies", |_, _| async { cookies() })
        .route(Method::GET, "/named", |_, _| async {
            let mut response = Response::new(Body::from("ok"));
            response.headers_mut().insert("x-name", HeaderValue::from_bytes("Jürgen".as_bytes()).unwrap());
            response
        })
        .route(Method::GET, "/bytes", |_, _| async { Response::new(Body::from(vec![0, 159, 146, 150])) })
        .route(Method::GET, "/packed", |_, _| async {
            let mut response = Response::new(Body::from("not really gzip"));
            response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
            response
        })
        .route(Method::GET, "/sized", |_, request: Request<Bytes>| async move {
            let size = request.uri().query().unwrap().strip_prefix("bytes=").unwrap().parse().unwrap();
            Response::new(Body::from(vec![b'x'; size]))
        })
        .route(Method::GET, "/stream", |_, _| async { stream(["one ", "two ", "three"], End::Whole) })
        .route(Method::GET, "/broken", |_, _| async { stream(["one "], End::Error) })
        .route(Method::GET, "/open", |_, _| async { stream(["one "], End::Never) })
        .route(Method::GET, "/never", |_, _| std::future::pending())
}

/// Says what arrived.
fn echo(platform: &Platform, request: &Request<Bytes>) -> Response<Body> {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in request.headers() {
        headers.entry(name.as_str()).or_default().push(value.to_str().unwrap());
    }
    let seen = json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(request.body()),
        "deadline_ms": platform.deadline().map(Timestamp::as_millis),
    });
    Response::new(Body::from(seen.to_string()))
}

fn cookies() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    *response.status_mut() = StatusCode::CREATED;
    for (name, value) in
        [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("vary", "accept"), ("vary", "origin")]
    {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    Error,
    Never,
}

fn stream<const N: usize>(chunks: [&'static str; N], end: End) -> Response<Body> {
    let mut chunks = chunks.into_iter();
    let stream = futures_util::stream::poll_fn(move |_| match (chunks.next(), end) {
        (Some(chunk), _) => std::task::Poll::Ready(Some(Ok(Bytes::from_static(chunk.as_bytes())))),
        (None, End::Whole) => std::task::Poll::Ready(None),
        (None, End::Error) => std::task::Poll::Ready(Some(Err("the password is hunter2".into()))),
        (None, End::Never) => std::task::Poll::Pending,
    });
    Response::new(Body::stream(Box::pin(stream)))
}

/// Now, for the tests; a sleep is over when it begins.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Random for Still {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

/// The lines of the server's log.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Log for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push(format!("{}: {message}", level.as_str()));
    }
}

/// How answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Buffered,
    Streamed,
}

pub(crate) fn platform(mode: Mode, log: &Lines) -> Platform {
    let platform = Platform::builder(Arc::new(Still), Arc::new(Still)).log(Arc::new(log.clone()));
    match mode {
        Mode::Buffered => platform.build(),
        Mode::Streamed => platform.hold_max(HOLD_MAX).build(),
    }
}

pub(crate) fn function(mode: Mode, log: &Lines) -> Function {
    Function::new(server().build().unwrap(), platform(mode, log))
}

/// An event that an invocation with this deadline brings.
pub(crate) fn event(json: &Value, deadline_ms: u64) -> LambdaEvent<Box<RawValue>> {
    let mut context = Context::default();
    context.deadline = deadline_ms;
    LambdaEvent::new(serde_json::value::to_raw_value(json).unwrap(), context)
}

/// One of the recorded events.
pub(crate) fn recorded(name: &str) -> Value {
    // Cargo runs tests in their package's folder.
    let path = format!("tests/events/{name}.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A function URL's event with a request of revision 2026-07-28, whose client takes tasks; `name` is what the request
/// names, if anything.
pub(crate) fn modern(method: &str, mut params: Value, name: &str) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "edgemcp-tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {
            "elicitation": { "form": {} },
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        },
    });
    let mut event = recorded("function-url");
    event["headers"]["mcp-method"] = json!(method);
    event["headers"]["mcp-name"] = json!(name);
    if name.is_empty() {
        event["headers"].as_object_mut().unwrap().remove("mcp-name");
    }
    event["isBase64Encoded"] = json!(false);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    event["body"] = json!(body.to_string());
    event
}

/// An answer as the caller of the source gets it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The object, where the answer came in one piece.
    pub(crate) object: Option<Value>,
}

impl Answered {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Does with an answer what Lambda and the source of the event do.
pub(crate) async fn received(answer: Answer) -> Answered {
    match answer {
        FunctionResponse::BufferedResponse(object) => {
            let object: Value = serde_json::from_str(object.get()).unwrap();
            let mut headers = HeaderMap::new();
            let mut add = |name: &str, value: &Value| {
                let name = http::HeaderName::try_from(name).unwrap();
                headers.append(name, HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap());
            };
            for (name, value) in object["headers"].as_object().into_iter().flatten() {
                add(name, value);
            }
            for (name, values) in object["multiValueHeaders"].as_object().into_iter().flatten() {
                values.as_array().unwrap().iter().for_each(|value| add(name, value));
            }
            for cookie in object["cookies"].as_array().into_iter().flatten() {
                add("set-cookie", cookie);
            }
            let text = object["body"].as_str().unwrap();
            let body = match object["isBase64Encoded"].as_bool().unwrap() {
                true => STANDARD.decode(text).unwrap().into(),
                false => Bytes::copy_from_slice(text.as_bytes()),
            };
            let status = object["statusCode"].as_u64().unwrap().try_into().unwrap();
            Answered { status, headers, body, object: Some(object) }
        }
        FunctionResponse::StreamingResponse(response) => {
            let prelude = response.metadata_prelude;
            let json = serde_json::to_value(&prelude).unwrap();
            for (name, value) in json["headers"].as_object().unwrap() {
                assert!(value.is_string(), "Lambda reads one text a header, and `{name}` is {value}");
            }
            let mut headers = prelude.headers;
            for cookie in prelude.cookies {
                headers.append("set-cookie", cookie.parse().unwrap());
            }
            let mut stream = response.stream;
            let mut body = Vec::new();
            while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
                body.extend_from_slice(&chunk.unwrap());
            }
            Answered { status: prelude.status_code.as_u16(), headers, body: body.into(), object: None }
        }
    }
}

/// A streamed answer, read as it comes.
pub(crate) struct Streamed {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    stream: AnswerStream,
}

impl Streamed {
    /// What comes next, once everything that can go on has gone on; `None` while there is nothing.
    pub(crate) async fn now(&mut self) -> Option<Option<String>> {
        settle().await;
        match futures_util::poll!(futures_util::StreamExt::next(&mut self.stream)) {
            std::task::Poll::Ready(chunk) => {
                Some(chunk.map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap()))
            }
            std::task::Poll::Pending => None,
        }
    }

    pub(crate) async fn chunk(&mut self) -> String {
        match self.now().await {
            Some(Some(chunk)) => chunk,
            Some(None) => panic!("the answer has ended"),
            None => panic!("nothing comes"),
        }
    }

    /// The message of the event that comes next.
    pub(crate) async fn message(&mut self) -> Value {
        let event = self.chunk().await;
        let data = event.strip_prefix("data: ").and_then(|event| event.strip_suffix("\n\n"));
        serde_json::from_str(data.unwrap_or_else(|| panic!("no event: {event:?}"))).unwrap()
    }

    pub(crate) async fn is_open(&mut self) -> bool {
        self.now().await.is_none()
    }

    pub(crate) async fn has_ended(&mut self) -> bool {
        self.now().await == Some(None)
    }
}

impl From<Answer> for Streamed {
    fn from(answer: Answer) -> Self {
        match answer {
            FunctionResponse::StreamingResponse(StreamResponse { metadata_prelude, stream }) => Self {
                status: metadata_prelude.status_code.as_u16(),
                headers: metadata_prelude.headers,
                stream,
            },
            FunctionResponse::BufferedResponse(object) => panic!("it came in one piece: {object}"),
        }
    }
}

/// Lets everything go on that can.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// What the caller gets for an event.
pub(crate) async fn answered(mode: Mode, json: &Value) -> Answered {
    received(function(mode, &Lines::default()).answer(event(json, 0)).await.unwrap()).await
}

/// Why the invocation failed.
pub(crate) async fn failed(json: &Value) -> Diagnostic {
    match function(Mode::Buffered, &Lines::default()).answer(event(json, 0)).await {
        Ok(_) => panic!("the invocation did not fail"),
        Err(diagnostic) => diagnostic,
    }
}
