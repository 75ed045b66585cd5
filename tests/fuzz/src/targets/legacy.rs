//! The body of a POST of a legacy revision.
//!
//! In front of it stands a line with the version header (`-` for none) and any of `session`, `stream`, and `whole` (a
//! platform that sends answers in one piece); after empty lines what the client answers to each ask, as a result or
//! behind `error`.

use edgemcp::{Era, ProtocolVersion, limits::BATCH_MESSAGES_MAX};
use http::{Method, Request, StatusCode};

use crate::{
    asked::{Asked, asked},
    check::{one, parts, status, unreadable},
    client::{BOTH, request, session},
    said::{Message, streamed},
    server::OPEN,
    stage::{Answer, Reading, Stage},
};

/// How many asks are answered.
const ANSWERS: usize = 8;

pub(crate) fn run(data: &[u8]) {
    let parts = parts(data);
    let (line, body) = line(parts[0]);
    let client = Client::new(line);
    let mut reading = client.stage.begin(client.post(body));
    let mut answers = parts[1..].iter().cycle();
    for number in 0..ANSWERS {
        reading.poll();
        let (Some(id), Some(answer)) = (asks(&reading).into_iter().nth(number), answers.next()) else {
            break;
        };
        client.answer(&id, answer);
    }
    client.stage.wait(|| reading.poll());
    client.check(&reading.into_answer(), body);
    client.stage.settle();
    client.stage.has_no_fault();
}

/// The first line, and the rest.
pub(crate) fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, b""),
    }
}

/// The ids of the requests that the server makes on a stream, as they are written.
pub(crate) fn asks(reading: &Reading) -> Vec<String> {
    if !reading.is_stream() {
        return Vec::new();
    }
    streamed(reading.so_far()).iter().filter_map(|message| message.asks().map(str::to_owned)).collect()
}

/// A client that sends its headers the same way each time.
pub(crate) struct Client {
    pub(crate) stage: Stage,
    version: Option<Vec<u8>>,
    accept: &'static str,
    session: Option<String>,
    /// The revision of the session.
    settled: Option<ProtocolVersion>,
}

impl Client {
    /// The client that a line of words describes.
    pub(crate) fn new(line: &[u8]) -> Self {
        let mut words = line.split(|byte| *byte == b' ');
        let version = words.next().filter(|version| *version != b"-").map(<[u8]>::to_vec);
        let flags: Vec<_> = words.collect();
        let has = |flag: &str| flags.contains(&flag.as_bytes());
        let stage = if has("whole") { Stage::buffered(&OPEN) } else { Stage::new(&OPEN) };
        let settled = version.as_deref().and_then(|version| std::str::from_utf8(version).ok());
        let settled = settled.unwrap_or(ProtocolVersion::LATEST_LEGACY.as_str());
        let session = has("session").then(|| session(&stage, settled));
        let settled = ProtocolVersion::parse(settled).filter(|version| version.era() == Era::Legacy);
        let settled = session.as_ref().map(|_| settled.unwrap_or(ProtocolVersion::LATEST_LEGACY));
        Self {
            stage,
            version,
            accept: if has("stream") { BOTH } else { "application/json" },
            session,
            settled,
        }
    }

    /// A request with the client's headers.
    pub(crate) fn request(
        &self,
        method: Method,
        more: &[(&str, &[u8])],
        body: &[u8],
    ) -> Request<bytes::Bytes> {
        let mut headers =
            vec![("content-type", &b"application/json"[..]), ("accept", self.accept.as_bytes())];
        headers.extend(self.session.iter().map(|id| ("mcp-session-id", id.as_bytes())));
        headers.extend(self.version.iter().map(|version| ("mcp-protocol-version", &version[..])));
        headers.extend(more);
        request(method, headers, body.to_vec())
    }

    fn post(&self, body: &[u8]) -> Request<bytes::Bytes> {
        self.request(Method::POST, &[], body)
    }

