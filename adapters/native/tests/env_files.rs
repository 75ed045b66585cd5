//! Settings from files, as whoever develops a server meets them: what is read, what wins, what is said of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{fs, path::Path, process::Command};

use common::{Running, get, hello, home, ran, rest};
use serde_json::Value;

/// Writes files into a home, and starts the program there.
fn with(files: &[(&str, &str)], args: &[&str]) -> (tempfile::TempDir, Command) {
    let home = home();
    for (name, content) in files {
        fs::write(home.path().join(name), content).unwrap();
    }
    let command = hello(home.path(), args);
    (home, command)
}

/// What the program greets with, and the lines that it says before it is ready.
fn greeting(command: Command) -> (String, Vec<String>) {
    let running = Running::start(command);
    let mut said = Vec::new();
    let address = loop {
        let line = running.says();
        match line.strip_prefix("hello 0.1.0 is at http://").and_then(|rest| rest.strip_suffix("/mcp")) {
            Some(address) => break address.parse().unwrap(),
            None => said.push(line),
        }
    };
    let answer = rest(get(address, "/greeting"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (body.to_owned(), said)
}

#[test]
fn files_in_the_working_directory_are_read_and_said_without_their_values() {
    let files =
        [(".env", "HELLO_GREETING=Servus\nEDGEMCP_PORT=0\n"), (".dev.vars", "HELLO_GREETING='Grüß Gott'\n")];
    let (_home, command) = with(&files[..1], &[]);
    let (word, said) = greeting(command);
    assert_eq!(word, "Servus");
    assert!(said.len() == 1 && said[0].ends_with(" info settings are read from .env too"), "{said:?}");

    let (_home, command) = with(&files, &[]);
    let (word, said) = greeting(command);
    assert_eq!(word, "Grüß Gott");
    assert!(said[0].ends_with(" info settings are read from .env and .dev.vars too"), "{said:?}");
    assert!(!said.concat().contains("Servus") && !said.concat().contains("Gott"), "{said:?}");

    let (_home, command) = with(&[], &["--port", "0"]);
    assert_eq!(greeting(command), ("Hello".to_owned(), Vec::new()));
}

#[test]
fn what_the_process_was_given_wins_also_where_it_is_nothing() {
    let file = [(".env", "HELLO_GREETING=Servus\nEDGEMCP_PORT=0\nEDGEMCP_LOG=off")];
    for (given, expected) in [("Ahoi", "Ahoi"), ("", "Hello")] {
        let (_home, mut command) = with(&file, &[]);
        command.env("HELLO_GREETING", given);
        assert_eq!(greeting(command), (expected.to_owned(), Vec::new()));
    }
    // And the command line over both.
    let (_home, mut command) = with(&[(".env", "EDGEMCP_PORT=many\nEDGEMCP_LOG=off")], &["--port", "0"]);
    command.env("EDGEMCP_PORT", "1");
    assert_eq!(greeting(command).0, "Hello");
}

#[test]
fn a_named_file_is_read_instead() {
    let files = [
        (".env", "HELLO_GREETING=Servus\nEDGEMCP_LOG=off"),
        ("a.env", "HELLO_GREETING=Ahoi"),
        ("b.env", "HELLO_GREETING=Moin"),
    ];
    let (_home, command) = with(&files, &["--port=0", "--env-file", "a.env"]);
    let (word, said) = greeting(command);
    assert_eq!(word, "Ahoi");
    assert!(said.len() == 1 && said[0].ends_with(" info settings are read from a.env too"), "{said:?}");

    let (home, mut command) = with(&files, &["--port=0"]);
    command.env("EDGEMCP_ENV_FILE", home.path().join("b.env"));
    assert_eq!(greeting(command).0, "Moin");

    let (_home, mut command) = with(&files, &["--port=0", "--env-file=b.env", "--env-file=a.env"]);
    command.env("EDGEMCP_ENV_FILE", "nowhere.env");
    assert_eq!(greeting(command).0, "Ahoi");

    #[cfg(unix)]
    {
        let (_home, command) = with(&files, &["--port=0", "--env-file=/dev/null"]);
        assert_eq!(greeting(command).0, "Hello");
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_the_program_from_starting_and_no_value_is_told() {
    for (content, args, expected) in [
        ("A=1\nhunter2\n", &[][..], ".env, line 2: a line is `NAME=value`"),
        ("A='hunter2", &[], ".env, line 1: the quote that begins here is not closed"),
        ("", &["--env-file", "no.env"], "no.env cannot be read: "),
    ] {
        let (_home, command) = with(&[(".env", content)], args);
        let (code, out, err) = ran(command);
        assert_eq!((code, &*out), (Some(1), ""), "{err}");
        assert!(err.starts_with(expected) && !err.contains("hunter"), "{err}");
    }
    // Who asks how to use it is told.
    let (_home, command) = with(&[(".env", "hunter2")], &["--help"]);
    assert_eq!(ran(command).0, Some(0));
}

#[test]
fn a_variable_in_a_file_that_cannot_be_followed_is_told_with_the_file() {
    let (_home, command) = with(&[(".dev.vars", "EDGEMCP_PORT=many")], &[]);
    let (code, _, err) = ran(command);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("EDGEMCP_PORT in .dev.vars is \"many\": a port is a number"), "{err}");
}

#[test]
fn the_key_that_seals_may_stand_in_a_file() {
    // One that is none shows that it was read; a server that seals nothing would start without one all the same.
    let (_home, command) = with(&[(".dev.vars", "EDGEMCP_SEAL_KEYS=dG9vIHNob3J0")], &["--port", "0"]);
    let (code, _, err) = ran(command);
    assert_eq!(code, Some(1));
    assert!(err.contains("EDGEMCP_SEAL_KEYS") && !err.contains("dG9v"), "{err}");
}

#[test]
fn the_transport_and_the_store_may_stand_in_a_file() {
    let file = [(".env", "EDGEMCP_TRANSPORT=stdio\nEDGEMCP_STORE=memory\nEDGEMCP_LOG=off\n")];
    let (home, command) = with(&file, &[]);
    let running = Running::start(command);
    assert_eq!(running.says(), "hello 0.1.0 is at its standard input and output");
    assert_eq!(running.ended().0, Some(0));
    assert!(!Path::new(&home.path().join("data")).exists());
}

#[test]
fn a_log_of_json_has_nothing_else_in_it() {
    let (_home, mut command) = with(&[(".env", "EDGEMCP_LOG_FORMAT=json")], &["--port=0", "--host=0.0.0.0"]);
    command.env("EDGEMCP_LOG", "info");
    let running = Running::start(command);
    let lines = [(); 3].map(|()| {
        let line = running.says();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let levels = lines.each_ref().map(|line| line["level"].as_str().unwrap());
    assert_eq!(levels, ["info", "warn", "info"]);
    let messages = lines.each_ref().map(|line| line["message"].as_str().unwrap());
    assert!(messages[0].ends_with("read from .env too"), "{messages:?}");
    assert!(messages[1].starts_with("everybody who reaches 0.0.0.0:"), "{messages:?}");
    assert!(messages[2].starts_with("hello 0.1.0 is at http://0.0.0.0:"), "{messages:?}");
    for line in &lines {
        let moment = line["timestamp"].as_str().unwrap();
        assert!(moment.len() == "2026-07-28T09:30:00.250Z".len() && moment.ends_with('Z'), "{line}");
        assert_eq!(line.as_object().unwrap().len(), 3, "{line}");
    }
}

#[test]
fn a_log_format_that_is_none_is_said_and_the_default_taken() {
    let (_home, mut command) = with(&[], &["--port", "0"]);
    command.env("EDGEMCP_LOG_FORMAT", "xml");
    let (word, said) = greeting(command);
    assert_eq!(word, "Hello");
    let expected = " warning `EDGEMCP_LOG_FORMAT` is \"xml\"; it takes `text` or `json`";
    assert!(said.len() == 1 && said[0].ends_with(expected), "{said:?}");
}
