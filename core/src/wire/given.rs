//! Reads an object of which some members are known in the same pass as what it is a part of.
//!
//! What is wrong with it does not stop that pass: it is told by whoever needs the object.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::params::{Meta, Text};
use crate::error::Error;

/// What was given as an object of which some members are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Given<T> {
    /// Nothing, or null.
    #[default]
    Nothing,
    Object(T),
    /// An object that has a known member twice.
    Twice,
    /// No object.
    Other,
}

impl<T> Given<T> {
    /// Takes whatever stands there.
    pub(super) fn take<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>
    where
        T: Known<'a> + 'a,
    {
        deserializer.deserialize_any(Giving(PhantomData))
    }

    /// The object, where one was given; `what` is its name for whoever gave something else.
    pub(super) fn read(self, what: &str) -> Result<Option<T>, Error> {
        match self {
            Self::Nothing => Ok(None),
            Self::Object(object) => Ok(Some(object)),
            Self::Twice => Err(Error::invalid_params(format!("`{what}` has a member twice"))),
            Self::Other => Err(Error::invalid_params(format!("`{what}` must be an object"))),
        }
    }
}

/// An object of which some members are known.
pub(super) trait Known<'a>: Default {
    /// Where the member `key` belongs, and a number below 32 that no other one has; `None` for one that is not known.
    fn place(&mut self, key: &str) -> Option<(u32, Place<'_, 'a>)>;
}

/// Where a member belongs.
pub(super) enum Place<'p, 'a> {
    /// One that is null is not there.
    Json(&'p mut Option<&'a RawValue>),
    JsonOrNull(&'p mut Option<&'a RawValue>),
    Meta(&'p mut Given<Meta<'a>>),
}

struct Giving<'a, T>(PhantomData<&'a T>);

impl<'de: 'a, 'a, T: Known<'a>> Visitor<'de> for Giving<'a, T> {
    type Value = Given<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<T>, A::Error> {
        let (mut object, mut seen, mut twice) = (T::default(), 0_u32, false);
        while let Some(Text(key)) = map.next_key()? {
            let Some((number, place)) = object.place(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            twice |= seen & (1 << number) != 0;
            seen |= 1 << number;
            match place {
                Place::Json(place) => *place = map.next_value()?,
                Place::JsonOrNull(place) => *place = Some(map.next_value()?),
                Place::Meta(place) => *place = map.next_value()?,
            }
        }
        Ok(if twice { Given::Twice } else { Given::Object(object) })
    }

    fn visit_unit<E>(self) -> Result<Given<T>, E> {
        Ok(Given::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }
}
