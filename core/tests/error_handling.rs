//! Errors say more than that the server failed, without saying what is secret; they are counted, and told of.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::Stage;
use edgemcp::{
    Era, ProtocolVersion, Server,
    middleware::{self, ERROR_KEYS_MAX, ErrorHandling, Logging, Next},
    platform::{FetchError, LogLevel},
    prelude::*,
};
use serde_json::json;

#[derive(Debug)]
struct SoldOut;

impl fmt::Display for SoldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing left in warehouse 7")
    }
}

impl std::error::Error for SoldOut {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct What {
    what: String,
}

/// Fails with an error of the kind that is named; each says `hunter2`.
fn fail<
    E: From<io::Error>
        + From<FetchError>
        + From<serde_json::Error>
        + From<std::num::ParseIntError>
        + From<SoldOut>,
>(
    what: &str,
) -> Result<String, E> {
    let secret = "hunter2";
    Err(match what {
        "missing" => io::Error::new(io::ErrorKind::NotFound, secret).into(),
        "denied" => io::Error::new(io::ErrorKind::PermissionDenied, secret).into(),
        "slow" => io::Error::new(io::ErrorKind::TimedOut, secret).into(),
        "upstream" => FetchError::Timeout(Duration::from_secs(3)).into(),
        "json" => serde_json::from_str::<u8>("\"hunter2\"").unwrap_err().into(),
        "number" => "hunter2".parse::<u8>().unwrap_err().into(),
        "sold out" => SoldOut.into(),
        _ => io::Error::other(secret).into(),
    })
}

fn server() -> Server {
    Server::new("failing", "1")
        .tool(Tool::new("fail", "Fail.", |_, What { what }| async move { fail::<ToolError>(&what) }))
        .tool(Tool::new("say", "Fail in words.", |_, _: NoArguments| async {
            Err::<(), _>(ToolError::new("hunter2 is my own word"))
        }))
        .tool(Tool::new("panic", "Panic.", |_, _: NoArguments| async {
            if true {
                panic!("hunter2");
            }
        }))
        .resource(Resource::new(
            "fail://{what}",
            "fail",
            |_, What { what }| async move { fail::<Error>(&what) },
        ))
        .prompt(Prompt::new("fail", "Fail.", |_, What { what }| async move { fail::<Error>(&what) }))
}

const MASKED: &str = "the cause is in the server's log";

#[test]
fn a_resource_and_a_prompt_fail_with_the_codes_of_fastmcp() {
    let stage = Stage::new(server().middleware(ErrorHandling::new()));
    for (what, code, said) in [
        ("denied", -32000, "Permission denied"),
        ("slow", -32000, "Request timeout"),
        ("upstream", -32000, "Request timeout"),
        ("json", -32602, "Invalid params"),
        ("number", -32602, "Invalid params"),
    ] {
        let expected = format!("{said}: {MASKED}");
        let uri = json!({"uri": format!("fail://{what}")});
        stage.each("resources/read", &uri, |version, answer| {
            assert_eq!((answer.code(), answer.message()), (Some(code), &*expected), "{version:?} {what}");
            assert!(!answer.text.contains("hunter2"), "{answer:?}");
        });
        stage.each(
            "prompts/get",
            &json!({"name": "fail", "arguments": {"what": what}}),
            |version, answer| {
                assert_eq!((answer.code(), answer.message()), (Some(code), &*expected), "{version:?} {what}");
            },
        );
    }
    stage.each("prompts/get", &json!({"name": "fail", "arguments": {"what": "missing"}}), |_, answer| {
        assert_eq!((answer.code(), answer.message()), (Some(-32001), &*format!("Not found: {MASKED}")));
    });
    stage.each("resources/read", &json!({"uri": "fail://missing"}), |version, answer| {
        let code = if version.era() == Era::Modern { -32602 } else { -32002 };
        assert_eq!(answer.code(), Some(code));
        assert_eq!(answer.message(), format!("Resource not found: {MASKED}"));
        assert_eq!(answer.json["error"]["data"]["uri"], "fail://missing");
    });
    // What the table does not name stays as it was, and the log has the cause of each.
    stage.log.take();
    stage.each("resources/read", &json!({"uri": "fail://else"}), |_, answer| {
        assert_eq!(answer.code(), Some(-32603));
        assert_eq!(answer.message(), "the server failed; the cause is in its log");
        assert_eq!(stage.log.take(), [(LogLevel::Error, "resources/read failed: hunter2".to_owned())]);
    });
}

#[test]
fn a_tool_that_fails_tells_the_model_what_kind_of_failure_it_was() {
    let stage = Stage::new(server().middleware(ErrorHandling::new()));
    for (what, said) in [
        ("missing", "Not found"),
        ("denied", "Permission denied"),
        ("slow", "Request timeout"),
        ("upstream", "Request timeout"),
        ("json", "Invalid params"),
        ("number", "Invalid params"),
    ] {
        stage.log.take();
        stage.each("tools/call", &json!({"name": "fail", "arguments": {"what": what}}), |version, answer| {
            assert_eq!(answer.json["result"]["isError"], true, "{version:?} {answer:?}");
            assert_eq!(answer.message(), format!("{said}: {MASKED}"));
            assert!(!answer.text.contains("hunter2"));
            let log = stage.log.messages();
            assert!(log.len() == 1 && log[0].starts_with("tool \"fail\" failed: "), "{log:?}");
        });
    }
    // Words that were written for the model are not touched.
    stage.each("tools/call", &json!({"name": "say"}), |_, answer| {
        assert_eq!(answer.message(), "hunter2 is my own word");
    });
    stage.each("tools/call", &json!({"name": "fail", "arguments": {"what": 7}}), |_, answer| {
        assert!(answer.message().starts_with("invalid argument `what`"), "{answer:?}");
    });
    stage.each("tools/call", &json!({"name": "panic"}), |_, answer| {
        assert_eq!(answer.status, 500);
        assert!(!answer.text.contains("hunter2"));
    });
}

#[test]
fn details_are_said_only_where_that_is_asked_for() {
    let stage = Stage::new(server().middleware(ErrorHandling::new().mask_details(false)));
    for (what, said) in [
        ("missing", "Not found: hunter2"),
        ("slow", "Request timeout: hunter2"),
        ("sold out", "Internal error: nothing left in warehouse 7"),
        ("else", "Internal error: hunter2"),
    ] {
        stage.each("tools/call", &json!({"name": "fail", "arguments": {"what": what}}), |_, answer| {
            assert_eq!(answer.message(), said);
            assert_eq!(answer.json["result"]["isError"], true);
        });
        stage.each("prompts/get", &json!({"name": "fail", "arguments": {"what": what}}), |_, answer| {
            assert_eq!(answer.message(), said);
        });
    }
    stage.each("tools/call", &json!({"name": "panic"}), |_, answer| {
        assert!(!answer.text.contains("hunter2"), "{answer:?}");
    });
    let stage = Stage::new(server().middleware(ErrorHandling::new().transform_errors(false)));
    stage.each("prompts/get", &json!({"name": "fail", "arguments": {"what": "slow"}}), |_, answer| {
        assert_eq!(answer.code(), Some(-32603));
    });
}

#[test]
fn an_error_of_ones_own_becomes_what_one_says() {
    let handling = ErrorHandling::new()
        .map::<SoldOut>(|error| {
            assert_eq!(error.cause(), Some("nothing left in warehouse 7"));
            Error::custom(4711, "it is sold out")
        })
        .map::<SoldOut>(|_| Error::custom(1, "the first one counts"))
        .map::<serde_json::Error>(|_| ToolError::new("the shop answered nonsense").into());
    let stage = Stage::new(server().middleware(handling));
    let sold_out = json!({"name": "fail", "arguments": {"what": "sold out"}});
    for method in ["tools/call", "prompts/get"] {
        stage.log.take();
        stage.each(method, &sold_out, |_, answer| {
            assert_eq!((answer.code(), answer.message()), (Some(4711), "it is sold out"));
            let log = stage.log.messages();
            assert_eq!(log, [format!("{method} failed: nothing left in warehouse 7")]);
        });
    }
    // It goes before the table, and is for the model where it says so.
    stage.each("tools/call", &json!({"name": "fail", "arguments": {"what": "json"}}), |_, answer| {
        assert_eq!(answer.json["result"]["isError"], true);
        assert_eq!(answer.message(), "the shop answered nonsense");
    });
}

#[test]
fn errors_are_counted_and_told_of_and_those_without_a_cause_logged() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let handling = ErrorHandling::new().on_error(move |cx, failure| {
        assert!(cx.principal().is_none());
        let target = failure.target.unwrap_or_default();
        sink.lock().unwrap().push(format!("{} {target} {:?}", failure.method, failure.error.kind()));
        if target == "say" {
            panic!("a callback fails");
        }
    });
    let counts = handling.counts();
    let stage = Stage::new(server().middleware(handling));
    let all = u64::try_from(ProtocolVersion::ALL.len()).unwrap();

