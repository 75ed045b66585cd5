//! Tells a platform that the process is to end.

use edgemcp::{future::BoxFuture, platform::Stopping};
use tokio_util::sync::CancellationToken;

/// A signal that the process is to end: whoever hears of it first calls [`stop`](Self::stop), and streams on which
/// clients only wait for changes are ended. Clones are the same signal.
///
/// ```
/// # use std::sync::Arc;
/// use edgemcp_native::{NativePlatform, StopSignal};
///
/// let signal = StopSignal::new();
/// let platform = NativePlatform::builder("calculator").stopping(Arc::new(signal.clone())).build();
/// // … once the process is told to end:
/// signal.stop();
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopSignal(CancellationToken);

impl StopSignal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it. Once is enough.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Stopping for StopSignal {
    fn stopping(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.0.clone().cancelled_owned())
    }
}
