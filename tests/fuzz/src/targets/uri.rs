//! The URI of a resource.

use std::collections::BTreeMap;

use edgemcp::Era;
use percent_encoding::percent_decode_str;

use crate::{
    asked::asked,
    check::{one, quoted},
    client::modern_call,
    server::{OPEN, TEMPLATES, seen},
    stage::Stage,
};

pub(crate) fn run(data: &[u8]) {
    let Ok(uri) = std::str::from_utf8(data) else { return };
    let stage = Stage::new(&OPEN);
    seen();
    let request = modern_call("resources/read", &format!(r#""uri":{}"#, quoted(uri)));
    let answer = stage.send(request.clone());
    let messages = one(&answer, &asked(request.body()), Era::Modern);
    stage.has_no_fault();
    let Some(values) = seen().values else { return };
    assert!(messages.last().is_some_and(|message| message.result.is_some()), "{answer:?}");
    for (name, value) in &values {
        assert!(!value.is_empty() && !matches!(value.as_str(), "." | ".."), "{name} is {value:?}");
        assert!(!value.contains(['/', '\\', '\0']), "{name} is {value:?}");
    }
    // Put back into the template, they are the URI.
    let decoded = percent_decode_str(uri).decode_utf8().unwrap_or_default();
    let filled = TEMPLATES.into_iter().filter(|template| template.matches('{').count() == values.len());
    assert!(
        filled.map(|template| fill(template, &values)).any(|filled| filled == decoded),
        "{uri} {values:?}"
    );
}

fn fill(template: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or_default();
        filled.push_str(text);
        filled.push_str(values.get(name).map(String::as_str).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}
