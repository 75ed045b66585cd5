//! Enforces what a schema says beyond types: lengths, ranges, multiples and patterns.
//!
//! The schema is compiled when the server is built. Types, required fields and enums are the business of the type a
//! handler takes; formats and `uniqueItems` are notes to the client. A constraint that could not be enforced (inside a
//! choice of several shapes, or a pattern without the feature `pattern`) is reported when the server is built, so that
//! no schema promises what nobody checks.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{ArgumentError, may_be};
use crate::limits::echo;

/// A schema's constraints, compiled; empty where it has none.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    /// `None` where nothing is constrained.
    root: Option<usize>,
    nodes: Vec<Node>,
}

/// What is asked of the value at one place of the schema.
#[derive(Debug, Default)]
struct Node {
    length: Count,
    items_count: Count,
    properties_count: Count,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: Option<f64>,
    exclusive_maximum: Option<f64>,
    multiple_of: Option<f64>,
    pattern: Option<Pattern>,
    items: Option<usize>,
    properties: Vec<(String, usize)>,
    additional: Option<usize>,
    /// An object is asked for, and no array would do.
    object: bool,
    constrained: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    min: Option<u64>,
    max: Option<u64>,
}

#[cfg(feature = "pattern")]
type Pattern = regex_lite::Regex;

#[cfg(not(feature = "pattern"))]
#[derive(Debug)]
enum Pattern {}

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

impl Constraints {
    /// Compiles the constraints of `schema`.
    ///
    /// # Errors
    /// A sentence for each constraint that could not be enforced.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Vec<String>> {
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
        Ok(if constrained { Self { root: Some(root), nodes } } else { Self::default() })
    }

    /// Checks JSON text that is known to deserialize.
    ///
    /// # Errors
    /// The first constraint that does not hold: its path, what was expected and what came.
    pub(super) fn check(&self, text: &str) -> Result<(), ArgumentError> {
        let Some(root) = self.root else { return Ok(()) };
        let mut violation = None;
        let walk = Walk { constraints: self, node: root, path: &Path::Root, violation: &mut violation };
        let walked = walk.deserialize(&mut serde_json::Deserializer::from_str(text));
        match (violation, walked) {
            (Some(violation), _) => Err(violation),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => Err(ArgumentError(format!("invalid arguments: {error}"))),
        }
    }

    /// Checks named strings, each against the property of its name.
    ///
    /// # Errors
    /// As [`Constraints::check`].
    pub(super) fn check_strings(&self, pairs: &[(&str, &str)]) -> Result<(), ArgumentError> {
        let Some(root) = self.root.and_then(|root| self.nodes.get(root)) else { return Ok(()) };
        for (name, value) in pairs {
            let Some(node) = root.property(name).and_then(|node| self.nodes.get(node)) else {
                continue;
            };
            let path = Path::Key(&Path::Root, name);
            node.string(value).map_err(|what| path.error(&what))?;
            if let Ok(number) = serde_json::from_str::<f64>(value) {
                node.number(number).map_err(|what| path.error(&what))?;
            }
        }
        Ok(())
    }
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

/// The tighter of two bounds on one value, which a schema and the one it refers to may both set.
fn tighter<T: Copy>(one: Option<T>, other: Option<T>, of: fn(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(of(one, other)),
        (one, other) => one.or(other),
    }
}

impl Count {
    fn narrow(&mut self, min: Option<u64>, max: Option<u64>) {
        self.min = tighter(self.min, min, u64::max);
        self.max = tighter(self.max, max, u64::min);
    }

    fn check(self, count: usize, what: &str) -> Result<(), String> {
        let count = count as u64;
        match (self.min, self.max) {
            (Some(min), _) if count < min => Err(format!("expected at least {min} {what}, got {count}")),
            (_, Some(max)) if count > max => Err(format!("expected at most {max} {what}, got {count}")),
            _ => Ok(()),
        }
    }
}

