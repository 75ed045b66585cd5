//! Who sends too many requests is refused, whichever instance they meet, and nobody else is.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Answer, Settings, Stage, capable,
    live::{Behind, Session, call},
};
use edgemcp::{
    ProtocolVersion, Server, TaskSupport,
    auth::{Principal, StaticTokens},
    compose::Mount,
    future::BoxFuture,
    middleware::{Limiter, OnFailure, Per, RateLimiting, ResponseCaching, Verdict},
    platform::{Clock, Timestamp},
    prelude::*,
    store::{
        Consistency, MemoryStore, NoStore, Store, Survey,
        wrap::{Fallback, Statistics},
    },
};
use edgemcp_testkit::{FAILURE, ManualClock};
use futures_util::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn server() -> Server {
    Server::new("limited", "1")
        .tool(Tool::new("one", "One.", |_, _: NoArguments| async { 1 }))
        .tool(Tool::new("two", "Two.", |_, _: NoArguments| async { 2 }))
}

/// A server whose callers are Ada and Bob.
fn known() -> Server {
    let tokens = StaticTokens::new()
        .token("ada-token", Principal::new("ada").from_issuer("https://idp.example").through_client("app"))
        .token("ada-other", Principal::new("ada").from_issuer("https://idp.example").through_client("other"))
        .token("eve-token", Principal::new("ada").from_issuer("https://evil.example"))
        .token("bob-token", Principal::new("bob").from_issuer("https://idp.example"));
    server().verifier(tokens)
}

fn stage(limits: RateLimiting) -> Stage {
    Stage::new(server().middleware(limits))
}

fn calls(tool: &str) -> Value {
    json!({"name": tool})
}

fn is_refused(answer: &Answer) -> bool {
    match (answer.code(), answer.json.get("result")) {
        (Some(-32000), None) => true,
        (None, Some(_)) => false,
        _ => panic!("{answer:?}"),
    }
}

/// Which of so many requests are refused.
fn refusals(count: usize, ask: impl Fn() -> Answer) -> Vec<bool> {
    (0..count).map(|_| is_refused(&ask())).collect()
}

