//! Says why a store operation failed, for code to decide on and for the log to read.

use std::fmt;

use super::key::KeyError;

/// Why a store operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not answer, or answered that it cannot now. Worth another try.
    Unavailable,
    /// The store asks for fewer requests. Worth another try, later.
    Throttled,
    /// The value is larger than the store takes.
    TooLarge,
    /// The key is not one a store takes.
    InvalidKey,
    /// The store does not offer this operation.
    Unsupported,
    /// The entry is no counter, or the sum would leave `i64`.
    NotACounter,
    /// The entry was not written by this store, or was damaged.
    Corrupt,
    /// The store refuses these credentials or this configuration.
    Denied,
}

/// A failed store operation. Its text is for the log; nothing of it reaches a client.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    detail: String,
}

impl StoreError {
    /// `operation` is the method's name, `detail` what the back end said.
    pub fn new(kind: StoreErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, operation, detail: detail.into() }
    }

    /// Why it failed.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The operation that failed.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable | StoreErrorKind::Throttled)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store {}: {}", self.operation, self.detail)
    }
}

impl std::error::Error for StoreError {}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::new(StoreErrorKind::InvalidKey, "key", error.to_string())
    }
}
