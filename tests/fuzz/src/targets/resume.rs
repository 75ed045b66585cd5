//! A legacy client whose call is kept: it goes away, comes back, answers and cancels.
//!
//! The first line has the version, flags and, as its last word, the tool. Each line after it is one thing that the
//! client does: `get ID` comes back to a stream, `post BODY` sends a message, `tick` lets time pass. `{call}` stands for
//! the id of the call, `{ask}` for that of the server's first request, `{last}` for that of the last event.

use edgemcp::Era;
use http::{Method, StatusCode};

use super::legacy::{Client, asks, line};
use crate::{
    asked::{Asked, asked},
    check::quoted,
    said::events,
    stage::{Answer, Reading},
};

/// How many lines are read: each may take a while.
const LINES: usize = 12;

pub(crate) fn run(data: &[u8]) {
    let (first, rest) = line(data);
    let Some(tool) =
        first.rsplit(|byte| *byte == b' ').next().and_then(|tool| std::str::from_utf8(tool).ok())
    else {
        return;
    };
    let client = Client::new(first);
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":{},"_meta":{{"progressToken":"p"}}}}}}"#,
        quoted(tool)
    );
    let mut reading = Some(client.stage.begin(client.request(Method::POST, &[], call.as_bytes())));
    let known = reading.as_ref().map(Known::of).unwrap_or_default();
    for act in rest.split(|byte| *byte == b'\n').take(LINES) {
        let (what, operand) = match act.iter().position(|byte| *byte == b' ') {
            Some(end) => (&act[..end], known.fill(&act[end + 1..])),
            None => (act, Vec::new()),
        };
        match what {
            b"get" => {
                let answer =
                    client.stage.send(client.request(Method::GET, &[("last-event-id", &operand)], b""));
                is_stream_or_refusal(&answer);
            }
            b"post" => {
                let answer = client.stage.send(client.request(Method::POST, &[], &operand));
                if let (Asked::Request(id), [.., last]) = (asked(&operand), &answer.messages()[..])
                    && last.is_answer()
                {
                    assert_eq!(last.answers(), Some(id), "{answer:?}");
                }
            }
            b"tick" => client.stage.wait(|| {
                reading.as_mut().map(Reading::poll);
                false
            }),
            b"leave" => reading = None,
            _ => {}
        }
        reading.as_mut().map(Reading::poll);
    }
    drop(reading);
    client.stage.settle();
    client.stage.has_no_fault();
}

/// A client that comes back gets a stream, or hears that there is none for it.
fn is_stream_or_refusal(answer: &Answer) {
    let messages = answer.messages();
    match answer.status {
        StatusCode::OK => {
            assert!(answer.is_stream(), "{answer:?}");
            // Its one call has one answer.
            assert!(
                messages.iter().all(|message| message.answers().is_none_or(|id| id == "7")),
                "{answer:?}"
            );
            assert!(messages.iter().filter(|message| message.is_answer()).count() <= 1, "{answer:?}");
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
            crate::check::status(answer, messages.last().and_then(crate::said::Message::code), Era::Legacy);
        }
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::ACCEPTED => assert!(messages.is_empty()),
        _ => panic!("{answer:?}"),
    }
}

/// What a client has learned from the beginning of its stream.
#[derive(Default)]
struct Known {
    call: Vec<u8>,
    last: Vec<u8>,
    ask: Vec<u8>,
}

impl Known {
    fn of(reading: &Reading) -> Self {
        let events = if reading.is_stream() { events(reading.so_far()) } else { Vec::new() };
        let last = events.iter().filter_map(|event| event.id).next_back().unwrap_or_default();
        let call = last.split('.').next().unwrap_or_default();
        let ask = asks(reading).into_iter().next().unwrap_or_default();
        Self { call: call.into(), last: last.into(), ask: ask.into() }
    }

    /// The text, with what the client has learned in its places.
    fn fill(&self, text: &[u8]) -> Vec<u8> {
        let (mut filled, mut rest) = (Vec::new(), text);
        'next: while let Some((first, after)) = rest.split_first() {
            for (name, value) in [("{call}", &self.call), ("{last}", &self.last), ("{ask}", &self.ask)] {
                if let Some(after) = rest.strip_prefix(name.as_bytes()) {
                    filled.extend(value);
                    rest = after;
                    continue 'next;
                }
            }
            filled.push(*first);
            rest = after;
        }
        filled
    }
}
