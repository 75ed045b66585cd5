//! What `#[tool]`, `#[resource]`, `#[prompt]` and `#[completion]` make of a function, as a client sees it; and what they
//! say about one that cannot be served.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use common::Stage;
use edgemcp::{
    Annotations, Completions, Context, Icon, ProtocolVersion, Role, Server, ToolError, completion,
    future::BoxFuture, platform::Background, prompt, resource, tool,
};
use futures_executor::block_on;
use serde_json::{Value, json};

#[test]
fn mistakes_are_compile_errors_that_say_the_way_out() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/macros/pass/*.rs");
    cases.compile_fail("tests/macros/fail/*.rs");
}

/// Add two integers.
#[tool]
async fn add(
    /// First addend.
    a: i64,
    /** Second addend. */
    b: i64,
) -> i64 {
    a + b
}

#[test]
fn the_function_stays_callable() {
    assert_eq!(block_on(add(2, 3)), 5);
    assert_eq!(halve(9), 4);
}

#[test]
fn a_function_is_a_tool_with_a_schema() {
    let listed = listed(Server::new("t", "1").tool(add::tool()));
    assert_eq!(listed["name"], "add");
    assert_eq!(listed["description"], "Add two integers.");
    assert_eq!(listed.get("annotations"), None);
    assert_eq!(listed.get("title"), None);
    let expected = json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "format": "int64", "description": "First addend."},
            "b": {"type": "integer", "format": "int64", "description": "Second addend."},
        },
        "required": ["a", "b"],
        "additionalProperties": false,
    });
    assert_eq!(listed["inputSchema"], expected);
}

#[test]
fn a_call_reaches_the_function() {
    let service = Server::new("t", "1").tool(add::tool()).tool(halve::tool());
    let answer = called(service, "add", json!({"a": 2, "b": 3}));
    assert_eq!(answer["structuredContent"], json!({"result": 5}), "{answer}");
    let service = Server::new("t", "1").tool(add::tool()).tool(halve::tool());
    assert_eq!(called(service, "halve", json!({"number": 9}))["structuredContent"], json!({"result": 4}));
}

/// Not this: the option is what counts.
#[tool(
    name = "text.halve-2",
    title = "Halve",
    description = "Halve a number.",
    read_only,
    destructive = false,
    idempotent = true,
    open_world = false,
    tags("maths", "easy")
)]
fn halve_with_everything(number: u8) -> u8 {
    number / 2
}

/// Halve a number.
#[tool]
fn halve(number: u8) -> u8 {
    number / 2
}

