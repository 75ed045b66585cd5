//! One body in, one reply out: the steps every transport shares, from the bytes of a message to those of its answer.

mod dispatch;
pub(crate) mod perform;
mod reach;
mod sessions;

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::value::RawValue;

use self::sessions::NoSession;
use crate::{
    ask::Reach,
    auth::{Principal, insufficient_scope},
    call::{self, Kept},
    context::{Client, Context},
    error::{Error, ErrorKind, seconds_ceil},
    future::BoxFuture,
    inbound::{self, Rejection, Route, Transport},
    journal::Answer,
    lifespan::States,
    limits::{BATCH_MESSAGES_MAX, echo},
    line::{Hears, Line},
    middleware::{self, Course, Discover, End, Gate, Initialize, Notification, Other, TaskMethod},
    model::Request,
    platform::{LogLevel, Platform},
    server::tables::Tables,
    session::Session,
    stdio::Peer,
    version::{Era, ProtocolVersion},
    wire::{
        self,
        given::Given,
        jsonrpc::{self, Id, Inbound, Message, Messages, Outcome},
        params::{Meta, Params},
    },
};

/// What one body is answered with.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// `None` where nothing is to be said, as to a notification.
    pub(crate) body: Option<Vec<u8>>,
    /// The id of the session that this exchange has begun.
    pub(crate) session: Option<String>,
    /// What an error says in a header as well.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(crate) fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, body: None, session: None, header: None }
    }

    fn json(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: Some(body), session: None, header: None }
    }

    pub(crate) fn failure(id: Option<Id<'_>>, Rejection { era, error }: &Rejection) -> Self {
        let body = Some(jsonrpc::failure(id, error, *era));
        Self { status: error.kind.status(*era), body, session: None, header: header_of(error) }
    }

    /// The session is none of this server's: the client is to begin anew (2025-11-25, basic/transports).
    fn no_session(id: Option<Id<'_>>) -> Self {
        let error = Error::invalid_request(
            "the session is none of this server's and this client's, or it has ended: send `initialize` again",
        );
        Self { status: StatusCode::NOT_FOUND, ..Self::failure(id, &Rejection { era: Era::Legacy, error }) }
    }

    /// Whether it is an answer, and not a refusal.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success() && self.body.is_some()
    }
}

/// A call that was taken from the store, to go on with it.
#[derive(Clone)]
pub(crate) struct Taken {
    pub(crate) kept: Arc<Kept>,
    /// By which name this instance works on it.
    pub(crate) owner: String,
    pub(crate) version: ProtocolVersion,
    pub(crate) client: Client,
    /// Whom it is done for.
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) is_task: bool,
    /// Why it could not be run to its end, where it is to be tried again.
    pub(crate) interrupted: Arc<Mutex<Option<Error>>>,
}

/// Who is talking to what, and how.
pub(crate) struct Exchange {
    pub(crate) tables: Arc<Tables>,
    pub(crate) platform: Platform,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) headers: Arc<HeaderMap>,
    /// The connection, where there is one that stays; otherwise this is one HTTP request.
    pub(crate) peer: Option<Arc<Peer>>,
    /// What the client is told beside the answer goes here; nothing is where it takes no stream.
    pub(crate) line: Arc<Line>,
    /// Whether anything can be told beside the answer.
    pub(crate) takes_stream: bool,
    /// The session that the request names; read once its era is known, since a modern request has none.
    pub(crate) session: Option<Session>,
    /// The call that is gone on with, where this is no request of a client's.
    pub(crate) taken: Option<Taken>,
}

impl Exchange {
    /// An exchange with nobody, to whom nothing is said.
    pub(crate) fn with_nobody(tables: &Arc<Tables>, platform: &Platform) -> Self {
        Self {
            tables: Arc::clone(tables),
            platform: platform.clone(),
            principal: None,
            headers: Arc::default(),
            peer: None,
            line: Arc::new(Line::new(Hears::default())),
            takes_stream: false,
            session: None,
            taken: None,
        }
    }

