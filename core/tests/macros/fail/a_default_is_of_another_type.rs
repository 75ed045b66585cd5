#![allow(unused)]
use edgemcp::prelude::*;

/// Count.
#[tool]
fn count(#[arg(default = 2.5)] from: u32) -> u32 {
    from
}

fn main() {}
