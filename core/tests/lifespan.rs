//! What a server starts once per instance: when, how often, and what becomes of it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Answer, Stage, modern};
use edgemcp::{Health, START_TIME_MAX, http::Body, platform::Platform, prelude::*};
use futures_util::{FutureExt, future::BoxFuture, poll};
use http::{Request, Response};
use serde_json::{Value, json};

struct App {
    number: usize,
}

struct Other(&'static str);

/// Tell the number of the start.
#[tool]
async fn number(app: State<App>) -> usize {
    app.number
}

/// Add to the number of the start.
#[tool]
fn number_and(cx: &Context, app: State<App>, other: State<Other>, more: usize) -> Result<String, ToolError> {
    assert_eq!(cx.state::<App>()?.number, app.number);
    Ok(format!("{} {}", app.number + more, other.0))
}

/// The number of the start.
#[resource("data://number/{more}")]
async fn number_at(app: State<App>, more: usize) -> String {
    (app.number + more).to_string()
}

/// Says the number of the start.
#[prompt]
fn say_number(app: State<App>, more: usize) -> String {
    (app.number + more).to_string()
}

#[completion(prompt = "say_number", argument = "more")]
fn more(app: State<App>, more: String) -> Vec<String> {
    vec![format!("{more}{}", app.number)]
}

/// How often something happened, and in which order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A server whose `n`th start is what `start` makes of `n`.
fn server<F>(start: F) -> (Server, Arc<AtomicUsize>)
where
    F: Fn(usize, Platform) -> BoxFuture<'static, Result<App, String>> + Send + Sync + 'static,
{
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&starts);
    let server = Server::new("test", "1.0.0")
        .lifespan(move |platform| start(counted.fetch_add(1, Ordering::Relaxed) + 1, platform))
        .tool(number::tool());
    (server, starts)
}

fn at_once(number: usize) -> BoxFuture<'static, Result<App, String>> {
    Box::pin(async move { Ok(App { number }) })
}

fn request(method: &str, params: Value) -> Request<Bytes> {
    let (body, headers) = modern(method, params);
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_string().into()).unwrap()
}

fn call() -> Request<Bytes> {
    request("tools/call", json!({"name": "number", "arguments": {}}))
}

/// The text of an answer's content, or of its error.
fn said(response: Response<Body>) -> String {
    let body = response.into_body().collect(usize::MAX).now_or_never().unwrap().unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    let text = json["error"]["message"].as_str().or(json["result"]["content"][0]["text"].as_str());
    text.unwrap().to_owned()
}

#[test]
fn what_is_started_is_started_once_and_reaches_every_kind_of_handler_in_every_revision() {
    let (server, starts) = server(|number, _| at_once(number));
    let server = server
        .lifespan(|_| async { Ok::<_, String>(Other("things")) })
        .tool(number_and::tool())
        .resource(number_at::resource())
        .prompt(say_number::prompt())
        .completion(more::completion());
    let stage = Stage::new(server);
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "number", "arguments": {}})) {
        assert_eq!(answer.message(), "1", "{version}");
    }
    let arguments = json!({"name": "number_and", "arguments": {"more": 2}});
    for (version, answer) in stage.everywhere("tools/call", arguments) {
        assert_eq!(answer.message(), "3 things", "{version}");
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://number/3"})) {
        assert_eq!(answer.json["result"]["contents"][0]["text"], "4", "{version}");
    }
    let prompt = json!({"name": "say_number", "arguments": {"more": "4"}});
    for (version, answer) in stage.everywhere("prompts/get", prompt) {
        assert_eq!(answer.json["result"]["messages"][0]["content"]["text"], "5", "{version}");
    }
    let completion = json!({
        "ref": {"type": "ref/prompt", "name": "say_number"},
        "argument": {"name": "more", "value": "7"},
    });
    for (version, answer) in stage.everywhere("completion/complete", completion) {
        assert_eq!(answer.json["result"]["completion"]["values"], json!(["71"]), "{version}");
    }
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[test]
fn a_state_is_no_argument_of_the_tool_and_its_function_stays_callable() {
    let (server, _) = server(|number, _| at_once(number));
    let server = server.lifespan(|_| async { Ok::<_, String>(Other("x")) }).tool(number_and::tool());
    let list = Stage::new(server).modern("tools/list", json!({}));
    let tools = list.json["result"]["tools"].as_array().unwrap();
    let properties = |name: &str| {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        tool["inputSchema"]["properties"].as_object().map(|properties| properties.keys().cloned().collect())
    };
    assert_eq!(properties("number_and"), Some(vec!["more".to_owned()]));
    assert_eq!(properties("number").unwrap_or_default(), Vec::<String>::new());
    assert_eq!(tools.iter().find(|tool| tool["name"] == "number").unwrap()["outputSchema"]["type"], "object");
    assert_eq!(number(State::new(App { number: 9 })).now_or_never(), Some(9));
}