    /// The same parties, for something else, which nobody listens to.
    pub(crate) fn again(&self) -> Self {
        let (principal, session) = (self.principal.clone(), self.session.clone());
        Self { principal, session, ..Self::with_nobody(&self.tables, &self.platform) }
    }

    /// The parties of a request that is worked on, for something else, which nobody listens to.
    pub(crate) fn behind(cx: &Context) -> Self {
        let principal = cx.0.principal.clone();
        Self { principal, ..Self::with_nobody(&cx.0.tables, &cx.0.platform) }
    }

    /// Goes on with the call that was taken, whose request is `body`.
    pub(crate) fn replay<'a>(&'a self, taken: Taken, body: &'a Bytes) -> BoxFuture<'a, Reply> {
        // Boxed, since a call that has other calls taken up would make this future contain itself.
        Box::pin(self.go_on(taken, body))
    }

    async fn go_on(&self, taken: Taken, body: &Bytes) -> Reply {
        let version = taken.version;
        let exchange = Self {
            headers: Arc::clone(&self.headers),
            line: Arc::clone(&self.line),
            takes_stream: self.takes_stream,
            principal: taken.principal.clone(),
            taken: Some(taken),
            ..self.again()
        };
        // It was a request when it was kept.
        let Ok(Inbound::One(Message::Request { id, method, params })) = jsonrpc::parse(body) else {
            return Reply::accepted();
        };
        let route = Params::of(params).and_then(|params| {
            let meta = params.meta()?.unwrap_or_default();
            let meta = if version.era() == Era::Legacy { meta.legacy() } else { meta };
            Ok((params, Route { version, meta }))
        });
        match route {
            Ok((params, route)) => exchange.request(body, id, &method, &params, route).await,
            Err(error) => Reply::failure(Some(id), &Rejection { era: version.era(), error }),
        }
    }

