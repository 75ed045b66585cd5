//! What the keywords of JSON Schema hold, and where references can stand among them.

use serde_json::{Map, Value};

/// Where definitions stand that only references lead to.
pub(super) const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Whether the value of a keyword is a schema, or has schemas in it.
pub(super) enum Holds {
    /// One, or an array of them.
    Schemas,
    /// An object of them, by names.
    Named,
    /// None: whatever looks like one is data.
    Data,
}

pub(super) fn holds(keyword: &str) -> Holds {
    match keyword {
        "allOf"
        | "anyOf"
        | "oneOf"
        | "not"
        | "if"
        | "then"
        | "else"
        | "items"
        | "prefixItems"
        | "additionalItems"
        | "unevaluatedItems"
        | "contains"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames"
        | "contentSchema" => Holds::Schemas,
        "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs"
        | "definitions" => Holds::Named,
        _ => Holds::Data,
    }
}

/// Calls `see` with `schema` and every schema in it, and whether it is the root.
pub(super) fn walk<'a>(schema: &'a Value, is_root: bool, see: &mut impl FnMut(&'a Map<String, Value>, bool)) {
    let Value::Object(members) = schema else { return };
    see(members, is_root);
    for (keyword, value) in members {
        match (holds(keyword), value) {
            (Holds::Schemas, Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| walk(schema, false, see));
            }
            (Holds::Schemas, schema) => walk(schema, false, see),
            (Holds::Named, Value::Object(schemas)) => {
                schemas.values().for_each(|schema| walk(schema, false, see));
            }
            _ => {}
        }
    }
}

/// The reference that a schema is, or is in part.
pub(super) fn reference(schema: &Map<String, Value>) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

/// The references in `schema`, wherever one can stand.
pub(super) fn references(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    walk(schema, true, &mut |members, _| found.extend(reference(members)));
    found
}

/// Whether a keyword asks nothing, so that another value of it only says something else.
pub(super) fn is_note(keyword: &str) -> bool {
    !looks_around(keyword)
        && !matches!(
            keyword,
            "type"
                | "enum"
                | "const"
                | "multipleOf"
                | "maximum"
                | "exclusiveMaximum"
                | "minimum"
                | "exclusiveMinimum"
                | "maxLength"
                | "minLength"
                | "pattern"
                | "format"
                | "maxItems"
                | "minItems"
                | "uniqueItems"
                | "maxProperties"
                | "minProperties"
                | "required"
                | "dependentRequired"
                | "dependentSchemas"
                | "dependencies"
                | "propertyNames"
                | "allOf"
                | "anyOf"
                | "oneOf"
                | "not"
                | "contentEncoding"
                | "contentMediaType"
                | "contentSchema"
        )
}

/// Whether what a keyword asks depends on others beside it.
pub(super) fn looks_around(keyword: &str) -> bool {
    matches!(
        keyword,
        "$ref"
            | "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "items"
            | "prefixItems"
            | "additionalItems"
            | "unevaluatedItems"
            | "contains"
            | "minContains"
            | "maxContains"
            | "if"
            | "then"
            | "else"
    )
}
