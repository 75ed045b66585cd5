//! What must hold of an answer, given what was asked.

use base64::{Engine, engine::general_purpose::STANDARD};
use edgemcp::Era;
use http::StatusCode;

use crate::{
    asked::Asked,
    said::Message,
    stage::{Answer, Stage},
};

/// Splits what a target is given at its empty lines.
pub(crate) fn parts(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
        parts.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    parts.push(rest);
    parts
}

/// A text as a header may carry it, wrapped where it must be (2026-07-28, basic/transports/streamable-http).
pub(crate) fn wrapped(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if is_plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Fails where this is no answer to one message of `era`, and gives the messages in it.
#[track_caller]
pub(crate) fn one<'a>(answer: &'a Answer, asked: &Asked<'_>, era: Era) -> Vec<Message<'a>> {
    let messages = answer.messages();
    match asked {
        Asked::Request(id) => {
            let Some((last, before)) = messages.split_last() else { panic!("no answer: {answer:?}") };
            assert_eq!(last.answers(), Some(*id), "the answer is to something else: {answer:?}");
            assert!(answer.ended, "the answer goes on: {answer:?}");
            assert!(before.iter().all(|message| !message.is_answer()));
            if era == Era::Modern {
                assert!(before.iter().all(|message| message.asks().is_none()), "{answer:?}");
                let kind = last.text("resultType");
                let kinds = [Some("complete"), Some("input_required"), Some("task")];
                assert!(last.result.is_none() || kinds.contains(&kind.as_deref()), "{answer:?}");
            }
            status(answer, last.code(), era);
        }
        Asked::Notification => {
            assert_eq!((answer.status, answer.body.is_empty()), (StatusCode::ACCEPTED, true), "{answer:?}");
        }
        Asked::Response if era == Era::Legacy => {
            assert_eq!((answer.status, answer.body.is_empty()), (StatusCode::ACCEPTED, true), "{answer:?}");
        }
        Asked::Response | Asked::Batch(_) | Asked::Strange => {
            unreadable(answer);
        }
    }
    messages
}

/// Fails where this is not the answer to a body that could not be read.
#[track_caller]
pub(crate) fn unreadable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let [message] = &answer.messages()[..] else { panic!("not one answer: {answer:?}") };
    assert_eq!(message.answers(), None, "{answer:?}");
    assert!(matches!(message.code(), Some(-32700 | -32600)), "{answer:?}");
}

/// Fails where the status is not that of the code.
#[track_caller]
pub(crate) fn status(answer: &Answer, code: Option<i64>, era: Era) {
    let expected: &[u16] = match (code, era) {
        _ if answer.is_stream() => &[200],
        (None, _) => &[200],
        // A capability that is missing is a 200 on the legacy era, and a session that has gone a 404.
        (Some(-32600), Era::Legacy) => &[400, 200, 404],
        (Some(-32700 | -32600 | -32020 | -32022), _) | (Some(-32602 | -32021), Era::Modern) => &[400],
        (Some(-32601), Era::Modern) => &[404],
        (Some(_), _) => &[200],
    };
    assert!(expected.contains(&answer.status.as_u16()), "{code:?} {answer:?}");
}

/// Runs `act`, and fails where it is refused and has changed the store all the same.
#[track_caller]
pub(crate) fn changes_nothing_where_refused<T>(
    stage: &Stage,
    act: impl FnOnce() -> T,
    is_refused: impl FnOnce(&T) -> bool,
) -> T {
    let before = stage.store.changes();
    let outcome = act();
    assert!(
        !is_refused(&outcome) || stage.store.changes() == before,
        "what was refused has changed the store"
    );
    outcome
}
