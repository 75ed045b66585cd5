//! Gives every operation its time.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{Either, select};

use super::around::{Around, Operation, Outcome, around};
use crate::{
    future::BoxFuture,
    platform::Clock,
    store::{Store, StoreError, StoreErrorKind},
};

/// A store whose every operation answers within its time, or fails as [`Unavailable`](StoreErrorKind::Unavailable).
///
/// What is not waited for any longer may happen all the same: a write that timed out is written or not, which is why
/// [`Retry`](super::Retry) repeats only what may happen twice. Of a [`watch`](Store::watch) only the beginning is timed.
/// What it can do is what the store below can.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use edgemcp::{platform::Platform, store::wrap::Timeout};
/// # fn example(platform: &Platform) -> Timeout {
/// Timeout::new(platform.store().clone(), Duration::from_secs(2), platform.clock().clone())
/// # }
/// ```
pub struct Timeout {
    below: Arc<dyn Store>,
    after: Duration,
    clock: Arc<dyn Clock>,
}

impl Timeout {
    /// It waits for each operation of `store` so long.
    pub fn new(store: Arc<dyn Store>, after: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { below: store, after, clock }
    }
}

impl Around for Timeout {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn around<'a, T: Outcome + 'a>(
        &'a self,
        operation: Operation<'a>,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            match select(call(), self.clock.sleep(self.after)).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => {
                    let detail =
                        format!("{} did not answer within {:?}", self.below.capabilities().name, self.after);
                    Err(StoreError::new(StoreErrorKind::Unavailable, operation.name, detail))
                }
            }
        })
    }
}

around!(Timeout);

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("store", &self.below.capabilities())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
