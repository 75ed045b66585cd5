//! Writes the server's log to standard error, one line an event.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use edgemcp::platform::{Clock, Log, LogLevel, Timestamp, Vars};

/// The variable that says what is logged.
const LOG_VAR: &str = "EDGEMCP_LOG";

/// The longest line, in bytes of the message; the rest is cut.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// 9999-12-31T23:59:59.999Z, the last moment the format has digits for.
const MOMENT_MS_MAX: u64 = 253_402_300_799_999;

/// The server's log on standard error: `2026-11-22T13:00:00Z info ready`.
pub struct StderrLog {
    filter: LogFilter,
    clock: Arc<dyn Clock>,
}

/// Which events are worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFilter {
    /// None.
    Off,
    /// This level and all above it.
    From(LogLevel),
}

impl Default for LogFilter {
    fn default() -> Self {
        Self::From(LogLevel::Info)
    }
}

/// A word that names no [`LogFilter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilterError(String);

impl fmt::Display for LogFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log level {:?} is not one of debug, info, warning, error, off", self.0)
    }
}

impl std::error::Error for LogFilterError {}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "debug" => Self::From(LogLevel::Debug),
            "info" => Self::From(LogLevel::Info),
            "warning" | "warn" => Self::From(LogLevel::Warning),
            "error" => Self::From(LogLevel::Error),
            "off" => Self::Off,
            _ => return Err(LogFilterError(word.to_owned())),
        })
    }
}

impl StderrLog {
    /// A log of the events that pass `filter`, with the time from `clock`.
    pub fn new(filter: LogFilter, clock: Arc<dyn Clock>) -> Self {
        Self { filter, clock }
    }

    /// A log as the variable `EDGEMCP_LOG` filters it: `debug`, `info` (the default), `warning`, `error` or `off`.
    /// Another word counts as the default, and is said to in the log's first line.
    pub fn from_vars(vars: &dyn Vars, clock: Arc<dyn Clock>) -> Self {
        let set = vars.var(LOG_VAR).filter(|word| !word.is_empty());
        let (filter, problem) = match set.map(|word| word.parse()) {
            None => (LogFilter::default(), None),
            Some(Ok(filter)) => (filter, None),
            Some(Err(error)) => (LogFilter::default(), Some(error)),
        };
        let log = Self::new(filter, clock);
        if let Some(error) = problem {
            log.log(LogLevel::Warning, &format!("{LOG_VAR}: {error}"));
        }
        log
    }

    fn lets_through(&self, level: LogLevel) -> bool {
        matches!(self.filter, LogFilter::From(lowest) if lowest <= level)
    }
}

impl Log for StderrLog {
    fn log(&self, level: LogLevel, message: &str) {
        if self.lets_through(level) {
            // Where standard error is gone there is nobody left to tell.
            let _ = io::stderr().lock().write_all(line(self.clock.now(), level, message).as_bytes());
        }
    }
}

impl fmt::Debug for StderrLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StderrLog").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// The whole line, with its end. What comes from outside may be in `message`, so control characters are escaped: one
/// event cannot look like two, nor steer a terminal.
fn line(now: Timestamp, level: LogLevel, message: &str) -> String {
    let moment = Duration::from_millis(now.as_millis().min(MOMENT_MS_MAX));
    let moment = SystemTime::UNIX_EPOCH.checked_add(moment).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut line = format!("{} {} ", humantime::format_rfc3339_seconds(moment), level.as_str());
    let (shown, cut) = message.split_at(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    for c in shown.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if !cut.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, "… ({} bytes more)", cut.len());
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::SystemClock;

    const NOW: Timestamp = Timestamp::from_millis(1_795_352_400_999);

    #[test]
    fn a_line_has_the_second_the_level_and_the_message() {
        assert_eq!(line(NOW, LogLevel::Info, "ready"), "2026-11-22T13:00:00Z info ready\n");
    }

    #[test]
    fn one_event_is_one_line_whatever_the_message_holds() {
        let message = "a\nb\r\u{1b}[2Jc\u{0}\u{85}ü";
        assert_eq!(
            line(NOW, LogLevel::Error, message),
            "2026-11-22T13:00:00Z error a\\nb\\r\\u{1b}[2Jc\\u{0}\\u{85}ü\n"
        );
    }

    #[test]
    fn a_message_at_the_limit_is_whole_and_a_longer_one_is_cut_between_characters() {
        let whole = "x".repeat(MESSAGE_BYTES_MAX);
        assert!(line(NOW, LogLevel::Info, &whole).ends_with("x\n"));
        let longer = format!("{}üü", "x".repeat(MESSAGE_BYTES_MAX - 1));
        assert!(line(NOW, LogLevel::Info, &longer).ends_with("x… (4 bytes more)\n"));
    }

    #[test]
    fn a_moment_past_the_formats_digits_is_its_last_one() {
        for ms in [MOMENT_MS_MAX, MOMENT_MS_MAX + 1, u64::MAX] {
            assert_eq!(
                line(Timestamp::from_millis(ms), LogLevel::Info, "x"),
                "9999-12-31T23:59:59Z info x\n"
            );
        }
    }

    #[test]
    fn a_filter_lets_its_level_through_and_what_is_above() {
        let all = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];
        for (word, from) in [("debug", 0), ("info", 1), ("WARNING", 2), ("warn", 2), ("error", 3), ("off", 4)]
        {
            let log = StderrLog::new(word.parse().unwrap(), Arc::new(SystemClock));
            let through: Vec<_> = all.into_iter().filter(|level| log.lets_through(*level)).collect();
            assert_eq!(through, &all[from..], "{word}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_named() {
        assert_eq!(
            "loud".parse::<LogFilter>().unwrap_err().to_string(),
            "log level \"loud\" is not one of debug, info, warning, error, off"
        );
    }
}
