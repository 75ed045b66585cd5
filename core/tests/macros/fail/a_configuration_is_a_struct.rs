#![allow(unused)]
use edgemcp::prelude::*;

#[derive(Config)]
enum One {
    A,
}

#[derive(Config)]
struct Two(String);

#[derive(Config)]
struct Three;

#[derive(Config)]
union Four {
    a: u8,
}

#[derive(Config)]
struct Five<T> {
    a: T,
}

fn main() {}
