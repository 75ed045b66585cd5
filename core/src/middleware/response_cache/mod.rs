//! Answers requests from what was answered before.

mod key;
mod list;
mod statistics;

use std::{fmt, time::Duration};

use self::{key::Asked, list::Selected, statistics::Event};
pub use self::{
    key::CACHED_ARGUMENTS_BYTES_MAX,
    statistics::{CacheCounts, CacheStatistics, CachedMethod},
};
use super::{
    CallTool, Component, GetPrompt, Hooked, ListPrompts, ListResourceTemplates, ListResources, ListTools,
    Listed, Middleware, Next, ReadResource, Stage,
};
use crate::{
    cache::Cache,
    context::Context,
    error::Error,
    exchange::perform::permit,
    future::BoxFuture,
    model::{Listing, Text},
    output::{PromptOutput, ResourceOutput, ToolOutput},
    platform::LogLevel,
    prompt::Prompt,
    resource::Resource,
    tool::Tool,
    wire::cached::Cached,
};

/// The largest response that is kept, in bytes as it is written, unless it is said otherwise: 1 MiB, as FastMCP.
pub const CACHED_RESPONSE_BYTES_MAX: usize = 1 << 20;

type Varies = dyn Fn(&Context) -> String + Send + Sync;

/// Answers requests from what was answered before, kept in the platform's [store](crate::platform::Platform::store), so
/// that all instances share it where the store is shared.
///
/// ```
/// use std::time::Duration;
///
/// use edgemcp::{middleware::{CachedMethod, ResponseCaching}, prelude::*};
///
/// let caching = ResponseCaching::new()
///     .ttl(CachedMethod::ReadResource, Duration::from_secs(60))
///     .include_tools(["exchange_rate"])
///     .exclude_resources(["data://now"]);
/// let server = Server::new("rates", "1.0.0").middleware(caching);
/// ```
///
/// # What is cached
/// | | unless it is said otherwise | for |
/// | --- | --- | --- |
/// | `tools/call` | of tools that say that they are read-only *and* idempotent | an hour |
/// | `resources/read` | of all but the [health](crate::Health); of none where clients may [subscribe](crate::Server::resource_subscriptions) | an hour, or what the resource's [`CacheHint`](crate::CacheHint) says, if that is less |
/// | `prompts/get` | of all | an hour |
/// | lists | not, since a list costs nothing: it is written when the server is built | 300 s, with [`lists`](Self::lists) |
///
/// FastMCP caches the calls of every tool. A tool that sends a mail would then send one an hour, so here a tool has to say
/// that a call changes nothing and comes to the same, or the server has to [name it](Self::include_tools). What clients can
/// subscribe to is not cached, because whoever hears of a change would be answered with what was before it.
///
/// Never cached are errors, results that say `isError`, calls that ask their client for something, what goes on with one (a
/// call with answers or a state), and tasks. A result with nothing in it is one. Nothing ends an entry before its time but a
/// new version of the server or of the component.
///
/// # Whose it is
/// What one caller was answered is no other's. An entry is found by the caller's issuer, subject, client, scopes and claims
/// (without those that differ from token to token, such as `exp`), the server's name and version, the component and its
/// version, and the arguments, in one form whatever the order of their members; all hashed (SHA-256). So who is not
/// authenticated shares with all who are not. Headers that a [`Remote`](crate::remote::Remote) passes on, such as a token,
/// keep answers apart too. What else a handler looks at (a header, what its session keeps, an address)
/// must be named with [`vary_by`](Self::vary_by), or one client is answered as another was.
///
/// Entries are of no revision, so a client of either era is answered with what one of the other has asked for. They are in
/// the store in the clear, unless an [`Encrypted`](crate::store::wrap::Encrypted) one is around it.
///
/// # Limits
/// A response of more than [`CACHED_RESPONSE_BYTES_MAX`], or than the store takes, is answered and not kept; a call with more
/// than [`CACHED_ARGUMENTS_BYTES_MAX`] of arguments is not looked for. A hit costs one read of the store, a miss one more
/// write. Where the store fails the request is served, and the log says why. Requests that miss at the same moment are all
/// served.
///
/// It stands after [`RateLimiting`](super::RateLimiting), so that what it answers is counted, and what stands after it does
/// not run for what it answers.
pub struct ResponseCaching {
    ttls: [Option<Duration>; CachedMethod::ALL.len()],
    included_tools: Vec<Text>,
    excluded_tools: Vec<Text>,
    included_resources: Vec<Text>,
    excluded_resources: Vec<Text>,
    response_bytes_max: usize,
    varies: Option<Box<Varies>>,
    statistics: CacheStatistics,
}

