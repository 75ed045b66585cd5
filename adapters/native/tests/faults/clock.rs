//! A clock that is set forward or back ends entries when it shows their end, and loses none before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::Condition,
};

use super::{START, Subject, get, key, surveyed};

/// A clock that can be set to any moment, an earlier one included.
struct Set(AtomicU64);

impl Set {
    fn to(&self, moment: Timestamp) {
        self.0.store(moment.as_millis(), Ordering::Relaxed);
    }
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

const ROUNDS: usize = 50;

#[tokio::test]
async fn a_clock_that_is_moved_back_and_forth_loses_nothing_that_has_not_ended() {
    for subject in Subject::each() {
        let clock = Arc::new(Set(AtomicU64::new(0)));
        clock.to(START);
        let store = subject.open_on(clock.clone());
        store.put(&key("for-ever"), "x".into(), None).await.unwrap();
        let (hour, past_all) = (60 * MINUTE, START.after(1000 * 24 * 60 * MINUTE));
        let mut lost = 0;
        for round in 0..ROUNDS {
            let item = format!("for-a-minute-{round}");
            clock.to(START);
            store.put(&key(&item), "x".into(), Some(MINUTE)).await.unwrap();
            store.increment(&key("count"), 1, Some(hour)).await.unwrap();
            // An hour back, up to the last millisecond, and back again: it is there.
            for moment in [START.as_millis() - 3_600_000, START.as_millis() + 59_999, START.as_millis(), 0] {
                clock.to(Timestamp::from_millis(moment));
                lost += usize::from(get(&*store, &item).await.unwrap().is_none());
            }
            // At its end and after it is absent, and reading deletes nothing.
            for moment in [START.after(MINUTE), past_all] {
                clock.to(moment);
                assert_eq!(get(&*store, &item).await.unwrap(), None);
                assert!(surveyed(&*store).await.unwrap().contains(&key(&item).to_string()));
            }
            clock.to(START);
            lost += usize::from(get(&*store, &item).await.unwrap().is_none());
            assert!(!store.put_if(&key(&item), "y".into(), None, Condition::Absent).await.unwrap());
            store.delete(&key(&item)).await.unwrap();
        }
        // What is written while the clock is wrong ends by the clock that is right.
        clock.to(START);
        assert_eq!(get(&*store, "count").await.unwrap().unwrap(), ROUNDS.to_string());
        clock.to(past_all);
        assert!(store.purge_expired().await.unwrap() >= 1);
        assert_eq!(get(&*store, "for-ever").await.unwrap().unwrap(), "x");
        clock.to(START);
        assert_eq!(get(&*store, "count").await.unwrap(), None, "what was purged is gone");
        subject.tell("clock moved back and forth", ROUNDS, lost);
    }
}
