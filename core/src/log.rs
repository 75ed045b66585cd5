//! What is logged, and how a line is written: the words of `EDGEMCP_LOG` and `EDGEMCP_LOG_FORMAT`, for every adapter.

use std::{fmt, fmt::Write as _, str::FromStr};

use crate::{
    limits,
    platform::{LogLevel, Timestamp, Vars},
};

/// The variable that says what is logged: `debug`, `info` (the default), `warning`, `error` or `off`.
pub const LOG: &str = "EDGEMCP_LOG";

/// The variable that says how: `text` or `json`. The default is the platform's.
pub const LOG_FORMAT: &str = "EDGEMCP_LOG_FORMAT";

/// The most bytes of a message that a line has; the rest is cut.
pub const LOG_MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Which events are worth a line.
///
/// ```
/// use edgemcp::platform::{LogFilter, LogLevel};
///
/// let filter: LogFilter = "warning".parse().unwrap();
/// assert!(filter.lets_through(LogLevel::Error) && !filter.lets_through(LogLevel::Info));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFilter {
    /// None.
    Off,
    /// This level and all above it.
    From(LogLevel),
}

impl LogFilter {
    /// Whether an event of this level is worth a line.
    pub fn lets_through(self, level: LogLevel) -> bool {
        matches!(self, Self::From(lowest) if lowest <= level)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self::From(LogLevel::Info)
    }
}

/// Reads `debug`, `info`, `warning` (or `warn`), `error` and `off`, in any case.
impl FromStr for LogFilter {
    type Err = LogWordError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let words = [
            ("debug", Self::From(LogLevel::Debug)),
            ("info", Self::From(LogLevel::Info)),
            ("warning", Self::From(LogLevel::Warning)),
            ("warn", Self::From(LogLevel::Warning)),
            ("error", Self::From(LogLevel::Error)),
            ("off", Self::Off),
        ];
        named(word, &words).ok_or_else(|| LogWordError {
            word: limits::echo(word),
            takes: "`debug`, `info` (the default), `warning`, `error` or `off`",
        })
    }
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: [`LogLine::text`].
    Text,
    /// For programs: [`LogLine::json`].
    JsonLines,
}

/// Reads `text` and `json`, in any case.
impl FromStr for LogFormat {
    type Err = LogWordError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let words = [("text", Self::Text), ("json", Self::JsonLines)];
        named(word, &words)
            .ok_or_else(|| LogWordError { word: limits::echo(word), takes: "`text` or `json`" })
    }
}

fn named<T: Copy>(word: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, named)| *named)
}

/// A word that names no [`LogFilter`], or no [`LogFormat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWordError {
    word: String,
    takes: &'static str,
}

impl fmt::Display for LogWordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is {}; it takes {}", self.word, self.takes)
    }
}

impl std::error::Error for LogWordError {}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// What: [`LOG`].
    pub filter: LogFilter,
    /// How: [`LOG_FORMAT`].
    pub format: LogFormat,
}

impl LogSettings {
    /// As `vars` set it, `self` where they set nothing; and what is wrong with each that names nothing, which leaves the
    /// default in place.
    ///
    /// ```
    /// use edgemcp::platform::{LogFilter, LogFormat, LogSettings};
    ///
    /// let default = LogSettings { filter: LogFilter::default(), format: LogFormat::Text };
    /// let (settings, problems) = default.or_vars(&[("EDGEMCP_LOG", "off"), ("EDGEMCP_LOG_FORMAT", "xml")]);
    /// assert_eq!(settings, LogSettings { filter: LogFilter::Off, ..default });
    /// assert_eq!(problems, ["`EDGEMCP_LOG_FORMAT` is \"xml\"; it takes `text` or `json`"]);
    /// ```
    pub fn or_vars(mut self, vars: &dyn Vars) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        set(&mut self.filter, LOG, vars, &mut problems);
        set(&mut self.format, LOG_FORMAT, vars, &mut problems);
        (self, problems)
    }
}

fn set<T: FromStr<Err = LogWordError>>(
    setting: &mut T,
    name: &str,
    vars: &dyn Vars,
    problems: &mut Vec<String>,
) {
    match vars.var(name).filter(|word| !word.is_empty()).map(|word| word.parse()) {
        None => {}
        Some(Ok(value)) => *setting = value,
        Some(Err(why)) => problems.push(format!("`{name}` {why}")),
    }
}

/// One event, for a [`Log`](crate::platform::Log) to write.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// When it happened.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// What happened.
    pub message: &'a str,
}

