//! What hooks see: the messages of a client, each with the response it takes.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Listed;
use crate::{
    arguments,
    completion::Completions,
    error::Error,
    finite,
    output::{PromptOutput, ResourceOutput, ToolOutput},
    prompt::Prompt,
    resource::Resource,
    tool::Tool,
};

/// A message of a client, of whatever kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Message {
    /// `initialize`
    Initialize(Initialize),
    /// `server/discover`
    Discover(Discover),
    /// `tools/call`
    CallTool(CallTool),
    /// `resources/read`
    ReadResource(ReadResource),
    /// `prompts/get`
    GetPrompt(GetPrompt),
    /// `tools/list`
    ListTools(ListTools),
    /// `resources/list`
    ListResources(ListResources),
    /// `resources/templates/list`
    ListResourceTemplates(ListResourceTemplates),
    /// `prompts/list`
    ListPrompts(ListPrompts),
    /// `completion/complete`
    Complete(Complete),
    /// `tasks/get`, `tasks/update`, `tasks/cancel`
    Task(TaskMethod),
    /// A request of any other method, one that is not there among them.
    Other(Other),
    /// A notification.
    Notification(Notification),
}

/// What a message is answered with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Response {
    /// The answer to a `tools/call`.
    Tool(ToolOutput),
    /// The answer to a `resources/read`.
    Resource(ResourceOutput),
    /// The answer to a `prompts/get`.
    Prompt(PromptOutput),
    /// The answer to a `tools/list`.
    Tools(Listed<Tool>),
    /// The answer to a `resources/list`.
    Resources(Listed<Resource>),
    /// The answer to a `resources/templates/list`.
    ResourceTemplates(Listed<Resource>),
    /// The answer to a `prompts/list`.
    Prompts(Listed<Prompt>),
    /// The answer to a `completion/complete`.
    Completions(Completions),
    /// Any other answer, which only the server itself knows.
    Done,
}

/// A message that has a hook of its own.
pub trait Hooked: Sized + Send + 'static {
    /// What it is answered with.
    type Response: Send + 'static;

    #[doc(hidden)]
    fn into_message(self) -> Message;

    #[doc(hidden)]
    fn response(response: Response) -> Option<Self::Response>;

    /// What it was answered with, or that a middleware has mistaken it for another.
    #[doc(hidden)]
    fn answered(response: Response) -> Result<Self::Response, Error> {
        Self::response(response).ok_or_else(mismatch)
    }
}

/// A middleware has made up an answer of another kind, which is the server's fault.
pub(crate) fn mismatch() -> Error {
    Error::internal("a middleware has answered a message with what answers another")
}

impl Hooked for Message {
    type Response = Response;

    fn into_message(self) -> Message {
        self
    }

    fn response(response: Response) -> Option<Response> {
        Some(response)
    }
}

macro_rules! hooked {
    ($($message:ident is $in_message:ident, $response:ty = $in_response:ident;)*) => {
        $(impl Hooked for $message {
            type Response = $response;

            fn into_message(self) -> Message {
                Message::$in_message(self)
            }

            fn response(response: Response) -> Option<$response> {
                match response {
                    Response::$in_response(response) => Some(response),
                    _ => None,
                }
            }
        })*
    };
}

hooked! {
    CallTool is CallTool, ToolOutput = Tool;
    ReadResource is ReadResource, ResourceOutput = Resource;
    GetPrompt is GetPrompt, PromptOutput = Prompt;
    ListTools is ListTools, Listed<Tool> = Tools;
    ListResources is ListResources, Listed<Resource> = Resources;
    ListResourceTemplates is ListResourceTemplates, Listed<Resource> = ResourceTemplates;
    ListPrompts is ListPrompts, Listed<Prompt> = Prompts;
    Complete is Complete, Completions = Completions;
}

macro_rules! opaque {
    ($($message:ident is $in_message:ident;)*) => {
        $(impl Hooked for $message {
            type Response = ();

            fn into_message(self) -> Message {
                Message::$in_message(self)
            }

            fn response(response: Response) -> Option<()> {
                match response {
                    Response::Done => Some(()),
                    _ => None,
                }
            }
        })*
    };
}

opaque! {
    Initialize is Initialize;
    Discover is Discover;
    TaskMethod is Task;
    Other is Other;
    Notification is Notification;
}

impl Message {
    /// The method, such as `tools/call`.
    pub fn method(&self) -> &str {
        match self {
            Self::Initialize(_) => "initialize",
            Self::Discover(_) => "server/discover",
            Self::CallTool(_) => "tools/call",
            Self::ReadResource(_) => "resources/read",
            Self::GetPrompt(_) => "prompts/get",
            Self::ListTools(_) => "tools/list",
            Self::ListResources(_) => "resources/list",
            Self::ListResourceTemplates(_) => "resources/templates/list",
            Self::ListPrompts(_) => "prompts/list",
            Self::Complete(_) => "completion/complete",
            Self::Task(TaskMethod { method, .. })
            | Self::Other(Other { method })
            | Self::Notification(Notification { method }) => method,
        }
    }

