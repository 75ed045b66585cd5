//! A modern client is asked by an answer, and its next request goes on from there, on whichever instance it meets.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use common::{Answer, KEY, OLD_KEY, Settings, Stage, capable, live::Session};
use edgemcp::{
    AskError, ModelPreferences, RequestState, Server, TaskSupport,
    auth::{Principal, StaticTokens},
    future::BoxFuture,
    platform::{Delegate, DelegateError},
    prelude::*,
    store::NoStore,
};
use futures_util::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    /// What to call you.
    #[schemars(length(max = 20))]
    name: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Color {
    color: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Cents {
    cents: u32,
}

/// A server that asks in every way.
fn server() -> Server {
    Server::new("asking", "1")
        .tool(Tool::new("greet", "Greet.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        }))
        .tool(Tool::new("two", "Ask twice.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            let Color { color } = cx.elicit("Which color?").await?;
            Ok::<_, ToolError>(format!("{name} likes {color}"))
        }))
        .tool(Tool::new("all", "Ask for everything at once.", |cx: Context, _: NoArguments| async move {
            let (Name { name }, said, roots) = cx
                .ask()
                .elicit::<Name>("What is your name?")
                .key("name")
                .and(
                    cx.sample("Say hello.")
                        .system_prompt("Be kind.")
                        .max_tokens(50)
                        .temperature(0.5)
                        .model_preferences(ModelPreferences::new().hint("small").speed(1.0))
                        .key("words"),
                )
                .roots()
                .await?;
            Ok::<_, ToolError>(format!("{name} {} {}", said.text(), roots[0].uri))
        }))
        .tool(Tool::new("joined", "Ask twice at once.", |cx: Context, _: NoArguments| async move {
            let (name, color) = futures_util::join!(
                cx.elicit::<Name>("What is your name?").into_future(),
                cx.elicit::<Color>("Which color?").into_future()
            );
            Ok::<_, ToolError>(format!("{} {}", name?.name, color?.color))
        }))
        .tool(Tool::new("open", "Send somebody somewhere.", |cx: Context, _: NoArguments| async move {
            cx.elicit_url("Give us your key.", "https://example.com/key").await?;
            Ok::<_, ToolError>("opened")
        }))
        .tool(Tool::new(
            "lenient",
            "Ask, and take no for an answer.",
            |cx: Context, _: NoArguments| async move {
                match cx.elicit::<Name>("What is your name?").await {
                    Ok(Name { name }) => Ok(name),
                    Err(AskError::Declined) => Ok("declined".to_owned()),
                    Err(AskError::Cancelled) => Ok("cancelled".to_owned()),
                    Err(AskError::MissingCapability(_)) => Ok("cannot ask".to_owned()),
                    Err(other) => Err(ToolError::from(other)),
                }
            },
        ))
        .resource(Resource::new("data://asked", "asked", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            Ok::<_, Error>(name)
        }))
        .prompt(Prompt::new("asked", "Ask for a prompt.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            Ok::<_, Error>(name)
        }))
}

/// Takes every task, and does none.
struct Nobody;

impl Delegate for Nobody {
    fn delegate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), DelegateError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A call of `name` by a client that can be asked everything.
