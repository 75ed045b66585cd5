//! The schemas of tools are listed without references, and enforced as they were.

#![cfg(feature = "json-schema")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::Stage;
use edgemcp::{Server, compose::Mount, middleware::Dereference, prelude::*, transform};
use serde_json::{Value, json};

fn tool() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": {"home": {"$ref": "#/$defs/Address", "description": "Where they live."}},
        "required": ["home"],
        "$defs": {"Address": {"type": "object", "description": "Where.", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    });
    Tool::with_schema("move_in", "Move in.", schema, |_, arguments: Value| async move {
        arguments["home"]["city"].to_string()
    })
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Tree {
    name: String,
    children: Vec<Tree>,
}

fn server() -> Server {
    Server::new("houses", "1").tool(tool()).tool(Tool::new("tree", "A tree.", |_, _: NoArguments| async {
        Json(Tree { name: "root".to_owned(), children: Vec::new() })
    }))
}

#[test]
fn clients_see_no_reference_that_can_be_written_out() {
    let mounted = Server::new("all", "1").mount(Mount::under("inner", server())).middleware(Dereference);
    for (server, name) in [
        (server().middleware(Dereference), "move_in"),
        (server().transform(transform::Dereference), "move_in"),
        (mounted, "inner_move_in"),
    ] {
        let stage = Stage::new(server);
        stage.each("tools/list", &json!({}), |version, answer| {
            let tools = answer.json["result"]["tools"].as_array().unwrap();
            let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
            assert_eq!(
                tool["inputSchema"],
                json!({
                    "type": "object",
                    "properties": {"home": {
                        "type": "object", "description": "Where they live.",
                        "properties": {"city": {"type": "string"}}, "required": ["city"],
                    }},
                    "required": ["home"],
                }),
                "{version:?}"
            );
            // A type that contains itself cannot be.
            assert!(answer.text.contains("$ref") == answer.text.contains("outputSchema"), "{}", answer.text);
        });
        let home = |city: Value| json!({"name": name, "arguments": {"home": {"city": city}}});
        stage.each("tools/call", &home(json!("Bonn")), |_, answer| assert_eq!(answer.message(), "\"Bonn\""));
        stage.each("tools/call", &home(json!(7)), |_, answer| {
            assert_eq!(answer.json["result"]["isError"], true, "{answer:?}");
        });
    }
}

#[test]
fn without_it_clients_see_the_schema_as_it_is() {
    let stage = Stage::new(server());
    stage.each("tools/list", &json!({}), |_, answer| assert!(answer.text.contains("#/$defs/Address")));
}
