//! A request that was answered before is answered with the same, and never with what another caller was.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Answer, Settings, Stage, capable,
    live::{Behind, Session, accept, pass},
};
use edgemcp::{
    Annotations, CacheHint, Content, HEALTH_URI, Health, ProtocolVersion, ResourceLink, Role, Server,
    TaskSupport,
    auth::{Principal, Requirement, StaticTokens},
    middleware::{
        self, CACHED_ARGUMENTS_BYTES_MAX, CACHED_RESPONSE_BYTES_MAX, CacheStatistics, CachedMethod,
        RateLimiting, ResponseCaching,
    },
    platform::Timestamp,
    prelude::*,
    store::{MemoryStore, Survey, wrap::Statistics},
};
use edgemcp_testkit::{FAILURE, ManualClock};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

/// How often a handler has run. Clones are the same count.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Any arguments.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "they are only sent")]
struct Any {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    what: Value,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    more: Value,
}

/// A tool that says that it can be cached, and how often it has run.
fn steady(name: &'static str, runs: &Runs) -> Tool {
    let runs = runs.clone();
    Tool::new(name, "Count.", move |cx: Context, Any { .. }| {
        let who = cx.principal().map_or("nobody".to_owned(), |who| who.subject().to_owned());
        let run = runs.next();
        async move { format!("{who}: {run}") }
    })
    .read_only(true)
    .idempotent(true)
}

