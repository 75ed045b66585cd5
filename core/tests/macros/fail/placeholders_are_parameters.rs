#![allow(unused)]
use edgemcp::prelude::*;

/// One meant the other.
#[resource("user://{user_id}/profile")]
fn profile(id: u64) -> String {
    id.to_string()
}

/// A slip.
#[resource("user://{user}/posts/{post}")]
fn post(cx: &Context, user: String, psot: u64) -> String {
    format!("{user} {psot}")
}

/// No parameter.
#[resource("repo://{owner}/{name}")]
fn repository(owner: String) -> String {
    owner
}

/// No placeholder.
#[resource("data://config")]
fn config(section: String) -> String {
    section
}

/// Neither.
#[resource("geo://{latitude}")]
fn place(latitude: f64, zoom: u8, #[arg(rename = "lat")] other: f64) -> String {
    format!("{latitude} {zoom} {other}")
}

/// Twice, and nothing between.
#[resource("x://{a}{b}/{a}")]
fn twice(a: String, b: String) -> String {
    a + &b
}

/// Never left out.
#[resource("x://{a}")]
fn always(#[arg(default)] a: String) -> String {
    a
}

fn main() {}
