//! Walks JSON beside compiled constraints, keeping nothing of it but the first violation.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Constraints, Node};
use crate::arguments::{self, ArgumentError};

/// Where a walk is.
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(super) fn error(&self, what: &str) -> ArgumentError {
        arguments::at(&self.to_string(), what)
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
pub(super) struct Walk<'a> {
    pub(super) constraints: &'a Constraints,
    pub(super) node: usize,
    pub(super) path: &'a Path<'a>,
    pub(super) violation: &'a mut Option<ArgumentError>,
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
