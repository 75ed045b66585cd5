//! What a handler knows about the request it serves, and what it can reach from there.

mod components;
mod say;
mod session;
mod step;

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use self::session::{SESSION_VALUE_BYTES_MAX, SESSION_VALUE_TTL, SessionState};
use crate::{
    ask::{AskError, Asks, Elicit, ElicitUrl, Reach, Roots, Sample},
    auth::Principal,
    call::Kept,
    changes,
    error::{Error, ToolError},
    lifespan::{State, States},
    line::{Line, Want},
    model::{Ask, Change, SamplingMessage},
    platform::{Platform, Timestamp},
    seal::Sealer,
    server::tables::Tables,
    session::Session,
    store::Store,
    task,
    version::{Era, ProtocolVersion},
    wire::{
        call::{Record, TaskTimes, Who},
        capabilities,
        params::{self, Members},
    },
};

/// One request, as its handler sees it. Cloning is cheap; a clone is the same request.
///
/// ```
/// # use edgemcp::prelude::*;
/// /// Says who is asking.
/// #[tool]
/// async fn whoami(cx: &Context) -> String {
///     cx.principal().map_or("somebody".to_owned(), |principal| principal.subject().to_owned())
/// }
/// # let _ = whoami::tool();
/// ```
#[derive(Clone)]
pub struct Context(
    pub(crate) Arc<Inner>,
    /// The server that is asked, of those that are mounted in each other.
    usize,
);

pub(crate) struct Inner {
    pub(crate) tables: Arc<Tables>,
    pub(crate) platform: Platform,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) version: ProtocolVersion,
    /// Shared by the messages of a batch; empty over stdio.
    pub(crate) headers: Arc<HeaderMap>,
    pub(crate) client: Client,
    /// The trace's `traceparent`, `tracestate` and `baggage`, still as JSON in the bytes of the request.
    pub(crate) trace: [Option<Bytes>; 3],
    pub(crate) line: Arc<Line>,
    pub(crate) reach: Reach,
    /// The whole request, in its bytes.
    pub(crate) message: Bytes,
    /// What tells the connection of the client from others, where there is one that stays.
    pub(crate) connection: Option<String>,
    pub(crate) is_stdio: bool,
    /// The session of the legacy era, where there is one.
    pub(crate) session: Option<Session>,
    /// The call in the store, once it outlives this request.
    pub(crate) kept: OnceLock<Arc<Kept>>,
    /// Whether the handler runs as a task.
    pub(crate) is_task: bool,
    /// What the server's lifespans have started.
    pub(crate) states: States,
    /// Whether nobody's request has begun this run.
    pub(crate) is_taken_up: bool,
    /// What middlewares and handlers pass along.
    pub(crate) extensions: Mutex<http::Extensions>,
}

/// What a client says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// The JSON object it names itself by.
    pub(crate) info: Option<Bytes>,
    pub(crate) declared: Declared,
}

/// What a client declares that it can do.
#[derive(Clone, Debug, Default)]
pub(crate) enum Declared {
    /// In this request or on this connection: the JSON object.
    Json(Bytes),
    /// In the handshake of its session.
    Bits(u16),
    /// In a handshake that nobody remembers.
    #[default]
    Unknown,
}

impl Client {
    /// Whether it declares the capability at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        match &self.declared {
            Declared::Json(json) => {
                std::str::from_utf8(json).is_ok_and(|declared| capabilities::has(declared, path))
            }
            Declared::Bits(bits) => capabilities::among(*bits, path),
            Declared::Unknown => false,
        }
    }
}

/// Where a request stands in a trace across programs (W3C Trace Context; SEP-414).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// Such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    pub traceparent: String,
    /// What the programs on the way have added.
    pub tracestate: Option<String>,
    /// What travels along (W3C Baggage).
    pub baggage: Option<String>,
}

