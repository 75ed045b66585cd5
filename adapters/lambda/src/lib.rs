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
//! | `EDGEMCP_TABLE` | the DynamoDB table of the store; without it there is no store |
//! | `EDGEMCP_LOG` | the least level that is logged: `debug`, `info` (default), `warning`, `error`, `off` |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | set by Lambda itself |
//! | `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL` | another DynamoDB than the region's: an emulator |
//! | `EDGEMCP_CREATE_TABLE` | `1` makes the table on first use; refused without another endpoint |

mod dynamodb;
mod event;
mod fetch;
mod function;
mod nested;
mod path;
mod platform;
mod response;
mod settings;

use std::process::ExitCode;

use edgemcp::{Server, platform::Vars as _};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

pub use self::{
    dynamodb::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore, OPERATION_TIMEOUT, VALUE_BYTES_MAX},
    event::{HEADER_BYTES_MAX, HEADERS_MAX, URI_BYTES_MAX},
    fetch::{CONNECT_TIMEOUT, FETCH_BYTES_MAX, FETCH_TIMEOUT},
    function::{Answer, DEADLINE_MARGIN, Function},
    nested::handle,
    platform::{ConfigError, platform},
    response::{ALB_ANSWER_BYTES_MAX, AnswerStream, BUFFERED_ANSWER_BYTES_MAX},
    settings::ResponseMode,
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
pub fn run(server: impl FnOnce() -> Server) -> ExitCode {
    match serve(server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(server: impl FnOnce() -> Server) -> Result<(), Vec<String>> {
    let mut problems = settings::runtime_problems(&Environment);
    let mode = settings::response_mode(&Environment).map_err(|problem| problems.push(problem));
    let platform = platform().map_err(|error| problems.extend(error.0));
    let service =
        server().build().map_err(|error| problems.extend(error.to_string().lines().map(str::to_owned)));
    let (Ok(mode), Ok(platform), Ok(service), true) = (mode, platform, service, problems.is_empty()) else {
        return Err(problems);
    };
    let function = Function::new(service, platform, mode);
    // One thread: an instance has one event at a time, and a fraction of a processor where it has little memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("the async runtime did not start: {error}")])?;
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let function = function.clone();
        async move { function.answer(event).await }
    });
    runtime
        .block_on(lambda_runtime::run_concurrent(handler))
        .map_err(|error| vec![format!("Lambda's runtime API failed: {error}")])
}
