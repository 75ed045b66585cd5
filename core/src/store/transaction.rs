//! Says what a transaction writes: several items of one partition, all of them or none.

use std::time::Duration;

use bytes::Bytes;

use super::{Condition, Entry, Partition, StoreError, StoreErrorKind};

/// The most writes one [`Store::transact`](super::Store::transact) takes. DynamoDB takes 100.
pub const TRANSACTION_WRITES_MAX: usize = 25;

/// One write of a [`Store::transact`](super::Store::transact): an item, what happens to it, and under which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The item of the transaction's partition.
    pub item: String,
    /// What must be there before; `None` where anything may.
    pub condition: Option<Condition>,
    /// What happens to it.
    pub action: Action,
}

/// What a [`Write`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes an entry over whatever was there.
    Put {
        /// Its value.
        value: Bytes,
        /// How long it lives; `None` for ever.
        ttl: Option<Duration>,
    },
    /// Deletes the entry, where there is one.
    Delete,
    /// Leaves it, and lets the others happen only if the condition holds.
    Check,
}

impl Write {
    /// Writes `value` to `item`, ending after `ttl`.
    pub fn put(item: impl Into<String>, value: impl Into<Bytes>, ttl: Option<Duration>) -> Self {
        Self { item: item.into(), condition: None, action: Action::Put { value: value.into(), ttl } }
    }

    /// Deletes `item`.
    pub fn delete(item: impl Into<String>) -> Self {
        Self { item: item.into(), condition: None, action: Action::Delete }
    }

    /// Only looks at `item`: nothing of the transaction happens unless `condition` holds.
    pub fn check(item: impl Into<String>, condition: Condition) -> Self {
        Self { item: item.into(), condition: Some(condition), action: Action::Check }
    }

    /// The same where `condition` holds; otherwise nothing of the transaction happens.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Whether the condition holds of what is there, which has not expired.
    pub fn may_follow(&self, found: Option<&Entry>) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(found))
    }

    /// Checks that `writes` is a transaction: it is not too long, has no item twice, and each item is one. Stores that
    /// offer transactions begin with it.
    ///
    /// # Errors
    /// [`Unsupported`](StoreErrorKind::Unsupported), or [`InvalidKey`](StoreErrorKind::InvalidKey).
    pub fn check_all(partition: &Partition, writes: &[Self]) -> Result<(), StoreError> {
        let refused = |detail| Err(StoreError::new(StoreErrorKind::Unsupported, "transact", detail));
        if writes.len() > TRANSACTION_WRITES_MAX {
            let count = writes.len();
            return refused(format!(
                "{count} writes are more than the {TRANSACTION_WRITES_MAX} of a transaction"
            ));
        }
        for (at, write) in writes.iter().enumerate() {
            let key = partition.item(write.item.as_str())?;
            if writes.iter().take(at).any(|other| other.item == write.item) {
                return refused(format!("a transaction writes {key} twice (join the two writes)"));
            }
        }
        Ok(())
    }
}

/// What is said by a store without transactions.
pub(super) fn unsupported(name: &str) -> StoreError {
    let detail = format!(
        "{name} has no transactions (use a Durable Object, DynamoDB, Redis or SQLite, or keep what changes together in \
         one entry)"
    );
    StoreError::new(StoreErrorKind::Unsupported, "transact", detail)
}
