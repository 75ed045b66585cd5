//! What fails with an error that may pass is tried again, where that may do no harm, and not for longer than there is time.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Answer, Stage, capable, live::Reading};
use edgemcp::{
    Era, ProtocolVersion, Server,
    middleware::{self, CallTool, Next, Retry},
    platform::{LogLevel, Platform, Random, RandomError, Timestamp},
    prelude::*,
};
use http::Request;
use serde_json::{Value, json};

/// When each handler was run.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<BTreeMap<&'static str, Vec<Timestamp>>>>);

impl Runs {
    /// Notes a run, and fails the first `times` of them with an error of this kind.
    fn run(&self, cx: &Context, name: &'static str, times: usize, kind: io::ErrorKind) -> io::Result<()> {
        let mut runs = self.0.lock().unwrap();
        let runs = runs.entry(name).or_default();
        runs.push(cx.now());
        match runs.len() <= times {
            true => Err(io::Error::new(kind, "the line is down")),
            false => Ok(()),
        }
    }

    fn take(&self, name: &str) -> Vec<Timestamp> {
        self.0.lock().unwrap().remove(name).unwrap_or_default()
    }
}

const DOWN: io::ErrorKind = io::ErrorKind::ConnectionReset;

/// A server whose components fail twice before they work, or for other reasons.
fn server(runs: &Runs) -> Server {
    let tool = |name: &'static str, times, kind| {
        let runs = runs.clone();
        Tool::new(name, "Fail, then work.", move |cx: Context, _: NoArguments| {
            let outcome = runs.run(&cx, name, times, kind);
            async move { outcome.map(|()| "worked").map_err(ToolError::from) }
        })
    };
    let (resource, prompt, completion) = (runs.clone(), runs.clone(), runs.clone());
    Server::new("failing", "1")
        .tool(tool("plain", 2, DOWN))
        .tool(tool("idempotent", 2, DOWN).idempotent(true))
        .tool(tool("read_only", 2, DOWN).read_only(true))
        .tool(tool("never", 99, DOWN).read_only(true))
        .tool(tool("denied", 2, io::ErrorKind::PermissionDenied).read_only(true))
        .tool(
            Tool::new("words", "Fail in words.", {
                let runs = runs.clone();
                move |cx: Context, _: NoArguments| {
                    let outcome = runs.run(&cx, "words", 2, DOWN);
                    async move { outcome.map_err(|_| ToolError::new("it is out")) }
                }
            })
            .read_only(true),
        )
        .resource(Resource::new("data://x", "x", move |cx: Context, _: NoArguments| {
            let outcome = resource.run(&cx, "resource", 2, DOWN);
            async move { outcome.map(|()| "worked").map_err(Error::from) }
        }))
        .prompt(Prompt::new("x", "Fail, then work.", move |cx: Context, _: Letter| {
            let outcome = prompt.run(&cx, "prompt", 2, DOWN);
            async move { outcome.map(|()| "worked").map_err(Error::from) }
        }))
        .completion(Completion::prompt("x", "letter", move |cx: Context, _: Typed| {
            let outcome = completion.run(&cx, "completion", 2, DOWN);
            async move { outcome.map(|()| vec!["worked".to_owned()]).map_err(Error::from) }
        }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Letter {
    #[allow(dead_code, reason = "nobody reads it")]
    letter: Option<String>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Typed {
    #[allow(dead_code, reason = "nobody reads it")]
    letter: String,
}

fn request(version: ProtocolVersion, method: &str, params: &Value) -> Request<Bytes> {
    let (body, headers) = match version.era() {
        Era::Modern => common::modern(method, params.clone()),
        Era::Legacy => (
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
            vec![("mcp-protocol-version", version.as_str().to_owned())],
        ),
    };
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_string().into()).unwrap()
}

/// The answer to a request, on a clock that goes on while it waits.
fn send(stage: &Stage, request: Request<Bytes>) -> Answer {
    let mut reading = Reading::of(stage, request);
    for _ in 0..10_000 {
        if reading.ended {
            let parts = reading.response.unwrap().into_parts().0;
            let json = serde_json::from_str(&reading.text).unwrap_or_default();
            return Answer { status: parts.status, headers: parts.headers, text: reading.text, json };
        }
        stage.clock.advance(Duration::from_millis(10));
        reading.poll();
    }
    panic!("it never ends: {}", stage.log.all());
}

/// The same request in every revision.
fn each(stage: &Stage, method: &str, params: &Value, mut see: impl FnMut(Answer)) {
    for version in ProtocolVersion::ALL {
        see(send(stage, request(version, method, params)));
    }
}

/// How long it was between one run and the next.
fn waits(runs: &[Timestamp]) -> Vec<Duration> {
    runs.windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

#[test]
fn reads_prompts_and_completions_are_tried_until_they_work() {
    let runs = Runs::default();
    let stage = Stage::new(server(&runs).middleware(Retry::new()));
    let complete =
        json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "letter", "value": ""}});
    for (name, method, params, target) in [
        ("resource", "resources/read", json!({"uri": "data://x"}), " \"data://x\""),
        ("prompt", "prompts/get", json!({"name": "x"}), " \"x\""),
        ("completion", "completion/complete", complete, " \"x\""),
    ] {
        each(&stage, method, &params, |answer| {
            assert!(answer.text.contains("worked"), "{answer:?}");
            let times = runs.take(name);
            assert_eq!(times.len(), 3);
            let waits = waits(&times);
            assert!(
                waits[0] <= Duration::from_millis(1010) && waits[1] <= Duration::from_millis(2010),
                "{waits:?}"
            );
            let failed = |n| {
                let why = "the server failed; the cause is in its log: the line is down";
                (LogLevel::Warning, format!("{method}{target} failed (attempt {n}/4): {why}"))
            };
            assert_eq!(stage.log.take(), [failed(1), failed(2)]);
        });
    }
}

