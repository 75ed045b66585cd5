//! How an entry is written as a DynamoDB item, and read from one.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Entry, Key, StoreError, StoreErrorKind},
};

/// An item of DynamoDB: its attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The largest item that DynamoDB takes, in bytes, names and key included.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What an item has beside its value: three key parts at their longest, the names, two numbers.
const ITEM_OVERHEAD_BYTES_MAX: usize = 512;

/// The largest value of an entry, in bytes.
pub const VALUE_BYTES_MAX: usize = ITEM_BYTES_MAX - ITEM_OVERHEAD_BYTES_MAX;

pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";
pub(super) const VALUE: &str = "v";
pub(super) const COUNT: &str = "n";
pub(super) const EXPIRES_MS: &str = "expires_ms";
pub(super) const TTL: &str = "ttl";

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn key(key: &Key) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), AttributeValue::S(key.partition().to_string())),
        (SORT.to_owned(), AttributeValue::S(key.item().to_owned())),
    ])
}

/// The whole item of an entry.
pub(super) fn attributes(of: &Key, entry: &Entry) -> Item {
    let mut item = key(of);
    let (name, value) = encode(&entry.value);
    item.insert(name.to_owned(), value);
    if let Some(end) = entry.expires_at {
        item.insert(EXPIRES_MS.to_owned(), number(end.as_millis()));
        item.insert(TTL.to_owned(), number(end.as_secs_ceil()));
    }
    item
}

/// The attribute that holds a value, and the value in it. One value has one form, so that two can be compared.
pub(super) fn encode(value: &Bytes) -> (&'static str, AttributeValue) {
    match count(value).filter(|count| count.to_string().as_bytes() == value) {
        Some(count) => (COUNT, number(count)),
        None => (VALUE, AttributeValue::B(Blob::new(value.as_ref()))),
    }
}

/// The number that a value is, where it is one.
pub(super) fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The entry that an item holds, ended or not.
pub(super) fn decode(operation: &'static str, item: &Item) -> Result<Entry, StoreError> {
    let value = match (item.get(VALUE), item.get(COUNT)) {
        (Some(AttributeValue::B(value)), None) => Bytes::copy_from_slice(value.as_ref()),
        // DynamoDB's numbers reach further than a counter does.
        (None, Some(AttributeValue::N(number))) if number.parse::<i64>().is_ok() => number.clone().into(),
        _ => return Err(corrupt(operation, "neither a binary `v` nor a whole number `n`")),
    };
    let expires_at = match item.get(EXPIRES_MS) {
        None => None,
        Some(AttributeValue::N(ms)) => match ms.parse() {
            Ok(ms) => Some(Timestamp::from_millis(ms)),
            Err(_) => return Err(corrupt(operation, "an `expires_ms` that is no moment")),
        },
        Some(_) => return Err(corrupt(operation, "an `expires_ms` that is no number")),
    };
    Ok(Entry { value, expires_at })
}

/// The item's name in its partition.
pub(super) fn sort_key(operation: &'static str, item: &Item) -> Result<String, StoreError> {
    match item.get(SORT) {
        Some(AttributeValue::S(name)) => Ok(name.clone()),
        _ => Err(corrupt(operation, "no text in `sk`")),
    }
}

fn corrupt(operation: &'static str, what: &str) -> StoreError {
    let detail = format!("an item of the table has {what}: something else wrote it");
    StoreError::new(StoreErrorKind::Corrupt, operation, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &'static str) -> Entry {
        Entry { value: Bytes::from_static(value.as_bytes()), expires_at: None }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let key = Key::new("c", "i", "x").unwrap();
        for value in
            ["", "text", "7", "-7", "0", "-0", "+7", "07", "9223372036854775807", "9223372036854775808"]
        {
            assert_eq!(decode("get", &attributes(&key, &entry(value))).unwrap(), entry(value), "{value:?}");
        }
        let ending = Entry { expires_at: Some(Timestamp::from_millis(1_001)), ..entry("text") };
        assert_eq!(decode("get", &attributes(&key, &ending)).unwrap(), ending);
    }

    #[test]
    fn the_ttl_attribute_never_ends_before_the_entry() {
        let ending = Entry { expires_at: Some(Timestamp::from_millis(1_001)), ..entry("text") };
        let item = attributes(&Key::new("c", "i", "x").unwrap(), &ending);
        assert_eq!(item[EXPIRES_MS], number(1_001));
        assert_eq!(item[TTL], number(2));
    }

    #[test]
    fn an_item_of_someone_else_is_corrupt() {
        let both = HashMap::from([
            (VALUE.to_owned(), AttributeValue::B(Blob::new("x"))),
            (COUNT.to_owned(), number(1)),
        ]);
        let odd_number = HashMap::from([(COUNT.to_owned(), number("1.5"))]);
        let odd_end = HashMap::from([(COUNT.to_owned(), number(1)), (EXPIRES_MS.to_owned(), number(-1))]);
        for item in [HashMap::new(), both, odd_number, odd_end] {
            assert_eq!(decode("get", &item).unwrap_err().kind(), StoreErrorKind::Corrupt, "{item:?}");
        }
    }
}
