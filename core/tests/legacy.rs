//! A legacy client is asked on the stream of its call, and answers to whichever instance it meets.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use common::{
    Answer, Settings, Stage,
    live::{self, Behind, LATEST, Session, accept, call, capabilities, initialize, pass},
};
use edgemcp::{
    AskError, LoggingLevel, Progress, ProtocolVersion, Server, Sessions,
    auth::{Principal, StaticTokens},
    future::BoxFuture,
    limits::SESSION_ID_BYTES_MAX,
    prelude::*,
    stdio::Connection,
    store::{
        Capabilities, Condition, Consistency, Entry, Key, MemoryStore, NoStore, Page, Partition, Store,
        StoreError, StoreErrorKind,
    },
};
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

fn server() -> Server {
    Server::new("asking", "1")
        .tool(Tool::new("greet", "Greet.", |cx: Context, _: NoArguments| async move {
            cx.progress(Progress::new(1.0).total(2.0));
            let Name { name } = cx.elicit("What is your name?").await?;
            cx.progress((2.0, 2.0));
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        }))
        .tool(Tool::new("both", "Ask for two things at once.", |cx: Context, _: NoArguments| async move {
            let (Name { name }, said) =
                cx.ask().elicit::<Name>("What is your name?").sample("Say hello.").await?;
            Ok::<_, ToolError>(format!("{name} {}", said.text()))
        }))
        .tool(Tool::new("log", "Log at every level.", |cx: Context, _: NoArguments| async move {
            for level in LoggingLevel::ALL {
                cx.log(level, level.as_str());
            }
        }))
        .tool(Tool::new("url", "Send somebody somewhere.", |cx: Context, _: NoArguments| async move {
            cx.elicit_url("Sign in.", "https://example.com/sign-in").await?;
            Ok::<_, ToolError>("opened")
        }))
        .tool(Tool::new("lenient", "Ask, and say how it went.", |cx: Context, _: NoArguments| async move {
            Ok::<_, ToolError>(match cx.elicit::<Name>("What is your name?").await {
                Ok(Name { name }) => name,
                Err(AskError::Refused(code, message)) => format!("refused: {code} {message}"),
                Err(other) => format!("{other}"),
            })
        }))
        .tool(Tool::new("wait", "Wait for a minute.", |cx: Context, _: NoArguments| async move {
            cx.platform().sleep(Duration::from_secs(60)).await;
            "waited"
        }))
        .tool(Tool::new("leave", "Close the stream, then go on.", |cx: Context, _: NoArguments| async move {
            cx.close_stream().await;
            cx.platform().sleep(Duration::from_secs(5)).await;
            "came back"
        }))
        .tool(Tool::new("who", "Say who the client is.", |cx: Context, _: NoArguments| async move {
            format!("{:?} {} {}", cx.client(), cx.client_has("sampling"), cx.client_has("roots"))
        }))
}

/// A platform that holds a stream for a minute, and works behind an answer.
fn stage() -> (Stage, Behind) {
    let behind = Behind::default();
    let mut stage =
        Stage::built(server(), Settings::default(), |builder| builder.hold_max(Duration::from_secs(60)));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    (stage, behind)
}

/// A platform that sends answers in one piece, and does nothing behind them.
fn one_piece() -> Stage {
    Stage::new(server())
}

#[test]
fn a_client_that_takes_events_alone_has_a_session_too() {
    for hold_max in [None, Some(Duration::from_secs(60))] {
        let stage = Stage::built(server(), Settings::default(), |builder| match hold_max {
            Some(hold_max) => builder.hold_max(hold_max),
            None => builder,
        });
        let body = initialize(LATEST, &capabilities()).to_string();
        let answer = stage.post(body, &[("accept", "text/event-stream")]);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert!(answer.header("mcp-session-id").is_some(), "{answer:?}");
    }
}

