//! Do servers that are made of servers answer as one: names, URIs, tags, middlewares, lifespans, versions, changes?

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{Answer, Stage};
use edgemcp::{
    Server,
    auth::{Principal, Requirement, StaticTokens},
    compose::{Live, Mount, OnDuplicate, ResourcePrefixFormat},
    middleware::{self, ListTools, Next},
    prelude::*,
};
use http::{Method, Request};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct City {
    city: String,
}

/// A server with something of every kind.
fn weather() -> Server {
    Server::new("weather", "1.0.0")
        .tool(
            Tool::new("forecast", "Says how the weather will be.", |_, City { city }| async move {
                format!("Sunny in {city}.")
            })
            .tag("public"),
        )
        .tool(Tool::new("calibrate", "Calibrates.", |_, _: NoArguments| async { "done" }).tag("admin"))
        .resource(
            Resource::new("data://cities", "cities", |_, _: NoArguments| async { "Bern" }).tag("public"),
        )
        .resource(Resource::new("data://{city}/now", "now", |_, City { city }| async move {
            format!("18 °C in {city}")
        }))
        .prompt(Prompt::new("trip", "Plans a trip.", |_, City { city }| async move { format!("To {city}.") }))
        .completion(Completion::prompt("trip", "city", |_, City { city }| async move {
            ["Bern", "Basel"].into_iter().filter(|name| name.starts_with(&city)).collect::<Vec<_>>()
        }))
}

