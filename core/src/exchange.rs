//! One body in, one reply out: the steps every transport shares, from the bytes of a message to those of its answer.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::{
    ask::Reach,
    auth::Principal,
    context::{Client, Context, Declared, Inner},
    drive::{self, DEFAULT_LEVEL, Ended},
    error::{Error, ToolError},
    future::caught,
    inbound::{self, Rejection, Route, Transport},
    limits::{BATCH_MESSAGES_MAX, echo},
    line::{Hears, HearsLog, Line},
    model::{Content, Input, Request, ResourceContents},
    output::ToolOutput,
    platform::{LogLevel, Platform},
    server::tables::{Fixed, Tables},
    state,
    stdio::Peer,
    tool::Tool,
    version::{Era, ProtocolVersion},
    wire::{
        self,
        definition::raw,
        jsonrpc::{self, Id, Inbound, Message, Messages, Outcome},
        params::Params,
        results::{CallTool, Empty, GetPrompt, ReadResource},
    },
};

/// What one body is answered with.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// `None` where nothing is to be said, as to a notification.
    pub(crate) body: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, body: None }
    }

    fn json(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: Some(body) }
    }

    pub(crate) fn failure(id: Option<Id<'_>>, Rejection { era, error }: &Rejection) -> Self {
        let body = Some(jsonrpc::failure(id, error, *era));
        Self { status: error.kind.status(*era), body }
    }
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
}

impl Exchange {
    fn transport(&self) -> Transport<'_> {
        match &self.peer {
            Some(peer) => Transport::Stdio { negotiated: peer.version() },
            None => Transport::Http(&self.headers),
        }
    }

    /// The reply to `body`.
    pub(crate) async fn reply(self, body: Bytes) -> Reply {
        let unreadable = |error| Reply::failure(None, &Rejection { era: self.transport().era(), error });
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
            Message::Notification { method, params } => return self.notification(&method, params),
            Message::Response { id, outcome } => return self.response(id, outcome),
        };
        let refuse = |era, error| Reply::failure(Some(id), &Rejection { era, error });
        let params = match Params::read(params) {
            Ok(params) => params,
            Err(error) => return refuse(self.transport().era(), error),
        };
        let route = match inbound::request(self.transport(), &method, &params) {
            Ok(route) => route,
            Err(rejection) => return Reply::failure(Some(id), &rejection),
        };
        let era = route.version.era();
        let request = self.offered(&method).and_then(|()| wire::decode(era, &method, &params));
        let answer = match request {
            Ok(request) => self.dispatch(body, id, route, request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(body)) => Reply::json(body),
            Ok(None) => Reply::accepted(),
            Err(error) => {
                if let Some(cause) = &error.cause {
                    self.platform.log(LogLevel::Error, &format!("{method} failed: {cause}"));
                }
                refuse(era, error)
            }
        }
    }

    fn notification(&self, method: &str, params: Option<&RawValue>) -> Reply {
        if let Err(rejection) = inbound::notification(self.transport()) {
            return Reply::failure(None, &rejection);
        }
        if method == "notifications/cancelled"
            && let Some(peer) = &self.peer
            && let Some(id) = Params::read(params).ok().and_then(|params| params.request_id())
        {
            peer.cancel(id);
        }
        Reply::accepted()
    }

    fn response(&self, id: Option<&RawValue>, outcome: Outcome<'_>) -> Reply {
        match inbound::notification(self.transport()) {
            Ok(route) if route.version.era() == Era::Legacy => {
                if let (Some(peer), Some(id)) = (&self.peer, id) {
                    peer.answer(id, outcome);
                }
                Reply::accepted()
            }
            Ok(_) => {
                let error =
                    Error::invalid_request("this revision has no requests that a client could answer");
                Reply::failure(None, &Rejection { era: Era::Modern, error })
            }
            Err(rejection) => Reply::failure(None, &rejection),
        }
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
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let fixed = |which, version| Ok(Some(jsonrpc::success(id, self.tables.fixed(which, version))));
        match request {
            Request::Initialize { requested, capabilities, client_info } => {
                let version = ProtocolVersion::settle(&requested);
                if let Some(peer) = &self.peer {
                    let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
                    let declared = capabilities.map_or(Bytes::from_static(b"{}"), slice);
                    let client = Client { info: client_info.map(slice), declared: Declared::Json(declared) };
                    peer.settle(version, client);
                }
                fixed(Fixed::Initialize, version)
            }
            Request::Ping => Ok(Some(jsonrpc::success(id, Empty {}))),
            Request::Discover => fixed(Fixed::Discover, version),
            Request::SetLevel { level } => {
                if let Some(peer) = &self.peer {
                    peer.set_level(level);
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
        Ok(match drive::drive(cx, peer, pin!(work)).await? {
            Ended::Result(result) => Some(jsonrpc::success(id, result)),
            Ended::Cancelled => None,
        })
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
        let client = match (era, &self.peer) {
            (Era::Modern, _) => Client {
                info: meta.client_info.map(slice),
                declared: meta.client_capabilities.map(slice).map_or(Declared::Unknown, Declared::Json),
            },
            (Era::Legacy, Some(peer)) => peer.client(),
            (Era::Legacy, None) => Client::default(),
        };
        if self.takes_stream {
            let log = match era {
                Era::Modern => meta.log_level()?.map_or(HearsLog::Nothing, HearsLog::From),
                Era::Legacy => {
                    HearsLog::From(self.peer.as_ref().and_then(|peer| peer.level()).unwrap_or(DEFAULT_LEVEL))
                }
            };
            let progress_token = meta.progress_token()?.map(ToOwned::to_owned);
            self.line.set_hears(Hears { progress_token, log });
        }
        let reach = match (era, &self.peer) {
            (Era::Modern, _) => Reach::Again,
            (Era::Legacy, Some(_)) => Reach::Connection,
            (Era::Legacy, None) => Reach::Nowhere("it has no session"),
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
            stored: None,
        }))
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
