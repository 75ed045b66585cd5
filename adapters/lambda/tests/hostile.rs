//! Nothing that a client or a gateway puts into an event fails the invocation: it is answered with a 4xx that says why.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{
    BODY_BYTES_MAX, Lines,
    Mode::{Buffered, Streamed},
    answered, event, function, recorded,
};
use edgemcp_lambda::{HEADER_BYTES_MAX, HEADERS_MAX, URI_BYTES_MAX};
use serde_json::{Value, json};

const KINDS: [&str; 5] = [
    "api-gateway-rest",
    "api-gateway-http-2.0",
    "function-url",
    "load-balancer",
    "load-balancer-multi-value",
];

fn set_path(event: &mut Value, path: Value) {
    let is_v2 = event["version"] == "2.0";
    event[if is_v2 { "rawPath" } else { "path" }] = path;
}

fn set_method(event: &mut Value, method: Value) {
    if event["version"] == "2.0" {
        event["requestContext"]["http"]["method"] = method;
    } else {
        event["httpMethod"] = method;
    }
}

/// Sets a header in whichever form the event has.
fn set_header(event: &mut Value, name: &str, value: &str) {
    for form in ["headers", "multiValueHeaders"] {
        let Some(headers) = event[form].as_object_mut() else { continue };
        headers.retain(|other, _| !other.eq_ignore_ascii_case(name));
        let value = if form == "headers" { json!(value) } else { json!([value]) };
        headers.insert(name.to_owned(), value);
    }
}

/// What every kind answers in both modes to the event that `change` makes of the recorded one.
async fn each(change: impl Fn(&mut Value), mut check: impl FnMut(u16, &str, &str)) {
    for kind in KINDS {
        let mut event = recorded(kind);
        change(&mut event);
        for mode in [Buffered, Streamed] {
            let answer = answered(mode, &event).await;
            check(answer.status, answer.text(), &format!("{kind} {mode:?}: {answer:?}"));
        }
    }
}

