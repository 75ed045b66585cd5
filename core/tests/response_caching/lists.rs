//! What is kept of lists, for whom, and when not.

use super::*;

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
