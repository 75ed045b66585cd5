//! What a server needs of its store is refused by name where the platform's has it not, before anything is lost.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::sync::Arc;

use common::{Answer, Settings, Stage};
use edgemcp::{
    RequestState, Sessions,
    platform::{Host, Instances, PlatformBuilder},
    prelude::*,
    store::{MemoryStore, Need, NoStore},
};
use edgemcp_testkit::ManualClock;
use http::{Request, StatusCode};
use serde_json::json;

const MANY: Host = Host { name: "Testing Grounds", instances: Instances::Many, stores: "dig a pit" };

fn server() -> Server {
    Server::new("test", "1.0.0").tool(Tool::new("x", "X.", |_, _: NoArguments| async { "x" }))
}

fn on(server: Server, change: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Stage {
    Stage::built(server, Settings::default(), change)
}

fn problems(server: Server, change: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Vec<String> {
    let stage = on(server, change);
    stage.service.problems(&stage.platform)
}

#[test]
fn an_ephemeral_store_is_refused_where_there_are_many_instances_unless_it_is_allowed() {
    let many = |platform: PlatformBuilder| platform.host(MANY);
    let found = problems(server(), many);
    assert_eq!(
        found,
        [
            "what is kept in memory ends with its instance, and Testing Grounds runs several and ends them as it likes \
          (dig a pit; or say `Server::allow_ephemeral()` where all of it may be forgotten at any time)"
        ]
    );
    assert_eq!(problems(server().allow_ephemeral(), many), Vec::<String>::new());
    assert_eq!(problems(server(), |platform| platform), Vec::<String>::new(), "one instance forgets nothing");
    let none = problems(server(), |platform| platform.host(MANY).store(Arc::new(NoStore)));
    assert_eq!(none, Vec::<String>::new(), "where there is no store nothing is forgotten");
    // Another store for what counts does not make the first one durable.
    let memory = MemoryStore::new(Arc::new(ManualClock::at(edgemcp::platform::Timestamp::from_millis(0))));
    let strong = problems(server(), |platform| {
        platform.host(MANY).store(Arc::new(NoStore)).strong_store(Arc::new(memory))
    });
    assert_eq!(strong.len(), 1);
}

#[test]
fn what_is_needed_and_not_there_is_named_all_at_once() {
    let server = server()
        .allow_ephemeral()
        .store_has("the notebook", [Need::Durable, Need::Shared, Need::Atomic])
        .sessions(Sessions::new().revocable())
        .request_state(RequestState::new().single_use().spill());
    assert_eq!(
        problems(server, |platform| platform.host(MANY)),
        [
            "the notebook needs a store that is durable and shared by all instances, which memory is not (on Testing \
          Grounds: dig a pit)"
        ]
    );
    let server = common::server()
        .store_has("the notebook", [Need::Transactions, Need::Watch])
        .sessions(Sessions::new().revocable())
        .request_state(RequestState::new().single_use());
    let found = problems(server, |platform| platform.host(MANY).store(Arc::new(NoStore)));
    let starts = [
        "`RequestState::single_use` needs a store that is atomic, and there is none (on Testing Grounds",
        "`Sessions::revocable` needs a store that is consistent, and there is none",
        "the notebook needs a store that is able to change entries together and able to tell of changes, and",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (problem, start) in found.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn a_platform_without_a_start_refuses_every_request_and_logs_why() {
    let stage = on(server(), |platform| platform.host(MANY));
    for _ in 0..2 {
        let refusal = Answer::new(stage.service.refusal(&stage.platform).unwrap());
        assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(refusal.text, "this server is configured wrong; its log says what is missing\n");
    }
    assert_eq!(stage.log.all().matches("what is kept in memory ends").count(), 2);
    let fine = Stage::new(server());
    assert!(fine.service.refusal(&fine.platform).is_none());
    assert_eq!(fine.log.all(), "");
    let answer = fine.send(Request::post("/mcp").body(json!({}).to_string().into()).unwrap());
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
