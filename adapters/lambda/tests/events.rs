//! Each kind of event gets its answer, in one piece and streamed, in the form that its source reads.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

mod common;

use common::{
    Answered, Lines,
    Mode::{self, Buffered, Streamed},
    NOW, answered, event, failed, function, received, recorded,
};
use edgemcp_lambda::{ALB_ANSWER_BYTES_MAX, BUFFERED_ANSWER_BYTES_MAX, DEADLINE_MARGIN};
use lambda_runtime::FunctionResponse;
use serde_json::{Value, json};

const KINDS: [&str; 6] = [
    "api-gateway-rest",
    "api-gateway-http-1.0",
    "api-gateway-http-2.0",
    "function-url",
    "load-balancer",
    "load-balancer-multi-value",
];

/// The recorded event of a kind, for another request. API Gateway's stage goes where it had been.
fn to(kind: &str, method: &str, path: &str) -> Value {
    let mut event = recorded(kind);
    let stage = if kind.starts_with("api-gateway-http") { "/prod" } else { "" };
    if event["version"] == "2.0" {
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["http"]["path"] = json!(format!("{stage}{path}"));
        event["rawPath"] = json!(format!("{stage}{path}"));
    } else {
        event["httpMethod"] = json!(method);
        event["path"] = json!(format!("{stage}{path}"));
        if event["requestContext"]["stage"] == "prod" {
            event["requestContext"]["path"] = json!(format!("/prod{path}"));
        }
    }
    if event["pathParameters"].is_object() {
        event["pathParameters"]["proxy"] = json!(path.trim_start_matches('/'));
    }
    event
}

/// The same event with this query, of one parameter or none.
fn asking(mut event: Value, query: &str) -> Value {
    if event["version"] == "2.0" {
        event["rawQueryString"] = json!(query);
    } else {
        let parameters = query.split_once('=').map(|(name, value)| json!({ name: [value] }));
        event["queryStringParameters"] = json!(null);
        event["multiValueQueryStringParameters"] = json!(parameters);
    }
    event
}

