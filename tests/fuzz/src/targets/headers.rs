//! A whole HTTP request as text: a line with its method, path and flags (`guarded`, `loopback`), header lines, an empty
//! line, the body. `{session}` in a header stands for the id of a session.

use std::borrow::Cow;

use bytes::Bytes;
use edgemcp::ProtocolVersion;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use super::legacy::line;
use crate::{
    asked::{Asked, asked},
    client::{request, session},
    server::{GUARDED, OPEN, ORIGIN, TOKEN},
    stage::Stage,
};

pub(crate) fn run(data: &[u8]) {
    let (first, rest) = line(data);
    let words: Vec<_> = first.split(|byte| *byte == b' ').collect();
    let has = |flag: &str| words.iter().skip(2).any(|word| *word == flag.as_bytes());
    let service = if has("guarded") { &GUARDED } else { &OPEN };
    let stage = if has("loopback") { Stage::loopback(service) } else { Stage::new(service) };
    let method = words.first().and_then(|word| Method::from_bytes(word).ok()).unwrap_or(Method::POST);
    let path = words.get(1).and_then(|word| Uri::try_from(*word).ok()).unwrap_or_default();
    let (fields, body) = split(rest);
    let session = session_id(&stage, fields, has("guarded"));
    let fields: Vec<_> = fields
        .split(|byte| *byte == b'\n')
        .filter_map(|field| {
            let end = field.iter().position(|byte| *byte == b':')?;
            let value = field[end + 1..].trim_ascii();
            let value = if value == b"{session}" { session.as_bytes() } else { value };
            Some((std::str::from_utf8(&field[..end]).ok()?, value))
        })
        .collect();
    let mut request = request(method, fields, body.to_vec());
    *request.uri_mut() = path;
    check(&stage, request, has("guarded"), has("loopback"));
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, b""),
    }
}

fn session_id(stage: &Stage, fields: &[u8], is_guarded: bool) -> String {
    let is_wanted = fields.windows(9).any(|at| at == b"{session}");
    match is_wanted && !is_guarded {
        true => session(stage, ProtocolVersion::LATEST_LEGACY.as_str()),
        false => String::new(),
    }
}

fn check(stage: &Stage, request: Request<Bytes>, is_guarded: bool, is_loopback: bool) {
    let (headers, method, uri) = (request.headers().clone(), request.method().clone(), request.uri().clone());
    let body = request.body().clone();
    let before = stage.store.changes();
    let answer = stage.send(request);
    let messages = answer.messages();
    if !matches!(uri.path(), "/mcp" | "/mcp/") {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
        return;
    }
    // A page is let in where its origin is allowed, and hears nothing otherwise.
    let is_refused = !passes(&headers, &uri, is_guarded, is_loopback);
    assert_eq!(answer.status == StatusCode::FORBIDDEN, is_refused, "{headers:?} {answer:?}");
    let admitted = answer.headers.get("access-control-allow-origin");
    assert_eq!(admitted, headers.get("origin").filter(|_| !is_refused), "{answer:?}");
    // Nobody gets past the verifier without the token.
    let token = only(&headers, "authorization").unwrap_or_default();
    let is_known =
        |(scheme, token): (&str, &str)| scheme.eq_ignore_ascii_case("bearer") && token.trim() == TOKEN;
    if is_guarded && !token.split_once(' ').is_some_and(is_known) {
        assert!(messages.is_empty() && stage.store.changes() == before, "{token:?} {answer:?}");
        assert!(answer.status.is_client_error() || method == Method::OPTIONS, "{answer:?}");
        let is_challenged = answer.headers.contains_key("www-authenticate");
        assert!(is_challenged || answer.status != StatusCode::UNAUTHORIZED, "{answer:?}");
    }
    match answer.status.as_u16() {
        // Messages, or nothing at all to a preflight, a notification or the end of a session.
        200 | 202 | 204 => assert!(!answer.is_plain()),
        // No message was read.
        401 | 403 | 405 | 406 | 413 | 415 => assert!(answer.is_plain(), "{answer:?}"),
        400 | 404 => {}
        _ => panic!("{answer:?}"),
    }
    // What headers say can be wrong, which is told to whoever asked.
    if let (Asked::Request(id), [.., last], Method::POST) = (asked(&body), &messages[..], method)
        && last.is_answer()
    {
        assert_eq!(last.answers(), Some(id), "{answer:?}");
        agrees(&headers, &body, last.code());
    }
    stage.settle();
    stage.has_no_fault();
}

/// Whether a request with this `Host` and this `Origin` is one that the server takes.
fn passes(headers: &HeaderMap, uri: &Uri, is_guarded: bool, is_loopback: bool) -> bool {
    let host = match headers.contains_key("host") {
        true => only(headers, "host"),
        false => uri.authority().map(|authority| authority.as_str().into()),
    };
    let is_here = host.is_some_and(|host| is_local(&host));
    let origin = only(headers, "origin");
    let is_allowed = origin.is_some_and(|origin| {
        let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        is_guarded && origin.eq_ignore_ascii_case(ORIGIN) || page.is_some_and(is_local) && is_here
    });
    (is_here || !is_loopback) && (is_allowed || !headers.contains_key("origin"))
}

/// What is answered without an error has headers that say what the body says.
fn agrees(headers: &HeaderMap, body: &[u8], code: Option<i64>) {
    if code.is_some() {
        return;
    }
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let is_modern = body["params"]["_meta"].get("io.modelcontextprotocol/protocolVersion").is_some();
    if is_modern {
        assert_eq!(only(headers, "mcp-protocol-version").as_deref(), Some("2026-07-28"));
        assert_eq!(only(headers, "mcp-method").map(Cow::into_owned), text(&body["method"]));
    }
    if headers.contains_key("mcp-method") {
        assert_eq!(only(headers, "mcp-method").map(Cow::into_owned), text(&body["method"]));
    }
}

/// The value of a header that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    HeaderValue::to_str(value).ok().map(|value| value.trim().into())
}

/// Whether a host, or a host and a port, is one that only this machine has.
fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let parts: Vec<_> = host.split('.').collect();
    let is_number =
        |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
    host.eq_ignore_ascii_case("localhost")
        || host == "::1"
        || parts.len() == 4 && parts[0] == "127" && parts.iter().all(is_number)
}