fn call(name: &str) -> Value {
    json!({"name": name, "_meta": capable()})
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// The same request once more, with what its answer gave and these responses.
fn again(mut request: Value, answer: &Answer, responses: Value) -> Value {
    let state = &answer.json["result"]["requestState"];
    assert!(state.is_string(), "{answer:?}");
    request["requestState"] = state.clone();
    request["inputResponses"] = responses;
    request
}

#[test]
fn a_form_is_asked_for_and_its_answer_goes_on_from_there() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("greet"));
    assert_eq!(first.status, StatusCode::OK);
    let result = &first.json["result"];
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(
        result["inputRequests"],
        json!({"name": {"method": "elicitation/create", "params": {
            "message": "What is your name?",
            "requestedSchema": {
                "type": "object",
                "properties": {"name": {"description": "What to call you.", "maxLength": 20, "type": "string"}},
                "required": ["name"],
            },
        }}})
    );
    assert!(result.get("content").is_none());
    let retry = again(call("greet"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    let second = stage.beside(server()).modern("tools/call", retry);
    assert_eq!(second.message(), "Hello, Ada!");
    assert_eq!(second.json["result"]["resultType"], "complete");
}

#[test]
fn a_form_that_is_set_by_hand_is_what_its_answer_must_fit() {
    let form = json!({
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18},
            "color": {"type": "string", "enum": ["red", "green"]},
        },
        "required": ["age"],
    });
    let server = Server::new("by-hand", "1")
        .tool(Tool::new("any", "Ask for anything.", {
            let form = form.clone();
            move |cx: Context, _: NoArguments| {
                let form = form.clone();
                async move { cx.elicit::<Value>("?").schema(form).await.map(Json) }
            }
        }))
        .tool(Tool::new("typed", "Ask for a map.", move |cx: Context, _: NoArguments| {
            let form = form.clone();
            async move {
                let ages: std::collections::BTreeMap<String, Value> = cx.elicit("?").schema(form).await?;
                Ok::<_, ToolError>(Json(ages))
            }
        }));
    let stage = Stage::new(server);
    for tool in ["any", "typed"] {
        let first = stage.modern("tools/call", call(tool));
        let answered = |content: Value| {
            stage.modern("tools/call", again(call(tool), &first, json!({"ask-1": accept(content)})))
        };
        let good = json!({"age": 18, "color": "red"});
        assert_eq!(answered(good.clone()).message(), good.to_string(), "{tool}");
        for (content, says) in [
            (json!({"age": 17}), "expected at least 18, got 17"),
            (json!({"age": 18, "color": "blue"}), "\"blue\" is no choice"),
            (json!({"color": "red"}), "must have `age`"),
            (json!({"age": "18"}), "must be of type integer"),
            (json!("18"), "invalid type"),
        ] {
            let refused = answered(content.clone());
            assert_eq!(refused.code(), Some(-32602), "{tool} {content}: {refused:?}");
            assert!(refused.message().contains(says), "{tool} {content}: {}", refused.message());
        }
    }
}

#[test]
fn a_completion_asks_nothing_and_waits_for_nobody() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Wish {
        wish: String,
    }
    let server = Server::new("completing", "1")
        .tool(Tool::new("task", "A task.", |_, _: NoArguments| async {}).task(TaskSupport::Optional))
        .prompt(Prompt::new("wish", "Wish.", |_, Wish { wish }| async move { wish }))
        .completion(Completion::prompt("wish", "wish", |cx: Context, Wish { wish }| async move {
            cx.become_task().await;
            cx.close_stream().await;
            cx.warning("a line");
            let asked = cx.elicit::<bool>("Really?").await;
            vec![format!("{wish}: {}", asked.unwrap_err())]
        }));
    let stage = Stage::built(server, Settings::default(), |builder| {
        builder.hold_max(Duration::from_secs(60)).delegate(Arc::new(Nobody))
    });
    let mut capable = capable();
    capable["io.modelcontextprotocol/clientCapabilities"]["extensions"] =
        json!({"io.modelcontextprotocol/tasks": {}});
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "wish"}, "argument": {"name": "wish", "value": "tea"}, "_meta": capable,
    });
    let (body, headers) = common::modern("completion/complete", params.clone());
    let mut modern = http::Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        modern = modern.header(name, value);
    }
    let modern = modern.body(body.to_string().into()).unwrap();
    let session = Session::begin(&stage);
    let mut params = params;
    params["_meta"] = json!({});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": params});
    let legacy = session.request(http::Method::POST, body.to_string(), &[]);
    for request in [modern, legacy] {
        let answer =
            stage.service.handle(&stage.platform, request).now_or_never().expect("it waits for nobody");
        let answer = Answer::new(answer);
        let values = &answer.json["result"]["completion"]["values"];
        assert!(values[0].as_str().is_some_and(|value| value.starts_with("tea: ")), "{answer:?}");
    }
}

