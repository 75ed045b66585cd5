//! Serves what has come through the middlewares: finds the component, goes through those of a mounted server, and runs it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    auth,
    completion::{Completion, Completions},
    compose::{remotes::Sought, tree::Scope},
    context::Context,
    error::{Error, ErrorKind, ToolError},
    future::{BoxFuture, caught},
    limits::echo,
    middleware::{
        CallTool, Complete, Component, Course, End, GetPrompt, Hooked, ListTools, Listed, Message,
        ReadResource, Response, mismatch,
    },
    model::{Completed, Listing, Pairs, ResourceContents},
    output::{PromptOutput, ResourceOutput, ToolOutput},
    prompt::Prompt,
    resource::Resource,
    seal::random_id,
    server::tables::Tables,
    task::{self, TaskSupport},
    tool::Tool,
    uri::UriTemplate,
};

/// A component that was found, and how many of the mounted servers on the way to it have been entered.
#[derive(Clone)]
pub(crate) enum Found {
    Tool(Arc<Tool>, usize),
    Resource {
        resource: Arc<Resource>,
        hop: usize,
        /// What its template found.
        values: Values,
        /// Its URI in the view of the server that is entered.
        uri: String,
    },
    Prompt(Arc<Prompt>, usize),
    Completion(Completion, usize),
    /// A list has no component.
    List,
}

type Answering<T> = BoxFuture<'static, Result<T, Error>>;

/// Serves `message`, which has come through the server's own middlewares.
pub(crate) fn at_the_end(cx: Context, message: Message) -> Answering<Response> {
    match message {
        Message::CallTool(call) => Box::pin(async move { find_tool(cx, call).await.map(Response::Tool) }),
        Message::ReadResource(read) => {
            Box::pin(async move { find_resource(cx, read).await.map(Response::Resource) })
        }
        Message::GetPrompt(get) => Box::pin(async move { find_prompt(cx, get).await.map(Response::Prompt) }),
        Message::ListTools(_) => {
            Box::pin(async move { list(&cx, Listing::Tools).await.map(Response::Tools) })
        }
        Message::ListResources(_) => {
            Box::pin(async move { list(&cx, Listing::Resources).await.map(Response::Resources) })
        }
        Message::ListResourceTemplates(_) => {
            Box::pin(
                async move { list(&cx, Listing::ResourceTemplates).await.map(Response::ResourceTemplates) },
            )
        }
        Message::ListPrompts(_) => {
            Box::pin(async move { list(&cx, Listing::Prompts).await.map(Response::Prompts) })
        }
        Message::Complete(complete_) => {
            Box::pin(async move { complete(cx, complete_).await.map(Response::Completions) })
        }
        Message::Initialize(_)
        | Message::Discover(_)
        | Message::Task(_)
        | Message::Other(_)
        | Message::Notification(_) => Box::pin(async move {
            Err(Error::internal(format!("{} was sent where only components are", message.method())))
        }),
    }
}

