//! Components are changed, filtered and shown to some, for lists and for calls alike.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Answer, Stage};
use edgemcp::{
    Server,
    auth::{Principal, StaticTokens},
    compose::{Live, Mount},
    middleware,
    prelude::*,
    transform::{
        ArgTransform, Filter, Kind, Namespace, PromptTransform, ResourceTransform, ToolTransform, Transform,
        VersionFilter, Visibility, VisibleTo,
    },
};
use serde_json::{Value, json, value::RawValue};

/// Arguments that are given back as they came.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Find {
    /// What to find.
    #[schemars(with = "Value")]
    q: Box<RawValue>,
    /// How many.
    #[schemars(range(min = 1, max = 50), extend("x-mcp-header" = "Limit"))]
    limit: Option<u32>,
    #[serde(alias = "tenantId")]
    tenant: Option<String>,
}

fn find() -> Tool {
    Tool::new("find", "Find.", |_, Find { q, limit, tenant }| async move {
        format!("{} {limit:?} {tenant:?}", q.get())
    })
    .tag("internal")
}

fn stage(transform: impl Transform + 'static) -> Stage {
    Stage::new(Server::new("test", "1").tool(find()).transform(transform))
}

fn problems(server: Server) -> Vec<String> {
    server.build().unwrap_err().problems().to_vec()
}

/// What a call is told, which must be the same in every revision. Modern headers repeat no argument unless `limit` is given.
fn call(stage: &Stage, name: &str, arguments: &str) -> String {
    let mut said = Vec::new();
    for version in edgemcp::ProtocolVersion::ALL {
        let answer = raw_call(stage, version, name, arguments, &[]);
        said.push(answer.message().to_owned());
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    said.remove(0)
}

/// A call whose arguments are sent as they are written.
fn raw_call(
    stage: &Stage,
    version: edgemcp::ProtocolVersion,
    name: &str,
    arguments: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let params = json!({"name": name, "arguments": "ARGUMENTS"});
    let (body, mut all) = match version.era() {
        edgemcp::Era::Modern => common::modern("tools/call", params),
        edgemcp::Era::Legacy => {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            (body, vec![("mcp-protocol-version", version.as_str().to_owned())])
        }
    };
    all.extend(headers.iter().map(|(name, value)| (*name as &str, (*value).to_owned())).map(leak));
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage.post(body.to_string().replace("\"ARGUMENTS\"", arguments), &all)
}

fn leak((name, value): (&str, String)) -> (&'static str, String) {
    (Box::leak(name.to_owned().into_boxed_str()), value)
}

/// The names or URIs in a list, which must be the same in every revision.
fn listed(stage: &Stage, method: &str) -> Vec<String> {
    let lists: Vec<Vec<String>> =
        stage.everywhere(method, json!({})).into_iter().map(|(_, answer)| names(&answer)).collect();
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "{lists:?}");
    lists[0].clone()
}

