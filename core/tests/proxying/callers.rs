//! What of a client's headers reaches a remote, and that what one caller may see reaches no other.

use edgemcp::{
    ProtocolVersion, Server,
    auth::{Principal, Requirement, StaticTokens},
    compose::Mount,
    middleware::ResponseCaching,
    prelude::*,
    remote::Remote,
};
use serde_json::json;

use crate::{
    common::{self, Answer, Stage},
    ground::{Far, Seen, Speaks, Way, add, names, near, remote, stage, stage_of},
};

/// A call with these headers beside its own.
fn call(stage: &Stage, name: &str, more: &[(&'static str, &str)]) -> Answer {
    let arguments = if name == "far_add" { json!({"a": 1, "b": 2}) } else { json!({}) };
    ask(stage, "tools/call", json!({"name": name, "arguments": arguments}), more)
}

fn ask(stage: &Stage, method: &str, params: serde_json::Value, more: &[(&'static str, &str)]) -> Answer {
    let (body, mut headers) = common::modern(method, params);
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage.post(body.to_string(), &headers)
}

const SENT: [(&str, &str); 4] =
    [("authorization", "Bearer client"), ("cookie", "a=b"), ("x-tenant", "acme"), ("x-else", "else")];

#[test]
fn nothing_of_a_clients_headers_is_passed_on_unless_it_is_named() {
    for speaks in [Speaks::ModernOnly, Speaks::LegacyOnly] {
        let far = Far::new(common::server(), speaks);
        let stage = stage(&far);
        assert_eq!(call(&stage, "far_add", &SENT).message(), "3");
        for seen in far.take() {
            for (name, _) in SENT {
                assert_eq!(seen.header(name), None, "{speaks:?} {}", seen.method());
            }
        }
    }
}

#[test]
fn a_header_that_is_named_goes_along_with_calls_and_not_with_lists() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage_of(near(remote().forward_header("X-Tenant")), &far);
    assert_eq!(call(&stage, "far_add", &SENT).message(), "3");
    assert_eq!(call(&stage, "far_add", &[]).message(), "3");
    let seen = far.take();
    let tenants: Vec<_> = seen.iter().map(|seen| (seen.method(), seen.header("x-tenant"))).collect();
    assert_eq!(tenants.iter().filter(|(_, tenant)| tenant.is_some()).count(), 1, "{tenants:?}");
    assert!(tenants.contains(&("tools/call", Some("acme"))), "{tenants:?}");
    assert!(
        seen.iter().all(|seen| seen.header("x-else").is_none() && seen.header("authorization").is_none())
    );
}

#[test]
fn headers_of_this_servers_own_go_along_with_every_request() {
    let configured =
        remote().header("x-plan", "gold").header_from("x-key", "TEST_TOKEN").bearer_from("FAR_TOKEN");
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage_of(near(configured), &far);
    call(&stage, "far_add", &SENT);
    let seen = far.take();
    assert!(seen.len() > 5);
    for seen in seen {
        let has = |name| seen.header(name);
        let expected = (Some("gold"), Some("sesame"), Some("Bearer s3cret"));
        assert_eq!((has("x-plan"), has("x-key"), has("authorization")), expected, "{}", seen.method());
    }
}

#[test]
fn a_secret_is_in_no_log_no_answer_and_no_debug() {
    let secret = Remote::new("https://far.example/mcp?key=hunter2")
        .bearer_from("FAR_TOKEN")
        .header("x-key", "hunter3");
    let shown = format!("{secret:?} {:?}", Mount::under("far", remote().header("x-key", "hunter3")));
    assert!(!shown.contains("hunter"), "{shown}");
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage_of(near(remote().bearer_from("FAR_TOKEN").header("x-key", "hunter3")), &far);
    let mut told = String::new();
    for way in [
        Way::Open,
        Way::Cut,
        Way::Blocked(500, "text/plain", "s3cret hunter3".to_owned()),
        Way::Blocked(401, "text/plain", String::new()),
    ] {
        far.set_way(way);
        told.push_str(&add(&stage).text);
        stage.clock.advance(std::time::Duration::from_secs(400));
        told.push_str(&ask(&stage, "tools/list", json!({}), &[]).text);
    }
    told.push_str(&stage.log.all());
    assert!(!told.contains("s3cret") && !told.contains("hunter"), "{told}");
}

/// A server that shows an admin more than others.
fn guarded() -> Server {
    let tokens = StaticTokens::new()
        .token("ada-token", Principal::new("ada").scope("admin"))
        .token("bob-token", Principal::new("bob"));
    common::server().verifier(tokens).tool(
        Tool::new("wipe", "Wipe.", |cx: Context, _: NoArguments| async move {
            format!("wiped by {}", cx.principal().map_or("nobody", Principal::subject))
        })
        .requires(Requirement::scopes(["admin"])),
    )
}

const ADA: (&str, &str) = ("authorization", "Bearer ada-token");
const BOB: (&str, &str) = ("authorization", "Bearer bob-token");

#[test]
fn where_the_token_is_passed_on_each_caller_has_lists_of_its_own() {
    for speaks in [Speaks::ModernOnly, Speaks::LegacyOnly] {
        let far = Far::new(guarded(), speaks);
        let stage = stage_of(near(remote().forward_authorization()), &far);
        let sees = |stage: &Stage, who: (&'static str, &str)| {
            let answer = ask(stage, "tools/list", json!({}), &[who]);
            assert_eq!(answer.json["result"]["cacheScope"], "private", "{}", answer.text);
            names(&answer, "tools", "name").contains(&"far_wipe".to_owned())
        };
        // Whoever is first, and on whichever instance.
        for _ in 0..2 {
            assert!(sees(&stage, ADA) && !sees(&stage, BOB), "{speaks:?}");
        }
        far.methods();
        let other = stage.beside(near(remote().forward_authorization()));
        assert!(!sees(&other, BOB) && sees(&other, ADA), "{speaks:?}");
        assert_eq!(far.methods(), [""; 0], "the store keeps them apart too");
        assert_eq!(call(&stage, "far_wipe", &[ADA]).message(), "wiped by ada");
        assert!(call(&stage, "far_wipe", &[BOB]).code().is_some(), "{speaks:?}");
        // Neither learns of it without a token, or with one that is none.
        for who in [&[][..], &[("authorization", "Bearer else")]] {
            let answer = ask(&stage, "tools/list", json!({}), who);
            assert_eq!(names(&answer, "tools", "name"), ["own"], "{}", answer.text);
        }
        // Each has a session of its own, and each request the token of whoever it is made for.
        let mut sessions: Vec<(String, String)> = Vec::new();
        sees(&stage.beside(near(remote().forward_authorization())), ADA);
        call(&stage, "far_add", &[ADA]);
        call(&stage, "far_add", &[BOB]);
        for seen in far.take().iter().filter(|seen| seen.method() == "tools/call") {
            let of = |name| seen.header(name).unwrap_or_default().to_owned();
            sessions.push((of("authorization"), of("mcp-session-id")));
        }
        sessions.sort();
        sessions.dedup();
        let tokens: Vec<_> = sessions.iter().map(|(token, _)| token.as_str()).collect();
        assert_eq!(tokens, ["Bearer ada-token", "Bearer bob-token"], "{speaks:?}: {sessions:?}");
        assert_eq!(sessions[0].1 == sessions[1].1, speaks == Speaks::ModernOnly, "{sessions:?}");
    }
}

#[test]
fn no_more_than_64_callers_are_kept_in_memory() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage_of(near(remote().forward_authorization()), &far);
    let list = |token: &str| {
        stage.store.fail(true);
        let token = format!("Bearer {token}");
        ask(&stage, "tools/list", json!({}), &[("authorization", &token)]);
        far.methods().len()
    };
    assert!(list("first") > 0);
    assert_eq!(list("first"), 0);
    for number in 0..63 {
        list(&number.to_string());
    }
    assert_eq!(list("first"), 0, "the 64 that asked last are kept");
    for number in 0..64 {
        list(&format!("more {number}"));
    }
    assert!(list("first") > 0);
}

#[test]
fn a_requirement_of_a_mount_holds_for_what_a_remote_lists() {
    struct Guard;
    impl edgemcp::transform::Transform for Guard {
        fn apply(&self, components: &mut edgemcp::transform::Components, _: &mut Vec<String>) {
            for tool in &mut components.tools {
                *tool = tool.clone().requires(Requirement::scopes(["far"]));
            }
        }
    }
    let tokens = StaticTokens::new()
        .token("ada-token", Principal::new("ada").scope("far"))
        .token("bob-token", Principal::new("bob"));
    let far = Far::new(common::server(), Speaks::Both);
    let server =
        Server::new("near", "1").verifier(tokens).mount(Mount::under("far", remote()).transform(Guard));
    let stage = stage_of(server, &far);
    assert_eq!(names(&ask(&stage, "tools/list", json!({}), &[ADA]), "tools", "name").len(), 5);
    assert_eq!(names(&ask(&stage, "tools/list", json!({}), &[BOB]), "tools", "name").len(), 0);
    far.take();
    assert_eq!(call(&stage, "far_add", &[ADA]).message(), "3");
    assert!(call(&stage, "far_add", &[BOB]).code().is_some());
    let calls: Vec<Seen> = far.take();
    assert_eq!(calls.len(), 1, "what is refused here is not passed on");
}

#[test]
fn a_legacy_client_has_its_token_passed_on_too() {
    let far = Far::new(guarded(), Speaks::Both);
    let stage = stage_of(near(remote().forward_authorization()), &far);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "far_wipe"}});
    let version = ProtocolVersion::V2025_11_25.as_str();
    let answer = stage.post(body.to_string(), &[("mcp-protocol-version", version), ADA]);
    assert_eq!(answer.message(), "wiped by ada");
}

