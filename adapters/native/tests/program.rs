//! The program around a server, as a user meets it: real processes, their output, their exit codes, signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::mpsc,
};

use common::{PATIENCE, Running, get, hello, home, lines, ran, rest, text};
use serde_json::{Value, json};

/// `spanned`, likewise.
fn spanned(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanned"));
    command.env_remove("EDGEMCP_LOG").env("HOME", home).env("XDG_DATA_HOME", home.join("data"));
    command.env("EDGEMCP_STORE", "memory").current_dir(home).args(args);
    command
}

/// What a line of the log says, without its time.
fn event(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, event)| event)
}

/// Posts a message to the endpoint.
fn post(address: SocketAddr, body: &str, headers: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    write!(stream, "{head}\r\n{body}").unwrap();
    stream
}

fn until(stream: &mut TcpStream, end: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {:?}", text(&seen)));
        seen.extend(byte);
    }
}

/// Another server, whose word the program waits for: a test sees that it is asked, and decides when to answer.
struct Other(TcpListener);

impl Other {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap())
    }

    fn asked(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        until(&mut stream, "\r\n\r\n");
        stream
    }
}

fn answer(mut stream: TcpStream, word: &str) {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{word}", word.len()).unwrap();
}

#[test]
fn a_ready_program_says_where_it_is_and_nothing_on_standard_output() {
    let home = home();
    let running = Running::start(hello(home.path(), &["--port", "0"]));
    let address = running.ready();
    assert!(address.ip().is_loopback());
    let answer = rest(get(address, "/health"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer}");
    running.signal("TERM");
    assert_eq!(running.ended(), (Some(0), String::new(), Vec::new()));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = home();
    let (code, out, err) = ran(hello(home.path(), &["--help"]));
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("Usage: hello [OPTIONS]") && out.contains("EDGEMCP_LOG"), "{out}");
    let version = ran(hello(home.path(), &["--version"]));
    assert_eq!(version, (Some(0), "hello 0.1.0\n".to_owned(), String::new()));
}

#[test]
fn a_key_that_is_none_keeps_it_from_starting_and_is_not_told() {
    let home = home();
    let mut command = hello(home.path(), &["--port", "0"]);
    command.env("EDGEMCP_SEAL_KEYS", "dG9vIHNob3J0");
    let (code, out, err) = ran(command);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("EDGEMCP_SEAL_KEYS") && !err.contains("dG9v"), "{err}");
}

#[test]
fn a_command_line_that_cannot_be_followed_is_exit_code_2() {
    let home = home();
    let (code, out, err) = ran(hello(home.path(), &["--prot", "9000"]));
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.starts_with("there is no option `--prot` (there are --transport, "), "{err}");

    let mut command = hello(home.path(), &[]);
    command.env("EDGEMCP_PORT", "many");
    let (code, _, err) = ran(command);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("EDGEMCP_PORT is \"many\": "), "{err}");
}

#[test]
fn a_store_that_the_program_was_not_built_with_is_told_with_the_way_out_and_its_password_is_not() {
    let home = home();
    for (url, part) in [
        (
            "redis://app:s3cret@redis.example",
            "`edgemcp_native::Program::new(server).store(edgemcp_redis::opener()).run()`",
        ),
        ("valkeys://app:s3cret@redis.example", "`edgemcp-redis`"),
        ("postgres://app:s3cret@db.example", "a `postgres://` URL"),
    ] {
        let (code, out, err) = ran(hello(home.path(), &["--store", url]));
        assert_eq!((code, &*out), (Some(2), ""));
        assert!(err.starts_with("--store is ") && err.contains(part), "{err}");
        assert!(!err.contains("s3cret"), "{err}");
    }
    let mut command = hello(home.path(), &[]);
    command.env("EDGEMCP_STORE", "redis://app:s3cret@redis.example");
    let (code, _, err) = ran(command);
    assert!(code == Some(2) && err.starts_with("EDGEMCP_STORE is ") && !err.contains("s3cret"), "{err}");
}

