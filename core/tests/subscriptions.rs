//! What changes, and who hears of it: on whichever instance it changes, and on whichever its client is.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::Arc,
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use common::{
    Answer, Settings, Stage,
    live::{Behind, LATEST, Reading, Session, capabilities, pass},
};
use edgemcp::{
    Change, ProtocolVersion, Server, TaskSupport,
    auth::{Principal, Requirement, StaticTokens},
    limits::{LISTEN_MAX, SUBSCRIPTIONS_MAX},
    prelude::*,
    stdio::Connection,
    store::{LIST_PAGE_MAX, MemoryStore, NoStore},
};
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Uri {
    uri: String,
}

fn plain() -> Server {
    Server::new("changing", "1")
        .tool(Tool::new("touch", "Change a resource.", |cx: Context, Uri { uri }| async move {
            cx.changed(Change::Resource(uri.into())).await
        }))
        .tool(
            Tool::new("slow", "Take a minute.", |cx: Context, _: NoArguments| async move {
                cx.platform().sleep(Duration::from_secs(60)).await;
            })
            .task(TaskSupport::Optional),
        )
        .resource(Resource::new("data://a", "a", |_, _: NoArguments| async { "a" }))
        .resource(Resource::new("data://b", "b", |_, _: NoArguments| async { "b" }))
}

fn server() -> Server {
    plain().list_changed().resource_subscriptions()
}

/// A platform that holds a stream for so long.
fn holding(hold: Duration) -> Stage {
    Stage::built(server(), Settings::default(), |builder| builder.hold_max(hold))
}

fn stage() -> Stage {
    holding(Duration::from_secs(2 * 3600))
}

fn listen(notifications: Value) -> Request<bytes::Bytes> {
    let (mut body, headers) = common::modern("subscriptions/listen", json!({"notifications": notifications}));
    body["id"] = "s1".into();
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_string().into()).unwrap()
}

fn change(stage: &Stage, change: Change) {
    futures_executor::block_on(stage.service.changed(&stage.platform, change)).unwrap();
}

fn methods(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["method"].as_str()).collect()
}

#[test]
fn a_listener_hears_what_it_asked_for_and_nothing_else() {
    let stage = stage();
    let mut listening = Reading::of(
        &stage,
        listen(json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["data://a", "data://none"],
        })),
    );
    let events = listening.events();
    let meta = json!({"io.modelcontextprotocol/subscriptionId": "s1"});
    assert_eq!(
        events[0],
        json!({
            "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            // There are no prompts, and no such resource.
            "params": {"_meta": meta, "notifications": {"toolsListChanged": true, "resourceSubscriptions": ["data://a"]}},
        })
    );
    let other = stage.beside(server());
    for what in [Change::Tools, Change::Resources, Change::Prompts, Change::Resource("data://b".into())] {
        change(&other, what);
    }
    let answer = other.modern("tools/call", json!({"name": "touch", "arguments": {"uri": "data://a"}}));
    assert!(answer.json["result"].get("isError").is_none());
    let events = listening.poll().events();
    assert_eq!(
        methods(&events[1..]),
        ["notifications/tools/list_changed", "notifications/resources/updated"]
    );
    assert!(events.iter().all(|event| event["params"]["_meta"] == meta));
    assert_eq!(events[2]["params"]["uri"], "data://a");
    assert!(!listening.ended);
}

#[test]
fn a_subscription_is_bounded_in_time_and_ends_with_a_result() {
    let stage = stage();
    let mut listening = Reading::of(&stage, listen(json!({"toolsListChanged": true})));
    stage.clock.advance(LISTEN_MAX - Duration::from_secs(1));
    assert!(!listening.poll().ended);
    assert!(listening.text.contains(": "), "somebody is still there");
    stage.clock.advance(Duration::from_secs(1));
    let events = listening.poll().events();
    assert!(listening.ended);
    assert_eq!(events.last().unwrap()["id"], "s1");
    assert_eq!(
        events.last().unwrap()["result"],
        json!({
            "resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": "s1"},
        })
    );
}

#[test]
fn a_subscription_ends_where_its_store_tells_nothing_more() {
    let store = Arc::new(MemoryStore::new(Arc::new(edgemcp_testkit::ManualClock::at(
        edgemcp::platform::Timestamp::from_millis(0),
    ))));
    let stage = Stage::built(server(), Settings::default(), |builder| {
        builder.hold_max(Duration::from_secs(3600)).store(store.clone())
    });
    let mut listening = Reading::of(&stage, listen(json!({"toolsListChanged": true})));
    assert!(!listening.poll().ended);
    // More changes than a watch keeps, while nobody reads.
    for number in 0..2000 {
        change(&stage, Change::Resource(format!("data://{number}").into()));
    }
    listening.poll();
    assert!(listening.ended);
    assert_eq!(listening.events().last().unwrap()["result"]["resultType"], "complete");
}

