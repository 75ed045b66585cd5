//! Says how a message ended, also where its run is left in the middle of it.

use std::time::Duration;

use crate::{context::Context, error::Error, future::BoxFuture, platform::Timestamp};

/// How a message ended.
pub(super) enum Ending<'a> {
    /// It was answered.
    Done,
    Failed(&'a Error),
    /// It waits for its client, and the whole of it runs again once that has answered.
    Waits,
    /// It was left otherwise: its client is gone or has cancelled it, or it goes on as a task.
    Left,
}

/// What `running` comes to. `end` is told how, and how much time that took: once, whatever happens.
pub(super) async fn watched<T>(
    cx: &Context,
    running: BoxFuture<'static, Result<T, Error>>,
    end: impl FnOnce(Ending<'_>, Duration),
) -> Result<T, Error> {
    let mut watch = Watch { cx, began: cx.now(), end: Some(end) };
    let outcome = running.await;
    watch.end(match &outcome {
        Ok(_) => Ending::Done,
        Err(error) => Ending::Failed(error),
    });
    outcome
}

/// Tells `end` when it is dropped, unless it was told before.
struct Watch<'a, F: FnOnce(Ending<'_>, Duration)> {
    cx: &'a Context,
    began: Timestamp,
    end: Option<F>,
}

impl<F: FnOnce(Ending<'_>, Duration)> Watch<'_, F> {
    fn end(&mut self, ending: Ending<'_>) {
        if let Some(end) = self.end.take() {
            end(ending, self.cx.now().since(self.began));
        }
    }
}

impl<F: FnOnce(Ending<'_>, Duration)> Drop for Watch<'_, F> {
    fn drop(&mut self) {
        if self.end.is_some() {
            let waits = self.cx.line().journal(|journal| journal.open().next().is_some());
            self.end(if waits { Ending::Waits } else { Ending::Left });
        }
    }
}