#[test]
fn building_listing_and_what_is_refused_start_nothing() {
    let (server, starts) = server(|number, _| at_once(number));
    let stage = Stage::new(server);
    stage.modern("server/discover", json!({}));
    stage.modern("tools/list", json!({}));
    stage.modern("tools/call", json!({"name": "none", "arguments": {}}));
    stage.post("{", &[]);
    assert_eq!(starts.load(Ordering::Relaxed), 0);
}

#[test]
fn two_first_requests_at_once_start_it_once() {
    let (server, starts) = server(|number, platform| {
        Box::pin(async move {
            platform.sleep(Duration::from_secs(1)).await;
            Ok(App { number })
        })
    });
    let stage = Stage::new(server);
    futures_executor::block_on(async {
        let mut first = stage.service.handle(&stage.platform, call());
        let mut second = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        stage.clock.advance(Duration::from_millis(900));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        stage.clock.advance(Duration::from_millis(100));
        assert!(poll!(&mut second).is_pending(), "it looks when its own time has come");
        assert_eq!(said(first.await), "1");
        stage.clock.advance(Duration::from_millis(20));
        assert_eq!(said(second.await), "1");
    });
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[test]
fn a_failed_start_fails_its_request_with_its_cause_in_the_log_and_the_next_one_tries_again() {
    let (server, starts) = server(|number, _| {
        Box::pin(async move {
            match number {
                1 => Err("the database at 10.0.0.7 refuses the password hunter2".to_owned()),
                2 => panic!("out of luck"),
                _ => Ok(App { number }),
            }
        })
    });
    let stage = Stage::new(server);
    for (version, answer) in
        stage.everywhere("tools/call", json!({"name": "number", "arguments": {}})).into_iter().take(2)
    {
        assert_eq!(answer.code(), Some(-32603), "{version}: {}", answer.text);
        assert_eq!(answer.message(), "the server could not start; the cause is in its log");
        assert!(!answer.text.contains("10.0.0.7"));
    }
    let log = stage.log.all();
    assert!(log.contains("the lifespan of `lifespan::App` did not start: the database at 10.0.0.7"), "{log}");
    assert!(log.contains("out of luck") && log.contains("(the next request tries again)"), "{log}");
    assert_eq!(stage.modern("tools/call", json!({"name": "number", "arguments": {}})).message(), "3");
    assert_eq!(starts.load(Ordering::Relaxed), 3);
}

#[test]
fn who_waited_for_a_start_that_fails_is_told_so_and_does_not_try_once_more() {
    let (server, starts) = server(|number, platform| {
        Box::pin(async move {
            platform.sleep(Duration::from_secs(1)).await;
            if number == 1 { Err("no".to_owned()) } else { Ok(App { number }) }
        })
    });
    let stage = Stage::new(server);
    futures_executor::block_on(async {
        let mut first = stage.service.handle(&stage.platform, call());
        let mut second = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        stage.clock.advance(Duration::from_secs(1));
        assert!(said(first.await).contains("could not start"));
        assert!(said(second.await).contains("could not start"));
    });
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[test]
fn who_waited_for_a_start_that_fails_is_told_so_even_where_others_try_again_before_it_looks() {
    let (server, starts) = server(|_, platform| {
        Box::pin(async move {
            platform.sleep(Duration::from_secs(1)).await;
            Err("no".to_owned())
        })
    });
    let stage = Stage::new(server);
    futures_executor::block_on(async {
        let mut first = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut first).is_pending());
        stage.clock.advance(Duration::from_millis(990));
        let mut waiting = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut waiting).is_pending());
        stage.clock.advance(Duration::from_millis(10));
        assert!(said(first.await).contains("could not start"));
        let mut next = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut next).is_pending());
        stage.clock.advance(Duration::from_millis(10));
        let told = waiting.now_or_never().expect("it does not wait for the next attempt");
        assert!(said(told).contains("could not start"));
        stage.clock.advance(Duration::from_secs(1));
        assert!(said(next.await).contains("could not start"));
    });
    assert_eq!(starts.load(Ordering::Relaxed), 2);
}

