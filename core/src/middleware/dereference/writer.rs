//! Writes a schema without its references.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    DEREFERENCED_VALUES_MAX, REFERENCES_MAX,
    keywords::{DEFINITIONS, Holds, holds, is_note, looks_around, reference, references, walk},
};
use crate::limits::JSON_DEPTH_MAX;

/// `schema` without its references; `None` where it has to stay as it is.
pub(super) fn written_out(schema: &Value) -> Option<Value> {
    let (mut has_any, mut is_ambiguous) = (false, false);
    walk(schema, true, &mut |members, is_root| {
        let has = |keyword| members.contains_key(keyword);
        has_any |= reference(members).is_some() || DEFINITIONS.into_iter().any(has);
        is_ambiguous |= !is_root && has("$id") || has("$dynamicRef") || has("$recursiveRef");
    });
    // Whether each of them leads to itself takes a look at all of them.
    if !has_any || is_ambiguous || references(schema).len() > REFERENCES_MAX {
        return None;
    }
    let mut writer = Writer { root: schema, recursive: HashMap::new(), values: 0, depth: 0 };
    let mut root = writer.root()?;
    writer.keep_definitions(&mut root)?;
    Some(Value::Object(root)).filter(|written| depth(written) <= JSON_DEPTH_MAX)
}

/// Writes a schema out.
struct Writer<'a> {
    root: &'a Value,
    /// Whether what a reference points to contains the same reference, where that has been found out.
    recursive: HashMap<String, bool>,
    values: usize,
    depth: usize,
}

impl<'a> Writer<'a> {
    /// What `reference` points to in this schema.
    fn target(&self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        self.root.pointer(&percent_decode_str(pointer).decode_utf8().ok()?)
    }

    fn is_recursive(&mut self, reference: &str) -> bool {
        if let Some(known) = self.recursive.get(reference) {
            return *known;
        }
        let (mut seen, mut ahead) = (HashSet::new(), vec![reference]);
        let mut is_recursive = false;
        while let Some(next) = ahead.pop() {
            for inner in self.target(next).map(references).unwrap_or_default() {
                is_recursive |= inner == reference;
                if seen.insert(inner) {
                    ahead.push(inner);
                }
            }
        }
        self.recursive.insert(reference.to_owned(), is_recursive);
        is_recursive
    }

    /// The root without its definitions, which only what still refers to them needs.
    fn root(&mut self) -> Option<Map<String, Value>> {
        let mut root = self.root.as_object()?.clone();
        for keyword in DEFINITIONS {
            root.shift_remove(keyword);
        }
        // References that lead from one to the next, and nowhere else, end where one comes again.
        let mut seen = HashSet::new();
        while let Some(reference) = reference(&root).map(str::to_owned) {
            let Some(Value::Object(target)) =
                self.target(&reference).filter(|_| seen.insert(reference.clone()))
            else {
                break;
            };
            root.shift_remove("$ref");
            match merged(Value::Object(target.clone()), root) {
                Value::Object(merged) => root = merged,
                _ => return None,
            }
        }
        match self.schema(&Value::Object(root))? {
            Value::Object(root) => Some(root),
            _ => None,
        }
    }

    /// Puts back the definitions that what is written still refers to.
    fn keep_definitions(&mut self, root: &mut Map<String, Value>) -> Option<()> {
        loop {
            let written = Value::Object(std::mem::take(root));
            let left: Vec<_> = references(&written).into_iter().map(str::to_owned).collect();
            let Value::Object(written) = written else { return None };
            *root = written;
            let mut is_complete = true;
            for keyword in DEFINITIONS {
                let Some(Value::Object(definitions)) = self.root.get(keyword) else { continue };
                for (name, definition) in definitions {
                    let is_kept = root.get(keyword).is_some_and(|kept| kept.get(name).is_some());
                    if is_kept || !left.iter().any(|reference| leads_to(reference, keyword, name)) {
                        continue;
                    }
                    let definition = self.schema(definition)?;
                    let kept = root.entry(keyword).or_insert_with(|| Value::Object(Map::new()));
                    kept.as_object_mut()?.insert(name.clone(), definition);
                    is_complete = false;
                }
            }
            if is_complete {
                return Some(());
            }
        }
    }

