//! Writes an entry as one string in Redis, and reads it back.

use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Entry, Surveyed},
};

/// What every entry begins with: a mark by which a string that something else wrote is noticed, and a version.
///
/// Then come the end in milliseconds since 1970, where there is one, a colon, and the value: `e1:1800000000000:tea`,
/// `e1::tea`. The scripts read and write the same.
const MARK: &str = "e1:";

/// The longest head: the mark, an end of 20 digits, and a colon.
pub(crate) const HEAD_BYTES_MAX: usize = MARK.len() + 21;

/// What an entry begins with that ends at `end`.
pub(crate) fn head(end: Option<Timestamp>) -> String {
    match end {
        Some(end) => format!("{MARK}{}:", end.as_millis()),
        None => format!("{MARK}:"),
    }
}

/// The entry that `raw` is; `None` where this store did not write it.
pub(crate) fn read(raw: Vec<u8>) -> Option<Entry> {
    let (expires_at, head_bytes) = read_head(&raw)?;
    Some(Entry { value: Bytes::from(raw).slice(head_bytes..), expires_at })
}

/// The end of an entry that begins with `raw`, and how long its head is.
fn read_head(raw: &[u8]) -> Option<(Option<Timestamp>, usize)> {
    let rest = raw.strip_prefix(MARK.as_bytes())?;
    let digits = rest.iter().position(|byte| *byte == b':')?;
    let end = rest.get(..digits)?;
    let head_bytes = MARK.len() + digits + 1;
    if end.is_empty() {
        return Some((None, head_bytes));
    }
    // A sign would be read as a number too.
    let is_number = end.iter().all(u8::is_ascii_digit);
    let end = std::str::from_utf8(end).ok().filter(|_| is_number)?.parse().ok()?;
    Some((Some(Timestamp::from_millis(end)), head_bytes))
}

/// What a survey tells of an entry that is `bytes` long in all and begins with `start`.
pub(crate) fn surveyed(key: edgemcp::store::Key, start: &[u8], bytes: usize) -> Option<Surveyed> {
    let (expires_at, head_bytes) = read_head(start)?;
    Some(Surveyed { key, value_bytes: bytes.checked_sub(head_bytes)?, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for end in [None, Some(0), Some(1_800_000_000_123), Some(u64::MAX)] {
            let end = end.map(Timestamp::from_millis);
            for value in [&b""[..], b":", b"e1:", b"\0\xff", b"1"] {
                let raw = [head(end).as_bytes(), value].concat();
                assert!(head(end).len() <= HEAD_BYTES_MAX);
                assert_eq!(read(raw), Some(Entry { value: Bytes::copy_from_slice(value), expires_at: end }));
            }
        }
    }

    #[test]
    fn what_this_store_did_not_write_is_no_entry() {
        for foreign in ["", "tea", "e1", "e1:", "e1:12", "e1:+1:x", "e1:-1:x", "e1: 1:x", "e2::x", "e1:1e3:x"]
        {
            assert_eq!(read(foreign.into()), None, "{foreign:?}");
        }
        assert_eq!(read(b"e1:99999999999999999999:x".into()), None);
    }
}
