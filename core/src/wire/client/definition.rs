//! What other servers list: their tools, resources and prompts, each read on its own, so that a bad one costs no other.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::result::read;
use crate::{
    limits::REMOTE_ENTRIES_MAX,
    model::{
        Annotations, Icon, Meta, PromptArgument, PromptDefinition, ResourceDefinition, Role, Text, Theme,
        ToolDefinition, ToolHints,
    },
    wire::exact,
};

/// The elements of an array. Of more than [`REMOTE_ENTRIES_MAX`] one more is kept, which tells: the smallest take an
/// eighth in a body of what they take here.
#[derive(Debug)]
pub(super) struct Several<'a>(Vec<&'a RawValue>);

impl<'a> Several<'a> {
    /// All of them.
    ///
    /// # Errors
    /// Where there are too many.
    pub(super) fn all(self, name: &str) -> Result<Vec<&'a RawValue>, String> {
        match self.0.len() > REMOTE_ENTRIES_MAX {
            true => Err(format!("`{name}` has more than {REMOTE_ENTRIES_MAX} entries")),
            false => Ok(self.0),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Several<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Several<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() <= REMOTE_ENTRIES_MAX {
                        elements.push(element);
                    }
                }
                Ok(Several(elements))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) entries: Vec<&'a RawValue>,
    pub(crate) next_cursor: Option<String>,
    /// How long the list may be kept, in milliseconds, where it says so.
    pub(crate) ttl_ms: Option<u64>,
}

/// The page in the result of a list, whose entries stand under `name`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn list<'a>(result: &'a RawValue, name: &str) -> Result<Listed<'a>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        tools: Option<Several<'a>>,
        #[serde(borrow)]
        resources: Option<Several<'a>>,
        #[serde(borrow)]
        resource_templates: Option<Several<'a>>,
        #[serde(borrow)]
        prompts: Option<Several<'a>>,
        next_cursor: Option<String>,
        ttl_ms: Option<u64>,
    }
    let Wire { tools, resources, resource_templates, prompts, next_cursor, ttl_ms } = read(result, "a list")?;
    let entries = match name {
        "tools" => tools,
        "resources" => resources,
        "resourceTemplates" => resource_templates,
        _ => prompts,
    };
    let entries = entries.ok_or_else(|| format!("it has no `{name}`"))?.all(name)?;
    Ok(Listed { entries, next_cursor, ttl_ms })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireIcon {
    src: String,
    mime_type: Option<String>,
    sizes: Option<Vec<String>>,
    theme: Option<String>,
}

/// The icons that a client may show; any other is left out (2026-07-28, basic/index, "Icons").
fn icons(icons: Option<Vec<WireIcon>>) -> Vec<Icon> {
    let shown = |icon: &WireIcon| {
        let is_data = icon.src.strip_prefix("data:").is_some_and(|rest| rest.contains(";base64,"));
        is_data || icon.src.starts_with("https://") || icon.src.starts_with("http://")
    };
    let icons = icons.into_iter().flatten().filter(shown).map(|icon| Icon {
        src: icon.src.into(),
        mime_type: icon.mime_type.map(Cow::Owned),
        sizes: icon.sizes.unwrap_or_default().into_iter().map(Cow::Owned).collect(),
        theme: match icon.theme.as_deref() {
            Some("light") => Some(Theme::Light),
            Some("dark") => Some(Theme::Dark),
            _ => None,
        },
    });
    icons.collect()
}

/// A tool of a list.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn tool(raw: &RawValue) -> Result<ToolDefinition, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        name: String,
        title: Option<String>,
        description: Option<String>,
        icons: Option<Vec<WireIcon>>,
        #[serde(borrow)]
        input_schema: &'a RawValue,
        #[serde(borrow)]
        output_schema: Option<&'a RawValue>,
        annotations: Option<Hints>,
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Hints {
        title: Option<String>,
        read_only_hint: Option<bool>,
        destructive_hint: Option<bool>,
        idempotent_hint: Option<bool>,
        open_world_hint: Option<bool>,
    }
    let wire: Wire<'_> = read(raw, "a tool with `name` and `inputSchema`")?;
    let input_schema = exact::value(wire.input_schema.get()).unwrap_or_default();
    let output_schema = wire.output_schema.and_then(|schema| exact::value(schema.get()));
    if input_schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("its `inputSchema` is not of `type: object`".to_owned());
    }
    let hints = wire.annotations.unwrap_or_default();
    Ok(ToolDefinition {
        name: wire.name.into(),
        // A name for people has stood in either place.
        title: wire.title.or(hints.title).map(Cow::Owned),
        description: wire.description.unwrap_or_default().into(),
        icons: icons(wire.icons),
        input_schema,
        output_schema: output_schema.filter(Value::is_object),
        hints: ToolHints {
            read_only: hints.read_only_hint,
            destructive: hints.destructive_hint,
            idempotent: hints.idempotent_hint,
            open_world: hints.open_world_hint,
        },
        meta: wire.meta.unwrap_or_default(),
    })
}

