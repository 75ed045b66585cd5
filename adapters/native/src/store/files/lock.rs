//! Lets one process of this machine at a time write to a partition.
//!
//! The locks are a fixed number of files that nobody ever deletes, and each partition has one of them. A lock file
//! beside the entries would have to stay for good, since whoever deletes it may have it deleted from under another
//! who waits for it; so would its folder then, and there is a partition for each session.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use edgemcp::store::Partition;

use crate::store::private;

/// How many locks there are. Two partitions with one lock wait for each other, and nothing worse. It is part of the
/// format: processes that count otherwise would not meet.
pub(super) const LOCKS: usize = 64;

/// How long an operation waits for another process that is writing, as in an SQLite store.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long to wait before another look.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Which lock is the partition's: FNV-1a, since it must be the same in every process and version.
pub(super) fn number(partition: &Partition) -> usize {
    let hash = partition.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % LOCKS as u64).unwrap_or_default()
}

/// A lock, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Not left to closing the file: a child process that is just being started has it open for a moment too.
        let _ = self.0.unlock();
    }
}

/// Takes the lock at `path`, which is made where it is not there.
///
/// A system gives a lock to whoever asks when it is free, which a process that writes all the time would always do
/// first. So there is a second lock, of whoever is next: who has just had its turn has to pass it again.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] where another process holds it for too long.
pub(super) fn take(path: &Path) -> io::Result<Held> {
    let mut left = WAIT_MAX;
    let _next = wait_for(&path.with_extension("next"), &mut left)?;
    wait_for(path, &mut left)
}

fn wait_for(path: &Path, left: &mut Duration) -> io::Result<Held> {
    loop {
        if let Some(held) = try_take(path)? {
            return Ok(held);
        }
        if left.is_zero() {
            let why = format!("another process holds its lock for longer than {WAIT_MAX:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        wait();
        *left = left.saturating_sub(LOOK_EVERY);
    }
}

/// As [`take`], where nobody holds it.
pub(super) fn try_take(path: &Path) -> io::Result<Option<Held>> {
    let file = private::writing().create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Held(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[expect(clippy::disallowed_methods, reason = "this runs on a thread that may block")]
fn wait() {
    std::thread::sleep(LOOK_EVERY);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_partition_has_the_same_lock_in_every_version() {
        let number = |collection: &str, id: &str| number(&Partition::new(collection, id).unwrap());
        assert_eq!([number("notes", "ada"), number("notes", "Ada"), number("a", "b")], [33, 1, 33]);
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = take(&path).unwrap();
        assert!(try_take(&path).unwrap().is_none());
        drop(held);
        assert!(try_take(&path).unwrap().is_some());
    }

    #[test]
    fn who_waits_has_its_turn_however_often_another_comes_back() {
        const ROUNDS: usize = 20;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (turns, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _held = take(&path).unwrap();
                    turns.fetch_add(1, Ordering::Relaxed);
                    // As a write has it, most of the time.
                    (0..100_000).for_each(|_| std::hint::spin_loop());
                }
            });
            for _ in 0..ROUNDS {
                let before = turns.load(Ordering::Relaxed);
                while turns.load(Ordering::Relaxed) < before + 5 {
                    std::thread::yield_now();
                }
                drop(take(&path).unwrap());
            }
            stop.store(true, Ordering::Relaxed);
        });
        // Of those the five that are waited for are most.
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns < 10 * ROUNDS, "{turns} turns of the one in {ROUNDS} of the other");
    }
}
