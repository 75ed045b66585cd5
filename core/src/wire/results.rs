//! The results of calls, reads and prompts, in each revision's form.

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, value::RawValue};

use super::{
    definition::raw,
    params::{self, member},
};
use crate::{
    completion::Completions,
    journal::Asked,
    model::{
        Annotations, Block, CacheHint, CacheScope, Content, Meta, PromptMessage, ResourceContents,
        ResourceData, Role, Unavailable, Whole,
    },
    output::ToolOutput,
    version::{Era, ProtocolVersion},
};

/// The `_meta` of a result: who answers (modern era; 2026-07-28, basic/index), and what the server adds.
#[derive(Clone, Copy)]
pub(super) struct ResultMeta<'a> {
    server_info: Option<&'a RawValue>,
    own: Option<&'a Meta>,
    /// What a list lacks.
    unavailable: &'a [Unavailable],
}

/// The member of a list's `_meta` that says which mounted servers could not be asked.
const UNAVAILABLE: &str = "edgemcp/unavailable";

impl Serialize for ResultMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.own.into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        if !self.unavailable.is_empty() {
            #[derive(Serialize)]
            struct Lack<'a> {
                mount: &'a str,
                why: &'a str,
            }
            let lacks = self.unavailable.iter().map(|lack| Lack { mount: &lack.mount, why: &lack.why });
            map.serialize_entry(UNAVAILABLE, &lacks.collect::<Vec<_>>())?;
        }
        if let Some(server_info) = self.server_info {
            map.serialize_entry("io.modelcontextprotocol/serverInfo", server_info)?;
        }
        map.end()
    }
}

/// What a result is written for: a revision, and the server that answers.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) version: ProtocolVersion,
    /// The server's `Implementation`, written once per server.
    pub(crate) server_info: &'a RawValue,
}

/// What modern results carry beside their own fields; on the legacy era, nothing.
///
/// Each result has these as fields of its own: serde's `flatten` would go through a map, which costs a Worker more
/// bytes than it saves here.
impl<'a> For<'a> {
    pub(super) fn result_type(self) -> Option<&'static str> {
        self.is_modern().then_some("complete")
    }

    pub(super) fn meta(self) -> Option<ResultMeta<'a>> {
        self.is_modern().then_some(ResultMeta {
            server_info: Some(self.server_info),
            own: None,
            unavailable: &[],
        })
    }

    /// The same for a list that lacks something; legacy clients are told that as well.
    pub(super) fn meta_lacking(self, unavailable: &'a [Unavailable]) -> Option<ResultMeta<'a>> {
        let server_info = self.is_modern().then_some(self.server_info);
        (server_info.is_some() || !unavailable.is_empty()).then_some(ResultMeta {
            server_info,
            own: None,
            unavailable,
        })
    }

    /// The same, with what the server adds.
    fn meta_with(self, own: &'a Meta) -> Option<ResultMeta<'a>> {
        let server_info = self.is_modern().then_some(self.server_info);
        (server_info.is_some() || !own.is_empty()).then_some(ResultMeta {
            server_info,
            own: Some(own),
            unavailable: &[],
        })
    }

    pub(super) fn ttl_ms(self, hint: CacheHint) -> Option<u64> {
        self.is_modern().then_some(hint.ttl_ms)
    }

    pub(super) fn cache_scope(self, hint: CacheHint) -> Option<&'static str> {
        self.is_modern().then_some(match hint.scope {
            CacheScope::Public => "public",
            CacheScope::Private => "private",
        })
    }

    fn is_modern(self) -> bool {
        self.version.era() == Era::Modern
    }
}

/// The empty result.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// The result of a request that goes on once the client has answered something (2026-07-28, basic/patterns/mrtr).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InputRequired<'a> {
    input_requests: InputRequests<'a>,
    request_state: &'a str,
    result_type: &'static str,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
}

/// Something the client is asked: the key it answers under, the method, and its parameters.
pub(crate) type InputRequest<'a> = (&'a str, &'a str, &'a RawValue);

/// What the client is asked, by the keys it answers under.
pub(crate) struct InputRequests<'a>(pub(crate) Vec<InputRequest<'a>>);

impl Serialize for InputRequests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            method: &'a str,
            params: &'a RawValue,
        }
        serializer.collect_map(self.0.iter().map(|(key, method, params)| (key, Wire { method, params })))
    }
}

impl<'a> InputRequired<'a> {
    pub(crate) fn new(to: For<'a>, asks: impl Iterator<Item = &'a Asked>, request_state: &'a str) -> Self {
        Self {
            input_requests: InputRequests(
                asks.filter_map(|asked| {
                    let (method, params) = asked.request.as_ref()?;
                    Some((asked.key.as_str(), *method, &**params))
                })
                .collect(),
            ),
            request_state,
            result_type: "input_required",
            meta: to.meta(),
        }
    }

    pub(crate) fn into_raw(self) -> Box<RawValue> {
        raw(self)
    }
}

