//! Says why some arguments do not fit a schema, for the model: the path, what was expected, what came.
//!
//! For a choice of shapes the library collects why each does not fit. Where a schema also refers to itself, that takes
//! time that multiplies with each level of the arguments; so a second validator looks for reasons, which follows a
//! reference only while there is work left.

use std::{cell::Cell, collections::BTreeSet, fmt::Write as _};

use jsonschema::{
    JsonType, Keyword, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value, json};

use super::{DATA, NAMED, each_schema, options};
use crate::{
    arguments::{self, ArgumentError},
    limits::{cut, echo},
};

/// How many values arguments may hold for the reasons against each shape to be collected.
const VALUES_MAX: usize = 10_000;

/// How often an explanation may look at all of the arguments.
const LOOKS_MAX: usize = 8;

/// What an explanation may look at however small the arguments are.
const WORK_MIN: usize = 64 << 10;

/// How many choices within choices a sentence goes into.
const CHOICES_MAX: usize = 2;

/// How many names a sentence lists.
const NAMES_MAX: usize = 20;

/// The keyword that counts the work. Its name is none that a schema would use.
const STEP: &str = "edgemcp.step";

thread_local! {
    /// The work that is left. An explanation runs from its beginning to its end without waiting, so it has its thread.
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// Finds why arguments do not fit a schema.
#[derive(Debug)]
pub(super) struct Explainer {
    schema: Value,
    has_choices: bool,
    /// `None` where the schema's own validator will do.
    bounded: Option<Validator>,
}

impl Explainer {
    /// One for `schema`, which has been compiled; `None` where it cannot be bounded.
    pub(super) fn new(schema: &Value) -> Option<Self> {
        let mut has_choices = false;
        each_schema(schema, &mut |schema| {
            has_choices |= schema.contains_key("anyOf") || schema.contains_key("oneOf");
        });
        let mut guarded = schema.clone();
        let bounded = match has_choices && guard(&mut guarded) {
            true => Some(options().with_keyword(STEP, |_, _, _| Ok(Box::new(Step))).build(&guarded).ok()?),
            false => None,
        };
        Some(Self { schema: schema.clone(), has_choices, bounded })
    }

    /// Why `arguments` do not fit, where that can be found.
    pub(super) fn explain(&self, validator: &Validator, arguments: &Value) -> Option<ArgumentError> {
        if self.has_choices && values(arguments) > VALUES_MAX {
            return None;
        }
        let error = match &self.bounded {
            None => validator.validate(arguments).err()?,
            Some(bounded) => {
                let looks = weight(arguments, usize::MAX).saturating_mul(LOOKS_MAX);
                WORK.set(WORK_MIN.saturating_add(looks));
                // What comes out once the work is used up is no reason.
                bounded.validate(arguments).err().filter(|_| WORK.get() > 0)?
            }
        };
        let (path, what) = reason(&error, arguments, &self.schema, CHOICES_MAX);
        Some(arguments::at(&path, &what))
    }
}

/// How many values there are in `value`, itself among them.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(values).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(values).sum::<usize>() + 1,
        _ => 1,
    }
}

/// Puts every reference in `value`, a schema, behind a [`STEP`]; says whether there was one.
fn guard(value: &mut Value) -> bool {
    let mut found = false;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| found |= guard(item)),
        Value::Object(schema) => {
            for (keyword, value) in schema.iter_mut().filter(|(keyword, _)| !DATA.contains(&keyword.as_str()))
            {
                match value {
                    Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                        named.values_mut().for_each(|schema| found |= guard(schema));
                    }
                    value => found |= guard(value),
                }
            }
            for keyword in ["$ref", "$dynamicRef"] {
                if schema.get(keyword).is_some_and(Value::is_string) {
                    found = true;
                    follow_behind(schema, keyword);
                }
            }
        }
        _ => {}
    }
    found
}

fn follow_behind(schema: &mut Map<String, Value>, keyword: &str) {
    let Some(reference) = schema.shift_remove(keyword) else { return };
    let guarded = json!({"if": {STEP: true}, "then": {keyword: reference}});
    match schema.get_mut("allOf") {
        Some(Value::Array(parts)) => parts.push(guarded),
        _ => drop(schema.insert("allOf".to_owned(), json!([guarded]))),
    }
}

/// Takes what it is asked about from the work that is left.
struct Step;

impl<'i> Keyword<'i> for Step {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("no work is left")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let left = WORK.get();
        let left = left.saturating_sub(weight(instance, left));
        WORK.set(left);
        left > 0
    }
}

