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

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Waker,
    };

    use futures_executor::block_on;

    use super::*;
    use crate::store::{Consistency, NoStore, Store, StoreErrorKind};

    fn keys(count: usize) -> Vec<Key> {
        (0..count).map(|n| Key::new("many", "p", format!("{n}")).unwrap()).collect()
    }

    fn number(key: &Key) -> usize {
        key.item().parse().unwrap()
    }

    /// Resolves when it has been polled so often.
    async fn polled(times: usize) {
        let mut left = times;
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            left = left.saturating_sub(1);
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[test]
    fn entries_come_in_the_order_of_their_keys_in_whatever_order_they_are_read_and_six_at_once() {
        let keys = keys(40);
        let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let get = |key: &Key| -> BoxFuture<'_, _> {
            let (n, under_way, most) = (number(key), Arc::clone(&under_way), Arc::clone(&most));
            Box::pin(async move {
                most.fetch_max(under_way.fetch_add(1, Relaxed) + 1, Relaxed);
                // Each fifth takes long, and those after it are read meanwhile.
                polled(if n.is_multiple_of(5) { 30 } else { n % 3 }).await;
                under_way.fetch_sub(1, Relaxed);
                let entry = Entry { value: n.to_string().into(), expires_at: None };
                Ok(Some(entry).filter(|_| !n.is_multiple_of(7)))
            })
        };
        let found = block_on(get_each(&keys, &get)).unwrap();
        let found: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect();
        let want = |n: usize| (!n.is_multiple_of(7)).then(|| Bytes::from(n.to_string()));
        assert_eq!(found, (0..40).map(want).collect::<Vec<_>>());
        assert_eq!(most.load(Relaxed), AT_ONCE);
    }

    #[test]
    fn the_first_error_ends_it_and_what_has_not_begun_never_does() {
        let puts: Vec<_> = keys(40).into_iter().map(|key| Put::new(key, "x", None)).collect();
        let begun = Arc::new(AtomicUsize::new(0));
        let put = |put: &Put| -> BoxFuture<'_, _> {
            let (n, begun) = (number(&put.key), Arc::clone(&begun));
            Box::pin(async move {
                begun.fetch_add(1, Relaxed);
                polled(3).await;
                match n {
                    8 => Err(StoreError::new(StoreErrorKind::Throttled, "put", "later")),
                    _ => Ok(()),
                }
            })
        };
        let error = block_on(put_each(&puts, &put)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Throttled);
        assert!((9..20).contains(&begun.load(Relaxed)), "{begun:?} of 40 had begun");
    }

    #[test]
    fn what_waits_is_not_begun_again_and_what_is_done_is_not_asked_again() {
        let keys = keys(2);
        let polls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let get = |key: &Key| -> BoxFuture<'_, _> {
            let (n, polls) = (number(key), Arc::clone(&polls));
            Box::pin(poll_fn(move |_| {
                // The second is there at once, the first when it is asked for the third time.
                let asked = polls.get(n).map_or(0, |polls| polls.fetch_add(1, Relaxed) + 1);
                if n == 1 || asked == 3 { Poll::Ready(Ok(None)) } else { Poll::Pending }
            }))
        };
        let mut both = get_each(&keys, &get);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(both.as_mut().poll(cx).is_pending());
        assert!(both.as_mut().poll(cx).is_pending());
        assert!(both.as_mut().poll(cx).is_ready());
        assert_eq!(polls.iter().map(|polls| polls.load(Relaxed)).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn a_store_that_takes_nothing_says_so_of_many_too() {
        let key = Key::new("many", "p", "one").unwrap();
        let read = block_on(NoStore.get_many(&[key.clone()], Consistency::Strong));
        assert_eq!(read.unwrap_err().kind(), StoreErrorKind::Unsupported);
        let written = block_on(NoStore.put_many(&[Put::new(key, "x", None)]));
        assert_eq!(written.unwrap_err().kind(), StoreErrorKind::Unsupported);
    }
}
