//! The arguments of a tool that brought its schema, as JSON: of one that refers to itself below choices, where a validator
//! that decides the same thing twice takes for ever.

use std::collections::BTreeSet;

use serde_json::{Value, value::RawValue};

use super::arguments::{Called, call};
use crate::asked::members;

pub(crate) fn run(data: &[u8]) {
    let Some(Called { text, is_message, is_error, seen }) = call("plant", data) else { return };
    let is_read = is_message && has_each_member_once(text);
    let arguments = serde_json::from_str(text).ok().filter(|arguments| is_read && may(arguments));
    assert_eq!(is_error, is_message && arguments.is_none(), "{text}");
    assert_eq!(seen.tree, arguments, "{text}");
}

/// A validator and a handler could each read another of two members with one name.
fn has_each_member_once(text: &str) -> bool {
    if let Some(members) = members(text) {
        let names: BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
        return names.len() == members.len()
            && members.iter().all(|(_, value)| has_each_member_once(value.get()));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    elements.iter().all(|element| has_each_member_once(element.get()))
}

/// What the schema says, by hand.
fn may(arguments: &Value) -> bool {
    let Some(members) = arguments.as_object() else { return false };
    members.len() == 1 && members.get("tree").is_some_and(is_tree)
}

fn is_tree(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0),
        Value::Array(trees) => trees.len() <= 3 && trees.iter().all(is_tree),
        Value::Object(_) => is_tree(&value["left"]) != is_tree(&value["right"]),
        _ => false,
    }
}
