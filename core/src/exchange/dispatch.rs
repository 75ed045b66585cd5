//! What a request is answered with: the component it names is found and run.

use std::{borrow::Cow, future::poll_fn, pin::pin, sync::PoisonError};

use bytes::Bytes;
use futures_util::future::{Either, select};
use serde_json::value::RawValue;

use super::Exchange;
use crate::{
    ask::Reach,
    call::Kept,
    changes,
    completion::Completions,
    context::{Client, Context, Declared},
    drive::{Driver, Ended, Work},
    error::{Error, ToolError},
    future::caught,
    inbound::Route,
    journal::Answer,
    lifespan::States,
    limits::echo,
    line::Want,
    model::{Completed, Content, Input, Pairs, Request, ResourceContents},
    output::ToolOutput,
    platform::LogLevel,
    resource::Resource,
    server::tables::Fixed,
    state,
    task::{self, TaskSupport},
    tool::Tool,
    version::{Era, ProtocolVersion},
    wire::{
        definition::raw,
        jsonrpc::{self, Id},
        results::{CallTool, Complete, Empty, GetPrompt, ReadResource},
    },
};

impl Exchange {
    /// Refuses a method of a kind that the server has nothing of, as it announces no such capability.
    pub(super) fn offered(&self, method: &str) -> Result<(), Error> {
        let offers = self.tables.offers;
        let kind = method.split('/').next().unwrap_or_default();
        let (offered, what) = match kind {
            "tools" => (offers.tools, "tools"),
            "resources" => (offers.resources, "resources"),
            "prompts" => (offers.prompts, "prompts"),
            "completion" => (offers.completions, "completions"),
            _ => (true, ""),
        };
        match offered {
            true => Ok(()),
            false => Err(Error::method_not_found(format!("{}: this server has no {what}", echo(method)))),
        }
    }