    stage.each("tools/call", &json!({"name": "none"}), |_, _| {
        let line = "Error in tools/call: InvalidParams: no tool is named \"none\"";
        assert_eq!(stage.log.take(), [(LogLevel::Warning, line.to_owned())]);
    });
    stage.each("no/such", &json!({}), |_, _| {
        assert!(stage.log.all().starts_with("Error in no/such: MethodNotFound: "), "{}", stage.log.all());
        stage.log.take();
    });
    stage.each("tools/call", &json!({"name": "fail", "arguments": {"what": "slow"}}), |_, _| {});
    stage.log.take();
    stage.each("tools/call", &json!({"name": "say"}), |_, answer| {
        assert_eq!(answer.message(), "hunter2 is my own word");
        let log = stage.log.messages();
        assert_eq!(log.last().unwrap(), "Error in error callback: it panicked at an error in tools/call");
    });
    stage.each("tools/list", &json!({}), |_, _| {});

    assert_eq!(counts.get("InvalidParams:tools/call"), all);
    assert_eq!(counts.get("MethodNotFound:no/such"), all);
    assert_eq!(counts.get("Tool:tools/call"), 2 * all);
    assert_eq!(counts.all().len(), 3);
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&"tools/call none InvalidParams".to_owned()), "{seen:?}");
    assert!(seen.contains(&"no/such  MethodNotFound".to_owned()), "{seen:?}");
}