/// How much there is to look at in `value`, but not much more than `most`.
fn weight(value: &Value, most: usize) -> usize {
    let mut sum = 1_usize;
    match value {
        Value::String(text) => sum = sum.saturating_add(text.len()),
        Value::Array(items) => {
            for item in items {
                if sum > most {
                    break;
                }
                sum = sum.saturating_add(weight(item, most - sum));
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                if sum > most {
                    break;
                }
                sum = sum.saturating_add(name.len()).saturating_add(weight(value, most.saturating_sub(sum)));
            }
        }
        _ => {}
    }
    sum
}

/// Where it is, and what is wrong there.
fn reason(
    error: &ValidationError<'_>,
    arguments: &Value,
    schema: &Value,
    choices: usize,
) -> (String, String) {
    let mut path = path(error.instance_path().as_str(), arguments);
    let what = match error.kind() {
        // The name is what is wrong, so the path leads to it.
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected }
            if !unexpected.is_empty() =>
        {
            let name = unexpected.first().map(String::as_str).unwrap_or_default();
            push(&mut path, name);
            format!("unknown field `{}`{}", cut(name), known(error, schema))
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            choice(error, context, arguments, schema, choices)
        }
        _ => what(error),
    };
    (path, what)
}

/// `filter.tags[1]`, as for every argument. Only the arguments tell whether a number is an index or a name.
fn path(pointer: &str, arguments: &Value) -> String {
    let mut path = String::new();
    let mut here = Some(arguments);
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        match here {
            Some(Value::Array(items)) => {
                let _ = write!(path, "[{segment}]");
                here = segment.parse::<usize>().ok().and_then(|index| items.get(index));
            }
            _ => {
                push(&mut path, &segment);
                here = here.and_then(|value| value.get(&segment));
            }
        }
    }
    path
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// The fields that an object has in the schema beside the keyword that failed.
fn known(error: &ValidationError<'_>, schema: &Value) -> String {
    let parent = error.schema_path().as_str().rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent));
    let properties = parent.and_then(|parent| parent.get("properties")).and_then(Value::as_object);
    let names: Vec<_> = properties.into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(", expected {one}"),
        [one, other] => format!(", expected {one} or {other}"),
        names => format!(", expected one of {}", list(names)),
    }
}

