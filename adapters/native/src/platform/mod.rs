//! Puts together what a server may ask of this machine.

mod background;
mod clock;
mod dotenv;
mod fetch;
mod log;
mod random;
mod seal_key;
mod stopping;
mod vars;

use std::{sync::Arc, time::Duration};

use edgemcp::{
    platform::{Background, Clock, Exposure, Fetch, Host, Instances, Log, Platform, Random, Stopping, Vars},
    store::Store,
};

use self::seal_key::WithSealKey;
pub use self::{
    background::TokioBackground,
    clock::SystemClock,
    fetch::{FETCH_BYTES_MAX, FETCH_TIME_MAX, HttpFetch},
    log::StderrLog,
    random::OsRandom,
    seal_key::SealKey,
    stopping::StopSignal,
    vars::{ENV_FILE_BYTES_MAX, EnvFileError, EnvFiles, EnvVars},
};
use crate::store::SqliteStore;

/// How long an answer's stream is held open while there is nothing to send. It is long for a person to think, and what
/// was asked can be asked again.
pub const HOLD_MAX: Duration = Duration::from_secs(60 * 60);

const HOST: Host = Host {
    name: "this machine",
    instances: Instances::One,
    stores: "leave out `--store` for an SQLite file, or name a `redis://` server",
};

/// This machine as an edgemcp [`Platform`].
///
/// [`run`](crate::run()) makes one from the command line. Make one yourself to nest a server in an application of your
/// own, or to test it.
///
/// ```no_run
/// use edgemcp::platform::Platform;
/// use edgemcp_native::NativePlatform;
///
/// // The store is the SQLite file in this user's data folder that `cargo run` of "calculator" uses too.
/// let platform: Platform = NativePlatform::builder("calculator").build();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NativePlatform;

impl NativePlatform {
    /// Starts a platform for the server `name`, which decides where the default store is kept.
    pub fn builder(name: impl Into<String>) -> NativePlatformBuilder {
        NativePlatformBuilder {
            name: name.into(),
            clock: None,
            random: None,
            fetch: None,
            store: None,
            vars: None,
            log: None,
            background: None,
            stopping: None,
            seal_key: None,
            exposure: Exposure::Public,
        }
    }
}

/// Puts a [`NativePlatform`] together; what is not set is this machine's own.
#[derive(Clone)]
#[must_use]
pub struct NativePlatformBuilder {
    name: String,
    clock: Option<Arc<dyn Clock>>,
    random: Option<Arc<dyn Random>>,
    fetch: Option<Arc<dyn Fetch>>,
    store: Option<Arc<dyn Store>>,
    vars: Option<Arc<dyn Vars>>,
    log: Option<Arc<dyn Log>>,
    background: Option<Arc<dyn Background>>,
    stopping: Option<Arc<dyn Stopping>>,
    seal_key: Option<SealKey>,
    exposure: Exposure,
}

impl NativePlatformBuilder {
    /// Sets the clock; [`SystemClock`] unless said otherwise.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the randomness; [`OsRandom`] unless said otherwise.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = Some(random);
        self
    }

    /// Sets the HTTP client; [`HttpFetch`] unless said otherwise.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Sets the store; unless said otherwise the [`SqliteStore`] in this user's data folder, which is opened on
    /// first use.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the settings; [`EnvVars`] unless said otherwise. No file is read unless they are [`EnvFiles`].
    pub fn vars(mut self, vars: Arc<dyn Vars>) -> Self {
        self.vars = Some(vars);
        self
    }

    /// Sets the log; unless said otherwise a [`StderrLog`] as the variables `EDGEMCP_LOG` and `EDGEMCP_LOG_FORMAT` set it.
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// Sets what runs background work; [`TokioBackground`] unless said otherwise. Keep a handle of it to await that
    /// work before the process ends.
    pub fn background(mut self, background: Arc<dyn Background>) -> Self {
        self.background = Some(background);
        self
    }

    /// Sets who knows that the process is told to end, such as a [`StopSignal`]; nobody unless said otherwise. Streams on
    /// which clients only wait are ended then.
    pub fn stopping(mut self, stopping: Arc<dyn Stopping>) -> Self {
        self.stopping = Some(stopping);
        self
    }

    /// Sets where the key is kept that seals sessions and states where none is set ([`SEAL_KEYS`](edgemcp::SEAL_KEYS)).
    /// Unless said otherwise it is in the file `seal.key` beside the default store, and in memory where the store is
    /// another one.
    pub fn seal_key(mut self, seal_key: SealKey) -> Self {
        self.seal_key = Some(seal_key);
        self
    }

    /// Sets who can reach the server; [`Exposure::Public`] unless said otherwise. A server that listens on loopback
    /// only should say so, since its `Host` header is checked then.
    pub fn exposure(mut self, exposure: Exposure) -> Self {
        self.exposure = exposure;
        self
    }

    /// The platform. Nothing is opened or connected yet.
    #[must_use]
    pub fn build(self) -> Platform {
        let vars = self.vars.unwrap_or_else(|| Arc::new(EnvVars));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let log = self.log.unwrap_or_else(|| Arc::new(StderrLog::from_vars(&*vars, clock.clone())));
        let random = self.random.unwrap_or_else(|| Arc::new(OsRandom));
        let seal_key = self.seal_key.unwrap_or_else(|| match &self.store {
            None => SealKey::beside_default_store(&self.name),
            Some(_) => SealKey::Memory,
        });
        let vars = WithSealKey::new(vars, random.clone(), log.clone(), seal_key);
        let store =
            self.store.unwrap_or_else(|| Arc::new(SqliteStore::open_default(&self.name, clock.clone())));
        let mut platform = Platform::builder(clock, random)
            .fetch(self.fetch.unwrap_or_else(|| Arc::new(HttpFetch::new())))
            .store(store)
            .vars(Arc::new(vars))
            .hold_max(HOLD_MAX)
            .log(log)
            .exposure(self.exposure)
            .host(HOST);
        if let Some(stopping) = self.stopping {
            platform = platform.stopping(stopping);
        }
        platform.build().with_background(self.background.unwrap_or_else(|| Arc::new(TokioBackground::new())))
    }
}

impl std::fmt::Debug for NativePlatformBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativePlatformBuilder")
            .field("name", &self.name)
            .field("exposure", &self.exposure)
            .finish_non_exhaustive()
    }
}
