//! Arguments that a client repeats in headers, so that gateways route by them (SEP-2243, `x-mcp-header`).

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    error::Error,
    http::headers::{self, Single},
    limits::{cut, echo},
    wire::params,
};

/// The keyword of a schema that names the header.
pub(crate) const KEYWORD: &str = "x-mcp-header";

/// The largest integer that every client writes exactly.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// An argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParamHeader {
    /// The names that lead to it.
    path: Vec<String>,
    name: HeaderName,
    /// As the definition writes it, for messages.
    shown: String,
}

/// The headers of a tool's schema.
///
/// # Errors
/// A sentence for each that clients would refuse the tool for.
pub(crate) fn of(schema: &Value) -> Result<Vec<ParamHeader>, Vec<String>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    if let Some(schema) = schema.as_object() {
        search(schema, &mut Vec::new(), &mut found, &mut problems);
    }
    for (index, header) in found.iter().enumerate() {
        if found.iter().take(index).any(|earlier: &ParamHeader| earlier.name == header.name) {
            problems.push(format!(
                "two arguments are repeated in the header {:?} (name one otherwise)",
                header.shown
            ));
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn search(
    schema: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Vec<ParamHeader>,
    problems: &mut Vec<String>,
) {
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let Some(property) = property.as_object() else { continue };
                    path.push(name.clone());
                    if let Some(header) = property.get(KEYWORD) {
                        match declared(header, property, path) {
                            Ok(header) => found.push(header),
                            Err(problem) => problems.push(problem),
                        }
                    }
                    search(property, path, found, problems);
                    path.pop();
                }
            }
            (KEYWORD, _) | ("default" | "examples" | "const" | "enum", _) => {}
            // Behind a choice, a list or a reference, a header could not tell which value it repeats.
            (_, value) if mentions(value) => problems.push(format!(
                "`{KEYWORD}` stands below `{keyword}`, where no client can repeat it: put it on a property that only \
                 `properties` lead to"
            )),
            _ => {}
        }
    }
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key(KEYWORD) || members.values().any(mentions),
        Value::Array(values) => values.iter().any(mentions),
        _ => false,
    }
}

fn declared(header: &Value, property: &Map<String, Value>, path: &[String]) -> Result<ParamHeader, String> {
    let argument = path.join(".");
    let shown = header.as_str().unwrap_or_default();
    let name = HeaderName::try_from(format!("mcp-param-{shown}")).ok().filter(|_| !shown.is_empty());
    let name = name.ok_or_else(|| {
        format!("argument `{argument}`: {header} is no name of a header (a token, RFC 9110)")
    })?;
    let kinds = match property.get("type") {
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        Some(Value::String(kind)) => vec![kind.as_str()],
        _ => Vec::new(),
    };
    if !matches!(kinds.as_slice(), ["string" | "integer" | "boolean"]) {
        return Err(format!(
            "argument `{argument}` cannot be repeated in a header: only a string, an integer or a boolean can"
        ));
    }
    Ok(ParamHeader { path: path.to_vec(), name, shown: format!("Mcp-Param-{shown}") })
}

impl ParamHeader {
    /// The header that repeats what `arguments` say, for a server that is asked; `None` where they say nothing of it.
    pub(crate) fn repeat(&self, arguments: Option<&RawValue>) -> Option<(HeaderName, HeaderValue)> {
        let value = self.argument(arguments)?;
        let text = match value.starts_with('"') {
            true => serde_json::from_str(value).ok()?,
            false => value.to_owned(),
        };
        Some((self.name.clone(), HeaderValue::from_str(&headers::encode(&text)).ok()?))
    }

    /// The argument as JSON; none where it is `null`, as where it is not there.
    fn argument<'a>(&self, arguments: Option<&'a RawValue>) -> Option<&'a str> {
        let mut value = arguments;
        for name in &self.path {
            value = value.and_then(|raw| params::member(raw.get(), name));
        }
        value.map(RawValue::get).filter(|text| *text != "null")
    }

    /// Checks that the header says what the arguments say.
    ///
    /// # Errors
    /// `HeaderMismatch` where it is missing, says something else, or cannot be read.
    pub(crate) fn check(&self, headers: &HeaderMap, arguments: Option<&RawValue>) -> Result<(), Error> {
        let value = self.argument(arguments);
        let refuse = |why: String| Err(Error::header_mismatch(format!("header `{}` {why}", self.shown)));
        match (headers::single(headers, &self.name), value) {
            (Single::Absent, None) => Ok(()),
            (Single::Absent, Some(value)) => {
                refuse(format!("is missing; the argument `{}` is {}", self.path.join("."), cut(value)))
            }
            (Single::Unusable, _) => refuse("stands there twice or is not readable".to_owned()),
            (Single::Value(header), None) => {
                refuse(format!("is {} but the argument `{}` is not there", echo(header), self.path.join(".")))
            }
            (Single::Value(header), Some(value)) => match says(header, value) {
                Some(true) => Ok(()),
                Some(false) => refuse(format!(
                    "is {} but the argument `{}` is {}",
                    echo(header),
                    self.path.join("."),
                    cut(value)
                )),
                None => refuse(format!("is {}, which is no base64", echo(header))),
            },
        }
    }
}

