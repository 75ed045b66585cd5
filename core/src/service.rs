//! A server, ready to serve: from an HTTP request to its answer.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{
    auth::{self, Verifier},
    changes,
    compose::{changing::Changing, tree::Tree},
    error::Error,
    exchange::{Exchange, Reply},
    future::{BoxFuture, caught},
    http::{Body, headers, origin::AllowedOrigins, refusal},
    lifespan::Lifespans,
    line::{Hears, Line},
    middleware::diagram,
    model::{Change, Text},
    platform::{Instances, LogLevel, Platform},
    seal::{SealError, Sealer},
    server::{
        BuildError, HttpRoute, Server, check,
        tables::{Settings, Tables},
    },
    session,
    store::Need,
    stream, task,
};

/// A server, ready to serve. It is built once per process or isolate and shared by all requests.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use edgemcp::{future::BoxFuture, platform::*, prelude::*};
/// # struct Fixed;
/// # impl Clock for Fixed {
/// #     fn now(&self) -> Timestamp { Timestamp::from_millis(0) }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> { Box::pin(async {}) }
/// # }
/// # impl Random for Fixed {
/// #     fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> { Err(RandomError) }
/// # }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Server::new("calculator", "1.0.0").build()?;
/// let platform = Platform::builder(Arc::new(Fixed), Arc::new(Fixed)).build();
/// let request = http::Request::post("/mcp")
///     .header("Content-Type", "application/json")
///     .body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.into())?;
/// let response = service.handle(&platform, request).await;
/// assert_eq!(response.into_body().as_bytes().unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
/// # Ok(()) }
/// ```
pub struct Service {
    pub(crate) tables: Arc<Tables>,
    routes: Vec<HttpRoute>,
    verifier: Option<Arc<dyn Verifier>>,
    origins: AllowedOrigins,
    path: Text,
    body_bytes_max: usize,
    needs: Vec<(Text, Vec<Need>)>,
    allows_ephemeral: bool,
    /// What is wrong with the platform, once somebody has looked.
    found: OnceLock<Vec<String>>,
    /// What the first request is to log of how the server was built.
    warnings: Option<Mutex<Vec<String>>>,
    /// `None` where components never come and go.
    changing: Option<Arc<Changing>>,
}

impl Service {
    pub(crate) fn new(mut server: Server) -> Result<Self, BuildError> {
        let mut problems = Vec::new();
        check::settings(&server, &mut problems);
        let (mut tree, mut gathered) = Tree::plant(&mut server);
        problems.append(&mut gathered.problems);
        check::given(&gathered.spans, &mut problems);
        check::paths(&server.path, &gathered.routes, &mut problems);
        let mut flat = tree.flatten(&[]);
        let states: Vec<_> = gathered.spans.iter().map(|(scope, span)| (*scope, span.key)).collect();
        tree.check(&mut flat, &states);
        problems.append(&mut flat.problems);
        BuildError::of(&server.who.name, problems)?;
        let settings = Settings {
            who: server.who,
            instructions: server.instructions,
            is_private: server.verifier.is_some()
                || tree.remotes.iter().any(|mount| mount.remote.is_per_caller()),
            forwarded: tree.remotes.iter().flat_map(|mount| mount.remote.forwarded()).collect(),
            list_ttl: server.list_ttl,
            list_page_size: server.list_page_size,
            list_changed: server.list_changed,
            resource_subscriptions: server.resource_subscriptions,
            request_state: server.request_state,
            sessions: server.sessions,
            tasks: server.tasks,
            lifespans: Arc::new(Lifespans::new(gathered.spans)),
            offers_all: !tree.is_fixed(),
            offers_completions: !tree.remotes.is_empty(),
        };
        let warnings = std::mem::take(&mut flat.warnings);
        let (changing, tables) = match tree.is_fixed() {
            true => {
                let scopes = Arc::clone(&tree.scopes);
                (None, Arc::new(Tables::new(settings, flat, scopes)))
            }
            false => {
                let (changing, tables) = Changing::new(settings, states, tree, flat);
                (Some(changing), tables)
            }
        };
        Ok(Self {
            routes: gathered.routes,
            verifier: server.verifier,
            origins: server.origins,
            path: server.path,
            body_bytes_max: server.body_bytes_max,
            needs: gathered.needs,
            allows_ephemeral: server.allows_ephemeral,
            found: OnceLock::new(),
            warnings: (!warnings.is_empty()).then(|| Mutex::new(warnings)),
            changing,
            tables,
        })
    }

