//! Compiles a schema into what is asked of each place in a value, or says what could not be enforced.

use serde_json::{Map, Value};

use super::{Constraints, Node, Pattern, tighter};
use crate::arguments::may_be;

/// Keywords that only this module enforces.
const ENFORCED: [&str; 12] = [
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "pattern",
];

/// Keywords whose subschemas a walk follows.
const WALKED: [&str; 4] = ["properties", "items", "additionalProperties", "allOf"];

/// Keywords whose subschemas a walk does not follow.
const UNWALKED: [&str; 8] =
    ["prefixItems", "patternProperties", "if", "then", "else", "not", "contains", "dependentSchemas"];

/// Compiles the constraints of `schema`.
///
/// # Errors
/// A sentence for each constraint that could not be enforced.
pub(super) fn compile(schema: &Value) -> Result<Constraints, Vec<String>> {
    let mut compiler = Compiler {
        document: schema,
        nodes: Vec::new(),
        references: Vec::new(),
        merging: Vec::new(),
        problems: Vec::new(),
    };
    let root = compiler.node(schema, "#");
    let Compiler { mut nodes, problems, .. } = compiler;
    if !problems.is_empty() {
        return Err(problems);
    }
    propagate(&mut nodes);
    let constrained = nodes.get(root).is_some_and(|node| node.constrained);
    Ok(if constrained { Constraints { root: Some(root), nodes } } else { Constraints::default() })
}

/// Marks every node that leads to a constraint, so that a walk skips the rest.
fn propagate(nodes: &mut [Node]) {
    loop {
        let reached: Vec<bool> = nodes
            .iter()
            .map(|node| {
                let below = |index: &usize| nodes.get(*index).is_some_and(|node| node.constrained);
                node.constrained
                    || node.items.iter().any(below)
                    || node.additional.iter().any(below)
                    || node.properties.iter().any(|(_, index)| below(index))
            })
            .collect();
        let mut changed = false;
        for (node, reached) in nodes.iter_mut().zip(reached) {
            changed |= node.constrained != reached;
            node.constrained = reached;
        }
        if !changed {
            return;
        }
    }
}

struct Compiler<'a> {
    document: &'a Value,
    nodes: Vec<Node>,
    references: Vec<(String, usize)>,
    merging: Vec<String>,
    problems: Vec<String>,
}

