//! Runs an edgemcp server on AWS Lambda, behind API Gateway, a function URL or a load balancer, with DynamoDB as its
//! store.
//!
//! ```no_run
//! use std::process::ExitCode;
//! # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "1.0.0") }
//!
//! fn main() -> ExitCode {
//!     edgemcp_lambda::run(server)
//! }
//! ```
//!
//! # Settings
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `EDGEMCP_LAMBDA_RESPONSE` | `buffered` (default) or `streamed`; must agree with the source's own setting |
//! | `EDGEMCP_LAMBDA_TASKS` | `invoke`: the function invokes itself for each task; needs `EDGEMCP_TABLE` and a permission |
//! | `EDGEMCP_TABLE` | the DynamoDB table of the store; without it, and without the next, there is no store |
//! | `EDGEMCP_REDIS_URL` | the URL of the store instead, which a [`Program`] opens that was given its kind, such as Redis |
//! | `EDGEMCP_TABLE_VALUE_BYTES_MAX` | the largest value the store takes, 4 MiB ([`VALUE_BYTES_MAX`]) where it is not set; above [`ITEM_VALUE_BYTES_MAX`] a value is split over items |
//! | `EDGEMCP_SEAL_KEYS` | what sessions and the states of asking tools are sealed with ([`edgemcp::SEAL_KEYS`]) |
//! | `EDGEMCP_LOG` | the least level that is logged: `debug`, `info` (default), `warning`, `error`, `off` |
//! | `EDGEMCP_LOG_FORMAT` | how a line is written: `json` (default) or `text` |
//! | `AWS_LAMBDA_LOG_LEVEL` | set by Lambda where the function's log format is JSON; the least level that is logged where `EDGEMCP_LOG` is not set |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | set by Lambda itself |
//! | `AWS_LAMBDA_FUNCTION_NAME`, `AWS_LAMBDA_FUNCTION_VERSION` | set by Lambda itself; which function invokes itself |
//! | `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_LAMBDA`, `AWS_ENDPOINT_URL` | other services than the region's: emulators |
//! | `EDGEMCP_CREATE_TABLE` | `1` makes the table on first use; refused without another endpoint |
//!
//! # What each mode can do
//!
//! Lambda freezes a function once it has answered, until its next event. Nothing is done meanwhile, and nothing is left
//! to chance: what a mode cannot do is not offered to clients.
//!
//! | | `buffered` | `buffered`, `invoke` | `streamed` | `streamed`, `invoke` |
//! | --- | --- | --- | --- | --- |
//! | progress and log messages | with the answer | with the answer | as they are made | as they are made |
//! | largest answer | 6 MB | 6 MB | 200 MB | 200 MB |
//! | asking clients since 2025-11-25 [^table] | they come back | they come back | held 5 s ([`HOLD_MAX`]), then they come back | likewise |
//! | asking clients before that [^table] | no | no | while the answer is open | while the answer is open |
//! | tasks [^table] | no | in an invocation of their own | in the invocation that made them | in an invocation of their own |
//! | `Platform::background` | no | no | where the client reads events | where the client reads events |
//! | subscriptions of 2026-07-28 | no | no | no | no |
//!
//! [^table]: With a store, and with `invoke` with `EDGEMCP_TABLE`; asking also needs `EDGEMCP_SEAL_KEYS`.
//!
//! With `EDGEMCP_SEAL_KEYS` a client of 2026-07-28 is asked in every mode, since it sends its request again with the
//! answers. Subscriptions need a stream that is held for longer than a minute, and a store that tells of changes. A load
//! balancer takes no stream, so what is behind one has the first two columns; set `buffered` there, so that nobody is
//! asked in vain.
//!
//! **Tasks in the invocation that made them** (`streamed`): the client has its task at once, as an event, and the
//! stream of that answer stays open, with a comment every 15 seconds, until the work is done: it is the end of the
//! stream that lets Lambda freeze the function. It is the same for what a handler gives to
//! [`Platform::background`](edgemcp::platform::Platform::background). That is why neither is there for a client that
//! does not say `Accept: text/event-stream`, nor on a plain route, whose callers may wait for the end of an answer, nor
//! in a session of the legacy era, whose client comes back for the rest. A client that goes away ends no work: Lambda
//! does not tell the function. An answer that is no success is not an event; it is sent at once too, and ends with the
//! work.
//!
//! **Tasks in an invocation of their own** (`invoke`): the function invokes itself asynchronously, with
//! `{"edgemcp":{"task":"…"}}`, and the version that runs is the one that is invoked. What answers the client is free
//! again at once. Lambda delivers at least once, and again where an invocation fails; a lease in the table has one
//! invocation run a task. `cargo lambda watch` has no asynchronous invocations: develop with `streamed`.
//!
//! Either way a task must be done [`DEADLINE_MARGIN`] before the function's own timeout, at most 15 minutes. One that is
//! not is left, and begun again when its client asks after it; [`Context::step`](edgemcp::Context::step) keeps what was
//! done by then.
//!
//! # The log
//!
//! Each event is one line of JSON on standard output, with `timestamp`, `level` (`debug`, `info`, `warn`, `error`) and
//! `message`, which is what Lambda's own filter reads where the function's log format is JSON. That filter comes behind
//! `EDGEMCP_LOG`: what it holds back is not there, whatever is set here. `AWS_LAMBDA_LOG_FORMAT` is not asked, since
//! Lambda sets it to `Text` for each function that was not told otherwise.
//!
//! # On your own machine
//!
//! `cargo lambda watch` emulates Lambda at `http://127.0.0.1:9000`, so the server is at `/mcp` there. It builds the
//! function when the first request comes, which waits for it, and again when a source changes; settings are the
//! variables of its own environment, and with `--env-file .env` those of a file, which win; it reads none by itself. With an
//! emulator of DynamoDB as the store (`dynoxide --port 8001`, or another):
//!
//! ```sh
//! export EDGEMCP_SEAL_KEYS=$(openssl rand -base64 32) EDGEMCP_LAMBDA_RESPONSE=streamed
//! export EDGEMCP_TABLE=calculator EDGEMCP_CREATE_TABLE=1 AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8001
//! export AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
//! cargo lambda watch --no-default-features --features lambda
//! ```
//!
//! # Permissions
//!
//! The function's role needs, on the table:
//!
//! ```json
//! { "Effect": "Allow", "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE",
//!   "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:BatchWriteItem",
//!              "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem", "dynamodb:Query"] }
//! ```
//!
//! and with `EDGEMCP_LAMBDA_TASKS=invoke`, on the function and its versions:
//!
//! ```json
//! { "Effect": "Allow", "Action": "lambda:InvokeFunction",
//!   "Resource": ["arn:aws:lambda:REGION:ACCOUNT:function:NAME", "arn:aws:lambda:REGION:ACCOUNT:function:NAME:*"] }
//! ```

