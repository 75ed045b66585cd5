#![allow(unused)]
use edgemcp::prelude::*;

/// A struct.
#[tool]
struct Add {
    a: i64,
}

/// A module.
#[resource("data://config")]
mod config {}

struct Calculator;

impl Calculator {
    /// A method.
    #[tool]
    fn add(&self, /** First addend. */ a: i64) -> i64 {
        a
    }

    /// One more.
    #[prompt]
    fn make(name: String) -> Self {
        Self
    }
}

trait Adds {
    /// Has no body.
    #[tool]
    fn add(a: i64) -> i64;
}

fn main() {}