/// Serves `message`, which has come through the middlewares of the mounted server `scope`.
pub(crate) fn in_scope(cx: Context, scope: usize, found: Found, message: Message) -> Answering<Response> {
    Box::pin(async move {
        let tables = Arc::clone(&cx.0.tables);
        let Some((view, _)) = tables.view(scope) else {
            return Err(Error::internal("a mounted server is not there"));
        };
        match (message, found) {
            // A hook may have chosen another; then it is looked for among what that server has.
            (Message::CallTool(call), Found::Tool(tool, hop)) => {
                let is_same = tool.place.hops.get(hop).is_some_and(|hop| hop.key == call.name);
                let (tool, hop) = match is_same {
                    true => (tool, hop + 1),
                    false => {
                        let tool = view.tool(&call.name).ok_or_else(|| no_tool(&call.name))?;
                        permit_in(&cx, scope, &**tool, tables.components.all_tools())?;
                        (Arc::clone(tool), 0)
                    }
                };
                enter_tool(cx, tool, hop, call).await.map(Response::Tool)
            }
            (Message::ReadResource(read), Found::Resource { resource, hop, values, uri }) => {
                let (resource, hop, values) = match read.uri == uri {
                    true => (resource, hop + 1, values),
                    false => {
                        let found = view.resource(&read.uri);
                        let (found, values) =
                            found.ok_or_else(|| Error::resource_not_found(read.uri.clone()))?;
                        let all = [false, true].map(|templates| tables.components.resources(templates));
                        permit_in(&cx, scope, &**found, all.into_iter().flatten())
                            .map_err(|error| unseen(error, &read.uri))?;
                        (Arc::clone(found), 0, owned(values)?)
                    }
                };
                enter_resource(cx, resource, hop, values).await.map(Response::Resource)
            }
            (Message::GetPrompt(get), Found::Prompt(prompt, hop)) => {
                let is_same = prompt.place.hops.get(hop).is_some_and(|hop| hop.key == get.name);
                let (prompt, hop) = match is_same {
                    true => (prompt, hop + 1),
                    false => {
                        let prompt = view.prompt(&get.name).ok_or_else(|| no_prompt(&get.name))?;
                        permit_in(&cx, scope, &**prompt, tables.components.prompts().iter())?;
                        (Arc::clone(prompt), 0)
                    }
                };
                enter_prompt(cx, prompt, hop, get).await.map(Response::Prompt)
            }
            // What is typed of an argument is of no use for another one, so this one is completed, whatever a hook has made of it.
            (Message::Complete(complete), Found::Completion(completion, hop)) => {
                enter_completion(cx, completion, hop + 1, complete).await.map(Response::Completions)
            }
            (Message::ListTools(_), _) => {
                self::view(cx, Listing::Tools, Some(scope)).await.map(Response::Tools)
            }
            (Message::ListResources(_), _) => {
                self::view(cx, Listing::Resources, Some(scope)).await.map(Response::Resources)
            }
            (Message::ListResourceTemplates(_), _) => {
                let listing = Listing::ResourceTemplates;
                self::view(cx, listing, Some(scope)).await.map(Response::ResourceTemplates)
            }
            (Message::ListPrompts(_), _) => {
                self::view(cx, Listing::Prompts, Some(scope)).await.map(Response::Prompts)
            }
            _ => Err(Error::internal("a middleware has made one kind of message into another")),
        }
    })
}

/// A tool that is not found; the model is told where it could be one of a server that cannot be asked.
fn missing_tool(tables: &Tables, name: &str) -> Error {
    match tables.lacking(Sought::Tool(name)) {
        Some(why) => ToolError::new(why).into(),
        None => no_tool(name),
    }
}

/// What is not found, and could be a server's that cannot be asked.
fn missing(tables: &Tables, sought: Sought<'_>, otherwise: impl FnOnce() -> Error) -> Error {
    match tables.lacking(sought) {
        Some(why) => Error { message: why.into(), cause: None, ..Error::internal("") },
        None => otherwise(),
    }
}

pub(crate) fn no_tool(name: &str) -> Error {
    Error::invalid_params(format!("no tool is named {}", echo(name)))
}

pub(crate) fn no_prompt(name: &str) -> Error {
    Error::invalid_params(format!("no prompt is named {}", echo(name)))
}

/// Whether the caller may see and use a component. Over stdio nobody is asked who they are.
pub(crate) fn permit(cx: &Context, component: &impl Component) -> Result<(), Error> {
    match component.requirements() {
        [] => Ok(()),
        _ if cx.is_stdio() => Ok(()),
        requirements => auth::check(requirements, cx.principal(), &component.about()),
    }
}

/// Whether the caller may use `component`, which a hook of the mounted server `scope` has chosen: what it asks there, and what is
/// asked of it further out, among `all`.
fn permit_in<'a, T: Component>(
    cx: &Context,
    scope: usize,
    component: &T,
    all: impl Iterator<Item = &'a Arc<T>>,
) -> Result<(), Error> {
    permit(cx, component)?;
    let chosen = component.about();
    let is_it = |outer: &&Arc<T>| {
        outer.about().version == chosen.version
            && outer.place().hops.iter().any(|hop| hop.scope == scope && hop.key == chosen.key)
    };
    all.filter(is_it).try_for_each(|outer| permit(cx, &**outer))
}

