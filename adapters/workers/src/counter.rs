//! Reads a counter: it is an entry whose value is the decimal digits of an `i64`.

/// The count; `None` where the value is no counter.
pub(crate) fn count(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
