//! Writes the events of a stream, and reads those of another server's (WHATWG HTML, section 9.2, "Server-sent events").

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

/// A message as an event, which a client can ask to go on after by its `id`.
pub(crate) fn event(id: Option<&str>, message: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(message.len() + 64);
    if let Some(id) = id {
        event.extend_from_slice(b"id: ");
        event.extend_from_slice(id.as_bytes());
        event.push(b'\n');
    }
    // JSON holds no line ends.
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    event
}

/// The event that a stream begins with, so that a client can come back to it before anything else was said, and after
/// how long (2025-11-25, basic/transports). Its data are empty.
pub(crate) fn priming(id: &str, retry: Duration) -> Vec<u8> {
    format!("id: {id}\nretry: {}\ndata: \n\n", retry.as_millis()).into_bytes()
}

/// Something that says nothing, so that nobody on the way takes the connection for dead.
pub(crate) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The headers of a stream.
pub(crate) fn set_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies such as nginx would collect it (2026-07-28, basic/transports/streamable-http).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// An event of another server's stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is called, where it is not a plain message.
    pub(crate) name: String,
    /// On one line: the data are JSON, to which the end of a line is a space.
    pub(crate) data: String,
}

/// What a stream says that has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// Those with data.
    pub(crate) events: Vec<Event>,
    /// The id of the last event, by which the stream can be gone on with.
    pub(crate) last_id: Option<String>,
    /// After how long to come back to it.
    pub(crate) retry: Option<Duration>,
}

/// The events in `text`, the whole of a stream. One that is not ended by an empty line was cut off, or its server left
/// the line out; which it is shows when its data are read.
pub(crate) fn read(text: &str) -> Events {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut read, mut event) = (Events::default(), Event::default());
    let dispatch = |events: &mut Vec<Event>, event: &mut Event| {
        let event = std::mem::take(event);
        if !event.data.is_empty() {
            events.push(event);
        }
    };
    for line in lines(text) {
        if line.is_empty() {
            dispatch(&mut read.events, &mut event);
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push(' ');
                }
                event.data.push_str(value);
            }
            "id" if !value.contains('\0') => {
                read.last_id = Some(value.to_owned()).filter(|id| !id.is_empty());
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                read.retry = value.parse().ok().map(Duration::from_millis);
            }
            // A comment has no name, and what else there is, is to be ignored.
            _ => {}
        }
    }
    dispatch(&mut read.events, &mut event);
    read
}

/// The lines of `text`, each of which a CR, an LF or both may end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some((line, after)) = text.split_once(['\r', '\n']) else {
            return Some(text).filter(|line| !line.is_empty());
        };
        let ended_by_cr = text.as_bytes().get(line.len()) == Some(&b'\r');
        rest = Some(after.strip_prefix('\n').filter(|_| ended_by_cr).unwrap_or(after));
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datas(text: &str) -> Vec<String> {
        read(text).events.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn a_stream_is_read_however_its_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [
                "\u{feff}: hello",
                "event: message",
                "id: 7",
                "data: {\"a\":",
                "data:1}",
                "",
                "retry: 250",
                "data: 2",
                "",
            ]
            .join(end);
            let events = read(&text);
            assert_eq!(
                events.events,
                [
                    Event { name: "message".to_owned(), data: "{\"a\": 1}".to_owned() },
                    Event { name: String::new(), data: "2".to_owned() },
                ],
                "{end:?}"
            );
            assert_eq!(
                (events.last_id.as_deref(), events.retry),
                (Some("7"), Some(Duration::from_millis(250)))
            );
        }
    }

    #[test]
    fn what_says_nothing_is_no_event() {
        assert_eq!(datas(""), [""; 0]);
        assert_eq!(datas(": keep-alive\n\nid: 1\ndata: \n\nevent: ping\n\nelse: 1\n\n"), [""; 0]);
        assert_eq!(datas("data: a\n\n\n\ndata: b"), ["a", "b"]);
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
        fn what_is_written_is_read(messages in prop::collection::vec((json(), prop::option::of("[a-z0-9.]{1,9}")), 0..5)) {
            let mut stream = Vec::new();
            for (message, id) in &messages {
                stream.extend(event(id.as_deref(), message.to_string().as_bytes()));
                stream.extend(KEEP_ALIVE);
            }
            let read = read(std::str::from_utf8(&stream).unwrap());
            let texts: Vec<_> = messages.iter().map(|(message, _)| message.to_string()).collect();
            prop_assert_eq!(read.events.into_iter().map(|event| event.data).collect::<Vec<_>>(), texts);
            prop_assert_eq!(read.last_id, messages.into_iter().filter_map(|(_, id)| id).next_back());
        }

        #[test]
        fn any_text_is_read(text: String) {
            let _ = read(&text);
        }
    }
}
