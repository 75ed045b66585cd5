//! Keys that are rotated: reads them from a setting, seals with the first one, and opens with all of them.
//!
//! What is sealed is `key id | salt | ciphertext`. Each message has a key of its own, derived from the long-lived key and
//! a random salt (HKDF-SHA256), so no nonce is ever used twice under one key however many messages there are. The cipher
//! is ChaCha20-Poly1305: WebAssembly has no AES instructions, and without them AES is either slow or not constant-time.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ::base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, Digest, SHA256},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::Zeroizing;

use crate::platform::{Random, RandomError};

/// The fewest bytes a key may have.
pub const SEAL_KEY_BYTES_MIN: usize = 32;

/// The most keys a setting such as [`SEAL_KEYS`](crate::SEAL_KEYS) may list.
pub const SEAL_KEYS_MAX: usize = 8;

const KEY_ID_BYTES: usize = 4;
const SALT_BYTES: usize = 16;

/// How much longer what is sealed is than what was.
pub(crate) const SEALED_BYTES_MORE: usize = KEY_ID_BYTES + SALT_BYTES + MAX_TAG_LEN;

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysError {
    /// None is configured.
    NoKey,
    /// What is configured is no key; the text says why, and nothing of the key.
    BadKey(String),
}

/// The keys that seal and open; there is one at least.
pub(crate) struct KeyRing {
    first: Key,
    rest: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID_BYTES],
    secret: Zeroizing<Vec<u8>>,
}

/// The keys of a setting that was read before, since reading them takes as long as opening what they have sealed. They
/// are those of the setting's text, so that one that has changed is read anew.
#[derive(Default)]
pub(crate) struct KeptKeys(Mutex<Option<(Zeroizing<String>, Arc<KeyRing>)>>);

impl KeptKeys {
    /// The keys in `setting`.
    ///
    /// # Errors
    /// As [`KeyRing::parse`].
    pub(crate) fn of(&self, setting: Zeroizing<String>) -> Result<Arc<KeyRing>, KeysError> {
        // Nothing leaves it half-written.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, keys)) = &*kept
            && *known == setting
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(KeyRing::parse(&setting)?);
        *kept = Some((setting, Arc::clone(&keys)));
        Ok(keys)
    }
}

/// What something sealed is bound to: whoever opens it must name the same.
pub(crate) struct Binding(Context);

impl Binding {
    /// Bound to a purpose, so that nothing passes for something of another kind.
    pub(crate) fn to(purpose: &str) -> Self {
        Self(Context::new(&SHA256)).and(purpose.as_bytes())
    }

    /// Bound to this part too. Parts are told apart by their lengths.
    pub(crate) fn and(mut self, part: &[u8]) -> Self {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// What it comes to, for a key of a store and the like.
    pub(crate) fn digest(self) -> Digest {
        self.0.finish()
    }
}

/// What was opened.
pub(crate) struct Opened {
    /// What had been sealed.
    pub(crate) content: Vec<u8>,
    /// Whether the key that seals now had sealed it.
    pub(crate) by_first: bool,
}

impl KeyRing {
    /// The keys in a setting, each as base64, separated by commas.
    ///
    /// # Errors
    /// [`KeysError`] where there are none, or one is none.
    pub(crate) fn parse(setting: &str) -> Result<Self, KeysError> {
        let mut keys = listed(setting)?.into_iter().zip(1..).map(|(part, number)| {
            let alphabet = match part.contains(['-', '_']) {
                true => URL_SAFE_ANY_PADDING,
                false => STANDARD_ANY_PADDING,
            };
            let secret = alphabet
                .decode(part)
                .map(Zeroizing::new)
                .map_err(|_| KeysError::BadKey(format!("has no base64 at place {number}")))?;
            if secret.len() < SEAL_KEY_BYTES_MIN {
                let bytes = secret.len();
                return Err(KeysError::BadKey(format!(
                    "has a key of {bytes} bytes at place {number}; {SEAL_KEY_BYTES_MIN} are the fewest"
                )));
            }
            let mut id = [0; KEY_ID_BYTES];
            // The id tells which key to take; it is derived, so that it tells nothing of the key.
            id.iter_mut()
                .zip(Binding::to("edgemcp key id").and(&secret).digest().as_ref())
                .for_each(|(to, from)| *to = *from);
            Ok(Key { id, secret })
        });
        let first = keys.next().ok_or(KeysError::NoKey)??;
        Ok(Self { first, rest: keys.collect::<Result<_, _>>()? })
    }