#[test]
fn prompts_and_resources_ask_too() {
    let stage = Stage::new(server());
    for (method, params, path) in [
        ("resources/read", json!({"uri": "data://asked", "_meta": capable()}), "/result/contents/0/text"),
        ("prompts/get", json!({"name": "asked", "_meta": capable()}), "/result/messages/0/content/text"),
    ] {
        let first = stage.modern(method, params.clone());
        let retry = again(params, &first, json!({"ask-1": accept(json!({"name": "Ada"}))}));
        assert_eq!(stage.modern(method, retry).json.pointer(path), Some(&json!("Ada")), "{method}");
    }
}

#[test]
fn each_round_keeps_the_answers_of_those_before_it() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("two"));
    let second = stage
        .modern("tools/call", again(call("two"), &first, json!({"ask-1": accept(json!({"name": "Ada"}))})));
    assert_eq!(
        second.json["result"]["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ask-2"]
    );
    assert_ne!(first.json["result"]["requestState"], second.json["result"]["requestState"]);
    let third = stage.modern(
        "tools/call",
        again(call("two"), &second, json!({"ask-2": accept(json!({"color": "blue"}))})),
    );
    assert_eq!(third.message(), "Ada likes blue");
}

#[test]
fn several_asks_go_out_at_once_and_what_was_not_answered_is_asked_again() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("all"));
    let asks = &first.json["result"]["inputRequests"];
    assert_eq!(asks["ask-1"], json!({"method": "roots/list", "params": {}}));
    assert_eq!(
        asks["words"],
        json!({"method": "sampling/createMessage", "params": {
            "messages": [{"role": "user", "content": {"type": "text", "text": "Say hello."}}],
            "maxTokens": 50, "systemPrompt": "Be kind.", "temperature": 0.5,
            "modelPreferences": {"hints": [{"name": "small"}], "speedPriority": 1.0},
        }})
    );
    let words = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}});
    let partly = json!({"name": accept(json!({"name": "Ada"})), "words": words});
    let second = stage.modern("tools/call", again(call("all"), &first, partly));
    let asks = second.json["result"]["inputRequests"].as_object().unwrap();
    assert_eq!(asks.keys().collect::<Vec<_>>(), ["ask-1"]);
    let roots = json!({"ask-1": {"roots": [{"uri": "file:///home"}]}});
    let third = stage.modern("tools/call", again(call("all"), &second, roots));
    assert_eq!(third.message(), "Ada hello file:///home");
}

#[test]
fn asks_that_are_awaited_together_go_out_together() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("joined"));
    assert_eq!(first.json["result"]["inputRequests"].as_object().unwrap().len(), 2);
    let both = json!({"ask-1": accept(json!({"name": "Ada"})), "ask-2": accept(json!({"color": "red"}))});
    assert_eq!(stage.modern("tools/call", again(call("joined"), &first, both)).message(), "Ada red");
}

#[test]
fn an_address_is_opened_by_consent_and_without_an_id() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("open"));
    let params = json!({"mode": "url", "message": "Give us your key.", "url": "https://example.com/key"});
    assert_eq!(first.json["result"]["inputRequests"]["ask-1"]["params"], params);
    let retry = again(call("open"), &first, json!({"ask-1": {"action": "accept"}}));
    assert_eq!(stage.modern("tools/call", retry).message(), "opened");
}

#[test]
fn a_person_can_say_no_and_the_handler_knows() {
    let stage = Stage::new(server());
    for (action, lenient, strict) in [
        ("decline", "declined", "the user declined to answer"),
        ("cancel", "cancelled", "the user dismissed the question"),
    ] {
        let first = stage.modern("tools/call", call("lenient"));
        let retry = again(call("lenient"), &first, json!({"ask-1": {"action": action}}));
        assert_eq!(stage.modern("tools/call", retry).message(), lenient);
        let first = stage.modern("tools/call", call("greet"));
        let retry = again(call("greet"), &first, json!({"name": {"action": action}}));
        let answer = stage.modern("tools/call", retry);
        assert_eq!((answer.message(), &answer.json["result"]["isError"]), (strict, &json!(true)));
    }
}

