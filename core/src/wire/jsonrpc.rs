//! Reads one JSON-RPC message from bytes, and writes the answers to it.
//!
//! One pass finds the members of the message, of its parameters and of their metadata. They stay raw until their type is
//! known, so that they are deserialized once, straight from the request.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{error::Category, value::RawValue};

use super::{
    definition::raw,
    given::Given,
    params::{Params, Text},
    results::Empty,
};
use crate::{
    error::{Error, ErrorKind, seconds_ceil},
    limits::{BATCH_MESSAGES_MAX, ID_BYTES_MAX, JSON_DEPTH_MAX, METHOD_BYTES_MAX},
    version::{Era, ProtocolVersion},
};

/// One inbound message.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request {
        id: Id<'a>,
        method: Cow<'a, str>,
        params: Given<Box<Params<'a>>>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Given<Box<Params<'a>>>,
    },
    /// A client's answer to a request of the server's.
    Response {
        /// As JSON; `None` for an error that answers no request in particular.
        id: Option<&'a RawValue>,
        outcome: Outcome<'a>,
    },
}

/// How a client answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
}

/// What a body holds.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    One(Message<'a>),
    /// The messages of a batch, each still to be read on its own.
    Batch(Messages<'a>),
}

/// The messages of a batch. Of more than [`BATCH_MESSAGES_MAX`] one more is kept, which tells: the smallest take an
/// eighth in the body of what they take here.
#[derive(Debug)]
pub(crate) struct Messages<'a>(pub(crate) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Messages<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Messages<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut messages = Vec::new();
                while let Some(message) = seq.next_element()? {
                    if messages.len() <= BATCH_MESSAGES_MAX {
                        messages.push(message);
                    }
                }
                Ok(Messages(messages))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// A request's id: a JSON string or integer, kept as its own text so that it goes back as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id<'a>(&'a RawValue);

impl Id<'_> {
    /// The id as JSON.
    pub(crate) fn json(&self) -> &str {
        self.0.get()
    }

    /// The id as it stands in messages.
    pub(crate) fn raw(&self) -> &RawValue {
        self.0
    }

    fn parse(raw: &RawValue) -> Result<Id<'_>, Error> {
        let text = raw.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_integer && !text.starts_with('"') {
            return Err(Error::invalid_request("`id` must be a string or an integer"));
        }
        if text.len() > ID_BYTES_MAX {
            return Err(Error::invalid_request(format!(
                "`id` has {} bytes, more than {ID_BYTES_MAX}",
                text.len()
            )));
        }
        Ok(Id(raw))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Given<Box<Params<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent, which serde's `Option` does not.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads the message or batch in `body`.
///
/// # Errors
/// `Parse` where the bytes are not JSON, `InvalidRequest` where the JSON is no message.
pub(crate) fn parse(body: &[u8]) -> Result<Inbound<'_>, Error> {
    check_depth(body)?;
    let Ok(body) = std::str::from_utf8(body) else {
        return Err(Error::new(ErrorKind::Parse, "the body is not UTF-8"));
    };
    if body.trim_start().starts_with('[') {
        let messages = serde_json::from_str(body).map_err(|error| unreadable(body, &error))?;
        return Ok(Inbound::Batch(messages));
    }
    message(body).map(Inbound::One)
}

/// Reads one message.
///
/// # Errors
/// As [`parse`].
pub(crate) fn message(text: &str) -> Result<Message<'_>, Error> {
    // A derived `Deserialize` takes an envelope's members from an array too.
    if text.starts_with('[') {
        return Err(Error::invalid_request("the message is an array, not an object"));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
    if envelope.jsonrpc.is_none_or(|Text(version)| version != "2.0") {
        return Err(Error::invalid_request("`jsonrpc` must be \"2.0\""));
    }
    let Some(Text(method)) = envelope.method else {
        // An error may answer a request whose id could not be read, and has `null` then.
        return match (envelope.id, envelope.result, envelope.error) {
            (Some(id), Some(result), None) => {
                Ok(Message::Response { id: Some(id), outcome: Outcome::Result(result) })
            }
            (id, None, Some(error)) => Ok(Message::Response { id, outcome: Outcome::Error(error) }),
            _ => Err(Error::invalid_request("the message has no `method`")),
        };
    };
    let id = envelope.id.map(Id::parse).transpose()?;
    if method.len() > METHOD_BYTES_MAX {
        return Err(Error::invalid_request(format!(
            "`method` has {} bytes, more than {METHOD_BYTES_MAX}",
            method.len()
        )));
    }
    let params = envelope.params;
    Ok(match id {
        Some(id) => Message::Request { id, method, params },
        None => Message::Notification { method, params },
    })
}

