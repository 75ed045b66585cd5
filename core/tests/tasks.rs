//! A call that goes on as a task, asked after on whichever instance its client meets (extension
//! `io.modelcontextprotocol/tasks`).

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use common::{
    Answer, Settings, Stage,
    live::{Behind, pass},
};
use edgemcp::{
    Progress, ProtocolVersion, RequestState, Server, TaskSupport, Tasks,
    auth::{Principal, StaticTokens},
    future::BoxFuture,
    platform::{Delegate, DelegateError},
    prelude::*,
    store::{Key, NoStore},
};
use http::StatusCode;
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Sure {
    sure: bool,
}

fn server() -> Server {
    Server::new("tasks", "1")
        .tool(Tool::new("now", "Answer at once.", |_, _: NoArguments| async { "now" }))
        .tool(
            Tool::new("slow", "Take a minute.", |cx: Context, _: NoArguments| async move {
                cx.progress(Progress::new(1.0).message("half a minute left"));
                cx.platform().sleep(Duration::from_secs(60)).await;
                "slept"
            })
            .task(TaskSupport::Optional),
        )
        .tool(Tool::new("quick", "Be quick.", |_, _: NoArguments| async { 1 }).task(TaskSupport::Optional))
        .tool(
            Tool::new("only", "Only as a task.", |_, _: NoArguments| async {
                Err::<(), _>(ToolError::new("there is nothing to do"))
            })
            .task(TaskSupport::Required),
        )
        .tool(
            Tool::new("broken", "Fail for the client's program.", |cx: Context, _: NoArguments| async move {
                let Name { name } = cx.elicit("What is your name?").key("name").await?;
                Ok::<_, ToolError>(name)
            })
            .client_capability("sampling")
            .task(TaskSupport::Optional),
        )
        .tool(
            Tool::new("delete", "Ask, then delete.", |cx: Context, _: NoArguments| async move {
                let (Name { name }, Sure { sure }) = cx
                    .ask()
                    .elicit::<Name>("Which file?")
                    .key("file")
                    .elicit::<Sure>("Are you sure?")
                    .key("sure")
                    .await?;
                Ok::<_, ToolError>(format!("{name} {sure}"))
            })
            .task(TaskSupport::Optional),
        )
        .tool(
            Tool::new("later", "Ask, then go on as a task.", |cx: Context, _: NoArguments| async move {
                let Name { name } = cx.elicit("What is your name?").key("name").await?;
                cx.become_task().await;
                Ok::<_, ToolError>(format!("Hello, {name}!"))
            })
            .task(TaskSupport::ByHandler),
        )
}

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What a client that takes tasks, and can be asked, declares.
fn takes_tasks() -> Value {
    json!({"io.modelcontextprotocol/clientCapabilities": {
        "extensions": {TASKS: {}}, "elicitation": {}, "sampling": {},
    }})
}

fn stage() -> (Stage, Behind) {
    let behind = Behind::default();
    let mut stage = Stage::new(server());
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    (stage, behind)
}

fn call(stage: &Stage, name: &str) -> Answer {
    stage.modern("tools/call", json!({"name": name, "_meta": takes_tasks()}))
}

fn about(stage: &Stage, method: &str, id: &str, mut more: Value) -> Answer {
    more["taskId"] = id.into();
    more["_meta"] = takes_tasks();
    stage.modern(method, more)
}

fn get(stage: &Stage, id: &str) -> Value {
    about(stage, "tasks/get", id, json!({})).json["result"].take()
}

/// The id of the task that the call became.
fn created(answer: &Answer) -> String {
    let result = &answer.json["result"];
    assert_eq!(result["resultType"], "task", "{answer:?}");
    assert_eq!(result["status"], "working");
    assert!(result.get("requestState").is_none());
    result["taskId"].as_str().unwrap().to_owned()
}

