//! Seals every value, so that nobody reads or changes it in the store.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    Unreadable,
    cipher::Cipher,
    coded::{Coded, Form, Value},
    forward::forward,
};
use crate::{
    platform::{Clock, Log, Random},
    store::{Key, Store},
};

/// A store whose values are sealed: whoever reads the table, the file or a backup of it has nothing of them, and what
/// they change there is noticed.
///
/// The cipher is [`StoreKeys`](super::StoreKeys), which binds each value to its entry, or `Fernet` (feature `fernet`),
/// which Python reads. Keys, ends and the lengths of values are not hidden: put no secret into a key, or hash it.
///
/// # What each operation costs
/// Every sealed form of a value is another one, so the store below cannot compare values, nor count.
/// [`put_if`](Store::put_if) with [`Equals`](crate::store::Condition::Equals) is therefore a read, and a compare-and-set of
/// the form that was read; a [`transact`](Store::transact) with such conditions reads them first, all at once. Of several
/// callers exactly one wins all the same. [`increment`](Store::increment) is a read and a compare-and-set, and loses
/// nothing; on a store that is not atomic it is a read and a write, and can lose a count, as everywhere on such a store.
/// Where others come between [each time](super::COMPARE_ATTEMPTS_MAX) the operation is
/// [`Throttled`](crate::store::StoreErrorKind::Throttled), and nothing has happened. A counter that many write to at once
/// does not belong in here.
///
/// # What cannot be opened
/// It is an error, unless [`unreadable`](Self::unreadable) says otherwise. [`take`](Store::take) then puts it back.
///
/// # Rotating keys
/// Put the new key in front, on all instances: it seals from then on, and the others still open. The old one can go once
/// what it sealed has ended, or [`rewriting`](Self::rewriting) has been on for as long as entries are not read.
/// Instances that do not have the new key yet cannot open what it sealed, so first append it on all, then move it.
///
/// ```
/// # use std::sync::Arc;
/// # use edgemcp::{platform::Platform, store::{Store, wrap::{Encrypted, StoreKeys}}};
/// # fn example(platform: &Platform) -> Result<Arc<dyn Store>, Box<dyn std::error::Error>> {
/// let keys = StoreKeys::new(platform)?;
/// let (clock, random) = (platform.clock().clone(), platform.random_source().clone());
/// Ok(Arc::new(Encrypted::new(platform.store().clone(), keys, clock, random).log(platform.log_sink().clone())))
/// # }
/// ```
pub struct Encrypted(Coded<Sealed>);

struct Sealed {
    cipher: Box<dyn Cipher>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Encrypted {
    /// The values of `store`, sealed with `cipher`.
    pub fn new(
        store: Arc<dyn Store>,
        cipher: impl Cipher + 'static,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let form = Sealed { cipher: Box::new(cipher), clock: clock.clone(), random: random.clone() };
        let unreadable = Unreadable::default();
        Self(Coded { below: store, form, clock, random, log: None, unreadable, rewrites: false })
    }

    /// Where to say that an entry could not be opened, or not be sealed anew.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.0.log = Some(log);
        self
    }

    /// What becomes of an entry that cannot be opened; reading it is an error unless this says otherwise.
    #[must_use]
    pub fn unreadable(mut self, unreadable: Unreadable) -> Self {
        self.0.unreadable = unreadable;
        self
    }

    /// Seals anew what [`get`](Store::get) and [`get_many`](Store::get_many) find sealed with another key than the first
    /// one, by a compare-and-set, so that it never goes over what somebody has written meanwhile; the entry ends when it
    /// would have. On a store that is not atomic nothing is sealed anew.
    #[must_use]
    pub fn rewriting(mut self) -> Self {
        self.0.rewrites = true;
        self
    }
}

impl Form for Sealed {
    const COUNTS: bool = false;

    fn value_bytes_max(&self, below: Option<usize>) -> Option<usize> {
        below.map(|below| self.cipher.value_bytes_max(below))
    }

    fn write(&self, key: &Key, value: &Bytes) -> Result<Bytes, &'static str> {
        let sealed = self.cipher.seal(key, value, self.clock.now(), &*self.random);
        sealed.map(Bytes::from).map_err(|_| "the platform gave no randomness to encrypt with")
    }

    fn read(&self, key: &Key, form: &Bytes) -> Option<Value> {
        let opened = self.cipher.open(key, form)?;
        Some(Value { value: opened.value.into(), is_current: opened.is_current })
    }
}

impl Store for Encrypted {
    forward! { 0: capabilities get put delete take put_if increment list get_many put_many transact watch }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("store", &self.0.below.capabilities())
            .field("unreadable", &self.0.unreadable)
            .field("rewrites", &self.0.rewrites)
            .finish_non_exhaustive()
    }
}
