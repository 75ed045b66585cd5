#![allow(unused)]
use edgemcp::prelude::*;

async fn fetch() -> String {
    String::new()
}

/// Fetch it.
#[tool]
fn look() -> String {
    fetch().await
}

fn main() {}