#[test]
fn a_session_is_in_its_id_and_any_instance_knows_it() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    assert!(session.id.len() <= SESSION_ID_BYTES_MAX, "{}", session.id.len());
    assert!(session.id.bytes().all(|b| (0x21..=0x7e).contains(&b)));
    let other = stage.beside(server());
    let answer = session.at(&other).post(&call("who"));
    assert_eq!(answer.message(), r#"Some(("c", "9")) true false"#);
}

#[test]
fn a_session_brings_its_revision_where_the_header_is_left_out() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut request = session.request(Method::POST, call("who").to_string(), &[]);
    request.headers_mut().remove("mcp-protocol-version");
    let answer = Answer::new(stage.send(request));
    assert!(answer.json["result"]["content"].is_array());
    let mut request = session.request(
        Method::POST,
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string(),
        &[],
    );
    request.headers_mut().remove("mcp-protocol-version");
    let server = Server::new("asking", "1").tool(Tool::new("n", "Count.", |_, _: NoArguments| async { 1 }));
    let answer = Answer::new(stage.beside(server).send(request));
    assert!(answer.json["result"]["tools"][0]["outputSchema"].is_object(), "2025-03-26 would have none");
}

#[test]
fn a_session_has_batches_where_its_revision_has() {
    let (stage, _) = stage();
    let batch = json!([call("who"), call("who")]).to_string();
    for (version, code) in [(ProtocolVersion::V2025_03_26, None), (LATEST, Some(-32600))] {
        let session = Session::of(&stage, version, &capabilities(), None);
        let mut request = session.request(Method::POST, batch.clone(), &[]);
        request.headers_mut().remove("mcp-protocol-version");
        let answer = Answer::new(stage.send(request));
        assert_eq!(answer.code(), code, "{version} {answer:?}");
        assert_eq!(answer.json.as_array().map_or(0, Vec::len), if code.is_none() { 2 } else { 0 });
    }
}

