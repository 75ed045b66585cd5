//! Turns the service's answer into what Lambda takes: one JSON object, or a stream with a prelude.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use edgemcp::{
    KEEP_ALIVE_EVERY,
    future::{BoxFuture, BoxStream},
    http::{Body, BodyError},
    platform::{LogLevel, Platform},
};
use futures_core::Stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE},
    response::Parts,
};
use lambda_runtime::{MetadataPrelude, StreamResponse};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{background::Behind, event::Kind};

/// The largest answer that Lambda takes in one piece, in bytes of the JSON object around it. It is the number that
/// Lambda itself names when it refuses one.
pub const BUFFERED_ANSWER_BYTES_MAX: usize = 6_291_556;

/// The largest answer that a load balancer takes from a function, in bytes of the JSON object around it.
pub const ALB_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes that the answer to an event of this kind can have in one piece.
pub(crate) fn bytes_max(kind: Kind) -> usize {
    match kind {
        Kind::V1 | Kind::V2 => BUFFERED_ANSWER_BYTES_MAX,
        Kind::Alb { .. } => ALB_ANSWER_BYTES_MAX,
    }
}

/// An answer that this adapter gives itself, instead of the service.
pub(crate) fn plain(status: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{why}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The JSON object of a whole answer, or its size where that is more than `bytes_max`.
pub(crate) fn buffered(
    kind: Kind,
    parts: &Parts,
    body: &[u8],
    bytes_max: usize,
) -> Result<Box<RawValue>, usize> {
    // The object is larger than the bytes in it, so there is no need to make one to know that it is too large.
    if body.len() > bytes_max {
        return Err(body.len());
    }
    let text = std::str::from_utf8(body).ok().filter(|_| !parts.headers.contains_key(CONTENT_ENCODING));
    let mut answer = Buffered {
        status_code: parts.status.as_u16(),
        status_description: None,
        headers: None,
        multi_value_headers: None,
        cookies: None,
        is_base64_encoded: text.is_none(),
        body: text.map_or_else(|| STANDARD.encode(body).into(), Cow::Borrowed),
    };
    match kind {
        Kind::V1 => answer.multi_value_headers = Some(multiple(&parts.headers)),
        Kind::V2 => {
            // Without cookies too: what reads this format elsewhere than in AWS asks for the field.
            answer.cookies = Some(cookies(&parts.headers));
            answer.headers = Some(joined(&parts.headers));
        }
        Kind::Alb { multi_value } => {
            let reason = parts.status.canonical_reason().unwrap_or("Other");
            answer.status_description = Some(format!("{} {reason}", parts.status.as_u16()));
            if multi_value {
                answer.multi_value_headers = Some(multiple(&parts.headers));
            } else {
                answer.headers = Some(with_last_cookie(&parts.headers));
            }
        }
    }
    // Strings, numbers and maps with string keys: there is no value in it that JSON has not.
    let json = serde_json::value::to_raw_value(&answer).unwrap_or_default();
    if json.get().len() > bytes_max { Err(json.get().len()) } else { Ok(json) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Buffered<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<&'a str, Vec<Cow<'a, str>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<String>>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

fn multiple(headers: &HeaderMap) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
    let values = |name| headers.get_all(name).iter().map(text).collect();
    headers.keys().map(|name| (name.as_str(), values(name))).collect()
}

/// One value per name, which the payload format 2.0 and streams ask for; cookies go elsewhere.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let values = |name| headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(", ");
    headers.keys().filter(|name| **name != SET_COOKIE).map(|name| (name.as_str(), values(name))).collect()
}

/// One value per name, for a load balancer without multi-value headers. Cookies cannot be joined, so the last wins.
fn with_last_cookie(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut fields = joined(headers);
    if let Some(cookie) = headers.get_all(SET_COOKIE).iter().next_back() {
        fields.insert(SET_COOKIE.as_str(), text(cookie).into_owned());
    }
    fields
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(SET_COOKIE).iter().map(|value| text(value).into_owned()).collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The answer as a stream that goes out while it is made; `time_up` ends it. It stays open for the work `behind` it.
pub(crate) fn streamed(
    response: Response<Body>,
    platform: Platform,
    time_up: Option<BoxFuture<'static, ()>>,
    behind: Option<Behind>,
) -> StreamResponse<AnswerStream> {
    let (Parts { status, mut headers, .. }, body) = response.into_parts();
    let (mut whole, rest) = match body.into_bytes() {
        Ok(whole) => (Some(whole), None),
        Err(rest) => (None, Some(rest)),
    };
    let is = |headers: &HeaderMap, kind: &str| headers.get(CONTENT_TYPE).is_some_and(|value| value == kind);
    if let (Some(json), Some(behind)) = (&whole, &behind)
        && behind.is_busy()
        && status == StatusCode::OK
        && is(&headers, "application/json")
    {
        // A client that waits for the end of JSON would wait for the work as well, and takes an event as it comes.
        whole = Some(event(json));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    let is_events = is(&headers, EVENTS);
    let cookies = cookies(&headers);
    let headers = single(&headers, &platform);
    StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: status, headers, cookies },
        stream: AnswerStream { whole, rest, behind, is_events, silence: None, platform, time_up },
    }
}

/// The media type of a stream of events.
const EVENTS: &str = "text/event-stream";

/// A message as an event (WHATWG HTML, section 9.2, "Server-sent events").
fn event(message: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(message.len() + 8);
    for line in message.split(|b| matches!(b, b'\n' | b'\r')) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

/// One text per name, which is all that Lambda reads before a stream: `lambda_runtime` would write several values as a
/// list, and a value that is not ASCII as an empty one.
fn single(headers: &HeaderMap, platform: &Platform) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in joined(headers) {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) if value.to_str().is_ok() => drop(fields.insert(name, value)),
            _ => platform.log(
                LogLevel::Warning,
                &format!("a streamed answer is sent without its header `{name}`, whose value is not ASCII"),
            ),
        }
    }
    fields
}

