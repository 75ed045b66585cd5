//! Reads the headers the protocol gives a meaning to (2026-07-28, basic/transports/streamable-http).

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, HeaderName, header};

/// Names the revision a request is of.
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Repeats the body's `method`, for gateways.
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Repeats the name or URI that the body asks for, for gateways.
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Names the last event of a stream that a client has seen, when it comes back for the rest.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a request says in a header that may stand there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Single<'a> {
    Absent,
    Value(&'a str),
    /// It stands there twice, or is not visible ASCII.
    Unusable,
}

/// The value of the header `name`.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Single<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::Absent,
        (Some(value), None) => {
            value.to_str().map_or(Single::Unusable, |value| Single::Value(value.trim_ascii()))
        }
        (Some(_), Some(_)) => Single::Unusable,
    }
}

/// A header value as the text it stands for: itself, or what `=?base64?…?=` wraps. `None` where the wrapping is
/// broken, so that a corrupt header cannot match the body by accident.
pub(crate) fn decode(value: &str) -> Option<Cow<'_, str>> {
    let Some(wrapped) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(BASE64.decode(wrapped).ok()?).ok().map(Cow::Owned)
}

/// A text as the value of a header that may carry any: itself where it is plain, or else wrapped in `=?base64?…?=`.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    match is_plain && !text.is_empty() && !text.starts_with("=?base64?") {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("=?base64?{}?=", BASE64.encode(text))),
    }
}
/// What the official SDKs send as `Content-Type`.
const JSON: &str = "application/json";

/// What they send as `Accept`.
const JSON_AND_STREAM: &[u8] = b"application/json, text/event-stream";

/// Whether the request's body says it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Single::Value(value) = single(headers, &header::CONTENT_TYPE) else { return false };
    if value == JSON {
        return true;
    }
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(JSON)
}

/// What a client takes as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepts {
    /// An answer in one piece.
    pub(crate) json: bool,
    /// A stream of events.
    pub(crate) stream: bool,
}

/// What the client takes as an answer; one that says nothing takes JSON (RFC 9110, section 12.5.1, would have it take
/// anything, but only who asks for a stream can be trusted to read one).
pub(crate) fn accepts(headers: &HeaderMap) -> Accepts {
    let mut values = headers.get_all(header::ACCEPT).iter();
    if let (Some(value), None) = (values.next(), values.next())
        && value.as_bytes() == JSON_AND_STREAM
    {
        return Accepts { json: true, stream: true };
    }
    let mut accepts = Accepts { json: false, stream: false };
    let mut said_something = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            said_something |= !essence.is_empty();
            let is_zero = |q: &str| q.bytes().all(|b| matches!(b, b'0' | b'.'));
            if parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero)) {
                continue;
            }
            let matches = |known: &[&str]| known.iter().any(|known| essence.eq_ignore_ascii_case(known));
            accepts.json |= matches(&["application/json", "application/*", "*/*"]);
            accepts.stream |= matches(&["text/event-stream"]);
        }
    }
    accepts.json |= !said_something;
    accepts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_value_is_unwrapped_and_a_broken_one_matches_nothing() {
        assert_eq!(decode("add").as_deref(), Some("add"));
        assert_eq!(decode("=?base64?w7w=?=").as_deref(), Some("ü"));
        assert_eq!(decode("=?base64?w7w=").as_deref(), Some("=?base64?w7w="));
        assert_eq!(decode("=?base64?w7w?="), None);
        assert_eq!(decode("=?base64?/w==?="), None);
    }

    #[test]
    fn a_client_that_refuses_json_by_weight_is_believed() {
        let accepts = |value: &'static str| {
            accepts(&HeaderMap::from_iter([(header::ACCEPT, http::HeaderValue::from_static(value))]))
        };
        let both = Accepts { json: true, stream: true };
        assert_eq!(accepts("text/event-stream, application/json"), both);
        assert_eq!(accepts("application/json, text/event-stream"), both);
        assert_eq!(accepts("application/json, text/event-stream;q=0"), Accepts { stream: false, ..both });
        assert_eq!(accepts("*/*;q=0.1"), Accepts { stream: false, ..both });
        assert_eq!(accepts("text/event-stream"), Accepts { json: false, ..both });
        assert_eq!(accepts("application/json;q=0"), Accepts { json: false, stream: false });
        assert_eq!(super::accepts(&HeaderMap::new()), Accepts { stream: false, ..both });
    }
}

#[cfg(test)]
mod properties {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_text_is_the_same_once_it_is_wrapped_and_decoded(text: String) {
            let wrapped = format!("=?base64?{}?=", BASE64.encode(&text));
            prop_assert_eq!(decode(&wrapped), Some(text.into()));
            // A header carries it.
            let headers = HeaderMap::from_iter([(NAME, HeaderValue::from_str(&wrapped).unwrap())]);
            prop_assert_eq!(single(&headers, &NAME), Single::Value(&wrapped));
        }

        #[test]
        fn a_text_that_is_not_wrapped_stands_for_itself_and_a_broken_one_for_nothing(text: String, bytes: Vec<u8>) {
            let is_wrapped = text.starts_with("=?base64?") && text.ends_with("?=");
            if !is_wrapped {
                prop_assert_eq!(decode(&text), Some(text.as_str().into()));
            }
            let wrapped = format!("=?base64?{}?=", BASE64.encode(&bytes));
            prop_assert_eq!(decode(&wrapped).is_some(), std::str::from_utf8(&bytes).is_ok());
            let cut = format!("=?base64?{}?=", &BASE64.encode(&bytes).trim_end_matches('='));
            prop_assert_eq!(decode(&cut).is_some(), bytes.len() % 3 == 0 && std::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn any_header_is_judged(values in prop::collection::vec(prop::collection::vec(32..=255_u8, 0..40), 0..4)) {
            let mut headers = HeaderMap::new();
            for value in values {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(header::ACCEPT, value.clone());
                    headers.append(header::CONTENT_TYPE, value);
                }
            }
            let _ = (accepts(&headers), is_json(&headers));
            if headers.get_all(header::CONTENT_TYPE).iter().count() != 1 {
                prop_assert!(!is_json(&headers));
            }
        }
    }
}
