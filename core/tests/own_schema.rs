//! Tools that bring their own JSON Schema: clients see it as it is, and what it asks is asked of every call.

#![cfg(feature = "json-schema")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::{Answer, Stage};
use edgemcp::{Server, limits::JSON_DEPTH_MAX, prelude::*};
use serde_json::{Value, json};

/// A tool that gives back what it got.
fn tool(schema: Value) -> Tool {
    Tool::with_schema("echo", "Give it back.", schema, |_, arguments: Value| async move { Json(arguments) })
}

fn stage(schema: Value) -> Stage {
    Stage::new(Server::new("test", "1").tool(tool(schema)))
}

fn call(stage: &Stage, arguments: &Value) -> Answer {
    stage.modern("tools/call", json!({"name": "echo", "arguments": arguments}))
}

/// Whether the arguments reached the handler.
fn fit(stage: &Stage, arguments: &Value) -> bool {
    let answer = call(stage, arguments);
    let result = &answer.json["result"];
    assert_ne!(result.get("structuredContent").is_some(), result["isError"] == true, "{}", answer.text);
    result.get("structuredContent").is_some()
}

fn problems(schema: Value) -> Vec<String> {
    let error = Server::new("test", "1").tool(tool(schema)).build().unwrap_err();
    let problems = error.problems().iter();
    problems.map(|problem| problem.strip_prefix("tool \"echo\": ").unwrap().to_owned()).collect()
}

/// An object with the property `a` that is as `schema` says.
fn of(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"a": schema}})
}

#[test]
fn clients_see_the_schema_as_it_is() {
    let text = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/find","type":"object","required":["z","a"],"$defs":{"way":{"$anchor":"way","enum":["up","down"]}},"properties":{"z":{"$ref":"#way","description":"Which way."},"a":{"anyOf":[{"type":"string"},{"type":"null"}],"x-unit":"m"}},"allOf":[{"if":{"properties":{"z":{"const":"up"}}},"then":{"required":["a"]},"else":true}],"additionalProperties":false,"title":"Find"}"##;
    let stage = stage(serde_json::from_str(text).unwrap());
    for (version, answer) in stage.everywhere("tools/list", json!({})) {
        assert!(answer.text.contains(&format!("\"inputSchema\":{text}")), "{version}: {}", answer.text);
    }
    let answer = call(&stage, &json!({"z": "up", "a": null}));
    assert_eq!(
        answer.json["result"]["structuredContent"],
        json!({"result": {"z": "up", "a": null}}),
        "{}",
        answer.text
    );
}

#[test]
fn what_the_schema_asks_is_asked_of_every_call() {
    let tree = json!({
        "type": "object", "$dynamicAnchor": "node",
        "properties": {"children": {"type": "array", "items": {"$dynamicRef": "#node"}}, "name": {"$ref": "#name"}},
        "$defs": {"name": {"$anchor": "name", "type": "string"}},
        "unevaluatedProperties": false,
    });
    let meta = of(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}));
    for (schema, good, bad) in [
        (tree.clone(), json!({"children": [{"name": "x"}, {}]}), json!({"children": [{"name": 1}]})),
        (tree, json!({}), json!({"children": [{"nmae": "x"}]})),
        (
            of(&json!({"prefixItems": [{"type": "integer"}], "items": false})),
            json!({"a": [1]}),
            json!({"a": [1, 2]}),
        ),
        (json!({"type": "object", "dependentRequired": {"a": ["b"]}}), json!({"b": 1}), json!({"a": 1})),
        (json!({"type": "object", "propertyNames": {"pattern": "^x"}}), json!({"x": 1}), json!({"y": 1})),
        (
            json!({"type": "object", "patternProperties": {"^x": {"const": 1}}}),
            json!({"x": 1}),
            json!({"xy": 2}),
        ),
        (of(&json!({"contains": {"const": 1}, "minContains": 2})), json!({"a": [1, 1]}), json!({"a": [1]})),
        (of(&json!({"not": {"type": "string"}})), json!({"a": 1}), json!({"a": ""})),
        (of(&json!({"type": "integer"})), json!({"a": 1.0}), json!({"a": 1.5})),
        (of(&json!({"multipleOf": 0.1})), json!({"a": 0.3}), json!({"a": 0.35})),
        // The schema of schemas is known, so that a tool may take one.
        (meta, json!({"a": {"type": "object"}}), json!({"a": {"type": "objct"}})),
    ] {
        let stage = stage(schema.clone());
        assert!(fit(&stage, &good), "{schema} {good}");
        assert!(!fit(&stage, &bad), "{schema} {bad}");
    }
}