#[test]
fn a_batch_asks_for_each_of_its_calls() {
    let server =
        Server::new("asking", "1").tool(Tool::new("ask", "Ask.", |cx: Context, _: NoArguments| async move {
            let said = cx.sample("Say something.").await?;
            Ok::<_, ToolError>(said.text())
        }));
    let hold = |builder: edgemcp::platform::PlatformBuilder| builder.hold_max(Duration::from_secs(60));
    let stage = Stage::built(server, Settings::default(), hold);
    let session = Session::of(&stage, ProtocolVersion::V2025_03_26, &capabilities(), None);
    let batch =
        json!([call("ask"), {"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "ask"}}]);
    let mut reading = live::Reading::of(&stage, session.request(Method::POST, batch.to_string(), &[]));
    for (number, said) in ["one", "two"].into_iter().enumerate() {
        let asks = reading.asks();
        assert_eq!(asks.len(), number + 1, "{}", reading.text);
        let answer = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": said}});
        session.answer(asks[number]["id"].as_str().unwrap(), answer);
        pass(&stage, Duration::from_secs(1), || {
            reading.poll();
        });
    }
    let said = |id: u64| {
        let answer = reading.events().into_iter().find(|event| event["id"] == id).unwrap();
        answer["result"]["content"][0]["text"].clone()
    };
    assert_eq!((said(7), said(8)), (json!("one"), json!("two")));
}

#[test]
fn a_session_that_is_forged_truncated_expired_or_somebody_elses_is_not_found() {
    let tokens = || StaticTokens::new().token("a", Principal::new("ada")).token("b", Principal::new("bob"));
    let stage =
        Stage::new(server().verifier(tokens()).sessions(Sessions::new().ttl(Duration::from_secs(60))));
    let session = Session::of(&stage, LATEST, &capabilities(), Some("a"));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(session.post(&ping).status, StatusCode::OK);
    let gone = |session: Session<'_>, why: &str| {
        let answer = session.post(&ping);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{why}");
        assert_eq!(answer.json["id"], 1, "{why}");
        assert!(answer.message().contains("send `initialize` again"), "{why}: {answer:?}");
    };
    gone(Session { token: Some("b"), id: session.id.clone(), ..session }, "another's");
    gone(Session { id: format!("{}A", session.id), ..session.at(&stage) }, "longer");
    gone(Session { id: session.id.get(1..).unwrap().to_owned(), ..session.at(&stage) }, "shorter");
    gone(Session { id: "x".repeat(SESSION_ID_BYTES_MAX + 1), ..session.at(&stage) }, "too long");
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let other = Session { id: "x".to_owned(), ..session.at(&stage) };
    assert_eq!(other.post(&notification).status, StatusCode::NOT_FOUND);
    assert_eq!(other.answer("x", json!({})).status, StatusCode::NOT_FOUND);
    let again = Session { id: "x".to_owned(), ..session.at(&stage) }.post(&initialize(LATEST, &json!({})));
    assert_eq!(again.status, StatusCode::OK, "a client begins anew with the old id still in its hands");
    stage.clock.advance(Duration::from_secs(60));
    gone(session, "expired");
}

#[test]
fn a_modern_request_ignores_a_session_id() {
    let (stage, _) = stage();
    let (body, headers) = common::modern("tools/list", json!({}));
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("mcp-session-id", "nonsense"));
    let answer = stage.post(body.to_string(), &headers);
    assert_eq!((answer.status, answer.header("mcp-session-id")), (StatusCode::OK, None));
}

#[test]
fn without_a_key_or_where_they_are_switched_off_there_are_no_sessions() {
    let keyless = Stage::built(server(), Settings(Vec::new()), |builder| builder);
    let off = Stage::new(server().sessions(Sessions::off()));
    for stage in [keyless, off] {
        let answer = stage.post(initialize(LATEST, &capabilities()).to_string(), &[]);
        assert_eq!((answer.status, answer.header("mcp-session-id")), (StatusCode::OK, None));
        let asked = stage.legacy(LATEST, "tools/call", json!({"name": "greet"}));
        assert_eq!(asked.json["result"]["isError"], true);
        assert!(asked.message().contains("it has no session"), "{}", asked.message());
        let delete = Request::delete("/mcp").header("mcp-session-id", "x").body(Bytes::new()).unwrap();
        assert_eq!(stage.send(delete).status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let broken =
        Stage::built(server(), Settings(vec![("EDGEMCP_SEAL_KEYS", "AAAA".to_owned())]), |builder| builder);
    let answer = broken.post(initialize(LATEST, &capabilities()).to_string(), &[]);
    assert_eq!((answer.status, answer.header("mcp-session-id")), (StatusCode::OK, None));
    assert!(broken.log.all().contains("`EDGEMCP_SEAL_KEYS` has a key of 3 bytes"), "{}", broken.log.all());
}

#[test]
fn a_session_ends_for_every_instance_where_that_is_switched_on() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let end = |session: &Session<'_>| {
        Answer::new(session.stage.send(session.request(Method::DELETE, String::new(), &[])))
    };
    let refused = end(&session);
    assert_eq!(
        (refused.status, refused.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, Some("POST, OPTIONS"))
    );

    let revocable = || server().sessions(Sessions::new().revocable());
    let stage = Stage::new(revocable());
    let session = Session::begin(&stage);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(session.post(&ping).status, StatusCode::OK);
    assert_eq!(end(&session).status, StatusCode::NO_CONTENT);
    let other = stage.beside(revocable());
    assert_eq!(session.at(&other).post(&ping).status, StatusCode::NOT_FOUND);
    assert_eq!(end(&session).status, StatusCode::NOT_FOUND);
    assert_eq!(session.resume(&format!("{}.0", "a".repeat(32))).status(), StatusCode::NOT_FOUND);
}

#[test]
fn a_call_is_asked_on_its_stream_and_goes_on_with_the_posted_answer() {
    let (stage, _) = stage();
    for version in [ProtocolVersion::V2025_06_18, LATEST] {
        let session = Session::of(&stage, version, &capabilities(), None);
        let mut reading = session.call("greet");
        assert_eq!(reading.status(), StatusCode::OK);
        let primed = reading.text.starts_with("id: ") && reading.text.contains("\nretry: 1000\ndata: \n\n");
        assert_eq!(primed, version == LATEST, "{version} {}", reading.text);
        let events = reading.events();
        assert_eq!(events[0]["method"], "notifications/progress", "{version}");
        assert_eq!(events[1]["method"], "elicitation/create", "{version}");
        assert_eq!(events[1]["params"]["message"], "What is your name?");
        assert!(!reading.ended);
        let accepted = session.answer(&reading.ask_id(), accept("Ada"));
        assert_eq!((accepted.status, accepted.text.as_str()), (StatusCode::ACCEPTED, ""));
        pass(&stage, Duration::from_secs(1), || {
            reading.poll();
        });
        assert_eq!(reading.answer().as_deref(), Some("Hello, Ada!"), "{version} {}", reading.text);
        assert_eq!(reading.events().last().unwrap()["id"], 7);
        assert!(reading.ended);
    }
}

#[test]
fn the_answer_may_come_to_another_instance_and_the_first_one_counts() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    let (b, c) = (stage.beside(server()), stage.beside(server()));
    assert_eq!(session.at(&b).answer(&reading.ask_id(), accept("Ada")).status, StatusCode::ACCEPTED);
    assert_eq!(session.at(&c).answer(&reading.ask_id(), accept("Bob")).status, StatusCode::ACCEPTED);
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("Hello, Ada!"));
    assert_eq!(reading.events().iter().filter(|event| event["id"] == 7).count(), 1);
}

