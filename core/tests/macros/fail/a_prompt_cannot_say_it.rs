#![allow(unused)]
use edgemcp::prelude::*;

/// Count.
#[prompt]
async fn count() -> u32 {
    1
}

fn main() {}