mod background;
mod dynamodb;
mod event;
mod fetch;
mod function;
mod invoke;
mod nested;
mod path;
mod platform;
mod response;
mod settings;
mod store_url;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use edgemcp::{
    Server,
    platform::{LogLevel, Vars as _},
    store::StoreOpener,
};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

pub use self::{
    dynamodb::{
        DynamoDbConfig, DynamoDbCredentials, DynamoDbStore, ITEM_VALUE_BYTES_MAX, OPERATION_TIMEOUT,
        SPLIT_VALUE_BYTES_MAX, VALUE_BYTES_MAX,
    },
    event::{HEADER_BYTES_MAX, HEADERS_MAX, URI_BYTES_MAX},
    fetch::{CONNECT_TIMEOUT, FETCH_BYTES_MAX, FETCH_TIMEOUT},
    function::{Answer, DEADLINE_MARGIN, Function},
    nested::handle,
    platform::{ConfigError, platform, platform_with},
    response::{ALB_ANSWER_BYTES_MAX, AnswerStream, BUFFERED_ANSWER_BYTES_MAX},
    settings::HOLD_MAX,
};
use crate::platform::Environment;

/// Whether this process is a Lambda function, or one under `cargo lambda watch`: `AWS_LAMBDA_RUNTIME_API` is set.
pub fn is_lambda() -> bool {
    Environment.var("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// Serves `server` to Lambda's events, until Lambda ends the process.
///
/// The server is built once, before the first event, and kept for all that follow. A server that cannot be built, and
/// a setting that cannot be meant, end the process with status 1, which Lambda reports as a failed start; every problem
/// stands in the log.
///
/// What the server's lifespans have started is cleaned up in Lambda's shutdown phase, for which the function registers an
/// internal extension where a lifespan has an [`on_stop`](edgemcp::Lifespan::on_stop). Lambda then gives it 500 ms.
pub fn run(server: impl FnOnce() -> Server) -> ExitCode {
    Program::new(server).run()
}

/// A server as a Lambda function, with what [`run`] does not bring by itself.
///
/// ```no_run
/// # use std::{process::ExitCode, sync::Arc};
/// # use edgemcp::{Server, store::{MemoryStore, StoreOpener}};
/// # fn server() -> Server { Server::new("calculator", "1.0.0") }
/// # mod edgemcp_redis {
/// #     use super::*;
/// #     pub fn opener() -> StoreOpener {
/// #         StoreOpener::new(&["redis"], |_, clock| Ok(Arc::new(MemoryStore::new(clock))))
/// #     }
/// # }
/// fn main() -> ExitCode {
///     // With `EDGEMCP_REDIS_URL=rediss://user:password@redis.example:6379` among the function's variables.
///     edgemcp_lambda::Program::new(server).store(edgemcp_redis::opener()).run()
/// }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing before `run` is called"]
pub struct Program<S> {
    server: S,
    openers: Vec<StoreOpener>,
}

impl<S: FnOnce() -> Server> Program<S> {
    /// The function that serves `server`.
    pub fn new(server: S) -> Self {
        Self { server, openers: Vec::new() }
    }

    /// Opens the store that `EDGEMCP_REDIS_URL` names, where its URL is one of `opener`'s.
    pub fn store(mut self, opener: StoreOpener) -> Self {
        self.openers.push(opener);
        self
    }

    /// Runs it, as [`run`] does.
    pub fn run(self) -> ExitCode {
        match serve(self.server, &self.openers) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => {
                for problem in problems {
                    eprintln!("error: {problem}");
                }
                ExitCode::FAILURE
            }
        }
    }
}

fn serve(server: impl FnOnce() -> Server, openers: &[StoreOpener]) -> Result<(), Vec<String>> {
    let mut problems = settings::runtime_problems(&Environment);
    let platform = platform_with(openers).map_err(|error| problems.extend(error.0));
    let service =
        server().build().map_err(|error| problems.extend(error.to_string().lines().map(str::to_owned)));
    let (Ok(platform), Ok(service), true) = (platform, service, problems.is_empty()) else {
        return Err(problems);
    };
    let lacking = service.problems(&platform);
    if !lacking.is_empty() {
        return Err(lacking);
    }
    let log = platform.clone();
    let function = Function::new(service, platform);
    let ending = function.clone();
    // One thread: an instance has one event at a time, and a fraction of a processor where it has little memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("the async runtime did not start: {error}")])?;
    let events = Arc::new(AtomicU64::new(0));
    let count = events.clone();
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        count.fetch_add(1, Ordering::Relaxed);
        let function = function.clone();
        async move { function.answer(event).await }
    });
    if ending.cleans_up() {
        runtime.block_on(lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
            ending.stop().await;
        }));
    }
    loop {
        let before = events.load(Ordering::Relaxed);
        let Err(error) = runtime.block_on(lambda_runtime::run_concurrent(handler.clone())) else {
            return Ok(());
        };
        // cargo-lambda's emulator breaks the connection of an answer whose client is gone, which says nothing of the
        // next event. Where no event has come either, there is nobody to serve.
        if events.load(Ordering::Relaxed) == before {
            return Err(vec![format!("Lambda's runtime API failed: {error}")]);
        }
        log.log(LogLevel::Warning, &format!("an answer could not be handed to Lambda: {error}"));
    }
}
