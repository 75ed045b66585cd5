//! What a server asks of a client, in each revision's form, and how the answers are read.

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{
    definition::raw,
    results::{WireContent, role, wire_content},
};
use crate::{
    limits::cut,
    model::{Action, Ask, Role, Root, Sampled, Sampling, SamplingContent, ToolChoice},
    version::{Era, ProtocolVersion},
};

/// The parameters that ask `ask` in `version`.
///
/// # Errors
/// What the revision cannot ask.
pub(crate) fn params(ask: &Ask, version: ProtocolVersion) -> Result<Box<RawValue>, &'static str> {
    if version < ProtocolVersion::V2025_06_18 && matches!(ask, Ask::Form { .. }) {
        return Err("revision 2025-03-26 has no elicitation");
    }
    match ask {
        Ask::Form { message, schema } => {
            let schema = match version >= ProtocolVersion::V2025_11_25 {
                true => Cow::Borrowed(schema),
                false => Cow::Owned(before_2025_11_25(schema)?),
            };
            Ok(raw(Form { message, requested_schema: &schema }))
        }
        Ask::Url { .. } if version < ProtocolVersion::V2025_11_25 => {
            Err("a person can be sent to an address since revision 2025-11-25 only")
        }
        Ask::Url { message, url } => {
            // 2025-11-25 names each elicitation, so that its end can be told; the address itself tells it apart.
            let elicitation_id = (version == ProtocolVersion::V2025_11_25).then_some(url.as_str());
            Ok(raw(Url { mode: "url", message, url, elicitation_id }))
        }
        Ask::Sample(sampling) => sample(sampling, version),
        Ask::Roots => Ok(raw(NoParams {})),
        Ask::PassedOn { params, .. } => Ok(params.clone()),
    }
}

/// What another server asks with `method` and these parameters, of revision 2026-07-28, as a client of `version` is
/// asked it.
///
/// # Errors
/// What neither this crate nor the revision can ask.
pub(crate) fn passed_on(method: &str, params: &RawValue, version: ProtocolVersion) -> Result<Ask, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Elicit {
        mode: Option<String>,
        message: String,
        requested_schema: Option<Value>,
        url: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample<'a> {
        #[serde(borrow)]
        messages: &'a RawValue,
        tools: Option<Value>,
        tool_choice: Option<Value>,
    }
    let whole = |method, capability| Ask::PassedOn { method, capability, params: params.to_owned() };
    let is_modern = version.era() == Era::Modern;
    match method {
        "elicitation/create" => {
            let elicit: Elicit = read(params, "an object with `message` (ElicitRequestParams)")?;
            match (elicit.mode.as_deref().unwrap_or("form"), elicit.requested_schema, elicit.url) {
                ("form", Some(_), _) if is_modern => Ok(whole("elicitation/create", "elicitation.form")),
                ("url", _, Some(_)) if is_modern => Ok(whole("elicitation/create", "elicitation.url")),
                ("form", Some(schema), _) => Ok(Ask::Form { message: elicit.message, schema }),
                ("url", _, Some(url)) => Ok(Ask::Url { message: elicit.message, url }),
                (mode, ..) => {
                    Err(format!("an elicitation of mode {} cannot be passed on", crate::limits::echo(mode)))
                }
            }
        }
        "sampling/createMessage" => {
            let Sample { messages, tools, tool_choice } =
                read(params, "an object with `messages` (CreateMessageRequestParams)")?;
            let has_tools = tools.is_some() || tool_choice.is_some();
            let has_several = || {
                let messages: Vec<Map<String, Value>> =
                    serde_json::from_str(messages.get()).unwrap_or_default();
                messages.iter().any(|message| message.get("content").is_some_and(Value::is_array))
            };
            match version < ProtocolVersion::V2025_11_25 && (has_tools || has_several()) {
                true => Err("a model is sampled so since revision 2025-11-25 only".to_owned()),
                false => {
                    Ok(whole("sampling/createMessage", if has_tools { "sampling.tools" } else { "sampling" }))
                }
            }
        }
        "roots/list" => Ok(Ask::Roots),
        other => Err(format!("{} is nothing that a client can be asked", crate::limits::echo(other))),
    }
}

