//! What a server may ask of the platform it runs on: time, randomness, the network, a store, settings, a log.
//!
//! A [`Server`](crate::Server) holds none of this, because on Cloudflare Workers a platform exists only inside a
//! request. The adapter makes a [`Platform`] and hands it in with each request; handlers reach it through
//! [`Context`](crate::Context).

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::select;

use crate::{
    future::BoxFuture,
    keyring::KeptKeys,
    store::{Lack, Need, NoStore, Store},
};

pub use crate::log::{
    LOG, LOG_FORMAT, LOG_MESSAGE_BYTES_MAX, LogFilter, LogFormat, LogLine, LogSettings, LogWordError,
};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded up, which is what stores with a TTL in seconds need:
    /// an entry may outlive its expiry there, but must not die before it.
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// This moment and `by` later; the last representable one where that would be past it.
    pub fn after(self, by: Duration) -> Self {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// This moment as RFC 3339 text in UTC, such as `2026-07-28T09:30:00.250Z`.
    ///
    /// ```
    /// # use edgemcp::platform::Timestamp;
    /// assert_eq!(Timestamp::from_millis(1_785_231_000_250).to_rfc3339(), "2026-07-28T09:30:00.250Z");
    /// ```
    pub fn to_rfc3339(self) -> String {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years that begin in March have their leap day last (the proleptic Gregorian calendar has 146 097 days in 400
        // years).
        let from_march = days + 719_468;
        let (era, day) = (from_march / 146_097, from_march % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = 400 * era + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }

    /// How long after `earlier` this moment is; zero where it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Now, and later. Tests put their own here, so no test sleeps.
pub trait Clock: Send + Sync {
    /// The present moment. On Workers it stands still between two I/O operations.
    fn now(&self) -> Timestamp;

    /// Resolves once `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Cryptographically secure randomness.
pub trait Random: Send + Sync {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// [`RandomError`] where the platform has none to give; callers must stop, never fall back to something weaker.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// The platform could not give randomness.
#[derive(Clone, Copy, Debug)]
pub struct RandomError;

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the platform gave no randomness")
    }
}

impl std::error::Error for RandomError {}

/// The platform's HTTP client.
pub trait Fetch: Send + Sync {
    /// Sends `request` and reads the whole answer, following no redirect.
    ///
    /// # Errors
    /// [`FetchError`] where no answer came; a 4xx or 5xx answer is not an error here.
    fn fetch(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, FetchError>>;
}

/// Why no answer came.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// This platform was given no HTTP client.
    Unavailable,
    /// The address is not one this platform can ask.
    Address(String),
    /// The connection failed or broke; the text is for the log, never for a client.
    Connection(String),
    /// The answer was larger than this many bytes.
    TooLarge(usize),
    /// No whole answer came within this time.
    Timeout(Duration),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => {
                f.write_str("this platform has no HTTP client (give `Platform::builder` a `fetch`)")
            }
            Self::Address(why) => write!(f, "the address cannot be fetched: {why}"),
            Self::Connection(why) => write!(f, "the connection failed: {why}"),
            Self::TooLarge(bytes) => write!(f, "the answer is larger than {bytes} bytes"),
            Self::Timeout(after) => write!(f, "no answer within {after:?}"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Settings and secrets: environment variables, or a Worker's vars and secrets.
pub trait Vars: Send + Sync {
    /// The value of `name`, where it is set.
    fn var(&self, name: &str) -> Option<String>;
}

/// Settings that stand in the code, for tests: `&[("NOTES_KEY", "hunter2")]`.
impl<const N: usize> Vars for [(&str, &str); N] {
    fn var(&self, name: &str) -> Option<String> {
        self.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
    }
}

/// How much a log line matters (RFC 5424's words, as the protocol's own log levels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For whoever debugs this server.
    Debug,
    /// Normal operation worth a line.
    Info,
    /// Something is off, and the request was served all the same.
    Warning,
    /// A request failed.
    Error,
}

impl LogLevel {
    /// The level's name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where the server's own log goes: standard error, the Workers console, CloudWatch.
pub trait Log: Send + Sync {
    /// Writes one line. `message` never holds a secret.
    fn log(&self, level: LogLevel, message: &str);
}

/// Work that goes on after the answer: `waitUntil` and its like.
pub trait Background: Send + Sync {
    /// Runs `work` to its end, beside or after the request.
    fn run(&self, work: BoxFuture<'static, ()>);
}

/// Knows when the instance is told to end while it still answers, as a process that got a signal.
pub trait Stopping: Send + Sync {
    /// Resolves once it is told so, and at once from then on.
    fn stopping(&self) -> BoxFuture<'static, ()>;
}

/// Has work done by somebody else: another invocation of the same function, or a worker behind a queue.
///
/// It is for platforms that freeze once they have answered. Whoever takes the work up calls
/// [`Service::run_task`](crate::Service::run_task) with a platform of the same store.
pub trait Delegate: Send + Sync {
    /// Hands over the task `id`. It may be handed over more than once; a lease in the store makes sure that one worker
    /// runs it.
    ///
    /// # Errors
    /// [`DelegateError`] where nobody took it.
    fn delegate<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), DelegateError>>;
}

/// Nobody took the work; the text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegateError(pub String);

impl fmt::Display for DelegateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task could not be handed over: {}", self.0)
    }
}

impl std::error::Error for DelegateError {}

/// Who can reach this server, which decides whether the `Host` header is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// It listens on loopback only, so a `Host` that is not loopback means DNS rebinding and is refused.
    Loopback,
    /// It is reachable by name; whoever routes requests to it owns the `Host` header.
    Public,
}

/// Where a server runs, for messages that say the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it is called: "AWS Lambda".
    pub name: &'static str,
    /// How many instances of a server it runs.
    pub instances: Instances,
    /// How to get a store that is durable, shared, consistent and atomic there: "set `EDGEMCP_TABLE`".
    pub stores: &'static str,
}

impl Host {
    /// A program of the user's own, of which nothing else is known.
    const UNKNOWN: Self = Self {
        name: "this platform",
        instances: Instances::One,
        stores: "give `Platform::builder` another `store` or `strong_store`",
    };
}

/// How many instances of a server there can be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One, as of a program that somebody starts.
    One,
    /// As many as there is work for, each of which may end whenever it has none.
    Many,
}

