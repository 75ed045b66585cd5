//! What this crate says where it is a client itself, in each era's form, and how the answers to it are read.

mod definition;
mod kept;
mod result;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

pub(crate) use self::{
    definition::{Listed, list, prompt, resource, tags, tool},
    kept::{Catalog, Peer},
    result::{
        InputRequired, completions, input_required, prompt_messages, resource_contents, result_type,
        tool_output,
    },
};
use super::{definition::raw, jsonrpc, params};
use crate::{
    model::{LoggingLevel, Offers, Progress},
    version::ProtocolVersion,
};

/// The parameters of a request; each method fills in its own.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) argument: Option<Argument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Chosen<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_responses: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capabilities: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_info: Option<&'a RawValue>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<Meta<'a>>,
}

impl<'a> Params<'a> {
    /// Those of `initialize`, with which a legacy client begins.
    pub(crate) fn initialize(capabilities: &'a RawValue, client_info: &'a RawValue) -> Self {
        Self {
            protocol_version: Some(ProtocolVersion::LATEST_LEGACY.as_str()),
            capabilities: Some(capabilities),
            client_info: Some(client_info),
            ..Self::default()
        }
    }
}

/// What a request says about itself.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", skip_serializing_if = "Option::is_none")]
    pub(crate) protocol_version: Option<&'static str>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", skip_serializing_if = "Option::is_none")]
    pub(crate) client_capabilities: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo", skip_serializing_if = "Option::is_none")]
    pub(crate) client_info: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/logLevel", skip_serializing_if = "Option::is_none")]
    pub(crate) log_level: Option<&'static str>,
    #[serde(rename = "progressToken", skip_serializing_if = "Option::is_none")]
    pub(crate) progress_token: Option<u32>,
}

/// What an argument that is completed belongs to.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Reference<'a> {
    #[serde(rename = "ref/prompt")]
    Prompt { name: &'a str },
    #[serde(rename = "ref/resource")]
    Resource { uri: &'a str },
}

/// The argument that is completed, and what was typed of it.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

/// What was chosen before.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Chosen<'a> {
    pub(crate) arguments: &'a RawValue,
}

/// A request to a server, whose answer names `id`.
pub(crate) fn request(id: &str, method: &str, params: Params<'_>) -> Vec<u8> {
    jsonrpc::request(id, method, &raw(params))
}

/// `ClientCapabilities` with the capabilities at `paths`: `sampling`, `elicitation.form`.
pub(crate) fn capabilities<'a>(paths: impl Iterator<Item = &'a str>) -> Box<RawValue> {
    let mut declared = Map::new();
    for path in paths {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let capability = declared.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let (Value::Object(capability), false) = (capability, rest.is_empty()) {
            capability.insert(rest.to_owned(), Value::Object(Map::new()));
        }
    }
    raw(declared)
}

/// An object of strings.
pub(crate) fn strings<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Box<RawValue> {
    raw(pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

/// An object whose values are JSON already.
pub(crate) fn object(pairs: &[(String, Box<RawValue>)]) -> Box<RawValue> {
    struct Pairs<'a>(&'a [(String, Box<RawValue>)]);
    impl Serialize for Pairs<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }
    raw(Pairs(pairs))
}

/// An error that a server answered with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// The error in a response.
pub(crate) fn refusal(error: &RawValue) -> Refusal {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wire {
        code: i64,
        message: String,
        data: Option<Value>,
    }
    let Wire { code, message, data } = super::read(error.get().as_bytes()).unwrap_or_default();
    Refusal { code, message, data }
}

/// Something a server says while it works on a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice {
    Progress(Progress),
    Log {
        level: LoggingLevel,
        logger: Option<String>,
        data: Value,
    },
    /// Its lists are no longer what they were.
    ListChanged,
}