/// A resource or a resource template of a list.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn resource(raw: &RawValue) -> Result<ResourceDefinition, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(alias = "uriTemplate")]
        uri: String,
        name: String,
        title: Option<String>,
        description: Option<String>,
        mime_type: Option<String>,
        icons: Option<Vec<WireIcon>>,
        size: Option<u64>,
        annotations: Option<Hints>,
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Hints {
        audience: Option<Vec<String>>,
        priority: Option<f64>,
        last_modified: Option<String>,
    }
    let wire: Wire = read(raw, "a resource with a URI and a `name`")?;
    let annotations = wire.annotations.map(|hints| {
        let audience = hints.audience.into_iter().flatten().filter_map(|who| match who.as_str() {
            "user" => Some(Role::User),
            "assistant" => Some(Role::Assistant),
            _ => None,
        });
        Annotations {
            audience: audience.collect(),
            priority: hints.priority,
            last_modified: hints.last_modified.map(Cow::Owned),
        }
    });
    Ok(ResourceDefinition {
        uri: wire.uri.into(),
        name: wire.name.into(),
        title: wire.title.map(Cow::Owned),
        description: wire.description.map(Cow::Owned),
        mime_type: wire.mime_type.map(Cow::Owned),
        icons: icons(wire.icons),
        size: wire.size,
        annotations,
        meta: wire.meta.unwrap_or_default(),
    })
}

/// A prompt of a list.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn prompt(raw: &RawValue) -> Result<PromptDefinition, String> {
    #[derive(Deserialize)]
    struct Wire {
        name: String,
        title: Option<String>,
        description: Option<String>,
        icons: Option<Vec<WireIcon>>,
        arguments: Option<Vec<Argument>>,
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    }
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        title: Option<String>,
        description: Option<String>,
        required: Option<bool>,
    }
    let wire: Wire = read(raw, "a prompt with a `name`")?;
    let arguments = wire.arguments.into_iter().flatten().map(|argument| PromptArgument {
        name: argument.name,
        title: argument.title,
        description: argument.description,
        required: argument.required.unwrap_or_default(),
    });
    Ok(PromptDefinition {
        name: wire.name.into(),
        title: wire.title.map(Cow::Owned),
        description: wire.description.unwrap_or_default().into(),
        icons: icons(wire.icons),
        arguments: arguments.collect(),
        meta: wire.meta.unwrap_or_default(),
    })
}

/// The tags that FastMCP's servers put into the `_meta` of what they list.
pub(crate) fn tags(meta: &Meta) -> Vec<Text> {
    let of = |name| meta.get(name).and_then(|fastmcp: &Value| fastmcp.get("tags")).and_then(Value::as_array);
    let tags = of("fastmcp").or_else(|| of("_fastmcp")).into_iter().flatten();
    tags.filter_map(Value::as_str).map(|tag| Cow::Owned(tag.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn a_tool_keeps_what_it_says_of_itself() {
        let schema = json!({"type": "object", "$defs": {"z": {}, "a": {}}, "x-else": [1]});
        let read = tool(&raw(&json!({
            "name": "add", "inputSchema": schema, "outputSchema": {"type": "array"},
            "annotations": {"title": "Add", "readOnlyHint": true, "destructiveHint": null},
            "icons": [{"src": "javascript:alert(1)"}, {"src": "https://a.example/i.png", "sizes": ["any"], "theme": "dark"}],
            "_meta": {"fastmcp": {"tags": ["math", 7]}}, "execution": {"taskSupport": "optional"},
        })))
        .unwrap();
        assert_eq!((read.title.as_deref(), read.description.as_ref()), (Some("Add"), ""));
        assert_eq!(read.input_schema.to_string(), schema.to_string());
        assert_eq!(read.output_schema, Some(json!({"type": "array"})));
        assert_eq!((read.hints.read_only, read.hints.destructive), (Some(true), None));
        assert_eq!(read.icons, [Icon::new("https://a.example/i.png").size("any").theme(Theme::Dark)]);
        assert_eq!(tags(&read.meta), ["math"]);
        for (bad, says) in [
            (json!({"name": "add"}), "`inputSchema`"),
            (json!({"name": "add", "inputSchema": {"type": "string"}}), "type: object"),
            (json!({"inputSchema": {"type": "object"}}), "`name`"),
        ] {
            let why = tool(&raw(&bad)).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }

    #[test]
    fn a_list_of_more_than_the_limit_is_refused() {
        let entries = |count: usize| raw(&json!({"prompts": vec![0; count], "ttlMs": 5}));
        let within = entries(REMOTE_ENTRIES_MAX);
        let page = list(&within, "prompts").unwrap();
        assert_eq!((page.entries.len(), page.ttl_ms), (REMOTE_ENTRIES_MAX, Some(5)));
        assert!(list(&entries(REMOTE_ENTRIES_MAX + 1), "prompts").unwrap_err().contains("more than"));
        assert!(list(&raw(&json!({"prompts": []})), "tools").unwrap_err().contains("no `tools`"));
    }
}
