//! A whole function in a process of its own: how it starts, or does not, and what it tells Lambda's runtime API.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::{
    process::{ExitCode, Output, Stdio},
    sync::{Arc, Mutex},
};

use common::recorded;
use edgemcp::{
    platform::{LogLevel, Platform},
    prelude::*,
};
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use wire::{Asked, Told};

/// Not a test: this binary started again, as a function.
#[test]
fn function() {
    if !edgemcp_lambda::is_lambda() {
        return;
    }
    let mut server = common::server().route(Method::GET, "/panics", |_, _| async { panic!("a bug") });
    if std::env::args().any(|arg| arg == "twice") {
        server = server.tool(common::add::tool());
    }
    if std::env::args().any(|arg| arg == "cleans") {
        let start = |platform: Platform| async move { Ok::<_, String>(platform) };
        let stop = |platform: State<Platform>| async move { platform.log(LogLevel::Info, "cleaned up") };
        server = server.with_lifespan(Lifespan::new(start).on_stop(stop));
    }
    let code = edgemcp_lambda::run(move || server);
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

fn start(runtime_api: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "function", "--nocapture"])
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "adder")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[test]
fn a_process_without_the_runtime_api_is_no_function() {
    assert!(!edgemcp_lambda::is_lambda());
}

#[tokio::test]
async fn a_function_that_cannot_start_says_everything_that_is_wrong_and_asks_for_no_event() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let address = wire::serve(move |_| {
        *count.lock().unwrap() += 1;
        Told::Silence
    })
    .await;
    let output = start(&address)
        .arg("twice")
        .env("EDGEMCP_LAMBDA_RESPONSE", "stream")
        .env("EDGEMCP_LAMBDA_TASKS", "queue")
        .env("EDGEMCP_LOG", "trace")
        .env("EDGEMCP_LOG_FORMAT", "xml")
        .env("EDGEMCP_TABLE", "adder")
        .env("EDGEMCP_REDIS_URL", "redis://app:s3cret@redis.example")
        .env_remove("AWS_LAMBDA_FUNCTION_VERSION")
        .output()
        .await
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    let problems: Vec<_> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    for part in [
        "`EDGEMCP_LAMBDA_RESPONSE`",
        "`EDGEMCP_LAMBDA_TASKS`",
        "`EDGEMCP_LOG`",
        "`EDGEMCP_LOG_FORMAT`",
        "AWS_REGION",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "`edgemcp_lambda::Program::new(server).store(edgemcp_redis::opener()).run()`",
        "\"add\"",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part} in {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
    assert_eq!(*asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_function_that_would_invoke_itself_needs_a_table_and_an_address() {
    let table = [
        ("EDGEMCP_TABLE", "adder"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_LAMBDA", "nowhere"),
    ];
    for (settings, parts) in [
        (&table[..0], ["`EDGEMCP_LAMBDA_TASKS`", "`EDGEMCP_TABLE` is not set"]),
        // One problem is not told as two.
        (&table[..1], ["AWS_REGION", "AWS_DEFAULT_REGION"]),
        (&table[..], ["`AWS_ENDPOINT_URL_LAMBDA`", "\"nowhere\""]),
    ] {
        let address = wire::serve(|_| Told::Silence).await;
        let mut command = start(&address);
        command.env("EDGEMCP_LAMBDA_TASKS", "invoke").envs(settings.iter().copied());
        let output = command.output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        let problems: Vec<_> = log.lines().filter(|line| line.starts_with("error: ")).collect();
        let is_told = problems.len() == 1 && parts.iter().all(|part| problems[0].contains(part));
        assert!(is_told, "{parts:?} in {log}");
    }
}

/// Hands a function these events, one after the other, and returns what it posted for each.
async fn posted(events: Vec<Value>, settings: &[(&str, &str)]) -> Vec<Asked> {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let count = events.len();
    let mut events = events.into_iter().enumerate();
    let address = wire::serve(move |asked: &Asked| {
        if asked.what != "GET /2018-06-01/runtime/invocation/next" {
            let _ = send.send(asked.clone());
            return Told::Answer(202, String::new(), String::new());
        }
        let Some((id, event)) = events.next() else { return Told::Silence };
        let head = format!(
            "lambda-runtime-aws-request-id: {id}\r\nlambda-runtime-deadline-ms: 32503680000000\r\n\
             lambda-runtime-invoked-function-arn: arn\r\n"
        );
        Told::Answer(200, head, event.to_string())
    })
    .await;
    let mut process = start(&address).envs(settings.iter().copied()).spawn().unwrap();
    let mut posted = Vec::new();
    while posted.len() < count {
        tokio::select! {
            asked = receive.recv() => posted.push(asked.unwrap()),
            status = process.wait() => panic!("the function ended: {status:?}"),
        }
    }
    posted
}

fn panicking() -> Value {
    let mut event = recorded("function-url");
    event["rawPath"] = json!("/panics");
    event["requestContext"]["http"]["method"] = json!("GET");
    event
}

#[tokio::test]
async fn what_a_function_has_started_is_cleaned_up_when_lambda_ends_it() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let mut events = 0;
    let address = wire::serve(move |asked: &Asked| {
        let _ = send.send(asked.what.clone());
        match asked.what.as_str() {
            "POST /2020-01-01/extension/register" => Told::Answer(
                200,
                "lambda-extension-identifier: 1\r\n".to_owned(),
                json!({"functionName": "adder", "functionVersion": "$LATEST", "handler": "bootstrap"}).to_string(),
            ),
            "GET /2018-06-01/runtime/invocation/next" if events == 0 => {
                events += 1;
                let head = "lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 32503680000000\r\n\
                            lambda-runtime-invoked-function-arn: arn\r\n";
                Told::Answer(200, head.to_owned(), recorded("function-url").to_string())
            }
            what if what.ends_with("/response") => Told::Answer(202, String::new(), String::new()),
            _ => Told::Silence,
        }
    })
    .await;
    let process = start(&address).arg("cleans").spawn().unwrap();
    let mut asked = Vec::new();
    // The second time it asks for an event it has answered the first.
    while asked.iter().filter(|what: &&String| what.ends_with("/invocation/next")).count() < 2 {
        asked.push(receive.recv().await.unwrap());
    }
    assert_eq!(asked[0], "POST /2020-01-01/extension/register", "{asked:?}");
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().await.unwrap().success());
    let output = process.wait_with_output().await.unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains(r#""message":"cleaned up""#), "{log}");
}

#[tokio::test]
async fn a_function_that_has_nothing_to_clean_up_registers_no_extension() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let address = wire::serve(move |asked: &Asked| {
        let _ = send.send(asked.what.clone());
        Told::Silence
    })
    .await;
    let _process = start(&address).spawn().unwrap();
    assert_eq!(receive.recv().await.unwrap(), "GET /2018-06-01/runtime/invocation/next");
}

#[tokio::test]
async fn a_function_answers_one_event_after_the_other_whatever_came_before() {
    let mut hostile = recorded("api-gateway-rest");
    hostile["multiValueHeaders"]["Host"] = json!(["a b"]);
    let events = vec![recorded("function-url"), json!({}), panicking(), hostile, recorded("load-balancer")];
    let posted = posted(events, &[]).await;
    let paths: Vec<_> = posted.iter().map(|asked| asked.what.as_str()).collect();
    let ends = ["0/response", "1/error", "2/response", "3/response", "4/response"];
    assert_eq!(paths, ends.map(|end| format!("POST /2018-06-01/runtime/invocation/{end}")));

    let json = |at: usize| serde_json::from_slice::<Value>(&posted[at].body).unwrap();
    let statuses = [0, 2, 3, 4].map(|at| json(at)["statusCode"].clone());
    assert_eq!(statuses, [200, 500, 400, 200]);
    assert!(json(0)["body"].as_str().unwrap().contains("\"result\":5"), "{}", json(0));
    assert!(json(1)["errorMessage"].as_str().unwrap().contains("function URL"), "{}", json(1));
    assert!(!json(2).to_string().contains("a bug"), "{}", json(2));
}

#[tokio::test]
async fn a_streamed_answer_is_a_prelude_eight_zero_bytes_and_the_body() {
    let events = vec![recorded("function-url"), recorded("load-balancer")];
    let posted = posted(events, &[("EDGEMCP_LAMBDA_RESPONSE", "streamed")]).await;
    let head = &posted[0].head;
    assert!(head.contains("lambda-runtime-function-response-mode: streaming"), "{head}");
    assert!(head.contains("application/vnd.awslambda.http-integration-response"), "{head}");
    let body = String::from_utf8(posted[0].body.clone()).unwrap();
    let (prelude, body) = body.split_once("\0\0\0\0\0\0\0\0").unwrap();
    let prelude: Value = serde_json::from_str(prelude).unwrap();
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["headers"]["content-type"], "application/json");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["result"]["structuredContent"], json!({ "result": 5 }));

    assert!(!posted[1].head.contains("streaming"), "a load balancer takes no stream: {}", posted[1].head);
    assert_eq!(serde_json::from_slice::<Value>(&posted[1].body).unwrap()["statusCode"], 200);
}

