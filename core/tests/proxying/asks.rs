//! What a remote asks for is asked of this server's client, once, and the remote goes on where it stood.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use edgemcp::{ProtocolVersion, Server, middleware::CallTool, prelude::*};
use serde_json::{Value, json};

use crate::{
    common::{
        Answer, Stage, capable,
        live::{LATEST, Session, accept},
    },
    ground::{Far, Seen, Speaks, near, remote, result, stage, stage_of},
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    /// What to call you.
    #[schemars(length(max = 20))]
    name: String,
}

/// A server that asks, and counts how often its handlers begin.
fn asking() -> (Server, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let server = Server::new("asking", "1")
        .tool(Tool::new("greet", "Greet.", move |cx: Context, _: NoArguments| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                let Name { name } = cx.elicit("What is your name?").key("name").await?;
                Ok::<_, ToolError>(format!("Hello, {name}!"))
            }
        }))
        .tool(Tool::new("two", "Ask twice.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            let said = cx.sample(format!("Greet {name}.")).max_tokens(9).await?;
            Ok::<_, ToolError>(said.text())
        }))
        .tool(Tool::new("all", "Ask for all at once.", |cx: Context, _: NoArguments| async move {
            let (Name { name }, said, roots) = cx
                .ask()
                .elicit::<Name>("What is your name?")
                .key("name")
                .sample("Say hello.")
                .roots()
                .await?;
            Ok::<_, ToolError>(format!("{name} {} {}", said.text(), roots.len()))
        }))
        .tool(Tool::new("open", "Send somebody somewhere.", |cx: Context, _: NoArguments| async move {
            cx.elicit_url("Sign in.", "https://example.com/in").await?;
            Ok::<_, ToolError>("opened")
        }))
        .resource(Resource::new("data://asked", "asked", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            Ok::<_, Error>(name)
        }))
        .prompt(Prompt::new("asked", "Ask.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").await?;
            Ok::<_, Error>(name)
        }));
    (server, begun)
}

/// The request again, with these answers.
fn again(stage: &Stage, method: &str, mut params: Value, asked: &Answer, responses: Value) -> Answer {
    params["requestState"] = asked.json["result"]["requestState"].clone();
    params["inputResponses"] = responses;
    stage.modern(method, params)
}

#[test]
fn a_modern_client_is_asked_and_the_remote_hears_its_answer() {
    let (server, begun) = asking();
    let far = Far::new(server, Speaks::ModernOnly);
    let stage = stage(&far);
    let call = json!({"name": "far_greet", "_meta": capable()});
    let asked = stage.modern("tools/call", call.clone());
    let ask = &asked.json["result"]["inputRequests"]["name"];
    assert_eq!(
        (&ask["method"], &ask["params"]["message"]),
        (&json!("elicitation/create"), &json!("What is your name?")),
        "{}",
        asked.text
    );
    assert_eq!(ask["params"]["requestedSchema"]["properties"]["name"]["maxLength"], 20);
    assert_eq!(far.take().iter().filter(|seen| seen.method() == "tools/call").count(), 1);
    // Any instance goes on, and the remote is not asked from the beginning.
    let other = stage.beside(near(remote()));
    let answer = again(&other, "tools/call", call, &asked, json!({"name": accept("Ada")}));
    assert_eq!(answer.message(), "Hello, Ada!");
    let calls: Vec<_> = far.take().into_iter().filter(|seen| seen.method() == "tools/call").collect();
    let [resumed] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(resumed.body["params"]["inputResponses"], json!({"name": accept("Ada")}));
    assert_ne!(
        resumed.body["params"]["requestState"], asked.json["result"]["requestState"],
        "each seals its own"
    );
    assert_eq!(begun.load(Ordering::Relaxed), 2, "once for each round");
}

#[test]
fn resources_and_prompts_ask_as_tools_do() {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage(&far);
    for (method, mut params) in [
        ("resources/read", json!({"uri": "data://far/asked"})),
        ("prompts/get", json!({"name": "far_asked"})),
    ] {
        params["_meta"] = capable();
        let asked = stage.modern(method, params.clone());
        let (key, _) = asked.json["result"]["inputRequests"]
            .as_object()
            .unwrap_or_else(|| panic!("{}", asked.text))
            .iter()
            .next()
            .unwrap();
        let answer = again(&stage, method, params, &asked, json!({key: accept("Ada")}));
        assert!(answer.text.contains("Ada"), "{method}: {}", answer.text);
        assert_eq!(answer.json["result"]["resultType"], "complete", "{method}");
    }
}

