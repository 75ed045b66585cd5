//! HTTP.
mod body;
pub use body::{Body, BodyError};
