//! What a server asks of a client while it works on a request, and what comes back.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{Content, Role, Text};

/// What a server asks of a client.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To let the person fill in a form.
    Form { message: String, schema: Value },
    /// To let the person open an address.
    Url { message: String, url: String },
    /// To let the client's model say something.
    Sample(Box<Sampling>),
    /// Which folders and files the client works on.
    Roots,
    /// What another server asks, in the form of this client's revision.
    PassedOn { method: &'static str, capability: &'static str, params: Box<RawValue> },
}

impl Ask {
    /// The method that asks it.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Form { .. } | Self::Url { .. } => "elicitation/create",
            Self::Sample(_) => "sampling/createMessage",
            Self::Roots => "roots/list",
            Self::PassedOn { method, .. } => method,
        }
    }

    /// The capability a client must declare to be asked it, as a path in `ClientCapabilities`.
    pub(crate) fn capability(&self) -> &'static str {
        match self {
            Self::Form { .. } => "elicitation.form",
            Self::Url { .. } => "elicitation.url",
            Self::Sample(sampling) if !sampling.tools.is_empty() || sampling.tool_choice.is_some() => {
                "sampling.tools"
            }
            Self::Sample(_) => "sampling",
            Self::Roots => "roots",
            Self::PassedOn { capability, .. } => capability,
        }
    }
}

/// What the client's model is asked.
#[derive(Clone, Debug)]
pub struct Sampling {
    pub(crate) messages: Vec<SamplingMessage>,
    pub(crate) max_tokens: u32,
    pub(crate) system_prompt: Option<String>,
    pub(crate) temperature: Option<f64>,
    pub(crate) stop_sequences: Vec<String>,
    pub(crate) preferences: Option<ModelPreferences>,
    pub(crate) tools: Vec<SamplingTool>,
    pub(crate) tool_choice: Option<ToolChoice>,
    pub(crate) metadata: Option<Value>,
}

/// One message of the conversation that a client's model is asked to go on with.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingMessage {
    pub(crate) role: Role,
    pub(crate) content: Vec<SamplingContent>,
}

impl SamplingMessage {
    /// Something the person says.
    pub fn user(content: impl Into<SamplingContent>) -> Self {
        Self { role: Role::User, content: vec![content.into()] }
    }

    /// Something the model said.
    pub fn assistant(content: impl Into<SamplingContent>) -> Self {
        Self { role: Role::Assistant, content: vec![content.into()] }
    }

    /// Adds a block. A message with a tool's result holds nothing else (2025-11-25, client/sampling).
    #[must_use]
    pub fn and(mut self, content: impl Into<SamplingContent>) -> Self {
        self.content.push(content.into());
        self
    }
}

/// One block of a message to or from a client's model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SamplingContent {
    /// Text.
    Text(String),
    /// An image: its bytes and media type.
    Image {
        /// The image's bytes, not yet base64.
        data: Bytes,
        /// Such as `image/png`.
        mime_type: Text,
    },
    /// A sound: its bytes and media type.
    Audio {
        /// The sound's bytes, not yet base64.
        data: Bytes,
        /// Such as `audio/wav`.
        mime_type: Text,
    },
    /// The model wants a tool to be called.
    ToolUse {
        /// What the result must name.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        input: Value,
    },
    /// What a tool that the model wanted gave.
    ToolResult {
        /// The `id` of the use it answers.
        tool_use_id: String,
        /// What it gave.
        content: Vec<Content>,
        /// Whether it failed.
        is_error: bool,
    },
}

impl From<String> for SamplingContent {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for SamplingContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A tool that a client's model may want to be called while it is sampled.
#[derive(Clone, Debug)]
pub struct SamplingTool {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) input_schema: Value,
}

impl SamplingTool {
    /// A tool by `name`, whose arguments fit the JSON Schema `input_schema`, an object's.
    pub fn new(name: impl Into<String>, description: impl Into<String>, input_schema: Value) -> Self {
        Self { name: name.into(), description: description.into(), input_schema }
    }
}

/// Whether a sampled model may, must or must not use tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// It decides.
    Auto,
    /// It uses one at least.
    Required,
    /// It uses none.
    None,
}

/// What matters in the choice of the model that is sampled; the client makes the choice.
///
/// ```
/// # use edgemcp::ModelPreferences;
/// let preferences = ModelPreferences::new().hint("claude-sonnet").speed(0.8);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelPreferences {
    pub(crate) hints: Vec<String>,
    pub(crate) cost: Option<f64>,
    pub(crate) speed: Option<f64>,
    pub(crate) intelligence: Option<f64>,
}

impl ModelPreferences {
    /// No preference.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part of a model's name; earlier ones are preferred.
    #[must_use]
    pub fn hint(mut self, name: impl Into<String>) -> Self {
        self.hints.push(name.into());
        self
    }

    /// How much low cost matters, from 0.0 to 1.0; clamped to that range.
    #[must_use]
    pub fn cost(mut self, priority: f64) -> Self {
        self.cost = clamped(priority);
        self
    }

    /// How much speed matters, from 0.0 to 1.0; clamped to that range.
    #[must_use]
    pub fn speed(mut self, priority: f64) -> Self {
        self.speed = clamped(priority);
        self
    }

    /// How much capability matters, from 0.0 to 1.0; clamped to that range.
    #[must_use]
    pub fn intelligence(mut self, priority: f64) -> Self {
        self.intelligence = clamped(priority);
        self
    }
}

fn clamped(priority: f64) -> Option<f64> {
    priority.is_finite().then(|| priority.clamp(0.0, 1.0))
}

/// What a client's model said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sampled {
    /// Who speaks: the assistant, as a rule.
    pub role: Role,
    /// What was said.
    pub content: Vec<SamplingContent>,
    /// The model that said it, by the client's name for it.
    pub model: String,
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or a word of the provider's.
    pub stop_reason: Option<String>,
}

impl Sampled {
    /// The text of it, its blocks joined; empty where there is none.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            SamplingContent::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// A folder or file the client works on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// A `file:` URI.
    pub uri: String,
    /// What people call it.
    pub name: Option<String>,
}

/// What a person did with a request for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Accept,
    Decline,
    Cancel,
}