#[test]
fn one_round_after_the_other_is_gone_through() {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage(&far);
    let call = json!({"name": "far_two", "_meta": capable()});
    let first = stage.modern("tools/call", call.clone());
    let second = again(&stage, "tools/call", call.clone(), &first, json!({"ask-1": accept("Ada")}));
    let ask = &second.json["result"]["inputRequests"]["ask-2"];
    assert_eq!(ask["method"], "sampling/createMessage", "{}", second.text);
    assert_eq!(
        (&ask["params"]["maxTokens"], &ask["params"]["messages"][0]["content"]["text"]),
        (&json!(9), &json!("Greet Ada."))
    );
    let said = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello!"}});
    let answer = again(&stage, "tools/call", call, &second, json!({"ask-2": said}));
    assert_eq!(answer.message(), "Hello!");
    assert_eq!(far.take().iter().filter(|seen| seen.method() == "tools/call").count(), 3);
}

#[test]
fn several_things_are_asked_at_once() {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage(&far);
    let call = json!({"name": "far_all", "_meta": capable()});
    let asked = stage.modern("tools/call", call.clone());
    let mut responses = serde_json::Map::new();
    for (key, ask) in asked.json["result"]["inputRequests"].as_object().unwrap() {
        let response = match ask["method"].as_str().unwrap() {
            "elicitation/create" => accept("Ada"),
            "roots/list" => json!({"roots": [{"uri": "file:///a"}]}),
            _ => json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}}),
        };
        responses.insert(key.clone(), response);
    }
    assert_eq!(responses.len(), 3);
    assert_eq!(again(&stage, "tools/call", call, &asked, Value::Object(responses)).message(), "Ada hello 1");
}

#[test]
fn a_remote_is_told_what_the_client_can_be_asked_and_no_more() {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage(&far);
    for (declared, passed) in [
        (json!({}), json!({})),
        (
            json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}),
            json!({"elicitation": {"form": {}}}),
        ),
        (
            json!({"sampling": {"tools": {}}, "roots": {"listChanged": true}}),
            json!({"sampling": {"tools": {}}, "roots": {}}),
        ),
    ] {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": declared});
        stage.modern("tools/call", json!({"name": "far_greet", "_meta": meta}));
        let seen = far.take().pop().unwrap();
        assert_eq!(
            seen.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"], passed,
            "{declared}"
        );
    }
}

