//! What comes in is logged, and what becomes of it, without what is secret in it.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Stage, capable};
use edgemcp::{
    ProtocolVersion, Server,
    middleware::{self, Logging, StructuredLogging},
    platform::LogLevel,
    prelude::*,
};
use serde_json::{Value, json};

fn stage(logging: impl middleware::Middleware + 'static) -> Stage {
    let ask = Tool::new("ask", "Ask.", |cx: Context, _: NoArguments| async move {
        Ok::<_, ToolError>(cx.elicit::<String>("What is your name?").await?)
    });
    Stage::new(common::server().tool(ask).middleware(logging))
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments, "_meta": capable()})
}

const ADD: &str = "method=tools/call source=client";

#[test]
fn a_request_is_logged_when_it_comes_and_when_it_is_done() {
    let stage = stage(Logging::new());
    stage.each("tools/call", &call("add", json!({"a": 1, "b": 2})), |version, _| {
        let expected = [
            (LogLevel::Info, format!("event=request_start {ADD}")),
            (LogLevel::Info, format!("event=request_success {ADD} duration_ms=0.0")),
        ];
        assert_eq!(stage.log.take(), expected, "{version:?}");
    });
    stage.each("tools/call", &call("fail", json!({})), |version, _| {
        let expected = [
            (LogLevel::Info, format!("event=request_start {ADD}")),
            (
                LogLevel::Error,
                format!("event=request_error {ADD} duration_ms=0.0 error=\"there is nothing to do\""),
            ),
        ];
        assert_eq!(stage.log.take(), expected, "{version:?}");
    });
}

#[test]
fn lists_handshakes_notifications_and_unknown_methods_are_logged() {
    let stage = stage(Logging::new().level(LogLevel::Debug));
    stage.modern("server/discover", json!({}));
    stage.post(common::live::initialize(ProtocolVersion::V2025_11_25, &json!({})).to_string(), &[]);
    stage.post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(), &[]);
    let log = stage.log.take();
    assert!(log.iter().all(|(level, _)| *level == LogLevel::Debug), "{log:?}");
    let events: Vec<_> = log.iter().map(|(_, line)| line.split(" duration").next().unwrap()).collect();
    assert_eq!(
        events,
        [
            "event=request_start method=server/discover source=client",
            "event=request_success method=server/discover source=client",
            "event=request_start method=initialize source=client",
            "event=request_success method=initialize source=client",
            "event=notification_start method=notifications/initialized source=client",
            "event=notification_success method=notifications/initialized source=client",
        ]
    );
    stage.each("no/such", &json!({}), |version, answer| {
        assert_eq!(answer.code(), Some(-32601));
        let log = stage.log.take();
        assert_eq!(log[0].1, "event=request_start method=no/such source=client", "{version:?}");
        assert!(log[1].1.starts_with("event=request_error method=no/such source=client"), "{log:?}");
        assert_eq!(log.len(), 2);
    });
}

#[test]
fn only_the_methods_that_are_named_are_logged() {
    let stage = stage(StructuredLogging::new().methods(["tools/list"]));
    stage.everywhere("tools/call", call("add", json!({"a": 1, "b": 2})));
    assert_eq!(stage.log.all(), "");
    stage.everywhere("tools/list", json!({}));
    assert_eq!(stage.log.take().len(), 2 * ProtocolVersion::ALL.len());
}

#[test]
fn an_ask_has_a_word_of_its_own_and_so_has_a_call_that_is_left() {
    let stage = stage(Logging::new());
    let first = stage.modern("tools/call", call("ask", json!({})));
    let asked =
        [format!("event=request_start {ADD}"), format!("event=request_input_required {ADD} duration_ms=0.0")];
    assert_eq!(stage.log.messages(), asked);
    let mut again = call("ask", json!({}));
    again["requestState"] = first.json["result"]["requestState"].clone();
    again["inputResponses"] = json!({"ask-1": {"action": "accept", "content": {"value": "Ada"}}});
    assert_eq!(stage.modern("tools/call", again).message(), "Ada");
    let done = [format!("event=request_start {ADD}"), format!("event=request_success {ADD} duration_ms=0.0")];
    assert_eq!(stage.log.messages(), done);
}

#[test]
fn payloads_are_logged_only_where_that_is_asked_for() {
    let secret = call("add", json!({"a": 1, "b": 2, "note": "hunter2"}));
    let quiet = stage(Logging::new().include_payload_length(true).estimate_payload_tokens(true));
    quiet.each("tools/call", &secret, |version, _| {
        let log = quiet.log.messages();
        let length = r#"{"name":"add","arguments":{"a":1,"b":2,"note":"hunter2"}}"#.len();
        let tokens = length / 4;
        assert_eq!(
            log[0],
            format!("event=request_start {ADD} payload_tokens={tokens} payload_length={length}"),
            "{version:?}"
        );
        assert!(!log[0].contains("hunter2"));
    });
}

