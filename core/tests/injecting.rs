//! Tools are added to a server when it is built, also those that let clients of tools use prompts and resources.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use common::{Answer, Stage, capable};
use edgemcp::{
    Lifespan, ProtocolVersion, Server, State,
    auth::{Principal, Requirement, StaticTokens},
    compose::Mount,
    middleware::{self, Middleware, Next, PromptTools, ResourceTools, ToolInjection},
    prelude::*,
    transform::{PromptsAsTools, ResourcesAsTools, Transform},
};
use serde_json::{Value, json};

fn says(name: &'static str, what: &'static str) -> Tool {
    Tool::new(name, what, move |_, _: NoArguments| async move { what })
}

fn names(answer: &Answer) -> Vec<&str> {
    let tools = answer.json["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// What the model reads, as JSON.
fn read(answer: &Answer) -> Value {
    assert_ne!(answer.json["result"]["isError"], true, "{answer:?}");
    serde_json::from_str(answer.message()).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

#[test]
fn a_tool_that_is_added_is_listed_and_called_and_takes_the_place_of_others() {
    let server = || {
        Server::new("test", "1")
            .tool(says("other", "other"))
            .tool(says("add", "an older one").version("1"))
            .tool(says("add", "a newer one").version("2"))
    };
    let injection = ToolInjection::new([says("add", "added")]).tool(says("more", "more"));
    for stage in [
        Stage::new(server().middleware(injection.clone())),
        Stage::new(server().transform(injection.clone())),
    ] {
        stage.each("tools/list", &json!({}), |version, answer| {
            assert_eq!(names(&answer), ["other", "add", "more"], "{version:?}");
        });
        for (name, says) in [("add", "added"), ("more", "more"), ("other", "other")] {
            stage.each("tools/call", &json!({"name": name}), |version, answer| {
                assert_eq!(answer.message(), says, "{version:?}");
            });
        }
        let old = json!({"name": "add", "_meta": {"fastmcp": {"version": "1"}}});
        stage.each("tools/call", &old, |_, answer| assert_ne!(answer.message(), "an older one"));
    }
}

#[test]
fn a_tool_that_is_added_asks_what_it_asks_itself() {
    let injected = says("secret", "told").requires(Requirement::scopes(["admin"]));
    let tokens = StaticTokens::new()
        .token("user", Principal::new("ada"))
        .token("admin", Principal::new("eve").scope("admin"));
    let server = Server::new("test", "1").tool(says("open", "open")).verifier(tokens);
    let stage = Stage::new(server.middleware(ToolInjection::new([injected])));
    let call = json!({"name": "secret"});
    assert_eq!(stage.modern_as(Some("admin"), "tools/call", call.clone()).message(), "told");
    assert_eq!(stage.modern_as(Some("user"), "tools/call", call).status, 403);
    assert_eq!(names(&stage.modern_as(Some("user"), "tools/list", json!({}))), ["open"]);
    assert_eq!(names(&stage.modern_as(Some("admin"), "tools/list", json!({}))), ["open", "secret"]);
}

#[test]
fn a_server_that_had_no_tools_has_those_that_are_added() {
    let stage = Stage::new(Server::new("test", "1").middleware(ToolInjection::new([says("add", "added")])));
    stage.each("tools/call", &json!({"name": "add"}), |_, answer| assert_eq!(answer.message(), "added"));
    let wrong = Server::new("test", "1").middleware(ToolInjection::new([says("not a name", "x")]));
    assert!(wrong.build().is_err());
}

#[test]
fn what_is_added_to_a_mounted_server_is_its_own() {
    struct Stock(u32);
    let stock = Tool::new("stock", "How many.", |cx: Context, _: NoArguments| async move {
        let stock: State<Stock> = cx.state()?;
        Ok::<_, ToolError>(stock.0)
    })
    .takes_state::<Stock>();
    let shop = Server::new("shop", "1")
        .with_lifespan(Lifespan::new(|_| async { Ok::<_, &str>(Stock(7)) }))
        .middleware(ToolInjection::new([stock]));
    let stage = Stage::new(Server::new("mall", "1").mount(Mount::under("shop", shop)));
    stage.each("tools/call", &json!({"name": "shop_stock"}), |_, answer| {
        assert_eq!(answer.message(), "7", "{answer:?}");
    });
}

fn prompts() -> Server {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Greet {
        /// Whom to greet.
        name: String,
        times: Option<u8>,
        loud: Option<bool>,
    }
    Server::new("prompts", "1")
        .tool(says("add", "added"))
        .prompt(Prompt::new("greet", "Greet somebody.", |_, Greet { name, times, loud }| async move {
            vec![
                PromptMessage::user(format!("Greet {name} {times:?} {loud:?}.")),
                PromptMessage::assistant(Content::image(&b"png"[..], "image/png")),
            ]
        }))
        .prompt(Prompt::new("ask", "Ask first.", |cx: Context, _: NoArguments| async move {
            Ok::<_, Error>(cx.elicit::<String>("What is your name?").await?)
        }))
        .prompt(
            Prompt::new("audit", "Audit.", |_, _: NoArguments| async { "Audit." })
                .requires(Requirement::scopes(["admin"])),
        )
        .verifier(
            StaticTokens::new()
                .token("user", Principal::new("ada"))
                .token("admin", Principal::new("eve").scope("admin")),
        )
}

#[test]
fn prompts_are_listed_and_got_with_tools() {
    let adds: [fn(Server) -> Server; 2] =
        [|server| server.middleware(PromptTools), |server| server.transform(PromptsAsTools)];
    for add in adds {
        let stage = Stage::new(add(prompts()));
        let call = |token, name: &str, arguments: Value| {
            stage.modern_as(
                Some(token),
                "tools/call",
                json!({"name": name, "arguments": arguments, "_meta": capable()}),
            )
        };
        let listed = stage.modern_as(Some("user"), "tools/list", json!({}));
        assert_eq!(names(&listed), ["add", "list_prompts", "get_prompt"]);
        assert_eq!(listed.json["result"]["tools"][1]["annotations"]["readOnlyHint"], true);

        let greet = json!({"name": "greet", "description": "Greet somebody.", "arguments": [
            {"name": "name", "description": "Whom to greet.", "required": true},
            {"name": "times", "required": false}, {"name": "loud", "required": false},
        ]});
        let ask = json!({"name": "ask", "description": "Ask first.", "arguments": []});
        let audit = json!({"name": "audit", "description": "Audit.", "arguments": []});
        assert_eq!(read(&call("user", "list_prompts", json!({}))), json!([greet, ask]));
        assert_eq!(read(&call("admin", "list_prompts", json!({}))), json!([greet, ask, audit]));

        let arguments = json!({"name": "Ada", "times": 2, "loud": true, "none": null});
        let got = call("user", "get_prompt", json!({"name": "greet", "arguments": arguments}));
        assert_eq!(
            read(&got),
            json!({"description": "Greet somebody.", "messages": [
                {"role": "user", "content": "Greet Ada Some(2) Some(true)."},
                {"role": "assistant", "content": {"type": "image", "data": "cG5n", "mimeType": "image/png"}},
            ]})
        );
        assert_eq!(got.json["result"]["structuredContent"], read(&got));
        // What the model chose wrongly it is told; what it may not is not for it to read.
        let wrong = call("user", "get_prompt", json!({"name": "none"}));
        assert_eq!(wrong.json["result"]["isError"], true);
        assert_eq!(wrong.message(), "no prompt is named \"none\"");
        let wrong = call("user", "get_prompt", json!({"name": "greet"}));
        assert!(wrong.json["result"]["isError"] == true && wrong.message().contains("name"), "{wrong:?}");
        assert_eq!(call("user", "get_prompt", json!({"name": "audit"})).status, 403);
        assert_eq!(
            read(&call("admin", "get_prompt", json!({"name": "audit"})))["messages"][0]["content"],
            "Audit."
        );
    }
}

#[test]
fn a_prompt_that_is_got_with_a_tool_can_ask() {
    let stage = Stage::new(prompts().middleware(PromptTools));
    let mut call = json!({"name": "get_prompt", "arguments": {"name": "ask"}, "_meta": capable()});
    let asked = stage.modern_as(Some("user"), "tools/call", call.clone());
    call["requestState"] = asked.json["result"]["requestState"].clone();
    call["inputResponses"] = json!({"ask-1": {"action": "accept", "content": {"value": "Ada"}}});
    assert_eq!(read(&stage.modern_as(Some("user"), "tools/call", call))["messages"][0]["content"], "Ada");
}

fn resources() -> Server {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Id {
        id: u8,
    }
    Server::new("resources", "1")
        .resource(
            Resource::new("data://text", "text", |_, _: NoArguments| async { "debug = false" })
                .description("Text."),
        )
        .resource(
            Resource::new("data://png", "png", |_, _: NoArguments| async { b"png".to_vec() })
                .mime_type("image/png"),
        )
        .resource(
            Resource::new("data://wav", "wav", |_, _: NoArguments| async { b"wav".to_vec() })
                .mime_type("audio/wav"),
        )
        .resource(Resource::new("data://zip", "zip", |_, _: NoArguments| async { b"zip".to_vec() }))
        .resource(Resource::new("user://{id}/name", "name", |_, Id { id }| async move {
            vec![ResourceContents::text(format!("user {id}")), ResourceContents::text("and more")]
        }))
}

#[test]
fn resources_are_listed_and_read_with_tools_in_every_revision() {
    let adds: [fn(Server) -> Server; 2] =
        [|server| server.middleware(ResourceTools), |server| server.transform(ResourcesAsTools)];
    for add in adds {
        let stage = Stage::new(add(resources()));
        stage.each("tools/call", &json!({"name": "list_resources"}), |_, answer| {
            assert_eq!(
                read(&answer),
                json!([
                    {"uri": "data://text", "name": "text", "description": "Text.", "mime_type": "text/plain"},
                    {"uri": "data://png", "name": "png", "mime_type": "image/png"},
                    {"uri": "data://wav", "name": "wav", "mime_type": "audio/wav"},
                    {"uri": "data://zip", "name": "zip", "mime_type": "application/octet-stream"},
                    {"uri_template": "user://{id}/name", "name": "name"},
                ])
            );
        });
        let blob = |uri: &str| json!({"uri": uri, "blob": "emlw", "mimeType": "application/octet-stream"});
        for (uri, content) in [
            ("data://text", json!([{"type": "text", "text": "debug = false"}])),
            (
                "user://7/name",
                json!([{"type": "text", "text": "user 7"}, {"type": "text", "text": "and more"}]),
            ),
            ("data://png", json!([{"type": "image", "data": "cG5n", "mimeType": "image/png"}])),
            ("data://wav", json!([{"type": "audio", "data": "d2F2", "mimeType": "audio/wav"}])),
            ("data://zip", json!([{"type": "resource", "resource": blob("data://zip")}])),
        ] {
            let call = json!({"name": "read_resource", "arguments": {"uri": uri}});
            stage.each("tools/call", &call, |version, answer| {
                assert_eq!(answer.json["result"]["content"], content, "{version:?}");
            });
        }
        for (uri, said) in [
            ("data://none", "no resource has the URI \"data://none\""),
            ("user://x/name", "invalid argument `id`"),
        ] {
            let call = json!({"name": "read_resource", "arguments": {"uri": uri}});
            stage.each("tools/call", &call, |_, answer| {
                assert!(
                    answer.json["result"]["isError"] == true && answer.message().starts_with(said),
                    "{answer:?}"
                );
            });
        }
    }
}

/// Hides what is tagged, and refuses it.
struct Hides;

impl Middleware for Hides {
    fn on_list_resources<'a>(
        &'a self,
        _: &'a Context,
        list: middleware::ListResources,
        next: Next<middleware::ListResources>,
    ) -> middleware::Answering<'a, middleware::ListResources> {
        Box::pin(async move {
            let mut list = next.run(list).await?;
            list.retain(|resource| resource.about().name != "zip");
            Ok(list)
        })
    }

    fn on_read_resource<'a>(
        &'a self,
        _: &'a Context,
        read: middleware::ReadResource,
        next: Next<middleware::ReadResource>,
    ) -> middleware::Answering<'a, middleware::ReadResource> {
        Box::pin(async move {
            match read.uri() {
                "data://zip" => Err(Error::forbidden("it is hidden")),
                _ => next.run(read).await,
            }
        })
    }
}

