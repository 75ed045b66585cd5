#![allow(unused)]
use edgemcp::prelude::*;

/// Unsafe.
#[tool]
unsafe fn one(a: i64) -> i64 {
    a
}

/// Foreign.
#[tool]
extern "C" fn two(a: i64) -> i64 {
    a
}

/// Of several types.
#[tool]
fn three<T: ToString>(a: T) -> String {
    a.to_string()
}

/// Of several lifetimes.
#[tool]
fn four<'a>(cx: &'a Context) -> String {
    String::new()
}

/// Of several types, too.
#[prompt]
fn five(a: impl ToString) -> String {
    a.to_string()
}

/// Twice.
#[tool]
#[prompt]
fn six() -> String {
    String::new()
}

fn main() {
    // What is wrong is said once: the tool is there all the same.
    let _ = (one::tool(), two::tool(), three::tool(), four::tool(), five::prompt(), six::tool());
}
