//! A legacy client's person is waited for as long as a function may, which is not long; the call goes on when the client
//! comes back, in either mode.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Answered, Lines, Mode, NOW, Streamed, event, recorded};
use edgemcp::{
    NoArguments, SEAL_KEYS, Server, Tool, ToolError,
    platform::{Platform, Vars},
    store::MemoryStore,
};
use edgemcp_lambda::{Function, HOLD_MAX};
use edgemcp_testkit::{Counting, ManualClock};
use serde_json::{Value, json};

struct Key;

impl Vars for Key {
    fn var(&self, name: &str) -> Option<String> {
        (name == SEAL_KEYS).then(|| "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned())
    }
}

/// A function, and a client's session of revision 2025-11-25 with it.
struct Session {
    function: Function,
    clock: ManualClock,
    id: String,
}

impl Session {
    async fn begin(mode: Mode) -> Self {
        let greet = Tool::new("greet", "Greet.", |cx, _: NoArguments| async move {
            let name: String = cx.elicit("What is your name?").await?;
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        });
        let clock = ManualClock::at(NOW);
        let clocked = Arc::new(clock.clone());
        let mut platform = Platform::builder(clocked.clone(), Arc::<Counting>::default())
            .store(Arc::new(MemoryStore::new(clocked)))
            .vars(Arc::new(Key))
            .log(Arc::new(Lines::default()));
        if mode == Mode::Streamed {
            platform = platform.hold_max(HOLD_MAX);
        }
        let service = Server::new("greeter", "1.0.0").tool(greet).build().unwrap();
        let function = Function::new(service, platform.build());
        let mut session = Self { function, clock, id: String::new() };
        let begun = session
            .answered(session.post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"elicitation": {"form": {}}},
                "clientInfo": {"name": "edgemcp-tests", "version": "1"},
            }})))
            .await;
        session.id = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
        session
    }

    fn event(&self, method: &str) -> Value {
        let mut event = recorded("function-url");
        let headers = event["headers"].as_object_mut().unwrap();
        headers.retain(|name, _| !name.starts_with("mcp-"));
        if !self.id.is_empty() {
            headers.insert("mcp-session-id".to_owned(), json!(self.id));
        }
        event["requestContext"]["http"]["method"] = json!(method);
        event["isBase64Encoded"] = json!(false);
        event["body"] = json!(null);
        event
    }

    fn post(&self, message: Value) -> Value {
        let mut event = self.event("POST");
        event["body"] = json!(message.to_string());
        event
    }

    fn call(&self) -> Value {
        let params = json!({"name": "greet", "arguments": {}});
        self.post(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }

    async fn answered(&self, json: Value) -> Answered {
        common::received(self.function.answer(event(&json, 0)).await.unwrap()).await
    }

    /// Says the name that was asked for by the request with this id.
    async fn say_name(&self, id: &Value) {
        let result = json!({"action": "accept", "content": {"value": "Ada"}});
        let answer = self.answered(self.post(json!({"jsonrpc": "2.0", "id": id, "result": result}))).await;
        assert_eq!((answer.status, answer.text()), (202, ""), "it is free at once");
    }

    /// Comes back for what follows this event.
    async fn come_back(&self, last: &str) -> String {
        let mut event = self.event("GET");
        event["headers"]["last-event-id"] = json!(last);
        event["headers"]["accept"] = json!("text/event-stream");
        self.answered(event).await.text().to_owned()
    }
}

/// The id of the last event of a stream, and that of the request in it.
fn asked(stream: &str) -> (String, Value) {
    let line = |start| stream.lines().rev().find_map(|line| line.strip_prefix(start)).unwrap();
    let request: Value = serde_json::from_str(line("data: ")).unwrap();
    assert_eq!(request["method"], "elicitation/create", "{stream}");
    (line("id: ").to_owned(), request["id"].clone())
}

#[tokio::test]
async fn a_person_is_waited_for_while_the_stream_is_held_and_no_longer() {
    let session = Session::begin(Mode::Streamed).await;
    let mut answer = Streamed::from(session.function.answer(event(&session.call(), 0)).await.unwrap());
    let (last, id) = asked(&answer.chunk().await);
    for _ in 1..50 {
        session.clock.advance(HOLD_MAX / 50);
        assert!(answer.is_open().await);
    }
    session.clock.advance(HOLD_MAX / 50);
    assert!(answer.has_ended().await, "from here on nobody is paid to wait");

    session.clock.advance(Duration::from_secs(600));
    session.say_name(&id).await;
    assert!(session.come_back(&last).await.contains("Hello, Ada!"));
}

#[tokio::test]
async fn a_person_who_is_quick_is_answered_on_the_same_stream() {
    let session = Session::begin(Mode::Streamed).await;
    let mut answer = Streamed::from(session.function.answer(event(&session.call(), 0)).await.unwrap());
    let (_, id) = asked(&answer.chunk().await);
    session.clock.advance(Duration::from_secs(1));
    assert!(answer.is_open().await);
    session.say_name(&id).await;
    session.clock.advance(Duration::from_secs(1));
    assert!(answer.chunk().await.contains("Hello, Ada!"));
    assert!(answer.has_ended().await);
}

#[tokio::test]
async fn an_answer_in_one_piece_has_the_question_and_the_client_comes_back_for_the_rest() {
    let session = Session::begin(Mode::Buffered).await;
    let answer = session.answered(session.call()).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let (last, id) = asked(answer.text());
    session.say_name(&id).await;
    assert!(session.come_back(&last).await.contains("Hello, Ada!"));
}