    /// How its messages come, with `headers`, which are its own.
    fn transport<'h>(&self, headers: &'h HeaderMap) -> Transport<'h> {
        match &self.peer {
            Some(peer) => Transport::Stdio { negotiated: peer.version() },
            None => Transport::http(headers),
        }
    }

    /// The reply to `body`.
    pub(crate) async fn reply(mut self, body: Bytes) -> Reply {
        let headers = Arc::clone(&self.headers);
        let transport = self.transport(&headers);
        let era = transport.era();
        let unreadable = |error| Reply::failure(None, &Rejection { era, error });
        if era == Era::Legacy {
            match self.open_session().await {
                Ok(Ok(())) => {}
                // The one request that may name a session that has gone is the one that begins another.
                Ok(Err(NoSession)) if begins_session(&body) => {}
                Ok(Err(NoSession)) if says_it_is_modern(&body) => {}
                Ok(Err(NoSession)) => return Reply::no_session(request_id(&body)),
                Err(error) => return self.failed("session", request_id(&body), era, error),
            }
        }
        match jsonrpc::parse(&body) {
            Ok(Inbound::One(message)) => self.message(&body, message, transport).await,
            Ok(Inbound::Batch(Messages(messages))) => match self.check_batch(&messages, transport) {
                Ok(()) => self.batch(&body, &messages, transport).await,
                Err(error) => unreadable(error),
            },
            Err(error) => unreadable(error),
        }
    }

    fn check_batch(&self, messages: &[&RawValue], transport: Transport<'_>) -> Result<(), Error> {
        // A session says which revision it is of where the header does not.
        let is_of_another = |session: &Session| session.version != ProtocolVersion::V2025_03_26;
        if !inbound::takes_batches(transport) || self.session.as_ref().is_some_and(is_of_another) {
            return Err(Error::invalid_request(
                "only revision 2025-03-26 has batches; send one message per request",
            ));
        }
        match messages.len() {
            0 => Err(Error::invalid_request("the batch is empty")),
            count if count > BATCH_MESSAGES_MAX => {
                Err(Error::invalid_request(format!("the batch has more than {BATCH_MESSAGES_MAX} messages")))
            }
            _ => Ok(()),
        }
    }

    /// Answers the messages of a batch one after the other, each on its own.
    async fn batch(&self, body: &Bytes, messages: &[&RawValue], transport: Transport<'_>) -> Reply {
        let mut answers = Vec::new();
        for raw in messages {
            self.line.next_message();
            let reply = match jsonrpc::message(raw.get()) {
                Ok(Message::Request { id, method, .. }) if method == "initialize" => {
                    let error = Error::invalid_request("`initialize` cannot be part of a batch");
                    Reply::failure(Some(id), &Rejection { era: Era::Legacy, error })
                }
                Ok(Message::Request { id, params, .. }) if wire::state::is_modern(&params) => {
                    let error =
                        Error::invalid_request("a message of revision 2026-07-28 cannot be part of a batch");
                    Reply::failure(Some(id), &Rejection { era: Era::Modern, error })
                }
                // Boxed, since a message that could be a batch would make this future contain itself.
                Ok(message) => {
                    Box::pin(self.message(&body.slice_ref(raw.get().as_bytes()), message, transport)).await
                }
                Err(error) => Reply::failure(None, &Rejection { era: Era::Legacy, error }),
            };
            answers.extend(reply.body);
        }
        if answers.is_empty() {
            return Reply::accepted();
        }
        let mut body = vec![b'['];
        body.extend(answers.join(&b','));
        body.push(b']');
        Reply::json(body)
    }

    async fn message(&self, body: &Bytes, message: Message<'_>, transport: Transport<'_>) -> Reply {
        let (id, method, params) = match message {
            Message::Request { id, method, params } => (id, method, params),
            Message::Notification { method, params } => {
                return self.notification(&method, params, transport).await;
            }
            Message::Response { id, outcome } => return self.response(id, outcome, transport).await,
        };
        let params = match Params::of(params) {
            Ok(params) => params,
            Err(error) => return Reply::failure(Some(id), &Rejection { era: transport.era(), error }),
        };
        let mut route = match inbound::request(transport, &method, &params) {
            Ok(route) => route,
            Err(rejection) => return Reply::failure(Some(id), &rejection),
        };
        if let (Era::Legacy, Some(session)) = (route.version.era(), &self.session)
            && !transport.names_version()
        {
            route.version = session.version;
        }
        self.request(body, id, &method, &params, route).await
    }

    async fn request(
        &self,
        body: &Bytes,
        id: Id<'_>,
        method: &str,
        params: &Params<'_>,
        route: Route<'_>,
    ) -> Reply {
        let era = route.version.era();
        let request = self.offered(method).and_then(|()| wire::decode(era, method, params));
        let found = match (&request, self.tables.changing.upgrade()) {
            (Ok(request), Some(changing)) => {
                Box::pin(changing.for_request(&self.tables, &self.platform, &self.headers, request)).await
            }
            _ => None,
        };
        let over = found.map(|tables| self.over(tables));
        over.as_ref().unwrap_or(self).serve(body, id, method, route, request).await
    }

    /// The same exchange over another layout of the server.
    fn over(&self, tables: Arc<Tables>) -> Self {
        Self {
            tables,
            platform: self.platform.clone(),
            principal: self.principal.clone(),
            headers: Arc::clone(&self.headers),
            peer: self.peer.clone(),
            line: Arc::clone(&self.line),
            takes_stream: self.takes_stream,
            session: self.session.clone(),
            taken: self.taken.clone(),
        }
    }

    async fn serve(
        &self,
        body: &Bytes,
        id: Id<'_>,
        method: &str,
        route: Route<'_>,
        request: Result<Request<'_>, Error>,
    ) -> Reply {
        let era = route.version.era();
        let mut session = None;
        let answer = match request {
            Ok(request) if self.tables.chain.is_empty() || request.is_of_components() => {
                self.dispatch(body, id, route, request, &mut session).await
            }
            Err(error) if self.tables.chain.is_empty() => Err(error),
            request => {
                let message = gated(method, &request);
                let serving = Box::pin(async {
                    match request {
                        Ok(request) => self.dispatch(body, id, route, request, &mut session).await,
                        Err(error) => Err(error),
                    }
                });
                self.gate(body, route, message, serving).await
            }
        };
        match answer {
            Ok(Some(body)) => Reply { session, ..Reply::json(body) },
            Ok(None) => Reply::accepted(),
            Err(error) => match &self.taken {
                // It came to its end before it could run, as where its tool is gone.
                Some(taken) => {
                    self.keep_outcome(&taken.kept, id, era, Some(Err(error))).await;
                    Reply::accepted()
                }
                None => self.failed(method, Some(id), era, error),
            },
        }
    }

    /// Sends a message through the middlewares that the exchange serves itself, with `serving`.
    async fn gate<T>(
        &self,
        body: &Bytes,
        route: Route<'_>,
        message: middleware::Message,
        serving: BoxFuture<'_, Result<T, Error>>,
    ) -> Result<T, Error> {
        // What middlewares say to the client is not said: nobody would keep it in order with the answer.
        let apart = Self { headers: Arc::clone(&self.headers), peer: self.peer.clone(), ..self.again() };
        let states = self.started().await.unwrap_or_else(|error| States::Failed(error.for_the_log().into()));
        let reach = Reach::Nowhere("only a tool, a prompt and a resource can ask something");
        let cx = apart.context(body, route, reach, states)?;
        let gate = Arc::new(Gate::default());
        let method = message.method().to_owned();
        let course = Course { chain: Arc::clone(&self.tables.chain), end: End::Gate(Arc::clone(&gate)) };
        let mut running = pin!(perform::unpanicked(&cx, course.run(cx.clone(), message)));
        let early = poll_fn(|task| match running.as_mut().poll(task) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if gate.is_reached() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let unserved = || {
            Error::internal(format!(
                "a middleware has answered {}, which the server alone can (run what comes next, or give an error)",
                echo(&method)
            ))
        };
        if let Some(outcome) = early.await {
            return Err(outcome?.err().unwrap_or_else(unserved));
        }
        let (answer, outcome) = match serving.await {
            Ok(answer) => (Some(answer), Ok(())),
            Err(error) => (None, Err(error)),
        };
        gate.served(outcome);
        running.await??;
        answer.ok_or_else(unserved)
    }

    /// The answer to a request that failed; the cause goes to the log.
    fn failed(&self, what: &str, id: Option<Id<'_>>, era: Era, error: Error) -> Reply {
        self.log_failure(what, &error);
        Reply::failure(id, &Rejection { era, error })
    }

    pub(crate) fn log_failure(&self, what: &str, error: &Error) {
        if let Some(cause) = &error.cause {
            self.platform.log(LogLevel::Error, &format!("{what} failed: {}", cause.text));
        }
    }

    async fn notification(
        &self,
        method: &str,
        params: Given<Box<Params<'_>>>,
        transport: Transport<'_>,
    ) -> Reply {
        let era = match inbound::notification(transport) {
            Ok(route) => route.version.era(),
            Err(rejection) => return Reply::failure(None, &rejection),
        };
        if self.tables.chain.is_empty() {
            return self.heed(method, params, era).await;
        }
        let message = middleware::Message::Notification(Notification { method: method.into() });
        let version =
            if era == Era::Modern { ProtocolVersion::V2026_07_28 } else { ProtocolVersion::V2025_11_25 };
        let route = Route { version, meta: Meta::default() };
        let serving = Box::pin(async { Ok(self.heed(method, params, era).await) });
        self.gate(&Bytes::new(), route, message, serving).await.unwrap_or_else(|error| {
            self.log_failure(method, &error);
            // A notification is not answered, also where it is refused.
            Reply { status: error.kind.status(era), header: header_of(&error), ..Reply::accepted() }
        })
    }

    /// Does what a notification asks for.
    async fn heed(&self, method: &str, params: Given<Box<Params<'_>>>, era: Era) -> Reply {
        if method != "notifications/cancelled" {
            return Reply::accepted();
        }
        let Some(id) = Params::of(params).ok().and_then(|params| params.request_id()) else {
            return Reply::accepted();
        };
        match (&self.peer, &self.session, era) {
            (Some(peer), ..) => peer.cancel(id),
            // On the modern era a client cancels by going away.
            (None, Some(session), Era::Legacy) => {
                if let Err(error) = self.note_cancelled(session, id).await {
                    self.platform
                        .log(LogLevel::Error, &format!("a cancellation could not be noted: {error}"));
                    return Reply { status: StatusCode::SERVICE_UNAVAILABLE, ..Reply::accepted() };
                }
            }
            (None, _, _) => {}
        }
        Reply::accepted()
    }

    async fn response(&self, id: Option<&RawValue>, outcome: Outcome<'_>, transport: Transport<'_>) -> Reply {
        match inbound::notification(transport) {
            Ok(route) if route.version.era() == Era::Legacy => {}
            Ok(_) => {
                let error =
                    Error::invalid_request("this revision has no requests that a client could answer");
                return Reply::failure(None, &Rejection { era: Era::Modern, error });
            }
            Err(rejection) => return Reply::failure(None, &rejection),
        }
        match (&self.peer, &self.session, id) {
            (Some(peer), _, Some(id)) => peer.answer(id, outcome),
            (None, Some(session), Some(id)) => {
                let answer = match outcome {
                    Outcome::Result(result) => Answer::Result(result.to_owned()),
                    Outcome::Error(error) => Answer::Refusal(error.to_owned()),
                };
                if let Err(error) = call::answer(self, session, id, answer).await {
                    self.platform.log(LogLevel::Error, &format!("an answer could not be kept: {error}"));
                    return Reply { status: StatusCode::SERVICE_UNAVAILABLE, ..Reply::accepted() };
                }
            }
            _ => {}
        }
        Reply::accepted()
    }
}

