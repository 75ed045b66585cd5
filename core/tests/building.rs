//! What is wrong with a definition is found when it is built, all at once, each with its way out.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use edgemcp::{Server, http::Body, prelude::*};
use http::{Method, Response};

fn problems(server: Server) -> Vec<String> {
    server.build().unwrap_err().problems().to_vec()
}

fn tool(name: &'static str) -> Tool {
    Tool::new(name, "Does something.", |_, _: NoArguments| async {})
}

#[test]
fn two_of_one_name_are_named() {
    let resource = || Resource::new("data://x", "x", |_, _: NoArguments| async { "" });
    let prompt = || Prompt::new("p", "Says something.", |_, _: NoArguments| async { "" });
    let server = Server::new("test", "1")
        .tool(tool("add"))
        .tool(tool("add"))
        .resource(resource())
        .resource(resource())
        .prompt(prompt())
        .prompt(prompt())
        .prompt(prompt());
    assert_eq!(
        problems(server),
        [
            r#"two tools are named "add" (rename one, mount one under a prefix, or say which counts with `Server::on_duplicate`)"#,
            r#"two resources have the URI "data://x" (rename one, mount one under a prefix, or say which counts with `Server::on_duplicate`)"#,
            r#"3 prompts are named "p" (rename one, mount one under a prefix, or say which counts with `Server::on_duplicate`)"#,
        ]
    );
}

#[test]
fn a_uri_without_scheme_and_a_placeholder_without_parameter_are_named() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Id {
        #[allow(dead_code)]
        id: String,
    }
    let server = Server::new("test", "1")
        .resource(Resource::new("config", "config", |_, _: NoArguments| async { "" }))
        .resource(Resource::new("user://{user_id}", "user", |_, _: Id| async { "" }));
    assert_eq!(
        problems(server),
        [
            r#"resource "config": URI "config" has no scheme: write e.g. "data://config""#,
            r#"resource "user://{user_id}": its URI has the placeholder {user_id}, which is no parameter of its handler (it takes id)"#,
            r#"resource "user://{user_id}": its handler takes `id`, which is no placeholder of its URI (write {id})"#,
        ]
    );
}