#[test]
fn a_list_is_tried_again_where_a_middleware_failed() {
    let runs = Runs::default();
    let fails = {
        let runs = runs.clone();
        middleware::on_list_tools(move |cx: Context, list, next: Next<_>| {
            let outcome = runs.run(&cx, "list", 1, DOWN);
            async move {
                outcome?;
                next.run(list).await
            }
        })
    };
    let stage = Stage::new(server(&runs).middleware(Retry::new()).middleware(fails));
    each(&stage, "tools/list", &json!({}), |answer| {
        assert_eq!(answer.json["result"]["tools"].as_array().unwrap().len(), 6, "{answer:?}");
        assert_eq!(runs.take("list").len(), 2);
    });
}

#[test]
fn a_tool_is_called_again_only_where_that_does_no_harm() {
    let failed = "the tool failed; the cause is in the server's log";
    for (retry, name, times, said) in [
        (Retry::new(), "plain", 1, failed),
        (Retry::new(), "idempotent", 3, "worked"),
        (Retry::new(), "read_only", 3, "worked"),
        (Retry::new().tools(["plain"]), "plain", 3, "worked"),
        (Retry::new().tools(["other"]), "plain", 1, failed),
        (Retry::new().all_tools(), "plain", 3, "worked"),
        (Retry::new(), "denied", 1, failed),
        // What was written for the model is its answer.
        (Retry::new(), "words", 1, "it is out"),
    ] {
        let runs = Runs::default();
        let stage = Stage::new(server(&runs).middleware(retry));
        each(&stage, "tools/call", &json!({"name": name}), |answer| {
            assert_eq!((answer.message(), runs.take(name).len()), (said, times), "{name}");
        });
    }
}

#[test]
fn it_is_tried_so_often_and_for_those_errors_as_was_said() {
    let runs = Runs::default();
    let stage = Stage::new(server(&runs).middleware(Retry::new()));
    each(&stage, "tools/call", &json!({"name": "never"}), |answer| {
        assert_eq!(answer.json["result"]["isError"], true);
        assert_eq!(runs.take("never").len(), 4);
    });
    let stage = Stage::new(server(&runs).middleware(Retry::new().max_retries(0)));
    each(&stage, "tools/call", &json!({"name": "never"}), |_| assert_eq!(runs.take("never").len(), 1));
    let denied = Retry::new().max_retries(1).when(Error::is_from::<io::Error>);
    let stage = Stage::new(server(&runs).middleware(denied));
    each(&stage, "tools/call", &json!({"name": "denied"}), |_| assert_eq!(runs.take("denied").len(), 2));
}

#[test]
fn waits_grow_up_to_the_longest_and_are_drawn() {
    let runs = Runs::default();
    let retry = Retry::new()
        .max_retries(6)
        .base_delay(Duration::from_millis(100))
        .backoff_multiplier(3)
        .max_delay(Duration::from_secs(2));
    let stage = spread(Stage::new(server(&runs).middleware(retry)));
    let longest = [100, 300, 900, 2000, 2000, 2000].map(Duration::from_millis);
    let mut seen = Vec::new();
    each(&stage, "tools/call", &json!({"name": "never"}), |_| {
        let waits = waits(&runs.take("never"));
        assert_eq!(waits.len(), longest.len());
        for (wait, longest) in waits.iter().zip(longest) {
            // The clock goes in steps of 10 ms.
            assert!(*wait <= longest + Duration::from_millis(10), "{waits:?}");
        }
        seen.extend(waits);
    });
    assert!(seen.iter().any(|wait| *wait > Duration::from_secs(1)), "{seen:?}");
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > longest.len(), "they are not drawn: {seen:?}");
}