impl Node {
    fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, index)| *index)
    }

    fn string(&self, value: &str) -> Result<(), String> {
        // JSON Schema counts characters, not bytes (2020-12 validation, section 6.3).
        self.length.check(value.chars().count(), "characters")?;
        #[cfg(feature = "pattern")]
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(value)) {
            return Err(format!("expected text matching {:?}, got {}", pattern.as_str(), echo(value)));
        }
        #[cfg(not(feature = "pattern"))]
        let _ = (&self.pattern, echo);
        Ok(())
    }

    fn number(&self, value: f64) -> Result<(), String> {
        let fails = |expected: &str, bound: f64| Err(format!("expected {expected} {bound}, got {value}"));
        match self {
            Node { minimum: Some(bound), .. } if value < *bound => fails("at least", *bound),
            Node { maximum: Some(bound), .. } if value > *bound => fails("at most", *bound),
            Node { exclusive_minimum: Some(bound), .. } if value <= *bound => fails("more than", *bound),
            Node { exclusive_maximum: Some(bound), .. } if value >= *bound => fails("less than", *bound),
            Node { multiple_of: Some(of), .. } if !is_multiple(value, *of) => fails("a multiple of", *of),
            _ => Ok(()),
        }
    }
}

/// Whether `value` is a multiple of `of`, as far as doubles can tell: 0.3 is one of 0.1.
fn is_multiple(value: f64, of: f64) -> bool {
    let quotient = value / of;
    (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs().max(1.0)
}

/// Where a walk is.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn error(&self, what: &str) -> ArgumentError {
        super::at(&self.to_string(), what)
    }
}

/// As serde_path_to_error writes it: `filter.tags[2]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Walks JSON beside the constraints, keeping nothing of it.
struct Walk<'a> {
    constraints: &'a Constraints,
    node: usize,
    path: &'a Path<'a>,
    violation: &'a mut Option<ArgumentError>,
}

