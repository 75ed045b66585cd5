//! One body in, one reply out: the steps every transport shares, from the bytes of a message to those of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::{
    auth::Principal,
    context::{Context, Inner},
    error::{Error, ToolError},
    future::caught,
    inbound::{self, Rejection, Route, Transport},
    limits::{BATCH_MESSAGES_MAX, echo},
    model::{Content, Request, ResourceContents},
    output::ToolOutput,
    platform::{LogLevel, Platform},
    server::tables::{Fixed, Tables},
    version::{Era, ProtocolVersion},
    wire::{
        self,
        jsonrpc::{self, Id, Inbound, Message, Messages},
        params::Params,
        results::{CallTool, Empty, GetPrompt, ReadResource},
    },
};

/// What one body is answered with.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// `None` where nothing is to be said, as to a notification.
    pub(crate) body: Option<Vec<u8>>,
    /// The revision that this exchange settled, for a transport that must remember it.
    pub(crate) settled: Option<ProtocolVersion>,
}

impl Reply {
    fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, body: None, settled: None }
    }

    fn json(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: Some(body), settled: None }
    }

    fn failure(id: Option<Id<'_>>, Rejection { era, error }: &Rejection) -> Self {
        let body = Some(jsonrpc::failure(id, error, *era));
        Self { status: error.kind.status(*era), body, settled: None }
    }
}

/// Who is talking to what, and how.
pub(crate) struct Exchange<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) platform: &'a Platform,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) transport: Transport<'a>,
    pub(crate) headers: &'a Arc<HeaderMap>,
}

