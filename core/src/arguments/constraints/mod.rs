//! Enforces what a schema says beyond types: lengths, ranges, multiples and patterns.
//!
//! The schema is compiled when the server is built. Types, required fields and enums are the business of the type a
//! handler takes; formats and `uniqueItems` are notes to the client. A constraint that could not be enforced (inside a
//! choice of several shapes, or a pattern without the feature `pattern`) is reported when the server is built, so that
//! no schema promises what nobody checks.

mod compile;
mod walk;

use serde::de::DeserializeSeed;
use serde_json::Value;

use self::walk::{Path, Walk};
use super::ArgumentError;
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

impl Constraints {
    /// Compiles the constraints of `schema`.
    ///
    /// # Errors
    /// A sentence for each constraint that could not be enforced.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Vec<String>> {
        compile::compile(schema)
    }

    /// Checks JSON text that is known to deserialize.
    ///
    /// # Errors
    /// The first constraint that does not hold: its path, what was expected and what came.
    pub(crate) fn check(&self, text: &str) -> Result<(), ArgumentError> {
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
