//! A request that was answered before is answered with the same, and never with what another caller was.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;
#[path = "response_caching/lists.rs"]
mod lists;
#[path = "response_caching/whose.rs"]
mod whose;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
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
fn what_goes_on_with_a_call_is_not_answered_from_what_another_was_answered_without_being_asked() {
    let asks = Arc::new(AtomicBool::new(true));
    let does_ask = Arc::clone(&asks);
    let moody = Tool::new("moody", "Greet.", move |cx: Context, _: NoArguments| {
        let asks = does_ask.load(Ordering::Relaxed);
        async move {
            if !asks {
                return Ok("Hello!".to_owned());
            }
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        }
    });
    let caching = ResponseCaching::new().include_tools(["moody"]);
    let stage = Stage::new(Server::new("moody", "1").tool(moody).middleware(caching));
    let params = || json!({"name": "moody", "_meta": capable()});
    let asked = stage.modern("tools/call", params());
    asks.store(false, Ordering::Relaxed);
    assert_eq!(said(&stage.modern("tools/call", params())), "Hello!");
    asks.store(true, Ordering::Relaxed);
    assert_eq!(said(&stage.modern("tools/call", params())), "Hello!", "it is kept");
    let mut again = params();
    again["requestState"] = asked.json["result"]["requestState"].clone();
    again["inputResponses"] = json!({"name": accept("Ada")});
    assert_eq!(said(&stage.modern("tools/call", again)), "Hello, Ada!");
    let mut at_once = params();
    at_once["inputResponses"] = json!({"name": accept("Bob")});
    assert_eq!(said(&stage.modern("tools/call", at_once)), "Hello, Bob!");
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
fn a_hit_is_counted_by_a_limit_before_it() {
    let runs = Runs::default();
    let server =
        server(&runs).middleware(RateLimiting::token_bucket(1.0).burst(2)).middleware(ResponseCaching::new());
    let stage = Stage::new(server);
    let codes = [(); 3].map(|()| stage.modern("tools/call", json!({"name": "count"})).code());
    assert_eq!((codes, runs.count()), ([None, None, Some(-32000)], 1));
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
