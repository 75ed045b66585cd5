#![allow(unused)]
use edgemcp::prelude::*;

#[derive(Config)]
#[config(prefx = "A_", rename = "x")]
struct Unknown {
    #[config(nmae = "B", secret)]
    b: String,
}

#[derive(Config)]
#[config(name = "A", default, prefix)]
struct OfFields {
    #[config("B")]
    b: String,
    #[config(name)]
    c: String,
    #[config]
    d: String,
    #[config(name = "E", name = "F")]
    e: String,
}

#[derive(Config)]
#[config(prefix = "NOTES")]
struct Names {
    #[config(name = "")]
    empty: String,
    #[config(name = "SEARCH-KEY")]
    letter: String,
    #[config(name = "2FA")]
    digit: String,
    #[config(name = 3)]
    number: String,
    größe: String,
}

#[derive(Config)]
struct Nested {
    #[config(nested, name = "A", default)]
    a: Inner,
    #[config(prefix = "B_")]
    b: String,
    #[config(nested, prefix = "C-")]
    c: Inner,
    #[config(nested = "yes")]
    d: Inner,
}

#[derive(Config)]
struct Inner {
    a: Option<String>,
}

#[derive(Config)]
struct Twice {
    key: String,
    #[config(name = "KEY")]
    other: String,
}

#[derive(Config)]
struct Defaults {
    #[config(default = "20")]
    size: u8,
    #[config(default = "yes")]
    open: bool,
    #[config(default = "a,b")]
    list: Vec<String>,
    #[config(default = "30s")]
    time: std::time::Duration,
    #[config(default(30))]
    other: u8,
}

fn main() {}