fn names(answer: &Answer) -> Vec<String> {
    let members = answer.json["result"].as_object().unwrap_or_else(|| panic!("{}", answer.text));
    let list = members.values().find_map(Value::as_array).unwrap();
    let key = |item: &Value| {
        let key = [&item["uri"], &item["uriTemplate"], &item["name"]].into_iter().find_map(Value::as_str);
        key.unwrap().to_owned()
    };
    list.iter().map(key).collect()
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
        for version in edgemcp::ProtocolVersion::ALL {
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
    let version = edgemcp::ProtocolVersion::V2026_07_28;
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
    #[expect(dead_code, reason = "only what fits it is of interest")]
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

fn page(uri: &'static str, name: &'static str) -> Resource {
    Resource::new(uri, name, |_, _: NoArguments| async { "…" })
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Member {
    team: String,
    id: Option<String>,
}

fn of_everything() -> Server {
    Server::new("test", "1")
        .tool(find())
        .tool(Tool::new("wipe", "Wipe.", |_, _: NoArguments| async { "wiped" }).tag("admin").version("1.0"))
        .tool(
            Tool::new("wipe", "Wipe.", |_, _: NoArguments| async { "wiped well" })
                .tag("admin")
                .version("2.0"),
        )
        .resource(page("data://config", "config").tag("admin"))
        .resource(Resource::new("team://{team}/{id}", "member", |_, Member { team, id }| async move {
            format!("{team} {id:?}")
        }))
        .prompt(Prompt::new(
            "invite",
            "Invite.",
            |_, Member { team, id }| async move { format!("{team} {id:?}") },
        ))
        .completion(Completion::prompt("invite", "team", |_, Member { .. }| async { vec!["red"] }))
        .completion(Completion::resource("team://{team}/{id}", "team", |_, Member { .. }| async {
            vec!["blue"]
        }))
}

#[test]
fn resources_and_prompts_are_changed_with_what_speaks_of_them() {
    let stage = Stage::new(
        of_everything()
            .resource(Resource::new("ui://show", "show", |_, _: NoArguments| async { "<html>" }))
            .tool(Tool::new("show", "Show.", |_, _: NoArguments| async {}).ui("ui://show"))
            .transform(
                ResourceTransform::new("data://config")
                    .uri("app://settings")
                    .name("settings")
                    .description("All."),
            )
            .transform(ResourceTransform::new("team://{team}/{id}").uri("crew://{team}/at/{id}"))
            .transform(ResourceTransform::new("ui://show").uri("ui://shown"))
            .transform(
                PromptTransform::new("invite").rename("ask").describe_argument("team", "Which.").title("Ask"),
            ),
    );
    assert_eq!(listed(&stage, "resources/list"), ["app://settings", "ui://shown"]);
    assert_eq!(listed(&stage, "resources/templates/list"), ["crew://{team}/at/{id}"]);
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "crew://red/at/7"})) {
        let contents = &answer.json["result"]["contents"][0];
        assert_eq!(
            (&contents["text"], &contents["uri"]),
            (&json!("red Some(\"7\")"), &json!("crew://red/at/7")),
            "{version}"
        );
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://config"})) {
        assert!(answer.code().is_some(), "{version}: {}", answer.text);
    }
    for (version, answer) in
        stage.everywhere("prompts/get", json!({"name": "ask", "arguments": {"team": "red"}}))
    {
        assert_eq!(
            answer.json["result"]["messages"][0]["content"]["text"], "red None",
            "{version}: {}",
            answer.text
        );
    }
    let prompts = stage.modern("prompts/list", json!({}));
    assert_eq!(prompts.json["result"]["prompts"][0]["arguments"][0]["description"], "Which.");
    for (reference, value) in [
        (json!({"type": "ref/prompt", "name": "ask"}), "red"),
        (json!({"type": "ref/resource", "uri": "crew://{team}/at/{id}"}), "blue"),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "team", "value": ""}});
        for (version, answer) in stage.everywhere("completion/complete", params) {
            assert_eq!(
                answer.json["result"]["completion"]["values"],
                json!([value]),
                "{version}: {}",
                answer.text
            );
        }
    }
    let tools = stage.modern("tools/list", json!({}));
    assert!(tools.text.contains(r#""resourceUri":"ui://shown""#), "{}", tools.text);
}

#[test]
fn a_resource_or_prompt_that_cannot_be_changed_so_is_a_problem() {
    let with = |transform: ResourceTransform| problems(of_everything().transform(transform));
    for (found, said) in [
        (with(ResourceTransform::new("data://x")), r#"there is no resource "data://x" to change"#),
        (
            with(ResourceTransform::new("team://{team}/{id}").uri("crew://{id}/{team}")),
            "has the placeholders {team}, {id}, and \"crew://{id}/{team}\" has {id}, {team}",
        ),
        (with(ResourceTransform::new("data://config").uri("nowhere")), "has no scheme"),
        (
            problems(of_everything().transform(PromptTransform::new("x"))),
            r#"there is no prompt "x" to change (there are invite)"#,
        ),
        (
            problems(of_everything().transform(PromptTransform::new("invite").describe_argument("x", "y"))),
            r#"prompt "invite" has no argument "x" to change (it has team, id)"#,
        ),
    ] {
        assert!(found.iter().any(|problem| problem.contains(said)), "{said}: {found:?}");
    }
}

/// What is there, by kind.
fn there(stage: &Stage) -> Vec<Vec<String>> {
    ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]
        .into_iter()
        .map(|method| {
            let answer = stage.modern(method, json!({}));
            // A method of a kind that is not there at all is none.
            if answer.code() == Some(-32601) { Vec::new() } else { names(&answer) }
        })
        .collect()
}

fn is_called(stage: &Stage, name: &str) -> bool {
    let answers = stage.everywhere("tools/call", json!({"name": name, "arguments": {"q": 1}}));
    let found: Vec<_> = answers.iter().map(|(_, answer)| answer.code().is_none()).collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {found:?}");
    found[0]
}

#[test]
fn a_disabled_component_is_neither_listed_nor_called() {
    for server in [
        of_everything().transform(ToolTransform::new("find").enabled(false)),
        of_everything().disable(Filter::new().name("find")),
        of_everything().disable(Filter::new().tag("internal").kind(Kind::Tool)),
        of_everything().transform(Visibility::new().disable(Filter::new().name("find"))),
        // What a transform has given a tag is chosen by it, wherever that was said.
        of_everything().disable(Filter::new().tag("new")).transform(ToolTransform::new("find").tag("new")),
    ] {
        let stage = Stage::new(server);
        assert_eq!(listed(&stage, "tools/list"), ["wipe"]);
        assert!(!is_called(&stage, "find") && is_called(&stage, "wipe"));
    }
    let prompts = Stage::new(of_everything().transform(PromptTransform::new("invite").enabled(false)));
    assert_eq!(there(&prompts)[3], Vec::<String>::new());
    let resources =
        Stage::new(of_everything().transform(ResourceTransform::new("team://{team}/{id}").enabled(false)));
    assert_eq!(there(&resources)[1..3], [vec!["data://config".to_owned()], Vec::new()]);
}

#[test]
fn of_what_is_said_of_a_component_the_last_counts() {
    let admin = || Filter::new().tag("admin");
    let shown = |server: Server| there(&Stage::new(server))[..2].concat();
    assert_eq!(shown(of_everything().disable(admin())), ["find"]);
    assert_eq!(
        shown(of_everything().disable(admin()).enable(Filter::new().name("config"))),
        ["find", "data://config"]
    );
    assert_eq!(shown(of_everything().enable(Filter::new().name("config")).disable(admin())), ["find"]);
    assert_eq!(shown(of_everything().enable_only(admin())), ["wipe", "data://config"]);
    assert_eq!(
        shown(of_everything().enable_only(admin()).disable(Filter::new().kind(Kind::Tool))),
        ["data://config"]
    );
    assert_eq!(shown(of_everything().disable(admin()).enable_only(admin())), ["wipe", "data://config"]);
}

#[test]
fn what_is_live_is_enabled_and_disabled_wherever_it_is_mounted() {
    let live = Live::new();
    let inner = of_everything().live(&live).disable(Filter::new().name("config"));
    let stage = Stage::new(Server::new("outer", "1").mount(Mount::under("in", inner)));
    assert_eq!(there(&stage)[..2].concat(), ["in_find", "in_wipe"]);
    live.disable(Filter::new().tag("internal"));
    assert_eq!(there(&stage)[..2].concat(), ["in_wipe"]);
    assert!(!is_called(&stage, "in_find"));
    live.enable(Filter::new().name("config"));
    live.enable(Filter::new().tag("internal"));
    assert_eq!(there(&stage)[..2].concat(), ["in_find", "in_wipe", "data://in/config"]);
    assert!(is_called(&stage, "in_find"));
    live.enable_only(Filter::new().kind(Kind::Prompt));
    assert_eq!(there(&stage).concat(), ["in_invite"]);
}

#[test]
fn a_tool_that_is_taken_away_while_it_runs_may_be_one_that_is_changed() {
    let live = Live::new();
    let server = of_everything().live(&live).transform(ToolTransform::new("find").rename("seek"));
    let stage = Stage::new(server);
    assert_eq!(there(&stage)[0], ["seek", "wipe"]);
    live.remove_tool("find");
    assert_eq!(there(&stage)[0], ["wipe"]);
    live.add_tool(find()).unwrap();
    assert_eq!(there(&stage)[0], ["wipe", "seek"]);
}

#[test]
fn versions_are_filtered_before_the_highest_is_chosen() {
    let wipe = |transform: VersionFilter| {
        let stage = Stage::new(of_everything().transform(transform));
        (there(&stage)[0].clone(), call(&stage, "wipe", "{}"))
    };
    let both = ["find", "wipe"].map(str::to_owned).to_vec();
    assert_eq!(wipe(VersionFilter::new()), (both.clone(), "wiped well".to_owned()));
    assert_eq!(wipe(VersionFilter::new().lt("2")), (both.clone(), "wiped".to_owned()));
    assert_eq!(wipe(VersionFilter::new().gte("1.5")), (both, "wiped well".to_owned()));
    let alone = wipe(VersionFilter::new().gte("1").lt("1.1").unversioned(false));
    assert_eq!(alone, (vec!["wipe".to_owned()], "wiped".to_owned()));
    assert!(wipe(VersionFilter::new().gte("3")).1.contains("no tool is named"));
    let stage = Stage::new(of_everything().transform(VersionFilter::new().lt("2")));
    let asked = json!({"name": "wipe", "_meta": {"fastmcp": {"version": "2.0"}}});
    assert!(
        stage.modern("tools/call", asked).code().is_some(),
        "a version that is filtered out can be asked for"
    );
    let found = problems(of_everything().transform(VersionFilter::new().gte("2").lt("1")));
    assert!(found[0].contains(r#"no version is at least "2" and below "1""#), "{found:?}");
}

#[test]
fn a_filter_chooses_by_all_that_it_is_given() {
    let left = |filter: Filter| there(&Stage::new(of_everything().transform(filter))).concat();
    let new = Filter::new;
    assert_eq!(left(new()).len(), 5);
    assert_eq!(left(new().kind(Kind::Resource).kind(Kind::Prompt)), ["data://config", "invite"]);
    assert_eq!(left(new().name("data://config").name("member")), ["data://config", "team://{team}/{id}"]);
    assert_eq!(left(new().tag("admin").kind(Kind::Tool)), ["wipe"]);
    assert_eq!(left(new().version("2")), ["wipe"]);
    assert_eq!(left(new().version_lt("2").unversioned().kind(Kind::Tool)), ["find", "wipe"]);
    assert!(left(new().version_gte("2.0.1")).is_empty());
}

#[test]
fn each_caller_sees_and_calls_what_is_theirs() {
    let shown = VisibleTo::new(|about, who| {
        let is_admin = who.is_some_and(|who| who.has_scope("admin"));
        match about.kind {
            // Known by the names that they have where the transform stands.
            Kind::Tool => about.name != "wipe" || is_admin,
            Kind::ResourceTemplate | Kind::Prompt => is_admin,
            Kind::Resource => true,
        }
    });
    let tokens = StaticTokens::new()
        .token("admin", Principal::new("ada").scope("admin"))
        .token("user", Principal::new("bob").scope("read"));
    let server = Server::new("outer", "1")
        .mount(Mount::under("in", of_everything().transform(shown)))
        .verifier(tokens);
    let stage = Stage::new(server);
    let lists = |token: &str| {
        let methods = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
        methods.map(|method| names(&stage.modern_as(Some(token), method, json!({})))).concat()
    };
    assert_eq!(lists("user"), ["in_find", "data://in/config"]);
    assert_eq!(
        lists("admin"),
        ["in_find", "in_wipe", "data://in/config", "team://in/{team}/{id}", "in_invite"]
    );
    for (method, params) in [
        ("tools/call", json!({"name": "in_wipe"})),
        ("resources/read", json!({"uri": "team://in/red/7"})),
        ("prompts/get", json!({"name": "in_invite", "arguments": {"team": "red"}})),
    ] {
        let answer = stage.modern_as(Some("admin"), method, params.clone());
        assert!(answer.code().is_none(), "{}", answer.text);
        let refused = stage.modern_as(Some("user"), method, params.clone());
        assert!(refused.message().starts_with("no "), "{}", refused.text);
        // As what is not there at all.
        let text = params.to_string().replace("in_", "no_").replace("/in/", "/no/");
        let absent = stage.modern_as(Some("user"), method, serde_json::from_str(&text).unwrap());
        assert_eq!(refused.text.replace("in_", "no_").replace("/in/", "/no/"), absent.text);
        assert_eq!(refused.status, absent.status);
    }
    let anybody = VisibleTo::new(|about, who| who.is_some() || about.has_tag("internal"));
    let stage = Stage::new(of_everything().transform(anybody));
    assert_eq!(listed(&stage, "tools/list"), ["find"]);
    assert!(is_called(&stage, "find") && !is_called(&stage, "wipe"));
}

#[test]
fn nobody_completes_what_they_are_not_shown() {
    let admins = VisibleTo::new(|_, who| who.is_some_and(|who| who.has_scope("admin")));
    let tokens = StaticTokens::new()
        .token("user", Principal::new("bob"))
        .token("admin", Principal::new("ada").scope("admin"));
    let stage = Stage::new(of_everything().transform(admins).verifier(tokens));
    for reference in [
        json!({"type": "ref/prompt", "name": "invite"}),
        json!({"type": "ref/resource", "uri": "team://{team}/{id}"}),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "team", "value": ""}});
        let shown = stage.modern_as(Some("admin"), "completion/complete", params.clone());
        assert_eq!(
            shown.json["result"]["completion"]["values"].as_array().map(Vec::len),
            Some(1),
            "{}",
            shown.text
        );
        let refused = stage.modern_as(Some("user"), "completion/complete", params.clone());
        // As what is not there at all.
        let text = params.to_string().replace("invite", "nobody").replace("team://", "none://");
        let absent =
            stage.modern_as(Some("user"), "completion/complete", serde_json::from_str(&text).unwrap());
        assert_eq!(refused.text.replace("invite", "nobody").replace("team://", "none://"), absent.text);
        assert!(refused.code().is_some(), "{}", refused.text);
    }
}