    /// The parts of `content`, one after the other, sealed under `binding`, with `head` in front, which is neither sealed
    /// nor protected. `purpose` tells apart the keys that are derived for messages of one kind and of another.
    ///
    /// # Errors
    /// [`RandomError`].
    pub(crate) fn seal(
        &self,
        random: &dyn Random,
        purpose: &[u8],
        binding: Binding,
        head: &[u8],
        content: &[&[u8]],
    ) -> Result<Vec<u8>, RandomError> {
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt)?;
        let bytes = content.iter().map(|part| part.len()).sum::<usize>();
        let mut sealed = Vec::with_capacity(head.len() + bytes + SEALED_BYTES_MORE);
        sealed.extend_from_slice(head);
        sealed.extend_from_slice(&self.first.id);
        sealed.extend_from_slice(&salt);
        let clear = sealed.len();
        content.iter().for_each(|part| sealed.extend_from_slice(part));
        // ring refuses only what is longer than 256 GiB, which no memory here holds.
        let key = message_key(&self.first.secret, &salt, purpose).ok_or(RandomError)?;
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let (_, message) = sealed.split_at_mut_checked(clear).ok_or(RandomError)?;
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(binding.digest()), message)
            .map_err(|_| RandomError)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed for the same purpose under the same binding; `None` for anything else. Why is not told.
    pub(crate) fn open(&self, purpose: &[u8], binding: Binding, sealed: &[u8]) -> Option<Opened> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_BYTES)?;
        let (salt, message) = rest.split_at_checked(SALT_BYTES)?;
        let binding = binding.digest();
        let keys = std::iter::once((&self.first, true)).chain(self.rest.iter().map(|key| (key, false)));
        keys.filter(|(key, _)| key.id == id).find_map(|(key, by_first)| {
            let mut message = message.to_vec();
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let key = message_key(&key.secret, salt, purpose)?;
            let bytes = key.open_in_place(nonce, Aad::from(&binding), &mut message).ok()?.len();
            message.truncate(bytes);
            Some(Opened { content: message, by_first })
        })
    }

    fn keys(&self) -> usize {
        1 + self.rest.len()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys())
    }
}

/// The keys that a setting lists, as text.
///
/// # Errors
/// [`KeysError::BadKey`] where there are more than [`SEAL_KEYS_MAX`].
pub(crate) fn listed(setting: &str) -> Result<Vec<&str>, KeysError> {
    let parts: Vec<_> = setting.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.len() > SEAL_KEYS_MAX {
        true => Err(KeysError::BadKey(format!("lists {} keys, more than {SEAL_KEYS_MAX}", parts.len()))),
        false => Ok(parts),
    }
}

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_ANY_PADDING: GeneralPurpose = GeneralPurpose::new(&::base64::alphabet::STANDARD, ANY_PADDING);
/// URL-safe base64 with its padding or without, as people write it.
pub(crate) const URL_SAFE_ANY_PADDING: GeneralPurpose =
    GeneralPurpose::new(&::base64::alphabet::URL_SAFE, ANY_PADDING);

/// The key of one message. It seals nothing else, so its nonce can be all zeros.
fn message_key(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Option<LessSafeKey> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            CHACHA20_POLY1305.key_len()
        }
    }
    let mut bytes = [0; 32];
    let derived = Salt::new(HKDF_SHA256, salt).extract(secret);
    derived.expand(&[purpose], Length).ok()?.fill(&mut bytes).ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
}
