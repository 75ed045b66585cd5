//! A program keeps its store in the Redis that its user names, natively and on Lambda, and says what is wrong with a name.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "../../common/mod.rs"]
mod common;
#[path = "../../../../lambda/tests/common/wire.rs"]
mod lambda;

use std::{path::Path, process::Stdio, time::Duration};

use common::Server;
use lambda::{Asked, Told};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Fails a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a key to seal with looks like.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-program"));
    command.args(arguments).env_clear().env("HOME", home).env("XDG_DATA_HOME", home.join("data"));
    command.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

async fn ended(mut command: Command) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, command.stdin(Stdio::null()).output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A program that runs, with a client at its standard input and output.
struct Running {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { _process: process, input, output, said }
    }

    async fn says(&mut self) -> String {
        timeout(PATIENCE, self.said.next_line()).await.unwrap().unwrap().unwrap()
    }

    async fn count(&mut self) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "count", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}});
        self.input.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        let line = timeout(PATIENCE, self.output.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["result"].clone()
    }
}

#[tokio::test]
async fn programs_share_the_redis_they_are_told_and_go_on_once_it_is_back() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let (home, url) = (tempfile::tempdir().unwrap(), server.url());
    let mut one = program(home.path(), &["--transport", "stdio", "--store", &url]);
    one.env("EDGEMCP_SEAL_KEYS", KEY);
    let mut one = Running::start(one);
    let mut other = program(home.path(), &["--transport", "stdio"]);
    other.env("EDGEMCP_STORE", &url);
    let mut other = Running::start(other);
    assert_eq!(one.says().await, "counter 0.1.0 is at its standard input and output", "nothing to warn of");
    let warning = other.says().await;
    assert!(warning.contains(" warning ") && warning.contains("`EDGEMCP_SEAL_KEYS`"), "{warning}");
    for (running, expected) in [(&mut one, 1), (&mut other, 2)] {
        assert_eq!(running.count().await["structuredContent"]["result"], expected);
    }
    server.kill();
    let failed = one.count().await;
    assert_eq!(failed["isError"], true, "{failed}");
    assert!(!failed.to_string().contains("127.0.0.1"), "where it is belongs into the log: {failed}");
    let logged = one.says().await;
    assert!(logged.contains(" error ") && logged.contains(&url), "{logged}");
    server.run().await;
    for (running, expected) in [(&mut one, 3), (&mut other, 4)] {
        assert_eq!(running.count().await["structuredContent"]["result"], expected);
    }
    assert!(!home.path().join("data/edgemcp/counter/store.sqlite3").exists());
}

#[tokio::test]
async fn a_url_that_cannot_be_meant_ends_the_program_with_the_way_out_and_without_the_password() {
    let home = tempfile::tempdir().unwrap();
    for (url, part) in [
        ("postgres://app:s3cret@h", "there are redis://, rediss://, "),
        ("redis://app:s3cret@h:port", "EDGEMCP_STORE: store open: "),
        ("redis://app:s3cret@h/?prefix=a*", "letters, digits"),
    ] {
        let mut command = program(home.path(), &[]);
        command.env("EDGEMCP_STORE", url);
        let (code, said) = ended(command).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part) && !said.contains("s3cret"), "{said}");
    }
}

/// A function's environment, with Lambda's runtime API at `address`.
fn function(home: &Path, address: &str) -> Command {
    let mut command = program(home, &[]);
    command
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    command
}

fn call_event() -> Value {
    json!({
        "version": "2.0",
        "rawPath": "/mcp",
        "rawQueryString": "",
        "headers": {
            "host": "counter.lambda-url.eu-central-1.on.aws",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "count"
        },
        "requestContext": {"http": {"method": "POST", "path": "/mcp"}},
        "body": json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "count", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}}).to_string(),
        "isBase64Encoded": false
    })
}

#[tokio::test]
async fn a_function_counts_on_in_the_same_redis() {
    let server = Server::start(&[]).await;
    let home = tempfile::tempdir().unwrap();
    let arguments = ["--transport", "stdio", "--store", &server.url()];
    let mut native = Running::start(program(home.path(), &arguments));
    assert_eq!(native.count().await["structuredContent"]["result"], 1);

    let (send, mut posted) = tokio::sync::mpsc::unbounded_channel();
    let mut events = (0..3).map(|_| call_event());
    let address = lambda::serve(move |asked: &Asked| {
        if asked.what != "GET /2018-06-01/runtime/invocation/next" {
            let _ = send.send(asked.clone());
            return Told::Answer(202, String::new(), String::new());
        }
        let Some(event) = events.next() else { return Told::Silence };
        let head = "lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 32503680000000\r\n\
                    lambda-runtime-invoked-function-arn: arn\r\n";
        Told::Answer(200, head.to_owned(), event.to_string())
    })
    .await;
    let _function = function(home.path(), &address).env("EDGEMCP_REDIS_URL", server.url()).spawn().unwrap();
    for expected in 2..5 {
        let answer = timeout(PATIENCE, posted.recv()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["result"]["structuredContent"]["result"], expected, "{body}");
    }
    assert_eq!(native.count().await["structuredContent"]["result"], 5);
}

#[tokio::test]
async fn a_function_with_two_stores_or_a_url_it_cannot_mean_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let address = lambda::serve(|_| Told::Silence).await;
    let table = [
        ("EDGEMCP_TABLE", "counter"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    for (url, settings, part) in [
        ("redis://app:s3cret@h", &table[..], "`EDGEMCP_TABLE` and `EDGEMCP_REDIS_URL` are both set"),
        ("redis://app:s3cret@h:port", &[], "`EDGEMCP_REDIS_URL`: store open: "),
        ("http://app:s3cret@h", &[], "(there are redis://, "),
    ] {
        let mut command = function(home.path(), &address);
        command.env("EDGEMCP_REDIS_URL", url).envs(settings.iter().copied());
        let (code, said) = ended(command).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(part) && !said.contains("s3cret"), "{said}");
    }
}
