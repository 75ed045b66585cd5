//! The parameters of a request, read once and typed where they are used.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    error::Error,
    limits::{MEMBERS_MAX, URI_BYTES_MAX, cut},
    model::Request,
    wire::jsonrpc::present,
};

/// The members of `params` that any method of either era has, still as JSON. Others are ignored.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    protocol_version: Option<&'a RawValue>,
}

/// What a request's `_meta` says about the request itself (2026-07-28, basic/index, "`_meta`").
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        rename = "io.modelcontextprotocol/protocolVersion"
    )]
    pub(crate) protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(crate) client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    pub(crate) client_info: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    /// Reads `params`; absent ones have no members.
    ///
    /// # Errors
    /// `InvalidParams` where they are no object, or have a member twice.
    pub(crate) fn read(raw: Option<&'a RawValue>) -> Result<Self, Error> {
        raw.map_or(Ok(Self::default()), |raw| object("params", raw))
    }

    /// The request's `_meta`, where it has one.
    ///
    /// # Errors
    /// As [`Params::read`].
    pub(crate) fn meta(&self) -> Result<Option<Meta<'a>>, Error> {
        self.meta.map(|raw| object("params._meta", raw)).transpose()
    }

    /// The member that the `Mcp-Name` header repeats, where the method has one and it is a string.
    pub(crate) fn routed_name(&self, method: &str) -> Option<Cow<'a, str>> {
        match method {
            "tools/call" | "prompts/get" => self.name.and_then(string),
            "resources/read" => self.uri.and_then(string),
            _ => None,
        }
    }

    /// The revision that an `initialize` asks for.
    ///
    /// # Errors
    /// `InvalidParams` where it is missing or no string.
    pub(super) fn protocol_version(&self) -> Result<Cow<'a, str>, Error> {
        required("protocolVersion", self.protocol_version)
    }

    /// The methods both eras have; `None` for any other.
    ///
    /// # Errors
    /// `InvalidParams` for parameters the method does not take.
    pub(super) fn decode(&self, method: &str) -> Result<Option<Request<'a>>, Error> {
        let request = match method {
            "tools/list" => Request::ListTools,
            "resources/list" => Request::ListResources,
            "resources/templates/list" => Request::ListResourceTemplates,
            "prompts/list" => Request::ListPrompts,
            "tools/call" => {
                return Ok(Some(Request::CallTool {
                    name: required("name", self.name)?,
                    arguments: self.arguments,
                }));
            }
            "resources/read" => {
                let uri = required("uri", self.uri)?;
                if uri.len() > URI_BYTES_MAX {
                    let bytes = uri.len();
                    return Err(Error::invalid_params(format!(
                        "`uri` has {bytes} bytes, more than {URI_BYTES_MAX}"
                    )));
                }
                return Ok(Some(Request::ReadResource { uri }));
            }
            "prompts/get" => {
                let name = required("name", self.name)?;
                let arguments = self.arguments.map_or(Ok(Vec::new()), strings)?;
                return Ok(Some(Request::GetPrompt { name, arguments }));
            }
            _ => return Ok(None),
        };
        // Every list is one page, so no cursor was ever handed out.
        match self.cursor {
            Some(cursor) => {
                let cursor = cut(cursor.get());
                Err(Error::invalid_params(format!("cursor {cursor} was not issued by this server")))
            }
            None => Ok(Some(request)),
        }
    }
}

/// Whether both eras have `method`.
pub(super) fn knows(method: &str) -> bool {
    // Parameters that are wrong are those of a method that is known.
    !matches!(Params::default().decode(method), Ok(None))
}

/// JSON that must be an object.
fn object<'a, T: Deserialize<'a>>(what: &str, raw: &'a RawValue) -> Result<T, Error> {
    if !raw.get().starts_with('{') {
        return Err(Error::invalid_params(format!("`{what}` must be an object")));
    }
    serde_json::from_str(raw.get()).map_err(|_| Error::invalid_params(format!("`{what}` has a member twice")))
}

/// A member that must be there and be a string.
fn required<'a>(name: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Error> {
    let raw = raw.ok_or_else(|| Error::invalid_params(format!("`params` must have `{name}`")))?;
    string(raw)
        .ok_or_else(|| Error::invalid_params(format!("`{name}` must be a string, not {}", cut(raw.get()))))
}

/// `raw` as a string, where it is one.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// A string that borrows where it can; serde's `Cow` borrows only behind an attribute.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn strings(raw: &RawValue) -> Result<Vec<Pair<'_>>, Error> {
    let Object(pairs) = serde_json::from_str::<Object<'_, Text<'_>>>(raw.get()).map_err(|_| {
        Error::invalid_params(format!("`arguments` must be an object of strings, not {}", cut(raw.get())))
    })?;
    if pairs.len() > MEMBERS_MAX {
        return Err(Error::invalid_params(format!("`arguments` has more than {MEMBERS_MAX} members")));
    }
    Ok(pairs.into_iter().map(|(key, Text(value))| (key, value)).collect())
}

/// The members of a JSON object, by name; `None` where `text` is no object, or has more than [`MEMBERS_MAX`].
pub(crate) struct Members<'a>(Object<'a, &'a RawValue>);

impl<'a> Members<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|Object(pairs)| pairs.len() <= MEMBERS_MAX).map(Self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let Self(Object(pairs)) = self;
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

/// A JSON object in its own order. Of more than [`MEMBERS_MAX`] members one more is kept, which tells: the smallest
/// take an eighth in the body of what they take here.
struct Object<'a, V>(Vec<(Cow<'a, str>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Object<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Object<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    if pairs.len() <= MEMBERS_MAX {
                        pairs.push((key, value));
                    }
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}
