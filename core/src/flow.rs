//! The messages of one request in their order: what is said while it is worked on, then the answer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use crate::{exchange::Reply, future::BoxFuture, line::Line, platform::Platform};

/// A request that is worked on.
///
/// On the legacy era a client that goes away has not cancelled its request (2025-11-25, basic/transports): where the
/// platform runs work in the background, dropping this hands the work to it.
pub(crate) struct Flow {
    work: Option<BoxFuture<'static, Reply>>,
    reply: Option<Reply>,
    platform: Platform,
    pub(crate) line: Arc<Line>,
}

/// What comes next of a request.
pub(crate) enum Event {
    /// There is nothing to say yet, and the client is to see that somebody is there: after this place in the stream.
    Opened(u32),
    /// Something beside the answer, and its place in the stream.
    Said(u32, Vec<u8>),
    /// The stream is closed, and the work goes on.
    Closed,
    /// The answer, and the end.
    Done(Reply),
}

impl Flow {
    /// The request that `work` answers and says things about on `line`.
    pub(crate) fn new(platform: &Platform, work: BoxFuture<'static, Reply>, line: Arc<Line>) -> Self {
        Self { work: Some(work), reply: None, platform: platform.clone(), line }
    }

    /// The next message; never ready again after the answer.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(reply) = work.as_mut().poll(cx)
        {
            self.work = None;
            self.reply = Some(reply);
        }
        if let Some(place) = self.line.take_opened() {
            return Poll::Ready(Event::Opened(place));
        }
        match self.line.take_said() {
            Some((place, message)) => Poll::Ready(Event::Said(place, message)),
            None if self.work.is_some() && self.line.is_closed() => Poll::Ready(Event::Closed),
            None => self.reply.take().map_or(Poll::Pending, |reply| Poll::Ready(Event::Done(reply))),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Some(background) = self.platform.background()
            && self.line.is_left()
        {
            background.run(Box::pin(async move { drop(work.await) }));
        }
    }
}
