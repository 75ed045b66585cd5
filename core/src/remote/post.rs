//! One HTTP request to another server, and the message in its answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::value::RawValue;

use super::{Config, Source, failure::Failure};
use crate::{
    http::{
        headers::{self, Single},
        sse,
    },
    limits::REMOTE_BYTES_MAX,
    line::SAID_WAITING_MAX,
    platform::{FetchError, Platform},
    session,
    wire::{
        client::{Notice, Refusal, notice, refusal},
        jsonrpc::{self, Inbound, Message, Messages, Outcome},
        params::member,
    },
};

/// The longest another server's id of a session may be, in bytes.
const SESSION_BYTES_MAX: usize = 4096;

/// The longest a client is told to wait.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What a server answered with.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: StatusCode,
    /// The session that it has begun.
    pub(super) session: Option<String>,
    /// `None` where no message answers the request.
    pub(super) outcome: Option<Result<Box<RawValue>, Refusal>>,
    /// What it said before.
    pub(super) notices: Vec<Notice>,
    /// Where the stream can be gone on with that ended before the answer, and after how long.
    pub(super) goes_on: Option<(String, Duration)>,
    /// How long to wait, where it asks for that.
    wait: Option<Duration>,
}

impl Heard {
    /// Why there is no message, as the status has it.
    pub(super) fn failure(&self) -> Failure {
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Unauthorized(self.status),
            StatusCode::TOO_MANY_REQUESTS => Failure::Limited(self.wait.unwrap_or(Duration::from_secs(1))),
            status if status.is_success() => Failure::Foreign("no message answers the request".to_owned()),
            status => Failure::Status(status),
        }
    }
}

/// The headers of every request to a server with this configuration.
///
/// # Errors
/// Where a setting that one is taken from is not set, or cannot be a header.
pub(super) fn configured(config: &Config, platform: &Platform) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, source) in &config.headers {
        let value = match source {
            Source::Given(value) => value.clone(),
            Source::Setting { name: variable, before } => {
                let value = platform
                    .var(variable)
                    .ok_or_else(|| Failure::Misconfigured(format!("the setting `{variable}` is not set")))?;
                let value = http::HeaderValue::from_str(&format!("{before}{}", value.trim()));
                let mut value = value.map_err(|_| {
                    Failure::Misconfigured(format!(
                        "the setting `{variable}` has a character that no header can have"
                    ))
                })?;
                value.set_sensitive(true);
                value
            }
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Sends a message, whose answer names `id`, and reads what comes back.
///
/// # Errors
/// Where nothing comes, or what is no text.
pub(super) async fn send(
    config: &Config,
    platform: &Platform,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    id: &str,
) -> Result<Heard, Failure> {
    let url = config.url(platform)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url;
    *request.headers_mut() = headers;
    let accept = match body {
        Some(body) => {
            *request.method_mut() = Method::POST;
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, const { http::HeaderValue::from_static("application/json") });
            *request.body_mut() = body.into();
            "application/json, text/event-stream"
        }
        None => "text/event-stream",
    };
    request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static(accept));
    let agent = const { http::HeaderValue::from_static(concat!("edgemcp/", env!("CARGO_PKG_VERSION"))) };
    request.headers_mut().entry(header::USER_AGENT).or_insert(agent);

    let left =
        platform.deadline().map_or(config.timeout, |end| end.since(platform.now()).min(config.timeout));
    match select(platform.fetch().fetch(request), platform.sleep(left)).await {
        Either::Left((answer, _)) => read(answer.map_err(Failure::Fetch)?, id),
        Either::Right(((), _)) => Err(Failure::Slow(left)),
    }
}

fn read(response: Response<Bytes>, id: &str) -> Result<Heard, Failure> {
    let (parts, body) = response.into_parts();
    if body.len() > REMOTE_BYTES_MAX {
        return Err(Failure::Fetch(FetchError::TooLarge(REMOTE_BYTES_MAX)));
    }
    let is_id = |id: &&str| id.len() <= SESSION_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    let session = match headers::single(&parts.headers, &session::HEADER) {
        Single::Value(id) => Some(id).filter(is_id).map(str::to_owned),
        _ => None,
    };
    let wait =
        parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut heard = Heard {
        status: parts.status,
        session,
        outcome: None,
        notices: Vec::new(),
        goes_on: None,
        wait: wait.map(|seconds| Duration::from_secs(seconds).clamp(Duration::from_secs(1), WAIT_MAX)),
    };
    let text = match std::str::from_utf8(&body) {
        Ok(text) => text,
        // A page of whoever stands in front of it may be anything.
        Err(_) if !parts.status.is_success() => return Ok(heard),
        Err(_) => return Err(Failure::Foreign("it is not UTF-8".to_owned())),
    };
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        let sse::Events { events, last_id, retry } = sse::read(text);
        for event in events.iter().filter(|event| matches!(event.name.as_str(), "" | "message")) {
            heard.take(&event.data, id);
        }
        heard.goes_on =
            last_id.filter(|_| heard.outcome.is_none()).map(|last| (last, retry.unwrap_or_default()));
    } else {
        // The end of a line is a space to JSON, and the end of a message to a stream of this server's own.
        heard.take(&text.replace(['\n', '\r'], " "), id);
    }
    Ok(heard)
}