fn server(runs: &Runs) -> Server {
    let (of_resource, of_prompt) = (runs.clone(), runs.clone());
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Page {
        page: u32,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Who {
        name: Option<String>,
        style: Option<String>,
    }
    Server::new("cached", "1")
        .tool(steady("count", runs))
        .resource(Resource::new("data://count/{page}", "count", move |_, Page { page }| {
            let run = of_resource.next();
            async move { format!("page {page}: {run}") }
        }))
        .prompt(Prompt::new("count", "Count.", move |_, Who { name, style }| {
            let run = of_prompt.next();
            async move { format!("{name:?} {style:?}: {run}") }
        }))
}

fn stage(caching: ResponseCaching) -> (Stage, Runs, CacheStatistics) {
    let (runs, statistics) = (Runs::default(), caching.statistics());
    (Stage::new(server(&runs).middleware(caching)), runs, statistics)
}

fn counts(statistics: &CacheStatistics, method: CachedMethod) -> [u64; 4] {
    let counts = statistics.of(method);
    [counts.hits, counts.misses, counts.stored, counts.too_large]
}

fn said(answer: &Answer) -> String {
    let result = &answer.json["result"];
    let texts = [
        &result["content"][0]["text"],
        &result["contents"][0]["text"],
        &result["messages"][0]["content"]["text"],
    ];
    let text = texts.into_iter().find_map(Value::as_str);
    text.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn calls_reads_and_prompts_are_answered_with_what_was_answered_before_for_an_hour() {
    for (method, params, of) in [
        ("tools/call", json!({"name": "count", "arguments": {"what": "x"}}), CachedMethod::CallTool),
        ("resources/read", json!({"uri": "data://count/7"}), CachedMethod::ReadResource),
        ("prompts/get", json!({"name": "count", "arguments": {"name": "x"}}), CachedMethod::GetPrompt),
    ] {
        let (stage, runs, statistics) = stage(ResponseCaching::new());
        let ask = || said(&stage.modern(method, params.clone()));
        let first = ask();
        stage.clock.advance(HOUR - Duration::from_millis(1));
        assert_eq!((ask(), runs.count()), (first.clone(), 1), "{method}");
        assert_eq!(counts(&statistics, of), [1, 1, 1, 0]);
        stage.clock.advance(Duration::from_millis(1));
        assert_ne!(ask(), first, "{method}");
        assert_eq!(counts(&statistics, of), [1, 2, 2, 0]);
        assert_eq!(statistics.total(), statistics.of(of));
    }
}

#[test]
fn every_revision_is_answered_from_one_entry_as_it_would_be_without_a_cache() {
    let rich = |_: Context, _: NoArguments| async {
        let hints = Annotations::new().audience(Role::User).priority(0.1).last_modified("2026-07-28");
        let embedded = ResourceContents::blob(vec![0, 159, 146])
            .uri("data://blob")
            .mime_type("x/y")
            .meta("com.example/n", 0.1);
        ToolOutput::new()
            .content(Content::text("line\nand line").annotations(hints))
            .content(Content::image(vec![1, 2, 3], "image/png"))
            .content(Content::audio(vec![255], "audio/wav"))
            .content(Content::resource_link(
                ResourceLink::new("data://l", "l").description("L").mime_type("a/b"),
            ))
            .content(Content::resource(embedded))
            .meta("com.example/cost", json!({"eur": 0.30000000000000004, "big": u64::MAX}))
    };
    let steady = |tool: Tool| tool.read_only(true).idempotent(true);
    let define = || {
        Server::new("rich", "1")
            .tool(steady(Tool::new("rich", "Everything.", rich)))
            .tool(steady(Tool::new("number", "A number.", |_, _: NoArguments| async { 0.1_f64 })))
            .tool(steady(Tool::new("object", "An object.", |_, _: NoArguments| async {
                Json(json!({"b": 1e300, "a": [null]}))
            })))
            .tool(steady(Tool::new("nothing", "Nothing.", |_, _: NoArguments| async {})))
            .resource(
                Resource::new("data://r", "r", |_, _: NoArguments| async {
                    vec![
                        ResourceContents::text("t").meta("com.example/n", -0.0),
                        ResourceContents::blob(vec![1]),
                    ]
                })
                .mime_type("text/x")
                .cache(CacheHint::public(Duration::from_secs(60))),
            )
            .prompt(Prompt::new("p", "What it is for.", |_, _: NoArguments| async {
                vec![
                    PromptMessage::user("hello"),
                    PromptMessage::assistant(Content::image(vec![1], "image/png")),
                ]
            }))
    };
    for (method, params) in [
        ("tools/call", json!({"name": "rich"})),
        ("tools/call", json!({"name": "number"})),
        ("tools/call", json!({"name": "object"})),
        ("tools/call", json!({"name": "nothing"})),
        ("resources/read", json!({"uri": "data://r"})),
        ("prompts/get", json!({"name": "p"})),
    ] {
        let plain = Stage::new(define());
        let caching = ResponseCaching::new();
        let statistics = caching.statistics();
        let cached = Stage::new(define().middleware(caching));
        // The first fills the cache, and all of the others are answered from it.
        let filled = cached.legacy(ProtocolVersion::V2025_03_26, method, params.clone());
        assert!(filled.json.get("result").is_some(), "{filled:?}");
        let revisions = plain
            .everywhere(method, params.clone())
            .into_iter()
            .zip(cached.everywhere(method, params.clone()));
        for ((version, without), (_, with)) in revisions {
            assert_eq!(with.text, without.text, "{method} {params} in {version:?}");
            assert_eq!(with.status, without.status);
        }
        let total = statistics.total();
        assert_eq!((total.misses, total.stored), (1, 1), "{method} {params}");
        assert_eq!(usize::try_from(total.hits).unwrap(), ProtocolVersion::ALL.len());
    }
}

#[test]
fn the_order_of_arguments_is_nothing_and_every_digit_of_a_number_counts() {
    let (stage, runs, _) = stage(ResponseCaching::new());
    let ask = |arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"count","arguments":{arguments}}}}}"#
        );
        said(&stage.post(body, &[("mcp-protocol-version", "2025-11-25")]))
    };
    let first = ask(r#"{"what":{"a":1,"b":[2,"ü"]},"more":true}"#);
    assert_eq!(ask("{ \"more\" : true, \"what\": {\"b\":[2, \"\\u00fc\"], \"a\":1} }"), first);
    assert_eq!(runs.count(), 1);
    let differing = [
        "{}",
        r#"{"what":1}"#,
        r#"{"what":1.0}"#,
        r#"{"what":"1"}"#,
        r#"{"what":12345678901234567890123}"#,
        r#"{"what":12345678901234567890124}"#,
        r#"{"what":0.1}"#,
        r#"{"what":0.10000000000000000001}"#,
        r#"{"what":[1,2]}"#,
        r#"{"what":[2,1]}"#,
        r#"{"more":1}"#,
        r#"{"what":null}"#,
    ];
    for arguments in differing {
        let before = runs.count();
        ask(arguments);
        assert_eq!(runs.count(), before + 1, "{arguments}");
    }
    // Of a prompt likewise.
    let get = |arguments: Value| {
        said(&stage.modern("prompts/get", json!({"name": "count", "arguments": arguments})))
    };
    let one = get(json!({"name": "a", "style": "b"}));
    assert_eq!(get(json!({"style": "b", "name": "a"})), one);
    assert_ne!(get(json!({"style": "a", "name": "b"})), one);
    // And none is the same as no arguments.
    assert_eq!(said(&stage.modern("tools/call", json!({"name": "count"}))), ask("{}"));
}