#[test]
fn a_format_is_a_note_to_the_client() {
    let stage = stage(of(&json!({"format": "date", "contentEncoding": "base64"})));
    assert!(fit(&stage, &json!({"a": "%"})));
}

#[test]
fn a_call_without_arguments_has_none() {
    let stage = stage(json!({"type": "object"}));
    for params in [json!({"name": "echo"}), json!({"name": "echo", "arguments": {}})] {
        assert_eq!(
            stage.modern("tools/call", params).json["result"]["structuredContent"],
            json!({"result": {}})
        );
    }
}

#[test]
fn the_model_is_told_where_what_was_expected_and_what_came() {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[A-Z]"},
            "days": {"type": "integer", "minimum": 1, "maximum": 9, "exclusiveMaximum": 9},
            "step": {"multipleOf": 0.5, "exclusiveMinimum": 0},
            "tags": {"type": "array", "items": {"enum": ["a", "b", 3]}, "maxItems": 2, "minItems": 1, "uniqueItems": true},
            "at": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": ["number", "null"]}},
                "required": ["x"], "additionalProperties": false, "minProperties": 1},
            "0": {"type": "object", "properties": {"a/b~c": {"const": true}}, "propertyNames": {"maxLength": 5}},
            "list": {"contains": {"const": 1}, "prefixItems": [true, false]},
            "other": {"not": {"const": 7}},
            "gone": false,
        },
        "required": ["city"],
        "unevaluatedProperties": false,
    });
    let stage = stage(schema);
    for (arguments, says) in [
        (json!({}), "invalid arguments: missing field `city`"),
        (
            json!({"city": "Oslo", "ctiy": 1}),
            "invalid argument `ctiy`: unknown field `ctiy`, expected one of `city`, `days`, `step`, `tags`, `at`, `0`, `list`, `other`, `gone`",
        ),
        (json!({"city": 7}), "invalid argument `city`: invalid type: integer `7`, expected a string"),
        (json!({"city": "O"}), "invalid argument `city`: expected at least 2 characters, got 1"),
        (json!({"city": "Øresund"}), "invalid argument `city`: expected at most 4 characters, got 7"),
        (json!({"city": "oslo"}), r#"invalid argument `city`: expected text matching "^[A-Z]", got "oslo""#),
        (
            json!({"city": "Oslo", "days": "two"}),
            "invalid argument `days`: invalid type: string \"two\", expected an integer",
        ),
        (
            json!({"city": "Oslo", "days": 2.5}),
            "invalid argument `days`: invalid type: floating point `2.5`, expected an integer",
        ),
        (json!({"city": "Oslo", "days": 0}), "invalid argument `days`: expected at least 1, got 0"),
        (json!({"city": "Oslo", "days": 10}), "invalid argument `days`: expected at most 9, got 10"),
        (json!({"city": "Oslo", "days": 9}), "invalid argument `days`: expected less than 9, got 9"),
        (json!({"city": "Oslo", "step": 0}), "invalid argument `step`: expected more than 0, got 0"),
        (
            json!({"city": "Oslo", "step": 0.7}),
            "invalid argument `step`: expected a multiple of 0.5, got 0.7",
        ),
        (json!({"city": "Oslo", "tags": []}), "invalid argument `tags`: expected at least 1 items, got 0"),
        (
            json!({"city": "Oslo", "tags": ["a", "b", 3]}),
            "invalid argument `tags`: expected at most 2 items, got 3",
        ),
        (
            json!({"city": "Oslo", "tags": ["a", "a"]}),
            "invalid argument `tags`: expected items that all differ, got two alike",
        ),
        (
            json!({"city": "Oslo", "tags": ["a", {}]}),
            r#"invalid argument `tags[1]`: expected one of "a", "b", 3, got an object"#,
        ),
        (
            json!({"city": "Oslo", "tags": null}),
            "invalid argument `tags`: invalid type: null, expected an array",
        ),
        (
            json!({"city": "Oslo", "at": {"x": [], "y": 1}}),
            "invalid argument `at.x`: invalid type: array, expected a number",
        ),
        (
            json!({"city": "Oslo", "at": {"x": 1, "y": true}}),
            "invalid argument `at.y`: invalid type: boolean `true`, expected null or a number",
        ),
        (
            json!({"city": "Oslo", "at": {"x": 1, "z": 1}}),
            "invalid argument `at.z`: unknown field `z`, expected `x` or `y`",
        ),
        (json!({"city": "Oslo", "at": {}}), "invalid argument `at`: expected at least 1 properties, got 0"),
        (json!({"city": "Oslo", "at": {"y": 1}}), "invalid argument `at`: missing field `x`"),
        (json!({"city": "Oslo", "0": {"a/b~c": 1}}), "invalid argument `0.a/b~c`: expected true, got 1"),
        (
            json!({"city": "Oslo", "0": {"longer": 1}}),
            r#"invalid argument `0`: the name "longer" of a field: expected at most 5 characters, got 6"#,
        ),
        (
            json!({"city": "Oslo", "list": [0]}),
            "invalid argument `list`: expected items as the schema's `contains` asks for, got an array",
        ),
        (
            json!({"city": "Oslo", "other": 7}),
            r#"invalid argument `other`: expected anything but {"const":7}, got 7"#,
        ),
        (json!({"city": "Oslo", "gone": 7}), "invalid argument `gone`: expected nothing, got 7"),
        (json!([1]), "invalid arguments: invalid type: sequence, expected an object"),
        (json!("Oslo"), "invalid arguments: invalid type: string \"Oslo\", expected an object"),
    ] {
        for (version, answer) in
            stage.everywhere("tools/call", json!({"name": "echo", "arguments": arguments}))
        {
            assert_eq!(answer.json["result"]["isError"], true, "{version} {arguments}: {}", answer.text);
            assert_eq!(answer.message(), says, "{version} {arguments}");
        }
    }
}