#[test]
fn middlewares_stand_around_what_is_read_with_a_tool() {
    let stage = Stage::new(resources().middleware(Hides).middleware(ResourceTools));
    stage.each("tools/call", &json!({"name": "list_resources"}), |_, answer| {
        assert_eq!(read(&answer).as_array().unwrap().len(), 4);
    });
    stage.each(
        "tools/call",
        &json!({"name": "read_resource", "arguments": {"uri": "data://zip"}}),
        |_, answer| assert_eq!(answer.message(), "it is hidden"),
    );
}

#[test]
fn they_have_schemas_that_say_what_they_give() {
    let stage = Stage::new(prompts().middleware(PromptTools).middleware(ResourceTools));
    let listed = stage.modern_as(Some("user"), "tools/list", json!({}));
    let tools = listed.json["result"]["tools"].as_array().unwrap();
    let tool = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap();
    let get = &tool("get_prompt")["inputSchema"];
    assert_eq!((&get["required"], &get["properties"]["name"]["type"]), (&json!(["name"]), &json!("string")));
    assert_eq!(tool("list_prompts")["outputSchema"]["properties"]["result"]["type"], "array");
    assert_eq!(tool("list_resources")["outputSchema"]["properties"]["result"]["type"], "array");
    assert_eq!(tool("read_resource")["outputSchema"], Value::Null);
    let _: (&dyn Transform, ProtocolVersion) = (&PromptsAsTools, ProtocolVersion::V2025_06_18);
}
