//! A remote is listed, called, read and prompted as a local server is, whichever era it and the client are of.

use edgemcp::{Era, ProtocolVersion, Server, prelude::*};
use serde_json::{Value, json};

use crate::{
    common,
    ground::{Far, Speaks, add, another, names, near, remote, respond, stage, stage_of},
};

const ERAS: [Speaks; 3] = [Speaks::Both, Speaks::ModernOnly, Speaks::LegacyOnly];

#[test]
fn a_remote_is_listed_like_a_part_of_the_server() {
    for speaks in ERAS {
        let stage = stage(&Far::new(common::server(), speaks));
        for (method, list, key, expected) in [
            (
                "tools/list",
                "tools",
                "name",
                &["own", "far_add", "far_fail", "far_leak", "far_nan", "far_sampler"][..],
            ),
            ("resources/list", "resources", "uri", &["data://far/config"]),
            ("resources/templates/list", "resourceTemplates", "uriTemplate", &["user://far/{id}/profile"]),
            ("prompts/list", "prompts", "name", &["far_greet"]),
        ] {
            for (version, answer) in stage.everywhere(method, json!({})) {
                assert_eq!(names(&answer, list, key), expected, "{speaks:?} {version} {method}");
                assert_eq!(
                    answer.json["result"]["_meta"]["edgemcp/unavailable"],
                    Value::Null,
                    "{}",
                    answer.text
                );
            }
        }
    }
}

#[test]
fn a_definition_is_the_same_from_near_as_from_afar() {
    for speaks in ERAS {
        let far = Far::new(common::server(), speaks);
        let stage = stage(&far);
        let direct = far.stage.lock().unwrap().clone();
        for (version, answer) in stage.everywhere("tools/list", json!({})) {
            let own = direct.everywhere("tools/list", json!({}));
            let own = own.into_iter().find(|(of, _)| *of == version).unwrap().1;
            let strip = |tool: &Value| {
                let mut tool = tool.clone();
                tool["name"] = Value::from(tool["name"].as_str().unwrap().trim_start_matches("far_"));
                tool
            };
            let near: Vec<_> =
                answer.json["result"]["tools"].as_array().unwrap()[1..].iter().map(strip).collect();
            assert_eq!(Value::from(near), own.json["result"]["tools"], "{speaks:?} {version}");
        }
    }
}

