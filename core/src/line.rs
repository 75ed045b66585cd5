//! What a handler and whoever drives it share: what it says beside its answer, and what it waits for.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use serde_json::value::RawValue;

use crate::{
    journal::{Answer, Journal},
    model::{LoggingLevel, Progress},
    version::ProtocolVersion,
    wire::notify,
};

/// The most messages of one request that may wait to be sent. Past it, reports of progress and lines of log are left
/// out.
pub const SAID_WAITING_MAX: usize = 1000;

/// What a client wants to be told while its request is worked on.
#[derive(Debug, Default)]
pub(crate) struct Hears {
    /// The token that reports of progress must carry, as JSON; `None` where none are wanted.
    pub(crate) progress_token: Option<Box<RawValue>>,
    pub(crate) log: HearsLog,
}

/// Which lines of log a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HearsLog {
    #[default]
    Nothing,
    From(LoggingLevel),
    /// As its session says, which is looked up once there is a line.
    AsSession,
}

/// Something said beside the answer.
#[derive(Debug)]
struct Said {
    /// The level of a line of log that has to be judged before it is sent.
    level: Option<LoggingLevel>,
    /// Its place in the stream.
    place: u32,
    message: Vec<u8>,
}

/// Whether a client can come back to the stream of its answer (legacy era, basic/transports, "Resumability").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resumes {
    #[default]
    No,
    /// By the id of any event.
    ByEvents,
    /// From the start on, by the id of an event that says nothing else (2025-11-25).
    Primed,
}

impl Resumes {
    /// How a client of this revision comes back to a stream that it can come back to.
    pub(crate) fn of(version: ProtocolVersion) -> Self {
        match version >= ProtocolVersion::V2025_11_25 {
            true => Self::Primed,
            false => Self::ByEvents,
        }
    }
}

/// What a handler stands still for, beside its own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Answers of the client's.
    Input,
    /// That the stream of its answer is closed, and taken up again later.
    CloseStream,
    /// To go on as a task.
    Task,
    /// To know which lines of log the client wants.
    LogLevel,
    /// That the call is kept, since its client has gone and may come back.
    Keep,
    /// That a task's message is kept.
    Message,
}

/// What a handler and whoever drives it share.
#[derive(Default)]
pub(crate) struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    hears: Hears,
    said: VecDeque<Said>,
    progress: Option<f64>,
    journal: Journal,
    /// The threads on which the work of a step is polled right now.
    in_steps: Vec<ThreadId>,
    /// What the handler stands still for, until the driver has seen to it.
    wants: Vec<Want>,
    /// What the driver has seen to, so that the handler goes on.
    done: Vec<Want>,
    driver: Option<Waker>,
    handlers: Vec<Waker>,
    ended: bool,
    cancelled: bool,
    /// The stream is closed, though the answer is not there.
    closed: bool,
    /// The stream is to be opened after this place, though there is nothing to say yet.
    opened: Option<u32>,
    resumes: Resumes,
    retry: Option<Duration>,
    /// The work goes on where the client is gone.
    outlives: bool,
    /// The call whose stream this is, once somebody was told its id.
    call: Option<String>,
    /// The place of the last message.
    place: u32,
    /// What a task says of how far it is; `None` where this is no task.
    message: Option<String>,
}

impl State {
    fn want(&mut self, want: Want) {
        if !self.wants.contains(&want) {
            self.wants.push(want);
        }
        self.wake_driver();
    }

