//! Reads this adapter's own settings from the environment, and says what is wrong with each.

use std::time::Duration;

use edgemcp::platform::{LOG, LogFilter, LogFormat, LogLevel, LogSettings, Vars};

/// How long a streamed answer is held open for a person, such as one who fills in a form. A waiting function is paid
/// for, so it only waits for those who are quick: a legacy client comes back by itself (`Last-Event-ID`), and its call
/// goes on from the store.
pub const HOLD_MAX: Duration = Duration::from_secs(5);

/// The variable that sets whether answers are streamed. No event tells what its source wants, so it is configuration,
/// and the function URL's or the integration's own setting must agree with it.
pub(crate) const RESPONSE: &str = "EDGEMCP_LAMBDA_RESPONSE";

/// The variable that sets who does tasks.
pub(crate) const TASKS: &str = "EDGEMCP_LAMBDA_TASKS";

/// The least level that is logged, as the function's own logging configuration sets it, which comes with the format JSON
/// only. (`AWS_LAMBDA_LOG_FORMAT` is `Text` for each function that was not told otherwise, so it does not tell what
/// anybody wants.)
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// How long an answer may be held open, as `EDGEMCP_LAMBDA_RESPONSE` sets it; `None` where answers leave in one piece.
pub(crate) fn hold_max(vars: &dyn Vars) -> Result<Option<Duration>, String> {
    match vars.var(RESPONSE).as_deref() {
        None | Some("buffered") => Ok(None),
        Some("streamed") => Ok(Some(HOLD_MAX)),
        Some(other) => {
            Err(format!("`{RESPONSE}` is {other:?}; it takes `buffered` (the default) or `streamed`"))
        }
    }
}

/// Whether `EDGEMCP_LAMBDA_TASKS` has the function invoke itself for each task.
pub(crate) fn invokes_itself(vars: &dyn Vars) -> Result<bool, String> {
    match vars.var(TASKS).as_deref() {
        None => Ok(false),
        Some("invoke") => Ok(true),
        Some(other) => Err(format!(
            "`{TASKS}` is {other:?}; it takes `invoke`, or is not set (tasks are then had where answers are streamed)"
        )),
    }
}

/// What is logged, and how: as the variables that all adapters share set it, and where they do not as the function's
/// logging configuration does.
pub(crate) fn log(vars: &dyn Vars) -> Result<LogSettings, Vec<String>> {
    let own_level = vars.var(LOG_LEVEL).filter(|_| vars.var(LOG).is_none());
    let filter = match own_level.as_deref().map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE" | "DEBUG") => Ok(LogFilter::From(LogLevel::Debug)),
        None | Some("INFO") => Ok(LogFilter::From(LogLevel::Info)),
        Some("WARN") => Ok(LogFilter::From(LogLevel::Warning)),
        Some("ERROR") => Ok(LogFilter::From(LogLevel::Error)),
        // Nothing that is logged here ends the function.
        Some("FATAL") => Ok(LogFilter::Off),
        Some(other) => Err(format!(
            "`{LOG_LEVEL}` is {other:?}; it takes `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL` (or set `{LOG}`)"
        )),
    };
    let default =
        LogSettings { filter: *filter.as_ref().unwrap_or(&LogFilter::Off), format: LogFormat::JsonLines };
    let (settings, problems) = default.or_vars(vars);
    let problems: Vec<String> = filter.err().into_iter().chain(problems).collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// What `lambda_runtime` takes from the environment, and panics without.
