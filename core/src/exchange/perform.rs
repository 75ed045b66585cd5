//! Serves what has come through the middlewares: finds the component, goes through those of a mounted server, and runs it.

use std::sync::Arc;

use crate::{
    auth,
    completion::Completions,
    context::Context,
    error::{Error, ToolError},
    future::{BoxFuture, caught},
    limits::echo,
    middleware::{
        CallTool, Complete, Component, Course, End, GetPrompt, Listed, Message, ReadResource, Response,
    },
    model::{Completed, Listing, ResourceContents},
    output::{PromptOutput, ResourceOutput, ToolOutput},
    platform::LogLevel,
    prompt::Prompt,
    resource::Resource,
    seal::random_id,
    task::{self, TaskSupport},
    tool::Tool,
};

/// A component that was found, and how many of the mounted servers on the way to it have been entered.
#[derive(Clone)]
pub(crate) enum Found {
    Tool(Arc<Tool>, usize),
    Resource(Arc<Resource>, usize),
    Prompt(Arc<Prompt>, usize),
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
        Message::ListResourceTemplates(_) => Box::pin(async move {
            list(&cx, Listing::ResourceTemplates).await.map(Response::ResourceTemplates)
        }),
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
        let Some(view) = tables.scope(scope) else {
            return Err(Error::internal("a mounted server is not there"));
        };
        match (message, found) {
            // A hook may have chosen another; then it is looked for among what that server has.
            (Message::CallTool(call), Found::Tool(tool, hop)) => {
                let is_same = tool.place.hops.get(hop).is_some_and(|hop| hop.key == call.name);
                let (tool, hop) = match is_same {
                    true => (tool, hop + 1),
                    false => (view.tool(&call.name).cloned().ok_or_else(|| no_tool(&call.name))?, 0),
                };
                enter_tool(cx, tool, hop, call).await.map(Response::Tool)
            }
            (Message::ReadResource(read), Found::Resource(resource, hop)) => {
                let is_same = resource.place.hops.get(hop).is_some_and(|hop| {
                    hop.key == resource.definition.uri || hop.key == read.uri || resource.is_template()
                });
                let (resource, hop) = match is_same {
                    true => (resource, hop + 1),
                    false => {
                        let found = view.resource(&read.uri).map(|(resource, _)| Arc::clone(resource));
                        (found.ok_or_else(|| Error::resource_not_found(read.uri.clone()))?, 0)
                    }
                };
                enter_resource(cx, resource, hop, read).await.map(Response::Resource)
            }
            (Message::GetPrompt(get), Found::Prompt(prompt, hop)) => {
                let is_same = prompt.place.hops.get(hop).is_some_and(|hop| hop.key == get.name);
                let (prompt, hop) = match is_same {
                    true => (prompt, hop + 1),
                    false => (view.prompt(&get.name).cloned().ok_or_else(|| no_prompt(&get.name))?, 0),
                };
                enter_prompt(cx, prompt, hop, get).await.map(Response::Prompt)
            }
            _ => Err(Error::internal("a middleware has made one kind of message into another")),
        }
    })
}
