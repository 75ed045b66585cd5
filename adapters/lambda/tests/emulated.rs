//! Tasks on emulators of Lambda and DynamoDB, with each instance a process that is frozen once it has answered, as
//! Lambda freezes it.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "common/emulators.rs"]
mod emulators;
#[path = "common/wire.rs"]
mod wire;

use std::{
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use edgemcp::{
    NoArguments, Server, TaskSupport, Tool, ToolError,
    platform::Timestamp,
    store::{Consistency, Key, Store},
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore};
use edgemcp_testkit::ManualClock;
use emulators::Emulator;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use wire::{Asked, Told};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the test and the tool meet: what was begun is counted, and goes on once the gate is there.
fn key(item: &str) -> Key {
    Key::new("test", "digging", item).unwrap()
}

/// Not a test: this binary started again, as an instance of a function.
#[test]
fn function() {
    if !edgemcp_lambda::is_lambda() {
        return;
    }
    let dig = Tool::new("dig", "Dig until the gate opens.", |cx, _: NoArguments| async move {
        cx.store().increment(&key("begun"), 1, None).await?;
        while cx.store().get(&key("gate"), Consistency::Strong).await?.is_none() {
            cx.platform().sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, ToolError>("a bone")
    });
    let code = edgemcp_lambda::run(|| Server::new("digger", "1.0.0").tool(dig.task(TaskSupport::Required)));
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// A function of one account: its table, and who takes its asynchronous invocations.
struct Account {
    database: Emulator,
    store: DynamoDbStore,
    queue: String,
    queued: UnboundedReceiver<Asked>,
}

impl Account {
    /// Lambda's queue of asynchronous invocations, which cargo-lambda has not, is played here: an event is taken at
    /// once, and the test says when it is handed to an instance.
    async fn new() -> Self {
        let database = Emulator::dynamodb().await;
        let keys = DynamoDbCredentials::new("emulated", "emulated", None);
        let config = DynamoDbConfig::new("digger", "eu-central-1", keys).endpoint(database.url());
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let store = DynamoDbStore::new(config, Arc::new(clock));
        store.create_table().await.unwrap();
        let (send, queued) = unbounded_channel();
        let queue = wire::serve(move |asked| {
            send.send(asked.clone()).unwrap();
            Told::Answer(202, String::new(), String::new())
        })
        .await;
        Self { database, store, queue, queued }
    }

    /// An instance that takes its events from `lambda`.
    fn instance(&self, lambda: &Emulator, settings: &[(&str, &str)]) -> Instance {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "function", "--nocapture"])
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", format!("{}/.rt", lambda.url()))
            .env("AWS_LAMBDA_FUNCTION_NAME", "_")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "7")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "emulated")
            .env("AWS_SECRET_ACCESS_KEY", "emulated")
            .env("AWS_ENDPOINT_URL_DYNAMODB", self.database.url())
            .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{}", self.queue))
            .env("EDGEMCP_TABLE", "digger")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Instance(process)
    }

    /// How often the tool has begun.
    async fn begun(&self) -> i64 {
        self.store.increment(&key("begun"), 0, None).await.unwrap()
    }

    async fn open_gate(&self) {
        self.store.put(&key("gate"), "open".into(), None).await.unwrap();
    }
}

/// One instance of the function.
struct Instance(Child);

impl Instance {
    /// Does what Lambda does once an instance has answered.
    async fn freeze(&self) {
        self.signal("-STOP").await;
        until("it is frozen", async || self.is_frozen().await.then_some(())).await;
    }

    async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.0.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    async fn is_frozen(&self) -> bool {
        let pid = self.0.id().unwrap().to_string();
        let state = Command::new("ps").args(["-o", "stat=", "-p", &pid]).output().await.unwrap().stdout;
        state.starts_with(b"T")
    }
}

/// What `look` gives, once it gives something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("it takes too long until {what}"))
}

/// An answer as it comes.
struct Reply {
    head: String,
    body: BufReader<TcpStream>,
}

impl Reply {
    /// The next part of a chunked body; `None` at its end.
    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.body.read_line(&mut size).await.unwrap();
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
        self.body.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(chunk.len() - 2);
        Some(String::from_utf8(chunk).unwrap()).filter(|chunk| !chunk.is_empty())
    }

    /// What is left of the body, however it is sent.
    async fn rest(mut self) -> String {
        let mut rest = String::new();
        if self.head.contains("transfer-encoding: chunked") {
            while let Some(chunk) = self.chunk().await {
                rest.push_str(&chunk);
            }
        } else {
            self.body.read_to_string(&mut rest).await.unwrap();
        }
        rest
    }
}

async fn post(lambda: &Emulator, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let address = &lambda.address;
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "no answer: {head:?}");
    }
    Reply { head: head.to_ascii_lowercase(), body: stream }
}

/// Asks the function behind `lambda` something, as a client of revision 2026-07-28 that takes tasks.
async fn ask(lambda: &Emulator, method: &str, name: &str, mut params: Value) -> Reply {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "edgemcp-tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        },
    });
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", name),
    ];
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    tokio::time::timeout(PATIENCE, post(lambda, "/mcp", &headers, &body)).await.unwrap()
}

