#![allow(unused)]
use edgemcp::prelude::*;

/// Unknown.
#[tool(nmae = "x", readonly, version = 1)]
fn one() {}

/// Of the wrong kind.
#[tool(name, title = 3, read_only = "yes", tags = "a", idempotent(true))]
fn two() {}

/// Twice, and at odds.
#[tool(title = "a", title = "b", read_only, destructive)]
fn three() {}

/// Empty.
#[tool(name = "", title = " ", tags(), tags("a"))]
fn four() {}

/// No key.
#[tool("five")]
fn five() {}

/// Of tools only.
#[prompt(read_only)]
fn six() -> String {
    String::new()
}

/// A media type is two words.
#[resource("data://config", mime_type = "json", uri = "data://config")]
fn seven() -> String {
    String::new()
}

/// Empty.
#[tool(tags("a", "", 3))]
fn eight() {}

/// Not when.
#[tool(task = "always")]
fn nine() {}

/// Not whether.
#[tool(task = false, ui = "https://example.com/page", icon)]
fn ten() {}

fn main() {}