#[test]
fn several_asks_go_out_at_once_and_are_answered_one_by_one() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("both");
    let asks = reading.asks();
    assert_eq!(asks.len(), 2);
    let id = |method: &str| asks.iter().find(|ask| ask["method"] == method).unwrap()["id"].as_str().unwrap();
    let said = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hi"}});
    session.answer(id("sampling/createMessage"), said);
    pass(&stage, Duration::from_secs(2), || {
        reading.poll();
    });
    assert!(!reading.ended);
    assert_eq!(reading.asks().len(), 2, "nothing is asked twice");
    session.answer(id("elicitation/create"), accept("Ada"));
    pass(&stage, Duration::from_secs(2), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("Ada hi"));
}

#[test]
fn a_client_can_refuse_and_a_person_can_decline() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("lenient");
    let refusal =
        json!({"jsonrpc": "2.0", "id": reading.ask_id(), "error": {"code": -1, "message": "not now"}});
    assert_eq!(session.post(&refusal).status, StatusCode::ACCEPTED);
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("refused: -1 not now"));
    for (action, says) in
        [("decline", "the user declined to answer"), ("cancel", "the user dismissed the question")]
    {
        let mut reading = session.call("lenient");
        session.answer(&reading.ask_id(), json!({"action": action}));
        pass(&stage, Duration::from_secs(1), || {
            reading.poll();
        });
        assert_eq!(reading.answer().as_deref(), Some(says));
    }
    let mut reading = session.call("greet");
    session.answer(&reading.ask_id(), json!({"action": "accept", "content": {"name": 7}}));
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    let error = &reading.events().pop().unwrap()["error"];
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("invalid argument `name`"), "{error}");
}

