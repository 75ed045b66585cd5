//! What a body is, read by other means than the server's own.

use std::{borrow::Cow, fmt};

use edgemcp::limits::{ID_BYTES_MAX, JSON_DEPTH_MAX, METHOD_BYTES_MAX};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What a body, or one message of a batch, is.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked<'a> {
    /// A request, by its id as it is written.
    Request(&'a str),
    Notification,
    Response,
    Batch(Vec<Asked<'a>>),
    /// No message.
    Strange,
}

/// What `body` is.
pub(crate) fn asked(body: &[u8]) -> Asked<'_> {
    let Ok(text) = std::str::from_utf8(body) else { return Asked::Strange };
    if depth(text) > JSON_DEPTH_MAX {
        return Asked::Strange;
    }
    if text.trim_start().starts_with('[') {
        return match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(messages) => Asked::Batch(messages.into_iter().map(|raw| message(raw.get())).collect()),
            Err(_) => Asked::Strange,
        };
    }
    message(text)
}

fn message(text: &str) -> Asked<'_> {
    let Some(members) = members(text) else { return Asked::Strange };
    let known = ["jsonrpc", "id", "method", "params", "result", "error"];
    let is_twice = |name: &str| members.iter().filter(|(key, _)| key == name).count() > 1;
    if known.into_iter().any(is_twice) {
        return Asked::Strange;
    }
    let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let string = |text: &str| serde_json::from_str::<String>(text).ok();
    let is_null = |value: Option<&str>| value.is_none_or(|value| value == "null");
    if get("jsonrpc").and_then(string).as_deref() != Some("2.0") {
        return Asked::Strange;
    }
    if is_null(get("method")) {
        return match (get("id"), get("result"), get("error")) {
            (Some(_), Some(_), None) | (_, None, Some(_)) => Asked::Response,
            _ => Asked::Strange,
        };
    }
    if get("method").and_then(string).is_none_or(|method| method.len() > METHOD_BYTES_MAX) {
        return Asked::Strange;
    }
    let Some(id) = get("id") else { return Asked::Notification };
    let is_integer = !id.contains(['.', 'e', 'E']) && serde_json::from_str::<serde_json::Number>(id).is_ok();
    match (id.starts_with('"') || is_integer) && id.len() <= ID_BYTES_MAX {
        true => Asked::Request(id),
        false => Asked::Strange,
    }
}

/// How deep arrays and objects nest outside of strings, whether or not they are JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut rest) = (0_usize, 0, text.chars());
    while let Some(letter) = rest.next() {
        match letter {
            '"' => {
                while let Some(letter) = rest.next().filter(|letter| *letter != '"') {
                    if letter == '\\' {
                        rest.next();
                    }
                }
            }
            '[' | '{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The members of a JSON object in their order, those that stand there twice too; `None` where `text` is none.
pub(crate) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(text).ok().map(|Members(members)| members)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(key), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}