impl Default for ResponseCaching {
    fn default() -> Self {
        Self {
            ttls: CachedMethod::ALL.map(|method| (!method.is_list()).then(|| method.ttl())),
            included_tools: Vec::new(),
            excluded_tools: Vec::new(),
            included_resources: Vec::new(),
            excluded_resources: Vec::new(),
            response_bytes_max: CACHED_RESPONSE_BYTES_MAX,
            varies: None,
            statistics: CacheStatistics::default(),
        }
    }
}

impl ResponseCaching {
    /// Calls of tools that say that they are read-only and idempotent, reads and prompts, each for an hour.
    pub fn new() -> Self {
        Self::default()
    }

    /// Caches the responses of `method` for so long.
    #[must_use]
    pub fn ttl(mut self, method: CachedMethod, ttl: Duration) -> Self {
        if let Some(of) = self.ttls.get_mut(method.index()) {
            *of = Some(ttl);
        }
        self
    }

    /// Caches no responses of `method`.
    #[must_use]
    pub fn without(mut self, method: CachedMethod) -> Self {
        if let Some(of) = self.ttls.get_mut(method.index()) {
            *of = None;
        }
        self
    }

    /// Caches lists too, each for 300 s: for a server whose hooks ask somebody else what a caller may see. What is kept is
    /// which of the server's components a list had; one that has others, or shows them otherwise than the server does, is
    /// not kept, nor one that lacks a mount which did not answer. Where clients are told when lists
    /// [change](crate::Server::list_changed) none is, since they would be answered with what was before.
    #[must_use]
    pub fn lists(mut self) -> Self {
        for method in CachedMethod::ALL.into_iter().filter(|method| method.is_list()) {
            self = self.ttl(method, method.ttl());
        }
        self
    }

    /// Caches calls of these tools, whatever they say of themselves.
    #[must_use]
    pub fn include_tools<S: Into<Text>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.included_tools.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Caches no calls of these tools, whatever they say of themselves.
    #[must_use]
    pub fn exclude_tools<S: Into<Text>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.excluded_tools.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Caches reads of these resources, each named by its URI or by its template, also where clients may subscribe.
    #[must_use]
    pub fn include_resources<S: Into<Text>>(mut self, uris: impl IntoIterator<Item = S>) -> Self {
        self.included_resources.extend(uris.into_iter().map(Into::into));
        self
    }

    /// Caches no reads of these resources, each named by its URI or by its template.
    #[must_use]
    pub fn exclude_resources<S: Into<Text>>(mut self, uris: impl IntoIterator<Item = S>) -> Self {
        self.excluded_resources.extend(uris.into_iter().map(Into::into));
        self
    }

    /// Sets the largest response that is kept, in bytes as it is written; [`CACHED_RESPONSE_BYTES_MAX`] unless it is said
    /// otherwise.
    #[must_use]
    pub fn response_bytes_max(mut self, bytes: usize) -> Self {
        self.response_bytes_max = bytes;
        self
    }

    /// Keeps responses apart for which `varies` gives another text: for handlers that look at more than who is asking and
    /// for what.
    ///
    /// ```
    /// # use edgemcp::middleware::ResponseCaching;
    /// let caching = ResponseCaching::new().vary_by(|cx| {
    ///     let language = cx.headers().get("accept-language").and_then(|language| language.to_str().ok());
    ///     language.unwrap_or_default().to_owned()
    /// });
    /// ```
    #[must_use]
    pub fn vary_by(mut self, varies: impl Fn(&Context) -> String + Send + Sync + 'static) -> Self {
        self.varies = Some(Box::new(varies));
        self
    }

    /// What it counts, to be asked while the server runs.
    pub fn statistics(&self) -> CacheStatistics {
        self.statistics.clone()
    }

    fn ttl_of(&self, method: CachedMethod) -> Option<Duration> {
        *self.ttls.get(method.index())?
    }

    /// Whether a call of `tool` may be answered with what another was.
    fn takes_tool(&self, cx: &Context, tool: &Tool) -> bool {
        let name = &tool.definition.name;
        let hints = &tool.definition.hints;
        let is_repeatable = hints.read_only == Some(true) && hints.idempotent == Some(true);
        (is_repeatable || self.included_tools.contains(name))
            && !self.excluded_tools.contains(name)
            // Who lacks what the tool needs of a client hears so.
            && tool.client_capabilities.is_empty()
            && permit(cx, tool).is_ok()
    }

