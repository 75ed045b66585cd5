//! Turns a call's arguments into the type its handler takes, or into a text that lets the model correct itself.
//!
//! Arguments are deserialized once, straight from the bytes of the request; those that are wrong once more, to find
//! where. A schema with constraints (lengths, ranges, patterns) is compiled when the server is built, and a call to such a
//! tool is walked by it; a tool without constraints pays nothing for them.

mod constraints;
#[cfg(feature = "json-schema")]
mod once;
#[cfg(feature = "json-schema")]
mod own_schema;
mod strings;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

pub(crate) use self::constraints::Constraints;
#[cfg(feature = "json-schema")]
pub(crate) use self::own_schema::OwnSchema;
use crate::limits::ECHO_CHARS_MAX;

/// The arguments of a handler that takes none. A call with any is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

/// What is wrong with some arguments, in a sentence for the model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ArgumentError(pub(crate) String);

/// The input schema of `T`, as clients see it: 2020-12, without references where it does not refer to itself.
pub(crate) fn input_schema<T: JsonSchema>() -> Value {
    finish(SchemaSettings::draft2020_12(), SchemaGenerator::root_schema_for::<T>)
}

/// The output schema of `T`.
pub(crate) fn output_schema<T: JsonSchema>() -> Value {
    finish(SchemaSettings::draft2020_12().for_serialize(), SchemaGenerator::root_schema_for::<T>)
}

fn finish(settings: SchemaSettings, root: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = settings
        .with(|settings| {
            settings.meta_schema = None;
            // Many clients hand schemas to models that do not follow `$ref`.
            settings.inline_subschemas = true;
        })
        .into_generator();
    let mut schema = root(&mut generator);
    // A Rust type's name and documentation are not written for clients; a component has its own description.
    schema.remove("title");
    schema.remove("description");
    schema.to_value()
}

/// The arguments of a tool call as `T`.
///
/// # Errors
/// [`ArgumentError`], naming the path, what was expected and what came.
pub(crate) fn from_json<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    constraints: &Constraints,
) -> Result<T, ArgumentError> {
    any_from_json(raw, constraints, true)
}

/// JSON as `T`, which is an object where `is_object` says so.
///
/// # Errors
/// As [`from_json`].
pub(crate) fn any_from_json<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    constraints: &Constraints,
    is_object: bool,
) -> Result<T, ArgumentError> {
    let text = raw.map(RawValue::get).filter(|text| *text != "null" || !is_object).unwrap_or("{}");
    // A derived `Deserialize` takes a struct's fields from an array too, where no constraint would find them.
    if is_object && text.starts_with('[') {
        return Err(at("", "invalid type: sequence, expected an object"));
    }
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        // Keeping track of the path costs more than reading, so it is done once there is a path to tell. A type whose
        // `Deserialize` says yes only now is as welcome as if it had said so at once.
        Err(_) => with_path(text)?,
    };
    constraints.check(text)?;
    Ok(value)
}

/// JSON as `T`, so that an error names the path to what is wrong.
fn with_path<T: DeserializeOwned>(text: &str) -> Result<T, ArgumentError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        at(&path, without_position(&error.into_inner().to_string()))
    })
}

/// A problem for each property of `schema` that no string stands for, so that a prompt or a URI could never fill it.
pub(crate) fn beyond_strings(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .filter_map(|(name, property)| {
            let what = ["array", "object"].into_iter().find(|what| may_be(property.get("type"), what))?;
            Some(format!(
                "its argument `{name}` is an {what}, and only a string can be sent; take a `String` and read it in \
                 the handler"
            ))
        })
        .collect()
}

/// Whether a schema's `type` takes a `what`.
fn may_be(types: Option<&Value>, what: &str) -> bool {
    match types {
        Some(Value::Array(types)) => types.iter().any(|one| one == what),
        one => one.is_some_and(|one| one == what),
    }
}

/// Strings that were matched in a URI or sent to a prompt, as `T`.
///
/// # Errors
/// [`ArgumentError`], naming the parameter, what was expected and what came.
pub(crate) fn from_strings<T: DeserializeOwned>(
    pairs: &[(impl AsRef<str>, impl AsRef<str>)],
    constraints: &Constraints,
) -> Result<T, ArgumentError> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let value = T::deserialize(strings::Strings::new(&pairs)).map_err(|error| {
        let what = error.to_string();
        // Only what is wrong with a value says which; the rest is about all of them.
        match what.starts_with("invalid argument `") {
            true => ArgumentError(shorten(&in_json_words(&what))),
            false => at("", &what),
        }
    })?;
    constraints.check_strings(&pairs)?;
    Ok(value)
}

/// A sentence about what stands at `path`.
fn at(path: &str, what: &str) -> ArgumentError {
    let what = shorten(&in_json_words(what));
    ArgumentError(if path == "." || path.is_empty() {
        format!("invalid arguments: {what}")
    } else {
        // A key that nobody expected is the caller's own text.
        format!("invalid argument `{}`: {what}", shorten(path))
    })
}

/// serde's sentence, with the words of JSON Schema where it ends in the name of a Rust number.
fn in_json_words(text: &str) -> std::borrow::Cow<'_, str> {
    let Some((what, expected)) = text.rsplit_once(", expected ") else { return text.into() };
    let word = match expected {
        // Where a number can be too large, the model needs the bounds to correct itself.
        "i8" => "an integer from -128 to 127",
        "i16" => "an integer from -32768 to 32767",
        "i32" => "an integer from -2147483648 to 2147483647",
        "i64" | "i128" | "isize" => "an integer",
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "u128" | "usize" => "an integer that is not negative",
        "f32" | "f64" => "a number",
        _ => return text.into(),
    };
    format!("{what}, expected {word}").into()
}

/// serde's sentence without the position, which counts in bytes the model never saw.
fn without_position(text: &str) -> &str {
    text.rsplit_once(" at line ").map_or(text, |(what, _)| what)
}

/// The sentence, with a long value of the caller's cut in the middle.
fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= 4 * ECHO_CHARS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(2 * ECHO_CHARS_MAX).collect();
    let end: String = text.chars().skip(count - 2 * ECHO_CHARS_MAX).collect();
    format!("{start}…{end}")
}
