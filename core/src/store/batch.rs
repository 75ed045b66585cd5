//! Does many operations on a store that takes them one by one.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

use super::{Entry, Key, StoreError};
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

/// The entries under `keys`, in their order, each by a `get` of its own; the first error ends it.
///
/// A store's vtable has what it does not override, whether or not anybody calls it: so a store adds only the closure to
/// what is compiled once, here.
pub(super) fn get_each<'a>(
    keys: &'a [Key],
    get: &dyn Fn(&'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>>,
) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
    let operations = keys.iter().map(|key| Operation::Waits(get(key))).collect();
    Box::pin(All { operations, first: 0 })
}

/// Writes `puts`, the last one of each key, each by a `put` of its own; the first error ends it.
pub(super) fn put_each<'a>(
    puts: &'a [Put],
    put: &dyn Fn(&'a Put) -> BoxFuture<'a, Result<(), StoreError>>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    let operations = Put::last_of_each(puts).map(|each| Operation::Waits(put(each))).collect();
    let all = All { operations, first: 0 };
    Box::pin(async move { all.await.map(drop) })
}

/// Many operations, of which the first that are not done are under way. (`try_join_all` and `buffered` keep a list of
/// those to be woken, which is several kilobytes in every Worker; looking at six is cheaper.)
struct All<'a, T> {
    operations: Vec<Operation<'a, T>>,
    /// All before it are done.
    first: usize,
}

enum Operation<'a, T> {
    Waits(BoxFuture<'a, Result<T, StoreError>>),
    Done(T),
}

// No result is pinned.
impl<T> Unpin for All<'_, T> {}

impl<T> Future for All<'_, T> {
    type Output = Result<Vec<T>, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { operations, first } = &mut *self;
        let mut under_way = 0;
        for operation in operations.iter_mut().skip(*first) {
            if let Operation::Waits(future) = operation {
                match future.as_mut().poll(cx) {
                    Poll::Ready(result) => *operation = Operation::Done(result?),
                    Poll::Pending => under_way += 1,
                }
            }
            match under_way {
                0 => *first += 1,
                AT_ONCE => break,
                _ => {}
            }
        }
        if under_way > 0 {
            return Poll::Pending;
        }
        let done = std::mem::take(operations).into_iter().filter_map(|operation| match operation {
            Operation::Done(result) => Some(result),
            Operation::Waits(_) => None,
        });
        Poll::Ready(Ok(done.collect()))
    }
}
