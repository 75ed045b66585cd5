//! A remote that is down or slow: its own tools fail with a reason, the others work, and lists say what they lack.

use std::time::Duration;

use edgemcp::{Server, compose::Mount, prelude::*};
use serde_json::{Value, json};

use crate::{
    common::{self, Answer},
    ground::{Far, Speaks, Way, add, another, near, remote, stage, stage_of, tools},
};

const MINUTE: Duration = Duration::from_secs(60);

fn lacks(answer: &Answer) -> &Value {
    &answer.json["result"]["_meta"]["edgemcp/unavailable"]
}

/// Ways to be down, and what clients are told of each.
fn ways() -> [(Way, &'static str); 5] {
    [
        (Way::Cut, "it cannot be reached"),
        (Way::Silent, "no answer within 10s"),
        (
            Way::Blocked(503, "text/html", "<h1>db-7.internal is down</h1>".to_owned()),
            "it answered with HTTP status 503",
        ),
        (Way::Blocked(301, "text/plain", String::new()), "it answered with HTTP status 301"),
        (
            Way::Blocked(401, "application/json", "{}".to_owned()),
            "it does not let this server in, with HTTP status 401",
        ),
    ]
}

#[test]
fn while_a_remote_is_down_lists_say_so_and_the_rest_is_served() {
    for (way, why) in ways() {
        let far = Far::new(common::server(), Speaks::Both);
        let stage = stage(&far);
        far.set_way(way.clone());
        for (version, answer) in stage.everywhere("tools/list", json!({})) {
            assert_eq!(
                lacks(&answer),
                &json!([{"mount": "far", "why": why}]),
                "{way:?} {version}: {}",
                answer.text
            );
            assert_eq!(answer.json["result"]["tools"][0]["name"], "own");
        }
        for (version, answer) in stage.everywhere("tools/call", json!({"name": "own"})) {
            assert_eq!(answer.message(), "own", "{way:?} {version}");
        }
        for (version, answer) in stage.everywhere("tools/call", json!({"name": "far_add"})) {
            let says = format!("the server mounted as \"far\" cannot be asked ({why})");
            assert_eq!(answer.message(), says, "{way:?} {version}");
            assert_eq!(answer.json["result"]["isError"], true, "a model reads it: {}", answer.text);
        }
        for (method, params) in [
            ("resources/read", json!({"uri": "data://far/config"})),
            ("prompts/get", json!({"name": "far_greet"})),
        ] {
            for (version, answer) in stage.everywhere(method, params.clone()) {
                assert!(
                    answer.message().contains("\"far\" cannot be asked"),
                    "{way:?} {version}: {}",
                    answer.text
                );
                assert_eq!(answer.code(), Some(-32603), "{way:?} {version}");
            }
        }
        for seen in [answer_texts(&stage), stage.log.all()] {
            assert!(!seen.contains("db-7.internal"), "{seen}");
        }
    }
}

fn answer_texts(stage: &common::Stage) -> String {
    let answers = [stage.modern("tools/list", json!({})), add(stage)];
    answers.iter().map(|answer| answer.text.as_str()).collect()
}

#[test]
fn a_tool_whose_remote_goes_down_fails_with_a_reason_and_the_log_has_the_cause() {
    for speaks in [Speaks::ModernOnly, Speaks::LegacyOnly] {
        for (way, why) in ways() {
            let far = Far::new(common::server(), speaks);
            let stage = stage(&far);
            tools(&stage);
            far.set_way(way.clone());
            let answer = add(&stage);
            assert_eq!(answer.json["result"]["isError"], true, "{way:?}: {}", answer.text);
            let verb = if why.contains("let this server in") { "cannot be used" } else { "does not answer" };
            assert_eq!(answer.message(), format!("the server mounted as \"far\" {verb} ({why})"), "{way:?}");
            let read = stage.modern("resources/read", json!({"uri": "data://far/config"}));
            assert_eq!((read.code(), read.message()), (Some(-32603), answer.message()), "{way:?}");
            assert!(stage.log.all().contains("remote \"far\": "), "{}", stage.log.all());
            assert!(!answer.text.contains("10.0.0.7"), "{}", answer.text);
        }
        let far = Far::new(common::server(), speaks);
        let stage = stage(&far);
        tools(&stage);
        far.set_way(Way::Cut);
        add(&stage);
        assert!(stage.log.all().contains("connection refused by 10.0.0.7"), "{}", stage.log.all());
    }
}

#[test]
fn what_was_listed_is_used_for_a_day_while_the_remote_is_down() {
    let far = Far::new(common::server(), Speaks::Both);
    let first = stage(&far);
    tools(&first);
    far.set_way(Way::Cut);
    first.clock.advance(Duration::from_secs(301));
    // So it is on an instance that finds it in the store.
    for stage in [&first, &another(&first)] {
        let answer = stage.modern("tools/list", json!({}));
        assert_eq!(answer.json["result"]["tools"].as_array().unwrap().len(), 6);
        assert_eq!(lacks(&answer)[0]["why"], "it cannot be reached", "{}", answer.text);
        // Clients are not to keep it for long.
        assert_eq!(answer.json["result"]["ttlMs"], 15_000);
    }
    first.clock.advance(24 * 60 * MINUTE);
    for stage in [&first, &another(&first)] {
        let answer = stage.modern("tools/list", json!({}));
        assert_eq!(answer.json["result"]["tools"].as_array().unwrap().len(), 1, "{}", answer.text);
    }
}

#[test]
fn lists_leave_a_remote_alone_that_did_not_answer_and_come_back_to_it() {
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage(&far);
    far.set_way(Way::Silent);
    tools(&stage);
    far.methods();
    for _ in 0..10 {
        tools(&stage);
    }
    assert_eq!(far.methods(), [""; 0], "a slow remote is not waited for by every list");
    far.set_way(Way::Open);
    stage.clock.advance(Duration::from_secs(15));
    let answer = stage.modern("tools/list", json!({}));
    assert_eq!((answer.json["result"]["tools"].as_array().unwrap().len(), lacks(&answer)), (6, &Value::Null));
    assert_eq!(answer.json["result"]["ttlMs"], 300_000);
    // The clock was moved while it was waited for, and not for longer than it may take.
    far.set_way(Way::Silent);
    stage.clock.advance(Duration::from_secs(300));
    let before = edgemcp::platform::Clock::now(&stage.clock);
    tools(&stage);
    assert_eq!(edgemcp::platform::Clock::now(&stage.clock).since(before), Duration::from_secs(10));
}

#[test]
fn of_several_remotes_one_is_missing() {
    let far = Far::new(common::server(), Speaks::Both);
    let server = Server::new("near", "1")
        .mount(Mount::under("up", remote()))
        .mount(Mount::under("down", remote().header_from("x-key", "NOT_SET")));
    let stage = stage_of(server, &far);
    let answer = stage.modern("tools/list", json!({}));
    assert_eq!(answer.json["result"]["tools"].as_array().unwrap().len(), 5);
    let why = "this server is not set up to ask it; its log says what is missing";
    assert_eq!(lacks(&answer), &json!([{"mount": "down", "why": why}]));
    assert!(stage.log.all().contains("the setting `NOT_SET` is not set"), "{}", stage.log.all());
    assert_eq!(
        stage.modern("tools/call", json!({"name": "up_add", "arguments": {"a": 1, "b": 2}})).message(),
        "3"
    );
}

#[test]
fn a_time_limit_is_the_one_that_was_set() {
    let far = Far::new(common::server(), Speaks::Both);
    let stage = stage_of(near(remote().timeout(Duration::from_millis(1500))), &far);
    tools(&stage);
    far.set_way(Way::Silent);
    assert_eq!(
        add(&stage).message(),
        "the server mounted as \"far\" does not answer (no answer within 1.5s)"
    );
}

#[test]
fn a_remote_that_asks_for_fewer_requests_is_believed() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    tools(&stage);
    far.answer_instead(|_| {
        let mut answer = crate::ground::respond(429, "text/plain", "slow down");
        answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("7"));
        Some(answer)
    });
    let answer = add(&stage);
    assert_eq!((answer.code(), answer.header("retry-after")), (Some(-32000), Some("7")), "{}", answer.text);
    assert_eq!(
        answer.message(),
        "the server mounted as \"far\" asks for fewer requests (it asks to wait 7 s)"
    );
}

