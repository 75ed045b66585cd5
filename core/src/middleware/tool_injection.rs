//! Adds tools to a server: any, and those that let clients which only know tools use its prompts and resources.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{GetPrompt, Middleware};
use crate::{
    arguments::NoArguments,
    context::Context,
    error::{Error, ErrorKind, ToolError},
    model::{Block, Content, ResourceContents, ResourceData, Role, Text},
    output::{Json, ToolOutput},
    tool::{IntoTool, Tool},
    transform::{Components, Transform},
    wire::results,
};

/// Adds tools to a server, once, when it is built; requests pay nothing for it. It is both a middleware and a
/// [`Transform`].
///
/// A tool that is added takes the place of those that have the same name, in all their versions, also of a mounted server's.
/// It asks of its callers what it asks itself ([`Tool::requires`]), and not what the tool did whose place it takes.
///
/// # Source
/// FastMCP, `ToolInjectionMiddleware`.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::ToolInjection;
///
/// /// Multiply two integers.
/// #[tool]
/// async fn multiply(a: i64, b: i64) -> i64 {
///     a * b
/// }
///
/// let server = Server::new("tools", "1.0.0").middleware(ToolInjection::new([multiply::tool()]));
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Default)]
pub struct ToolInjection(Vec<Tool>);

impl ToolInjection {
    /// Adds these tools.
    pub fn new<T: IntoTool>(tools: impl IntoIterator<Item = T>) -> Self {
        Self(tools.into_iter().map(IntoTool::into_tool).collect())
    }

    /// Adds one more.
    #[must_use]
    pub fn tool(mut self, tool: impl IntoTool) -> Self {
        self.0.push(tool.into_tool());
        self
    }
}

/// Adds the tools `list_prompts` and `get_prompt`, for clients that know tools only. It is both a middleware and a
/// [`Transform`]; in FastMCP 4 it is called `PromptsAsTools`.
///
/// `list_prompts` gives the name, description and arguments of each prompt; `get_prompt` takes a `name` and `arguments`,
/// and gives the messages. Both go through the middlewares as the methods of the same names do, and give what the caller
/// may see. In a mounted server they are about the whole server that it is mounted in, by the names that there are.
///
/// # Source
/// FastMCP 2, `PromptToolMiddleware`; FastMCP 4, `PromptsAsTools`.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::PromptTools;
/// let server = Server::new("prompts", "1.0.0").middleware(PromptTools);
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PromptTools;

/// Adds the tools `list_resources` and `read_resource`, for clients that know tools only. It is both a middleware and a
/// [`Transform`]; in FastMCP 4 it is called `ResourcesAsTools`.
///
/// `list_resources` gives the URI, name, description and media type of each resource, and the `uri_template` of each
/// template; `read_resource` takes a `uri`, and gives text as text, pictures and sound as such, and other bytes embedded.
/// Both go through the middlewares as the methods of the same names do, and give what the caller may see. In a mounted
/// server they are about the whole server that it is mounted in.
///
/// # Source
/// FastMCP 2, `ResourceToolMiddleware`; FastMCP 4, `ResourcesAsTools`.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::ResourceTools;
/// let server = Server::new("resources", "1.0.0").middleware(ResourceTools);
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ResourceTools;

fn inject(components: &mut Components, tools: impl IntoIterator<Item = Tool>) {
    for tool in tools {
        components.tools.retain(|known| known.definition.name != tool.definition.name);
        components.tools.push(tool);
    }
}

macro_rules! injects {
    ($($injection:ident: $tools:expr;)*) => {$(
        impl Transform for $injection {
            fn apply(&self, components: &mut Components, _: &mut Vec<String>) {
                inject(components, $tools(self));
            }
        }

        impl Middleware for $injection {
            fn prepare(&self, components: &mut Components, problems: &mut Vec<String>) {
                self.apply(components, problems);
            }
        }
    )*};
}

injects! {
    ToolInjection: |injection: &Self| injection.0.clone();
    PromptTools: |_| [list_prompts(), get_prompt()].map(surveying);
    ResourceTools: |_| [list_resources(), read_resource()].map(surveying);
}

impl fmt::Debug for ToolInjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ToolInjection").field(&self.0).finish()
    }
}

fn surveying(mut tool: Tool) -> Tool {
    tool.surveys = true;
    tool
}

/// A prompt that can be got.
#[derive(Serialize, JsonSchema)]
struct PromptEntry {
    name: Text,
    description: Text,
    arguments: Vec<ArgumentEntry>,
}

#[derive(Serialize, JsonSchema)]
struct ArgumentEntry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    required: bool,
}

