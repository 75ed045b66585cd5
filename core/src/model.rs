//! What a server and a client say to each other, in neither era's wire form.
//!
//! The `wire` module turns these into each revision's JSON, leaving out what a revision does not know.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

/// Text that is mostly known when the program is compiled.
pub type Text = Cow<'static, str>;

/// A picture that clients show beside a server, tool, resource or prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    pub(crate) src: Text,
    pub(crate) mime_type: Option<Text>,
    pub(crate) sizes: Vec<Text>,
    pub(crate) theme: Option<Theme>,
}

/// The background an [`Icon`] is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A light background.
    Light,
    /// A dark background.
    Dark,
}

impl Icon {
    /// An icon at `src`, which is an `https:` URL or a `data:` URI with base64 data. Anything else is reported when
    /// the server is built.
    pub fn new(src: impl Into<Text>) -> Self {
        Self { src: src.into(), mime_type: None, sizes: Vec::new(), theme: None }
    }

    /// Sets the media type, such as `image/png`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Adds a size the icon can be shown at, such as `48x48`, or `any` for a vector image.
    #[must_use]
    pub fn size(mut self, size: impl Into<Text>) -> Self {
        self.sizes.push(size.into());
        self
    }

    /// Sets the background the icon is made for.
    #[must_use]
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = Some(theme);
        self
    }
}

/// Who a server is.
#[derive(Clone, Debug)]
pub(crate) struct Implementation {
    pub(crate) name: Text,
    pub(crate) version: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) website_url: Option<Text>,
    pub(crate) icons: Vec<Icon>,
}

/// Who a piece of content is for or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// Hints about who content is for, and how much it matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    pub(crate) audience: Vec<Role>,
    pub(crate) priority: Option<f64>,
    pub(crate) last_modified: Option<Text>,
}

impl Annotations {
    /// No hints.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds someone the content is for.
    #[must_use]
    pub fn audience(mut self, role: Role) -> Self {
        self.audience.push(role);
        self
    }

    /// How much the content matters, from 0.0 (optional) to 1.0 (required); clamped to that range.
    #[must_use]
    pub fn priority(mut self, priority: f64) -> Self {
        self.priority = priority.is_finite().then(|| priority.clamp(0.0, 1.0));
        self
    }

    /// When the content last changed, as ISO 8601 text.
    #[must_use]
    pub fn last_modified(mut self, moment: impl Into<Text>) -> Self {
        self.last_modified = Some(moment.into());
        self
    }
}

/// One block of what a tool returns or a prompt says.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub(crate) block: Block,
    pub(crate) annotations: Option<Annotations>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Text(String),
    Image { data: Bytes, mime_type: Text },
    Audio { data: Bytes, mime_type: Text },
    Link(ResourceLink),
    Embedded(ResourceContents),
}

impl Content {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Block::Text(text.into()).into()
    }

    /// An image: its bytes (not yet base64) and media type, such as `image/png`.
    pub fn image(data: impl Into<Bytes>, mime_type: impl Into<Text>) -> Self {
        Block::Image { data: data.into(), mime_type: mime_type.into() }.into()
    }

    /// A sound: its bytes (not yet base64) and media type, such as `audio/wav`.
    pub fn audio(data: impl Into<Bytes>, mime_type: impl Into<Text>) -> Self {
        Block::Audio { data: data.into(), mime_type: mime_type.into() }.into()
    }

    /// The contents of a resource, in place.
    pub fn resource(contents: ResourceContents) -> Self {
        Block::Embedded(contents).into()
    }

    /// A pointer to a resource the client may read. Clients of 2025-03-26 see it as text.
    pub fn resource_link(link: ResourceLink) -> Self {
        Block::Link(link).into()
    }

    /// Sets hints about who the content is for.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }
}

impl From<Block> for Content {
    fn from(block: Block) -> Self {
        Self { block, annotations: None }
    }
}

/// A pointer to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceLink {
    pub(crate) uri: Text,
    pub(crate) name: Text,
    pub(crate) description: Option<Text>,
    pub(crate) mime_type: Option<Text>,
}

impl ResourceLink {
    /// A pointer to `uri`, shown as `name`.
    pub fn new(uri: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { uri: uri.into(), name: name.into(), description: None, mime_type: None }
    }

    /// Sets what the resource is.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// What a resource holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceContents {
    /// Empty until the server fills in the URI that was read.
    pub(crate) uri: Text,
    pub(crate) mime_type: Option<Text>,
    pub(crate) data: ResourceData,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceData {
    Text(String),
    Blob(Bytes),
}

impl ResourceContents {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { uri: Text::default(), mime_type: None, data: ResourceData::Text(text.into()) }
    }

    /// Bytes (not yet base64).
    pub fn blob(data: impl Into<Bytes>) -> Self {
        Self { uri: Text::default(), mime_type: None, data: ResourceData::Blob(data.into()) }
    }

    /// Sets the URI; the one that was read unless said otherwise.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<Text>) -> Self {
        self.uri = uri.into();
        self
    }

    /// Sets the media type; the resource's own unless said otherwise.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    pub(crate) role: Role,
    pub(crate) content: Content,
}

impl PromptMessage {
    /// Something the person says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// Something the model says.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// What a client asks, in either era.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Initialize { requested: Cow<'a, str> },
    Ping,
    Discover,
    ListTools,
    CallTool { name: Cow<'a, str>, arguments: Option<&'a RawValue> },
    ListResources,
    ListResourceTemplates,
    ReadResource { uri: Cow<'a, str> },
    ListPrompts,
    GetPrompt { name: Cow<'a, str>, arguments: Vec<(Cow<'a, str>, Cow<'a, str>)> },
}

/// How clients may see a tool: hints, which a client must not rely on for safety.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolHints {
    pub(crate) read_only: Option<bool>,
    pub(crate) destructive: Option<bool>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) open_world: Option<bool>,
}

/// A tool as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct ToolDefinition {
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Text,
    pub(crate) icons: Vec<Icon>,
    pub(crate) input_schema: serde_json::Value,
    pub(crate) output_schema: Option<serde_json::Value>,
    pub(crate) hints: ToolHints,
}

/// A resource or a resource template as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct ResourceDefinition {
    pub(crate) uri: Text,
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) mime_type: Option<Text>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) annotations: Option<Annotations>,
}

/// A prompt as clients list it.
#[derive(Clone, Debug)]
pub(crate) struct PromptDefinition {
    pub(crate) name: Text,
    pub(crate) title: Option<Text>,
    pub(crate) description: Text,
    pub(crate) icons: Vec<Icon>,
    pub(crate) arguments: Vec<PromptArgument>,
}

/// What a prompt can be filled with.
#[derive(Clone, Debug)]
pub(crate) struct PromptArgument {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) required: bool,
}

/// Which kinds of components a server has, and so which methods it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offers {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) prompts: bool,
}

/// Who may keep a cacheable result (2026-07-28, server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheScope {
    Public,
    Private,
}

/// How long a client may keep a result, and whether it may share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheHint {
    pub(crate) ttl_ms: u64,
    pub(crate) scope: CacheScope,
}
