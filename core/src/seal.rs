//! Seals what a server hands to a client and wants back unread and unchanged: states, sessions, handles.
//!
//! A token is `base64url(key id | salt | ciphertext)`. Each message has a key of its own, derived from the long-lived
//! key and a random salt (HKDF-SHA256), so no nonce is ever used twice under one key however many messages there are.
//! What a token is bound to (its purpose, the principal, the arguments, …) goes into the authentication as associated
//! data, so a token that is swapped, and one that is forged, fail alike and tell nothing. The cipher is
//! ChaCha20-Poly1305: WebAssembly has no AES instructions, and without them AES is either slow or not constant-time.

use std::fmt;

use ::base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, Digest, SHA256, digest},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};

use crate::platform::{Platform, Random, RandomError, Timestamp};

/// The setting with the keys that seal, separated by commas: each at least 32 bytes, as base64. The first one seals,
/// and all of them open, so a new key is put in front and the old one taken away once nothing sealed with it is alive.
///
/// `openssl rand -base64 32` makes one.
pub const SEAL_KEYS: &str = "EDGEMCP_SEAL_KEYS";

/// The fewest bytes a key may have.
pub const SEAL_KEY_BYTES_MIN: usize = 32;

/// The most keys [`SEAL_KEYS`] may list.
pub const SEAL_KEYS_MAX: usize = 8;

const KEY_ID_BYTES: usize = 4;
const SALT_BYTES: usize = 16;
/// The moment a token ends, in front of what it holds.
const END_BYTES: usize = 8;

/// Why nothing can be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealError {
    /// No key is configured.
    NoKey,
    /// What is configured is no key; the text says why, and nothing of the key.
    BadKey(String),
    /// The platform has no randomness.
    NoRandomness,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => write!(
                f,
                "no key to seal with is configured: set `{SEAL_KEYS}` to the output of `openssl rand -base64 32`, the \
                 same for all instances"
            ),
            Self::BadKey(why) => write!(f, "`{SEAL_KEYS}` {why}"),
            Self::NoRandomness => f.write_str("the platform gave no randomness to seal with"),
        }
    }
}

impl From<RandomError> for SealError {
    fn from(_: RandomError) -> Self {
        Self::NoRandomness
    }
}

/// The keys that seal and open.
pub(crate) struct Sealer(Vec<Key>);

struct Key {
    id: [u8; KEY_ID_BYTES],
    secret: Vec<u8>,
}

/// What a token is bound to: whoever opens it must name the same.
pub(crate) struct Binding(Context);

impl Binding {
    /// Bound to a purpose, so that no token passes for one of another kind.
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

impl Sealer {
    /// The keys that `platform` is configured with.
    ///
    /// # Errors
    /// [`SealError`] where there are none, or one is none.
    pub(crate) fn new(platform: &Platform) -> Result<Self, SealError> {
        Self::parse(&platform.var(SEAL_KEYS).ok_or(SealError::NoKey)?)
    }

    fn parse(setting: &str) -> Result<Self, SealError> {
        let alphabet = match setting.contains(['-', '_']) {
            true => URL_SAFE_ANY_PADDING,
            false => STANDARD_ANY_PADDING,
        };
        let parts: Vec<_> = setting.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.len() > SEAL_KEYS_MAX {
            return Err(SealError::BadKey(format!("lists {} keys, more than {SEAL_KEYS_MAX}", parts.len())));
        }
        let keys = parts.into_iter().zip(1..).map(|(part, number)| {
            let secret = alphabet
                .decode(part)
                .map_err(|_| SealError::BadKey(format!("has no base64 at place {number}")))?;
            if secret.len() < SEAL_KEY_BYTES_MIN {
                let bytes = secret.len();
                return Err(SealError::BadKey(format!(
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
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::NoKey);
        }
        Ok(Self(keys))
    }

    /// `content`, sealed under `binding` until `end`.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub(crate) fn seal(
        &self,
        random: &dyn Random,
        binding: Binding,
        end: Timestamp,
        content: &[u8],
    ) -> Result<String, SealError> {
        // `parse` makes no empty list.
        let key = self.0.first().ok_or(SealError::NoKey)?;
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt)?;
        let mut sealed = Vec::with_capacity(END_BYTES + content.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(&end.as_millis().to_be_bytes());
        sealed.extend_from_slice(content);
        message_key(&key.secret, &salt)
            .and_then(|key| {
                let (nonce, aad) =
                    (Nonce::assume_unique_for_key([0; NONCE_LEN]), Aad::from(binding.digest()));
                key.seal_in_place_append_tag(nonce, aad, &mut sealed).ok()
            })
            .ok_or(SealError::NoRandomness)?;
        let mut token = Vec::with_capacity(KEY_ID_BYTES + SALT_BYTES + sealed.len());
        token.extend_from_slice(&key.id);
        token.extend_from_slice(&salt);
        token.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// What was sealed into `token` under the same binding, and when it ends; `None` for anything else, and for what has
    /// ended at `now`. Why is not told.
    pub(crate) fn open(&self, binding: Binding, now: Timestamp, token: &str) -> Option<(Vec<u8>, Timestamp)> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, rest) = token.split_at_checked(KEY_ID_BYTES)?;
        let (salt, sealed) = rest.split_at_checked(SALT_BYTES)?;
        let binding = binding.digest();
        let content = self.0.iter().filter(|key| key.id == id).find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let opened =
                message_key(&key.secret, salt)?.open_in_place(nonce, Aad::from(&binding), &mut sealed);
            Some(opened.ok()?.to_vec())
        })?;
        let (end, content) = content.split_first_chunk::<END_BYTES>()?;
        let end = Timestamp::from_millis(u64::from_be_bytes(*end));
        (now < end).then(|| (content.to_vec(), end))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.0.len())
    }
}

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_ANY_PADDING: GeneralPurpose = GeneralPurpose::new(&::base64::alphabet::STANDARD, ANY_PADDING);
const URL_SAFE_ANY_PADDING: GeneralPurpose = GeneralPurpose::new(&::base64::alphabet::URL_SAFE, ANY_PADDING);