#[test]
fn options_say_what_the_function_does_not() {
    let listed = listed(Server::new("t", "1").tool(halve_with_everything::tool()));
    assert_eq!(listed["name"], "text.halve-2");
    assert_eq!(listed["title"], "Halve");
    assert_eq!(listed["description"], "Halve a number.");
    let hints = json!({"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false});
    assert_eq!(listed["annotations"], hints);
}

#[test]
fn a_client_without_a_capability_that_a_tool_needs_is_refused_before_the_function_runs() {
    /// Ask twice.
    #[tool(client_capability = "sampling", client_capability = "elicitation.url")]
    fn ask() -> &'static str {
        "ran"
    }
    let stage = Stage::new(Server::new("t", "1").tool(ask::tool()));
    for (capabilities, code) in [
        (json!({"sampling": {}}), Some(-32021)),
        (json!({"elicitation": {"url": {}}}), Some(-32021)),
        (json!({"sampling": {}, "elicitation": {"url": {}}}), None),
    ] {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
        let answer = stage.modern("tools/call", json!({"name": "ask", "_meta": meta}));
        assert_eq!(answer.code(), code, "{answer:?}");
    }
}

#[test]
fn a_description_may_stand_in_a_file() {
    /// Convert between units.
    #[doc = include_str!("macros/description.md")]
    #[tool]
    fn convert(#[doc = include_str!("macros/description.md")] value: f64) -> f64 {
        value
    }

    #[tool(description = concat!("Convert ", "back."))]
    fn back(value: f64) -> f64 {
        value
    }
    let server = || Server::new("t", "1").tool(convert::tool()).tool(back::tool());
    let listed = asked(server(), "tools/list", json!({}));
    let file = include_str!("macros/description.md");
    assert_eq!(listed["tools"][0]["description"], format!("Convert between units.\n{file}"));
    assert_eq!(listed["tools"][0]["inputSchema"]["properties"]["value"]["description"], file);
    assert_eq!(listed["tools"][1]["description"], "Convert back.");
}

const MOST: u64 = 5_000_000_000;

fn home() -> String {
    "Oslo".to_owned()
}

/// Look far and wide.
#[tool]
#[expect(clippy::too_many_arguments, reason = "every option once")]
fn look(
    #[arg(rename = "userName", description = "Who looks.", length(min = 1, max = 100))] user_name: String,
    #[arg(default, length(max = 3))] tags: Vec<String>,
    #[arg(length(equal = 2))] pair: Option<BTreeMap<String, u8>>,
    #[arg(default = 20, range(min = 1, max = 100))] limit: u32,
    #[arg(range(min = -5_000_000_000, max = MOST))] offset: i64,
    #[arg(range(min = 0.5))] zoom: Option<f64>,
    #[arg(default = "north")] way: String,
    #[arg(default = home())] place: String,
    #[arg(example = "a", example = "b")] letter: Option<char>,
    /// How the
    /// lines go.
    ///
    /// Or not.
    #[arg(default = Some(true))]
    #[arg(example = false)]
    r#loop: Option<bool>,
) -> String {
    format!(
        "{user_name} {tags:?} {pair:?} {limit} {offset} {zoom:?} {way} {place} {letter:?} {loop:?}",
        r#loop = r#loop
    )
}

#[test]
fn every_option_of_an_argument_reaches_the_schema() {
    let listed = listed(Server::new("t", "1").tool(look::tool()));
    let expected = json!({
        "type": "object",
        "properties": {
            "userName": {"type": "string", "description": "Who looks.", "minLength": 1, "maxLength": 100},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "default": []},
            "pair": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                "minProperties": 2,
                "maxProperties": 2,
            },
            "limit": {"type": "integer", "format": "uint32", "minimum": 1, "maximum": 100, "default": 20},
            "offset": {"type": "integer", "format": "int64", "minimum": -5_000_000_000_i64, "maximum": MOST},
            "zoom": {"type": ["number", "null"], "format": "double", "minimum": 0.5},
            "way": {"type": "string", "default": "north"},
            "place": {"type": "string", "default": "Oslo"},
            "letter": {"type": ["string", "null"], "minLength": 1, "maxLength": 1, "examples": ["a", "b"]},
            "loop": {
                "type": ["boolean", "null"],
                "description": "How the lines go.\n\nOr not.",
                "default": true,
                "examples": [false],
            },
        },
        "required": ["userName", "offset"],
        "additionalProperties": false,
    });
    assert_eq!(listed["inputSchema"], expected, "{:#}", listed["inputSchema"]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let look = || Server::new("t", "1").tool(look::tool());
    let text = called(look(), "look", json!({"userName": "Ada", "offset": 7}));
    assert_eq!(text["content"][0]["text"], "Ada [] None 20 7 None north Oslo None Some(true)", "{text}");
    let all = json!({
        "userName": "Ada", "tags": ["x"], "pair": {"a": 1, "b": 2}, "limit": 1, "offset": 0, "zoom": 0.5, "way": "up",
        "place": "here", "letter": "z", "loop": null,
    });
    let text = called(look(), "look", all);
    let expected = r#"Ada ["x"] Some({"a": 1, "b": 2}) 1 0 Some(0.5) up here Some('z') None"#;
    assert_eq!(text["content"][0]["text"], expected);
}

#[test]
fn every_constraint_is_enforced() {
    for (argument, value, says) in [
        ("userName", json!(""), "at least 1"),
        ("userName", json!("x".repeat(101)), "at most 100"),
        ("tags", json!(["a", "b", "c", "d"]), "at most 3"),
        ("pair", json!({"a": 1}), "at least 2"),
        ("limit", json!(0), "at least 1"),
        ("limit", json!(101), "at most 100"),
        ("offset", json!(-5_000_000_001_i64), "at least -5000000000"),
        ("offset", json!(MOST + 1), "at most 5000000000"),
        ("zoom", json!(0.4), "at least 0.5"),
        ("other", json!(1), "unknown field `other`"),
    ] {
        let mut arguments = json!({"userName": "Ada", "offset": 7});
        arguments[argument] = value;
        let answer = called(Server::new("t", "1").tool(look::tool()), "look", arguments);
        assert_eq!(answer["isError"], true, "{argument}: {answer}");
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(argument) && text.contains(says), "{text}");
    }
}

