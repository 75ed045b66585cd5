//! Keeps an edgemcp server's entries in Redis or Valkey: one store for all instances, natively and on AWS Lambda.
//!
//! A program that is to take it says so once, in its `main`:
//!
//! ```text
//! fn main() -> ExitCode {
//!     edgemcp_native::Program::new(server).store(edgemcp_redis::opener()).run()
//! }
//! ```
//!
//! and is then told which one: `--store redis://127.0.0.1:6379`, or `EDGEMCP_STORE` with such a URL, which keeps a
//! password from the list of processes. On Lambda it is `edgemcp_lambda::Program`, and the variable is
//! `EDGEMCP_REDIS_URL`. What a URL may say is described at [`RedisConfig`]; a program that opens its store itself takes
//! [`RedisStore`].
//!
//! Valkey is the same to this store, in both of its schemes, `redis://` and `valkey://`.
//!
//! # What the user may
//!
//! Where Redis has access lists, the user needs, for the prefix `edgemcp`:
//!
//! ```text
//! ACL SETUSER app on >password ~{edgemcp:* &{edgemcp:* -@all
//!   +hello +ping +select +get +set +del +exists +getrange +strlen +incrby +pexpireat +persist +time +scan
//!   +zadd +zrem +zcard +zrangebyscore +zrangebylex +zrevrange +eval +evalsha +publish +spublish
//!   +subscribe +unsubscribe +ssubscribe +sunsubscribe +cluster|slots +asking
//! ```

mod client;
mod config;
mod connection;
mod entry;
mod error;
mod name;
mod script;
mod store;
mod survey;
mod watch;

use std::sync::Arc;

use edgemcp::store::StoreOpener;

pub use self::{
    config::{CONNECT_TIMEOUT, OPERATION_TIMEOUT, RedisConfig},
    store::{CLOCK_DIFFERENCE_MAX, RedisStore, VALUE_BYTES_MAX},
};

/// Opens a [`RedisStore`] where a program is told to use one.
///
/// ```
/// let opener = edgemcp_redis::opener();
/// assert!(opener.opens("rediss://redis.example:6380") && opener.opens("unix:///run/redis.sock"));
/// ```
pub fn opener() -> StoreOpener {
    const SCHEMES: &[&str] = &["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix"];
    StoreOpener::new(SCHEMES, |url, clock| Ok(Arc::new(RedisStore::open(url, clock)?)))
}