#[test]
fn payloads_are_without_what_is_secret_and_cut() {
    let logged = |options: fn(StructuredLogging) -> StructuredLogging, params: Value| {
        let stage = stage(options(StructuredLogging::new().include_payloads(true)));
        stage.modern("tools/call", params.clone());
        stage.legacy(ProtocolVersion::V2025_11_25, "tools/call", params);
        let lines = stage.log.messages();
        let start: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines[0], lines[2]);
        assert_eq!(start["payload_type"], "CallToolRequestParams");
        start["payload"].as_str().unwrap().to_owned()
    };
    let login = call(
        "login",
        json!({"user": "ada", "password": "hunter2", "iban": "DE1", "deep": [{"api_key": "k"}]}),
    );
    assert_eq!(
        logged(|logging| logging, login.clone()),
        r#"{"name":"login","arguments":{"user":"ada","password":"[redacted]","iban":"DE1","deep":[{"api_key":"[redacted]"}]}}"#
    );
    assert_eq!(
        logged(|logging| logging.redact(["iban"]), login.clone()),
        r#"{"name":"login","arguments":{"user":"ada","password":"[redacted]","iban":"[redacted]","deep":[{"api_key":"[redacted]"}]}}"#
    );
    assert_eq!(
        logged(|logging| logging.redact_only(["user"]), login.clone()),
        r#"{"name":"login","arguments":{"user":"[redacted]","password":"hunter2","iban":"DE1","deep":[{"api_key":"k"}]}}"#
    );
    assert_eq!(logged(|logging| logging.max_payload_length(10), login.clone()), r#"{"name":"l..."#);
    // It counts characters, and cuts none in two.
    assert_eq!(
        logged(|logging| logging.max_payload_length(27), call("x", json!({"üü": 1}))),
        r#"{"name":"x","arguments":{"ü..."#
    );
    assert_eq!(
        logged(
            |logging| logging.payload_serializer(|message| message.target().unwrap_or("?").to_owned()),
            login
        ),
        "login"
    );
}

#[test]
fn reads_prompts_and_completions_are_without_what_is_secret() {
    let stage = stage(Logging::new().include_payloads(true));
    let payload = |method: &str, params: Value| {
        stage.modern(method, params);
        let line = stage.log.messages().remove(0);
        let (_, after) = line.split_once(" payload=").unwrap();
        let (payload, _) = after.split_once(" payload_type=").unwrap();
        serde_json::from_str::<String>(payload).unwrap_or(payload.to_owned())
    };
    assert_eq!(
        payload("resources/read", json!({"uri": "data://x?token=abc&page=2"})),
        r#"{"uri":"data://x?token=[redacted]&page=2"}"#
    );
    assert_eq!(
        payload("prompts/get", json!({"name": "greet", "arguments": {"name": "Ada", "secret": "s"}})),
        r#"{"name":"greet","arguments":{"name":"Ada","secret":"[redacted]"}}"#
    );
    assert_eq!(payload("tools/list", json!({})), "{}");
    let long = json!({"uri": "x".repeat(2000)});
    assert_eq!(payload("resources/read", long).chars().count(), middleware::PAYLOAD_CHARS_MAX + 3);
}

#[test]
fn a_client_can_make_up_neither_a_field_nor_a_line() {
    let forged = "x\nevent=request_success user=admin \u{85}\u{1b}[2J";
    let text = stage(Logging::new().include_payloads(true));
    let json = stage(StructuredLogging::new().include_payloads(true));
    let send = |stage: &Stage| {
        stage.everywhere("tools/call", call("add", json!({"a": forged, "event=a b": 1})));
        // A header could not carry it.
        stage.legacy(ProtocolVersion::V2025_11_25, "tools/call", call(forged, json!({})));
        stage.legacy(ProtocolVersion::V2025_11_25, "a b=c", json!({}));
        stage.log.messages()
    };
    for line in send(&text) {
        assert!(!line.contains(char::is_control), "{line:?}");
        // What is between quotes is no field.
        let quoted: Vec<_> =
            line.replace("\\\\", "").replace("\\\"", "").split('"').map(str::to_owned).collect();
        let fields: String = quoted.iter().step_by(2).cloned().collect();
        assert_eq!(fields.matches("event=").count(), 1, "{line}");
        assert!(!fields.contains("user=") && quoted.len() % 2 == 1, "{line}");
    }
    for line in send(&json) {
        assert!(!line.contains(char::is_control), "{line:?}");
        let fields: Value = serde_json::from_str(&line).unwrap();
        assert!(fields.get("user").is_none() && fields["source"] == "client", "{line}");
    }
}

#[test]
fn structured_lines_have_the_fields_of_fastmcp() {
    let stage = stage(StructuredLogging::new());
    stage.each("tools/call", &call("fail", json!({})), |_, _| {
        assert_eq!(
            stage.log.messages(),
            [
                r#"{"event":"request_start","method":"tools/call","source":"client"}"#,
                r#"{"event":"request_error","method":"tools/call","source":"client","duration_ms":0.0,"error":"there is nothing to do"}"#,
            ]
        );
    });
}

#[test]
fn the_hooks_of_one_middleware_and_the_next_nest() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let inner = {
        let order = Arc::clone(&order);
        middleware::on_request(move |cx: Context, message, next: middleware::Next<_>| {
            let order = Arc::clone(&order);
            async move {
                order.lock().unwrap().push("in");
                cx.platform().log(LogLevel::Info, "inside");
                cx.platform().sleep(Duration::ZERO).await;
                let outcome = next.run(message).await;
                order.lock().unwrap().push("out");
                outcome
            }
        })
    };
    let stage = Stage::new(common::server().middleware(Logging::new()).middleware(inner));
    stage.each("tools/call", &call("add", json!({"a": 1, "b": 2})), |_, _| {
        let log = stage.log.messages();
        assert!(
            log[0].starts_with("event=request_start") && log[2].starts_with("event=request_success"),
            "{log:?}"
        );
        assert_eq!((log[1].as_str(), log.len()), ("inside", 3));
    });
    assert_eq!(order.lock().unwrap().len(), 2 * ProtocolVersion::ALL.len());
    let both = Server::new("both", "1").middleware(Logging::new()).middleware(StructuredLogging::new());
    assert!(both.build().is_ok());
}
