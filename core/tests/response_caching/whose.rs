//! Which requests share an entry, and which never do: other callers, versions, servers, arguments.

use super::*;

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
fn who_may_not_call_a_tool_any_more_or_cannot_hears_so_though_an_answer_is_kept() {
    let (runs, is_open) = (Runs::default(), Arc::new(AtomicBool::new(true)));
    let door = Arc::clone(&is_open);
    let while_open = || {
        let door = Arc::clone(&door);
        Requirement::custom("it is closed", move |_| door.load(Ordering::Relaxed))
    };
    let server = Server::new("guarded", "1")
        .tool(steady("count", &runs).requires(while_open()))
        .tool(steady("sample", &runs).client_capability("sampling"))
        .resource(Resource::new("data://r", "r", |_, _: NoArguments| async { "r" }).requires(while_open()))
        .prompt(Prompt::new("p", "P.", |_, _: NoArguments| async { "p" }).requires(while_open()))
        .verifier(StaticTokens::new().token("ada", Principal::new("ada")));
    let stage = Stage::new(server.middleware(ResponseCaching::new()));
    let requests = [
        ("tools/call", json!({"name": "count"})),
        ("resources/read", json!({"uri": "data://r"})),
        ("prompts/get", json!({"name": "p"})),
    ];
    for is_open_now in [true, true, false] {
        is_open.store(is_open_now, Ordering::Relaxed);
        for (method, params) in &requests {
            let answer = stage.modern_as(Some("ada"), method, params.clone());
            assert_eq!(answer.code(), (!is_open_now).then_some(-32000), "{method}: {answer:?}");
        }
    }
    let able = json!({"name": "sample", "_meta": capable()});
    said(&stage.modern_as(Some("ada"), "tools/call", able));
    let unable = stage.modern_as(Some("ada"), "tools/call", json!({"name": "sample"}));
    assert_eq!(unable.code(), Some(-32021));
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
