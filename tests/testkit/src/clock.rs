//! A clock that stands still until a test moves it, so that no test waits for time to pass.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
};

/// A clock that stands still until it is moved. Clones are the same clock.
///
/// Start it at the real present where the store under test deletes by itself (Workers KV, DynamoDB): it then finds
/// nothing to delete while the test runs, and what the test sees is the expiry kept in the entry.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::platform::{Clock, Timestamp};
/// let clock = edgemcp_testkit::ManualClock::at(Timestamp::from_millis(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now().as_millis(), 3_000);
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    sleepers: Vec<Waker>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, sleepers: Vec::new() })))
    }

    /// Moves the clock on by `by` and wakes every sleeper, each of which looks whether its time has come.
    pub fn advance(&self, by: Duration) {
        let sleepers = {
            let mut state = self.lock();
            state.now = state.now.after(by);
            std::mem::take(&mut state.sleepers)
        };
        for sleeper in sleepers {
            sleeper.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { clock: self.clone(), until: self.now().after(duration) })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

struct Sleep {
    clock: ManualClock,
    until: Timestamp,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.sleepers.push(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = ManualClock::at(Timestamp::from_millis(5_000));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);

        let mut sleep = clock.sleep(Duration::from_secs(3));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        clock.advance(Duration::from_millis(2_999));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        clock.advance(Duration::from_millis(1));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2, "each move wakes whoever sleeps");
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn a_sleep_of_nothing_is_over_at_once() {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(clock.sleep(Duration::ZERO).as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