#[test]
fn a_task_is_there_before_its_client_hears_of_it_and_any_instance_knows_how_it_stands() {
    let (stage, behind) = stage();
    let answer = call(&stage, "slow");
    let id = created(&answer);
    let result = &answer.json["result"];
    assert_eq!(result["createdAt"], "2027-01-15T08:00:00.000Z");
    assert_eq!((&result["ttlMs"], &result["pollIntervalMs"]), (&json!(3_600_000), &json!(1000)));
    let other = stage.beside(server());
    assert_eq!(get(&other, &id)["status"], "working");
    pass(&stage, Duration::from_secs(2), || behind.poll());
    let working = get(&other, &id);
    assert_eq!(working["statusMessage"], "half a minute left");
    assert!(working.get("result").is_none());
    pass(&stage, Duration::from_secs(60), || behind.poll());
    let done = get(&other, &id);
    assert_eq!((&done["status"], &done["resultType"]), (&json!("completed"), &json!("complete")));
    assert_eq!(done["result"]["content"][0]["text"], "slept");
    assert_eq!(behind.len(), 0);
}

#[test]
fn a_client_that_takes_no_tasks_gets_the_result_or_hears_what_it_lacks() {
    let (stage, _) = stage();
    let answer = stage.modern("tools/call", json!({"name": "only"}));
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some(-32021)));
    let required = &answer.json["error"]["data"]["requiredCapabilities"];
    assert_eq!(*required, json!({"extensions": {TASKS: {}}}));
    assert_eq!(call(&stage, "now").json["result"]["resultType"], "complete");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let answer = stage.modern(method, json!({"taskId": "x", "inputResponses": {}}));
        assert_eq!(answer.code(), Some(-32021), "{method}");
    }
    // The legacy era has another kind of task, which this is not.
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "tools/call", json!({"name": "only"}));
    assert_eq!(answer.code(), Some(-32600));
    for method in ["tasks/result", "tasks/list"] {
        assert_eq!(about(&stage, method, "x", json!({})).code(), Some(-32601), "{method}");
    }
}

#[test]
fn a_tool_that_fails_completes_its_task_and_a_request_that_fails_fails_it() {
    let (stage, behind) = stage();
    let id = created(&call(&stage, "only"));
    behind.poll();
    let done = get(&stage, &id);
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)));
    let lacking = json!({"io.modelcontextprotocol/clientCapabilities": {
        "extensions": {TASKS: {}}, "sampling": {},
    }});
    let answer = stage.modern("tools/call", json!({"name": "broken", "_meta": lacking}));
    let id = created(&answer);
    behind.poll();
    let failed = get(&stage, &id);
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(-32021)));
    assert!(failed.get("result").is_none());
}

#[test]
fn a_task_asks_for_input_and_goes_on_once_all_of_it_is_there() {
    let (stage, behind) = stage();
    let id = created(&call(&stage, "delete"));
    behind.poll();
    let asking = get(&stage, &id);
    assert_eq!(asking["status"], "input_required");
    let asks = asking["inputRequests"].as_object().unwrap();
    assert_eq!(asks.keys().collect::<Vec<_>>(), ["file", "sure"]);
    assert_eq!(asks["file"]["method"], "elicitation/create");
    let accept = |content: Value| json!({"action": "accept", "content": content});
    let update = |responses: Value| {
        let answer = about(&stage, "tasks/update", &id, json!({"inputResponses": responses}));
        (answer.code(), answer.json["result"]["resultType"].clone())
    };
    // An answer of the wrong type is refused, and loses nothing; one to nothing at all is left out.
    assert_eq!(update(json!({"file": accept(json!({"name": 7}))})).0, Some(-32602));
    assert_eq!(update(json!({"else": accept(json!({}))})), (None, json!("complete")));
    assert_eq!(update(json!({"file": accept(json!({"name": "notes"}))})), (None, json!("complete")));
    pass(&stage, Duration::from_secs(1), || behind.poll());
    let asking = get(&stage, &id);
    assert_eq!(asking["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sure"]);
    // A second answer to the same changes nothing.
    update(json!({"file": accept(json!({"name": "other"})), "sure": accept(json!({"sure": true}))}));
    pass(&stage, Duration::from_secs(1), || behind.poll());
    let done = get(&stage, &id);
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["result"]["content"][0]["text"], "notes true");
}

