//! What a request that cannot be served gets: the code, the status and the way out, in every revision.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::{Answer, Stage, modern, server};
use edgemcp::{
    ProtocolVersion, Server,
    auth::{Principal, StaticTokens},
    limits::{
        BATCH_MESSAGES_MAX, ID_BYTES_MAX, MEMBERS_MAX, METHOD_BYTES_MAX, TOKEN_BYTES_MAX, URI_BYTES_MAX,
    },
    platform::Exposure,
    prelude::*,
};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

const MODERN: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// Checks code and status of a failed request in every revision.
fn fails(method: &str, params: Value, legacy: (i64, u16), modern: (i64, u16), says: &str) {
    for (version, answer) in Stage::new(server()).everywhere(method, params) {
        let expected = if version == MODERN { modern } else { legacy };
        assert_eq!(
            (answer.code(), answer.status.as_u16()),
            (Some(expected.0), expected.1),
            "{version} {answer:?}"
        );
        assert!(answer.message().contains(says), "{version} {}", answer.message());
        assert_eq!(answer.json["id"], 1, "{version}");
    }
}

#[test]
fn an_unknown_name_is_named() {
    fails("tools/call", json!({"name": "sub"}), (-32602, 200), (-32602, 400), r#"no tool is named "sub""#);
    fails("prompts/get", json!({"name": "sub"}), (-32602, 200), (-32602, 400), r#"no prompt is named "sub""#);
    fails("resources/read", json!({"uri": "data://x"}), (-32002, 200), (-32602, 400), r#""data://x""#);
    fails(
        "resources/read",
        json!({"uri": "user://8/profile"}),
        (-32002, 200),
        (-32602, 400),
        "user://8/profile",
    );
    fails("tools/destroy", json!({}), (-32601, 200), (-32601, 404), "tools/destroy");
}

#[test]
fn a_resource_that_is_not_there_is_named_in_the_data() {
    for (version, answer) in Stage::new(server()).everywhere("resources/read", json!({"uri": "data://x"})) {
        assert_eq!(answer.json["error"]["data"]["uri"], "data://x", "{version}");
    }
}

#[test]
fn a_method_of_the_other_era_is_unknown_and_says_whose_it_is() {
    let stage = Stage::new(server());
    for method in ["initialize", "ping"] {
        let answer = stage.modern(method, json!({"protocolVersion": "2025-11-25"}));
        assert_eq!((answer.code(), answer.status), (Some(-32601), StatusCode::NOT_FOUND), "{method}");
        assert!(answer.message().contains("2025-11-25 and before"), "{}", answer.message());
    }
    for method in ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let answer = stage.modern(method, json!({}));
        assert_eq!((answer.code(), answer.status), (Some(-32601), StatusCode::NOT_FOUND), "{method}");
    }
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "server/discover", json!({}));
    assert_eq!((answer.code(), answer.status), (Some(-32601), StatusCode::OK));
    assert!(answer.message().contains("2026-07-28"), "{}", answer.message());
}

#[test]
fn a_kind_the_server_has_nothing_of_has_no_methods() {
    let stage = Stage::new(Server::new("empty", "1"));
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        for (version, answer) in stage.everywhere(method, json!({})) {
            assert_eq!(answer.code(), Some(-32601), "{version} {method}");
        }
    }
    // Whatever the parameters are: no client could write better ones.
    for (method, params) in
        [("tools/list", json!({"cursor": "x"})), ("resources/read", json!({})), ("prompts/get", json!({}))]
    {
        for (version, answer) in stage.everywhere(method, params) {
            assert_eq!(answer.code(), Some(-32601), "{version} {method}");
            assert!(answer.message().contains("this server has no"), "{}", answer.message());
        }
    }
    assert_eq!(
        stage.modern("server/discover", json!({})).json["result"]["capabilities"],
        json!({"logging": {}})
    );
}