#[test]
fn what_a_definition_says_is_kept_though_this_server_has_no_words_for_it() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let (tool, resource, prompt) = (
        r#"{"name":"t","title":"T","description":"D","icons":[{"src":"https://a.example/i.png","mimeType":"image/png","sizes":["48x48"],"theme":"dark"}],"inputSchema":{"type":"object","properties":{"x":{"type":"number","maximum":0.30000000000000004,"x-odd":[1e-7]}},"$defs":{"z":true,"a":false}},"outputSchema":{"type":"object","else":1},"annotations":{"readOnlyHint":true,"openWorldHint":false},"_meta":{"a.example/x":{"y":[1]}}}"#,
        r#"{"uri":"data://r","name":"r","title":"R","description":"D","mimeType":"text/plain","size":7,"annotations":{"audience":["user"],"priority":0.5,"lastModified":"2026-01-01"},"_meta":{"a.example/x":1}}"#,
        r#"{"name":"p","description":"D","arguments":[{"name":"a","title":"A","description":"d","required":true}],"_meta":{"a.example/x":1}}"#,
    );
    far.answer_instead(move |seen| {
        let (list, entry) = match seen.method() {
            "tools/list" => ("tools", tool),
            "resources/list" => ("resources", resource),
            "prompts/list" => ("prompts", prompt),
            _ => return None,
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"{list}":[{entry}]}}}}"#, seen.body["id"]);
        Some(respond(200, "application/json", body))
    });
    let stage = stage_of(Server::new("near", "1").mount(remote()), &far);
    for (method, list, entry) in [
        ("tools/list", "tools", tool),
        ("resources/list", "resources", resource),
        ("prompts/list", "prompts", prompt),
    ] {
        let answer = stage.modern(method, json!({}));
        let sent: Value = serde_json::from_str(entry).unwrap();
        assert_eq!(answer.json["result"][list], json!([sent]), "{}", answer.text);
    }
    let answer = stage.modern("tools/list", json!({}));
    assert!(answer.text.contains(r#""maximum":0.30000000000000004,"#), "{}", answer.text);
}

#[test]
fn a_result_is_the_same_from_near_as_from_afar() {
    for speaks in ERAS {
        let far = Far::new(common::server(), speaks);
        let stage = stage(&far);
        let direct = far.stage.lock().unwrap().clone();
        for (method, params, own) in [
            (
                "tools/call",
                json!({"name": "far_add", "arguments": {"a": 1, "b": 2}}),
                json!({"name": "add", "arguments": {"a": 1, "b": 2}}),
            ),
            (
                "tools/call",
                json!({"name": "far_add", "arguments": {"a": "x"}}),
                json!({"name": "add", "arguments": {"a": "x"}}),
            ),
            ("tools/call", json!({"name": "far_fail"}), json!({"name": "fail"})),
            ("tools/call", json!({"name": "far_leak"}), json!({"name": "leak"})),
            (
                "prompts/get",
                json!({"name": "far_greet", "arguments": {"name": "Ada"}}),
                json!({"name": "greet", "arguments": {"name": "Ada"}}),
            ),
            (
                "prompts/get",
                json!({"name": "far_greet", "arguments": {}}),
                json!({"name": "greet", "arguments": {}}),
            ),
        ] {
            let answers = stage.everywhere(method, params.clone());
            for ((version, near), (_, own)) in answers.into_iter().zip(direct.everywhere(method, own)) {
                let without_who = |answer: &Value| {
                    let mut answer = answer.clone();
                    if let Some(result) = answer["result"].as_object_mut() {
                        result.remove("_meta");
                    }
                    answer
                };
                assert_eq!(without_who(&near.json), without_who(&own.json), "{speaks:?} {version} {params}");
                assert_eq!(near.status, own.status, "{speaks:?} {version} {params}");
            }
        }
    }
}

#[test]
fn a_resource_is_read_under_the_uri_that_the_client_knows() {
    for speaks in ERAS {
        let stage = stage(&Far::new(common::server(), speaks));
        for (uri, text) in
            [("data://far/config", "debug = false"), ("user://far/7/profile", r#"{"name":"Ada"}"#)]
        {
            for (version, answer) in stage.everywhere("resources/read", json!({"uri": uri})) {
                let contents = &answer.json["result"]["contents"][0];
                assert_eq!(
                    (&contents["uri"], &contents["text"]),
                    (&json!(uri), &json!(text)),
                    "{speaks:?} {version}"
                );
            }
        }
        for (version, answer) in stage.everywhere("resources/read", json!({"uri": "user://far/8/profile"})) {
            let code = if version == ProtocolVersion::V2026_07_28 { -32602 } else { -32002 };
            assert_eq!(answer.code(), Some(code), "{speaks:?} {version}: {}", answer.text);
        }
    }
}

#[test]
fn values_of_a_template_reach_the_remote_as_they_were_sent() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct File {
        name: String,
    }
    let server = Server::new("files", "1").resource(Resource::new(
        "file://docs/{name}.txt",
        "file",
        |_, File { name }| async move { format!("<{name}>") },
    ));
    let stage = stage(&Far::new(server, Speaks::Both));
    for (name, value) in [("a%20b", "a b"), ("%C3%BC", "ü"), ("50%25", "50%"), ("a.b", "a.b")] {
        let answer = stage.modern("resources/read", json!({"uri": format!("file://far/docs/{name}.txt")}));
        assert_eq!(answer.json["result"]["contents"][0]["text"], format!("<{value}>"), "{}", answer.text);
    }
}

#[test]
fn arguments_are_completed_where_the_remote_does_it() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Trip {
        city: String,
        country: Option<String>,
    }
    let prompt = Prompt::new("trip", "Plan.", |_, Trip { city, .. }| async move { city });
    let cities = Completion::prompt("trip", "city", |_, Trip { city, country }| async move {
        vec![format!("{city} in {}", country.unwrap_or_default())]
    });
    for speaks in ERAS {
        let far =
            Far::new(Server::new("trips", "1").prompt(prompt.clone()).completion(cities.clone()), speaks);
        let stage = stage(&far);
        let asked = json!({
            "ref": {"type": "ref/prompt", "name": "far_trip"}, "argument": {"name": "city", "value": "Par"},
            "context": {"arguments": {"country": "France"}},
        });
        for (version, answer) in stage.everywhere("completion/complete", asked.clone()) {
            assert_eq!(
                answer.json["result"]["completion"]["values"],
                json!(["Par in France"]),
                "{speaks:?} {version}: {}",
                answer.text
            );
        }
        let announced = stage.modern("server/discover", json!({}));
        assert!(announced.json["result"]["capabilities"]["completions"].is_object(), "{}", announced.text);
    }
}

#[test]
fn a_server_that_changes_its_era_is_found_out_anew() {
    for (before, after) in
        [(Speaks::LegacyOnly, Speaks::ModernOnly), (Speaks::ModernOnly, Speaks::LegacyOnly)]
    {
        let far = Far::new(common::server(), before);
        let stage = stage(&far);
        assert_eq!(add(&stage).message(), "3");
        far.set_speaks(after);
        assert_eq!(add(&stage).message(), "3", "{before:?} {after:?}");
        // What is known in the store was put right as well.
        far.methods();
        assert_eq!(add(&another(&stage)).message(), "3");
        assert_eq!(far.methods(), ["tools/call"], "{before:?} {after:?}");
    }
}

#[test]
fn an_era_that_is_set_is_the_one_that_is_spoken() {
    for (era, first) in [(Era::Legacy, "initialize"), (Era::Modern, "server/discover")] {
        let far = Far::new(common::server(), Speaks::Both);
        let stage = stage_of(near(remote().era(era)), &far);
        assert_eq!(add(&stage).message(), "3");
        assert_eq!(far.methods()[0], first);
    }
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage_of(near(remote().era(Era::Modern)), &far);
    let answer = add(&stage);
    assert!(answer.message().contains("the server mounted as \"far\" cannot be asked"), "{}", answer.text);
    assert!(stage.log.all().contains("does not speak 2026-07-28"), "{}", stage.log.all());
}
