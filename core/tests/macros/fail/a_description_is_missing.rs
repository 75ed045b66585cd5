#![allow(unused)]
use edgemcp::prelude::*;

#[tool]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

///
#[tool(name = "minus", title = "Subtract")]
fn subtract(a: i64, b: i64) -> i64 {
    a - b
}

#[prompt]
fn review(code: String) -> String {
    code
}

fn main() {}
