//! Makes the form that a person fills in of a Rust type, and the type of what they filled in.
//!
//! A form is flat: texts, numbers, flags, and choices of one or several (2026-07-28, client/elicitation). A struct is a
//! form of its fields; any other type is a form of one field, `value`, as in FastMCP.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

use super::{AskError, check};
use crate::{
    arguments::{self, Constraints},
    wire::params::Members,
};

/// The field of a form that is one value.
const VALUE: &str = "value";

/// The formats of text that a form knows.
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// What a type's form looks like, and whether the type is the form or its one field.
pub(super) fn of<T: JsonSchema>() -> Result<(Value, bool), AskError> {
    let schema = arguments::input_schema::<T>();
    let is_struct = schema.get("type").is_some_and(|kind| kind == "object");
    let properties = match is_struct {
        true => schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default(),
        false => Map::from_iter([(VALUE.to_owned(), schema.clone())]),
    };
    let required = match is_struct {
        true => schema.get("required").cloned(),
        false => Some(Value::from(vec![VALUE])),
    };
    let mut fields = Map::new();
    for (name, property) in &properties {
        let field = field(property).ok_or_else(|| {
            AskError::unavailable(format!(
                "a form is flat, and its field `{name}` is neither a text, a number, a flag nor a choice of such"
            ))
        })?;
        fields.insert(name.clone(), Value::Object(field));
    }
    let mut form = Map::new();
    form.insert("type".to_owned(), "object".into());
    form.insert("properties".to_owned(), fields.into());
    form.extend(
        required.filter(|names| names != &Value::Array(Vec::new())).map(|names| ("required".into(), names)),
    );
    Ok((Value::Object(form), !is_struct))
}

/// What the person filled in, as `T`; where the form was set by hand, it fits that too.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(
    content: Option<&RawValue>,
    by_hand: Option<&Value>,
) -> Result<T, AskError> {
    let unfit = |why: &str| AskError::Invalid(format!("the answer does not fit its form: {why}"));
    if let Some(form) = by_hand {
        let content: Map<_, _> =
            arguments::any_from_json(content, &constraints(form)?, true).map_err(|error| unfit(&error.0))?;
        check::fits(form, &content).map_err(|why| unfit(&why))?;
    }
    let schema = arguments::input_schema::<T>();
    let kind = schema.get("type");
    // What takes any JSON, and says no more of itself, takes the whole form.
    let is_anything = kind.is_none() && schema.as_object().is_none_or(Map::is_empty);
    let is_form = is_anything || kind.is_some_and(|kind| kind == "object");
    let constraints = constraints(&schema)?;
    let content = match (is_form, content) {
        (true, content) => content,
        (false, content) => {
            let content =
                content.ok_or_else(|| AskError::Invalid("`content` must have `value`".to_owned()))?;
            let value = Members::read(content.get()).and_then(|members| members.get(VALUE));
            Some(value.ok_or_else(|| AskError::Invalid("`content` must have `value`".to_owned()))?)
        }
    };
    arguments::any_from_json(content, &constraints, is_form).map_err(|error| unfit(&error.0))
}

/// What a form asks of its answer beyond types.
pub(super) fn constraints(schema: &Value) -> Result<Constraints, AskError> {
    Constraints::compile(schema).map_err(|problems| {
        AskError::unavailable(format!("the form cannot be checked: {}", problems.join("; ")))
    })
}

