//! Counts how often a cache had the answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What can be answered from a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CachedMethod {
    /// `tools/list`
    ListTools,
    /// `resources/list`
    ListResources,
    /// `resources/templates/list`
    ListResourceTemplates,
    /// `prompts/list`
    ListPrompts,
    /// `tools/call`
    CallTool,
    /// `resources/read`
    ReadResource,
    /// `prompts/get`
    GetPrompt,
}

impl CachedMethod {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ListTools,
        Self::ListResources,
        Self::ListResourceTemplates,
        Self::ListPrompts,
        Self::CallTool,
        Self::ReadResource,
        Self::GetPrompt,
    ];

    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ListTools => "tools/list",
            Self::ListResources => "resources/list",
            Self::ListResourceTemplates => "resources/templates/list",
            Self::ListPrompts => "prompts/list",
            Self::CallTool => "tools/call",
            Self::ReadResource => "resources/read",
            Self::GetPrompt => "prompts/get",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn is_list(self) -> bool {
        matches!(
            self,
            Self::ListTools | Self::ListResources | Self::ListResourceTemplates | Self::ListPrompts
        )
    }

    /// FastMCP's.
    pub(super) const fn ttl(self) -> Duration {
        if self.is_list() { Duration::from_secs(300) } else { Duration::from_secs(3600) }
    }
}

/// What a cache has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Requests that were answered from the cache.
    pub hits: u64,
    /// Requests that might have been, and were not there.
    pub misses: u64,
    /// Responses that were kept.
    pub stored: u64,
    /// Responses that were too large to be kept.
    pub too_large: u64,
}

/// How often a [`ResponseCaching`](super::ResponseCaching) had the answer, in this instance since it began. Clones are the
/// same counts.
///
/// ```
/// # use edgemcp::{middleware::{CachedMethod, ResponseCaching}, prelude::*};
/// let caching = ResponseCaching::new();
/// let statistics = caching.statistics();
/// let server = Server::new("rates", "1.0.0").middleware(caching);
/// // … and later, where the server reports on itself:
/// let counts = statistics.of(CachedMethod::CallTool);
/// assert_eq!((counts.hits, counts.misses), (0, 0));
/// ```
#[derive(Clone, Default)]
pub struct CacheStatistics(Arc<[Counters; CachedMethod::ALL.len()]>);

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    too_large: AtomicU64,
}

/// What happens to a request or its response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Hit,
    Miss,
    Stored,
    TooLarge,
}

impl CacheStatistics {
    /// What was counted of `method` until now.
    pub fn of(&self, method: CachedMethod) -> CacheCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.0.get(method.index()).map_or_else(CacheCounts::default, |counters| CacheCounts {
            hits: read(&counters.hits),
            misses: read(&counters.misses),
            stored: read(&counters.stored),
            too_large: read(&counters.too_large),
        })
    }

    /// What was counted of all methods together.
    pub fn total(&self) -> CacheCounts {
        CachedMethod::ALL.iter().map(|method| self.of(*method)).fold(CacheCounts::default(), |sum, of| {
            CacheCounts {
                hits: sum.hits + of.hits,
                misses: sum.misses + of.misses,
                stored: sum.stored + of.stored,
                too_large: sum.too_large + of.too_large,
            }
        })
    }

    pub(super) fn count(&self, method: CachedMethod, event: Event) {
        let Some(counters) = self.0.get(method.index()) else { return };
        let counter = match event {
            Event::Hit => &counters.hits,
            Event::Miss => &counters.misses,
            Event::Stored => &counters.stored,
            Event::TooLarge => &counters.too_large,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for CacheStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = CachedMethod::ALL.map(|method| (method.as_str(), self.of(method)));
        f.debug_map().entries(counts).finish()
    }
}