pub(crate) fn runtime_problems(vars: &dyn Vars) -> Vec<String> {
    let names = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    ];
    let way_out = "AWS Lambda sets it, and so does `cargo lambda watch`";
    let mut problems: Vec<String> = names
        .into_iter()
        .filter(|name| vars.var(name).is_none())
        .map(|name| format!("`{name}` is not set ({way_out})"))
        .collect();
    let mut malformed = |name: &str, is_fine: fn(&str) -> bool, expected: &str| {
        if let Some(value) = vars.var(name).filter(|value| !is_fine(value)) {
            problems.push(format!("`{name}` is {value:?}, not {expected} ({way_out})"));
        }
    };
    malformed("AWS_LAMBDA_RUNTIME_API", |text| text.parse::<http::Uri>().is_ok(), "an address");
    malformed("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", |text| text.parse::<i32>().is_ok(), "a number");
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Set(BTreeMap<&'static str, &'static str>);

    impl Vars for Set {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }
    }

    fn set<const N: usize>(vars: [(&'static str, &'static str); N]) -> Set {
        Set(vars.into())
    }

    #[test]
    fn answers_leave_in_one_piece_unless_the_setting_says_streamed() {
        assert_eq!(hold_max(&set([])), Ok(None));
        assert_eq!(hold_max(&set([(RESPONSE, "buffered")])), Ok(None));
        assert_eq!(hold_max(&set([(RESPONSE, "streamed")])), Ok(Some(HOLD_MAX)));
    }

    #[test]
    fn a_function_invokes_itself_only_where_it_is_told_to() {
        assert_eq!(invokes_itself(&set([])), Ok(false));
        assert_eq!(invokes_itself(&set([(TASKS, "invoke")])), Ok(true));
        let refused = invokes_itself(&set([(TASKS, "queue")])).unwrap_err();
        assert!(refused.contains("`EDGEMCP_LAMBDA_TASKS`") && refused.contains("\"queue\""), "{refused}");
        assert!(refused.contains("`invoke`"), "{refused}");
    }

    #[test]
    fn another_mode_is_refused_with_the_two_that_there_are() {
        assert_eq!(
            hold_max(&set([(RESPONSE, "stream")])),
            Err("`EDGEMCP_LAMBDA_RESPONSE` is \"stream\"; it takes `buffered` (the default) or `streamed`"
                .to_owned())
        );
    }

    #[test]
    fn the_log_is_json_from_info_on_unless_the_shared_settings_say_otherwise() {
        let of = |filter, format| Ok(LogSettings { filter, format });
        let info = LogFilter::From(LogLevel::Info);
        assert_eq!(log(&set([])), of(info, LogFormat::JsonLines));
        assert_eq!(log(&set([(LOG, "off")])), of(LogFilter::Off, LogFormat::JsonLines));
        assert_eq!(log(&set([("EDGEMCP_LOG_FORMAT", "text")])), of(info, LogFormat::Text));
        // What every function has that was not told otherwise says nothing.
        assert_eq!(log(&set([("AWS_LAMBDA_LOG_FORMAT", "Text")])), of(info, LogFormat::JsonLines));
        let refused = log(&set([(LOG, "trace"), ("EDGEMCP_LOG_FORMAT", "xml")])).unwrap_err();
        assert_eq!(refused.len(), 2);
        assert!(refused[0].contains("\"trace\"") && refused[0].contains("`debug`"), "{refused:?}");
        assert!(refused[1].contains("`EDGEMCP_LOG_FORMAT` is \"xml\""), "{refused:?}");
    }

    #[test]
    fn the_functions_own_log_level_counts_where_the_shared_one_is_not_set() {
        for (name, filter) in [
            ("TRACE", LogFilter::From(LogLevel::Debug)),
            ("DEBUG", LogFilter::From(LogLevel::Debug)),
            ("INFO", LogFilter::From(LogLevel::Info)),
            ("WARN", LogFilter::From(LogLevel::Warning)),
            ("error", LogFilter::From(LogLevel::Error)),
            ("FATAL", LogFilter::Off),
        ] {
            assert_eq!(log(&set([(LOG_LEVEL, name)])).unwrap().filter, filter, "{name}");
            let both = log(&set([(LOG_LEVEL, name), (LOG, "warning")])).unwrap().filter;
            assert_eq!(both, LogFilter::From(LogLevel::Warning));
        }
        let refused = log(&set([(LOG_LEVEL, "LOUD"), ("EDGEMCP_LOG_FORMAT", "xml")])).unwrap_err();
        assert_eq!(refused.len(), 2);
        assert!(
            refused[0].starts_with("`AWS_LAMBDA_LOG_LEVEL` is \"LOUD\"; it takes `TRACE`"),
            "{refused:?}"
        );
        assert!(log(&set([(LOG_LEVEL, "LOUD"), (LOG, "info")])).is_ok());
    }

    #[test]
    fn every_variable_that_the_runtime_would_panic_without_is_named() {
        let complete = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9000"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ];
        assert!(runtime_problems(&set(complete)).is_empty());
        for (name, _) in complete {
            let mut vars = set(complete);
            vars.0.remove(name);
            let problems = runtime_problems(&vars);
            assert!(problems.len() == 1 && problems[0].contains(name), "{name}: {problems:?}");
        }
    }

    #[test]
    fn a_variable_that_the_runtime_would_panic_on_is_named() {
        let vars = set([
            ("AWS_LAMBDA_RUNTIME_API", "not an address"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"),
        ]);
        let problems = runtime_problems(&vars);
        assert!(problems.len() == 2 && problems[0].contains("not an address"), "{problems:?}");
        assert!(problems[1].contains("\"much\""), "{problems:?}");
    }
}
