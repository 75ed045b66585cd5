#![allow(unused)]
use edgemcp::prelude::*;

#[resource("data://count")]
async fn count() -> u32 {
    1
}

fn main() {}
