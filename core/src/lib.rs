//! MCP servers for serverless and edge.
#![allow(missing_docs)]

pub mod future;
pub mod http;
pub mod platform;
pub mod server;
pub mod service;
pub mod stdio;
pub mod store;

pub use server::{BuildError, Server};
pub use service::Service;