/// How a function ends whose first answer cannot be handed over, and whose runtime API is then gone.
async fn abandoned(settings: &[(&str, &str)]) -> Output {
    let (mut asked, mut handed_over) = (0, 0);
    let address = wire::serve(move |request: &Asked| {
        if request.what.ends_with("/response") {
            handed_over += 1;
            return match handed_over {
                1 => Told::Break,
                _ => Told::Answer(202, String::new(), String::new()),
            };
        }
        asked += 1;
        if asked > 2 {
            return Told::Break;
        }
        let head = "lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 32503680000000\r\n\
                    lambda-runtime-invoked-function-arn: arn\r\n";
        Told::Answer(200, head.to_owned(), recorded("function-url").to_string())
    })
    .await;
    start(&address).envs(settings.iter().copied()).output().await.unwrap()
}

#[tokio::test]
async fn an_answer_that_cannot_be_handed_over_ends_no_function_and_a_runtime_api_that_is_gone_does() {
    let output = abandoned(&[]).await;
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("an answer could not be handed to Lambda"), "{log}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("error: Lambda's runtime API failed"), "{errors}");
}

#[tokio::test]
async fn an_event_is_a_line_of_json_or_of_text_or_none_as_it_is_set() {
    // Between these are what the test's own harness says.
    let line = |output: Output| {
        let log = String::from_utf8(output.stdout).unwrap();
        log.lines().find(|line| line.contains("could not be handed")).map(str::to_owned)
    };
    let json = line(abandoned(&[("AWS_LAMBDA_LOG_FORMAT", "Text")]).await).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(json["level"], "warn");
    assert!(
        json["message"].as_str().unwrap().starts_with("an answer could not be handed to Lambda: "),
        "{json}"
    );
    let moment = json["timestamp"].as_str().unwrap();
    assert!(moment.starts_with("20") && moment.len() == "2026-07-28T09:30:00.250Z".len(), "{json}");

    let text = line(abandoned(&[("EDGEMCP_LOG_FORMAT", "text")]).await).unwrap();
    assert!(text.contains("Z warning an answer could not be handed to Lambda: "), "{text}");

    for (settings, is_there) in [
        (&[("AWS_LAMBDA_LOG_LEVEL", "ERROR")][..], false),
        (&[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("EDGEMCP_LOG", "info")], true),
        (&[("EDGEMCP_LOG", "error")], false),
    ] {
        assert_eq!(line(abandoned(settings).await).is_some(), is_there, "{settings:?}");
    }
}
