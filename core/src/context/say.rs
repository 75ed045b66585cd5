//! What a handler tells the client while it works: how far it has come, and lines of log.

use serde::Serialize;

use super::Context;
use crate::{
    finite,
    model::{LoggingLevel, Progress},
    platform::LogLevel,
};

impl Context {
    /// Reports how far this request has come, where the client wants to know: `3.0`, `(3.0, 10.0)` for three of ten, or
    /// a [`Progress`] with a message. Progress must grow; a report that does not is left out, as is one after the
    /// answer.
    ///
    /// ```
    /// # use edgemcp::{Progress, prelude::*};
    /// # async fn step(_: u32) {}
    /// /// Do ten things.
    /// #[tool]
    /// async fn work(cx: &Context) {
    ///     for number in 1..=10 {
    ///         step(number).await;
    ///         cx.progress(Progress::new(number.into()).total(10.0).message("working"));
    ///     }
    /// }
    /// # let _ = work::tool();
    /// ```
    pub fn progress(&self, progress: impl Into<Progress>) {
        self.0.line.progress(&progress.into());
    }

    /// Sends a line of log to the client, where it wants lines of this level: a modern request says so itself, a legacy
    /// client with `logging/setLevel` (without that, it gets `info` and above). It must hold no secret: the client, and
    /// perhaps its model, reads it. For the server's own log there is [`Platform::log`](crate::platform::Platform::log).
    ///
    /// `data` is a text or anything else that serde writes; what is no JSON is left out, and the server's log says so.
    pub fn log(&self, level: LoggingLevel, data: impl Serialize) {
        self.log_from(None, level, &data);
    }

    /// As [`log`](Self::log), from the part of the server that is called `logger`.
    pub fn log_as(&self, logger: &str, level: LoggingLevel, data: impl Serialize) {
        self.log_from(Some(logger), level, &data);
    }

    /// Sends a line that is for whoever debugs.
    pub fn debug(&self, text: &str) {
        self.log(LoggingLevel::Debug, text);
    }

    /// Sends a line about normal operation.
    pub fn info(&self, text: &str) {
        self.log(LoggingLevel::Info, text);
    }

    /// Sends a line about something that is off.
    pub fn warning(&self, text: &str) {
        self.log(LoggingLevel::Warning, text);
    }

    /// Sends a line about something that failed.
    pub fn error(&self, text: &str) {
        self.log(LoggingLevel::Error, text);
    }

    fn log_from<T: Serialize + ?Sized>(&self, logger: Option<&str>, level: LoggingLevel, data: &T) {
        if !self.0.line.hears_log(level) {
            return;
        }
        match finite::to_raw_json(data) {
            Ok(data) => self.0.line.log(level, logger, &data),
            Err(why) => {
                self.0
                    .platform
                    .log(LogLevel::Warning, &format!("a line for the client's log is left out: {why}"));
            }
        }
    }
}