#[test]
fn whoever_runs_a_task_lets_go_while_a_person_thinks_and_the_answer_takes_it_up() {
    let (stage, behind) = stage();
    let id = created(&call(&stage, "delete"));
    pass(&stage, Duration::from_secs(15), || behind.poll());
    assert_eq!(behind.len(), 0, "nobody waits");
    assert_eq!(get(&stage, &id)["status"], "input_required");
    assert_eq!(behind.len(), 0, "a look does not take it up");
    let other = stage.beside(server());
    let responses = json!({"inputResponses": {
        "file": {"action": "accept", "content": {"name": "notes"}}, "sure": {"action": "decline"},
    }});
    about(&other, "tasks/update", &id, responses);
    assert_eq!(behind.len(), 1);
    behind.poll();
    let done = get(&stage, &id);
    assert_eq!(done["result"]["content"][0]["text"], "the user declined to answer");
}

#[test]
fn a_task_whose_runner_is_gone_goes_on_when_its_client_asks_after_it() {
    let (stage, behind) = stage();
    let id = created(&call(&stage, "slow"));
    behind.poll();
    behind.lose();
    stage.clock.advance(Duration::from_secs(10));
    get(&stage, &id);
    assert_eq!(behind.len(), 0, "its lease is not up");
    stage.clock.advance(Duration::from_secs(10));
    assert_eq!(get(&stage, &id)["status"], "working");
    assert_eq!(behind.len(), 1);
    pass(&stage, Duration::from_secs(61), || behind.poll());
    assert_eq!(get(&stage, &id)["status"], "completed");
}

#[test]
fn a_cancelled_task_stops_and_stays_cancelled() {
    let (stage, behind) = stage();
    let id = created(&call(&stage, "slow"));
    behind.poll();
    let answer = about(&stage, "tasks/cancel", &id, json!({}));
    assert_eq!(answer.json["result"]["resultType"], "complete");
    assert_eq!(get(&stage, &id)["status"], "cancelled");
    pass(&stage, Duration::from_secs(2), || behind.poll());
    assert_eq!(behind.len(), 0, "it is not worked on any more");
    pass(&stage, Duration::from_secs(61), || behind.poll());
    assert_eq!(get(&stage, &id)["status"], "cancelled");
    // Cancelling what is done is heard, and changes nothing.
    let id = created(&call(&stage, "only"));
    behind.poll();
    assert_eq!(about(&stage, "tasks/cancel", &id, json!({})).json["result"]["resultType"], "complete");
    assert_eq!(get(&stage, &id)["status"], "completed");
}

#[test]
fn a_handler_asks_first_and_becomes_a_task_then() {
    let (stage, behind) = stage();
    let first = call(&stage, "later");
    assert_eq!(first.json["result"]["resultType"], "input_required");
    let again = |meta: Value| {
        stage.modern(
            "tools/call",
            json!({
                "name": "later",
                "_meta": meta,
                "requestState": first.json["result"]["requestState"],
                "inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}},
            }),
        )
    };
    let id = created(&again(takes_tasks()));
    behind.poll();
    assert_eq!(get(&stage, &id)["result"]["content"][0]["text"], "Hello, Ada!");
    // A client that takes no tasks waits.
    let waited = again(json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}));
    assert_eq!(waited.message(), "Hello, Ada!");
}