#[test]
fn wrong_arguments_are_for_the_model_and_name_path_expectation_and_value() {
    let stage = Stage::new(server());
    for (arguments, says) in [
        (json!({"a": 2, "b": "3"}), "invalid argument `b`: invalid type: string \"3\", expected an integer"),
        (
            json!({"a": 2, "b": 3.5}),
            "invalid argument `b`: invalid type: floating point `3.5`, expected an integer",
        ),
        (json!({"a": 2}), "invalid arguments: missing field `b`"),
        (json!({"a": 2, "b": 3, "c": 4}), "invalid argument `c`: unknown field `c`, expected `a` or `b`"),
        (json!([2, 3, 4]), "invalid arguments: invalid type: sequence, expected an object"),
        (json!([2, 3]), "invalid arguments: invalid type: sequence, expected an object"),
        (json!("2+3"), "invalid arguments: invalid type: string \"2+3\""),
    ] {
        for (version, answer) in
            stage.everywhere("tools/call", json!({"name": "add", "arguments": arguments}))
        {
            assert_eq!(answer.status, StatusCode::OK, "{version}");
            assert_eq!(answer.json["result"]["isError"], true, "{version} {answer:?}");
            assert!(answer.message().starts_with(says), "{version} {}", answer.message());
        }
    }
}

#[test]
fn a_number_out_of_its_types_range_is_told_the_range() {
    let small = Tool::new("small", "Small.", |_, Small { n }| async move { n });
    let stage = Stage::new(server().tool(small));
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Small {
        n: i8,
    }
    let answer = stage.modern("tools/call", json!({"name": "small", "arguments": {"n": 300}}));
    assert_eq!(
        answer.message(),
        "invalid argument `n`: invalid value: integer `300`, expected an integer from -128 to 127"
    );
    let answer =
        stage.modern("prompts/get", json!({"name": "greet", "arguments": {"name": "Ada", "times": "300"}}));
    assert_eq!(
        answer.message(),
        "invalid argument `times`: invalid value: integer `300`, expected an integer from 0 to 255"
    );
}

#[test]
fn what_a_caller_sends_comes_back_shortened() {
    let stage = Stage::new(server());
    let long = "x".repeat(7_000);
    for (method, params) in [
        ("tools/call", json!({"name": "add", "arguments": {long.as_str(): 1}})),
        ("tools/call", json!({"name": "add", "arguments": {"a": long}})),
        ("tools/call", json!({"name": long})),
        ("prompts/get", json!({"name": "greet", "arguments": {"name": "A", "times": long}})),
        ("prompts/get", json!({"name": "greet", "arguments": {long.as_str(): 1}})),
        ("tools/list", json!({"cursor": long})),
        ("resources/read", json!({"uri": format!("data://{long}")})),
    ] {
        for (version, answer) in stage.everywhere(method, params.clone()) {
            assert!(answer.message().len() < 1_000, "{version} {method} {}", answer.message().len());
        }
    }
}

#[test]
fn wrong_values_in_prompts_and_uris_are_for_the_client() {
    let greet = |arguments: Value| json!({"name": "greet", "arguments": arguments});
    fails("prompts/get", greet(json!({})), (-32602, 200), (-32602, 400), "missing field `name`");
    fails(
        "prompts/get",
        greet(json!({"name": "A", "times": "many"})),
        (-32602, 200),
        (-32602, 400),
        "`times`",
    );
    fails(
        "prompts/get",
        greet(json!({"name": 7})),
        (-32602, 200),
        (-32602, 400),
        "object of strings, not {\"name\":7}",
    );
    fails("resources/read", json!({"uri": "user://x/profile"}), (-32602, 200), (-32602, 400), "`id`");
    fails(
        "resources/read",
        json!({"uri": "user://%2e%2e/profile"}),
        (-32602, 200),
        (-32602, 400),
        "could leave",
    );
    fails("resources/read", json!({}), (-32602, 200), (-32602, 400), "must have `uri`");
    fails("tools/list", json!({"cursor": "x"}), (-32602, 200), (-32602, 400), "is none of this list");
}