/// Why the resource at `uri` is refused. Who is not shown a template does not learn that there is one.
pub(crate) fn unseen(error: Error, uri: &str) -> Error {
    match error.kind {
        ErrorKind::ResourceNotFound { .. } => Error::resource_not_found(uri),
        _ => error,
    }
}

/// Goes through the middlewares of the mounted server `scope`.
async fn pass(cx: Context, scope: usize, found: Found, message: Message) -> Result<Response, Error> {
    let chain = match cx.0.tables.view(scope) {
        Some((_, scope)) => Arc::clone(&scope.chain),
        None => Arc::from([]),
    };
    let course = Course { chain, end: End::Scope { scope, found } };
    course.run(cx.in_scope(scope), message).await
}

async fn find_tool(cx: Context, call: CallTool) -> Result<ToolOutput, Error> {
    let tables = Arc::clone(&cx.0.tables);
    let found = match cx.asked_version() {
        Some(version) => tables.components.tool_of(&call.name, &version),
        None => tables.components.tool(&call.name),
    };
    let tool = Arc::clone(found.ok_or_else(|| missing_tool(&tables, &call.name))?);
    permit(&cx, &*tool)?;
    enter_tool(cx, tool, 0, call).await
}

/// Calls `tool` through the middlewares of the mounted servers on the way to it, of which `hop` have been passed.
pub(crate) fn enter_tool(cx: Context, tool: Arc<Tool>, hop: usize, call: CallTool) -> Answering<ToolOutput> {
    Box::pin(async move {
        let next = tool.place.next(hop);
        let Some(next) = next else { return run_tool(cx, &tool, call).await };
        let message = Message::CallTool(CallTool { name: next.key.clone().into_owned(), ..call });
        let scope = next.scope;
        CallTool::answered(pass(cx, scope, Found::Tool(tool, hop), message).await?)
    })
}

async fn run_tool(cx: Context, tool: &Tool, call: CallTool) -> Result<ToolOutput, Error> {
    let cx = cx.in_scope(tool.place.scope);
    fits_client(&cx, tool)?;
    let answer = tool.call(cx.clone(), call.arguments.as_deref()).map_err(|error| ToolError::new(error.0))?;
    if matches!(tool.task, Some(TaskSupport::Optional | TaskSupport::Required)) {
        cx.become_task().await;
    }
    let mut output = unpanicked(&cx, answer).await?.map_err(Error::from)?;
    output.wrapped.get_or_insert(tool.wrapped);
    Ok(output)
}

/// Whether the client declares what `tool` needs of it.
pub(crate) fn fits_client(cx: &Context, tool: &Tool) -> Result<(), Error> {
    let lacks = |capability| {
        Error::missing_client_capability(&format!("tool {}", echo(&tool.definition.name)), capability)
    };
    if let Some(capability) = tool.client_capabilities.iter().find(|name| !cx.client_has(name)) {
        return Err(lacks(capability));
    }
    let must_be_task = tool.task == Some(TaskSupport::Required) && !cx.is_taken_up();
    match must_be_task && !cx.can_become_task() {
        true => Err(lacks(task::CAPABILITY)),
        false => Ok(()),
    }
}

/// What `work` gives; a panic in it becomes an error, with an id that finds its cause in the log.
pub(crate) async fn unpanicked<T>(cx: &Context, work: BoxFuture<'_, T>) -> Result<T, Error> {
    caught(work).await.map_err(|panic| {
        let id = random_id(cx.platform().random()).unwrap_or_default();
        Error::panicked(&id, &panic)
    })
}

async fn find_resource(cx: Context, read: ReadResource) -> Result<ResourceOutput, Error> {
    let tables = Arc::clone(&cx.0.tables);
    let found = match cx.asked_version() {
        Some(version) => tables.components.resource_of(&read.uri, &version),
        None => tables.components.resource(&read.uri),
    };
    let not_found = || Error::resource_not_found(read.uri.clone());
    let (resource, values) = found.ok_or_else(|| missing(&tables, Sought::Resource(&read.uri), not_found))?;
    let values = owned(values)?;
    permit(&cx, &**resource).map_err(|error| unseen(error, &read.uri))?;
    let uri = read.uri.clone();
    let mut output = enter_resource(cx, Arc::clone(resource), 0, values).await?;
    for part in &mut output.contents {
        if part.uri.is_empty() {
            part.uri = uri.clone().into();
        }
    }
    Ok(output)
}