#[test]
fn of_several_shapes_the_nearest_is_explained() {
    let kind = |name: &str, value: &str| {
        json!({
            "type": "object", "properties": {"kind": {"const": name}, "value": {"type": value}},
            "required": ["kind", "value"],
        })
    };
    let shapes = || json!([kind("text", "string"), kind("number", "integer"), kind("flag", "boolean")]);
    for keyword in ["anyOf", "oneOf"] {
        let stage = stage(of(&json!({keyword: shapes()})));
        for (value, says) in [
            (
                json!({"kind": "number", "value": "x"}),
                "invalid argument `a`: none of 3 shapes fits; the nearest: `a.value`: invalid type: string \"x\", expected an integer",
            ),
            (
                json!({"kind": "flag"}),
                "invalid argument `a`: none of 3 shapes fits; the nearest: `a`: missing field `value`",
            ),
            (json!(7), "invalid argument `a`: invalid type: integer `7`, expected an object"),
        ] {
            assert_eq!(call(&stage, &json!({"a": value})).message(), says);
        }
    }
    let scalars = stage(of(&json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})));
    let says = "invalid argument `a`: invalid type: array, expected a string, an integer or null";
    assert_eq!(call(&scalars, &json!({"a": []})).message(), says);
    let both = stage(of(&json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]})));
    let says = "invalid argument `a`: expected one of 2 shapes to fit, and more than one does";
    assert_eq!(call(&both, &json!({"a": 3})).message(), says);
}

