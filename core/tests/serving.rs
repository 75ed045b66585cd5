//! What a well-behaved client gets, in every revision.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::{Stage, modern, server};
use edgemcp::{ProtocolVersion, Server, http::Body, prelude::*, stdio::Connection, store::Key};
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

#[test]
fn a_tool_answers_alike_in_every_revision() {
    for (version, answer) in
        Stage::new(server()).everywhere("tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}))
    {
        assert_eq!(answer.status, StatusCode::OK, "{version}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{version}");
        let result = &answer.json["result"];
        assert_eq!(result["content"], json!([{"type": "text", "text": "5"}]), "{version}");
        assert!(result.get("isError").is_none(), "{version}");
        let structured = (version >= ProtocolVersion::V2025_06_18).then(|| json!({"result": 5}));
        assert_eq!(result.get("structuredContent"), structured.as_ref(), "{version}");
        let modern = version == ProtocolVersion::V2026_07_28;
        assert_eq!(result.get("resultType").is_some(), modern, "{version}");
        assert_eq!(result.get("_meta").is_some(), modern, "{version}");
    }
}

#[test]
fn each_revision_lists_only_what_it_knows() {
    let stage = Stage::new(server());
    for (version, answer) in stage.everywhere("tools/list", json!({})) {
        let result = &answer.json["result"];
        let add = &result["tools"][0];
        assert_eq!(add["name"], "add", "{version}");
        assert_eq!(add["inputSchema"]["required"], json!(["a", "b"]), "{version}");
        assert_eq!(add["inputSchema"]["properties"]["a"]["description"], "First addend.", "{version}");
        assert_eq!(add.get("outputSchema").is_some(), version >= ProtocolVersion::V2025_06_18, "{version}");
        assert_eq!(
            result["ttlMs"],
            if version == ProtocolVersion::V2026_07_28 { json!(300_000) } else { Value::Null }
        );
    }
    for version in [ProtocolVersion::V2025_03_26, ProtocolVersion::V2025_06_18, ProtocolVersion::V2025_11_25]
    {
        let params = json!({"protocolVersion": version.as_str(), "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        let info = &stage.legacy(version, "initialize", params).json["result"]["serverInfo"];
        assert_eq!(info.get("title").is_some(), version >= ProtocolVersion::V2025_06_18, "{version}");
        assert_eq!(info.get("icons").is_some(), version >= ProtocolVersion::V2025_11_25, "{version}");
        assert_eq!(info.get("websiteUrl").is_some(), version >= ProtocolVersion::V2025_11_25, "{version}");
    }
}

#[test]
fn a_tool_without_arguments_says_so_and_nothing_else() {
    let answer = Stage::new(server()).modern("tools/list", json!({}));
    assert_eq!(
        answer.json["result"]["tools"][1]["inputSchema"],
        json!({"type": "object", "additionalProperties": false})
    );
}

#[test]
fn the_handshake_settles_the_asked_revision_or_offers_the_latest() {
    let stage = Stage::new(server());
    let settled = |asked: &str| {
        let body =
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": asked}});
        stage.post(body.to_string(), &[]).json["result"]["protocolVersion"].clone()
    };
    assert_eq!(settled("2025-03-26"), "2025-03-26");
    assert_eq!(settled("2025-06-18"), "2025-06-18");
    assert_eq!(settled("2025-11-25"), "2025-11-25");
    assert_eq!(settled("2024-11-05"), "2025-11-25");
    assert_eq!(settled("2026-07-28"), "2025-11-25");
}

#[test]
fn discovery_says_what_is_there_and_how_long_to_believe_it() {
    let answer = Stage::new(server()).modern("server/discover", json!({}));
    let result = &answer.json["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json!({"tools": {}, "resources": {}, "prompts": {}, "logging": {}}));
    assert_eq!(result["instructions"], "Ask.");
    assert_eq!(result["cacheScope"], "public");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
}

#[test]
fn behind_a_verifier_lists_are_private() {
    use edgemcp::auth::{Principal, StaticTokens};
    let stage = Stage::new(server().verifier(StaticTokens::new().var("TEST_TOKEN", Principal::new("ada"))));
    let (body, headers) = modern("tools/list", json!({}));
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("authorization", "Bearer sesame"));
    assert_eq!(stage.post(body.to_string(), &headers).json["result"]["cacheScope"], "private");
}

#[test]
fn resources_are_listed_apart_from_templates_and_both_are_read() {
    let stage = Stage::new(server());
    for (version, answer) in stage.everywhere("resources/list", json!({})) {
        assert_eq!(answer.json["result"]["resources"][0]["uri"], "data://config", "{version}");
        assert_eq!(answer.json["result"]["resources"].as_array().unwrap().len(), 1, "{version}");
    }
    for (version, answer) in stage.everywhere("resources/templates/list", json!({})) {
        assert_eq!(
            answer.json["result"]["resourceTemplates"][0]["uriTemplate"], "user://{id}/profile",
            "{version}"
        );
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://config"})) {
        let contents = json!([{"uri": "data://config", "mimeType": "text/plain", "text": "debug = false"}]);
        assert_eq!(answer.json["result"]["contents"], contents, "{version}");
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "user://7/profile"})) {
        let contents = &answer.json["result"]["contents"][0];
        assert_eq!(contents["text"], r#"{"name":"Ada"}"#, "{version}");
        assert_eq!(contents["mimeType"], "application/json", "{version}");
    }
}

#[test]
fn prompts_take_strings_for_numbers() {
    let stage = Stage::new(server());
    for (version, answer) in stage.everywhere("prompts/list", json!({})) {
        let arguments = json!([
            {"name": "name", "description": "Whom to greet.", "required": true},
            {"name": "times", "required": false},
        ]);
        assert_eq!(answer.json["result"]["prompts"][0]["arguments"], arguments, "{version}");
    }
    for (version, answer) in
        stage.everywhere("prompts/get", json!({"name": "greet", "arguments": {"name": "Ada", "times": "3"}}))
    {
        let message = &answer.json["result"]["messages"][0];
        assert_eq!(message["role"], "user", "{version}");
        assert_eq!(message["content"]["text"], "Greet Ada 3 times.", "{version}");
    }
}

#[test]
fn a_notification_and_a_posted_response_are_accepted_without_a_word() {
    let stage = Stage::new(server());
    for (body, headers) in [
        (json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), vec![]),
        (
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
            vec![("mcp-protocol-version", "2026-07-28")],
        ),
        (
            json!({"jsonrpc": "2.0", "id": "srv-1", "result": {}}),
            vec![("mcp-protocol-version", "2025-11-25")],
        ),
    ] {
        let answer = stage.post(body.to_string(), &headers);
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::ACCEPTED, ""), "{body}");
    }
}