#[test]
fn a_client_that_cannot_be_asked_is_told_what_it_would_need() {
    let stage = Stage::new(server());
    let with = |capabilities: Value, name: &str| {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
        stage.modern("tools/call", json!({"name": name, "_meta": meta}))
    };
    let refused = with(json!({}), "greet");
    assert_eq!((refused.code(), refused.status), (Some(-32021), StatusCode::BAD_REQUEST));
    assert_eq!(refused.json["error"]["data"]["requiredCapabilities"], json!({"elicitation": {"form": {}}}));
    let refused = with(json!({"elicitation": {}}), "open");
    assert_eq!(refused.json["error"]["data"]["requiredCapabilities"], json!({"elicitation": {"url": {}}}));
    assert_eq!(with(json!({"elicitation": {"url": {}}}), "greet").code(), Some(-32021));
    assert_eq!(with(json!({"elicitation": {}}), "greet").json["result"]["resultType"], "input_required");
    assert_eq!(with(json!({}), "lenient").message(), "cannot ask");
}

#[test]
fn an_answer_of_the_wrong_kind_is_an_error_and_the_state_stays_good() {
    let stage = Stage::new(server());
    let first = stage.modern("tools/call", call("two"));
    for (wrong, says) in [
        (json!(7), "an object with `action`"),
        (json!("accept"), "an object with `action`"),
        (json!(["accept", {}]), "an object with `action`"),
        (json!({"action": "yes"}), "`action` must be accept, decline or cancel"),
        (json!({"action": "accept"}), "missing field `name`"),
        (json!({"action": "accept", "content": {"name": 7}}), "invalid argument `name`"),
        (json!({"action": "accept", "content": {"name": "x".repeat(21)}}), "at most 20 characters"),
        (json!({"action": "accept", "content": ["Ada"]}), "expected an object"),
    ] {
        let answer = stage.modern("tools/call", again(call("two"), &first, json!({"ask-1": wrong})));
        assert_eq!((answer.code(), answer.status), (Some(-32602), StatusCode::BAD_REQUEST), "{wrong}");
        assert!(answer.message().contains(says), "{wrong}: {}", answer.message());
    }
    let right = again(call("two"), &first, json!({"ask-1": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern("tools/call", right).json["result"]["resultType"], "input_required");
    for wrong in [json!({"roots": 7}), json!([]), json!({"roots": [{}]})] {
        let first = stage.modern("tools/call", call("all"));
        let words = json!({"role": "assistant", "model": "m", "content": []});
        let answers = json!({"name": accept(json!({"name": "Ada"})), "words": words, "ask-1": wrong});
        let answer = stage.modern("tools/call", again(call("all"), &first, answers));
        assert_eq!(answer.code(), Some(-32602), "{wrong}");
    }
}

#[test]
fn answers_come_unasked_for_keys_that_the_handler_chose_and_for_no_others() {
    let stage = Stage::new(server());
    let mut request = call("greet");
    request["inputResponses"] =
        json!({"name": accept(json!({"name": "Ada"})), "unknown": 7, "other": accept(json!({}))});
    assert_eq!(stage.modern("tools/call", request).message(), "Hello, Ada!");
    let mut request = call("two");
    request["inputResponses"] = json!({"ask-1": accept(json!({"name": "Ada"}))});
    assert_eq!(stage.modern("tools/call", request).json["result"]["resultType"], "input_required");
    let mut request = call("greet");
    request["inputResponses"] = json!({"wrong": accept(json!({"name": "Ada"}))});
    assert_eq!(stage.modern("tools/call", request).json["result"]["resultType"], "input_required");
    for wrong in [json!(null), json!([]), json!("x")] {
        let mut request = call("greet");
        request["inputResponses"] = wrong;
        assert_eq!(stage.modern("tools/call", request).code(), Some(-32602));
    }
}

/// The one answer to every state that is not good.
fn refused(answer: &Answer, why: &str) {
    assert_eq!((answer.code(), answer.status), (Some(-32602), StatusCode::BAD_REQUEST), "{why}: {answer:?}");
    assert!(
        answer.message().starts_with("`requestState` is none that this server gave out"),
        "{why}: {answer:?}"
    );
}

#[test]
fn a_state_that_is_forged_truncated_expired_or_swapped_is_refused_alike() {
    let stage =
        Stage::new(server().tool(Tool::new("greet2", "Greet.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(name)
        })));
    let first = stage.modern("tools/call", call("greet"));
    let state = first.json["result"]["requestState"].as_str().unwrap().to_owned();
    let answer = json!({"name": accept(json!({"name": "Ada"}))});
    let send = |stage: &Stage, name: &str, state: &str| {
        let mut request = call(name);
        request["requestState"] = state.into();
        request["inputResponses"] = answer.clone();
        stage.modern("tools/call", request)
    };
    assert_eq!(send(&stage, "greet", &state).message(), "Hello, Ada!");
    refused(&send(&stage, "greet", &format!("{state}-TAMPERED")), "longer");
    refused(&send(&stage, "greet", state.get(..state.len() - 2).unwrap()), "shorter");
    refused(&send(&stage, "greet", ""), "empty");
    refused(&send(&stage, "greet", "ü"), "no base64");
    for place in [0, 8, 30, state.len() - 1] {
        let mut forged = state.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        refused(&send(&stage, "greet", &String::from_utf8(forged).unwrap()), "forged");
    }
    refused(&send(&stage, "greet2", &state), "of another tool");
    let mut other = again(call("greet"), &first, answer.clone());
    other["arguments"] = json!({"x": 1});
    refused(&stage.modern("tools/call", other), "of other arguments");
    stage.clock.advance(Duration::from_secs(599));
    assert_eq!(send(&stage, "greet", &state).message(), "Hello, Ada!");
    stage.clock.advance(Duration::from_secs(1));
    refused(&send(&stage, "greet", &state), "expired");
    let other = Stage::new(Server::new("another", "1").tool(Tool::new(
        "greet",
        "Greet.",
        |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(name)
        },
    )));
    let fresh = Stage::new(server()).modern("tools/call", call("greet"));
    refused(
        &send(&other, "greet", fresh.json["result"]["requestState"].as_str().unwrap()),
        "of another server",
    );
}

