//! Another MCP server, mounted: it is listed, called and read like a part of this one, whichever era either client or
//! server is of, and this one stands where it falls.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod asks;
mod callers;
mod eras;
mod faults;
mod ground;
mod hostile;
mod lists;
mod passing;
mod requests;
