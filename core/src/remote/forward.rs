//! Passes a call, a read, a prompt or a completion on to another server, and what it asks back to the client.
//!
//! What the server asks for is noted, with the state that it wants back, before the client is asked. So the run that
//! has the client's answers goes on where the server stood, and does not begin there again.

use std::{future::poll_fn, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{
    Remote,
    client::{Client, Request},
    failure::Failure,
};
use crate::{
    ask::{self, AskError, Reach, sealed::Question},
    completion::{Completion, Of},
    compose::remotes::Elsewhere,
    context::Context,
    error::{Error, ToolError},
    journal::Answer,
    limits::echo,
    model::{Ask, PromptDefinition, ResourceDefinition, Text, ToolDefinition},
    output::ToolOutput,
    param_headers::{self, ParamHeader},
    prompt::Prompt,
    resource::Resource,
    seal::{Sealer, fingerprint},
    tool::Tool,
    uri::UriTemplate,
    wire::{
        self,
        client::{self, Argument, Chosen, InputRequired, Notice, Params, Reference},
    },
};

/// How often a server may ask for input before it answers.
const ROUNDS_MAX: usize = 16;

/// How long to wait before a server is asked again that has asked for nothing but that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a client of this server can be asked for a server that it does not talk to.
const CAPABILITIES: [&str; 6] =
    ["elicitation.form", "elicitation.url", "sampling", "sampling.tools", "sampling.context", "roots"];

/// The tool that `definition` describes.
///
/// # Errors
/// What keeps it from being called.
pub(super) fn tool(remote: &Remote, definition: ToolDefinition) -> Result<Tool, String> {
    let headers = param_headers::of(&definition.input_schema).map_err(|problems| problems.join("; "))?;
    let tags = client::tags(&definition.meta);
    let (remote, name) = (remote.share(), definition.name.clone());
    let (repeated, has_schema) =
        (Arc::<[ParamHeader]>::from(headers.clone()), definition.output_schema.is_some());
    let mut tool = Tool::passed_on(definition, headers, move |cx, arguments| {
        let errand = Errand {
            remote: remote.share(),
            cx,
            target: Target::Tool { name: name.clone(), headers: Arc::clone(&repeated) },
            arguments: arguments.map(ToOwned::to_owned),
        };
        Box::pin(async move { errand.call(has_schema).await })
    });
    tool.tags = tags;
    Ok(tool)
}

/// The resource or template that `definition` describes.
///
/// # Errors
/// What keeps it from being read.
pub(super) fn resource(remote: &Remote, definition: ResourceDefinition) -> Result<Resource, String> {
    let template = UriTemplate::parse(&definition.uri).map_err(|error| error.0)?;
    let tags = client::tags(&definition.meta);
    let (remote, own) = (remote.share(), template.clone());
    let mut resource = Resource::passed_on(definition, template, move |cx, values| {
        let uri = own.fill(values.iter().map(|(_, value)| value.as_str()));
        let errand = Errand { remote: remote.share(), cx, target: Target::Resource { uri }, arguments: None };
        Box::pin(async move {
            let result = errand.run().await.map_err(|trouble| errand.error(trouble))?;
            let Target::Resource { uri } = &errand.target else {
                return Err(Error::internal("no resource was read"));
            };
            client::resource_contents(&result, uri).map_err(|why| errand.error(Failure::Foreign(why).into()))
        })
    });
    resource.tags = tags;
    Ok(resource)
}

/// The prompt that `definition` describes.
pub(super) fn prompt(remote: &Remote, definition: PromptDefinition) -> Prompt {
    let tags = client::tags(&definition.meta);
    let (remote, name) = (remote.share(), definition.name.clone());
    let mut prompt = Prompt::passed_on(definition, move |cx, pairs| {
        let arguments = client::strings(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        let target = Target::Prompt { name: name.clone() };
        let errand = Errand { remote: remote.share(), cx, target, arguments: Some(arguments) };
        Box::pin(async move {
            let result = errand.run().await.map_err(|trouble| errand.error(trouble))?;
            let read = client::prompt_messages(&result);
            read.map(|(_, messages)| messages).map_err(|why| errand.error(Failure::Foreign(why).into()))
        })
    });
    prompt.tags = tags;
    prompt
}

/// The completion of `argument` of a prompt or a template.
pub(super) fn completion(remote: &Remote, of: Of, argument: &str) -> Completion {
    let (remote, completed) = (remote.share(), of.clone());
    let argument = Text::from(argument.to_owned());
    let name = argument.clone();
    Completion::passed_on(of, argument, move |cx, pairs| {
        let is_value = |known: &str| known == name;
        let value = pairs.iter().find(|(known, _)| is_value(known)).map(|(_, value)| value.to_string());
        let others = pairs.iter().filter(|(known, _)| !is_value(known));
        let chosen = client::strings(others.map(|(name, value)| (name.as_ref(), value.as_ref())));
        let target = Target::Completion {
            of: completed.clone(),
            argument: name.clone(),
            value: value.unwrap_or_default(),
            has_context: pairs.len() > 1,
        };
        let errand = Errand { remote: remote.share(), cx, target, arguments: Some(chosen) };
        Box::pin(async move {
            let result = errand.run().await.map_err(|trouble| errand.error(trouble))?;
            client::completions(&result).map_err(|why| errand.error(Failure::Foreign(why).into()))
        })
    })
}

/// Something that is done at another server for a request of this one's.
struct Errand {
    remote: Remote,
    cx: Context,
    target: Target,
    arguments: Option<Box<RawValue>>,
}

/// What is asked for, by the names it has there.
enum Target {
    Tool { name: Text, headers: Arc<[ParamHeader]> },
    Resource { uri: String },
    Prompt { name: Text },
    Completion { of: Of, argument: Text, value: String, has_context: bool },
}

/// Why an errand came to nothing.
enum Trouble {
    /// The server's doing.
    Failure(Failure),
    /// The client could not be asked what the server asks.
    Ask(AskError),
    /// This server's.
    Own(ToolError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What goes along with a request that is asked again.
#[derive(Default)]
struct Input {
    responses: Option<Box<RawValue>>,
    state: Option<String>,
}

impl Target {
    fn method(&self) -> &'static str {
        match self {
            Self::Tool { .. } => "tools/call",
            Self::Resource { .. } => "resources/read",
            Self::Prompt { .. } => "prompts/get",
            Self::Completion { .. } => "completion/complete",
        }
    }

    /// What gateways route by.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Tool { name, .. } | Self::Prompt { name } => Some(name),
            Self::Resource { uri } => Some(uri),
            Self::Completion { .. } => None,
        }
    }
}

impl Errand {
    fn error(&self, trouble: Trouble) -> Error {
        let uri = match &self.target {
            Target::Resource { uri } => Some(uri.as_str()),
            _ => None,
        };
        match trouble {
            Trouble::Failure(failure) => failure.error(self.remote.name(), uri),
            Trouble::Ask(error) => error.into(),
            Trouble::Own(error) => error.into(),
        }
    }

    async fn call(&self, has_schema: bool) -> Result<ToolOutput, ToolError> {
        let output = match self.run().await {
            Ok(result) => client::tool_output(&result).map_err(|why| Failure::Foreign(why).into()),
            Err(trouble) => Err(trouble),
        };
        let mut output = output.map_err(|trouble| match trouble {
            Trouble::Failure(failure) => failure.tool_error(self.remote.name()),
            Trouble::Ask(error) => error.into(),
            Trouble::Own(error) => error,
        })?;
        // A value that is no object is carried as one, as this server's own are; a schema would say so.
        if !has_schema {
            output.wrapped = Some(output.is_wrapped());
        }
        Ok(output)
    }

    /// What the server answers, once it has been given all that it asks for.
    async fn run(&self) -> Result<Box<RawValue>, Trouble> {
        let mut input = Input::default();
        for round in 0..ROUNDS_MAX {
            let note = self.note(round);
            let result = match self.cx.noted(&note) {
                Some(noted) => noted,
                None => {
                    let result = self.ask(&input).await?;
                    match &*client::result_type(&result) {
                        "complete" => return Ok(result),
                        "input_required" => {}
                        other => {
                            let why =
                                format!("it gave a result of type {}, which nobody asked for", echo(other));
                            return Err(Failure::Foreign(why).into());
                        }
                    }
                    self.cx.note(&note, &result).await.map_err(Trouble::Own)?;
                    result
                }
            };
            let InputRequired { requests, state } =
                client::input_required(&result).map_err(Failure::Foreign)?;
            let responses = match requests.is_empty() {
                false => Some(self.put(requests).await?),
                true => {
                    self.cx.platform().sleep(AGAIN_AFTER).await;
                    None
                }
            };
            input = Input { responses, state };
        }
        Err(Failure::Foreign(format!("it asked for input {ROUNDS_MAX} times and gave no result")).into())
    }

    /// The name that a round is noted under.
    fn note(&self, round: usize) -> String {
        let arguments = self.arguments.as_deref().map_or("", RawValue::get);
        let (method, name) = (self.target.method(), self.target.name().unwrap_or_default());
        let asked = fingerprint(format!("{} {method} {name} {arguments}", self.remote.name()).as_bytes());
        format!("remote {asked} {round}")
    }

    /// Asks the server once.
    async fn ask(&self, input: &Input) -> Result<Box<RawValue>, Failure> {
        match self.send(input, None).await {
            // The tool's schema names other headers than it did (2026-07-28, basic/transports/streamable-http, "Client
            // Behavior").
            Err(Failure::Refused(refusal)) if refusal.code == -32020 => {
                let Target::Tool { name, .. } = &self.target else { return Err(Failure::Refused(refusal)) };
                let headers = self.headers_now(name).await.ok_or(Failure::Refused(refusal))?;
                self.send(input, Some(&headers)).await
            }
            other => other,
        }
    }

    /// The headers of a tool, as the server lists it now.
    async fn headers_now(&self, name: &str) -> Option<Vec<ParamHeader>> {
        let (platform, headers) = (self.cx.platform(), self.cx.headers());
        self.remote.shelf.of(&self.remote, headers).expire();
        let found = self.remote.snapshot(platform, headers).await.ok()?;
        let tools = &found.snapshot.components.tools;
        tools.iter().find(|tool| tool.definition.name == name).map(|tool| tool.headers.clone())
    }

    async fn send(&self, input: &Input, headers: Option<&[ParamHeader]>) -> Result<Box<RawValue>, Failure> {
        let (cx, platform) = (&self.cx, self.cx.platform());
        let known = self.remote.shelf.of(&self.remote, cx.headers());
        let client = Client { remote: &self.remote, platform, caller: cx.headers(), known: &known };
        let arguments = self.arguments.as_deref();
        let mut params = Params {
            input_responses: input.responses.as_deref(),
            request_state: input.state.as_deref(),
            ..Params::default()
        };
        let mut repeated = Vec::new();
        match &self.target {
            Target::Tool { name, headers: listed } => {
                (params.name, params.arguments) = (Some(name.as_ref()), arguments);
                repeated
                    .extend(headers.unwrap_or(listed).iter().filter_map(|header| header.repeat(arguments)));
            }
            Target::Resource { uri } => params.uri = Some(uri),
            Target::Prompt { name } => (params.name, params.arguments) = (Some(name.as_ref()), arguments),
            Target::Completion { of, argument, value, has_context } => {
                params.reference = Some(match of {
                    Of::Prompt(name) => Reference::Prompt { name },
                    Of::Resource(uri) => Reference::Resource { uri },
                });
                params.argument = Some(Argument { name: argument, value });
                params.context = arguments.filter(|_| *has_context).map(|arguments| Chosen { arguments });
            }
        }
        let capabilities = client::capabilities(self.can_be_asked());
        let request = Request {
            name: self.target.name(),
            headers: repeated,
            capabilities: Some(&capabilities),
            log_level: cx.line().least_log(),
            reports_progress: cx.line().hears_progress(),
            forwards: true,
            ..Request::plain(self.target.method(), params)
        };
        let answer = client.ask(&request).await?;
        for notice in answer.notices {
            match notice {
                Notice::Progress(progress) => cx.progress(progress),
                Notice::Log { level, logger: Some(logger), data } => cx.log_as(&logger, level, data),
                Notice::Log { level, logger: None, data } => cx.log(level, data),
                Notice::ListChanged => known.expire(),
            }
        }
        Ok(answer.result)
    }

    /// What this request's client can be asked, as paths in `ClientCapabilities`.
    fn can_be_asked(&self) -> impl Iterator<Item = &'static str> {
        let cx = &self.cx;
        let declared = CAPABILITIES.iter().copied().filter(|path| cx.client_has(path)).collect::<Vec<_>>();
        let is_reached = !declared.is_empty()
            && !cx.line().is_in_step()
            && match cx.0.reach {
                Reach::Nowhere(_) => false,
                Reach::Again => Sealer::new(cx.platform()).is_ok(),
                Reach::Connection | Reach::Store => true,
            };
        declared.into_iter().filter(move |_| is_reached)
    }

    /// Asks the client all of `requests` at once; what it answers, by the keys that the server gave them.
    async fn put(&self, requests: Vec<(String, String, Box<RawValue>)>) -> Result<Box<RawValue>, Trouble> {
        let (cx, version) = (&self.cx, self.cx.protocol_version());
        let mut asked = Vec::with_capacity(requests.len());
        for (key, method, params) in requests {
            let ask = wire::ask::passed_on(&method, &params, version).map_err(Failure::Foreign)?;
            let question = PassedOn { key, ask };
            let index = ask::register(cx, &question).map_err(Trouble::Ask)?;
            asked.push((index, question));
        }
        let mut responses = Vec::with_capacity(asked.len());
        for (index, question) in asked {
            let answer = poll_fn(|task| cx.line().poll_answer(index, task)).await;
            let response = question.read(answer).map_err(Trouble::Ask)?;
            responses.push((question.key, response));
        }
        Ok(client::object(&responses))
    }
}

/// Something that another server asks.
struct PassedOn {
    key: String,
    ask: Ask,
}

impl Question for PassedOn {
    type Output = Box<RawValue>;

    fn ask(&self) -> Result<(Option<&str>, Ask), AskError> {
        Ok((Some(&self.key), self.ask.clone()))
    }

    fn read(&self, answer: Answer) -> Result<Box<RawValue>, AskError> {
        ask::result(answer)
    }
}