#[test]
fn a_task_is_its_principals_own_and_ends() {
    // A token that was refreshed has other claims, and is the same principal's.
    let ada = |issued: f64| Principal::new("ada").claim("iat", issued).scope(issued.to_string());
    let tokens = StaticTokens::new()
        .token("ada", ada(1_800_000_000.5))
        .token("ada again", ada(521_875_894.724_377_16))
        .token("through another client", ada(1_800_000_000.5).through_client("c"))
        .token("bob", Principal::new("bob"));
    let behind = Behind::default();
    let mut stage = Stage::new(server().verifier(tokens).tasks(Tasks::new().ttl(Duration::from_secs(120))));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let asks = |token: &str, method: &str, params: Value| {
        let mut params = params;
        params["_meta"] = takes_tasks();
        stage.modern_as(Some(token), method, params)
    };
    let id = created(&asks("ada", "tools/call", json!({"name": "only"})));
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        for other in ["bob", "through another client"] {
            let answer = asks(other, method, json!({"taskId": id, "inputResponses": {}}));
            assert_eq!(answer.code(), Some(-32602), "{method}");
            assert!(answer.message().contains("no task of yours has the id"));
        }
        let answer = asks("ada", method, json!({"taskId": "no id", "inputResponses": {}}));
        assert_eq!(answer.code(), Some(-32602), "{method}");
    }
    assert_eq!(asks("ada", "tasks/get", json!({"taskId": id})).json["result"]["status"], "working");
    behind.poll();
    for token in ["ada", "ada again"] {
        assert_eq!(asks(token, "tasks/get", json!({"taskId": id})).json["result"]["status"], "completed");
    }
    stage.clock.advance(Duration::from_secs(121));
    assert_eq!(asks("ada", "tasks/get", json!({"taskId": id})).code(), Some(-32602));
}

#[test]
fn tasks_are_announced_where_they_can_be_had() {
    let announced = |stage: &Stage| {
        stage.modern("server/discover", json!({})).json["result"]["capabilities"]["extensions"].clone()
    };
    let (able, _) = stage();
    assert_eq!(announced(&able), json!({TASKS: {}}));
    // Nobody works behind an answer, and no store keeps a task.
    let alone = Stage::new(server());
    let mut forgetful =
        Stage::built(server(), Settings::default(), |builder| builder.store(Arc::new(NoStore)));
    forgetful.platform = forgetful.platform.with_background(Arc::new(Behind::default()));
    for stage in [alone, forgetful] {
        assert_eq!(announced(&stage), Value::Null);
        let answer = call(&stage, "quick");
        // It is done while the client waits, where it can be.
        assert_eq!(answer.json["result"]["resultType"], "complete");
        assert_eq!(about(&stage, "tasks/get", "x", json!({})).code(), Some(-32601));
    }
}

/// Somebody else who does the work, or does not take it.
#[derive(Clone, Default)]
struct Queue {
    tasks: Arc<Mutex<Vec<String>>>,
    refuses: bool,
}

impl Delegate for Queue {
    fn delegate<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), DelegateError>> {
        self.tasks.lock().unwrap().push(id.to_owned());
        let refused = Err(DelegateError("the queue is full".to_owned()));
        Box::pin(std::future::ready(if self.refuses { refused } else { Ok(()) }))
    }
}

#[test]
fn a_platform_that_freezes_hands_its_tasks_over() {
    let queue = Queue::default();
    let delegate = Arc::new(queue.clone());
    let stage = Stage::built(server(), Settings::default(), |builder| builder.delegate(delegate));
    let id = created(&call(&stage, "only"));
    assert_eq!(*queue.tasks.lock().unwrap(), std::slice::from_ref(&id));
    assert_eq!(get(&stage, &id)["status"], "working");
    let worker = stage.beside(server());
    futures_executor::block_on(worker.service.run_task(&worker.platform, &id)).unwrap();
    assert_eq!(get(&stage, &id)["status"], "completed");
    // What is handed over twice is done once, and what is none is nothing.
    futures_executor::block_on(worker.service.run_task(&worker.platform, &id)).unwrap();
    futures_executor::block_on(worker.service.run_task(&worker.platform, &"0".repeat(32))).unwrap();
}