    /// Answers a request of the server's.
    fn answer(&self, id: &str, answer: &[u8]) {
        let (kind, answer) = match answer.strip_prefix(b"error ") {
            Some(error) => ("error", error),
            None => ("result", answer),
        };
        let message = [format!(r#"{{"jsonrpc":"2.0","id":{id},"{kind}":"#).as_bytes(), answer, b"}"].concat();
        self.check(&self.stage.send(self.post(&message)), &message);
    }

    /// The version header, where a server can make sense of it; `Err` where it cannot.
    fn header(&self) -> Result<Option<ProtocolVersion>, ()> {
        // What is no value of a header at all was left out.
        let Some(value) =
            self.version.as_deref().filter(|value| http::HeaderValue::from_bytes(value).is_ok())
        else {
            return Ok(None);
        };
        let value = std::str::from_utf8(value).ok().filter(|value| value.is_ascii()).ok_or(())?;
        ProtocolVersion::parse(value.trim()).map(Some).ok_or(())
    }

    /// Fails where this is no answer to `body`.
    fn check(&self, answer: &Answer, body: &[u8]) {
        let asked = asked(body);
        // A body can say by itself that it is modern, which it is refused for without the headers.
        let is_modern = body.windows(9).any(|at| at == b"modelcont") || body.contains(&b'\\');
        match (self.header(), &asked) {
            (Ok(Some(ProtocolVersion::V2026_07_28)), _) => drop(one(answer, &asked, Era::Modern)),
            (Err(()), Asked::Request(id)) => {
                let [message] = &answer.messages()[..] else { panic!("{answer:?}") };
                assert!(message.answers() == Some(*id) && message.failure().is_some(), "{answer:?}");
                let is_refused_as_modern = is_modern && answer.status == StatusCode::BAD_REQUEST;
                status(answer, message.code(), if is_refused_as_modern { Era::Modern } else { Era::Legacy });
            }
            (Err(()), _) => unreadable(answer),
            (Ok(version), Asked::Batch(messages)) => {
                let takes = |version| version == ProtocolVersion::V2025_03_26;
                let takes = version.is_none_or(takes) && self.settled.is_none_or(takes);
                match takes && !messages.is_empty() && messages.len() <= BATCH_MESSAGES_MAX {
                    true => self.check_batch(answer, messages),
                    false => unreadable(answer),
                }
            }
            (Ok(_), Asked::Request(_)) if self.session.is_some() && answer.is_stream() => {
                let messages = answer.messages();
                // A handler that waits for an answer waits on, or until its client comes back.
                if messages.last().is_some_and(Message::is_answer) {
                    one(answer, &asked, Era::Legacy);
                }
            }
            (Ok(_), Asked::Request(id)) if is_modern && answer.status == StatusCode::BAD_REQUEST => {
                let [message] = &answer.messages()[..] else { panic!("{answer:?}") };
                assert_eq!(message.answers(), Some(*id));
                status(answer, message.code(), Era::Modern);
            }
            (Ok(_), _) => drop(one(answer, &asked, Era::Legacy)),
        }
    }

    /// Fails where the batch is not answered message by message.
    fn check_batch(&self, answer: &Answer, messages: &[Asked<'_>]) {
        let mut answers = answer.messages();
        answers.retain(Message::is_answer);
        let mut answered = answers.iter().map(Message::answers).peekable();
        for message in messages {
            let id = match message {
                Asked::Request(id) => Some(*id),
                Asked::Batch(_) | Asked::Strange => None,
                Asked::Notification | Asked::Response => continue,
            };
            // In a session a call may be left to wait for its client.
            if answered.next_if_eq(&id).is_none() {
                assert!(self.session.is_some(), "no answer to {message:?}: {answer:?}");
            }
        }
        assert_eq!(answered.next(), None, "an answer to nothing: {answer:?}");
        if answers.is_empty() && !answer.is_stream() {
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        }
    }
}
