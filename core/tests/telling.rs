//! What a client is told while its request is worked on, and how: one piece of JSON, or a stream once there is something.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use common::{
    Answer, Settings, Stage,
    live::{LATEST, Reading},
};
use edgemcp::{
    KEEP_ALIVE_EVERY, LoggingLevel, Progress, ProtocolVersion, Server,
    limits::{ID_BYTES_MAX, SAID_WAITING_MAX},
    prelude::*,
};
use http::{Request, StatusCode};
use serde_json::{Value, json};

/// What a handler keeps of its request, to talk on after its answer.
type Kept = Arc<Mutex<Option<Context>>>;

fn server(kept: &Kept) -> Server {
    let kept = Arc::clone(kept);
    Server::new("telling", "1")
        .tool(Tool::new("progress", "Report progress.", move |cx: Context, _: NoArguments| {
            let kept = Arc::clone(&kept);
            async move {
                cx.progress(Progress::new(1.0).total(4.0).message("begun"));
                cx.progress((1.0, 4.0));
                cx.progress(0.5);
                cx.progress(f64::NAN);
                cx.progress(f64::INFINITY);
                cx.progress(Progress::new(4.0).total(f64::NAN));
                *kept.lock().unwrap() = Some(cx);
                "done"
            }
        }))
        .tool(Tool::new("log", "Log.", |cx: Context, _: NoArguments| async move {
            cx.log_as("part", LoggingLevel::Warning, json!({"free": 3}));
            cx.debug("for whoever debugs");
            cx.log(LoggingLevel::Error, f64::NAN);
            "done"
        }))
        .tool(Tool::new("quiet", "Take a minute.", |cx: Context, _: NoArguments| async move {
            cx.platform().sleep(Duration::from_secs(60)).await;
            "done"
        }))
        .tool(Tool::new("chatty", "Say too much.", |cx: Context, _: NoArguments| async move {
            for number in 1..=2 * SAID_WAITING_MAX {
                cx.progress(number as f64);
            }
        }))
}

fn stage(kept: &Kept) -> Stage {
    let hold = Duration::from_secs(3600);
    Stage::built(server(kept), Settings::default(), |builder| builder.hold_max(hold))
}

/// A call by a client that takes what `accept` says.
fn call(version: ProtocolVersion, name: &str, accept: &str, meta: Value) -> Request<Bytes> {
    let params = json!({"name": name, "_meta": meta});
    let (body, mut headers) = match version {
        ProtocolVersion::V2026_07_28 => common::modern("tools/call", params),
        version => (
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
            vec![("mcp-protocol-version", version.as_str().to_owned())],
        ),
    };
    headers.push(("accept", accept.to_owned()));
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_string().into()).unwrap()
}

const BOTH: &str = "application/json, text/event-stream";

fn ask(stage: &Stage, version: ProtocolVersion, name: &str, accept: &str, meta: Value) -> Answer {
    Answer::new(stage.send(call(version, name, accept, meta)))
}

#[test]
fn progress_is_reported_where_it_grows_and_is_wanted_and_never_after_the_answer() {
    for version in ProtocolVersion::ALL {
        let kept = Kept::default();
        let stage = stage(&kept);
        let answer = ask(&stage, version, "progress", BOTH, json!({"progressToken": "p"}));
        let events = answer.events();
        let reports: Vec<_> = events[..events.len() - 1].iter().map(|event| &event["params"]).collect();
        assert_eq!(
            reports,
            [
                &json!({"progressToken": "p", "progress": 1.0, "total": 4.0, "message": "begun"}),
                &json!({"progressToken": "p", "progress": 4.0}),
            ]
        );
        assert_eq!(events.last().unwrap()["result"]["content"][0]["text"], "done");
        // What is said from here on is said to nobody, and breaks nothing.
        let cx = kept.lock().unwrap().take().unwrap();
        cx.progress(5.0);
        cx.error("too late");
        let unasked = ask(&stage, version, "progress", BOTH, json!({}));
        assert_eq!(unasked.header("content-type"), Some("application/json"));
        assert_eq!(unasked.message(), "done");
    }
}