#[test]
fn an_answer_of_null_is_one_that_does_not_fit() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    session.answer(&reading.ask_id(), Value::Null);
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    let error = &reading.events().pop().unwrap()["error"];
    assert_eq!(error["code"], -32602, "{error}");
    // The same where another instance takes the call up.
    let reading = session.call("greet");
    let (id, last) = (reading.ask_id(), reading.last_id());
    drop(reading);
    behind.lose();
    pass(&stage, Duration::from_secs(20), || ());
    session.answer(&id, Value::Null);
    let error = &session.resume(&last).events().pop().unwrap()["error"];
    assert_eq!(error["code"], -32602, "{error}");
}

#[test]
fn a_client_that_says_it_has_seen_more_than_there_is_gets_the_answer() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let id = reading.ask_id();
    let (call, _) = id.split_once('.').unwrap();
    drop(reading);
    behind.lose();
    pass(&stage, Duration::from_secs(20), || ());
    let mut back = session.resume(&format!("{call}.{}", u32::MAX));
    session.answer(&id, accept("Ada"));
    pass(&stage, Duration::from_secs(1), || {
        back.poll();
    });
    assert_eq!(back.answer().as_deref(), Some("Hello, Ada!"));
}

#[test]
fn an_answer_to_no_ask_or_of_another_session_changes_nothing() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    let id = reading.ask_id();
    let (call, _) = id.split_once('.').unwrap();
    let stranger = Session::begin(&stage);
    assert_eq!(stranger.answer(&id, accept("Eve")).status, StatusCode::ACCEPTED);
    for id in ["srv-1", "", &format!("{call}.9"), &format!("{}.0", "b".repeat(32)), &format!("{call}.x")] {
        assert_eq!(session.answer(id, accept("Eve")).status, StatusCode::ACCEPTED, "{id}");
    }
    let odd = json!({"jsonrpc": "2.0", "id": 5, "result": {}});
    assert_eq!(session.post(&odd).status, StatusCode::ACCEPTED);
    pass(&stage, Duration::from_secs(2), || {
        reading.poll();
    });
    assert!(!reading.ended);
    session.answer(&id, accept("Ada"));
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("Hello, Ada!"));
}

#[test]
fn an_instance_that_dies_between_ask_and_answer_is_taken_over_once_its_lease_is_over() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let (id, last) = (reading.ask_id(), reading.last_id());
    // Killed: nothing of it runs any more, not even what would tidy up.
    std::mem::forget(reading);
    let b = stage.beside(server());
    session.at(&b).answer(&id, accept("Ada"));
    let mut resumed = session.at(&b).resume(&last);
    assert!(resumed.text.starts_with(&format!("id: {last}\nretry: ")), "{}", resumed.text);
    pass(&stage, Duration::from_secs(10), || {
        resumed.poll();
    });
    assert!(resumed.answer().is_none(), "the lease is not over yet");
    pass(&stage, Duration::from_secs(6), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"), "{}", resumed.text);
    assert!(resumed.ended);
    assert!(resumed.asks().is_empty(), "what was sent before is not sent again");
    let mut again = session.at(&b).resume(&last);
    again.poll();
    assert_eq!(again.answer().as_deref(), Some("Hello, Ada!"), "the answer stays for who comes again");
}

#[test]
fn what_was_not_seen_of_a_stream_comes_again() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let first = reading.text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut resumed = session.resume(&first);
    resumed.poll();
    assert_eq!(resumed.ask_id(), reading.ask_id());
}

#[test]
fn a_platform_of_one_piece_sends_the_ask_and_goes_on_when_its_client_comes_back() {
    let stage = one_piece();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    assert!(reading.ended, "the answer is one piece");
    assert!(reading.text.contains("retry: 1000"));
    let id = reading.ask_id();
    let early = session.resume(&reading.last_id());
    assert!(early.ended && early.answer().is_none(), "nothing waits for a person");
    let b = stage.beside(server());
    session.at(&b).answer(&id, accept("Ada"));
    let resumed = session.resume(&early.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"));
    let old = Session::of(&stage, ProtocolVersion::V2025_06_18, &capabilities(), None);
    let refused = old.call("greet").answer().unwrap();
    assert!(refused.contains("EDGEMCP_LAMBDA_RESPONSE"), "{refused}");
}

#[test]
fn a_stream_is_closed_when_a_person_thinks_for_longer_than_the_platform_holds_it() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    assert!(reading.ended && reading.answer().is_none());
    // The posted answer has the call gone on with, though nobody is there to hear it.
    session.answer(&reading.ask_id(), accept("Ada"));
    assert_eq!(behind.len(), 1);
    behind.poll();
    assert_eq!(behind.len(), 0);
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"));
}