#[cfg(feature = "pattern")]
#[test]
fn a_pattern_is_in_the_schema_and_enforced() {
    /// Look up an aeroplane.
    #[tool]
    fn plane(#[arg(pattern = "^[A-Z]{2}-[A-Z]{3}$")] registration: String) -> String {
        registration
    }
    let server = || Server::new("t", "1").tool(plane::tool());
    assert_eq!(
        listed(server())["inputSchema"]["properties"]["registration"]["pattern"],
        "^[A-Z]{2}-[A-Z]{3}$"
    );
    assert_eq!(called(server(), "plane", json!({"registration": "LN-ABC"}))["content"][0]["text"], "LN-ABC");
    assert_eq!(called(server(), "plane", json!({"registration": "LNABC"}))["isError"], true);
}

#[test]
fn the_context_may_stand_anywhere_and_be_taken_both_ways() {
    /// Nothing but the context.
    #[tool]
    async fn alone(cx: &Context) -> Result<String, ToolError> {
        let _ = cx;
        Ok("alone".to_owned())
    }

    /// The context last.
    #[tool]
    fn last(word: Cow<'static, str>, cx: edgemcp::Context) -> String {
        drop(cx);
        word.into_owned()
    }

    /// The context between.
    #[tool]
    async fn between(one: String, _: &Context, mut two: String) -> String {
        two.push_str(&one);
        two
    }
    let server = || Server::new("t", "1").tool(alone::tool()).tool(last::tool()).tool(between::tool());
    assert_eq!(called(server(), "alone", json!({}))["content"][0]["text"], "alone");
    assert_eq!(called(server(), "last", json!({"word": "x"}))["content"][0]["text"], "x");
    assert_eq!(called(server(), "between", json!({"one": "1", "two": "2"}))["content"][0]["text"], "21");
    let answer = called(server(), "alone", json!({"cx": 1}));
    assert_eq!(answer["isError"], true, "the context is no argument: {answer}");
}

#[test]
fn a_raw_name_loses_its_mark() {
    /// Match a word.
    #[tool]
    fn r#match(r#type: String) -> String {
        r#type
    }
    let server = Server::new("t", "1").tool(r#match::tool());
    assert_eq!(called(server, "match", json!({"type": "noun"}))["content"][0]["text"], "noun");
}

/// Who a user is.
///
/// In a line.
#[resource("user://{user_id}/card/{side}", mime_type = "text/vcard", title = "Card", tags("people"))]
async fn card(side: String, cx: &Context, #[arg(rename = "user_id")] id: u64) -> String {
    let _ = cx;
    format!("{id} {side}")
}

#[resource("data://config")]
fn config() -> &'static str {
    "debug = false"
}

#[test]
fn a_resource_is_listed_and_read() {
    let server = || Server::new("t", "1").resource(card::resource()).resource(config::resource());
    let listed = asked(server(), "resources/list", json!({}));
    assert_eq!(listed["resources"][0]["uri"], "data://config");
    assert_eq!(listed["resources"][0]["name"], "config");
    assert_eq!(listed["resources"][0].get("description"), None);
    let listed = asked(server(), "resources/templates/list", json!({}));
    let template = json!({
        "uriTemplate": "user://{user_id}/card/{side}", "name": "card", "title": "Card",
        "description": "Who a user is.\n\nIn a line.", "mimeType": "text/vcard",
    });
    assert_eq!(listed["resourceTemplates"], json!([template]));
    let read = asked(server(), "resources/read", json!({"uri": "user://7/card/back"}));
    assert_eq!(read["contents"][0]["text"], "7 back", "{read}");
    let read = asked(server(), "resources/read", json!({"uri": "data://config"}));
    assert_eq!(read["contents"][0]["text"], "debug = false");
    assert_eq!(config(), "debug = false");
}

/// Review a piece of code.
#[prompt(title = "Review")]
fn review(
    /// The code.
    code: String,
    remarks: Option<u8>,
    #[arg(default = 3)] depth: u8,
) -> String {
    format!("{code} {remarks:?} {depth}")
}

