#![allow(unused)]
use edgemcp::prelude::*;

struct Point {
    x: i64,
}

/// Where.
#[tool]
fn locate() -> Point {
    Point { x: 1 }
}

fn main() {}
