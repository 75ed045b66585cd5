//! What edgemcp costs: the calculator's `add` beside any number of other tools, on the native adapter.
//!
//! Usage: `bench-edgemcp TOOLS [sessions]`. It prints its port once it listens.

use std::{error::Error, sync::Arc};

use edgemcp::{Sessions, platform::Exposure, prelude::*, store::MemoryStore};
use edgemcp_native::{McpService, NativePlatform, SealKey, SystemClock, serve_http};

/// Add two integers.
#[tool(read_only)]
async fn add(
    /** First addend. */
    a: i64,
    /** Second addend. */
    b: i64,
) -> Result<i64, ToolError> {
    a.checked_add(b).ok_or_else(|| ToolError::new("the sum does not fit into 64 bits"))
}

/// What the other tools take.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Operands {
    /// First operand.
    a: i64,
    /// Second operand.
    b: i64,
}

/// `add`, and as many others that nobody calls.
fn server(others: usize, sessions: Sessions) -> Server {
    let server = Server::new("calculator", "1.0.0").sessions(sessions).tool(add::tool());
    (0..others).fold(server, |server, number| {
        let subtract = |_, Operands { a, b }| async move { a.wrapping_sub(b) };
        server.tool(Tool::new(format!("other_{number}"), "Subtract one integer from another.", subtract))
    })
}

async fn serve(others: usize, sessions: Sessions) -> Result<(), Box<dyn Error>> {
    let service = server(others, sessions).build()?;
    let platform = NativePlatform::builder(service.name())
        .store(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .seal_key(SealKey::Memory)
        .exposure(Exposure::Loopback)
        .build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    serve_http(listener, McpService::new(service, platform), std::future::pending()).await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let tools: usize = arguments.next().ok_or("how many tools?")?.parse()?;
    let sessions = match arguments.next().as_deref() {
        Some("sessions") => Sessions::new(),
        Some(other) => return Err(format!("`{other}` is no way to serve (only `sessions` is)").into()),
        None => Sessions::off(),
    };
    let others = tools.checked_sub(1).ok_or("there is one tool at the least")?;
    // One thread, so that what a request costs does not depend on who else runs.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(others, sessions))
}
