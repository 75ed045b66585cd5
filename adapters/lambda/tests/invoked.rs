//! A task that was handed over is done by the invocation that the function's own event makes.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::{Answered, Lines, Mode, NOW, event, modern};
use edgemcp::{
    NoArguments, Server, TaskSupport, Tool,
    future::BoxFuture,
    platform::{Delegate, DelegateError, Platform},
    store::MemoryStore,
};
use edgemcp_lambda::{DEADLINE_MARGIN, Function, HOLD_MAX};
use edgemcp_testkit::{Counting, FAILURE, ManualClock, TestStore};
use futures_util::{future::join, poll};
use lambda_runtime::{Diagnostic, FunctionResponse};
use serde_json::{Value, json};

/// The ids that were handed over, and whether nobody takes them.
#[derive(Clone, Default)]
struct Queue {
    ids: Arc<Mutex<Vec<String>>>,
    is_full: bool,
}

impl Delegate for Queue {
    fn delegate<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), DelegateError>> {
        Box::pin(async move {
            if self.is_full {
                return Err(DelegateError("the role arn:hunter2 may not".to_owned()));
            }
            self.ids.lock().unwrap().push(id.to_owned());
            Ok(())
        })
    }
}

/// A function that hands its tasks over.
struct Stage {
    function: Function,
    clock: ManualClock,
    log: Lines,
    queue: Queue,
    store: TestStore,
    /// How often the tool has begun.
    begun: Arc<AtomicU32>,
}

impl Stage {
    fn new(mode: Mode) -> Self {
        Self::handing_over_to(mode, Queue::default())
    }

