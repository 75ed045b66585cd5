//! Components are there, or are not: for everybody, by their version, or for some.

use edgemcp::{
    Server,
    auth::{Principal, StaticTokens},
    compose::{Live, Mount},
    middleware,
    prelude::*,
    transform::{
        Filter, Kind, PromptTransform, ResourceTransform, ToolTransform, VersionFilter, Visibility, VisibleTo,
    },
};
use serde_json::json;

use super::{call, common::Stage, find, is_called, listed, names, of_everything, problems, there};

#[test]
fn a_disabled_component_is_neither_listed_nor_called() {
    for server in [
        of_everything().transform(ToolTransform::new("find").enabled(false)),
        of_everything().disable(Filter::new().name("find")),
        of_everything().disable(Filter::new().tag("internal").kind(Kind::Tool)),
        of_everything().transform(Visibility::new().disable(Filter::new().name("find"))),
        // What a transform has given a tag is chosen by it, wherever that was said.
        of_everything().disable(Filter::new().tag("new")).transform(ToolTransform::new("find").tag("new")),
    ] {
        let stage = Stage::new(server);
        assert_eq!(listed(&stage, "tools/list"), ["wipe"]);
        assert!(!is_called(&stage, "find") && is_called(&stage, "wipe"));
    }
    let prompts = Stage::new(of_everything().transform(PromptTransform::new("invite").enabled(false)));
    assert_eq!(there(&prompts)[3], Vec::<String>::new());
    let resources =
        Stage::new(of_everything().transform(ResourceTransform::new("team://{team}/{id}").enabled(false)));
    assert_eq!(there(&resources)[1..3], [vec!["data://config".to_owned()], Vec::new()]);
}

#[test]
fn of_what_is_said_of_a_component_the_last_counts() {
    let admin = || Filter::new().tag("admin");
    let shown = |server: Server| there(&Stage::new(server))[..2].concat();
    assert_eq!(shown(of_everything().disable(admin())), ["find"]);
    assert_eq!(
        shown(of_everything().disable(admin()).enable(Filter::new().name("config"))),
        ["find", "data://config"]
    );
    assert_eq!(shown(of_everything().enable(Filter::new().name("config")).disable(admin())), ["find"]);
    assert_eq!(shown(of_everything().enable_only(admin())), ["wipe", "data://config"]);
    assert_eq!(
        shown(of_everything().enable_only(admin()).disable(Filter::new().kind(Kind::Tool))),
        ["data://config"]
    );
    assert_eq!(shown(of_everything().disable(admin()).enable_only(admin())), ["wipe", "data://config"]);
}

#[test]
fn what_is_live_is_enabled_and_disabled_wherever_it_is_mounted() {
    let live = Live::new();
    let inner = of_everything().live(&live).disable(Filter::new().name("config"));
    let stage = Stage::new(Server::new("outer", "1").mount(Mount::under("in", inner)));
    assert_eq!(there(&stage)[..2].concat(), ["in_find", "in_wipe"]);
    live.disable(Filter::new().tag("internal"));
    assert_eq!(there(&stage)[..2].concat(), ["in_wipe"]);
    assert!(!is_called(&stage, "in_find"));
    live.enable(Filter::new().name("config"));
    live.enable(Filter::new().tag("internal"));
    assert_eq!(there(&stage)[..2].concat(), ["in_find", "in_wipe", "data://in/config"]);
    assert!(is_called(&stage, "in_find"));
    live.enable_only(Filter::new().kind(Kind::Prompt));
    assert_eq!(there(&stage).concat(), ["in_invite"]);
}

#[test]
fn a_tool_that_is_taken_away_while_it_runs_may_be_one_that_is_changed() {
    let live = Live::new();
    let server = of_everything().live(&live).transform(ToolTransform::new("find").rename("seek"));
    let stage = Stage::new(server);
    assert_eq!(there(&stage)[0], ["seek", "wipe"]);
    live.remove_tool("find");
    assert_eq!(there(&stage)[0], ["wipe"]);
    live.add_tool(find()).unwrap();
    assert_eq!(there(&stage)[0], ["wipe", "seek"]);
}

