//! Types beyond JSON's own, as arguments and results.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::Stage;
use edgemcp::{Server, prelude::*};
use serde_json::{Value, json};

fn call(tool: Tool, arguments: Value) -> (Value, Value) {
    let stage = Stage::new(Server::new("test", "1").tool(tool));
    let schema = stage.modern("tools/list", json!({})).json["result"]["tools"][0]["inputSchema"].clone();
    let answer = stage.modern("tools/call", json!({"name": "t", "arguments": arguments}));
    (schema, answer.json["result"].clone())
}

#[test]
fn bytes_travel_as_base64() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct File {
        data: Base64,
    }
    let tool = || {
        Tool::new("t", "Turn bytes around.", |_, File { data }| async move {
            Json(Base64(data.0.iter().rev().copied().collect()))
        })
    };
    let (schema, result) = call(tool(), json!({"data": "AQID"}));
    assert_eq!(schema["properties"]["data"], json!({"type": "string", "contentEncoding": "base64"}));
    assert_eq!(result["structuredContent"]["result"], "AwIB");
    let (_, result) = call(tool(), json!({"data": "AQI"}));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("invalid argument `data`: expected base64"), "{text}");
}

#[test]
fn integers_of_128_bits_are_read_from_text_too() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Amount {
        amount: u128,
        change: i128,
    }
    let told = |_, Amount { amount, change }| async move { format!("{amount} {change}") };
    let stage =
        Stage::new(Server::new("test", "1").prompt(Prompt::new("p", "Tell.", told)).resource(Resource::new(
            "amount://{amount}/{change}",
            "amount",
            told,
        )));
    let (amount, change) = (u128::MAX.to_string(), i128::MIN.to_string());
    let params = json!({"name": "p", "arguments": {"amount": amount, "change": change}});
    let answer = stage.modern("prompts/get", params);
    let expected = format!("{amount} {change}");
    assert_eq!(answer.json["result"]["messages"][0]["content"]["text"], expected, "{answer:?}");
    let answer = stage.modern("resources/read", json!({"uri": format!("amount://{amount}/{change}")}));
    assert_eq!(answer.json["result"]["contents"][0]["text"], expected, "{answer:?}");
}

/// JSON that goes back as it came.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Verbatim(Box<serde_json::value::RawValue>);

impl schemars::JsonSchema for Verbatim {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Verbatim".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!(true)
    }
}

#[test]
fn json_of_several_lines_breaks_neither_a_stream_nor_a_line() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Said {
        said: Verbatim,
    }
    let stage = Stage::new(Server::new("test", "1").tool(Tool::new(
        "t",
        "Say it again.",
        |cx: Context, Said { said }| async move {
            cx.progress(1.0);
            cx.info("text\nof two lines");
            Json(said)
        },
    )));
    let (mut body, headers) =
        common::modern("tools/call", json!({"name": "t", "_meta": {"progressToken": 1}}));
    body["params"]["arguments"] = json!({"said": 0});
    for end in ["\n", "\r", "\r\n"] {
        let body = body.to_string().replace(":0", &format!(":[1,{end}2]"));
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("accept", "application/json, text/event-stream"));
        let answer = stage.post(body.clone(), &headers);
        assert_eq!(answer.json["result"]["structuredContent"]["result"], json!([1, 2]), "{answer:?}");
        assert!(!answer.text.contains('\r'), "{answer:?}");

        let connection = edgemcp::stdio::Connection::new(stage.service.clone(), stage.platform.clone());
        let mut lines = connection.receive(body.into());
        let lines =
            std::iter::from_fn(|| futures_executor::block_on(futures_util::StreamExt::next(&mut lines)));
        for line in lines {
            assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "{line:?}");
        }
    }
}