type Values = Arc<[(String, String)]>;

fn owned(values: Result<Vec<(&str, String)>, crate::uri::UriError>) -> Result<Values, Error> {
    let values = values.map_err(|error| Error::invalid_params(error.0))?;
    Ok(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Reads `resource` through the middlewares of the mounted servers on the way to it.
pub(crate) fn enter_resource(
    cx: Context,
    resource: Arc<Resource>,
    hop: usize,
    values: Values,
) -> Answering<ResourceOutput> {
    Box::pin(async move {
        let next = resource.place.next(hop);
        let Some(next) = next else { return read_resource(cx, &resource, &values).await };
        let uri = match resource.is_template() {
            true => UriTemplate::parse(&next.key)
                .map_err(|error| Error::internal(error.0))?
                .fill(values.iter().map(|(_, value)| value.as_str())),
            false => next.key.clone().into_owned(),
        };
        let found = Found::Resource { resource: Arc::clone(&resource), hop, values, uri: uri.clone() };
        ReadResource::answered(
            pass(cx, next.scope, found, Message::ReadResource(ReadResource { uri })).await?,
        )
    })
}

async fn read_resource(cx: Context, resource: &Resource, values: &Values) -> Result<ResourceOutput, Error> {
    let cx = cx.in_scope(resource.place.scope);
    let pairs: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let reading = resource.read(cx.clone(), &pairs).map_err(|error| Error::invalid_params(error.0))?;
    let mut contents = unpanicked(&cx, reading).await??;
    for part in &mut contents {
        fill_in(part, resource);
    }
    Ok(ResourceOutput { contents, cache: resource.cache })
}

/// Gives contents the resource's media type and how it is shown, where the handler says nothing of them.
pub(crate) fn fill_in(part: &mut ResourceContents, resource: &Resource) {
    if part.mime_type.is_none() {
        part.mime_type = resource.definition.mime_type.clone();
    }
    if let Some(page) = &resource.page {
        part.meta.entry("ui").or_insert_with(|| page.to_json());
    }
}

async fn find_prompt(cx: Context, get: GetPrompt) -> Result<PromptOutput, Error> {
    let tables = Arc::clone(&cx.0.tables);
    let found = match cx.asked_version() {
        Some(version) => tables.components.prompt_of(&get.name, &version),
        None => tables.components.prompt(&get.name),
    };
    let not_found = || no_prompt(&get.name);
    let prompt = found.ok_or_else(|| missing(&tables, Sought::Prompt(&get.name), not_found))?;
    let prompt = Arc::clone(prompt);
    permit(&cx, &*prompt)?;
    enter_prompt(cx, prompt, 0, get).await
}

/// Gets `prompt` through the middlewares of the mounted servers on the way to it.
pub(crate) fn enter_prompt(
    cx: Context,
    prompt: Arc<Prompt>,
    hop: usize,
    get: GetPrompt,
) -> Answering<PromptOutput> {
    Box::pin(async move {
        let next = prompt.place.next(hop);
        let Some(next) = next else { return get_prompt(cx, &prompt, get).await };
        let message = Message::GetPrompt(GetPrompt { name: next.key.clone().into_owned(), ..get });
        let scope = next.scope;
        GetPrompt::answered(pass(cx, scope, Found::Prompt(prompt, hop), message).await?)
    })
}

async fn get_prompt(cx: Context, prompt: &Prompt, get: GetPrompt) -> Result<PromptOutput, Error> {
    let cx = cx.in_scope(prompt.place.scope);
    let pairs = pairs(&get.arguments);
    let getting = prompt.get(cx.clone(), &pairs).map_err(|error| Error::invalid_params(error.0))?;
    let messages = unpanicked(&cx, getting).await??;
    Ok(PromptOutput { description: prompt.definition.description.clone(), messages })
}

fn pairs(arguments: &[(String, String)]) -> Pairs<'_> {
    arguments
        .iter()
        .map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str())))
        .collect()
}

