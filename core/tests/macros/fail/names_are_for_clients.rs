#![allow(unused)]
use edgemcp::prelude::*;

/// A space.
#[tool(name = "add two")]
fn add(a: i64) {}

/// A letter few have.
#[tool]
fn größe(a: i64) {}

/// A slash.
#[prompt(name = "a/b")]
fn review(code: String) -> String {
    code
}

/// Long.
#[tool(
    name = "a23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
)]
fn long(a: i64) {}

fn main() {}