#[test]
fn the_id_goes_back_as_it_came() {
    let stage = Stage::new(server());
    for id in [r#""a\u00fc""#, "-7", "18446744073709551616"] {
        let answer = stage.post(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), &[]);
        assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
}

#[test]
fn a_name_beyond_ascii_is_compared_once_it_is_decoded() {
    let stage = Stage::new(Server::new("test", "1").resource(Resource::new(
        "data://größe",
        "size",
        |_, _: NoArguments| async { "7" },
    )));
    let (body, _) = modern("resources/read", json!({"uri": "data://größe"}));
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "resources/read"),
        ("mcp-name", "=?base64?ZGF0YTovL2dyw7bDn2U=?="),
    ];
    assert_eq!(stage.post(body.to_string(), &headers).status, StatusCode::OK);
}

#[test]
fn a_batch_of_2025_03_26_is_answered_message_by_message() {
    let stage = Stage::new(server());
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "nonsense"},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}},
        7,
        ["2.0", 4, "ping", {}],
    ]);
    for headers in [vec![], vec![("mcp-protocol-version", "2025-03-26")]] {
        let answer = stage.post(batch.to_string(), &headers);
        assert_eq!(answer.status, StatusCode::OK);
        let answers = answer.json.as_array().unwrap();
        assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(2), &json!(-32601)));
        assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&json!(3), &json!(-32600)));
        assert_eq!((&answers[3]["id"], &answers[3]["error"]["code"]), (&Value::Null, &json!(-32600)));
        assert_eq!((&answers[4]["id"], &answers[4]["error"]["code"]), (&Value::Null, &json!(-32600)));
        assert_eq!(answers.len(), 5);
    }
    let silent = stage.post(r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#, &[]);
    assert_eq!((silent.status, silent.text.as_str()), (StatusCode::ACCEPTED, ""));
    let (mut modern, _) = modern("notifications/cancelled", json!({}));
    modern.as_object_mut().unwrap().remove("id");
    let silent = stage.post(json!([modern]).to_string(), &[]);
    assert_eq!((silent.status, silent.text.as_str()), (StatusCode::ACCEPTED, ""));
}

