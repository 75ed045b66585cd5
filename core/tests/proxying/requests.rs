//! How often a remote is asked, and for what: once for a call, and not at all for what does not concern it.

use std::time::Duration;

use edgemcp::{Server, compose::Mount, prelude::*, remote::Remote};
use serde_json::json;

use crate::{
    common::{self, Settings},
    ground::{Far, Speaks, URL, add, another, near, remote, stage, stage_of, tools},
};

const LISTS: [&str; 4] = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];

#[test]
fn ten_calls_are_ten_requests() {
    for (speaks, handshake) in [
        (Speaks::ModernOnly, &["server/discover"][..]),
        (Speaks::LegacyOnly, &["server/discover", "initialize", "notifications/initialized"]),
    ] {
        let far = Far::new(common::server(), speaks);
        let stage = stage(&far);
        for _ in 0..10 {
            assert_eq!(add(&stage).message(), "3");
        }
        let methods = far.methods();
        let (first, calls) = methods.split_at(handshake.len() + LISTS.len());
        assert_eq!(first, [handshake, &LISTS].concat(), "{speaks:?}");
        assert_eq!(calls, ["tools/call"; 10], "{speaks:?}");
    }
}

#[test]
fn an_instance_that_starts_finds_all_of_it_in_the_store() {
    for speaks in [Speaks::ModernOnly, Speaks::LegacyOnly] {
        let far = Far::new(common::server(), speaks);
        let first = stage(&far);
        add(&first);
        far.methods();
        let second = another(&first);
        assert_eq!(tools(&second).len(), 6);
        assert_eq!(far.methods(), [""; 0], "{speaks:?}");
        assert_eq!(add(&second).message(), "3");
        let seen = far.take();
        assert_eq!(seen.len(), 1, "{speaks:?}");
        assert_eq!(seen[0].header("mcp-session-id").is_some(), speaks == Speaks::LegacyOnly);
    }
}

#[test]
fn what_does_not_concern_a_remote_does_not_ask_it() {
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage(&far);
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "own"})) {
        assert_eq!(answer.message(), "own", "{version}");
    }
    stage.modern("server/discover", json!({}));
    for (_, answer) in stage.everywhere("tools/call", json!({"name": "nobodys"})) {
        assert_eq!(answer.code(), Some(-32602), "{}", answer.text);
    }
    for (_, answer) in stage.everywhere("resources/read", json!({"uri": "data://elsewhere/config"})) {
        assert!(answer.message().contains("no resource"), "{}", answer.text);
    }
    assert_eq!(far.methods(), [""; 0]);
}

#[test]
fn only_the_remote_is_asked_whose_prefix_a_name_has() {
    let far = Far::new(common::server(), Speaks::Both);
    let inner =
        || Server::new("inner", "1").mount(Mount::under("deep", remote().timeout(Duration::from_secs(5))));
    let server =
        Server::new("near", "1").mount(Mount::under("one", remote())).mount(Mount::under("two", inner()));
    let stage = stage_of(server, &far);
    let answer = stage.modern("tools/call", json!({"name": "two_deep_add", "arguments": {"a": 1, "b": 2}}));
    assert_eq!(answer.message(), "3");
    let methods = far.methods();
    assert_eq!(methods.iter().filter(|method| *method == "tools/list").count(), 1, "{methods:?}");
}

#[test]
fn lists_are_asked_for_again_once_they_are_old_and_calls_do_not_wait_for_them() {
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage_of(near(remote().list_ttl(Duration::from_secs(60))), &far);
    tools(&stage);
    far.methods();
    stage.clock.advance(Duration::from_secs(59));
    tools(&stage);
    assert_eq!(far.methods(), [""; 0]);
    stage.clock.advance(Duration::from_secs(1));
    add(&stage);
    assert_eq!(far.methods(), ["tools/call"]);
    tools(&stage);
    assert_eq!(far.methods(), LISTS);
}