#[test]
fn a_store_that_fails_costs_requests_and_no_answer() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let stage = stage(&far);
    stage.store.fail(true);
    assert_eq!(add(&stage).message(), "3");
    assert_eq!(tools(&stage).len(), 6);
    assert!(stage.log.all().contains("what is known of it could not be"), "{}", stage.log.all());
}

#[test]
fn without_a_store_each_instance_knows_what_it_has_asked_for() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let fetch = std::sync::Arc::new(far.clone());
    let stage = common::Stage::built(near(remote()), common::Settings::default(), |builder| {
        builder.fetch(fetch).store(std::sync::Arc::new(edgemcp::store::NoStore))
    });
    for _ in 0..3 {
        assert_eq!((add(&stage).message(), tools(&stage).len()), ("3", 6));
    }
    assert_eq!(far.methods().iter().filter(|method| *method == "initialize").count(), 1);
    assert_eq!(stage.log.all(), "", "which is nothing to warn of");
}

#[test]
fn servers_that_mount_each_other_are_found_out() {
    let far = Far::new(Server::new("nobody", "1"), Speaks::ModernOnly);
    let looped = || {
        Server::new("loop", "1")
            .tool(Tool::new("own", "Own.", |_, _: NoArguments| async { "own" }))
            .mount(Mount::under("far", remote()))
    };
    // The server at the other end is this one.
    let stage = stage_of(looped(), &far);
    *far.stage.lock().unwrap() = stage.clone();
    let answer = stage.modern("tools/list", json!({}));
    assert_eq!(answer.json["result"]["tools"][0]["name"], "own", "{}", answer.text);
    assert!(far.take().len() <= 40, "a circle costs a bounded number of requests");
    assert!(stage.log.all().contains("two of them mount each other"), "{}", stage.log.all());
    let call = stage.modern("tools/call", json!({"name": "far_own"}));
    assert_eq!(call.message(), "own");
    // Past the limit a request is not passed on any more.
    let (body, mut headers) = common::modern("tools/call", json!({"name": "far_own"}));
    for (hops, says) in [("4", "own"), ("5", "passed on by 5 servers")] {
        headers.retain(|(name, _)| *name != "edgemcp-hops");
        headers.push(("edgemcp-hops", hops.to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = stage.post(body.to_string(), &headers);
        assert!(answer.message().contains(says), "{hops}: {}", answer.text);
    }
}
