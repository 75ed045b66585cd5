//! Writes the server's log to standard error, one line an event.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
};

use edgemcp::platform::{Clock, Log, LogFilter, LogFormat, LogLevel, LogLine, LogSettings, Vars};

/// What is logged, and how, unless the variables say otherwise.
const DEFAULT: LogSettings = LogSettings { filter: LogFilter::From(LogLevel::Info), format: LogFormat::Text };

/// The server's log on standard error: `2026-11-22T13:00:00.250Z info ready`.
#[derive(Clone)]
pub struct StderrLog {
    settings: LogSettings,
    clock: Arc<dyn Clock>,
}

impl StderrLog {
    /// A log of the events that `settings` let through, with the time from `clock`.
    pub fn new(settings: LogSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    /// A log as the variables `EDGEMCP_LOG` (`debug`, `info`, which is the default, `warning`, `error` or `off`) and
    /// `EDGEMCP_LOG_FORMAT` (`text`, which is the default, or `json`) set it. Another word counts as the default, and
    /// is said to in the log's first line.
    pub fn from_vars(vars: &dyn Vars, clock: Arc<dyn Clock>) -> Self {
        let (settings, problems) = DEFAULT.or_vars(vars);
        let log = Self::new(settings, clock);
        for problem in problems {
            log.log(LogLevel::Warning, &problem);
        }
        log
    }

    /// Says what is no event of the log, but is for people, whatever is logged: where the server is. As text it is a line
    /// of its own; who reads JSON reads nothing else.
    pub(crate) fn announce(&self, message: &str) {
        match self.settings.format {
            LogFormat::Text => write(message.to_owned()),
            LogFormat::JsonLines => write(self.line(LogLevel::Info, message)),
        }
    }

    fn line(&self, level: LogLevel, message: &str) -> String {
        let line = LogLine { at: self.clock.now(), level, message };
        match self.settings.format {
            LogFormat::Text => line.text(),
            LogFormat::JsonLines => line.json(),
        }
    }
}

impl Log for StderrLog {
    fn log(&self, level: LogLevel, message: &str) {
        if self.settings.filter.lets_through(level) {
            write(self.line(level, message));
        }
    }
}

impl fmt::Debug for StderrLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StderrLog").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// In one write, so that the lines of several requests do not mix. Where standard error is gone there is nobody left to
/// tell.
fn write(mut line: String) {
    line.push('\n');
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