#[test]
fn nothing_is_tried_past_the_platforms_deadline() {
    let runs = Runs::default();
    let mut stage = spread(Stage::new(server(&runs).middleware(Retry::new())));
    let whole = stage.platform.clone();
    for (left, least, most) in [(0, 1, 1), (1, 1, 1), (10_000, 4, 4)] {
        stage.platform = whole.clone().with_deadline(whole.now().after(Duration::from_millis(left)));
        let end = stage.platform.deadline().unwrap();
        let answer =
            send(&stage, request(ProtocolVersion::V2026_07_28, "tools/call", &json!({"name": "never"})));
        assert_eq!(answer.json["result"]["isError"], true);
        let times = runs.take("never");
        assert!((least..=most).contains(&times.len()), "{left} {times:?}");
        assert!(times.iter().skip(1).all(|time| *time < end), "{times:?}");
    }
}

/// Randomness that is the same in every run, and spread evenly.
#[derive(Default)]
struct Spread(AtomicU64);

impl Random for Spread {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let drawn = (self.0.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        buffer.iter_mut().zip(drawn.to_be_bytes().iter().rev().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// The same stage, with randomness that is spread.
fn spread(mut stage: Stage) -> Stage {
    let clock = Arc::new(stage.clock.clone());
    stage.platform = Platform::builder(clock, Arc::new(Spread::default())).log(stage.log.clone()).build();
    stage
}

/// A tool that asks, takes a step, and then fails as often as is said.
fn asking(runs: &Runs) -> Tool {
    let runs = runs.clone();
    Tool::new("ask", "Ask, then fail.", move |cx: Context, _: NoArguments| {
        let runs = runs.clone();
        async move {
            let name: String = cx.elicit("What is your name?").await?;
            let step = runs.clone();
            let inner = cx.clone();
            let number: usize = cx
                .step("count", async || {
                    step.run(&inner, "step", 0, DOWN)?;
                    Ok::<_, ToolError>(7)
                })
                .await?;
            runs.run(&cx, "ask", 2, DOWN)?;
            let color: String = cx.elicit("Which color?").await?;
            Ok::<_, ToolError>(format!("{name} {number} {color}"))
        }
    })
    .idempotent(true)
}

fn answered(mut params: Value, answer: &Answer, responses: Value) -> Value {
    assert_eq!(answer.json["result"]["resultType"], "input_required", "{answer:?}");
    params["requestState"] = answer.json["result"]["requestState"].clone();
    params["inputResponses"] = responses;
    params
}

fn value(text: &str) -> Value {
    json!({"action": "accept", "content": {"value": text}})
}

#[test]
fn what_was_asked_and_done_in_one_try_is_neither_asked_nor_done_in_the_next() {
    let runs = Runs::default();
    let stage = Stage::new(Server::new("asking", "1").tool(asking(&runs)).middleware(Retry::new()));
    let modern = |params: &Value| send(&stage, request(ProtocolVersion::V2026_07_28, "tools/call", params));
    let call = json!({"name": "ask", "_meta": capable()});
    let first = modern(&call);
    let second = modern(&answered(call.clone(), &first, json!({"ask-1": value("Ada")})));
    assert_eq!(runs.take("ask").len(), 3);
    assert_eq!(second.json["result"]["inputRequests"]["ask-2"]["params"]["message"], "Which color?");
    let third = modern(&answered(call, &second, json!({"ask-2": value("red")})));
    // It fails twice again, since the counts were taken; the name is still known.
    assert_eq!(third.message(), "Ada 7 red");
    assert_eq!(runs.take("step").len(), 1);
}

#[test]
fn a_call_within_a_call_is_tried_again_without_confusing_what_was_asked() {
    let runs = Runs::default();
    let outer = Tool::new("outer", "Ask, call, ask.", |cx: Context, _: NoArguments| async move {
        let before: String = cx.elicit("Before?").await?;
        let inner = cx.call_tool(CallTool::new("ask")).await?;
        let after: String = cx.elicit("After?").await?;
        Ok::<_, ToolError>(format!("{before}, {:?}, {after}", inner.blocks()))
    });
    let stage =
        Stage::new(Server::new("asking", "1").tool(asking(&runs)).tool(outer).middleware(Retry::new()));
    let modern = |params: &Value| send(&stage, request(ProtocolVersion::V2026_07_28, "tools/call", params));
    let call = json!({"name": "outer", "_meta": capable()});
    let mut answer = modern(&call);
    for (number, (asked, said)) in
        [("Before?", "b"), ("What is your name?", "Ada"), ("Which color?", "red"), ("After?", "a")]
            .into_iter()
            .enumerate()
    {
        let key = format!("ask-{}", number + 1);
        assert_eq!(answer.json["result"]["inputRequests"][&key]["params"]["message"], asked, "{answer:?}");
        answer = modern(&answered(call.clone(), &answer, json!({key: value(said)})));
    }
    assert!(answer.message().starts_with("b, ") && answer.message().contains("Ada 7 red"), "{answer:?}");
    assert!(answer.message().ends_with(", a"), "{answer:?}");
}