#[test]
fn exactly_one_of_several_who_come_back_runs_the_handler() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counting = {
        let runs = runs.clone();
        move || {
            let runs = runs.clone();
            Server::new("counting", "1").tool(Tool::new(
                "greet",
                "Greet.",
                move |cx: Context, _: NoArguments| {
                    let runs = runs.clone();
                    async move {
                        let Name { name } = cx.elicit("What is your name?").await?;
                        runs.fetch_add(1, Ordering::Relaxed);
                        cx.platform().sleep(Duration::from_secs(3)).await;
                        Ok::<_, ToolError>(name)
                    }
                },
            ))
        }
    };
    let stage =
        Stage::built(counting(), Settings::default(), |builder| builder.hold_max(Duration::from_secs(10)));
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    pass(&stage, Duration::from_secs(11), || {
        reading.poll();
    });
    assert!(reading.ended);
    session.answer(&reading.ask_id(), accept("Ada"));
    let others: Vec<_> = (0..3).map(|_| stage.beside(counting())).collect();
    let mut resumed: Vec<_> =
        others.iter().map(|other| session.at(other).resume(&reading.last_id())).collect();
    pass(&stage, Duration::from_secs(8), || {
        for reading in &mut resumed {
            reading.poll();
        }
    });
    for reading in &resumed {
        assert_eq!(reading.answer().as_deref(), Some("Ada"));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_handler_closes_its_stream_and_its_client_comes_back_for_the_answer() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("leave");
    reading.poll();
    assert!(reading.ended && reading.answer().is_none(), "{}", reading.text);
    assert_eq!(behind.len(), 1, "the handler goes on behind");
    let mut resumed = session.resume(&reading.last_id());
    pass(&stage, Duration::from_secs(6), || {
        behind.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("came back"), "{}", resumed.text);

    // Where nothing runs behind an answer, the handler runs again.
    let stage = one_piece();
    let session = Session::begin(&stage);
    let reading = session.call("leave");
    assert!(reading.ended && reading.answer().is_none());
    let mut resumed = session.resume(&reading.last_id());
    pass(&stage, Duration::from_secs(6), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("came back"));
}

#[test]
fn a_client_that_goes_away_has_not_cancelled_and_one_that_says_so_has() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("wait");
    drop(reading);
    assert_eq!(behind.len(), 1, "the work goes on");
    pass(&stage, Duration::from_secs(61), || behind.poll());
    assert_eq!(behind.len(), 0);

    let mut reading = session.call("wait");
    let other = stage.beside(server());
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(session.at(&other).post(&cancelled).status, StatusCode::ACCEPTED);
    pass(&stage, Duration::from_secs(3), || {
        reading.poll();
    });
    assert!(
        reading.ended && reading.events().is_empty(),
        "a cancelled request has no answer: {}",
        reading.text
    );

    let mut asking = session.call("greet");
    let id = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 8}});
    session.post(&id);
    pass(&stage, Duration::from_secs(3), || {
        asking.poll();
    });
    assert!(asking.ended, "7 was cancelled before, and stays so");
}

