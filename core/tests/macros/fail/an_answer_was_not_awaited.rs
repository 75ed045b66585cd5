#![allow(unused)]
use edgemcp::prelude::*;

async fn fetch() -> String {
    String::new()
}

/// Fetch it.
#[tool]
async fn look() -> String {
    fetch()
}

fn main() {}
