//! Answers in plain text to requests that are refused before a message is read.
//!
//! None of them is a JSON-RPC error, so a client of both eras does not take one for an answer of the modern era.

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::Body;

/// An answer of `status` whose text says the way out.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text = text.into();
    text.push('\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The path is not one this server has.
pub(crate) fn not_found(path: &str) -> Response<Body> {
    text(StatusCode::NOT_FOUND, format!("nothing is here; the MCP endpoint is {path}"))
}

/// The endpoint takes POST alone.
pub(crate) fn method_not_allowed(method: &Method, path: &str) -> Response<Body> {
    let why = match *method {
        Method::GET => {
            "this server opens no stream of its own (a GET), as every answer comes on its own POST"
        }
        Method::DELETE => "this server keeps no session that a DELETE could end",
        _ => "MCP messages come by POST",
    };
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{why}; send JSON-RPC by POST to {path} (Streamable HTTP)"),
    );
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

/// The body is not said to be JSON.
pub(crate) fn unsupported_media_type() -> Response<Body> {
    text(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send the JSON-RPC message with `Content-Type: application/json`",
    )
}

/// The client takes no JSON.
pub(crate) fn not_acceptable() -> Response<Body> {
    text(
        StatusCode::NOT_ACCEPTABLE,
        "send `Accept: application/json, text/event-stream`; this server answers with one of these",
    )
}

/// The body is larger than the server takes.
pub(crate) fn body_too_large(bytes_max: usize) -> Response<Body> {
    text(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {bytes_max} bytes"))
}
