#![allow(unused)]
use edgemcp::prelude::*;

/// An address that nobody can ask for.
#[tool(icon = "logo.png", icon = "http://example.com/logo.png")]
fn one() {}

/// What is left of a data URI.
#[prompt(icon = "base64,AAAA")]
fn two() -> String {
    String::new()
}

/// No base64, and what it is not.
#[resource("data://three", icon = "data:image/svg+xml,<svg/>", icon = "data:image/png;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")]
fn three() -> String {
    String::new()
}

fn main() {
    let at_run_time = String::new();
    let _: [Icon; 13] = [
        icon!(),
        icon!(at_run_time),
        icon!("ftp://example.com/logo.png"),
        icon!("data:text/html;base64,PGI+"),
        icon!("data:image/png;base64,not base64"),
        icon!("data:image/png;base64,aGVsbG8="),
        icon!("data:image/png;base64,iVBORw0KGgoAAAAN"),
        icon!("https://example.com/logo.png", "48x48"),
        icon!("https://example.com/logo.png", sizes = "48x48"),
        icon!("https://example.com/logo.png", size = "48", size = "0x48", size = "large"),
        icon!("https://example.com/logo.png", theme = "dark", theme = Light),
        icon!("https://example.com/logo.png", mime_type = "png"),
        icon!("data:image/avif;base64,AAAA", mime_type = "image/png"),
    ];
}