    /// `schema` without its references; `None` where that is too much.
    fn schema(&mut self, schema: &Value) -> Option<Value> {
        self.count(1)?;
        let Value::Object(members) = schema else { return Some(schema.clone()) };
        // A reference and what it points to are one level of what is written, and two here.
        self.depth += 1;
        if self.depth > 2 * JSON_DEPTH_MAX {
            return None;
        }
        let mut written = Map::new();
        let mut target = None;
        let is_choice = ["anyOf", "oneOf"].into_iter().any(|keyword| members.contains_key(keyword));
        for (keyword, value) in members {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => match self.target(reference) {
                    Some(found) if !self.is_recursive(reference) => {
                        target = Some(self.schema(found)?);
                        continue;
                    }
                    _ => {}
                },
                ("discriminator", Value::Object(discriminator)) if is_choice => {
                    let mut discriminator = discriminator.clone();
                    discriminator.shift_remove("mapping");
                    written.insert(keyword.clone(), Value::Object(discriminator));
                    continue;
                }
                _ => {}
            }
            let value = match (holds(keyword), value) {
                (Holds::Schemas, Value::Array(schemas)) => {
                    let schemas: Option<Vec<_>> = schemas.iter().map(|schema| self.schema(schema)).collect();
                    Value::Array(schemas?)
                }
                (Holds::Schemas, schema) => self.schema(schema)?,
                (Holds::Named, Value::Object(schemas)) => {
                    let schemas: Option<Map<_, _>> = schemas
                        .iter()
                        .map(|(name, schema)| Some((name.clone(), self.schema(schema)?)))
                        .collect();
                    Value::Object(schemas?)
                }
                (Holds::Data | Holds::Named, data) => {
                    self.count(values(data))?;
                    data.clone()
                }
            };
            written.insert(keyword.clone(), value);
        }
        self.depth -= 1;
        Some(match target {
            Some(target) => merged(target, written),
            None => Value::Object(written),
        })
    }

    fn count(&mut self, values: usize) -> Option<()> {
        self.values += values;
        (self.values <= DEREFERENCED_VALUES_MAX).then_some(())
    }
}

/// How many values there are in `value`, itself among them.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// How many levels of arrays and objects there are in `value`.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(elements) => elements.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

/// Whether `reference` leads to the definition `name` or into it. One that is no pointer may lead to any.
fn leads_to(reference: &str, keyword: &str, name: &str) -> bool {
    let Some(fragment) = reference.strip_prefix('#') else { return false };
    let Ok(pointer) = percent_decode_str(fragment).decode_utf8() else { return false };
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return true;
    }
    let mut parts = pointer.split('/').skip(1);
    parts.next() == Some(keyword)
        && parts.next().is_some_and(|part| part.replace("~1", "/").replace("~0", "~") == name)
}

/// What `target` and what stands beside the reference to it ask together.
fn merged(target: Value, beside: Map<String, Value>) -> Value {
    let mut target = match target {
        Value::Object(target) => target,
        // Everything fits.
        Value::Bool(true) => Map::new(),
        target => return all_of(target, beside),
    };
    let can_be_added = beside.iter().all(|(keyword, value)| {
        is_note(keyword)
            || target.get(keyword) == Some(value)
            || (!target.contains_key(keyword)
                && (!looks_around(keyword) || !target.keys().any(|known| looks_around(known))))
    });
    if !can_be_added {
        return all_of(Value::Object(target), beside);
    }
    for (keyword, value) in beside {
        target.insert(keyword, value);
    }
    Value::Object(target)
}