    /// What is called, read or got: a tool's or prompt's name, a resource's URI; for `completion/complete` what the
    /// argument belongs to, for tasks the id.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::CallTool(call) => Some(&call.name),
            Self::ReadResource(read) => Some(&read.uri),
            Self::GetPrompt(get) => Some(&get.name),
            Self::Complete(complete) => Some(&complete.of),
            Self::Task(task) => Some(&task.id),
            _ => None,
        }
    }

    /// Whether it is a notification, which nothing answers.
    pub fn is_notification(&self) -> bool {
        matches!(self, Self::Notification(_))
    }

    /// What was sent with it, as JSON: the arguments of a call or of a prompt.
    pub fn arguments(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::CallTool(call) => Some(call.arguments_json().into()),
            Self::GetPrompt(get) => {
                let pairs = get.arguments.iter().map(|(name, value)| (name.clone(), value.clone().into()));
                Some(serde_json::Value::Object(pairs.collect()).to_string().into())
            }
            _ => None,
        }
    }
}

/// A `tools/call`.
#[derive(Clone, Debug)]
pub struct CallTool {
    pub(crate) name: String,
    pub(crate) arguments: Option<Box<RawValue>>,
}

impl CallTool {
    /// A call of the tool `name`, with no arguments yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: None }
    }

    /// The same call with these arguments, a JSON object.
    ///
    /// # Errors
    /// Where `arguments` cannot be written as JSON.
    pub fn with_arguments(mut self, arguments: &impl Serialize) -> Result<Self, Error> {
        self.arguments = Some(finite::to_raw_json(arguments).map_err(Error::internal)?);
        Ok(self)
    }

    /// The tool that is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls another tool instead.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// The arguments as JSON; `{}` where the client sent none. Nothing of them is checked yet.
    pub fn arguments_json(&self) -> &str {
        self.arguments.as_deref().map_or("{}", RawValue::get)
    }

    /// The arguments, read as a `T`.
    ///
    /// # Errors
    /// For the model: where they are none, with the place that is wrong.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let arguments: Result<T, _> =
            arguments::from_json(self.arguments.as_deref(), &arguments::Constraints::default());
        arguments.map_err(|error| crate::error::ToolError::new(error.0).into())
    }
}

/// A `resources/read`.
#[derive(Clone, Debug)]
pub struct ReadResource {
    pub(crate) uri: String,
}

impl ReadResource {
    /// Reads `uri`.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into() }
    }

    /// What is read.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Reads another resource instead.
    pub fn set_uri(&mut self, uri: impl Into<String>) {
        self.uri = uri.into();
    }
}

/// A `prompts/get`.
#[derive(Clone, Debug)]
pub struct GetPrompt {
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, String)>,
}

impl GetPrompt {
    /// Gets the prompt `name`, with no arguments yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: Vec::new() }
    }

    /// The prompt that is got.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gets another prompt instead.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// The arguments, by their names. Nothing of them is checked yet.
    pub fn arguments(&self) -> &[(String, String)] {
        &self.arguments
    }

    /// Sets the argument `name`.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.arguments.retain(|(known, _)| *known != name);
        self.arguments.push((name, value.into()));
        self
    }
}

/// A `completion/complete`.
#[derive(Clone, Debug)]
pub struct Complete {
    pub(crate) of: String,
    pub(crate) of_prompt: bool,
    pub(crate) argument: String,
    pub(crate) value: String,
    pub(crate) arguments: Vec<(String, String)>,
}

impl Complete {
    /// The prompt's name or the resource template's URI that the argument belongs to.
    pub fn of(&self) -> &str {
        &self.of
    }

    /// The argument that is completed.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// What was typed of it so far.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// An `initialize`; the [`Context`](crate::Context) says who the client is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Initialize {}

/// A `server/discover`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Discover {}

/// A `tools/list`. Hooks see the whole list; its pages are cut afterwards.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListTools {
    pub(crate) is_search: bool,
}

impl ListTools {
    /// Whether it is asked for by a tool that searches, of what it has found
    /// ([`BM25Search`](crate::transform::BM25Search)). Hooks that take tools out of the list keep them from being found too;
    /// the list is not the server's, so nobody may keep it for one.
    pub fn is_search(&self) -> bool {
        self.is_search
    }
}

/// A `resources/list`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListResources {}

/// A `resources/templates/list`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListResourceTemplates {}

/// A `prompts/list`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListPrompts {}

/// A `tasks/get`, `tasks/update` or `tasks/cancel`.
#[derive(Debug)]
pub struct TaskMethod {
    pub(crate) method: Arc<str>,
    pub(crate) id: String,
}

impl TaskMethod {
    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The task's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A request that has no hook of its own.
#[derive(Debug)]
pub struct Other {
    pub(crate) method: Arc<str>,
}

/// A notification.
#[derive(Debug)]
pub struct Notification {
    pub(crate) method: Arc<str>,
}
