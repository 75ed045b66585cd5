//! Work goes on after a streamed answer, for as long as its stream is open: the answer is there at once, and the end of
//! the stream, where Lambda freezes the function, waits for the work.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Answered, Lines, Mode, NOW, Streamed, event, modern, recorded, settle};
use edgemcp::{
    Error, KEEP_ALIVE_EVERY, NoArguments, Resource, Server, TaskSupport, Tool, platform::Platform,
    store::MemoryStore,
};
use edgemcp_lambda::{DEADLINE_MARGIN, Function, HOLD_MAX};
use edgemcp_testkit::{Counting, ManualClock};
use http::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A function whose clock and whose work a test moves.
struct Stage {
    function: Function,
    clock: ManualClock,
    log: Lines,
    /// Each permit lets one piece of work come to its end.
    gate: Arc<Semaphore>,
}

/// Waits for the gate; a gate that is broken is a bug.
async fn pass(gate: &Semaphore) {
    gate.acquire().await.unwrap().forget();
}

/// Has the gate waited for after the answer; says whether that was possible.
fn leave(platform: &Platform, gate: &Arc<Semaphore>) -> &'static str {
    let Some(background) = platform.background() else { return "nothing goes on" };
    let gate = gate.clone();
    background.run(Box::pin(async move { pass(&gate).await }));
    "it goes on"
}

impl Stage {
    fn new(mode: Mode) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (dug, left, refused, routed) = (gate.clone(), gate.clone(), gate.clone(), gate.clone());
        let server = Server::new("digger", "1.0.0")
            .tool(
                Tool::new("dig", "Dig for as long as it takes.", move |_, _: NoArguments| {
                    let gate = dug.clone();
                    async move {
                        pass(&gate).await;
                        "a bone"
                    }
                })
                .task(TaskSupport::Optional),
            )
            .tool(Tool::new("leave", "Leave work for later.", move |cx, _: NoArguments| {
                let gate = left.clone();
                async move { leave(cx.platform(), &gate) }
            }))
            .resource(Resource::new("data://none", "none", move |cx, _: NoArguments| {
                let gate = refused.clone();
                async move {
                    leave(cx.platform(), &gate);
                    Err::<&str, _>(Error::resource_not_found("data://none"))
                }
            }))
            .tool(Tool::new("break", "Leave work that panics.", move |cx, _: NoArguments| async move {
                cx.platform().background().unwrap().run(Box::pin(async { panic!("a bug") }));
            }))
            .route(Method::POST, "/leave", move |platform, _| {
                let gate = routed.clone();
                async move { Response::new(leave(&platform, &gate).into()) }
            });
        let (clock, log) = (ManualClock::at(NOW), Lines::default());
        let clocked = Arc::new(clock.clone());
        let mut platform = Platform::builder(clocked.clone(), Arc::<Counting>::default())
            .store(Arc::new(MemoryStore::new(clocked)))
            .log(Arc::new(log.clone()));
        if mode == Mode::Streamed {
            platform = platform.hold_max(HOLD_MAX);
        }
        let function = Function::new(server.build().unwrap(), platform.build());
        Self { function, clock, log, gate }
    }

    async fn streamed(&self, json: &Value, deadline_ms: u64) -> Streamed {
        Streamed::from(self.function.answer(event(json, deadline_ms)).await.unwrap())
    }

    /// An answer whose stream must end by itself.
    async fn answered(&self, json: &Value) -> Answered {
        common::received(self.function.answer(event(json, 0)).await.unwrap()).await
    }

    /// What `tasks/get` says of a task.
    async fn task(&self, id: &str) -> Value {
        let answer = self.answered(&modern("tasks/get", json!({ "taskId": id }), id)).await;
        assert_eq!(answer.headers["content-type"], "application/json", "nothing goes on behind it");
        answer.json()["result"].clone()
    }
}

fn call(tool: &str) -> Value {
    modern("tools/call", json!({ "name": tool, "arguments": {} }), tool)
}

#[tokio::test]
async fn a_task_is_the_answer_at_once_and_its_stream_is_open_until_it_is_done() {
    let stage = Stage::new(Mode::Streamed);
    let mut answer = stage.streamed(&call("dig"), 0).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.headers["cache-control"], "no-cache");
    let created = answer.message().await;
    assert_eq!(created["result"]["resultType"], "task", "{created}");
    let id = created["result"]["taskId"].as_str().unwrap();
    assert!(answer.is_open().await);
    assert_eq!(stage.task(id).await["status"], "working");

    stage.gate.add_permits(1);
    assert!(answer.has_ended().await);
    let task = stage.task(id).await;
    assert_eq!(
        (&task["status"], &task["result"]["content"][0]["text"]),
        (&json!("completed"), &json!("a bone"))
    );
}