#[test]
fn constraints_are_in_the_schema_and_enforced() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Search {
        #[schemars(length(min = 1, max = 5))]
        query: String,
        #[schemars(range(min = 1, max = 100))]
        limit: Option<u32>,
    }
    let stage = Stage::new(Server::new("test", "1").tool(Tool::new(
        "search",
        "Search.",
        |_, Search { query, limit }| async move { format!("{query} {limit:?}") },
    )));
    let schema = stage.modern("tools/list", json!({})).json["result"]["tools"][0]["inputSchema"].clone();
    assert_eq!(schema["properties"]["query"]["maxLength"], 5);
    assert_eq!(schema["properties"]["limit"]["maximum"], 100);
    let ask = |arguments: Value| {
        let answer = stage.modern("tools/call", json!({"name": "search", "arguments": arguments}));
        answer.message().to_owned()
    };
    assert_eq!(ask(json!({"query": "größe", "limit": 100})), "größe Some(100)");
    assert_eq!(
        ask(json!({"query": "größer"})),
        "invalid argument `query`: expected at most 5 characters, got 6"
    );
    assert_eq!(
        ask(json!({"query": "a", "limit": 101})),
        "invalid argument `limit`: expected at most 100, got 101"
    );
}

#[test]
fn an_array_does_not_carry_a_struct_past_its_constraints() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Search {
        filter: Option<Filter>,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Filter {
        #[schemars(length(max = 5))]
        word: String,
    }
    let stage = Stage::new(Server::new("test", "1").tool(Tool::new(
        "search",
        "Search.",
        |_, Search { filter }| async move { filter.map_or("all".to_owned(), |filter| filter.word) },
    )));
    for (arguments, says) in [
        (json!({}), "all"),
        (json!({"filter": null}), "all"),
        (json!({"filter": {"word": "short"}}), "short"),
        (json!({"filter": ["far too long"]}), "invalid argument `filter`: expected an object, got an array"),
        (json!([["far too long"]]), "invalid arguments: invalid type: sequence, expected an object"),
    ] {
        let answer = stage.modern("tools/call", json!({"name": "search", "arguments": arguments}));
        assert_eq!(answer.message(), says, "{arguments}");
    }
}

#[test]
fn a_failing_tool_tells_the_model_and_a_masked_cause_only_the_log() {
    let stage = Stage::new(server());
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "fail"})) {
        assert_eq!(
            (answer.status, answer.message()),
            (StatusCode::OK, "there is nothing to do"),
            "{version}"
        );
        assert_eq!(answer.json["result"]["isError"], true, "{version}");
    }
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "leak"})) {
        assert_eq!(answer.json["result"]["isError"], true, "{version}");
        assert!(!answer.text.contains("hunter2"), "{version} {}", answer.text);
    }
    assert!(stage.log.all().contains("hunter2"), "{}", stage.log.all());
    let nan = stage.modern("tools/call", json!({"name": "nan"}));
    assert_eq!(nan.json["result"]["isError"], true);
    assert!(stage.log.all().contains("NaN is no JSON number"), "{}", stage.log.all());
}

#[test]
fn a_tool_that_needs_a_capability_refuses_who_does_not_declare_it() {
    let stage = Stage::new(server());
    let (mut body, headers) = modern("tools/call", json!({"name": "sampler"}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = stage.post(body.to_string(), &headers);
    assert_eq!((answer.code(), answer.status), (Some(-32021), StatusCode::BAD_REQUEST));
    assert_eq!(answer.json["error"]["data"]["requiredCapabilities"], json!({"sampling": {}}));
    for undeclared in [json!(null), json!(false)] {
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({"sampling": undeclared});
        assert_eq!(stage.post(body.to_string(), &headers).code(), Some(-32021), "{body}");
    }
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"sampling": {}});
    assert_eq!(stage.post(body.to_string(), &headers).message(), "ok");
    let legacy = stage.legacy(ProtocolVersion::V2025_11_25, "tools/call", json!({"name": "sampler"}));
    assert_eq!((legacy.code(), legacy.status), (Some(-32600), StatusCode::OK));
}

