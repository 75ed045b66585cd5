//! How long requests take is logged, however they end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use common::{
    Stage,
    asked::stage_of,
    capable,
    live::{Reading, Session, accept},
};
use edgemcp::{
    Server,
    middleware::{self, DetailedTiming, Timing},
    platform::LogLevel,
    prelude::*,
};
use edgemcp_testkit::ManualClock;
use serde_json::{Value, json};

/// The clock of the stage, once there is one.
type Hands = Arc<OnceLock<ManualClock>>;

/// A server on whose every component 12 ms pass.
fn server(hands: &Hands) -> Server {
    let tick = |hands: &Hands| {
        let hands = Arc::clone(hands);
        move || hands.get().unwrap().advance(Duration::from_millis(12))
    };
    let (tool, failing, asking, resource, prompt) =
        (tick(hands), tick(hands), tick(hands), tick(hands), tick(hands));
    Server::new("slow", "1")
        .tool(Tool::new("slow", "Take a while.", move |_, _: NoArguments| {
            tool();
            async { "done" }
        }))
        .tool(Tool::new("fail", "Fail.", move |_, _: NoArguments| {
            failing();
            async { Err::<(), _>(ToolError::new("there is\nnothing to do")) }
        }))
        .tool(Tool::new("ask", "Ask.", move |cx: Context, _: NoArguments| {
            asking();
            async move { Ok::<_, ToolError>(cx.elicit::<String>("What is your name?").await?) }
        }))
        .tool(Tool::new("wait", "Wait.", |cx: Context, _: NoArguments| async move {
            cx.platform().sleep(Duration::from_secs(60)).await;
        }))
        .resource(Resource::new("data://slow", "slow", move |_, _: NoArguments| {
            resource();
            async { "done" }
        }))
        .resource(Resource::new("data://{id}/slow", "slow", |_, Id { id }| async move { id }))
        .prompt(Prompt::new("slow", "Take a while.", move |_, _: NoArguments| {
            prompt();
            async { "done" }
        }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Id {
    id: String,
}

fn timed(with: impl FnOnce(Server) -> Server) -> Stage {
    let hands = Hands::default();
    let stage = Stage::new(with(server(&hands)));
    hands.set(stage.clock.clone()).unwrap();
    stage
}

fn call(name: &str) -> Value {
    json!({"name": name, "_meta": capable()})
}

#[test]
fn each_request_is_timed_in_every_revision() {
    let stage = timed(|server| server.middleware(Timing::new()));
    for (method, params, line) in [
        ("tools/call", call("slow"), "Request tools/call completed in 12.00ms"),
        ("tools/call", call("fail"), "Request tools/call failed after 12.00ms: there is\\nnothing to do"),
        ("tools/call", call("none"), "Request tools/call failed after 0.00ms: no tool is named \"none\""),
        ("resources/read", json!({"uri": "data://slow"}), "Request resources/read completed in 12.00ms"),
        ("prompts/get", json!({"name": "slow"}), "Request prompts/get completed in 12.00ms"),
        ("tools/list", json!({}), "Request tools/list completed in 0.00ms"),
    ] {
        stage.each(method, &params, |version, answer| {
            assert_eq!(stage.log.take(), [(LogLevel::Info, line.to_owned())], "{version:?} {answer:?}");
        });
    }
}

#[test]
fn what_has_no_component_is_timed_too_and_a_notification_is_not() {
    let stage = timed(|server| server.middleware(Timing::new()));
    stage.modern("server/discover", json!({}));
    assert_eq!(stage.log.messages(), ["Request server/discover completed in 0.00ms"]);
    stage.each("no/such", &json!({}), |version, _| {
        let log = stage.log.all();
        assert!(log.starts_with("Request no/such failed after 0.00ms: "), "{version:?} {log}");
        stage.log.take();
    });
    let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    stage.post(body.to_string(), &[]);
    assert_eq!(stage.log.all(), "");
}

#[test]
fn each_operation_is_timed_by_its_name() {
    let stage = timed(|server| server.middleware(DetailedTiming::new().level(LogLevel::Debug)));
    let long = "x".repeat(200);
    let cut = format!("Tool '{}…' failed after 0.00ms: ", "x".repeat(100));
    for (method, params, line) in [
        ("tools/call", call("slow"), "Tool 'slow' completed in 12.00ms"),
        ("tools/call", call("fail"), "Tool 'fail' failed after 12.00ms: there is\\nnothing to do"),
        ("tools/call", call(&long), &*cut),
        ("resources/read", json!({"uri": "data://slow"}), "Resource 'data://slow' completed in 12.00ms"),
        ("prompts/get", json!({"name": "slow"}), "Prompt 'slow' completed in 12.00ms"),
        ("tools/list", json!({}), "List tools completed in 0.00ms"),
        ("resources/list", json!({}), "List resources completed in 0.00ms"),
        ("resources/templates/list", json!({}), "List resource templates completed in 0.00ms"),
        ("prompts/list", json!({}), "List prompts completed in 0.00ms"),
        // What has no name is for `Timing`.
        ("no/such", json!({}), ""),
    ] {
        stage.each(method, &params, |version, answer| {
            let log = stage.log.take();
            assert!(log.iter().all(|(level, _)| *level == LogLevel::Debug), "{log:?}");
            let logged = log.first().map_or("", |(_, message)| message);
            assert!(log.len() < 2 && logged.starts_with(line), "{version:?} {log:?} {answer:?}");
            assert_eq!(log.is_empty(), line.is_empty());
        });
    }
}

#[test]
fn a_request_that_asks_is_timed_once_for_each_of_its_runs() {
    let stage = timed(|server| server.middleware(Timing::new()).middleware(DetailedTiming::new()));
    let first = stage.modern("tools/call", call("ask"));
    let asked =
        ["Tool 'ask' waits for input after 12.00ms", "Request tools/call waits for input after 12.00ms"];
    assert_eq!(stage.log.messages(), asked);
    stage.clock.advance(Duration::from_secs(60));
    let mut again = call("ask");
    again["requestState"] = first.json["result"]["requestState"].clone();
    again["inputResponses"] = json!({"ask-1": {"action": "accept", "content": {"value": "Ada"}}});
    let second = stage.modern("tools/call", again);
    assert_eq!(second.message(), "Ada");
    assert_eq!(
        stage.log.messages(),
        ["Tool 'ask' completed in 12.00ms", "Request tools/call completed in 12.00ms"]
    );
}

#[test]
fn a_legacy_call_that_waits_on_its_stream_is_one_run() {
    let hands = Hands::default();
    let (stage, _behind) = stage_of(server(&hands).middleware(Timing::new()));
    hands.set(stage.clock.clone()).unwrap();
    let session = Session::begin(&stage);
    stage.log.take();
    let mut reading = session.call("ask");
    let id = reading.ask_id();
    stage.clock.advance(Duration::from_millis(500));
    session.answer(&id, json!({"action": "accept", "content": {"value": "Ada"}}));
    stage.clock.advance(Duration::from_millis(500));
    assert_eq!(reading.poll().answer().as_deref(), Some("Ada"));
    let log = stage.log.messages();
    let timed: Vec<_> = log.iter().filter(|line| line.contains("tools/call")).collect();
    assert_eq!(timed, ["Request tools/call completed in 1012.00ms"], "{log:?} {:?}", accept("x"));
}

#[test]
fn a_request_whose_client_is_gone_says_so() {
    let stage = timed(|server| server.middleware(Timing::new()));
    let (body, headers) = common::modern("tools/call", call("wait"));
    let mut request = http::Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut reading = Reading::of(&stage, request.body(body.to_string().into()).unwrap());
    stage.clock.advance(Duration::from_secs(2));
    reading.poll();
    drop(reading);
    assert_eq!(stage.log.messages(), ["Request tools/call was left after 2000.00ms"]);
}

#[test]
fn what_a_middleware_inside_answers_or_refuses_is_timed() {
    let answers = middleware::on_call_tool(|_, _, _| async { Ok(ToolOutput::new().content("mine")) });
    let stage = timed(|server| server.middleware(Timing::new()).middleware(answers));
    stage.each("tools/call", &call("slow"), |_, answer| {
        assert_eq!(answer.message(), "mine");
        assert_eq!(stage.log.messages(), ["Request tools/call completed in 0.00ms"]);
    });
    let refuses = middleware::on_call_tool(|_, call, next: middleware::Next<_>| async move {
        next.run(call).await?;
        Err(Error::custom(7, "too late"))
    });
    let stage = timed(|server| server.middleware(Timing::new()).middleware(refuses));
    stage.each("tools/call", &call("slow"), |_, answer| {
        assert_eq!(answer.code(), Some(7));
        assert_eq!(stage.log.messages(), ["Request tools/call failed after 12.00ms: too late"]);
    });
}