    /// What is served now to a request with these headers. It is laid out anew where something of it has changed, and not
    /// per request.
    pub(crate) fn current(&self, platform: &Platform, caller: &HeaderMap) -> Arc<Tables> {
        if let Some(warnings) = &self.warnings {
            for warning in warnings.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                platform.log(LogLevel::Warning, &warning);
            }
        }
        match &self.changing {
            None => Arc::clone(&self.tables),
            Some(changing) => changing.current(platform, caller),
        }
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.tables.who.name
    }

    /// The server's version.
    pub fn version(&self) -> &str {
        &self.tables.who.version
    }

    /// The path of the MCP endpoint.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether MCP requests are asked for a bearer token.
    pub fn has_verifier(&self) -> bool {
        self.verifier.is_some()
    }

    /// Which middlewares stand around what, the outermost first, as a drawing for people.
    ///
    /// ```
    /// # use edgemcp::{middleware, prelude::*};
    /// let hook = middleware::on_request(|_: Context, message, next| async move { next.run(message).await });
    /// let service = Server::new("tools", "1.0.0").middleware(hook).build()?;
    /// println!("{}", service.middleware_diagram());
    /// # assert!(service.middleware_diagram().contains("on_request"));
    /// # Ok::<_, edgemcp::BuildError>(())
    /// ```
    pub fn middleware_diagram(&self) -> String {
        diagram::of(&self.tables.scopes)
    }

    /// The most bytes a request body may have. An adapter stops reading past it and answers
    /// [`body_too_large`](Self::body_too_large).
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// What this server needs and `platform` does not have, each with its way out; nothing where all is well. An adapter
    /// that has a start asks for it there, and does not start.
    pub fn problems(&self, platform: &Platform) -> Vec<String> {
        let seals = match Sealer::new(platform) {
            Ok(_) => None,
            // It may be that nothing is ever sealed.
            Err(SealError::NoKey) => None,
            Err(error) => Some(error.to_string()),
        };
        let mut problems: Vec<_> = seals.into_iter().collect();
        let own = [self.tables.request_state.check(platform), self.tables.sessions.check(platform)];
        let lacks =
            own.into_iter().chain(self.needs.iter().map(|(who, needs)| platform.store_has(who, needs)));
        problems.extend(lacks.filter_map(|lack| lack.err().map(|lack| lack.to_string())));
        problems.extend(self.ephemeral(platform));
        problems
    }

    /// What is forgotten with an instance that the next request may not meet again.
    fn ephemeral(&self, platform: &Platform) -> Option<String> {
        let host = platform.host();
        if self.allows_ephemeral || host.instances == Instances::One {
            return None;
        }
        let (store, strong) = (platform.store().capabilities(), platform.strong_store().capabilities());
        let ephemeral = [store, strong].into_iter().find(|store| store.is_store() && store.is_ephemeral())?;
        Some(format!(
            "what is kept in {} ends with its instance, and {} runs several and ends them as it likes ({}; or say \
             `Server::allow_ephemeral()` where all of it may be forgotten at any time)",
            ephemeral.name, host.name, host.stores
        ))
    }

    /// What every request is answered with on a platform that lacks what the server needs; `None` where all is well. It
    /// is for adapters that have no start at which they could refuse, and looks once.
    pub fn refusal(&self, platform: &Platform) -> Option<Response<Body>> {
        let problems = self.found.get_or_init(|| self.problems(platform));
        if problems.is_empty() {
            return None;
        }
        platform.log(LogLevel::Error, &format!("the server cannot be served here:\n{}", problems.join("\n")));
        let what = "this server is configured wrong; its log says what is missing";
        Some(refusal::text(StatusCode::INTERNAL_SERVER_ERROR, what))
    }

    /// The answer to a request whose body is larger than [`body_bytes_max`](Self::body_bytes_max): 413.
    pub fn body_too_large(&self) -> Response<Body> {
        refusal::body_too_large(self.body_bytes_max)
    }

    /// Tells clients that something of the server's has changed, from outside of a request: a job, a queue, a webhook.
    /// In a handler there is [`Context::changed`](crate::Context::changed).
    ///
    /// # Errors
    /// As there.
    pub fn changed<'a>(&'a self, platform: &'a Platform, change: Change) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            changes::publish(&self.current(platform, &HeaderMap::new()), platform, &change).await
        })
    }

    /// Ends what the server's [lifespans](Server::lifespan) have started, the last one first; nothing happens where
    /// they have not. Adapters call this once the last request is answered, where the platform says that the instance ends.
    /// A request after it starts them anew.
    pub fn stop<'a>(&'a self, platform: &'a Platform) -> BoxFuture<'a, ()> {
        Box::pin(self.tables.lifespans.stop(platform))
    }

    /// Whether anything is to be done when the instance ends: a lifespan has an [`on_stop`](crate::Lifespan::on_stop).
    pub fn cleans_up(&self) -> bool {
        self.tables.lifespans.clean_up_something()
    }

    /// Starts what the server's [lifespans](Server::lifespan) start, where the first request has not done it yet: for
    /// a start that fails early.
    ///
    /// # Errors
    /// Where one of them fails; the text is for the log. The first request tries again.
    pub fn start<'a>(&'a self, platform: &'a Platform) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let started = self.tables.lifespans.started(platform).await;
            started.map(drop).map_err(Error::for_the_log)
        })
    }

    /// Goes on with the task `id`, as a [`Delegate`](crate::platform::Delegate) has it done; nothing happens where
    /// somebody else does, or it is done. Any process with the same definition and the same store can run it.
    ///
    /// # Errors
    /// Where the store fails. What the task itself fails with is kept for its client.
    pub fn run_task<'a>(&'a self, platform: &'a Platform, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let tables = self.current(platform, &HeaderMap::new());
            task::run(&Exchange::with_nobody(&tables, platform), id).await
        })
    }

    /// Goes on with the tasks that nobody works on, one after the other, and says how many there were: for a worker
    /// beside the server, such as a process that calls this from time to time.
    ///
    /// # Errors
    /// As [`run_task`](Self::run_task); the others are gone on with all the same.
    pub fn run_tasks<'a>(&'a self, platform: &'a Platform) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            let tables = self.current(platform, &HeaderMap::new());
            task::run_all(&Exchange::with_nobody(&tables, platform)).await
        })
    }

    /// Answers an HTTP request. Whatever comes, there is an answer.
    pub fn handle<'a>(
        &'a self,
        platform: &'a Platform,
        request: Request<Bytes>,
    ) -> BoxFuture<'a, Response<Body>> {
        // Boxed here, since a crate that awaits another's `async fn` compiles it, and all that it awaits, once more: an
        // adapter's share of a Worker was half of it.
        Box::pin(self.answer(platform, request))
    }

    async fn answer(&self, platform: &Platform, request: Request<Bytes>) -> Response<Body> {
        if request.body().len() > self.body_bytes_max {
            return self.body_too_large();
        }
        let path = request.uri().path();
        if path == self.path || path.strip_suffix('/').is_some_and(|path| path == self.path) {
            return self.endpoint(platform, request).await;
        }
        let answer = match self.route(request.method(), path) {
            Ok(route) => (route.handler)(platform.clone(), request),
            Err(refused) => return *refused,
        };
        caught(answer).await.unwrap_or_else(|panic| {
            platform.log(LogLevel::Error, &format!("a plain route failed: {panic}"));
            refusal::text(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; the cause is in its log")
        })
    }

    /// The plain route for `method` at `path`.
    fn route(&self, method: &Method, path: &str) -> Result<&HttpRoute, Box<Response<Body>>> {
        let here: Vec<_> = self.routes.iter().filter(|route| route.path == path).collect();
        if here.is_empty() {
            return Err(Box::new(refusal::not_found(&self.path)));
        }
        // A HEAD is a GET whose body the platform leaves out (RFC 9110, section 9.3.2); health checks send it.
        let answers = |route: &&&HttpRoute| {
            route.method == *method || (*method == Method::HEAD && route.method == Method::GET)
        };
        if let Some(route) = here.iter().find(answers) {
            return Ok(route);
        }
        let allowed: Vec<_> = here.iter().map(|route| route.method.as_str()).collect();
        let allowed = allowed.join(", ");
        let mut response = refusal::text(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes {allowed}"));
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        Err(Box::new(response))
    }

    async fn endpoint(&self, platform: &Platform, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let caller = match self.origins.check(&parts.headers, &parts.uri, platform.exposure()) {
            Ok(caller) => caller,
            Err(refused) => return *refused,
        };
        if parts.method == Method::OPTIONS {
            let mut response = caller.preflight(&parts.headers);
            caller.admit(&mut response);
            return response;
        }
        let mut response = match self.serve(platform, parts, body).await {
            Ok(response) => response,
            Err(refused) => *refused,
        };
        caller.admit(&mut response);
        response
    }

    async fn serve(
        &self,
        platform: &Platform,
        parts: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Body>, Box<Response<Body>>> {
        let accepts = headers::accepts(&parts.headers);
        match parts.method {
            Method::POST if !headers::is_json(&parts.headers) => {
                return Err(Box::new(refusal::unsupported_media_type()));
            }
            Method::POST if !accepts.json && !accepts.stream => {
                return Err(Box::new(refusal::not_acceptable()));
            }
            Method::POST => {}
            // What belongs to a session of the legacy era; without one there is nothing here but POST.
            Method::GET | Method::DELETE if session::is_named(&parts.headers) => {}
            _ => return Err(Box::new(refusal::method_not_allowed(&parts.method, &self.path))),
        }
        let principal = match &self.verifier {
            Some(verifier) => Some(auth::authenticate(&**verifier, platform, &parts.headers).await?),
            None => None,
        };
        let line = Arc::new(Line::new(Hears::default()));
        let tables = self.current(platform, &parts.headers);
        let exchange = Exchange {
            principal,
            headers: Arc::new(parts.headers),
            line: Arc::clone(&line),
            takes_stream: accepts.stream,
            // Written out, since what `with_nobody` makes only to be replaced costs two allocations.
            tables,
            platform: platform.clone(),
            peer: None,
            session: None,
            taken: None,
        };
        let work: BoxFuture<'static, Reply> = match parts.method {
            Method::GET => match exchange.stream_of_session().await {
                Some(work) => work,
                None => return Err(Box::new(refusal::method_not_allowed(&parts.method, &self.path))),
            },
            Method::DELETE => match exchange.end_session().await {
                Some(reply) => return Ok(stream::whole(reply)),
                None => return Err(Box::new(refusal::method_not_allowed(&parts.method, &self.path))),
            },
            _ => Box::pin(exchange.reply(body)),
        };
        Ok(stream::respond(platform, work, line, accepts.stream, accepts.json).await)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adapters box and spawn it, so it must be `Send` for every lifetime.
    #[test]
    fn answering_can_be_boxed() {
        fn boxed<'a>(
            service: &'a Service,
            platform: &'a Platform,
            request: Request<Bytes>,
        ) -> crate::future::BoxFuture<'a, Response<Body>> {
            Box::pin(service.handle(platform, request))
        }
        fn owned(service: Arc<Service>, platform: Platform) -> crate::future::BoxFuture<'static, ()> {
            Box::pin(async move {
                service.handle(&platform, Request::default()).await;
            })
        }
        let _ = (boxed, owned);
    }
}
