//! Components are changed, filtered and shown to some, for lists and for calls alike.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod components;
mod filters;
mod tools;

use common::{Answer, Stage};
use edgemcp::{Era, ProtocolVersion, Server, prelude::*};
use serde_json::{Value, json, value::RawValue};

/// Arguments that are given back as they came.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Find {
    /// What to find.
    #[schemars(with = "Value")]
    q: Box<RawValue>,
    /// How many.
    #[schemars(range(min = 1, max = 50), extend("x-mcp-header" = "Limit"))]
    limit: Option<u32>,
    #[serde(alias = "tenantId")]
    tenant: Option<String>,
}

fn find() -> Tool {
    Tool::new("find", "Find.", |_, Find { q, limit, tenant }| async move {
        format!("{} {limit:?} {tenant:?}", q.get())
    })
    .tag("internal")
}

fn problems(server: Server) -> Vec<String> {
    server.build().unwrap_err().problems().to_vec()
}

/// What a call is told, which must be the same in every revision. Modern headers repeat no argument unless `limit` is given.
fn call(stage: &Stage, name: &str, arguments: &str) -> String {
    let mut said = Vec::new();
    for version in ProtocolVersion::ALL {
        let answer = raw_call(stage, version, name, arguments, &[]);
        said.push(answer.message().to_owned());
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    said.remove(0)
}

/// A call whose arguments are sent as they are written.
fn raw_call(
    stage: &Stage,
    version: ProtocolVersion,
    name: &str,
    arguments: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let params = json!({"name": name, "arguments": "ARGUMENTS"});
    let (body, all) = match version.era() {
        Era::Modern => common::modern("tools/call", params),
        Era::Legacy => {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            (body, vec![("mcp-protocol-version", version.as_str().to_owned())])
        }
    };
    let all: Vec<_> =
        all.iter().map(|(name, value)| (*name, value.as_str())).chain(headers.iter().copied()).collect();
    stage.post(body.to_string().replace("\"ARGUMENTS\"", arguments), &all)
}

/// The names or URIs in a list, which must be the same in every revision.
fn listed(stage: &Stage, method: &str) -> Vec<String> {
    let lists: Vec<Vec<String>> =
        stage.everywhere(method, json!({})).into_iter().map(|(_, answer)| names(&answer)).collect();
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "{lists:?}");
    lists[0].clone()
}

fn names(answer: &Answer) -> Vec<String> {
    let members = answer.json["result"].as_object().unwrap_or_else(|| panic!("{}", answer.text));
    let list = members.values().find_map(Value::as_array).unwrap();
    let key = |item: &Value| {
        let key = [&item["uri"], &item["uriTemplate"], &item["name"]].into_iter().find_map(Value::as_str);
        key.unwrap().to_owned()
    };
    list.iter().map(key).collect()
}

fn page(uri: &'static str, name: &'static str) -> Resource {
    Resource::new(uri, name, |_, _: NoArguments| async { "…" })
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Member {
    team: String,
    id: Option<String>,
}

fn of_everything() -> Server {
    Server::new("test", "1")
        .tool(find())
        .tool(Tool::new("wipe", "Wipe.", |_, _: NoArguments| async { "wiped" }).tag("admin").version("1.0"))
        .tool(
            Tool::new("wipe", "Wipe.", |_, _: NoArguments| async { "wiped well" })
                .tag("admin")
                .version("2.0"),
        )
        .resource(page("data://config", "config").tag("admin"))
        .resource(Resource::new("team://{team}/{id}", "member", |_, Member { team, id }| async move {
            format!("{team} {id:?}")
        }))
        .prompt(Prompt::new(
            "invite",
            "Invite.",
            |_, Member { team, id }| async move { format!("{team} {id:?}") },
        ))
        .completion(Completion::prompt("invite", "team", |_, Member { .. }| async { vec!["red"] }))
        .completion(Completion::resource("team://{team}/{id}", "team", |_, Member { .. }| async {
            vec!["blue"]
        }))
}

/// What is there, by kind.
fn there(stage: &Stage) -> Vec<Vec<String>> {
    ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]
        .into_iter()
        .map(|method| {
            let answer = stage.modern(method, json!({}));
            // A method of a kind that is not there at all is none.
            if answer.code() == Some(-32601) { Vec::new() } else { names(&answer) }
        })
        .collect()
}

fn is_called(stage: &Stage, name: &str) -> bool {
    let answers = stage.everywhere("tools/call", json!({"name": name, "arguments": {"q": 1}}));
    let found: Vec<_> = answers.iter().map(|(_, answer)| answer.code().is_none()).collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {found:?}");
    found[0]
}
