//! A legacy client that waits is pinged, where it can be, and nobody else is.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::{
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use common::{
    Settings, Stage,
    asked::stage_of,
    live::{LATEST, Reading, Session, call, capabilities, initialize, pass},
};
use edgemcp::{Server, middleware::Ping, prelude::*, stdio::Connection};
use futures_util::StreamExt;
use http::{Method, Request};
use serde_json::{Value, json};

fn server() -> Server {
    common::asked::server().middleware(Ping::every(Duration::from_secs(10)))
}

fn pings(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["method"] == "ping").collect()
}

#[test]
fn a_client_on_stdio_is_pinged_while_its_call_works() {
    let stage = Stage::new(server());
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let say = |line: Value| connection.receive(line.to_string().into());
    let mut task = Task::from_waker(Waker::noop());
    let mut next = |lines: &mut edgemcp::stdio::Lines| match lines.poll_next_unpin(&mut task) {
        Poll::Ready(line) => line.map(|line| serde_json::from_slice::<Value>(&line).unwrap()),
        Poll::Pending => None,
    };
    next(&mut say(initialize(LATEST, &capabilities()))).unwrap();
    let mut lines = say(call("wait"));
    assert_eq!(next(&mut lines), None);
    let mut ids = Vec::new();
    for _ in 0..5 {
        stage.clock.advance(Duration::from_secs(9));
        assert_eq!(next(&mut lines), None);
        stage.clock.advance(Duration::from_secs(1));
        let ping = next(&mut lines).unwrap();
        assert_eq!(
            (&ping["jsonrpc"], &ping["method"], &ping["params"]),
            (&json!("2.0"), &json!("ping"), &json!({}))
        );
        ids.push(ping["id"].as_str().unwrap().to_owned());
        // What it answers is nothing to anybody, and not answering is no mistake.
        let answer = json!({"jsonrpc": "2.0", "id": ping["id"], "result": {}});
        assert_eq!(say(answer).poll_next_unpin(&mut Task::from_waker(Waker::noop())), Poll::Ready(None));
    }
    ids.dedup();
    assert_eq!(ids.len(), 5);
    stage.clock.advance(Duration::from_secs(10));
    let mut last = next(&mut lines).unwrap();
    if last["method"] == "ping" {
        last = next(&mut lines).unwrap();
    }
    assert_eq!(last["result"]["content"][0]["text"], "waited");
    assert_eq!(next(&mut lines), None);
}

#[test]
fn a_client_in_a_session_is_pinged_on_the_stream_of_its_call() {
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("wait");
    pass(&stage, Duration::from_secs(35), || {
        reading.poll();
    });
    let events = reading.events();
    let pings = pings(&events);
    assert_eq!(pings.len(), 3, "{}", reading.text);
    let answer = session.answer(pings[0]["id"].as_str().unwrap(), json!({}));
    assert_eq!(answer.status, 202);
    pass(&stage, Duration::from_secs(26), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("waited"), "{}", reading.text);
    assert_eq!(behind.len(), 0);
}

#[test]
fn what_cannot_be_pinged_is_left_alone() {
    let wait = |stage: &Stage, request: Request<bytes::Bytes>| {
        let mut reading = Reading::of(stage, request);
        pass(stage, Duration::from_secs(61), || {
            reading.poll();
        });
        assert!(reading.text.contains("waited") && !reading.text.contains("ping\""), "{}", reading.text);
    };
    let (stage, _behind) = stage_of(server());
    // The modern era has no requests of a server's.
    let (body, headers) = common::modern("tools/call", json!({"name": "wait"}));
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.header("accept", "application/json, text/event-stream");
    wait(&stage, request.body(body.to_string().into()).unwrap());
    // Without a session there is nobody to ask, and one that takes no stream cannot be.
    let bare = Request::post("/mcp").header("content-type", "application/json");
    wait(&stage, bare.body(call("wait").to_string().into()).unwrap());
    let session = Session::begin(&stage);
    let mut request = session.request(Method::POST, call("wait").to_string(), &[]);
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    wait(&stage, request);
    // An answer that leaves in one piece is no sign of life.
    let stage = Stage::built(server(), Settings::default(), |builder| builder);
    let session = Session::begin(&stage);
    wait(&stage, session.request(Method::POST, call("wait").to_string(), &[]));
}

#[test]
fn an_interval_of_nothing_is_refused() {
    let wrong =
        Server::new("x", "1").middleware(Ping::every(Duration::ZERO)).build().unwrap_err().to_string();
    assert!(wrong.contains("middleware `Ping`: its interval is 0 s"), "{wrong}");
    let tool = Tool::new("x", "X.", |_, _: NoArguments| async {});
    assert!(Server::new("x", "1").tool(tool).middleware(Ping::new()).build().is_ok());
}
