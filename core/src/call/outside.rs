//! What happens to a call from outside while its handler runs: answers, a cancellation, the loss of its lease.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, select},
};

use super::{Kept, LEASE};
use crate::{
    future::BoxStream,
    journal::Answer,
    line::Line,
    platform::{Platform, Timestamp},
    store::{Consistency, Key, StoreError},
};

/// How long to wait before the first look into the store, and between two looks at the most.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// How often a look may fail in a row before the call fails.
const FAILURES_MAX: u32 = 5;

/// What happened.
pub(crate) enum Outside {
    /// These asks, by their numbers, have answers.
    Answered(Vec<(usize, Answer)>),
    /// The client does not want an answer any more.
    Cancelled,
    /// The client has come back elsewhere, so the call is to be kept.
    Wanted,
    /// Somebody else works on the call.
    Lost,
    /// It has been waited long enough.
    TimeUp,
    /// The store does not answer.
    Failed(StoreError),
}

/// What is looked at.
pub(crate) struct Watched {
    pub(crate) platform: Platform,
    /// The line of the call, which has its id once the client knows it.
    pub(crate) line: Arc<Line>,
    /// The call and who works on it, once it is kept.
    pub(crate) kept: Option<(Arc<Kept>, String)>,
    /// The asks that wait for an answer, by their numbers.
    pub(crate) open: Vec<usize>,
    /// Whether it is a task, which others than those who answer look after too.
    pub(crate) is_task: bool,
    /// Where a cancellation would be.
    pub(crate) cancelled: Option<Key>,
    /// When it has been waited long enough.
    pub(crate) until: Option<Timestamp>,
}

impl Watched {
    /// Resolves once something has happened.
    pub(crate) async fn happens(self) -> Outside {
        let mut pause = match self.open.is_empty() {
            // Nobody waits for this one: it is there to hear of a cancellation, which most calls never live to see.
            true => LOOK_AT_LEAST_EVERY,
            false => LOOK_FIRST,
        };
        let mut watch = self.watch().await;
        let mut failures = 0;
        loop {
            let wait = match self.until {
                Some(until) => pause.min(until.since(self.platform.now())),
                None => pause,
            };
            wait_for_change(&self.platform, &mut watch, wait).await;
            match self.look().await {
                Ok(Some(happened)) => return happened,
                Ok(None) => failures = 0,
                // Nothing but a cancellation could be missed.
                Err(_) if self.kept.is_none() => {}
                Err(error) if error.is_retryable() && failures < FAILURES_MAX => failures += 1,
                Err(error) => return Outside::Failed(error),
            }
            if self.until.is_some_and(|until| self.platform.now() >= until) {
                return Outside::TimeUp;
            }
            pause = (pause * 2).min(LOOK_AT_LEAST_EVERY);
        }
    }

    async fn watch(&self) -> Option<BoxStream<'static, String>> {
        let (kept, _) = self.kept.as_ref().filter(|_| self.is_task || !self.open.is_empty())?;
        let store = self.platform.strong_store();
        match store.capabilities().watch {
            // Where it cannot be watched, it is looked at from time to time.
            true => store.watch(kept.partition()).await.ok(),
            false => None,
        }
    }

    async fn look(&self) -> Result<Option<Outside>, StoreError> {
        if let Some((kept, owner)) = &self.kept {
            // First, so that nobody goes on with an answer that somebody else goes on with.
            if kept.is_lease_due() && !kept.go_on(owner).await? {
                return Ok(Some(Outside::Lost));
            }
            let mut answers = Vec::new();
            for number in &self.open {
                answers.extend(kept.answer(*number).await?.map(|answer| (*number, answer)));
            }
            if !answers.is_empty() {
                return Ok(Some(Outside::Answered(answers)));
            }
        } else if let Some(call) = self.line.call() {
            // A client may know that its connection is broken before anybody here does.
            let wanted = Kept::new(&self.platform, &call, LEASE)?.wanted_key()?;
            if self.platform.strong_store().get(&wanted, Consistency::Strong).await?.is_some() {
                return Ok(Some(Outside::Wanted));
            }
        }
        if let Some(key) = &self.cancelled
            && self.platform.strong_store().get(key, Consistency::Strong).await?.is_some()
        {
            return Ok(Some(Outside::Cancelled));
        }
        Ok(None)
    }
}

/// Waits for so long, or until something changes.
pub(super) async fn wait_for_change(
    platform: &Platform,
    watch: &mut Option<BoxStream<'static, String>>,
    wait: Duration,
) {
    let sleep = platform.sleep(wait);
    let Some(changes) = watch else { return sleep.await };
    let ended = match select(pin!(changes.next()), sleep).await {
        Either::Left((change, _)) => change.is_none(),
        Either::Right(((), _)) => false,
    };
    if ended {
        *watch = None;
    }
}
