//! A session is its id: any instance knows it, and nobody else's.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use common::{
    Answer, KEY, OLD_KEY, Settings, Stage,
    asked::{server, stage},
    live::{LATEST, Session, call, capabilities, initialize},
};
use edgemcp::{
    ProtocolVersion, Server, Sessions,
    auth::{Principal, StaticTokens},
    limits::SESSION_ID_BYTES_MAX,
    platform::Vars,
    prelude::*,
};
use http::{Method, Request, StatusCode};
use serde_json::json;

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

/// Keys that somebody replaces while the server runs.
#[derive(Clone)]
struct Replaced(Arc<Mutex<String>>);

impl Vars for Replaced {
    fn var(&self, name: &str) -> Option<String> {
        (name == "EDGEMCP_SEAL_KEYS").then(|| self.0.lock().unwrap().clone())
    }
}

#[test]
fn a_key_that_is_replaced_while_the_server_runs_counts_from_the_next_request_on() {
    let keys = Replaced(Arc::new(Mutex::new(OLD_KEY.to_owned())));
    let vars = Arc::new(keys.clone());
    let stage = Stage::built(server(), Settings::default(), |builder| builder.vars(vars));
    let set = |to: &str| to.clone_into(&mut keys.0.lock().unwrap());
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let old = Session::begin(&stage);
    assert_eq!(old.post(&ping).status, StatusCode::OK);
    set(&format!("{KEY},{OLD_KEY}"));
    assert_eq!(old.post(&ping).status, StatusCode::OK, "it still opens");
    let new = Session::begin(&stage);
    set(KEY);
    assert_eq!(old.post(&ping).status, StatusCode::NOT_FOUND, "it was taken away");
    assert_eq!(new.post(&ping).status, StatusCode::OK);
    set("AAAA");
    assert_eq!(new.post(&ping).status, StatusCode::NOT_FOUND, "what is set is no key");
    set(KEY);
    assert_eq!(new.post(&ping).status, StatusCode::OK);
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
