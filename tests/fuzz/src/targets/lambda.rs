//! The event of an invocation of a Lambda function.

use std::{
    pin::{Pin, pin},
    sync::{Arc, LazyLock},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use edgemcp::{Server, http::Body, platform::Platform, prelude::*};
use edgemcp_lambda::{Answer, Function, HEADERS_MAX, URI_BYTES_MAX};
use futures_core::Stream;
use http::{Method, Request, Response};
use lambda_runtime::{Context, FunctionResponse, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{asked::members, stage::Still};

/// The largest body that is taken.
const BODY_BYTES_MAX: usize = 4096;

/// A function for each form of answer: in one piece, and streamed, which it is where it may be held open. Nothing that it
/// does outlasts an invocation, so it is the same for all.
static FUNCTIONS: LazyLock<[Function; 2]> =
    LazyLock::new(|| [None, Some(Duration::from_secs(60))].map(function));

fn function(hold_max: Option<Duration>) -> Function {
    let mut server = Server::new("function", "1")
        .tool(Tool::new("echo", "Say it again.", |_, _: NoArguments| async { "said" }))
        .body_bytes_max(BODY_BYTES_MAX);
    for method in [Method::GET, Method::POST] {
        server = server.route(method, "/echo", |_, request| async move { echo(&request) });
    }
    let mut platform = Platform::builder(Arc::new(Still), Arc::new(Still));
    if let Some(hold_max) = hold_max {
        platform = platform.hold_max(hold_max);
    }
    let platform = platform.build();
    match server.build() {
        Ok(service) => Function::new(service, platform),
        Err(error) => panic!("{error}"),
    }
}

/// Says what arrived.
fn echo(request: &Request<Bytes>) -> Response<Body> {
    assert!(request.headers().len() <= HEADERS_MAX);
    assert!(request.uri().to_string().len() <= URI_BYTES_MAX);
    assert!(request.headers().get_all("host").iter().count() <= 1);
    Response::new(Body::from(json!({"body": STANDARD.encode(request.body())}).to_string()))
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What is no JSON never leaves Lambda's runtime.
    let Ok(event) = RawValue::from_string(text.to_owned()) else { return };
    let [buffered, streamed] = FUNCTIONS.each_ref().map(|function| answer(function, &event));
    let Some(answered) = &buffered else {
        assert!(streamed.is_none(), "no event in one mode is none in the other");
        return;
    };
    assert_eq!(buffered, streamed, "the two forms say something else");
    let (status, body) = answered;
    assert!((200..600).contains(status), "{status}");
    assert!(
        *status < 500,
        "an event is no fault of the server's: {status} {}",
        String::from_utf8_lossy(body)
    );
    if let Some(Value::String(arrived)) =
        serde_json::from_slice::<Value>(body).ok().map(|json| json["body"].clone())
    {
        assert_eq!(STANDARD.decode(arrived).ok(), sent(event.get()), "another body arrived");
    }
}

/// The status and the body of an answer; `None` where the invocation failed.
fn answer(function: &Function, event: &RawValue) -> Option<(u16, Vec<u8>)> {
    let event = LambdaEvent::new(event.to_owned(), Context::default());
    let answer: Answer = now(function.answer(event)).ok()?;
    Some(match answer {
        FunctionResponse::BufferedResponse(object) => whole(&object),
        FunctionResponse::StreamingResponse(response) => {
            let mut stream = response.stream;
            let mut body = Vec::new();
            let mut task = Task::from_waker(Waker::noop());
            loop {
                match Pin::new(&mut stream).poll_next(&mut task) {
                    Poll::Ready(Some(Ok(chunk))) => body.extend_from_slice(&chunk),
                    Poll::Ready(Some(Err(error))) => panic!("{error}"),
                    Poll::Ready(None) => break,
                    Poll::Pending => panic!("nothing here takes its time"),
                }
            }
            (response.metadata_prelude.status_code.as_u16(), body)
        }
    })
}

/// What Lambda reads in an answer in one piece.
fn whole(object: &RawValue) -> (u16, Vec<u8>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        status_code: u16,
        #[serde(default)]
        headers: std::collections::BTreeMap<String, String>,
        #[serde(default)]
        multi_value_headers: std::collections::BTreeMap<String, Vec<String>>,
        body: String,
        is_base64_encoded: bool,
    }
    let object: Object =
        serde_json::from_str(object.get()).unwrap_or_else(|error| panic!("{error}: {object}"));
    assert!(object.headers.is_empty() || object.multi_value_headers.is_empty());
    let body = match object.is_base64_encoded {
        true => STANDARD.decode(object.body).unwrap_or_else(|error| panic!("{error}")),
        false => object.body.into_bytes(),
    };
    (object.status_code, body)
}

/// The bytes of an event's body.
fn sent(event: &str) -> Option<Vec<u8>> {
    let members = members(event)?;
    let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let body: Option<String> = get("body").and_then(|body| serde_json::from_str(body).ok());
    let body = body.unwrap_or_default();
    match get("isBase64Encoded").map(|flag| flag == "true") {
        // Some senders leave the padding out.
        Some(true) => {
            let padding = "=".repeat((4 - body.trim_end_matches('=').len() % 4) % 4);
            STANDARD.decode(format!("{}{padding}", body.trim_end_matches('='))).ok()
        }
        _ => Some(body.as_bytes().to_vec()),
    }
}

/// What is there at once.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here takes its time"),
    }
}
