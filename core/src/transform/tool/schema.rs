//! Changes the schema of a tool's arguments to what clients are to see of it.

use serde_json::{Map, Value, json};

use super::ArgTransform;
use crate::model::Text;

/// What an argument was called, and what it is called now; `None` where it is hidden.
pub(super) type Renamed<'a> = (&'a str, Option<&'a str>);

/// Keywords whose schemas are about the very same value.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Keywords that speak of names without naming them.
const OF_NAMES: [&str; 3] = ["patternProperties", "propertyNames", "$dynamicRef"];

/// Keywords whose value is data, whatever it looks like.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// What an argument of a changed schema keeps of what it was.
const KEPT: [&str; 3] = ["description", "default", crate::param_headers::KEYWORD];

/// The properties of `schema`, where it has any.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Whether `schema` asks for the property `name`.
pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|known| known == name)
}

/// A schema that is a reference to a part of itself, as that of a type that contains itself, with the part in its place.
pub(super) fn unfolded(mut schema: Value) -> Value {
    let reference =
        schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    let target = reference.and_then(|pointer| schema.pointer(pointer)).and_then(Value::as_object).cloned();
    if let (Some(target), Some(root)) = (target, schema.as_object_mut())
        && !root.contains_key("properties")
        && !target.contains_key("$ref")
    {
        root.shift_remove("$ref");
        root.extend(target);
    }
    schema
}

/// `schema` with its arguments changed; what cannot be done is added to `problems`.
pub(super) fn changed(
    mut schema: Value,
    transforms: &[(Text, ArgTransform)],
    problems: &mut Vec<String>,
) -> Value {
    let of = |name: &str| transforms.iter().find(|(known, _)| known == name).map(|(_, transform)| transform);
    let names: Vec<_> = properties(&schema).map(|(name, _)| name.clone()).collect();
    let renamed: Vec<Renamed<'_>> = names
        .iter()
        .filter_map(|name| {
            let transform = of(name)?;
            match transform.is_hidden {
                true => Some((name.as_str(), None)),
                false => transform.rename.as_deref().map(|new| (name.as_str(), Some(new))),
            }
        })
        .filter(|(name, new)| *new != Some(name))
        .collect();
    if !renamed.is_empty() {
        rename_below(&mut schema, &renamed, problems);
        refer_anew(&mut schema, &renamed, problems);
    }
    let Some(root) = schema.as_object_mut() else { return schema };
    let mut required = match root.get_mut("required").map(Value::take) {
        Some(Value::Array(required)) => required,
        _ => Vec::new(),
    };
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        for (name, mut property) in std::mem::take(properties) {
            let Some(transform) = of(&name) else {
                keep(properties, name, property, problems);
                continue;
            };
            if transform.is_hidden || transform.has_default() {
                required.retain(|known| *known != name);
            } else if transform.is_required && !required.iter().any(|known| *known == name) {
                required.push(name.clone().into());
            }
            if !transform.is_hidden {
                let shown = transform.rename.as_deref().unwrap_or(&name);
                change(&mut property, shown, transform);
                keep(properties, shown.to_owned(), property, problems);
            }
        }
    }
    for name in &mut required {
        if let Some(Some(new)) = name.as_str().and_then(|name| new_name(name, &renamed)) {
            *name = new.into();
        }
    }
    match required.is_empty() {
        true => drop(root.shift_remove("required")),
        false => drop(root.insert("required".to_owned(), required.into())),
    }
    schema
}

fn keep(properties: &mut Map<String, Value>, name: String, property: Value, problems: &mut Vec<String>) {
    if properties.contains_key(&name) {
        problems.push(format!("two arguments are named {name:?} (rename one otherwise)"));
    }
    properties.insert(name, property);
}

/// Changes what clients see of one argument.
fn change(property: &mut Value, shown: &str, transform: &ArgTransform) {
    if let Some(shape) = &transform.shape {
        let mut schema = shape.schema.clone();
        if shape.is_alone {
            // What refers to its own root now stands in another's.
            move_references(&mut schema, &format!("/properties/{}", escaped(shown)));
        }
        for keyword in KEPT {
            if let (Some(kept), Some(schema)) = (property.get(keyword), schema.as_object_mut()) {
                schema.entry(keyword).or_insert_with(|| kept.clone());
            }
        }
        *property = schema;
    }
    let sets = transform.description.is_some()
        || transform.has_default()
        || transform.is_required
        || !transform.examples.is_empty();
    if !sets {
        return;
    }
    if *property == json!(true) {
        *property = json!({});
    }
    let Some(property) = property.as_object_mut() else { return };
    if let Some(description) = &transform.description {
        property.insert("description".to_owned(), description.as_ref().into());
    }
    if transform.default_from.is_some() || transform.is_required {
        property.shift_remove("default");
    }
    if let Some(default) = &transform.default {
        property.insert("default".to_owned(), default.clone());
    }
    if !transform.examples.is_empty() {
        property.insert("examples".to_owned(), transform.examples.clone().into());
    }
}