impl LogLine<'_> {
    /// As a line for people, without its end.
    ///
    /// Control characters are escaped: one event cannot look like two, nor steer a terminal.
    ///
    /// ```
    /// # use edgemcp::platform::{LogLevel, LogLine, Timestamp};
    /// let at = Timestamp::from_millis(1_785_231_000_250);
    /// let line = LogLine { at, level: LogLevel::Warning, message: "one\ntwo" };
    /// assert_eq!(line.text(), "2026-07-28T09:30:00.250Z warning one\\ntwo");
    /// ```
    ///
    /// # Limits
    /// The message is cut after [`LOG_MESSAGE_BYTES_MAX`].
    pub fn text(&self) -> String {
        format!("{} {} {}", self.at.to_rfc3339(), self.level.as_str(), on_one_line(&self.cut()))
    }

    /// As one line of JSON without its end: an object with the texts `timestamp` (RFC 3339), `level` and `message`.
    ///
    /// ```
    /// # use edgemcp::platform::{LogLevel, LogLine, Timestamp};
    /// let at = Timestamp::from_millis(1_785_231_000_250);
    /// let line = LogLine { at, level: LogLevel::Warning, message: "one\ntwo" };
    /// assert_eq!(line.json(), r#"{"timestamp":"2026-07-28T09:30:00.250Z","level":"warn","message":"one\ntwo"}"#);
    /// ```
    ///
    /// # Limits
    /// The message is cut after [`LOG_MESSAGE_BYTES_MAX`].
    pub fn json(&self) -> String {
        // What reads JSON knows `warn`: Lambda's own filter takes a level it does not know for `info`.
        let level = match self.level {
            LogLevel::Warning => "warn",
            level => level.as_str(),
        };
        // A text becomes JSON in every case.
        let message = serde_json::to_string(&self.cut()).unwrap_or_default();
        format!(r#"{{"timestamp":"{}","level":"{level}","message":{message}}}"#, self.at.to_rfc3339())
    }

    fn cut(&self) -> String {
        let (shown, cut) = self.message.split_at(self.message.floor_char_boundary(LOG_MESSAGE_BYTES_MAX));
        let mut shown = shown.to_owned();
        if !cut.is_empty() {
            // Writing to a `String` does not fail.
            let _ = write!(shown, "… ({} bytes more)", cut.len());
        }
        shown
    }
}

/// `text` with its control characters escaped, so that it cannot look like two lines.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_352_400_999);

    fn line(message: &str) -> LogLine<'_> {
        LogLine { at: AT, level: LogLevel::Info, message }
    }

    #[test]
    fn one_event_is_one_line_whatever_the_message_holds() {
        let line = line("a\nb\r\u{1b}[2Jc\u{0}\u{85}ü\"\\\u{2028}");
        assert_eq!(
            line.text(),
            "2026-11-22T13:00:00.999Z info a\\nb\\r\\u{1b}[2Jc\\u{0}\\u{85}ü\"\\\u{2028}"
        );
        let json = line.json();
        assert!(!json.contains(|c: char| c.is_ascii_control()), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected =
            serde_json::json!({"timestamp": AT.to_rfc3339(), "level": "info", "message": line.message});
        assert_eq!(read, expected);
    }

    #[test]
    fn a_message_at_the_limit_is_whole_and_a_longer_one_is_cut_between_characters() {
        let whole = "x".repeat(LOG_MESSAGE_BYTES_MAX);
        assert!(line(&whole).text().ends_with("xx") && line(&whole).json().ends_with("xx\"}"));
        let longer = format!("{}üü", "x".repeat(LOG_MESSAGE_BYTES_MAX - 1));
        assert!(line(&longer).text().ends_with("xx… (4 bytes more)"));
        assert!(line(&longer).json().ends_with("xx… (4 bytes more)\"}"));
    }

    #[test]
    fn a_filter_lets_its_level_through_and_what_is_above() {
        let all = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];
        for (word, from) in [("debug", 0), ("info", 1), ("WARNING", 2), ("warn", 2), ("error", 3), ("Off", 4)]
        {
            let filter: LogFilter = word.parse().unwrap();
            let through: Vec<_> = all.into_iter().filter(|level| filter.lets_through(*level)).collect();
            assert_eq!(through, &all[from..], "{word}");
        }
    }

    #[test]
    fn what_is_not_set_is_the_default_and_what_names_nothing_is_said_and_the_default_too() {
        let default = LogSettings { filter: LogFilter::From(LogLevel::Error), format: LogFormat::JsonLines };
        assert_eq!(default.or_vars(&[]), (default, vec![]));
        assert_eq!(default.or_vars(&[(LOG, ""), (LOG_FORMAT, "")]), (default, vec![]));
        let (settings, problems) = default.or_vars(&[(LOG, "trace"), (LOG_FORMAT, "Text")]);
        assert_eq!(settings, LogSettings { format: LogFormat::Text, ..default });
        assert_eq!(
            problems,
            [
                "`EDGEMCP_LOG` is \"trace\"; it takes `debug`, `info` (the default), `warning`, `error` or `off`"
            ]
        );
        let (settings, problems) = default.or_vars(&[(LOG, "off"), (LOG_FORMAT, "yaml")]);
        assert_eq!((settings.filter, settings.format), (LogFilter::Off, LogFormat::JsonLines));
        assert_eq!(problems, ["`EDGEMCP_LOG_FORMAT` is \"yaml\"; it takes `text` or `json`"]);
    }
}