    fn handing_over_to(mode: Mode, queue: Queue) -> Self {
        let begun = Arc::new(AtomicU32::new(0));
        let count = begun.clone();
        let dig = Tool::new("dig", "Dig for a minute.", move |cx, _: NoArguments| {
            let count = count.clone();
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                cx.platform().sleep(Duration::from_secs(60)).await;
                "a bone"
            }
        });
        let server = Server::new("digger", "1.0.0").tool(dig.task(TaskSupport::Required));
        let (clock, log) = (ManualClock::at(NOW), Lines::default());
        let clocked = Arc::new(clock.clone());
        let store = TestStore::new(MemoryStore::new(clocked.clone()));
        let mut platform = Platform::builder(clocked, Arc::<Counting>::default())
            .store(Arc::new(store.clone()))
            .delegate(Arc::new(queue.clone()))
            .log(Arc::new(log.clone()));
        if mode == Mode::Streamed {
            platform = platform.hold_max(HOLD_MAX);
        }
        let function = Function::new(server.build().unwrap(), platform.build());
        Self { function, clock, log, queue, store, begun }
    }

    async fn answered(&self, json: &Value) -> Answered {
        common::received(self.function.answer(event(json, 0)).await.unwrap()).await
    }

    /// Makes a task, and returns its id.
    async fn task(&self) -> String {
        let answer =
            self.answered(&modern("tools/call", json!({ "name": "dig", "arguments": {} }), "dig")).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        let json = answer.json();
        assert_eq!(json["result"]["resultType"], "task", "{json}");
        json["result"]["taskId"].as_str().unwrap().to_owned()
    }

    async fn status(&self, id: &str) -> String {
        let answer = self.answered(&modern("tasks/get", json!({ "taskId": id }), id)).await.json();
        answer["result"]["status"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The invocation that the function's own event makes, with an hour's time unless it says otherwise.
    async fn invoked(&self, id: &str, time: Duration) -> Result<String, Diagnostic> {
        let own = json!({ "edgemcp": { "task": id } });
        let answer = self.function.answer(event(&own, NOW.after(time).as_millis())).await?;
        match answer {
            FunctionResponse::BufferedResponse(json) => Ok(json.get().to_owned()),
            FunctionResponse::StreamingResponse(_) => panic!("nobody reads a stream"),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_task_is_handed_over_and_done_by_the_functions_own_event() {
    for mode in [Mode::Buffered, Mode::Streamed] {
        let stage = Stage::new(mode);
        let id = stage.task().await;
        assert_eq!(*stage.queue.ids.lock().unwrap(), [id.as_str()]);
        assert_eq!((stage.status(&id).await.as_str(), stage.begun.load(Ordering::Relaxed)), ("working", 0));

        let mut invocation = std::pin::pin!(stage.invoked(&id, HOUR));
        assert!(poll!(invocation.as_mut()).is_pending());
        assert_eq!(stage.status(&id).await, "working");
        stage.clock.advance(Duration::from_secs(60));
        assert_eq!(invocation.await.unwrap(), "null");
        assert_eq!(stage.status(&id).await, "completed");
    }
}

#[tokio::test]
async fn an_event_that_comes_again_does_nothing_again() {
    let stage = Stage::new(Mode::Buffered);
    let id = stage.task().await;
    let mut both = std::pin::pin!(join(stage.invoked(&id, HOUR), stage.invoked(&id, HOUR)));
    assert!(poll!(both.as_mut()).is_pending());
    stage.clock.advance(Duration::from_secs(60));
    let (one, other) = both.await;
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("null", "null"));
    assert_eq!(stage.invoked(&id, HOUR).await.unwrap(), "null", "a retry of Lambda's, later");
    assert_eq!(stage.begun.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_id_that_names_nothing_is_answered_like_any_other() {
    let stage = Stage::new(Mode::Buffered);
    assert_eq!(stage.invoked(&"0".repeat(32), HOUR).await.unwrap(), "null");
    assert_eq!((stage.begun.load(Ordering::Relaxed), stage.log.text().as_str()), (0, ""));
}

#[tokio::test]
async fn where_the_store_fails_the_invocation_fails_so_that_lambda_tries_again() {
    let stage = Stage::new(Mode::Buffered);
    let id = stage.task().await;
    stage.store.fail(true);
    let Diagnostic { error_type, error_message } = stage.invoked(&id, HOUR).await.unwrap_err();
    assert_eq!(error_type, "edgemcp.Task");
    assert!(error_message.contains(&id) && !error_message.contains(FAILURE), "{error_message}");
    assert!(stage.log.text().contains(FAILURE), "{}", stage.log.text());

    stage.store.fail(false);
    let mut again = std::pin::pin!(stage.invoked(&id, HOUR));
    assert!(poll!(again.as_mut()).is_pending());
    stage.clock.advance(Duration::from_secs(60));
    again.await.unwrap();
    assert_eq!(stage.status(&id).await, "completed");
}

#[tokio::test]
async fn a_task_that_takes_longer_than_the_function_may_is_left_in_time_and_goes_on_when_it_is_asked_after() {
    let stage = Stage::new(Mode::Buffered);
    let id = stage.task().await;
    let mut invocation = std::pin::pin!(stage.invoked(&id, Duration::from_secs(30)));
    assert!(poll!(invocation.as_mut()).is_pending());
    for _ in 1..30 {
        // It says again and again that it works on the task.
        stage.clock.advance(Duration::from_secs(1));
        assert!(poll!(invocation.as_mut()).is_pending());
    }
    stage.clock.advance(Duration::from_secs(1) - DEADLINE_MARGIN);
    assert_eq!(invocation.await.unwrap(), "null");
    assert!(stage.log.text().contains("error: a task was left"), "{}", stage.log.text());

    stage.clock.advance(Duration::from_secs(30));
    assert_eq!(stage.status(&id).await, "working");
    assert_eq!(*stage.queue.ids.lock().unwrap(), [id.as_str(); 2]);
}

#[tokio::test]
async fn a_task_that_nobody_takes_is_none_and_only_the_log_knows_why() {
    let stage = Stage::handing_over_to(Mode::Buffered, Queue { is_full: true, ..Queue::default() });
    let call = modern("tools/call", json!({ "name": "dig", "arguments": {} }), "dig");
    let answer = stage.answered(&call).await;
    assert_eq!(answer.json()["error"]["code"], -32603, "{answer:?}");
    assert!(!answer.text().contains("hunter2"), "{answer:?}");
    assert!(stage.log.text().contains("hunter2"), "{}", stage.log.text());
}

#[tokio::test]
async fn what_is_no_task_of_this_functions_stays_an_unknown_event() {
    let stage = Stage::new(Mode::Buffered);
    for own in [json!({}), json!({ "task": "../../etc" }), json!({ "task": "0" }), json!("task")] {
        let event = event(&json!({ "edgemcp": own }), 0);
        let Err(Diagnostic { error_type, .. }) = stage.function.answer(event).await else {
            panic!("it was taken: {own}")
        };
        assert_eq!(error_type, "edgemcp.UnknownEvent", "{own}");
    }
}
