//! What a handler has been answered and has done, as it is kept between two runs of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{
    given::Given,
    jsonrpc::present,
    params::{Meta, Params},
};
use crate::journal::{Answer, Journal, Step};

/// A journal, written for a client to carry. Names are short, since a client carries them to and fro.
#[derive(Serialize, Deserialize)]
struct State<'a> {
    /// Tells this state from any other, where it may be used once.
    #[serde(rename = "n", borrow, skip_serializing_if = "Option::is_none")]
    nonce: Option<Cow<'a, str>>,
    /// The call that its steps are claimed under.
    #[serde(rename = "c", borrow, skip_serializing_if = "Option::is_none")]
    call: Option<Cow<'a, str>>,
    #[serde(rename = "a", borrow)]
    asks: Vec<Asked<'a>>,
    #[serde(rename = "s", borrow, default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Done<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Asked<'a> {
    #[serde(rename = "k", borrow)]
    key: Cow<'a, str>,
    #[serde(rename = "d", borrow)]
    digest: Cow<'a, str>,
    #[serde(
        rename = "r",
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    result: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Done<'a> {
    #[serde(rename = "n", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "r", borrow)]
    result: &'a RawValue,
}

/// `journal` as bytes.
pub(crate) fn write(journal: &Journal, nonce: Option<&str>) -> Vec<u8> {
    let asks = journal.asks.iter().map(|asked| Asked {
        key: asked.key.as_str().into(),
        digest: asked.digest.as_str().into(),
        result: asked.answer.as_ref().and_then(|answer| match answer {
            Answer::Result(result) => Some(&**result),
            // The modern era, which is the one that has states, has no such answer.
            Answer::Refusal(_) => None,
        }),
    });
    let steps =
        journal.steps.iter().map(|step| Done { name: step.name.as_str().into(), result: &step.result });
    let state = State {
        nonce: nonce.map(Cow::Borrowed),
        call: journal.call.as_deref().map(Cow::Borrowed),
        asks: asks.collect(),
        steps: steps.collect(),
    };
    // Strings, and JSON that was read before.
    serde_json::to_vec(&state).unwrap_or_default()
}

/// Adds to `journal` what `bytes` say, and returns the nonce; `None` where they say nothing a server wrote.
pub(crate) fn read(bytes: &[u8], journal: &mut Journal) -> Option<Option<String>> {
    let State { nonce, call, asks, steps } = super::read(bytes)?;
    journal.call = call.map(Cow::into_owned);
    for Asked { key, digest, result } in asks {
        let answer = result.map(|result| Answer::Result(result.to_owned()));
        journal.remember(key.into_owned(), digest.into_owned(), answer);
    }
    journal.steps.extend(
        steps
            .into_iter()
            .map(|Done { name, result }| Step { name: name.into_owned(), result: result.to_owned() }),
    );
    Some(nonce.map(Cow::into_owned))
}

/// What a request asks for, in one form whatever the order of its members: its method and parameters, without what
/// differs from one sending of it to the next.
pub(crate) fn identity(message: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
        params: Option<Map<String, Value>>,
    }
    let exact = exact(message);
    let Some(Envelope { method, params }) = super::read::<Envelope<'_>>(&exact) else {
        return message.to_vec();
    };
    let mut params = params.unwrap_or_default();
    for passing in ["_meta", "inputResponses", "requestState"] {
        params.remove(passing);
    }
    let mut params = Value::Object(params);
    params.sort_all_objects();
    // A `Value` has string keys, so writing it cannot fail.
    serde_json::to_vec(&(method, params)).unwrap_or_default()
}

/// The most characters of an integer that a `Value` keeps as it is, whatever its digits.
const INTEGER_CHARS_MAX: usize = 18;

/// JSON whose long integers are texts, since a `Value` rounds what has more than 64 bits.
fn exact(json: &[u8]) -> Vec<u8> {
    let mut exact = Vec::with_capacity(json.len());
    let mut rest = json.iter().copied().peekable();
    let mut is_text = false;
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if is_text => {
                exact.push(byte);
                exact.extend(rest.next());
            }
            b'-' | b'0'..=b'9' if !is_text => {
                let start = exact.len();
                exact.push(byte);
                let goes_on = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                exact.extend(std::iter::from_fn(|| rest.next_if(goes_on)));
                let number = exact.get(start..).unwrap_or_default();
                let is_integer = !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                if is_integer && number.len() > INTEGER_CHARS_MAX {
                    exact.splice(start..start, *b"\"integer ");
                    exact.push(b'"');
                }
            }
            _ => {
                is_text ^= byte == b'"';
                exact.push(byte);
            }
        }
    }
    exact
}

