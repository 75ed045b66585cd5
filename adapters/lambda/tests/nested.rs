//! A server answers inside a user's own `lambda_http` function, beside the function's other routes.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use common::{BODY_BYTES_MAX, Lines, Mode, platform, recorded, server};
use edgemcp::{Service, http::Body, platform::Platform};
use edgemcp_lambda::handle;
use http::Response;
use lambda_http::{Context, Request, RequestExt as _, service_fn, tower::ServiceExt as _};
use serde_json::{Value, json};

/// A user's function: one route of its own, and the server for the rest.
async fn app(service: &Service, platform: &Platform, request: Request) -> Response<Body> {
    match request.raw_http_path() {
        "/version" => Response::new(Body::from("1.0.0")),
        _ => handle(service, platform, request).await,
    }
}

async fn ask(request: Request) -> (u16, Value) {
    let (service, platform) = (server().build().unwrap(), platform(Mode::Buffered, &Lines::default()));
    let function = service_fn(|request: Request| async {
        Ok::<_, lambda_http::Error>(app(&service, &platform, request).await)
    });
    let (parts, body) = function.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect(1 << 20).await.unwrap();
    let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    (parts.status.as_u16(), value)
}

/// The request that `lambda_http` makes of an event.
fn request(event: &Value) -> Request {
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

#[tokio::test]
async fn a_functions_own_route_stands_beside_the_server() {
    let mut event = recorded("function-url");
    event["rawPath"] = json!("/version");
    assert_eq!(ask(request(&event)).await, (200, json!("1.0.0")));
}

#[tokio::test]
async fn every_kind_of_event_that_lambda_http_takes_reaches_a_tool() {
    for kind in [
        "api-gateway-rest",
        "api-gateway-http-1.0",
        "api-gateway-http-2.0",
        "function-url",
        "load-balancer",
        "load-balancer-multi-value",
    ] {
        let (status, answer) = ask(request(&recorded(kind))).await;
        assert_eq!(status, 200, "{kind}: {answer}");
        assert_eq!(answer["result"]["structuredContent"], json!({ "result": 5 }), "{kind}");
    }
}

#[tokio::test]
async fn the_request_is_the_one_that_the_function_got_without_the_stage() {
    let mut event = recorded("api-gateway-http-2.0");
    event["rawPath"] = json!("/prod/echo");
    event["requestContext"]["http"]["path"] = json!("/prod/echo");
    event["pathParameters"]["proxy"] = json!("echo");
    event["headers"].as_object_mut().unwrap().remove("host");
    let mut context = Context::default();
    context.deadline = 1_800_000_060_000;
    let (status, seen) = ask(request(&event).with_lambda_context(context)).await;
    assert_eq!(status, 200, "{seen}");
    assert_eq!(seen["uri"], "/echo?q=a&q=b%20c%26d&lang=de");
    assert_eq!(seen["headers"]["host"], json!(["f6g7h8i9j0.execute-api.eu-central-1.amazonaws.com"]));
    assert_eq!(seen["headers"]["cookie"], json!(["theme=dark; seen=1"]));
    assert_eq!(seen["deadline_ms"], 1_800_000_060_000_u64);
}

#[tokio::test]
async fn a_request_that_no_event_made_is_answered_too() {
    let request = http::Request::post("https://example.com/echo?x=1")
        .body(lambda_http::Body::Binary(b"hello".to_vec()))
        .unwrap();
    let (status, seen) = ask(request).await;
    assert_eq!((status, &seen["uri"], &seen["body"]), (200, &json!("/echo?x=1"), &json!("hello")));
    assert_eq!(seen["headers"]["host"], json!(["example.com"]));
}

#[tokio::test]
async fn a_body_over_the_services_limit_is_a_413() {
    for (bytes, expected) in [(BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413)] {
        let request = http::Request::post("/echo").body(lambda_http::Body::Text("x".repeat(bytes))).unwrap();
        assert_eq!(ask(request).await.0, expected, "{bytes}");
    }
}