#[test]
fn every_reference_of_a_schema_leads_somewhere() {
    #[derive(Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Tree {
        children: Vec<Tree>,
    }
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(untagged)]
    enum Nested {
        Leaf(u8),
        Branch(Vec<Nested>),
    }
    fn follow(schema: &Value, document: &Value, found: &mut Vec<Value>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            found.push(target.unwrap_or_else(|| panic!("{reference} in {document}")).clone());
        }
        let objects = schema.as_object().into_iter().flat_map(|members| members.values());
        let arrays = schema.as_array().into_iter().flatten();
        objects.chain(arrays).for_each(|part| follow(part, document, found));
    }
    let stage = Stage::new(
        Server::new("test", "1")
            .tool(Tool::new("tree", "A tree.", |_, tree: Tree| async { Json(tree) }))
            .tool(Tool::new("trees", "Trees.", |_, tree: Tree| async { Json(vec![tree]) }))
            .tool(Tool::new("nested", "Nested.", |_, _: NoArguments| async {
                Json(Nested::Branch(vec![Nested::Leaf(1)]))
            })),
    );
    let listed = stage.modern("tools/list", json!({})).json["result"]["tools"].clone();
    for (tool, has) in [(0, "properties"), (1, "properties"), (2, "anyOf")] {
        let schema = &listed[tool]["outputSchema"];
        let mut found = Vec::new();
        follow(schema, schema, &mut found);
        assert!(!found.is_empty(), "{schema}");
        for target in found {
            assert!(target.get(has).is_some(), "{schema}");
            assert!(target.get("x-fastmcp-wrap-result").is_none(), "{schema}");
        }
    }
}

#[cfg(feature = "chrono")]
#[test]
fn chrono_moments_travel_as_rfc_3339() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct When {
        at: chrono::DateTime<chrono::Utc>,
    }
    let tool = Tool::new("t", "Give it back.", |_, When { at }| async move { Json(at) });
    let (schema, result) = call(tool, json!({"at": "2026-11-22T14:00:00+01:00"}));
    assert_eq!(schema["properties"]["at"]["format"], "date-time");
    assert_eq!(result["structuredContent"]["result"], "2026-11-22T13:00:00Z");
}

#[cfg(feature = "jiff")]
#[test]
fn jiff_moments_travel_as_rfc_3339() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct When {
        at: jiff::Timestamp,
    }
    let tool = Tool::new("t", "Give it back.", |_, When { at }| async move { Json(at) });
    let (schema, result) = call(tool, json!({"at": "2026-11-22T14:00:00+01:00"}));
    assert_eq!(schema["properties"]["at"]["format"], "date-time");
    assert_eq!(result["structuredContent"]["result"], "2026-11-22T13:00:00Z");
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_travels_as_text_and_a_broken_one_is_named() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Which {
        id: uuid::Uuid,
    }
    let tool = || Tool::new("t", "Give it back.", |_, Which { id }| async move { Json(id) });
    let (schema, result) = call(tool(), json!({"id": "67E55044-10B1-426F-9247-BB680E5FE0C8"}));
    assert_eq!(schema["properties"]["id"]["format"], "uuid");
    assert_eq!(result["structuredContent"]["result"], "67e55044-10b1-426f-9247-bb680e5fe0c8");
    let (_, result) = call(tool(), json!({"id": "67e55044"}));
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with("invalid argument `id`"), "{result}");
}

#[cfg(feature = "pattern")]
#[test]
fn a_pattern_is_in_the_schema_and_enforced() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Code {
        #[schemars(regex(pattern = r"^[A-Z]{2}-\d+$"))]
        code: String,
    }
    let tool = || Tool::new("t", "Give it back.", |_, Code { code }| async move { code });
    let (schema, result) = call(tool(), json!({"code": "AB-12"}));
    assert_eq!(schema["properties"]["code"]["pattern"], r"^[A-Z]{2}-\d+$");
    assert_eq!(result["content"][0]["text"], "AB-12");
    let (_, result) = call(tool(), json!({"code": "ab-12"}));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, r#"invalid argument `code`: expected text matching "^[A-Z]{2}-\\d+$", got "ab-12""#);
}
