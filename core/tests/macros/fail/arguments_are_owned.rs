#![allow(unused)]
use edgemcp::prelude::*;
use std::{borrow::Cow, collections::HashMap, path::Path};

struct Cx;

/// Borrow.
#[tool]
fn borrow(a: &str, b: Option<&str>, c: &[String], d: &Path, e: &mut u32, f: Cow<'_, str>) {}

/// Borrow more.
#[prompt]
fn more(cx: &Cx, a: HashMap<&'static str, Vec<&u8>>) -> String {
    String::new()
}

fn main() {}
