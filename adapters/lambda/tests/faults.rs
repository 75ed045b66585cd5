//! What the DynamoDB store does when things go wrong around it.
//!
//! Where a fault is tried again and again, its test says in one line how often, and what was lost:
//! `fault: NAME on DynamoDB: N rounds, M lost` (`cargo test --test faults -- --nocapture`).
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "faults/answers.rs"]
mod answers;
#[path = "faults/bounds.rs"]
mod bounds;
#[path = "common/emulators.rs"]
mod emulators;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/race.rs"]
mod race;
#[path = "common/table.rs"]
mod table;
#[path = "common/wire.rs"]
mod wire;