    /// Has a part of the handler woken by what the driver does.
    fn wait(&mut self, cx: &Context<'_>) {
        // A handler may look again and again before anything happens.
        if !self.handlers.iter().any(|known| known.will_wake(cx.waker())) {
            self.handlers.push(cx.waker().clone());
        }
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

impl Line {
    /// A line to a client that wants to hear this.
    pub(crate) fn new(hears: Hears) -> Self {
        Self(Mutex::new(State { hears, ..State::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message of a batch begins: the stream goes on, and what belongs to the message before it is over.
    pub(crate) fn next_message(&self) {
        let mut state = self.lock();
        let State { said, driver, opened, resumes, retry, outlives, place, .. } = std::mem::take(&mut *state);
        *state = State { said, driver, opened, resumes, retry, outlives, place, ..State::default() };
    }

    /// Says what the client wants to hear, once that is known.
    pub(crate) fn set_hears(&self, hears: Hears) {
        self.lock().hears = hears;
    }

    /// Reports how far the request has come, where the client asked for it. Progress that does not grow is left out.
    pub(crate) fn progress(&self, report: &Progress) {
        let mut state = self.lock();
        let Progress { progress, total, message } = report;
        if let (Some(before), Some(message)) = (&mut state.message, message) {
            *before = message.clone().into_owned();
            state.want(Want::Message);
        }
        let grows = state.progress.is_none_or(|before| *progress > before);
        let Some(token) = state.hears.progress_token.as_deref().filter(|_| grows && progress.is_finite())
        else {
            return;
        };
        let total = total.filter(|total| total.is_finite());
        let message = notify::progress(token, *progress, total, message.as_deref());
        state.progress = Some(*progress);
        say(&mut state, None, message);
    }

    /// Whether the client wants to hear how far the request has come.
    pub(crate) fn hears_progress(&self) -> bool {
        let state = self.lock();
        state.hears.progress_token.is_some() || state.message.is_some()
    }

    /// The least level of log that the client may want; none where it wants none.
    pub(crate) fn least_log(&self) -> Option<LoggingLevel> {
        match self.lock().hears.log {
            HearsLog::Nothing => None,
            HearsLog::From(least) => Some(least),
            HearsLog::AsSession => Some(LoggingLevel::Debug),
        }
    }

    /// Whether a line of this level could be wanted; where not, nothing need be written.
    pub(crate) fn hears_log(&self, level: LoggingLevel) -> bool {
        let state = self.lock();
        !state.ended
            && match state.hears.log {
                HearsLog::Nothing => false,
                HearsLog::From(least) => level >= least,
                HearsLog::AsSession => true,
            }
    }

    /// Sends a line of log.
    pub(crate) fn log(&self, level: LoggingLevel, logger: Option<&str>, data: &RawValue) {
        let mut state = self.lock();
        let judged = state.hears.log == HearsLog::AsSession;
        let message = notify::message(level, logger, data);
        say(&mut state, judged.then_some(level), message);
        if judged {
            state.want(Want::LogLevel);
        }
    }

    /// Judges the lines of log that wait for it, and those to come.
    pub(crate) fn judge(&self, least: LoggingLevel) {
        let mut state = self.lock();
        state.hears.log = HearsLog::From(least);
        state.said.retain_mut(|said| said.level.take().is_none_or(|level| level >= least));
    }

    /// Whether a line of log waits to be judged.
    pub(crate) fn has_unjudged(&self) -> bool {
        self.lock().said.iter().any(|said| said.level.is_some())
    }

    /// Sends a message that must not be left out, such as a request to the client.
    pub(crate) fn send(&self, message: Vec<u8>) {
        let place = self.next_place();
        self.send_at(place, message);
    }

    /// Sends a message that has its place in the stream.
    pub(crate) fn send_at(&self, place: u32, message: Vec<u8>) {
        let mut state = self.lock();
        state.place = state.place.max(place);
        state.said.push_back(Said { level: None, place, message });
        state.wake_driver();
    }

    /// Sends a message that may be left out, such as a sign of life.
    pub(crate) fn say(&self, message: Vec<u8>) {
        say(&mut self.lock(), None, message);
    }

    /// A place in the stream for the next message.
    pub(crate) fn next_place(&self) -> u32 {
        let mut state = self.lock();
        // A client may name any place as the last that it has seen.
        state.place = state.place.saturating_add(1);
        state.place
    }

    /// Says whether the client can come back to the stream, and that the work goes on without it.
    pub(crate) fn outlives(&self, resumes: Resumes) {
        let mut state = self.lock();
        state.outlives = true;
        state.resumes = resumes;
    }

    /// The handler runs as a task: it has no stream, and what it says of its progress is kept.
    pub(crate) fn begin_task(&self) {
        let mut state = self.lock();
        state.message = Some(String::new());
        state.done.push(Want::Task);
    }

    /// What a task says of how far it is.
    pub(crate) fn message(&self) -> Option<String> {
        self.lock().message.clone()
    }

    /// Says whether the client can come back to the stream, whose work does not go on without it.
    pub(crate) fn resumes_as(&self, resumes: Resumes) {
        self.lock().resumes = resumes;
    }

    /// Sets after how long a client comes back.
    pub(crate) fn retry_after(&self, retry: Duration) {
        self.lock().retry = Some(retry);
    }

    /// After how long a client comes back, where that was said.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.lock().retry
    }

    /// Whether the client can come back to the stream.
    pub(crate) fn resumes(&self) -> Resumes {
        self.lock().resumes
    }

    /// The client has gone; says whether the work goes on, and has the call kept if it can come back.
    pub(crate) fn is_left(&self) -> bool {
        let mut state = self.lock();
        if !state.outlives {
            return false;
        }
        // Nobody listens any more, so what is said would only pile up.
        state.hears = Hears::default();
        state.said.clear();
        if state.call.is_some() {
            state.want(Want::Keep);
        }
        true
    }

    /// Opens the stream, though there is nothing to say yet.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        // A client that has seen the beginning and nothing else has missed what is still to be sent.
        let next = state.said.front().map(|said| said.place.saturating_sub(1));
        state.opened = Some(next.unwrap_or(state.place));
        state.wake_driver();
    }

    /// The place after which the stream is to be opened.
    pub(crate) fn take_opened(&self) -> Option<u32> {
        std::mem::take(&mut self.lock().opened)
    }

    /// The place of the last message.
    pub(crate) fn place(&self) -> u32 {
        self.lock().place
    }

    /// Goes on with the stream of `call` after this place.
    pub(crate) fn resumes_at(&self, call: &str, place: u32) {
        let mut state = self.lock();
        state.call = Some(call.to_owned());
        state.place = state.place.max(place);
    }

    /// The call whose stream this is, where one can come back to it.
    pub(crate) fn call(&self) -> Option<String> {
        self.lock().call.clone()
    }

    /// Closes the stream, though the answer is not there.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake_driver();
    }

    /// Whether the stream is closed, though the answer is not there.
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.lock();
        state.closed && state.said.is_empty()
    }

    /// The next message to be sent, and its place in the stream.
    pub(crate) fn take_said(&self) -> Option<(u32, Vec<u8>)> {
        let mut state = self.lock();
        // Messages keep their order, so those behind a line that has to be judged wait with it.
        match state.said.front()?.level {
            Some(_) => None,
            None => state.said.pop_front().map(|said| (said.place, said.message)),
        }
    }

    /// From here on nothing is said: the answer is there.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    /// Stops the handler: nobody waits for its answer any more.
    pub(crate) fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        state.ended = true;
        state.wake_driver();
        for handler in state.handlers.drain(..) {
            handler.wake();
        }
    }

    /// Whether the handler is to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Ready once nobody waits for the answer any more.
    pub(crate) fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.cancelled {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// Has whoever drives the handler woken by what happens on the line.
    pub(crate) fn wakes(&self, driver: &Waker) {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
            state.driver = Some(driver.clone());
        }
    }

    /// What the handler stands still for. What `ends` its run waits for the steps that it has begun.
    pub(crate) fn take_want(&self, ends: impl Fn(Want) -> bool) -> Option<Want> {
        let mut state = self.lock();
        let is_begun = !state.journal.begun.is_empty();
        let index = state.wants.iter().position(|want| !is_begun || !ends(*want))?;
        Some(state.wants.remove(index))
    }

    /// Does the work of a step.
    pub(crate) async fn in_step<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|task| {
            let thread = thread::current().id();
            self.lock().in_steps.push(thread);
            let polled = work.as_mut().poll(task);
            let mut state = self.lock();
            if let Some(index) = state.in_steps.iter().rposition(|known| *known == thread) {
                state.in_steps.swap_remove(index);
            }
            polled
        })
        .await
    }

    /// Whether this is the work of a step.
    pub(crate) fn is_in_step(&self) -> bool {
        let state = self.lock();
        !state.in_steps.is_empty() && state.in_steps.contains(&thread::current().id())
    }

    /// A step has ended that was begun.
    pub(crate) fn end_step(&self, name: &str) {
        let mut state = self.lock();
        if let Some(index) = state.journal.begun.iter().position(|begun| begun == name) {
            state.journal.begun.swap_remove(index);
        }
        state.wake_driver();
    }

    /// Whether the driver has yet to see to this.
    pub(crate) fn is_wanted(&self, want: Want) -> bool {
        self.lock().wants.contains(&want)
    }

    /// The handler's own side of a want: ready once the driver has seen to it.
    pub(crate) fn poll_want(&self, want: Want, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.done.contains(&want) {
            return Poll::Ready(());
        }
        state.wait(cx);
        state.want(want);
        Poll::Pending
    }

    /// Lets a handler that wants this go on, now and whenever it wants it again.
    pub(crate) fn satisfy(&self, want: Want) {
        let mut state = self.lock();
        state.done.push(want);
        for handler in state.handlers.drain(..) {
            handler.wake();
        }
    }

    /// Acts on the journal.
    pub(crate) fn journal<T>(&self, act: impl FnOnce(&mut Journal) -> T) -> T {
        act(&mut self.lock().journal)
    }

    /// The answer to the ask at `index`, once it is there.
    pub(crate) fn poll_answer(&self, index: usize, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.lock();
        let answer = state.journal.poll(index, cx.waker());
        // An ask that its driver has seen to only waits.
        if answer.is_pending() && !state.journal.is_seen(index) {
            state.want(Want::Input);
        }
        answer
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

fn say(state: &mut State, level: Option<LoggingLevel>, message: Vec<u8>) {
    if !state.ended && state.said.len() < SAID_WAITING_MAX {
        state.place = state.place.saturating_add(1);
        let place = state.place;
        state.said.push_back(Said { level, place, message });
        state.wake_driver();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_handler_that_looks_again_and_again_is_woken_once() {
        let line = Line::new(Hears::default());
        let waker = Waker::from(Arc::new(Nobody));
        let mut task = Context::from_waker(&waker);
        for _ in 0..100 {
            assert!(line.poll_cancelled(&mut task).is_pending());
            assert!(line.poll_want(Want::Task, &mut task).is_pending());
        }
        assert_eq!(line.lock().handlers.len(), 1);
    }
}