#[test]
fn a_request_that_is_dropped_while_it_cleans_up_leaves_the_start_to_the_next() {
    let tries = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&tries);
    // Its clean-up takes longer than the client waits.
    let other = Lifespan::new(|_| async { Ok::<_, String>(Other("x")) }).on_stop(|_| std::future::pending());
    let server = Server::new("test", "1.0.0")
        .with_lifespan(other)
        .lifespan(move |_| {
            let number = tried.fetch_add(1, Ordering::Relaxed) + 1;
            async move { if number == 1 { Err("no") } else { Ok(App { number }) } }
        })
        .tool(number::tool());
    let stage = Stage::new(server);
    let mut first = stage.service.handle(&stage.platform, call());
    assert!((&mut first).now_or_never().is_none(), "it cleans up");
    drop(first);
    let next = stage.service.handle(&stage.platform, call()).now_or_never();
    assert_eq!(said(next.expect("it does not wait for who is gone")), "2");
}

#[test]
fn a_request_that_is_dropped_in_the_middle_leaves_the_start_to_the_next() {
    let (server, starts) = server(|number, platform| {
        Box::pin(async move {
            if number == 1 {
                platform.sleep(Duration::from_secs(1)).await;
            }
            Ok(App { number })
        })
    });
    let stage = Stage::new(server);
    futures_executor::block_on(async {
        let mut first = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut first).is_pending());
        drop(first);
        assert_eq!(said(stage.service.handle(&stage.platform, call()).await), "2");
    });
    assert_eq!(starts.load(Ordering::Relaxed), 2);
}

#[test]
fn a_start_that_stands_still_is_taken_over_and_cleaned_up_should_it_end_after_all() {
    let diary = Diary::default();
    let starts = Arc::new(AtomicUsize::new(0));
    let (counted, stopped) = (Arc::clone(&starts), diary.clone());
    let lifespan = Lifespan::new(move |platform| {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            // On Workers a request can stop being polled without being dropped.
            if number == 1 {
                platform.sleep(START_TIME_MAX * 2).await;
            }
            Ok::<_, String>(App { number })
        }
    })
    .on_stop(move |app: State<App>| {
        stopped.note(format!("stop {}", app.number));
        async {}
    });
    let stage = Stage::new(Server::new("test", "1.0.0").with_lifespan(lifespan).tool(number::tool()));
    futures_executor::block_on(async {
        let mut first = stage.service.handle(&stage.platform, call());
        let mut second = stage.service.handle(&stage.platform, call());
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        stage.clock.advance(START_TIME_MAX - Duration::from_millis(1));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(starts.load(Ordering::Relaxed), 1);
        stage.clock.advance(Duration::from_millis(20));
        assert_eq!(said(second.await), "2");
        stage.clock.advance(START_TIME_MAX);
        assert_eq!(said(first.await), "2", "the first to have started counts");
    });
    assert_eq!(diary.read(), ["stop 1"]);
}

