//! The results of other servers, read so that they can be passed on as they came.

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::definition::Several;
use crate::{
    completion::Completions,
    limits::{ECHO_CHARS_MAX, cut, echo},
    model::{Block, Content, Meta, PromptMessage, ResourceContents, ResourceData, Role, Whole},
    output::ToolOutput,
    wire::params::{self, Members, member},
};

/// What a server asks for before it can answer (2026-07-28, basic/patterns/mrtr).
#[derive(Debug)]
pub(crate) struct InputRequired {
    /// The key, the method and its parameters.
    pub(crate) requests: Vec<(String, String, Box<RawValue>)>,
    pub(crate) state: Option<String>,
}

/// What kind of result this is; `complete` where it does not say, as in the legacy era.
pub(crate) fn result_type(result: &RawValue) -> Cow<'_, str> {
    let named = member(result.get(), "resultType").and_then(params::string);
    named.unwrap_or(Cow::Borrowed("complete"))
}

/// A result that asks for input.
///
/// # Errors
/// What it lacks.
pub(crate) fn input_required(result: &RawValue) -> Result<InputRequired, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        input_requests: Option<&'a RawValue>,
        request_state: Option<String>,
    }
    #[derive(Deserialize)]
    struct Ask<'a> {
        method: String,
        #[serde(borrow)]
        params: Option<&'a RawValue>,
    }
    let Wire { input_requests, request_state } = read(result, "an InputRequiredResult")?;
    let requests = match input_requests {
        None => Vec::new(),
        Some(requests) => Members::read(requests.get())
            .ok_or_else(|| format!("`inputRequests` must be an object, not {}", cut(requests.get())))?
            .into_pairs()
            .into_iter()
            .map(|(key, ask)| {
                let Ask { method, params } = read(ask, "a request with a `method`")?;
                Ok((key.into_owned(), method, params.map_or_else(empty, ToOwned::to_owned)))
            })
            .collect::<Result<_, String>>()?,
    };
    if requests.is_empty() && request_state.is_none() {
        return Err("an InputRequiredResult has `inputRequests` or `requestState`".to_owned());
    }
    Ok(InputRequired { requests, state: request_state })
}

/// The result of `tools/call`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn tool_output(result: &RawValue) -> Result<ToolOutput, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        content: Option<Several<'a>>,
        #[serde(borrow)]
        structured_content: Option<&'a RawValue>,
        is_error: Option<bool>,
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    }
    let Wire { content, structured_content, is_error, meta } = read(result, "a CallToolResult")?;
    let content = content.map_or(Ok(Vec::new()), |content| content.all("content"))?;
    Ok(ToolOutput {
        content: content.into_iter().map(block).collect::<Result<_, _>>()?,
        structured: structured_content.map(ToOwned::to_owned),
        wrapped: None,
        is_error: is_error.unwrap_or_default(),
        meta: own(meta),
    })
}

/// The contents in a result of `resources/read` of `uri`. A part that says it is what was asked for leaves its URI to
/// whoever passes it on, since clients may know it by another.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn resource_contents(result: &RawValue, uri: &str) -> Result<Vec<ResourceContents>, String> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        contents: Several<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Part<'a> {
        uri: String,
        mime_type: Option<String>,
        text: Option<String>,
        #[serde(borrow)]
        blob: Option<Cow<'a, str>>,
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    }
    let Wire { contents } = read(result, "a ReadResourceResult")?;
    let parts = contents.all("contents")?;
    if parts.is_empty() {
        return Err("`contents` is empty".to_owned());
    }
    let parts = parts.into_iter().map(|part| {
        let Part { uri: of, mime_type, text, blob, meta } = read(part, "contents with a `uri`")?;
        let data = match (text, blob) {
            (Some(text), _) => ResourceData::Text(text),
            (None, Some(blob)) => {
                let data = BASE64.decode(blob.as_bytes()).map_err(|_| "`blob` must be base64".to_owned())?;
                ResourceData::Blob(data.into())
            }
            (None, None) => return Err("contents have `text` or `blob`".to_owned()),
        };
        let of = if of == uri { String::new() } else { of };
        Ok(ResourceContents {
            uri: of.into(),
            mime_type: mime_type.map(Cow::Owned),
            data,
            meta: meta.unwrap_or_default(),
        })
    });
    parts.collect()
}

/// The messages in a result of `prompts/get`, and its description.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn prompt_messages(result: &RawValue) -> Result<(Option<String>, Vec<PromptMessage>), String> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        description: Option<String>,
        #[serde(borrow)]
        messages: Several<'a>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let Wire { description, messages } = read(result, "a GetPromptResult")?;
    let messages = messages.all("messages")?.into_iter().map(|message| {
        let Message { role, content } = read(message, "a message with `role` and `content`")?;
        let role = match role.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => return Err(format!("`role` must be user or assistant, not {}", echo(other))),
        };
        Ok(PromptMessage { role, content: block(content)? })
    });
    Ok((description, messages.collect::<Result<_, String>>()?))
}

/// The result of `completion/complete`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn completions(result: &RawValue) -> Result<Completions, String> {
    #[derive(Deserialize)]
    struct Wire {
        completion: Completion,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Completion {
        values: Vec<String>,
        total: Option<usize>,
        has_more: Option<bool>,
    }
    let Wire { completion: Completion { values, total, has_more } } = read(result, "a CompleteResult")?;
    let offered = Completions::new(values);
    Ok(Completions {
        total: total.or(offered.total),
        has_more: has_more.unwrap_or(false) || offered.has_more,
        ..offered
    })
}

