//! Runs an edgemcp server on your own machine: over HTTP or stdio, with an embedded SQLite store.
//!
//! [`run()`] is all a program needs. To put a server into an application of your own there is [`McpService`], which
//! goes into an axum router or a hyper server, and [`NativePlatform`], which is what it runs on.
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
        EnvVars, FETCH_BYTES_MAX, FETCH_TIME_MAX, HOLD_MAX, HttpFetch, LogFilter, LogFilterError,
        NativePlatform, NativePlatformBuilder, OsRandom, SealKey, StderrLog, SystemClock, TokioBackground,
    },
    run::run,
    stdio::{STDIO_REQUESTS_MAX, STDIO_STOP_TIME_MAX, serve_stdio},
    store::{
        STORE_CHANGES_MAX, STORE_VALUE_BYTES_MAX, STORE_WATCH_EVERY, SqliteStore, StorePathError, store_path,
    },
};