#[test]
fn a_prompt_is_listed_and_filled_in() {
    let server = || Server::new("t", "1").prompt(review::prompt());
    let listed = asked(server(), "prompts/list", json!({}));
    let arguments = json!([
        {"name": "code", "description": "The code.", "required": true},
        {"name": "remarks", "required": false},
        {"name": "depth", "required": false},
    ]);
    assert_eq!(listed["prompts"][0]["name"], "review");
    assert_eq!(listed["prompts"][0]["title"], "Review");
    assert_eq!(listed["prompts"][0]["description"], "Review a piece of code.");
    assert_eq!(listed["prompts"][0]["arguments"], arguments);
    let got =
        asked(server(), "prompts/get", json!({"name": "review", "arguments": {"code": "x", "remarks": "2"}}));
    assert_eq!(got["messages"][0]["content"]["text"], "x Some(2) 3", "{got}");
}

/// Plan a trip.
#[prompt]
fn trip(country: String, city: String, days: Option<u8>) -> String {
    format!("{country} {city} {days:?}")
}

/// The cities that begin like this.
#[completion(prompt = "trip")]
async fn city(cx: &Context, city: String, country: Option<String>) -> Vec<&'static str> {
    let _ = cx;
    let known = if country.as_deref() == Some("France") { ["Paris", "Pau"] } else { ["Bern", "Berlin"] };
    known.into_iter().filter(|name| name.starts_with(&city)).collect()
}

#[completion(resource = "user://{user_id}/card/{side}", argument = "side")]
fn sides(
    #[arg(rename = "user_id", default = 7)] id: u64,
    #[arg(rename = "side")] typed: String,
) -> Completions {
    Completions::new([format!("{id} {typed}")]).total(2)
}

#[test]
fn a_completion_offers_what_the_function_gives() {
    let stage = Stage::new(
        Server::new("t", "1")
            .prompt(trip::prompt())
            .resource(card::resource())
            .completion(city::completion())
            .completion(sides::completion()),
    );
    let prompt = |value: &str, arguments: Value| {
        json!({
            "ref": {"type": "ref/prompt", "name": "trip"}, "argument": {"name": "city", "value": value},
            "context": {"arguments": arguments},
        })
    };
    for (params, completion) in [
        (prompt("P", json!({"country": "France"})), json!({"values": ["Paris", "Pau"], "hasMore": false})),
        // What the function does not ask for is left out, and so is what was not chosen yet.
        (prompt("Berl", json!({"days": "3"})), json!({"values": ["Berlin"], "hasMore": false})),
        (prompt("", json!({})), json!({"values": ["Bern", "Berlin"], "hasMore": false})),
        (
            json!({
                "ref": {"type": "ref/resource", "uri": "user://{user_id}/card/{side}"},
                "argument": {"name": "side", "value": "ba"},
            }),
            json!({"values": ["7 ba"], "total": 2, "hasMore": true}),
        ),
    ] {
        let legacy = stage.legacy(ProtocolVersion::V2025_11_25, "completion/complete", params.clone());
        for answer in [stage.modern("completion/complete", params), legacy] {
            assert_eq!(answer.json["result"]["completion"], completion, "{}", answer.text);
        }
    }
    assert_eq!(sides(1, "x".to_owned()), Completions::new(["1 x"]).total(2), "the function stays callable");
}

#[test]
fn an_argument_is_repeated_in_a_header() {
    /// Where to look.
    #[tool]
    fn find(
        #[arg(header = "Tenant-Id", length(max = 9))] tenant: String,
        #[arg(header = "Page")] page: Option<u8>,
    ) -> String {
        format!("{tenant} {page:?}")
    }
    let stage = Stage::new(Server::new("t", "1").tool(find::tool()));
    let schema = stage.modern("tools/list", json!({})).json["result"]["tools"][0]["inputSchema"].take();
    assert_eq!(schema["properties"]["tenant"]["x-mcp-header"], "Tenant-Id");
    assert_eq!(schema["properties"]["tenant"]["maxLength"], 9);
    assert_eq!(schema["properties"]["page"]["x-mcp-header"], "Page");
    let (body, headers) = common::modern("tools/call", json!({"name": "find", "arguments": {"tenant": "a"}}));
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let missing = stage.post(body.to_string(), &headers);
    assert!(missing.message().contains("header `Mcp-Param-Tenant-Id` is missing"), "{}", missing.text);
    headers.push(("mcp-param-tenant-id", "a"));
    assert_eq!(stage.post(body.to_string(), &headers).message(), "a None");
}

