//! Tries a call again that may succeed later: how often, how long between, for which errors, and until when.
//!
//! It is for a handler's own calls, to an API that is down for a moment or asks for patience. The store's own
//! operations have [`store::wrap::Retry`](crate::store::wrap::Retry), which waits the same way.

use std::time::Duration;

use crate::platform::{Clock, Platform, Random, Timestamp};

/// How long to wait before a call is tried again: longer each time, and never as long as the others who wait.
///
/// The `n`th wait is drawn evenly from nothing up to `first · 2ⁿ⁻¹` ([`multiplier`](Self::multiplier) sets another base
/// than 2), and up to `max` at the most. Callers who failed
/// together are thereby spread over the time, instead of coming back together.
///
/// # Source
/// "Full jitter" in [Exponential Backoff and Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::retry::Backoff;
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// assert_eq!(backoff.longest(1), Duration::from_millis(100));
/// assert_eq!(backoff.longest(4), Duration::from_millis(800));
/// assert_eq!(backoff.longest(40), Duration::from_secs(5));
/// assert_eq!(backoff.multiplier(3).longest(3), Duration::from_millis(900));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    multiplier: u32,
}

impl Backoff {
    /// The first wait is `first` at the most, and none is more than `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, multiplier: 2 }
    }

    /// Sets how many times as long each wait can be as the one before; 1 is the least.
    #[must_use]
    pub const fn multiplier(mut self, multiplier: u32) -> Self {
        self.multiplier = if multiplier == 0 { 1 } else { multiplier };
        self
    }

    /// The longest that the `n`th wait can be, the first one being 1.
    pub fn longest(&self, n: u32) -> Duration {
        let factor = self.multiplier.checked_pow(n.saturating_sub(1));
        let longest = factor.and_then(|factor| self.first.checked_mul(factor));
        longest.map_or(self.max, |longest| longest.min(self.max))
    }

    /// The `n`th wait, the first one being 1. Where there is no randomness it is the longest.
    pub fn wait(&self, n: u32, random: &dyn Random) -> Duration {
        let mut share = [0; 8];
        // What is drawn is no secret: without it callers only come back together.
        match random.fill(&mut share) {
            Ok(()) => part(self.longest(n), u64::from_le_bytes(share)),
            Err(_) => self.longest(n),
        }
    }
}

/// 100 ms at first, and 5 s at the most.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

/// So many 2⁶⁴ths of `whole`.
fn part(whole: Duration, share: u64) -> Duration {
    let share = u128::from(share);
    // In two halves, since all nanoseconds that a duration can have, times 2⁶⁴, are more than a u128 holds.
    let (high, low) = (whole.as_nanos() >> 32, whole.as_nanos() & 0xffff_ffff);
    let nanos = ((high * share) >> 32) + ((low * share) >> 64);
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or(0))
}

/// Says which errors are worth another try. Any `Fn(&E) -> bool` does.
pub trait Judge<E> {
    /// Whether the same call may succeed later.
    fn is_retryable(&self, error: &E) -> bool;
}

impl<E, F: Fn(&E) -> bool> Judge<E> for F {
    fn is_retryable(&self, error: &E) -> bool {
        self(error)
    }
}

/// Takes every error for one that is worth another try.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryError;

impl<E> Judge<E> for EveryError {
    fn is_retryable(&self, _: &E) -> bool {
        true
    }
}