#[test]
fn a_task_that_nobody_takes_is_none() {
    let delegate = Queue { refuses: true, ..Queue::default() };
    let stage =
        Stage::built(server(), Settings::default(), |builder| builder.delegate(Arc::new(delegate.clone())));
    assert_eq!(call(&stage, "only").code(), Some(-32603));
    assert!(stage.log.all().contains("the queue is full"), "{}", stage.log.all());
    let id = delegate.tasks.lock().unwrap()[0].clone();
    assert_eq!(about(&stage, "tasks/get", &id, json!({})).code(), Some(-32602));
}

#[test]
fn a_worker_with_the_store_takes_up_what_nobody_works_on() {
    let queue = Queue::default();
    let delegate = Arc::new(queue.clone());
    let stage = Stage::built(server(), Settings::default(), |builder| builder.delegate(delegate));
    let ids = [created(&call(&stage, "only")), created(&call(&stage, "only"))];
    let run = || futures_executor::block_on(stage.service.run_tasks(&stage.platform)).unwrap();
    assert_eq!(run(), 2);
    assert_eq!(run(), 0, "they are done");
    for id in ids {
        assert_eq!(get(&stage, &id)["status"], "completed");
    }
}

#[test]
fn a_task_is_run_for_whom_it_was_asked_for_and_each_step_once() {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let whoami = Tool::new("whoami", "Say who asks.", move |cx: Context, _: NoArguments| {
        let steps = Arc::clone(&counted);
        async move {
            let count = || async { Ok::<_, ToolError>(steps.fetch_add(1, Ordering::Relaxed) + 1) };
            let number: usize = cx.step("count", count).await?;
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            let principal = cx.principal().map(|principal| principal.subject().to_owned());
            Ok::<_, ToolError>(format!("{number} {name} {principal:?}"))
        }
    })
    .task(TaskSupport::Optional);
    let queue = Arc::new(Queue::default());
    let tokens = StaticTokens::new().token("ada", Principal::new("ada").scope("all"));
    let server = Server::new("tasks", "1").tool(whoami).verifier(tokens);
    let stage = Stage::built(server, Settings::default(), |builder| builder.delegate(queue));
    let asks = |method: &str, mut params: Value| {
        params["_meta"] = takes_tasks();
        stage.modern_as(Some("ada"), method, params)
    };
    let run = |id: &str| {
        let running = stage.service.run_task(&stage.platform, id);
        let mut running = std::pin::pin!(running);
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..200 {
            if running.as_mut().poll(&mut task).is_ready() {
                return;
            }
            stage.clock.advance(Duration::from_millis(100));
        }
        panic!("it is not run to where it waits");
    };
    let id = created(&asks("tools/call", json!({"name": "whoami"})));
    run(&id);
    asks(
        "tasks/update",
        json!({"taskId": id, "inputResponses": {
            "name": {"action": "accept", "content": {"name": "Ada"}},
        }}),
    );
    run(&id);
    let done = asks("tasks/get", json!({"taskId": id}));
    assert_eq!(done.json["result"]["result"]["content"][0]["text"], r#"1 Ada Some("ada")"#);
    assert_eq!(steps.load(Ordering::Relaxed), 1);
}

#[test]
fn a_worker_lets_a_task_wait_for_its_client() {
    let delegate = Arc::new(Queue::default());
    let stage = Stage::built(server(), Settings::default(), |builder| builder.delegate(delegate));
    let id = created(&call(&stage, "delete"));
    let run = || {
        let mut running = std::pin::pin!(stage.service.run_tasks(&stage.platform));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..200 {
            if let std::task::Poll::Ready(count) = running.as_mut().poll(&mut task) {
                return count.unwrap();
            }
            stage.clock.advance(Duration::from_millis(100));
        }
        panic!("it is not run to where it waits");
    };
    assert_eq!(run(), 1);
    assert_eq!(get(&stage, &id)["status"], "input_required");
    assert_eq!(run(), 0, "there is nothing to do until it is answered");
    let responses = json!({"inputResponses": {
        "file": {"action": "accept", "content": {"name": "notes"}}, "sure": {"action": "decline"},
    }});
    about(&stage, "tasks/update", &id, responses);
    assert_eq!(run(), 1);
    assert_eq!(get(&stage, &id)["status"], "completed");
}

#[test]
fn a_task_stays_done_for_as_long_as_it_is_kept() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let count = Tool::new("count", "Count.", move |_, _: NoArguments| {
        let runs = Arc::clone(&counted);
        async move { runs.fetch_add(1, Ordering::Relaxed) + 1 }
    })
    .task(TaskSupport::Optional);
    let behind = Behind::default();
    let day = Duration::from_secs(24 * 3600);
    let mut stage = Stage::new(Server::new("tasks", "1").tool(count).tasks(Tasks::new().ttl(day)));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "count"));
    behind.poll();
    stage.clock.advance(Duration::from_secs(2 * 3600));
    let done = get(&stage, &id);
    behind.poll();
    assert_eq!((done["status"].as_str(), runs.load(Ordering::Relaxed)), (Some("completed"), 1));
}

