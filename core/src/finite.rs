//! Writes a value as JSON, refusing the floats that JSON cannot carry.
//!
//! serde_json writes NaN and the infinities as `null`, which a client would take for a missing value. A walk that
//! keeps nothing looks for them first and says where they stand.

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::value::RawValue;

/// `value` as JSON text, on one line.
///
/// # Errors
/// A sentence for the log: where a float is not finite, or what `Serialize` refused.
pub(crate) fn to_raw_json<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, String> {
    value.serialize(Finite).map_err(|error| format!("the result is no JSON: {error}"))?;
    let json =
        serde_json::value::to_raw_value(value).map_err(|error| format!("the result is no JSON: {error}"))?;
    if !json.get().contains(['\n', '\r']) {
        return Ok(json);
    }
    // JSON that a value holds as text may have line ends, which are spaces to JSON and the end of a message to a stream
    // of events and to stdio.
    RawValue::from_string(json.get().replace(['\n', '\r'], " "))
        .map_err(|error| format!("the result is no JSON: {error}"))
}

/// Walks a value and keeps nothing.
#[derive(Clone, Copy)]
struct Finite;

/// What is wrong, and the path to it, innermost first.
#[derive(Debug)]
struct NotJson {
    what: String,
    path: Vec<String>,
}

impl NotJson {
    fn at(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.path.is_empty() {
            return Ok(());
        }
        f.write_str(" at ")?;
        for (index, step) in self.path.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(step)?;
        }
        Ok(())
    }
}

impl std::error::Error for NotJson {}

impl serde::ser::Error for NotJson {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { what: what.to_string(), path: Vec::new() }
    }
}

macro_rules! fine {
    ($($serialize:ident($($type:ty),*);)*) => {
        $(fn $serialize(self, $(_: $type),*) -> Result<(), NotJson> { Ok(()) })*
    };
}

impl Serializer for Finite {
    type Ok = ();
    type Error = NotJson;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Elements;
    type SerializeStruct = Elements;
    type SerializeStructVariant = Elements;

    fine! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<(), NotJson> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), NotJson> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(NotJson::custom(format_args!("{value} is no JSON number"))),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotJson> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotJson> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotJson> {
        value.serialize(self).map_err(|error| error.at(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Elements, NotJson> {
        Ok(Elements::default())
    }
}

/// The parts of a sequence, map or struct, counted so that an error can say which.
#[derive(Default)]
struct Elements(usize);

impl Elements {
    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
        let index = self.0;
        self.0 += 1;
        value.serialize(Finite).map_err(|error| error.at(index.to_string()))
    }
}

macro_rules! elements {
    ($($trait:ident $next:ident;)*) => {
        $(impl $trait for Elements {
            type Ok = ();
            type Error = NotJson;

            fn $next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
                self.next(value)
            }

            fn end(self) -> Result<(), NotJson> {
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($trait:ident)*) => {
        $(impl $trait for Elements {
            type Ok = ();
            type Error = NotJson;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), NotJson> {
                value.serialize(Finite).map_err(|error| error.at(name))
            }

            fn end(self) -> Result<(), NotJson> {
                Ok(())
            }
        })*
    };
}

fields!(SerializeStruct SerializeStructVariant);

impl SerializeMap for Elements {
    type Ok = ();
    type Error = NotJson;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), NotJson> {
        // A key that is no string is refused when the text is written.
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
        self.next(value)
    }

    fn end(self) -> Result<(), NotJson> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Reading {
        values: Vec<f64>,
    }

    #[test]
    fn a_float_that_json_cannot_carry_is_named_with_its_place() {
        for (float, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
            let error = to_raw_json(&Reading { values: vec![0.5, float] }).unwrap_err();
            assert_eq!(error, format!("the result is no JSON: {shown} is no JSON number at values.1"));
        }
        assert!(to_raw_json(&f32::NAN).is_err());
        assert_eq!(to_raw_json(&Reading { values: vec![0.5] }).unwrap().get(), r#"{"values":[0.5]}"#);
    }

    #[test]
    fn json_that_a_value_holds_as_text_keeps_to_one_line() {
        let held = RawValue::from_string("[1,\r\n 2,\"a\\nb\"]".to_owned()).unwrap();
        assert_eq!(to_raw_json(&held).unwrap().get(), "[1,   2,\"a\\nb\"]");
    }
}
