//! Counts a request where all instances see it, or in this one.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::algorithm::{Algorithm, Decision, millis, window_at};
use crate::{
    context::Context,
    error::Error,
    future::BoxFuture,
    platform::Platform,
    store::{Condition, Consistency, Entry, Key, StoreError, wrap::Lru},
};

/// How often a count is tried that others change at the same moment.
pub(super) const ATTEMPTS_MAX: u32 = 20;

/// What a client is told to wait for whose requests were too many at one moment to be counted.
const CONTENDED_WAIT: Duration = Duration::from_secs(1);

/// The most clients that [`RateLimiting::local`](super::RateLimiting::local) remembers, unless it is said otherwise.
pub const LOCAL_CLIENTS_MAX: usize = 10_000;

/// The most bytes of what is kept for one client: its key, three times, and a window's moments.
const CLIENT_BYTES_MAX: usize = 2 << 10;

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and was counted.
    Admitted,
    /// It may not, and another may after so long.
    Refused {
        /// What the client is told to wait.
        retry_after: Duration,
    },
}

/// Somebody else who counts requests: a platform's own rate limiter (`edgemcp_workers::RateLimit`), a gateway's, yours.
/// [`RateLimiting::by_limiter`](super::RateLimiting::by_limiter) asks it.
pub trait Limiter: Send + Sync {
    /// Counts one request of whomever `key` stands for, and says whether it may go on. A key is 43 characters of
    /// base64url: a digest, so that nobody learns from it whom it stands for.
    ///
    /// # Errors
    /// Where nobody can say; [`OnFailure`](super::OnFailure) decides then.
    fn limit<'a>(&'a self, cx: &'a Context, key: &'a str) -> BoxFuture<'a, Result<Verdict, Error>>;
}

/// Who counts.
pub(super) enum Counter {
    /// All instances together, in the store.
    Store(Algorithm),
    /// Each instance for itself.
    Local { algorithm: Algorithm, clients_max: usize, clients: Mutex<Lru> },
    /// Somebody else.
    Limiter(Box<dyn Limiter>),
}

impl Counter {
    pub(super) fn local(algorithm: Algorithm, clients_max: usize) -> Self {
        let clients = Mutex::new(Lru::new(clients_max, clients_max.saturating_mul(CLIENT_BYTES_MAX)));
        Self::Local { algorithm, clients_max, clients }
    }

    /// `None` where somebody else counts.
    pub(super) fn algorithm(&self) -> Option<&Algorithm> {
        match self {
            Self::Store(algorithm) | Self::Local { algorithm, .. } => Some(algorithm),
            Self::Limiter(_) => None,
        }
    }

    pub(super) fn algorithm_mut(&mut self) -> Option<&mut Algorithm> {
        match self {
            Self::Store(algorithm) | Self::Local { algorithm, .. } => Some(algorithm),
            Self::Limiter(_) => None,
        }
    }

    /// Counts one request under `key`.
    ///
    /// # Errors
    /// Where the store, or whoever else counts, fails.
    pub(super) async fn count(&self, cx: &Context, key: &Key) -> Result<Verdict, Error> {
        match self {
            Self::Store(algorithm) => Ok(in_store(algorithm, cx.platform(), key).await?),
            Self::Local { algorithm, clients, .. } => {
                let now = cx.now();
                // Nothing leaves it half-written.
                let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
                let known = clients.get(key, now).flatten();
                Ok(match algorithm.decide(known.as_ref().map(|entry| &*entry.value), now) {
                    Decision::Refuse { retry_after } => Verdict::Refused { retry_after },
                    Decision::Admit { state, ttl } => {
                        let end = now.after(ttl);
                        clients.insert(key, Some(Entry { value: state, expires_at: Some(end) }), end);
                        Verdict::Admitted
                    }
                })
            }
            Self::Limiter(limiter) => limiter.limit(cx, key.partition().id()).await,
        }
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(algorithm) => f.debug_tuple("Store").field(algorithm).finish(),
            Self::Local { algorithm, clients_max, .. } => {
                f.debug_tuple("Local").field(algorithm).field(clients_max).finish()
            }
            Self::Limiter(_) => f.write_str("Limiter"),
        }
    }
}

/// Counts in the store, so that of several instances no two take the same place.
async fn in_store(algorithm: &Algorithm, platform: &Platform, key: &Key) -> Result<Verdict, StoreError> {
    let store = platform.strong_store();
    if let Algorithm::FixedWindow { requests, window } = *algorithm {
        let (number, left) = window_at(millis(window), platform.now());
        let key = key.partition().item(number.to_string())?;
        let count = store.increment(&key, 1, Some(left)).await?;
        return Ok(match count <= requests.into() {
            true => Verdict::Admitted,
            false => Verdict::Refused { retry_after: left },
        });
    }
    for attempt in 0..ATTEMPTS_MAX {
        // What was kept earlier never refuses what is kept now would admit, and is never written over, so the cheaper read
        // will do, until it has turned out to be late.
        let consistency = match attempt {
            0 => Consistency::Eventual,
            _ => Consistency::Strong,
        };
        if attempt > 0 {
            pause(platform, attempt).await;
        }
        let found = store.get(key, consistency).await?.map(|entry| entry.value);
        match algorithm.decide(found.as_deref(), platform.now()) {
            Decision::Refuse { retry_after } => return Ok(Verdict::Refused { retry_after }),
            Decision::Admit { state, ttl } => {
                let condition = found.map_or(Condition::Absent, Condition::Equals);
                if store.put_if(key, state, Some(ttl), condition).await? {
                    return Ok(Verdict::Admitted);
                }
            }
        }
    }
    // Somebody else's request was counted in each of these attempts, so there is more than the store can count.
    Ok(Verdict::Refused { retry_after: CONTENDED_WAIT })
}

/// Waits for a while that differs from what others wait, and grows up to 256 ms, so that requests which came at the same
/// moment do not meet again and again.
async fn pause(platform: &Platform, attempt: u32) {
    let longest_ms = 1_u64 << attempt.min(8);
    let mut drawn = [0; 4];
    // Without randomness all wait alike, which is worse and not wrong.
    let _ = platform.random().fill(&mut drawn);
    let ms = u64::from(u32::from_le_bytes(drawn)) % longest_ms;
    platform.sleep(Duration::from_millis(ms)).await;
}
