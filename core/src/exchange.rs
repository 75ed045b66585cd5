//! One body in, one reply out: the steps every transport shares, from the bytes of a message to those of its answer.

use std::{
    borrow::Cow,
    pin::pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::{
    ask::Reach,
    auth::Principal,
    call::{self, CALL_TTL, Kept},
    context::{Client, Context, Declared, Inner},
    drive::{self, DEFAULT_LEVEL, Driver, Ended},
    error::{Error, ToolError},
    future::{BoxFuture, caught},
    http::headers::{self, Single},
    inbound::{self, Rejection, Route, Transport},
    journal::Answer,
    limits::{BATCH_MESSAGES_MAX, echo},
    line::{Hears, HearsLog, Line, Resumes},
    model::{Content, Input, LoggingLevel, Request, ResourceContents},
    output::ToolOutput,
    platform::{LogLevel, Platform},
    server::tables::{Fixed, Tables},
    session::{self, Session},
    state,
    stdio::Peer,
    store::StoreError,
    tool::Tool,
    version::{Era, ProtocolVersion},
    wire::{
        self, capabilities,
        definition::raw,
        jsonrpc::{self, Id, Inbound, Message, Messages, Outcome},
        params::{self, Members, Params},
        results::{CallTool, Empty, GetPrompt, ReadResource},
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
}

impl Reply {
    pub(crate) fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, body: None, session: None }
    }

    fn json(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: Some(body), session: None }
    }

    pub(crate) fn failure(id: Option<Id<'_>>, Rejection { era, error }: &Rejection) -> Self {
        let body = Some(jsonrpc::failure(id, error, *era));
        Self { status: error.kind.status(*era), body, session: None }
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
pub(crate) struct Taken {
    pub(crate) kept: Arc<Kept>,
    /// By which name this instance works on it.
    pub(crate) owner: String,
    pub(crate) version: ProtocolVersion,
    pub(crate) client: Client,
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

/// A session that is not there.
struct NoSession;

impl Exchange {
    /// The same parties, for something else, which nobody listens to.
    pub(crate) fn again(&self) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            platform: self.platform.clone(),
            principal: self.principal.clone(),
            headers: Arc::default(),
            peer: None,
            line: Arc::new(Line::new(Hears::default())),
            takes_stream: false,
            session: self.session.clone(),
            taken: None,
        }
    }

    /// Goes on with the call that was taken, whose request is `body`.
    pub(crate) async fn replay(&self, taken: Taken, body: &Bytes) -> Reply {
        let version = taken.version;
        let exchange = Self {
            headers: Arc::clone(&self.headers),
            line: Arc::clone(&self.line),
            takes_stream: self.takes_stream,
            taken: Some(taken),
            ..self.again()
        };
        // It was a request when it was kept.
        let Ok(Inbound::One(Message::Request { id, method, params })) = jsonrpc::parse(body) else {
            return Reply::accepted();
        };
        let route = Params::read(params).and_then(|params| {
            let meta = params.meta()?.unwrap_or_default().legacy();
            Ok((params, Route { version, meta }))
        });
        match route {
            Ok((params, route)) => exchange.request(body, id, &method, &params, route).await,
            Err(error) => Reply::failure(Some(id), &Rejection { era: version.era(), error }),
        }
    }

    /// Opens the session that the request names, where it names one.
    async fn open_session(&mut self) -> Result<Result<(), NoSession>, Error> {
        if self.peer.is_some() || self.session.is_some() {
            return Ok(Ok(()));
        }
        let id = match headers::single(&self.headers, &session::HEADER) {
            Single::Absent => return Ok(Ok(())),
            Single::Unusable => return Ok(Err(NoSession)),
            Single::Value(id) => id,
        };
        let session = Session::open(&self.tables, &self.platform, self.principal.as_deref(), id);
        let Some(session) = session else { return Ok(Err(NoSession)) };
        if session.is_revoked(&self.tables, &self.platform).await? {
            return Ok(Err(NoSession));
        }
        self.session = Some(session);
        Ok(Ok(()))
    }

    /// What a client gets that opens a stream of its session, or comes back to one; `None` where there is none.
    pub(crate) async fn stream_of_session(mut self) -> Option<BoxFuture<'static, Reply>> {
        if !self.takes_stream {
            return None;
        }
        match self.open_session().await {
            Ok(Ok(())) => {}
            Ok(Err(NoSession)) => return Some(Box::pin(async { Reply::no_session(None) })),
            Err(error) => {
                let reply = self.failed("session", None, Era::Legacy, error);
                return Some(Box::pin(async { reply }));
            }
        }
        let session = self.session.clone()?;
        let last = match headers::single(&self.headers, &headers::LAST_EVENT_ID) {
            Single::Value(id) => call::read_event_id(id).map(|(call, after)| (call.to_owned(), after)),
            _ => None,
        };
        let (call, after) = last?;
        self.line.outlives(Resumes::Primed);
        Some(Box::pin(async move {
            let parties = self.again();
            match call::take_up(self, &session, &call, after).await {
                Ok(reply) => reply,
                Err(error) => {
                    let status = StatusCode::NOT_FOUND;
                    Reply { status, ..parties.failed("a call", None, Era::Legacy, error) }
                }
            }
        }))
    }

    /// What a client gets that ends its session; `None` where sessions cannot be ended.
    pub(crate) async fn end_session(mut self) -> Option<Reply> {
        if !self.tables.sessions.revocable {
            return None;
        }
        let ended = match self.open_session().await {
            Ok(Ok(())) => match &self.session {
                Some(session) => session.revoke(&self.platform).await,
                None => return Some(Reply::no_session(None)),
            },
            Ok(Err(NoSession)) => return Some(Reply::no_session(None)),
            Err(error) => Err(error),
        };
        Some(match ended {
            Ok(()) => Reply { status: StatusCode::NO_CONTENT, ..Reply::accepted() },
            Err(error) => Reply {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..self.failed("the end of a session", None, Era::Legacy, error)
            },
        })
    }

    fn transport(&self) -> Transport<'_> {
        match &self.peer {
            Some(peer) => Transport::Stdio { negotiated: peer.version() },
            None => Transport::Http(&self.headers),
        }
    }

    /// The reply to `body`.
    pub(crate) async fn reply(mut self, body: Bytes) -> Reply {
        let era = self.transport().era();
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
            Ok(Inbound::One(message)) => self.message(&body, message).await,
            Ok(Inbound::Batch(Messages(messages))) => match self.check_batch(&messages) {
                Ok(()) => self.batch(&body, &messages).await,
                Err(error) => unreadable(error),
            },
            Err(error) => unreadable(error),
        }
    }

    fn check_batch(&self, messages: &[&RawValue]) -> Result<(), Error> {
        if !inbound::takes_batches(self.transport()) {
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
    async fn batch(&self, body: &Bytes, messages: &[&RawValue]) -> Reply {
        let mut answers = Vec::new();
        for raw in messages {
            let reply = match jsonrpc::message(raw.get()) {
                Ok(Message::Request { id, method, .. }) if method == "initialize" => {
                    let error = Error::invalid_request("`initialize` cannot be part of a batch");
                    Reply::failure(Some(id), &Rejection { era: Era::Legacy, error })
                }
                Ok(Message::Request { id, params, .. }) if wire::state::is_modern(params) => {
                    let error =
                        Error::invalid_request("a message of revision 2026-07-28 cannot be part of a batch");
                    Reply::failure(Some(id), &Rejection { era: Era::Modern, error })
                }
                // Boxed, since a message that could be a batch would make this future contain itself.
                Ok(message) => Box::pin(self.message(&body.slice_ref(raw.get().as_bytes()), message)).await,
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

    async fn message(&self, body: &Bytes, message: Message<'_>) -> Reply {
        let (id, method, params) = match message {
            Message::Request { id, method, params } => (id, method, params),
            Message::Notification { method, params } => return self.notification(&method, params).await,
            Message::Response { id, outcome } => return self.response(id, outcome).await,
        };
        let era = self.transport().era();
        let params = match Params::read(params) {
            Ok(params) => params,
            Err(error) => return Reply::failure(Some(id), &Rejection { era, error }),
        };
        let mut route = match inbound::request(self.transport(), &method, &params) {
            Ok(route) => route,
            Err(rejection) => return Reply::failure(Some(id), &rejection),
        };
        if let (Era::Legacy, Some(session)) = (route.version.era(), &self.session)
            && !self.headers.contains_key(headers::PROTOCOL_VERSION)
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
        let mut session = None;
        let request = self.offered(method).and_then(|()| wire::decode(era, method, params));
        let answer = match request {
            Ok(request) => self.dispatch(body, id, route, request, &mut session).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(body)) => Reply { session, ..Reply::json(body) },
            Ok(None) => Reply::accepted(),
            Err(error) => self.failed(method, Some(id), era, error),
        }
    }

    /// The answer to a request that failed; the cause goes to the log.
    fn failed(&self, what: &str, id: Option<Id<'_>>, era: Era, error: Error) -> Reply {
        if let Some(cause) = &error.cause {
            self.platform.log(LogLevel::Error, &format!("{what} failed: {cause}"));
        }
        Reply::failure(id, &Rejection { era, error })
    }

    async fn notification(&self, method: &str, params: Option<&RawValue>) -> Reply {
        let era = match inbound::notification(self.transport()) {
            Ok(route) => route.version.era(),
            Err(rejection) => return Reply::failure(None, &rejection),
        };
        if method != "notifications/cancelled" {
            return Reply::accepted();
        }
        let Some(id) = Params::read(params).ok().and_then(|params| params.request_id()) else {
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

    /// Tells whichever instance works on the request `id` that its client does not want the answer any more.
    async fn note_cancelled(&self, session: &Session, id: &RawValue) -> Result<(), StoreError> {
        let store = self.platform.strong_store();
        match store.capabilities().consistent {
            true => store.put(&drive::cancelled(&session.id, id.get())?, "1".into(), Some(CALL_TTL)).await,
            // Nobody would look.
            false => Ok(()),
        }
    }

    async fn response(&self, id: Option<&RawValue>, outcome: Outcome<'_>) -> Reply {
        match inbound::notification(self.transport()) {
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

    /// Refuses a method of a kind that the server has nothing of, as it announces no such capability.
    fn offered(&self, method: &str) -> Result<(), Error> {
        let offers = self.tables.offers;
        let kind = method.split('/').next().unwrap_or_default();
        let offered = match kind {
            "tools" => offers.tools,
            "resources" => offers.resources,
            "prompts" => offers.prompts,
            _ => true,
        };
        match offered {
            true => Ok(()),
            false => Err(Error::method_not_found(format!("{}: this server has no {kind}", echo(method)))),
        }
    }

    /// The answer to a request; none to one that was cancelled.
    async fn dispatch(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        request: Request<'_>,
        session: &mut Option<String>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let fixed = |which, version| Ok(Some(jsonrpc::success(id, self.tables.fixed(which, version))));
        match request {
            Request::Initialize { requested, capabilities, client_info } => {
                let version = ProtocolVersion::settle(&requested);
                let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
                let declared = capabilities.map_or(Bytes::from_static(b"{}"), slice);
                match &self.peer {
                    Some(peer) => {
                        let info = client_info.map(slice);
                        peer.settle(version, Client { info, declared: Declared::Json(declared) });
                    }
                    None => *session = self.begin_session(version, &declared, client_info),
                }
                fixed(Fixed::Initialize, version)
            }
            Request::Ping => Ok(Some(jsonrpc::success(id, Empty {}))),
            Request::Discover => fixed(Fixed::Discover, version),
            Request::SetLevel { level } => {
                match (&self.peer, &self.session) {
                    (Some(peer), _) => peer.set_level(level),
                    (None, Some(session)) => self.keep_level(session, level).await?,
                    // Nobody would remember it: what this client gets is `info` and above.
                    (None, None) => {}
                }
                Ok(Some(jsonrpc::success(id, Empty {})))
            }
            Request::List { listing, cursor } => {
                if let Some(cursor) = cursor {
                    return Err(Error::invalid_params(format!(
                        "cursor {} was not issued by this server",
                        echo(&cursor)
                    )));
                }
                fixed(Fixed::List(listing), version)
            }
            Request::CallTool { name, arguments, input } => {
                let Some(tool) = self.tables.tool(&name) else {
                    return Err(Error::invalid_params(format!("no tool is named {}", echo(&name))));
                };
                let cx = self.context(body, route)?;
                let lacking = tool.client_capabilities.iter().find(|name| !cx.client_has(name));
                if let Some(capability) = lacking {
                    let what = format!("tool {}", echo(&name));
                    return Err(Error::missing_client_capability(&what, capability));
                }
                let answer = tool.call(cx.clone(), arguments);
                self.run(&cx, id, input, async {
                    let output = match answer {
                        Ok(answer) => {
                            caught(answer).await.unwrap_or_else(|panic| Err(ToolError::masked(panic)))
                        }
                        Err(error) => Err(ToolError::new(error.0)),
                    };
                    self.tool_result(tool, version, output)
                })
                .await
            }
            Request::ReadResource { uri, input } => {
                let Some((resource, values)) = self.tables.resource(&uri) else {
                    return Err(Error::resource_not_found(uri));
                };
                let values = values.map_err(|error| Error::invalid_params(error.0))?;
                let cx = self.context(body, route)?;
                let reading =
                    resource.read(cx.clone(), &values).map_err(|error| Error::invalid_params(error.0))?;
                self.run(&cx, id, input, async {
                    let mut contents = caught(reading).await.map_err(Error::internal)??;
                    for part in &mut contents {
                        fill_in(part, &uri, resource.definition.mime_type.as_ref());
                    }
                    Ok(raw(ReadResource::new(self.tables.results_for(version), &contents)))
                })
                .await
            }
            Request::GetPrompt { name, arguments, input } => {
                let Some(prompt) = self.tables.prompt(&name) else {
                    return Err(Error::invalid_params(format!("no prompt is named {}", echo(&name))));
                };
                let cx = self.context(body, route)?;
                let getting =
                    prompt.get(cx.clone(), &arguments).map_err(|error| Error::invalid_params(error.0))?;
                self.run(&cx, id, input, async {
                    let messages = caught(getting).await.map_err(Error::internal)??;
                    let to = self.tables.results_for(version);
                    Ok(raw(GetPrompt::new(to, &prompt.definition.description, &messages)))
                })
                .await
            }
            Request::Subscribe { .. }
            | Request::Unsubscribe { .. }
            | Request::Complete { .. }
            | Request::Listen(_)
            | Request::GetTask { .. }
            | Request::UpdateTask { .. }
            | Request::CancelTask { .. } => Err(Error::method_not_found("not yet")),
        }
    }

    /// Runs a handler, and writes what it gives as the answer to `id`.
    async fn run(
        &self,
        cx: &Context,
        id: Id<'_>,
        input: Input<'_>,
        work: impl Future<Output = Result<Box<RawValue>, Error>> + crate::future::MaybeSend,
    ) -> Result<Option<Vec<u8>>, Error> {
        if input.state.is_some() || !input.responses.is_empty() {
            state::resume(cx, input).await?;
        }
        let peer = self.peer.as_deref();
        let _running = peer.map(|peer| peer.run(id, &self.line));
        let owner = self.taken.as_ref().map(|taken| taken.owner.clone());
        let mut driver = Driver { cx, peer, id: id.json(), owner };
        let ended = driver.run(pin!(work)).await;
        let Some(kept) = cx.0.kept.get() else {
            return ended.map(|ended| match ended {
                Ended::Result(result) => Some(jsonrpc::success(id, result)),
                Ended::Cancelled | Ended::Parked => None,
            });
        };
        // The answer of a call that is kept belongs to its stream, wherever that is read.
        let answer = match ended {
            Ok(Ended::Result(result)) => jsonrpc::success(id, result),
            Ok(Ended::Parked) => return Ok(None),
            Ok(Ended::Cancelled) => Vec::new(),
            Err(error) => {
                let era = cx.protocol_version().era();
                self.failed("a call", Some(id), era, error).body.unwrap_or_default()
            }
        };
        let place = self.line.next_place();
        let finished = async {
            if !answer.is_empty() {
                kept.put_event(place, &answer).await?;
            }
            kept.finish().await?;
            driver.leave().await
        };
        if let Err(error) = finished.await {
            self.platform.log(LogLevel::Error, &format!("the answer of a call could not be kept: {error}"));
        }
        if !answer.is_empty() {
            self.line.send_at(place, answer);
        }
        Ok(None)
    }

    /// The id of a new session; none where this server has none.
    fn begin_session(
        &self,
        version: ProtocolVersion,
        declared: &Bytes,
        client_info: Option<&RawValue>,
    ) -> Option<String> {
        let bits = std::str::from_utf8(declared).map_or(0, capabilities::bits);
        let info = client_info.and_then(|raw| Members::read(raw.get())).and_then(|info| {
            let text = |name| info.get(name).and_then(params::string).map(Cow::into_owned);
            Some((text("name")?, text("version")?))
        });
        Session::begin(&self.tables, &self.platform, self.principal.as_deref(), version, bits, info)
    }

    /// Keeps the least level of log that a session wants, where there is a store to keep it in.
    async fn keep_level(&self, session: &Session, level: LoggingLevel) -> Result<(), Error> {
        let store = self.platform.strong_store();
        if store.capabilities().value_bytes_max != Some(0) {
            let left = session.left(&self.platform);
            store.put(&session.key("level")?, level.as_str().into(), Some(left)).await?;
        }
        Ok(())
    }

    /// The result of a tool: what it gave, or a text about its failure that the model reads.
    fn tool_result(
        &self,
        tool: &Tool,
        version: ProtocolVersion,
        output: Result<ToolOutput, ToolError>,
    ) -> Result<Box<RawValue>, Error> {
        let output = match output {
            Ok(output) => output,
            Err(ToolError { protocol: Some(error), .. }) => return Err(*error),
            Err(ToolError { message, cause, .. }) => {
                if let Some(cause) = cause {
                    let name = &tool.definition.name;
                    self.platform.log(LogLevel::Error, &format!("tool {name:?} failed: {cause}"));
                }
                ToolOutput::new().content(Content::text(message)).is_error()
            }
        };
        let ToolOutput { content, structured, is_error } = &output;
        let to = self.tables.results_for(version);
        Ok(raw(CallTool::new(to, content, structured.as_deref(), tool.wrapped, *is_error)))
    }

    fn context(&self, body: &Bytes, route: Route<'_>) -> Result<Context, Error> {
        // A slice of the request's own bytes, so that nothing is copied for handlers that never ask.
        let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
        let Route { version, meta } = route;
        let era = version.era();
        let client = match (era, &self.peer, &self.session, &self.taken) {
            (Era::Modern, ..) => Client {
                info: meta.client_info.map(slice),
                declared: meta.client_capabilities.map(slice).map_or(Declared::Unknown, Declared::Json),
            },
            (Era::Legacy, _, _, Some(taken)) => taken.client.clone(),
            (Era::Legacy, Some(peer), ..) => peer.client(),
            (Era::Legacy, None, Some(session), None) => session.client(),
            (Era::Legacy, None, None, None) => Client::default(),
        };
        if self.takes_stream {
            let log = match (era, &self.peer, &self.session) {
                (Era::Modern, ..) => meta.log_level()?.map_or(HearsLog::Nothing, HearsLog::From),
                (Era::Legacy, Some(peer), _) => HearsLog::From(peer.level().unwrap_or(DEFAULT_LEVEL)),
                (Era::Legacy, None, Some(_)) => HearsLog::AsSession,
                (Era::Legacy, None, None) => HearsLog::From(DEFAULT_LEVEL),
            };
            let progress_token = meta.progress_token()?.map(ToOwned::to_owned);
            self.line.set_hears(Hears { progress_token, log });
        }
        let reach = self.reach(version);
        if era == Era::Legacy && self.peer.is_none() {
            self.line.outlives(match (reach, version >= ProtocolVersion::V2025_11_25) {
                (Reach::Store, true) => Resumes::Primed,
                (Reach::Store, false) => Resumes::ByEvents,
                _ => Resumes::No,
            });
        }
        let kept = match &self.taken {
            Some(taken) => Arc::clone(&taken.kept).into(),
            None => OnceLock::new(),
        };
        Ok(Context::new(Inner {
            tables: Arc::clone(&self.tables),
            platform: self.platform.clone(),
            principal: self.principal.clone(),
            version,
            headers: Arc::clone(&self.headers),
            client,
            trace: [meta.traceparent, meta.tracestate, meta.baggage].map(|raw| raw.map(slice)),
            line: Arc::clone(&self.line),
            reach,
            message: body.clone(),
            session: self.session.clone().filter(|_| era == Era::Legacy),
            kept,
        }))
    }

    /// How the client of a call can be asked something.
    fn reach(&self, version: ProtocolVersion) -> Reach {
        if version.era() == Era::Modern {
            return Reach::Again;
        }
        if self.peer.is_some() {
            return Reach::Connection;
        }
        if self.taken.is_some() {
            return Reach::Store;
        }
        if self.session.is_none() {
            return Reach::Nowhere(
                "it has no session, since no key to seal one with is configured (`EDGEMCP_SEAL_KEYS`), sessions are \
                 switched off, or the client did not send `Mcp-Session-Id`",
            );
        }
        if !self.takes_stream {
            return Reach::Nowhere("it takes no stream (send `Accept: application/json, text/event-stream`)");
        }
        let store = self.platform.strong_store().capabilities();
        if !store.atomic || !store.consistent {
            return Reach::Nowhere(
                "its answer would come through the store, which must be atomic and consistent (Workers: bind a Durable \
                 Object as `EDGEMCP_OBJECTS`, since KV is neither; Lambda: set `EDGEMCP_TABLE`)",
            );
        }
        if self.platform.hold_max().is_none() && version < ProtocolVersion::V2025_11_25 {
            return Reach::Nowhere(
                "answers leave this platform in one piece, and clients before 2025-11-25 do not come back for the rest \
                 (Lambda: set `EDGEMCP_LAMBDA_RESPONSE` to `streamed`)",
            );
        }
        Reach::Store
    }
}

/// Whether this is a request for a new session.
fn begins_session(body: &[u8]) -> bool {
    matches!(jsonrpc::parse(body), Ok(Inbound::One(Message::Request { method, .. })) if method == "initialize")
}

/// Whether this is a message of the modern era, which has no sessions and ignores their ids.
fn says_it_is_modern(body: &[u8]) -> bool {
    match jsonrpc::parse(body) {
        Ok(Inbound::One(Message::Request { params, .. })) => wire::state::is_modern(params),
        _ => false,
    }
}

/// The id of the request that a body is.
fn request_id(body: &[u8]) -> Option<Id<'_>> {
    match jsonrpc::parse(body) {
        Ok(Inbound::One(Message::Request { id, .. })) => Some(id),
        _ => None,
    }
}

/// Gives contents the URI that was read and the resource's media type, where the handler named none.
fn fill_in(part: &mut ResourceContents, uri: &str, mime_type: Option<&crate::model::Text>) {
    if part.uri.is_empty() {
        part.uri = uri.to_owned().into();
    }
    if part.mime_type.is_none() {
        part.mime_type = mime_type.cloned();
    }
}