#[test]
fn what_one_caller_was_answered_is_no_others() {
    let principal = |subject: &'static str| Principal::new(subject).from_issuer("https://idp.example");
    let callers = [
        ("ada", principal("ada")),
        ("bob", principal("bob")),
        ("ada-of-another-issuer", Principal::new("ada").from_issuer("https://other.example")),
        ("ada-through-an-app", principal("ada").through_client("app")),
        ("ada-with-a-scope", principal("ada").scope("admin")),
        ("ada-in-an-org", principal("ada").claim("org", 1)),
        ("ada-in-another-org", principal("ada").claim("org", 2)),
    ];
    let (runs, caching) = (Runs::default(), ResponseCaching::new());
    let statistics = caching.statistics();
    let mut tokens =
        StaticTokens::new().token("ada-later", principal("ada").claim("exp", 2).claim("jti", "b"));
    for (token, who) in &callers {
        tokens = tokens.token(*token, who.clone());
    }
    let stage = Stage::new(server(&runs).verifier(tokens).middleware(caching));
    let ask = |token| said(&stage.modern_as(Some(token), "tools/call", json!({"name": "count"})));
    let first = callers.each_ref().map(|(token, _)| ask(token));
    assert_eq!(runs.count(), callers.len());
    assert_eq!(callers.each_ref().map(|(token, _)| ask(token)), first, "each has its own again");
    assert_eq!(runs.count(), callers.len());
    assert_eq!(ask("ada-later"), first[0], "another token of the same caller");
    for (method, params) in
        [("resources/read", json!({"uri": "data://count/1"})), ("prompts/get", json!({"name": "count"}))]
    {
        let ask = |token| said(&stage.modern_as(Some(token), method, params.clone()));
        assert_ne!(ask("ada"), ask("bob"), "{method}");
    }
    assert_eq!(statistics.of(CachedMethod::ReadResource).hits, 0);
}

#[test]
fn who_may_not_call_a_tool_is_not_answered_by_the_cache_either() {
    let runs = Runs::default();
    let tokens = StaticTokens::new()
        .token("admin", Principal::new("ada").scope("admin"))
        .token("guest", Principal::new("ada"));
    let secret = steady("secret", &runs).requires(Requirement::scopes(["admin"]));
    let server = Server::new("guarded", "1").tool(secret).verifier(tokens);
    let stage = Stage::new(server.middleware(ResponseCaching::new()));
    let ask = |token| stage.modern_as(Some(token), "tools/call", json!({"name": "secret"}));
    for _ in 0..2 {
        assert_eq!(said(&ask("admin")), "ada: 1");
        assert_eq!(ask("guest").code(), Some(-32000));
    }
}

#[test]
fn two_versions_of_a_tool_of_a_resource_or_of_the_server_share_nothing() {
    let (runs, caching) = (Runs::default(), ResponseCaching::new());
    let resource = |version: &'static str| {
        Resource::new("data://v", "v", move |_, _: NoArguments| async move { version }).version(version)
    };
    let prompt = |version: &'static str| {
        Prompt::new("v", "V.", move |_, _: NoArguments| async move { version }).version(version)
    };
    let server = |version: &'static str, caching: ResponseCaching| {
        Server::new("versions", version)
            .tool(steady("count", &runs).version("1.0"))
            .tool(steady("count", &runs).version("2.0"))
            .resource(resource("1.0"))
            .resource(resource("2.0"))
            .prompt(prompt("1.0"))
            .prompt(prompt("2.0"))
            .middleware(caching)
    };
    let stage = Stage::new(server("1", caching));
    let ask = |stage: &Stage, method: &str, mut params: Value, version: Option<&str>| {
        if let Some(version) = version {
            params["_meta"] = json!({"fastmcp": {"version": version}});
        }
        said(&stage.modern(method, params))
    };
    let call = |stage: &Stage, version| ask(stage, "tools/call", json!({"name": "count"}), version);
    let highest = call(&stage, None);
    assert_eq!(call(&stage, Some("2.0")), highest, "it is the highest one");
    let older = call(&stage, Some("1.0"));
    assert_ne!(older, highest);
    assert_eq!((call(&stage, Some("1.0")), call(&stage, None)), (older, highest.clone()));
    for (method, params) in
        [("resources/read", json!({"uri": "data://v"})), ("prompts/get", json!({"name": "v"}))]
    {
        for (version, expected) in [(None, "2.0"), (Some("1.0"), "1.0"), (None, "2.0"), (Some("1.0"), "1.0")]
        {
            assert_eq!(ask(&stage, method, params.clone(), version), expected, "{method}");
        }
    }
    let deployed = stage.beside(server("2", ResponseCaching::new()));
    assert_ne!(call(&deployed, None), highest);
}

