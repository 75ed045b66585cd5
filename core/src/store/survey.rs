//! What an operator sees of a store: every entry of every partition, and what has expired.

use super::{Key, Store, StoreError};
use crate::{future::BoxFuture, platform::Timestamp};

/// A store that can be looked over as a whole, which the command `edgemcp store` does. It may read all there is, so no
/// request ever should.
///
/// ```
/// # use edgemcp::store::*;
/// # async fn example(store: &dyn Survey) -> Result<usize, StoreError> {
/// let (mut count, mut after) = (0, None);
/// loop {
///     let page = store.survey(after.as_deref()).await?;
///     count += page.entries.len();
///     after = page.next;
///     if after.is_none() {
///         return Ok(count);
///     }
/// }
/// # }
/// ```
pub trait Survey: Store {
    /// Some of all entries, those that have expired and are not deleted yet included, in whatever order the store has
    /// them. An entry that is there from the first page to the last is told, at least once.
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>>;

    /// Deletes what has expired, and says how many entries that were; none where the store has deleted them itself.
    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// One page of a [`Survey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SurveyPage {
    /// What was found.
    pub entries: Vec<Surveyed>,
    /// Where the next page begins, in the store's own words; `None` at the end.
    pub next: Option<String>,
}

/// An entry that a [`Survey`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its name.
    pub key: Key,
    /// How long its value is.
    pub value_bytes: usize,
    /// When it ends, or ended; `None` where it has no end.
    pub expires_at: Option<Timestamp>,
}
