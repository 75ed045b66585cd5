//! Runs work that goes on after the answer, and waits for it when the process ends.

use std::time::Duration;

use edgemcp::{future::BoxFuture, platform::Background};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Background work on the tokio runtime that the request runs on.
///
/// Outside of a runtime there is nothing to run the work on, so it is dropped.
#[derive(Clone, Debug, Default)]
pub struct TokioBackground(TaskTracker);

impl TokioBackground {
    /// Nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much work is under way.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no work is under way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until all work has ended, but no longer than `time_max`, and says whether it has.
    pub async fn finished(&self, time_max: Duration) -> bool {
        self.0.close();
        tokio::time::timeout(time_max, self.0.wait()).await.is_ok()
    }
}

impl Background for TokioBackground {
    fn run(&self, work: BoxFuture<'static, ()>) {
        if let Ok(runtime) = Handle::try_current() {
            self.0.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn waiting_ends_with_the_work() {
        let background = TokioBackground::new();
        let (go, gate) = oneshot::channel::<()>();
        background.run(Box::pin(async move {
            let _ = gate.await;
        }));
        assert_eq!(background.len(), 1);
        assert!(!background.finished(Duration::from_millis(5)).await, "the work still waits at its gate");
        go.send(()).unwrap();
        assert!(background.finished(Duration::from_secs(10)).await);
        assert!(background.is_empty());
    }

    #[tokio::test]
    async fn work_that_panics_has_ended_too() {
        let background = TokioBackground::new();
        background.run(Box::pin(async { panic!("on purpose") }));
        assert!(background.finished(Duration::from_secs(10)).await);
    }

    #[test]
    fn without_a_runtime_work_is_dropped_and_nothing_panics() {
        let background = TokioBackground::new();
        background.run(Box::pin(async {}));
        assert!(background.is_empty());
    }
}