#[test]
fn log_lines_come_as_the_session_wants_them() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let levels = |session: &Session<'_>| -> Vec<String> {
        let mut reading = session.call("log");
        reading.poll();
        let events = reading.events();
        let lines = events.iter().filter(|event| event["method"] == "notifications/message");
        lines.map(|event| event["params"]["level"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(levels(&session)[0], "info", "without a word from the client");
    for (level, count) in [("debug", 8), ("warning", 5), ("emergency", 1)] {
        let set =
            json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": level}});
        assert_eq!(session.post(&set).json["result"], json!({}));
        let other = stage.beside(server());
        assert_eq!(levels(&session.at(&other)).len(), count, "{level}");
    }
    let wrong = json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "loud"}});
    let answer = session.post(&wrong);
    assert_eq!(answer.code(), Some(-32602));
    assert!(answer.message().contains("must be one of debug, info"), "{answer:?}");
}

#[test]
fn a_client_that_takes_no_stream_is_told_nothing_beside_its_answer() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let mut request = session.request(Method::POST, call("log").to_string(), &[]);
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    let answer = Answer::new(stage.send(request));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut request = session.request(Method::POST, call("greet").to_string(), &[]);
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    let answer = Answer::new(stage.send(request));
    assert!(answer.message().contains("it takes no stream"), "{answer:?}");
}

#[test]
fn an_address_that_cannot_be_asked_for_is_an_error_that_names_it() {
    let stage = Stage::built(server(), Settings::default(), |builder| builder.store(Arc::new(NoStore)));
    let session = Session::begin(&stage);
    let answer = session.post(&call("url"));
    assert_eq!(answer.code(), Some(-32042));
    let elicitation = &answer.json["error"]["data"]["elicitations"][0];
    assert_eq!(
        (&elicitation["mode"], &elicitation["url"]),
        (&json!("url"), &json!("https://example.com/sign-in"))
    );
    assert!(elicitation["elicitationId"].is_string());
    let answer = session.post(&call("greet"));
    assert!(answer.message().contains("EDGEMCP_OBJECTS"), "{}", answer.message());
}

#[test]
fn a_client_is_asked_only_what_its_handshake_declared() {
    let (stage, _) = stage();
    let session = Session::of(&stage, LATEST, &json!({"sampling": {}}), None);
    let answer = session.post(&call("greet"));
    assert_eq!(answer.code(), Some(-32600));
    assert!(answer.message().contains("elicitation.form"), "{answer:?}");
}

/// A memory store that fails from a moment on, and at values that are too large.
struct Failing {
    store: MemoryStore,
    broken: Arc<std::sync::atomic::AtomicBool>,
}

/// The largest value that a [`Failing`] store takes, in bytes.
const VALUE_BYTES_MAX: usize = 16 << 10;

impl Failing {
    fn check(&self) -> Result<(), StoreError> {
        match self.broken.load(Ordering::Relaxed) {
            true => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "any", "the database at 10.0.0.7 is down"))
            }
            false => Ok(()),
        }
    }
}

impl Store for Failing {
    fn capabilities(&self) -> Capabilities {
        Capabilities { watch: false, ..self.store.capabilities() }
    }
    fn get<'a>(&'a self, key: &'a Key, how: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.store.get(key, how).await
        })
    }
    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.store.put(key, value, ttl).await
        })
    }
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key)
    }
    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        self.store.take(key)
    }
    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            self.check()?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(StoreError::new(StoreErrorKind::TooLarge, "put_if", "the value is too large"));
            }
            self.store.put_if(key, value, ttl, condition).await
        })
    }
    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.store.increment(key, by, ttl)
    }
    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.store.list(partition, after, limit).await
        })
    }
}