#[test]
fn a_definition_with_mistakes_names_each_of_them() {
    let (code, out, err) = ran(Command::new(env!("CARGO_BIN_EXE_two_mistakes")));
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("greet") && err.contains("note://mine"), "{err}");
    assert_eq!(err.lines().filter(|line| line.contains("two ")).count(), 2, "a line for each: {err}");
}

#[test]
fn a_busy_port_is_named_and_the_next_free_one_proposed() {
    let home = home();
    // Two ports in a row, of which the second is taken too where that succeeds.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let next = TcpListener::bind(("127.0.0.1", port.saturating_add(1)));
    let (code, out, err) = ran(hello(home.path(), &["--port", &port.to_string()]));
    assert_eq!((code, &*out), (Some(1), ""));
    let proposed = err
        .strip_prefix(&format!("port {port} is taken (try `--port "))
        .and_then(|rest| rest.strip_suffix("`)\n"));
    let proposed: u16 = proposed.unwrap_or_else(|| panic!("{err:?}")).parse().unwrap();
    assert!(proposed > port && (next.is_err() || proposed != port + 1), "{proposed}");
    let running = Running::start(hello(home.path(), &["--port", &proposed.to_string()]));
    assert_eq!(running.ready().port(), proposed);
}

#[test]
fn an_address_of_another_machine_is_named() {
    let home = home();
    let (code, _, err) = ran(hello(home.path(), &["--host", "192.0.2.1", "--port", "0"]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("192.0.2.1 is no address of this machine (try `--host 127.0.0.1`"), "{err}");
}

#[test]
fn an_open_server_without_a_verifier_warns() {
    let home = home();
    let running = Running::start(hello(home.path(), &["--host", "0.0.0.0", "--port", "0"]));
    let warning = running.says();
    assert!(warning.contains(" warning everybody who reaches 0.0.0.0:"), "{warning}");
    running.ready();
}

#[test]
fn a_host_of_another_name_is_refused_on_loopback_and_taken_on_an_open_address() {
    for (host, refused) in [("127.0.0.1", true), ("0.0.0.0", false)] {
        let home = home();
        let mut command = hello(home.path(), &["--host", host, "--port", "0"]);
        command.env("EDGEMCP_LOG", "off");
        let running = Running::start(command);
        let port = running.ready().port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: tools.example\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let answer = rest(stream);
        assert_eq!(answer.starts_with("HTTP/1.1 403 "), refused, "{answer}");
        assert_eq!(answer.ends_with(r#""result":{}}"#), !refused, "{answer}");
    }
}

#[test]
fn a_log_level_that_is_none_is_said_and_the_default_taken() {
    let home = home();
    let mut command = hello(home.path(), &["--port", "0"]);
    command.env("EDGEMCP_LOG", "loud");
    let running = Running::start(command);
    let line = running.says();
    let expected = " warning `EDGEMCP_LOG` is \"loud\"; it takes `debug`, `info` (the default), `warning`, `error` or `off`";
    assert!(line.ends_with(expected), "{line}");
    running.ready();
}

#[test]
fn a_signal_lets_an_open_answer_end_and_the_exit_code_is_0() {
    for name in ["TERM", "INT"] {
        let (home, other) = (home(), Other::new());
        let running = Running::start(hello(home.path(), &["--port", "0"]));
        let address = running.ready();
        let mut open = get(address, &format!("/relay?{}", other.url()));
        until(&mut open, "begun\n");
        let asked = other.asked();
        running.signal(name);
        while TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
        answer(asked, "the word");
        assert!(rest(open).contains("the word\n"));
        assert_eq!(running.ended().0, Some(0), "{name}");
    }
}

#[test]
fn what_a_server_starts_is_started_before_it_is_ready_and_cleaned_up_after_its_last_answer() {
    let home = home();
    let running = Running::start(spanned(home.path(), &["--port", "0"]));
    assert_eq!(event(&running.says()), "info started");
    running.ready();
    running.signal("TERM");
    let (code, _, said) = running.ended();
    assert_eq!(
        (code, said.iter().map(|line| event(line)).collect::<Vec<_>>()),
        (Some(0), vec!["info stopped"])
    );

    // A client that closes its end is the end of a program on stdio.
    let mut running = Running::start(spanned(home.path(), &["--transport", "stdio"]));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}"#;
    writeln!(running.child.stdin.as_mut().unwrap(), "{call}").unwrap();
    let (code, out, said) = running.ended();
    assert!(code == Some(0) && out.contains("it is there"), "{out}");
    let said: Vec<_> = said.iter().map(|line| event(line)).collect();
    assert_eq!((said[0], &said[2..]), ("info started", &["info asked", "info stopped"][..]), "{said:?}");
}

#[test]
fn a_start_that_fails_is_told_and_the_first_request_starts_anew() {
    let home = home();
    let mut command = spanned(home.path(), &["--port", "0"]);
    command.env("FAIL_ONCE", "1");
    let running = Running::start(command);
    let failed = running.says();
    assert!(failed.contains(" error the lifespan of `") && failed.contains("no database yet"), "{failed}");
    let address = running.ready();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}"#;
    assert!(rest(post(address, call, &[])).contains("it is there"));
    running.signal("TERM");
    let (_, _, said) = running.ended();
    let said: Vec<_> = said.iter().map(|line| event(line)).collect();
    assert_eq!(said, ["info started", "info asked", "info stopped"]);
}

#[test]
fn a_client_that_only_listens_does_not_hold_up_the_end() {
    let home = home();
    let running = Running::start(spanned(home.path(), &["--port", "0"]));
    running.says();
    let address = running.ready();
    let listen = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": {
            "notifications": {"toolsListChanged": true},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let headers = ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen"];
    let mut stream = post(address, &listen.to_string(), &headers);
    until(&mut stream, "acknowledged");
    running.signal("TERM");
    // Cut, it would have no end of its own, and a line of the log would say so.
    assert!(rest(stream).contains(r#""result":{"#));
    let (code, _, said) = running.ended();
    assert_eq!(
        (code, said.iter().map(|line| event(line)).collect::<Vec<_>>()),
        (Some(0), vec!["info stopped"])
    );
}

#[test]
fn a_signal_waits_for_work_that_goes_on_after_its_answer() {
    let (home, other) = (home(), Other::new());
    let running = Running::start(hello(home.path(), &["--port", "0"]));
    let address = running.ready();
    assert!(rest(get(address, &format!("/later?{}", other.url()))).ends_with("later\n"));
    let asked = other.asked();
    running.signal("TERM");
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    answer(asked, "the word");
    let (code, _, said) = running.ended();
    assert_eq!(code, Some(0));
    assert!(said.iter().any(|line| line.ends_with(" info later: the word")), "{said:?}");
}

#[test]
fn a_second_signal_does_not_wait() {
    let (home, other) = (home(), Other::new());
    let running = Running::start(hello(home.path(), &["--port", "0"]));
    let address = running.ready();
    let mut open = get(address, &format!("/relay?{}", other.url()));
    until(&mut open, "begun\n");
    let _never_answered = other.asked();
    running.signal("TERM");
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    running.signal("INT");
    assert_eq!(running.ended().0, Some(130), "128 and SIGINT's number");
}

/// A client on standard input and output.
struct Client {
    running: Running,
    answers: mpsc::Receiver<String>,
}

impl Client {
    fn start(home: &Path, args: &[&str]) -> Self {
        let args = [&["--transport", "stdio"], args].concat();
        let mut running = Running::start(hello(home, &args));
        let answers = lines(running.child.stdout.take().unwrap());
        assert_eq!(running.says(), "hello 0.1.0 is at its standard input and output");
        let mut client = Self { running, answers };
        client.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}}}));
        assert_eq!(client.answer()["result"]["serverInfo"]["name"], "hello");
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    fn send_line(&mut self, line: &str) {
        writeln!(self.running.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn call(&mut self, id: u32, tool: &str, arguments: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}}));
    }

    fn answer(&self) -> Value {
        let line = self.answers.recv_timeout(PATIENCE).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The id and the text of the next tool result.
    fn result(&self) -> (Value, Value) {
        let answer = self.answer();
        assert!(answer["error"].is_null(), "{answer}");
        (answer["id"].clone(), answer["result"]["content"][0]["text"].clone())
    }
}

