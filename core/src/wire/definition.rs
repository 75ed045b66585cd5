//! What a server is and offers, in each revision's form. Each is written once per server and revision.

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::results::{For, ResultMeta, WireAnnotations, wire_annotations};
use crate::{
    model::{
        Abilities, CacheHint, Icon, Implementation, Meta, Offers, PromptDefinition, ResourceDefinition,
        Theme, ToolDefinition, ToolHints, Unavailable,
    },
    version::{Era, ProtocolVersion},
};

/// A value as raw JSON, to be written into many answers.
pub(crate) fn raw(value: impl Serialize) -> Box<RawValue> {
    // The shapes of this module have string keys and no fallible parts, so writing them cannot fail.
    serde_json::value::to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Who the server is.
pub(crate) fn implementation(who: &Implementation, version: ProtocolVersion) -> Box<RawValue> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        name: &'a str,
        version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        website_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        icons: Vec<WireIcon<'a>>,
    }
    let rich = version >= ProtocolVersion::V2025_11_25;
    raw(Wire {
        name: &who.name,
        version: &who.version,
        title: title(who.title.as_deref(), version),
        description: who.description.as_deref().filter(|_| rich),
        website_url: who.website_url.as_deref().filter(|_| rich),
        icons: icons(&who.icons, version),
    })
}

/// Who a client is, in few words.
pub(crate) fn client(name: &str, version: &str) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Wire<'a> {
        name: &'a str,
        version: &'a str,
    }
    raw(Wire { name, version })
}

/// The result of `initialize`.
pub(crate) fn initialize(
    to: For<'_>,
    capabilities: Capabilities,
    instructions: Option<&str>,
) -> Box<RawValue> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        protocol_version: &'static str,
        capabilities: Capabilities,
        server_info: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        instructions: Option<&'a str>,
    }
    raw(Wire {
        protocol_version: to.version.as_str(),
        capabilities,
        server_info: to.server_info,
        instructions,
    })
}

/// The result of `server/discover`.
pub(crate) fn discover(
    to: For<'_>,
    capabilities: Capabilities,
    instructions: Option<&str>,
    hint: CacheHint,
) -> Box<RawValue> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        supported_versions: Vec<&'static str>,
        capabilities: Capabilities,
        #[serde(skip_serializing_if = "Option::is_none")]
        instructions: Option<&'a str>,
        ttl_ms: Option<u64>,
        cache_scope: Option<&'static str>,
        result_type: Option<&'static str>,
        #[serde(rename = "_meta")]
        meta: Option<ResultMeta<'a>>,
    }
    raw(Wire {
        supported_versions: ProtocolVersion::of(Era::Modern).map(ProtocolVersion::as_str).collect(),
        capabilities,
        instructions,
        ttl_ms: to.ttl_ms(hint),
        cache_scope: to.cache_scope(hint),
        result_type: to.result_type(),
        meta: to.meta(),
    })
}

/// The result of `tools/list`.
pub(crate) fn tools<'a>(
    to: For<'a>,
    tools: impl Iterator<Item = &'a ToolDefinition>,
    paging: Paging<'a>,
) -> Box<RawValue> {
    let structured = to.version >= ProtocolVersion::V2025_06_18;
    let tools = tools
        .map(|tool| WireTool {
            name: &tool.name,
            title: title(tool.title.as_deref(), to.version),
            description: &tool.description,
            icons: icons(&tool.icons, to.version),
            input_schema: &tool.input_schema,
            output_schema: tool.output_schema.as_ref().filter(|_| structured),
            annotations: hints(&tool.hints),
            meta: &tool.meta,
        })
        .collect();
    list(to, paging, List { tools: Some(tools), ..List::default() })
}

/// What a search for tools has found, as a model needs it to call one, and how many more there are.
pub(crate) fn found<'a>(
    tools: impl Iterator<Item = &'a ToolDefinition>,
    more: usize,
    version: ProtocolVersion,
) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Wire<'a> {
        tools: Vec<WireTool<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        more: Option<usize>,
    }
    let (none, tools): (_, Vec<_>) = (Meta::new(), tools.collect());
    let tools = tools.into_iter().map(|tool| WireTool {
        name: &tool.name,
        title: title(tool.title.as_deref(), version),
        description: &tool.description,
        icons: Vec::new(),
        input_schema: &tool.input_schema,
        output_schema: None,
        annotations: hints(&tool.hints),
        meta: &none,
    });
    raw(Wire { tools: tools.collect(), more: (more > 0).then_some(more) })
}

/// The result of `resources/list`.
pub(crate) fn resources<'a>(
    to: For<'a>,
    resources: impl Iterator<Item = &'a ResourceDefinition>,
    paging: Paging<'a>,
) -> Box<RawValue> {
    let resources = resources
        .map(|resource| WireResource { uri: Some(&resource.uri), ..wire_resource(resource, to.version) })
        .collect();
    list(to, paging, List { resources: Some(resources), ..List::default() })
}

/// The result of `resources/templates/list`.
pub(crate) fn resource_templates<'a>(
    to: For<'a>,
    templates: impl Iterator<Item = &'a ResourceDefinition>,
    paging: Paging<'a>,
) -> Box<RawValue> {
    let templates = templates
        .map(|template| WireResource {
            uri_template: Some(&template.uri),
            ..wire_resource(template, to.version)
        })
        .collect();
    list(to, paging, List { resource_templates: Some(templates), ..List::default() })
}