#[test]
fn every_handler_of_a_batch_runs_and_is_heard() {
    let stage =
        Stage::new(server().tool(Tool::new("say", "Say.", |cx: Context, _: NoArguments| async move {
            cx.progress(1.0);
            cx.info("said");
            "ok"
        })));
    let call = |id: u64, name: &str, arguments: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
            "name": name, "arguments": arguments, "_meta": {"progressToken": id},
        }})
    };
    let batch = json!([
        call(1, "add", json!({"a": 1, "b": 1})),
        call(2, "add", json!({"a": 2, "b": 2})),
        {"jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": {"uri": "data://config"}},
    ]);
    let answers = stage.post(batch.to_string(), &[]).json;
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(answers[1]["result"]["content"][0]["text"], "4");
    let batch = json!([call(1, "say", json!({})), call(2, "say", json!({}))]);
    let both = ("accept", "application/json, text/event-stream");
    let said = stage.post(batch.to_string(), &[both]).events();
    let tokens: Vec<_> =
        said.iter().filter_map(|message| message["params"].get("progressToken")).cloned().collect();
    assert_eq!(tokens, [1, 2]);
    assert_eq!(said.last().unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn a_handler_reaches_store_settings_and_who_is_asking() {
    use edgemcp::auth::{Principal, StaticTokens};
    let tool = Tool::new("probe", "Probe.", |cx: Context, _: NoArguments| async move {
        let count = cx.store().increment(&Key::new("c", "i", "n")?, 2, None).await?;
        let who = cx.principal().map(|principal| principal.subject().to_owned());
        let client = cx.client();
        Ok::<_, ToolError>(format!(
            "{count} {who:?} {:?} {client:?} {:?}",
            cx.var("TEST_TOKEN"),
            cx.headers().get("x-mine")
        ))
    });
    let tokens = StaticTokens::new().token("open", Principal::new("ada"));
    let stage = Stage::new(Server::new("test", "1").tool(tool).verifier(tokens));
    let (mut body, headers) = modern("tools/call", json!({"name": "probe"}));
    body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "c", "version": "9"});
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.extend([("authorization", "bearer open"), ("x-mine", "yes")]);
    let answer = stage.post(body.to_string(), &headers);
    assert_eq!(answer.message(), r#"2 Some("ada") Some("sesame") Some(("c", "9")) Some("yes")"#);
}

#[test]
fn plain_routes_stand_beside_the_endpoint() {
    let stage = Stage::new(
        server().route(Method::GET, "/health", |_, _| async { http::Response::new(Body::from("ok")) }),
    );
    let get = |method: Method, path: &str| {
        common::Answer::new(stage.send(Request::builder().method(method).uri(path).body("".into()).unwrap()))
    };
    assert_eq!(get(Method::GET, "/health").text, "ok");
    assert_eq!(get(Method::HEAD, "/health").status, StatusCode::OK);
    let wrong = get(Method::POST, "/health");
    assert_eq!((wrong.status, wrong.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET")));
    let nowhere = get(Method::GET, "/");
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.text.contains("/mcp"), "{}", nowhere.text);
}

#[test]
fn the_endpoint_moves_and_takes_a_trailing_slash() {
    let stage = Stage::new(server().path("/api/mcp"));
    for path in ["/api/mcp", "/api/mcp/"] {
        let request = Request::post(path).header("content-type", "application/json");
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert_eq!(stage.send(request.body(body.into()).unwrap()).status(), StatusCode::OK, "{path}");
    }
}

#[test]
fn stdio_speaks_both_eras_and_remembers_the_handshake() {
    let stage = Stage::new(server());
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let say = |line: Value| -> Option<Value> {
        let answer = futures_executor::block_on(connection.receive(line.to_string().into()).next())?;
        Some(serde_json::from_slice(&answer).unwrap())
    };
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 2, "b": 3}}});
    let initialize = |version: &str| json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": version}});

    assert_eq!(say(initialize("2025-03-26")).unwrap()["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})), None);
    assert!(say(call.clone()).unwrap()["result"].get("structuredContent").is_none());
    say(initialize("2025-11-25"));
    let (unknown, _) = modern("initialize", json!({"protocolVersion": "2025-03-26"}));
    assert_eq!(say(unknown).unwrap()["error"]["code"], -32601);
    assert_eq!(say(call).unwrap()["result"]["structuredContent"], json!({"result": 5}));

    let (modern, _) = modern("tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
    assert_eq!(say(modern).unwrap()["result"]["resultType"], "complete");
    assert_eq!(say(json!(7)).unwrap()["error"]["code"], -32600);
}