#[test]
fn a_state_tells_integers_apart_that_a_double_would_not() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Account {
        id: u128,
    }
    let server = Server::new("accounts", "1").tool(Tool::new(
        "close",
        "Close an account.",
        |cx: Context, Account { id }| async move {
            let sure: bool = cx.elicit("Are you sure?").await?;
            Ok::<_, ToolError>(format!("{id} {sure}"))
        },
    ));
    let stage = Stage::new(server);
    let close = |id: &str, more: Value| {
        let mut params = json!({"name": "close", "arguments": {"id": "ID"}, "_meta": capable()});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (body, headers) = common::modern("tools/call", params);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.post(body.to_string().replace("\"ID\"", id), &headers)
    };
    let first = close("18446744073709551617", json!({}));
    let retry = json!({
        "requestState": first.json["result"]["requestState"],
        "inputResponses": {"ask-1": accept(json!({"value": true}))},
    });
    assert_eq!(close("18446744073709551618", retry.clone()).code(), Some(-32602));
    assert_eq!(close("18446744073709551617", retry).message(), "18446744073709551617 true");
}

#[test]
fn a_state_belongs_to_who_it_was_given_to() {
    let tokens = || {
        StaticTokens::new()
            .token("a", Principal::new("ada").from_issuer("i"))
            .token("b", Principal::new("ada").from_issuer("j"))
            .token("c", Principal::new("ada").from_issuer("i").through_client("c"))
    };
    let stage = Stage::new(server().verifier(tokens()));
    let first = stage.modern_as(Some("a"), "tools/call", call("greet"));
    let retry = again(call("greet"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern_as(Some("a"), "tools/call", retry.clone()).message(), "Hello, Ada!");
    refused(&stage.modern_as(Some("b"), "tools/call", retry.clone()), "another issuer's");
    refused(&stage.modern_as(Some("c"), "tools/call", retry), "another client's");
}

#[test]
fn keys_rotate_and_a_key_that_is_none_is_named() {
    let keys = |setting: &str| Settings(vec![("EDGEMCP_SEAL_KEYS", setting.to_owned())]);
    let stage = |setting: &str| Stage::built(server(), keys(setting), |builder| builder);
    let answer = json!({"name": accept(json!({"name": "Ada"}))});
    let first = stage(OLD_KEY).modern("tools/call", call("greet"));
    let retry = again(call("greet"), &first, answer);
    assert_eq!(
        stage(&format!("{KEY}, {OLD_KEY}")).modern("tools/call", retry.clone()).message(),
        "Hello, Ada!"
    );
    refused(&stage(KEY).modern("tools/call", retry), "of a key that has gone");

    for (setting, says) in [
        ("", "`EDGEMCP_SEAL_KEYS` to the output of `openssl rand -base64 32`"),
        ("AAAA", "has a key of 3 bytes at place 1; 32 are the fewest"),
        (&format!("{KEY},?"), "has no base64 at place 2"),
    ] {
        let stage = Stage::built(server(), keys(setting), |builder| builder);
        let answer = stage.modern("tools/call", call("greet"));
        assert_eq!(answer.json["result"]["isError"], true, "{answer:?}");
        assert!(answer.message().contains(says), "{}", answer.message());
        assert!(!answer.text.contains(KEY));
    }
}

#[test]
fn a_state_is_good_once_where_the_server_says_so() {
    let once = || server().request_state(RequestState::new().single_use());
    let stage = Stage::new(once());
    let first = stage.modern("tools/call", call("greet"));
    let retry = again(call("greet"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern("tools/call", retry.clone()).message(), "Hello, Ada!");
    refused(&stage.modern("tools/call", retry), "used before");

    let nowhere = Stage::built(once(), Settings::default(), |builder| builder.store(Arc::new(NoStore)));
    let answer = nowhere.modern("tools/call", call("greet"));
    assert_eq!(answer.code(), Some(-32603));
    assert!(
        nowhere.log.all().contains("`RequestState::single_use` needs a store that is atomic"),
        "{}",
        nowhere.log.all()
    );
}

#[test]
fn a_state_that_is_too_long_is_refused_with_the_way_out_or_kept_in_the_store() {
    let tool = || {
        Tool::new("long", "Keep much.", |cx: Context, _: NoArguments| async move {
            let text: String = cx.step("write", || async { Ok::<_, ToolError>("x".repeat(40_000)) }).await?;
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(format!("{name} {}", text.len()))
        })
    };
    let stage = Stage::new(Server::new("long", "1").tool(tool()));
    assert_eq!(stage.modern("tools/call", call("long")).code(), Some(-32603));
    let log = stage.log.all();
    assert!(log.contains("more than 32768: keep large results of steps in the store"), "{log}");

    let spilling = || Server::new("long", "1").tool(tool()).request_state(RequestState::new().spill());
    let stage = Stage::new(spilling());
    let first = stage.modern("tools/call", call("long"));
    assert!(first.json["result"]["requestState"].as_str().unwrap().len() < 200);
    let retry = again(call("long"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.beside(spilling()).modern("tools/call", retry.clone()).message(), "Ada 40000");
    stage.clock.advance(Duration::from_secs(600));
    refused(&stage.modern("tools/call", retry), "expired");
}

/// A server that charges, then asks; how often it charged; and whether the first charge fails.
fn shop(charges: &Arc<AtomicUsize>, fails: bool) -> Server {
    let charges = charges.clone();
    Server::new("shop", "1").tool(Tool::new("buy", "Buy.", move |cx: Context, Cents { cents }| {
        let charges = charges.clone();
        async move {
            let receipt: String = cx
                .step("charge", || async {
                    let number = charges.fetch_add(1, Ordering::Relaxed) + 1;
                    match fails && number == 1 {
                        true => Err(ToolError::new("the bank is closed")),
                        false => Ok(format!("receipt {number} over {cents}")),
                    }
                })
                .await?;
            let Name { name } = cx.elicit("For whom?").key("name").await?;
            Ok::<_, ToolError>(format!("{receipt} for {name}"))
        }
    }))
}

fn buy() -> Value {
    let mut request = call("buy");
    request["arguments"] = json!({"cents": 5});
    request
}

#[test]
fn a_step_is_not_done_again_by_a_continuation_nor_by_an_older_state() {
    let charges = Arc::new(AtomicUsize::new(0));
    let stage = Stage::new(shop(&charges, false));
    let first = stage.modern("tools/call", buy());
    let retry = again(buy(), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern("tools/call", retry.clone()).message(), "receipt 1 over 5 for Ada");
    assert_eq!(
        stage.beside(shop(&charges, false)).modern("tools/call", retry).message(),
        "receipt 1 over 5 for Ada"
    );
    assert_eq!(charges.load(Ordering::Relaxed), 1);
}

#[test]
fn a_step_gives_the_same_in_every_run() {
    // JSON is read to within one unit of a float's last place.
    const FLOAT: f64 = 521_875_894.724_377_16;
    let tool = || {
        Tool::new("measure", "Measure, then ask.", |cx: Context, _: NoArguments| async move {
            let measured: f64 = cx.step("measure", || async { Ok::<_, ToolError>(FLOAT) }).await?;
            let Name { name } = cx.elicit(format!("Whose is {measured}?")).key("name").await?;
            Ok::<_, ToolError>(name)
        })
    };
    let atomic = Stage::new(Server::new("lab", "1").tool(tool()));
    let without = Stage::built(Server::new("lab", "1").tool(tool()), Settings::default(), |builder| {
        builder.store(Arc::new(NoStore))
    });
    for stage in [atomic, without] {
        let first = stage.modern("tools/call", call("measure"));
        let retry = again(call("measure"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
        assert_eq!(stage.modern("tools/call", retry).message(), "Ada");
    }
}

#[test]
fn somebody_with_a_name_who_starts_over_does_not_pay_twice_until_the_call_is_finished() {
    let charges = Arc::new(AtomicUsize::new(0));
    let tokens = StaticTokens::new().token("a", Principal::new("ada")).token("b", Principal::new("bob"));
    let stage = Stage::new(shop(&charges, false).verifier(tokens));
    let ask = |token: &str| stage.modern_as(Some(token), "tools/call", buy());
    let (first, second) = (ask("a"), ask("a"));
    assert_eq!(charges.load(Ordering::Relaxed), 1, "the second is the first, sent again");
    ask("b");
    assert_eq!(charges.load(Ordering::Relaxed), 2, "another person's call is another one");
    let name = json!({"name": accept(json!({"name": "Ada"}))});
    let done = stage.modern_as(Some("a"), "tools/call", again(buy(), &second, name.clone()));
    assert_eq!(done.message(), "receipt 1 over 5 for Ada");
    ask("a");
    assert_eq!(charges.load(Ordering::Relaxed), 3, "the call was finished, so this is a new one");
    let late = stage.modern_as(Some("a"), "tools/call", again(buy(), &first, name));
    assert_eq!(late.message(), "receipt 1 over 5 for Ada");
    assert_eq!(charges.load(Ordering::Relaxed), 3, "an older state repeats nothing");
}

#[test]
fn a_step_that_failed_is_tried_again_and_one_that_was_begun_and_not_ended_is_not() {
    let charges = Arc::new(AtomicUsize::new(0));
    let tokens = || StaticTokens::new().token("a", Principal::new("ada"));
    let stage = Stage::new(shop(&charges, true).verifier(tokens()));
    assert_eq!(stage.modern_as(Some("a"), "tools/call", buy()).message(), "the bank is closed");
    assert_eq!(
        stage.modern_as(Some("a"), "tools/call", buy()).json["result"]["resultType"],
        "input_required"
    );
    assert_eq!(charges.load(Ordering::Relaxed), 2);

    let never = Server::new("shop", "1").verifier(tokens()).tool(Tool::new(
        "buy",
        "Buy.",
        |cx: Context, _: Cents| async move {
            let never: Result<(), ToolError> =
                cx.step("charge", std::future::pending::<Result<(), ToolError>>).await;
            never
        },
    ));
    let stage = Stage::new(never);
    // An instance dies in the middle of the step.
    let (body, headers) = common::modern("tools/call", buy());
    let mut request = http::Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in
        headers.iter().map(|(name, value)| (*name, value.as_str())).chain([("authorization", "Bearer a")])
    {
        request = request.header(name, value);
    }
    let request = request.body(body.to_string().into()).unwrap();
    let mut dying = Box::pin(stage.service.handle(&stage.platform, request));
    assert!(dying.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(dying);
    let charges = Arc::new(AtomicUsize::new(0));
    let next = stage.beside(shop(&charges, false).verifier(tokens()));
    let answer = next.modern_as(Some("a"), "tools/call", buy());
    assert!(answer.message().contains("was begun before"), "{answer:?}");
    assert_eq!(charges.load(Ordering::Relaxed), 0);
    next.clock.advance(Duration::from_secs(600));
    assert_eq!(next.modern_as(Some("a"), "tools/call", buy()).json["result"]["resultType"], "input_required");
}

#[test]
fn without_an_atomic_store_a_step_is_in_the_state_alone() {
    let charges = Arc::new(AtomicUsize::new(0));
    let stage =
        Stage::built(shop(&charges, false), Settings::default(), |builder| builder.store(Arc::new(NoStore)));
    let first = stage.modern("tools/call", buy());
    let retry = again(buy(), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern("tools/call", retry).message(), "receipt 1 over 5 for Ada");
    stage.modern("tools/call", buy());
    assert_eq!(charges.load(Ordering::Relaxed), 2);
}

#[test]
fn a_handler_that_asks_something_else_than_was_answered_is_refused() {
    let version = |question: &'static str| {
        Server::new("changing", "1").tool(Tool::new(
            "ask",
            "Ask.",
            move |cx: Context, _: NoArguments| async move {
                let Name { name } = cx.elicit(question).await?;
                Ok::<_, ToolError>(name)
            },
        ))
    };
    let stage = Stage::new(version("Your name?"));
    let first = stage.modern("tools/call", call("ask"));
    let retry = again(call("ask"), &first, json!({"ask-1": accept(json!({"name": "Ada"}))}));
    let answer = stage.beside(version("Your dog's name?")).modern("tools/call", retry);
    assert_eq!(answer.code(), Some(-32602));
    assert!(answer.message().contains("another question than the one that is asked now"), "{answer:?}");
}

#[test]
fn a_handler_that_never_asks_draws_nothing_and_stores_nothing() {
    let stage = Stage::new(common::server());
    let request = json!({"name": "add", "arguments": {"a": 2, "b": 3}, "_meta": capable()});
    assert_eq!(stage.modern("tools/call", request).message(), "5");
    assert_eq!(stage.random.draws(), 0);
    assert_eq!(stage.store.changes(), 0);
}

#[test]
fn a_step_beside_an_ask_ends_before_its_run_does() {
    let charges = Arc::new(AtomicUsize::new(0));
    let counted = charges.clone();
    let tool = Tool::new("buy", "Buy.", move |cx: Context, _: NoArguments| {
        let charges = counted.clone();
        async move {
            let charge = || async {
                let mut is_first = true;
                std::future::poll_fn(|task| match std::mem::take(&mut is_first) {
                    true => {
                        task.waker().wake_by_ref();
                        Poll::Pending
                    }
                    false => Poll::Ready(()),
                })
                .await;
                Ok::<_, ToolError>(charges.fetch_add(1, Ordering::Relaxed) + 1)
            };
            let name = cx.elicit::<Name>("For whom?").key("name").into_future();
            let (name, number) = futures_util::join!(name, cx.step::<usize, _, _>("charge", charge));
            Ok::<_, ToolError>(format!("{} {}", name?.name, number?))
        }
    });
    let stage = Stage::new(Server::new("shop", "1").tool(tool));
    let first = stage.modern("tools/call", call("buy"));
    let retry = again(call("buy"), &first, json!({"name": accept(json!({"name": "Ada"}))}));
    assert_eq!(stage.modern("tools/call", retry).message(), "Ada 1");
    assert_eq!(charges.load(Ordering::Relaxed), 1);
}

#[test]
fn a_step_asks_nothing() {
    let tool = Tool::new("buy", "Buy.", |cx: Context, _: NoArguments| async move {
        let ask = || async { cx.elicit::<Name>("For whom?").await.map(|Name { name }| name) };
        cx.step::<String, _, _>("ask", ask).await
    });
    let stage = Stage::new(Server::new("shop", "1").tool(tool));
    let answer = stage.modern("tools/call", call("buy"));
    assert!(answer.message().contains("a step asks nothing"), "{answer:?}");
}
