//! Stores that do something for another store: encrypt it, cache it, count it, try it again.
//!
//! Each wrapper is a [`Store`] around an `Arc<dyn Store>`. It takes the trait object and no type parameter: what a
//! platform hands out is one, which wrappers there are is often a setting, and a store's operations return boxed futures
//! as it is, so a type parameter would save nothing and be compiled once for each stack.
//!
//! They compose in any order, and the order has a meaning. What is outermost sees an operation first:
//!
//! ```
//! # use std::sync::Arc;
//! # use edgemcp::{platform::Platform, store::{MemoryStore, Store, wrap::*}};
//! # fn example(platform: &Platform) -> Result<Arc<dyn Store>, Box<dyn std::error::Error>> {
//! let (clock, random) = (platform.clock(), platform.random_source());
//! // A lost connection is tried again, each try has its time limit, and every value is sealed.
//! let store = platform.store().clone();
//! let store = Arc::new(Timeout::new(store, std::time::Duration::from_secs(2), clock.clone()));
//! let store = Arc::new(Retry::new(store, clock.clone(), random.clone()));
//! let keys = StoreKeys::new(platform)?;
//! let store = Arc::new(Encrypted::new(store, keys, clock.clone(), random.clone()));
//! # Ok(store)
//! # }
//! ```
//!
//! A wrapper says what it can do as every store does: its [`Capabilities`] are those of the store below, without what it
//! cannot keep. It does an operation on many entries as one, and a transaction as one.
//!
//! | wrapper | what it is for | what it takes away |
//! | --- | --- | --- |
//! | [`Encrypted`] | values that nobody reads or changes in the store | some bytes of the largest value |
//! | [`Prefixed`] | several servers in one store | |
//! | `Compressed` | smaller values (feature `compression`) | five bytes of the largest value |
//! | [`Cached`] | fewer reads of what changes seldom | |
//! | [`Fallback`] | going on while a store is down | consistency, atomicity, transactions, watching |
//! | [`ReadOnly`] | looking at what another server keeps | writing |
//! | [`Statistics`] | how often, how much, how many hits | |
//! | [`Logging`] | a line for each operation | |
//! | [`SizeLimited`] | a bound on values that the store has not | values past it |
//! | [`TtlClamp`] | a bound on how long entries live | ends outside it |
//! | [`Timeout`] | an answer within its time, or an error | |
//! | [`Retry`] | another try where that is safe | |
//!
//! Of py-key-value's wrappers a few have no counterpart: a default value is `unwrap_or` where the value is read, and
//! routing, or one collection for all, is a [`Key`] that is chosen where it is made.
//!
//! [`Capabilities`]: super::Capabilities
//! [`Key`]: super::Key
//! [`Store`]: super::Store

mod around;
mod cached;
mod cipher;
mod coded;
#[cfg(feature = "compression")]
mod compressed;
mod encrypted;
mod fallback;
#[cfg(feature = "fernet")]
mod fernet;
mod forward;
mod logging;
mod lru;
mod prefixed;
mod read_only;
mod retry;
mod size_limited;
mod statistics;
mod timeout;
mod ttl_clamp;

#[cfg(feature = "compression")]
pub use self::compressed::{COMPRESSED_FROM_BYTES, Compressed, INFLATED_BYTES_MAX};
#[cfg(feature = "fernet")]
pub use self::fernet::{FERNET_CLOCK_SKEW, Fernet, FernetError};
pub(crate) use self::lru::Lru;
pub use self::{
    cached::Cached,
    cipher::{Cipher, STORE_KEYS, StoreKeys, StoreKeysError, Unsealed},
    coded::{COMPARE_ATTEMPTS_MAX, Unreadable},
    encrypted::Encrypted,
    fallback::Fallback,
    logging::Logging,
    prefixed::{PREFIX_BYTES_MAX, PrefixError, Prefixed},
    read_only::ReadOnly,
    retry::Retry,
    size_limited::SizeLimited,
    statistics::{Counts, Operations, Statistics},
    timeout::Timeout,
    ttl_clamp::TtlClamp,
};
use super::{Key, StoreError, StoreErrorKind};

/// What is said of a value that is longer than a wrapper takes.
fn too_large(operation: &'static str, key: &Key, bytes: usize, max: usize) -> StoreError {
    let detail = format!("the value of {key} has {bytes} bytes, more than {max}");
    StoreError::new(StoreErrorKind::TooLarge, operation, detail)
}

/// What is said of an operation that a wrapper does not offer.
fn unsupported(operation: &'static str, why: String) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, operation, why)
}