#[test]
fn what_is_announced_is_what_the_platform_can_deliver() {
    let announced = |stage: &Stage| {
        let discovered = stage.modern("server/discover", json!({}));
        let modern = discovered.json["result"]["capabilities"].clone();
        let begun = stage.post(common::live::initialize(LATEST, &capabilities()).to_string(), &[]);
        (modern, begun.json["result"]["capabilities"].clone())
    };
    let (modern, legacy) = announced(&stage());
    for capabilities in [&modern, &legacy] {
        assert_eq!(capabilities["resources"], json!({"listChanged": true, "subscribe": true}));
        assert_eq!(capabilities["tools"], json!({"listChanged": true}));
    }
    // A Lambda holds nothing; its legacy clients come by.
    let short = holding(Duration::from_secs(5));
    let (modern, legacy) = announced(&short);
    assert_eq!((&modern["resources"], &legacy["resources"]["subscribe"]), (&json!({}), &json!(true)));
    // Without a key there are no sessions, and without a store nobody learns of a change.
    let keyless = Stage::built(server(), Settings(Vec::new()), |builder| builder);
    let forgetful = Stage::built(server(), Settings::default(), |builder| {
        builder.store(Arc::new(NoStore)).hold_max(Duration::from_secs(3600))
    });
    let silent = Stage::built(plain(), Settings::default(), |builder| builder.hold_max(LISTEN_MAX));
    for stage in [keyless, forgetful, silent] {
        let (modern, legacy) = announced(&stage);
        assert_eq!((&modern["resources"], &legacy["resources"]), (&json!({}), &json!({})));
        let (body, headers) =
            common::modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = stage.post(body.to_string(), &headers);
        assert_eq!((refused.status, refused.code()), (StatusCode::NOT_FOUND, Some(-32601)));
        let refused = stage.legacy(LATEST, "resources/subscribe", json!({"uri": "data://a"}));
        assert_eq!(refused.code(), Some(-32601));
    }
    // Telling of what nobody was promised to hear of is a mistake of the server's.
    let error = futures_executor::block_on(async {
        let stage = Stage::new(plain());
        stage.service.changed(&stage.platform, Change::Tools).await
    });
    assert!(error.unwrap_err().to_string().contains("add `Server::list_changed()`"));
}

#[test]
fn a_listen_without_a_stream_or_with_nonsense_is_refused() {
    let stage = stage();
    let mut request = listen(json!({"toolsListChanged": true}));
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    let answer = Answer::new(stage.send(request));
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some(-32600)));
    for (notifications, says) in [
        (json!([]), "must be an object of flags"),
        (json!({"toolsListChanged": 1}), "must be an object of flags"),
        (json!({"resourceSubscriptions": vec!["data://a"; 1001]}), "more than 1000"),
        (json!({"resourceSubscriptions": ["d".repeat(9000)]}), "more than 8192"),
    ] {
        let answer = Answer::new(stage.send(listen(notifications)));
        assert_eq!(answer.code(), Some(-32602));
        assert!(answer.message().contains(says), "{}", answer.message());
    }
}

