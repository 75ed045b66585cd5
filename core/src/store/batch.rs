//! Does many operations on a store that takes them one by one.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{Key, StoreError};
use crate::future::BoxFuture;

/// An entry to be written: one of [`Store::put_many`](super::Store::put_many).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub key: Key,
    /// What.
    pub value: Bytes,
    /// How long it lives; `None` for ever.
    pub ttl: Option<Duration>,
}

impl Put {
    /// `value` under `key`, ending after `ttl`.
    pub fn new(key: Key, value: impl Into<Bytes>, ttl: Option<Duration>) -> Self {
        Self { key, value: value.into(), ttl }
    }

    /// Those of `puts` that would stay if all were done one after the other: the last one of each key. Stores that
    /// write many at once begin with it.
    pub fn last_of_each(puts: &[Self]) -> impl Iterator<Item = &Self> {
        // Batches are short, and most have no two of one key: a set would be made for nothing.
        puts.iter().enumerate().filter_map(|(at, put)| {
            let later = puts.iter().skip(at + 1);
            later.into_iter().all(|other| other.key != put.key).then_some(put)
        })
    }
}

/// How many operations are under way at once. Workers allow six connections at once, and queue what is more.
const AT_ONCE: usize = 6;

/// What each of `operations` came to, in their order; the first error ends it.
///
/// They are boxed by then, so that this is compiled once and not for every store.
pub(super) fn all<'a, T: Send + 'a>(
    operations: Vec<BoxFuture<'a, Result<T, StoreError>>>,
) -> BoxFuture<'a, Result<Vec<T>, StoreError>> {
    Box::pin(async move {
        let mut done = Vec::with_capacity(operations.len());
        let mut operations = operations.into_iter();
        loop {
            let some: Vec<_> = operations.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(done);
            }
            done.extend(try_join_all(some).await?);
        }
    })
}

/// As [`all`], of operations that come to nothing but their error.
pub(super) fn each<'a>(
    operations: Vec<BoxFuture<'a, Result<(), StoreError>>>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    let all = all(operations);
    Box::pin(async move { all.await.map(drop) })
}
