//! Tells those who watch a partition what changes in it, within one process.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::{Key, Partition};
use crate::future::BoxStream;

/// The most items that may wait for one watcher. Past it the watch ends, which tells its holder to look again.
pub const WATCH_ITEMS_MAX: usize = 1000;

/// Those who watch, for a store that knows of its own writes.
///
/// ```
/// # use edgemcp::store::{Key, Watchers};
/// let watchers = Watchers::default();
/// let key = Key::new("orders", "2026", "7").unwrap();
/// let watch = watchers.watch(key.partition());
/// watchers.tell(&key);
/// # drop(watch);
/// ```
#[derive(Default)]
pub struct Watchers(Mutex<Vec<Weak<Channel>>>);

struct Channel {
    partition: Partition,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    changed: BTreeSet<String>,
    waker: Option<Waker>,
    ended: bool,
}

impl Watchers {
    /// What changes in `partition` from now on.
    pub fn watch(&self, partition: &Partition) -> BoxStream<'static, String> {
        let channel = Arc::new(Channel { partition: partition.clone(), state: Mutex::default() });
        let mut channels = lock(&self.0);
        channels.retain(|channel| channel.strong_count() > 0);
        channels.push(Arc::downgrade(&channel));
        Box::pin(Watch(channel))
    }

    /// Tells the watchers of its partition that `key` has changed.
    pub fn tell(&self, key: &Key) {
        self.each(|channel| {
            if channel.partition == *key.partition() {
                channel.add(key.item().to_owned());
            }
        });
    }

    /// The partitions that somebody watches.
    pub fn partitions(&self) -> BTreeSet<Partition> {
        let mut partitions = BTreeSet::new();
        self.each(|channel| {
            partitions.insert(channel.partition.clone());
        });
        partitions
    }

    /// Ends every watch, after what it was told, because what changes from now on may go untold.
    pub fn end(&self) {
        self.each(|channel| {
            let mut state = lock(&channel.state);
            state.ended = true;
            state.wake();
        });
    }

    fn each(&self, mut act: impl FnMut(&Channel)) {
        for channel in lock(&self.0).iter().filter_map(Weak::upgrade) {
            act(&channel);
        }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({:?})", self.partitions())
    }
}

impl Channel {
    fn add(&self, item: String) {
        let mut state = lock(&self.state);
        // Once something is missed the watch only ends: its holder must look again, however much changes meanwhile.
        if state.ended || state.changed.len() >= WATCH_ITEMS_MAX {
            state.ended = true;
        } else {
            state.changed.insert(item);
        }
        state.wake();
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A store that is gone tells nothing more, and nobody shall wait for it.
impl Drop for Watchers {
    fn drop(&mut self) {
        self.end();
    }
}

/// One watcher's end.
struct Watch(Arc<Channel>);

impl Stream for Watch {
    type Item = String;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let mut state = lock(&self.0.state);
        match state.changed.pop_first() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.ended => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-written by a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    fn next(watch: &mut BoxStream<'static, String>) -> Poll<Option<String>> {
        watch.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_watcher_that_does_not_keep_up_is_ended_after_what_it_was_told() {
        let watchers = Watchers::default();
        let partition = Partition::new("c", "i").unwrap();
        let mut watch = watchers.watch(&partition);
        for item in 0..=WATCH_ITEMS_MAX {
            watchers.tell(&partition.item(format!("{item:06}")).unwrap());
        }
        for item in 0..WATCH_ITEMS_MAX {
            assert_eq!(next(&mut watch), Poll::Ready(Some(format!("{item:06}"))));
            // However much changes meanwhile, it ends.
            watchers.tell(&partition.item("later").unwrap());
        }
        assert_eq!(next(&mut watch), Poll::Ready(None));
    }

    #[test]
    fn a_watch_that_is_ended_gives_what_it_was_told_and_a_later_one_goes_on() {
        let watchers = Watchers::default();
        let partition = Partition::new("c", "i").unwrap();
        let mut watch = watchers.watch(&partition);
        watchers.tell(&partition.item("told").unwrap());
        watchers.end();
        assert_eq!(next(&mut watch), Poll::Ready(Some("told".to_owned())));
        assert_eq!(next(&mut watch), Poll::Ready(None));
        assert_eq!(next(&mut watchers.watch(&partition)), Poll::Pending);
    }

    #[test]
    fn a_watch_ends_with_its_store() {
        let watchers = Watchers::default();
        let mut watch = watchers.watch(&Partition::new("c", "i").unwrap());
        assert_eq!(next(&mut watch), Poll::Pending);
        drop(watchers);
        assert_eq!(next(&mut watch), Poll::Ready(None));
    }

    #[test]
    fn a_watcher_that_has_gone_is_forgotten() {
        let watchers = Watchers::default();
        let partition = Partition::new("c", "i").unwrap();
        drop(watchers.watch(&partition));
        assert!(watchers.partitions().is_empty());
        let _watch = watchers.watch(&partition);
        assert_eq!(lock(&watchers.0).len(), 1);
    }
}