/// The components of `listing` that the caller may see, as the middlewares of mounted servers leave them.
async fn list<T: Component>(cx: &Context, listing: Listing) -> Result<Listed<T>, Error> {
    let tables = &cx.0.tables;
    let mut list = view::<T>(cx.clone(), listing, None).await?;
    if tables.is_guarded(listing) || !list.is_whole() {
        list.retain(|component| permit(cx, component).is_ok());
    }
    Ok(list)
}

/// The components of `listing` that the server of `scope` sees.
fn view<T: Component>(cx: Context, listing: Listing, scope: Option<usize>) -> Answering<Listed<T>> {
    Box::pin(async move {
        let tables = Arc::clone(&cx.0.tables);
        let mut list = Listed::<T>::whole(&tables, listing, scope);
        let mut inner: Vec<usize> = Vec::new();
        for hop in list.iter().filter_map(|component| component.place().hops.first()) {
            if !inner.contains(&hop.scope) {
                inner.push(hop.scope);
            }
        }
        for scope in inner {
            let found = pass(cx.clone(), scope, Found::List, T::message(listing)).await?;
            let found = T::response(found).ok_or_else(mismatch)?;
            for unavailable in found.unavailable() {
                list.lacks(unavailable.clone());
            }
            let Some((_, of)) = tables.view(scope).filter(|_| !found.is_whole()) else { continue };
            let is_of =
                |component: &Arc<T>| component.place().hops.first().is_some_and(|hop| hop.scope == scope);
            let ours: Vec<_> = list.iter().filter(|component| is_of(component)).cloned().collect();
            let lifted = lifted(of, &Listed::whole(&tables, listing, Some(scope)), found, &ours);
            let mut all = list.iter().cloned().collect::<Vec<_>>();
            let place = all.iter().position(is_of).unwrap_or(all.len());
            all.retain(|component| !is_of(component));
            all.splice(place..place, lifted);
            list.set(all);
        }
        Ok(list)
    })
}

/// What became of `ours`, which are the components of a mounted server in the view of its parent, where its middlewares have made
/// `after` of the list `before`. What the parent does to its components, and whom it shows them, still holds.
fn lifted<T: Component>(of: &Scope, before: &Listed<T>, after: Listed<T>, ours: &[Arc<T>]) -> Vec<Arc<T>> {
    let known: BTreeMap<_, _> = before.iter().map(|component| (component.about().key, component)).collect();
    let mut ours_by_key = BTreeMap::<&str, Vec<&Arc<T>>>::new();
    for component in ours {
        if let Some(hop) = component.place().hops.first() {
            ours_by_key.entry(&hop.key).or_default().push(component);
        }
    }
    let mut lifted = Vec::new();
    for component in after.into_vec() {
        let up = || T::lift(of, vec![T::clone(&component)]).into_iter();
        let Some(was) = known.get(component.about().key) else {
            lifted.extend(up().map(Arc::new));
            continue;
        };
        for ours in ours_by_key.get(component.about().key).into_iter().flatten() {
            let changed = match Arc::ptr_eq(was, &component) {
                true => None,
                false => up().find(|changed| changed.about().key == ours.about().key),
            };
            lifted.push(
                changed.map_or_else(|| Arc::clone(ours), |changed| Arc::new(changed.in_place_of(ours))),
            );
        }
    }
    lifted
}

/// Those of `tools` that the caller may see, as the middlewares of the servers leave them: what a search may tell of.
pub(crate) async fn seen(cx: &Context, mut tools: Vec<Arc<Tool>>) -> Result<Vec<Arc<Tool>>, Error> {
    tools.retain(|tool| permit(cx, &**tool).is_ok());
    let mut seen = seen_in(cx.clone(), 0, tools).await?;
    seen.retain(|tool| permit(cx, &**tool).is_ok());
    Ok(seen)
}