fn list_prompts() -> Tool {
    let what = "List all available prompts: their names, descriptions and arguments.";
    let list = |cx: Context, _: NoArguments| async move {
        let prompts = cx.list_prompts().await.map_err(for_the_model)?;
        let entry = |prompt: &crate::Prompt| PromptEntry {
            name: prompt.definition.name.clone(),
            description: prompt.definition.description.clone(),
            arguments: prompt
                .definition
                .arguments
                .iter()
                .map(|argument| ArgumentEntry {
                    name: argument.name.clone(),
                    description: argument.description.clone(),
                    required: argument.required,
                })
                .collect(),
        };
        Ok::<_, ToolError>(Json(prompts.iter().map(|prompt| entry(prompt)).collect::<Vec<_>>()))
    };
    Tool::new("list_prompts", what, list).read_only(true)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PromptRequest {
    /// The name of the prompt to get.
    name: String,
    /// The prompt's arguments, by their names.
    #[serde(default)]
    arguments: Option<BTreeMap<String, Value>>,
}

/// What a prompt says.
#[derive(Serialize, JsonSchema)]
struct Said {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: Text,
    messages: Vec<SaidMessage>,
}

#[derive(Serialize, JsonSchema)]
struct SaidMessage {
    /// `user` or `assistant`.
    role: &'static str,
    /// A text, or another block of content as MCP has it.
    #[schemars(with = "Value")]
    content: Box<RawValue>,
}

fn get_prompt() -> Tool {
    let what = "Get a prompt by name, with its arguments. Returns its messages.";
    let get = |cx: Context, PromptRequest { name, arguments }: PromptRequest| async move {
        let given = arguments.into_iter().flatten().filter(|(_, value)| !value.is_null());
        let get = given.fold(GetPrompt::new(name), |get, (name, value)| match value {
            Value::String(text) => get.argument(name, text),
            // Prompts take strings, and read numbers and flags from them.
            other => get.argument(name, other.to_string()),
        });
        let prompt = cx.get_prompt(get).await.map_err(for_the_model)?;
        let messages = prompt.messages.iter().map(|message| {
            Ok(SaidMessage {
                role: match message.role {
                    Role::User => "user",
                    Role::Assistant => "assistant",
                },
                content: match &message.content {
                    Content { block: Block::Text(text), annotations: None } => {
                        serde_json::value::to_raw_value(text)?
                    }
                    content => results::content(content),
                },
            })
        });
        let messages = messages.collect::<Result<_, ToolError>>()?;
        Ok::<_, ToolError>(Json(Said { description: prompt.description, messages }))
    };
    Tool::new("get_prompt", what, get).read_only(true)
}

/// A resource that can be read, or a template of such.
#[derive(Serialize, JsonSchema)]
struct ResourceEntry {
    /// Where a resource is.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<Text>,
    /// Where those of a template are, with `{placeholders}` to fill in.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_template: Option<Text>,
    name: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<Text>,
}

fn list_resources() -> Tool {
    let what = "List all available resources and resource templates. A resource has a `uri`; a template has a \
                `uri_template` with placeholders like {name} to fill in.";
    let list = |cx: Context, _: NoArguments| async move {
        let resources = cx.list_resources().await.map_err(for_the_model)?;
        let templates = cx.list_resource_templates().await.map_err(for_the_model)?;
        let entry = |resource: &crate::Resource| {
            let definition = &resource.definition;
            let (uri, uri_template) = match resource.is_template() {
                true => (None, Some(definition.uri.clone())),
                false => (Some(definition.uri.clone()), None),
            };
            let (name, description) = (definition.name.clone(), definition.description.clone());
            ResourceEntry { uri, uri_template, name, description, mime_type: definition.mime_type.clone() }
        };
        let entries = resources.iter().chain(templates.iter()).map(|resource| entry(resource));
        Ok::<_, ToolError>(Json(entries.collect::<Vec<_>>()))
    };
    Tool::new("list_resources", what, list).read_only(true)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResourceRequest {
    /// The URI of the resource to read; of a template, with its placeholders filled in.
    uri: String,
}

fn read_resource() -> Tool {
    let what = "Read a resource by its URI. For a template, fill in its placeholders first.";
    let read = |cx: Context, ResourceRequest { uri }: ResourceRequest| async move {
        let output = cx.read_resource(uri).await.map_err(for_the_model)?;
        let blocks = output.contents.into_iter().map(block);
        Ok::<_, ToolError>(blocks.fold(ToolOutput::new(), ToolOutput::content))
    };
    Tool::new("read_resource", what, read).read_only(true)
}

/// What a resource holds, as a model sees it best.
fn block(contents: ResourceContents) -> Content {
    let kind = contents.mime_type.as_deref().and_then(|mime_type| mime_type.split('/').next());
    match (&contents.data, kind, &contents.mime_type) {
        (ResourceData::Text(text), ..) => Content::text(text),
        (ResourceData::Blob(data), Some("image"), Some(mime_type)) => {
            Content::image(data.clone(), mime_type.clone())
        }
        (ResourceData::Blob(data), Some("audio"), Some(mime_type)) => {
            Content::audio(data.clone(), mime_type.clone())
        }
        (ResourceData::Blob(_), ..) => Content::resource(contents),
    }
}

/// The model chooses what is got or read, so it is told what it chose wrongly.
fn for_the_model(error: ToolError) -> ToolError {
    match error.protocol {
        Some(protocol) if is_a_choice(&protocol) => ToolError::new(protocol.message),
        protocol => ToolError { protocol, ..error },
    }
}

fn is_a_choice(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::InvalidParams | ErrorKind::ResourceNotFound { .. })
}