impl<'a> Walk<'a> {
    fn this(&self) -> Option<&'a Node> {
        self.constraints.nodes.get(self.node)
    }

    fn judge<E: serde::de::Error>(self, verdict: Result<(), String>) -> Result<(), E> {
        verdict.map_err(|what| {
            *self.violation = Some(self.path.error(&what));
            E::custom(what)
        })
    }

    fn number<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let verdict = self.this().map_or(Ok(()), |node| node.number(value));
        self.judge(verdict)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.this() {
            Some(node) if node.constrained => deserializer.deserialize_any(self),
            _ => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        let verdict = self.this().map_or(Ok(()), |node| node.string(value));
        self.judge(verdict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(node) = self.this() else { return Err(A::Error::custom("no such node")) };
        if node.object {
            // A derived `Deserialize` takes a struct's fields from an array too, past the constraints on each.
            return self.judge(Err("expected an object, got an array".to_owned()));
        }
        let Walk { constraints, path, violation, .. } = self;
        let mut count = 0;
        loop {
            let path = Path::Index(path, count);
            let more = match node.items {
                Some(items) => {
                    seq.next_element_seed(Walk { constraints, node: items, path: &path, violation })?
                }
                None => seq.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if more.is_none() {
                break;
            }
            count += 1;
        }
        let verdict = node.items_count.check(count, "items");
        Walk { constraints, node: self.node, path, violation }.judge(verdict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(node) = self.this() else { return Err(A::Error::custom("no such node")) };
        let Walk { constraints, path, violation, .. } = self;
        let mut count = 0;
        while let Some(key) = map.next_key::<String>()? {
            count += 1;
            match node.property(&key).or(node.additional) {
                Some(child) => {
                    let path = Path::Key(path, &key);
                    map.next_value_seed(Walk { constraints, node: child, path: &path, violation })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let verdict = node.properties_count.check(count, "properties");
        Walk { constraints, node: self.node, path, violation }.judge(verdict)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(schema: &Value, value: &Value) -> Result<(), String> {
        let constraints = Constraints::compile(schema).unwrap();
        constraints.check(&value.to_string()).map_err(|error| error.0)
    }

    #[test]
    fn a_violation_names_its_path_and_both_sides() {
        let schema = json!({"type": "object", "properties": {
            "filter": {"type": "object", "properties": {"tags": {"type": "array", "maxItems": 3, "items": {"minLength": 2}}}}
        }});
        assert_eq!(verdict(&schema, &json!({"filter": {"tags": ["ab", "ü\u{308}"]}})), Ok(()));
        assert_eq!(
            verdict(&schema, &json!({"filter": {"tags": ["ab", "c"]}})).unwrap_err(),
            "invalid argument `filter.tags[1]`: expected at least 2 characters, got 1"
        );
        assert_eq!(
            verdict(&schema, &json!({"filter": {"tags": ["ab", "ab", "ab", "ab"]}})).unwrap_err(),
            "invalid argument `filter.tags`: expected at most 3 items, got 4"
        );
    }

    #[test]
    fn every_bound_on_a_number_is_enforced_on_its_own_side() {
        let cases = [
            (json!({"minimum": 1}), 1.0, 0.0),
            (json!({"maximum": 1}), 1.0, 2.0),
            (json!({"exclusiveMinimum": 1}), 1.5, 1.0),
            (json!({"exclusiveMaximum": 1}), 0.5, 1.0),
            (json!({"multipleOf": 0.1}), 0.3, 0.35),
        ];
        for (schema, good, bad) in cases {
            let schema = json!({"properties": {"n": schema}});
            assert_eq!(verdict(&schema, &json!({"n": good})), Ok(()), "{schema}");
            assert!(verdict(&schema, &json!({"n": bad})).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_type_that_contains_itself_is_enforced_at_every_depth() {
        let schema = json!({
            "$defs": {"Tree": {"properties": {
                "name": {"maxLength": 3},
                "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
            }}},
            "$ref": "#/$defs/Tree",
        });
        let deep = json!({"name": "a", "left": {"name": "b", "left": {"name": "long"}}});
        assert_eq!(
            verdict(&schema, &deep).unwrap_err(),
            "invalid argument `left.left.name`: expected at most 3 characters, got 4"
        );
    }

    #[test]
    fn a_constraint_beside_a_reference_adds_to_its_target() {
        let schema = json!({
            "$defs": {"Tree": {"minProperties": 1, "properties": {"next": {"$ref": "#/$defs/Tree", "maxProperties": 2}}}},
            "$ref": "#/$defs/Tree",
        });
        assert_eq!(verdict(&schema, &json!({"next": {"a": 1, "b": 2}})), Ok(()));
        assert!(verdict(&schema, &json!({"next": {"a": 1, "b": 2, "c": 3}})).is_err());
        assert!(verdict(&schema, &json!({"next": {}})).is_err());
    }

    #[test]
    fn of_two_bounds_the_tighter_holds() {
        let schema = json!({
            "$defs": {"Tree": {"minProperties": 1, "maxProperties": 9, "properties": {
                "next": {"$ref": "#/$defs/Tree", "minProperties": 0, "maxProperties": 2},
                "size": {"minimum": 0, "allOf": [{"minimum": -5}]},
            }}},
            "$ref": "#/$defs/Tree",
        });
        assert_eq!(verdict(&schema, &json!({"next": {"a": 1, "b": 2}, "size": 0})), Ok(()));
        assert!(verdict(&schema, &json!({"next": {"a": 1, "b": 2, "c": 3}})).is_err());
        assert!(verdict(&schema, &json!({"next": {}})).is_err());
        assert!(verdict(&schema, &json!({"size": -1})).is_err());
    }

    #[test]
    fn a_schema_without_constraints_costs_nothing() {
        let schema = json!({"properties": {"n": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255}}});
        assert!(Constraints::compile(&schema).unwrap().root.is_none());
        let narrower = json!({"properties": {"n": {"format": "uint8", "minimum": 1}}});
        assert!(Constraints::compile(&narrower).unwrap().root.is_some());
    }

    #[test]
    fn a_constraint_nobody_could_enforce_is_reported() {
        let schema = json!({"properties": {"x": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]}}});
        let problems = Constraints::compile(&schema).unwrap_err();
        assert!(problems[0].starts_with("#/properties/x/oneOf: `maxLength` stands inside"), "{problems:?}");
    }

    #[cfg(not(feature = "pattern"))]
    #[test]
    fn a_pattern_without_its_feature_is_reported() {
        let problems = Constraints::compile(&json!({"properties": {"x": {"pattern": "^a"}}})).unwrap_err();
        assert!(problems[0].contains("--features pattern"), "{problems:?}");
    }

    #[cfg(feature = "pattern")]
    #[test]
    fn a_pattern_is_enforced() {
        let schema = json!({"properties": {"x": {"pattern": "^a+$"}}});
        assert_eq!(verdict(&schema, &json!({"x": "aa"})), Ok(()));
        assert!(verdict(&schema, &json!({"x": "ab"})).is_err());
        assert!(Constraints::compile(&json!({"pattern": "("})).is_err());
    }
}