#[test]
fn a_change_that_cannot_be_served_shows_nobody_what_another_caller_sees() {
    let plugins = edgemcp::compose::Live::new();
    let far = Far::new(guarded(), Speaks::Both);
    let stage = stage_of(near(remote().forward_authorization()).live(&plugins), &far);
    let sees = |who| names(&ask(&stage, "tools/list", json!({}), &[who]), "tools", "name");
    let spell = |said: &'static str| Tool::new("spell", said, |_, _: NoArguments| async { "fine" });
    plugins.add_tool(spell("Spell.")).unwrap();
    for who in [ADA, BOB] {
        assert_eq!(sees(who).contains(&"far_wipe".to_owned()), who == ADA);
    }
    // One with a version and one without cannot both be served.
    plugins.add_tool(spell("Spell anew.").version("2")).unwrap();
    for who in [ADA, BOB, ADA, BOB] {
        let seen = sees(who);
        assert_eq!(seen.contains(&"far_wipe".to_owned()), who == ADA, "{who:?}: {seen:?}");
        assert!(seen.contains(&"far_add".to_owned()) && seen.contains(&"spell".to_owned()), "{seen:?}");
    }
    assert!(stage.log.all().contains("a change of the server is not served"), "{}", stage.log.all());
}

#[test]
fn what_a_remote_answers_to_a_header_that_is_passed_on_is_cached_for_nobody_without_it() {
    let whose = Tool::new("whose", "Whose.", |cx: Context, _: NoArguments| async move {
        let header = |name| cx.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("none");
        format!("{} {}", header("authorization"), header("x-tenant"))
    });
    let far = Far::new(common::server().tool(whose.read_only(true).idempotent(true)), Speaks::Both);
    let passes_on = remote().forward_authorization().forward_header("x-tenant");
    let stage = stage_of(near(passes_on).middleware(ResponseCaching::new()), &far);
    let acme = [ADA, ("x-tenant", "acme")];
    for _ in 0..2 {
        for (sent, answer) in [
            (&acme[..], "Bearer ada-token acme"),
            (&[ADA], "Bearer ada-token none"),
            (&[BOB], "Bearer bob-token none"),
            (&[], "none none"),
        ] {
            assert_eq!(call(&stage, "far_whose", sent).message(), answer);
        }
    }
    let calls = far.methods().iter().filter(|method| *method == "tools/call").count();
    assert_eq!(calls, 4, "each is asked for once");
}