/// A property of a schema as a field of a form; `None` where it is none.
fn field(property: &Value) -> Option<Map<String, Value>> {
    let property = present(property)?;
    let mut field = Map::new();
    let mut keep = |names: &[&str]| {
        for name in names {
            // The default of an `Option` is null, which no field can be.
            let value = property.get(*name).filter(|value| !value.is_null());
            field.extend(value.map(|value| ((*name).to_owned(), value.clone())));
        }
    };
    keep(&["title", "description"]);
    if let Some((values, titled)) = choices(&property) {
        keep(&["default"]);
        field.insert("type".to_owned(), "string".into());
        field.insert(if titled { "oneOf" } else { "enum" }.to_owned(), values);
        field.extend(property.get("enumNames").map(|names| ("enumNames".to_owned(), names.clone())));
        return Some(field);
    }
    match kind(&property)? {
        "string" => {
            keep(&["minLength", "maxLength", "default"]);
            let format = property.get("format").and_then(Value::as_str);
            field.extend(
                format
                    .filter(|format| FORMATS.contains(format))
                    .map(|format| ("format".to_owned(), format.into())),
            );
        }
        "integer" | "number" => keep(&["minimum", "maximum", "default"]),
        "boolean" => keep(&["default"]),
        "array" => {
            let items = property.get("items").and_then(present)?;
            let (values, titled) = choices(&items)?;
            keep(&["minItems", "maxItems", "default"]);
            let mut choice = Map::new();
            if titled {
                choice.insert("anyOf".to_owned(), values);
            } else {
                choice.insert("type".to_owned(), "string".into());
                choice.insert("enum".to_owned(), values);
            }
            field.insert("items".to_owned(), choice.into());
        }
        _ => return None,
    }
    field.insert("type".to_owned(), kind(&property)?.into());
    Some(field)
}

/// A property without the `null` that an `Option` may also be.
fn present(property: &Value) -> Option<Map<String, Value>> {
    let object = property.as_object()?;
    let choice = object.get("anyOf").or_else(|| object.get("oneOf")).and_then(Value::as_array);
    let is_null = |shape: &Value| shape.get("type").is_some_and(|kind| kind == "null");
    match choice {
        Some(shapes) if shapes.iter().any(is_null) => {
            let mut rest = shapes.iter().filter(|shape| !is_null(shape));
            let (Some(Value::Object(shape)), None) = (rest.next(), rest.next()) else { return None };
            let mut shape = shape.clone();
            for name in ["title", "description", "default"] {
                shape.extend(object.get(name).map(|value| (name.to_owned(), value.clone())));
            }
            Some(shape)
        }
        _ => Some(object.clone()),
    }
}

