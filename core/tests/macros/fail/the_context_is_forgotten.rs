#![allow(unused)]
use edgemcp::prelude::*;

/// Remember a word.
#[tool]
async fn remember(word: String) -> String {
    let _ = cx.store();
    word
}

fn main() {}