#[tokio::test]
async fn a_bad_host_is_a_400() {
    for host in ["a b", "a/b", "user@host", "host:port:", "[::1", "\\", "ü", "http://x", ":::", "\u{7f}"] {
        each(
            |event| set_header(event, "host", host),
            |status, text, what| {
                assert_eq!(status, 400, "{host:?} {what}");
                assert!(text.contains("`Host`") || text.contains("`host`"), "{host:?} {what}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn two_hosts_are_a_400() {
    let mut event = recorded("load-balancer-multi-value");
    event["multiValueHeaders"]["host"] = json!(["one.example", "two.example"]);
    let answer = answered(Buffered, &event).await;
    assert_eq!((answer.status, answer.text()), (400, "there is more than one `Host` header\n"));
}

#[tokio::test]
async fn a_domain_that_is_no_host_is_ignored() {
    let mut event = recorded("function-url");
    event["headers"].as_object_mut().unwrap().remove("host");
    event["requestContext"]["domainName"] = json!("not a domain");
    assert_eq!(answered(Buffered, &event).await.status, 200);
}

#[tokio::test]
async fn a_path_that_is_none_is_a_400() {
    for path in ["", "mcp", "http://x", "http://x/mcp", "*", "?", "\\\\x\\y", "/a\0b", "/a\nb", "/a\u{85}"] {
        each(
            |event| set_path(event, json!(path)),
            |status, text, what| {
                assert_eq!(status, 400, "{path:?} {what}");
                assert!(text.starts_with("the path "), "{path:?} {what}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn an_odd_path_is_one_that_no_route_has() {
    for path in
        ["//", "/%", "/%zz", "/%2", "//evil.example/mcp", "/..", "/mcp?x", "/ü", "/mcp/../x", "/a b", "/;"]
    {
        each(
            |event| {
                set_path(event, json!(path));
                // What a route covers is not in question here.
                event["pathParameters"] = json!(null);
            },
            |status, _, what| assert_eq!(status, 404, "{path:?} {what}"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_path_at_the_limit_is_looked_up_and_one_byte_more_is_a_414() {
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    for (bytes, expected) in [(URI_BYTES_MAX, 404), (URI_BYTES_MAX + 1, 414), (100_000, 414)] {
        let mut event = recorded("function-url");
        set_path(&mut event, json!(path(bytes)));
        let answer = answered(Buffered, &event).await;
        assert_eq!(answer.status, expected, "{bytes}");
    }
    each(|event| set_path(event, json!(path(100_000))), |status, _, what| assert_eq!(status, 414, "{what}"))
        .await;
}

#[tokio::test]
async fn parameters_count_for_the_limit_and_may_have_anything_in_them() {
    let mut event = recorded("function-url");
    event["rawQueryString"] = json!("x".repeat(URI_BYTES_MAX));
    assert_eq!(answered(Buffered, &event).await.status, 414);
    for query in ["a=\0\n\"<>#ü", "%", "&&&", "=", "a=b c"] {
        event["rawQueryString"] = json!(query);
        assert_eq!(answered(Buffered, &event).await.status, 200, "{query:?}");
        for kind in ["api-gateway-rest", "load-balancer"] {
            let mut event = recorded(kind);
            event["multiValueQueryStringParameters"] = json!({ query: [query] });
            assert_eq!(answered(Buffered, &event).await.status, 200, "{kind} {query:?}");
        }
    }
}

#[tokio::test]
async fn a_method_that_is_none_is_a_400_and_an_unknown_one_is_not_taken_for_another() {
    for (method, expected) in [("", 400), ("P ST", 400), ("POST\r\n", 400), ("PÖST", 400), ("BREW", 405)] {
        each(
            |event| set_method(event, json!(method)),
            |status, _, what| assert_eq!(status, expected, "{method:?} {what}"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_header_that_is_none_is_a_400_that_names_it() {
    for (name, value, said) in [
        ("x y", "1", "\"x y\""),
        ("", "1", "\"\""),
        ("ü", "1", "\"ü\""),
        ("x-a", "1\r\nx-b: 2", "`x-a`"),
        ("x-a", "\0", "`x-a`"),
    ] {
        each(
            |event| set_header(event, name, value),
            |status, text, what| {
                assert_eq!(status, 400, "{name:?} {what}");
                assert!(text.contains(said), "{name:?} {what}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn headers_at_the_limit_are_taken_and_one_more_is_a_431() {
    let with = |headers: usize| {
        let mut event = recorded("function-url");
        let there = event["headers"].as_object().unwrap().len();
        for n in there..headers {
            event["headers"][format!("x-{n}")] = json!("1");
        }
        event
    };
    assert_eq!(answered(Buffered, &with(HEADERS_MAX)).await.status, 200);
    assert_eq!(answered(Buffered, &with(HEADERS_MAX + 1)).await.status, 431);
    assert_eq!(answered(Buffered, &with(40_000)).await.status, 431, "more than a header map takes");

    let with = |bytes: usize| {
        let mut event = recorded("function-url");
        let there: usize = event["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| k.len() + v.as_str().unwrap().len())
            .sum();
        event["headers"]["x"] = json!("1".repeat(bytes - there - 1));
        event
    };
    assert_eq!(answered(Buffered, &with(HEADER_BYTES_MAX)).await.status, 200);
    assert_eq!(answered(Buffered, &with(HEADER_BYTES_MAX + 1)).await.status, 431);
}

#[tokio::test]
async fn a_body_that_is_not_the_base64_it_says_is_a_400() {
    for body in ["%%%", "a", "YQ=Y", "ü", "\0\0\0\0", "YQ==YQ=="] {
        each(
            |event| {
                event["body"] = json!(body);
                event["isBase64Encoded"] = json!(true);
            },
            |status, text, what| {
                assert_eq!(status, 400, "{body:?} {what}");
                assert!(text.contains("base64"), "{body:?} {what}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn base64_without_its_padding_is_taken() {
    let mut event = recorded("function-url");
    let padded = STANDARD.encode(format!("{}  ", recorded("load-balancer")["body"].as_str().unwrap()));
    for body in [padded.clone(), padded.trim_end_matches('=').to_owned()] {
        event["body"] = json!(body);
        assert_eq!(answered(Buffered, &event).await.status, 200, "{body}");
    }
}

#[tokio::test]
async fn a_body_at_the_services_limit_is_read_and_one_byte_more_is_a_413() {
    for kind in ["function-url", "api-gateway-rest"] {
        let mut event = recorded(kind);
        let is_base64 = event["isBase64Encoded"] == true;
        let call = recorded("load-balancer")["body"].as_str().unwrap().to_owned();
        for (bytes, expected) in
            [(BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413), (BODY_BYTES_MAX * 20, 413)]
        {
            let body = call.clone() + &" ".repeat(bytes - call.len());
            event["body"] = json!(if is_base64 { STANDARD.encode(body) } else { body });
            assert_eq!(answered(Buffered, &event).await.status, expected, "{kind} {bytes}");
        }
    }
}

#[tokio::test]
async fn a_missing_field_is_a_400_that_names_it() {
    let mut without_path = recorded("api-gateway-rest");
    without_path.as_object_mut().unwrap().remove("path");
    let mut without_raw_path = recorded("function-url");
    without_raw_path.as_object_mut().unwrap().remove("rawPath");
    let mut without_method = recorded("function-url");
    without_method["requestContext"]["http"] = json!({});
    let mut balancer = recorded("load-balancer");
    balancer.as_object_mut().unwrap().remove("httpMethod");
    for (event, name) in [
        (without_path, "`path`"),
        (without_raw_path, "`rawPath`"),
        (without_method, "`requestContext.http.method`"),
        (balancer, "`httpMethod`"),
    ] {
        let answer = answered(Buffered, &event).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.text().contains(name), "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_needs_little_of_its_event() {
    let least = json!({ "httpMethod": "GET", "path": "/nowhere" });
    assert_eq!(answered(Buffered, &least).await.status, 404);
    let least = json!({ "rawPath": "/nowhere", "requestContext": { "http": { "method": "GET" } } });
    assert_eq!(answered(Buffered, &least).await.status, 404);
    let least = json!({ "httpMethod": "GET", "path": "/nowhere", "requestContext": { "elb": {} } });
    assert_eq!(answered(Buffered, &least).await.status, 404);
}

/// Everything that an event could have in a place.
fn anything() -> [Value; 9] {
    [
        json!(null),
        json!(true),
        json!(-1.5),
        json!("\0"),
        json!("x"),
        json!([]),
        json!([null, 1]),
        json!({}),
        json!({ "\n": [{ "": null }] }),
    ]
}

/// Every way to put `value` in the place of one part of `event`.
fn spoiled(event: &Value, value: &Value) -> Vec<(String, Value)> {
    fn walk(at: &Value, path: &str, paths: &mut Vec<String>) {
        if let Some(object) = at.as_object() {
            for (name, part) in object {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                walk(part, &path, paths);
                paths.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(event, "", &mut paths);
    let spoil = |path: String| {
        let mut event = event.clone();
        *event.pointer_mut(&path).unwrap() = value.clone();
        (path, event)
    };
    paths.into_iter().map(spoil).collect()
}

#[tokio::test]
async fn whatever_stands_in_whichever_place_there_is_an_answer() {
    let function = function(Buffered, &Lines::default());
    let mut answers = 0;
    for kind in KINDS {
        for value in anything() {
            for (path, spoiled) in spoiled(&recorded(kind), &value) {
                match function.answer(event(&spoiled, 0)).await {
                    Ok(answer) => {
                        let status = common::received(answer).await.status;
                        assert!(status < 500, "{kind}{path} = {value}: {status}");
                        answers += 1;
                    }
                    // Without what tells the kind, it is another source's event.
                    Err(_) => assert!(
                        ["/requestContext", "/requestContext/http", "/requestContext/elb", "/httpMethod"]
                            .contains(&path.as_str()),
                        "{kind}{path} = {value} failed the invocation"
                    ),
                }
            }
        }
    }
    assert!(answers > 1_000, "{answers}");
}