#[test]
fn several_are_started_in_their_order_and_stopped_in_the_other() {
    let diary = Diary::default();
    let span = |name: &'static str| {
        let (start, stop) = (diary.clone(), diary.clone());
        (move || start.note(format!("start {name}")), move || stop.note(format!("stop {name}")))
    };
    let ((start_app, stop_app), (start_other, stop_other)) = (span("app"), span("other"));
    let app = Lifespan::new(move |_| {
        start_app();
        at_once(1)
    })
    .on_stop(move |_| {
        stop_app();
        async { panic!("it breaks") }
    });
    let other = Lifespan::new(move |_| {
        start_other();
        async { Ok::<_, String>(Other("x")) }
    })
    .on_stop(move |other: State<Other>| {
        assert_eq!(other.0, "x");
        stop_other();
        async {}
    });
    let server = Server::new("test", "1.0.0").with_lifespan(other).with_lifespan(app).tool(number::tool());
    let stage = Stage::new(server);
    let stop = || futures_executor::block_on(stage.service.stop(&stage.platform));
    stop();
    assert_eq!(diary.read(), Vec::<String>::new(), "what was not started is not stopped");
    stage.send(call());
    assert_eq!(diary.read(), ["start other", "start app"]);
    stop();
    stop();
    assert_eq!(diary.read()[2..], ["stop app", "stop other"]);
    assert!(stage.log.all().contains("the lifespan of `lifespan::App` did not stop"));
    assert_eq!(said(stage.send(call())), "1", "a request after it starts them anew");
    assert_eq!(diary.read().len(), 6);
}

#[test]
fn what_was_started_before_another_failed_is_cleaned_up() {
    let diary = Diary::default();
    let stopped = diary.clone();
    let other = Lifespan::new(|_| async { Ok::<_, String>(Other("x")) }).on_stop(move |_| {
        stopped.note("stop");
        async {}
    });
    let server = Server::new("test", "1.0.0")
        .with_lifespan(other)
        .lifespan(|_| async { Err::<App, _>("no") })
        .tool(number::tool());
    let stage = Stage::new(server);
    assert!(said(stage.send(call())).contains("could not start"));
    assert_eq!(diary.read(), ["stop"]);
    let started = futures_executor::block_on(stage.service.start(&stage.platform));
    assert_eq!(
        started.unwrap_err(),
        "the lifespan of `lifespan::App` did not start: no (the next request tries again)"
    );
}

