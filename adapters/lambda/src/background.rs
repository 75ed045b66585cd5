//! Work that goes on after an answer, for as long as the answer's stream is open: Lambda freezes a function once it
//! ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use edgemcp::{
    future::BoxFuture,
    platform::{Background, LogLevel, Platform},
};
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinSet},
};

use crate::function::within;

/// The work that one request has left. Clones are the same work.
#[derive(Clone)]
pub(crate) struct Behind(Arc<Inner>);

struct Inner {
    platform: Platform,
    runtime: Handle,
    works: Mutex<JoinSet<()>>,
}

impl Behind {
    /// No work yet, of a request on `platform`; `None` where no tokio runs that could do it.
    pub(crate) fn new(platform: Platform) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        Some(Self(Arc::new(Inner { platform, runtime, works: Mutex::default() })))
    }

    /// Whether there is work that is not done.
    pub(crate) fn is_busy(&self) -> bool {
        let mut works = self.0.works();
        while let Some(done) = works.try_join_next() {
            self.0.note(done);
        }
        !works.is_empty()
    }

    /// Ready once all work is done, or ended since the function's time is up.
    pub(crate) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut works = self.0.works();
        while let Some(done) = ready!(works.poll_join_next(cx)) {
            self.0.note(done);
        }
        Poll::Ready(())
    }
}

impl Background for Behind {
    fn run(&self, work: BoxFuture<'static, ()>) {
        // What is left of a request goes on though nobody reads its answer any more, as Lambda itself has it.
        let inner = Arc::clone(&self.0);
        let work = async move {
            if within(&inner.platform, work).await.is_none() {
                inner.platform.log(
                    LogLevel::Warning,
                    "work after an answer was ended: the function's time is up (raise its timeout?)",
                );
            }
        };
        self.0.works().spawn_on(work, &self.0.runtime);
    }
}

impl Inner {
    fn works(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Nothing is left half-written by a panic elsewhere.
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, done: Result<(), JoinError>) {
        if let Err(panic) = done {
            self.platform.log(LogLevel::Error, &format!("work after an answer failed: {panic}"));
        }
    }
}
