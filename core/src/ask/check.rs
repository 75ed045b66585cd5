//! Looks whether an answer fits what was asked, where its sender still hears of it and whoever asked is elsewhere.

use serde_json::{Map, Value, value::RawValue};

use crate::limits::cut;

/// Checks the answer `result` to `method` with `params`.
///
/// # Errors
/// A text that says what does not fit.
pub(crate) fn check(method: &str, params: &RawValue, result: &RawValue) -> Result<(), String> {
    let not = |what: &str| Err(format!("it must be {what}, not {}", cut(result.get())));
    let Ok(answer) = serde_json::from_str::<Map<String, Value>>(result.get()) else {
        return not("an object");
    };
    match method {
        "elicitation/create" => match answer.get("action").and_then(Value::as_str) {
            Some("decline" | "cancel") => Ok(()),
            Some("accept") => {
                let params: Value = serde_json::from_str(params.get()).unwrap_or_default();
                let Some(schema) = params.get("requestedSchema") else { return Ok(()) };
                let empty = Map::new();
                match answer.get("content") {
                    Some(Value::Object(content)) => fits(schema, content),
                    None => fits(schema, &empty),
                    Some(_) => Err("`content` must be an object".to_owned()),
                }
            }
            _ => not("an object with the `action` \"accept\", \"decline\" or \"cancel\""),
        },
        "sampling/createMessage" if !answer.contains_key("content") || !answer.contains_key("role") => {
            not("an object with `role` and `content`")
        }
        "roots/list" if !answer.get("roots").is_some_and(Value::is_array) => not("an object with `roots`"),
        _ => Ok(()),
    }
}

/// Checks a filled-in form, which is flat. What it constrains beyond its types is for whoever asked to look at.
pub(super) fn fits(schema: &Value, content: &Map<String, Value>) -> Result<(), String> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !content.contains_key(name) {
            return Err(format!("`content` must have `{name}`"));
        }
    }
    for (name, value) in content {
        let Some(field) = schema.get("properties").and_then(|fields| fields.get(name)) else { continue };
        let kind = field.get("type").and_then(Value::as_str).unwrap_or("string");
        let is_kind = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => value.is_array(),
        };
        if !is_kind {
            return Err(format!("`content.{name}` must be of type {kind}, not {}", cut(&value.to_string())));
        }
        let chosen = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let choices = choices(field).or_else(|| field.get("items").and_then(choices));
        let stranger = choices.and_then(|choices| chosen.iter().find(|value| !choices.contains(value)));
        if let Some(stranger) = stranger {
            return Err(format!("{} is no choice for `content.{name}`", cut(&stranger.to_string())));
        }
    }
    Ok(())
}

/// The values that a field offers, where it offers a choice.
fn choices(field: &Value) -> Option<Vec<&Value>> {
    let list = |name| field.get(name).and_then(Value::as_array);
    if let Some(values) = list("enum") {
        return Some(values.iter().collect());
    }
    let titled = list("oneOf").or_else(|| list("anyOf"))?;
    Some(titled.iter().filter_map(|choice| choice.get("const")).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn an_answer_fits_its_form_or_hears_why_not() {
        let params = raw(&json!({"message": "?", "requestedSchema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer"},
                "color": {"type": "string", "oneOf": [{"const": "red", "title": "Red"}]},
                "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            },
            "required": ["name"],
        }}));
        let with = |content: Value| {
            check("elicitation/create", &params, &raw(&json!({"action": "accept", "content": content})))
        };
        assert_eq!(with(json!({"name": "Ada", "age": 36, "color": "red", "several": ["a", "b"]})), Ok(()));
        assert_eq!(with(json!({"name": "Ada", "age": 36.0, "else": []})), Ok(()));
        for (content, says) in [
            (json!({}), "must have `name`"),
            (json!({"name": 7}), "`content.name` must be of type string, not 7"),
            (json!({"name": "Ada", "age": 1.5}), "of type integer"),
            (json!({"name": "Ada", "color": "blue"}), "\"blue\" is no choice"),
            (json!({"name": "Ada", "several": ["a", "c"]}), "\"c\" is no choice"),
            (json!([]), "`content` must be an object"),
        ] {
            let why = with(content.clone()).unwrap_err();
            assert!(why.contains(says), "{content}: {why}");
        }
        for (answer, fits) in [
            (json!({"action": "decline"}), true),
            (json!({"action": "perhaps"}), false),
            (json!("accept"), false),
        ] {
            assert_eq!(check("elicitation/create", &params, &raw(&answer)).is_ok(), fits, "{answer}");
        }
    }

    #[test]
    fn what_a_model_says_and_which_roots_there_are_have_their_shapes() {
        let none = raw(&json!({}));
        let model = json!({"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"});
        assert!(check("sampling/createMessage", &none, &raw(&model)).is_ok());
        assert!(check("sampling/createMessage", &none, &none).is_err());
        assert!(check("roots/list", &none, &raw(&json!({"roots": []}))).is_ok());
        assert!(check("roots/list", &none, &none).is_err());
    }
}
