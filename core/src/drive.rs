//! Runs a handler to its end, or to where it waits for somebody who is not here.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use serde_json::value::RawValue;

use crate::{
    ask::Reach,
    call::{CALL_TTL, Kept, Outside, Watched, ask_id, ask_record},
    context::Context,
    error::Error,
    future::{BoxFuture, DynFuture},
    journal::Answer,
    line::{Line, Resumes, Want},
    model::LoggingLevel,
    platform::{LogLevel, Timestamp},
    seal::{fingerprint, random_id},
    state,
    stdio::Peer,
    store::{Consistency, Key, StoreError, StoreErrorKind},
    task,
    wire::{call::AskRecord, jsonrpc},
};

/// The lines of log that a legacy client gets which has not said what it wants.
pub(crate) const DEFAULT_LEVEL: LoggingLevel = LoggingLevel::Info;

/// How long before the platform cuts a request an answer that has not come is given up.
const GIVE_UP_BEFORE: Duration = Duration::from_secs(2);

/// How long whoever runs a task waits for an answer before it lets go.
const TASK_WAITS: Duration = Duration::from_secs(10);

/// How long to wait at least, where time is up and steps have to end.
const STEPS_WAIT: Duration = Duration::from_secs(1);

/// How often a task's message is kept.
const MESSAGE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The collection of what clients have cancelled, a partition for each session.
const CANCELLED: &str = "edgemcp.cancelled";

/// A handler at work; what it gives is a result in the revision's form.
pub(crate) type Work<'a> = Pin<&'a mut DynFuture<'a, Result<Box<RawValue>, Error>>>;

/// Where a handler has come to.
pub(crate) enum Ended {
    /// It is done, or waits for what the client sends with its next request.
    Result(Box<RawValue>),
    /// It failed.
    Failed(Error),
    /// Nobody waits for its answer.
    Cancelled,
    /// It goes on when its client, or an answer of the client's, comes.
    Parked,
}

/// Whoever runs a handler.
pub(crate) struct Driver<'a> {
    pub(crate) cx: &'a Context,
    /// The connection of its client, where there is one that stays.
    pub(crate) peer: Option<&'a Peer>,
    /// The request's id, as JSON.
    pub(crate) id: &'a str,
    /// By which name it works on the call, once the call is kept.
    pub(crate) owner: Option<String>,
}

