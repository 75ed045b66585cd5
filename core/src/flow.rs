//! The messages of one request in their order: what is said while it is worked on, then the answer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use crate::{exchange::Reply, future::BoxFuture, line::Line};

/// A request that is worked on.
pub(crate) struct Flow {
    work: Option<BoxFuture<'static, Reply>>,
    reply: Option<Reply>,
    line: Arc<Line>,
}

/// What comes next of a request.
pub(crate) enum Event {
    /// Something beside the answer.
    Said(Vec<u8>),
    /// The answer, and the end.
    Done(Reply),
}

impl Flow {
    /// The request that `work` answers and says things about on `line`.
    pub(crate) fn new(work: BoxFuture<'static, Reply>, line: Arc<Line>) -> Self {
        Self { work: Some(work), reply: None, line }
    }

    /// The next message; never ready again after the answer.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(reply) = work.as_mut().poll(cx)
        {
            self.work = None;
            self.reply = Some(reply);
        }
        match self.line.take_said() {
            Some(message) => Poll::Ready(Event::Said(message)),
            None => self.reply.take().map_or(Poll::Pending, |reply| Poll::Ready(Event::Done(reply))),
        }
    }
}