#[test]
fn a_sentence_repeats_no_more_than_the_limits_allow() {
    let long = "x".repeat(10_000);
    let options: Vec<_> = (0..1000).map(|number| format!("{number}{long}")).collect();
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"enum": options}, "c": {"const": long}, "d": {"pattern": "^y"}},
        "additionalProperties": {"type": "integer"},
        "maxProperties": 3,
    });
    let stage = stage(schema);
    for arguments in [
        json!({"a": long}),
        json!({"b": long}),
        json!({"c": 1}),
        json!({"d": long}),
        json!({long.clone(): ""}),
        json!({"a": 1, "x": 2, "y": 3, "z": [long]}),
    ] {
        let answer = call(&stage, &arguments);
        assert_eq!(answer.json["result"]["isError"], true);
        assert!(answer.message().chars().count() < 1000, "{}", answer.message());
    }
}

#[test]
fn a_member_that_comes_twice_is_refused() {
    let schema =
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    let stage = stage(schema);
    let post = |arguments: &str, region: &str| {
        let (body, headers) =
            common::modern("tools/call", json!({"name": "echo", "arguments": {"marker": 1}}));
        let body = body.to_string().replace(r#"{"marker":1}"#, arguments);
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("mcp-param-region", region));
        stage.post(body, &headers)
    };
    let answer = post(r#"{"region": "eu"}"#, "eu");
    assert_eq!(answer.json["result"]["structuredContent"]["result"]["region"], "eu", "{}", answer.text);
    assert_eq!(post(r#"{"region": "eu"}"#, "us").code(), Some(-32020));
    // The header says what the first one says, and the handler would have the last.
    let answer = post(r#"{"region": "eu", "region": "us"}"#, "eu");
    assert!(answer.message().contains("duplicate field `region`"), "{}", answer.text);
    let answer = post(r#"{"region": "eu", "x": [{"y": 1, "y": 2}]}"#, "eu");
    assert_eq!(answer.message(), "invalid argument `x[0]`: duplicate field `y`", "{}", answer.text);
}

#[test]
fn a_schema_that_cannot_be_served_is_found_when_the_server_is_built() {
    for (schema, says) in [
        (
            json!(true),
            "the root of its schema is not of `type: object`, which arguments always are; add `\"type\": \"object\"`",
        ),
        (json!({"properties": {}}), "the root of its schema is not of `type: object`"),
        (json!({"type": ["object"]}), "the root of its schema is not of `type: object`"),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}),
            "its schema is of the dialect \"http://json-schema.org/draft-07/schema#\", and only 2020-12 is known; rewrite it, and leave `$schema` out or write \"https://json-schema.org/draft/2020-12/schema\"",
        ),
        (
            json!({"type": "object", "$defs": {"x": {"$id": "x", "$schema": "https://example.com/mine"}}}),
            "its schema is of the dialect \"https://example.com/mine\"",
        ),
        (of(&json!({"type": "strnig"})), "its schema is none of 2020-12: `#/properties/a/type`: "),
        (
            json!({"type": "object", "required": "a"}),
            "its schema is none of 2020-12: `#/required`: invalid type: string \"a\", expected an array",
        ),
        (
            of(&json!({"minLength": -1})),
            "its schema is none of 2020-12: `#/properties/a/minLength`: expected at least 0, got -1",
        ),
        (
            of(&json!({"pattern": "("})),
            "its schema has a pattern that is no regular expression of linear time, \"(\" at `#/properties/a/pattern`",
        ),
        (of(&json!({"pattern": "^(?!x)"})), "write one without look-around and back-references"),
        (
            of(&json!({"$ref": "#/$defs/x"})),
            "its schema refers to what is not in it (Pointer '/$defs/x' does not exist); put it under `$defs`, or correct the reference",
        ),
        (of(&json!({"$ref": "#x"})), "its schema refers to what is not in it"),
        (
            of(&json!({"$ref": "https://example.com/x.json"})),
            "its schema refers to \"https://example.com/x.json\", which is outside of it, and nothing is fetched; put what is meant under `$defs`, and refer to that",
        ),
        (of(&json!({"$ref": "file:///etc/passwd"})), "which is outside of it, and nothing is fetched"),
        (of(&json!({"$ref": "other.json#/x"})), "which is outside of it, and nothing is fetched"),
        (of(&json!({"type": "number", "x-mcp-header": "A"})), "argument `a` cannot be repeated in a header"),
    ] {
        let found = problems(schema.clone());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(says), "{schema}: {found:?}");
    }
    // A property may be called like a keyword, and data may look like a schema.
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema#", "type": "object",
        "properties": {"$schema": {"type": "string"}, "$ref": {"const": {"$schema": "x", "$ref": "#/nowhere"}}},
        "examples": [{"$schema": "https://example.com/mine"}],
    });
    assert!(Server::new("test", "1").tool(tool(schema)).build().is_ok());
}

