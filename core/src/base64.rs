//! Bytes as an argument or a result: base64 text in JSON.

use std::borrow::Cow;

use ::base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Bytes that JSON carries as base64 text (RFC 4648, section 4).
///
/// ```
/// # use edgemcp::prelude::*;
/// /// Count the bytes of a file.
/// #[tool]
/// fn size(file: Base64) -> usize {
///     file.0.len()
/// }
/// assert_eq!(size(Base64(vec![1, 2, 3].into())), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Base64(pub Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text.as_bytes())
            .map_err(|error| D::Error::custom(format_args!("expected base64: {error}")))?;
        Ok(Self(bytes.into()))
    }
}

impl JsonSchema for Base64 {
    fn schema_name() -> Cow<'static, str> {
        "Base64".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // 2020-12 validation, section 8.3.
        json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}
