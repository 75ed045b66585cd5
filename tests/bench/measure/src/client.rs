//! Asks a server a fixed number of times, over connections that stay open, and takes no answer but the right one.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Fails a run that would otherwise hang; under valgrind a server is some fifty times slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is waited for, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A revision's half of the protocol, with what its official client sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// `tools/call` of `add` with 2 and 3, as `record.py` has recorded it.
    fn call(self) -> &'static str {
        match self {
            Self::Legacy => include_str!("../../requests/legacy.http"),
            Self::Modern => include_str!("../../requests/modern.http"),
        }
    }
}

/// What begins a session, from the same client.
const INITIALIZE: &str = include_str!("../../requests/initialize.http");

/// A recorded request as it goes to the server at `port`, in the session `session`.
fn request(recorded: &str, port: u16, session: Option<&str>) -> Result<Vec<u8>, String> {
    let (head, body) = recorded.split_once("\n\n").ok_or("a recorded request has no empty line in it")?;
    let mut request = String::new();
    for line in head.lines() {
        match line.split_once(':') {
            Some((name, _)) if name.eq_ignore_ascii_case("host") => {
                request.push_str(&format!("{name}: 127.0.0.1:{port}\r\n"));
            }
            _ => request.push_str(&format!("{line}\r\n")),
        }
    }
    if let Some(session) = session {
        request.push_str(&format!("mcp-session-id: {session}\r\n"));
    }
    Ok(format!("{request}\r\n{}", body.trim_end()).into_bytes())
}

/// An answer: its head as text, and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, wanted: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    }
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    fn open(port: u16) -> Result<Self, String> {
        let failed = |error| format!("nobody answers at port {port}: {error}");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self { stream, read: Vec::new() })
    }

    fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream.write_all(request).map_err(|error| format!("a request could not be sent: {error}"))
    }

    /// The next answer. Nothing is sent before the last one has come, so nothing is left over.
    fn answer(&mut self) -> Result<Answer, String> {
        self.read.clear();
        let head_bytes = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(self.read.get(..head_bytes).unwrap_or_default()).into_owned();
        let mut answer = Answer { head, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let length = length.ok_or_else(|| format!("an answer does not say its length:\n{}", answer.head))?;
        while self.read.len() < head_bytes + length {
            self.more()?;
        }
        answer.body = self.read.split_off(head_bytes);
        Ok(answer)
    }

    fn more(&mut self) -> Result<(), String> {
        let mut bytes = [0; 4096];
        let read = self.stream.read(&mut bytes).map_err(|error| format!("no answer came: {error}"))?;
        if read == 0 || self.read.len() > ANSWER_BYTES_MAX {
            return Err(format!("an answer broke off: {}", String::from_utf8_lossy(&self.read)));
        }
        self.read.extend(bytes.iter().take(read));
        Ok(())
    }
}

/// A client of one server and era, whose connections are open.
pub(crate) struct Client {
    connections: Vec<Connection>,
    request: Vec<u8>,
    right: Vec<u8>,
}

impl Client {
    /// Opens `connections`, in a session where the server `has_sessions`, and asks once on each.
    ///
    /// # Errors
    /// Where what the server answers is not the sum.
    pub(crate) fn connect(
        port: u16,
        era: Era,
        has_sessions: bool,
        connections: usize,
    ) -> Result<Self, String> {
        let mut open = (0..connections).map(|_| Connection::open(port)).collect::<Result<Vec<_>, _>>()?;
        let first = open.first_mut().ok_or("a client needs a connection")?;
        let session = match has_sessions {
            true => Some(begin_session(first, port)?),
            false => None,
        };
        let request = request(era.call(), port, session.as_deref())?;
        first.send(&request)?;
        let answer = first.answer()?;
        check(&answer, era)?;
        let mut client = Self { connections: open, request, right: answer.body };
        client.ask(connections)?;
        Ok(client)
    }

