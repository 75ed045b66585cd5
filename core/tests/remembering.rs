//! What a server remembers of a client between its requests: in its session, for its principal, under a handle.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    KEY, OLD_KEY, Settings, Stage,
    live::{LATEST, Session},
};
use edgemcp::{
    HANDLE_TTL, Handle, SESSION_VALUE_TTL, Server,
    auth::{Principal, StaticTokens},
    limits::{HANDLE_BYTES_MAX, SESSION_VALUE_BYTES_MAX},
    prelude::*,
    stdio::Connection,
    store::NoStore,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Cart {
    number: u64,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Order {
    number: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct InCart {
    cart: Handle<Cart>,
    what: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    size: usize,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Of {
    order: Handle<Order>,
}

/// Of another module, and otherwise as the one here.
mod returned {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct Cart {
        pub(super) number: u64,
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Returned {
    cart: Handle<returned::Cart>,
}

fn server() -> Server {
    Server::new("remembering", "1")
        .tool(Tool::new("count", "Count.", |cx: Context, _: NoArguments| async move {
            let session = cx.session()?;
            let count = session.get::<u32>("how often?").await?.unwrap_or(0) + 1;
            session.set("how often?", &count).await?;
            Ok::<_, ToolError>(count)
        }))
        .tool(Tool::new("forget", "Forget.", |cx: Context, _: NoArguments| async move {
            cx.session()?.delete("how often?").await
        }))
        .tool(Tool::new("much", "Remember much.", |cx: Context, Size { size }| async move {
            cx.session()?.set("much", &"x".repeat(size)).await
        }))
        .tool(Tool::new("typed", "Read another type.", |cx: Context, _: NoArguments| async move {
            cx.session()?.set("typed", "text").await?;
            cx.session()?.get::<Cart>("typed").await.map(|_| ())
        }))
        .tool(Tool::new("open", "Open a cart.", |cx: Context, _: NoArguments| async move {
            cx.handle(Cart { number: 7 })
        }))
        .tool(Tool::new("long", "A long handle.", |cx: Context, Size { size }| async move {
            cx.handle("x".repeat(size))
        }))
        .tool(Tool::new("put", "Put into a cart.", |cx: Context, InCart { cart, what }| async move {
            let state = cx.session_of(&cart)?;
            let mut things: Vec<String> = state.get("things").await?.unwrap_or_default();
            things.push(what);
            state.set("things", &things).await?;
            Ok::<_, ToolError>(format!("{}: {}", cart.number, things.join(", ")))
        }))
        .tool(Tool::new("order", "Look at an order.", |_, Of { order }: Of| async move { order.number }))
        .tool(Tool::new(
            "returned",
            "Look at a returned cart.",
            |_, Returned { cart }| async move { cart.number },
        ))
        .prompt(Prompt::new("cart", "Talk of a cart.", |_, InCart { cart, .. }| async move {
            cart.into_inner().number.to_string()
        }))
        .completion(Completion::prompt("cart", "what", |_, Typed { what, cart }| async move {
            cart.map(|cart| format!("{what} for {}", cart.number)).into_iter().collect::<Vec<_>>()
        }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Typed {
    what: String,
    cart: Option<Handle<Cart>>,
}

fn guarded() -> Server {
    server()
        .verifier(StaticTokens::new().token("ada", Principal::new("ada")).token("bob", Principal::new("bob")))
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

#[test]
fn a_legacy_session_remembers_on_any_instance() {
    let stage = Stage::new(server());
    let (ada, bob) = (Session::begin(&stage), Session::begin(&stage));
    let other = stage.beside(server());
    let count = |session: &Session<'_>| session.post(&common::live::call("count")).message().to_owned();
    assert_eq!(count(&ada), "1");
    assert_eq!(count(&ada.at(&other)), "2");
    assert_eq!(count(&bob), "1");
    ada.post(&common::live::call("forget"));
    assert_eq!(count(&ada), "1");
    stage.clock.advance(SESSION_VALUE_TTL);
    assert_eq!(count(&ada), "1");
}

#[test]
fn a_modern_principal_is_remembered_and_nobody_is_not() {
    let stage = Stage::new(guarded());
    let count = |stage: &Stage, who: &str| {
        stage.modern_as(Some(who), "tools/call", call("count", json!({}))).message().to_owned()
    };
    assert_eq!(count(&stage, "ada"), "1");
    assert_eq!(count(&stage.beside(guarded()), "ada"), "2");
    assert_eq!(count(&stage, "bob"), "1");
    let open = Stage::new(server());
    for answer in [
        open.modern("tools/call", call("count", json!({}))),
        open.legacy(LATEST, "tools/call", call("count", json!({}))),
    ] {
        assert_eq!(answer.json["result"]["isError"], true);
        assert!(answer.message().contains("let the server have a verifier"), "{}", answer.message());
    }
}

#[test]
fn a_connection_remembers_and_another_one_does_not() {
    let stage = Stage::new(server());
    let count = |connection: &Connection| {
        let line = common::live::call("count").to_string();
        let lines = futures_executor::block_on(connection.receive(line.into()).collect::<Vec<_>>());
        let answer: Value = serde_json::from_slice(lines.last().unwrap()).unwrap();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let one = Connection::new(stage.service.clone(), stage.platform.clone());
    let other = Connection::new(stage.service.clone(), stage.platform.clone());
    assert_eq!((count(&one), count(&one), count(&other)), ("1".into(), "2".into(), "1".into()));
}

#[test]
fn what_is_too_large_or_of_another_type_is_refused_and_the_log_says_why() {
    let stage = Stage::new(guarded());
    let much = |size: usize| stage.modern_as(Some("ada"), "tools/call", call("much", json!({"size": size})));
    assert!(much(SESSION_VALUE_BYTES_MAX - 2).json["result"].get("isError").is_none());
    assert_eq!(much(SESSION_VALUE_BYTES_MAX - 1).json["result"]["isError"], true);
    assert!(stage.log.all().contains("put it into the store"), "{}", stage.log.all());
    let typed = stage.modern_as(Some("ada"), "tools/call", call("typed", json!({})));
    assert_eq!(typed.json["result"]["isError"], true);
    assert!(stage.log.all().contains("another type"));
    let forgetful = Stage::built(guarded(), Settings::default(), |builder| builder.store(Arc::new(NoStore)));
    let count = forgetful.modern_as(Some("ada"), "tools/call", call("count", json!({})));
    assert_eq!(count.json["result"]["isError"], true);
    assert!(forgetful.log.all().contains("no store is configured"));
}

/// A handle on cart 7, as a client gets it.
fn opened(stage: &Stage, who: Option<&str>) -> String {
    let answer = stage.modern_as(who, "tools/call", call("open", json!({})));
    assert!(answer.json["result"].get("isError").is_none(), "{answer:?} {}", stage.log.all());
    answer.message().to_owned()
}

#[test]
fn a_handle_carries_state_from_call_to_call_in_every_revision() {
    let stage = Stage::new(server());
    let cart = opened(&stage, None);
    assert!(!cart.contains('7') || cart.len() > 40, "nothing of it can be read: {cart}");
    let params = call("put", json!({"cart": cart, "what": "tea"}));
    let expected = ["7: tea", "7: tea, tea", "7: tea, tea, tea", "7: tea, tea, tea, tea"];
    for ((version, answer), expected) in
        stage.beside(server()).everywhere("tools/call", params).into_iter().zip(expected)
    {
        assert_eq!(answer.message(), expected, "{version:?}");
    }
    for (version, answer) in
        stage.everywhere("prompts/get", json!({"name": "cart", "arguments": {"cart": cart, "what": ""}}))
    {
        assert_eq!(answer.json["result"]["messages"][0]["content"]["text"], "7", "{version:?}");
    }
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "cart"},
        "argument": {"name": "what", "value": "tea"},
        "context": {"arguments": {"cart": cart}},
    });
    let completed = stage.modern("completion/complete", params);
    assert_eq!(completed.json["result"]["completion"]["values"], json!(["tea for 7"]), "{completed:?}");
    let listed = stage.modern("tools/list", json!({}));
    let put = listed.json["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "put");
    assert_eq!(put.unwrap()["inputSchema"]["properties"]["cart"]["type"], "string");
}

#[test]
fn equal_handles_of_two_principals_do_not_share_what_is_kept_under_them() {
    let stage = Stage::new(guarded());
    for who in ["ada", "bob"] {
        let cart = opened(&stage, Some(who));
        let answer =
            stage.modern_as(Some(who), "tools/call", call("put", json!({"cart": cart, "what": "tea"})));
        assert_eq!(answer.message(), "7: tea", "{who}");
    }
}

#[test]
fn a_handle_that_is_forged_swapped_expired_or_somebody_elses_never_reaches_the_handler() {
    let stage = Stage::new(guarded());
    let cart = opened(&stage, Some("ada"));
    let put = |stage: &Stage, who: &str, cart: &str| {
        stage.modern_as(Some(who), "tools/call", call("put", json!({"cart": cart, "what": "tea"})))
    };
    assert_eq!(put(&stage, "ada", &cart).message(), "7: tea");
    let mut forged = cart.clone().into_bytes();
    forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
    let refused = |answer: common::Answer| {
        assert_eq!(answer.json["result"]["isError"], true);
        let message = answer.message();
        assert!(message.contains("get another one") || message.contains("must"), "{message}");
    };
    refused(put(&stage, "ada", std::str::from_utf8(&forged).unwrap()));
    refused(put(&stage, "ada", cart.get(1..).unwrap()));
    refused(put(&stage, "ada", ""));
    refused(put(&stage, "ada", "7"));
    refused(put(&stage, "bob", &cart));
    refused(stage.modern_as(Some("ada"), "tools/call", call("order", json!({"order": cart}))));
    refused(stage.modern_as(Some("ada"), "tools/call", call("returned", json!({"cart": cart}))));
    let renamed = Stage::new(guarded());
    let elsewhere = renamed.beside(
        Server::new("other", "1")
            .verifier(StaticTokens::new().token("ada", Principal::new("ada")))
            .tool(Tool::new("put", "Put.", |_, InCart { cart, .. }: InCart| async move { cart.number })),
    );
    refused(put(&elsewhere, "ada", &cart));
    let rotated = Settings(vec![("EDGEMCP_SEAL_KEYS", format!("{OLD_KEY},{KEY}"))]);
    assert_eq!(put(&Stage::built(guarded(), rotated, |builder| builder), "ada", &cart).message(), "7: tea");
    let retired = Settings(vec![("EDGEMCP_SEAL_KEYS", OLD_KEY.to_owned())]);
    refused(put(&Stage::built(guarded(), retired, |builder| builder), "ada", &cart));
    stage.clock.advance(HANDLE_TTL - Duration::from_secs(1));
    assert_eq!(put(&stage, "ada", &cart).message(), "7: tea, tea");
    stage.clock.advance(Duration::from_secs(1));
    refused(put(&stage, "ada", &cart));
}

#[test]
fn a_handle_that_is_too_long_or_cannot_be_sealed_says_what_to_do() {
    let stage = Stage::new(server());
    let long = |size: usize| stage.modern("tools/call", call("long", json!({"size": size})));
    assert!(long(1000).json["result"].get("isError").is_none());
    assert_eq!(long(HANDLE_BYTES_MAX).json["result"]["isError"], true);
    assert!(stage.log.all().contains("put its key into the handle"), "{}", stage.log.all());
    let keyless = Stage::built(server(), Settings(Vec::new()), |builder| builder);
    assert_eq!(keyless.modern("tools/call", call("open", json!({}))).json["result"]["isError"], true);
    assert!(keyless.log.all().contains("EDGEMCP_SEAL_KEYS"), "{}", keyless.log.all());
}