/// The key of one message. It seals nothing else, so its nonce can be all zeros.
fn message_key(secret: &[u8], salt: &[u8]) -> Option<LessSafeKey> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            CHACHA20_POLY1305.key_len()
        }
    }
    let mut bytes = [0; 32];
    let derived = Salt::new(HKDF_SHA256, salt).extract(secret);
    derived.expand(&[b"edgemcp seal 1"], Length).ok()?.fill(&mut bytes).ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
}

/// A digest that tells whether two texts are the same.
pub(crate) fn fingerprint(text: &[u8]) -> String {
    let digest = digest(&SHA256, text);
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}

/// An id that nobody guesses, as 32 hexadecimal digits.
///
/// # Errors
/// [`RandomError`] where the platform has no randomness.
pub(crate) fn random_id(random: &dyn Random) -> Result<String, RandomError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{Drawn, config};

    fn sealer(secrets: &[[u8; 32]]) -> Sealer {
        let keys: Vec<_> = secrets.iter().map(|secret| URL_SAFE_NO_PAD.encode(secret)).collect();
        Sealer::parse(&keys.join(",")).unwrap()
    }

    fn binding(purpose: &str, parts: &[Vec<u8>]) -> Binding {
        parts.iter().fold(Binding::to(purpose), |binding, part| binding.and(part))
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..64)
    }

    fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..4)
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_sealed_opens_to_the_same_until_its_end(
            content in bytes(), purpose: String, parts in parts(), secret: [u8; 32], drawn: u64, now: u32,
            ttl in 1..=u64::from(u32::MAX),
        ) {
            let (sealer, now) = (sealer(&[secret]), u64::from(now));
            let end = Timestamp::from_millis(now + ttl);
            let token = sealer.seal(&Drawn(drawn), binding(&purpose, &parts), end, &content).unwrap();
            for moment in [now, now + ttl / 2, now + ttl - 1] {
                let opened = sealer.open(binding(&purpose, &parts), Timestamp::from_millis(moment), &token);
                prop_assert_eq!(opened, Some((content.clone(), end)));
            }
            for moment in [now + ttl, now + ttl + 1, u64::MAX] {
                let opened = sealer.open(binding(&purpose, &parts), Timestamp::from_millis(moment), &token);
                prop_assert_eq!(opened, None);
            }
        }

        #[test]
        fn what_is_sealed_opens_under_no_other_binding(
            content in bytes(), purpose: String, one in parts(), other in parts(), cut in any::<prop::sample::Index>(),
        ) {
            let (sealer, end) = (sealer(&[[7; 32]]), Timestamp::from_millis(1));
            let token = sealer.seal(&Drawn(1), binding(&purpose, &one), end, &content).unwrap();
            let open = |binding| sealer.open(binding, Timestamp::from_millis(0), &token);
            if one != other {
                prop_assert_eq!(open(binding(&purpose, &other)), None);
            }
            // The same bytes in other parts are another binding.
            let whole = one.concat();
            let (first, second) = whole.split_at(cut.index(whole.len() + 1));
            let split = [first.to_vec(), second.to_vec()];
            if one != split {
                prop_assert_eq!(open(binding(&purpose, &split)), None);
            }
            prop_assert_eq!(open(binding(&format!("{purpose}x"), &one)), None);
        }

        #[test]
        fn what_was_changed_does_not_open(
            content in bytes(), place in any::<prop::sample::Index>(), to: char, flip in 1..=255_u8,
        ) {
            let (sealer, end) = (sealer(&[[7; 32]]), Timestamp::from_millis(1));
            let token = sealer.seal(&Drawn(1), Binding::to("p"), end, &content).unwrap();
            let open = |token: &str| sealer.open(Binding::to("p"), Timestamp::from_millis(0), token);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let index = place.index(bytes.len());
            bytes[index] ^= flip;
            prop_assert_eq!(open(&URL_SAFE_NO_PAD.encode(&bytes)), None);
            prop_assert_eq!(open(&URL_SAFE_NO_PAD.encode(&bytes[..index])), None);
            let (before, rest) = token.split_at(place.index(token.len()));
            let changed: String = before.chars().chain([to]).chain(rest.chars().skip(1)).collect();
            prop_assert_eq!(open(&changed).is_some(), changed == token);
            prop_assert_eq!(open(&format!("{token}{to}")), None);
            prop_assert_eq!(open(before), None);
        }

        #[test]
        fn keys_rotate(content in bytes(), secrets in prop::collection::hash_set(any::<[u8; 32]>(), 2..=SEAL_KEYS_MAX)) {
            let secrets: Vec<_> = secrets.into_iter().collect();
            let (end, now) = (Timestamp::from_millis(1), Timestamp::from_millis(0));
            let old = sealer(&secrets[1..]);
            let token = old.seal(&Drawn(1), Binding::to("p"), end, &content).unwrap();
            prop_assert_eq!(sealer(&secrets).open(Binding::to("p"), now, &token), Some((content, end)));
            prop_assert_eq!(sealer(&secrets[..1]).open(Binding::to("p"), now, &token), None);
        }

        #[test]
        fn no_text_is_a_token_and_no_setting_breaks_anything(text: String) {
            let sealer = sealer(&[[7; 32]]);
            prop_assert_eq!(sealer.open(Binding::to("p"), Timestamp::from_millis(0), &text), None);
            let _ = Sealer::parse(&text);
        }
    }
}