#[tokio::test]
async fn every_kind_of_event_reaches_a_tool_in_both_modes() {
    for kind in KINDS {
        for mode in [Buffered, Streamed] {
            let answer = answered(mode, &recorded(kind)).await;
            assert_eq!(answer.status, 200, "{kind} {mode:?}: {answer:?}");
            assert_eq!(answer.headers["content-type"], "application/json", "{kind} {mode:?}");
            assert_eq!(
                answer.json()["result"]["structuredContent"],
                json!({ "result": 5 }),
                "{kind} {mode:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_is_streamed_where_the_mode_says_so_and_never_to_a_load_balancer() {
    for kind in KINDS {
        for mode in [Buffered, Streamed] {
            let answer = function(mode, &Lines::default()).answer(event(&recorded(kind), 0)).await.unwrap();
            let is_streamed = matches!(answer, FunctionResponse::StreamingResponse(_));
            assert_eq!(
                is_streamed,
                mode == Streamed && !kind.starts_with("load-balancer"),
                "{kind} {mode:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_request_arrives_as_the_client_sent_it() {
    let query = [
        ("api-gateway-rest", "?lang=de&q=a&q=b%20c%26d"),
        ("api-gateway-http-1.0", ""),
        ("api-gateway-http-2.0", "?q=a&q=b%20c%26d&lang=de"),
        ("function-url", ""),
        ("load-balancer", "?lang=de&q=b%20c%26d"),
        ("load-balancer-multi-value", "?lang=de&q=a&q=b%20c%26d"),
    ];
    for (kind, query) in query {
        let seen = answered(Buffered, &to(kind, "POST", "/echo")).await.json();
        assert_eq!(seen["method"], "POST", "{kind}");
        assert_eq!(seen["uri"], format!("/echo{query}"), "{kind}");
        let body: Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["params"]["arguments"], json!({ "a": 2, "b": 3 }), "{kind}");
        let headers = &seen["headers"];
        assert_eq!(headers["mcp-protocol-version"], json!(["2026-07-28"]), "{kind}");
        let hosts = headers["host"].as_array().unwrap();
        assert!(
            hosts.len() == 1 && hosts[0].as_str().unwrap().contains(".eu-central-1."),
            "{kind}: {hosts:?}"
        );
    }
}

#[tokio::test]
async fn a_header_that_was_sent_twice_arrives_twice_where_the_event_has_both() {
    for kind in ["api-gateway-rest", "load-balancer-multi-value"] {
        let seen = answered(Buffered, &to(kind, "POST", "/echo")).await.json();
        assert_eq!(seen["headers"]["x-twice"], json!(["one", "two"]), "{kind}");
    }
    let seen = answered(Buffered, &to("api-gateway-http-2.0", "POST", "/echo")).await.json();
    assert_eq!(seen["headers"]["x-twice"], json!(["one,two"]));
    assert_eq!(seen["headers"]["cookie"], json!(["theme=dark; seen=1"]));
}

#[tokio::test]
async fn a_header_that_only_the_single_form_has_arrives_too() {
    let mut event = to("api-gateway-rest", "POST", "/echo");
    event["headers"]["X-Single"] = json!("yes");
    let seen = answered(Buffered, &event).await.json();
    assert_eq!(seen["headers"]["x-single"], json!(["yes"]));
    assert_eq!(seen["headers"]["x-twice"], json!(["one", "two"]), "and nothing is there three times");
}

#[tokio::test]
async fn without_a_host_header_the_gateways_domain_is_the_host() {
    let mut event = to("function-url", "POST", "/echo");
    event["headers"].as_object_mut().unwrap().remove("host");
    let seen = answered(Buffered, &event).await.json();
    let domain = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws";
    assert_eq!(seen["headers"]["host"], json!([domain]));
}

#[tokio::test]
async fn a_base_path_of_a_custom_domain_is_not_part_of_the_path() {
    let mut event = to("api-gateway-rest", "POST", "/echo");
    event["path"] = json!("/tools/echo");
    event["requestContext"]["path"] = json!("/tools/echo");
    let seen = answered(Buffered, &asking(event, "")).await.json();
    assert_eq!(seen["uri"], "/echo");
}

#[tokio::test]
async fn a_decoded_path_is_encoded_again() {
    let answer = answered(Buffered, &to("function-url", "GET", "/a b?c#ü")).await;
    assert_eq!(answer.status, 404, "it is one path, and no route has it: {answer:?}");
}

#[tokio::test]
async fn the_deadline_of_the_invocation_is_the_platforms() {
    let later = NOW.as_millis() + 60_000;
    for (deadline_ms, seen) in [(later, json!(later)), (0, json!(null)), (600_000, json!(null))] {
        let event = event(&to("function-url", "POST", "/echo"), deadline_ms);
        let answer = function(Buffered, &Lines::default()).answer(event).await.unwrap();
        assert_eq!(received(answer).await.json()["deadline_ms"], seen);
    }
}

async fn get(mode: Mode, kind: &str, path: &str) -> Answered {
    answered(mode, &to(kind, "GET", path)).await
}

#[tokio::test]
async fn repeated_headers_and_cookies_come_through_as_far_as_the_source_can() {
    for (kind, vary, cookies) in [
        ("api-gateway-rest", vec!["accept", "origin"], vec!["a=1", "b=2"]),
        ("api-gateway-http-1.0", vec!["accept", "origin"], vec!["a=1", "b=2"]),
        ("api-gateway-http-2.0", vec!["accept, origin"], vec!["a=1", "b=2"]),
        ("function-url", vec!["accept, origin"], vec!["a=1", "b=2"]),
        ("load-balancer", vec!["accept, origin"], vec!["b=2"]),
        ("load-balancer-multi-value", vec!["accept", "origin"], vec!["a=1", "b=2"]),
    ] {
        let answer = get(Buffered, kind, "/cookies").await;
        let all = |name| answer.headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(answer.status, 201, "{kind}");
        assert_eq!(all("vary"), vary, "{kind}");
        assert_eq!(all("set-cookie"), cookies, "{kind}");
    }
    let answer = get(Streamed, "function-url", "/cookies").await;
    let all = |name| answer.headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(all("vary"), ["accept, origin"]);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test]
async fn a_header_that_a_stream_cannot_carry_is_left_out_and_the_log_says_so() {
    for kind in KINDS {
        assert_eq!(get(Buffered, kind, "/named").await.headers["x-name"], "Jürgen".as_bytes(), "{kind}");
    }
    let log = Lines::default();
    let event = event(&to("function-url", "GET", "/named"), 0);
    let answer = received(function(Streamed, &log).answer(event).await.unwrap()).await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert_eq!(answer.headers.get("x-name"), None);
    assert!(log.text().starts_with("warning: ") && log.text().contains("`x-name`"), "{}", log.text());
}

#[tokio::test]
async fn the_object_of_an_answer_has_the_fields_that_its_source_reads() {
    let fields = |answer: Answered| {
        let object = answer.object.unwrap();
        let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    for (kind, expected) in [
        ("api-gateway-rest", "body isBase64Encoded multiValueHeaders statusCode"),
        ("function-url", "body cookies headers isBase64Encoded statusCode"),
        ("load-balancer", "body headers isBase64Encoded statusCode statusDescription"),
        ("load-balancer-multi-value", "body isBase64Encoded multiValueHeaders statusCode statusDescription"),
    ] {
        assert_eq!(fields(get(Buffered, kind, "/cookies").await), expected, "{kind}");
    }
    let object = get(Buffered, "load-balancer", "/cookies").await.object.unwrap();
    assert_eq!(object["statusDescription"], "201 Created");
}

#[tokio::test]
async fn the_object_of_an_answer_is_one_that_others_read_as_its_sources() {
    use lambda_http::aws_lambda_events::{
        alb::AlbTargetGroupResponse,
        apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse},
    };
    for kind in KINDS {
        for path in ["/stream", "/cookies", "/bytes"] {
            let object = get(Buffered, kind, path).await.object.unwrap();
            let read = match kind {
                "api-gateway-rest" | "api-gateway-http-1.0" => {
                    serde_json::from_value::<ApiGatewayProxyResponse>(object).map(drop)
                }
                "api-gateway-http-2.0" | "function-url" => {
                    serde_json::from_value::<ApiGatewayV2httpResponse>(object).map(drop)
                }
                _ => serde_json::from_value::<AlbTargetGroupResponse>(object).map(drop),
            };
            read.unwrap_or_else(|error| panic!("{kind} {path}: {error}"));
        }
    }
}

#[tokio::test]
async fn what_is_no_text_travels_as_base64() {
    for kind in KINDS {
        for (path, body) in [("/bytes", &[0, 159, 146, 150][..]), ("/packed", b"not really gzip")] {
            let answer = get(Buffered, kind, path).await;
            assert_eq!(answer.body, body, "{kind} {path}");
            assert_eq!(answer.object.unwrap()["isBase64Encoded"], true, "{kind} {path}");
        }
    }
    assert_eq!(get(Streamed, "function-url", "/bytes").await.body, &[0, 159, 146, 150][..]);
}

#[tokio::test]
async fn a_stream_goes_out_chunk_by_chunk_or_whole() {
    let event = to("function-url", "GET", "/stream");
    let answer = function(Streamed, &Lines::default()).answer(common::event(&event, 0)).await.unwrap();
    let FunctionResponse::StreamingResponse(response) = answer else { panic!("not streamed") };
    let chunks: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(response.stream).await;
    let chunks: Vec<_> = chunks.into_iter().map(Result::unwrap).collect();
    assert_eq!(chunks, ["one ", "two ", "three"]);
    for kind in KINDS {
        assert_eq!(get(Buffered, kind, "/stream").await.text(), "one two three", "{kind}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_tells_the_log_and_not_the_client() {
    for (mode, status, body) in [(Streamed, 200, "one "), (Buffered, 502, "the answer broke off")] {
        let log = Lines::default();
        let event = event(&to("function-url", "GET", "/broken"), 0);
        let answer = received(function(mode, &log).answer(event).await.unwrap()).await;
        assert_eq!(answer.status, status, "{mode:?}");
        assert!(
            answer.text().starts_with(body) && !answer.text().contains("hunter2"),
            "{mode:?}: {answer:?}"
        );
        assert!(
            log.text().starts_with("error: ") && log.text().contains("hunter2"),
            "{mode:?}: {}",
            log.text()
        );
    }
}

/// The answer whose object would have `over` bytes more than `bytes_max`.
async fn sized(mode: Mode, kind: &str, bytes_max: usize, over: isize) -> Answered {
    let with = async |mode, bytes: usize| {
        answered(mode, &asking(to(kind, "GET", "/sized"), &format!("bytes={bytes}"))).await
    };
    let around = with(Buffered, 0).await.object.unwrap().to_string().len();
    with(mode, (bytes_max - around).checked_add_signed(over).unwrap()).await
}

#[tokio::test]
async fn an_answer_up_to_the_limit_goes_out_in_one_piece_and_a_byte_more_is_a_502() {
    for (kind, bytes_max) in [
        ("api-gateway-rest", BUFFERED_ANSWER_BYTES_MAX),
        ("function-url", BUFFERED_ANSWER_BYTES_MAX),
        ("load-balancer", ALB_ANSWER_BYTES_MAX),
    ] {
        let answer = sized(Buffered, kind, bytes_max, 0).await;
        assert_eq!(answer.status, 200, "{kind}");
        assert_eq!(answer.object.unwrap().to_string().len(), bytes_max, "{kind}");
        let answer = sized(Buffered, kind, bytes_max, 1).await;
        assert_eq!(answer.status, 502, "{kind}");
        let way_out = answer.text().contains("EDGEMCP_LAMBDA_RESPONSE=streamed");
        assert_eq!(way_out, kind != "load-balancer", "a load balancer takes no stream: {answer:?}");
    }
}

#[tokio::test]
async fn a_streamed_answer_may_be_larger() {
    let answer = sized(Streamed, "function-url", BUFFERED_ANSWER_BYTES_MAX, 1_000_000).await;
    assert_eq!((answer.status, answer.body.len() > BUFFERED_ANSWER_BYTES_MAX), (200, true));
}

#[tokio::test]
async fn an_answer_that_is_not_there_in_time_is_a_504_before_lambda_ends_the_instance() {
    for (mode, path) in [(Buffered, "/never"), (Streamed, "/never"), (Buffered, "/open")] {
        let log = Lines::default();
        let deadline_ms = NOW.as_millis() + 1_000;
        let event = event(&to("function-url", "GET", path), deadline_ms);
        let answer = received(function(mode, &log).answer(event).await.unwrap()).await;
        assert_eq!(answer.status, 504, "{mode:?} {path}");
        assert!(log.text().contains("raise its timeout"), "{}", log.text());
    }
    assert!(DEADLINE_MARGIN.as_millis() < 1_000);
}

#[tokio::test]
async fn a_stream_that_is_open_in_the_end_is_ended_with_what_it_has() {
    let log = Lines::default();
    let event = event(&to("function-url", "GET", "/open"), NOW.as_millis() + 1_000);
    let answer = received(function(Streamed, &log).answer(event).await.unwrap()).await;
    assert_eq!((answer.status, answer.text()), (200, "one "));
    assert!(log.text().starts_with("warning: "), "{}", log.text());
}

#[tokio::test]
async fn an_event_that_is_no_request_fails_the_invocation_and_says_what_is_served() {
    for event in [recorded("queue"), recorded("websocket"), json!({}), json!([1]), json!("text"), json!(null)]
    {
        let diagnostic = failed(&event).await;
        assert_eq!(diagnostic.error_type, "edgemcp.UnknownEvent", "{event}");
        for kind in ["API Gateway REST API", "function URL", "Application Load Balancer"] {
            assert!(diagnostic.error_message.contains(kind), "{}", diagnostic.error_message);
        }
    }
}