#[test]
fn a_token_that_is_none_is_refused() {
    let stage = stage(&Kept::default());
    // Quotes count too.
    let text = |bytes: usize| json!("t".repeat(bytes - 2));
    for token in [json!(1.5), json!({}), json!(true), text(ID_BYTES_MAX + 1)] {
        let answer = ask(&stage, LATEST, "progress", BOTH, json!({"progressToken": token}));
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, Some(-32602)));
        let answer =
            ask(&stage, ProtocolVersion::V2026_07_28, "progress", BOTH, json!({"progressToken": token}));
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some(-32602)));
    }
    let longest = ask(&stage, LATEST, "progress", BOTH, json!({"progressToken": text(ID_BYTES_MAX)}));
    assert_eq!(longest.events()[0]["params"]["progressToken"], text(ID_BYTES_MAX));
}

#[test]
fn a_line_of_log_comes_where_its_level_is_wanted() {
    let stage = stage(&Kept::default());
    let level = |level: &str| json!({"io.modelcontextprotocol/logLevel": level});
    let modern = |meta| ask(&stage, ProtocolVersion::V2026_07_28, "log", BOTH, meta);
    assert_eq!(modern(json!({})).header("content-type"), Some("application/json"));
    let lines = modern(level("debug")).events();
    assert_eq!(lines.len(), 3, "two lines and the answer: what is no JSON is left out");
    assert_eq!(lines[0]["params"], json!({"level": "warning", "logger": "part", "data": {"free": 3}}));
    assert_eq!(modern(level("warning")).events().len(), 2);
    assert_eq!(modern(level("loud")).code(), Some(-32602));
    assert!(stage.log.all().contains("is left out"), "{}", stage.log.all());
    // A legacy client that has not said what it wants gets what is normal.
    assert_eq!(ask(&stage, LATEST, "log", BOTH, json!({})).events().len(), 2);
}

#[test]
fn who_takes_no_stream_gets_the_answer_alone_and_who_takes_nothing_else_gets_a_stream() {
    let stage = stage(&Kept::default());
    for version in ProtocolVersion::ALL {
        let meta = json!({"progressToken": 1});
        let alone = ask(&stage, version, "progress", "application/json", meta.clone());
        assert_eq!((alone.header("content-type"), alone.message()), (Some("application/json"), "done"));
        let stream = ask(&stage, version, "progress", "text/event-stream", json!({}));
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.events().len(), 1);
        // What is refused before anything is said is no stream.
        let refused = ask(&stage, version, "nothing", "text/event-stream", meta);
        assert_eq!(refused.code(), Some(-32602));
        let is_modern = version == ProtocolVersion::V2026_07_28;
        assert_eq!(refused.status, if is_modern { StatusCode::BAD_REQUEST } else { StatusCode::OK });
    }
}

#[test]
fn silence_that_lasts_makes_a_stream_that_says_somebody_is_there() {
    let stage = stage(&Kept::default());
    let mut reading = Reading::of(&stage, call(ProtocolVersion::V2026_07_28, "quiet", BOTH, json!({})));
    assert!(reading.response.is_none(), "it may still be JSON");
    for _ in 0..3 {
        stage.clock.advance(KEEP_ALIVE_EVERY);
        reading.poll();
    }
    assert_eq!(
        reading.text.matches(":\n\n").count() + reading.text.matches(": ").count(),
        2,
        "{:?}",
        reading.text
    );
    stage.clock.advance(KEEP_ALIVE_EVERY);
    reading.poll();
    assert!(reading.ended);
    assert_eq!(reading.events()[0]["result"]["content"][0]["text"], "done");
}

#[test]
fn a_platform_of_one_piece_collects_the_stream_and_waits_in_silence() {
    let stage = Stage::new(server(&Kept::default()));
    let answer = ask(&stage, ProtocolVersion::V2026_07_28, "progress", BOTH, json!({"progressToken": 1}));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.events().len(), 3);
    let mut reading = Reading::of(&stage, call(ProtocolVersion::V2026_07_28, "quiet", BOTH, json!({})));
    stage.clock.advance(Duration::from_secs(60));
    reading.poll();
    let response = reading.response.as_ref().unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[test]
fn what_is_said_faster_than_it_is_sent_is_bounded_and_the_answer_comes() {
    let stage = stage(&Kept::default());
    let answer = ask(&stage, LATEST, "chatty", BOTH, json!({"progressToken": 1}));
    let events = answer.events();
    assert_eq!(events.len(), SAID_WAITING_MAX + 1);
    assert!(events.last().unwrap()["result"]["content"].is_array());
}
