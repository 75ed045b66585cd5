//! What a remote answers and says is passed on as it is, whatever is in it, and its errors as errors of this server's.

use edgemcp::{LoggingLevel, Progress, ProtocolVersion, Server, prelude::*};
use serde_json::{Value, json};

use crate::{
    common::{self, Answer, Stage},
    ground::{Far, Speaks, names, near, remote, respond, result, stage, stage_of, tools},
};

/// A remote whose tool `add` is answered with this result.
fn answering(answer: Value) -> Stage {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    far.answer_instead(move |seen| (seen.method() == "tools/call").then(|| result(seen, &answer)));
    stage
}

const CALL: &str = r#"{"name": "far_fail"}"#;

fn call(stage: &Stage) -> Vec<(ProtocolVersion, Answer)> {
    stage.everywhere("tools/call", serde_json::from_str(CALL).unwrap())
}

/// What programs that write numbers otherwise than this one does must find again.
const RESULT: &str = r#"{"content":[
    {"type":"text","text":"plain"},
    {"type":"text","text":"marked","annotations":{"audience":["user"],"priority":0.1},"_meta":{"a.example/x":1}},
    {"type":"image","data":"AAEC","mimeType":"image/png"},
    {"type":"hologram","frames":[1,2.50,null],"deep":{"er":["\u00fc\n"]}},
    {"type":"resource","resource":{"uri":"a://b","text":"t"}}
  ],
  "structuredContent":{"z":1,"a":[0.10,1E300,12345678901234567890123]},"isError":true,
  "_meta":{"a.example/cost":{"cents":3},"io.modelcontextprotocol/serverInfo":{"name":"far","version":"1"}},
  "resultType":"complete"}"#;

#[test]
fn content_of_every_kind_is_passed_on_as_it_came() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    far.answer_instead(|seen| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{RESULT}}}"#, seen.body["id"]);
        (seen.method() == "tools/call").then(|| respond(200, "application/json", body))
    });
    let sent: Value = serde_json::from_str(RESULT).unwrap();
    for (version, answer) in call(&stage) {
        let result = &answer.json["result"];
        assert_eq!(result["content"], sent["content"], "{version}");
        assert_eq!(result["isError"], true);
        assert_eq!(result["_meta"]["a.example/cost"], json!({"cents": 3}));
        let who = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
        assert_eq!(
            who.as_str(),
            (version == ProtocolVersion::V2026_07_28).then_some("near"),
            "this server answers"
        );
        let whole = r#"{"type":"hologram","frames":[1,2.50,null],"deep":{"er":["\u00fc\n"]}}"#;
        assert!(answer.text.contains(whole), "{version}: {}", answer.text);
        if version >= ProtocolVersion::V2025_06_18 {
            let structured = r#""structuredContent":{"z":1,"a":[0.10,1E300,12345678901234567890123]}"#;
            assert!(answer.text.contains(structured), "{version}: {}", answer.text);
        }
    }
}

#[test]
fn a_link_reaches_a_client_that_knows_none_as_text() {
    let stage =
        answering(json!({"content": [{"type": "resource_link", "uri": "a://b", "name": "b", "size": 7}]}));
    for (version, answer) in call(&stage) {
        let block = &answer.json["result"]["content"][0];
        match version < ProtocolVersion::V2025_06_18 {
            true => assert_eq!(block, &json!({"type": "text", "text": "b: a://b"})),
            false => {
                assert_eq!(block, &json!({"type": "resource_link", "uri": "a://b", "name": "b", "size": 7}));
            }
        }
    }
}

#[test]
fn a_value_that_is_no_object_is_carried_as_this_servers_own_are() {
    let stage = answering(json!({"content": [], "structuredContent": [1, 2]}));
    for (version, answer) in call(&stage) {
        if version >= ProtocolVersion::V2025_06_18 {
            assert_eq!(answer.json["result"]["structuredContent"], json!({"result": [1, 2]}), "{version}");
        }
    }
}

#[test]
fn a_pretty_answer_stays_one_message() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    far.answer_instead(|seen| {
        let id = &seen.body["id"];
        let body = format!("{{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": {id},\n  \"result\": {{\"content\": [\n{{\"type\": \"odd\",\n \"a\": 1}}], \"structuredContent\": {{\n\"a\": 1\n}} }}\n}}\n");
        (seen.method() == "tools/call").then(|| respond(200, "application/json", body))
    });
    for (version, answer) in call(&stage) {
        assert!(!answer.text.contains('\n'), "{version}: {}", answer.text);
        assert_eq!(answer.json["result"]["content"][0]["a"], 1);
    }
}

