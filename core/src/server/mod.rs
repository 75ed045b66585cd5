//! The definition of a server: what it is called and what it has.
//!
//! A definition holds no platform and does no I/O, so `pub fn server() -> Server` at module level runs anywhere; an
//! entry point builds it once into a [`Service`](crate::Service).

pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod tables;

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};

pub use self::check::BuildError;
use crate::{
    auth::Verifier,
    completion::{Completion, IntoCompletion},
    compose::{Live, Mount, OnDuplicate, tags::Tags},
    future::{BoxFuture, MaybeSend},
    http::{Body, origin::AllowedOrigins},
    lifespan::{Lifespan, Span},
    limits::BODY_BYTES_MAX,
    middleware::Middleware,
    model::{Icon, Implementation, Text},
    platform::Platform,
    prompt::{IntoPrompt, Prompt},
    resource::{IntoResource, Resource},
    service::Service,
    session::Sessions,
    state::RequestState,
    store::Need,
    task::Tasks,
    tool::{IntoTool, Tool},
    transform::{Filter, Transform, Visibility},
};

/// How long clients may keep the lists and the discovery of a server, unless it says otherwise.
const LIST_TTL: Duration = Duration::from_secs(300);

pub(crate) type RouteHandler =
    dyn Fn(Platform, Request<Bytes>) -> BoxFuture<'static, Response<Body>> + Send + Sync;

/// A plain HTTP route beside the MCP endpoint.
pub(crate) struct HttpRoute {
    pub(crate) method: Method,
    pub(crate) path: Text,
    pub(crate) handler: Box<RouteHandler>,
}

/// A server that another has.
pub(crate) struct Part {
    pub(crate) mount: Mount,
    pub(crate) imported: bool,
}

/// The definition of a server.
///
/// ```
/// use edgemcp::prelude::*;
///
/// /// Add two integers.
/// #[tool]
/// pub async fn add(/** First addend. */ a: i64, /** Second addend. */ b: i64) -> i64 {
///     a + b
/// }
///
/// pub fn server() -> Server {
///     Server::new("calculator", env!("CARGO_PKG_VERSION")).tool(add::tool())
/// }
///
/// assert!(server().build().is_ok());
/// ```
pub struct Server {
    pub(crate) who: Implementation,
    pub(crate) instructions: Option<Text>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) completions: Vec<Completion>,
    pub(crate) routes: Vec<HttpRoute>,
    pub(crate) verifier: Option<Arc<dyn Verifier>>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) path: Text,
    pub(crate) body_bytes_max: usize,
    pub(crate) list_ttl: Duration,
    pub(crate) list_page_size: Option<NonZeroUsize>,
    pub(crate) list_changed: bool,
    pub(crate) resource_subscriptions: bool,
    pub(crate) request_state: RequestState,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) lifespans: Vec<Span>,
    pub(crate) middlewares: Vec<Arc<dyn Middleware>>,
    pub(crate) any_middleware_order: bool,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) visibility: Visibility,
    pub(crate) tags: Tags,
    pub(crate) parts: Vec<Part>,
    pub(crate) on_duplicate: OnDuplicate,
    pub(crate) live: Option<Live>,
    pub(crate) needs: Vec<(Text, Vec<Need>)>,
    pub(crate) allows_ephemeral: bool,
}

impl Server {
    /// A server with nothing in it yet.
    pub fn new(name: impl Into<Text>, version: impl Into<Text>) -> Self {
        Self {
            who: Implementation {
                name: name.into(),
                version: version.into(),
                title: None,
                description: None,
                website_url: None,
                icons: Vec::new(),
            },
            instructions: None,
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            completions: Vec::new(),
            routes: Vec::new(),
            verifier: None,
            origins: AllowedOrigins::default(),
            path: Text::Borrowed("/mcp"),
            body_bytes_max: BODY_BYTES_MAX,
            list_ttl: LIST_TTL,
            list_page_size: None,
            list_changed: false,
            resource_subscriptions: false,
            request_state: RequestState::default(),
            sessions: Sessions::default(),
            tasks: Tasks::default(),
            lifespans: Vec::new(),
            middlewares: Vec::new(),
            any_middleware_order: false,
            transforms: Vec::new(),
            visibility: Visibility::default(),
            tags: Tags::default(),
            parts: Vec::new(),
            on_duplicate: OnDuplicate::default(),
            live: None,
            needs: Vec::new(),
            allows_ephemeral: false,
        }
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.who.title = Some(title.into());
        self
    }

