//! Stores long values in fewer bytes.

use std::{fmt, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};

use super::{
    Unreadable,
    coded::{Coded, Form, Value},
    forward::forward,
};
use crate::{
    platform::{Clock, Log, Random},
    store::{Key, Store},
};

/// How long a value must be to be compressed, in bytes, unless it is said otherwise.
pub const COMPRESSED_FROM_BYTES: usize = 1024;

/// The longest that a value may be before it is compressed, in bytes, unless it is said otherwise. What would become
/// longer when it is read is refused without becoming so.
pub const INFLATED_BYTES_MAX: usize = 16 << 20;

/// No counter is longer than this, so counters stay as they are and the store below can count.
const FROM_BYTES_MIN: usize = 64;

/// What a value begins with that is not stored as it is. No UTF-8 begins so, and no other format that we know of.
const MARK: [u8; 4] = [0xff, 0xfe, b'e', b'c'];
/// After the mark: the value is the rest as it is. For values that themselves begin with the mark.
const AS_IT_IS: u8 = 0;
/// After the mark: the rest is the value, compressed.
const DEFLATED: u8 = 1;

/// What DEFLATE's authors have for the default.
const LEVEL: u8 = 6;

/// A store that compresses long values (DEFLATE), where that makes them shorter.
///
/// Short values, and those that do not become shorter, are stored as they are, and such values are read as they are: a
/// store that has been in use without can be wrapped. Put it outside of [`Encrypted`](super::Encrypted), since what is
/// sealed has nothing left to compress. But then lengths tell of contents: where somebody can write parts of a value that
/// also has a secret in it, and can see how long it becomes, do not compress it.
///
/// The store below cannot compare what is compressed, so [`put_if`](Store::put_if) and [`transact`](Store::transact) with
/// [`Equals`](crate::store::Condition::Equals) read first, as they do in [`Encrypted`](super::Encrypted).
///
/// # Limits
/// A value that is long only before it is compressed is refused all the same:
/// [`value_bytes_max`](crate::store::Capabilities::value_bytes_max) is what every value fits, five bytes less than that of
/// the store below and [`INFLATED_BYTES_MAX`] at the most.
///
/// # Source
/// RFC 1951.
///
/// ```
/// # use edgemcp::{platform::Platform, store::wrap::Compressed};
/// # fn example(platform: &Platform) -> Compressed {
/// let (clock, random) = (platform.clock().clone(), platform.random_source().clone());
/// Compressed::new(platform.store().clone(), clock, random).from_bytes(4096)
/// # }
/// ```
pub struct Compressed(Coded<Deflate>);

struct Deflate {
    from_bytes: usize,
    inflated_bytes_max: usize,
}

impl Compressed {
    /// The values of `store`, compressed where they are long. The clock and the randomness are for waiting where several
    /// callers compare at once.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let form = Deflate { from_bytes: COMPRESSED_FROM_BYTES, inflated_bytes_max: INFLATED_BYTES_MAX };
        let unreadable = Unreadable::default();
        Self(Coded { below: store, form, clock, random, log: None, unreadable, rewrites: false })
    }

    /// How long a value must be to be compressed; 64 bytes at the least.
    #[must_use]
    pub fn from_bytes(mut self, bytes: usize) -> Self {
        self.0.form.from_bytes = bytes.max(FROM_BYTES_MIN);
        self
    }

    /// The longest that a value may be; [`INFLATED_BYTES_MAX`] unless it is said otherwise.
    #[must_use]
    pub fn inflated_bytes_max(mut self, bytes: usize) -> Self {
        self.0.form.inflated_bytes_max = bytes;
        self
    }

    /// Where to say that an entry could not be read.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.0.log = Some(log);
        self
    }

    /// What becomes of an entry that cannot be read; reading it is an error unless this says otherwise.
    #[must_use]
    pub fn unreadable(mut self, unreadable: Unreadable) -> Self {
        self.0.unreadable = unreadable;
        self
    }
}

fn marked(kind: u8, rest: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(MARK.len() + 1 + rest.len());
    bytes.put_slice(&MARK);
    bytes.put_u8(kind);
    bytes.put_slice(rest);
    bytes.freeze()
}

impl Form for Deflate {
    const COUNTS: bool = true;

    fn value_bytes_max(&self, below: Option<usize>) -> Option<usize> {
        let below = below.map(|below| below.saturating_sub(MARK.len() + 1));
        Some(below.map_or(self.inflated_bytes_max, |below| below.min(self.inflated_bytes_max)))
    }

    fn write(&self, _: &Key, value: &Bytes) -> Result<Bytes, &'static str> {
        if value.len() >= self.from_bytes {
            let deflated = compress_to_vec(value, LEVEL);
            if deflated.len() + MARK.len() < value.len() {
                return Ok(marked(DEFLATED, &deflated));
            }
        }
        Ok(if value.starts_with(&MARK) { marked(AS_IT_IS, value) } else { value.clone() })
    }

    fn read(&self, _: &Key, form: &Bytes) -> Option<Value> {
        let current = |value| Some(Value { value, is_current: true });
        let Some(rest) = form.strip_prefix(&MARK) else { return current(form.clone()) };
        let (kind, rest) = rest.split_first()?;
        match *kind {
            AS_IT_IS => current(form.slice_ref(rest)),
            DEFLATED => current(decompress_to_vec_with_limit(rest, self.inflated_bytes_max).ok()?.into()),
            _ => None,
        }
    }
}

impl Store for Compressed {
    forward! { 0: capabilities get put delete take put_if increment list get_many put_many transact watch }
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed")
            .field("store", &self.0.below.capabilities())
            .field("from_bytes", &self.0.form.from_bytes)
            .field("inflated_bytes_max", &self.0.form.inflated_bytes_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    fn key() -> Key {
        Key::new("c", "i", "n").unwrap()
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_written_is_read(
            piece in prop::collection::vec(any::<u8>(), 0..80), times in 1..50_usize, is_marked: bool, from in 0..200_usize,
        ) {
            let mut value = if is_marked { MARK.to_vec() } else { vec![] };
            value.extend(piece.repeat(times));
            let value = Bytes::from(value);
            let deflate = Deflate { from_bytes: from, inflated_bytes_max: value.len() };
            let form = deflate.write(&key(), &value).unwrap();
            prop_assert!(form.len() <= value.len() + MARK.len() + 1);
            prop_assert_eq!(deflate.read(&key(), &form).unwrap().value, &value);
            // With a limit below its length it is refused, and with another threshold it is read all the same.
            let other = Deflate { from_bytes: usize::MAX, inflated_bytes_max: value.len().saturating_sub(1) };
            let read = other.read(&key(), &form).map(|read| read.value);
            let is_deflated = form.starts_with(&[&MARK[..], &[DEFLATED]].concat());
            prop_assert_eq!(read.is_some(), !is_deflated);
        }

        #[test]
        fn no_bytes_break_anything(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..4_u8) {
            let deflate = Deflate { from_bytes: 64, inflated_bytes_max: 1 << 16 };
            if !bytes.starts_with(&MARK) {
                prop_assert_eq!(deflate.read(&key(), &bytes.clone().into()).unwrap().value, &bytes);
            }
            if let Some(read) = deflate.read(&key(), &marked(kind, &bytes)) {
                prop_assert!(read.value.len() <= 1 << 16);
            }
        }
    }
}
