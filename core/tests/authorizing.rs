//! A whole server, or what has a tag, is for some callers only: the others neither see nor use it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use common::{Answer, Stage, live::initialize};
use edgemcp::{
    ProtocolVersion, Server,
    auth::{Principal, Requirement, StaticTokens},
    middleware::{self, Authorization, Next},
    prelude::*,
    stdio::Connection,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Id {
    id: String,
}

fn says(name: &'static str, what: &'static str) -> Tool {
    Tool::new(name, what, move |_, _: NoArguments| async move { what })
}

/// A server with something open and something for admins of every kind.
fn server() -> Server {
    Server::new("shop", "1")
        .tool(says("open", "open"))
        .tool(says("wipe", "wiped").tag("admin"))
        .tool(says("audit", "audited").tag("admin").requires(Requirement::scopes(["audit", "admin"])))
        .tool(says("staff", "staff").tag("admin").requires(Requirement::roles("roles", ["staff"])))
        .tool(says("report", "old report").version("1").tag("admin"))
        .tool(says("report", "new report").version("2"))
        .resource(Resource::new("data://open", "open", |_, _: NoArguments| async { "open" }))
        .resource(Resource::new("data://keys", "keys", |_, _: NoArguments| async { "keys" }).tag("admin"))
        .resource(Resource::new("user://{id}", "user", |_, Id { id }| async move { id }).tag("admin"))
        .prompt(Prompt::new("open", "Open.", |_, _: NoArguments| async { "open" }))
        .prompt(Prompt::new("plan", "Plan.", |_, Id { id }| async move { id }).tag("admin"))
        .completion(Completion::prompt("plan", "id", |_, _: Id| async { vec!["secret".to_owned()] }))
        .completion(Completion::resource("user://{id}", "id", |_, _: Id| async { vec!["secret".to_owned()] }))
        .verifier(
            StaticTokens::new()
                .token("nobody", Principal::new("nobody"))
                .token("user", Principal::new("ada").scope("api"))
                .token("admin", Principal::new("eve").scope("api").scope("admin")),
        )
}

fn authorization() -> Authorization {
    Authorization::new(Requirement::scopes(["api"])).restrict_tag("admin", ["admin"])
}

/// The same request in both eras, of whoever has this token.
fn ask(stage: &Stage, token: &str, method: &str, params: &Value) -> [Answer; 2] {
    let bearer = format!("Bearer {token}");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let headers = [("mcp-protocol-version", "2025-11-25"), ("authorization", bearer.as_str())];
    [stage.modern_as(Some(token), method, params.clone()), stage.post(body.to_string(), &headers)]
}

fn names(answer: &Answer, list: &str) -> Vec<String> {
    let listed = answer.json["result"][list].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    listed.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_have_what_the_caller_may_use() {
    let stage = Stage::new(server().middleware(authorization()));
    for (method, list, user, admin) in [
        ("tools/list", "tools", vec!["open", "report"], vec!["open", "wipe", "report"]),
        ("resources/list", "resources", vec!["open"], vec!["open", "keys"]),
        ("resources/templates/list", "resourceTemplates", vec![], vec!["user"]),
        ("prompts/list", "prompts", vec!["open"], vec!["open", "plan"]),
    ] {
        for (token, seen) in [("user", user), ("admin", admin), ("nobody", vec![])] {
            for answer in ask(&stage, token, method, &json!({})) {
                assert_eq!(names(&answer, list), seen, "{token} {method}");
            }
        }
    }
}

#[test]
fn a_call_is_refused_with_the_scopes_that_would_help() {
    let stage = Stage::new(server().middleware(authorization()));
    let uses = [
        ("tools/call", json!({"name": "wipe"}), "\"wipe\"", "wiped"),
        ("resources/read", json!({"uri": "data://keys"}), "\"data://keys\"", "keys"),
        ("resources/read", json!({"uri": "user://secret"}), "\"user://secret\"", "secret"),
        ("prompts/get", json!({"name": "plan", "arguments": {"id": "secret"}}), "\"plan\"", "secret"),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "plan"}, "argument": {"name": "id", "value": ""}}),
            "\"plan\"",
            "secret",
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "user://{id}"}, "argument": {"name": "id", "value": ""}}),
            "\"user://{id}\"",
            "secret",
        ),
    ];
    for (method, params, what, said) in uses {
        for answer in ask(&stage, "admin", method, &params) {
            assert!(answer.text.contains(said) && answer.code().is_none(), "{answer:?}");
        }
        for (token, scopes) in [("user", "admin"), ("nobody", "api admin")] {
            for answer in ask(&stage, token, method, &params) {
                assert_eq!((answer.status.as_u16(), answer.code()), (403, Some(-32000)), "{answer:?}");
                assert_eq!(answer.message(), format!("{what} needs the scopes: {scopes}"));
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains(&format!("scope=\"{scopes}\"")), "{challenge}");
            }
        }
    }
}

