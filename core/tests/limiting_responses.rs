//! What a tool answers is cut where it is too long, and stays an answer.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::{Answer, Stage, capable};
use edgemcp::{
    Server,
    middleware::{RESPONSE_BYTES_MAX, ResponseLimiting},
    platform::LogLevel,
    prelude::*,
};
use serde_json::{Value, json};

const SUFFIX: &str = "\n\n[Response truncated due to size limit]";

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Length {
    length: usize,
}

fn server() -> Server {
    Server::new("long", "1")
        .tool(Tool::new("text", "Text.", |_, Length { length }| async move { "x".repeat(length) }))
        .tool(Tool::new("umlauts", "Text.", |_, Length { length }| async move { "ü\n".repeat(length) }))
        .tool(Tool::new("data", "Data.", |_, Length { length }| async move { Json("x".repeat(length)) }))
        .tool(Tool::new("fail", "Fail.", |_, Length { length }| async move {
            ToolOutput::new().content("x".repeat(length)).is_error()
        }))
        .tool(Tool::new("image", "A picture and two texts.", |_, Length { length }| async move {
            ToolOutput::new()
                .content("first")
                .content(Content::image(vec![0; length], "image/png"))
                .content("second")
                .meta("com.example/cost", 7)
        }))
        .tool(Tool::new("ask", "Ask.", |cx: Context, _: NoArguments| async move {
            let name: String = cx.elicit("What is your name?".repeat(40)).await?;
            Ok::<_, ToolError>(name)
        }))
}

/// The bytes of what the tool gave, which is the answer but for what says who answers.
fn bytes(answer: &Answer) -> usize {
    let mut result = answer.json["result"].clone();
    let members = result.as_object_mut().unwrap();
    members.remove("resultType");
    if let Some(meta) = members.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.remove("io.modelcontextprotocol/serverInfo");
        if meta.is_empty() {
            members.remove("_meta");
        }
    }
    result.to_string().len()
}

fn call(name: &str, length: usize) -> Value {
    json!({"name": name, "arguments": {"length": length}, "_meta": capable()})
}

#[test]
fn an_answer_at_the_limit_is_whole_and_a_longer_one_is_cut_to_it() {
    let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(1000)));
    let around = r#"{"content":[{"type":"text","text":""}]}"#.len();
    stage.each("tools/call", &call("text", 1000 - around), |version, answer| {
        assert_eq!((answer.message().len(), bytes(&answer)), (1000 - around, 1000), "{version:?}");
        assert_eq!(stage.log.all(), "");
    });
    stage.each("tools/call", &call("text", 1001 - around), |version, answer| {
        let kept = answer.message().strip_suffix(SUFFIX).unwrap();
        assert!(kept.chars().all(|c| c == 'x') && kept.len() > 850, "{version:?} {}", kept.len());
        assert!((980..=1000).contains(&bytes(&answer)), "{}", bytes(&answer));
        let line = "Tool \"text\" response exceeds size limit: 1001 bytes > 1000 bytes, truncating";
        assert_eq!(stage.log.take(), [(LogLevel::Warning, line.to_owned())]);
    });
}

#[test]
fn a_character_is_never_cut_in_two_and_counts_as_json_writes_it() {
    for max in 200..210 {
        let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(max)));
        stage.each("tools/call", &call("umlauts", 500), |_, answer| {
            let kept = answer.message().strip_suffix(SUFFIX).unwrap();
            assert!("ü\n".repeat(500).starts_with(kept) && !kept.is_empty());
            assert!(bytes(&answer) <= max, "{} {max}", bytes(&answer));
        });
    }
}

#[test]
fn structured_content_is_left_out_with_its_schema() {
    let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(300)));
    stage.each("tools/call", &call("data", 500), |_, answer| {
        assert_eq!(answer.json["result"].get("structuredContent"), None);
        assert!(answer.message().starts_with("\"xxx") && answer.message().ends_with(SUFFIX), "{answer:?}");
    });
    stage.each("tools/call", &call("data", 5), |version, answer| {
        assert_eq!(answer.message(), "\"xxxxx\"", "{version:?}");
    });
    let limited = |limiting: ResponseLimiting| {
        let stage = Stage::new(server().middleware(limiting));
        let mut schemas = Vec::new();
        stage.each("tools/list", &json!({}), |_, answer| {
            let tools = answer.json["result"]["tools"].as_array().unwrap().clone();
            schemas.push(tools.iter().any(|tool| tool.get("outputSchema").is_some()));
        });
        schemas
    };
    assert!(limited(ResponseLimiting::new()).iter().all(|has| !has));
    // The oldest revision has none at all.
    assert!(limited(ResponseLimiting::new().tools(["text"])).iter().any(|has| *has));
    assert!(limited(ResponseLimiting::new().tools(["text", "data"])).iter().all(|has| !has));
}

#[test]
fn only_the_tools_that_are_named_are_limited() {
    let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(300).tools(["data"])));
    stage.each("tools/call", &call("text", 5000), |_, answer| assert_eq!(answer.message().len(), 5000));
    stage.each("tools/call", &call("data", 5000), |_, answer| assert!(bytes(&answer) <= 300));
}

#[test]
fn texts_are_joined_pictures_are_left_out_and_a_failure_stays_one() {
    let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(300)));
    stage.each("tools/call", &call("image", 500), |_, answer| {
        assert_eq!(answer.message(), format!("first\n\nsecond{SUFFIX}"));
        assert_eq!(answer.json["result"]["content"].as_array().unwrap().len(), 1);
        assert_eq!(answer.json["result"]["_meta"]["com.example/cost"], 7);
    });
    stage.each("tools/call", &call("image", 3), |_, answer| {
        assert_eq!(answer.json["result"]["content"].as_array().unwrap().len(), 3);
    });
    stage.each("tools/call", &call("fail", 500), |_, answer| {
        assert_eq!(answer.json["result"]["isError"], true);
        assert!(answer.message().ends_with(SUFFIX) && bytes(&answer) <= 300);
    });
}

#[test]
fn what_is_asked_is_not_cut() {
    let stage = Stage::new(server().middleware(ResponseLimiting::new().max_size(300)));
    let asked = stage.modern("tools/call", json!({"name": "ask", "_meta": capable()}));
    let message = &asked.json["result"]["inputRequests"]["ask-1"]["params"]["message"];
    assert_eq!(message.as_str().unwrap().len(), 18 * 40);
}

#[test]
fn the_defaults_are_those_of_fastmcp_and_a_limit_that_leaves_nothing_is_refused() {
    assert_eq!(RESPONSE_BYTES_MAX, 1_000_000);
    let stage = Stage::new(server().middleware(ResponseLimiting::new()));
    stage.each("tools/call", &call("text", 999_900), |_, answer| assert_eq!(answer.message().len(), 999_900));
    stage.each("tools/call", &call("text", 1_000_000), |_, answer| {
        assert!(answer.message().ends_with(SUFFIX) && bytes(&answer) <= 1_000_000);
    });
    let own = ResponseLimiting::new().max_size(80).truncation_suffix("…");
    let stage = Stage::new(server().middleware(own));
    stage.each("tools/call", &call("text", 500), |_, answer| {
        assert!(answer.message().ends_with("xxx…") && bytes(&answer) <= 80, "{answer:?}");
    });
    for max in [0, 95] {
        let wrong =
            server().middleware(ResponseLimiting::new().max_size(max)).build().unwrap_err().to_string();
        assert!(wrong.contains(&format!("`max_size` is {max} bytes")), "{wrong}");
    }
    assert!(server().middleware(ResponseLimiting::new().max_size(96)).build().is_ok());
}