/// Renames arguments where other parts of the schema speak of them.
fn rename_below(schema: &mut Value, renamed: &[Renamed<'_>], problems: &mut Vec<String>) {
    let Some(root) = schema.as_object_mut() else { return };
    for keyword in OF_NAMES {
        if root.contains_key(keyword) {
            problems.push(format!(
                "its schema has `{keyword}`, so its arguments cannot be renamed or hidden (change the tool itself)"
            ));
        }
    }
    dependents(root, renamed, problems);
    for keyword in IN_PLACE {
        match root.get_mut(keyword) {
            Some(Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| rename_in(schema, keyword, renamed, problems));
            }
            Some(schema) => rename_in(schema, keyword, renamed, problems),
            None => {}
        }
    }
}

/// Renames arguments in a schema that is about all of them, at `keyword`.
fn rename_in(schema: &mut Value, keyword: &str, renamed: &[Renamed<'_>], problems: &mut Vec<String>) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("$ref") {
        problems.push(format!(
            "its schema refers to another place below `{keyword}`, so its arguments cannot be renamed or hidden (change \
             the tool itself)"
        ));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        rename_members(properties, keyword, renamed, problems);
    }
    if let Some(Value::Array(required)) = object.get_mut("required") {
        rename_texts(required, keyword, renamed, problems);
    }
    rename_below(schema, renamed, problems);
}

/// Renames arguments in what depends on whether they are there.
fn dependents(object: &mut Map<String, Value>, renamed: &[Renamed<'_>], problems: &mut Vec<String>) {
    if let Some(Value::Object(dependent)) = object.get_mut("dependentRequired") {
        rename_members(dependent, "dependentRequired", renamed, problems);
        for required in dependent.values_mut().filter_map(Value::as_array_mut) {
            rename_texts(required, "dependentRequired", renamed, problems);
        }
    }
    if let Some(Value::Object(dependent)) = object.get_mut("dependentSchemas") {
        rename_members(dependent, "dependentSchemas", renamed, problems);
        for schema in dependent.values_mut() {
            rename_in(schema, "dependentSchemas", renamed, problems);
        }
    }
}

fn new_name<'a>(name: &str, renamed: &[Renamed<'a>]) -> Option<Option<&'a str>> {
    renamed.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

fn rename_members(
    members: &mut Map<String, Value>,
    keyword: &str,
    renamed: &[Renamed<'_>],
    problems: &mut Vec<String>,
) {
    for (name, value) in std::mem::take(members) {
        let new = match new_name(&name, renamed) {
            Some(Some(new)) => new.to_owned(),
            None => name,
            Some(None) => {
                problems.push(still_mentioned(&name, keyword));
                continue;
            }
        };
        members.insert(new, value);
    }
}

fn rename_texts(names: &mut [Value], keyword: &str, renamed: &[Renamed<'_>], problems: &mut Vec<String>) {
    for name in names {
        match name.as_str().and_then(|name| new_name(name, renamed)) {
            Some(Some(new)) => *name = new.into(),
            Some(None) => problems.push(still_mentioned(name.as_str().unwrap_or_default(), keyword)),
            None => {}
        }
    }
}

fn still_mentioned(name: &str, keyword: &str) -> String {
    format!(
        "argument {name:?} cannot be hidden, since `{keyword}` of the tool's schema speaks of it (change the tool itself)"
    )
}

/// Lets references into renamed arguments lead there.
fn refer_anew(schema: &mut Value, renamed: &[Renamed<'_>], problems: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                match value {
                    Value::String(reference) if name == "$ref" => {
                        let Some(path) = reference.strip_prefix("#/properties/") else { continue };
                        let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
                        match new_name(&first.replace("~1", "/").replace("~0", "~"), renamed) {
                            Some(Some(new)) => *reference = format!("#/properties/{}{rest}", escaped(new)),
                            Some(None) => problems.push(still_mentioned(first, "$ref")),
                            None => {}
                        }
                    }
                    value => refer_anew(value, renamed, problems),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| refer_anew(value, renamed, problems)),
        _ => {}
    }
}

/// Lets references from the root lead to `place` instead.
fn move_references(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                match value {
                    Value::String(reference) if name == "$ref" && reference.starts_with('#') => {
                        reference.insert_str(1, place);
                    }
                    value => move_references(value, place),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| move_references(value, place)),
        _ => {}
    }
}

