#![allow(unused)]
use edgemcp::prelude::*;

#[derive(serde::Deserialize)]
struct Point {
    x: i64,
}

/// Where.
#[tool]
fn locate(at: Point) -> i64 {
    at.x
}

fn main() {}