/// What is wrong with a value that has none of several shapes: the types it may be of, or why the nearest does not fit.
fn choice(
    error: &ValidationError<'_>,
    shapes: &[Vec<ValidationError<'static>>],
    arguments: &Value,
    schema: &Value,
    choices: usize,
) -> String {
    let here = error.instance_path().as_str();
    let types: Option<BTreeSet<&'static str>> = shapes
        .iter()
        .map(|errors| match errors.as_slice() {
            [only] if only.instance_path().as_str() == here => match only.kind() {
                ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => Some(a(*kind)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if let Some(types) = types.filter(|types| !types.is_empty()) {
        return wrong_type(error.instance(), types);
    }
    let count = shapes.len();
    let nearest = shapes.iter().filter(|errors| !errors.is_empty()).min_by_key(|errors| {
        // A shape of another type, or with another constant, is not the one that was meant.
        let is_other = errors.iter().any(|error| match error.kind() {
            ValidationErrorKind::Type { .. } => error.instance_path().as_str() == here,
            ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. } => true,
            _ => false,
        });
        (is_other, errors.len())
    });
    let nearest = nearest.and_then(|errors| errors.first()).filter(|_| choices > 0);
    match nearest.map(|error| reason(error, arguments, schema, choices - 1)) {
        Some((path, what)) if path.is_empty() => format!("none of {count} shapes fits; the nearest: {what}"),
        Some((path, what)) => format!("none of {count} shapes fits; the nearest: `{}`: {what}", cut(&path)),
        None => format!("none of {count} shapes fits"),
    }
}

/// What was expected, and what came.
pub(super) fn what(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    let value = error.instance().as_ref();
    let expected = match error.kind() {
        Kind::Type { kind: TypeKind::Single(kind) } => {
            return wrong_type(value, [a(*kind)]);
        }
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            return wrong_type(value, kinds.iter().map(a));
        }
        Kind::Required { property } => {
            return format!("missing field `{}`", cut(property.as_str().unwrap_or_default()));
        }
        Kind::FalseSchema => return format!("expected nothing, got {}", got(value)),
        Kind::PropertyNames { error } => {
            return format!("the name {} of a field: {}", got(error.instance()), what(error));
        }
        Kind::UniqueItems => return "expected items that all differ, got two alike".to_owned(),
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            return format!("expected fewer items, got {}", count(value));
        }
        Kind::OneOfMultipleValid { context } => {
            return format!("expected one of {} shapes to fit, and more than one does", context.len());
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            return format!("none of {} shapes fits", context.len());
        }
        Kind::Constant { expected_value } => cut(&expected_value.to_string()).into_owned(),
        Kind::Enum { options } => {
            let options: Vec<_> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
            format!("one of {}", list(&options))
        }
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => return counted("at least", *limit, "characters", value),
        Kind::MaxLength { limit } => return counted("at most", *limit, "characters", value),
        Kind::MinItems { limit } => return counted("at least", *limit, "items", value),
        Kind::MaxItems { limit } => return counted("at most", *limit, "items", value),
        Kind::MinProperties { limit } => return counted("at least", *limit, "properties", value),
        Kind::MaxProperties { limit } => return counted("at most", *limit, "properties", value),
        Kind::Pattern { pattern } => format!("text matching {pattern:?}"),
        Kind::Contains => "items as the schema's `contains` asks for".to_owned(),
        Kind::Not { schema } => format!("anything but {}", cut(&schema.to_string())),
        other => format!("what the schema's `{}` asks for", other.keyword()),
    };
    format!("expected {expected}, got {}", got(value))
}

fn wrong_type(value: &Value, expected: impl IntoIterator<Item = &'static str>) -> String {
    let expected: Vec<_> = expected.into_iter().collect();
    let expected = match expected.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        one => one.concat(),
    };
    format!("invalid type: {}, expected {expected}", it(value))
}

fn counted(side: &str, limit: u64, what: &str, value: &Value) -> String {
    format!("expected {side} {limit} {what}, got {}", count(value))
}

/// How many characters, items or properties there are.
fn count(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

/// A value as serde's errors write it, with the words of JSON.
fn it(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("boolean `{flag}`"),
        Value::Number(number) if number.is_f64() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {}", echo(text)),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

/// A value as it came, shortened.
pub(super) fn got(value: &Value) -> String {
    match value {
        Value::String(text) => echo(text),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn a(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    }
}

/// The first of `names`, as many as a sentence has room for.
fn list(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_MAX).map(|name| cut(name)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_schema_decides_as_the_schema_does_while_there_is_work_left() {
        let recursive = json!({
            "type": "object",
            "$defs": {
                "node": {"oneOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/pair"}]},
                "leaf": {"type": "integer"},
                "pair": {
                    "type": "object", "allOf": [{"required": ["left"]}], "$ref": "#/$defs/sides", "unevaluatedProperties": false,
                },
                "sides": {"properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}},
            },
            "properties": {"root": {"$ref": "#/$defs/node"}, "$ref": {"const": {"$ref": 7}}},
            "additionalProperties": false,
        });
        let dynamic = json!({
            "type": "object", "$dynamicAnchor": "any",
            "properties": {"inner": {"anyOf": [{"$dynamicRef": "#any"}, {"type": "null"}]}},
            "unevaluatedProperties": false,
        });
        for (schema, good, bad) in [
            (&recursive, json!({"root": {"left": 1, "right": {"left": 2}}}), json!({"root": {"right": 1}})),
            (&recursive, json!({"$ref": {"$ref": 7}}), json!({"$ref": {"$ref": 8}})),
            (&recursive, json!({"root": 1}), json!({"root": {"left": {"left": "x"}}})),
            (&recursive, json!({}), json!({"root": {"left": 1, "middle": 2}})),
            (&dynamic, json!({"inner": {"inner": null}}), json!({"inner": {"inner": 1}})),
            (&dynamic, json!({"inner": {}}), json!({"inner": {"other": {}}})),
        ] {
            let bounded = Explainer::new(schema).unwrap().bounded.unwrap();
            let validator = options().build(schema).unwrap();
            for (arguments, fits) in [(good, true), (bad, false)] {
                WORK.set(WORK_MIN);
                assert_eq!(validator.is_valid(&arguments), fits, "{arguments}");
                assert_eq!(bounded.is_valid(&arguments), fits, "{arguments}");
            }
        }
    }

    #[test]
    fn the_weight_of_a_value_is_not_looked_for_much_beyond_what_matters() {
        assert_eq!(weight(&json!({"ab": ["cde", 1, null]}), usize::MAX), 10);
        assert!(weight(&json!(vec![0; 1000]), 10) < 20);
    }
}
