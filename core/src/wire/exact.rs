//! JSON of which nothing of a number is lost: in one form, to compare it by, and as a value.
//!
//! A `Value` rounds integers of more than 64 bits, and serde_json reads a float to within one unit of its last place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Number, Value, value::RawValue};

/// `json` in the one form that all JSON has which says the same: no spaces, the members of each object by their names,
/// texts written alike. Numbers stay as they are written, so `1` and `1.0` are two. `None` where it is no JSON, or has a
/// text that is none.
pub(crate) fn canonical(json: &str) -> Option<String> {
    let mut text = String::with_capacity(json.len());
    write_canonical(json, &mut text)?;
    Some(text)
}

fn write_canonical(json: &str, text: &mut String) -> Option<()> {
    let json = json.trim();
    match json.as_bytes().first()? {
        b'{' => {
            let Ordered(mut members) = serde_json::from_str(json).ok()?;
            // Of members of one name the order is kept, since it may say which of them counts.
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            text.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_text(name, text)?;
                text.push(':');
                write_canonical(value.get(), text)?;
            }
            text.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_canonical(item.get(), text)?;
            }
            text.push(']');
        }
        b'"' => write_text(&serde_json::from_str::<String>(json).ok()?, text)?,
        _ => text.push_str(serde_json::from_str::<&RawValue>(json).ok()?.get()),
    }
    Some(())
}

fn write_text(what: &str, text: &mut String) -> Option<()> {
    text.push_str(&serde_json::to_string(what).ok()?);
    Some(())
}

/// The value that was written as `json`, with every float as it was. `None` where it is no JSON.
pub(crate) fn value(json: &str) -> Option<Value> {
    let json = json.trim();
    Some(match json.as_bytes().first()? {
        b'{' => Value::Object(object(json)?),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            Value::Array(items.iter().map(|item| value(item.get())).collect::<Option<_>>()?)
        }
        b'-' | b'0'..=b'9' if json.contains(['.', 'e', 'E']) => {
            Value::Number(Number::from_f64(json.parse().ok()?)?)
        }
        _ => serde_json::from_str(json).ok()?,
    })
}

/// The object that was written as `json`, as [`value`] reads it.
pub(crate) fn object(json: &str) -> Option<Map<String, Value>> {
    let Ordered(members) = serde_json::from_str(json).ok()?;
    members.into_iter().map(|(name, member)| Some((name, value(member.get())?))).collect()
}

/// The members of an object in their order, still as JSON.
struct Ordered<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Ordered<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Ordered<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_has_one_form_and_what_does_not_has_another() {
        let same = [
            r#"{"a":[1,{"x":null,"y":"ü"}],"b":1.50}"#,
            "{ \"b\" : 1.50,\n \"\\u0061\":[ 1 ,{\"y\":\"\\u00fc\",\"x\":null} ] }",
        ];
        let [one, other] = same.map(|json| canonical(json).unwrap());
        assert_eq!(one, other);
        assert_eq!(one, same[0]);
        let numbers = [
            "1",
            "1.0",
            "1e0",
            "12345678901234567890123",
            "12345678901234567890124",
            "0.1",
            "0.10000000000000000001",
            "\"1\"",
            "[1]",
            "null",
            "{}",
            "[]",
            "{\"a\":1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":2,\"a\":1}",
        ];
        let mut forms: Vec<_> = numbers.iter().map(|json| canonical(json).unwrap()).collect();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), numbers.len());
        for none in ["", "{", "nul", "{\"a\":tru}", "\"\\ud800\"", "1 2"] {
            assert_eq!(canonical(none), None, "{none}");
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, json};

    /// Any JSON, with any floats.
    pub(crate) fn with_floats() -> impl Strategy<Value = Value> {
        let float = proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO;
        (json(), prop::collection::vec(float, 0..4))
            .prop_map(|(value, floats)| serde_json::json!([value, floats]))
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_written_is_read_as_it_was_to_the_last_bit_of_a_float(value in with_floats(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let read = super::value(&text.unwrap()).unwrap();
            prop_assert_eq!(read.to_string(), value.to_string());
            prop_assert_eq!(read, value);
        }

        #[test]
        fn the_one_form_says_the_same_and_is_its_own(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let form = canonical(&text.unwrap()).unwrap();
            prop_assert_eq!(super::value(&form).unwrap(), value);
            prop_assert_eq!(canonical(&form).unwrap(), form);
        }

        #[test]
        fn no_bytes_are_a_panic(text: String) {
            let _ = (canonical(&text), super::value(&text), object(&text));
        }
    }
}
