#![allow(unused)]
use edgemcp::prelude::*;

struct Point {
    x: i64,
}

/// Take apart.
#[tool]
fn sum((a, b): (i64, i64), Point { x }: Point, _: i64, [c, ..]: [i64; 2], ref d: i64) -> i64 {
    a + b + c + d + x
}

/// Alike.
#[tool]
fn twice(a: i64, #[arg(rename = "a")] b: i64) -> i64 {
    a + b
}

fn main() {}