#[test]
fn a_namespace_is_a_prefix() {
    let stage = Stage::new(of_everything().transform(Namespace::new("app").separator(".")));
    assert_eq!(
        there(&stage).concat(),
        ["app.find", "app.wipe", "data://app/config", "team://app/{team}/{id}", "app.invite"]
    );
    assert_eq!(call(&stage, "app.find", r#"{"q": 1}"#), "1 None None");
    let found = problems(of_everything().transform(Namespace::new("a b")));
    assert!(found[0].contains(r#"prefix "a b" cannot stand in a name"#), "{found:?}");
}

#[test]
fn what_a_parent_says_of_a_list_holds_though_a_mounted_server_changes_it() {
    let inner = of_everything().middleware(middleware::on_list_tools(|_, list, next| async move {
        let mut tools = next.run(list).await?;
        tools.retain(|tool| tool.about().name != "left_out");
        tools.push(Tool::new("more", "More.", |_, _: NoArguments| async {}));
        Ok(tools.map(|tool| tool.title("Changed")))
    }));
    let inner = inner.tool(Tool::new("left_out", "Left out.", |_, _: NoArguments| async {})).tool(Tool::new(
        "off",
        "Off.",
        |_, _: NoArguments| async {},
    ));
    let server = Server::new("outer", "1")
        .mount(Mount::under("in", inner))
        .transform(ToolTransform::new("in_find").rename("seek"))
        .transform(VisibleTo::new(|about, _| about.name != "in_wipe"))
        .disable(Filter::new().name("in_off"));
    let stage = Stage::new(server);
    assert_eq!(listed(&stage, "tools/list"), ["seek", "in_more"]);
    assert!(!is_called(&stage, "in_wipe") && !is_called(&stage, "in_off") && is_called(&stage, "seek"));
}