    /// For how long a read of `resource` at `uri` may be answered with what another was.
    fn takes_resource(&self, cx: &Context, resource: &Resource, uri: &str) -> Option<Duration> {
        let names = |names: &[Text]| names.iter().any(|name| name == uri || *name == resource.definition.uri);
        // A health tells how it is now.
        let is_steady = !resource.starts_nothing && !cx.0.tables.offers.subscribe;
        let takes = (is_steady || names(&self.included_resources)) && !names(&self.excluded_resources);
        let ttl =
            self.ttl_of(CachedMethod::ReadResource).filter(|_| takes && permit(cx, resource).is_ok())?;
        match resource.cache.ttl_ms {
            0 => Some(ttl),
            hint => Some(ttl.min(Duration::from_millis(hint))),
        }
    }

    /// Where a response to what is asked is kept; `None` where it is not.
    fn place(&self, cx: &Context, asked: &Asked<'_>, ttl: Duration) -> Option<Place> {
        // What goes on with an earlier request depends on what was answered and done there.
        if cx.is_taken_up() || !cx.line().journal(|journal| journal.is_untouched()) {
            return None;
        }
        let varies = self.varies.as_ref().map(|varies| varies(cx));
        let key = key::key(cx, asked, varies.as_deref())?;
        let name = format!("responses.{}", asked.method.as_str().replace('/', "."));
        let cache = Cache::new(cx.platform(), &name).ok()?;
        Some(Place { cache, key, ttl, method: asked.method })
    }

    /// Answers `message` with what is kept at `place`, or else serves it and keeps that.
    async fn answer<R: Hooked, K: Cached>(
        &self,
        cx: &Context,
        place: Option<Place>,
        message: R,
        next: Next<R>,
        restore: impl FnOnce(K) -> R::Response,
        kept: impl FnOnce(&R::Response) -> Option<String>,
    ) -> Result<R::Response, Error> {
        let Some(place) = place else { return next.run(message).await };
        if let Some(found) = self.find(&place).await {
            return Ok(restore(found));
        }
        let response = next.run(message).await?;
        // What was asked is not in the arguments, and the next who calls would be answered without being asked.
        let has_asked = !cx.line().journal(|journal| journal.asks.is_empty());
        if let Some(json) = kept(&response).filter(|_| !has_asked) {
            self.keep(cx, &place, json).await;
        }
        Ok(response)
    }

    async fn find<K: Cached>(&self, place: &Place) -> Option<K> {
        let found = place.cache.find::<Box<serde_json::value::RawValue>>(&place.key).await;
        let found = found.and_then(|json| K::read(json.get()));
        let event = if found.is_some() { Event::Hit } else { Event::Miss };
        self.statistics.count(place.method, event);
        found
    }

    async fn keep(&self, cx: &Context, place: &Place, json: String) {
        let store_max = cx.store().capabilities().value_bytes_max.unwrap_or(usize::MAX);
        let (bytes, max) = (json.len(), self.response_bytes_max.min(store_max));
        if bytes > max {
            self.statistics.count(place.method, Event::TooLarge);
            let method = place.method.as_str();
            let line =
                format!("a response to {method} has {bytes} bytes, more than the {max} that are cached");
            cx.platform().log(LogLevel::Debug, &line);
        } else if place.cache.keep(&place.key, json.into(), place.ttl).await {
            self.statistics.count(place.method, Event::Stored);
        }
    }

    /// Answers a request for a list.
    async fn list<R, T>(
        &self,
        cx: &Context,
        (method, listing): (CachedMethod, Listing),
        message: R,
        next: Next<R>,
    ) -> Result<R::Response, Error>
    where
        R: Hooked<Response = Listed<T>>,
        T: Component,
    {
        let asked = Asked { method, component: "", version: None, arguments: "{}" };
        let ttl = self.ttl_of(method).filter(|_| !cx.0.tables.offers.list_changed);
        let place = ttl.and_then(|ttl| self.place(cx, &asked, ttl));
        let restore = |selected: Selected| selected.of(list::whole::<T>(cx, listing));
        let kept = |list: &Listed<T>| Selected::from(list, &list::whole::<T>(cx, listing))?.write();
        self.answer(cx, place, message, next, restore, kept).await
    }
}

/// Where a response is kept.
struct Place {
    cache: Cache,
    key: String,
    ttl: Duration,
    method: CachedMethod,
}