#[test]
fn a_client_cannot_make_the_counts_grow_without_end() {
    let handling = ErrorHandling::new();
    let counts = handling.counts();
    let stage = Stage::new(server().middleware(handling));
    for number in 0..ERROR_KEYS_MAX + 20 {
        stage.legacy(ProtocolVersion::V2025_11_25, &format!("no/such{number}"), json!({}));
    }
    assert_eq!(counts.get("other"), 20);
    assert_eq!(counts.all().len(), ERROR_KEYS_MAX + 1);
    assert_eq!(counts.get("MethodNotFound:no/such0"), 1);
    stage.legacy(ProtocolVersion::V2025_11_25, "no/such0", json!({}));
    assert_eq!(counts.get("MethodNotFound:no/such0"), 2);
}

#[test]
fn what_middlewares_inside_refuse_is_handled_too() {
    let late = middleware::on_request(|_: Context, message, next: Next<_>| async move {
        next.run(message).await?;
        Err(SoldOut.into())
    });
    let handling = ErrorHandling::new().map::<SoldOut>(|_| Error::forbidden("closed"));
    let stage = Stage::new(server().middleware(handling).middleware(late));
    for method in ["tools/list", "prompts/list"] {
        stage.each(method, &json!({}), |_, answer| {
            assert_eq!((answer.status.as_u16(), answer.message()), (403, "closed"));
        });
    }
    let notified = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(stage.post(notified.to_string(), &[]).status, 202);

    let wrong = server().middleware(Logging::new()).middleware(ErrorHandling::new()).build().unwrap_err();
    let wrong = wrong.to_string();
    assert!(wrong.contains("`Logging`") && wrong.contains("`ErrorHandling`"), "{wrong}");
}