/// Those of `tools`, which are in the view of the server of `scope`, that its middlewares leave, and those of what is mounted
/// in it.
fn seen_in(cx: Context, scope: usize, mut tools: Vec<Arc<Tool>>) -> Answering<Vec<Arc<Tool>>> {
    Box::pin(async move {
        let tables = Arc::clone(&cx.0.tables);
        let inner: BTreeSet<_> =
            tools.iter().filter_map(|tool| tool.place.hops.first()).map(|hop| hop.scope).collect();
        for scope in inner {
            let Some((view, _)) = tables.view(scope) else { continue };
            let here = |tool: &Tool| {
                let hop = tool.place.hops.first().filter(|hop| hop.scope == scope)?;
                view.tool(&hop.key).cloned()
            };
            let left =
                seen_in(cx.clone(), scope, tools.iter().filter_map(|tool| here(tool)).collect()).await?;
            let left: BTreeSet<_> = left.iter().map(|tool| &*tool.definition.name).collect();
            tools.retain(|tool| {
                let hop = tool.place.hops.first().filter(|hop| hop.scope == scope);
                hop.is_none_or(|hop| left.contains(&*hop.key))
            });
        }
        let chain = match scope {
            0 => &tables.chain,
            scope => match tables.view(scope) {
                Some((_, scope)) => &scope.chain,
                None => return Ok(tools),
            },
        };
        if chain.is_empty() || tools.is_empty() {
            return Ok(tools);
        }
        let course = Course { chain: Arc::clone(chain), end: End::Found(tools.into()) };
        let message = Message::ListTools(ListTools { is_search: true });
        match course.run(cx.in_scope(scope), message).await? {
            Response::Tools(tools) => Ok(tools.into_vec()),
            _ => Err(mismatch()),
        }
    })
}

async fn complete(cx: Context, complete: Complete) -> Result<Completions, Error> {
    let Complete { of, of_prompt, argument, value, arguments } = complete;
    let tables = Arc::clone(&cx.0.tables);
    let completed = match of_prompt {
        true => Completed::Prompt(of.as_str().into()),
        false => Completed::Resource(of.as_str().into()),
    };
    let permitted = match of_prompt {
        true => tables.components.prompt(&of).map_or(Ok(()), |prompt| permit(&cx, &**prompt)),
        false => tables.components.resource_by_uri(&of).map_or(Ok(()), |resource| permit(&cx, &**resource)),
    };
    permitted.map_err(|error| match error.kind {
        // Who is not shown something does not learn that it is there.
        ErrorKind::InvalidParams => no_completion("prompt", &of, &argument),
        ErrorKind::ResourceNotFound { .. } => no_completion("resource or template", &of, &argument),
        _ => error,
    })?;
    let found = tables.components.completion(&completed, &argument);
    let Some(completion) = found.map_err(|what| no_completion(what, &of, &argument))? else {
        // Nobody said what could be meant, which is no mistake of the client's.
        return Ok(Completions::default());
    };
    let completion = completion.clone();
    enter_completion(cx, completion, 0, Complete { of, of_prompt, argument, value, arguments }).await
}

/// Completes through the middlewares of the mounted servers on the way.
fn enter_completion(
    cx: Context,
    completion: Completion,
    hop: usize,
    complete: Complete,
) -> Answering<Completions> {
    Box::pin(async move {
        if let Some(next) = completion.place.hops.get(hop) {
            let (scope, of) = (next.scope, next.key.clone().into_owned());
            let message = Message::Complete(Complete { of, ..complete });
            return Complete::answered(pass(cx, scope, Found::Completion(completion, hop), message).await?);
        }
        let Complete { argument, value, mut arguments, .. } = complete;
        arguments.retain(|(name, _)| *name != argument);
        arguments.push((argument, value));
        let cx = cx.in_scope(completion.place.scope);
        let completing = completion.complete(cx.clone(), &pairs(&arguments));
        unpanicked(&cx, completing.map_err(|error| Error::invalid_params(error.0))?).await?
    })
}

pub(crate) fn no_completion(what: &str, of: &str, argument: &str) -> Error {
    Error::invalid_params(match what {
        "argument" => format!("{} has no argument {}", echo(of), echo(argument)),
        what => format!("there is no {what} {}", echo(of)),
    })
}
