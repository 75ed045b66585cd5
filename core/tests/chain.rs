//! Do the middlewares of a server nest as they should, whatever they do: stop early, fail late, never go on, panic?

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Answer, Stage, server};
use edgemcp::{
    ProtocolVersion, Server,
    future::BoxFuture,
    middleware::{self, CallTool, ListTools, Message, Middleware, Next, Response, Stage as Place},
    prelude::*,
};
use serde_json::{Value, json};

/// What was seen, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Notes each of its hooks on the way in and on the way out.
struct Noting(&'static str, Seen);

macro_rules! noting {
    ($($hook:ident($message:ty) -> $response:ty;)*) => {
        impl Middleware for Noting {
            $(fn $hook<'a>(&'a self, _: &'a Context, message: $message, next: Next<$message>) -> BoxFuture<'a, Result<$response, Error>> {
                Box::pin(async move {
                    let Self(name, seen) = self;
                    seen.note(format!("{name}.{} >", stringify!($hook)));
                    let answer = next.run(message).await;
                    seen.note(format!("{name}.{} <", stringify!($hook)));
                    answer
                })
            })*
        }
    };
}

noting! {
    on_message(Message) -> Response;
    on_request(Message) -> Response;
    on_notification(Message) -> Response;
    on_initialize(middleware::Initialize) -> ();
    on_discover(middleware::Discover) -> ();
    on_call_tool(CallTool) -> ToolOutput;
    on_read_resource(middleware::ReadResource) -> edgemcp::ResourceOutput;
    on_get_prompt(middleware::GetPrompt) -> edgemcp::PromptOutput;
    on_list_tools(ListTools) -> middleware::Listed<Tool>;
    on_list_resources(middleware::ListResources) -> middleware::Listed<Resource>;
    on_list_resource_templates(middleware::ListResourceTemplates) -> middleware::Listed<Resource>;
    on_list_prompts(middleware::ListPrompts) -> middleware::Listed<Prompt>;
    on_task(middleware::TaskMethod) -> ();
}

fn noting() -> (Stage, Seen) {
    let seen = Seen::default();
    let server = server().middleware(Noting("a", seen.clone())).middleware(Noting("b", seen.clone()));
    (Stage::new(server), seen)
}

fn nested(own: &str) -> Vec<String> {
    let hooks: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|name| ["on_message", "on_request", own].map(|hook| format!("{name}.{hook}")))
        .filter(|hook| !hook.ends_with('.'))
        .collect();
    let ins = hooks.iter().map(|hook| format!("{hook} >"));
    ins.chain(hooks.iter().rev().map(|hook| format!("{hook} <"))).collect()
}

#[test]
fn the_hooks_of_a_middleware_nest_before_the_next_ones() {
    let (stage, seen) = noting();
    for (method, params, hook) in [
        ("tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}), "on_call_tool"),
        ("tools/call", json!({"name": "fail", "arguments": {}}), "on_call_tool"),
        ("tools/call", json!({"name": "nothing of the kind"}), "on_call_tool"),
        ("resources/read", json!({"uri": "data://config"}), "on_read_resource"),
        ("resources/read", json!({"uri": "user://7/profile"}), "on_read_resource"),
        ("prompts/get", json!({"name": "greet", "arguments": {"name": "Ada"}}), "on_get_prompt"),
        ("tools/list", json!({}), "on_list_tools"),
        ("resources/list", json!({}), "on_list_resources"),
        ("resources/templates/list", json!({}), "on_list_resource_templates"),
        ("prompts/list", json!({}), "on_list_prompts"),
        ("no/such/method", json!({}), ""),
    ] {
        for version in ProtocolVersion::ALL {
            match version {
                ProtocolVersion::V2026_07_28 => stage.modern(method, params.clone()),
                _ => stage.legacy(version, method, params.clone()),
            };
            assert_eq!(seen.take(), nested(hook), "{version} {method}");
        }
    }
}

#[test]
fn what_only_the_server_answers_passes_the_middlewares_too() {
    let (stage, seen) = noting();
    let answer = stage.modern("server/discover", json!({}));
    assert!(answer.json["result"]["capabilities"].is_object(), "{answer:?}");
    assert_eq!(seen.take(), nested("on_discover"));
    let handshake = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "initialize", handshake);
    assert!(answer.header("mcp-session-id").is_some(), "{answer:?}");
    assert_eq!(seen.take(), nested("on_initialize"));
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "ping", json!({}));
    assert_eq!(answer.json["result"], json!({}));
    assert_eq!(seen.take(), nested(""));
    let told = stage.post(
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        &[("mcp-protocol-version", "2025-11-25")],
    );
    assert_eq!(told.status.as_u16(), 202);
    let hooks = ["a.on_message", "a.on_notification", "b.on_message", "b.on_notification"];
    let ins = hooks.iter().map(|hook| format!("{hook} >"));
    let all: Vec<_> = ins.chain(hooks.iter().rev().map(|hook| format!("{hook} <"))).collect();
    assert_eq!(seen.take(), all);
}

