//! A legacy client is asked on the stream of its call, and answers to whichever instance it meets.

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
    asked::{one_piece, server, stage},
    live::{self, LATEST, Session, accept, call, capabilities, initialize, pass},
};
use edgemcp::{ProtocolVersion, Server, prelude::*, stdio::Connection, store::NoStore};
use edgemcp_testkit::FAILURE;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};

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

#[test]
fn a_store_that_fails_in_the_middle_ends_the_call_with_an_error_and_says_nothing_of_itself() {
    let hold = |builder: edgemcp::platform::PlatformBuilder| builder.hold_max(Duration::from_secs(60));
    let stage = Stage::built(server(), Settings::default(), hold);
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    stage.store.fail(true);
    let answer = session.answer(&reading.ask_id(), accept("Ada"));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "the client must know that it was not kept");
    pass(&stage, Duration::from_secs(10), || {
        reading.poll();
    });
    assert!(reading.ended, "it does not hang");
    let error = &reading.events().pop().unwrap()["error"];
    assert_eq!(error["code"], -32603);
    assert!(!reading.text.contains(FAILURE));
    assert!(stage.log.all().contains(FAILURE));
    stage.store.fail(false);
    assert_eq!(session.answer(&reading.ask_id(), accept("Ada")).status, StatusCode::ACCEPTED);

    stage.store.fail(true);
    let mut reading = session.call("greet");
    reading.poll();
    let answer: Value = reading.events().pop().unwrap();
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert!(reading.asks().is_empty(), "what could not be kept is not asked");
}

/// The largest value that the store takes, in bytes.
const VALUE_BYTES_MAX: usize = 16 << 10;

#[test]
fn an_answer_that_no_store_takes_is_told_to_whoever_asked() {
    let (stage, _) = stage();
    stage.store.value_bytes_max(VALUE_BYTES_MAX);
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
fn a_request_that_is_too_large_to_be_kept_is_refused_with_the_limit() {
    let (stage, _) = stage();
    stage.store.value_bytes_max(VALUE_BYTES_MAX);
    let session = Session::begin(&stage);
    let call_with = |bytes: usize| {
        let mut request = call("greet");
        request["params"]["_meta"]["note"] = "x".repeat(bytes).into();
        live::Reading::of(&stage, session.request(Method::POST, request.to_string(), &[]))
    };
    let mut reading = call_with(VALUE_BYTES_MAX);
    reading.poll();
    let error = reading.events().pop().unwrap()["error"].clone();
    assert_eq!(error["code"], -32602, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("the request takes 16"), "{message}");
    assert!(message.contains("more than the 16384 that the server's store takes"), "{message}");
    assert!(reading.asks().is_empty(), "what could not be kept is not asked");
    assert_eq!(stage.log.all(), "", "it is the client's mistake");

    // The same request, smaller by what is kept beside it.
    let mut reading = call_with(VALUE_BYTES_MAX - 1024);
    session.answer(&reading.ask_id(), accept("Ada"));
    pass(&stage, Duration::from_secs(1), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("Hello, Ada!"), "{}", reading.text);
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

#[test]
fn a_call_that_asks_for_nothing_does_not_depend_on_the_store() {
    let hold = |builder: edgemcp::platform::PlatformBuilder| builder.hold_max(Duration::from_secs(100));
    let stage = Stage::built(server(), Settings::default(), hold);
    let session = Session::begin(&stage);
    stage.store.fail(true);
    let mut reading = session.call("wait");
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("waited"), "{}", reading.text);
}