impl Compiler<'_> {
    /// The node of `schema`, which a bare reference shares with every other reference to the same place.
    fn node(&mut self, schema: &Value, at: &str) -> usize {
        let Some(object) = schema.as_object() else { return self.push() };
        let speaks_itself = object.keys().any(|keyword| WALKED.contains(&keyword.as_str()))
            || ENFORCED.iter().any(|keyword| object.contains_key(*keyword));
        match (object.get("$ref").and_then(Value::as_str), only_shape(object)) {
            (Some(reference), None) if !speaks_itself => self.refer(reference, at),
            (None, Some(shape)) if !speaks_itself => self.node(shape, at),
            _ => {
                let index = self.push();
                self.fill(index, object, at);
                index
            }
        }
    }

    fn push(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn refer(&mut self, reference: &str, at: &str) -> usize {
        if let Some((_, known)) = self.references.iter().find(|(known, _)| known == reference) {
            return *known;
        }
        let index = self.push();
        self.references.push((reference.to_owned(), index));
        let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        match target.and_then(Value::as_object) {
            Some(target) => self.fill(index, target, reference),
            None => self.problems.push(format!("{at}: `$ref` to {reference:?} leads nowhere in this schema")),
        }
        index
    }

    /// Adds what `schema` asks to the node at `index`.
    fn fill(&mut self, index: usize, schema: &Map<String, Value>, at: &str) {
        let mut node = self.nodes.get_mut(index).map(std::mem::take).unwrap_or_default();
        self.keywords(&mut node, schema, at);
        if let Some(here) = self.nodes.get_mut(index) {
            *here = node;
        }
        if let Some(shape) = only_shape(schema).and_then(Value::as_object) {
            self.fill(index, shape, at);
        } else {
            for keyword in ["anyOf", "oneOf"] {
                if let Some(choice) = schema.get(keyword) {
                    self.refuse_constraints_in(choice, &format!("{at}/{keyword}"));
                }
            }
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            self.merge(index, reference, at);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            match part.as_object() {
                Some(part) if !part.contains_key("$ref") => self.fill(index, part, at),
                _ => self.refuse_constraints_in(part, &format!("{at}/allOf")),
            }
        }
    }

    /// Adds what the target of a reference asks to a schema that asks something itself.
    fn merge(&mut self, index: usize, reference: &str, at: &str) {
        let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        match target.and_then(Value::as_object) {
            // A schema that refers to one that is being merged asks for nothing new.
            Some(_) if self.merging.iter().any(|known| known == reference) => {}
            Some(target) => {
                self.merging.push(reference.to_owned());
                self.fill(index, target, reference);
                self.merging.pop();
            }
            None => self.problems.push(format!("{at}: `$ref` to {reference:?} leads nowhere in this schema")),
        }
    }

    fn keywords(&mut self, node: &mut Node, schema: &Map<String, Value>, at: &str) {
        let count = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let number = |keyword: &str| {
            schema.get(keyword).filter(|_| !is_bound_of_type(schema, keyword)).and_then(Value::as_f64)
        };
        let types = schema.get("type");
        node.object |= may_be(types, "object") && !may_be(types, "array");
        node.length.narrow(count("minLength"), count("maxLength"));
        node.items_count.narrow(count("minItems"), count("maxItems"));
        node.properties_count.narrow(count("minProperties"), count("maxProperties"));
        node.minimum = tighter(node.minimum, number("minimum"), f64::max);
        node.maximum = tighter(node.maximum, number("maximum"), f64::min);
        node.exclusive_minimum = tighter(node.exclusive_minimum, number("exclusiveMinimum"), f64::max);
        node.exclusive_maximum = tighter(node.exclusive_maximum, number("exclusiveMaximum"), f64::min);
        node.multiple_of = number("multipleOf").or(node.multiple_of);
        if let Some(Value::String(pattern)) = schema.get("pattern") {
            match compile_pattern(pattern) {
                Ok(pattern) => node.pattern = Some(pattern),
                Err(why) => self.problems.push(format!("{at}: pattern {pattern:?} {why}")),
            }
        }
        node.constrained |= ENFORCED
            .iter()
            .any(|keyword| schema.contains_key(*keyword) && !is_bound_of_type(schema, keyword));
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let child = self.node(property, &format!("{at}/properties/{name}"));
            node.properties.push((name.clone(), child));
        }
        if let Some(items @ Value::Object(_)) = schema.get("items") {
            node.items = Some(self.node(items, &format!("{at}/items")));
        }
        if let Some(additional @ Value::Object(_)) = schema.get("additionalProperties") {
            node.additional = Some(self.node(additional, &format!("{at}/additionalProperties")));
        }
        for keyword in UNWALKED {
            if let Some(unwalked) = schema.get(keyword) {
                self.refuse_constraints_in(unwalked, &format!("{at}/{keyword}"));
            }
        }
    }

    fn refuse_constraints_in(&mut self, schema: &Value, at: &str) {
        match schema {
            Value::Object(object) => {
                for keyword in ENFORCED {
                    // A property may be named like a keyword; its schema is an object then.
                    let stands_here = object.get(keyword).is_some_and(|value| !value.is_object());
                    if stands_here && !is_bound_of_type(object, keyword) {
                        self.problems.push(format!(
                            "{at}: `{keyword}` stands inside a choice of shapes, where it cannot be enforced; check \
                             it in the handler, or take one shape"
                        ));
                    }
                }
                for value in object.values() {
                    self.refuse_constraints_in(value, at);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.refuse_constraints_in(value, at);
                }
            }
            _ => {}
        }
    }
}

/// The one shape of a choice between it and null, which is how schemars writes an `Option`.
fn only_shape(schema: &Map<String, Value>) -> Option<&Value> {
    let choice = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let mut shapes = choice.iter().filter(|shape| shape.get("type") != Some(&Value::from("null")));
    match (shapes.next(), shapes.next()) {
        (Some(shape), None) => Some(shape),
        _ => None,
    }
}

/// Whether the bound is the one schemars writes for an integer type, which deserializing enforces by itself.
fn is_bound_of_type(schema: &Map<String, Value>, keyword: &str) -> bool {
    let Some(format) = schema.get("format").and_then(Value::as_str) else { return false };
    let bound = schema.get(keyword).and_then(Value::as_i64);
    match (keyword, format) {
        ("minimum", format) if format.starts_with("uint") => bound == Some(0),
        ("minimum", "int8") => bound == Some(i8::MIN.into()),
        ("minimum", "int16") => bound == Some(i16::MIN.into()),
        ("maximum", "int8") => bound == Some(i8::MAX.into()),
        ("maximum", "int16") => bound == Some(i16::MAX.into()),
        ("maximum", "uint8") => bound == Some(u8::MAX.into()),
        ("maximum", "uint16") => bound == Some(u16::MAX.into()),
        _ => false,
    }
}

#[cfg(feature = "pattern")]
fn compile_pattern(pattern: &str) -> Result<Pattern, String> {
    Pattern::new(pattern).map_err(|error| format!("is no regular expression: {error}"))
}

#[cfg(not(feature = "pattern"))]
fn compile_pattern(_: &str) -> Result<Pattern, String> {
    Err("is enforced by the feature `pattern` of edgemcp: `cargo add edgemcp --features pattern`".to_owned())
}
