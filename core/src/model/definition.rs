//! What a server is and offers, as clients list it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Annotations, Icon, Text};

/// The `_meta` of a definition.
pub(crate) type Meta = Map<String, Value>;

/// Who a server is.
#[derive(Clone, Debug)]
pub(crate) struct Implementation {
    pub(crate) name: Text,
    pub(crate) version: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) website_url: Option<Text>,
    pub(crate) icons: Vec<Icon>,
}

/// How clients may see a tool: hints, which a client must not rely on for safety.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolHints {
    pub(crate) read_only: Option<bool>,
    pub(crate) destructive: Option<bool>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) open_world: Option<bool>,
}

/// A tool as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct ToolDefinition {
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Text,
    pub(crate) icons: Vec<Icon>,
    pub(crate) input_schema: Value,
    pub(crate) output_schema: Option<Value>,
    pub(crate) hints: ToolHints,
    pub(crate) meta: Meta,
}

/// A resource or a resource template as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct ResourceDefinition {
    pub(crate) uri: Text,
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) mime_type: Option<Text>,
    pub(crate) icons: Vec<Icon>,
    /// How many bytes it holds, where another server says so.
    pub(crate) size: Option<u64>,
    pub(crate) annotations: Option<Annotations>,
    pub(crate) meta: Meta,
}

/// A prompt as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct PromptDefinition {
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Text,
    pub(crate) icons: Vec<Icon>,
    pub(crate) arguments: Vec<PromptArgument>,
    pub(crate) meta: Meta,
}

/// What a prompt can be filled with.
#[derive(Clone, Debug)]
pub(crate) struct PromptArgument {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) required: bool,
}

/// Which kinds of components a server has, and so which methods it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offers {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) prompts: bool,
    pub(crate) completions: bool,
    /// Its lists may change.
    pub(crate) list_changed: bool,
    /// It tells of changes of single resources.
    pub(crate) subscribe: bool,
    /// Some of its tools may go on as tasks.
    pub(crate) tasks: bool,
    /// Some of its tools have a page to show.
    pub(crate) apps: bool,
}

/// What the platform lets a server do for its clients, and so announce to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Clients hear of changes.
    pub(crate) changes: bool,
    /// Work goes on after the answer, and can be asked after.
    pub(crate) tasks: bool,
}

impl Abilities {
    /// How many there are.
    pub(crate) const COUNT: usize = 4;

    /// A number of its own, below [`COUNT`](Self::COUNT).
    pub(crate) fn index(self) -> usize {
        usize::from(self.changes) | usize::from(self.tasks) << 1
    }
}

/// Who may keep a cacheable result (2026-07-28, server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheScope {
    Public,
    Private,
}

/// How long a client may keep a result, and whether it may share it with others (2026-07-28, server/utilities/caching).
/// Legacy clients are not told.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::{CacheHint, prelude::*};
/// let rates = Resource::new("data://rates", "rates", |_, _: NoArguments| async { "1 EUR = 1.09 USD" })
///     .cache(CacheHint::public(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHint {
    pub(crate) ttl_ms: u64,
    pub(crate) scope: CacheScope,
}

impl CacheHint {
    /// What is not to be kept.
    pub(crate) const NONE: Self = Self { ttl_ms: 0, scope: CacheScope::Private };

    /// What everybody gets alike, so that a shared cache may answer for the server for so long.
    pub fn public(ttl: Duration) -> Self {
        Self::new(ttl, CacheScope::Public)
    }

    /// What is this client's own, and may be kept by it for so long.
    pub fn private(ttl: Duration) -> Self {
        Self::new(ttl, CacheScope::Private)
    }

    pub(crate) fn new(ttl: Duration, scope: CacheScope) -> Self {
        Self { ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX), scope }
    }
}