    /// What the server answers.
    pub(crate) fn right(&self) -> &[u8] {
        &self.right
    }

    /// Asks `requests` times, on all connections at once, and reads all answers.
    ///
    /// # Errors
    /// Where one of them is another than the first was.
    pub(crate) fn ask(&mut self, requests: usize) -> Result<(), String> {
        let mut left = requests;
        while left > 0 {
            let now = left.min(self.connections.len());
            for connection in self.connections.iter_mut().take(now) {
                connection.send(&self.request)?;
            }
            for connection in self.connections.iter_mut().take(now) {
                let answer = connection.answer()?;
                if !answer.head.starts_with("HTTP/1.1 200 ") || answer.body != self.right {
                    let body = String::from_utf8_lossy(&answer.body);
                    return Err(format!("an answer is another than the first:\n{}{body}", answer.head));
                }
            }
            left -= now;
        }
        Ok(())
    }
}

fn begin_session(connection: &mut Connection, port: u16) -> Result<String, String> {
    connection.send(&request(INITIALIZE, port, None)?)?;
    let answer = connection.answer()?;
    let session = answer.header("mcp-session-id").map(str::to_owned);
    session.ok_or_else(|| format!("no session was begun:\n{}", answer.head))
}

/// Whether this is the sum of 2 and 3, in this era's form.
fn check(answer: &Answer, era: Era) -> Result<(), String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let result = body.get("result");
    let said = |name| result.and_then(|result| result.get(name));
    let is_sum = answer.head.starts_with("HTTP/1.1 200 ")
        && answer.header("content-type") == Some("application/json")
        && said("structuredContent").and_then(|content| content.get("result")) == Some(&Value::from(5))
        && said("isError").is_none_or(|is_error| *is_error == Value::Bool(false))
        && (era == Era::Modern) == (said("resultType") == Some(&Value::from("complete")));
    match is_sum {
        true => Ok(()),
        false => Err(format!(
            "this is no answer of the {} era to 2 + 3:\n{}{}",
            era.name(),
            answer.head,
            String::from_utf8_lossy(&answer.body)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Answer {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n");
        Answer { head, body: body.into() }
    }

    const LEGACY: &str = r#"{"jsonrpc":"2.0","id":3,"result":{"structuredContent":{"result":5}}}"#;
    const MODERN: &str =
        r#"{"jsonrpc":"2.0","id":3,"result":{"structuredContent":{"result":5},"resultType":"complete"}}"#;

    #[test]
    fn no_answer_counts_but_the_sum_in_the_form_of_the_era() {
        assert_eq!(check(&answer("200 OK", LEGACY), Era::Legacy), Ok(()));
        assert_eq!(check(&answer("200 OK", MODERN), Era::Modern), Ok(()));
        for (status, body, era) in [
            ("200 OK", LEGACY.to_owned(), Era::Modern),
            ("200 OK", MODERN.to_owned(), Era::Legacy),
            ("200 OK", LEGACY.replace('5', "6"), Era::Legacy),
            ("200 OK", LEGACY.replace("5}", "5},\"isError\":true"), Era::Legacy),
            ("200 OK", LEGACY.replace("result\":{", "error\":{"), Era::Legacy),
            ("400 Bad Request", LEGACY.to_owned(), Era::Legacy),
        ] {
            assert!(check(&answer(status, &body), era).is_err(), "{status} {body} {era:?}");
        }
    }

    #[test]
    fn a_recorded_request_goes_to_this_port_in_this_session_and_is_otherwise_as_it_was() {
        for era in Era::ALL {
            let sent = String::from_utf8(request(era.call(), 4242, Some("abc")).unwrap()).unwrap();
            let (head, body) = sent.split_once("\r\n\r\n").unwrap();
            assert!(
                head.contains("\r\nHost: 127.0.0.1:4242\r\n") && head.ends_with("\r\nmcp-session-id: abc"),
                "{head}"
            );
            assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{sent}");
        }
    }
}