#[test]
fn only_tools_that_say_so_or_are_named_are_cached() {
    let hinted = |read_only: Option<bool>, idempotent: Option<bool>, runs: &Runs| {
        let runs = runs.clone();
        let mut tool = Tool::new("tool", "Count.", move |_, _: NoArguments| {
            let run = runs.next();
            async move { run.to_string() }
        });
        if let Some(read_only) = read_only {
            tool = tool.read_only(read_only);
        }
        if let Some(idempotent) = idempotent {
            tool = tool.idempotent(idempotent);
        }
        tool
    };
    let is_cached = |read_only, idempotent, caching: ResponseCaching| {
        let runs = Runs::default();
        let stage = Stage::new(
            Server::new("hints", "1").tool(hinted(read_only, idempotent, &runs)).middleware(caching),
        );
        for _ in 0..2 {
            said(&stage.modern("tools/call", json!({"name": "tool"})));
        }
        runs.count() == 1
    };
    let each = [None, Some(false), Some(true)];
    for (read_only, idempotent) in each.into_iter().flat_map(|one| each.map(|other| (one, other))) {
        let says_so = (read_only, idempotent) == (Some(true), Some(true));
        let is_cached = |caching| is_cached(read_only, idempotent, caching);
        assert_eq!(is_cached(ResponseCaching::new()), says_so, "{read_only:?} {idempotent:?}");
        assert!(is_cached(ResponseCaching::new().include_tools(["tool"])));
        assert_eq!(is_cached(ResponseCaching::new().include_tools(["other"])), says_so);
        assert!(!is_cached(ResponseCaching::new().exclude_tools(["tool"])));
        assert!(!is_cached(ResponseCaching::new().without(CachedMethod::CallTool).include_tools(["tool"])));
    }
}

#[test]
fn resources_can_be_named_by_their_uri_or_by_their_template() {
    let ask = |stage: &Stage, page: u32| {
        said(&stage.modern("resources/read", json!({"uri": format!("data://count/{page}")})))
    };
    let (one, runs, _) = stage(ResponseCaching::new().exclude_resources(["data://count/1"]));
    for _ in 0..2 {
        ask(&one, 1);
        ask(&one, 2);
    }
    assert_eq!(runs.count(), 3);
    let (all, runs, _) = stage(ResponseCaching::new().exclude_resources(["data://count/{page}"]));
    for _ in 0..2 {
        ask(&all, 1);
    }
    assert_eq!(runs.count(), 2);
}

#[test]
fn what_clients_hear_changes_of_is_read_anew_and_so_is_the_health() {
    let runs = Runs::default();
    let read = |stage: &Stage| said(&stage.modern("resources/read", json!({"uri": "data://count/1"})));
    let told = Stage::new(server(&runs).resource_subscriptions().middleware(ResponseCaching::new()));
    assert_ne!(read(&told), read(&told));
    let named = ResponseCaching::new().include_resources(["data://count/{page}"]);
    let named = Stage::new(server(&runs).resource_subscriptions().middleware(named));
    assert_eq!(read(&named), read(&named));

    let caching = ResponseCaching::new();
    let statistics = caching.statistics();
    let stage = Stage::new(server(&runs).resource(Health::new()).middleware(caching));
    let health = || said(&stage.modern("resources/read", json!({"uri": HEALTH_URI})));
    let first = health();
    stage.clock.advance(Duration::from_secs(1));
    assert_ne!(health(), first);
    assert_eq!(counts(&statistics, CachedMethod::ReadResource), [0; 4]);
}

#[test]
fn a_resource_that_says_how_long_it_is_good_is_kept_no_longer() {
    let runs = Runs::default();
    let of = runs.clone();
    let resource = Resource::new("data://brief", "brief", move |_, _: NoArguments| {
        let run = of.next();
        async move { run.to_string() }
    });
    let server =
        Server::new("brief", "1").resource(resource.cache(CacheHint::private(Duration::from_secs(10))));
    let stage = Stage::new(server.middleware(ResponseCaching::new()));
    let read = || said(&stage.modern("resources/read", json!({"uri": "data://brief"})));
    assert_eq!([read(), read()], ["1", "1"]);
    stage.clock.advance(Duration::from_secs(10));
    assert_eq!(read(), "2");
}

#[test]
fn failures_are_not_kept() {
    let runs = Runs::default();
    let failing = |name: &'static str, how: fn() -> Result<ToolOutput, ToolError>| {
        let runs = runs.clone();
        Tool::new(name, "Fail.", move |_, _: NoArguments| {
            runs.next();
            async move { how() }
        })
        .read_only(true)
        .idempotent(true)
    };
    let of = runs.clone();
    let caching = ResponseCaching::new();
    let statistics = caching.statistics();
    let server = Server::new("failing", "1")
        .tool(failing("error", || Err(ToolError::new("no"))))
        .tool(failing("is_error", || Ok(ToolOutput::new().content("no").is_error())))
        .tool(failing("forbidden", || Err(Error::forbidden("no").into())))
        .tool(failing("panic", || panic!("no")))
        .resource(Resource::new("data://none", "none", move |_, _: NoArguments| {
            of.next();
            async { Err::<String, _>(Error::resource_not_found("data://none")) }
        }))
        .middleware(caching);
    let stage = Stage::new(server);
    let mut expected = 0;
    for _ in 0..2 {
        for name in ["error", "is_error", "forbidden", "panic"] {
            stage.modern("tools/call", json!({"name": name}));
            expected += 1;
            assert_eq!(runs.count(), expected, "{name}");
        }
        assert_eq!(stage.modern("resources/read", json!({"uri": "data://none"})).code(), Some(-32602));
        expected += 1;
        // Nor what there is not at all, and what does not fit.
        assert_eq!(stage.modern("tools/call", json!({"name": "nothing"})).code(), Some(-32602));
    }
    assert_eq!(runs.count(), expected);
    assert_eq!((statistics.total().stored, statistics.total().hits), (0, 0));
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

