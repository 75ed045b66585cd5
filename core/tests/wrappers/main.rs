//! The wrappers around stores: each keeps the contract of every store, alone and around others, and does what it is for.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod cached;
#[cfg(feature = "compression")]
mod compressed;
mod contract;
mod encrypted;
mod faults;
mod kept;
mod races;
mod retrying;
mod stage;
mod watching;
