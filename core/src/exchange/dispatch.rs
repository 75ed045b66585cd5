//! What a request is answered with: the component it names is found and run.

use std::{
    borrow::Cow,
    future::poll_fn,
    pin::pin,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use serde_json::value::RawValue;

use super::{Exchange, perform};
use crate::{
    ask::Reach,
    call::Kept,
    changes,
    completion::Completions,
    compose::remotes::Sought,
    context::{Client, Context, Declared},
    drive::{Driver, Ended, Work},
    error::{Error, ErrorKind, ToolError},
    inbound::Route,
    journal::Answer,
    lifespan::States,
    limits::echo,
    line::Want,
    middleware::{
        self, CallTool, Course, End, GetPrompt, Hooked, ListPrompts, ListResourceTemplates, ListResources,
        ListTools, ReadResource,
    },
    model::{Completed, Content, Input, Listing, Pairs, Request},
    output::ToolOutput,
    platform::LogLevel,
    prompt::Prompt,
    resource::Resource,
    server::tables::{AnyList, Fixed, no_page},
    state,
    task::{self, TaskSupport},
    tool::Tool,
    version::{Era, ProtocolVersion},
    wire::{
        definition::raw,
        jsonrpc::{self, Id},
        params,
        results::{self, Complete, Empty},
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
                Ok(Some(jsonrpc::success_of(id, &self.tables.fixed(Fixed::Initialize(abilities), version))))
            }
            Request::Ping => empty(),
            Request::Discover => {
                let which = Fixed::Discover(self.abilities(Era::Modern));
                Ok(Some(jsonrpc::success_of(id, &self.tables.fixed(which, version))))
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
                let cursor = cursor.as_deref();
                let page = match self.tables.is_fixed(listing) {
                    true => self.page(listing, cursor, version)?,
                    false => return self.list(body, id, route, listing, cursor).await,
                };
                Ok(Some(jsonrpc::success_of(id, &page)))
            }
            Request::CallTool { name, arguments, input } => {
                self.call_tool(body, id, route, &name, arguments, input).await
            }
            Request::ReadResource { uri, input } => self.read_resource(body, id, route, &uri, input).await,
            Request::GetPrompt { name, arguments, input } => {
                self.get_prompt(body, id, route, &name, &arguments, input).await
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
        name: &str,
        arguments: Option<&RawValue>,
        input: Input<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let (version, components) = (route.version, &self.tables.components);
        let asked = match components.has_versions() {
            true => params::asked_version(body),
            false => None,
        };
        let tool = match &asked {
            Some(asked) => components.tool_of(name, asked),
            None => components.tool(name),
        };
        if tool.is_none() && self.tables.chain.is_empty() && self.tables.lacking(Sought::Tool(name)).is_none()
        {
            return Err(perform::no_tool(name));
        }
        // A call that is taken up was checked when it came.
        let is_first = self.taken.is_none();
        if let Some(tool) = tool
            && is_first
            && self.peer.is_none()
            && version.era() == Era::Modern
        {
            for header in &tool.headers {
                header.check(&self.headers, arguments)?;
            }
        }
        let cx = self.context(body, route, self.reach(version), self.started().await?)?;
        // Where nothing is around it and everybody may use it, nobody else has a say.
        let is_plain = |tool: &&Arc<Tool>| {
            self.tables.chain.is_empty() && tool.place.hops.is_empty() && tool.requirements.is_empty()
        };
        let Some(tool) = tool.filter(is_plain) else {
            return self.chained_tool(&cx, id, name, arguments, input).await;
        };
        let cx = cx.in_scope(tool.place.scope);
        perform::fits_client(&cx, tool)?;
        let answer = tool.call(cx.clone(), arguments);
        let goes_on = matches!(tool.task, Some(TaskSupport::Optional | TaskSupport::Required));
        if goes_on && answer.is_ok() && is_first && cx.can_become_task() {
            self.resume(&cx, input).await?;
            return Ok(Some(jsonrpc::success(id, task::create(&cx).await?)));
        }
        let work = pin!(async {
            let output = match answer {
                Ok(answer) => perform::unpanicked(&cx, answer).await?,
                Err(error) => Err(ToolError::new(error.0)),
            };
            // One that answers with what another has said says so itself.
            let wrapped = output.as_ref().ok().and_then(|output| output.wrapped).unwrap_or(tool.wrapped);
            self.tool_result(name, version, output.map_err(Error::from), wrapped)
        });
        self.run(&cx, id, input, work).await
    }

    /// Calls a tool through the middlewares.
    async fn chained_tool(
        &self,
        cx: &Context,
        id: Id<'_>,
        name: &str,
        arguments: Option<&RawValue>,
        input: Input<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let call = CallTool { name: name.to_owned(), arguments: arguments.map(ToOwned::to_owned) };
        let work = pin!(async {
            let output = self.through(cx, call).await;
            let wrapped = output.as_ref().is_ok_and(ToolOutput::is_wrapped);
            self.tool_result(name, cx.protocol_version(), output, wrapped)
        });
        self.run(cx, id, input, work).await
    }

    /// Sends `message` through the middlewares to the server's components.
    async fn through<R: Hooked>(&self, cx: &Context, message: R) -> Result<R::Response, Error> {
        let course = Course { chain: Arc::clone(&self.tables.chain), end: End::Components };
        let served = perform::unpanicked(cx, course.run(cx.clone(), message.into_message())).await??;
        R::answered(served)
    }

    async fn read_resource(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        uri: &str,
        input: Input<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let found = self.tables.components.resource(uri);
        let starts_nothing = found.as_ref().is_some_and(|(resource, _)| resource.starts_nothing);
        let states = match self.started().await {
            Err(error) if starts_nothing => States::Failed(error.for_the_log().into()),
            started => started?,
        };
        let is_plain = |resource: &Resource| {
            resource.place.hops.is_empty() && resource.requirements.is_empty() && resource.version.is_none()
        };
        let plain = found.filter(|(resource, _)| self.tables.chain.is_empty() && is_plain(resource));
        let cx = self.context(body, route, self.reach(version), states)?;
        self.line.satisfy(Want::Task);
        let Some((resource, values)) = plain else {
            let work = pin!(async {
                let output = self.through(&cx, ReadResource::new(uri)).await?;
                let to = self.tables.results_for(version);
                Ok(raw(results::ReadResource::new(to, &output.contents, output.cache)))
            });
            return self.run(&cx, id, input, work).await;
        };
        let values = values.map_err(|error| Error::invalid_params(error.0))?;
        let cx = cx.in_scope(resource.place.scope);
        let reading = resource.read(cx.clone(), &values).map_err(|error| Error::invalid_params(error.0))?;
        let work = pin!(async {
            let mut contents = perform::unpanicked(&cx, reading).await??;
            for part in &mut contents {
                perform::fill_in(part, resource);
                if part.uri.is_empty() {
                    part.uri = uri.to_owned().into();
                }
            }
            let to = self.tables.results_for(version);
            Ok(raw(results::ReadResource::new(to, &contents, resource.cache)))
        });
        self.run(&cx, id, input, work).await
    }

    async fn get_prompt(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        name: &str,
        arguments: &Pairs<'_>,
        input: Input<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let prompt = self.tables.components.prompt(name);
        let is_plain = |prompt: &Prompt| {
            prompt.place.hops.is_empty() && prompt.requirements.is_empty() && prompt.version.is_none()
        };
        let cx = self.context(body, route, self.reach(version), self.started().await?)?;
        self.line.satisfy(Want::Task);
        let plain = prompt.filter(|prompt| self.tables.chain.is_empty() && is_plain(prompt));
        let Some(prompt) = plain else {
            let owned = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| (name.to_string(), value.to_string());
            let get = GetPrompt { name: name.to_owned(), arguments: arguments.iter().map(owned).collect() };
            let work = pin!(async {
                let output = self.through(&cx, get).await?;
                let to = self.tables.results_for(version);
                Ok(raw(results::GetPrompt::new(to, &output.description, &output.messages)))
            });
            return self.run(&cx, id, input, work).await;
        };
        let cx = cx.in_scope(prompt.place.scope);
        let getting = prompt.get(cx.clone(), arguments).map_err(|error| Error::invalid_params(error.0))?;
        let work = pin!(async {
            let messages = perform::unpanicked(&cx, getting).await??;
            let to = self.tables.results_for(version);
            Ok(raw(results::GetPrompt::new(to, &prompt.definition.description, &messages)))
        });
        self.run(&cx, id, input, work).await
    }

    /// The page of a list that is the same for everybody.
    fn page(
        &self,
        listing: Listing,
        cursor: Option<&str>,
        version: ProtocolVersion,
    ) -> Result<Cow<'_, RawValue>, Error> {
        let page = self.tables.page(listing, cursor).ok_or_else(|| no_page(cursor.unwrap_or_default()))?;
        Ok(self.tables.fixed(Fixed::List(listing, page), version))
    }

    /// A list that middlewares have a say in, or that is not the same for everybody.
    async fn list(
        &self,
        body: &Bytes,
        id: Id<'_>,
        route: Route<'_>,
        listing: Listing,
        cursor: Option<&str>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let version = route.version;
        let reach = Reach::Nowhere("a list asks nothing; a tool, a prompt and a resource can");
        let cx = self.context(body, route, reach, self.started().await?)?;
        self.line.satisfy(Want::Task);
        let work = pin!(async {
            let list = match listing {
                Listing::Tools => AnyList::Tools(self.through(&cx, ListTools::default()).await?),
                Listing::Resources => AnyList::Resources(self.through(&cx, ListResources::default()).await?),
                Listing::ResourceTemplates => {
                    AnyList::ResourceTemplates(self.through(&cx, ListResourceTemplates::default()).await?)
                }
                Listing::Prompts => AnyList::Prompts(self.through(&cx, ListPrompts::default()).await?),
            };
            match list.is_whole() {
                true => self.page(listing, cursor, version).map(Cow::into_owned),
                false => self.tables.write_changed(&list, cursor, version),
            }
        });
        self.run(&cx, id, Input::default(), work).await
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
        let to = self.tables.results_for(version);
        let reach = Reach::Nowhere("a completion asks nothing; a tool, a prompt and a resource can");
        if !self.tables.chain.is_empty() || self.tables.has_views() || self.tables.components.is_guarded(of) {
            let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
            let complete = middleware::Complete {
                of: name.to_string(),
                of_prompt: matches!(of, Completed::Prompt(_)),
                argument: argument.into_owned(),
                value: value.into_owned(),
                arguments: arguments.into_iter().map(owned).collect(),
            };
            let cx = self.context(body, route, reach, self.started().await?)?;
            self.line.satisfy(Want::Task);
            let work = pin!(async { Ok(raw(Complete::new(to, &self.through(&cx, complete).await?))) });
            return self.run(&cx, id, Input::default(), work).await;
        }
        let completion = self.tables.components.completion(of, &argument);
        let Some(completion) = completion.map_err(|what| perform::no_completion(what, name, &argument))?
        else {
            // Nobody said what could be meant, which is no mistake of the client's.
            return Ok(Some(jsonrpc::success(id, Complete::new(to, &Completions::default()))));
        };
        arguments.retain(|(name, _)| *name != argument);
        arguments.push((argument, value));
        let cx = self.context(body, route, reach, self.started().await?)?.in_scope(completion.place.scope);
        self.line.satisfy(Want::Task);
        let completing =
            completion.complete(cx.clone(), &arguments).map_err(|error| Error::invalid_params(error.0))?;
        let work = pin!(async {
            let completions = perform::unpanicked(&cx, completing).await??;
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
                Ended::Result(result) => Ok(Some(jsonrpc::success_of(id, &result))),
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
                    Ok(result) => jsonrpc::success_of(id, &result),
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
        name: &str,
        version: ProtocolVersion,
        output: Result<ToolOutput, Error>,
        wrapped: bool,
    ) -> Result<Box<RawValue>, Error> {
        let output = match output {
            Ok(output) => output,
            Err(Error { kind: ErrorKind::Tool, message, cause }) => {
                if let Some(cause) = cause {
                    self.platform.log(LogLevel::Error, &format!("tool {name:?} failed: {}", cause.text));
                }
                ToolOutput::new().content(Content::text(message)).is_error()
            }
            Err(error) => return Err(error),
        };
        Ok(raw(results::CallTool::new(self.tables.results_for(version), &output, wrapped)))
    }
}