fn kind(property: &Map<String, Value>) -> Option<&str> {
    match property.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

/// The values of an enum, and whether they have titles.
fn choices(property: &Map<String, Value>) -> Option<(Value, bool)> {
    if let Some(Value::Array(values)) = property.get("enum") {
        let values: Vec<_> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        return values.iter().all(Value::is_string).then_some((Value::Array(values), false));
    }
    let Some(Value::Array(shapes)) = property.get("oneOf").or_else(|| property.get("anyOf")) else {
        return None;
    };
    let (mut values, mut titled) = (Vec::new(), Vec::new());
    for shape in shapes {
        // schemars gathers the variants without documentation in one list.
        let listed = shape.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for value in shape.get("const").into_iter().chain(listed) {
            let text = value.as_str()?;
            let title = shape.get("title").or_else(|| shape.get("description")).and_then(Value::as_str);
            values.push(Value::from(text));
            titled.push((text, title));
        }
    }
    if values.is_empty() {
        return None;
    }
    if titled.iter().all(|(_, title)| title.is_none()) {
        return Some((Value::Array(values), false));
    }
    let titled = titled.into_iter().map(|(value, title)| {
        Value::Object(Map::from_iter([
            ("const".to_owned(), value.into()),
            ("title".to_owned(), title.unwrap_or(value).into()),
        ]))
    });
    Some((titled.collect(), true))
}

#[cfg(test)]
mod tests {
    #![allow(dead_code, reason = "the types stand for their schemas")]

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn form<T: JsonSchema>() -> Value {
        of::<T>().unwrap().0
    }

    #[test]
    fn a_struct_is_a_form_of_its_fields() {
        #[derive(Deserialize, JsonSchema)]
        struct Person {
            /// What to call you.
            #[schemars(length(min = 1, max = 50))]
            name: String,
            #[schemars(email)]
            mail: Option<String>,
            #[serde(default)]
            nick: Option<String>,
            #[schemars(range(min = 18))]
            #[serde(default = "thirty")]
            age: u8,
            #[serde(default)]
            news: bool,
            weight: f64,
        }
        fn thirty() -> u8 {
            30
        }
        assert_eq!(
            form::<Person>(),
            json!({
                "type": "object",
                "properties": {
                    "name": {"description": "What to call you.", "minLength": 1, "maxLength": 50, "type": "string"},
                    "mail": {"format": "email", "type": "string"},
                    "nick": {"type": "string"},
                    "age": {"minimum": 18, "maximum": 255, "default": 30, "type": "integer"},
                    "news": {"default": false, "type": "boolean"},
                    "weight": {"type": "number"},
                },
                "required": ["name", "weight"],
            })
        );
    }

    #[test]
    fn choices_have_titles_where_their_variants_have_words() {
        #[derive(Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        enum Plain {
            Red,
            Green,
        }
        #[derive(Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        enum Titled {
            /// Dark red
            Red,
            #[schemars(title = "Grass")]
            Green,
            Blue,
        }
        #[derive(Deserialize, JsonSchema)]
        struct Colors {
            one: Plain,
            titled: Titled,
            several: Vec<Plain>,
            #[schemars(length(min = 1, max = 2))]
            several_titled: Vec<Titled>,
            perhaps: Option<Titled>,
        }
        let titled = json!([
            {"const": "red", "title": "Dark red"},
            {"const": "green", "title": "Grass"},
            {"const": "blue", "title": "blue"},
        ]);
        let mut fields = form::<Colors>()["properties"].clone();
        assert_eq!(fields["one"], json!({"type": "string", "enum": ["red", "green"]}));
        assert_eq!(
            fields["several"],
            json!({"items": {"type": "string", "enum": ["red", "green"]}, "type": "array"})
        );
        let sorted = |list: &mut Value| {
            let mut list = list.as_array().unwrap().clone();
            list.sort_by_key(|choice| choice["const"].to_string());
            Value::from(list)
        };
        let expected = sorted(&mut titled.clone());
        assert_eq!(sorted(&mut fields["titled"]["oneOf"]), expected);
        assert_eq!(sorted(&mut fields["perhaps"]["oneOf"]), expected);
        assert_eq!(sorted(&mut fields["several_titled"]["items"]["anyOf"]), expected);
        assert_eq!(fields["several_titled"]["maxItems"], 2);
    }

    #[test]
    fn what_is_no_struct_is_a_form_of_one_value() {
        for (form, kind) in [(of::<bool>(), "boolean"), (of::<i64>(), "integer"), (of::<String>(), "string")]
        {
            let (form, wrapped) = form.unwrap();
            assert!(wrapped);
            assert_eq!(form["properties"]["value"]["type"], kind);
            assert_eq!(form["required"], json!(["value"]));
        }
        let answer = RawValue::from_string(r#"{"value": true}"#.to_owned()).unwrap();
        assert_eq!(read::<bool>(Some(&answer), None), Ok(true));
        assert!(matches!(read::<i64>(Some(&answer), None), Err(AskError::Invalid(_))));
        assert!(matches!(read::<bool>(None, None), Err(AskError::Invalid(_))));
    }

    #[test]
    fn a_form_that_is_not_flat_says_which_field_is_to_blame() {
        #[derive(Deserialize, JsonSchema)]
        struct Inner {
            street: String,
        }
        #[derive(Deserialize, JsonSchema)]
        struct Outer {
            address: Inner,
        }
        let AskError::Unavailable(why) = of::<Outer>().unwrap_err() else { panic!() };
        assert!(why.contains("`address`"), "{why}");
        assert!(of::<Vec<i64>>().is_err());
    }

    #[test]
    fn what_a_form_constrains_is_enforced_on_the_answer() {
        #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
        struct Age {
            #[schemars(range(min = 18, max = 99))]
            age: u8,
        }
        let answer = |age: u32| RawValue::from_string(format!("{{\"age\": {age}}}")).unwrap();
        assert_eq!(read::<Age>(Some(&answer(18)), None), Ok(Age { age: 18 }));
        for age in [17, 100, 300] {
            assert!(matches!(read::<Age>(Some(&answer(age)), None), Err(AskError::Invalid(_))), "{age}");
        }
    }
}
