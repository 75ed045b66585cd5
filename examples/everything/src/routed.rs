//! Tools whose schemas say more than types: headers that gateways route by, and a schema of the tool's own.

use edgemcp::prelude::*;
use serde_json::{Value, json};

/// Say where and how urgently this would be done.
#[tool(read_only)]
pub(crate) fn test_x_mcp_header(
    /** The region, which gateways route by. */
    #[arg(header = "Region")]
    region: String,
    /** How urgent it is. */
    #[arg(header = "Priority")]
    priority: Option<i64>,
) -> String {
    format!("{region}, {priority:?}")
}

/// A tool whose schema clients see word for word.
pub(crate) fn json_schema_2020_12_tool() -> Tool {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    });
    let description = "Tool with JSON Schema 2020-12 features";
    let tool = Tool::with_schema(
        "json_schema_2020_12_tool",
        description,
        schema,
        |_, arguments: Value| async move { format!("Accepted: {arguments}") },
    );
    tool.read_only(true)
}