/// Everything a server may ask of where it runs. Cloning is cheap.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use edgemcp::{future::BoxFuture, platform::*};
/// # struct Fixed;
/// # impl Clock for Fixed {
/// #     fn now(&self) -> Timestamp { Timestamp::from_millis(0) }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> { Box::pin(async {}) }
/// # }
/// # impl Random for Fixed {
/// #     fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> { Err(RandomError) }
/// # }
/// let platform = Platform::builder(Arc::new(Fixed), Arc::new(Fixed)).build();
/// assert_eq!(platform.now().as_millis(), 0);
/// assert!(platform.background().is_none());
/// ```
#[derive(Clone)]
pub struct Platform {
    shared: Arc<Shared>,
    background: Option<Arc<dyn Background>>,
    deadline: Option<Timestamp>,
    hold_max: Option<Duration>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    fetch: Arc<dyn Fetch>,
    store: Arc<dyn Store>,
    strong_store: Option<Arc<dyn Store>>,
    vars: Arc<dyn Vars>,
    log: Arc<dyn Log>,
    delegate: Option<Arc<dyn Delegate>>,
    stopping: Option<Arc<dyn Stopping>>,
    exposure: Exposure,
    host: Host,
    seal_keys: KeptKeys,
}

impl Platform {
    /// Starts a platform with the two things none can be without. The rest defaults to "there is none".
    pub fn builder(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> PlatformBuilder {
        let shared = Shared {
            clock,
            random,
            fetch: Arc::new(Nothing),
            store: Arc::new(NoStore),
            strong_store: None,
            vars: Arc::new(Nothing),
            log: Arc::new(Nothing),
            delegate: None,
            stopping: None,
            exposure: Exposure::Public,
            host: Host::UNKNOWN,
            seal_keys: KeptKeys::default(),
        };
        PlatformBuilder { shared, hold_max: None }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Resolves once `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.shared.clock.sleep(duration)
    }

    /// Now and later, to keep.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Cryptographically secure randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.shared.random
    }

    /// Cryptographically secure randomness, to keep.
    pub fn random_source(&self) -> &Arc<dyn Random> {
        &self.shared.random
    }

    /// The HTTP client.
    pub fn fetch(&self) -> &dyn Fetch {
        &*self.shared.fetch
    }

    /// The external store, shared by all instances where its capabilities say so.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The store for what must be seen at once and must happen once: answers that come to another instance, tasks,
    /// claims. It is [`store`](Self::store), unless the platform has another one for this, as Workers have a Durable
    /// Object beside KV.
    pub fn strong_store(&self) -> &Arc<dyn Store> {
        self.shared.strong_store.as_ref().unwrap_or(&self.shared.store)
    }

    /// The value of the setting or secret `name`; one that is set to nothing is not set.
    pub fn var(&self, name: &str) -> Option<String> {
        self.shared.vars.var(name).filter(|value| !value.is_empty())
    }

    /// The keys to seal with, as they were last read.
    pub(crate) fn seal_keys(&self) -> &KeptKeys {
        &self.shared.seal_keys
    }

    /// Writes one line to the server's own log.
    pub fn log(&self, level: LogLevel, message: &str) {
        self.shared.log.log(level, message);
    }

    /// The server's own log, to keep.
    pub fn log_sink(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    /// Runs work after the answer, where the platform can.
    pub fn background(&self) -> Option<&dyn Background> {
        self.background.as_deref()
    }

    /// Has work done by somebody else, where the platform was given a way to.
    pub fn delegate(&self) -> Option<&dyn Delegate> {
        self.shared.delegate.as_deref()
    }

    /// Resolves once the instance is told to end; never, where the platform does not say.
    pub fn stopping(&self) -> BoxFuture<'static, ()> {
        match &self.shared.stopping {
            Some(stopping) => stopping.stopping(),
            None => Box::pin(std::future::pending()),
        }
    }

    /// Resolves once `duration` has passed or the instance is told to end: for an answer that is held open only to be
    /// told what may come.
    pub(crate) async fn hold(&self, duration: Duration) {
        select(self.sleep(duration), self.stopping()).await;
    }

    /// When the platform will cut this request, where it says so.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Who can reach this server.
    pub fn exposure(&self) -> Exposure {
        self.shared.exposure
    }

    /// Where the server runs.
    pub fn host(&self) -> Host {
        self.shared.host
    }

    /// Checks that the [`strong_store`](Self::strong_store) has what `who` needs of it: at the start of whatever would
    /// otherwise work until it counts.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use edgemcp::{platform::*, store::{Lack, Need}};
    /// # fn example(platform: &Platform) -> Result<(), Lack> {
    /// platform.store_has("the notebook", &[Need::Durable, Need::Shared])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Lack`], which names the store, what it lacks, and what to use instead on this platform.
    pub fn store_has(&self, who: &str, needs: &[Need]) -> Result<(), Lack> {
        match Lack::find(who, needs, &self.strong_store().capabilities(), self.host()) {
            Some(lack) => Err(lack),
            None => Ok(()),
        }
    }

    /// How long an answer may be held open while there is nothing to send, such as while a person thinks; `None` where
    /// answers leave in one piece, so that nothing is seen of one before it is whole.
    pub fn hold_max(&self) -> Option<Duration> {
        self.hold_max
    }

    /// The same platform for one request that is cut at `deadline`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same platform for what outlives a request: without what is a request's own.
    pub(crate) fn of_instance(&self) -> Self {
        Self { background: None, deadline: None, ..self.clone() }
    }

    /// The same platform for one request whose answer may be held open for so long; `None` where it leaves in one piece.
    #[must_use]
    pub fn with_hold_max(mut self, hold_max: Option<Duration>) -> Self {
        self.hold_max = hold_max;
        self
    }

    /// The same platform for one request that can run work after its answer.
    #[must_use]
    pub fn with_background(mut self, background: Arc<dyn Background>) -> Self {
        self.background = Some(background);
        self
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("exposure", &self.shared.exposure)
            .field("store", &self.shared.store.capabilities())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Puts a [`Platform`] together.
pub struct PlatformBuilder {
    shared: Shared,
    hold_max: Option<Duration>,
}

impl PlatformBuilder {
    /// Sets the HTTP client.
    #[must_use]
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.shared.fetch = fetch;
        self
    }

    /// Sets the external store.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.shared.store = store;
        self
    }

    /// Sets the store that [`Platform::strong_store`] is, where it is another one.
    #[must_use]
    pub fn strong_store(mut self, store: Arc<dyn Store>) -> Self {
        self.shared.strong_store = Some(store);
        self
    }

    /// Says that answers are sent while they are made, and may be held open for so long while there is nothing to
    /// send.
    #[must_use]
    pub fn hold_max(mut self, hold_max: Duration) -> Self {
        self.hold_max = Some(hold_max);
        self
    }

    /// Sets where settings and secrets come from.
    #[must_use]
    pub fn vars(mut self, vars: Arc<dyn Vars>) -> Self {
        self.shared.vars = vars;
        self
    }

    /// Sets where the server's own log goes.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.shared.log = log;
        self
    }