/// The result of `tools/call`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallTool<'a> {
    content: Vec<WireContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Structured<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
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
    pub(crate) fn new(to: For<'a>, output: &'a ToolOutput, wrapped: bool) -> Self {
        let ToolOutput { content, structured, is_error, meta, .. } = output;
        let structured = structured.as_deref();
        // A vector that grows makes room for four at once, which are two kilobytes.
        let mut blocks = Vec::with_capacity(content.len().max(1));
        blocks.extend(content.iter().map(|content| wire_content(content, to.version)));
        if let (true, Some(structured)) = (blocks.is_empty(), structured) {
            // Clients that know no structured content read the same JSON as text.
            blocks.push(WireContent::Own(text_block(Cow::Borrowed(structured.get()))));
        }
        let structured_content =
            structured.filter(|_| to.version >= ProtocolVersion::V2025_06_18).map(|value| {
                if wrapped { Structured::Wrapped { result: value } } else { Structured::Bare(value) }
            });
        Self {
            content: blocks,
            structured_content,
            is_error: *is_error,
            result_type: to.result_type(),
            meta: to.meta_with(meta),
        }
    }
}

/// The result of `resources/read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadResource<'a> {
    contents: Vec<WireContents<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
}

impl<'a> ReadResource<'a> {
    /// What reading a resource gave, and how long a client may keep it.
    pub(crate) fn new(to: For<'a>, contents: &'a [ResourceContents], hint: CacheHint) -> Self {
        Self {
            contents: contents.iter().map(wire_contents).collect(),
            ttl_ms: to.ttl_ms(hint),
            cache_scope: to.cache_scope(hint),
            result_type: to.result_type(),
            meta: to.meta(),
        }
    }
}

/// The result of `completion/complete`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Complete<'a> {
    completion: WireCompletion<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCompletion<'a> {
    values: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    has_more: bool,
}

impl<'a> Complete<'a> {
    pub(crate) fn new(to: For<'a>, completions: &'a Completions) -> Self {
        let Completions { values, total, has_more } = completions;
        Self {
            completion: WireCompletion { values, total: *total, has_more: *has_more },
            result_type: to.result_type(),
            meta: to.meta(),
        }
    }
}

/// The result of `prompts/get`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetPrompt<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
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
        Self { description, messages, result_type: to.result_type(), meta: to.meta() }
    }
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: WireContent<'a>,
}

/// One block of content.
#[derive(Serialize)]
#[serde(untagged)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every block is of the large kind, and each is written at once"
)]
pub(super) enum WireContent<'a> {
    Own(WireBlock<'a>),
    /// Another server's, as it came.
    Whole(&'a RawValue),
}

/// A block of this server's; each kind fills in its own fields.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBlock<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<WireContents<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<WireAnnotations<'a>>,
}

/// What a resource holds; text or blob.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireContents<'a> {
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    meta: &'a Meta,
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

pub(super) const fn role(role: Role) -> &'static str {
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

fn text_block(text: Cow<'_, str>) -> WireBlock<'_> {
    WireBlock { kind: "text", text: Some(text), ..WireBlock::default() }
}

/// A link as revisions know it that have none.
fn link_text<'a>(name: &str, uri: &str) -> WireBlock<'a> {
    text_block(Cow::Owned(format!("{name}: {uri}")))
}

pub(super) fn wire_content(content: &Content, version: ProtocolVersion) -> WireContent<'_> {
    let media = |kind, data, mime_type| WireBlock {
        kind,
        data: Some(BASE64.encode(data)),
        mime_type: Some(mime_type),
        ..WireBlock::default()
    };
    let block = match &content.block {
        Block::Text(text) => text_block(Cow::Borrowed(text)),
        Block::Image { data, mime_type } => media("image", data, mime_type),
        Block::Audio { data, mime_type } => media("audio", data, mime_type),
        Block::Link(link) if version < ProtocolVersion::V2025_06_18 => link_text(&link.name, &link.uri),
        Block::Link(link) => WireBlock {
            kind: "resource_link",
            uri: Some(&link.uri),
            name: Some(&link.name),
            description: link.description.as_deref(),
            mime_type: link.mime_type.as_deref(),
            ..WireBlock::default()
        },
        Block::Embedded(contents) => {
            WireBlock { kind: "resource", resource: Some(wire_contents(contents)), ..WireBlock::default() }
        }
        Block::Whole(Whole { kind, json })
            if version < ProtocolVersion::V2025_06_18 && kind == "resource_link" =>
        {
            let text = |name| member(json.get(), name).and_then(params::string).unwrap_or_default();
            return WireContent::Own(link_text(&text("name"), &text("uri")));
        }
        Block::Whole(Whole { json, .. }) => return WireContent::Whole(json),
    };
    let annotations = content.annotations.as_ref().map(|annotations| wire_annotations(annotations, version));
    WireContent::Own(WireBlock { annotations, ..block })
}

/// A block of content as JSON, as the legacy era has it.
pub(crate) fn content(content: &Content) -> Box<RawValue> {
    raw(wire_content(content, ProtocolVersion::LATEST_LEGACY))
}

fn wire_contents(contents: &ResourceContents) -> WireContents<'_> {
    let (text, blob) = match &contents.data {
        ResourceData::Text(text) => (Some(text.as_str()), None),
        ResourceData::Blob(data) => (None, Some(BASE64.encode(data))),
    };
    let meta = &contents.meta;
    WireContents { uri: &contents.uri, mime_type: contents.mime_type.as_deref(), text, blob, meta }
}