/// `beside`, which also asks all that `target` asks.
fn all_of(target: Value, mut beside: Map<String, Value>) -> Value {
    match beside.get_mut("allOf") {
        Some(Value::Array(schemas)) => schemas.push(target),
        _ => {
            beside.insert("allOf".to_owned(), Value::Array(vec![target]));
        }
    }
    Value::Object(beside)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_becomes_what_it_points_to_and_its_definition_is_gone() {
        let schema = json!({
            "type": "object",
            "properties": {
                "home": {"$ref": "#/$defs/Address"},
                "work": {"$ref": "#/$defs/Address", "description": "Where they work.", "default": null},
                "$ref": {"type": "string"},
            },
            "required": ["home"],
            "$defs": {
                "Address": {"type": "object", "description": "Where.", "properties": {"city": {"$ref": "#/$defs/a~1b%25"}}},
                "a/b%": {"type": "string", "enum": ["x"]},
            },
        });
        let city = json!({"type": "string", "enum": ["x"]});
        assert_eq!(
            written_out(&schema).unwrap(),
            json!({
                "type": "object",
                "properties": {
                    "home": {"type": "object", "description": "Where.", "properties": {"city": city}},
                    "work": {
                        "type": "object", "description": "Where they work.", "properties": {"city": city},
                        "default": null,
                    },
                    "$ref": {"type": "string"},
                },
                "required": ["home"],
            })
        );
    }

    #[test]
    fn a_type_that_contains_itself_stays_a_reference() {
        let tree = json!({"type": "object", "properties": {
            "leaf": {"$ref": "#/$defs/Leaf"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        }});
        let written_tree = json!({"type": "object", "properties": {
            "leaf": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        }});
        let defs = json!({"Tree": tree, "Leaf": {"type": "integer"}, "Other": {"type": "null"}});
        let schema =
            json!({"type": "object", "properties": {"tree": {"$ref": "#/$defs/Tree"}}, "$defs": defs});
        assert_eq!(
            written_out(&schema).unwrap(),
            json!({
                "type": "object", "properties": {"tree": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": written_tree},
            })
        );
        // At the root, clients look for the type.
        let mut root = written_tree.clone();
        root["description"] = json!("A tree.");
        root["$defs"] = json!({"Tree": written_tree});
        let schema = json!({"$ref": "#/$defs/Tree", "description": "A tree.", "$defs": defs});
        assert_eq!(written_out(&schema).unwrap(), root);

        // One that contains itself through another, and one that contains the root.
        let schema = json!({
            "type": "object",
            "properties": {"a": {"$ref": "#/definitions/A"}, "self": {"$ref": "#"}},
            "definitions": {"A": {"anyOf": [{"$ref": "#/definitions/B"}]}, "B": {"not": {"$ref": "#/definitions/A"}}},
        });
        assert_eq!(written_out(&schema).unwrap(), schema);
    }

    #[test]
    fn references_that_lead_nowhere_else_end() {
        for schema in [
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}),
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}),
            json!({"$ref": "#"}),
        ] {
            let written = written_out(&schema).unwrap();
            assert!(reference(written.as_object().unwrap()).is_some(), "{written}");
        }
    }

    #[test]
    fn what_stands_beside_a_reference_holds_too() {
        let beside = |target: Value, beside: Value| {
            let mut property = beside;
            property["$ref"] = json!("#/$defs/T");
            let schema = json!({"properties": {"p": property}, "$defs": {"T": target}});
            written_out(&schema).unwrap()["properties"]["p"].clone()
        };
        assert_eq!(
            beside(json!({"type": "string"}), json!({"minLength": 2, "title": "P"})),
            json!({"type": "string", "minLength": 2, "title": "P"})
        );
        assert_eq!(beside(json!(true), json!({"minLength": 2})), json!({"minLength": 2}));
        // Both lengths hold, and neither may replace the other.
        assert_eq!(
            beside(json!({"maxLength": 9}), json!({"maxLength": 5})),
            json!({"maxLength": 5, "allOf": [{"maxLength": 9}]})
        );
        // What the target calls additional is not what the property does.
        let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
        assert_eq!(
            beside(closed.clone(), json!({"patternProperties": {"b": {}}, "allOf": [{"minProperties": 1}]})),
            json!({"patternProperties": {"b": {}}, "allOf": [{"minProperties": 1}, closed]})
        );
        assert_eq!(beside(json!(false), json!({"title": "P"})), json!({"title": "P", "allOf": [false]}));
    }

    #[test]
    fn what_only_looks_like_a_reference_is_data() {
        let data = json!({"$ref": "#/$defs/T"});
        let schema = json!({
            "properties": {"p": {"const": data, "default": data, "enum": [data], "examples": [data]}, "q": data},
            "$defs": {"T": {"type": "string"}},
        });
        let written = written_out(&schema).unwrap();
        assert_eq!(written["properties"]["p"], schema["properties"]["p"]);
        assert_eq!(written["properties"]["q"], json!({"type": "string"}));
    }

    #[test]
    fn what_is_elsewhere_or_nowhere_stays() {
        let schema = json!({"properties": {
            "a": {"$ref": "https://example.com/schema"}, "b": {"$ref": "#/$defs/None"}, "c": {"$ref": "#%ff"},
            "d": {"$ref": "file:///etc/passwd"},
        }});
        assert_eq!(written_out(&schema).unwrap(), schema);
        // An anchor may stand in any definition.
        let anchored = json!({"properties": {"a": {"$ref": "#x"}}, "$defs": {"X": {"$anchor": "x"}}});
        assert_eq!(written_out(&anchored).unwrap(), anchored);
        for ambiguous in [
            json!({"properties": {"a": {"$id": "https://example.com/a", "$ref": "#/$defs/T"}}, "$defs": {"T": {}}}),
            json!({"$dynamicRef": "#x", "$defs": {"T": {}}}),
            json!({"type": "object"}),
        ] {
            assert_eq!(written_out(&ambiguous), None, "{ambiguous}");
        }
    }

    #[test]
    fn a_discriminator_does_not_name_what_is_gone() {
        let schema = json!({"properties": {"pet": {
            "oneOf": [{"$ref": "#/$defs/Cat"}],
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat"}},
        }, "discriminator": {"mapping": 1}}, "$defs": {"Cat": {"type": "object"}}});
        let written = written_out(&schema).unwrap();
        assert_eq!(
            written["properties"],
            json!({
                "pet": {"oneOf": [{"type": "object"}], "discriminator": {"propertyName": "kind"}},
                "discriminator": {"mapping": 1},
            })
        );
    }

    /// A chain of definitions, each of which has the next one `times` times.
    fn chain(length: usize, times: usize) -> Value {
        let next = |number: usize| match number + 1 < length {
            true => json!({"anyOf": vec![json!({"$ref": format!("#/$defs/D{}", number + 1)}); times]}),
            false => json!({"type": "string"}),
        };
        let defs: Map<_, _> = (0..length).map(|number| (format!("D{number}"), next(number))).collect();
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/D0"}}, "$defs": defs})
    }

    #[test]
    fn a_schema_that_would_be_too_large_or_too_deep_stays_as_it_is() {
        assert!(written_out(&chain(10, 2)).is_some());
        // 2³⁰ of them.
        assert_eq!(written_out(&chain(31, 2)), None);
        // Each has an array and an object more than the last, which is the third object, and has none in it.
        let deepest = (JSON_DEPTH_MAX - 3) / 2 + 1;
        assert!(written_out(&chain(deepest, 1)).is_some());
        assert_eq!(written_out(&chain(deepest + 1, 1)), None);
        let wide = |count| {
            let property = |number| (format!("p{number}"), json!({"$ref": "#/$defs/T"}));
            json!({"properties": Map::from_iter((0..count).map(property)), "$defs": {"T": {}}})
        };
        assert!(written_out(&wide(REFERENCES_MAX)).is_some());
        assert_eq!(written_out(&wide(REFERENCES_MAX + 1)), None);
        let large = json!({"properties": {
            "p": {"$ref": "#/$defs/T"}, "q": {"$ref": "#/$defs/T"}},
            "$defs": {"T": {"enum": vec![0; DEREFERENCED_VALUES_MAX / 2]}},
        });
        assert_eq!(written_out(&large), None);
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::properties::{config, json};

    /// Schemas that refer to one another, and to themselves.
    fn schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[A-D]".prop_map(|name| json!({"$ref": format!("#/$defs/{name}")})),
            "[A-D]".prop_map(|name| json!({"$ref": format!("#/$defs/{name}"), "minLength": 1, "title": "t"})),
            Just(json!({"type": "string"})),
            json(),
        ];
        let nested = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(|of| json!({"anyOf": of})),
                inner.clone().prop_map(|of| json!({"items": of})),
                inner.prop_map(|of| json!({"properties": {"p": of}})),
            ]
        });
        (nested.clone(), prop::collection::vec(nested, 4)).prop_map(|(property, defs)| {
            let defs: Map<_, _> = ["A", "B", "C", "D"].map(str::to_owned).into_iter().zip(defs).collect();
            json!({"type": "object", "properties": {"p": property}, "$defs": defs})
        })
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_written_out_refers_only_to_what_contains_itself_and_is_there(schema in schema()) {
            if let Some(written) = written_out(&schema) {
                let mut writer = Writer { root: &schema, recursive: HashMap::new(), values: 0, depth: 0 };
                for reference in references(&written) {
                    let was_there = writer.target(reference).is_some();
                    prop_assert!(!was_there || writer.is_recursive(reference), "{} in {}", reference, written);
                    if was_there {
                        let pointer = reference.trim_start_matches('#');
                        prop_assert!(written.pointer(pointer).is_some(), "{} in {}", reference, written);
                    }
                }
                // Doing so again changes nothing.
                prop_assert_eq!(written_out(&written).unwrap_or(written.clone()), written);
            }
        }
    }
}
