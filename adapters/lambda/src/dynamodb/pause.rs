//! How long to wait before DynamoDB is asked again, and how often.

use std::time::Duration;

use edgemcp::{
    platform::Clock,
    store::{StoreError, StoreErrorKind},
};

/// The first pause between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often a write that must not be sent twice is sent in all, where DynamoDB says that it did not happen.
pub(super) const THROTTLED_ATTEMPTS_MAX: u32 = 3;

/// How often what DynamoDB left of a batch is asked for in all, where nothing of it gets done; and how often a
/// transaction, or a write that meets one, is sent that others are in the way of. With all pauses that is below four
/// seconds.
pub(super) const LEFT_ATTEMPTS_MAX: u32 = 8;

/// The pauses between the attempts of one request: each twice as long as the one before, less up to half of it at
/// random, so that those who were turned away together do not come back together.
pub(super) struct Pauses<'a> {
    clock: &'a dyn Clock,
    attempts_max: u32,
    attempts_left: u32,
    next: Duration,
}

impl<'a> Pauses<'a> {
    pub(super) fn new(clock: &'a dyn Clock, attempts_max: u32) -> Self {
        Self { clock, attempts_max, attempts_left: attempts_max.saturating_sub(1), next: PAUSE }
    }

    /// Counts from the beginning, where an attempt came further.
    pub(super) fn begin_again(&mut self) {
        *self = Self::new(self.clock, self.attempts_max);
    }

    /// Waits before another attempt where DynamoDB was asked for too much, or hands the error back. It did not carry
    /// out what it throttled.
    pub(super) async fn if_throttled(&mut self, error: StoreError) -> Result<(), StoreError> {
        match error.kind() {
            StoreErrorKind::Throttled => self.wait(error).await,
            _ => Err(error),
        }
    }

    /// Waits before another attempt, or hands the error back where there is to be none.
    pub(super) async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if self.attempts_left == 0 {
            return Err(error);
        }
        self.attempts_left -= 1;
        self.clock.sleep(jittered(self.next)).await;
        self.next = self.next.saturating_mul(2).min(PAUSE_MAX);
        Ok(())
    }
}

/// From half of `pause` to all of it.
fn jittered(pause: Duration) -> Duration {
    // Without randomness it is the whole pause, which is only less polite.
    let drawn = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(drawn) / f64::from(u32::MAX))
}
