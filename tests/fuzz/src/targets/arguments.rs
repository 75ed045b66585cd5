//! The arguments of a tool whose schema has constraints of every kind, as JSON.

use edgemcp::Era;
use serde_json::Value;

use crate::{
    asked::{self, Asked, asked, members},
    check::one,
    client::{is_json, modern_call},
    server::{OPEN, Order, Seen, Tree, seen},
    stage::Stage,
};

pub(crate) fn run(data: &[u8]) {
    let Some(Called { text, is_message, is_error, seen }) = call("order", data) else { return };
    let may = is_message && may(text);
    assert_eq!(seen.order.is_some(), may, "{text}");
    assert_eq!(is_error, is_message && !may, "{text}");
    assert!(seen.order.is_none_or(|order| is_good(&order)), "{text}");
}

/// What came of a call.
pub(super) struct Called<'a> {
    /// Its arguments.
    pub(super) text: &'a str,
    /// Whether it could be read at all: nested too deep, it is no message.
    pub(super) is_message: bool,
    /// Whether the model was told that something is wrong.
    pub(super) is_error: bool,
    /// What the handler was given.
    pub(super) seen: Seen,
}

/// Calls a tool with these arguments; `None` where they are no JSON.
pub(super) fn call<'a>(tool: &str, arguments: &'a [u8]) -> Option<Called<'a>> {
    let text = std::str::from_utf8(arguments).ok().filter(|_| is_json(arguments))?;
    let stage = Stage::new(&OPEN);
    seen();
    let request = modern_call("tools/call", &format!(r#""name":"{tool}","arguments":{text}"#));
    let answer = stage.send(request.clone());
    let asked = asked(request.body());
    let messages = one(&answer, &asked, Era::Modern);
    stage.has_no_fault();
    let is_error = messages.last().and_then(|message| message.member("isError")).is_some();
    Some(Called { text, is_message: asked != Asked::Strange, is_error, seen: seen() })
}

/// Whether a handler may see these arguments, by what they are read as without the server.
fn may(text: &str) -> bool {
    let (Some(members), Ok(order)) = (members(text), serde_json::from_str::<Order>(text)) else {
        return false;
    };
    // A struct can be read from an array too, which no schema speaks of; and a member that stands there twice counts
    // twice.
    let raw = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let trees: Value = raw("parts").and_then(|parts| serde_json::from_str(parts).ok()).unwrap_or_default();
    let notes = raw("notes").and_then(asked::members).map_or(0, |notes| notes.len());
    is_good(&order) && has_no_array_for_a_tree(&trees) && notes <= 2
}

fn has_no_array_for_a_tree(tree: &Value) -> bool {
    let below = tree.get("below").and_then(Value::as_array);
    !tree.is_array() && below.into_iter().flatten().all(has_no_array_for_a_tree)
}

/// What the schema says, by hand.
fn is_good(order: &Order) -> bool {
    let Order { name, count, weight, tags, parts, notes, .. } = order;
    let letters = |text: &str| text.chars().count();
    // As far as doubles can tell.
    let is_multiple =
        |weight: f64| ((weight * 2.0).round() - weight * 2.0).abs() <= 1e-9 * (weight * 2.0).max(1.0);
    let is_weight = |weight: f64| weight > 0.0 && weight < 100.5 && is_multiple(weight);
    (2..=8).contains(&letters(name))
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == ' ' || letter == 'ü')
        && (1..=10).contains(count)
        && weight.is_none_or(is_weight)
        && tags.len() <= 3
        && tags.iter().all(|tag| (1..=4).contains(&letters(tag)))
        && notes.len() <= 2
        && parts.as_ref().is_none_or(is_tree)
}

fn is_tree(tree: &Tree) -> bool {
    tree.name.chars().count() <= 3 && tree.below.len() <= 2 && tree.below.iter().all(is_tree)
}