#[test]
fn the_envelope_of_a_modern_request_must_be_whole() {
    let stage = Stage::new(server());
    let (whole, headers) = modern("tools/list", json!({}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let key = |name: &str| format!("io.modelcontextprotocol/{name}");
    for (spoil, says) in [
        (json!({"params": null}), "protocolVersion"),
        (json!({"params": {"_meta": null}}), "protocolVersion"),
        (json!({"params": {"_meta": []}}), "must be an object"),
        (json!({"params": []}), "`params` must be an object"),
        (json!({"params": {"_meta": {key("clientCapabilities"): {}}}}), "protocolVersion"),
        (json!({"params": {"_meta": {key("protocolVersion"): "2026-07-28"}}}), "clientCapabilities"),
        (
            json!({"params": {"_meta": {key("protocolVersion"): 7, key("clientCapabilities"): {}}}}),
            "must be a string",
        ),
        (
            json!({"params": {"_meta": {key("protocolVersion"): "2026-07-28", key("clientCapabilities"): []}}}),
            "clientCapabilities",
        ),
    ] {
        let mut body = whole.clone();
        body["params"] = spoil["params"].clone();
        let answer = stage.post(body.to_string(), &headers);
        assert_eq!(
            (answer.code(), answer.status),
            (Some(-32602), StatusCode::BAD_REQUEST),
            "{body} {answer:?}"
        );
        assert!(answer.message().contains(says), "{body} {}", answer.message());
        assert_eq!(answer.json["id"], 1);
    }
}

#[test]
fn an_envelope_that_names_no_revision_is_not_taken_for_legacy() {
    let stage = Stage::new(server());
    for named in [json!(null), json!(7), json!({})] {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": named});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
        let answer = stage.post(body.to_string(), &[]);
        assert_eq!((answer.code(), answer.status), (Some(-32602), StatusCode::BAD_REQUEST), "{body}");
    }
}

#[test]
fn headers_that_contradict_the_body_are_refused_before_the_version_is_judged() {
    let stage = Stage::new(server());
    let (body, whole) = modern("tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 1}}));
    let with = |name: &str, value: Option<&str>| {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (known, usual) in &whole {
            match value {
                Some(value) if *known == name => headers.push((known, value)),
                None if *known == name => {}
                _ => headers.push((known, usual)),
            }
        }
        stage.post(body.to_string(), &headers)
    };
    assert_eq!(with("", None).status, StatusCode::OK);
    for (name, value, says) in [
        ("mcp-method", None, "header `Mcp-Method` is missing; the body says \"tools/call\""),
        (
            "mcp-method",
            Some("tools/list"),
            "header `Mcp-Method` is \"tools/list\" but the body says \"tools/call\"",
        ),
        ("mcp-method", Some("Tools/call"), "but the body says"),
        ("mcp-method", Some("=?base64?dG9vbHMvY2FsbA==?="), "but the body says \"tools/call\""),
        ("mcp-name", None, "header `Mcp-Name` is missing"),
        ("mcp-name", Some("sub"), "but the body says \"add\""),
        ("mcp-name", Some("=?base64?YWRk=?="), "but the body says \"add\""),
        ("mcp-protocol-version", None, "header `MCP-Protocol-Version` is missing"),
        ("mcp-protocol-version", Some("2025-11-25"), "but the body says \"2026-07-28\""),
        ("mcp-protocol-version", Some("=?base64?MjAyNi0wNy0yOA==?="), "but the body says \"2026-07-28\""),
    ] {
        let answer = with(name, value);
        assert_eq!(
            (answer.code(), answer.status),
            (Some(-32020), StatusCode::BAD_REQUEST),
            "{name} {value:?} {answer:?}"
        );
        assert!(answer.message().contains(says), "{name} {value:?} {}", answer.message());
    }
    assert_eq!(with("mcp-name", Some("=?base64?YWRk?=")).status, StatusCode::OK);

    let mut twice: Vec<_> = whole.iter().map(|(name, value)| (*name, value.as_str())).collect();
    twice.push(("mcp-method", "tools/call"));
    assert_eq!(stage.post(body.to_string(), &twice).code(), Some(-32020));
}

#[test]
fn a_routing_header_is_believed_by_gateways_and_so_is_checked_on_the_legacy_era_too() {
    let stage = Stage::new(server());
    let params = json!({"name": "add", "arguments": {"a": 1, "b": 1}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let batch = format!("[{call}]");
    assert_eq!(stage.post(call.clone(), &[("mcp-method", "tools/call"), ("mcp-name", "add")]).message(), "2");
    for lie in [("mcp-method", "tools/list"), ("mcp-name", "sub"), ("mcp-name", "=?base64?YWRk=?=")] {
        let answer = stage.post(call.clone(), &[lie]);
        assert_eq!((answer.code(), answer.status), (Some(-32020), StatusCode::BAD_REQUEST), "{lie:?}");
        assert_eq!(stage.post(batch.clone(), &[lie]).json[0]["error"]["code"], -32020, "{lie:?}");
    }
}

#[test]
fn an_unsupported_revision_is_answered_with_those_that_are() {
    let stage = Stage::new(server());
    for asked in ["v999.0.0", "2025-11-25"] {
        let (mut body, _) = modern("tools/list", json!({}));
        body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(asked);
        let answer =
            stage.post(body.to_string(), &[("mcp-protocol-version", asked), ("mcp-method", "tools/list")]);
        assert_eq!((answer.code(), answer.status), (Some(-32022), StatusCode::BAD_REQUEST), "{asked}");
        assert_eq!(answer.json["error"]["data"], json!({"supported": ["2026-07-28"], "requested": asked}));
        let contradicting = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
        assert_eq!(stage.post(body.to_string(), &contradicting).code(), Some(-32020), "{asked}");
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = stage.post(ping, &[("mcp-protocol-version", "2024-11-05")]);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.message().contains("served are 2025-03-26, 2025-06-18, 2025-11-25"),
        "{}",
        answer.message()
    );
    let twice = [("mcp-protocol-version", "2025-11-25"), ("mcp-protocol-version", "2025-06-18")];
    assert_eq!(stage.post(ping, &twice).status, StatusCode::BAD_REQUEST);
}

#[test]
fn what_is_no_message_is_refused_by_kind() {
    let stage = Stage::new(server());
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("nonsense", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} trailing", -32700),
        ("7", -32600),
        ("null", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
    ] {
        for headers in [vec![], vec![("mcp-protocol-version", "2026-07-28")]] {
            let answer = stage.post(body, &headers);
            assert_eq!(
                (answer.code(), answer.status),
                (Some(code), StatusCode::BAD_REQUEST),
                "{body} {answer:?}"
            );
            assert_eq!(answer.json["id"], Value::Null, "{body}");
        }
    }
}

#[test]
fn json_ten_thousand_levels_deep_is_refused_wherever_it_stands() {
    let stage = Stage::new(server());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let object = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for body in [
        deep.clone(),
        object.clone(),
        format!(r#"{{"jsonrpc":"2.0","id":{deep},"method":"ping"}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":{object}}}}}"#
        ),
    ] {
        let answer = stage.post(body, &[]);
        assert_eq!((answer.code(), answer.status), (Some(-32600), StatusCode::BAD_REQUEST));
        assert!(answer.message().contains("deeper than 100"), "{}", answer.message());
    }
}

#[test]
fn a_batch_is_refused_where_its_revision_has_none_or_it_is_too_large() {
    let stage = Stage::new(server());
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let answer = stage.post(json!([ping]).to_string(), &[("mcp-protocol-version", version)]);
        assert_eq!((answer.code(), answer.status), (Some(-32600), StatusCode::BAD_REQUEST), "{version}");
        assert!(answer.message().contains("2025-03-26"), "{}", answer.message());
    }
    assert_eq!(stage.post("[]", &[]).code(), Some(-32600));
    let full = Value::Array(vec![ping.clone(); BATCH_MESSAGES_MAX]);
    assert_eq!(stage.post(full.to_string(), &[]).json.as_array().unwrap().len(), BATCH_MESSAGES_MAX);
    let over = Value::Array(vec![ping; BATCH_MESSAGES_MAX + 1]);
    assert_eq!(stage.post(over.to_string(), &[]).code(), Some(-32600));
    // What is too much is still read to its end, but no longer kept.
    let broken = format!("[{}", "1,".repeat(BATCH_MESSAGES_MAX + 10));
    assert_eq!(stage.post(broken, &[]).code(), Some(-32700));
    let (modern, _) = modern("tools/list", json!({}));
    let mixed = stage.post(json!([modern]).to_string(), &[]);
    assert_eq!(mixed.json[0]["error"]["code"], -32600);
}

#[test]
fn a_response_to_nothing_is_refused_on_the_modern_era() {
    let stage = Stage::new(server());
    let answer =
        stage.post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, &[("mcp-protocol-version", "2026-07-28")]);
    assert_eq!((answer.code(), answer.status), (Some(-32600), StatusCode::BAD_REQUEST));
}

fn ask(stage: &Stage, method: Method, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri("/mcp");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::new(stage.send(request.body(body.to_owned().into()).unwrap()))
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn http_is_judged_before_the_message() {
    let stage = Stage::new(server());
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH, Method::HEAD] {
        let answer = ask(&stage, method.clone(), &[], "");
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"), "{method}");
        assert!(answer.text.contains("by POST to /mcp"), "{method} {}", answer.text);
    }
    for content_type in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
        let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        assert_eq!(ask(&stage, Method::POST, &headers, PING).status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(ask(&stage, Method::POST, &[("content-type", content_type)], PING).status, StatusCode::OK);
    }
    let neither = ask(&stage, Method::POST, &[JSON, ("accept", "text/plain")], PING);
    assert_eq!(neither.status, StatusCode::NOT_ACCEPTABLE);
    let stream_only = ask(&stage, Method::POST, &[JSON, ("accept", "text/event-stream")], PING);
    assert_eq!(stream_only.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream_only.text, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
    let both = ask(&stage, Method::POST, &[JSON, ("accept", "application/json, text/event-stream")], PING);
    assert_eq!(both.status, StatusCode::OK);
}

#[test]
fn a_body_at_the_limit_is_read_and_one_byte_more_is_not() {
    let stage = Stage::new(server().body_bytes_max(PING.len()));
    assert_eq!(ask(&stage, Method::POST, &[JSON], PING).status, StatusCode::OK);
    let over = ask(&stage, Method::POST, &[JSON], &format!("{PING} "));
    assert_eq!(over.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(over.text.contains(&format!("more than {} bytes", PING.len())), "{}", over.text);
}

#[test]
fn a_uri_at_the_limit_is_looked_up_and_one_byte_more_is_not() {
    let read = |length: usize| {
        let uri = format!("data://{}", "x".repeat(length - "data://".len()));
        Stage::new(server())
            .legacy(ProtocolVersion::V2025_11_25, "resources/read", json!({"uri": uri}))
            .code()
    };
    assert_eq!(read(URI_BYTES_MAX), Some(-32002));
    assert_eq!(read(URI_BYTES_MAX + 1), Some(-32602));
}

#[test]
fn an_id_and_a_method_at_the_limit_are_read_and_one_byte_more_is_not() {
    let stage = Stage::new(server());
    let code = |id: String, method: String| {
        stage.post(json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string(), &[]).code()
    };
    // The quotes of an id count.
    assert_eq!(code("x".repeat(ID_BYTES_MAX - 2), "ping".to_owned()), None);
    assert_eq!(code("x".repeat(ID_BYTES_MAX - 1), "ping".to_owned()), Some(-32600));
    assert_eq!(code("x".to_owned(), "m".repeat(METHOD_BYTES_MAX)), Some(-32601));
    assert_eq!(code("x".to_owned(), "m".repeat(METHOD_BYTES_MAX + 1)), Some(-32600));
}

#[test]
fn a_token_at_the_limit_is_verified_and_one_byte_more_is_not() {
    for (bytes, status) in
        [(TOKEN_BYTES_MAX, StatusCode::OK), (TOKEN_BYTES_MAX + 1, StatusCode::UNAUTHORIZED)]
    {
        let token = "x".repeat(bytes);
        let stage = Stage::new(server().verifier(StaticTokens::new().token(&token, Principal::new("ada"))));
        let authorization = format!("Bearer {token}");
        assert_eq!(stage.post(PING, &[("authorization", &authorization)]).status, status, "{bytes}");
    }
}

#[test]
fn arguments_of_a_prompt_at_the_limit_are_read_and_one_more_is_not() {
    let get = |count: usize| {
        let mut arguments = serde_json::Map::from_iter([("name".to_owned(), json!("Ada"))]);
        arguments.extend((1..count).map(|index| (index.to_string(), json!(""))));
        Stage::new(server()).modern("prompts/get", json!({"name": "greet", "arguments": arguments}))
    };
    assert_eq!(get(MEMBERS_MAX).status, StatusCode::OK);
    let over = get(MEMBERS_MAX + 1);
    assert_eq!((over.code(), over.status), (Some(-32602), StatusCode::BAD_REQUEST));
    assert!(over.message().contains("more than 1000 members"), "{}", over.message());
}

#[test]
fn a_page_may_call_only_if_its_origin_is_allowed() {
    let stage = Stage::new(server().allow_origin("https://app.example"));
    let from = |origin: &str, host: &str| {
        ask(&stage, Method::POST, &[JSON, ("origin", origin), ("host", host)], PING)
    };
    let allowed = from("https://app.example", "mcp.example");
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(allowed.header("vary"), Some("Origin"));
    // The Inspector on this machine, asking a server on this machine.
    assert_eq!(from("http://localhost:6274", "127.0.0.1:8000").status, StatusCode::OK);
    for (origin, host) in [
        ("https://evil.example", "mcp.example"),
        ("http://evil.example", "evil.example"),
        ("http://localhost:6274", "mcp.example"),
        ("http://localhost.evil.example", "localhost:8000"),
        ("https://app.example.evil.example", "mcp.example"),
        ("null", "localhost:8000"),
    ] {
        let refused = from(origin, host);
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin} {host}");
        assert!(refused.header("access-control-allow-origin").is_none(), "{origin}");
        assert!(refused.text.contains("Server::allow_origin"), "{}", refused.text);
    }
    // An error must be readable by the page that caused it.
    let error = ask(&stage, Method::POST, &[("origin", "https://app.example")], PING);
    assert_eq!(error.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(error.header("access-control-allow-origin").is_some());
}

#[test]
fn a_server_on_loopback_is_asked_for_by_a_loopback_name() {
    let stage = Stage::exposed(server(), Exposure::Loopback);
    for (host, status) in [
        ("localhost:8000", StatusCode::OK),
        ("127.0.0.1", StatusCode::OK),
        ("[::1]:8000", StatusCode::OK),
        ("evil.example.com", StatusCode::FORBIDDEN),
        ("127.0.0.1.evil.example", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(&stage, Method::POST, &[JSON, ("host", host)], PING).status, status, "{host}");
    }
    assert_eq!(ask(&stage, Method::POST, &[JSON], PING).status, StatusCode::FORBIDDEN);
}

#[test]
fn a_preflight_says_what_a_page_may_send() {
    let stage = Stage::new(server().allow_any_origin());
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, mcp-param-region, x-other"),
    ];
    let answer = ask(&stage, Method::OPTIONS, &headers, "");
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE, OPTIONS"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in [
        "authorization",
        "content-type",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-param-region",
        // What `Context::trace` reads.
        "traceparent",
        "tracestate",
        "baggage",
    ] {
        assert!(allowed.contains(name), "{allowed}");
    }
    assert!(!allowed.contains("x-other"), "{allowed}");
}

#[test]
fn who_has_no_token_is_asked_for_one_and_a_wrong_one_is_refused() {
    let tokens = StaticTokens::new()
        .var("TEST_TOKEN", Principal::new("ada"))
        .var("UNSET", Principal::new("nobody"))
        .token("", Principal::new("empty"));
    let stage = Stage::new(server().verifier(tokens));
    let with =
        |authorization: &str| ask(&stage, Method::POST, &[JSON, ("authorization", authorization)], PING);
    let none = ask(&stage, Method::POST, &[JSON], PING);
    assert_eq!((none.status, none.header("www-authenticate")), (StatusCode::UNAUTHORIZED, Some("Bearer")));
    assert_eq!(with("Bearer sesame").status, StatusCode::OK);
    assert_eq!(with("Basic c2VzYW1l").header("www-authenticate"), Some("Bearer"));
    let long = format!("Bearer {}", "x".repeat(10_000));
    for wrong in ["Bearer sesam", "Bearer sesame2", "Bearer ", &long] {
        let refused = with(wrong);
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(!refused.text.contains("sesame"), "{}", refused.text);
    }
    assert_eq!(with("Bearer wrong").header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    let twice = ask(
        &stage,
        Method::POST,
        &[JSON, ("authorization", "Bearer sesame"), ("authorization", "Bearer x")],
        PING,
    );
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_token_without_the_scope_is_told_which() {
    use edgemcp::{
        auth::{AuthError, Verifier},
        future::BoxFuture,
        platform::Platform,
    };
    struct Scoped;
    impl Verifier for Scoped {
        fn verify<'a>(
            &'a self,
            _: &'a Platform,
            token: &'a str,
        ) -> BoxFuture<'a, Result<Principal, AuthError>> {
            Box::pin(std::future::ready(Err(match token {
                "weak" => AuthError::InsufficientScope(vec!["mcp:read".to_owned(), "mcp:write".to_owned()]),
                _ => AuthError::Unavailable("the key server at keys.internal is down".to_owned()),
            })))
        }
    }
    let stage = Stage::new(server().verifier(Scoped));
    let with =
        |token: &str| ask(&stage, Method::POST, &[JSON, ("authorization", &format!("Bearer {token}"))], PING);
    let weak = with("weak");
    assert_eq!(weak.status, StatusCode::FORBIDDEN);
    assert_eq!(
        weak.header("www-authenticate"),
        Some("Bearer error=\"insufficient_scope\", scope=\"mcp:read mcp:write\"")
    );
    let down = with("any");
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!down.text.contains("keys.internal"), "{}", down.text);
    assert!(stage.log.all().contains("keys.internal"));
}

#[test]
fn a_handler_that_panics_is_answered_for_and_only_the_log_knows_why() {
    let server = Server::new("test", "1")
        .tool(Tool::new("t", "Panic.", |_, _: NoArguments| async {
            if true {
                panic!("at hunter2")
            }
        }))
        .resource(Resource::new("data://x", "x", |_, _: NoArguments| async {
            if true { panic!("at home") } else { "" }
        }));
    let stage = Stage::new(server);
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "t"})) {
        let outcome = (answer.code(), answer.status);
        assert_eq!(outcome, (Some(-32603), StatusCode::INTERNAL_SERVER_ERROR), "{version} {answer:?}");
        assert!(!answer.text.contains("hunter2"), "{version}");
        let id = answer.message().rsplit(' ').next().unwrap();
        assert!(stage.log.all().contains(&format!("at hunter2 ({id})")), "{id}: {}", stage.log.all());
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://x"})) {
        assert_eq!(
            (answer.code(), answer.status),
            (Some(-32603), StatusCode::INTERNAL_SERVER_ERROR),
            "{version}"
        );
    }
    assert!(stage.log.all().contains("the handler panicked: at hunter2"), "{}", stage.log.all());
    let route = Server::new("test", "1").route(Method::GET, "/r", |_, _| async { panic!("on the way") });
    let stage = Stage::new(route);
    let answer = Answer::new(stage.send(Request::get("/r").body("".into()).unwrap()));
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text.contains("on the way") && stage.log.all().contains("on the way"), "{}", answer.text);
}