#[test]
fn a_remote_that_is_called_in_a_step_can_ask_nothing() {
    // A step is done once, and would wait for an answer that only a later run has.
    let relay =
        Tool::new("relay", "Call another tool in a step.", |cx: Context, _: NoArguments| async move {
            let said = cx.step("call", || async {
                let output = cx.call_tool(CallTool::new("far_greet")).await?;
                Ok::<_, ToolError>(format!("{:?}", output.is_failure()))
            });
            said.await
        });
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage_of(near(remote()).tool(relay), &far);
    crate::ground::tools(&stage);
    let answer = stage.modern("tools/call", json!({"name": "relay", "_meta": capable()}));
    assert_eq!(answer.code(), Some(-32021), "it fails at once: {}", answer.text);
    let seen = far.take().pop().unwrap();
    assert_eq!(seen.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"], json!({}));
}

#[test]
fn a_client_that_cannot_be_asked_hears_what_it_lacks() {
    for (client, code) in [(ProtocolVersion::V2026_07_28, -32021), (ProtocolVersion::V2025_11_25, -32600)] {
        let far = Far::new(asking().0.tool(common_sampler()), Speaks::ModernOnly);
        let stage = stage(&far);
        let call = json!({"name": "far_sampler"});
        let answer = match client {
            ProtocolVersion::V2026_07_28 => stage.modern("tools/call", call),
            client => stage.legacy(client, "tools/call", call),
        };
        assert_eq!(answer.code(), Some(code), "{}", answer.text);
        if code == -32021 {
            assert_eq!(answer.json["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
        }
    }
}

fn common_sampler() -> Tool {
    Tool::new("sampler", "Needs sampling.", |_, _: NoArguments| async { "ok" }).client_capability("sampling")
}

#[test]
fn a_legacy_client_in_a_session_is_asked_on_its_stream() {
    for version in [ProtocolVersion::V2025_06_18, LATEST] {
        let (server, begun) = asking();
        let far = Far::new(server, Speaks::ModernOnly);
        let (stage, _behind) = crate::common::asked::stage_of(near(remote()));
        let stage = stage_on(&stage, &far);
        let session = Session::of(&stage, version, &crate::common::live::capabilities(), None);
        let mut reading = session.call("far_greet");
        let ask = &reading.asks()[0];
        assert_eq!(
            (&ask["method"], &ask["params"]["message"]),
            (&json!("elicitation/create"), &json!("What is your name?"))
        );
        // It answers to another instance.
        let other = stage.beside(near(remote()));
        session.at(&other).answer(&reading.ask_id(), accept("Ada"));
        crate::common::live::pass(&stage, std::time::Duration::from_secs(2), || {
            reading.poll();
        });
        assert_eq!(reading.answer().as_deref(), Some("Hello, Ada!"), "{version}: {}", reading.text);
        assert_eq!(begun.load(Ordering::Relaxed), 2, "once for each round");
    }
}

/// The same stage with `far` at the other end.
fn stage_on(like: &Stage, far: &Far) -> Stage {
    let fetching = stage_of(near(remote()), far);
    let hold = like.platform.hold_max();
    Stage { platform: fetching.platform.clone().with_hold_max(hold), ..fetching }
}

#[test]
fn a_legacy_client_is_sent_to_an_address_as_its_revision_has_it() {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let (like, _) = crate::common::asked::stage_of(near(remote()));
    let stage = stage_on(&like, &far);
    let session = Session::begin(&stage);
    let mut reading = session.call("far_open");
    let params = reading.asks()[0]["params"].clone();
    assert_eq!(
        (&params["mode"], &params["url"]),
        (&json!("url"), &json!("https://example.com/in")),
        "{params}"
    );
    assert!(params["elicitationId"].is_string(), "{params}");
    session.answer(&reading.ask_id(), json!({"action": "accept"}));
    crate::common::live::pass(&stage, std::time::Duration::from_secs(2), || {
        reading.poll();
    });
    assert_eq!(reading.answer().as_deref(), Some("opened"), "{}", reading.text);
}

#[test]
fn a_legacy_remote_is_told_that_nobody_can_be_asked() {
    let far = Far::new(asking().0, Speaks::LegacyOnly);
    let stage = stage(&far);
    let answer = stage.modern("tools/call", json!({"name": "far_greet", "_meta": capable()}));
    assert!(answer.code().is_some() || answer.json["result"]["isError"] == true, "{}", answer.text);
    let seen = far.take();
    let begun = seen.iter().find(|seen| seen.method() == "initialize").unwrap();
    assert_eq!(begun.body["params"]["capabilities"], json!({}));
}

#[test]
fn a_remote_that_asks_what_nobody_can_be_asked_or_without_end_is_refused() {
    let (far, stage) = canned(|seen, round| {
        result(
            seen,
            &json!({
                "resultType": "input_required", "requestState": format!("s{round}"),
                "inputRequests": {"k": {"method": "tools/list", "params": {}}},
            }),
        )
    });
    let call = json!({"name": "far_greet", "_meta": capable()});
    let answer = stage.modern("tools/call", call.clone());
    assert_eq!(
        answer.message(),
        "the server mounted as \"far\" cannot be used (its answer is none of this protocol)"
    );
    assert!(
        stage.log.all().contains("\"tools/list\" is nothing that a client can be asked"),
        "{}",
        stage.log.all()
    );
    drop(far);

    // It has nothing to ask, and only wants to be asked again.
    let (far, stage) = canned(|seen, round| match round {
        0..=2 => result(seen, &json!({"resultType": "input_required", "requestState": format!("s{round}")})),
        _ => result(
            seen,
            &json!({"resultType": "complete", "content": [{"type": "text", "text": seen.body["params"]["requestState"]}]}),
        ),
    });
    let mut reading = crate::common::live::Reading::of(&stage, request(&call));
    crate::common::live::pass(&stage, std::time::Duration::from_secs(4), || {
        reading.poll();
    });
    assert!(reading.text.contains("\"text\":\"s2\""), "{}", reading.text);
    assert_eq!(far.take().iter().filter(|seen| seen.method() == "tools/call").count(), 4);

    let (far, stage) =
        canned(|seen, _| result(seen, &json!({"resultType": "input_required", "requestState": "again"})));
    let mut reading = crate::common::live::Reading::of(&stage, request(&call));
    crate::common::live::pass(&stage, std::time::Duration::from_secs(20), || {
        reading.poll();
    });
    assert!(reading.text.contains("cannot be used"), "{}", reading.text);
    assert_eq!(far.take().iter().filter(|seen| seen.method() == "tools/call").count(), 16);
}

/// A remote that has a tool `greet`, and answers its calls so.
fn canned(
    answer: impl Fn(&Seen, usize) -> http::Response<bytes::Bytes> + Send + Sync + 'static,
) -> (Far, Stage) {
    let far = Far::new(asking().0, Speaks::ModernOnly);
    let stage = stage(&far);
    crate::ground::tools(&stage);
    far.take();
    let rounds = AtomicUsize::new(0);
    far.answer_instead(move |seen| {
        (seen.method() == "tools/call").then(|| answer(seen, rounds.fetch_add(1, Ordering::Relaxed)))
    });
    (far, stage)
}

fn request(call: &Value) -> http::Request<bytes::Bytes> {
    let (body, headers) = crate::common::modern("tools/call", call.clone());
    let mut request = http::Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_string().into()).unwrap()
}
