//! How an entry is written as a DynamoDB item, and read from one.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Key, StoreError, StoreErrorKind},
};

use super::config::SPLIT_VALUE_BYTES_MAX;

/// An item of DynamoDB: its attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The largest item that DynamoDB takes, in bytes, names and key included.
pub(super) const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What an item has beside its value: four key parts at their longest, the names, three numbers.
pub(super) const ITEM_OVERHEAD_BYTES_MAX: usize = 512;

/// The largest value that fits one item, in bytes. A larger one is split.
pub const ITEM_VALUE_BYTES_MAX: usize = ITEM_BYTES_MAX - ITEM_OVERHEAD_BYTES_MAX;

pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";
pub(super) const VALUE: &str = "v";
pub(super) const COUNT: &str = "n";
pub(super) const EXPIRES_MS: &str = "expires_ms";
pub(super) const TTL: &str = "ttl";
pub(super) const LARGE_ID: &str = "large_id";
pub(super) const LARGE_PARTS: &str = "large_parts";
pub(super) const LARGE_BYTES: &str = "large_bytes";
pub(super) const LARGE_SHA256: &str = "large_sha256";
pub(super) const WRITTEN_MS: &str = "written_ms";

/// An entry as its own item holds it, ended or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) held: Held,
    pub(super) expires_at: Option<Timestamp>,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// In the item.
    Here(Bytes),
    /// In items of its own.
    Apart(Parts),
}

/// The parts of a value that is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// What no two writes have in common, so that the parts of two are never mixed.
    pub(super) id: String,
    pub(super) count: u32,
    /// The length of the whole value.
    pub(super) bytes: usize,
    /// The digest of the whole value.
    pub(super) sha256: [u8; 32],
}

impl Head {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The parts that are left over once the entry is overwritten or deleted.
    pub(super) fn into_parts(self) -> Option<Parts> {
        match self.held {
            Held::Here(_) => None,
            Held::Apart(parts) => Some(parts),
        }
    }

    /// How long the value is.
    pub(super) fn value_bytes(&self) -> usize {
        match &self.held {
            Held::Here(value) => value.len(),
            Held::Apart(parts) => parts.bytes,
        }
    }

    /// Whether this is the value, wherever it is.
    pub(super) fn equals(&self, value: &[u8]) -> bool {
        match &self.held {
            Held::Here(held) => held == value,
            Held::Apart(parts) => parts.bytes == value.len() && parts.sha256 == sha256(value),
        }
    }
}

pub(super) fn sha256(value: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, value).as_ref());
    digest
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn binary(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(super) fn key(key: &Key) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(key.partition().to_string())),
        (SORT.to_owned(), text(key.item())),
    ])
}

/// The whole item of an entry.
pub(super) fn attributes(of: &Key, held: &Held, expires_at: Option<Timestamp>) -> Item {
    let mut item = key(of);
    match held {
        Held::Here(value) => {
            let (name, value) = encode(value);
            item.insert(name.to_owned(), value);
        }
        Held::Apart(parts) => {
            item.insert(LARGE_ID.to_owned(), text(&parts.id));
            item.insert(LARGE_PARTS.to_owned(), number(parts.count));
            item.insert(LARGE_BYTES.to_owned(), number(parts.bytes));
            item.insert(LARGE_SHA256.to_owned(), binary(&parts.sha256));
        }
    }
    if let Some(end) = expires_at {
        item.insert(EXPIRES_MS.to_owned(), number(end.as_millis()));
        item.insert(TTL.to_owned(), number(end.as_secs_ceil()));
    }
    item
}

/// The attribute that holds a value, and the value in it. One value has one form, so that two can be compared.
pub(super) fn encode(value: &Bytes) -> (&'static str, AttributeValue) {
    match counter(value) {
        Some(count) => (COUNT, number(count)),
        None => (VALUE, binary(value)),
    }
}

/// The number whose own digits a value is.
pub(super) fn counter(value: &[u8]) -> Option<i64> {
    count(value).filter(|count| count.to_string().as_bytes() == value)
}

/// The number that a value is, where it is one.
pub(super) fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The entry that an item holds, ended or not.
pub(super) fn decode(operation: &'static str, item: &Item) -> Result<Head, StoreError> {
    let held = match (item.get(VALUE), item.get(COUNT), item.get(LARGE_ID)) {
        (Some(AttributeValue::B(value)), None, None) => Held::Here(Bytes::copy_from_slice(value.as_ref())),
        // DynamoDB's numbers reach further than a counter does.
        (None, Some(AttributeValue::N(number)), None) if number.parse::<i64>().is_ok() => {
            Held::Here(number.clone().into())
        }
        (None, None, Some(AttributeValue::S(id))) => match parts(id, item) {
            Some(parts) => Held::Apart(parts),
            None => {
                return Err(corrupt(operation, item, "a `large_id` without a count, a length and a digest"));
            }
        },
        _ => return Err(corrupt(operation, item, "neither a binary `v`, nor a whole number `n`, nor parts")),
    };
    let expires_at = match item.get(EXPIRES_MS) {
        None => None,
        Some(AttributeValue::N(ms)) => match ms.parse() {
            Ok(ms) => Some(Timestamp::from_millis(ms)),
            Err(_) => return Err(corrupt(operation, item, "an `expires_ms` that is no moment")),
        },
        Some(_) => return Err(corrupt(operation, item, "an `expires_ms` that is no number")),
    };
    Ok(Head { held, expires_at })
}