#[test]
fn what_a_component_asks_itself_is_told_along_unless_no_scope_helps() {
    let stage = Stage::new(server().middleware(authorization()));
    for (token, name, said) in [
        ("nobody", "audit", "\"audit\" needs the scopes: api admin audit"),
        ("user", "audit", "\"audit\" needs the scopes: admin audit"),
        // Whoever has all that this asks hears of the rest from the component.
        ("admin", "audit", "\"audit\" needs the scopes: audit admin"),
        ("user", "staff", "\"staff\" needs the scopes: admin"),
        ("admin", "staff", "\"staff\" needs one of the roles: staff"),
    ] {
        for answer in ask(&stage, token, "tools/call", &json!({"name": name})) {
            assert_eq!((answer.status.as_u16(), answer.message()), (403, said), "{token}");
        }
    }
    let roles = Authorization::new(Requirement::roles("roles", ["staff"])).restrict_tag("admin", ["admin"]);
    let stage = Stage::new(server().middleware(roles));
    for answer in ask(&stage, "user", "tools/call", &json!({"name": "wipe"})) {
        assert_eq!(answer.message(), "\"wipe\" needs one of the roles: staff");
        assert!(answer.header("www-authenticate").is_none_or(|challenge| !challenge.contains("scope=")));
    }
}

#[test]
fn whoever_may_use_nothing_does_not_learn_what_there_is() {
    let stage = Stage::new(server().middleware(authorization()));
    for name in ["open", "none"] {
        for answer in ask(&stage, "nobody", "tools/call", &json!({"name": name})) {
            assert_eq!(answer.status, 403);
            assert_eq!(answer.message(), format!("\"{name}\" needs the scopes: api"));
        }
    }
    for answer in ask(&stage, "user", "tools/call", &json!({"name": "none"})) {
        assert_eq!(answer.code(), Some(-32602));
    }
    let tags_only =
        Stage::new(server().middleware(Authorization::default().restrict_tag("admin", ["admin"])));
    for answer in ask(&tags_only, "nobody", "tools/call", &json!({"name": "open"})) {
        assert_eq!(answer.message(), "open");
    }
}

#[test]
fn a_tool_that_a_hook_answers_for_is_for_the_same_callers() {
    let answers = middleware::on_call_tool(|_, call: middleware::CallTool, next: Next<_>| async move {
        match call.name() {
            "made up" => Ok(ToolOutput::new().content("answered")),
            _ => next.run(call).await,
        }
    });
    let stage = Stage::new(server().middleware(authorization()).middleware(answers));
    for answer in ask(&stage, "nobody", "tools/call", &json!({"name": "made up"})) {
        assert_eq!(answer.status, 403);
    }
    for answer in ask(&stage, "user", "tools/call", &json!({"name": "made up"})) {
        assert_eq!(answer.message(), "answered");
    }
}

#[test]
fn another_version_of_a_tool_is_no_way_around_its_tag() {
    let stage = Stage::new(server().middleware(authorization()));
    let of = |version: &str| json!({"name": "report", "_meta": {"fastmcp": {"version": version}}});
    for answer in ask(&stage, "user", "tools/call", &of("2")) {
        assert_eq!(answer.message(), "new report");
    }
    for answer in ask(&stage, "user", "tools/call", &of("1")) {
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    for answer in ask(&stage, "admin", "tools/call", &of("1")) {
        assert_eq!(answer.message(), "old report");
    }
}

#[test]
fn without_a_verifier_nobody_meets_it_over_http_and_everybody_over_stdio() {
    let server = || Server::new("shop", "1").tool(says("wipe", "wiped").tag("admin"));
    let stage = Stage::new(server().middleware(authorization()));
    stage.each("tools/call", &json!({"name": "wipe"}), |_, answer| assert_eq!(answer.status, 403));
    stage.each("tools/list", &json!({}), |_, answer| assert_eq!(names(&answer, "tools"), [""; 0]));

    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let say = |line: Value| {
        let lines = connection.receive(line.to_string().into()).collect::<Vec<_>>();
        let lines = futures_executor::block_on(lines);
        serde_json::from_slice::<Value>(&lines[0]).unwrap()
    };
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wipe"}});
    say(initialize(ProtocolVersion::V2025_11_25, &json!({})));
    assert_eq!(say(call)["result"]["content"][0]["text"], "wiped");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(say(list)["result"]["tools"].as_array().unwrap().len(), 1);
    let (modern, _) = common::modern("tools/call", json!({"name": "wipe"}));
    assert_eq!(say(modern)["result"]["content"][0]["text"], "wiped");
}
