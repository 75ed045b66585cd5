//! Sends a command as often as it may be sent, within the time an operation has.

use std::{sync::Arc, time::Duration};

use edgemcp::{
    platform::{Clock, Timestamp},
    store::{StoreError, StoreErrorKind},
};
use redis::{Cmd, Value};
use std::sync::Mutex;
use tokio::time::timeout;

use crate::{
    config::RedisConfig,
    connection::{Node, Shared, To},
    error::Failure,
    script::Script,
};

/// How often an operation is tried.
const ATTEMPTS_MAX: u32 = 3;

/// The longest first pause between two attempts; each further one is twice as long. A pause is cut at random, to half of
/// it at the most, so that many instances do not come back at the same moment.
const BACKOFF: Duration = Duration::from_millis(50);

/// After how long without an operation a connection is tried before something is sent that must not be sent twice: what
/// lies between a server and its Redis forgets idle connections, and a function that was frozen does not hear of it.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Whether a command may be sent again when nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Doing it twice is as doing it once.
    Again,
    /// Only where it is known that it was not done.
    Once,
}

/// A Redis, as a store's operations use it.
pub(crate) struct RedisClient {
    shared: Shared,
    clock: Arc<dyn Clock>,
    used_at: Mutex<Option<Timestamp>>,
}

impl RedisClient {
    pub(crate) fn new(config: RedisConfig, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Shared::new(config), clock, used_at: Mutex::new(None) }
    }

    pub(crate) fn config(&self) -> &RedisConfig {
        self.shared.config()
    }

    /// Sends a command that changes nothing.
    pub(crate) async fn ask(&self, operation: &'static str, command: &Cmd) -> Result<Value, StoreError> {
        let attempt = || self.shared.send(operation, command, To::Keys, self.attempt_timeout());
        self.within(operation, self.repeat(Sent::Again, attempt)).await
    }

    /// Sends one to `node`, where there are several.
    pub(crate) async fn ask_node(
        &self,
        operation: &'static str,
        command: &Cmd,
        node: Option<&Node>,
    ) -> Result<Value, StoreError> {
        let to = || node.map_or(To::Keys, To::Node);
        let attempt = || self.shared.send(operation, command, to(), self.attempt_timeout());
        self.within(operation, self.repeat(Sent::Again, attempt)).await
    }

    /// The nodes to be asked one by one.
    pub(crate) async fn primaries(&self, operation: &'static str) -> Result<Vec<Node>, StoreError> {
        let attempt = || self.shared.primaries(operation, self.attempt_timeout());
        self.within(operation, self.repeat(Sent::Again, attempt)).await
    }

    /// Runs `script` on `keys`, of which there is one at least.
    pub(crate) async fn run(
        &self,
        operation: &'static str,
        script: &Script,
        sent: Sent,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<Value, StoreError> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let by_hash = command("EVALSHA", &script.hash);
        let attempt = || async {
            let limit = self.attempt_timeout();
            match self.shared.send(operation, &by_hash, To::Keys, limit).await {
                // Redis forgets its scripts when it starts, and when it is told to.
                Err(failure) if failure.is_unknown_script => {
                    self.shared.send(operation, &command("EVAL", script.code), To::Keys, limit).await
                }
                sent => sent,
            }
        };
        let work = async {
            if sent == Sent::Once && self.was_idle() {
                let mut probe = redis::cmd("EXISTS");
                probe.arg(keys.first());
                let probe = || self.shared.send(operation, &probe, To::Keys, self.attempt_timeout());
                self.repeat(Sent::Again, probe).await?;
            }
            self.repeat(sent, attempt).await
        };
        self.within(operation, work).await
    }

    /// So that there is time for another attempt after one that was not answered.
    fn attempt_timeout(&self) -> Duration {
        self.config().operation_timeout / 2
    }

    async fn within<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.config().operation_timeout;
        timeout(limit, work).await.unwrap_or_else(|_| {
            let detail = format!("it was not done by {} within {limit:?}", self.config());
            Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
        })
    }

    async fn repeat<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        sent: Sent,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let mut pause = BACKOFF;
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            let Failure { error, nothing_done, .. } = match attempt().await {
                Ok(answer) => {
                    self.note_use();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let may_send = error.is_retryable() && (nothing_done || sent == Sent::Again);
            if attempts_left == 0 || !may_send {
                return Err(error);
            }
            self.clock.sleep(cut(pause)).await;
            pause = pause.saturating_mul(2);
        }
    }

    fn note_use(&self) {
        *lock(&self.used_at) = Some(self.clock.now());
    }

    fn was_idle(&self) -> bool {
        lock(&self.used_at).is_some_and(|used_at| self.clock.now().since(used_at) > IDLE_MAX)
    }
}

/// Between half of `pause` and all of it.
fn cut(pause: Duration) -> Duration {
    // Without randomness every pause is the longest.
    let share = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
