//! What must hold of every answer, whatever bytes come.
//!
//! Each [`Target`] reads bytes as something that comes from outside, hands it to the highest API that reads it, and
//! panics where the answer is not what it must be: not only where something breaks. `tests/run fuzz` has libFuzzer look
//! for such bytes, starting from those in `seeds/`; the seeds themselves are asked in every `cargo test`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a panic is how a target says what it has found"
)]

mod asked;
mod check;
mod client;
mod said;
mod server;
mod stage;
mod targets;

/// One kind of bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its folder in `seeds/`.
    pub name: &'static str,
    /// Hands the bytes over, and looks at what comes of them.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "arguments", run: targets::arguments::run },
    Target { name: "headers", run: targets::headers::run },
    Target { name: "lambda", run: targets::lambda::run },
    Target { name: "legacy", run: targets::legacy::run },
    Target { name: "modern", run: targets::modern::run },
    Target { name: "object", run: targets::object::run },
    Target { name: "own-schema", run: targets::own_schema::run },
    Target { name: "resume", run: targets::resume::run },
    Target { name: "stdio", run: targets::stdio::run },
    Target { name: "store", run: targets::store::run },
    Target { name: "strings", run: targets::strings::run },
    Target { name: "tokens", run: targets::tokens::run },
    Target { name: "uri", run: targets::uri::run },
];

/// The target with this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
