//! Resources and prompts are changed, and whole servers put under a prefix.

use edgemcp::{
    prelude::*,
    transform::{Namespace, PromptTransform, ResourceTransform},
};
use serde_json::json;

use super::{call, common::Stage, listed, of_everything, problems, there};

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