impl Context {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner), 0)
    }

    pub(crate) fn line(&self) -> &Line {
        &self.0.line
    }

    /// Where the server runs, and what it offers there.
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// The external store.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.0.platform.store()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.platform.now()
    }

    /// The value of the setting or secret `name`.
    pub fn var(&self, name: &str) -> Option<String> {
        self.0.platform.var(name)
    }

    /// What the server's [`lifespan`](crate::Server::lifespan) has started as a `T`. A handler that takes a parameter
    /// `State<T>` gets the same, and [`Server::build`](crate::Server::build) checks that there is one.
    ///
    /// # Errors
    /// Where no lifespan of the server gives a `T`.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<State<T>, ToolError> {
        self.0.states.get(self.0.tables.path(self.1))
    }

    /// Whether the server's lifespans have started, where it has any; an error says why not, for the log.
    pub(crate) fn started(&self) -> Option<Result<(), &str>> {
        self.0.states.started()
    }

    /// Who is asking, where the server has a [`Verifier`](crate::auth::Verifier).
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_deref()
    }

    /// The revision of the protocol the request is of.
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.0.version
    }

    /// The HTTP headers of the request; none over stdio. Where a call was taken up again by another instance, they are
    /// those of the request that took it up, or none.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Name and version of the client's program, where it said so. For display and logs: nothing vouches for it.
    pub fn client(&self) -> Option<(String, String)> {
        let info = Members::read(std::str::from_utf8(self.0.client.info.as_deref()?).ok()?)?;
        let text = |name| info.get(name).and_then(params::string).map(Cow::into_owned);
        Some((text("name")?, text("version")?))
    }

    /// Whether the client declared the capability `name`: `elicitation`, `sampling`, or one below such, as in
    /// `sampling.tools`. A legacy client declares in its handshake, which only a session or a connection remembers.
    pub fn client_has(&self, name: &str) -> bool {
        self.0.client.has(name)
    }

    /// The trace this request is a part of: from the request's `_meta`, or else from its `traceparent` header.
    pub fn trace(&self) -> Option<TraceContext> {
        let [traceparent, tracestate, baggage] = &self.0.trace;
        let text = |raw: &Option<Bytes>, name: &str| match raw {
            Some(json) => crate::wire::read::<String>(json),
            None => self.0.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned),
        };
        Some(TraceContext {
            traceparent: text(traceparent, "traceparent")?,
            tracestate: text(tracestate, "tracestate"),
            baggage: text(baggage, "baggage"),
        })
    }

    /// Asks the person in front of the client to fill in a form, and waits for it. `T` is the form: a struct, or one
    /// value ([`Elicit`] says of what).
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Order {
    ///     /// How many.
    ///     #[schemars(range(min = 1, max = 10))]
    ///     count: u8,
    ///     color: Color,
    /// }
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// enum Color { Red, Green }
    ///
    /// /// Order something.
    /// #[tool]
    /// async fn order(cx: &Context) -> Result<String, ToolError> {
    ///     let Order { count, .. } = cx.elicit("What do you want?").await?;
    ///     Ok(format!("{count} of them are on their way"))
    /// }
    /// # let _ = order::tool();
    /// ```
    ///
    /// # Errors
    /// [`AskError`] where the person declined or dismissed it, and where the client cannot be asked.
    pub fn elicit<T: DeserializeOwned + JsonSchema>(&self, message: impl Into<String>) -> Elicit<T> {
        Elicit::new(self.clone(), message.into())
    }

    /// Asks the person in front of the client to open `url`, for what must not go through the client: a password, a
    /// key, a payment. Make sure that who opens it is who is asking ([`principal`](Self::principal)), and put no secret
    /// into the address itself.
    ///
    /// # Errors
    /// As [`elicit`](Self::elicit); the client must declare `elicitation.url`.
    pub fn elicit_url(&self, message: impl Into<String>, url: impl Into<String>) -> ElicitUrl {
        ElicitUrl::new(self.clone(), message.into(), url.into())
    }

    /// Asks the client's model to say something, and waits for it.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// /// Summarize a text.
    /// #[tool]
    /// async fn summarize(cx: &Context, text: String) -> Result<String, ToolError> {
    ///     let summary = cx.sample(format!("Summarize this:\n\n{text}")).max_tokens(200).temperature(0.2).await?;
    ///     Ok(summary.text())
    /// }
    /// # let _ = summarize::tool();
    /// ```
    ///
    /// # Errors
    /// [`AskError`] where the client refused, and where it cannot be asked.
    pub fn sample(&self, prompt: impl Into<String>) -> Sample {
        Sample::new(self.clone(), SamplingMessage::user(prompt.into()))
    }

    /// Asks which folders and files the client works on, and waits for it.
    ///
    /// # Errors
    /// [`AskError`] where the client refused, and where it cannot be asked.
    pub fn roots(&self) -> Roots {
        Roots::new(self.clone())
    }

    /// Begins to ask several things at once.
    pub fn ask(&self) -> Asks<()> {
        Asks::new(self.clone())
    }

    /// Closes the stream of this call's answer, so that a client need not hold a connection while the handler goes on;
    /// it comes back for the answer by itself (2025-11-25, basic/transports). Where that is not possible, nothing
    /// happens: on the modern era, over stdio, in a step, without a session, and without a store that is atomic and consistent.
    pub async fn close_stream(&self) {
        self.want(Want::CloseStream).await;
    }

    /// Goes on as a task: the client gets an id at once and asks after it, and what comes after this runs with nobody
    /// waiting (extension `io.modelcontextprotocol/tasks`). The handler runs again up to here, as after an ask;
    /// [`step`](Self::step) keeps what must not be done twice. The server must offer tasks
    /// ([`TaskSupport::ByHandler`](crate::TaskSupport::ByHandler)). Where the client takes none, in a step, and where the platform
    /// can do nothing once a call is answered, nothing happens, and the handler goes on while the client waits.
    ///
    /// ```
    /// # use edgemcp::{TaskSupport, prelude::*};
    /// # async fn render(_: &str) -> String { String::new() }
    /// /// Render a scene; a large one as a task.
    /// #[tool]
    /// async fn render_scene(cx: &Context, scene: String) -> String {
    ///     if scene.len() > 10_000 {
    ///         cx.become_task().await;
    ///     }
    ///     render(&scene).await
    /// }
    /// let server = Server::new("scenes", "1.0.0").tool(render_scene::tool().task(TaskSupport::ByHandler));
    /// ```
    pub async fn become_task(&self) {
        if self.0.is_task || self.can_become_task() {
            self.want(Want::Task).await;
        }
    }

    /// Whether a task can be made of this call.
    pub(crate) fn can_become_task(&self) -> bool {
        self.is_modern()
            && !self.0.is_task
            && self.0.tables.offers.tasks
            && self.client_has(task::CAPABILITY)
            && task::is_able(&self.0.platform)
    }

    /// This call, to be kept.
    pub(crate) fn record(&self, task: Option<TaskTimes>) -> Result<Record, Error> {
        let inner = &self.0;
        let message = RawValue::from_string(String::from_utf8(inner.message.to_vec())?)?;
        let capabilities = match &inner.client.declared {
            Declared::Bits(bits) => *bits,
            Declared::Json(json) => std::str::from_utf8(json).map_or(0, capabilities::bits),
            Declared::Unknown => 0,
        };
        Ok(Record {
            message,
            version: inner.version,
            who: inner.principal.as_deref().map(Who::from),
            session: inner.session.as_ref().map(|session| session.id.clone()),
            info: inner.client.info.clone(),
            capabilities,
            task,
        })
    }

    /// Tells clients that something of the server's has changed, so that those who keep it look again: those who
    /// listen (2026-07-28, basic/patterns/subscriptions), and those who have subscribed on the legacy era, on whichever
    /// instance they are.
    ///
    /// ```
    /// # use edgemcp::{Change, prelude::*};
    /// /// Rename the team.
    /// #[tool]
    /// async fn rename(cx: &Context, name: String) -> Result<(), ToolError> {
    ///     // … keep the name, then:
    ///     cx.changed(Change::Resource("team://name".into())).await
    /// }
    /// # let _ = rename::tool();
    /// ```
    ///
    /// # Errors
    /// Where the server does not offer to tell ([`Server::list_changed`](crate::Server::list_changed),
    /// [`Server::resource_subscriptions`](crate::Server::resource_subscriptions)), and where the store fails. Where the
    /// platform cannot tell anybody, nothing happens.
    pub async fn changed(&self, change: Change) -> Result<(), ToolError> {
        let change = match change {
            // A mounted server knows its resources by its own URIs.
            Change::Resource(uri) => {
                Change::Resource(self.0.tables.lift_uri(self.scope(), uri.into_owned()).into())
            }
            change => change,
        };
        let published = changes::publish(&self.0.tables, &self.0.platform, &change).await;
        published.map_err(|error| ToolError::masked(error.to_string()))
    }

    /// Resolves once nobody waits for the answer any more: the client has gone (modern era), or said that the request is
    /// cancelled. The handler itself is stopped then; this is for work that it has begun elsewhere.
    pub async fn cancelled(&self) {
        poll_fn(|task| self.0.line.poll_cancelled(task)).await;
    }

    pub(crate) async fn want(&self, want: Want) {
        // Its run would have to end, which waits for the step.
        if self.line().is_in_step() {
            return;
        }
        poll_fn(|task| self.0.line.poll_want(want, task)).await;
    }

    /// Whether the client can be asked this at all.
    pub(crate) fn can_ask(&self, ask: &Ask) -> Result<(), AskError> {
        let capability = ask.capability();
        if let Declared::Unknown = self.0.client.declared {
            let Reach::Nowhere(why) = self.0.reach else {
                return Err(AskError::MissingCapability(capability));
            };
            return Err(AskError::unavailable(why));
        }
        if !self.client_has(capability) {
            return Err(AskError::MissingCapability(capability));
        }
        match self.0.reach {
            Reach::Nowhere(why) => match ask {
                // The client opens the address and calls again: that needs nothing between the two.
                Ask::Url { message, url } if self.0.version == ProtocolVersion::V2025_11_25 => {
                    Err(AskError::UrlRequired(message.clone(), url.clone()))
                }
                _ => Err(AskError::unavailable(why)),
            },
            Reach::Again => match Sealer::new(&self.0.platform) {
                Ok(_) => Ok(()),
                Err(error) => Err(AskError::unavailable(error.to_string())),
            },
            Reach::Connection | Reach::Store => Ok(()),
        }
    }

    /// The same request, as the server of `scope` sees it.
    pub(crate) fn in_scope(&self, scope: usize) -> Self {
        Self(Arc::clone(&self.0), scope)
    }

    /// The server that is asked, of those that are mounted in each other.
    pub(crate) fn scope(&self) -> usize {
        self.1
    }

    /// Passes `value` along with the request: what comes after, middlewares and the handler alike, gets it by its type with
    /// [`extension`](Self::extension). It ends with the request; where the handler runs again, so do the middlewares.
    ///
    /// ```
    /// # use edgemcp::{middleware, prelude::*};
    /// #[derive(Clone)]
    /// struct Tenant(String);
    ///
    /// let tenant = middleware::on_request(|cx: Context, message, next| async move {
    ///     let name = cx.headers().get("x-tenant").and_then(|name| name.to_str().ok()).unwrap_or("nobody");
    ///     cx.extend(Tenant(name.to_owned()));
    ///     next.run(message).await
    /// });
    ///
    /// /// Say whose this is.
    /// #[tool]
    /// async fn whose(cx: &Context) -> String {
    ///     cx.extension::<Tenant>().map_or_else(String::new, |Tenant(name)| name)
    /// }
    /// let server = Server::new("tenants", "1.0.0").middleware(tenant).tool(whose::tool());
    /// ```
    pub fn extend<T: Clone + Send + Sync + 'static>(&self, value: T) {
        self.0.extensions.lock().unwrap_or_else(PoisonError::into_inner).insert(value);
    }

    /// What was passed along with the request as a `T` ([`extend`](Self::extend)).
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0.extensions.lock().unwrap_or_else(PoisonError::into_inner).get::<T>().cloned()
    }

    /// Whether the client is at the other end of stdio, where it is whoever has started the process.
    pub fn is_stdio(&self) -> bool {
        self.0.is_stdio
    }

    /// Whether nobody's request has begun this run of the handler: it is a task's, or goes on with what another instance has
    /// begun. What counts requests need not count it.
    pub fn is_taken_up(&self) -> bool {
        self.0.is_taken_up
    }

    /// Whether the request is of the modern era.
    pub(crate) fn is_modern(&self) -> bool {
        self.0.version.era() == Era::Modern
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("version", &self.0.version)
            .field(
                "principal",
                &self.0.principal.as_ref().map(|principal| Cow::Borrowed(principal.subject())),
            )
            .finish_non_exhaustive()
    }
}