/// Whether a header's value stands for an argument's; `None` where it cannot be decoded.
fn says(header: &str, value: &str) -> Option<bool> {
    let header = headers::decode(header)?;
    if value.starts_with('"') {
        let text = RawValue::from_string(value.to_owned()).ok()?;
        return Some(params::string(&text).is_some_and(|text| text == header));
    }
    if matches!(value, "true" | "false") {
        return Some(header == value);
    }
    // 42 and 42.0 are one number.
    let (one, other) = (number(&header), number(value));
    Some(one.zip(other).is_some_and(|(one, other)| one == other && one.abs() <= INTEGER_MAX))
}

/// A number in JSON's form, which clients repeat as it is. The JSON parser reads it: that of the standard library would
/// add 14 kB of tables and code to every Worker.
fn number(text: &str) -> Option<f64> {
    // The JSON parser would not see that these change nothing once a number is near 2^53.
    let whole =
        text.split_once('.').filter(|(_, rest)| !rest.is_empty() && rest.bytes().all(|zero| zero == b'0'));
    let whole = whole.map_or(text, |(whole, _)| whole);
    // It would take spaces around it, too.
    serde_json::from_str(whole).ok().filter(|_| whole.trim() == whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_clients_would_refuse_is_a_problem() {
        let with = |property: Value| of(&json!({"type": "object", "properties": {"a": property}}));
        assert_eq!(with(json!({"type": "string", "x-mcp-header": "Region"})).unwrap().len(), 1);
        assert_eq!(with(json!({"type": ["integer", "null"], "x-mcp-header": "N"})).unwrap().len(), 1);
        let inner = json!({"type": "object", "properties": {"b": {"type": "boolean", "x-mcp-header": "B"}}});
        assert_eq!(with(inner).unwrap()[0].path, ["a", "b"]);
        for (property, says) in [
            (json!({"type": "number", "x-mcp-header": "N"}), "only a string, an integer or a boolean"),
            (json!({"type": "object", "x-mcp-header": "N"}), "only a string, an integer or a boolean"),
            (json!({"type": "string", "x-mcp-header": ""}), "is no name of a header"),
            (json!({"type": "string", "x-mcp-header": "a b"}), "is no name of a header"),
            (json!({"type": "string", "x-mcp-header": 7}), "is no name of a header"),
            (json!({"type": "array", "items": {"type": "string", "x-mcp-header": "N"}}), "below `items`"),
            (json!({"anyOf": [{"type": "string", "x-mcp-header": "N"}]}), "below `anyOf`"),
        ] {
            let problems = with(property.clone()).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(says)), "{property}: {problems:?}");
        }
        let twice = json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "Region"}, "b": {"type": "string", "x-mcp-header": "REGION"},
        }});
        assert!(of(&twice).unwrap_err()[0].contains("two arguments"));
    }

    #[test]
    fn a_header_says_what_the_argument_says() {
        for (header, value, expected) in [
            ("eu", r#""eu""#, Some(true)),
            ("EU", r#""eu""#, Some(false)),
            ("=?base64?w7w=?=", r#""ü""#, Some(true)),
            ("=?base64?w7w?=", r#""ü""#, None),
            ("=?base64?w7!=?=", r#""ü""#, None),
            ("w7w=", r#""w7w=""#, Some(true)),
            ("42", "42", Some(true)),
            ("42.0", "42", Some(true)),
            ("4.2e1", "42", Some(true)),
            ("42", "42.000", Some(true)),
            ("-0.0", "0", Some(true)),
            ("43", "42", Some(false)),
            ("42.5", "42", Some(false)),
            ("x", "42", Some(false)),
            ("42.", "42", Some(false)),
            ("+42", "42", Some(false)),
            ("042", "42", Some(false)),
            ("=?base64?IDQy?=", "42", Some(false)),
            ("9007199254740991.0", "9007199254740991", Some(true)),
            ("9007199254740992", "9007199254740992", Some(false)),
            ("true", "true", Some(true)),
            ("True", "true", Some(false)),
        ] {
            assert_eq!(says(header, value), expected, "{header} {value}");
        }
    }
}

#[cfg(test)]
mod properties {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    /// A text as clients write it into a header (2026-07-28, basic/transports/streamable-http).
    fn written(text: &str) -> String {
        let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
        match is_plain && !text.is_empty() && !text.starts_with("=?base64?") {
            true => text.to_owned(),
            false => format!("=?base64?{}?=", STANDARD.encode(text)),
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_header_says_what_a_client_repeats_in_it_and_nothing_else(
            text in prop_oneof![any::<String>(), "[ -~]{0,9}"], other in prop_oneof![any::<String>(), "[ -~]{0,9}"],
        ) {
            let argument = Value::from(text.as_str()).to_string();
            prop_assert_eq!(says(&written(&text), &argument), Some(true));
            prop_assert_eq!(headers::encode(&text), written(&text));
            prop_assert_eq!(says(&written(&other), &argument), Some(other == text));
        }

        #[test]
        fn a_number_is_the_same_however_it_is_written(number in -9_007_199_254_740_991..=9_007_199_254_740_991_i64, other: i64) {
            let argument = number.to_string();
            for header in [number.to_string(), format!("{number}.0"), format!("{number}e0")] {
                prop_assert_eq!(says(&header, &argument), Some(true), "{}", header);
            }
            prop_assert_eq!(says(&other.to_string(), &argument), Some(other == number));
        }

        #[test]
        fn any_header_and_argument_is_judged(header: String, argument in crate::properties::raw()) {
            let _ = says(&header, argument.get());
        }
    }
}
