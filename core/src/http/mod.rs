//! What HTTP asks of an MCP endpoint, before any message is read.

mod body;
pub(crate) mod headers;
pub(crate) mod origin;
pub(crate) mod refusal;
pub(crate) mod sse;

pub use self::body::{Body, BodyError};
