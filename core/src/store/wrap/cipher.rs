//! How values are sealed for a store: the trait, and the cipher of the house, which binds each to its key.

use std::{fmt, sync::Arc};

use crate::{
    keyring::{Binding, KeyRing, KeysError, SEALED_BYTES_MORE},
    platform::{Platform, Random, RandomError, Timestamp},
    store::Key,
};

/// The setting with the keys that [`Encrypted`](super::Encrypted) stores use, separated by commas: each at least 32
/// bytes, as base64. The first one seals, and all of them open, so a new key is put in front and the old one taken away
/// once nothing sealed with it is left.
///
/// `openssl rand -base64 32` makes one; a Fernet key is one too.
pub const STORE_KEYS: &str = "EDGEMCP_STORE_KEYS";

/// Seals the values of an [`Encrypted`](super::Encrypted) store.
pub trait Cipher: Send + Sync {
    /// `value`, sealed for the entry `key` at `now`, with randomness for it.
    ///
    /// # Errors
    /// [`RandomError`] where there is no randomness.
    fn seal(
        &self,
        key: &Key,
        value: &[u8],
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RandomError>;

    /// What was sealed for the entry `key`; `None` for anything else.
    fn open(&self, key: &Key, sealed: &[u8]) -> Option<Unsealed>;

    /// The largest value that is sealed in `sealed_bytes_max` bytes at the most.
    fn value_bytes_max(&self, sealed_bytes_max: usize) -> usize;
}

/// One cipher for many stores, such as the one that a lifespan has made ready for those of every request.
impl<C: Cipher + ?Sized> Cipher for Arc<C> {
    fn seal(
        &self,
        key: &Key,
        value: &[u8],
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RandomError> {
        (**self).seal(key, value, now, random)
    }

    fn open(&self, key: &Key, sealed: &[u8]) -> Option<Unsealed> {
        (**self).open(key, sealed)
    }

    fn value_bytes_max(&self, sealed_bytes_max: usize) -> usize {
        (**self).value_bytes_max(sealed_bytes_max)
    }
}

/// What a [`Cipher`] has opened.
pub struct Unsealed {
    /// What had been sealed.
    pub value: Vec<u8>,
    /// Whether it is sealed as it would be now, with the first of the keys.
    pub is_current: bool,
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed")
            .field("value_bytes", &self.value.len())
            .field("is_current", &self.is_current)
            .finish()
    }
}

/// Why there are no keys for a store. Its text has nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKeysError(pub(super) String);

impl StoreKeysError {
    /// What is said of `error`, where `maker` makes a key.
    pub(super) fn new(error: KeysError, maker: &str) -> Self {
        Self(match error {
            KeysError::NoKey => format!(
                "no key to encrypt a store with is configured: set `{STORE_KEYS}` to the output of {maker}, the same \
                 for all instances"
            ),
            KeysError::BadKey(why) => format!("`{STORE_KEYS}` {why} ({maker} makes one)"),
        })
    }
}

impl fmt::Display for StoreKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreKeysError {}

/// Keys for a store whose values are bound to their entries: ChaCha20-Poly1305, with a key for each value, derived by
/// HKDF-SHA256 from a random salt of 16 bytes, and the entry's whole key as associated data.
///
/// A value that was copied to another entry does not open there, so that who can write to the store cannot give one
/// user's value to another. An older value of the same entry opens, though: nobody can see from a value alone that it was
/// replaced. The nonce can never repeat for a key, however many values there are, which is what XChaCha20 would be for;
/// and it needs no AES instructions, which WebAssembly lacks.
///
/// # Limits
/// A value is 37 bytes longer in the store below. At most eight keys
/// ([`SEAL_KEYS_MAX`](crate::limits::SEAL_KEYS_MAX)).
///
/// # Source
/// RFC 8439 (ChaCha20-Poly1305), RFC 5869 (HKDF).
///
/// ```
/// # use edgemcp::store::wrap::StoreKeys;
/// assert!(StoreKeys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").is_ok());
/// let error = StoreKeys::parse("dG9vIHNob3J0").unwrap_err();
/// assert!(error.to_string().starts_with(
///     "`EDGEMCP_STORE_KEYS` has a key of 9 bytes at place 1; 32 are the fewest"
/// ));
/// ```
#[derive(Debug)]
pub struct StoreKeys(KeyRing);

const MAKER: &str = "`openssl rand -base64 32`";

/// What every value begins with that was sealed here, so that another format can be told apart.
const FORMAT: u8 = 1;
const PURPOSE: &[u8] = b"edgemcp store 1";

impl StoreKeys {
    /// The keys that `platform` is configured with, in [`STORE_KEYS`].
    ///
    /// # Errors
    /// [`StoreKeysError`] where there are none, or one is none.
    pub fn new(platform: &Platform) -> Result<Self, StoreKeysError> {
        Self::parse(&platform.var(STORE_KEYS).unwrap_or_default())
    }

    /// The keys in `setting`, as [`STORE_KEYS`] has them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn parse(setting: &str) -> Result<Self, StoreKeysError> {
        KeyRing::parse(setting).map(Self).map_err(|error| StoreKeysError::new(error, MAKER))
    }
}

/// A value is bound to all of its entry's key.
fn binding(key: &Key) -> Binding {
    Binding::to("store entry").and(key.to_string().as_bytes())
}

impl Cipher for StoreKeys {
    fn seal(
        &self,
        key: &Key,
        value: &[u8],
        _: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RandomError> {
        self.0.seal(random, PURPOSE, binding(key), &[FORMAT], &[value])
    }

    fn open(&self, key: &Key, sealed: &[u8]) -> Option<Unsealed> {
        let (format, sealed) = sealed.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let opened = self.0.open(PURPOSE, binding(key), sealed)?;
        Some(Unsealed { value: opened.content, is_current: opened.by_first })
    }

    fn value_bytes_max(&self, sealed_bytes_max: usize) -> usize {
        sealed_bytes_max.saturating_sub(1 + SEALED_BYTES_MORE)
    }
}
