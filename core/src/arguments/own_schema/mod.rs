//! A schema that a tool brings along: what is wrong with it, and whether some arguments fit it.
//!
//! The library decides whether they do, with what it has decided once remembered, so that a schema that contains itself
//! costs in proportion to the arguments. Saying why they do not is bounded apart ([`explain`]).

mod explain;

use jsonschema::{
    PatternOptions, ReferencingError, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind,
};
use serde_json::{Map, Value, value::RawValue};

use self::explain::Explainer;
use super::{ArgumentError, Constraints, any_from_json, at, once::Once};
use crate::limits::{JSON_DEPTH_MAX, echo};

/// The dialect there is, and the only one a schema may name.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema, compiled.
#[derive(Debug)]
pub(crate) struct OwnSchema {
    validator: Validator,
    explainer: Option<Explainer>,
}

impl OwnSchema {
    /// Compiles `schema`, which is whatever its author wrote.
    ///
    /// # Errors
    /// A sentence for each thing that is wrong with it.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Vec<String>> {
        // What follows walks the schema by recursion, so its depth comes first.
        if is_deeper(schema, JSON_DEPTH_MAX) {
            return Err(vec![format!(
                "its schema nests deeper than {JSON_DEPTH_MAX} levels; move parts of it into `$defs`, and refer \
                 to them"
            )]);
        }
        let mut problems = Vec::new();
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            let what = "the root of its schema is not of `type: object`, which arguments always are; add \
                        `\"type\": \"object\"`";
            problems.push(what.to_owned());
        }
        each_schema(schema, &mut |schema| {
            let dialect = schema.get("$schema").and_then(Value::as_str);
            problems.extend(
                dialect.filter(|dialect| dialect.trim_end_matches('#') != DIALECT).map(other_dialect),
            );
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let validator = options().build(schema).map_err(|error| vec![no_schema(&error)])?;
        Ok(Self { validator, explainer: Explainer::new(schema) })
    }

    /// The arguments of a call, which fit the schema.
    ///
    /// # Errors
    /// [`ArgumentError`], naming the path, what was expected and what came.
    pub(crate) fn read(&self, raw: Option<&RawValue>) -> Result<Value, ArgumentError> {
        let Once(arguments) = any_from_json(raw, &Constraints::default(), true)?;
        if self.validator.is_valid(&arguments) {
            return Ok(arguments);
        }
        let explainer = self.explainer.as_ref();
        let why = explainer.and_then(|explainer| explainer.explain(&self.validator, &arguments));
        Err(why.unwrap_or_else(|| at("", "they do not fit the tool's schema")))
    }
}

/// How every schema is compiled: nothing is fetched, and no pattern takes more than linear time.
fn options() -> ValidationOptions<'static> {
    jsonschema::draft202012::options().offline().with_pattern_options(PatternOptions::regex())
}

fn other_dialect(dialect: &str) -> String {
    format!(
        "its schema is of the dialect {}, and only 2020-12 is known; rewrite it, and leave `$schema` out or write \
         {DIALECT:?}",
        echo(dialect)
    )
}

/// Why a schema could not be compiled.
fn no_schema(error: &ValidationError<'_>) -> String {
    let at = error.instance_path();
    match error.kind() {
        ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) => format!(
            "its schema refers to {}, which is outside of it, and nothing is fetched; put what is meant under \
             `$defs`, and refer to that",
            echo(uri)
        ),
        ValidationErrorKind::Referencing(error) => format!(
            "its schema refers to what is not in it ({error}); put it under `$defs`, or correct the reference"
        ),
        ValidationErrorKind::Format { format } if format == "regex" => format!(
            "its schema has a pattern that is no regular expression of linear time, {} at `#{at}`; write one \
             without look-around and back-references",
            explain::got(error.instance())
        ),
        _ => format!("its schema is none of 2020-12: `#{at}`: {}", explain::what(error)),
    }
}

/// Whether `value` nests deeper than `levels`.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(levels_below) = levels.checked_sub(1) else { return value.is_object() || value.is_array() };
    match value {
        Value::Object(members) => members.values().any(|value| is_deeper(value, levels_below)),
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels_below)),
        _ => false,
    }
}

/// Keywords whose value is data, whatever it looks like.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Keywords whose members are schemas, whatever they are called.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Visits `value` and every schema in it.
fn each_schema(value: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(schema) => {
            visit(schema);
            for (keyword, value) in schema.iter().filter(|(keyword, _)| !DATA.contains(&keyword.as_str())) {
                match value {
                    Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                        named.values().for_each(|schema| each_schema(schema, visit));
                    }
                    value => each_schema(value, visit),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_schema(item, visit)),
        _ => {}
    }
}