/// A block of content. Plain text is read, so that middlewares can measure and change it; anything else, a kind that
/// nobody here knows among it, stays as it came.
fn block(block: &RawValue) -> Result<Content, String> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        #[serde(rename = "type")]
        _kind: String,
        text: String,
    }
    let Wire { kind } = read(block, "a content block with a `type`")?;
    if kind == "text"
        && let Ok(Plain { text, .. }) = read::<Plain>(block, "text")
    {
        return Ok(Block::Text(text).into());
    }
    Ok(Block::Whole(Whole { kind: kind.into_owned(), json: block.to_owned() }).into())
}

/// A result's `_meta` without what its server says of itself, since whoever passes it on answers for it.
fn own(meta: Option<Meta>) -> Meta {
    let mut meta = meta.unwrap_or_default();
    meta.shift_remove("io.modelcontextprotocol/serverInfo");
    meta
}

fn empty() -> Box<RawValue> {
    super::raw(Map::<String, Value>::new())
}

pub(super) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, expected: &str) -> Result<T, String> {
    // A derived `Deserialize` takes a struct's members from an array too.
    let is_object = raw.get().starts_with('{');
    super::super::read(raw.get().as_bytes()).filter(|_| is_object).ok_or_else(|| {
        let shown: String = raw.get().chars().take(ECHO_CHARS_MAX).collect();
        format!("it must be {expected}, not {shown:?}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn text_is_read_and_what_else_there_is_stays_as_it_came() {
        let result = raw(&json!({
            "content": [
                {"type": "text", "text": "plain"},
                {"type": "text", "text": "for the user", "annotations": {"audience": ["user"]}},
                {"type": "hologram", "x": [1, {"y": null}]},
            ],
            "structuredContent": [1.50, "a"],
            "isError": true,
            "_meta": {"example.com/cost": 3, "io.modelcontextprotocol/serverInfo": {"name": "r"}},
        }));
        let output = tool_output(&result).unwrap();
        let [plain, annotated, unknown] = output.content.as_slice() else { panic!("{output:?}") };
        assert_eq!(plain.block, Block::Text("plain".to_owned()));
        let whole = |content: &Content| match &content.block {
            Block::Whole(Whole { kind, json }) => (kind.clone(), json.get().to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(whole(annotated).0, "text");
        assert_eq!(
            whole(unknown),
            ("hologram".to_owned(), r#"{"type":"hologram","x":[1,{"y":null}]}"#.to_owned())
        );
        assert_eq!(output.structured.as_deref().map(RawValue::get), Some(r#"[1.5,"a"]"#));
        assert!(output.is_error);
        assert_eq!(Value::Object(output.meta), json!({"example.com/cost": 3}));
    }

    #[test]
    fn a_result_that_is_none_says_what_it_lacks() {
        for (result, says) in [
            (json!([]), "a CallToolResult"),
            (json!({"content": 7}), "a CallToolResult"),
            (json!({"content": [7]}), "a content block"),
            (json!({"content": [{"text": "untyped"}]}), "a content block with a `type`"),
        ] {
            let why = tool_output(&raw(&result)).unwrap_err();
            assert!(why.contains(says), "{result}: {why}");
        }
        for result in [json!({}), json!({"contents": []}), json!({"contents": [{"uri": "a://b"}]})] {
            assert!(resource_contents(&raw(&result), "a://b").is_err(), "{result}");
        }
        assert!(input_required(&raw(&json!({"resultType": "input_required"}))).is_err());
        let role = json!({"messages": [{"role": "system", "content": {"type": "text", "text": "x"}}]});
        assert!(prompt_messages(&raw(&role)).unwrap_err().contains("user or assistant"));
    }

    #[test]
    fn contents_of_what_was_asked_for_take_the_uri_of_whoever_asks() {
        let result = raw(&json!({"contents": [
            {"uri": "data://a", "text": "one", "_meta": {"example.com/p": 1}},
            {"uri": "data://a/b", "mimeType": "image/png", "blob": "AAEC"},
        ]}));
        let parts = resource_contents(&result, "data://a").unwrap();
        let uris: Vec<_> = parts.iter().map(|part| part.uri.as_ref()).collect();
        assert_eq!(uris, ["", "data://a/b"]);
        assert_eq!(parts[1].data, ResourceData::Blob(vec![0, 1, 2].into()));
        assert_eq!(parts[0].meta.get("example.com/p"), Some(&json!(1)));
    }

    #[test]
    fn what_is_asked_keeps_its_keys_and_parameters() {
        let result = raw(&json!({
            "resultType": "input_required",
            "inputRequests": {"name": {"method": "elicitation/create", "params": {"message": "?"}}, "r": {"method": "roots/list"}},
            "requestState": "s",
        }));
        assert_eq!(result_type(&result), "input_required");
        let InputRequired { requests, state } = input_required(&result).unwrap();
        assert_eq!(state.as_deref(), Some("s"));
        let requests: Vec<_> =
            requests.iter().map(|(key, method, params)| (&**key, &**method, params.get())).collect();
        assert_eq!(
            requests,
            [("name", "elicitation/create", r#"{"message":"?"}"#), ("r", "roots/list", "{}"),]
        );
        assert_eq!(result_type(&raw(&json!({"content": []}))), "complete");
    }
}