/// Tries a call again that may succeed later.
///
/// A call is tried three times unless it is said otherwise, with the default [`Backoff`] between, whatever its error.
/// No try begins after [`Platform::deadline`], nor after [`within`](Self::within): where the wait would end past it, the
/// last error is returned at once. A try that has begun is not cut.
///
/// Only retry what may happen twice. A call whose answer is lost has been made all the same; a payment, say, needs a key
/// that its receiver recognises it by.
///
/// ```
/// use std::time::Duration;
///
/// use edgemcp::{
///     prelude::*,
///     platform::FetchError,
///     retry::{Backoff, Retry},
/// };
///
/// /// Look up the weather.
/// #[tool]
/// async fn weather(cx: &Context, city: String) -> Result<String, ToolError> {
///     let url = format!("https://weather.example/{city}");
///     let answer = Retry::new()
///         .attempts(4)
///         .backoff(Backoff::new(Duration::from_millis(200), Duration::from_secs(2)))
///         .within(Duration::from_secs(10))
///         .when(|error: &FetchError| matches!(error, FetchError::Connection(_) | FetchError::Timeout(_)))
///         .run(cx.platform(), async || {
///             let request = http::Request::get(&url).body(Default::default());
///             cx.platform().fetch().fetch(request.map_err(|error| FetchError::Address(error.to_string()))?).await
///         })
///         .await?;
///     Ok(String::from_utf8_lossy(answer.body()).into_owned())
/// }
/// # assert!(Server::new("weather", "1").tool(weather::tool()).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Retry<J = EveryError> {
    attempts: u32,
    backoff: Backoff,
    within: Option<Duration>,
    judge: J,
}

impl Retry {
    /// Three tries, the default [`Backoff`], every error.
    pub fn new() -> Self {
        Self { attempts: 3, backoff: Backoff::default(), within: None, judge: EveryError }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl<J> Retry<J> {
    /// How often the call is tried at the most, the first time included. Once is the least.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long it waits between.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long after the first try another may begin. [`Platform::deadline`] holds all the same.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Which errors are worth another try; any other is returned at once.
    #[must_use]
    pub fn when<K>(self, judge: K) -> Retry<K> {
        let Self { attempts, backoff, within, judge: _ } = self;
        Retry { attempts, backoff, within, judge }
    }

    /// What `call` comes to.
    ///
    /// # Errors
    /// That of the last try.
    pub async fn run<T, E, F>(&self, platform: &Platform, call: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Judge<E>,
    {
        let (clock, random) = (&**platform.clock(), platform.random());
        let on = On { clock, random, deadline: platform.deadline() };
        self.run_on(on, call).await
    }

    pub(crate) async fn run_on<T, E, F>(&self, on: On<'_>, mut call: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Judge<E>,
    {
        let own_end = self.within.map(|within| on.clock.now().after(within));
        let end = own_end.into_iter().chain(on.deadline).min();
        let mut tried = 1;
        loop {
            let error = match call().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if tried >= self.attempts || !self.judge.is_retryable(&error) {
                return Err(error);
            }
            let wait = self.backoff.wait(tried, on.random);
            if end.is_some_and(|end| on.clock.now().after(wait) >= end) {
                return Err(error);
            }
            on.clock.sleep(wait).await;
            tried += 1;
        }
    }
}

/// What waiting needs.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) deadline: Option<Timestamp>,
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{Drawn, config};

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_wait_is_never_longer_than_the_longest_nor_than_the_one_after_it(
            first: u64, max: u64, multiplier in 0..20_u32, n in 1..200_u32, drawn: u64,
        ) {
            let (first, max) = (Duration::from_nanos(first), Duration::from_nanos(max));
            let backoff = Backoff::new(first, max).multiplier(multiplier);
            prop_assert!(backoff.wait(n, &Drawn(drawn)) <= backoff.longest(n));
            prop_assert!(backoff.longest(n) <= max);
            prop_assert!(backoff.longest(n) <= backoff.longest(n + 1));
            prop_assert_eq!(backoff.longest(1), first.min(max));
        }

        #[test]
        fn a_share_is_what_it_says(seconds: u64, nanos in 0..1_000_000_000_u32, share: u64) {
            let whole = Duration::new(seconds, nanos);
            prop_assert_eq!(part(whole, 0), Duration::ZERO);
            prop_assert!(part(whole, share) <= whole);
            prop_assert!(part(whole, share) <= part(whole, share.saturating_add(1)));
            // Within the two nanoseconds that are rounded away.
            prop_assert!((whole / 2).saturating_sub(part(whole, 1 << 63)) <= Duration::from_nanos(2));
        }
    }
}