fn result(json: &str) -> Value {
    let answer: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("no JSON: {json:?}"));
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

/// How a task stands.
async fn task(lambda: &Emulator, id: &str) -> Value {
    result(&ask(lambda, "tasks/get", id, json!({ "taskId": id })).await.rest().await)
}

/// The text of a task once it is completed.
async fn completed(lambda: &Emulator, id: &str) -> String {
    let task = until("the task is done", async || {
        Some(task(lambda, id).await).filter(|task| task["status"] != "working")
    })
    .await;
    assert_eq!(task["status"], "completed", "{task}");
    task["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_of_a_buffered_function_is_done_while_the_instance_that_made_it_is_frozen() {
    let mut account = Account::new().await;
    // Frozen, an instance still asks this emulator for its next event, and would be given it. So the one that is frozen
    // has an emulator of its own; the other instances of the function have another.
    let (first, others) = (Emulator::lambda().await, Emulator::lambda().await);
    let settings = [("EDGEMCP_LAMBDA_TASKS", "invoke")];
    let maker = account.instance(&first, &settings);
    let made = ask(&first, "tools/call", "dig", json!({ "name": "dig", "arguments": {} })).await.rest().await;
    let made = result(&made);
    assert_eq!(made["resultType"], "task", "{made}");
    let id = made["taskId"].as_str().unwrap();
    maker.freeze().await;

    let asked = account.queued.recv().await.unwrap();
    assert_eq!(asked.what, "POST /2015-03-31/functions/_/invocations?Qualifier=7");
    assert!(asked.head.contains("x-amz-invocation-type: event"), "{}", asked.head);
    assert!(asked.head.contains("authorization: aws4-hmac-sha256 credential=emulated/"), "{}", asked.head);
    assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap(), json!({ "edgemcp": { "task": id } }));

    let _instances = [(); 3].map(|()| account.instance(&others, &settings));
    // Lambda delivers at least once.
    let event = String::from_utf8(asked.body).unwrap();
    let path = "/2015-03-31/functions/_/invocations";
    let invocations =
        async { tokio::join!(post(&others, path, &[], &event), post(&others, path, &[], &event)) };
    let meanwhile = async {
        until("the task is begun", async || (account.begun().await > 0).then_some(())).await;
        assert_eq!(task(&others, id).await["status"], "working");
        account.open_gate().await;
    };
    let ((one, other), ()) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(invocations, meanwhile) }).await.unwrap();
    assert_eq!((one.rest().await.as_str(), other.rest().await.as_str()), ("null", "null"));
    assert_eq!(completed(&others, id).await, "a bone");
    assert_eq!(account.begun().await, 1, "only one of the two has run it");

    assert!(maker.is_frozen().await, "it was all the time");
    maker.thaw().await;
    assert_eq!(completed(&first, id).await, "a bone");
}

#[tokio::test]
async fn a_task_of_a_streamed_function_is_done_before_the_instance_that_made_it_can_be_frozen() {
    let mut account = Account::new().await;
    let lambda = Emulator::lambda().await;
    let settings = [("EDGEMCP_LAMBDA_RESPONSE", "streamed")];
    let _instances = [(); 2].map(|()| account.instance(&lambda, &settings));
    let mut answer = ask(&lambda, "tools/call", "dig", json!({ "name": "dig", "arguments": {} })).await;
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    let event = answer.chunk().await.unwrap();
    let made = result(event.strip_prefix("data: ").unwrap());
    let id = made["taskId"].as_str().unwrap();
    until("the task is begun", async || (account.begun().await > 0).then_some(())).await;
    assert_eq!(task(&lambda, id).await["status"], "working");

    // The end of the answer is where Lambda would freeze the instance.
    let mut end = std::pin::pin!(answer.chunk());
    assert!(futures_util::poll!(end.as_mut()).is_pending(), "it works, so it has not ended its answer");
    account.open_gate().await;
    assert_eq!(tokio::time::timeout(PATIENCE, end).await.unwrap(), None);
    assert_eq!(completed(&lambda, id).await, "a bone");
    assert!(account.queued.try_recv().is_err(), "nobody was invoked");
}

#[tokio::test]
async fn a_client_that_closes_its_connection_once_it_has_its_task_does_not_end_it() {
    let account = Account::new().await;
    let lambda = Emulator::lambda().await;
    let settings = [("EDGEMCP_LAMBDA_RESPONSE", "streamed")];
    let _instances = [(); 2].map(|()| account.instance(&lambda, &settings));
    let mut answer = ask(&lambda, "tools/call", "dig", json!({ "name": "dig", "arguments": {} })).await;
    let event = answer.chunk().await.unwrap();
    let made = result(event.strip_prefix("data: ").unwrap());
    let id = made["taskId"].as_str().unwrap();
    drop(answer);
    until("the task is begun", async || (account.begun().await > 0).then_some(())).await;
    account.open_gate().await;
    assert_eq!(completed(&lambda, id).await, "a bone");
    assert_eq!(account.begun().await, 1, "nobody had to begin it again");
}