impl Exchange<'_> {
    /// The reply to `body`.
    pub(crate) async fn reply(&self, body: &Bytes) -> Reply {
        let unreadable = |error| Reply::failure(None, &Rejection { era: self.transport.era(), error });
        match jsonrpc::parse(body) {
            Ok(Inbound::One(message)) => self.message(body, message).await,
            Ok(Inbound::Batch(Messages(messages))) => match self.check_batch(&messages) {
                Ok(()) => self.batch(body, &messages).await,
                Err(error) => unreadable(error),
            },
            Err(error) => unreadable(error),
        }
    }

    fn check_batch(&self, messages: &[&RawValue]) -> Result<(), Error> {
        if !inbound::takes_batches(self.transport) {
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
                Ok(Message::Request { id, params, .. }) if is_modern(params) => {
                    let error =
                        Error::invalid_request("a message of revision 2026-07-28 cannot be part of a batch");
                    Reply::failure(Some(id), &Rejection { era: Era::Modern, error })
                }
                // Boxed, since a message that could be a batch would make this future contain itself.
                Ok(message) => Box::pin(self.message(body, message)).await,
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
            Message::Notification => {
                return match inbound::notification(self.transport) {
                    Ok(_) => Reply::accepted(),
                    Err(rejection) => Reply::failure(None, &rejection),
                };
            }
            Message::Response => {
                return match inbound::notification(self.transport) {
                    Ok(route) if route.version.era() == Era::Legacy => Reply::accepted(),
                    Ok(_) => {
                        let error = Error::invalid_request(
                            "this revision has no requests that a client could answer",
                        );
                        Reply::failure(None, &Rejection { era: Era::Modern, error })
                    }
                    Err(rejection) => Reply::failure(None, &rejection),
                };
            }
        };
        let params = match Params::read(params) {
            Ok(params) => params,
            Err(error) => {
                return Reply::failure(Some(id), &Rejection { era: self.transport.era(), error });
            }
        };
        let route = match inbound::request(self.transport, &method, &params) {
            Ok(route) => route,
            Err(rejection) => return Reply::failure(Some(id), &rejection),
        };
        let era = route.version.era();
        let request = self.offered(&method).and_then(|()| wire::decode(era, &method, &params));
        let settled = match &request {
            Ok(Request::Initialize { requested }) => Some(ProtocolVersion::settle(requested)),
            _ => None,
        };
        let answer = match request {
            Ok(request) => self.dispatch(body, id, route, request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(body) => Reply { settled, ..Reply::json(body) },
            Err(error) => {
                if let Some(cause) = &error.cause {
                    self.platform.log(LogLevel::Error, &format!("{method} failed: {cause}"));
                }
                Reply::failure(Some(id), &Rejection { era, error })
            }
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

    async fn dispatch(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        request: Request<'_>,
    ) -> Result<Vec<u8>, Error> {
        let version = route.version;
        let fixed = |which, version| Ok(jsonrpc::success(id, self.tables.fixed(which, version)));
        match request {
            Request::Initialize { requested } => {
                fixed(Fixed::Initialize, ProtocolVersion::settle(&requested))
            }
            Request::Ping => Ok(jsonrpc::success(id, Empty {})),
            Request::Discover => fixed(Fixed::Discover, version),
            Request::ListTools => fixed(Fixed::Tools, version),
            Request::ListResources => fixed(Fixed::Resources, version),
            Request::ListResourceTemplates => fixed(Fixed::ResourceTemplates, version),
            Request::ListPrompts => fixed(Fixed::Prompts, version),
            Request::CallTool { name, arguments } => {
                let Some(tool) = self.tables.tool(&name) else {
                    return Err(Error::invalid_params(format!("no tool is named {}", echo(&name))));
                };
                let cx = self.context(body, route);
                if let Some(capability) = tool.client_capabilities.iter().find(|name| !cx.client_has(name)) {
                    return Err(Error::missing_client_capability(
                        &format!("tool {}", echo(&name)),
                        capability,
                    ));
                }
                let output = match tool.call(cx, arguments) {
                    Ok(answer) => caught(answer).await.unwrap_or_else(|panic| Err(ToolError::masked(panic))),
                    Err(error) => Err(ToolError::new(error.0)),
                };
                let output = output.unwrap_or_else(|error| {
                    if let Some(cause) = error.cause {
                        self.platform.log(
                            LogLevel::Error,
                            &format!("tool {:?} failed: {cause}", tool.definition.name),
                        );
                    }
                    ToolOutput::new().content(Content::text(error.message)).is_error()
                });
                let ToolOutput { content, structured, is_error } = &output;
                let to = self.tables.results_for(version);
                let result = CallTool::new(to, content, structured.as_deref(), tool.wrapped, *is_error);
                Ok(jsonrpc::success(id, result))
            }
            Request::ReadResource { uri } => {
                let Some((resource, values)) = self.tables.resource(&uri) else {
                    return Err(Error::resource_not_found(uri));
                };
                let values = values.map_err(|error| Error::invalid_params(error.0))?;
                let reading = resource.read(self.context(body, route), &values);
                let mut contents = match reading {
                    Ok(answer) => caught(answer).await.map_err(Error::internal)??,
                    Err(error) => return Err(Error::invalid_params(error.0)),
                };
                for part in &mut contents {
                    fill_in(part, &uri, resource.definition.mime_type.as_ref());
                }
                Ok(jsonrpc::success(id, ReadResource::new(self.tables.results_for(version), &contents)))
            }
            Request::GetPrompt { name, arguments } => {
                let Some(prompt) = self.tables.prompt(&name) else {
                    return Err(Error::invalid_params(format!("no prompt is named {}", echo(&name))));
                };
                let messages = match prompt.get(self.context(body, route), &arguments) {
                    Ok(answer) => caught(answer).await.map_err(Error::internal)??,
                    Err(error) => return Err(Error::invalid_params(error.0)),
                };
                let to = self.tables.results_for(version);
                Ok(jsonrpc::success(id, GetPrompt::new(to, &prompt.definition.description, &messages)))
            }
        }
    }

    fn context(&self, body: &Bytes, route: Route<'_>) -> Context {
        // A slice of the request's own bytes, so that nothing is copied for handlers that never ask.
        let slice = |raw: Option<&RawValue>| raw.map(|raw| body.slice_ref(raw.get().as_bytes()));
        Context::new(Inner {
            platform: self.platform.clone(),
            principal: self.principal.clone(),
            version: route.version,
            headers: Arc::clone(self.headers),
            client_info: slice(route.meta.client_info),
            client_capabilities: slice(route.meta.client_capabilities),
        })
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

/// Whether these parameters say that their request is of the modern era.
fn is_modern(params: Option<&RawValue>) -> bool {
    let meta = Params::read(params).and_then(|params| params.meta());
    matches!(meta, Ok(Some(meta)) if meta.protocol_version.is_some())
}
