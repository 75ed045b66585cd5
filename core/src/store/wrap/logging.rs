//! Writes a line for each operation.

use std::{fmt, sync::Arc};

use super::around::{About, Around, Operation, Outcome, around};
use crate::{
    future::BoxFuture,
    platform::{Clock, Log, LogLevel},
    seal::fingerprint,
    store::{Partition, Store, StoreError},
};

/// A store that writes a line to the log for each operation: at [`Debug`](LogLevel::Debug) what it came to, at
/// [`Warning`](LogLevel::Warning) that it failed, and the [kind](StoreError::kind) of its error.
///
/// A line names the operation, the collection, a fingerprint of the rest of the key, what was found, the bytes, and how
/// long it took. It has nothing of a value, and not the key itself, which may be a session's id or another secret; lines
/// on the same entry have the same fingerprint. What it can do is what the store below can.
///
/// ```
/// # use edgemcp::{platform::Platform, store::wrap::Logging};
/// # fn example(platform: &Platform) -> Logging {
/// Logging::new(platform.store().clone(), platform.clock().clone(), platform.log_sink().clone())
/// # }
/// ```
pub struct Logging {
    below: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
}

impl Logging {
    /// It writes a line to `log` for each operation on `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, log: Arc<dyn Log>) -> Self {
        Self { below: store, clock, log }
    }
}

impl Around for Logging {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn around<'a, T: Outcome + 'a>(
        &'a self,
        operation: Operation<'a>,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            let begun = self.clock.now();
            let done = call().await;
            let took = self.clock.now().since(begun).as_millis();
            let what = format!("store {} {}", operation.name, about(&operation));
            match &done {
                Ok(outcome) => {
                    let read = outcome.read();
                    let (hits, misses, bytes) = (read.hits, read.misses, read.bytes);
                    let written = operation.bytes_written;
                    self.log.log(
                        LogLevel::Debug,
                        &format!(
                            "{what}: {hits} found, {misses} not, {bytes} bytes read, {written} written, {took} ms"
                        ),
                    );
                }
                Err(error) => {
                    let kind = error.kind();
                    self.log.log(LogLevel::Warning, &format!("{what}: failed after {took} ms ({kind:?})"));
                }
            }
            done
        })
    }
}

around!(Logging);

fn about(operation: &Operation<'_>) -> String {
    match operation.about {
        About::Key(key) => {
            format!("{}/{}", key.partition().collection(), short(&key.to_string()))
        }
        About::Keys(count) => format!("{count} keys"),
        About::Partition(partition) => partition_of(partition),
    }
}

fn partition_of(partition: &Partition) -> String {
    format!("{}/{}", partition.collection(), short(&partition.to_string()))
}

/// Enough to tell entries apart by.
fn short(text: &str) -> String {
    fingerprint(text.as_bytes()).chars().take(8).collect()
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("store", &self.below.capabilities()).finish_non_exhaustive()
    }
}