#[test]
fn over_stdio_requests_are_worked_on_at_the_same_time() {
    let (home, other) = (home(), Other::new());
    let mut client = Client::start(home.path(), &[]);
    client.call(1, "relay", &json!({"url": other.url()}));
    let asked = other.asked();
    client.call(2, "greet", &json!({"name": "Ada"}));
    assert_eq!(client.result(), (json!(2), json!("Hello, Ada!")), "the second is not held up by the first");
    answer(asked, "the word");
    assert_eq!(client.result(), (json!(1), json!("the word")));
}

#[test]
fn over_stdio_lines_are_begun_in_their_order() {
    let home = home();
    let mut client = Client::start(home.path(), &[]);
    for id in 1..=50 {
        client.call(id, "greet", &json!({"name": id.to_string()}));
    }
    for id in 1..=50 {
        assert_eq!(client.result(), (json!(id), json!(format!("Hello, {id}!"))));
    }
}

#[test]
fn over_stdio_a_line_that_is_too_long_or_no_json_is_an_error_and_the_next_is_served() {
    let home = home();
    let mut client = Client::start(home.path(), &[]);
    let limit = 4 << 20;
    let start =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":""#;
    let of_bytes = |bytes: usize| format!("{start}{}\"}}}}}}", "x".repeat(bytes - start.len() - 4));
    assert_eq!(of_bytes(limit).len(), limit);
    client.send_line(&of_bytes(limit));
    assert_eq!(client.result().0, 1);
    client.send_line(&of_bytes(limit + 1));
    let refused = client.answer();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)), "{refused}");
    client.send_line("hello?");
    assert_eq!(client.answer()["error"]["code"], -32700);
    client.send_line("");
    client.call(2, "greet", &json!({"name": "Ada"}));
    assert_eq!(client.result().0, 2);
}

