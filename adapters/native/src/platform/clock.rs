//! Tells the time from the system's clock, and waits on tokio's timer.

use std::time::{Duration, SystemTime};

use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
};

/// The system's clock. [`Clock::sleep`] needs a tokio runtime with its timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this adapter is where the time comes from")]
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: everything is then unexpired, and nothing panics.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_lasts_as_long_as_asked_on_the_same_clock() {
        let started = SystemClock.now();
        SystemClock.sleep(Duration::from_millis(20)).await;
        assert!(SystemClock.now().since(started) >= Duration::from_millis(19));
    }

    #[test]
    fn the_time_is_that_of_the_system() {
        let file = tempfile::tempfile().unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let now = u128::from(SystemClock.now().as_millis());
        assert!(now.abs_diff(written) < 60_000, "{now} is not near {written}");
    }
}