fn parts(id: &str, item: &Item) -> Option<Parts> {
    let (AttributeValue::N(count), AttributeValue::N(bytes), AttributeValue::B(sha256)) =
        (item.get(LARGE_PARTS)?, item.get(LARGE_BYTES)?, item.get(LARGE_SHA256)?)
    else {
        return None;
    };
    let sha256 = sha256.as_ref().try_into().ok()?;
    let (count, bytes) = (count.parse().ok()?, bytes.parse().ok()?);
    // No part is empty, and nothing is made as large as somebody else says.
    let is_possible =
        bytes <= SPLIT_VALUE_BYTES_MAX && usize::try_from(count).is_ok_and(|count| count <= bytes);
    is_possible.then(|| Parts { id: id.to_owned(), count, bytes, sha256 })
}

/// The item's name in its partition.
pub(super) fn sort_key(operation: &'static str, item: &Item) -> Result<String, StoreError> {
    match item.get(SORT) {
        Some(AttributeValue::S(name)) => Ok(name.clone()),
        _ => Err(corrupt(operation, item, "no text in `sk`")),
    }
}

/// The error of an item that is not as this store writes it.
pub(super) fn corrupt(operation: &'static str, item: &Item, what: &str) -> StoreError {
    let part = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        _ => "?",
    };
    let detail = format!(
        "the item {}/{} of the table has {what}: something else wrote it",
        part(PARTITION),
        part(SORT)
    );
    StoreError::new(StoreErrorKind::Corrupt, operation, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn here(value: &'static str) -> Held {
        Held::Here(Bytes::from_static(value.as_bytes()))
    }

    fn of(held: &Held, expires_at: Option<Timestamp>) -> Item {
        attributes(&Key::new("c", "i", "x").unwrap(), held, expires_at)
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let parts = Parts { id: ID.to_owned(), count: 11, bytes: 4 << 20, sha256: sha256(b"value") };
        let values =
            ["", "text", "7", "-7", "0", "-0", "+7", "07", "9223372036854775807", "9223372036854775808"];
        for held in values.into_iter().map(here).chain([Held::Apart(parts)]) {
            for expires_at in [None, Some(Timestamp::from_millis(1_001))] {
                let head = Head { held: held.clone(), expires_at };
                assert_eq!(decode("get", &of(&held, expires_at)).unwrap(), head);
            }
        }
    }

    #[test]
    fn the_ttl_attribute_never_ends_before_the_entry() {
        let item = of(&here("text"), Some(Timestamp::from_millis(1_001)));
        assert_eq!(item[EXPIRES_MS], number(1_001));
        assert_eq!(item[TTL], number(2));
    }

    #[test]
    fn a_value_that_is_apart_is_compared_by_its_length_and_digest() {
        let parts = |bytes, sha256| Head {
            held: Held::Apart(Parts { id: ID.to_owned(), count: 2, bytes, sha256 }),
            expires_at: None,
        };
        assert!(parts(5, sha256(b"value")).equals(b"value"));
        assert!(!parts(5, sha256(b"value")).equals(b"valuf"));
        assert!(!parts(6, sha256(b"value")).equals(b"value"));
    }

    #[test]
    fn an_item_of_someone_else_is_corrupt_and_named() {
        let with = |changes: &[(&str, Option<AttributeValue>)], held: &Held| {
            let mut item = of(held, None);
            for (name, value) in changes {
                match value {
                    Some(value) => item.insert((*name).to_owned(), value.clone()),
                    None => item.remove(*name),
                };
            }
            item
        };
        let apart = Held::Apart(Parts { id: ID.to_owned(), count: 2, bytes: 5, sha256: sha256(b"value") });
        let damaged = [
            with(&[(VALUE, None)], &here("x")),
            with(&[(VALUE, Some(text("x")))], &here("x")),
            with(&[(VALUE, Some(AttributeValue::Null(true)))], &here("x")),
            with(&[(COUNT, Some(number(1)))], &here("x")),
            with(&[(COUNT, Some(number("1.5")))], &here("1")),
            with(&[(COUNT, Some(number("1e30")))], &here("1")),
            with(&[(EXPIRES_MS, Some(number(-1)))], &here("x")),
            with(&[(EXPIRES_MS, Some(text("1")))], &here("x")),
            with(&[(VALUE, Some(binary(b"x")))], &apart),
            with(&[(LARGE_ID, Some(number(1)))], &apart),
            with(&[(LARGE_PARTS, None)], &apart),
            with(&[(LARGE_PARTS, Some(number("1.5")))], &apart),
            with(&[(LARGE_PARTS, Some(number(6)))], &apart),
            with(&[(LARGE_BYTES, Some(number(-5)))], &apart),
            with(&[(LARGE_BYTES, Some(number(SPLIT_VALUE_BYTES_MAX + 1)))], &apart),
            with(&[(LARGE_BYTES, Some(text("5")))], &apart),
            with(&[(LARGE_SHA256, Some(binary(&[0; 31])))], &apart),
        ];
        for item in damaged {
            let error = decode("get", &item).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{item:?}");
            assert!(error.to_string().contains("c/i/x"), "{error}");
        }
        assert_eq!(decode("get", &Item::new()).unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
}