#[tokio::test]
async fn while_nothing_is_said_an_open_stream_says_from_time_to_time_that_somebody_is_there() {
    let stage = Stage::new(Mode::Streamed);
    let mut answer = stage.streamed(&call("leave"), 0).await;
    assert_eq!(answer.message().await["result"]["content"][0]["text"], "it goes on");
    for _ in 0..3 {
        assert!(answer.is_open().await);
        stage.clock.advance(KEEP_ALIVE_EVERY - Duration::from_millis(1));
        assert!(answer.is_open().await);
        stage.clock.advance(Duration::from_millis(1));
        assert_eq!(answer.chunk().await, ": keep-alive\n\n");
    }
    stage.gate.add_permits(1);
    assert!(answer.has_ended().await);
}

#[tokio::test]
async fn an_answer_that_leaves_nothing_behind_stays_json() {
    let stage = Stage::new(Mode::Streamed);
    // It is done before its answer is sent.
    stage.gate.add_permits(1);
    let listed = stage.answered(&modern("tools/list", json!({}), "")).await;
    assert_eq!(listed.headers["content-type"], "application/json");
    assert_eq!(listed.json()["result"]["tools"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn where_nothing_could_be_held_open_nothing_goes_on() {
    let mut without_events = call("leave");
    without_events["headers"]["accept"] = json!("application/json, text/event-stream;q=0");
    let mut route = call("leave");
    route["rawPath"] = json!("/leave");
    // Its client comes back for what is left, or has no session.
    let mut session = call("leave");
    session["headers"]["mcp-session-id"] = json!("some session");
    let mut balanced = recorded("load-balancer");
    let body = &call("leave")["body"];
    balanced["body"] = body.clone();
    balanced["headers"]["mcp-name"] = json!("leave");
    for (mode, event) in [
        (Mode::Streamed, &without_events),
        (Mode::Streamed, &route),
        (Mode::Streamed, &session),
        (Mode::Streamed, &balanced),
        (Mode::Buffered, &call("leave")),
    ] {
        let answer = Stage::new(mode).answered(event).await;
        assert!(answer.text().contains("nothing goes on"), "{mode:?} {event}: {answer:?}");
    }
}

#[tokio::test]
async fn without_a_stream_there_are_no_tasks_and_the_call_is_answered_with_its_result() {
    let stage = Stage::new(Mode::Buffered);
    stage.gate.add_permits(1);
    let answer = stage.answered(&call("dig")).await.json();
    assert_eq!(answer["result"]["content"][0]["text"], "a bone", "{answer}");
    let id = "0".repeat(32);
    let answer = stage.answered(&modern("tasks/get", json!({ "taskId": id }), &id)).await.json();
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[tokio::test]
async fn a_failure_is_sent_at_once_too_and_stays_what_it_is() {
    let stage = Stage::new(Mode::Streamed);
    let read = modern("resources/read", json!({ "uri": "data://none" }), "data://none");
    let mut answer = stage.streamed(&read, 0).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (400, &"application/json".parse().unwrap()));
    assert!(answer.chunk().await.contains("data://none"));
    stage.clock.advance(KEEP_ALIVE_EVERY);
    assert!(answer.is_open().await, "and nothing is said that would not be JSON");
    stage.gate.add_permits(1);
    assert!(answer.has_ended().await);
}

#[tokio::test]
async fn work_that_is_not_done_when_the_functions_time_is_up_is_ended_before_lambda_ends_the_instance() {
    let stage = Stage::new(Mode::Streamed);
    let deadline_ms = NOW.as_millis() + 10_000;
    let mut answer = stage.streamed(&call("dig"), deadline_ms).await;
    let id = answer.message().await["result"]["taskId"].as_str().unwrap().to_owned();
    stage.clock.advance(Duration::from_secs(10) - DEADLINE_MARGIN - Duration::from_millis(1));
    assert!(answer.is_open().await);
    stage.clock.advance(Duration::from_millis(1));
    assert!(answer.has_ended().await);
    assert!(stage.log.text().contains("raise its timeout"), "{}", stage.log.text());

    // Nobody says that it works on it any more, so it goes on behind the answer to whoever asks after it.
    stage.clock.advance(Duration::from_secs(30));
    let mut answer = stage.streamed(&modern("tasks/get", json!({ "taskId": id }), &id), 0).await;
    assert_eq!(answer.message().await["result"]["status"], "working");
    assert!(answer.is_open().await);
    stage.gate.add_permits(1);
    assert!(answer.has_ended().await);
    assert_eq!(stage.task(&id).await["status"], "completed");
}

#[tokio::test]
async fn work_goes_on_where_its_answer_is_not_read_to_the_end() {
    let stage = Stage::new(Mode::Streamed);
    let mut answer = stage.streamed(&call("dig"), 0).await;
    let id = answer.message().await["result"]["taskId"].as_str().unwrap().to_owned();
    drop(answer);
    stage.gate.add_permits(1);
    settle().await;
    assert_eq!(stage.task(&id).await["status"], "completed");
}

#[tokio::test]
async fn work_that_panics_is_told_to_the_log() {
    let stage = Stage::new(Mode::Streamed);
    let mut answer = stage.streamed(&call("break"), 0).await;
    answer.message().await;
    assert!(answer.has_ended().await);
    assert!(stage.log.text().contains("error: work after an answer failed"), "{}", stage.log.text());
}