/// What the notification `method` says; `None` where it is nothing that is passed on.
pub(crate) fn notice(method: &str, params: Option<&RawValue>) -> Option<Notice> {
    #[derive(Deserialize)]
    struct Report {
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        level: Cow<'a, str>,
        logger: Option<String>,
        data: Value,
    }
    let params = params.map_or(b"{}".as_slice(), |params| params.get().as_bytes());
    match method {
        "notifications/progress" => {
            let Report { progress, total, message } = super::read(params)?;
            Some(Notice::Progress(Progress { progress, total, message: message.map(Cow::Owned) }))
        }
        "notifications/message" => {
            let Line { level, logger, data } = super::read(params)?;
            Some(Notice::Log { level: LoggingLevel::parse(&level)?, logger, data })
        }
        "notifications/tools/list_changed"
        | "notifications/prompts/list_changed"
        | "notifications/resources/list_changed" => Some(Notice::ListChanged),
        _ => None,
    }
}

/// What a server says of itself before anything is asked of it.
#[derive(Debug, Default)]
pub(crate) struct Introduction {
    /// The revision that `initialize` has settled.
    pub(crate) settled: Option<String>,
    /// The revisions it speaks without `initialize`.
    pub(crate) supported: Vec<String>,
    pub(crate) offers: Offers,
}

/// The result of `server/discover` or `initialize`; `None` where it is none of either.
pub(crate) fn introduction(result: &RawValue) -> Option<Introduction> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        protocol_version: Option<String>,
        #[serde(default)]
        supported_versions: Vec<String>,
        #[serde(borrow)]
        capabilities: Option<&'a RawValue>,
    }
    let Wire { protocol_version, supported_versions, capabilities } = super::read(result.get().as_bytes())?;
    let capabilities = capabilities?.get();
    let has = |name| params::member(capabilities, name).is_some_and(|raw| raw.get().starts_with('{'));
    let offers = Offers {
        tools: has("tools"),
        resources: has("resources"),
        prompts: has("prompts"),
        completions: has("completions"),
        ..Offers::default()
    };
    Some(Introduction { settled: protocol_version, supported: supported_versions, offers })
}

/// The revisions that an `UnsupportedProtocolVersionError` names.
pub(crate) fn supported(data: Option<&Value>) -> Vec<String> {
    let named = data.and_then(|data| data.get("supported")).and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_written_as_paths_name_them() {
        let written = capabilities(["elicitation.form", "elicitation.url", "sampling", "roots"].into_iter());
        assert_eq!(written.get(), r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#);
        assert_eq!(capabilities(std::iter::empty()).get(), "{}");
    }

    #[test]
    fn a_request_says_what_its_method_takes_and_nothing_else() {
        let arguments = RawValue::from_string("{\"a\":1.0}".to_owned()).unwrap();
        let params = Params { name: Some("add"), arguments: Some(&arguments), ..Params::default() };
        let written = String::from_utf8(request("7", "tools/call", params)).unwrap();
        assert_eq!(
            written,
            r#"{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"add","arguments":{"a":1.0}}}"#
        );
    }

    #[test]
    fn only_what_concerns_a_request_is_heard() {
        let raw = |value: Value| raw(value);
        let progress = raw(json!({"progressToken": 1, "progress": 0.5, "total": 1, "message": "half"}));
        let heard = notice("notifications/progress", Some(&progress));
        assert_eq!(heard, Some(Notice::Progress(Progress::new(0.5).total(1.0).message("half"))));
        let line = raw(json!({"level": "notice", "data": {"a": [1]}}));
        let expected = Notice::Log { level: LoggingLevel::Notice, logger: None, data: json!({"a": [1]}) };
        assert_eq!(notice("notifications/message", Some(&line)), Some(expected));
        assert_eq!(notice("notifications/tools/list_changed", None), Some(Notice::ListChanged));
        for (method, params) in [
            ("notifications/message", json!({"level": "loud", "data": 1})),
            ("notifications/progress", json!({"progress": "most"})),
            ("notifications/else", json!({})),
        ] {
            assert_eq!(notice(method, Some(&raw(params))), None, "{method}");
        }
    }
}
