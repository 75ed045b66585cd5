//! Writes the events of a stream (WHATWG HTML, section 9.2, "Server-sent events").

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