/// A tool that asks who it speaks with, and says that it can be cached all the same.
fn greet() -> Tool {
    Tool::new("greet", "Greet.", |cx: Context, _: NoArguments| async move {
        let Name { name } = cx.elicit("What is your name?").key("name").await?;
        Ok::<_, ToolError>(format!("Hello, {name}!"))
    })
    .read_only(true)
    .idempotent(true)
}

#[test]
fn who_is_asked_for_something_is_asked_again_and_answered_for_what_they_said_in_both_eras() {
    let caching = ResponseCaching::new().include_tools(["greet"]);
    let statistics = caching.statistics();
    let behind = Behind::default();
    let server = Server::new("asking", "1").tool(greet()).middleware(caching);
    let mut stage =
        Stage::built(server, Settings::default(), |builder| builder.hold_max(Duration::from_secs(60)));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));

    for name in ["Ada", "Bob"] {
        let asked = stage.modern("tools/call", json!({"name": "greet", "_meta": capable()}));
        assert_eq!(asked.json["result"]["resultType"], "input_required", "{asked:?}");
        let answers = json!({"name": accept(name)});
        let state = asked.json["result"]["requestState"].clone();
        let again =
            json!({"name": "greet", "requestState": state, "inputResponses": answers, "_meta": capable()});
        assert_eq!(said(&stage.modern("tools/call", again)), format!("Hello, {name}!"));
        // A client that knows the server's keys may send its answers at once.
        let at_once = json!({"name": "greet", "inputResponses": answers, "_meta": capable()});
        assert_eq!(said(&stage.modern("tools/call", at_once)), format!("Hello, {name}!"));
    }
    for name in ["Ada", "Bob"] {
        let session = Session::begin(&stage);
        let mut reading = session.call("greet");
        session.answer(&reading.ask_id(), accept(name));
        pass(&stage, Duration::from_secs(2), || {
            reading.poll();
            behind.poll();
        });
        assert_eq!(reading.answer(), Some(format!("Hello, {name}!")));
    }
    assert_eq!((statistics.total().hits, statistics.total().stored), (0, 0));
}

#[test]
fn a_task_is_neither_kept_nor_answered_from_what_is() {
    let runs = Runs::default();
    let tool = |name, support| steady(name, &runs).task(support);
    let server = Server::new("tasks", "1")
        .tool(tool("optional", TaskSupport::Optional))
        .tool(tool("required", TaskSupport::Required))
        .middleware(ResponseCaching::new());
    let behind = Behind::default();
    let mut stage = Stage::new(server);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    let takes = json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    for name in ["optional", "required"] {
        let ids = [(); 2].map(|()| {
            let answer = stage.modern("tools/call", json!({"name": name, "_meta": takes}));
            assert_eq!(answer.json["result"]["resultType"], "task", "{answer:?}");
            behind.poll();
            answer.json["result"]["taskId"].as_str().unwrap().to_owned()
        });
        let results = ids.map(|id| {
            let answer = stage.modern("tasks/get", json!({"taskId": id, "_meta": takes}));
            assert_eq!(answer.json["result"]["status"], "completed", "{answer:?}");
            answer.json["result"]["result"]["content"][0]["text"].clone()
        });
        assert_ne!(results[0], results[1]);
    }
}

#[test]
fn a_result_with_nothing_in_it_is_a_hit() {
    let runs = Runs::default();
    let of = runs.clone();
    let nothing = Tool::new("nothing", "Nothing.", move |_, _: NoArguments| {
        of.next();
        async {}
    });
    let caching = ResponseCaching::new().include_tools(["nothing"]);
    let statistics = caching.statistics();
    let stage = Stage::new(Server::new("empty", "1").tool(nothing).middleware(caching));
    let ask = || stage.modern("tools/call", json!({"name": "nothing"})).json["result"]["content"].clone();
    assert_eq!((ask(), ask(), runs.count()), (json!([]), json!([]), 1));
    assert_eq!(counts(&statistics, CachedMethod::CallTool), [1, 1, 1, 0]);
}