#[test]
fn a_schema_nests_as_deep_as_messages_do_and_no_deeper() {
    let nested = |levels: usize| {
        // The root and the schema in the middle are two; each `properties` with its schema are two more.
        (0..(levels - 2) / 2).fold(json!({"type": "string", "enum": ["x"]}), |schema, _| of(&schema))
    };
    assert_eq!(JSON_DEPTH_MAX % 2, 0);
    let stage = stage(nested(JSON_DEPTH_MAX));
    let deep = (0..JSON_DEPTH_MAX / 2 - 1).fold(json!(7), |value, _| json!({"a": value}));
    assert!(call(&stage, &deep).message().contains("invalid type: integer `7`, expected a string"));
    let says = "its schema nests deeper than 100 levels; move parts of it into `$defs`, and refer to them";
    assert_eq!(problems(of(&nested(JSON_DEPTH_MAX))), [says]);
    assert_eq!(problems((0..500).fold(json!({}), |schema, _| json!({"not": schema}))), [says]);
}

#[test]
fn arguments_of_every_depth_are_judged_and_explained_in_bounded_work() {
    // Each level has two shapes that look alike until their last member: looked at anew, a hundred levels never end.
    let node = |kind: &str| {
        json!({
            "type": "object", "properties": {"of": {"$ref": "#/$defs/node"}, "kind": {"const": kind}},
            "required": ["of"], "unevaluatedProperties": false,
        })
    };
    let schema = json!({
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"oneOf": [node("and"), node("or"), {"type": "string"}]}},
    });
    let stage = stage(schema);
    let deep = |levels: usize, leaf: Value| json!({"node": (0..levels).fold(leaf, |node, _| json!({"of": node, "kind": "or"}))});
    let levels = JSON_DEPTH_MAX - 4;
    assert!(fit(&stage, &deep(levels, json!("x"))));
    let answer = call(&stage, &deep(levels, json!(7)));
    assert_eq!(answer.message(), "invalid arguments: they do not fit the tool's schema");
    let says = "invalid argument `node`: none of 3 shapes fits; the nearest: `node.of`: none of 3 shapes fits; the \
                nearest: `node.of.of`: invalid type: integer `7`, expected a string or an object";
    let answer = call(&stage, &deep(2, json!(7)));
    assert_eq!(answer.message(), says);
}

#[test]
fn reasons_are_collected_from_as_many_values_as_the_limit_allows() {
    let stage =
        stage(of(&json!({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]})));
    let message = |values: usize| call(&stage, &json!({"a": vec![7; values]})).message().to_owned();
    assert!(message(9_998).contains("the nearest: `a[0]`: invalid type: integer `7`, expected a string"));
    assert_eq!(message(9_999), "invalid arguments: they do not fit the tool's schema");
}

#[test]
fn a_pattern_takes_linear_time() {
    let stage = stage(of(&json!({"pattern": "^(a+)+$"})));
    let answer = call(&stage, &json!({"a": format!("{}b", "a".repeat(100_000))}));
    assert!(
        answer.message().starts_with("invalid argument `a`: expected text matching"),
        "{}",
        answer.message()
    );
}

#[test]
fn a_schema_that_only_refers_to_itself_ends() {
    for schema in
        [json!({"type": "object", "$ref": "#"}), json!({"type": "object", "allOf": [{"$ref": "#"}]})]
    {
        assert!(fit(&stage(schema), &json!({"a": 1})));
    }
}
