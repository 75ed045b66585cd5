//! A server that counts in its store, wherever it runs.

use std::process::ExitCode;

use edgemcp::{prelude::*, store::Key};

/// Count how often this was called.
#[tool]
async fn count(cx: &Context) -> Result<i64, ToolError> {
    let key = Key::new("program", "count", "calls")?;
    Ok(cx.store().increment(&key, 1, None).await?)
}

fn server() -> Server {
    Server::new("counter", env!("CARGO_PKG_VERSION")).tool(count::tool())
}

fn main() -> ExitCode {
    match edgemcp_lambda::is_lambda() {
        true => edgemcp_lambda::Program::new(server).store(edgemcp_redis::opener()).run(),
        false => edgemcp_native::Program::new(server).store(edgemcp_redis::opener()).run(),
    }
}
