//! A remote that lists or answers nonsense: what is of use is used, and the rest is left out, within limits.

use std::sync::Arc;

use edgemcp::{
    limits::{REMOTE_BYTES_MAX, REMOTE_ENTRIES_MAX, REMOTE_PAGES_MAX},
    platform::Timestamp,
    store::{MemoryStore, Store, Survey},
};
use edgemcp_testkit::ManualClock;
use serde_json::{Value, json};

use crate::{
    common::{self, Settings, Stage},
    ground::{Far, Seen, Speaks, another, names, near, remote, respond, result, stage, tools},
};

/// A remote whose lists of tools are answered so.
fn listing(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> (Far, Stage) {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    far.answer_instead(move |seen| (seen.method() == "tools/list").then(|| result(seen, &answer(seen))));
    let stage = stage(&far);
    (far, stage)
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

fn why(stage: &Stage) -> String {
    let answer = stage.modern("tools/list", json!({}));
    answer.json["result"]["_meta"]["edgemcp/unavailable"][0]["why"].as_str().unwrap_or_default().to_owned()
}

const FOREIGN: &str = "its answer is none of this protocol";

#[test]
fn what_cannot_be_used_is_left_out_and_said_in_the_log() {
    let (_far, stage) = listing(|_| {
        json!({"tools": [
            tool("good"),
            tool("good"),
            tool("bad name"),
            tool(&"n".repeat(125)),
            {"name": "none"},
            {"name": "text", "inputSchema": {"type": "string"}},
            {"name": "header", "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}},
            7, null, "tool", [],
        ]})
    });
    assert_eq!(tools(&stage), ["own", "far_good"]);
    let log = stage.log.all();
    for says in [
        "another one has its name",
        "cannot stand in a name",
        "1 to 128 characters",
        "`inputSchema`",
        "type: object",
        "only a string, an integer or a boolean",
        "it must be a tool",
    ] {
        assert!(log.contains(says), "{says}: {log}");
    }
    // A tool without a description is one.
    let answer = stage.modern("tools/list", json!({}));
    assert_eq!(
        answer.json["result"]["tools"][1],
        json!({"name": "far_good", "inputSchema": {"type": "object"}})
    );
}

#[test]
fn a_resource_that_could_not_be_read_is_left_out() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    far.answer_instead(|seen| match seen.method() {
        "resources/list" => Some(result(seen, &json!({"resources": [
            {"uri": "data://good", "name": "good"}, {"uri": "data://good", "name": "again"}, {"uri": "none", "name": "n"},
            {"uri": "data://nameless"},
        ]}))),
        "resources/templates/list" => Some(result(seen, &json!({"resourceTemplates": [
            {"uriTemplate": "file://a/{path*}", "name": "many"}, {"uriTemplate": "file://b/{name}", "name": "one"},
        ]}))),
        _ => None,
    });
    let stage = stage(&far);
    assert_eq!(names(&stage.modern("resources/list", json!({})), "resources", "uri"), ["data://far/good"]);
    let templates = stage.modern("resources/templates/list", json!({}));
    assert_eq!(names(&templates, "resourceTemplates", "uriTemplate"), ["file://far/b/{name}"]);
    let log = stage.log.all();
    for says in [
        "another one has its URI",
        "has no scheme",
        "a resource with a URI and a `name`",
        "only {name} is supported",
    ] {
        assert!(log.contains(says), "{says}: {log}");
    }
}

#[test]
fn pages_are_read_to_their_end_and_no_further_than_the_limit() {
    let paged = |pages: usize| {
        listing(move |seen| {
            let page: usize =
                seen.body["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
            let mut list = json!({"tools": [tool(&format!("t{page}"))]});
            if page + 1 < pages {
                list["nextCursor"] = (page + 1).to_string().into();
            }
            list
        })
    };
    assert_eq!(tools(&paged(REMOTE_PAGES_MAX).1).len(), REMOTE_PAGES_MAX + 1);
    let (far, stage) = paged(REMOTE_PAGES_MAX + 1);
    assert_eq!(why(&stage), FOREIGN);
    assert!(stage.log.all().contains("more than 100 pages"), "{}", stage.log.all());
    assert_eq!(far.methods().iter().filter(|method| *method == "tools/list").count(), REMOTE_PAGES_MAX);

    let (far, stage) = listing(|_| json!({"tools": [], "nextCursor": "here"}));
    assert_eq!(why(&stage), FOREIGN);
    assert!(stage.log.all().contains("its cursor leads back"), "{}", stage.log.all());
    assert_eq!(far.methods().iter().filter(|method| *method == "tools/list").count(), 2);
}

#[test]
fn so_many_entries_are_served_and_not_one_more() {
    let many = |count: usize| {
        let tools: Vec<_> = (0..count).map(|number| tool(&format!("t{number}"))).collect();
        listing(move |_| json!({"tools": tools.clone()}))
    };
    assert_eq!(tools(&many(REMOTE_ENTRIES_MAX).1).len(), REMOTE_ENTRIES_MAX + 1);
    assert_eq!(why(&many(REMOTE_ENTRIES_MAX + 1).1), FOREIGN);
    // Nor over several pages.
    let half: Vec<_> = (0..REMOTE_ENTRIES_MAX / 2 + 1).map(|number| tool(&format!("t{number}"))).collect();
    let (_far, stage) = listing(move |seen| match seen.body["params"]["cursor"].as_str() {
        None => json!({"tools": half.clone(), "nextCursor": "more"}),
        Some(_) => json!({"tools": half.clone()}),
    });
    assert_eq!(why(&stage), FOREIGN);
}

#[test]
fn answers_that_are_none_fail_the_call_and_nothing_else() {
    for (answer, says) in [
        (respond(200, "text/html", "<h1>Welcome</h1>"), FOREIGN),
        (respond(200, "application/json", "{}"), FOREIGN),
        (respond(202, "application/json", ""), FOREIGN),
        (respond(200, "application/json", r#"{"jsonrpc":"2.0","id":"other","result":{}}"#), FOREIGN),
        (respond(200, "text/event-stream", "data: {\"jsonrpc\":\n\n"), FOREIGN),
        (respond(200, "application/json", vec![0xff, 0xfe]), FOREIGN),
        (respond(200, "application/json", "[".repeat(100_000)), FOREIGN),
        (
            respond(200, "application/json", vec![b' '; REMOTE_BYTES_MAX + 1]),
            "its answer is larger than 8388608 bytes",
        ),
        (respond(500, "application/json", "{\"password\": \"hunter2\"}"), "it answered with HTTP status 500"),
    ] {
        let far = Far::new(common::server(), Speaks::ModernOnly);
        let stage = stage(&far);
        tools(&stage);
        let shown = format!("{:?}", answer.body().slice(..answer.body().len().min(40)));
        far.answer_instead(move |seen| (seen.method() == "tools/call").then(|| answer.clone()));
        let failed = crate::ground::add(&stage);
        assert!(failed.message().contains(says), "{shown}: {}", failed.text);
        assert_eq!(failed.json["result"]["isError"], true, "{shown}");
        assert!(!format!("{} {}", failed.text, stage.log.all()).contains("hunter2"), "{shown}");
        assert_eq!(stage.modern("tools/call", json!({"name": "own"})).message(), "own");
    }
}

#[test]
fn results_that_lack_something_fail_with_their_cause_in_the_log() {
    for (answer, says) in [
        (json!({"content": "text"}), "CallToolResult"),
        (json!({"content": [{"text": "untyped"}]}), "a content block with a `type`"),
        (json!({"resultType": "task", "taskId": "t"}), "a result of type \"task\""),
        (json!({"resultType": "input_required"}), "`inputRequests` or `requestState`"),
        (json!({"resultType": "input_required", "inputRequests": []}), "must be an object"),
    ] {
        let far = Far::new(common::server(), Speaks::ModernOnly);
        let stage = stage(&far);
        tools(&stage);
        let shown = answer.to_string();
        far.answer_instead(move |seen| (seen.method() == "tools/call").then(|| result(seen, &answer)));
        let failed = crate::ground::add(&stage);
        assert!(failed.message().contains(FOREIGN), "{shown}: {}", failed.text);
        assert!(stage.log.all().contains(says), "{shown}: {}", stage.log.all());
    }
}

#[test]
fn a_handshake_that_is_none_says_so_in_the_log() {
    for (discover, initialize, says) in [
        (
            json!({"supportedVersions": ["2099-01-01"], "capabilities": {}}),
            json!({}),
            "speaks none of our revisions, but \"2099-01-01\"",
        ),
        (json!({"odd": 1}), json!({"odd": 1}), "is no InitializeResult"),
        (
            json!({"odd": 1}),
            json!({"protocolVersion": "1999-01-01", "capabilities": {}}),
            "revision \"1999-01-01\"",
        ),
        (
            json!({"supportedVersions": ["2025-11-25"], "capabilities": {}}),
            json!({"protocolVersion": "2026-07-28", "capabilities": {}}),
            "revision \"2026-07-28\"",
        ),
    ] {
        let far = Far::new(common::server(), Speaks::Both);
        let stage = stage(&far);
        far.answer_instead(move |seen| match seen.method() {
            "server/discover" => Some(result(seen, &discover)),
            "initialize" => Some(result(seen, &initialize)),
            _ => None,
        });
        assert_eq!(why(&stage), FOREIGN, "{says}");
        assert!(stage.log.all().contains(says), "{says}: {}", stage.log.all());
    }
}

#[test]
fn what_stands_in_the_store_and_is_nothing_is_asked_for_anew() {
    let far = Far::new(common::server(), Speaks::LegacyOnly);
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let store = Arc::new(MemoryStore::new(Arc::new(clock)));
    let (fetch, kept) = (Arc::new(far.clone()), Arc::clone(&store));
    let first = Stage::built(near(remote()), Settings::default(), |builder| builder.fetch(fetch).store(kept));
    tools(&first);
    let entries = futures_executor::block_on(store.survey(None)).unwrap().entries;
    let ours: Vec<_> =
        entries.iter().filter(|entry| entry.key.partition().collection() == "edgemcp.remote").collect();
    assert_eq!(ours.len(), 2, "{entries:?}");
    for spoiled in ["", "null", "{}", "{\"version\":\"2099\"}", "\u{0}"] {
        for entry in &ours {
            futures_executor::block_on(store.put(&entry.key, spoiled.into(), None)).unwrap();
        }
        far.methods();
        assert_eq!(tools(&another(&first)).len(), 6, "{spoiled}");
        assert!(far.methods().contains(&"initialize".to_owned()), "{spoiled}");
    }
}

#[test]
fn a_client_that_claims_to_be_the_end_of_a_circle_takes_nothing_from_the_others() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let stage = stage(&far);
    let (body, mut headers) = common::modern("tools/list", json!({}));
    headers.push(("edgemcp-hops", "5".to_owned()));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let forged = stage.post(body.to_string(), &headers);
    assert!(forged.text.contains("passed on by 5 servers"), "{}", forged.text);
    let others = stage.modern("tools/list", json!({}));
    assert!(others.text.contains("far_add") && !others.text.contains("unavailable"), "{}", others.text);
}
