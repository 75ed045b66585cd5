//! Runs a handler to its end, or to where it waits for somebody who is not here.

use std::{future::poll_fn, pin::Pin, task::Poll};

use serde_json::value::RawValue;

use crate::{
    ask::Reach,
    context::Context,
    error::Error,
    future::DynFuture,
    line::{Line, Want},
    model::LoggingLevel,
    state,
    stdio::Peer,
};

/// The lines of log that a legacy client gets which has not said what it wants.
pub(crate) const DEFAULT_LEVEL: LoggingLevel = LoggingLevel::Info;

/// A handler at work; what it gives is a result in the revision's form.
pub(crate) type Work<'a> = Pin<&'a mut DynFuture<'a, Result<Box<RawValue>, Error>>>;

/// Where a handler has come to.
pub(crate) enum Ended {
    /// It is done, or waits for what the client sends with its next request.
    Result(Box<RawValue>),
    /// Nobody waits for its answer.
    Cancelled,
}

/// Runs `work`, the handler of the request that `cx` is.
///
/// # Errors
/// What the handler failed with, or why it cannot wait for what it waits for.
pub(crate) async fn drive(cx: &Context, peer: Option<&Peer>, mut work: Work<'_>) -> Result<Ended, Error> {
    let line = cx.line();
    // Whatever ends this, the handler's clones of the context learn of it.
    let _gone = Gone(line);
    loop {
        match turn(line, &mut work).await {
            Turn::Done(result) => {
                line.end();
                cx.finish().await?;
                return result.map(Ended::Result);
            }
            Turn::Cancelled => return Ok(Ended::Cancelled),
            Turn::Wants(Want::Input) => match (cx.0.reach, peer) {
                (Reach::Again, _) => return state::suspend(cx).await.map(Ended::Result),
                (Reach::Connection, Some(peer)) => peer.ask(&cx.0.line),
                // An ask that cannot be served is refused before it is on the line.
                (Reach::Connection | Reach::Store | Reach::Nowhere(_), _) => {
                    return Err(Error::internal("a handler waits for an answer that nobody was asked for"));
                }
            },
            Turn::Wants(want @ (Want::CloseStream | Want::Task)) => line.satisfy(want),
            Turn::Wants(Want::LogLevel) => line.judge(DEFAULT_LEVEL),
        }
    }
}

struct Gone<'a>(&'a Line);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a handler came to in one go.
enum Turn {
    Done(Result<Box<RawValue>, Error>),
    Wants(Want),
    Cancelled,
}

/// Runs the handler until it is done or stands still for something that its driver has to see to.
async fn turn(line: &Line, work: &mut Work<'_>) -> Turn {
    poll_fn(|task| {
        if line.is_cancelled() {
            return Poll::Ready(Turn::Cancelled);
        }
        line.wakes(task.waker());
        if let Poll::Ready(result) = work.as_mut().poll(task) {
            return Poll::Ready(Turn::Done(result));
        }
        match line.take_want() {
            Some(want) => Poll::Ready(Turn::Wants(want)),
            None => Poll::Pending,
        }
    })
    .await
}