#[derive(Serialize)]
struct NoParams {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    message: &'a str,
    requested_schema: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Url<'a> {
    mode: &'static str,
    message: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    elicitation_id: Option<&'a str>,
}

/// A form as 2025-06-18 has it: no choice of several, titles beside the values, and no default but a flag's.
fn before_2025_11_25(schema: &Value) -> Result<Value, &'static str> {
    let mut schema = schema.clone();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        if property.get("type").is_some_and(|kind| kind == "array") {
            return Err("a choice of several is asked since revision 2025-11-25 only");
        }
        if property.get("type").is_none_or(|kind| kind != "boolean") {
            property.remove("default");
        }
        if let Some(Value::Array(choices)) = property.remove("oneOf") {
            let all = |name: &str| choices.iter().filter_map(|choice| choice.get(name)).cloned().collect();
            property.insert("enum".to_owned(), Value::Array(all("const")));
            property.insert("enumNames".to_owned(), Value::Array(all("title")));
        }
    }
    Ok(schema)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sample<'a> {
    messages: Vec<WireMessage<'a>>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    model_preferences: Option<Preferences<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: OneOrMore<'a>,
}

/// One block stands for itself, which is all that revisions before 2025-11-25 know.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMore<'a> {
    One(Block<'a>),
    More(Vec<Block<'a>>),
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Vec<WireContent<'a>>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preferences<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<Hint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_priority: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_priority: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intelligence_priority: Option<f64>,
}

#[derive(Serialize)]
struct Hint<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireTool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
}

#[derive(Serialize)]
struct Choice {
    mode: &'static str,
}

fn sample(sampling: &Sampling, version: ProtocolVersion) -> Result<Box<RawValue>, &'static str> {
    if version < ProtocolVersion::V2025_11_25 {
        if !sampling.tools.is_empty() || sampling.tool_choice.is_some() {
            return Err("a model is sampled with tools since revision 2025-11-25 only");
        }
        if sampling.messages.iter().any(|message| message.content.len() != 1) {
            return Err("a sampled message has several blocks since revision 2025-11-25 only");
        }
    }
    let messages = sampling.messages.iter().map(|message| {
        let mut blocks: Vec<_> = message.content.iter().map(|content| block(content, version)).collect();
        let content = match blocks.len() {
            1 => blocks.pop().map(OneOrMore::One),
            _ => None,
        };
        WireMessage { role: role(message.role), content: content.unwrap_or(OneOrMore::More(blocks)) }
    });
    Ok(raw(Sample {
        messages: messages.collect(),
        max_tokens: sampling.max_tokens,
        system_prompt: sampling.system_prompt.as_deref(),
        temperature: sampling.temperature,
        stop_sequences: &sampling.stop_sequences,
        model_preferences: sampling.preferences.as_ref().map(|preferences| Preferences {
            hints: preferences.hints.iter().map(|name| Hint { name }).collect(),
            cost_priority: preferences.cost,
            speed_priority: preferences.speed,
            intelligence_priority: preferences.intelligence,
        }),
        tools: sampling
            .tools
            .iter()
            .map(|tool| WireTool {
                name: &tool.name,
                description: &tool.description,
                input_schema: &tool.input_schema,
            })
            .collect(),
        tool_choice: sampling.tool_choice.map(|choice| Choice {
            mode: match choice {
                ToolChoice::Auto => "auto",
                ToolChoice::Required => "required",
                ToolChoice::None => "none",
            },
        }),
        metadata: sampling.metadata.as_ref(),
    }))
}

fn block(content: &SamplingContent, version: ProtocolVersion) -> Block<'_> {
    let media = |kind, data: &Bytes, mime_type| Block {
        kind,
        data: Some(BASE64.encode(data)),
        mime_type: Some(mime_type),
        ..Block::default()
    };
    match content {
        SamplingContent::Text(text) => Block { kind: "text", text: Some(text), ..Block::default() },
        SamplingContent::Image { data, mime_type } => media("image", data, mime_type),
        SamplingContent::Audio { data, mime_type } => media("audio", data, mime_type),
        SamplingContent::ToolUse { id, name, input } => {
            Block { kind: "tool_use", id: Some(id), name: Some(name), input: Some(input), ..Block::default() }
        }
        SamplingContent::ToolResult { tool_use_id, content, is_error } => Block {
            kind: "tool_result",
            tool_use_id: Some(tool_use_id),
            content: Some(content.iter().map(|content| wire_content(content, version)).collect()),
            is_error: *is_error,
            ..Block::default()
        },
    }
}