#[test]
fn a_response_or_arguments_of_a_byte_too_many_are_not_kept() {
    let runs = Runs::default();
    let of = runs.clone();
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Long {
        bytes: usize,
        #[serde(default)]
        padding: String,
    }
    let long = Tool::new("long", "Long.", move |_, Long { bytes, padding }| {
        of.next();
        drop(padding);
        async move { "x".repeat(bytes) }
    });
    // What is around a text, as it is written.
    let around = r#"{"c":[{"b":{"t":""}}],"w":false}"#.len();
    for max in [CACHED_RESPONSE_BYTES_MAX, 1000] {
        let caching = ResponseCaching::new().include_tools(["long"]);
        let caching =
            if max == CACHED_RESPONSE_BYTES_MAX { caching } else { caching.response_bytes_max(max) };
        let statistics = caching.statistics();
        let stage = Stage::new(Server::new("long", "1").tool(long.clone()).middleware(caching));
        let ask = |bytes: usize| {
            said(&stage.modern("tools/call", json!({"name": "long", "arguments": {"bytes": bytes}}))).len()
        };
        for _ in 0..2 {
            assert_eq!(ask(max - around), max - around);
            assert_eq!(ask(max - around + 1), max - around + 1);
        }
        assert_eq!(counts(&statistics, CachedMethod::CallTool), [1, 3, 1, 2], "{max}");
        // Nor is one that the store would not take.
        stage.store.value_bytes_max(100);
        for _ in 0..2 {
            ask(100);
        }
        assert_eq!(counts(&statistics, CachedMethod::CallTool), [1, 5, 1, 4], "{max}");
        assert!(!stage.log.all().contains("could not"), "{}", stage.log.all());
    }
    let caching = ResponseCaching::new().include_tools(["long"]);
    let stage = Stage::new(Server::new("long", "1").tool(long).middleware(caching));
    let before = runs.count();
    let empty = json!({"bytes": 1, "padding": ""}).to_string().len();
    let ask = |length: usize| {
        let arguments = json!({"bytes": 1, "padding": "x".repeat(length - empty)});
        said(&stage.modern("tools/call", json!({"name": "long", "arguments": arguments})))
    };
    for _ in 0..2 {
        ask(CACHED_ARGUMENTS_BYTES_MAX);
        ask(CACHED_ARGUMENTS_BYTES_MAX + 1);
    }
    assert_eq!(runs.count() - before, 3);
}

#[test]
fn a_store_that_is_down_costs_nobody_their_answer_and_the_log_says_why() {
    let (stage, runs, statistics) = stage(ResponseCaching::new());
    stage.store.fail(true);
    for run in 1..=2 {
        let answer = stage.modern("tools/call", json!({"name": "count"}));
        assert_eq!(said(&answer), format!("nobody: {run}"));
    }
    assert!(stage.log.all().contains(FAILURE), "{}", stage.log.all());
    assert_eq!(counts(&statistics, CachedMethod::CallTool), [0, 2, 0, 0]);
    stage.store.fail(false);
    for _ in 0..2 {
        assert_eq!(said(&stage.modern("tools/call", json!({"name": "count"}))), "nobody: 3");
    }
    assert_eq!(runs.count(), 3);
}

#[test]
fn what_another_version_of_this_crate_has_written_is_a_miss() {
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let store = Arc::new(MemoryStore::new(Arc::new(clock)));
    let runs = Runs::default();
    let stage =
        Stage::built(server(&runs).middleware(ResponseCaching::new()), Settings::default(), |builder| {
            builder.store(store.clone())
        });
    let ask = || said(&stage.modern("tools/call", json!({"name": "count"})));
    let first = ask();
    let keys = futures_executor::block_on(store.survey(None)).unwrap().entries;
    let [entry] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!(entry.key.partition().collection(), "edgemcp.cache.responses.tools.call");
    assert!(!entry.key.to_string().contains("count"), "{}", entry.key);
    for garbage in
        ["", "null", "[]", "{}", "{\"c\":1}", "{\"c\":[{\"b\":{\"z\":1}}]}", "\u{0}", "{\"m\":[1]}"]
    {
        use edgemcp::store::Store;
        futures_executor::block_on(store.put(&entry.key, garbage.into(), None)).unwrap();
        assert_ne!(ask(), first, "{garbage}");
    }
}

#[test]
fn it_costs_one_operation_of_the_store_to_hit_two_to_miss_and_none_where_nothing_is_cached() {
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let store = Arc::new(Statistics::new(Arc::new(MemoryStore::new(Arc::new(clock)))));
    let runs = Runs::default();
    let plain = Tool::new("plain", "Plain.", |_, _: NoArguments| async { "plain" });
    let server = server(&runs).tool(plain).middleware(ResponseCaching::new());
    let stage = Stage::built(server, Settings::default(), |builder| builder.store(store.clone()));
    let operations = || {
        let counts = store.counts();
        (counts.get.calls, counts.put.calls, format!("{counts:?}").matches("calls: 0").count())
    };
    assert_eq!(operations(), (0, 0, 11));
    for name in ["plain", "none"] {
        stage.modern("tools/call", json!({"name": name}));
    }
    stage.modern("tools/list", json!({}));
    assert_eq!(operations(), (0, 0, 11));
    stage.modern("tools/call", json!({"name": "count"}));
    assert_eq!(operations(), (1, 1, 9));
    stage.modern("tools/call", json!({"name": "count"}));
    assert_eq!(operations(), (2, 1, 9));
}

