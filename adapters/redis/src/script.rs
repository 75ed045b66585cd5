//! The scripts that Redis runs, each as a whole and alone, so that what they do is atomic.

use std::sync::LazyLock;

/// A script, and the hash by which Redis has it once it was sent.
pub(crate) struct Script {
    pub(crate) code: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

macro_rules! script {
    ($($file:literal),*) => {
        LazyLock::new(|| Script::new(concat!($(include_str!($file)),*)))
    };
}

/// Writes and deletes several entries of a partition under conditions.
pub(crate) static WRITE: LazyLock<Script> = script!("script/shared.lua", "script/write.lua");

/// Deletes an entry and returns it.
pub(crate) static TAKE: LazyLock<Script> = script!("script/shared.lua", "script/take.lua");

/// Adds to a counter.
pub(crate) static INCREMENT: LazyLock<Script> = script!("script/shared.lua", "script/increment.lua");

/// Deletes what has ended, and what the indexes still have of it.
pub(crate) static CLEAR: LazyLock<Script> = script!("script/shared.lua", "script/clear.lua");

/// Reads entries up to so many bytes.
pub(crate) static PAGE: LazyLock<Script> = script!("script/page.lua");

/// Tells how an entry begins and how long it is.
pub(crate) static LOOK: LazyLock<Script> = script!("script/look.lua");