#[derive(Deserialize)]
struct Elicited<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// What the person did, and what they filled in.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn elicited(answer: &RawValue) -> Result<(Action, Option<&RawValue>), String> {
    let Elicited { action, content } = read(answer, "an object with `action` (an ElicitResult)")?;
    let action = match action.as_ref() {
        "accept" => Action::Accept,
        "decline" => Action::Decline,
        "cancel" => Action::Cancel,
        other => {
            return Err(format!(
                "`action` must be accept, decline or cancel, not {}",
                crate::limits::echo(other)
            ));
        }
    };
    Ok((action, content))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateMessage<'a> {
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
    model: String,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    text: Option<String>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    mime_type: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
}

/// What the client's model said.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn sampled(answer: &RawValue) -> Result<Sampled, String> {
    let expected = "an object with `role`, `content` and `model` (a CreateMessageResult)";
    let CreateMessage { role, content, model, stop_reason } = read(answer, expected)?;
    let role = match role.as_ref() {
        "assistant" => Role::Assistant,
        "user" => Role::User,
        other => return Err(format!("`role` must be assistant or user, not {}", crate::limits::echo(other))),
    };
    let blocks: Vec<Sent<'_>> = match content.get().starts_with('[') {
        true => read(content, "a list of content blocks")?,
        false => vec![read(content, "a content block")?],
    };
    let content = blocks.into_iter().map(said).collect::<Result<_, _>>()?;
    Ok(Sampled { role, content, model, stop_reason })
}

fn said(block: Sent<'_>) -> Result<SamplingContent, String> {
    let kind = block.kind.into_owned();
    let lacks = |what: &str| format!("a block of type {} must have `{what}`", crate::limits::echo(&kind));
    let media = || {
        let data = block.data.as_deref().ok_or_else(|| lacks("data"))?;
        let data = BASE64.decode(data).map_err(|_| "`data` must be base64".to_owned())?;
        let mime_type = block.mime_type.clone().ok_or_else(|| lacks("mimeType"))?;
        Ok::<_, String>((Bytes::from(data), mime_type.into()))
    };
    match kind.as_str() {
        "text" => Ok(SamplingContent::Text(block.text.ok_or_else(|| lacks("text"))?)),
        "image" => media().map(|(data, mime_type)| SamplingContent::Image { data, mime_type }),
        "audio" => media().map(|(data, mime_type)| SamplingContent::Audio { data, mime_type }),
        "tool_use" => Ok(SamplingContent::ToolUse {
            id: block.id.ok_or_else(|| lacks("id"))?,
            name: block.name.ok_or_else(|| lacks("name"))?,
            input: block.input.unwrap_or_else(|| Value::Object(Map::new())),
        }),
        other => Err(format!("a sampled block cannot be of type {}", crate::limits::echo(other))),
    }
}

#[derive(Deserialize)]
struct ListRoots {
    roots: Vec<WireRoot>,
}

#[derive(Deserialize)]
struct WireRoot {
    uri: String,
    name: Option<String>,
}

/// The client's roots.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn roots(answer: &RawValue) -> Result<Vec<Root>, String> {
    let ListRoots { roots } = read(answer, "an object with `roots`, a list (a ListRootsResult)")?;
    Ok(roots.into_iter().map(|WireRoot { uri, name }| Root { uri, name }).collect())
}

/// The code and message of a JSON-RPC error that a client answered with.
pub(crate) fn refusal(error: &RawValue) -> (i64, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        code: i64,
        message: String,
    }
    let Refusal { code, message } = serde_json::from_str(error.get()).unwrap_or_default();
    (code, cut(&message).into_owned())
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, expected: &str) -> Result<T, String> {
    // A derived `Deserialize` takes a struct's members from an array too.
    let is_of_kind = raw.get().starts_with('{') || expected.starts_with("a list");
    serde_json::from_str(raw.get())
        .ok()
        .filter(|_| is_of_kind)
        .ok_or_else(|| format!("it must be {expected}, not {}", cut(raw.get())))
}