    /// Sets what the server is, for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.who.description = Some(description.into());
        self
    }

    /// Sets how to use the server, for the model.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<Text>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Sets the server's website.
    #[must_use]
    pub fn website_url(mut self, url: impl Into<Text>) -> Self {
        self.who.website_url = Some(url.into());
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.who.icons.push(icon);
        self
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: impl IntoTool) -> Self {
        self.tools.push(tool.into_tool());
        self
    }

    /// Adds a resource or a resource template.
    #[must_use]
    pub fn resource(mut self, resource: impl IntoResource) -> Self {
        self.resources.push(resource.into_resource());
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: impl IntoPrompt) -> Self {
        self.prompts.push(prompt.into_prompt());
        self
    }

    /// Adds a completion: what a person may mean by what they have typed of an argument so far.
    #[must_use]
    pub fn completion(mut self, completion: impl IntoCompletion) -> Self {
        self.completions.push(completion.into_completion());
        self
    }

    /// Adds a plain HTTP route beside the MCP endpoint, such as `/health`. The path is matched whole. No verifier
    /// and no origin rule guards it: it is the handler's own. `http` is the crate of that name (`cargo add http@1`).
    ///
    /// ```
    /// # use edgemcp::{Server, http::Body};
    /// let server = Server::new("calculator", "1.0.0").route(http::Method::GET, "/health", |_platform, _request| async {
    ///     http::Response::new(Body::from("ok"))
    /// });
    /// ```
    #[must_use]
    pub fn route<F, Fut>(mut self, method: Method, path: impl Into<Text>, handler: F) -> Self
    where
        F: Fn(Platform, Request<Bytes>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + MaybeSend + 'static,
    {
        let handler = Box::new(move |platform, request| -> BoxFuture<'static, _> {
            Box::pin(handler(platform, request))
        });
        self.routes.push(HttpRoute { method, path: path.into(), handler });
        self
    }

    /// Asks every MCP request for a bearer token that `verifier` takes. Without one, everybody may call.
    #[must_use]
    pub fn verifier(mut self, verifier: impl Verifier + 'static) -> Self {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Lets pages of `origin` (such as `https://app.example`) call the server from a browser. Programs need no such
    /// leave; pages served from loopback have it while the server is asked for by a loopback name.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.named.push(origin.into());
        self
    }

    /// Lets every page call the server from a browser. Only for a server that shows everybody the same and changes
    /// nothing, or whose verifier takes no cookies; behind a firewall it opens the server to every page its users
    /// visit.
    #[must_use]
    pub fn allow_any_origin(mut self) -> Self {
        self.origins.any = true;
        self
    }

    /// Sets the path of the MCP endpoint; `/mcp` unless said otherwise.
    #[must_use]
    pub fn path(mut self, path: impl Into<Text>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the most bytes a request may have; [`BODY_BYTES_MAX`] unless said otherwise.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Sets how long clients may keep lists and discovery (2026-07-28, server/utilities/caching); 300 s unless said
    /// otherwise.
    #[must_use]
    pub fn list_ttl(mut self, ttl: Duration) -> Self {
        self.list_ttl = ttl;
        self
    }

    /// Sets how many entries a page of a list has (2026-07-28, server/utilities/pagination); a list is one page unless
    /// this is said. Zero means one page.
    #[must_use]
    pub fn list_page_size(mut self, entries: usize) -> Self {
        self.list_page_size = NonZeroUsize::new(entries);
        self
    }

    /// Lets clients hear when the lists of tools, resources or prompts change, which
    /// [`Context::changed`](crate::Context::changed) and [`Service::changed`](crate::Service::changed) tell. It is
    /// announced where the platform can deliver it.
    #[must_use]
    pub fn list_changed(mut self) -> Self {
        self.list_changed = true;
        self
    }

    /// Lets clients subscribe to single resources, whose changes [`Context::changed`](crate::Context::changed) and
    /// [`Service::changed`](crate::Service::changed) tell. It is announced where the platform can deliver it.
    #[must_use]
    pub fn resource_subscriptions(mut self) -> Self {
        self.resource_subscriptions = true;
        self
    }

    /// Sets how the state of a call that waits for input travels: how long it is good, how large it may be, and whether
    /// it is good once only.
    #[must_use]
    pub fn request_state(mut self, request_state: RequestState) -> Self {
        self.request_state = request_state;
        self
    }

    /// Sets how sessions of legacy clients are: how long they are good, whether they can be ended, or that there are none.
    #[must_use]
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// Sets how tasks are: how long they are kept, and how often clients ask after them.
    #[must_use]
    pub fn tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Starts something once per instance, before the first handler runs, and hands it to every handler that takes it
    /// as [`State<T>`](crate::State): pools, clients, configuration. So nothing of the kind is made per call.
    ///
    /// Several are started in the order they are added, each with a type of its own. It runs in the first request that a
    /// handler answers, since Workers have no I/O before it; where it fails that request fails, and the next one tries
    /// again. What has to be cleaned up goes through [`with_lifespan`](Self::with_lifespan).
    ///
    /// An instance is a process, an isolate or a container, and there are many: what all of them must know of belongs into
    /// the store, and what a client's is into its session.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// struct App { api: String }
    ///
    /// let server = Server::new("weather", "1.0.0").lifespan(|platform| async move {
    ///     let api = platform.var("WEATHER_API").ok_or("`WEATHER_API` is not set")?;
    ///     Ok::<_, &str>(App { api })
    /// });
    /// ```
    #[must_use]
    pub fn lifespan<T, E, F, Fut>(self, start: F) -> Self
    where
        T: Send + Sync + 'static,
        E: fmt::Display,
        F: Fn(Platform) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + MaybeSend + 'static,
    {
        self.with_lifespan(Lifespan::new(start))
    }

    /// As [`lifespan`](Self::lifespan), with what cleans up at the end ([`Lifespan::on_stop`]); the last one that was
    /// added is stopped first.
    #[must_use]
    pub fn with_lifespan<T>(mut self, lifespan: Lifespan<T>) -> Self {
        self.lifespans.push(lifespan.span);
        self
    }

    /// Says what `who`, a part of the server, needs of the [`strong_store`](Platform::strong_store). Where a platform's
    /// store lacks it the server does not start there, and says what to use instead.
    ///
    /// ```
    /// # use edgemcp::{Server, store::Need};
    /// let server = Server::new("notes", "1.0.0").store_has("the notebook", [Need::Durable, Need::Shared]);
    /// ```
    #[must_use]
    pub fn store_has(mut self, who: impl Into<Text>, needs: impl IntoIterator<Item = Need>) -> Self {
        self.needs.push((who.into(), needs.into_iter().collect()));
        self
    }

    /// Lets the server run with a store that ends with its instance, such as [`MemoryStore`](crate::store::MemoryStore),
    /// also where there are many instances, which is refused otherwise: users would be forgotten whenever their request
    /// meets another one.
    #[must_use]
    pub fn allow_ephemeral(mut self) -> Self {
        self.allows_ephemeral = true;
        self
    }

    /// Adds a middleware around every request; the first that is added is the outermost ([`middleware`](crate::middleware)).
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware + 'static) -> Self {
        self.middlewares.push(Arc::new(middleware));
        self
    }

    /// Lets middlewares stand in an order that [`build`](Self::build) refuses otherwise, since it defeats one of them.
    #[must_use]
    pub fn any_middleware_order(mut self) -> Self {
        self.any_middleware_order = true;
        self
    }

    /// Changes the components when the server is built: its own, and those of what is mounted. The first transform that is
    /// added is the innermost.
    #[must_use]
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Arc::new(transform));
        self
    }

    /// Enables what `filter` chooses. Of what is said with [`disable`](Self::disable), [`enable_only`](Self::enable_only) and
    /// this, the last counts; it counts after all transforms, for the server's own components as for those of what is mounted.
    ///
    /// ```
    /// use edgemcp::{prelude::*, transform::Filter};
    ///
    /// let server = Server::new("files", "1.0.0")
    ///     .tool(Tool::new("list", "Lists files.", |_, _: NoArguments| async { "…" }))
    ///     .tool(Tool::new("wipe", "Wipes the disk.", |_, _: NoArguments| async {}).tag("admin"))
    ///     .tool(Tool::new("whoami", "Says who asks.", |_, _: NoArguments| async { "you" }).tag("admin"))
    ///     .disable(Filter::new().tag("admin"))
    ///     .enable(Filter::new().name("whoami"));
    /// # assert!(server.build().is_ok());
    /// ```
    #[must_use]
    pub fn enable(mut self, filter: Filter) -> Self {
        self.visibility.mark(filter, true);
        self
    }

    /// Disables what `filter` chooses: it is in no list, and a call does not find it.
    #[must_use]
    pub fn disable(mut self, filter: Filter) -> Self {
        self.visibility.mark(filter, false);
        self
    }

    /// Enables what `filter` chooses, and disables everything else.
    #[must_use]
    pub fn enable_only(mut self, filter: Filter) -> Self {
        self.visibility.only(filter);
        self
    }

    /// Mounts a server in this one ([`compose`](crate::compose)): its components, its middlewares around them, its lifespans
    /// and its plain routes. What is added to it while it runs ([`live`](Self::live)) is seen here too.
    #[must_use]
    pub fn mount(mut self, mount: impl Into<Mount>) -> Self {
        self.parts.push(Part { mount: mount.into(), imported: false });
        self
    }

    /// Copies the components of a server into this one, as if they had been added here: no middlewares, no lifespans, and
    /// nothing of what changes there later.
    #[must_use]
    pub fn import_server(mut self, import: impl Into<Mount>) -> Self {
        self.parts.push(Part { mount: import.into(), imported: true });
        self
    }

    /// Sets what becomes of a component whose name or URI another one has: an error when the server is built, unless said
    /// otherwise. Versions of a component are not duplicates of each other.
    #[must_use]
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.on_duplicate = on_duplicate;
        self
    }

    /// Serves only what has one of `tags`, and what else is included. It holds for lists and for calls, and for what is
    /// mounted.
    #[must_use]
    pub fn include_tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.include(tags);
        self
    }

    /// Serves nothing that has one of `tags`, whatever is included.
    #[must_use]
    pub fn exclude_tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.exclude(tags);
        self
    }

    /// Lets components come and go while the server runs, through `live`.
    #[must_use]
    pub fn live(mut self, live: &Live) -> Self {
        self.live = Some(live.clone());
        self
    }

    /// Checks the definition and makes it ready to serve. Adapters call this once.
    ///
    /// # Errors
    /// [`BuildError`] with everything that is wrong, each with its way out: two tools of one name, a URI without
    /// scheme, a placeholder that is no parameter, …
    pub fn build(self) -> Result<Service, BuildError> {
        Service::new(self)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.who.name)
            .field("version", &self.who.version)
            .field("tools", &self.tools.len())
            .field("resources", &self.resources.len())
            .field("prompts", &self.prompts.len())
            .finish_non_exhaustive()
    }
}