impl Heard {
    /// Takes in a message, where it is one that concerns the request `id`.
    fn take(&mut self, text: &str, id: &str) {
        match jsonrpc::parse(text.as_bytes()) {
            Ok(Inbound::One(message)) => self.hear(message, text, id),
            // Revision 2025-03-26 may say several things at once.
            Ok(Inbound::Batch(Messages(messages))) => {
                for text in messages.iter().map(|raw| raw.get()) {
                    if let Ok(message) = jsonrpc::message(text) {
                        self.hear(message, text, id);
                    }
                }
            }
            Err(_) => {}
        }
    }

    fn hear(&mut self, message: Message<'_>, text: &str, id: &str) {
        match message {
            Message::Response { id: of, outcome } => {
                // An error may answer a request whose id could not be read.
                let is_ours = match (of.map(RawValue::get), &outcome) {
                    (Some(of), _) if of.strip_prefix('"').and_then(|of| of.strip_suffix('"')) == Some(id) => {
                        true
                    }
                    (None | Some("null"), Outcome::Error(_)) => true,
                    _ => false,
                };
                if is_ours && self.outcome.is_none() {
                    self.outcome = Some(match outcome {
                        Outcome::Result(result) => Ok(result.to_owned()),
                        Outcome::Error(error) => Err(refusal(error)),
                    });
                }
            }
            Message::Notification { method, .. } => {
                if self.notices.len() < SAID_WAITING_MAX {
                    self.notices.extend(notice(&method, member(text, "params")));
                }
            }
            // It was told that nobody here can be asked.
            Message::Request { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(kind: &str, body: &str) -> Heard {
        let response = Response::builder().header("content-type", kind).body(Bytes::from(body.to_owned()));
        read(response.unwrap(), "7").unwrap()
    }

    fn result(heard: &Heard) -> Option<&str> {
        heard.outcome.as_ref().and_then(|outcome| outcome.as_deref().ok()).map(RawValue::get)
    }

    #[test]
    fn the_answer_is_the_message_with_the_id_that_was_asked() {
        let json = "{\"jsonrpc\":\"2.0\",\n \"id\":\"7\", \"result\":{\"a\":\r\n\"b\\nc\"}}";
        assert_eq!(result(&heard("application/json; charset=utf-8", json)), Some("{\"a\":  \"b\\nc\"}"));
        let stream = concat!(
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"not\":\"ours\"}}\n\n",
            "event: else\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{\"not\":\"ours\"}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"roots/list\"}\n\n",
            "data: [{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}]\n\n",
        );
        let heard_stream = heard("Text/Event-Stream", stream);
        assert_eq!((result(&heard_stream), heard_stream.notices.len()), (Some("{}"), 1));
        for none in
            ["", "<html>", "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}", "{\"id\":\"7\",\"result\":{}}"]
        {
            assert!(heard("application/json", none).outcome.is_none(), "{none}");
        }
    }

    #[test]
    fn an_error_may_have_no_id_and_a_result_may_not() {
        let error =
            heard("application/json", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"m"}}"#);
        assert_eq!(error.outcome.unwrap().unwrap_err().code, -32000);
        assert!(heard("application/json", r#"{"jsonrpc":"2.0","id":null,"result":{}}"#).outcome.is_none());
    }

    #[test]
    fn what_is_too_large_or_too_deep_is_no_answer() {
        let deep = |levels: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","id":"7","result":{{"a":{}{}}}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(heard("application/json", &deep(crate::limits::JSON_DEPTH_MAX - 2)).outcome.is_some());
        assert!(heard("application/json", &deep(crate::limits::JSON_DEPTH_MAX - 1)).outcome.is_none());
        let sized = |bytes: usize| read(Response::new(Bytes::from(vec![b' '; bytes])), "7");
        assert!(sized(REMOTE_BYTES_MAX).is_ok());
        assert!(matches!(sized(REMOTE_BYTES_MAX + 1), Err(Failure::Fetch(FetchError::TooLarge(_)))));
    }

    #[test]
    fn a_wait_is_kept_within_reason() {
        for (said, wait) in [("0", 1), ("30", 30), ("999999999", 3600), ("soon", 1)] {
            let response =
                Response::builder().status(429).header("retry-after", said).body(Bytes::new()).unwrap();
            let failure = read(response, "7").unwrap().failure();
            assert!(
                matches!(failure, Failure::Limited(after) if after.as_secs() == wait),
                "{said}: {failure:?}"
            );
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, json};

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn any_answer_is_read(bytes: Vec<u8>, value in json(), status in 200..600_u16, is_stream: bool, session: String) {
            let kind = if is_stream { "text/event-stream" } else { "application/json" };
            for body in [bytes, value.to_string().into_bytes(), format!("data: {value}\n\n").into_bytes()] {
                let mut response = Response::builder().status(status).header("content-type", kind);
                if let Ok(session) = http::HeaderValue::from_str(&session) {
                    response = response.header("mcp-session-id", session);
                }
                if let Ok(heard) = read(response.body(Bytes::from(body)).unwrap(), "7") {
                    let why = heard.failure().why();
                    prop_assert!(why.len() < 200, "{}", why);
                }
            }
        }
    }
}
