//! What a server on this machine can keep its entries in: an SQLite file, or a folder of files that people can read.

mod files;
mod path;
mod private;
mod sqlite;

use std::time::Duration;

use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Action, Put, StoreError, StoreErrorKind, Write},
};

pub(crate) use self::private::make_folder;
pub use self::{
    files::FileStore,
    path::{StorePathError, store_path},
    sqlite::{STORE_CHANGES_MAX, STORE_WATCH_EVERY, SqliteStore},
};

/// The largest value that a store of this machine takes, in bytes.
pub const STORE_VALUE_BYTES_MAX: usize = 16 << 20;

/// The bytes of values after which a page of [`Store::list`](edgemcp::store::Store::list) ends early.
const LIST_BYTES_MAX: usize = STORE_VALUE_BYTES_MAX;

fn check_size(operation: &'static str, value: &Bytes) -> Result<(), StoreError> {
    if value.len() <= STORE_VALUE_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("a value of {} bytes is larger than {STORE_VALUE_BYTES_MAX}", value.len());
    Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
}

/// All of them before the first is written, so that one that is too large leaves everything.
fn check_sizes(puts: &[Put]) -> Result<(), StoreError> {
    puts.iter().try_for_each(|put| check_size("put_many", &put.value))
}

fn check_sizes_of_writes(writes: &[Write]) -> Result<(), StoreError> {
    writes.iter().try_for_each(|write| match &write.action {
        Action::Put { value, .. } => check_size("transact", value),
        Action::Delete | Action::Check => Ok(()),
    })
}

fn end(now: Timestamp, ttl: Option<Duration>) -> Option<Timestamp> {
    ttl.map(|ttl| now.after(ttl))
}

/// The number that a counter's digits say.
fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