/// The result of `prompts/list`.
pub(crate) fn prompts<'a>(
    to: For<'a>,
    prompts: impl Iterator<Item = &'a PromptDefinition>,
    paging: Paging<'a>,
) -> Box<RawValue> {
    let prompts = prompts
        .map(|prompt| WirePrompt {
            name: &prompt.name,
            title: title(prompt.title.as_deref(), to.version),
            description: &prompt.description,
            icons: icons(&prompt.icons, to.version),
            arguments: prompt
                .arguments
                .iter()
                .map(|argument| WireArgument {
                    name: &argument.name,
                    title: title(argument.title.as_deref(), to.version),
                    description: argument.description.as_deref(),
                    required: argument.required,
                })
                .collect(),
            meta: &prompt.meta,
        })
        .collect();
    list(to, paging, List { prompts: Some(prompts), ..List::default() })
}

/// Which part of a list this is.
pub(crate) struct Paging<'a> {
    /// Where the list goes on; `None` at its end.
    pub(crate) next_cursor: Option<String>,
    pub(crate) hint: CacheHint,
    /// What is missing, since it could not be asked for.
    pub(crate) unavailable: &'a [Unavailable],
}

/// The result of any list; each fills in its own field.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<WireTool<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<WireResource<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_templates: Option<Vec<WireResource<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Vec<WirePrompt<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ResultMeta<'a>>,
}

fn list<'a>(
    to: For<'a>,
    Paging { next_cursor, hint, unavailable }: Paging<'a>,
    items: List<'a>,
) -> Box<RawValue> {
    raw(List {
        next_cursor,
        ttl_ms: to.ttl_ms(hint),
        cache_scope: to.cache_scope(hint),
        result_type: to.result_type(),
        meta: to.meta_lacking(unavailable),
        ..items
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    icons: Vec<WireIcon<'a>>,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<WireHints>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    meta: &'a Meta,
}

#[derive(Serialize)]
struct WirePrompt<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    icons: Vec<WireIcon<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<WireArgument<'a>>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    meta: &'a Meta,
}

#[derive(Serialize)]
struct WireArgument<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    required: bool,
}

/// What a server announces (`ServerCapabilities`).
#[derive(Serialize)]
pub(crate) struct Capabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completions: Option<Declared>,
    logging: Declared,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<Extensions>,
}

/// A capability, and what the server sends of its own accord: nothing is announced that the platform cannot deliver.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declared {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    subscribe: bool,
}

#[derive(Serialize)]
struct Extensions {
    #[serde(rename = "io.modelcontextprotocol/tasks", skip_serializing_if = "Option::is_none")]
    tasks: Option<Declared>,
    #[serde(rename = "io.modelcontextprotocol/ui", skip_serializing_if = "Option::is_none")]
    ui: Option<Declared>,
}

impl Capabilities {
    /// What is announced of `offers` where the platform has these `abilities`.
    pub(crate) fn new(offers: Offers, abilities: Abilities) -> Self {
        let list_changed = offers.list_changed && abilities.changes;
        let subscribe = offers.subscribe && abilities.changes;
        let lists = |offered: bool| offered.then_some(Declared { list_changed, subscribe: false });
        let plain = |offered: bool| offered.then(Declared::default);
        let (tasks, ui) = (plain(offers.tasks && abilities.tasks), plain(offers.apps));
        Self {
            tools: lists(offers.tools),
            resources: offers.resources.then_some(Declared { list_changed, subscribe }),
            prompts: lists(offers.prompts),
            completions: plain(offers.completions),
            logging: Declared::default(),
            extensions: (tasks.is_some() || ui.is_some()).then_some(Extensions { tasks, ui }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireHints {
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destructive_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent_hint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_world_hint: Option<bool>,
}

fn hints(hints: &ToolHints) -> Option<WireHints> {
    (*hints != ToolHints::default()).then_some(WireHints {
        read_only_hint: hints.read_only,
        destructive_hint: hints.destructive,
        idempotent_hint: hints.idempotent,
        open_world_hint: hints.open_world,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireResource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_template: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    icons: Vec<WireIcon<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<WireAnnotations<'a>>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    meta: &'a Meta,
}

fn wire_resource(resource: &ResourceDefinition, version: ProtocolVersion) -> WireResource<'_> {
    WireResource {
        uri: None,
        uri_template: None,
        name: &resource.name,
        title: title(resource.title.as_deref(), version),
        description: resource.description.as_deref(),
        mime_type: resource.mime_type.as_deref(),
        icons: icons(&resource.icons, version),
        size: resource.size,
        annotations: resource.annotations.as_ref().map(|annotations| wire_annotations(annotations, version)),
        meta: &resource.meta,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireIcon<'a> {
    src: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sizes: &'a [crate::model::Text],
    #[serde(skip_serializing_if = "Option::is_none")]
    theme: Option<&'static str>,
}

fn icons(icons: &[Icon], version: ProtocolVersion) -> Vec<WireIcon<'_>> {
    if version < ProtocolVersion::V2025_11_25 {
        return Vec::new();
    }
    icons
        .iter()
        .map(|icon| WireIcon {
            src: &icon.src,
            mime_type: icon.mime_type.as_deref(),
            sizes: &icon.sizes,
            theme: icon.theme.map(|theme| match theme {
                Theme::Light => "light",
                Theme::Dark => "dark",
            }),
        })
        .collect()
}

fn title(title: Option<&str>, version: ProtocolVersion) -> Option<&str> {
    title.filter(|_| version >= ProtocolVersion::V2025_06_18)
}
