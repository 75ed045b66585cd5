#![deny(dead_code)]
use edgemcp::prelude::*;

/// Add two integers.
#[tool]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Subtract one integer from another.
#[tool]
fn subtract(a: i64, b: i64) -> i64 {
    a - b
}

fn main() {
    let _ = Server::new("calculator", "1.0.0").tool(add::tool());
}