impl Driver<'_> {
    /// Runs `work`, the handler of the request.
    ///
    /// # Errors
    /// Why it cannot be run to its end, whatever it would come to.
    pub(crate) async fn run(&mut self, mut work: Work<'_>) -> Result<Ended, Error> {
        let cx = self.cx;
        let line = cx.line();
        // Whatever ends this, the handler's clones of the context learn of it.
        let _gone = Gone(line);
        let mut outside = Watch::Due;
        let (mut message_kept, mut message_due) = (None, None);
        loop {
            match self.turn(&mut work, &mut outside, &mut message_due).await {
                Turn::Done(result) => {
                    if line.is_wanted(Want::Keep) {
                        self.keep().await?;
                    }
                    if self.is_overtaken().await {
                        return Ok(Ended::Parked);
                    }
                    if message_due.is_some() || line.is_wanted(Want::Message) {
                        // What it came to matters more than what it has said.
                        let _ = self.keep_message(&mut None).await;
                    }
                    if line.has_unjudged() {
                        line.judge(self.log_level().await);
                    }
                    line.end();
                    cx.finish().await?;
                    return Ok(result.map_or_else(Ended::Failed, Ended::Result));
                }
                Turn::Cancelled | Turn::Outside(Outside::Cancelled) => return Ok(Ended::Cancelled),
                Turn::Wants(Want::Input) => match (cx.0.reach, self.peer) {
                    (Reach::Again, _) => return state::suspend(cx).await.map(Ended::Result),
                    (Reach::Connection, Some(peer)) => peer.ask(&cx.0.line),
                    (Reach::Store, _) if self.is_overtaken().await => return Ok(Ended::Parked),
                    (Reach::Store, _) => {
                        self.publish().await?;
                        outside = Watch::Due;
                    }
                    // An ask that cannot be served is refused before it is on the line.
                    (Reach::Connection | Reach::Nowhere(_), _) => {
                        return Err(Error::internal(
                            "a handler waits for an answer that nobody was asked for",
                        ));
                    }
                },
                Turn::Wants(Want::CloseStream) => {
                    if !self.close_stream().await? {
                        return Ok(Ended::Parked);
                    }
                    outside = Watch::Due;
                }
                Turn::Wants(Want::Task) => match cx.can_become_task() {
                    true => return task::create(cx).await.map(Ended::Result),
                    false => line.satisfy(Want::Task),
                },
                Turn::Wants(Want::Message) => message_due = self.keep_message(&mut message_kept).await?,
                Turn::Wants(Want::LogLevel) => line.judge(self.log_level().await),
                Turn::Wants(Want::Keep) | Turn::Outside(Outside::Wanted) => {
                    // Where it cannot be, the work goes on, and it is kept once its client comes back.
                    if let Err(error) = self.keep().await {
                        cx.platform().log(LogLevel::Warning, &format!("a call could not be kept: {error}"));
                    }
                    outside = Watch::Due;
                }
                Turn::Outside(Outside::Answered(answers)) => {
                    line.journal(|journal| {
                        for (index, answer) in answers {
                            journal.answer_at(index, answer);
                        }
                    });
                    outside = Watch::Due;
                }
                Turn::Outside(Outside::Lost) => return Ok(Ended::Parked),
                Turn::Outside(Outside::TimeUp) if self.comes_back() && self.is_in_steps() => {
                    outside = Watch::Due;
                }
                Turn::Outside(Outside::TimeUp) if self.comes_back() => {
                    match self.lets_go().await {
                        Ok(true) => return Ok(Ended::Parked),
                        Ok(false) => outside = Watch::Due,
                        // Its lease ends by itself, and whoever comes for the answer finds what there is.
                        Err(error) => {
                            cx.platform()
                                .log(LogLevel::Warning, &format!("a call could not be left: {error}"));
                            return Ok(Ended::Parked);
                        }
                    }
                }
                Turn::Outside(Outside::TimeUp) => {
                    self.give_up();
                    outside = Watch::Due;
                }
                Turn::Outside(Outside::Failed(error)) => return Err(error.into()),
            }
        }
    }

    /// Lets others work on the call, where it is kept.
    pub(crate) async fn leave(&self) -> Result<(), StoreError> {
        match (self.cx.0.kept.get(), &self.owner) {
            (Some(kept), Some(owner)) => kept.leave(owner).await,
            _ => Ok(()),
        }
    }

    /// The call in the store, kept from now on at the latest.
    async fn keep(&mut self) -> Result<Arc<Kept>, Error> {
        let inner = &self.cx.0;
        if let Some(kept) = inner.kept.get() {
            return Ok(Arc::clone(kept));
        }
        let platform = &inner.platform;
        let id = match inner.line.call() {
            Some(id) => id,
            None => random_id(platform.random())?,
        };
        inner.line.resumes_at(&id, 0);
        let kept = Arc::new(Kept::new(platform, &id, CALL_TTL)?);
        let owner = match self.owner.take() {
            Some(owner) => owner,
            None => random_id(platform.random())?,
        };
        self.owner = Some(owner.clone());
        // The lease comes first, so that nobody takes up a call that is just being worked on.
        kept.take(&owner).await?;
        kept.begin(&self.cx.record(None)?, &inner.line.journal(|journal| journal.recorded())).await?;
        Ok(Arc::clone(inner.kept.get_or_init(|| kept)))
    }

    /// Whether somebody else has taken the call, as where this instance stood still for too long.
    async fn is_overtaken(&self) -> bool {
        match (self.cx.0.kept.get(), &self.owner) {
            (Some(kept), Some(owner)) if kept.is_lease_due() => matches!(kept.go_on(owner).await, Ok(false)),
            _ => false,
        }
    }

    /// Whether somebody comes for the answer later, so that nobody has to wait for it here.
    fn comes_back(&self) -> bool {
        self.cx.0.is_task || self.cx.line().resumes() == Resumes::Primed
    }

    /// Whether steps are under way, which nobody would know the end of were the handler dropped now.
    fn is_in_steps(&self) -> bool {
        self.cx.line().journal(|journal| !journal.begun.is_empty())
    }

    /// Leaves the call to whoever comes with an answer; says whether it did.
    async fn lets_go(&self) -> Result<bool, StoreError> {
        self.leave().await?;
        let (Some(kept), Some(owner)) = (self.cx.0.kept.get(), &self.owner) else { return Ok(true) };
        for number in self.cx.line().journal(|journal| journal.open_indexes()) {
            // An answer that came meanwhile was left to whoever held the call.
            if kept.answer(number).await?.is_some() {
                return Ok(!kept.take(owner).await?);
            }
        }
        Ok(true)
    }

    /// Keeps what a task says of how far it is. Where something was kept just now, returns when to do so.
    async fn keep_message(
        &self,
        kept_at: &mut Option<Timestamp>,
    ) -> Result<Option<BoxFuture<'static, ()>>, Error> {
        let now = self.cx.now();
        let early = kept_at.map(|before| MESSAGE_AT_MOST_EVERY.saturating_sub(now.since(before)));
        if let Some(wait) = early.filter(|wait| !wait.is_zero()) {
            return Ok(Some(self.cx.platform().sleep(wait)));
        }
        if let (Some(kept), Some(message)) = (self.cx.0.kept.get(), self.cx.line().message()) {
            kept.put_message(&message, now).await?;
            *kept_at = Some(now);
        }
        Ok(None)
    }

    /// Sends the client what it was not asked yet, and keeps it.
    async fn publish(&mut self) -> Result<(), Error> {
        let kept = self.keep().await?;
        let line = &self.cx.0.line;
        let unsent: Vec<_> = line.journal(|journal| {
            let unsent = journal.see().filter(|(_, asked)| !asked.is_sent);
            unsent
                .filter_map(|(index, asked)| {
                    asked.is_sent = true;
                    let AskRecord { key, digest, method, params } = ask_record(asked)?;
                    let (key, digest) = (key.into_owned(), digest.into_owned());
                    Some((index, key, digest, method.into_owned(), params.to_owned()))
                })
                .collect()
        });
        for (index, key, digest, method, params) in unsent {
            let message = jsonrpc::request(&ask_id(&kept.id, index), &method, &params);
            let ask =
                AskRecord { key: key.into(), digest: digest.into(), method: method.into(), params: &params };
            // A task's client finds it when it asks after the task.
            let place = (!self.cx.0.is_task).then(|| line.next_place());
            let put = async {
                // An ask that is kept has been put among the events, so whoever takes the call up need not send it.
                if let Some(place) = place {
                    kept.put_event(place, &message).await?;
                }
                kept.put_ask(index, &ask).await
            };
            match put.await {
                Err(error) if error.kind() == StoreErrorKind::TooLarge => kept.refuse_ask(index, ask).await?,
                put => {
                    put?;
                    if let Some(place) = place {
                        line.send_at(place, message);
                    }
                }
            }
        }
        if self.cx.0.is_task {
            kept.touch(self.cx.now()).await?;
        }
        Ok(())
    }

    /// Runs the handler until it is done, stands still for something that its driver has to see to, or something happens.
    async fn turn(
        &self,
        work: &mut Work<'_>,
        outside: &mut Watch,
        message_due: &mut Option<BoxFuture<'static, ()>>,
    ) -> Turn {
        let (cx, line) = (self.cx, self.cx.line());
        // What drops the handler, or may.
        let ends = |want| match want {
            Want::Input => cx.0.reach == Reach::Again,
            Want::Task | Want::CloseStream => true,
            Want::LogLevel | Want::Keep | Want::Message => false,
        };
        poll_fn(|task| {
            if line.is_cancelled() {
                return Poll::Ready(Turn::Cancelled);
            }
            line.wakes(task.waker());
            if let Poll::Ready(result) = work.as_mut().poll(task) {
                return Poll::Ready(Turn::Done(result));
            }
            if let Some(want) = line.take_want(ends) {
                return Poll::Ready(Turn::Wants(want));
            }
            if message_due.as_mut().is_some_and(|due| due.as_mut().poll(task).is_ready()) {
                *message_due = None;
                return Poll::Ready(Turn::Wants(Want::Message));
            }
            if let Watch::Due = outside {
                *outside = self.watch().map_or(Watch::Nothing, Watch::Begun);
            }
            match outside {
                Watch::Begun(happens) => happens.as_mut().poll(task).map(|happened| {
                    *outside = Watch::Nothing;
                    Turn::Outside(happened)
                }),
                Watch::Due | Watch::Nothing => Poll::Pending,
            }
        })
        .await
    }

    /// What happens to the call from outside.
    fn watch(&self) -> Option<BoxFuture<'static, Outside>> {
        let inner = &self.cx.0;
        let platform = &inner.platform;
        let cancelled = match (&inner.session, inner.kept.get().filter(|_| inner.is_task)) {
            (_, Some(task)) => task.done_key().ok(),
            (Some(session), None) => cancelled(&session.id, self.id).ok(),
            (None, None) => return None,
        };
        if !platform.strong_store().capabilities().consistent {
            return None;
        }
        let open: Vec<_> = inner.line.journal(|journal| journal.open_indexes());
        let until = match open.is_empty() {
            true => None,
            false => self.waits_until(),
        };
        let kept = inner.kept.get().map(Arc::clone).zip(self.owner.clone());
        let (platform, line) = (platform.clone(), Arc::clone(&inner.line));
        let watched = Watched { platform, line, kept, open, is_task: inner.is_task, cancelled, until };
        Some(Box::pin(watched.happens()))
    }

    /// Until when an answer is waited for while the client holds on.
    fn waits_until(&self) -> Option<Timestamp> {
        let platform = &self.cx.0.platform;
        let least = if self.is_in_steps() { STEPS_WAIT } else { Duration::ZERO };
        if self.cx.0.is_task {
            // A quick answer goes on here; for a slow one somebody goes on when it comes.
            let left = platform.deadline().map_or(TASK_WAITS, |end| {
                end.since(platform.now()).saturating_sub(GIVE_UP_BEFORE).min(TASK_WAITS)
            });
            return Some(platform.now().after(left.max(least)));
        }
        match self.cx.0.line.resumes() {
            // The client comes back, so nobody has to wait here for longer than the platform likes.
            Resumes::Primed => Some(platform.now().after(platform.hold_max().unwrap_or_default().max(least))),
            Resumes::ByEvents | Resumes::No => {
                // For longer than it is kept, a call cannot be answered.
                let left = platform.deadline().map_or(CALL_TTL, |end| {
                    end.since(platform.now()).saturating_sub(GIVE_UP_BEFORE).min(CALL_TTL)
                });
                Some(platform.now().after(left))
            }
        }
    }

    /// Answers what was not answered in time, so that the handler fails with a reason instead of with its request.
    fn give_up(&self) {
        let refusal = r#"{"code":-32603,"message":"no answer came before the platform's time was up"}"#;
        self.cx.0.line.journal(|journal| {
            for index in journal.open_indexes() {
                // The text is JSON.
                if let Ok(refusal) = RawValue::from_string(refusal.to_owned()) {
                    journal.answer_at(index, Answer::Refusal(refusal));
                }
            }
        });
    }

    /// Closes the stream, where the client comes back; says whether the handler goes on now.
    async fn close_stream(&mut self) -> Result<bool, Error> {
        let inner = &self.cx.0;
        let closes = inner.reach == Reach::Store && inner.line.resumes() == Resumes::Primed;
        if closes {
            self.keep().await?.close().await?;
            // The client must be told how to come back before the stream is closed.
            inner.line.open();
            if inner.platform.background().is_none() || inner.platform.hold_max().is_none() {
                self.leave().await?;
                return Ok(false);
            }
            inner.line.close();
        }
        inner.line.satisfy(Want::CloseStream);
        Ok(true)
    }

    /// The least level of log that the session wants.
    async fn log_level(&self) -> LoggingLevel {
        let inner = &self.cx.0;
        let Some(key) = inner.session.as_ref().and_then(|session| session.key("level").ok()) else {
            return DEFAULT_LEVEL;
        };
        let level = inner.platform.strong_store().get(&key, Consistency::Strong).await.ok().flatten();
        let level = level.and_then(|entry| LoggingLevel::parse(std::str::from_utf8(&entry.value).ok()?));
        level.unwrap_or(DEFAULT_LEVEL)
    }
}

/// Where it is noted that a session's request was cancelled.
pub(crate) fn cancelled(session: &str, id: &str) -> Result<Key, StoreError> {
    Ok(Key::new(CANCELLED, session, fingerprint(id.as_bytes()))?)
}

struct Gone<'a>(&'a Line);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The watch over what happens to a call from outside.
enum Watch {
    /// It begins once the handler waits for something, as most never do.
    Due,
    Begun(BoxFuture<'static, Outside>),
    /// Nothing can happen to it.
    Nothing,
}

/// What a handler came to in one go.
enum Turn {
    Done(Result<Box<RawValue>, Error>),
    Wants(Want),
    Outside(Outside),
    Cancelled,
}