fn names(answer: &Answer, list: &str, key: &str) -> Vec<String> {
    let list = answer.json["result"][list].as_array();
    let list = list.unwrap_or_else(|| panic!("{answer:?}"));
    list.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

/// The names of the tools, which must be the same in every revision.
fn tools(stage: &Stage) -> Vec<String> {
    let mut answers = stage.everywhere("tools/list", json!({})).into_iter();
    let first = names(&answers.next().unwrap().1, "tools", "name");
    for (version, answer) in answers {
        assert_eq!(names(&answer, "tools", "name"), first, "{version}");
    }
    first
}

/// What calling `name` says, which must be the same in every revision.
fn call(stage: &Stage, name: &str, arguments: Value) -> String {
    let mut answers =
        stage.everywhere("tools/call", json!({"name": name, "arguments": arguments})).into_iter();
    let first = answers.next().unwrap().1.message().to_owned();
    for (version, answer) in answers {
        assert_eq!(answer.message(), first, "{version}");
    }
    first
}

fn problems(server: Server) -> String {
    server.build().unwrap_err().to_string()
}

#[test]
fn what_is_mounted_is_found_under_its_prefix() {
    let stage = Stage::new(Server::new("main", "1").mount(Mount::under("w", weather)));
    assert_eq!(tools(&stage), ["w_forecast", "w_calibrate"]);
    assert_eq!(call(&stage, "w_forecast", json!({"city": "Bern"})), "Sunny in Bern.");
    assert_eq!(call(&stage, "forecast", json!({"city": "Bern"})), "no tool is named \"forecast\"");
    for (version, answer) in stage.everywhere("resources/list", json!({})) {
        assert_eq!(names(&answer, "resources", "uri"), ["data://w/cities"], "{version}");
        assert_eq!(names(&answer, "resources", "name"), ["w_cities"], "{version}");
    }
    for (version, answer) in stage.everywhere("resources/templates/list", json!({})) {
        assert_eq!(names(&answer, "resourceTemplates", "uriTemplate"), ["data://w/{city}/now"], "{version}");
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://w/Basel/now"})) {
        let contents = &answer.json["result"]["contents"][0];
        assert_eq!(contents["text"], "18 °C in Basel", "{version} {answer:?}");
        assert_eq!(contents["uri"], "data://w/Basel/now", "{version}");
    }
    let get = json!({"name": "w_trip", "arguments": {"city": "Rom"}});
    for (version, answer) in stage.everywhere("prompts/get", get) {
        assert_eq!(answer.json["result"]["messages"][0]["content"]["text"], "To Rom.", "{version}");
    }
    let complete =
        json!({"ref": {"type": "ref/prompt", "name": "w_trip"}, "argument": {"name": "city", "value": "Ba"}});
    for (version, answer) in stage.everywhere("completion/complete", complete) {
        assert_eq!(answer.json["result"]["completion"]["values"], json!(["Basel"]), "{version}");
    }
}

#[test]
fn the_prefix_of_a_uri_can_be_in_its_scheme_and_names_can_be_joined_otherwise() {
    let mount =
        Mount::under("w", weather).separator(".").resource_prefix_format(ResourcePrefixFormat::Protocol);
    let stage = Stage::new(Server::new("main", "1").mount(mount));
    assert_eq!(tools(&stage), ["w.forecast", "w.calibrate"]);
    let read = stage.modern("resources/read", json!({"uri": "w+data://Bern/now"}));
    assert_eq!(read.json["result"]["contents"][0]["text"], "18 °C in Bern", "{read:?}");
    let other = stage.modern("resources/read", json!({"uri": "data://w/Bern/now"}));
    assert_eq!(other.code(), Some(-32602), "{other:?}");
}

#[test]
fn a_server_can_be_mounted_deep_and_more_than_once() {
    let middle = || {
        Server::new("middle", "1").mount(Mount::under("w", weather)).mount(Mount::new(|| {
            Server::new("plain", "1")
                .tool(Tool::new("plain", "Plain.", |_, _: NoArguments| async { "plain" }))
        }))
    };
    let server =
        Server::new("main", "1").mount(Mount::under("a", middle())).mount(Mount::under("b", middle()));
    let stage = Stage::new(server);
    let expected = ["a_w_forecast", "a_w_calibrate", "a_plain", "b_w_forecast", "b_w_calibrate", "b_plain"];
    assert_eq!(tools(&stage), expected);
    assert_eq!(call(&stage, "b_w_forecast", json!({"city": "Bern"})), "Sunny in Bern.");
    let read = stage.modern("resources/read", json!({"uri": "data://a/w/cities"}));
    assert_eq!(read.json["result"]["contents"][0]["text"], "Bern", "{read:?}");
}

#[test]
fn tags_filter_lists_and_calls_on_the_way_up() {
    let forecast = json!({"city": "Bern"});
    // On the mount.
    let stage =
        Stage::new(Server::new("main", "1").mount(Mount::under("w", weather).include_tags(["public"])));
    assert_eq!(tools(&stage), ["w_forecast"]);
    assert_eq!(call(&stage, "w_calibrate", json!({})), "no tool is named \"w_calibrate\"");
    assert_eq!(stage.modern("prompts/list", json!({})).code(), Some(-32601), "nothing of prompts is left");
    // On the server around it, and on the one that is mounted.
    let stage =
        Stage::new(Server::new("main", "1").mount(Mount::under("w", weather)).exclude_tags(["admin"]));
    assert_eq!(tools(&stage), ["w_forecast"]);
    let inner = Server::new("main", "1").mount(Mount::under("w", weather().exclude_tags(["public"])));
    let stage = Stage::new(inner);
    assert_eq!(tools(&stage), ["w_calibrate"]);
    assert_eq!(call(&stage, "w_forecast", forecast), "no tool is named \"w_forecast\"");
    // What is excluded is out, whatever is included.
    let both = Server::new("main", "1")
        .mount(Mount::new(weather).include_tags(["public", "admin"]).exclude_tags(["admin"]));
    assert_eq!(tools(&Stage::new(both)), ["forecast"]);
}

/// A middleware that says in each answer that it was there, and for which name.
fn marked(mark: &'static str) -> impl edgemcp::middleware::Middleware {
    middleware::on_call_tool(move |_, call: middleware::CallTool, next: Next<_>| async move {
        let name = call.name().to_owned();
        let output: ToolOutput = next.run(call).await?;
        Ok(output.content(format!("{mark}({name})")))
    })
}

fn marks(stage: &Stage, name: &str) -> Vec<String> {
    let answer = stage.modern("tools/call", json!({"name": name, "arguments": {"city": "Bern"}}));
    let content = answer.json["result"]["content"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    content.iter().map(|block| block["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn middlewares_of_a_mounted_server_run_for_it_alone_and_know_its_own_names() {
    let inner = || weather().middleware(marked("inner"));
    let middle = Server::new("middle", "1").mount(Mount::under("w", inner)).middleware(marked("middle"));
    let server = Server::new("main", "1")
        .tool(Tool::new("own", "Own.", |_, _: middleware_free::Any| async { "own" }))
        .mount(Mount::under("m", middle));
    let stage = Stage::new(server);
    assert_eq!(
        marks(&stage, "m_w_forecast"),
        ["Sunny in Bern.", "inner(forecast)", "middle(w_forecast)"],
        "without middlewares of the server itself"
    );
    assert_eq!(marks(&stage, "own"), ["own"]);
}

mod middleware_free {
    /// Takes anything.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    pub(crate) struct Any {}
}

#[test]
fn the_servers_own_middlewares_are_around_those_of_what_is_mounted() {
    let server = Server::new("main", "1")
        .middleware(marked("outer"))
        .mount(Mount::under("w", || weather().middleware(marked("inner"))));
    let stage = Stage::new(server);
    assert_eq!(marks(&stage, "w_forecast"), ["Sunny in Bern.", "inner(forecast)", "outer(w_forecast)"]);
}

#[test]
fn a_middleware_of_a_mounted_server_can_call_another_of_its_tools() {
    let inner = || {
        weather().middleware(middleware::on_call_tool(|_, mut call: middleware::CallTool, next: Next<_>| {
            call.set_name("calibrate");
            next.run(call)
        }))
    };
    let stage = Stage::new(Server::new("main", "1").mount(Mount::under("w", inner)));
    assert_eq!(call(&stage, "w_forecast", json!({})), "done");
}

#[test]
fn resources_and_prompts_pass_the_middlewares_of_their_server_by_the_uris_and_names_it_knows() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let inner = move || {
        let (uris, names) = (Arc::clone(&noted), Arc::clone(&noted));
        weather()
            .middleware(middleware::on_read_resource(
                move |_, read: middleware::ReadResource, next: Next<_>| {
                    uris.lock().unwrap().push(read.uri().to_owned());
                    next.run(read)
                },
            ))
            .middleware(middleware::on_get_prompt(move |_, get: middleware::GetPrompt, next: Next<_>| {
                names.lock().unwrap().push(get.name().to_owned());
                next.run(get)
            }))
    };
    let stage = Stage::new(Server::new("main", "1").mount(Mount::under("w", inner)));
    for (uri, text) in [("data://w/cities", "Bern"), ("data://w/Z%C3%BCrich/now", "18 °C in Zürich")] {
        for (version, answer) in stage.everywhere("resources/read", json!({"uri": uri})) {
            let contents = &answer.json["result"]["contents"][0];
            assert_eq!((&contents["text"], &contents["uri"]), (&json!(text), &json!(uri)), "{version}");
        }
    }
    stage.modern("prompts/get", json!({"name": "w_trip", "arguments": {"city": "Rom"}}));
    let mut seen = seen.lock().unwrap().clone();
    seen.dedup();
    assert_eq!(seen, ["data://cities", "data://Z%C3%BCrich/now", "trip"]);
}

#[test]
fn what_is_completed_passes_the_middlewares_of_its_server() {
    let inner = || {
        weather().middleware(middleware::on_complete(
            |_, complete: middleware::Complete, next: Next<_>| async move {
                match (complete.of(), complete.value()) {
                    ("trip", "B") => Err(Error::forbidden("that is too little")),
                    _ => next.run(complete).await,
                }
            },
        ))
    };
    let stage = Stage::new(Server::new("main", "1").mount(Mount::under("w", inner)));
    let complete = |typed: &str| {
        let of = json!({"type": "ref/prompt", "name": "w_trip"});
        stage.everywhere(
            "completion/complete",
            json!({"ref": of, "argument": {"name": "city", "value": typed}}),
        )
    };
    for (version, answer) in complete("B") {
        assert_eq!(answer.message(), "that is too little", "{version}");
    }
    for (version, answer) in complete("Be") {
        assert_eq!(answer.json["result"]["completion"]["values"], json!(["Bern"]), "{version}");
    }
}

#[test]
fn a_mounted_server_has_a_say_in_its_part_of_a_list() {
    let filtered = || {
        weather().middleware(middleware::on_list_tools(|_, list: ListTools, next: Next<_>| async move {
            let mut tools = next.run(list).await?;
            tools.retain(|tool| !tool.about().has_tag("admin"));
            Ok(tools.map(|tool| tool.description("Another description.")))
        }))
    };
    let server = Server::new("main", "1")
        .tool(Tool::new("calibrate", "Own.", |_, _: NoArguments| async { "own" }).tag("admin"))
        .mount(Mount::under("w", filtered))
        .tool(Tool::new("last", "Last.", |_, _: NoArguments| async { "last" }));
    let stage = Stage::new(server);
    assert_eq!(tools(&stage), ["calibrate", "last", "w_forecast"]);
    let list = stage.modern("tools/list", json!({}));
    assert_eq!(list.json["result"]["tools"][2]["description"], "Another description.");
    assert_eq!(list.json["result"]["cacheScope"], "private", "it may be this caller's alone");
    // It is left out of the list, which is not the same as refused.
    assert_eq!(call(&stage, "w_calibrate", json!({})), "done");
}

#[test]
fn a_list_is_cut_into_pages_after_the_middlewares() {
    let mut server = Server::new("main", "1").list_page_size(2);
    for name in ["a", "b", "c", "d", "e"] {
        let tool = Tool::new(name, "Something.", |_, _: NoArguments| async { "x" });
        server = server.tool(if name == "b" { tool.tag("hidden") } else { tool });
    }
    let server =
        server.middleware(middleware::on_list_tools(|_, list: ListTools, next: Next<_>| async move {
            let mut tools = next.run(list).await?;
            tools.retain(|tool| !tool.about().has_tag("hidden"));
            Ok(tools)
        }));
    let stage = Stage::new(server);
    let first = stage.modern("tools/list", json!({}));
    assert_eq!(names(&first, "tools", "name"), ["a", "c"]);
    let cursor = &first.json["result"]["nextCursor"];
    let second = stage.modern("tools/list", json!({"cursor": cursor}));
    assert_eq!(names(&second, "tools", "name"), ["d", "e"]);
    assert!(second.json["result"].get("nextCursor").is_none());
    let wrong = stage.modern("tools/list", json!({"cursor": "nonsense"}));
    assert_eq!(wrong.code(), Some(-32602), "{wrong:?}");
}

struct Pool(&'static str);

fn pooled(name: &'static str) -> Server {
    Server::new("pooled", "1").lifespan(move |_| async move { Ok::<_, String>(Pool(name)) }).tool(
        Tool::new("pool", "Says which pool.", |cx: Context, _: NoArguments| async move {
            Ok::<_, ToolError>(cx.state::<Pool>()?.0)
        })
        .takes_state::<Pool>(),
    )
}

#[test]
fn a_mounted_server_has_its_own_lifespan_and_else_its_parents() {
    let stage = Stage::new(
        Server::new("main", "1")
            .mount(Mount::under("a", pooled("one")))
            .mount(Mount::under("b", pooled("two"))),
    );
    assert_eq!(
        (call(&stage, "a_pool", json!({})), call(&stage, "b_pool", json!({}))),
        ("one".into(), "two".into())
    );
    let tool = || {
        Server::new("tool", "1").tool(
            Tool::new("pool", "Says which pool.", |cx: Context, _: NoArguments| async move {
                Ok::<_, ToolError>(cx.state::<Pool>()?.0)
            })
            .takes_state::<Pool>(),
        )
    };
    let parent = Server::new("main", "1")
        .lifespan(|_| async { Ok::<_, String>(Pool("parent's")) })
        .mount(Mount::under("t", tool));
    assert_eq!(call(&Stage::new(parent), "t_pool", json!({})), "parent's");
    let beside =
        Server::new("main", "1").mount(Mount::under("a", pooled("one"))).mount(Mount::under("t", tool));
    let problem = problems(beside);
    assert!(
        problem.contains("\"t_pool\"") && problem.contains("no lifespan of this server gives it"),
        "{problem}"
    );
}

#[test]
fn an_import_is_a_copy_of_the_components_alone() {
    let stage = Stage::new(Server::new("main", "1").import_server(Mount::under("w", weather)));
    assert_eq!(tools(&stage), ["w_forecast", "w_calibrate"]);
    assert_eq!(call(&stage, "w_forecast", json!({"city": "Bern"})), "Sunny in Bern.");
    let with_rules = || weather().middleware(marked("rule"));
    let problem = problems(Server::new("main", "1").import_server(Mount::new(with_rules)));
    assert!(
        problem.contains("has middlewares, which `import_server` would leave out (mount it"),
        "{problem}"
    );
    let stage = Stage::new(Server::new("main", "1").import_server(Mount::new(with_rules).components_only()));
    assert_eq!(marks(&stage, "forecast"), ["Sunny in Bern."]);
    let problem = problems(Server::new("main", "1").import_server(Mount::new(pooled("x"))));
    assert!(problem.contains("has a lifespan, which `import_server` would leave out"), "{problem}");
    let inside = move || Server::new("inside", "1").mount(Mount::under("w", with_rules));
    let problem = problems(Server::new("main", "1").import_server(Mount::new(inside)));
    assert!(problem.contains("mounted in \"inside\" has middlewares"), "{problem}");
}

mod circle {
    use super::{Mount, Server};

    pub(crate) fn one() -> Server {
        Server::new("one", "1").mount(Mount::under("two", two))
    }

    pub(crate) fn two() -> Server {
        Server::new("two", "1").mount(Mount::under("one", one))
    }

    pub(crate) fn own() -> Server {
        Server::new("own", "1").mount(Mount::under("own", own))
    }
}

#[test]
fn servers_that_are_mounted_in_a_circle_are_refused() {
    let problem = problems(circle::one());
    assert!(problem.contains("in a circle: two > one > two"), "{problem}");
    let problem = problems(circle::own());
    assert!(problem.contains("in a circle: own > own"), "{problem}");
}

#[test]
fn a_mounted_server_that_asks_for_tokens_is_not_opened_to_everybody() {
    let guarded = || weather().verifier(StaticTokens::new().token("t", Principal::new("ada")));
    let problem = problems(Server::new("main", "1").mount(Mount::under("w", guarded)));
    assert!(problem.contains("server \"weather\" asks for bearer tokens, and \"main\""), "{problem}");
    let both = Server::new("main", "1")
        .verifier(StaticTokens::new().token("t", Principal::new("ada")))
        .mount(Mount::under("w", guarded));
    assert!(both.build().is_ok());
}

#[test]
fn a_prefix_that_cannot_stand_in_a_name_is_refused() {
    for prefix in ["", "a b", "ä"] {
        let problem = problems(Server::new("main", "1").mount(Mount::under(prefix, weather)));
        assert!(problem.contains("cannot stand in a name"), "{prefix:?} {problem}");
    }
    let mount = Mount::under("9", weather).resource_prefix_format(ResourcePrefixFormat::Protocol);
    assert!(problems(Server::new("main", "1").mount(mount)).contains("cannot begin a scheme"));
}

fn twice(policy: Option<OnDuplicate>) -> Server {
    let named =
        |said: &'static str| Tool::new("same", "The same.", move |_, _: NoArguments| async move { said });
    let server = Server::new("main", "1")
        .tool(named("first"))
        .mount(Mount::new(Server::new("other", "1").tool(named("second"))));
    match policy {
        Some(policy) => server.on_duplicate(policy),
        None => server,
    }
}

#[test]
fn which_of_two_of_one_name_counts_is_said_or_refused() {
    let problem = problems(twice(None));
    assert!(
        problem.contains("two tools are named \"same\" (rename one, mount one under a prefix"),
        "{problem}"
    );
    for (policy, said) in
        [(OnDuplicate::Warn, "second"), (OnDuplicate::Replace, "second"), (OnDuplicate::Ignore, "first")]
    {
        let stage = Stage::new(twice(Some(policy)));
        assert_eq!(tools(&stage), ["same"]);
        assert_eq!(call(&stage, "same", json!({})), said, "{policy:?}");
        let warned = stage.log.all().matches("two tools are named \"same\"; the last one counts").count();
        assert_eq!(warned, usize::from(policy == OnDuplicate::Warn), "{policy:?}");
    }
}

fn versioned(version: &'static str) -> Tool {
    Tool::new("greet", "Greets.", move |_, _: NoArguments| async move { version }).version(version)
}

#[test]
fn the_highest_version_is_listed_and_another_can_be_asked_for() {
    let server =
        Server::new("main", "1").tool(versioned("1.9")).tool(versioned("1.10")).tool(versioned("1.2"));
    let stage = Stage::new(server);
    assert_eq!(tools(&stage), ["greet"]);
    assert_eq!(call(&stage, "greet", json!({})), "1.10");
    for (version, answer) in
        stage.everywhere("tools/call", json!({"name": "greet", "_meta": {"fastmcp": {"version": "1.2"}}}))
    {
        assert_eq!(answer.message(), "1.2", "{version}");
    }
    let unknown =
        stage.modern("tools/call", json!({"name": "greet", "_meta": {"fastmcp": {"version": "7"}}}));
    assert_eq!(unknown.code(), Some(-32602), "{unknown:?}");
    let mixed = Server::new("main", "1").tool(versioned("1")).tool(Tool::new(
        "greet",
        "Greets.",
        |_, _: NoArguments| async { "none" },
    ));
    let problem = problems(mixed);
    assert!(problem.contains("with a version and without one"), "{problem}");
}

#[test]
fn who_does_not_meet_a_requirement_neither_sees_nor_uses_it() {
    let server = Server::new("main", "1")
        .verifier(
            StaticTokens::new()
                .token("ada", Principal::new("ada").scope("admin").claim("roles", json!(["owner"])))
                .token("bob", Principal::new("bob")),
        )
        .tool(Tool::new("open", "Open.", |_, _: NoArguments| async { "open" }))
        .tool(
            Tool::new("wipe", "Wipes.", |_, _: NoArguments| async { "wiped" })
                .requires(Requirement::scopes(["admin"])),
        )
        .resource(
            Resource::new("data://keys", "keys", |_, _: NoArguments| async { "…" })
                .requires(Requirement::roles("roles", ["owner"])),
        );
    let stage = Stage::new(server);
    let list = |token| names(&stage.modern_as(Some(token), "tools/list", json!({})), "tools", "name");
    assert_eq!((list("ada"), list("bob")), (vec!["open".into(), "wipe".into()], vec!["open".into()]));
    let wipe = |token| stage.modern_as(Some(token), "tools/call", json!({"name": "wipe"}));
    assert_eq!(wipe("ada").message(), "wiped");
    let refused = wipe("bob");
    assert_eq!((refused.status.as_u16(), refused.code()), (403, Some(-32000)), "{refused:?}");
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer error=\"insufficient_scope\", scope=\"admin\"")
    );
    let keys = |token| stage.modern_as(Some(token), "resources/read", json!({"uri": "data://keys"}));
    assert_eq!(keys("ada").json["result"]["contents"][0]["text"], "…");
    let refused = keys("bob");
    assert_eq!(
        (refused.status.as_u16(), refused.message()),
        (403, "\"data://keys\" needs one of the roles: owner")
    );
}

/// Answers each request for something else with what only an admin may use.
fn redirected() -> Server {
    let admin = || Requirement::scopes(["admin"]);
    Server::new("inner", "1")
        .tool(Tool::new("open", "Open.", |_, _: NoArguments| async { "open" }))
        .tool(Tool::new("wipe", "Wipes.", |_, _: NoArguments| async { "secret" }).requires(admin()))
        .resource(Resource::new("data://open", "open", |_, _: NoArguments| async { "open" }))
        .resource(
            Resource::new("data://keys", "keys", |_, _: NoArguments| async { "secret" }).requires(admin()),
        )
        .prompt(Prompt::new("open", "Open.", |_, _: NoArguments| async { "open" }))
        .prompt(Prompt::new("plan", "Plans.", |_, _: NoArguments| async { "secret" }).requires(admin()))
        .middleware(middleware::on_call_tool(|_, mut call: middleware::CallTool, next: Next<_>| {
            call.set_name("wipe");
            next.run(call)
        }))
        .middleware(middleware::on_read_resource(|_, mut read: middleware::ReadResource, next: Next<_>| {
            read.set_uri("data://keys");
            next.run(read)
        }))
        .middleware(middleware::on_get_prompt(|_, mut get: middleware::GetPrompt, next: Next<_>| {
            get.set_name("plan");
            next.run(get)
        }))
}

#[test]
fn what_a_middleware_of_a_mounted_server_chooses_instead_asks_the_same_of_the_caller() {
    let tokens = StaticTokens::new()
        .token("ada", Principal::new("ada").scope("admin"))
        .token("bob", Principal::new("bob"));
    let server = Server::new("main", "1").verifier(tokens).mount(Mount::under("i", redirected));
    let stage = Stage::new(server);
    for (method, params) in [
        ("tools/call", json!({"name": "i_open"})),
        ("resources/read", json!({"uri": "data://i/open"})),
        ("prompts/get", json!({"name": "i_open"})),
    ] {
        let ask = |token| stage.modern_as(Some(token), method, params.clone());
        let (ada, bob) = (ask("ada"), ask("bob"));
        assert!(ada.text.contains("secret"), "{method}: {}", ada.text);
        assert_eq!(bob.status.as_u16(), 403, "{method}: {}", bob.text);
    }
}

#[test]
fn what_a_mount_asks_holds_for_what_a_middleware_of_its_server_chooses_instead() {
    let inner = || {
        Server::new("inner", "1")
            .tool(Tool::new("open", "Open.", |_, _: NoArguments| async { "open" }))
            .tool(Tool::new("wipe", "Wipes.", |_, _: NoArguments| async { "secret" }))
            .middleware(middleware::on_call_tool(|_, mut call: middleware::CallTool, next: Next<_>| {
                call.set_name("wipe");
                next.run(call)
            }))
    };
    let shown = edgemcp::transform::VisibleTo::new(|about, who| about.name != "wipe" || who.is_some());
    let stage = Stage::new(Server::new("main", "1").mount(Mount::under("i", inner).transform(shown)));
    let answer = stage.modern("tools/call", json!({"name": "i_open"}));
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[test]
fn an_import_refuses_what_is_live_however_deep_and_keeps_what_its_handlers_need() {
    let live = || Server::new("inner", "1").live(&Live::new());
    let outer = move || Server::new("outer", "1").mount(Mount::under("i", live()));
    let told = problems(Server::new("main", "1").import_server(Mount::under("o", outer())));
    assert!(told.contains("a server that is mounted in \"outer\" is live"), "{told}");
    let needy = Server::new("needy", "1").store_has("the needy", [edgemcp::store::Need::Atomic]);
    let server = Server::new("main", "1").import_server(Mount::under("n", needy));
    let stage = Stage::built(server, common::Settings::default(), |builder| {
        builder.store(Arc::new(edgemcp::store::NoStore))
    });
    let told = stage.service.problems(&stage.platform).join("; ");
    assert!(told.contains("the needy"), "{told}");
}

#[test]
fn what_is_added_to_a_mounted_server_while_it_runs_is_seen_by_the_next_request() {
    let plugins = Live::new();
    let host = Server::new("plugins", "1").live(&plugins).tool(Tool::new(
        "spell",
        "Checks the spelling.",
        |_, _: NoArguments| async { "old" },
    ));
    let stage = Stage::new(Server::new("editor", "1").mount(Mount::under("p", host)));
    assert_eq!(tools(&stage), ["p_spell"]);
    plugins.add_tool(Tool::new("count", "Counts words.", |_, _: NoArguments| async { "7" })).unwrap();
    assert_eq!(tools(&stage), ["p_spell", "p_count"]);
    assert_eq!(call(&stage, "p_count", json!({})), "7");
    plugins
        .add_tool(Tool::new("spell", "Checks the spelling.", |_, _: NoArguments| async { "new" }))
        .unwrap();
    assert_eq!(call(&stage, "p_spell", json!({})), "new");
    plugins.remove_tool("spell");
    assert_eq!(tools(&stage), ["p_count"]);
    plugins
        .add_resource(Resource::new("data://words", "words", |_, _: NoArguments| async { "a b" }))
        .unwrap();
    let read = stage.modern("resources/read", json!({"uri": "data://p/words"}));
    assert_eq!(read.json["result"]["contents"][0]["text"], "a b");
    let bad = plugins.add_tool(Tool::new("no name", "", |_, _: NoArguments| async { "x" }));
    assert!(bad.unwrap_err().to_string().contains("cannot stand in a name"));
    assert_eq!(tools(&stage), ["p_count"], "nothing was changed");
}

#[test]
fn a_change_that_cannot_be_served_leaves_what_was_served_and_is_logged() {
    let plugins = Live::new();
    let server = Server::new("editor", "1")
        .tool(Tool::new("p_spell", "Own.", |_, _: NoArguments| async { "own" }))
        .mount(Mount::under("p", Server::new("plugins", "1").live(&plugins)));
    let stage = Stage::new(server);
    plugins.add_tool(Tool::new("spell", "Another.", |_, _: NoArguments| async { "new" })).unwrap();
    assert_eq!(tools(&stage), ["p_spell"]);
    assert_eq!(call(&stage, "p_spell", json!({})), "own");
    assert_eq!(
        stage.log.all().matches("a change of the server is not served").count(),
        1,
        "{}",
        stage.log.all()
    );
}

#[test]
fn plain_routes_of_a_mounted_server_are_served_unless_the_parent_has_them() {
    let route = |said: &'static str| {
        move |_: edgemcp::platform::Platform, _: Request<bytes::Bytes>| async move {
            http::Response::new(edgemcp::http::Body::from(said))
        }
    };
    let inner = Server::new("inner", "1").route(Method::GET, "/health", route("inner")).route(
        Method::GET,
        "/inner",
        route("inner"),
    );
    let stage = Stage::new(
        Server::new("main", "1").route(Method::GET, "/health", route("main")).mount(Mount::under("i", inner)),
    );
    let get = |path: &str| Answer::new(stage.send(Request::get(path).body("".into()).unwrap())).text;
    assert_eq!((get("/health"), get("/inner")), ("main".into(), "inner".into()));
}

#[test]
fn a_tool_three_mounts_deep_runs_once_for_each_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let leaf = Server::new("leaf", "1").tool(Tool::new("t", "T.", move |_, _: NoArguments| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { "t" }
    }));
    let deep = Server::new("c", "1").mount(Mount::under("c", leaf));
    let deep = Server::new("b", "1").mount(Mount::under("b", deep));
    let stage = Stage::new(Server::new("a", "1").mount(Mount::under("a", deep)));
    assert_eq!(call(&stage, "a_b_c_t", json!({})), "t");
    assert_eq!(calls.load(Ordering::Relaxed), edgemcp::ProtocolVersion::ALL.len());
}