    /// Sets who does the work that is left when a request has been answered, where this platform cannot.
    #[must_use]
    pub fn delegate(mut self, delegate: Arc<dyn Delegate>) -> Self {
        self.shared.delegate = Some(delegate);
        self
    }

    /// Sets who knows that the instance is told to end, so that streams on which clients only wait are ended then.
    #[must_use]
    pub fn stopping(mut self, stopping: Arc<dyn Stopping>) -> Self {
        self.shared.stopping = Some(stopping);
        self
    }

    /// Sets where the server runs, which messages name; a program that runs once unless said otherwise.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.shared.host = host;
        self
    }

    /// Sets who can reach the server; [`Exposure::Public`] unless said otherwise.
    #[must_use]
    pub fn exposure(mut self, exposure: Exposure) -> Self {
        self.shared.exposure = exposure;
        self
    }

    /// The platform.
    pub fn build(self) -> Platform {
        let Self { shared, hold_max } = self;
        Platform { shared: Arc::new(shared), background: None, deadline: None, hold_max }
    }
}

impl fmt::Debug for PlatformBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformBuilder").finish_non_exhaustive()
    }
}

/// What a platform has where it was given nothing.
struct Nothing;

impl Fetch for Nothing {
    fn fetch(&self, _: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, FetchError>> {
        Box::pin(std::future::ready(Err(FetchError::Unavailable)))
    }
}

impl Vars for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

impl Log for Nothing {
    fn log(&self, _: LogLevel, _: &str) {}
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    /// The last moment of the year 9999, past which RFC 3339 has no years.
    const LAST: i64 = 253_402_300_799_999;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_moment_is_written_as_others_write_it(ms in prop_oneof![0..=LAST, 0..=10_000_000_000_000_i64]) {
            let moment = jiff::Timestamp::from_millisecond(ms).unwrap();
            let written = Timestamp::from_millis(ms.unsigned_abs()).to_rfc3339();
            prop_assert_eq!(&written, &format!("{moment:.3}"));
            prop_assert_eq!(written.parse::<jiff::Timestamp>().unwrap(), moment);
        }

        #[test]
        fn days_begin_and_end_where_others_have_them(day in 0..=LAST / 86_400_000) {
            for ms in [day * 86_400_000, day * 86_400_000 + 86_399_999] {
                let moment = jiff::Timestamp::from_millisecond(ms).unwrap();
                prop_assert_eq!(Timestamp::from_millis(ms.unsigned_abs()).to_rfc3339(), format!("{moment:.3}"));
            }
        }

        #[test]
        fn time_neither_wraps_nor_runs_backwards(ms: u64, by: u64) {
            let (moment, by) = (Timestamp::from_millis(ms), Duration::from_millis(by));
            prop_assert!(moment.after(by) >= moment);
            prop_assert!(moment.after(by).since(moment) <= by);
            prop_assert_eq!(moment.since(moment.after(by)), Duration::ZERO);
            prop_assert!(moment.as_secs_ceil() >= ms / 1000);
            let _ = moment.to_rfc3339();
        }
    }
}