#[test]
fn a_listener_hears_how_its_tasks_stand() {
    let behind = Behind::default();
    let mut stage = stage();
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let declared = json!({"io.modelcontextprotocol/clientCapabilities": {
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }});
    let called = stage.modern("tools/call", json!({"name": "slow", "_meta": declared}));
    let id = called.json["result"]["taskId"].as_str().unwrap().to_owned();
    let (mut body, headers) = common::modern(
        "subscriptions/listen",
        json!({"_meta": declared, "notifications": {"taskIds": [id, "0".repeat(32)]}}),
    );
    body["id"] = 9.into();
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut listening = Reading::of(&stage, request.body(body.to_string().into()).unwrap());
    assert_eq!(listening.events()[0]["params"]["notifications"], json!({"taskIds": [id]}));
    pass(&stage, Duration::from_secs(61), || {
        behind.poll();
        listening.poll();
    });
    let events = listening.events();
    let last = events.iter().rfind(|event| event["method"] == "notifications/tasks").unwrap();
    assert_eq!((&last["params"]["taskId"], &last["params"]["status"]), (&json!(id), &json!("completed")));
    assert_eq!(last["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 9);
    assert!(last["params"].get("resultType").is_none());
    assert!(events.len() < 5, "what is of no interest is not told: {events:?}");
}

fn subscribe(session: &Session<'_>, method: &str, uri: &str) -> Answer {
    session.post(&json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": {"uri": uri}}))
}

/// The stream of what changes, from the start or from an event on.
fn stream(session: &Session<'_>, last: Option<&str>) -> Reading {
    let more: Vec<_> = last.iter().map(|last| ("last-event-id", *last)).collect();
    Reading::of(session.stage, session.request(Method::GET, String::new(), &more))
}

#[test]
fn a_legacy_client_that_has_subscribed_hears_on_its_stream() {
    let stage = stage();
    let session = Session::begin(&stage);
    let other = stage.beside(server());
    assert_eq!(subscribe(&session.at(&other), "resources/subscribe", "data://a").json["result"], json!({}));
    let mut stream = stream(&session, None);
    change(&other, Change::Resource("data://a".into()));
    change(&other, Change::Resource("data://b".into()));
    change(&other, Change::Tools);
    let events = stream.poll().events();
    assert_eq!(methods(&events), ["notifications/tools/list_changed", "notifications/resources/updated"]);
    assert_eq!(events[1]["params"], json!({"uri": "data://a"}));
    assert_eq!(subscribe(&session, "resources/unsubscribe", "data://a").json["result"], json!({}));
    change(&other, Change::Resource("data://a".into()));
    assert_eq!(stream.poll().events().len(), 2);
    assert_eq!(subscribe(&session, "resources/subscribe", "data://none").code(), Some(-32002));
    // Another session has subscribed to nothing.
    let stranger = Session::begin(&stage);
    let mut theirs = self::stream(&stranger, None);
    change(&other, Change::Resource("data://a".into()));
    assert!(theirs.poll().events().is_empty());
}

#[test]
fn a_session_has_as_many_subscriptions_as_it_may_whatever_else_it_keeps() {
    let server = server()
        .tool(Tool::new("keep", "Keep much.", |cx: Context, _: NoArguments| async move {
            for number in 0..LIST_PAGE_MAX {
                cx.session()?.set(&number.to_string(), &number).await?;
            }
            Ok::<_, ToolError>("kept")
        }))
        .resource(Resource::new("item://{uri}", "item", |_, Uri { uri }| async move { uri }));
    let stage = Stage::built(server, Settings::default(), |builder| builder);
    let session = Session::begin(&stage);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "keep"}});
    assert_eq!(session.post(&call).message(), "kept");
    for number in 0..SUBSCRIPTIONS_MAX {
        let uri = format!("item://{number}");
        assert_eq!(subscribe(&session, "resources/subscribe", &uri).json["result"], json!({}), "{uri}");
    }
    assert_eq!(subscribe(&session, "resources/subscribe", "item://one-more").code(), Some(-32602));
    // Whoever has one already is told so again.
    assert_eq!(subscribe(&session, "resources/subscribe", "item://7").json["result"], json!({}));
    subscribe(&session, "resources/unsubscribe", "item://7");
    assert_eq!(subscribe(&session, "resources/subscribe", "item://one-more").json["result"], json!({}));
}

#[test]
fn a_legacy_client_that_comes_by_hears_what_has_changed_since() {
    for stage in [Stage::new(server()), holding(Duration::from_secs(60))] {
        let session = Session::begin(&stage);
        subscribe(&session, "resources/subscribe", "data://a");
        change(&stage, Change::Tools);
        stage.clock.advance(Duration::from_secs(10));
        let mut first = stream(&session, None);
        assert!(first.poll().events().is_empty(), "what was before it asked is of no interest");
        let last = first.last_id();
        let is_held = stage.platform.hold_max().is_some();
        assert_eq!(first.ended, !is_held, "nobody holds a stream for it");
        assert_eq!(first.text.contains("retry: 30000"), !is_held, "{}", first.text);
        drop(first);
        stage.clock.advance(Duration::from_secs(10));
        change(&stage, Change::Resource("data://a".into()));
        stage.clock.advance(Duration::from_secs(10));
        let second = stream(&session, Some(&last));
        assert_eq!(methods(&second.events()), ["notifications/resources/updated"]);
        assert!(stream(&session, Some(&second.last_id())).events().is_empty());
    }
}

#[test]
fn a_get_for_a_stream_that_is_not_there_is_answered_at_once() {
    let silent = Stage::built(plain(), Settings::default(), |builder| builder.hold_max(LISTEN_MAX));
    let session = Session::begin(&silent);
    assert_eq!(stream(&session, None).status(), StatusCode::METHOD_NOT_ALLOWED);
    // Clients before 2025-11-25 come by too often, and not for long.
    let short = Stage::new(server());
    let old = Session::of(&short, ProtocolVersion::V2025_06_18, &capabilities(), None);
    assert_eq!(stream(&old, None).status(), StatusCode::METHOD_NOT_ALLOWED);
    let held = stage();
    let old = Session::of(&held, ProtocolVersion::V2025_06_18, &capabilities(), None);
    let mut stream = stream(&old, None);
    change(&held, Change::Tools);
    assert_eq!(stream.poll().events().len(), 1);
}