/// The body of a streamed answer.
///
/// Where the service's own stream breaks off, or where the function's time is up, this one ends, and the log says so:
/// `lambda_runtime` would write the text of an error into the body, where a client reads it. Where work goes on after
/// the answer, this stays open until it is done; between events it then says every [`KEEP_ALIVE_EVERY`] that somebody
/// is there.
pub struct AnswerStream {
    whole: Option<Bytes>,
    /// What follows it, until its end.
    rest: Option<BoxStream<'static, Result<Bytes, BodyError>>>,
    behind: Option<Behind>,
    is_events: bool,
    silence: Option<BoxFuture<'static, ()>>,
    platform: Platform,
    time_up: Option<BoxFuture<'static, ()>>,
}

impl AnswerStream {
    /// The next part of the answer itself.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(whole) = self.whole.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(whole));
        }
        let Some(stream) = &mut self.rest else { return Poll::Ready(None) };
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => return Poll::Ready(Some(chunk)),
            Poll::Ready(Some(Err(error))) => {
                self.platform.log(LogLevel::Error, &format!("a streamed answer broke off: {error}"));
            }
            Poll::Ready(None) => {}
            Poll::Pending => {
                let Some(time_up) = &mut self.time_up else { return Poll::Pending };
                ready!(time_up.as_mut().poll(cx));
                self.platform
                    .log(LogLevel::Warning, "a streamed answer was ended: the function's time is up");
            }
        }
        self.rest = None;
        Poll::Ready(None)
    }

    /// What is sent after the answer, until nothing goes on behind it.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(behind) = &self.behind else { return Poll::Ready(None) };
        if behind.poll_done(cx).is_ready() {
            self.behind = None;
            return Poll::Ready(None);
        }
        if !self.is_events {
            return Poll::Pending;
        }
        let silence = self.silence.get_or_insert_with(|| self.platform.sleep(KEEP_ALIVE_EVERY));
        ready!(silence.as_mut().poll(cx));
        self.silence = None;
        Poll::Ready(Some(Bytes::from_static(b": keep-alive\n\n")))
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.poll_answer(cx)) {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None => self.poll_behind(cx).map(|chunk| chunk.map(Ok)),
        }
    }
}

impl std::fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerStream").finish_non_exhaustive()
    }
}
