//! A tool is changed: what clients see of it, and what its arguments are for them.

use std::sync::{Arc, Mutex};

use edgemcp::{
    ProtocolVersion, Server,
    auth::{Principal, StaticTokens},
    compose::Mount,
    middleware,
    prelude::*,
    transform::{ArgTransform, ToolTransform, Transform},
};
use serde_json::{Value, json};

use super::{
    call,
    common::{self, Stage},
    find, listed, problems, raw_call,
};

fn stage(transform: impl Transform + 'static) -> Stage {
    Stage::new(Server::new("test", "1").tool(find()).transform(transform))
}

#[test]
fn clients_see_a_tool_as_it_was_changed() {
    let stage = stage(
        ToolTransform::new("find")
            .rename("search")
            .title("Search")
            .description("Search the archive.")
            .read_only(true)
            .icon(Icon::new("https://example.com/search.png"))
            .meta("com.example/team", "archive")
            .argument("q", ArgTransform::new().rename("query").description("Words.").example("lost keys"))
            .argument("limit", ArgTransform::new().default(10))
            .argument("tenant", ArgTransform::new().hide().default("acme")),
    );
    for (version, answer) in stage.everywhere("tools/list", json!({})) {
        let tool = &answer.json["result"]["tools"][0];
        assert_eq!(tool["name"], "search", "{version}");
        assert_eq!(tool["description"], "Search the archive.", "{version}");
        assert_eq!(tool["annotations"], json!({"readOnlyHint": true}), "{version}");
        assert_eq!(tool["_meta"], json!({"com.example/team": "archive"}), "{version}");
        assert_eq!(
            tool["inputSchema"],
            json!({
                "type": "object",
                "properties": {
                    "query": {"description": "Words.", "examples": ["lost keys"]},
                    "limit": {
                        "type": ["integer", "null"], "format": "uint32", "minimum": 1, "maximum": 50,
                        "description": "How many.", "x-mcp-header": "Limit", "default": 10,
                    },
                },
                "required": ["query"],
            }),
            "{version}"
        );
    }
    let modern = stage.modern("tools/list", json!({}));
    assert_eq!(modern.json["result"]["tools"][0]["title"], "Search");
    assert_eq!(modern.json["result"]["tools"][0]["icons"][0]["src"], "https://example.com/search.png");
}