    /// The answer to a request; none to one that was cancelled, and to one whose answer has gone another way.
    pub(super) async fn dispatch(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        request: Request<'_>,
        session: &mut Option<String>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let empty = || Ok(Some(jsonrpc::success(id, Empty {})));
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
                let abilities = self.abilities(Era::Legacy);
                Ok(Some(jsonrpc::success(id, self.tables.fixed(Fixed::Initialize(abilities), version))))
            }
            Request::Ping => empty(),
            Request::Discover => {
                let which = Fixed::Discover(self.abilities(Era::Modern));
                Ok(Some(jsonrpc::success(id, self.tables.fixed(which, version))))
            }
            Request::SetLevel { level } => {
                match (&self.peer, &self.session) {
                    (Some(peer), _) => peer.set_level(level),
                    (None, Some(session)) => self.keep_level(session, level).await?,
                    // Nobody would remember it: what this client gets is `info` and above.
                    (None, None) => {}
                }
                empty()
            }
            Request::List { listing, cursor } => {
                let page = self.tables.page(listing, cursor.as_deref()).ok_or_else(|| {
                    let cursor = echo(cursor.as_deref().unwrap_or_default());
                    Error::invalid_params(format!(
                        "cursor {cursor} is none of this list, or the list has changed: start without one"
                    ))
                })?;
                Ok(Some(jsonrpc::success(id, self.tables.fixed(Fixed::List(listing, page), version))))
            }
            Request::CallTool { name, arguments, input } => {
                let Some(tool) = self.tables.tool(&name) else {
                    return Err(Error::invalid_params(format!("no tool is named {}", echo(&name))));
                };
                self.call_tool(body, id, route, tool, arguments, input).await
            }
            Request::ReadResource { uri, input } => {
                let Some((resource, values)) = self.tables.resource(&uri) else {
                    return Err(Error::resource_not_found(uri));
                };
                let values = values.map_err(|error| Error::invalid_params(error.0))?;
                let states = match self.started().await {
                    Err(error) if resource.starts_nothing => {
                        States::Failed(error.for_the_log().into())
                    }
                    started => started?,
                };
                let cx = self.context(body, route, self.reach(version), states)?;
                self.line.satisfy(Want::Task);
                let reading =
                    resource.read(cx.clone(), &values).map_err(|error| Error::invalid_params(error.0))?;
                let work = pin!(async {
                    let mut contents = caught(reading).await.map_err(Error::internal)??;
                    for part in &mut contents {
                        fill_in(part, &uri, resource);
                    }
                    Ok(raw(ReadResource::new(self.tables.results_for(version), &contents, resource.cache)))
                });
                self.run(&cx, id, input, work).await
            }
            Request::GetPrompt { name, arguments, input } => {
                let Some(prompt) = self.tables.prompt(&name) else {
                    return Err(Error::invalid_params(format!("no prompt is named {}", echo(&name))));
                };
                let cx = self.context(body, route, self.reach(version), self.started().await?)?;
                self.line.satisfy(Want::Task);
                let getting =
                    prompt.get(cx.clone(), &arguments).map_err(|error| Error::invalid_params(error.0))?;
                let work = pin!(async {
                    let messages = caught(getting).await.map_err(Error::internal)??;
                    let to = self.tables.results_for(version);
                    Ok(raw(GetPrompt::new(to, &prompt.definition.description, &messages)))
                });
                self.run(&cx, id, input, work).await
            }
            Request::Complete { of, argument, value, arguments } => {
                self.complete(body, id, route, &of, (argument, value), arguments).await
            }
            Request::Subscribe { uri } => changes::subscribe(self, &uri).await.and_then(|()| empty()),
            Request::Unsubscribe { uri } => changes::unsubscribe(self, &uri).await.and_then(|()| empty()),
            Request::Listen(listened) => {
                let declares_tasks = task::declares(route.meta.client_capabilities);
                let _running = self.peer.as_deref().map(|peer| peer.run(id, &self.line));
                let listening = pin!(changes::listen(self, id, listened, declares_tasks));
                let cancelled = poll_fn(|task| self.line.poll_cancelled(task));
                match select(cancelled, listening).await {
                    Either::Left(((), _)) => Ok(None),
                    Either::Right((ended, _)) => Ok(Some(jsonrpc::success(id, ended?))),
                }
            }
            Request::GetTask { id: task } => {
                task::must_declare(self, route.meta.client_capabilities)?;
                Ok(Some(jsonrpc::success(id, task::get(self, &task).await?)))
            }
            Request::UpdateTask { id: task, responses } => {
                task::must_declare(self, route.meta.client_capabilities)?;
                Ok(Some(jsonrpc::success(id, task::update(self, &task, responses).await?)))
            }
            Request::CancelTask { id: task } => {
                task::must_declare(self, route.meta.client_capabilities)?;
                Ok(Some(jsonrpc::success(id, task::cancel(self, &task).await?)))
            }
        }
    }

    async fn call_tool(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        tool: &Tool,
        arguments: Option<&RawValue>,
        input: Input<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let (version, name) = (route.version, &tool.definition.name);
        // A call that is taken up was checked when it came.
        let is_first = self.taken.is_none();
        if is_first && self.peer.is_none() && version.era() == Era::Modern {
            for header in &tool.headers {
                header.check(&self.headers, arguments)?;
            }
        }
        let cx = self.context(body, route, self.reach(version), self.started().await?)?;
        let lacking = tool.client_capabilities.iter().find(|name| !cx.client_has(name));
        if let Some(capability) = lacking {
            return Err(Error::missing_client_capability(&format!("tool {}", echo(name)), capability));
        }
        if tool.task == Some(TaskSupport::Required) && is_first && !cx.can_become_task() {
            return Err(Error::missing_client_capability(&format!("tool {}", echo(name)), task::CAPABILITY));
        }
        let answer = tool.call(cx.clone(), arguments);
        let goes_on = matches!(tool.task, Some(TaskSupport::Optional | TaskSupport::Required));
        if goes_on && answer.is_ok() && is_first && cx.can_become_task() {
            self.resume(&cx, input).await?;
            return Ok(Some(jsonrpc::success(id, task::create(&cx).await?)));
        }
        let work = pin!(async {
            let output = match answer {
                Ok(answer) => caught(answer).await.unwrap_or_else(|panic| Err(ToolError::masked(panic))),
                Err(error) => Err(ToolError::new(error.0)),
            };
            self.tool_result(tool, version, output)
        });
        self.run(&cx, id, input, work).await
    }

    async fn complete(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        of: &Completed<'_>,
        (argument, value): (Cow<'_, str>, Cow<'_, str>),
        mut arguments: Pairs<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let (Completed::Prompt(name) | Completed::Resource(name)) = of;
        let completion = self.tables.completion(of, &argument).map_err(|what| {
            Error::invalid_params(match what {
                "argument" => format!("{} has no argument {}", echo(name), echo(&argument)),
                what => format!("there is no {what} {}", echo(name)),
            })
        })?;
        let to = self.tables.results_for(version);
        let Some(completion) = completion else {
            // Nobody said what could be meant, which is no mistake of the client's.
            return Ok(Some(jsonrpc::success(id, Complete::new(to, &Completions::default()))));
        };
        arguments.retain(|(name, _)| *name != argument);
        arguments.push((argument, value));
        let cx = self.context(
            body,
            route,
            Reach::Nowhere("a completion asks nothing; a tool, a prompt and a resource can"),
            self.started().await?,
        )?;
        self.line.satisfy(Want::Task);
        let completing =
            completion.complete(cx.clone(), &arguments).map_err(|error| Error::invalid_params(error.0))?;
        let work = pin!(async {
            let completions = caught(completing).await.map_err(Error::internal)??;
            Ok(raw(Complete::new(to, &completions)))
        });
        self.run(&cx, id, Input::default(), work).await
    }

    /// Takes up what the client sent along, where it did. What is in a state was kept with a call that is gone on with.
    async fn resume(&self, cx: &Context, input: Input<'_>) -> Result<(), Error> {
        let is_kept = self.taken.is_some() && input.state.is_some();
        match is_kept || (input.state.is_none() && input.responses.is_empty()) {
            true => Ok(()),
            false => state::resume(cx, input).await,
        }
    }

    /// Runs a handler, and writes what it gives as the answer to `id`.
    async fn run(
        &self,
        cx: &Context,
        id: Id<'_>,
        input: Input<'_>,
        work: Work<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.resume(cx, input).await?;
        let peer = self.peer.as_deref();
        let _running = peer.map(|peer| peer.run(id, &self.line));
        let owner = self.taken.as_ref().map(|taken| taken.owner.clone());
        let mut driver = Driver { cx, peer, id: id.json(), owner };
        let ended = driver.run(work).await;
        let Some(kept) = cx.0.kept.get() else {
            return match ended? {
                Ended::Result(result) => Ok(Some(jsonrpc::success(id, result))),
                Ended::Failed(error) => Err(error),
                Ended::Cancelled | Ended::Parked => Ok(None),
            };
        };
        let outcome = match ended {
            Ok(Ended::Result(result)) => Some(Ok(result)),
            Ok(Ended::Failed(error)) => Some(Err(error)),
            Ok(Ended::Parked) => return Ok(None),
            Ok(Ended::Cancelled) => None,
            // Nobody waits for a task's answer, so somebody else can try, or try later.
            Err(error) if cx.0.is_task => {
                self.interrupt(error);
                self.leave(&driver).await;
                return Ok(None);
            }
            Err(error) => Some(Err(error)),
        };
        self.keep_outcome(kept, id, cx.protocol_version().era(), outcome).await;
        self.leave(&driver).await;
        Ok(None)
    }

    /// Lets others work on the call. Where that fails its lease ends by itself.
    async fn leave(&self, driver: &Driver<'_>) {
        if let Err(error) = driver.leave().await {
            self.platform.log(LogLevel::Warning, &format!("a call could not be left: {error}"));
        }
    }

    /// Leaves a task as it is, for somebody else.
    fn interrupt(&self, error: Error) {
        self.log_failure("a task", &error);
        if let Some(taken) = &self.taken {
            let mut interrupted = taken.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
            *interrupted = Some(error);
        }
    }

    /// Keeps what a call came to, where its client looks for it: a task's for whoever asks after it, any other's among
    /// the events of its stream. A cancelled call came to nothing.
    pub(super) async fn keep_outcome(
        &self,
        kept: &Kept,
        id: Id<'_>,
        era: Era,
        outcome: Option<Result<Box<RawValue>, Error>>,
    ) {
        let outcome = outcome.map(|outcome| outcome.inspect_err(|error| self.log_failure("a call", error)));
        let finished = match &self.taken {
            Some(taken) if taken.is_task => {
                let Some(outcome) = outcome else { return };
                task::end(
                    &self.tables,
                    kept,
                    &self.platform,
                    &match outcome {
                        Ok(result) => Answer::Result(result),
                        Err(error) => Answer::Refusal(jsonrpc::error(&error, era)),
                    },
                )
                .await
            }
            _ => {
                let answer = outcome.map(|outcome| match outcome {
                    Ok(result) => jsonrpc::success(id, result),
                    Err(error) => jsonrpc::failure(Some(id), &error, era),
                });
                let place = self.line.next_place();
                let kept = async {
                    if let Some(answer) = &answer {
                        kept.put_event(place, answer).await?;
                    }
                    kept.finish().await
                };
                let finished = kept.await;
                if let Some(answer) = answer {
                    self.line.send_at(place, answer);
                }
                finished
            }
        };
        if let Err(error) = finished {
            self.platform.log(LogLevel::Error, &format!("the answer of a call could not be kept: {error}"));
        }
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
                    self.platform.log(LogLevel::Error, &format!("tool {name:?} failed: {}", cause.text));
                }
                ToolOutput::new().content(Content::text(message)).is_error()
            }
        };
        Ok(raw(CallTool::new(self.tables.results_for(version), &output, tool.wrapped)))
    }
}

/// Gives contents the URI that was read, and the resource's media type and how it is shown, where the handler says
/// nothing of them.
fn fill_in(part: &mut ResourceContents, uri: &str, resource: &Resource) {
    if part.uri.is_empty() {
        part.uri = uri.to_owned().into();
    }
    if part.mime_type.is_none() {
        part.mime_type = resource.definition.mime_type.clone();
    }
    if let Some(page) = &resource.page {
        part.meta.entry("ui").or_insert_with(|| page.to_json());
    }
}