#[test]
fn an_error_is_one_of_the_same_code_and_message() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    let long = "x".repeat(5000);
    for (code, said, modern, legacy, message) in [
        (-32602, "no such thing", -32602, -32602, Some("no such thing")),
        (-32603, "it broke", -32603, -32603, Some("it broke")),
        (-32000, "custom", -32000, -32000, Some("custom")),
        (42, "forged\r\x1b[31mline", 42, 42, Some("forged  [31mline")),
        (99_999_999_999_i64, "beyond", -32603, -32603, Some("beyond")),
        (7, &long, 7, 7, None),
        // What is wrong with how it was asked is nothing that the client did.
        (-32600, "secret of the protocol", -32603, -32603, None),
        (-32601, "secret of the protocol", -32603, -32603, None),
        (-32042, "secret of the protocol", -32603, -32603, None),
    ] {
        let error = json!({"code": code, "message": said, "data": {"secret": "hunter2"}});
        far.answer_instead(move |seen| {
            let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error});
            (seen.method() == "tools/call").then(|| respond(200, "application/json", body.to_string()))
        });
        for (version, answer) in call(&stage) {
            let expected = if version == ProtocolVersion::V2026_07_28 { modern } else { legacy };
            assert_eq!(answer.code(), Some(expected), "{version} {code}: {}", answer.text);
            if let Some(message) = message {
                assert_eq!(answer.message(), message);
            }
            assert!(answer.text.len() < 1300 && !answer.text.contains("hunter2"), "{}", answer.text);
            assert!(!answer.text.contains("secret of"), "{}", answer.text);
        }
    }
}

#[test]
fn what_a_remote_says_while_it_works_is_passed_on() {
    let work = Tool::new("work", "Work.", |cx: Context, _: NoArguments| async move {
        cx.progress(Progress::new(1.0).total(2.0).message("half"));
        cx.log_as("worker", LoggingLevel::Warning, json!({"left": 1}));
        cx.log(LoggingLevel::Debug, "quiet");
        "worked"
    });
    for speaks in [Speaks::ModernOnly, Speaks::LegacyOnly] {
        let stage = stage(&Far::new(Server::new("work", "1").tool(work.clone()), speaks));
        let meta = json!({"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"});
        let (body, mut headers) = common::modern("tools/call", json!({"name": "far_work", "_meta": meta}));
        headers.push(("accept", "application/json, text/event-stream".to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = stage.post(body.to_string(), &headers);
        let events = answer.events();
        let said: Vec<_> = events.iter().map(|event| event["params"].clone()).collect();
        assert_eq!(
            said[0],
            json!({"progressToken": "p", "progress": 1.0, "total": 2.0, "message": "half"}),
            "{speaks:?}: {}",
            answer.text
        );
        assert_eq!(
            said[1],
            json!({"level": "warning", "logger": "worker", "data": {"left": 1}}),
            "{speaks:?}"
        );
        assert_eq!((events.len(), answer.message()), (3, "worked"), "{speaks:?}: {}", answer.text);
    }
    // A client that wants to hear nothing has the remote say nothing.
    let far = Far::new(Server::new("work", "1").tool(work), Speaks::ModernOnly);
    let stage = stage_of(near(remote()), &far);
    stage.modern("tools/call", json!({"name": "far_work"}));
    let meta = far.take().pop().unwrap().body["params"]["_meta"].clone();
    assert!(meta["progressToken"].is_null() && meta["io.modelcontextprotocol/logLevel"].is_null(), "{meta}");
}

#[test]
fn a_stream_that_ends_before_its_answer_is_gone_on_with() {
    use std::time::Duration;
    let leave =
        Tool::new("leave", "Close the stream, then go on.", |cx: Context, _: NoArguments| async move {
            cx.close_stream().await;
            "came back"
        });
    let far = Far::new(Server::new("leaving", "1").tool(leave), Speaks::LegacyOnly);
    {
        let mut stage = far.stage.lock().unwrap();
        stage.platform = stage.platform.clone().with_hold_max(Some(Duration::from_secs(60)));
    }
    let stage = stage(&far);
    tools(&stage);
    far.take();
    let mut reading = common::live::Reading::of(&stage, {
        let (body, headers) = common::modern("tools/call", json!({"name": "far_leave"}));
        let mut request = http::Request::post("/mcp").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(body.to_string().into()).unwrap()
    });
    common::live::pass(&stage, Duration::from_secs(4), || {
        reading.poll();
    });
    assert!(reading.text.contains("came back"), "{}", reading.text);
    let seen = far.take();
    let methods: Vec<_> = seen.iter().map(|seen| seen.method().to_owned()).collect();
    assert_eq!(methods, ["tools/call", "GET"]);
    assert!(seen[1].header("last-event-id").is_some() && seen[1].header("mcp-session-id").is_some());
}

#[test]
fn what_has_changed_is_listed_anew_where_the_remote_says_so() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage(&far);
    tools(&stage);
    far.answer_instead(|seen| {
        let id = &seen.body["id"];
        let stream = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[]}}}}\n\n"
        );
        (seen.method() == "tools/call").then(|| respond(200, "text/event-stream", stream))
    });
    call(&stage);
    far.becomes(
        Server::new("other", "1").tool(Tool::new("other", "Other.", |_, _: NoArguments| async { "" })),
    );
    assert_eq!(names(&stage.modern("tools/list", json!({})), "tools", "name"), ["own", "far_other"]);
}
