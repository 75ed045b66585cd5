//! Runs an edgemcp server on your own machine: over HTTP or stdio, with a store in an embedded SQLite file, or in plain files.
//!
//! [`run()`] is all a program needs; [`Program`] lets its user choose further stores, such as Redis. To put a server into
//! an application of your own there is [`McpService`], which goes into an axum router or a hyper server, and
//! [`NativePlatform`], which is what it runs on.
//!
//! # Testing a server
//!
//! A tool without a context is tested like any function. The rest is asked as clients ask, in the test's own process,
//! with a store and a key of its own; a question is answered in the request that asks for it, by its key. The crate
//! needs `http` and `tokio` (with `macros` and `rt`) among its dev-dependencies.
//!
//! ```
//! use std::sync::Arc;
//!
//! use edgemcp::{prelude::*, store::MemoryStore};
//! use edgemcp_native::{NativePlatform, SealKey, SystemClock};
//!
//! /// Close the shop, if the user is sure.
//! #[tool]
//! async fn close(cx: &Context) -> Result<&'static str, ToolError> {
//!     let sure: bool = cx.elicit("Are you sure?").key("sure").await?;
//!     Ok(if sure { "The shop is closed." } else { "The shop stays open." })
//! }
//!
//! // #[tokio::test]
//! async fn the_shop_is_closed_by_who_is_sure() {
//!     let service = Server::new("shop", "1.0.0").tool(close::tool()).build().unwrap();
//!     let store = MemoryStore::new(Arc::new(SystemClock));
//!     let platform = NativePlatform::builder("shop").store(Arc::new(store)).seal_key(SealKey::Memory).build();
//!     let call = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
//!         "name": "close",
//!         "arguments": {},
//!         "inputResponses": {"sure": {"action": "accept", "content": {"value": true}}},
//!         "_meta": {
//!             "io.modelcontextprotocol/protocolVersion": "2026-07-28",
//!             "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}
//!         }
//!     }}"#;
//!     let request = http::Request::post("/mcp")
//!         .header("Content-Type", "application/json")
//!         .header("MCP-Protocol-Version", "2026-07-28")
//!         .header("Mcp-Method", "tools/call")
//!         .header("Mcp-Name", "close");
//!     let answer = service.handle(&platform, request.body(call.into()).unwrap()).await.into_body();
//!     let answer = String::from_utf8_lossy(answer.as_bytes().unwrap()).into_owned();
//!     assert!(answer.contains("The shop is closed."), "{answer}");
//! }
//! # tokio::runtime::Runtime::new().unwrap().block_on(the_shop_is_closed_by_who_is_sure());
//! ```
//!
//! # Settings
//!
//! What [`Platform::var`](edgemcp::platform::Platform::var) answers, and a [`Config`](edgemcp::config::Config) is read
//! from, are the process's environment variables, and where [`run()`] runs the server those of the files `.dev.vars` and
//! `.env` in the working directory behind them ([`EnvFiles`] tells what stands in one). The log's first line says which
//! were read. `--env-file PATH`, or the variable `EDGEMCP_ENV_FILE`, names another file instead of the two;
//! `--env-file /dev/null` reads none.
//!
//! The variables of this adapter itself, which `--help` lists, may stand in the files too. So be careful where you start a
//! server: with `--transport stdio` the working directory is its client's choice, and a `.env` that came with somebody
//! else's project would set where the server listens and what it calls. Name a file there.
//!
//! # HTTP
//!
//! HTTP is version 1.1: an MCP client opens few connections, and a proxy in front that speaks HTTP/2 to its own
//! clients speaks this to its upstream.

mod http;
mod nest;
mod options;
mod platform;
mod run;
mod signals;
mod stdio;
mod store;

pub use self::{
    http::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIME_MAX, STOP_TIME_MAX, WRITE_TIME_MAX, serve_http},
    nest::{Answer, BODY_TIME_MAX, McpService},
    platform::{
        ENV_FILE_BYTES_MAX, EnvFileError, EnvFiles, EnvVars, FETCH_BYTES_MAX, FETCH_TIME_MAX, HOLD_MAX,
        HttpFetch, NativePlatform, NativePlatformBuilder, OsRandom, SealKey, StderrLog, StopSignal,
        SystemClock, TokioBackground,
    },
    run::{Program, run},
    stdio::{STDIO_REQUESTS_MAX, STDIO_STOP_TIME_MAX, serve_stdio},
    store::{
        FileStore, STORE_CHANGES_MAX, STORE_VALUE_BYTES_MAX, STORE_WATCH_EVERY, SqliteStore, StorePathError,
        store_path,
    },
};
