//! Tries an operation again where the store may answer later, and where twice is as good as once.

use std::{fmt, sync::Arc};

use super::around::{Around, Operation, Outcome, around};
use crate::{
    future::BoxFuture,
    platform::{Clock, Random},
    retry::{self, Backoff, On},
    store::{Store, StoreError, StoreErrorKind},
};

/// A store whose operations are tried again after an error that [is worth it](StoreError::is_retryable).
///
/// An operation is tried three times at the most unless it is said otherwise, with a [`Backoff`] between. What comes to
/// something else when it is done twice ([`take`](Store::take), [`put_if`](Store::put_if),
/// [`increment`](Store::increment), [`transact`](Store::transact)) is tried again only where the store said that nothing
/// happened ([`Throttled`](StoreErrorKind::Throttled)): after any other error it may have happened, and the caller must
/// decide.
///
/// A [`put`](Store::put) or [`delete`](Store::delete) that is tried again may come after another caller's later write,
/// and then stays in its place, as one that took its time on the network would.
/// What it can do is what the store below can.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use edgemcp::{platform::Platform, retry::Backoff, store::wrap::Retry};
/// # fn example(platform: &Platform) -> Retry {
/// Retry::new(platform.store().clone(), platform.clock().clone(), platform.random_source().clone())
///     .attempts(5)
///     .backoff(Backoff::new(Duration::from_millis(20), Duration::from_secs(1)))
/// # }
/// ```
pub struct Retry {
    below: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    retry: retry::Retry,
}

impl Retry {
    /// It tries each operation of `store` three times at the most.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { below: store, clock, random, retry: retry::Retry::new() }
    }

    /// How often an operation is tried at the most, the first time included.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry = self.retry.attempts(attempts);
        self
    }

    /// How long it waits between.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry = self.retry.backoff(backoff);
        self
    }
}

impl Around for Retry {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn around<'a, T: Outcome + 'a>(
        &'a self,
        operation: Operation<'a>,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let is_worth_it = move |error: &StoreError| match operation.is_repeatable {
            true => error.is_retryable(),
            false => error.kind() == StoreErrorKind::Throttled,
        };
        let retry = self.retry.when(is_worth_it);
        Box::pin(async move {
            let on = On { clock: &*self.clock, random: &*self.random, deadline: None };
            retry.run_on(on, call).await
        })
    }
}

around!(Retry);

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("store", &self.below.capabilities())
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
