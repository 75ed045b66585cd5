//! The parameters of requests, as far as both eras write them alike.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{error::Error, limits::URI_BYTES_MAX, model::Request};

/// `params` as the type a method takes.
///
/// # Errors
/// `InvalidParams`, naming the method and what serde said.
pub(super) fn read<'a, T: Deserialize<'a>>(method: &str, params: Option<&'a RawValue>) -> Result<T, Error> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| {
        let error = error.to_string();
        // The position counts from the start of `params`, which means nothing to the client.
        let what = error.split(" at line ").next().unwrap_or_default();
        Error::invalid_params(format!("`params` of {method}: {what}"))
    })
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    cursor: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct CallTool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadResource<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
}

#[derive(Deserialize)]
struct GetPrompt<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: StringMap<'a>,
}

/// A JSON object of strings, in its own order.
#[derive(Default)]
struct StringMap<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A string that borrows where it can; serde's `Cow` borrows only behind an attribute, which a map cannot have.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for StringMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = StringMap<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(StringMap::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), Text(value))) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(StringMap(pairs))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

/// The methods both eras have; `None` for any other.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: Option<&'a RawValue>) -> Result<Option<Request<'a>>, Error> {
    let list = || {
        let List { cursor } = read(method, params)?;
        // Every list is one page, so no cursor was ever handed out.
        match cursor {
            Some(cursor) => Err(Error::invalid_params(format!(
                "cursor {} was not issued by this server",
                crate::limits::echo(&cursor)
            ))),
            None => Ok(()),
        }
    };
    Ok(Some(match method {
        "tools/list" => list().map(|()| Request::ListTools)?,
        "resources/list" => list().map(|()| Request::ListResources)?,
        "resources/templates/list" => list().map(|()| Request::ListResourceTemplates)?,
        "prompts/list" => list().map(|()| Request::ListPrompts)?,
        "tools/call" => {
            let CallTool { name, arguments } = read(method, params)?;
            Request::CallTool { name, arguments }
        }
        "resources/read" => {
            let ReadResource { uri } = read(method, params)?;
            if uri.len() > URI_BYTES_MAX {
                return Err(Error::invalid_params(format!(
                    "`uri` has {} bytes, more than {URI_BYTES_MAX}",
                    uri.len()
                )));
            }
            Request::ReadResource { uri }
        }
        "prompts/get" => {
            let GetPrompt { name, arguments } = read(method, params)?;
            Request::GetPrompt { name, arguments: arguments.0 }
        }
        _ => return Ok(None),
    }))
}

/// Whether both eras have `method`.
pub(super) fn knows(method: &str) -> bool {
    matches!(
        method,
        "tools/list"
            | "tools/call"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
    )
}

/// The body's side of what the `Mcp-Name` header repeats: the field of `params` that names what is asked for.
pub(crate) fn routed_name<'a>(method: &str, params: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        uri: Option<Cow<'a, str>>,
    }
    let named: Named<'a> = serde_json::from_str(params?.get()).ok()?;
    match method {
        "tools/call" | "prompts/get" => named.name,
        "resources/read" => named.uri,
        _ => None,
    }
}

/// What a request's `_meta` says about the request itself (2026-07-28, basic/index, "`_meta`").
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(crate) protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(crate) client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    pub(crate) client_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WithMeta<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// The `_meta` of `params`; `None` where there is none.
///
/// # Errors
/// `InvalidParams` where `params` or `_meta` is no object.
pub(crate) fn meta(params: Option<&RawValue>) -> Result<Option<Meta<'_>>, Error> {
    let Some(params) = params else { return Ok(None) };
    let object = |raw: &RawValue| raw.get().starts_with('{');
    if !object(params) {
        return Err(Error::invalid_params("`params` must be an object"));
    }
    let with: WithMeta<'_> =
        serde_json::from_str(params.get()).map_err(|_| Error::invalid_params("`params` has a key twice"))?;
    let Some(meta) = with.meta else { return Ok(None) };
    if !object(meta) {
        return Err(Error::invalid_params("`params._meta` must be an object"));
    }
    let meta = serde_json::from_str(meta.get())
        .map_err(|_| Error::invalid_params("`params._meta` has a key twice"))?;
    Ok(Some(meta))
}

/// `raw` as a string, where it is one.
pub(crate) fn string<'a>(raw: &'a RawValue) -> Option<Cow<'a, str>> {
    serde_json::from_str::<Text<'a>>(raw.get()).ok().map(|text| text.0)
}

/// Who the client says it is, for display and logs only.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ClientInfo {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Whether the JSON object in `text` has the key `name`.
pub(crate) fn has_key(text: &[u8], name: &str) -> bool {
    let keys: Option<std::collections::BTreeMap<String, serde::de::IgnoredAny>> =
        serde_json::from_slice(text).ok();
    keys.is_some_and(|keys| keys.contains_key(name))
}