impl fmt::Debug for ResponseCaching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCaching")
            .field("ttls", &self.ttls)
            .field("included_tools", &self.included_tools)
            .field("excluded_tools", &self.excluded_tools)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl Middleware for ResponseCaching {
    fn stage(&self) -> Stage {
        Stage::Caching
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for method in CachedMethod::ALL {
            if self.ttl_of(method).is_some_and(|ttl| ttl < Duration::from_secs(1)) {
                problems.push(format!(
                    "it caches {} for less than a second: write a second or more, or `without`",
                    method.as_str()
                ));
            }
        }
        for (what, included, excluded) in [
            ("tool", &self.included_tools, &self.excluded_tools),
            ("resource", &self.included_resources, &self.excluded_resources),
        ] {
            for name in included.iter().filter(|name| excluded.contains(name)) {
                problems.push(format!("it includes and excludes the {what} {name:?} (leave one out)"));
            }
        }
        problems
    }

    fn on_call_tool<'a>(
        &'a self,
        cx: &'a Context,
        call: CallTool,
        next: Next<CallTool>,
    ) -> BoxFuture<'a, Result<ToolOutput, Error>> {
        Box::pin(async move {
            let method = CachedMethod::CallTool;
            let ttl = self.ttl_of(method);
            let place = ttl.zip(cx.asked_tool(call.name())).and_then(|(ttl, tool)| {
                let (version, arguments) = (tool.version.as_deref(), call.arguments_json());
                let asked = Asked { method, component: call.name(), version, arguments };
                self.place(cx, &asked, ttl).filter(|_| self.takes_tool(cx, tool))
            });
            self.answer(cx, place, call, next, |output| output, Cached::write).await
        })
    }

    fn on_read_resource<'a>(
        &'a self,
        cx: &'a Context,
        read: ReadResource,
        next: Next<ReadResource>,
    ) -> BoxFuture<'a, Result<ResourceOutput, Error>> {
        Box::pin(async move {
            let method = CachedMethod::ReadResource;
            let place = cx.asked_resource(read.uri()).and_then(|resource| {
                let ttl = self.takes_resource(cx, resource, read.uri())?;
                let version = resource.version.as_deref();
                self.place(cx, &Asked { method, component: read.uri(), version, arguments: "{}" }, ttl)
            });
            self.answer(cx, place, read, next, |output| output, Cached::write).await
        })
    }

    fn on_get_prompt<'a>(
        &'a self,
        cx: &'a Context,
        get: GetPrompt,
        next: Next<GetPrompt>,
    ) -> BoxFuture<'a, Result<PromptOutput, Error>> {
        Box::pin(async move {
            let method = CachedMethod::GetPrompt;
            let ttl = self.ttl_of(method);
            let place = ttl.zip(cx.asked_prompt(get.name())).and_then(|(ttl, prompt)| {
                let mut arguments: Vec<_> = get.arguments().iter().collect();
                arguments.sort_unstable();
                let arguments = serde_json::to_string(&arguments).ok()?;
                let version = prompt.version.as_deref();
                let asked = Asked { method, component: get.name(), version, arguments: &arguments };
                self.place(cx, &asked, ttl).filter(|_| permit(cx, prompt).is_ok())
            });
            self.answer(cx, place, get, next, |output| output, Cached::write).await
        })
    }

    fn on_list_tools<'a>(
        &'a self,
        cx: &'a Context,
        list: ListTools,
        next: Next<ListTools>,
    ) -> BoxFuture<'a, Result<Listed<Tool>, Error>> {
        // What a search has found is not what the server has.
        if list.is_search() {
            return next.run(list);
        }
        Box::pin(self.list(cx, (CachedMethod::ListTools, Listing::Tools), list, next))
    }

    fn on_list_resources<'a>(
        &'a self,
        cx: &'a Context,
        list: ListResources,
        next: Next<ListResources>,
    ) -> BoxFuture<'a, Result<Listed<Resource>, Error>> {
        Box::pin(self.list(cx, (CachedMethod::ListResources, Listing::Resources), list, next))
    }

    fn on_list_resource_templates<'a>(
        &'a self,
        cx: &'a Context,
        list: ListResourceTemplates,
        next: Next<ListResourceTemplates>,
    ) -> BoxFuture<'a, Result<Listed<Resource>, Error>> {
        let of = (CachedMethod::ListResourceTemplates, Listing::ResourceTemplates);
        Box::pin(self.list(cx, of, list, next))
    }

    fn on_list_prompts<'a>(
        &'a self,
        cx: &'a Context,
        list: ListPrompts,
        next: Next<ListPrompts>,
    ) -> BoxFuture<'a, Result<Listed<Prompt>, Error>> {
        Box::pin(self.list(cx, (CachedMethod::ListPrompts, Listing::Prompts), list, next))
    }
}
