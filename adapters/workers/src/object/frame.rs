//! Writes what a message is made of as bytes, and reads it: texts, ends, entries, conditions, and several of one kind.
//!
//! A number has eight bytes, the least first; what has no fixed length stands after its length.

use bytes::{Buf, BufMut, Bytes};
use edgemcp::{
    platform::Timestamp,
    store::{Condition, Entry},
};

/// How many of one kind a message has at most: items, entries, writes.
pub(super) const SEVERAL_MAX: usize = 1000;

pub(super) fn put(frame: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    frame.put_u64_le(bytes.len() as u64);
    frame.put_slice(bytes);
}

pub(super) fn put_end(frame: &mut Vec<u8>, end: Option<Timestamp>) {
    match end {
        None => frame.put_u8(0),
        Some(end) => {
            frame.put_u8(1);
            frame.put_u64_le(end.as_millis());
        }
    }
}

pub(super) fn put_entry(frame: &mut Vec<u8>, entry: &Entry) {
    put_end(frame, entry.expires_at);
    put(frame, &entry.value);
}

pub(super) fn put_entries(frame: &mut Vec<u8>, entries: &[(String, Entry)]) {
    frame.put_u64_le(entries.len() as u64);
    for (item, entry) in entries {
        put(frame, item);
        put_entry(frame, entry);
    }
}

pub(super) fn put_condition(frame: &mut Vec<u8>, condition: &Condition) {
    match condition {
        Condition::Absent => frame.put_u8(0),
        Condition::Equals(value) => {
            frame.put_u8(1);
            put(frame, value);
        }
    }
}

fn bytes(frame: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(frame.try_get_u64_le().ok()?).ok()?;
    (length <= frame.len()).then(|| frame.split_to(length))
}

pub(super) fn text(frame: &mut Bytes) -> Option<String> {
    String::from_utf8(bytes(frame)?.into()).ok()
}

pub(super) fn time(frame: &mut Bytes) -> Option<Timestamp> {
    frame.try_get_u64_le().ok().map(Timestamp::from_millis)
}

pub(super) fn end(frame: &mut Bytes) -> Option<Option<Timestamp>> {
    match frame.try_get_u8().ok()? {
        0 => Some(None),
        1 => time(frame).map(Some),
        _ => None,
    }
}

pub(super) fn entry(frame: &mut Bytes) -> Option<Entry> {
    let expires_at = end(frame)?;
    Some(Entry { value: bytes(frame)?, expires_at })
}

/// As many as the frame says there are; more than [`SEVERAL_MAX`] are none.
pub(super) fn several<T>(frame: &mut Bytes, one: impl Fn(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let count = frame.try_get_u64_le().ok()?;
    // What has a byte in the frame may have a hundred here.
    if count > SEVERAL_MAX as u64 {
        return None;
    }
    (0..count).map(|_| one(frame)).collect()
}

pub(super) fn named_entry(frame: &mut Bytes) -> Option<(String, Entry)> {
    Some((text(frame)?, entry(frame)?))
}

pub(super) fn condition(frame: &mut Bytes) -> Option<Condition> {
    match frame.try_get_u8().ok()? {
        0 => Some(Condition::Absent),
        1 => bytes(frame).map(Condition::Equals),
        _ => None,
    }
}