#[test]
fn a_header_for_what_no_header_can_hold_is_found_when_the_server_is_built() {
    /// Weigh it.
    #[tool]
    fn weigh(#[arg(header = "Weight")] weight: f64, #[arg(header = "weight")] other: String) -> String {
        format!("{weight} {other}")
    }
    let error = Server::new("t", "1").tool(weigh::tool()).build().unwrap_err().to_string();
    assert!(error.contains("argument `weight` cannot be repeated in a header"), "{error}");
}

/// Write a long report.
#[tool(task)]
fn report() -> &'static str {
    "done"
}

/// Write a longer one.
#[tool(task = "required")]
fn book() -> &'static str {
    "done"
}

/// Write what it takes.
#[tool(task = "by_handler")]
fn text() -> &'static str {
    "done"
}

#[test]
fn a_tool_may_go_on_as_a_task() {
    struct Later;
    impl Background for Later {
        fn run(&self, _: BoxFuture<'static, ()>) {}
    }
    let server = Server::new("t", "1").tool(report::tool()).tool(book::tool()).tool(text::tool());
    let mut stage = Stage::new(server);
    stage.platform = stage.platform.with_background(Arc::new(Later));
    let call = |name: &str, extensions: Value| {
        let capabilities = json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": extensions}});
        stage.modern("tools/call", json!({"name": name, "arguments": {}, "_meta": capabilities}))
    };
    let takes_tasks = || json!({"io.modelcontextprotocol/tasks": {}});
    for (name, without, becomes_one) in
        [("report", None, true), ("book", Some(-32021), true), ("text", None, false)]
    {
        let answer = call(name, json!({}));
        assert_eq!(answer.code(), without, "{name}: {}", answer.text);
        assert_eq!(answer.message() == "done", without.is_none(), "{name}: {}", answer.text);
        let answer = call(name, takes_tasks());
        assert_eq!(answer.json["result"].get("taskId").is_some(), becomes_one, "{name}: {}", answer.text);
    }
}

#[test]
fn a_tool_has_a_page_and_everything_has_icons() {
    /// Roll a die.
    #[tool(ui = "ui://dice", icon = "https://example.com/die.png", icon = Icon::new("https://example.com/b.svg").size("any"))]
    fn roll() -> u8 {
        6
    }

    #[resource(
        "ui://dice",
        icon = "https://example.com/page.png",
        annotations = Annotations::new().audience(Role::User).priority(0.5)
    )]
    fn page() -> &'static str {
        "<p>6"
    }

    /// Ask for a roll.
    #[prompt(icon = "https://example.com/p.png")]
    fn ask() -> &'static str {
        "Roll."
    }
    let server = || Server::new("t", "1").tool(roll::tool()).resource(page::resource()).prompt(ask::prompt());
    let tool = listed(server());
    assert_eq!(tool["_meta"]["ui"]["resourceUri"], "ui://dice");
    let icons = json!([{"src": "https://example.com/die.png"}, {"src": "https://example.com/b.svg", "sizes": ["any"]}]);
    assert_eq!(tool["icons"], icons);
    let page = asked(server(), "resources/list", json!({}))["resources"][0].take();
    assert_eq!(page["icons"], json!([{"src": "https://example.com/page.png"}]));
    assert_eq!(page["annotations"], json!({"audience": ["user"], "priority": 0.5}));
    let prompt = asked(server(), "prompts/list", json!({}))["prompts"][0].take();
    assert_eq!(prompt["icons"], json!([{"src": "https://example.com/p.png"}]));
}

#[test]
fn a_type_of_the_users_may_be_named_as_ours() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Arguments {
        deep: u8,
    }

    /// Take a struct of the user's own.
    #[tool]
    fn arguments(arguments: Arguments, context: String) -> String {
        format!("{} {context}", arguments.deep)
    }
    let answer = called(
        Server::new("t", "1").tool(arguments::tool()),
        "arguments",
        json!({"arguments": {"deep": 1}, "context": "c"}),
    );
    assert_eq!(answer["content"][0]["text"], "1 c");
}

fn listed(server: Server) -> Value {
    asked(server, "tools/list", json!({}))["tools"][0].take()
}

fn called(server: Server, name: &str, arguments: Value) -> Value {
    asked(server, "tools/call", json!({"name": name, "arguments": arguments}))
}

/// The result of one request.
fn asked(server: Server, method: &str, params: Value) -> Value {
    let mut answer = Stage::new(server).modern(method, params).json;
    assert!(answer.get("result").is_some(), "{answer}");
    answer["result"].take()
}