#[test]
fn a_step_of_a_task_is_kept_as_long_as_the_task() {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let buy = Tool::new("buy", "Buy.", move |cx: Context, _: NoArguments| {
        let steps = Arc::clone(&counted);
        async move {
            let count = || async { Ok::<_, ToolError>(steps.fetch_add(1, Ordering::Relaxed) + 1) };
            let number: usize = cx.step("count", count).await?;
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(format!("{number} {name}"))
        }
    })
    .task(TaskSupport::Optional);
    let behind = Behind::default();
    let mut stage = Stage::new(Server::new("tasks", "1").tool(buy));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "buy"));
    pass(&stage, Duration::from_secs(15), || behind.poll());
    stage.clock.advance(Duration::from_secs(30 * 60));
    let responses = json!({"inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}}});
    about(&stage, "tasks/update", &id, responses);
    behind.poll();
    assert_eq!(get(&stage, &id)["result"]["content"][0]["text"], "1 Ada");
    assert_eq!(steps.load(Ordering::Relaxed), 1);
}

#[test]
fn a_task_does_not_need_the_state_again_that_its_call_came_with() {
    let later = || {
        Server::new("tasks", "1").request_state(RequestState::new().single_use()).tool(
            Tool::new("later", "Ask, go on as a task, ask.", |cx: Context, _: NoArguments| async move {
                let Name { name } = cx.elicit("What is your name?").key("name").await?;
                cx.become_task().await;
                let Sure { sure } = cx.elicit("Are you sure?").key("sure").await?;
                Ok::<_, ToolError>(format!("{name} {sure}"))
            })
            .task(TaskSupport::ByHandler),
        )
    };
    let behind = Behind::default();
    let mut stage = Stage::new(later());
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let first = call(&stage, "later");
    let again = json!({
        "name": "later",
        "_meta": takes_tasks(),
        "requestState": first.json["result"]["requestState"],
        "inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}},
    });
    let id = created(&stage.modern("tools/call", again));
    behind.poll();
    let asking = get(&stage, &id);
    assert_eq!(asking["status"], "input_required", "{asking}");
    let responses = json!({"inputResponses": {"sure": {"action": "accept", "content": {"sure": true}}}});
    about(&stage, "tasks/update", &id, responses);
    pass(&stage, Duration::from_secs(2), || behind.poll());
    assert_eq!(get(&stage, &id)["result"]["content"][0]["text"], "Ada true");
}

#[test]
fn the_last_that_a_task_says_of_itself_is_what_its_client_reads() {
    let said = Tool::new("said", "Say two things.", |cx: Context, _: NoArguments| async move {
        cx.progress(Progress::new(1.0).message("first"));
        cx.platform().sleep(Duration::from_millis(300)).await;
        cx.progress(Progress::new(2.0).message("second"));
        cx.platform().sleep(Duration::from_secs(60)).await;
    })
    .task(TaskSupport::Optional);
    let behind = Behind::default();
    let mut stage = Stage::new(Server::new("tasks", "1").tool(said));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "said"));
    behind.poll();
    assert_eq!(get(&stage, &id)["statusMessage"], "first");
    pass(&stage, Duration::from_secs(3), || behind.poll());
    assert_eq!(get(&stage, &id)["statusMessage"], "second");
}

