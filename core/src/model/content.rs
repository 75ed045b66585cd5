//! What tools return, resources hold and prompts say.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{Meta, Text};

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
    Whole(Whole),
}

/// A block of another server's, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Its `type`.
    pub(crate) kind: String,
    pub(crate) json: Box<RawValue>,
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
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
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContents {
    /// Empty until the server fills in the URI that was read.
    pub(crate) uri: Text,
    pub(crate) mime_type: Option<Text>,
    pub(crate) data: ResourceData,
    pub(crate) meta: Meta,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceData {
    Text(String),
    Blob(Bytes),
}

impl ResourceContents {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(ResourceData::Text(text.into()))
    }

    /// Bytes (not yet base64).
    pub fn blob(data: impl Into<Bytes>) -> Self {
        Self::new(ResourceData::Blob(data.into()))
    }

    fn new(data: ResourceData) -> Self {
        Self { uri: Text::default(), mime_type: None, data, meta: Meta::new() }
    }

    /// Adds a member to the contents' `_meta`. Its key has a prefix of the server's own, as in `com.example/pages`
    /// (2026-07-28, basic/index, "`_meta`").
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
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
