//! What a server may say: JSON-RPC messages, one for itself, in a batch or as the events of a stream.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The most bytes of an error's message: what it repeats of the client's own is cut.
const MESSAGE_BYTES_MAX: usize = 4000;

/// A message of the server's, which has what its kind has and nothing else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// An error of the server's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure<'a> {
    pub(crate) code: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The codes that a server uses (2026-07-28, basic/index, and 2025-11-25).
const CODES: [i64; 10] = [-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32021, -32022, -32042];

impl<'a> Message<'a> {
    /// The message that `bytes` are.
    ///
    /// # Panics
    /// Where they are none that a server may send.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        let message: Self =
            serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", shown()));
        assert_eq!(message.jsonrpc, "2.0", "{}", shown());
        let is_object = |raw: Option<&RawValue>| raw.is_none_or(|raw| raw.get().starts_with('{'));
        match (&message.method, message.result, message.error, message.id) {
            // A request has a text of the server's own, a notification has none.
            (Some(_), None, None, id) => {
                assert!(id.is_none_or(|id| id.get().starts_with('"')), "{}", shown());
                assert!(is_object(message.params), "{}", shown());
            }
            (None, Some(_), None, Some(id)) => {
                assert!(id.get() != "null" && message.params.is_none(), "{}", shown());
                assert!(is_object(message.result), "{}", shown());
            }
            (None, None, Some(error), Some(_)) => {
                assert!(message.params.is_none() && is_object(message.error), "{}", shown());
                let failure: Failure<'_> =
                    serde_json::from_str(error.get()).unwrap_or_else(|error| panic!("{error}: {}", shown()));
                assert!(CODES.contains(&failure.code), "{}", shown());
                let bytes = failure.message.len();
                assert!(bytes > 0 && bytes <= MESSAGE_BYTES_MAX, "{bytes} bytes: {}", shown());
                assert!(is_object(failure.data), "{}", shown());
            }
            _ => panic!("neither a request, a notification, a result nor an error: {}", shown()),
        }
        message
    }

    /// The id of the request that is answered, as it was written; `None` where it could not be read, and where this is
    /// no answer.
    pub(crate) fn answers(&self) -> Option<&'a str> {
        self.id.map(RawValue::get).filter(|id| self.method.is_none() && *id != "null")
    }

    pub(crate) fn is_answer(&self) -> bool {
        self.method.is_none()
    }

    /// The id of a request that the server makes, as it is written.
    pub(crate) fn asks(&self) -> Option<&'a str> {
        self.id.map(RawValue::get).filter(|_| self.method.is_some())
    }

    /// What the request failed with.
    pub(crate) fn failure(&self) -> Option<Failure<'a>> {
        self.error.and_then(|error| serde_json::from_str(error.get()).ok())
    }

    pub(crate) fn code(&self) -> Option<i64> {
        self.failure().map(|failure| failure.code)
    }

    /// A member of the result.
    pub(crate) fn member(&self, name: &str) -> Option<&'a RawValue> {
        let members = crate::asked::members(self.result?.get())?;
        members.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A member of the result that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.member(name)?.get()).ok()
    }
}

/// The messages of a body that is JSON: one, or a batch of answers.
pub(crate) fn whole(body: &[u8]) -> Vec<Message<'_>> {
    if !body.starts_with(b"[") {
        let message = Message::read(body);
        assert!(message.is_answer(), "{message:?}");
        return vec![message];
    }
    let batch: Vec<&RawValue> = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}"));
    assert!(!batch.is_empty(), "an empty batch is none");
    batch.into_iter().map(|raw| Message::read(raw.get().as_bytes())).collect()
}

/// An event of a stream.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) data: &'a str,
}

/// The events of a stream, each of which has one line of data.
pub(crate) fn events(body: &[u8]) -> Vec<Event<'_>> {
    let text = std::str::from_utf8(body).unwrap_or_else(|error| panic!("{error}"));
    assert!(text.is_empty() || text.ends_with("\n\n"), "an event is cut off: {text:?}");
    assert!(!text.contains('\r'), "it ends a line too: {text:?}");
    let mut events = Vec::new();
    for block in text.split_terminator("\n\n") {
        let (mut event, mut has_data) = (Event::default(), false);
        for line in block.split('\n') {
            match line.split_once(": ") {
                Some(("", _)) => assert_eq!(block, line, "a comment stands alone"),
                Some(("id", id)) => assert!(event.id.replace(id).is_none(), "{text:?}"),
                Some(("retry", millis)) => assert!(millis.parse::<u64>().is_ok(), "{text:?}"),
                Some(("data", data)) => {
                    assert!(!has_data, "{text:?}");
                    (event.data, has_data) = (data, true);
                }
                _ => panic!("no line of an event is {line:?}: {text:?}"),
            }
        }
        if has_data {
            events.push(event);
        }
    }
    events
}

/// The messages of a stream, of which the last one may be the answer, and no other.
pub(crate) fn streamed(body: &[u8]) -> Vec<Message<'_>> {
    let events = events(body);
    let said: Vec<&str> = events.iter().map(|event| event.data).filter(|data| !data.is_empty()).collect();
    let mut messages = Vec::new();
    for (number, data) in (1..).zip(&said) {
        let parts = match data.starts_with('[') {
            true => whole(data.as_bytes()),
            false => vec![Message::read(data.as_bytes())],
        };
        let is_last = number == said.len();
        assert!(is_last || parts.iter().all(|part| !part.is_answer()), "an answer is not the last: {data}");
        messages.extend(parts);
    }
    messages
}