#[test]
fn a_client_on_a_connection_hears_between_its_answers() {
    let stage = stage();
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let mut notices = connection.notices();
    let mut next = || match notices.poll_next_unpin(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(Some(line)) => Some(serde_json::from_slice::<Value>(&line).unwrap()),
        Poll::Ready(None) | Poll::Pending => None,
    };
    let say = |message: Value| {
        let lines = connection.receive(message.to_string().into());
        let lines = futures_executor::block_on(lines.collect::<Vec<_>>());
        serde_json::from_slice::<Value>(lines.last().unwrap()).unwrap()
    };
    assert_eq!(next(), None);
    change(&stage, Change::Tools);
    assert_eq!(next(), None, "a client that has said nothing is told nothing");
    say(common::live::initialize(LATEST, &capabilities()));
    let subscribe =
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "data://a"}});
    assert_eq!(say(subscribe)["result"], json!({}));
    change(&stage, Change::Resource("data://a".into()));
    assert_eq!(next().unwrap()["params"], json!({"uri": "data://a"}));
    change(&stage, Change::Resource("data://b".into()));
    assert_eq!(next(), None);
}

#[test]
fn what_a_session_keeps_is_no_subscription() {
    let server = server().tool(Tool::new("keep", "Keep.", |cx: Context, _: NoArguments| async move {
        let session = cx.session()?;
        for number in 0..edgemcp::limits::SUBSCRIPTIONS_MAX {
            session.set(&format!("value {number}"), &number).await?;
        }
        Ok::<_, ToolError>(())
    }));
    let stage =
        Stage::built(server, Settings::default(), |builder| builder.hold_max(Duration::from_secs(60)));
    let session = Session::begin(&stage);
    session.post(&common::live::call("keep"));
    let answer = subscribe(&session, "resources/subscribe", "data://a");
    assert_eq!(answer.json["result"], json!({}), "{answer:?}");
}

#[test]
fn a_stream_that_is_taken_up_begins_where_its_client_was() {
    let stage = holding(Duration::from_secs(60));
    let session = Session::begin(&stage);
    let last = stream(&session, None).last_id();
    stage.clock.advance(Duration::from_secs(10));
    change(&stage, Change::Tools);
    stage.clock.advance(Duration::from_secs(10));
    let resumed = stream(&session, Some(&last));
    assert!(resumed.text.starts_with(&format!("id: {last}\n")), "{}", resumed.text);
}

#[test]
fn a_client_on_a_connection_ends_a_subscription_by_cancelling_it() {
    let stage = stage();
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let (mut body, _) =
        common::modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    body["id"] = 5.into();
    let mut lines = connection.receive(body.to_string().into());
    let mut task = Task::from_waker(Waker::noop());
    assert!(matches!(lines.poll_next_unpin(&mut task), Poll::Ready(Some(_))));
    assert!(lines.poll_next_unpin(&mut task).is_pending());
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {
        "requestId": 5,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    }});
    let said = connection.receive(cancelled.to_string().into());
    assert!(futures_executor::block_on(said.collect::<Vec<_>>()).is_empty());
    change(&stage, Change::Tools);
    match lines.poll_next_unpin(&mut task) {
        Poll::Ready(None) => {}
        Poll::Ready(Some(line)) => panic!("{}", String::from_utf8_lossy(&line)),
        Poll::Pending => panic!("it goes on"),
    }
}

#[test]
fn who_may_not_read_a_resource_does_not_hear_of_it() {
    let guarded = || {
        let tokens = StaticTokens::new()
            .token("ada", Principal::new("ada").scope("admin"))
            .token("bob", Principal::new("bob"));
        let admin = Requirement::scopes(["admin"]);
        server()
            .verifier(tokens)
            .resource(Resource::new("data://keys", "keys", |_, _: NoArguments| async { "…" }).requires(admin))
    };
    let stage = Stage::built(guarded(), Settings::default(), |builder| {
        builder.hold_max(Duration::from_secs(2 * 3600))
    });
    let asked = json!({"resourceSubscriptions": ["data://a", "data://keys"]});
    for (token, uris) in [("ada", json!(["data://a", "data://keys"])), ("bob", json!(["data://a"]))] {
        let mut request = listen(asked.clone());
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let events = Reading::of(&stage, request).events();
        assert_eq!(events[0]["params"]["notifications"]["resourceSubscriptions"], uris, "{token}");
    }
    for (token, is_admin) in [("ada", true), ("bob", false)] {
        let session = Session::of(&stage, LATEST, &capabilities(), Some(token));
        assert!(subscribe(&session, "resources/subscribe", "data://a").json["result"].is_object());
        let answer = subscribe(&session, "resources/subscribe", "data://keys");
        assert_eq!(answer.json["result"].is_object(), is_admin, "{token}: {}", answer.text);
        assert_eq!(answer.status == StatusCode::FORBIDDEN, !is_admin, "{token}: {}", answer.text);
    }
}