/// What middlewares see of a request that the exchange serves itself.
fn gated(method: &str, request: &Result<Request<'_>, Error>) -> middleware::Message {
    let task = |id: &str| middleware::Message::Task(TaskMethod { method: method.into(), id: id.to_owned() });
    match request {
        Ok(Request::Initialize { .. }) => middleware::Message::Initialize(Initialize {}),
        Ok(Request::Discover) => middleware::Message::Discover(Discover {}),
        Ok(Request::GetTask { id } | Request::UpdateTask { id, .. } | Request::CancelTask { id }) => task(id),
        _ => middleware::Message::Other(Other { method: method.into() }),
    }
}

/// What an error says in a header as well: when to come again, or which scopes to get.
fn header_of(error: &Error) -> Option<(HeaderName, HeaderValue)> {
    match &error.kind {
        ErrorKind::RateLimited { retry_after } => {
            Some((header::RETRY_AFTER, HeaderValue::from(seconds_ceil(*retry_after))))
        }
        ErrorKind::InsufficientScope { scopes } => {
            let challenge = format!("Bearer {}", insufficient_scope(scopes));
            Some((header::WWW_AUTHENTICATE, HeaderValue::from_str(&challenge).ok()?))
        }
        _ => None,
    }
}

/// Whether this is a request for a new session.
fn begins_session(body: &[u8]) -> bool {
    matches!(jsonrpc::parse(body), Ok(Inbound::One(Message::Request { method, .. })) if method == "initialize")
}

/// Whether this is a message of the modern era, which has no sessions and ignores their ids.
fn says_it_is_modern(body: &[u8]) -> bool {
    match jsonrpc::parse(body) {
        Ok(Inbound::One(Message::Request { params, .. })) => wire::state::is_modern(&params),
        _ => false,
    }
}

/// The id of the request that a body is.
pub(crate) fn request_id(body: &[u8]) -> Option<Id<'_>> {
    match jsonrpc::parse(body) {
        Ok(Inbound::One(Message::Request { id, .. })) => Some(id),
        _ => None,
    }
}