fn add(stage: &Stage) -> Vec<(ProtocolVersion, Answer)> {
    stage.everywhere("tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}))
}

#[test]
fn a_hook_that_never_goes_on_answers_with_its_own_response_or_not_at_all() {
    let short = middleware::on_call_tool(|_, call: CallTool, _| async move {
        match call.arguments_json().contains('1') {
            true => Ok(ToolOutput::new().structured(&json!({"short": true}))?),
            false => Err(Error::custom(-31_999, "not today")),
        }
    });
    let inner = Seen::default();
    let stage = Stage::new(server().middleware(short).middleware(Noting("inner", inner.clone())));
    for (version, answer) in add(&stage) {
        let result = &answer.json["result"];
        match version >= ProtocolVersion::V2025_06_18 {
            true => assert_eq!(result["structuredContent"], json!({"short": true}), "{version}"),
            false => assert_eq!(result["content"][0]["text"], "{\"short\":true}", "{version}"),
        }
    }
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "add", "arguments": {}})) {
        assert_eq!((answer.code(), answer.message()), (Some(-31_999), "not today"), "{version}");
    }
    assert!(inner.take().is_empty(), "nothing further in was reached");
}

#[test]
fn what_only_the_server_can_answer_is_not_answered_by_a_hook() {
    let swallows = middleware::on_request(|_, message: Message, next: Next<Message>| async move {
        match message.method() {
            "ping" | "server/discover" => Ok(Response::Done),
            _ => next.run(message).await,
        }
    });
    let stage = Stage::new(server().middleware(swallows));
    let answer = stage.modern("server/discover", json!({}));
    assert_eq!(answer.code(), Some(-32603), "{answer:?}");
    assert!(stage.log.all().contains("a middleware has answered \"server/discover\""), "{}", stage.log.all());
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "ping", json!({}));
    assert_eq!(answer.code(), Some(-32603), "{answer:?}");
}

#[test]
fn a_hook_that_answers_with_what_answers_something_else_is_the_servers_fault() {
    let confuses = middleware::on_message(|_, _: Message, _| async { Ok(Response::Done) });
    let stage = Stage::new(server().middleware(confuses));
    for (version, answer) in add(&stage) {
        assert_eq!(answer.code(), Some(-32603), "{version}");
    }
    assert!(stage.log.all().contains("answered a message with what answers another"), "{}", stage.log.all());
}

#[test]
fn a_hook_that_fails_after_the_handler_has_run_is_what_the_client_hears() {
    let late = middleware::on_call_tool(|_, call: CallTool, next: Next<_>| async move {
        next.run(call).await?;
        Err(Error::forbidden("too late"))
    });
    let stage = Stage::new(server().middleware(late));
    for (version, answer) in add(&stage) {
        assert_eq!((answer.status.as_u16(), answer.message()), (403, "too late"), "{version}");
    }
    let initialize = middleware::on_initialize(|_, message, next: Next<_>| async move {
        next.run(message).await?;
        Err(Error::forbidden("no more clients"))
    });
    let stage = Stage::new(server().middleware(initialize));
    let handshake = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "initialize", handshake);
    assert_eq!((answer.message(), answer.header("mcp-session-id")), ("no more clients", None), "{answer:?}");
}

#[test]
fn a_hook_that_panics_is_a_500_with_an_id_and_the_next_request_is_answered() {
    let panics = middleware::on_request(|_, message: Message, next: Next<_>| async move {
        assert!(message.target() != Some("leak"), "at hunter2");
        next.run(message).await
    });
    let stage = Stage::new(server().middleware(panics));
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "leak", "arguments": {}})) {
        assert_eq!((answer.status.as_u16(), answer.code()), (500, Some(-32603)), "{version} {answer:?}");
        assert!(!answer.text.contains("hunter2"));
    }
    for (version, answer) in add(&stage) {
        assert_eq!(answer.json["result"]["content"][0]["text"], "3", "{version}");
    }
}

#[test]
fn a_failure_of_a_tool_is_an_error_further_out_and_is_for_the_model_at_last() {
    let seen = Seen::default();
    let noted = seen.clone();
    let looks = middleware::on_call_tool(move |_, call: CallTool, next: Next<_>| {
        let seen = noted.clone();
        async move {
            let answer = next.run(call).await;
            if let Err(error) = &answer {
                seen.note(format!("{:?} {} {:?}", error.kind(), error.message(), error.cause().is_some()));
            }
            answer
        }
    });
    let stage = Stage::new(server().middleware(looks));
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "fail", "arguments": {}})) {
        assert_eq!(answer.json["result"]["isError"], true, "{version}");
    }
    let each = ProtocolVersion::ALL.len();
    assert_eq!(seen.take(), vec!["Tool there is nothing to do false"; each]);
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "leak", "arguments": {}})) {
        assert_eq!(answer.json["result"]["isError"], true, "{version}");
        assert!(!answer.text.contains("hunter2"));
    }
    assert_eq!(seen.take(), vec!["Tool the tool failed; the cause is in the server's log true"; each]);
}