#[test]
fn versions_are_filtered_before_the_highest_is_chosen() {
    let wipe = |transform: VersionFilter| {
        let stage = Stage::new(of_everything().transform(transform));
        (there(&stage)[0].clone(), call(&stage, "wipe", "{}"))
    };
    let both = ["find", "wipe"].map(str::to_owned).to_vec();
    assert_eq!(wipe(VersionFilter::new()), (both.clone(), "wiped well".to_owned()));
    assert_eq!(wipe(VersionFilter::new().lt("2")), (both.clone(), "wiped".to_owned()));
    assert_eq!(wipe(VersionFilter::new().gte("1.5")), (both, "wiped well".to_owned()));
    let alone = wipe(VersionFilter::new().gte("1").lt("1.1").unversioned(false));
    assert_eq!(alone, (vec!["wipe".to_owned()], "wiped".to_owned()));
    assert!(wipe(VersionFilter::new().gte("3")).1.contains("no tool is named"));
    let stage = Stage::new(of_everything().transform(VersionFilter::new().lt("2")));
    let asked = json!({"name": "wipe", "_meta": {"fastmcp": {"version": "2.0"}}});
    assert!(
        stage.modern("tools/call", asked).code().is_some(),
        "a version that is filtered out can be asked for"
    );
    let found = problems(of_everything().transform(VersionFilter::new().gte("2").lt("1")));
    assert!(found[0].contains(r#"no version is at least "2" and below "1""#), "{found:?}");
}

#[test]
fn a_filter_chooses_by_all_that_it_is_given() {
    let left = |filter: Filter| there(&Stage::new(of_everything().transform(filter))).concat();
    let new = Filter::new;
    assert_eq!(left(new()).len(), 5);
    assert_eq!(left(new().kind(Kind::Resource).kind(Kind::Prompt)), ["data://config", "invite"]);
    assert_eq!(left(new().name("data://config").name("member")), ["data://config", "team://{team}/{id}"]);
    assert_eq!(left(new().tag("admin").kind(Kind::Tool)), ["wipe"]);
    assert_eq!(left(new().version("2")), ["wipe"]);
    assert_eq!(left(new().version_lt("2").unversioned().kind(Kind::Tool)), ["find", "wipe"]);
    assert!(left(new().version_gte("2.0.1")).is_empty());
}

#[test]
fn each_caller_sees_and_calls_what_is_theirs() {
    let shown = VisibleTo::new(|about, who| {
        let is_admin = who.is_some_and(|who| who.has_scope("admin"));
        match about.kind {
            // Known by the names that they have where the transform stands.
            Kind::Tool => about.name != "wipe" || is_admin,
            Kind::ResourceTemplate | Kind::Prompt => is_admin,
            Kind::Resource => true,
        }
    });
    let tokens = StaticTokens::new()
        .token("admin", Principal::new("ada").scope("admin"))
        .token("user", Principal::new("bob").scope("read"));
    let server = Server::new("outer", "1")
        .mount(Mount::under("in", of_everything().transform(shown)))
        .verifier(tokens);
    let stage = Stage::new(server);
    let lists = |token: &str| {
        let methods = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
        methods.map(|method| names(&stage.modern_as(Some(token), method, json!({})))).concat()
    };
    assert_eq!(lists("user"), ["in_find", "data://in/config"]);
    assert_eq!(
        lists("admin"),
        ["in_find", "in_wipe", "data://in/config", "team://in/{team}/{id}", "in_invite"]
    );
    for (method, params) in [
        ("tools/call", json!({"name": "in_wipe"})),
        ("resources/read", json!({"uri": "team://in/red/7"})),
        ("prompts/get", json!({"name": "in_invite", "arguments": {"team": "red"}})),
    ] {
        let answer = stage.modern_as(Some("admin"), method, params.clone());
        assert!(answer.code().is_none(), "{}", answer.text);
        let refused = stage.modern_as(Some("user"), method, params.clone());
        assert!(refused.message().starts_with("no "), "{}", refused.text);
        // As what is not there at all.
        let text = params.to_string().replace("in_", "no_").replace("/in/", "/no/");
        let absent = stage.modern_as(Some("user"), method, serde_json::from_str(&text).unwrap());
        assert_eq!(refused.text.replace("in_", "no_").replace("/in/", "/no/"), absent.text);
        assert_eq!(refused.status, absent.status);
    }
    let anybody = VisibleTo::new(|about, who| who.is_some() || about.has_tag("internal"));
    let stage = Stage::new(of_everything().transform(anybody));
    assert_eq!(listed(&stage, "tools/list"), ["find"]);
    assert!(is_called(&stage, "find") && !is_called(&stage, "wipe"));
}

#[test]
fn nobody_completes_what_they_are_not_shown() {
    let admins = VisibleTo::new(|_, who| who.is_some_and(|who| who.has_scope("admin")));
    let tokens = StaticTokens::new()
        .token("user", Principal::new("bob"))
        .token("admin", Principal::new("ada").scope("admin"));
    let stage = Stage::new(of_everything().transform(admins).verifier(tokens));
    for reference in [
        json!({"type": "ref/prompt", "name": "invite"}),
        json!({"type": "ref/resource", "uri": "team://{team}/{id}"}),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "team", "value": ""}});
        let shown = stage.modern_as(Some("admin"), "completion/complete", params.clone());
        assert_eq!(
            shown.json["result"]["completion"]["values"].as_array().map(Vec::len),
            Some(1),
            "{}",
            shown.text
        );
        let refused = stage.modern_as(Some("user"), "completion/complete", params.clone());
        // As what is not there at all.
        let text = params.to_string().replace("invite", "nobody").replace("team://", "none://");
        let absent =
            stage.modern_as(Some("user"), "completion/complete", serde_json::from_str(&text).unwrap());
        assert_eq!(refused.text.replace("invite", "nobody").replace("team://", "none://"), absent.text);
        assert!(refused.code().is_some(), "{}", refused.text);
    }
}

#[test]
fn what_a_parent_says_of_a_list_holds_though_a_mounted_server_changes_it() {
    let inner = of_everything().middleware(middleware::on_list_tools(|_, list, next| async move {
        let mut tools = next.run(list).await?;
        tools.retain(|tool| tool.about().name != "left_out");
        tools.push(Tool::new("more", "More.", |_, _: NoArguments| async {}));
        Ok(tools.map(|tool| tool.title("Changed")))
    }));
    let inner = inner.tool(Tool::new("left_out", "Left out.", |_, _: NoArguments| async {})).tool(Tool::new(
        "off",
        "Off.",
        |_, _: NoArguments| async {},
    ));
    let server = Server::new("outer", "1")
        .mount(Mount::under("in", inner))
        .transform(ToolTransform::new("in_find").rename("seek"))
        .transform(VisibleTo::new(|about, _| about.name != "in_wipe"))
        .disable(Filter::new().name("in_off"));
    let stage = Stage::new(server);
    assert_eq!(listed(&stage, "tools/list"), ["seek", "in_more"]);
    assert!(!is_called(&stage, "in_wipe") && !is_called(&stage, "in_off") && is_called(&stage, "seek"));
}