#[test]
fn a_list_is_no_longer_good_than_the_remote_says() {
    let far = Far::new(common::server().list_ttl(Duration::from_secs(20)), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    far.methods();
    stage.clock.advance(Duration::from_secs(19));
    tools(&stage);
    assert_eq!(far.methods(), [""; 0]);
    stage.clock.advance(Duration::from_secs(1));
    tools(&stage);
    assert_eq!(far.methods(), LISTS);
}

#[test]
fn what_was_not_listed_is_looked_for_once_the_lists_are_old() {
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage(&far);
    tools(&stage);
    far.becomes(common::server().tool(Tool::new("more", "More.", |_, _: NoArguments| async { "more" })));
    let more = || stage.modern("tools/call", json!({"name": "far_more"}));
    far.methods();
    assert_eq!(more().code(), Some(-32602));
    assert_eq!(far.methods(), [""; 0], "clients cannot have a remote listed by calling what is not there");
    stage.clock.advance(Duration::from_secs(300));
    assert_eq!(more().message(), "more");
}

#[test]
fn an_address_can_be_a_setting() {
    let far = Far::new(common::server(), Speaks::Both);
    for (setting, says) in [
        (Some(URL), None),
        (None, Some("the setting `FAR_URL`, its address, is not set")),
        (Some("far.example?key=hunter2"), Some("write \"https://host/mcp\"")),
    ] {
        let settings = Settings(setting.map(|url| ("FAR_URL", format!(" {url}\n"))).into_iter().collect());
        let fetch = std::sync::Arc::new(far.clone());
        let server = near(Remote::from_setting("FAR_URL"));
        let stage = common::Stage::built(server, settings, |builder| builder.fetch(fetch));
        let answer = add(&stage);
        match says {
            None => assert_eq!(answer.message(), "3"),
            Some(says) => {
                assert!(answer.message().contains("its log says what is missing"), "{}", answer.text);
                let log = stage.log.all();
                assert!(log.contains(says) && !log.contains("hunter2"), "{log}");
            }
        }
    }
}

#[test]
fn a_session_that_has_ended_is_begun_again_once() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage(&far);
    add(&stage);
    far.loses_its_key(common::server());
    far.methods();
    assert_eq!(add(&stage).message(), "3");
    let again = ["tools/call", "server/discover", "initialize", "notifications/initialized", "tools/call"];
    assert_eq!(far.methods(), again);
    assert_eq!(add(&stage).message(), "3");
    assert_eq!(far.methods(), ["tools/call"]);
    // A second instance finds the new session.
    assert_eq!(add(&another(&stage)).message(), "3");
    assert_eq!(far.methods(), ["tools/call"]);
}

#[test]
fn a_modern_request_says_all_that_it_must() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Query {
        #[schemars(extend("x-mcp-header" = "Region"))]
        region: String,
        #[schemars(extend("x-mcp-header" = "Limit"))]
        limit: Option<i64>,
    }
    let server =
        Server::new("db", "1").tool(Tool::new("query", "Query.", |_, Query { region, limit }| async move {
            format!("{region} {limit:?}")
        }));
    let far = Far::new(server, Speaks::ModernOnly);
    let stage = stage(&far);
    let (body, mut headers) = common::modern(
        "tools/call",
        json!({"name": "far_query", "arguments": {"region": "zürich", "limit": 7}}),
    );
    headers.push(("mcp-param-region", "=?base64?esO8cmljaA==?=".to_owned()));
    headers.push(("mcp-param-limit", "7".to_owned()));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(stage.post(body.to_string(), &headers).message(), "zürich Some(7)");
    let seen = far.take().pop().unwrap();
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "query"),
        ("mcp-param-region", "=?base64?esO8cmljaA==?="),
        ("mcp-param-limit", "7"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let meta = &seen.body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "edgemcp");
    assert_eq!(seen.header("mcp-session-id"), None);
    // A legacy client of this server has repeated nothing, and the remote hears it all the same.
    let call = json!({"name": "far_query", "arguments": {"region": "eu"}});
    assert_eq!(stage.legacy(edgemcp::ProtocolVersion::V2025_11_25, "tools/call", call).message(), "eu None");
}

#[test]
fn a_tool_whose_headers_have_changed_is_looked_at_again() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Before {
        region: String,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct After {
        #[schemars(extend("x-mcp-header" = "Region"))]
        region: String,
    }
    let far =
        Far::new(
            Server::new("db", "1")
                .tool(Tool::new("query", "Query.", |_, Before { region }| async move { region })),
            Speaks::ModernOnly,
        );
    let stage = stage(&far);
    let query = || stage.modern("tools/call", json!({"name": "far_query", "arguments": {"region": "eu"}}));
    assert_eq!(query().message(), "eu");
    far.becomes(Server::new("db", "1").tool(Tool::new(
        "query",
        "Query.",
        |_, After { region }| async move { region },
    )));
    far.methods();
    assert_eq!(query().message(), "eu");
    assert_eq!(far.methods(), ["tools/call", "tools/list", "tools/call"]);
}