#[test]
fn a_server_can_say_what_else_an_answer_depends_on() {
    let caching = ResponseCaching::new().vary_by(|cx| {
        cx.headers()
            .get("accept-language")
            .and_then(|language| language.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    });
    let (stage, runs, _) = stage(caching);
    let ask = |language: &str| {
        let (body, mut headers) = common::modern("tools/call", json!({"name": "count"}));
        headers.push(("accept-language", language.to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        said(&stage.post(body.to_string(), &headers))
    };
    let (german, french) = (ask("de"), ask("fr"));
    assert_ne!(german, french);
    assert_eq!((ask("de"), ask("fr"), runs.count()), (german, french, 2));
}

#[test]
fn two_instances_share_what_was_answered_and_two_servers_do_not() {
    let runs = Runs::default();
    let one = Stage::new(server(&runs).middleware(ResponseCaching::new()));
    let other = one.beside(server(&runs).middleware(ResponseCaching::new()));
    let ask = |stage: &Stage| said(&stage.modern("tools/call", json!({"name": "count"})));
    assert_eq!((ask(&one), ask(&other), runs.count()), ("nobody: 1".to_owned(), "nobody: 1".to_owned(), 1));
    let named = Server::new("another", "1").tool(steady("count", &runs)).middleware(ResponseCaching::new());
    assert_eq!(ask(&one.beside(named)), "nobody: 2");
}

#[test]
fn two_mounted_servers_with_a_tool_of_one_name_share_nothing() {
    let runs = Runs::default();
    let child = |name: &'static str| {
        Server::new(name, "1").tool(steady("count", &runs)).middleware(ResponseCaching::new())
    };
    use edgemcp::compose::Mount;
    let parent = Server::new("parent", "1")
        .mount(Mount::under("a", child("child")))
        .mount(Mount::under("b", child("child")));
    let stage = Stage::new(parent);
    let ask = |name: &str| said(&stage.modern("tools/call", json!({"name": name})));
    let (a, b) = (ask("a_count"), ask("b_count"));
    assert_ne!(a, b);
    assert_eq!((ask("a_count"), ask("b_count"), runs.count()), (a, b, 2));
}

#[test]
fn a_hit_is_counted_by_a_limit_before_it() {
    let runs = Runs::default();
    let server =
        server(&runs).middleware(RateLimiting::token_bucket(1.0).burst(2)).middleware(ResponseCaching::new());
    let stage = Stage::new(server);
    let codes = [(); 3].map(|()| stage.modern("tools/call", json!({"name": "count"})).code());
    assert_eq!((codes, runs.count()), ([None, None, Some(-32000)], 1));
}

fn names(answer: &Answer) -> Vec<String> {
    let tools = answer.json["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// A server that asks somebody which of its tools a caller may see.
fn selective(runs: &Runs, caching: ResponseCaching) -> Server {
    let asked = runs.clone();
    let select = middleware::on_list_tools(move |cx: Context, message, next| {
        let asked = asked.clone();
        async move {
            asked.next();
            let mut list = next.run(message).await?;
            let who = cx.principal().map_or(String::new(), |who| who.subject().to_owned());
            list.retain(|tool| tool.about().tags.iter().any(|tag| *tag == who || tag == "all"));
            Ok(list)
        }
    });
    let tool = |name: &'static str, tag: &'static str| {
        Tool::new(name, "A tool.", |_, _: NoArguments| async {}).tag(tag)
    };
    let tokens = StaticTokens::new()
        .token("ada", Principal::new("ada"))
        .token("bob", Principal::new("bob"))
        .token("eve", Principal::new("eve"));
    Server::new("selective", "1")
        .tool(tool("zeta", "all"))
        .tool(tool("of_ada", "ada"))
        .tool(tool("of_bob", "bob"))
        .verifier(tokens)
        .middleware(caching)
        .middleware(select)
}

#[test]
fn lists_are_cached_where_it_was_said_each_callers_own_for_five_minutes_in_both_eras() {
    let runs = Runs::default();
    let without = Stage::new(selective(&runs, ResponseCaching::new()));
    let list = |stage: &Stage, token| stage.modern_as(Some(token), "tools/list", json!({}));
    let plain = [(); 2].map(|()| list(&without, "ada").text);
    assert_eq!(runs.count(), 2, "a list is not cached unless it was said");

    let caching = ResponseCaching::new().lists();
    let statistics = caching.statistics();
    let runs = Runs::default();
    let stage = Stage::new(selective(&runs, caching));
    for _ in 0..2 {
        assert_eq!(names(&list(&stage, "ada")), ["zeta", "of_ada"]);
        assert_eq!(names(&list(&stage, "bob")), ["zeta", "of_bob"]);
        assert_eq!(names(&list(&stage, "eve")), ["zeta"]);
        assert_eq!(list(&stage, "ada").text, plain[0]);
    }
    assert_eq!(runs.count(), 3);
    assert_eq!(counts(&statistics, CachedMethod::ListTools), [5, 3, 3, 0]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let legacy = stage.post(body, &[("authorization", "Bearer ada"), ("mcp-protocol-version", "2025-06-18")]);
    assert_eq!((names(&legacy), runs.count()), (vec!["zeta".to_owned(), "of_ada".to_owned()], 3));
    stage.clock.advance(Duration::from_secs(300));
    list(&stage, "ada");
    assert_eq!(runs.count(), 4);
    // Who hears of changes is told of them.
    let runs = Runs::default();
    let stage = Stage::new(selective(&runs, ResponseCaching::new().lists()).list_changed());
    for _ in 0..2 {
        list(&stage, "ada");
    }
    assert_eq!(runs.count(), 2);
}

#[test]
fn a_whole_list_an_empty_one_and_one_in_another_order_are_hits_and_one_of_something_else_is_not_kept() {
    type Change = fn(edgemcp::middleware::Listed<Tool>) -> edgemcp::middleware::Listed<Tool>;
    let changes: [(Change, &[&str], bool); 5] = [
        (|list| list, &["a", "b"], true),
        (|_| edgemcp::middleware::Listed::new([]), &[], true),
        (|list| list.iter().rev().cloned().collect::<Vec<_>>().into(), &["b", "a"], true),
        (|list| list.map(|tool| tool.title("Other")), &["a", "b"], false),
        (
            |mut list| {
                list.push(Tool::new("c", "C.", |_, _: NoArguments| async {}));
                list
            },
            &["a", "b", "c"],
            false,
        ),
    ];
    for (change, expected, is_kept) in changes {
        let runs = Runs::default();
        let asked = runs.clone();
        let hook = middleware::on_list_tools(move |_, message, next| {
            asked.next();
            async move { Ok(change(next.run(message).await?)) }
        });
        let server = ["a", "b"].into_iter().fold(Server::new("lists", "1"), |server, name| {
            server.tool(Tool::new(name, "A tool.", |_, _: NoArguments| async {}))
        });
        let stage = Stage::new(server.middleware(ResponseCaching::new().lists()).middleware(hook));
        let texts = [(); 3].map(|()| {
            let answer = stage.modern("tools/list", json!({}));
            assert_eq!(names(&answer), expected);
            answer.text
        });
        assert!(texts.iter().all(|text| *text == texts[0]));
        assert_eq!(runs.count(), if is_kept { 1 } else { 3 }, "{expected:?}");
    }
}

#[test]
fn resources_templates_and_prompts_are_listed_from_the_cache_too() {
    let runs = Runs::default();
    let counted = |runs: &Runs| {
        let runs = runs.clone();
        middleware::on_request(move |_, message, next| {
            runs.next();
            next.run(message)
        })
    };
    let caching = ResponseCaching::new().lists();
    let statistics = caching.statistics();
    let of = Runs::default();
    let define =
        || server(&of).resource(Resource::new("data://one", "one", |_, _: NoArguments| async { "1" }));
    let stage = Stage::new(define().middleware(caching).middleware(counted(&runs)));
    let plain = Stage::new(define());
    for (method, of) in [
        ("resources/list", CachedMethod::ListResources),
        ("resources/templates/list", CachedMethod::ListResourceTemplates),
        ("prompts/list", CachedMethod::ListPrompts),
    ] {
        for _ in 0..2 {
            assert_eq!(stage.modern(method, json!({})).text, plain.modern(method, json!({})).text);
        }
        assert_eq!(counts(&statistics, of), [1, 1, 1, 0], "{method}");
    }
}

#[test]
fn nonsense_is_refused_when_the_server_is_built() {
    let runs = Runs::default();
    for (caching, says) in [
        (
            ResponseCaching::new().ttl(CachedMethod::CallTool, Duration::ZERO),
            "caches tools/call for less than a second",
        ),
        (
            ResponseCaching::new().include_tools(["a", "b"]).exclude_tools(["b"]),
            "includes and excludes the tool \"b\"",
        ),
        (
            ResponseCaching::new().include_resources(["data://x"]).exclude_resources(["data://x"]),
            "includes and excludes the resource \"data://x\"",
        ),
    ] {
        let error = server(&runs).middleware(caching).build().unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        assert!(
            problem.starts_with("middleware `ResponseCaching`: it ") && problem.contains(says),
            "{problem}"
        );
    }
    let second = ResponseCaching::new().ttl(CachedMethod::CallTool, Duration::from_secs(1));
    server(&runs).middleware(second).build().unwrap();
}