#[test]
fn it_can_be_started_before_the_first_request() {
    let (server, starts) = server(|number, _| at_once(number));
    let stage = Stage::new(server);
    futures_executor::block_on(stage.service.start(&stage.platform)).unwrap();
    assert_eq!(said(stage.send(call())), "1");
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_started_sees_nothing_of_the_request_that_starts_it() {
    let (server, _) = server(|number, platform| {
        Box::pin(async move {
            match (platform.deadline(), platform.background(), platform.var("TEST_TOKEN").as_deref()) {
                (None, None, Some("sesame")) => Ok(App { number }),
                _ => Err("it sees it".to_owned()),
            }
        })
    });
    let stage = Stage::new(server);
    let platform = stage.platform.clone().with_deadline(stage.platform.now().after(Duration::from_secs(9)));
    let answer = futures_executor::block_on(stage.service.handle(&platform, call()));
    assert_eq!(said(answer), "1");
}

#[test]
fn a_state_that_nobody_gives_and_one_that_two_give_are_found_when_the_server_is_built() {
    let error = Server::new("test", "1.0.0").tool(number::tool()).build().unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    let problem = &error.problems()[0];
    assert!(problem.starts_with("tool \"number\": `State<lifespan::App>` is asked for"), "{problem}");
    assert!(problem.contains("`Server::lifespan("), "{problem}");
    let error = Server::new("test", "1.0.0")
        .resource(number_at::resource())
        .prompt(say_number::prompt())
        .completion(more::completion())
        .build()
        .unwrap_err();
    for who in ["resource \"data://number/{more}\"", "prompt \"say_number\"", "completion of \"more\""] {
        assert!(error.to_string().contains(who), "{who} in {error}");
    }
    let (twice, _) = server(|number, _| at_once(number));
    let error = twice.lifespan(|_| at_once(2)).build().unwrap_err();
    assert_eq!(
        error.problems(),
        ["two lifespans give a `State<lifespan::App>` (wrap one of them in a type of its own)"]
    );
}

#[test]
fn a_handler_that_asks_for_what_nobody_gives_is_told_in_the_log() {
    let server = Server::new("test", "1.0.0").tool(Tool::new("x", "X.", |cx, _: NoArguments| async move {
        cx.state::<App>().map(|app| app.number)
    }));
    let stage = Stage::new(server);
    let answer = stage.modern("tools/call", json!({"name": "x", "arguments": {}}));
    assert_eq!(answer.message(), "the tool failed; the cause is in the server's log");
    assert!(stage.log.all().contains("no lifespan of this server gives it"));
}

fn health(stage: &Stage) -> Value {
    let answer = stage.modern("resources/read", json!({"uri": "health://status"}));
    serde_json::from_str(answer.json["result"]["contents"][0]["text"].as_str().unwrap()).unwrap()
}

#[test]
fn health_tells_of_the_store_the_lifespan_and_every_check() {
    let (server, starts) = server(|number, _| {
        Box::pin(async move { if number == 1 { Err("hunter2".to_owned()) } else { Ok(App { number }) } })
    });
    let failing = Arc::new(AtomicUsize::new(0));
    let fails = Arc::clone(&failing);
    let health_resource = Health::new().check("api", move |cx| {
        let fails = fails.load(Ordering::Relaxed);
        async move {
            cx.state::<App>()?;
            if fails > 0 { Err(ToolError::new("api.internal is down")) } else { Ok(()) }
        }
    });
    let stage = Stage::new(server.resource(health_resource));

    let report = health(&stage);
    assert_eq!(report["status"], "degraded");
    assert_eq!(report["checks"]["store"], json!({"healthy": true, "ms": 0}));
    assert_eq!(report["checks"]["lifespan"]["healthy"], false, "{report}");
    assert_eq!(report["checks"]["api"]["healthy"], false);
    assert!(!report.to_string().contains("hunter2"));
    assert!(stage.log.all().contains("hunter2"));

    let report = health(&stage);
    let expected = json!({
        "status": "healthy",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "server": {"name": "test", "version": "1.0.0"},
        "store": {"name": "memory", "durable": false, "shared": false},
        "checks": {
            "store": {"healthy": true, "ms": 0},
            "lifespan": {"healthy": true, "ms": 0},
            "api": {"healthy": true, "ms": 0},
        },
    });
    assert_eq!(report, expected);
    assert_eq!(starts.load(Ordering::Relaxed), 2);

    failing.store(1, Ordering::Relaxed);
    stage.store.fail(true);
    let report = health(&stage);
    assert_eq!(report["status"], "degraded");
    let masked = json!({"healthy": false, "ms": 0, "error": "it failed; the cause is in the server's log"});
    assert_eq!((&report["checks"]["store"], &report["checks"]["api"]), (&masked, &masked));
    assert!(!report.to_string().contains("api.internal") && !report.to_string().contains("10.0.0.7"));
    assert!(stage.log.all().contains("the check \"api\" failed: api.internal is down"));
}

#[test]
fn a_check_that_does_not_end_is_degraded_after_its_time_and_one_that_panics_at_once() {
    let server = Server::new("test", "1.0.0").resource(
        Health::new()
            .time_max(Duration::from_secs(2))
            .check("slow", |_| std::future::pending())
            .check("broken", |_| async { panic!("out of luck") })
            .check("broken at once", |_| -> std::future::Ready<Result<(), ToolError>> { panic!("no luck") }),
    );
    let stage = Stage::new(server);
    let answer = futures_executor::block_on(async {
        let mut reading = stage
            .service
            .handle(&stage.platform, request("resources/read", json!({"uri": "health://status"})));
        assert!(poll!(&mut reading).is_pending());
        stage.clock.advance(Duration::from_secs(2));
        reading.await
    });
    let answer = Answer::new(answer);
    let report: Value =
        serde_json::from_str(answer.json["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(report["status"], "degraded");
    assert_eq!(
        report["checks"]["slow"],
        json!({"healthy": false, "ms": 2000, "error": "no answer within 2s"})
    );
    assert_eq!(report["checks"]["broken"]["healthy"], false);
    assert_eq!(report["checks"]["broken at once"]["healthy"], false);
    assert_eq!(report["checks"]["store"]["healthy"], true);
}