/// Whether these parameters carry metadata of the modern era.
pub(crate) fn is_modern(params: &Given<Box<Params<'_>>>) -> bool {
    let Given::Object(params) = params else { return false };
    matches!(params.meta(), Ok(Some(Meta { protocol_version: Some(_), .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_however_it_is_written_and_whatever_comes_back_with_it() {
        let one = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":1,"b":{"x":1,"y":2}}}}"#;
        let other = br#"{"method":"tools/call","id":"9","params":{"requestState":"s","inputResponses":{},"_meta":{"q":1},
            "arguments":{"b":{"y":2,"x":1},"a":1},"name":"t"},"jsonrpc":"2.0"}"#;
        assert_eq!(identity(one), identity(other));
        let different =
            br#"{"method":"tools/call","params":{"name":"t","arguments":{"a":2,"b":{"x":1,"y":2}}}}"#;
        assert_ne!(identity(one), identity(different));
        // Nothing in a text is a number, and a quote behind a backslash ends none.
        let large = |n: &str| {
            let params = format!(r#"{{"a\"1":"\\","b":[{n},"12345678901234567890"]}}"#);
            identity(format!(r#"{{"method":"m","params":{params}}}"#).as_bytes())
        };
        let numbers = ["18446744073709551616", "18446744073709551617", "-18446744073709551617", "1e30"];
        for (index, one) in numbers.iter().enumerate() {
            assert!(numbers.iter().skip(index + 1).all(|other| large(one) != large(other)), "{one}");
        }
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let mut journal = Journal::default();
        journal.call = Some("c1".to_owned());
        journal.remember("name".to_owned(), "d1".to_owned(), Some(Answer::Result(raw(r#"{"a":1}"#))));
        journal.remember("ask-1".to_owned(), "d2".to_owned(), None);
        journal.remember("ask-2".to_owned(), "d3".to_owned(), Some(Answer::Result(raw("null"))));
        journal.steps.push(Step { name: "charge".to_owned(), result: raw("7") });
        let bytes = write(&journal, Some("n1"));

        let mut read_again = Journal::default();
        assert_eq!(read(&bytes, &mut read_again), Some(Some("n1".to_owned())));
        assert_eq!(write(&read_again, Some("n1")), bytes);
        assert_eq!(read(b"{}", &mut Journal::default()), None);
    }
}

#[cfg(test)]
mod properties {
    use proptest::{option, prelude::*};

    use super::*;
    use crate::properties::{config, json, object, raw};

    fn journal() -> impl Strategy<Value = Journal> {
        let asks = prop::collection::vec((any::<String>(), any::<String>(), option::of(raw())), 0..4);
        let steps = prop::collection::vec((any::<String>(), raw()), 0..4);
        (option::of(any::<String>()), asks, steps).prop_map(|(call, asks, steps)| {
            let mut journal = Journal::default();
            journal.call = call;
            for (key, digest, answer) in asks {
                journal.remember(key, digest, answer.map(Answer::Result));
            }
            journal.steps.extend(steps.into_iter().map(|(name, result)| Step { name, result }));
            journal
        })
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_journal_is_read_as_it_was_written(journal in journal(), nonce in option::of(any::<String>())) {
            let written = write(&journal, nonce.as_deref());
            let mut again = Journal::default();
            prop_assert_eq!(read(&written, &mut again), Some(nonce.clone()));
            prop_assert_eq!(&again.call, &journal.call);
            let asks = |journal: &Journal| {
                let asks = journal.asks.iter().map(|asked| {
                    let answer = asked.answer.as_ref().map(|answer| match answer {
                        Answer::Result(answer) | Answer::Refusal(answer) => answer.get().to_owned(),
                    });
                    (asked.key.clone(), asked.digest.clone(), answer)
                });
                asks.collect::<Vec<_>>()
            };
            let steps = |journal: &Journal| {
                let steps = journal.steps.iter().map(|step| (step.name.clone(), step.result.get().to_owned()));
                steps.collect::<Vec<_>>()
            };
            prop_assert_eq!(asks(&again), asks(&journal));
            prop_assert_eq!(steps(&again), steps(&journal));
        }

        #[test]
        fn what_is_no_state_is_none(json in raw(), bytes: Vec<u8>) {
            let _ = (read(json.get().as_bytes(), &mut Journal::default()), read(&bytes, &mut Journal::default()));
            let _ = (identity(json.get().as_bytes()), identity(&bytes), is_modern(&serde_json::from_str(json.get()).unwrap()));
        }

        #[test]
        fn a_request_is_the_same_in_whatever_order_it_is_written(
            method: String, params in object(), passing in json(), arguments in json(),
        ) {
            let write = |params: Map<String, Value>, id: Value| {
                serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
            };
            let mut one = params.clone();
            one.insert("arguments".to_owned(), arguments.clone());
            let mut other = Map::from_iter([("arguments".to_owned(), arguments)]);
            other.extend(params.into_iter().rev().filter(|(name, _)| name != "arguments"));
            for name in ["_meta", "inputResponses", "requestState"] {
                other.insert(name.to_owned(), passing.clone());
            }
            let same = identity(write(one.clone(), 1.into()).as_bytes());
            prop_assert_eq!(&identity(write(other, "x".into()).as_bytes()), &same);
            one.insert("another".to_owned(), serde_json::json!([one.get("another")]));
            prop_assert_ne!(&identity(write(one, 1.into()).as_bytes()), &same);
        }
    }
}