#[test]
fn only_a_call_of_a_tool_becomes_a_task() {
    let server = server().prompt(Prompt::new("ask", "Ask.", |cx: Context, _: NoArguments| async move {
        cx.become_task().await;
        "asked"
    }));
    let behind = Behind::default();
    let mut stage = Stage::new(server);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let answer = stage.modern("prompts/get", json!({"name": "ask", "_meta": takes_tasks()}));
    assert_eq!(answer.json["result"]["resultType"], "complete", "{answer:?}");
}

#[test]
fn a_call_that_went_on_as_a_task_is_another_the_next_time() {
    let charges = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&charges);
    let buy = Tool::new("buy", "Buy.", move |cx: Context, _: NoArguments| {
        let charges = Arc::clone(&counted);
        async move {
            let charge = || async { Ok::<_, ToolError>(charges.fetch_add(1, Ordering::Relaxed) + 1) };
            let number: usize = cx.step("charge", charge).await?;
            cx.become_task().await;
            Ok::<_, ToolError>(number)
        }
    })
    .task(TaskSupport::ByHandler);
    let behind = Behind::default();
    let tokens = StaticTokens::new().token("ada", Principal::new("ada"));
    let mut stage = Stage::new(Server::new("tasks", "1").tool(buy).verifier(tokens));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    for number in 1..=2 {
        let params = json!({"name": "buy", "_meta": takes_tasks()});
        let id = created(&stage.modern_as(Some("ada"), "tools/call", params));
        behind.poll();
        let params = json!({"taskId": id, "_meta": takes_tasks()});
        let done = stage.modern_as(Some("ada"), "tasks/get", params);
        let text = &done.json["result"]["result"]["content"][0]["text"];
        assert_eq!(*text, number.to_string(), "{done:?}");
    }
}

#[test]
fn a_step_is_taken_once_beside_or_around_what_makes_its_call_a_task() {
    let charges = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&charges);
    let charge = move |cx: Context, is_around: bool| {
        let charges = Arc::clone(&counted);
        async move {
            let charge = || async {
                let number = charges.fetch_add(1, Ordering::Relaxed) + 1;
                match is_around {
                    true => cx.become_task().await,
                    false => {
                        let mut is_first = true;
                        std::future::poll_fn(|task| match std::mem::take(&mut is_first) {
                            true => {
                                task.waker().wake_by_ref();
                                Poll::Pending
                            }
                            false => Poll::Ready(()),
                        })
                        .await;
                    }
                }
                Ok::<_, ToolError>(number)
            };
            let task = async {
                if !is_around {
                    cx.become_task().await;
                }
            };
            futures_util::join!(task, cx.step::<usize, _, _>("charge", charge)).1
        }
    };
    let around = charge.clone();
    let server = Server::new("tasks", "1")
        .tool(
            Tool::new("beside", "Charge.", move |cx: Context, _: NoArguments| charge(cx, false))
                .task(TaskSupport::ByHandler),
        )
        .tool(
            Tool::new("around", "Charge.", move |cx: Context, _: NoArguments| around(cx, true))
                .task(TaskSupport::ByHandler),
        );
    let behind = Behind::default();
    let mut stage = Stage::new(server);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "beside"));
    behind.poll();
    assert_eq!(get(&stage, &id)["result"]["content"][0]["text"], "1");
    assert_eq!(call(&stage, "around").message(), "2", "nothing becomes a task in a step");
    assert_eq!(charges.load(Ordering::Relaxed), 2);
}