/// A name as it stands in a JSON Pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What of `value` does not fit `schema`, as far as types and choices tell.
pub(super) fn misfit(value: &Value, schema: &Value) -> Option<String> {
    if let Some(choice) =
        schema.get("enum").and_then(Value::as_array).filter(|choice| !choice.contains(value))
    {
        let choice: Vec<_> = choice.iter().map(Value::to_string).collect();
        return Some(format!("expected one of {}, got {value}", choice.join(", ")));
    }
    let kinds: Vec<_> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    (!kinds.iter().any(is)).then(|| format!("expected {}, got {value}", kinds.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schema: Value, transforms: &[(&str, ArgTransform)]) -> (Value, Vec<String>) {
        let transforms: Vec<_> = transforms
            .iter()
            .map(|(name, transform)| ((*name).to_owned().into(), transform.clone()))
            .collect();
        let mut problems = Vec::new();
        (changed(unfolded(schema), &transforms, &mut problems), problems)
    }

    fn rename(name: &'static str) -> ArgTransform {
        ArgTransform::new().rename(name)
    }

    #[test]
    fn arguments_keep_their_order() {
        let schema =
            json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c", "a"]});
        let (schema, problems) = with(schema, &[("a", rename("z")), ("b", ArgTransform::new().required())]);
        assert_eq!(
            schema.to_string(),
            r#"{"type":"object","properties":{"z":{},"b":{},"c":{}},"required":["c","z","b"]}"#
        );
        assert!(problems.is_empty());
    }

    #[test]
    fn names_may_change_places() {
        let schema = json!({"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]});
        let (schema, problems) = with(schema, &[("a", rename("b")), ("b", rename("a"))]);
        assert_eq!(schema, json!({"properties": {"b": {"type": "string"}, "a": {}}, "required": ["b", "a"]}));
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn all_that_speaks_of_an_argument_is_renamed() {
        let schema = json!({
            "properties": {"email": {"type": "string"}, "phone": {"$ref": "#/properties/email"}},
            "anyOf": [{"required": ["email"]}, {"required": ["phone"], "properties": {"email": {"maxLength": 3}}}],
            "dependentRequired": {"email": ["phone"], "phone": ["email"]},
            "dependentSchemas": {"phone": {"required": ["email"]}},
            "if": {"not": {"required": ["email"]}},
        });
        let (renamed, problems) = with(schema.clone(), &[("email", rename("mail"))]);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(!renamed.to_string().contains("email"), "{renamed}");
        assert_eq!(
            renamed["anyOf"][1],
            json!({"required": ["phone"], "properties": {"mail": {"maxLength": 3}}})
        );
        assert_eq!(renamed["properties"]["phone"], json!({"$ref": "#/properties/mail"}));
        let (_, problems) = with(schema, &[("email", ArgTransform::new().hide().default("x"))]);
        assert!(problems.iter().any(|problem| problem.contains("since `anyOf`")), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("since `$ref`")), "{problems:?}");
    }

    #[test]
    fn a_schema_that_speaks_of_names_at_large_is_not_changed_blindly() {
        for schema in [
            json!({"properties": {"a": {}}, "patternProperties": {"^a": {}}}),
            json!({"properties": {"a": {}}, "allOf": [{"$ref": "#/$defs/x"}]}),
        ] {
            let (_, problems) = with(schema, &[("a", rename("b"))]);
            assert!(problems[0].contains("cannot be renamed or hidden"), "{problems:?}");
        }
    }

    #[test]
    fn a_type_that_contains_itself_can_be_changed_at_its_root() {
        let tree = json!({
            "$ref": "#/$defs/Tree",
            "$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}},
        });
        let (schema, problems) = with(tree, &[("left", rename("first"))]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(schema["properties"], json!({"first": {"$ref": "#/$defs/Tree"}}));
        assert_eq!(schema["$defs"]["Tree"]["properties"], json!({"left": {"$ref": "#/$defs/Tree"}}));
    }

    #[test]
    fn a_default_that_the_argument_cannot_be_is_a_misfit() {
        for (value, schema, fits) in [
            (json!(1), json!({"type": "integer"}), true),
            (json!(1.5), json!({"type": "integer"}), false),
            (json!(null), json!({"type": ["string", "null"]}), true),
            (json!("x"), json!({"type": "number"}), false),
            (json!("x"), json!({"enum": ["y"]}), false),
            (json!("x"), json!({}), true),
            (json!({}), json!(true), true),
        ] {
            assert_eq!(misfit(&value, &schema).is_none(), fits, "{value} {schema}");
        }
    }
}