#[test]
fn a_hook_may_change_the_arguments_the_name_and_the_answer() {
    let doubles = middleware::on_call_tool(|_, call: CallTool, next: Next<_>| async move {
        let Value::Object(mut arguments) = call.arguments::<Value>()? else { return next.run(call).await };
        arguments.insert("b".to_owned(), json!(40));
        let mut call = call.with_arguments(&arguments)?;
        if call.name() == "plus" {
            call.set_name("add");
        }
        Ok(next.run(call).await?.content("changed"))
    });
    let stage = Stage::new(server().middleware(doubles));
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "plus", "arguments": {"a": 2}})) {
        let result = &answer.json["result"];
        assert_eq!(result["content"][0]["text"], "changed", "{version} {answer:?}");
        if version >= ProtocolVersion::V2025_06_18 {
            assert_eq!(result["structuredContent"]["result"], 42, "{version}");
        }
    }
}

/// A middleware that does nothing, of the stage it is made with.
struct Staged(&'static str, Place);

impl Middleware for Staged {
    fn name(&self) -> &str {
        self.0
    }

    fn stage(&self) -> Place {
        self.1
    }
}

#[test]
fn an_order_that_defeats_a_middleware_is_refused_and_can_be_allowed() {
    let cache_first = || {
        Server::new("t", "1")
            .middleware(Staged("Cache", Place::Caching))
            .middleware(Staged("Limit", Place::RateLimiting))
    };
    let problem = cache_first().build().unwrap_err().to_string();
    assert!(
        problem.contains(
            "middleware `Cache` stands before `Limit`, and what it answers from the cache would not be"
        ),
        "{problem}"
    );
    assert!(problem.contains("add `Limit` first, or say `Server::any_middleware_order()`"), "{problem}");
    assert!(cache_first().any_middleware_order().build().is_ok());
    let errors_inside = Server::new("t", "1")
        .middleware(Staged("Timing", Place::Observation))
        .middleware(Staged("Errors", Place::ErrorHandling));
    let problem = errors_inside.build().unwrap_err().to_string();
    assert!(problem.contains("middleware `Timing` stands before `Errors`"), "{problem}");
    let taught = Server::new("t", "1")
        .middleware(Staged("Errors", Place::ErrorHandling))
        .middleware(Staged("Timing", Place::Observation))
        .middleware(Staged("Limit", Place::RateLimiting))
        .middleware(Staged("Own", Place::Any))
        .middleware(Staged("Cache", Place::Caching));
    assert!(taught.build().is_ok());
}

#[derive(Clone)]
struct Tenant(&'static str);

#[test]
fn what_is_passed_along_reaches_the_handler_and_no_other_request() {
    let passes = middleware::on_message(|cx: Context, message: Message, next: Next<_>| async move {
        if message.target() == Some("whose") {
            cx.extend(Tenant("acme"));
        }
        next.run(message).await
    });
    let tool = |name: &'static str| {
        Tool::new(name, "Says whose.", |cx: Context, _: NoArguments| async move {
            cx.extension::<Tenant>().map_or("nobody's", |Tenant(name)| name)
        })
    };
    let stage = Stage::new(Server::new("t", "1").middleware(passes).tool(tool("whose")).tool(tool("other")));
    for (name, whose) in [("whose", "acme"), ("other", "nobody's")] {
        for (version, answer) in stage.everywhere("tools/call", json!({"name": name})) {
            assert_eq!(answer.message(), whose, "{version}");
        }
    }
}

#[test]
fn a_middleware_can_ask_the_person_before_a_tool_is_called() {
    let asks = middleware::on_call_tool(|cx: Context, call: CallTool, next: Next<_>| async move {
        let sure: bool = cx.elicit("Really?").key("sure").await?;
        match sure {
            true => next.run(call).await,
            false => Err(ToolError::new("it was not wanted").into()),
        }
    });
    let stage = Stage::new(server().middleware(asks));
    let call = |more: Value| {
        let mut params = json!({"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": common::capable()});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        stage.modern("tools/call", params)
    };
    let asked = call(json!({}));
    assert_eq!(asked.json["result"]["resultType"], "input_required", "{asked:?}");
    let state = &asked.json["result"]["requestState"];
    for (sure, said) in [(true, "3"), (false, "it was not wanted")] {
        let answer = call(json!({
            "requestState": state,
            "inputResponses": {"sure": {"action": "accept", "content": {"value": sure}}},
        }));
        assert_eq!(answer.message(), said, "{answer:?}");
    }
}
