//! What AWS Lambda gives a server: its clock, randomness, environment, log, HTTPS client and store.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use edgemcp::{
    future::BoxFuture,
    platform::{
        Clock, Host, Instances, Log, LogFormat, LogLevel, LogLine, LogSettings, Platform, Random,
        RandomError, Timestamp, Vars,
    },
    store::StoreOpener,
};

use crate::{
    dynamodb::{DynamoDbConfig, DynamoDbStore, TABLE},
    fetch::{Https, HttpsFetch},
    invoke::{Itself, SelfInvocation},
    settings::{self, TASKS},
    store_url::{self, STORE_URL},
};

const HOST: Host = Host {
    name: "AWS Lambda",
    instances: Instances::Many,
    stores: "set `EDGEMCP_TABLE` to a DynamoDB table, which the deployment makes, or `EDGEMCP_REDIS_URL`",
};

/// What is wrong with the environment: every problem, one per line.
#[derive(Debug)]
pub struct ConfigError(pub(crate) Vec<String>);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// The platform of this Lambda function, from its environment variables. Making it opens no connection and reads no
/// file; the store's client is made when it is first used.
///
/// With `EDGEMCP_LAMBDA_RESPONSE=streamed` it holds answers open, for [`HOLD_MAX`](crate::HOLD_MAX), and a
/// [`Function`](crate::Function) streams them. With `EDGEMCP_LAMBDA_TASKS=invoke` it has tasks done by another
/// invocation of the function. It runs no work in the background: Lambda freezes a function once it has answered, so
/// work that is left over would run whenever the next event comes, or never. A [`Function`](crate::Function) that
/// streams adds it to the requests whose answer can stay open so long.
///
/// # Errors
/// [`ConfigError`] where a variable that is set cannot be meant: an unknown `EDGEMCP_LAMBDA_RESPONSE`,
/// `EDGEMCP_LAMBDA_TASKS`, `EDGEMCP_LOG` or `EDGEMCP_LOG_FORMAT`, a table without a region or credentials, tasks without a
/// table, a store's URL.
pub fn platform() -> Result<Platform, ConfigError> {
    platform_with(&[])
}

/// As [`platform`], where `EDGEMCP_REDIS_URL` may name a store that one of `openers` opens.
///
/// # Errors
/// As those of [`platform`]: where nothing opens the URL, where it cannot be meant, and where there is a table too.
pub fn platform_with(openers: &[StoreOpener]) -> Result<Platform, ConfigError> {
    let vars = Environment;
    let mut problems = Problems::default();
    let log = settings::log(&vars).map_err(|several| problems.0.extend(several));
    let hold_max = problems.or_default(settings::hold_max(&vars));
    let table = DynamoDbConfig::from_vars(&vars);
    let itself = match (settings::invokes_itself(&vars), &table) {
        (Ok(true), Ok(Some(table))) => Itself::from_vars(&vars, table).map(Some),
        (Ok(true), Ok(None)) => Err(format!(
            "`{TASKS}` is `invoke` but `{TABLE}` is not set (one invocation leaves a task in that table for the other)"
        )),
        // What is wrong with the table is a problem of its own.
        (Ok(true), Err(_)) | (Ok(false), _) => Ok(None),
        (Err(problem), _) => Err(problem),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = problems.or_default(store_url::store(&vars, openers, &clock));
    let table = problems.or_default(table);
    if table.is_some() && store.is_some() {
        problems.0.push(format!(
            "`{TABLE}` and `{STORE_URL}` are both set, and a server has one store (unset one of them)"
        ));
    }
    let itself = problems.or_default(itself);
    let (Ok(log), true) = (log, problems.0.is_empty()) else { return Err(ConfigError(problems.0)) };
    let https = Arc::new(Https::default());
    let mut platform = Platform::builder(clock.clone(), Arc::new(SystemRandom))
        .fetch(Arc::new(HttpsFetch::new(https.clone())))
        .vars(Arc::new(vars))
        .log(Arc::new(StdoutLog { settings: log, clock: clock.clone() }))
        .host(HOST);
    if let Some(hold_max) = hold_max {
        platform = platform.hold_max(hold_max);
    }
    if let Some(itself) = itself {
        platform = platform.delegate(Arc::new(SelfInvocation::new(itself, clock.clone(), https.clone())));
    }
    if let Some(store) = store {
        platform = platform.store(store);
    }
    if let Some(config) = table {
        platform = platform.store(Arc::new(DynamoDbStore::new(config, clock).sharing(https)));
    }
    Ok(platform.build())
}

/// What is wrong with the environment so far.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// What a setting says; one that is wrong is noted, and says nothing.
    fn or_default<T: Default>(&mut self, setting: Result<T, String>) -> T {
        setting.unwrap_or_else(|problem| {
            self.0.push(problem);
            T::default()
        })
    }
}

/// The system's clock, and tokio's timer.
#[derive(Clone, Copy, Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is where `Platform::now` takes it from")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}

/// The system's random source.
#[derive(Clone, Copy, Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

/// The function's environment variables. One that is set to nothing counts as not set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment;

impl Vars for Environment {
    fn var(&self, name: &str) -> Option<String> {
        // With `=` or NUL in it no variable can be named so, and the standard library may panic on it.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this is where `Platform::var` takes it from")]
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// One event a line on standard output, which is where Lambda takes a function's log from.
struct StdoutLog {
    settings: LogSettings,
    clock: Arc<dyn Clock>,
}

impl Log for StdoutLog {
    fn log(&self, level: LogLevel, message: &str) {
        if !self.settings.filter.lets_through(level) {
            return;
        }
        let line = LogLine { at: self.clock.now(), level, message };
        let line = match self.settings.format {
            LogFormat::Text => line.text(),
            LogFormat::JsonLines => line.json(),
        };
        // One write per line, so that the lines of several requests do not mix. A log that is gone must not end a
        // request.
        let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_of_randomness_differ() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut one).unwrap();
        SystemRandom.fill(&mut other).unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn the_clock_is_in_this_century() {
        assert!(SystemClock.now() > Timestamp::from_millis(1_700_000_000_000));
    }

    #[test]
    fn a_variable_is_read_and_an_impossible_name_is_not_set() {
        assert_eq!(Environment.var("CARGO_PKG_NAME").as_deref(), Some("edgemcp-lambda"));
        assert_eq!(Environment.var("A=B"), None);
        assert_eq!(Environment.var(""), None);
    }
}