#[test]
fn names_descriptions_icons_and_paths_are_checked() {
    let long = "x".repeat(129);
    let server = Server::new("", "")
        .icon(Icon::new("base64,AAAA"))
        .tool(tool("has space"))
        .tool(Tool::new(long, " ", |_, _: NoArguments| async {}))
        .path("mcp/")
        .allow_origin("https://app.example")
        .allow_origin("https://app.example/")
        .allow_origin("https://*.example")
        .allow_origin("app.example")
        .route(Method::GET, "/a", |_, _| async { Response::new(Body::empty()) })
        .route(Method::GET, "/a", |_, _| async { Response::new(Body::empty()) });
    let found = problems(server).join("\n");
    for expected in [
        "the server has no name",
        "the server has no version",
        r#"the server has the icon "base64,AAAA": write an `https://` URL, or `data:<media type>;base64,<data>`"#,
        r#"tool "has space": ' ' cannot stand in a name"#,
        "a name has 1 to 128 characters",
        "has no description, by which the model chooses it",
        r#"path "mcp/" must start with `/`"#,
        r#"path "mcp/" ends in `/`: leave it out"#,
        r#"origin "https://app.example/" is none that a browser sends"#,
        r#"origin "https://*.example" is none that a browser sends"#,
        r#"origin "app.example" is none that a browser sends"#,
        "two routes answer GET /a",
    ] {
        assert!(found.contains(expected), "{expected}\n{found}");
    }
    assert!(!found.contains(r#"origin "https://app.example" "#), "{found}");
    let fine = Server::new("test", "1").tool(tool("a.b-c_D9")).tool(Tool::new(
        "x".repeat(128),
        "d",
        |_, _: NoArguments| async {},
    ));
    assert!(fine.icon(Icon::new("data:image/png;base64,AAAA")).build().is_ok());
}

#[test]
fn an_icon_is_one_that_clients_take_wherever_it_stands() {
    let fine =
        ["https://example.com/a.png", "http://localhost:8000/a.png", "http://127.0.0.1/", "http://[::1]:1"];
    let server = fine.into_iter().fold(Server::new("test", "1"), |server, src| server.icon(Icon::new(src)));
    let server = server.icon(Icon::new("data:image/svg+xml;charset=utf-8;base64,PHN2Zy8+"));
    let sizes = ["any", "1x1", "48x48", "1024x768"];
    let sized = sizes.into_iter().fold(Icon::new("https://example.com/a.png"), Icon::size);
    assert!(server.icon(sized).build().is_ok());

    for src in ["http://example.com/a.png", "http://localhost.example/a.png"] {
        let problem = format!("the server has the icon {src:?}, which clients reject: write `https://`");
        assert_eq!(problems(Server::new("test", "1").icon(Icon::new(src))), [problem]);
    }
    let resource = |uri: &'static str| Resource::new(uri, "x", |_, _: NoArguments| async { "" });
    let server = Server::new("test", "1")
        .tool(tool("a").icon(Icon::new("data:image/png;base64,AAA")))
        .resource(resource("data://x").icon(Icon::new("data:text/html;base64,AAAA")))
        .resource(resource("data://y").icon(Icon::new("data:image/png,AAAA")))
        .prompt(
            Prompt::new("p", "Says something.", |_, _: NoArguments| async { "" })
                .icon(Icon::new("https://example.com/a.png").size("large").size("48x48").size("48")),
        );
    let size = |size: &str| {
        format!(
            r#"prompt "p" has the icon "https://example.com/a.png" in size "{size}": write width and height in pixels, as in "48x48", or "any""#
        )
    };
    assert_eq!(
        problems(server),
        [
            r#"tool "a" has the icon "data:image/png;base64,AAA", whose data is no base64 (RFC 4648, section 4, with its `=`)"#,
            r#"resource "data://x" has the icon "data:text/html;base64,AAAA", which is no image: write `data:image/png;base64,<data>`, or the media type it has"#,
            r#"resource "data://y" has the icon "data:image/png,AAAA": write an `https://` URL, or `data:<media type>;base64,<data>`"#,
            &size("large"),
            &size("48"),
        ]
    );
    for bad in ["", "x", "48x", "0x48", "48x0", "+8x8", "48x48x48", "4 8x48", "ANY", "048x48"] {
        let icon = Icon::new("https://example.com/a.png").size(bad);
        assert_eq!(problems(Server::new("test", "1").icon(icon)).len(), 1, "{bad:?}");
    }
    // What is long is named by its beginning.
    let long = format!("data:image/png;base64,{}", "!".repeat(5000));
    assert!(problems(Server::new("test", "1").icon(Icon::new(long)))[0].len() < 300);
}

#[test]
fn a_route_may_not_hide_the_endpoint() {
    let server =
        Server::new("test", "1").route(Method::GET, "/mcp/", |_, _| async { Response::new(Body::empty()) });
    assert!(problems(server)[0].contains("is where the MCP endpoint is"));
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    let server = Server::new("test", "1")
        .tool(Tool::new("sum", "Sum.", |_, numbers: Vec<i64>| async move { numbers.len() }));
    assert_eq!(
        problems(server),
        [r#"tool "sum": its arguments are no object; take a struct with named fields"#]
    );
}

#[test]
fn an_argument_that_no_string_stands_for_is_no_prompts_and_no_uris() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Review {
        #[allow(dead_code)]
        tags: Option<Vec<String>>,
        #[allow(dead_code)]
        lines: u32,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Point {
        #[allow(dead_code)]
        at: std::collections::BTreeMap<String, u8>,
    }
    let server = Server::new("test", "1")
        .resource(Resource::new("data://{at}", "at", |_, _: Point| async { "" }))
        .prompt(Prompt::new("review", "Reviews.", |_, _: Review| async { "" }));
    let found = problems(server);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("its argument `at` is an object, and only a string can be sent"), "{found:?}");
    assert!(found[1].contains("its argument `tags` is an array, and only a string can be sent"), "{found:?}");
}

#[test]
fn a_completion_is_for_what_is_there_and_can_be_asked() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Trip {
        #[allow(dead_code)]
        city: Option<String>,
        #[allow(dead_code)]
        country: Option<String>,
    }
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Needy {
        #[allow(dead_code)]
        country: String,
    }
    #[completion(prompt = "trip")]
    fn city(city: String, contry: Option<String>) -> Vec<String> {
        city.split(' ').map(str::to_owned).chain(contry).collect()
    }
    let trip = || Prompt::new("trip", "Plans a trip.", |_, _: Trip| async { "" });
    let none = |_, _: Trip| async { Vec::<String>::new() };
    let server = Server::new("test", "1")
        .prompt(trip())
        .completion(city::completion())
        .completion(Completion::prompt("trip", "days", none))
        .completion(Completion::prompt("tour", "city", none))
        .completion(Completion::resource("data://{id}", "id", |_, _: Needy| async { Vec::<String>::new() }));
    assert_eq!(
        problems(server),
        [
            r#"the completion of "city" of the prompt "trip" asks for `contry`, which is no argument of it (it has city, country)"#,
            r#"a completion is for "days" of the prompt "trip", which has no such argument (it has city, country)"#,
            r#"the completion of "days" of the prompt "trip": its handler does not take `days`, so it would not see what was typed; add the field"#,
            r#"a completion is for the prompt "tour", which this server does not have (add it, or name it as it is named)"#,
            r#"a completion is for the resource "data://{id}", which this server does not have (add it, or name it as it is named)"#,
            r#"the completion of "id" of the resource "data://{id}": its handler needs `country`, which may not have been chosen yet; take an `Option`"#,
            r#"the completion of "id" of the resource "data://{id}": its handler does not take `id`, so it would not see what was typed; add the field"#,
        ]
    );
    let anything = |_, _: std::collections::BTreeMap<String, String>| async { Vec::<String>::new() };
    let server = Server::new("test", "1").prompt(trip());
    assert!(server.completion(Completion::prompt("trip", "city", anything)).build().is_ok());
}

#[test]
fn the_error_lists_one_problem_a_line() {
    let text = Server::new("", "").build().unwrap_err().to_string();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.starts_with("the definition of server \"\" cannot be served:"), "{text}");
}

#[test]
fn what_a_platform_lacks_is_found_before_anything_is_served() {
    use common::{Settings, Stage};
    use edgemcp::{RequestState, Sessions, store::NoStore};

    let picky = || {
        Server::new("picky", "1")
            .request_state(RequestState::new().single_use().spill())
            .sessions(Sessions::new().revocable())
    };
    let stage = Stage::new(picky());
    assert!(stage.service.problems(&stage.platform).is_empty());
    let bad_key = Settings(vec![("EDGEMCP_SEAL_KEYS", "dG9vIHNob3J0".to_owned())]);
    let stage = Stage::built(picky(), bad_key, |builder| builder.store(std::sync::Arc::new(NoStore)));
    let problems = stage.service.problems(&stage.platform);
    let said = ["EDGEMCP_SEAL_KEYS", "`RequestState::single_use` needs", "`Sessions::revocable` needs"];
    assert_eq!(problems.len(), said.len(), "{problems:?}");
    for (problem, says) in problems.iter().zip(said) {
        assert!(problem.contains(says), "{problem}");
        assert!(!problem.contains("dG9v"), "no key is told");
    }
}
