//! Opens the store that a URL names, for programs whose user says at start which store that is.

use std::{fmt, sync::Arc};

use super::{Store, StoreError};
use crate::platform::Clock;

type Open = dyn Fn(&str, Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> + Send + Sync;

/// A kind of store that a program can be told to use, by URL: its schemes, and how it is opened.
///
/// The crate of such a store has one ready to hand to the adapter that runs the program.
///
/// ```
/// # use std::sync::Arc;
/// use edgemcp::store::{MemoryStore, StoreOpener};
///
/// let opener = StoreOpener::new(&["scratch"], |_url, clock| Ok(Arc::new(MemoryStore::new(clock))));
/// assert!(opener.opens("scratch://anything"));
/// ```
#[derive(Clone)]
pub struct StoreOpener {
    schemes: &'static [&'static str],
    open: Arc<Open>,
}

impl StoreOpener {
    /// Opens URLs that begin with one of `schemes` (each without `://`) with `open`, which is given the whole URL and
    /// the clock that the store is to go by. It connects to nothing: that is for the first operation.
    pub fn new(
        schemes: &'static [&'static str],
        open: impl Fn(&str, Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self { schemes, open: Arc::new(open) }
    }

    /// The schemes of its URLs.
    pub fn schemes(&self) -> &'static [&'static str] {
        self.schemes
    }

    /// Whether `url` is one of its own.
    pub fn opens(&self, url: &str) -> bool {
        url.split_once("://").is_some_and(|(scheme, _)| self.schemes.contains(&scheme))
    }

    /// The store at `url`.
    ///
    /// # Errors
    /// Where the URL cannot be meant. The text has none of its secrets.
    pub fn open(&self, url: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
        (self.open)(url, clock)
    }
}

impl fmt::Debug for StoreOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOpener").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}