#[test]
fn a_store_that_fails_in_the_middle_ends_the_call_with_an_error_and_says_nothing_of_itself() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clock =
        edgemcp_testkit::ManualClock::at(edgemcp::platform::Timestamp::from_millis(1_800_000_000_000));
    let store = Failing { store: MemoryStore::new(Arc::new(clock)), broken: broken.clone() };
    let stage = Stage::built(server(), Settings::default(), |builder| {
        builder.store(Arc::new(store)).hold_max(Duration::from_secs(60))
    });
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    broken.store(true, Ordering::Relaxed);
    let answer = session.answer(&reading.ask_id(), accept("Ada"));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "the client must know that it was not kept");
    pass(&stage, Duration::from_secs(10), || {
        reading.poll();
    });
    assert!(reading.ended, "it does not hang");
    let error = &reading.events().pop().unwrap()["error"];
    assert_eq!(error["code"], -32603);
    assert!(!reading.text.contains("10.0.0.7"));
    assert!(stage.log.all().contains("10.0.0.7"));
    broken.store(false, Ordering::Relaxed);
    assert_eq!(session.answer(&reading.ask_id(), accept("Ada")).status, StatusCode::ACCEPTED);

    broken.store(true, Ordering::Relaxed);
    let mut reading = session.call("greet");
    reading.poll();
    let answer: Value = reading.events().pop().unwrap();
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert!(reading.asks().is_empty(), "what could not be kept is not asked");
}

#[test]
fn an_answer_that_no_store_takes_is_told_to_whoever_asked() {
    let clock =
        edgemcp_testkit::ManualClock::at(edgemcp::platform::Timestamp::from_millis(1_800_000_000_000));
    let store = Failing { store: MemoryStore::new(Arc::new(clock)), broken: Arc::default() };
    let stage = Stage::built(server(), Settings::default(), |builder| {
        builder.store(Arc::new(store)).hold_max(Duration::from_secs(60))
    });
    let session = Session::begin(&stage);
    let mut reading = session.call("lenient");
    let answer = session.answer(&reading.ask_id(), accept(&"x".repeat(VALUE_BYTES_MAX)));
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    pass(&stage, Duration::from_secs(10), || {
        reading.poll();
    });
    let told = reading.answer().unwrap();
    assert_eq!(told, "refused: -32602 the answer is larger than the server's store takes");
    assert_eq!(stage.log.all(), "");
}

#[test]
fn over_stdio_a_client_is_asked_on_its_connection() {
    let stage = Stage::built(server(), Settings(Vec::new()), |builder| builder.store(Arc::new(NoStore)));
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let say = |line: Value| connection.receive(line.to_string().into());
    let mut task = Task::from_waker(Waker::noop());
    let mut next = |lines: &mut edgemcp::stdio::Lines| -> Option<Value> {
        match lines.poll_next_unpin(&mut task) {
            Poll::Ready(line) => line.map(|line| serde_json::from_slice(&line).unwrap()),
            Poll::Pending => panic!("nothing is said"),
        }
    };
    next(&mut say(initialize(LATEST, &capabilities()))).unwrap();
    let mut lines = say(call("greet"));
    assert_eq!(next(&mut lines).unwrap()["method"], "notifications/progress");
    let ask = next(&mut lines).unwrap();
    assert_eq!(ask["method"], "elicitation/create");
    assert_eq!(next(&mut say(json!({"jsonrpc": "2.0", "id": "other", "result": {}}))), None);
    assert_eq!(next(&mut say(json!({"jsonrpc": "2.0", "id": ask["id"], "result": accept("Ada")}))), None);
    assert_eq!(next(&mut lines).unwrap()["params"]["progress"], 2.0);
    assert_eq!(next(&mut lines).unwrap()["result"]["content"][0]["text"], "Hello, Ada!");
    assert_eq!(next(&mut lines), None);

    let set = json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "alert"}});
    next(&mut say(set)).unwrap();
    let mut lines = say(call("log"));
    assert_eq!(next(&mut lines).unwrap()["params"]["level"], "alert");
    let mut waiting = say(call("wait"));
    assert!(waiting.poll_next_unpin(&mut Task::from_waker(Waker::noop())).is_pending());
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(next(&mut say(cancelled)), None);
    assert_eq!(next(&mut waiting), None, "a cancelled request has no answer");
}