#[test]
fn over_stdio_the_end_of_input_lets_open_requests_end() {
    let (home, other) = (home(), Other::new());
    let mut client = Client::start(home.path(), &[]);
    client.call(1, "relay", &json!({"url": other.url()}));
    let asked = other.asked();
    drop(client.running.child.stdin.take());
    answer(asked, "the word");
    assert_eq!(client.result(), (json!(1), json!("the word")));
    assert_eq!(client.running.ended().0, Some(0));
}

#[test]
fn over_stdio_a_last_line_without_an_end_is_answered() {
    let home = home();
    let mut client = Client::start(home.path(), &[]);
    let mut stdin = client.running.child.stdin.take().unwrap();
    stdin.write_all(br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#).unwrap();
    drop(stdin);
    assert_eq!(client.answer(), json!({"jsonrpc": "2.0", "id": 7, "result": {}}));
    assert_eq!(client.running.ended().0, Some(0));
}

#[test]
fn over_stdio_a_signal_lets_open_requests_end_and_a_second_does_not_wait() {
    let (home, other) = (home(), Other::new());
    let mut client = Client::start(home.path(), &[]);
    client.call(1, "relay", &json!({"url": other.url()}));
    let asked = other.asked();
    client.running.signal("TERM");
    answer(asked, "the word");
    assert_eq!(client.result(), (json!(1), json!("the word")));
    assert_eq!(client.running.ended().0, Some(0));

    let mut client = Client::start(home.path(), &["--store", "memory"]);
    client.call(1, "relay", &json!({"url": other.url()}));
    let _never_answered = other.asked();
    client.running.signal("INT");
    client.running.signal("TERM");
    assert!(matches!(client.running.ended().0, Some(130 | 143)));
}

#[test]
fn over_stdio_a_client_that_no_longer_reads_ends_the_program() {
    let home = home();
    let mut running = Running::start(hello(home.path(), &["--transport", "stdio"]));
    running.says();
    drop(running.child.stdout.take());
    let mut stdin = running.child.stdin.take().unwrap();
    writeln!(stdin, r#"{{"jsonrpc":"2.0","id":7,"method":"ping"}}"#).unwrap();
    let (code, _, said) = running.ended();
    assert_eq!(code, Some(1));
    assert!(said.iter().any(|line| line.starts_with("the client has gone: ")), "{said:?}");
    drop(stdin);
}

#[test]
fn the_store_outlives_the_program_and_is_made_only_where_it_is_used() {
    let home = home();
    let file = home.path().join("data/edgemcp/hello/store.sqlite3");
    let mut client = Client::start(home.path(), &[]);
    client.call(1, "greet", &json!({"name": "Ada"}));
    client.result();
    assert!(!home.path().join("data").exists(), "nothing was kept yet");
    client.call(2, "count", &json!({}));
    assert_eq!(client.result().1, "1");
    assert!(file.exists());
    assert_eq!(client.running.ended().0, Some(0));
    for (args, expected) in [
        (&[][..], "2"),
        (&["--store", file.to_str().unwrap()], "3"),
        (&["--store", "memory"], "1"),
        (&["--store", home.path().join("other.sqlite3").to_str().unwrap()], "1"),
    ] {
        let mut client = Client::start(home.path(), args);
        client.call(1, "count", &json!({}));
        assert_eq!(client.result().1, expected, "{args:?}");
    }
}

#[test]
fn what_sqlite_would_take_for_something_else_is_a_path_and_in_memory_is_said_as_sqlite_says_it() {
    let home = home();
    let counted = |store: &str| {
        let mut client = Client::start(home.path(), &["--store", store]);
        client.call(1, "count", &json!({}));
        client.result().1
    };
    assert_eq!([counted("file:store"), counted("file:store")], ["1", "2"]);
    assert_eq!([counted(":memory:"), counted(":memory:")], ["1", "1"]);
    let files = std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().file_name());
    // Beside it are the side files of a program that was killed.
    let others: Vec<_> = files.filter(|name| !name.to_string_lossy().starts_with("file:store")).collect();
    assert!(others.is_empty(), "{others:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(home.path().join("file:store")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_path_that_ends_with_a_slash_is_a_store_in_files() {
    let home = home();
    for expected in ["1", "2"] {
        let mut client = Client::start(home.path(), &["--store", "kept/"]);
        client.call(1, "count", &json!({}));
        assert_eq!(client.result().1, expected);
        let file = std::fs::read_to_string(home.path().join("kept/hello/count/calls.json")).unwrap();
        assert!(file.contains(&format!("\"value\": \"{expected}\"")), "{file}");
    }
}

#[test]
fn a_store_that_cannot_be_opened_fails_its_calls_and_its_path_stays_in_the_log() {
    let home = home();
    let blocked = home.path().join("blocked");
    std::fs::write(&blocked, "a file where a folder must be").unwrap();
    let path = blocked.join("store.sqlite3");
    let mut client = Client::start(home.path(), &["--store", path.to_str().unwrap()]);
    client.call(1, "count", &json!({}));
    let answer = client.answer();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!answer.to_string().contains("blocked"), "{answer}");
    let logged = client.running.says();
    assert!(logged.contains(" error ") && logged.contains(path.to_str().unwrap()), "{logged}");
    client.call(2, "greet", &json!({"name": "Ada"}));
    assert_eq!(client.result().0, 2);
}
