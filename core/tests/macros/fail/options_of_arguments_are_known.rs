#![allow(unused)]
use edgemcp::prelude::*;

/// Unknown.
#[tool]
fn one(#[arg(name = "x", desc = "y", minimum = 3)] a: i64, #[arg] b: i64, #[arg("c")] c: i64) {}

/// Of others.
#[tool]
fn two(#[serde(rename = "x")] a: i64, #[schemars(range(min = 1))] b: i64, #[cfg(test)] c: i64, #[inline] d: i64) {}

/// Of the wrong kind.
#[tool]
fn three(
    #[arg(rename = 3, description, example)] a: String,
    #[arg(length = 3)] b: String,
    #[arg(length(least = 3))] c: String,
    #[arg(length(min = -1))] d: String,
    #[arg(length())] e: String,
    #[arg(length(min = 3, max = 2))] f: String,
    #[arg(length(equal = 3, max = 2))] g: String,
    #[arg(range(min = "3"))] h: u8,
    #[arg(range(min))] i: u8,
) {
}

/// Of another type.
#[tool]
fn four(
    #[arg(length(max = 3))] a: u8,
    #[arg(length(max = 3))] b: Option<bool>,
    #[arg(range(max = 3))] c: Vec<u8>,
    #[arg(range(max = 3))] d: bool,
    #[arg(pattern = "x")] e: f64,
) {
}

/// In a header.
#[tool]
fn five(
    #[arg(header = "Tenant Id")] a: String,
    #[arg(header = "größe")] b: String,
    #[arg(header = "")] c: String,
    #[arg(header)] d: String,
    #[arg(header = 7)] e: String,
) {
}

/// In a header of what is no tool.
#[prompt]
fn six(#[arg(header = "Region")] a: String, #[arg(least = 1)] b: String) -> String {
    a + &b
}

/// In a header, too.
#[resource("data://{a}")]
fn seven(#[arg(header = "Region")] a: String) -> String {
    a
}

fn main() {}
