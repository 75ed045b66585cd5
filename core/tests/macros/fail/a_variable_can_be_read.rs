#![allow(unused)]
use edgemcp::prelude::*;

#[derive(Default)]
struct Own;

#[derive(Config)]
struct Settings {
    own: Own,
    some: Option<Own>,
    borrowed: &'static str,
    #[config(default = 300_u16)]
    count: u8,
    #[config(nested)]
    nested: Own,
}

fn main() {}