#[test]
fn a_call_reaches_the_tool_as_the_client_has_written_it() {
    let stage = stage(
        ToolTransform::new("find")
            .rename("search")
            .argument("q", ArgTransform::new().rename("query"))
            .argument("limit", ArgTransform::new().default(10))
            .argument("tenant", ArgTransform::new().hide().default("acme")),
    );
    let number = "1.00000000000000000000000000001E+2";
    assert_eq!(
        call(&stage, "search", &format!(r#"{{"query": {number}}}"#)),
        format!(r#"{number} Some(10) Some("acme")"#)
    );
    let object = r#"{"z" :  [1,   2.0], "a":"\u00fc"}"#;
    assert_eq!(
        call(&stage, "search", &format!(r#"{{ "query":{object} }}"#)),
        format!(r#"{object} Some(10) Some("acme")"#)
    );
    // What a tool ignores is ignored, and null is what it was.
    assert_eq!(call(&stage, "search", r#"{"query": 1, "more": 2, "limit": null}"#), r#"1 None Some("acme")"#);
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "find", "arguments": {"q": 1}})) {
        assert!(answer.message().contains(r#"no tool is named "find""#), "{version}: {}", answer.text);
    }
}

#[test]
fn nobody_sets_a_hidden_argument() {
    let hidden = || ToolTransform::new("find").argument("tenant", ArgTransform::new().hide());
    for stage in [stage(hidden()), stage(hidden().argument("q", ArgTransform::new().rename("query")))] {
        let query = if listed_arguments(&stage).contains(&"query".to_owned()) { "query" } else { "q" };
        for name in ["tenant", r"ten\u0061nt"] {
            let said = call(&stage, "find", &format!(r#"{{"{query}": 1, "{name}": "evil"}}"#));
            assert_eq!(
                said,
                format!("invalid arguments: unknown field `tenant`, expected one of `{query}`, `limit`")
            );
        }
        // A name that only the tool's own type knows.
        let said = call(&stage, "find", &format!(r#"{{"{query}": 1, "tenantId": "evil"}}"#));
        assert_eq!(said, "1 None None");
    }
}

fn listed_arguments(stage: &Stage) -> Vec<String> {
    let answer = stage.modern("tools/list", json!({}));
    answer.json["result"]["tools"][0]["inputSchema"]["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn an_argument_is_worked_out_for_each_call() {
    let tenant = ArgTransform::new().hide().default_from(|cx| {
        let who = cx.principal().ok_or_else(|| ToolError::new("sign in first"))?;
        Ok(who.subject().to_owned())
    });
    let transform = ToolTransform::new("find").argument("tenant", tenant);
    let tokens = StaticTokens::new().token("a", Principal::new("ada")).token("b", Principal::new("bob"));
    let signed =
        Stage::new(Server::new("test", "1").tool(find()).transform(transform.clone()).verifier(tokens));
    for (token, who) in [("a", "ada"), ("b", "bob")] {
        let answer =
            signed.modern_as(Some(token), "tools/call", json!({"name": "find", "arguments": {"q": 1}}));
        assert_eq!(answer.message(), format!(r#"1 None Some("{who}")"#));
    }
    assert_eq!(call(&stage(transform), "find", r#"{"q": 1}"#), "sign in first");
}

#[test]
fn what_is_wrong_is_said_of_the_arguments_that_clients_see() {
    let transform = || {
        ToolTransform::new("find")
            .argument("q", ArgTransform::new().rename("query"))
            .argument("limit", ArgTransform::new().rename("count"))
    };
    let stage = stage(transform());
    for (arguments, said) in [
        ("{}", "invalid arguments: missing field `query`"),
        (r#"{"q": 1}"#, "invalid arguments: unknown field `q`, expected one of `query`, `count`, `tenant`"),
        (r#"{"query": 1, "query": 2}"#, "invalid arguments: duplicate field `query`"),
        ("[1]", "invalid arguments: expected an object, got [1]"),
    ] {
        assert_eq!(call(&stage, "find", arguments), said, "{arguments}");
    }
    // A number that the header repeats.
    for (count, said) in
        [("51", "expected at most 50, got 51"), ("\"x\"", "expected an integer from 0 to 4294967295")]
    {
        for version in ProtocolVersion::ALL {
            let header = [("mcp-param-limit", count.trim_matches('"'))];
            let answer =
                raw_call(&stage, version, "find", &format!(r#"{{"query": 1, "count": {count}}}"#), &header);
            assert!(answer.message().starts_with("invalid argument `count`: "), "{}", answer.message());
            assert!(answer.message().ends_with(said), "{}", answer.message());
        }
    }
}

#[test]
fn a_renamed_argument_is_still_repeated_in_its_header() {
    let stage = stage(ToolTransform::new("find").argument("limit", ArgTransform::new().rename("count")));
    let version = ProtocolVersion::V2026_07_28;
    let with =
        |headers: &[(&str, &str)]| raw_call(&stage, version, "find", r#"{"q": 1, "count": 7}"#, headers);
    assert_eq!(with(&[("mcp-param-limit", "7")]).message(), "1 Some(7) None");
    let missing = with(&[]);
    assert_eq!(missing.code(), Some(-32020), "{}", missing.text);
    assert!(missing.message().contains("the argument `count` is 7"), "{}", missing.text);
}

#[test]
fn an_argument_can_be_asked_for_and_be_of_another_type() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Place {
        Archive,
        Desk,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only what fits it is of interest")]
    struct Query {
        #[schemars(length(min = 2))]
        words: Vec<String>,
    }
    let stage = stage(
        ToolTransform::new("find")
            .argument("q", ArgTransform::new().rename("query").of_type::<Query>())
            .argument("tenant", ArgTransform::new().rename("place").of_type::<Place>().required()),
    );
    let schema = &stage.modern("tools/list", json!({})).json["result"]["tools"][0]["inputSchema"];
    assert_eq!(schema["properties"]["place"], json!({"type": "string", "enum": ["archive", "desk"]}));
    assert_eq!(schema["properties"]["query"]["description"], "What to find.");
    assert_eq!(schema["required"], json!(["query", "place"]));
    let good = r#"{"words": ["a", "b"],  "more": 1}"#;
    for (query, place, said) in [
        (good, r#","place":"desk""#, Ok(format!(r#"{good} None Some("desk")"#))),
        (good, "", Err("invalid arguments: missing field `place`")),
        (
            good,
            r#","place":"moon""#,
            Err("invalid argument `place`: unknown variant `moon`, expected `archive` or `desk`"),
        ),
        (
            r#"{"words": ["a"]}"#,
            r#","place":"desk""#,
            Err("invalid argument `query.words`: expected at least 2 items, got 1"),
        ),
        (r#"{"words": ["a", 2]}"#, r#","place":"desk""#, Err("invalid argument `query.words[1]`: ")),
        ("7", r#","place":"desk""#, Err("invalid argument `query`: ")),
    ] {
        let found = call(&stage, "find", &format!(r#"{{"query": {query}{place}}}"#));
        match said {
            Ok(said) => assert_eq!(found, said),
            Err(said) => assert!(found.starts_with(said), "{found}"),
        }
    }
}

#[cfg(feature = "json-schema")]
#[test]
fn an_argument_can_be_what_a_schema_says() {
    let range = json!({"type": "array", "prefixItems": [{"type": "integer"}], "items": false, "minItems": 1});
    let stage = stage(
        ToolTransform::new("find").argument("q", ArgTransform::new().rename("range").schema(range.clone())),
    );
    let schema = &stage.modern("tools/list", json!({})).json["result"]["tools"][0]["inputSchema"];
    assert_eq!(schema["properties"]["range"]["prefixItems"], range["prefixItems"]);
    assert_eq!(call(&stage, "find", r#"{"range": [1]}"#), "[1] None None");
    assert!(call(&stage, "find", r#"{"range": []}"#).starts_with("invalid argument `range`: "));
    assert!(call(&stage, "find", r#"{"range": ["x"]}"#).starts_with("invalid argument `range[0]`: "));
    let broken = ArgTransform::new().schema(json!({"type": "nothing"}));
    let found = problems(
        Server::new("test", "1").tool(find()).transform(ToolTransform::new("find").argument("q", broken)),
    );
    assert!(found[0].contains(r#"argument "q" of tool "find": its schema is none of 2020-12"#), "{found:?}");
}

#[cfg(feature = "json-schema")]
#[test]
fn a_tool_with_a_schema_of_its_own_gets_what_its_schema_lets_be_there() {
    let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
    let tool = Tool::with_schema("echo", "Give it back.", schema, |_, arguments: Value| async move {
        arguments.to_string()
    });
    let server = Server::new("test", "1").tool(tool);
    let stage = Stage::new(
        server.transform(ToolTransform::new("echo").argument("a", ArgTransform::new().rename("x"))),
    );
    assert_eq!(call(&stage, "echo", r#"{"more":1,"x":2}"#), r#"{"more":1,"a":2}"#);
    let said = call(&stage, "echo", r#"{"more":1}"#);
    assert!(said.contains("`x`") && !said.contains("`a`"), "{said}");
}

#[test]
fn what_a_hidden_argument_does_wrong_is_not_the_clients_to_read() {
    let wrong = ArgTransform::new().hide().default_from(|_| Ok(vec![7]));
    let stage = stage(ToolTransform::new("find").argument("tenant", wrong));
    let said = call(&stage, "find", r#"{"q": 1}"#);
    assert_eq!(said, "the tool failed; the cause is in the server's log");
    assert!(stage.log.all().contains("invalid argument `tenant`"), "{}", stage.log.all());
}

#[test]
fn what_cannot_be_changed_is_a_problem_with_its_way_out() {
    let on = |transform: ToolTransform| problems(Server::new("test", "1").tool(find()).transform(transform));
    let argument = |name: &'static str, transform| on(ToolTransform::new("find").argument(name, transform));
    let new = ArgTransform::new;
    for (found, said) in [
        (on(ToolTransform::new("fnid").title("x")), r#"there is no tool "fnid" to change (there are find)"#),
        (on(ToolTransform::of_version("find", "2")), r#"there is no tool "find" in version "2" to change"#),
        (
            argument("query", new().rename("x")),
            r#"tool "find" has no argument "query" to change (it has q, limit, tenant)"#,
        ),
        (argument("q", new().rename("limit")), r#"tool "find": two arguments are named "limit""#),
        (
            argument("q", new().hide()),
            r#"argument "q" of tool "find" is hidden, and every call must have it (give it a default)"#,
        ),
        (argument("q", new().hide().required().default(1)), "is hidden and required"),
        (argument("q", new().default(1).default_from(|_| Ok(1))), "has two defaults"),
        (argument("limit", new().default(1).required()), "is required and has a default"),
        (argument("limit", new().hide().rename("x")), "nobody would see"),
        (
            argument("limit", new().default("ten")),
            r#"is nothing that the tool takes: expected integer or null, got "ten""#,
        ),
        (argument("limit", new().default(99)), "expected at most 50, got 99"),
        (on(ToolTransform::new("find").argument("q", new()).argument("q", new())), "is changed twice"),
        (on(ToolTransform::new("find").rename("a b")), r#"' ' cannot stand in a name"#),
        (
            problems(
                Server::new("test", "1")
                    .tool(find())
                    .tool(Tool::new("seek", "Seek.", |_, _: NoArguments| async {}))
                    .transform(ToolTransform::new("seek").rename("find")),
            ),
            r#"two tools are named "find""#,
        ),
    ] {
        assert!(found.iter().any(|problem| problem.contains(said)), "{said}: {found:?}");
    }
    let lenient = Server::new("test", "1").transform(ToolTransform::new("later").if_there().rename("x"));
    assert!(lenient.build().is_ok());
}

#[test]
fn what_was_changed_can_be_changed_again() {
    let server = Server::new("test", "1")
        .tool(find())
        .transform(ToolTransform::new("find").argument("q", ArgTransform::new().rename("query")))
        .transform(
            ToolTransform::new("find")
                .rename("search")
                .argument("query", ArgTransform::new().rename("words"))
                .argument("limit", ArgTransform::new().hide().default(3)),
        );
    let stage = Stage::new(server);
    assert_eq!(call(&stage, "search", r#"{"words": 1.50}"#), "1.50 Some(3) None");
    assert_eq!(call(&stage, "search", "{}"), "invalid arguments: missing field `words`");
    assert!(call(&stage, "search", r#"{"words": 1, "query": 1}"#).contains("unknown field `query`"));
}

/// Notes which tools were called with what.
fn noting(noted: &Arc<Mutex<Vec<String>>>, who: &'static str) -> impl middleware::Middleware + use<> {
    let noted = Arc::clone(noted);
    middleware::on_call_tool(move |_, call, next| {
        noted.lock().unwrap().push(format!("{who}: {} {}", call.name(), call.arguments_json()));
        next.run(call)
    })
}

#[test]
fn each_middleware_on_the_way_knows_the_tool_as_it_is_there() {
    let noted = Arc::default();
    let inner = Server::new("inner", "1").tool(find()).middleware(noting(&noted, "inner"));
    let mount = Mount::under("x", inner).transform(
        ToolTransform::new("find").rename("seek").argument("q", ArgTransform::new().rename("query")),
    );
    let middle = Server::new("middle", "1")
        .middleware(noting(&noted, "middle"))
        .mount(mount)
        .transform(ToolTransform::new("x_seek").argument("query", ArgTransform::new().rename("words")));
    let outer = Server::new("outer", "1")
        .middleware(noting(&noted, "outer"))
        .mount(Mount::under("y", middle))
        .transform(
            ToolTransform::new("y_x_seek")
                .rename("top")
                .argument("limit", ArgTransform::new().hide().default(5)),
        );
    let stage = Stage::new(outer);
    assert_eq!(listed(&stage, "tools/list"), ["top"]);
    assert_eq!(call(&stage, "top", r#"{"words":1.0}"#), "1.0 Some(5) None");
    let noted = std::mem::take(&mut *noted.lock().unwrap());
    assert_eq!(
        noted[..3],
        [
            r#"outer: top {"words":1.0}"#,
            r#"middle: x_seek {"words":1.0,"limit":5}"#,
            r#"inner: find {"q":1.0,"limit":5}"#,
        ]
    );
    for (arguments, said) in [
        (
            r#"{"words": 1, "tenant": 2}"#,
            "invalid argument `tenant`: invalid type: integer `2`, expected a string",
        ),
        ("{}", "invalid arguments: missing field `words`"),
    ] {
        assert_eq!(call(&stage, "top", arguments), said);
    }
}

#[test]
fn a_handler_that_asks_is_run_again_with_its_arguments_mapped() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Greet {
        greeting: String,
    }
    let greet = Tool::new("greet", "Greet.", |cx: Context, Greet { greeting }| async move {
        let name: String = cx.elicit("Who are you?").await?;
        Ok::<_, ToolError>(format!("{greeting}, {name}!"))
    });
    let stage = Stage::new(Server::new("test", "1").tool(greet).transform(
        ToolTransform::new("greet").argument("greeting", ArgTransform::new().rename("word").default("Hello")),
    ));
    let params = json!({"name": "greet", "arguments": {"word": "Hi"}, "_meta": common::capable()});
    let asked = stage.modern("tools/call", params.clone());
    let asks = asked.json["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{}", asked.text));
    let key = asks.keys().next().unwrap();
    let mut again = params;
    again["requestState"] = asked.json["result"]["requestState"].clone();
    again["inputResponses"] = json!({key: {"action": "accept", "content": {"value": "Ada"}}});
    let answer = stage.modern("tools/call", again);
    assert_eq!(answer.message(), "Hi, Ada!", "{}", answer.text);
}