#[test]
fn the_last_that_a_task_says_of_itself_is_what_its_client_reads_once_it_is_done() {
    let said = Tool::new("said", "Say two things.", |cx: Context, _: NoArguments| async move {
        cx.progress(Progress::new(1.0).message("first"));
        cx.platform().sleep(Duration::from_millis(300)).await;
        cx.progress(Progress::new(2.0).message("second"));
    })
    .task(TaskSupport::Optional);
    let behind = Behind::default();
    let mut stage = Stage::new(Server::new("tasks", "1").tool(said));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "said"));
    pass(&stage, Duration::from_secs(1), || behind.poll());
    let done = get(&stage, &id);
    assert_eq!((&done["status"], &done["statusMessage"]), (&json!("completed"), &json!("second")));
}

#[test]
fn what_no_store_takes_fails_a_task_instead_of_having_it_done_again() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let server = Server::new("tasks", "1")
        .tool(
            Tool::new("much", "Say much.", move |_, _: NoArguments| {
                let runs = Arc::clone(&counted);
                async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    "x".repeat(10_000)
                }
            })
            .task(TaskSupport::Optional),
        )
        .tool(
            Tool::new("ask", "Ask much, then little.", |cx: Context, _: NoArguments| async move {
                let refused = cx.elicit::<Name>("x".repeat(10_000)).await.map(|_| ()).unwrap_err();
                let Name { name } = cx.elicit("What is your name?").key("name").await?;
                Ok::<_, ToolError>(format!("{name}: {refused}"))
            })
            .task(TaskSupport::Optional),
        );
    let behind = Behind::default();
    let mut stage = Stage::new(server);
    stage.store.value_bytes_max(4000);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let id = created(&call(&stage, "much"));
    behind.poll();
    stage.clock.advance(Duration::from_secs(20));
    let failed = get(&stage, &id);
    behind.poll();
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("larger than"), "{failed}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);

    let id = created(&call(&stage, "ask"));
    pass(&stage, Duration::from_secs(15), || behind.poll());
    assert_eq!(behind.len(), 0);
    let responses = json!({"inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}}});
    about(&stage, "tasks/update", &id, responses);
    behind.poll();
    let done = get(&stage, &id);
    let text = done["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(text.starts_with("Ada: ") && text.contains("larger than"), "{done} {}", stage.log.all());
}

#[test]
fn a_request_that_is_too_large_to_be_kept_becomes_no_task() {
    let behind = Behind::default();
    let mut stage = Stage::new(server());
    stage.store.value_bytes_max(200);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let answer = call(&stage, "only");
    assert_eq!(answer.json["error"]["code"], -32602, "{}", answer.json);
    let message = answer.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("more than the 200 that the server's store takes"), "{message}");
    assert_eq!(behind.len(), 0);
}

#[test]
fn a_worker_goes_on_with_the_next_task_where_one_cannot_be_read() {
    let delegate = Arc::new(Queue::default());
    let stage = Stage::built(server(), Settings::default(), |builder| builder.delegate(delegate));
    let ids = [(); 3].map(|()| created(&call(&stage, "only")));
    let key = Key::new("edgemcp.call", &ids[1], "call").unwrap();
    let store = stage.platform.strong_store();
    futures_executor::block_on(store.put(&key, "{".into(), None)).unwrap();
    assert!(futures_executor::block_on(stage.service.run_tasks(&stage.platform)).is_err());
    for id in [&ids[0], &ids[2]] {
        assert_eq!(get(&stage, id)["status"], "completed");
    }
}