#[test]
fn a_request_too_many_is_refused_in_every_revision_as_fastmcp_does_and_says_when_to_come_again() {
    for version in ProtocolVersion::ALL {
        let stage = stage(RateLimiting::token_bucket(0.5).burst(2));
        let ask = || match version {
            ProtocolVersion::V2026_07_28 => stage.modern("tools/list", json!({})),
            _ => stage.legacy(version, "tools/list", json!({})),
        };
        assert_eq!(refusals(2, ask), [false, false], "{version:?}");
        let answer = ask();
        let error = &answer.json["error"];
        assert_eq!(error["code"], -32000, "{version:?}");
        assert_eq!(error["message"], "Rate limit exceeded for client: anonymous");
        assert_eq!(error["data"]["retryAfter"], 2);
        assert_eq!(answer.header("retry-after"), Some("2"));
        let status = match version {
            ProtocolVersion::V2026_07_28 => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        assert_eq!(answer.status, status);
        stage.clock.advance(Duration::from_millis(1_999));
        assert!(is_refused(&ask()));
        stage.clock.advance(Duration::from_millis(1));
        assert_eq!(refusals(2, ask), [false, true], "one has come back");
    }
}

#[test]
fn fastmcps_defaults_are_ten_a_second_and_twenty_at_once() {
    let stage = stage(RateLimiting::default());
    let ask = || stage.modern("server/discover", json!({}));
    let refused = refusals(25, ask);
    assert_eq!(refused.iter().filter(|refused| !**refused).count(), 20);
    stage.clock.advance(SECOND);
    assert_eq!(refusals(11, ask).iter().filter(|refused| !**refused).count(), 10);
    // A burst is twice the rate, and one at the least.
    let stage = self::stage(RateLimiting::token_bucket(0.1));
    assert_eq!(refusals(2, || stage.modern("server/discover", json!({}))), [false, true]);
}

#[test]
fn a_window_slides_and_a_fixed_one_begins_anew() {
    let sliding = stage(RateLimiting::sliding_window(2, MINUTE));
    let fixed = stage(RateLimiting::fixed_window(2, MINUTE));
    let ask = |stage: &Stage| stage.modern("tools/list", json!({}));
    for stage in [&sliding, &fixed] {
        stage.clock.advance(Duration::from_secs(50));
        assert_eq!(refusals(3, || ask(stage)), [false, false, true]);
        let told = ask(stage);
        assert_eq!(told.message(), "Rate limit exceeded: 2 requests per 1 minutes for client: anonymous");
        stage.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(ask(&sliding).header("retry-after"), Some("50"));
    assert_eq!(refusals(3, || ask(&fixed)), [false, false, true]);
    assert_eq!(ask(&fixed).header("retry-after"), Some("60"));
    sliding.clock.advance(Duration::from_secs(50));
    assert_eq!(refusals(3, || ask(&sliding)), [false, false, true]);
}

#[test]
fn every_request_counts_also_one_that_is_none_and_notifications_do_not() {
    let stage = stage(RateLimiting::token_bucket(1.0).burst(4));
    let legacy = |method| stage.legacy(ProtocolVersion::V2025_11_25, method, json!({}));
    assert_eq!(legacy("ping").json["result"], json!({}));
    assert_eq!(legacy("nothing").code(), Some(-32601));
    let note = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
    for _ in 0..5 {
        let answer = stage.post(note.to_string(), &[("mcp-protocol-version", "2025-11-25")]);
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let initialize = common::live::initialize(ProtocolVersion::V2025_11_25, &json!({}));
    let begin = || stage.post(initialize.to_string(), &[]);
    assert_eq!(refusals(3, begin), [false, false, true]);
    assert_eq!(begin().header("mcp-session-id"), None, "nobody begins a session who is refused");
}

#[test]
fn each_of_a_batch_counts() {
    let stage = stage(RateLimiting::token_bucket(1.0).burst(2));
    let ping = |id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let batch = json!([ping(1), ping(2), ping(3)]);
    let answer = stage.post(batch.to_string(), &[("mcp-protocol-version", "2025-03-26")]);
    let refused: Vec<_> =
        answer.json.as_array().unwrap().iter().map(|one| one["error"]["code"].as_i64()).collect();
    assert_eq!(refused, [None, None, Some(-32000)]);
}

#[test]
fn each_principal_has_a_count_and_is_told_of_nobody_else() {
    let stage = Stage::new(known().middleware(RateLimiting::token_bucket(1.0).burst(2)));
    let ask = |token| move |stage: &Stage| stage.modern_as(Some(token), "tools/list", json!({}));
    assert_eq!(refusals(3, || ask("ada-token")(&stage)), [false, false, true]);
    for token in ["bob-token", "eve-token"] {
        assert_eq!(refusals(2, || ask(token)(&stage)), [false, false], "{token}");
    }
    // The same user has no more by coming through another client.
    let refused = ask("ada-other")(&stage);
    assert_eq!(refused.message(), "Rate limit exceeded for client: ada");
    for answer in [ask("ada-token")(&stage), ask("bob-token")(&stage)] {
        for secret in ["token", "idp.example"] {
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
    }
    assert!(!ask("bob-token")(&stage).text.contains("ada"));
}

#[test]
fn clients_without_a_principal_are_known_by_their_session_and_the_rest_share_one_count() {
    let stage = stage(RateLimiting::token_bucket(1.0).burst(3));
    // Beginning a session counts for whoever has none yet.
    let (one, other) = (Session::begin(&stage), Session::begin(&stage));
    for session in [&one, &other] {
        assert_eq!(refusals(4, || session.post(&call("one"))), [false, false, false, true]);
    }
    let answer = one.post(&call("one"));
    assert_eq!(answer.message(), "Rate limit exceeded for client: this session");
    assert!(!answer.text.contains(&one.id));
    assert_eq!(refusals(2, || stage.modern("tools/list", json!({}))), [false, true]);
}

#[test]
fn an_address_counts_where_its_header_is_named_and_goes_before_a_session() {
    let limits = || RateLimiting::token_bucket(1.0).burst(2);
    let from = |stage: &Stage, address: &str| {
        let (body, mut headers) = common::modern("tools/list", json!({}));
        headers.push(("x-forwarded-for", address.to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.post(body.to_string(), &headers)
    };
    let stage = self::stage(limits().address_header("X-Forwarded-For"));
    let forged = AtomicUsize::new(0);
    // What stands before the last one the client may write as it likes.
    let forging = || from(&stage, &format!("10.0.0.{}, 192.0.2.7", forged.fetch_add(1, Ordering::Relaxed)));
    assert_eq!(refusals(3, forging), [false, false, true]);
    assert_eq!(forging().message(), "Rate limit exceeded for client: 192.0.2.7");
    assert_eq!(refusals(3, || from(&stage, "2001:db8:0:1::5")), [false, false, true]);
    assert!(is_refused(&from(&stage, "2001:db8:0:1:ffff::6")), "one client has all of a /64");
    assert!(!is_refused(&from(&stage, "2001:db8:0:2::5")));
    assert!(!is_refused(&from(&stage, "garbage")), "who has no address is nobody");

    // Whoever wants another session gets one, so an address counts for more.
    let session = Session::begin(&stage);
    let request =
        || session.request(http::Method::POST, call("one").to_string(), &[("x-forwarded-for", "192.0.2.7")]);
    assert!(is_refused(&Answer::new(stage.send(request()))));

    // A header that nobody has named says nothing.
    let stage = self::stage(limits());
    let addresses = AtomicUsize::new(0);
    let anybody = || from(&stage, &format!("192.0.2.{}", addresses.fetch_add(1, Ordering::Relaxed)));
    assert_eq!(refusals(3, anybody), [false, false, true]);
}

#[test]
fn a_limit_can_be_for_each_tool_for_each_client_and_tool_or_for_everybody() {
    let limits = |per| RateLimiting::token_bucket(1.0).burst(1).per(per);
    let call = |stage: &Stage, token, tool| stage.modern_as(Some(token), "tools/call", calls(tool));
    let staged = |per| Stage::new(known().middleware(limits(per)));

    let stage = staged(Per::Tool);
    assert!(!is_refused(&call(&stage, "ada-token", "one")));
    let refused = call(&stage, "bob-token", "one");
    assert_eq!(refused.message(), "Rate limit exceeded for tool: one");
    assert!(!is_refused(&call(&stage, "bob-token", "two")));
    // Names that are made up share one, or each would have a count of its own.
    assert_eq!(call(&stage, "ada-token", "three").code(), Some(-32602));
    assert!(is_refused(&call(&stage, "ada-token", "four")));
    assert_eq!(refusals(3, || stage.modern_as(Some("ada-token"), "tools/list", json!({}))), [false; 3]);

    let stage = staged(Per::ClientAndTool);
    assert!(!is_refused(&call(&stage, "ada-token", "one")));
    assert!(!is_refused(&call(&stage, "bob-token", "one")));
    assert!(!is_refused(&call(&stage, "ada-token", "two")));
    let refused = call(&stage, "ada-token", "one");
    assert_eq!(refused.message(), "Rate limit exceeded for tool: one, client: ada");

    let stage = staged(Per::Everybody);
    assert!(!is_refused(&call(&stage, "ada-token", "one")));
    assert_eq!(call(&stage, "bob-token", "two").message(), "Global rate limit exceeded");

    // Sessions are none.
    let stage = Stage::new(server().middleware(limits(Per::Principal)));
    let initialize = common::live::initialize(ProtocolVersion::V2025_11_25, &json!({}));
    assert_eq!(refusals(2, || stage.post(initialize.to_string(), &[])), [false, true]);
}

#[test]
fn a_closure_says_who_shares_a_count_and_its_text_is_told_to_nobody() {
    let limits = RateLimiting::token_bucket(1.0).burst(1).by(|cx, message| {
        let tenant = cx.headers().get("x-tenant")?.to_str().ok()?;
        (message.method() == "tools/call").then(|| format!("secret of {tenant}"))
    });
    let stage = stage(limits);
    let ask = |method: &str, tenant: &str| {
        let (body, mut headers) = common::modern(method, calls("one"));
        headers.push(("x-tenant", tenant.to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.post(body.to_string(), &headers)
    };
    assert!(!is_refused(&ask("tools/call", "a")));
    assert!(!is_refused(&ask("tools/call", "b")));
    let refused = ask("tools/call", "a");
    assert!(is_refused(&refused) && !refused.text.contains("secret"), "{}", refused.text);
    assert_eq!(refusals(3, || ask("tools/list", "a")), [false; 3]);
    assert_eq!(refusals(3, || stage.modern("tools/call", calls("one"))), [false; 3]);
}

#[test]
fn some_methods_and_some_tools_alone_can_be_counted() {
    let stage = stage(RateLimiting::token_bucket(1.0).burst(1).methods(["tools/list", "server/discover"]));
    assert_eq!(refusals(3, || stage.modern("tools/call", calls("one"))), [false; 3]);
    assert!(!is_refused(&stage.modern("server/discover", json!({}))));
    assert!(is_refused(&stage.modern("tools/list", json!({}))));

    let stage = self::stage(RateLimiting::token_bucket(1.0).burst(1).tools(["two"]));
    assert_eq!(refusals(3, || stage.modern("tools/call", calls("one"))), [false; 3]);
    assert_eq!(refusals(2, || stage.modern("tools/list", json!({}))), [false; 2]);
    assert_eq!(refusals(2, || stage.modern("tools/call", calls("two"))), [false, true]);
}

#[test]
fn two_limits_count_apart_and_one_that_is_shared_counts_for_two_servers() {
    let both = server()
        .middleware(RateLimiting::token_bucket(1.0).burst(3).per(Per::Everybody))
        .middleware(RateLimiting::token_bucket(1.0).burst(3).tools(["one"]));
    let stage = Stage::new(both);
    assert_eq!(refusals(3, || stage.modern("tools/call", calls("one"))), [false; 3]);
    assert!(is_refused(&stage.modern("tools/list", json!({}))));

    let limits = |requests| RateLimiting::token_bucket(1.0).burst(requests);
    let named = |name: &'static str, limits: RateLimiting| {
        Server::new(name, "1")
            .tool(Tool::new("one", "One.", |_, _: NoArguments| async { 1 }))
            .middleware(limits)
    };
    let ask = |stage: &Stage| stage.modern("tools/call", calls("one"));
    let first = Stage::new(named("first", limits(1)));
    let second = first.beside(named("second", limits(1)));
    assert_eq!((is_refused(&ask(&first)), is_refused(&ask(&second))), (false, false));
    let first = Stage::new(named("first", limits(1).shared_as("all")));
    let second = first.beside(named("second", limits(1).shared_as("all")));
    assert_eq!((is_refused(&ask(&first)), is_refused(&ask(&second))), (false, true));
}

#[test]
fn two_mounted_servers_with_the_same_limit_count_apart() {
    let child = || server().middleware(RateLimiting::token_bucket(1.0).burst(1));
    let parent =
        Server::new("parent", "1").mount(Mount::under("a", child())).mount(Mount::under("b", child()));
    let stage = Stage::new(parent);
    let ask = |tool: &str| is_refused(&stage.modern("tools/call", calls(tool)));
    assert_eq!(["a_one", "b_one", "a_two", "b_two"].map(ask), [false, false, true, true]);
}

#[test]
fn two_instances_share_one_count_and_a_local_one_is_each_instances_own() {
    for (is_local, admitted) in [(false, 4), (true, 8)] {
        let limits = || match RateLimiting::sliding_window(4, MINUTE) {
            limits if is_local => limits.local(),
            limits => limits,
        };
        let one = stage(limits());
        let other = one.beside(server().middleware(limits()));
        let ask = |stage: &Stage| is_refused(&stage.modern("tools/list", json!({})));
        let refused = (0..6).flat_map(|_| [ask(&one), ask(&other)]).filter(|refused| *refused).count();
        assert_eq!(12 - refused, admitted);
    }
}

#[test]
fn each_round_of_a_call_counts_and_what_nobodys_request_has_begun_does_not() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Name {
        name: String,
    }
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let server = server()
        .tool(Tool::new("greet", "Greet.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(name)
        }))
        .tool(
            Tool::new("slow", "Slow.", move |_, _: NoArguments| {
                counted.fetch_add(1, Ordering::Relaxed);
                async { "slept" }
            })
            .task(TaskSupport::Optional),
        )
        .middleware(RateLimiting::token_bucket(1.0).burst(2));
    let behind = Behind::default();
    let mut stage = Stage::new(server);
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));

    let asked = stage.modern("tools/call", json!({"name": "greet", "_meta": capable()}));
    let state = asked.json["result"]["requestState"].clone();
    let answers = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    let again =
        json!({"name": "greet", "requestState": state, "inputResponses": answers, "_meta": capable()});
    assert_eq!(stage.modern("tools/call", again.clone()).message(), "Ada");
    assert!(is_refused(&stage.modern("tools/call", again)));

    stage.clock.advance(SECOND);
    let takes_tasks = json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let answer = stage.modern("tools/call", json!({"name": "slow", "_meta": takes_tasks}));
    assert_eq!(answer.json["result"]["resultType"], "task", "{answer:?}");
    // It runs though its client has nothing left.
    behind.poll();
    assert_eq!(runs.load(Ordering::Relaxed), 2, "once for the answer, and once as the task");
    stage.clock.advance(SECOND);
    let id = answer.json["result"]["taskId"].clone();
    let done = stage.modern("tasks/get", json!({"taskId": id, "_meta": takes_tasks}));
    assert_eq!(done.json["result"]["status"], "completed", "{done:?}");
}

#[test]
fn it_costs_two_operations_of_the_store_to_admit_and_one_to_refuse() {
    for (limits, admitted, refused) in [
        (RateLimiting::token_bucket(1.0).burst(1), (1, 1, 0), (1, 0, 0)),
        (RateLimiting::sliding_window(1, SECOND), (1, 1, 0), (1, 0, 0)),
        (RateLimiting::fixed_window(1, SECOND), (0, 0, 1), (0, 0, 1)),
        (RateLimiting::fixed_window(1, SECOND).local(), (0, 0, 0), (0, 0, 0)),
    ] {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let store = Arc::new(Statistics::new(Arc::new(MemoryStore::new(Arc::new(clock)))));
        let stage = Stage::built(server().middleware(limits), Settings::default(), |builder| {
            builder.store(store.clone())
        });
        let operations = || {
            let counts = store.counts();
            let all = format!("{counts:?}").matches("calls: 0").count();
            (counts.get.calls, counts.put_if.calls, counts.increment.calls, all)
        };
        let since = |before: (u64, u64, u64, usize)| {
            let now = operations();
            (now.0 - before.0, now.1 - before.1, now.2 - before.2)
        };
        let before = operations();
        assert!(!is_refused(&stage.modern("tools/call", calls("one"))));
        assert_eq!(since(before), admitted);
        let before = operations();
        assert!(is_refused(&stage.modern("tools/call", calls("one"))));
        assert_eq!(since(before), refused);
        let kinds = [admitted.0, admitted.1, admitted.2].iter().filter(|calls| **calls > 0).count();
        assert_eq!(operations().3, 11 - kinds, "nothing else was done with the store");
    }
}

#[test]
fn the_store_forgets_who_has_not_come_for_a_while() {
    for limits in [
        RateLimiting::token_bucket(1.0).burst(3),
        RateLimiting::sliding_window(3, Duration::from_secs(3)),
        RateLimiting::fixed_window(3, Duration::from_secs(3)),
    ] {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let mut stage = Stage::built(server().middleware(limits), Settings::default(), |builder| {
            builder.store(store.clone())
        });
        stage.clock = clock.clone();
        assert_eq!(refusals(2, || stage.modern("tools/list", json!({}))), [false; 2]);
        let entries = || {
            let page = futures_executor::block_on(async {
                store.purge_expired().await?;
                store.survey(None).await
            });
            page.unwrap().entries.len()
        };
        assert_eq!(entries(), 1);
        clock.advance(Duration::from_secs(3));
        assert_eq!(entries(), 0);
    }
}

#[test]
fn who_cannot_be_counted_is_refused_unless_it_was_said_that_they_go_on() {
    let limits = || RateLimiting::token_bucket(1.0);
    for limits in [limits as fn() -> RateLimiting, || RateLimiting::fixed_window(5, SECOND)] {
        let stage = stage(limits());
        stage.store.fail(true);
        let answer = stage.modern("tools/call", calls("one"));
        assert_eq!(answer.code(), Some(-32603));
        assert!(!answer.text.contains("10.0.0.7"), "{}", answer.text);
        assert!(stage.log.all().contains(FAILURE));

        let stage = self::stage(limits().on_failure(OnFailure::Admit));
        stage.store.fail(true);
        assert_eq!(refusals(20, || stage.modern("tools/call", calls("one"))), [false; 20]);
        assert!(stage.log.all().contains("goes on uncounted"), "{}", stage.log.all());
    }
}

#[test]
fn a_local_limit_forgets_who_has_not_come_for_longest() {
    let limits = RateLimiting::token_bucket(0.001).burst(1).local_clients_max(2).address_header("x-real-ip");
    let stage = Stage::built(server().middleware(limits), Settings::default(), |builder| {
        builder.store(Arc::new(NoStore))
    });
    let ask = |address: &str| {
        let (body, mut headers) = common::modern("tools/list", json!({}));
        headers.push(("x-real-ip", address.to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        is_refused(&stage.post(body.to_string(), &headers))
    };
    assert_eq!(["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"].map(ask), [false, false, true, false]);
    assert_eq!(["192.0.2.1", "192.0.2.3"].map(ask), [true, true]);
    assert!(!ask("192.0.2.2"), "it was the one that was asked for longest ago");
}

#[test]
fn it_is_not_served_on_a_store_that_cannot_count_and_says_the_way_out() {
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let memory = || Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let weak = || Arc::new(Fallback::new(memory(), memory())) as Arc<dyn Store>;
    let problems = |limits: RateLimiting, store: Arc<dyn Store>| {
        let stage =
            Stage::built(server().middleware(limits), Settings::default(), |builder| builder.store(store));
        stage.service.problems(&stage.platform)
    };
    let limits = || RateLimiting::token_bucket(1.0);
    let [problem] = &problems(limits(), weak())[..] else { panic!("one problem") };
    assert!(problem.starts_with("`RateLimiting`, unless it is `local()`, needs a store"), "{problem}");
    assert!(problem.contains("needs a store that is atomic and consistent"), "{problem}");
    assert_eq!(problems(limits(), Arc::new(NoStore)).len(), 1);
    assert_eq!(problems(limits().local(), weak()), [""; 0]);
    assert_eq!(problems(limits(), memory()), [""; 0]);
    // Also one of a server that is mounted.
    let parent = Server::new("parent", "1").mount(server().middleware(limits()));
    let stage = Stage::built(parent, Settings::default(), |builder| builder.store(weak()));
    assert_eq!(stage.service.problems(&stage.platform).len(), 1);
}

#[test]
fn nonsense_is_refused_when_the_server_is_built_and_the_last_that_makes_sense_is_not() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (limits, says) in [
        (
            RateLimiting::token_bucket(0.0),
            "its rate is 0 per second: write a number above 0 and up to 1000000",
        ),
        (RateLimiting::token_bucket(f64::NAN), "its rate is NaN"),
        (RateLimiting::token_bucket(-1.0), "its rate is -1"),
        (RateLimiting::token_bucket(f64::INFINITY), "its rate is inf"),
        (RateLimiting::token_bucket(1e6 + 1.0), "its rate is 1000001"),
        (RateLimiting::token_bucket(1.0).burst(0), "its burst is 0: write a number from 1"),
        (RateLimiting::token_bucket(1e6).burst(1_000_001), "its burst is 1000001"),
        (RateLimiting::token_bucket(1.0 / 86_400.0).burst(32), "remember a client for 32 days"),
        (RateLimiting::sliding_window(0, SECOND), "its number of requests is 0"),
        (RateLimiting::sliding_window(1, Duration::ZERO), "its window is 0ns"),
        (RateLimiting::fixed_window(1, 32 * day), "a window of 31 days at the most"),
        (RateLimiting::fixed_window(1, SECOND).burst(2), "it has a burst of 2, and no token bucket"),
        (RateLimiting::default().local_clients_max(0), "it remembers 0 clients"),
        (RateLimiting::by_limiter(Odd::default()).local(), "a limiter counts for it"),
        (RateLimiting::default().address_header("x forwarded"), "the header \"x forwarded\", which is none"),
        (RateLimiting::default().methods(["tool/call"]), "the method \"tool/call\", which no revision has"),
        (
            RateLimiting::default().methods(["tools/list"]).tools(["one"]),
            "`tools/call` is not among its methods",
        ),
        (
            RateLimiting::default().methods(["tools/list"]).per(Per::Tool),
            "`tools/call` is not among its methods",
        ),
    ] {
        let error = server().middleware(limits).build().unwrap_err();
        let [problem] = error.problems() else { panic!("{says}: {error}") };
        assert!(problem.starts_with("middleware `RateLimiting`: ") && problem.contains(says), "{problem}");
    }
    for limits in [
        RateLimiting::token_bucket(1e6).burst(1_000_000),
        RateLimiting::token_bucket(1.0 / 86_400.0).burst(31),
        RateLimiting::sliding_window(1_000_000, 31 * day),
        RateLimiting::fixed_window(1, Duration::from_millis(1)),
        RateLimiting::default().methods(["tools/list", "tools/call"]).tools(["one"]),
    ] {
        server().middleware(limits).build().unwrap();
    }
    let wrong = server().middleware(ResponseCaching::new()).middleware(RateLimiting::default());
    assert!(
        wrong.build().unwrap_err().to_string().contains("`ResponseCaching` stands before `RateLimiting`")
    );
}

/// Lets every other request through.
#[derive(Default)]
struct Odd {
    asked: AtomicUsize,
    fails: bool,
}

impl Limiter for Odd {
    fn limit<'a>(&'a self, _: &'a Context, key: &'a str) -> BoxFuture<'a, Result<Verdict, Error>> {
        assert_eq!(key.len(), 43, "{key}");
        let refused = Verdict::Refused { retry_after: Duration::from_secs(10) };
        let is_odd = self.asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        let verdict = match self.fails {
            true => Err(Error::internal("nobody is there")),
            false => Ok(if is_odd { refused } else { Verdict::Admitted }),
        };
        Box::pin(std::future::ready(verdict))
    }
}

#[test]
fn somebody_else_can_count() {
    let stage = stage(RateLimiting::by_limiter(Odd::default()));
    let ask = || stage.modern("tools/list", json!({}));
    assert_eq!(refusals(3, ask), [false, true, false]);
    let refused = ask();
    assert_eq!(refused.message(), "Rate limit exceeded for client: anonymous");
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(stage.store.changes(), 0);

    let failing = || RateLimiting::by_limiter(Odd { fails: true, ..Odd::default() });
    let stage = self::stage(failing());
    assert_eq!(stage.modern("tools/list", json!({})).code(), Some(-32603));
    let stage = self::stage(failing().on_failure(OnFailure::Admit));
    assert!(!is_refused(&stage.modern("tools/list", json!({}))));
}

/// A clock that stands, and lets other threads go on whenever it is looked at: between a read and the write after it, too.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        std::thread::yield_now();
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::thread::yield_now();
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn of_requests_on_many_threads_exactly_as_many_go_on_as_may() {
    const THREADS: usize = 8;
    const EACH: usize = 60;
    for limits in [
        || RateLimiting::token_bucket(10.0).burst(100),
        || RateLimiting::sliding_window(100, MINUTE),
        || RateLimiting::fixed_window(100, MINUTE),
    ] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(Standing)));
        let platform = edgemcp::platform::Platform::builder(
            Arc::new(Standing),
            Arc::new(edgemcp_testkit::Counting::default()),
        );
        let platform = platform.store(store).build();
        let instances = [0, 1].map(|_| Arc::new(server().middleware(limits()).build().unwrap()));
        let admitted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (instance, platform, admitted) = (&instances[thread % 2], &platform, &admitted);
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let (body, headers) = common::modern("tools/call", calls("one"));
                        let mut request =
                            http::Request::post("/mcp").header("content-type", "application/json");
                        for (name, value) in &headers {
                            request = request.header(*name, value);
                        }
                        let request = request.body(body.to_string().into()).unwrap();
                        let answer = futures_executor::block_on(instance.handle(platform, request));
                        if answer.status() == StatusCode::OK {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 100);
    }
}

