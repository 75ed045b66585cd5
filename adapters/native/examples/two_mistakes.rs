//! A definition with two mistakes, to see what its author is told: `cargo run -p edgemcp-native --bin two_mistakes`.

use std::process::ExitCode;

use edgemcp::prelude::*;

/// Greet somebody.
#[tool]
async fn greet(
    /** Whom to greet. */
    name: String,
) -> String {
    format!("Hello, {name}!")
}

/// Read a note.
#[resource("note://mine")]
async fn note() -> String {
    "Buy milk.".to_owned()
}

fn server() -> Server {
    Server::new("twice", "0.1.0")
        .tool(greet::tool())
        .tool(greet::tool())
        .resource(note::resource())
        .resource(note::resource())
}

fn main() -> ExitCode {
    edgemcp_native::run(server)
}
