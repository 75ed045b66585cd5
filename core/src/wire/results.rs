//! The results of calls, reads and prompts, in each revision's form.

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    model::{
        Annotations, Block, CacheHint, CacheScope, Content, PromptMessage, ResourceContents, ResourceData,
        Role,
    },
    version::{Era, ProtocolVersion},
};

/// What every modern result carries beside its own fields; nothing on the legacy era.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Modern<'a> {
    #[serde(rename = "resultType")]
    result_type: &'static str,
    #[serde(rename = "_meta")]
    meta: ResultMeta<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct ResultMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: &'a RawValue,
}

/// What a result is written for: a revision, and the server that answers.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) version: ProtocolVersion,
    /// The server's `Implementation`, written once per server.
    pub(crate) server_info: &'a RawValue,
}

impl<'a> For<'a> {
    pub(super) fn modern(self) -> Option<Modern<'a>> {
        match self.version.era() {
            Era::Legacy => None,
            Era::Modern => {
                Some(Modern { result_type: "complete", meta: ResultMeta { server_info: self.server_info } })
            }
        }
    }

    pub(super) fn cache(self, hint: CacheHint) -> Option<Cache> {
        match self.version.era() {
            Era::Legacy => None,
            Era::Modern => Some(Cache {
                ttl_ms: hint.ttl_ms,
                cache_scope: match hint.scope {
                    CacheScope::Public => "public",
                    CacheScope::Private => "private",
                },
            }),
        }
    }
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cache {
    ttl_ms: u64,
    cache_scope: &'static str,
}

/// The empty result.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// The result of `tools/call`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallTool<'a> {
    content: Vec<WireContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Structured<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(flatten)]
    modern: Option<Modern<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Structured<'a> {
    Bare(&'a RawValue),
    Wrapped { result: &'a RawValue },
}

impl<'a> CallTool<'a> {
    /// `wrapped` puts the structured value under `result`, which is how a value that is no object is carried by the
    /// revisions whose `structuredContent` must be one; later revisions carry it alike, so that a tool has one schema.
    pub(crate) fn new(
        to: For<'a>,
        content: &'a [Content],
        structured: Option<&'a RawValue>,
        wrapped: bool,
        is_error: bool,
    ) -> Self {
        let mut blocks: Vec<_> = content.iter().map(|content| wire_content(content, to.version)).collect();
        if let (true, Some(structured)) = (blocks.is_empty(), structured) {
            // Clients that know no structured content read the same JSON as text.
            blocks.push(WireContent {
                block: WireBlock::Text { text: Cow::Borrowed(structured.get()) },
                annotations: None,
            });
        }
        let structured_content =
            structured.filter(|_| to.version >= ProtocolVersion::V2025_06_18).map(|value| {
                if wrapped { Structured::Wrapped { result: value } } else { Structured::Bare(value) }
            });
        Self { content: blocks, structured_content, is_error, modern: to.modern() }
    }
}

/// The result of `resources/read`.
#[derive(Serialize)]
pub(crate) struct ReadResource<'a> {
    contents: Vec<WireContents<'a>>,
    #[serde(flatten)]
    cache: Option<Cache>,
    #[serde(flatten)]
    modern: Option<Modern<'a>>,
}

impl<'a> ReadResource<'a> {
    /// What reading a resource gave; a client may not keep it, since handlers compute it per request.
    pub(crate) fn new(to: For<'a>, contents: &'a [ResourceContents]) -> Self {
        Self {
            contents: contents.iter().map(wire_contents).collect(),
            cache: to.cache(CacheHint { ttl_ms: 0, scope: CacheScope::Private }),
            modern: to.modern(),
        }
    }
}

/// The result of `prompts/get`.
#[derive(Serialize)]
pub(crate) struct GetPrompt<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(flatten)]
    modern: Option<Modern<'a>>,
}

impl<'a> GetPrompt<'a> {
    pub(crate) fn new(to: For<'a>, description: &'a str, messages: &'a [PromptMessage]) -> Self {
        let messages = messages
            .iter()
            .map(|message| WireMessage {
                role: role(message.role),
                content: wire_content(&message.content, to.version),
            })
            .collect();
        Self { description, messages, modern: to.modern() }
    }
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: WireContent<'a>,
}

#[derive(Serialize)]
struct WireContent<'a> {
    #[serde(flatten)]
    block: WireBlock<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<WireAnnotations<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum WireBlock<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        data: String,
        mime_type: &'a str,
    },
    Audio {
        data: String,
        mime_type: &'a str,
    },
    ResourceLink {
        uri: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<&'a str>,
    },
    Resource {
        resource: WireContents<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireContents<'a> {
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(flatten)]
    data: WireData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum WireData<'a> {
    Text(&'a str),
    Blob(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireAnnotations<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audience: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<&'a str>,
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

pub(super) fn wire_annotations(annotations: &Annotations, version: ProtocolVersion) -> WireAnnotations<'_> {
    WireAnnotations {
        audience: annotations.audience.iter().map(|who| role(*who)).collect(),
        priority: annotations.priority,
        last_modified: annotations
            .last_modified
            .as_deref()
            .filter(|_| version >= ProtocolVersion::V2025_06_18),
    }
}

fn wire_content(content: &Content, version: ProtocolVersion) -> WireContent<'_> {
    let block = match &content.block {
        Block::Text(text) => WireBlock::Text { text: Cow::Borrowed(text) },
        Block::Image { data, mime_type } => WireBlock::Image { data: BASE64.encode(data), mime_type },
        Block::Audio { data, mime_type } => WireBlock::Audio { data: BASE64.encode(data), mime_type },
        Block::Link(link) if version < ProtocolVersion::V2025_06_18 => {
            WireBlock::Text { text: Cow::Owned(format!("{}: {}", link.name, link.uri)) }
        }
        Block::Link(link) => WireBlock::ResourceLink {
            uri: &link.uri,
            name: &link.name,
            description: link.description.as_deref(),
            mime_type: link.mime_type.as_deref(),
        },
        Block::Embedded(contents) => WireBlock::Resource { resource: wire_contents(contents) },
    };
    let annotations = content.annotations.as_ref().map(|annotations| wire_annotations(annotations, version));
    WireContent { block, annotations }
}

fn wire_contents(contents: &ResourceContents) -> WireContents<'_> {
    WireContents {
        uri: &contents.uri,
        mime_type: contents.mime_type.as_deref(),
        data: match &contents.data {
            ResourceData::Text(text) => WireData::Text(text),
            ResourceData::Blob(data) => WireData::Blob(BASE64.encode(data)),
        },
    }
}