fn unreadable(text: &str, error: &serde_json::Error) -> Error {
    let is_json = || serde_json::from_str::<&RawValue>(text).is_ok();
    match error.classify() {
        Category::Data => Error::invalid_request("the body is no JSON-RPC message"),
        // A number where an object must be may be one that no type holds.
        Category::Syntax if is_json() => Error::invalid_request("the body is no JSON-RPC message"),
        Category::Syntax | Category::Eof | Category::Io => {
            let (line, column) = (error.line(), error.column());
            Error::new(ErrorKind::Parse, format!("the body is not JSON (line {line}, column {column})"))
        }
    }
}

/// Refuses what nests so deep that reading it by recursion could exhaust the stack.
fn check_depth(body: &[u8]) -> Result<(), Error> {
    if !may_nest_deep(body) {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(Error::invalid_request(format!(
                "the body nests deeper than {JSON_DEPTH_MAX} levels"
            )));
        }
    }
    Ok(())
}

/// Whether more brackets are opened than may be nested, in strings or not. Few bodies have so many, and counting them
/// takes a fraction of what it takes to follow them.
fn may_nest_deep(body: &[u8]) -> bool {
    // `[` and `{` differ in one bit. A piece is short enough for a byte to hold its count, so that many are counted at once.
    let opened = |piece: &[u8]| piece.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    body.chunks(128).map(|piece| usize::from(opened(piece))).sum::<usize>() > JSON_DEPTH_MAX
}

#[derive(Serialize)]
struct Success<'a, R> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: R,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<ErrorData<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorData<'a> {
    #[serde(rename_all = "camelCase")]
    Capability {
        required_capabilities: Required<'a>,
    },
    /// In seconds.
    #[serde(rename_all = "camelCase")]
    Wait {
        retry_after: u64,
    },
    #[serde(rename_all = "camelCase")]
    Scopes {
        required_scopes: &'a [String],
    },
    Uri {
        uri: &'a str,
    },
    Elicitations {
        elicitations: [UrlElicitation<'a>; 1],
    },
    Version {
        supported: Vec<&'static str>,
        requested: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UrlElicitation<'a> {
    mode: &'static str,
    elicitation_id: &'a str,
    message: &'a str,
    url: &'a str,
}

/// `ClientCapabilities` with one capability: `sampling` is `{"sampling": {}}`, `sampling.tools` is
/// `{"sampling": {"tools": {}}}`, and nothing is an empty object. The id of an extension has dots of its own, so a path
/// has two parts at most.
struct Required<'a>(&'a str);

impl Serialize for Required<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.is_empty() {
            let (name, rest) = self.0.split_once('.').unwrap_or((self.0, ""));
            map.serialize_entry(name, &Inner(rest))?;
        }
        map.end()
    }
}

struct Inner<'a>(&'a str);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.is_empty() {
            map.serialize_entry(self.0, &Empty {})?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Outbound<'a, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<P>,
}

/// A notification to the client.
pub(crate) fn notification(method: &str, params: Option<impl Serialize>) -> Vec<u8> {
    // As `success`.
    serde_json::to_vec(&Outbound { jsonrpc: "2.0", id: None, method, params }).unwrap_or_default()
}

/// A request: to a client, which only the legacy era has, or to another server.
pub(crate) fn request(id: &str, method: &str, params: &RawValue) -> Vec<u8> {
    let outbound = Outbound { jsonrpc: "2.0", id: Some(id), method, params: Some(params) };
    serde_json::to_vec(&outbound).unwrap_or_default()
}

/// The answer to request `id`.
pub(crate) fn success(id: Id<'_>, result: impl Serialize) -> Vec<u8> {
    // Writing to memory fails only where a `Serialize` refuses, and the shapes written here never do.
    serde_json::to_vec(&Success { jsonrpc: "2.0", id: id.0, result }).unwrap_or_default()
}