/// A clock on which somebody else's request is counted whenever it is looked at.
struct Meddling(Arc<MemoryStore>);

impl Clock for Meddling {
    fn now(&self) -> Timestamp {
        for entry in self.0.survey(None).now_or_never().unwrap().unwrap().entries {
            let read = self.0.get(&entry.key, Consistency::Strong).now_or_never().unwrap().unwrap().unwrap();
            let full_at: u64 = std::str::from_utf8(&read.value).unwrap().parse().unwrap();
            let put = self.0.put(&entry.key, (full_at + 1).to_string().into(), Some(MINUTE));
            put.now_or_never().unwrap().unwrap();
        }
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn a_count_that_others_always_change_first_is_tried_twenty_times_and_then_refused() {
    let still = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let memory = Arc::new(MemoryStore::new(Arc::new(still)));
    let store = Arc::new(Statistics::new(memory.clone()));
    for on_failure in [OnFailure::Refuse, OnFailure::Admit] {
        let limits = RateLimiting::token_bucket(1.0).burst(10).on_failure(on_failure);
        let instance = edgemcp_testkit::Instance::new(
            server().middleware(limits),
            store.clone(),
            Arc::new(Meddling(memory.clone())),
        );
        let ask = || futures_executor::block_on(instance.ask("server/discover", "{}"));
        if on_failure == OnFailure::Refuse {
            assert_eq!(ask().0, StatusCode::OK, "nobody else is there yet");
        }
        let before = store.counts();
        let (status, answer) = ask();
        // Whoever comes first is counted, so letting this one through would be one too many: also of a courtesy.
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.contains("\"retryAfter\":1}"), "{answer}");
        let after = store.counts();
        assert_eq!((after.get.calls - before.get.calls, after.put_if.calls - before.put_if.calls), (20, 20));
    }
}