/// The answer to request `id`, whose result is written already.
pub(crate) fn success_of(id: Id<'_>, result: &RawValue) -> Vec<u8> {
    let parts = [r#"{"jsonrpc":"2.0","id":"#, id.json(), r#","result":"#, result.get(), "}"];
    parts.concat().into_bytes()
}

/// An error alone, where it is part of something else.
pub(crate) fn error(error: &Error, era: Era) -> Box<RawValue> {
    raw(ErrorObject::new(error, era))
}

/// The error that answers request `id`, or a message whose id could not be read.
pub(crate) fn failure(id: Option<Id<'_>>, error: &Error, era: Era) -> Vec<u8> {
    // As `success`.
    let error = ErrorObject::new(error, era);
    serde_json::to_vec(&Failure { jsonrpc: "2.0", id: id.map(|id| id.0), error }).unwrap_or_default()
}

impl<'a> ErrorObject<'a> {
    fn new(error: &'a Error, era: Era) -> Self {
        let data = match &error.kind {
            ErrorKind::ResourceNotFound { uri } => Some(ErrorData::Uri { uri }),
            ErrorKind::MissingClientCapability { capability } => {
                Some(ErrorData::Capability { required_capabilities: Required(capability) })
            }
            ErrorKind::RateLimited { retry_after } => {
                Some(ErrorData::Wait { retry_after: seconds_ceil(*retry_after) })
            }
            ErrorKind::InsufficientScope { scopes } => Some(ErrorData::Scopes { required_scopes: scopes }),
            ErrorKind::UrlElicitationRequired { message, url } => Some(ErrorData::Elicitations {
                // As in the request that asks for the same: the address tells it apart.
                elicitations: [UrlElicitation { mode: "url", elicitation_id: url, message, url }],
            }),
            ErrorKind::UnsupportedVersion { requested } => Some(ErrorData::Version {
                supported: ProtocolVersion::of(era).map(ProtocolVersion::as_str).collect(),
                requested,
            }),
            _ => None,
        };
        Self { code: error.kind.code(era), message: &error.message, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &str) -> ErrorKind {
        parse(body.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn a_message_is_told_by_what_it_has() {
        let parse = |body: &'static str| match parse(body.as_bytes()).unwrap() {
            Inbound::One(Message::Request { .. }) => "request",
            Inbound::One(Message::Notification { .. }) => "notification",
            Inbound::One(Message::Response { .. }) => "response",
            Inbound::Batch(_) => "batch",
        };
        assert_eq!(parse(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), "request");
        assert_eq!(parse(r#"{"jsonrpc":"2.0","method":"ping"}"#), "notification");
        assert_eq!(parse(r#"{"jsonrpc":"2.0","id":"a","result":null}"#), "response");
        assert_eq!(parse(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), "response");
        assert_eq!(parse(" [1]"), "batch");
    }

    #[test]
    fn what_stands_where_parameters_do_is_json_or_not() {
        let body = |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"m","params":{params}}}"#);
        for params in ["{}", "null", "[1,[2]]", "7", "-7", "1.5", r#""a\u0000""#, "true"] {
            assert!(parse(body(params).as_bytes()).is_ok(), "{params}");
        }
        // No type holds it, and it is JSON all the same.
        assert_eq!(kind(&body("1e999")), ErrorKind::InvalidRequest);
        assert_eq!(kind(&body("1e")), ErrorKind::Parse);
        assert_eq!(kind(&body("[1")), ErrorKind::Parse);
    }

    #[test]
    fn an_id_is_a_string_or_an_integer() {
        for id in ["null", "true", "1.5", "1e3", "{}", "[]"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(kind(&body), ErrorKind::InvalidRequest, "{id}");
        }
        for id in ["0", "-7", "18446744073709551616", r#""""#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert!(parse(body.as_bytes()).is_ok(), "{id}");
        }
    }

    #[test]
    fn depth_is_counted_outside_strings_and_refused_past_the_limit() {
        let nest = |depth: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"m","params":{}1{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert!(parse(nest(JSON_DEPTH_MAX - 1).as_bytes()).is_ok());
        assert_eq!(kind(&nest(JSON_DEPTH_MAX)), ErrorKind::InvalidRequest);
        // Of objects as of arrays, and whatever is beside them.
        let objects = |depth: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"m","else":[[],{{}}],"params":{}1{}}}"#,
                r#"{"a":"#.repeat(depth),
                "}".repeat(depth)
            )
        };
        assert!(parse(objects(JSON_DEPTH_MAX - 1).as_bytes()).is_ok());
        assert_eq!(kind(&objects(JSON_DEPTH_MAX)), ErrorKind::InvalidRequest);
        assert_eq!(kind(&nest(10_000)), ErrorKind::InvalidRequest);
        let brackets = format!(r#"{{"jsonrpc":"2.0","method":"m","params":["\"{}"]}}"#, "[".repeat(10_000));
        assert!(parse(brackets.as_bytes()).is_ok());
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::properties::{config, raw};

    fn id() -> impl Strategy<Value = Value> {
        prop_oneof![any::<i64>().prop_map(Value::from), "[^\\p{Cc}]{0,40}".prop_map(Value::from)]
    }

    /// Whether a message answers the request `id`, with an error or with a result.
    fn is_answer_to(message: &Result<Inbound<'_>, Error>, id: &str, is_error: bool) -> bool {
        let Ok(Inbound::One(Message::Response { id: Some(of), outcome })) = message else { return false };
        of.get() == id && matches!(outcome, Outcome::Error(_)) == is_error
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_message_is_read_as_it_was_written(
            id in id(), method in "[^\\p{Cc}]{0,30}", params in raw(), outcome in raw(), kind in 0..4,
        ) {
            let body = match kind {
                0 => json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}),
                1 => json!({"jsonrpc": "2.0", "method": method, "params": params}),
                2 => json!({"jsonrpc": "2.0", "id": id, "result": outcome}),
                _ => json!({"jsonrpc": "2.0", "id": id, "error": outcome}),
            };
            let (body, id) = (body.to_string(), id.to_string());
            let compact = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
            // What is in them is read elsewhere.
            let is_params = |read: Given<Box<Params<'_>>>| match (read, compact(&params)) {
                // Parameters that are null are none.
                (Given::Nothing, given) => given.is_null(),
                (Given::Object(_), given) => given.is_object(),
                (Given::Other, given) => !given.is_null() && !given.is_object(),
                (Given::Twice, _) => false,
            };
            match parse(body.as_bytes()).unwrap() {
                Inbound::One(Message::Request { id: read, method: named, params: read_params }) => {
                    prop_assert_eq!((kind, read.json(), &*named), (0, &*id, &*method));
                    prop_assert!(is_params(read_params));
                    // What is answered has the same id, and is one message in one line.
                    let answer = success_of(read, &outcome);
                    prop_assert_eq!(&answer, &success(read, &outcome));
                    let written = parse(&answer);
                    prop_assert!(is_answer_to(&written, &id, false), "{written:?}");
                    let answer = failure(Some(read), &Error::invalid_params(named.into_owned()), Era::Modern);
                    let written = parse(&answer);
                    prop_assert!(is_answer_to(&written, &id, true), "{written:?}");
                    prop_assert!(!answer.contains(&b'\n'));
                }
                Inbound::One(Message::Notification { method: named, params: read_params }) => {
                    prop_assert_eq!((kind, &*named), (1, &*method));
                    prop_assert!(is_params(read_params));
                }
                Inbound::One(Message::Response { id: Some(read), outcome: Outcome::Result(read_outcome) }) => {
                    prop_assert_eq!((kind, read.get(), compact(read_outcome)), (2, &*id, compact(&outcome)));
                }
                Inbound::One(Message::Response { id: Some(read), outcome: Outcome::Error(read_outcome) }) => {
                    prop_assert_eq!((kind, read.get(), compact(read_outcome)), (3, &*id, compact(&outcome)));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn a_batch_has_its_messages_in_their_order(messages in prop::collection::vec(any::<u8>().prop_map(Value::from), 0..60)) {
            let body = Value::Array(messages.clone()).to_string();
            let Ok(Inbound::Batch(Messages(read))) = parse(body.as_bytes()) else { return Err(TestCaseError::fail(body)) };
            let read: Vec<Value> = read.iter().map(|raw| serde_json::from_str(raw.get()).unwrap()).collect();
            // One more than may be is kept, which tells.
            prop_assert_eq!(&read[..], &messages[..messages.len().min(BATCH_MESSAGES_MAX + 1)]);
        }

        #[test]
        fn any_bytes_are_a_message_or_say_why_not(bytes: Vec<u8>, json in raw(), text in "[\\[\\]{}\":,0-9a-z ]{0,40}") {
            for bytes in [&bytes[..], json.get().as_bytes(), text.as_bytes()] {
                if let Err(error) = parse(bytes) {
                    prop_assert!(matches!(error.kind, ErrorKind::Parse | ErrorKind::InvalidRequest));
                    let is_json = serde_json::from_slice::<&RawValue>(bytes).is_ok();
                    // What breaks off as a message need not have been JSON up to its end.
                    prop_assert!(!is_json || error.kind == ErrorKind::InvalidRequest);
                }
            }
        }
    }
}
