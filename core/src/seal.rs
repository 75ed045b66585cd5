//! Seals what a server hands to a client and wants back unread and unchanged: states, sessions, handles.
//!
//! A token is `base64url(key id | salt | ciphertext)`, which the [key ring](crate::keyring) makes. What a token is bound
//! to (its purpose, the principal, the arguments, …) goes into the authentication as associated data, so a token that is
//! swapped, and one that is forged, fail alike and tell nothing.

use std::{fmt, sync::Arc};

use ::base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

pub(crate) use crate::keyring::Binding;
use crate::{
    keyring::{KeyRing, KeysError},
    platform::{Platform, Random, RandomError, Timestamp},
};

/// The setting with the keys that seal, separated by commas: each at least 32 bytes, as base64. The first one seals,
/// and all of them open, so a new key is put in front and the old one taken away once nothing sealed with it is alive.
///
/// `openssl rand -base64 32` makes one.
pub const SEAL_KEYS: &str = "EDGEMCP_SEAL_KEYS";

/// The purpose of the keys that are derived here.
const PURPOSE: &[u8] = b"edgemcp seal 1";
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

impl From<KeysError> for SealError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::NoKey => Self::NoKey,
            KeysError::BadKey(why) => Self::BadKey(why),
        }
    }
}

/// The keys that seal and open.
#[derive(Debug)]
pub(crate) struct Sealer(Arc<KeyRing>);

impl Sealer {
    /// The keys that `platform` is configured with.
    ///
    /// # Errors
    /// [`SealError`] where there are none, or one is none.
    pub(crate) fn new(platform: &Platform) -> Result<Self, SealError> {
        let setting = platform.var(SEAL_KEYS).ok_or(SealError::NoKey)?;
        Ok(Self(platform.seal_keys().of(setting.into())?))
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
        let end = end.as_millis().to_be_bytes();
        Ok(URL_SAFE_NO_PAD.encode(self.0.seal(random, PURPOSE, binding, &[], &[&end, content])?))
    }

    /// What was sealed into `token` under the same binding, and when it ends; `None` for anything else, and for what has
    /// ended at `now`. Why is not told.
    pub(crate) fn open(&self, binding: Binding, now: Timestamp, token: &str) -> Option<(Vec<u8>, Timestamp)> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let content = self.0.open(PURPOSE, binding, &token)?.content;
        let (end, content) = content.split_first_chunk::<END_BYTES>()?;
        let end = Timestamp::from_millis(u64::from_be_bytes(*end));
        (now < end).then(|| (content.to_vec(), end))
    }
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
    Ok(hexadecimal(&bytes))
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    text
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        keyring::SEAL_KEYS_MAX,
        properties::{Drawn, config},
    };

    fn sealer(secrets: &[[u8; 32]]) -> Sealer {
        let keys: Vec<_> = secrets.iter().map(|secret| URL_SAFE_NO_PAD.encode(secret)).collect();
        parse(&keys.join(",")).unwrap()
    }

    fn parse(setting: &str) -> Result<Sealer, KeysError> {
        Ok(Sealer(KeyRing::parse(setting)?.into()))
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
        fn bytes_are_written_in_two_digits_each(bytes in bytes()) {
            prop_assert_eq!(hexadecimal(&bytes), bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }

        #[test]
        fn no_text_is_a_token_and_no_setting_breaks_anything(text: String) {
            let sealer = sealer(&[[7; 32]]);
            prop_assert_eq!(sealer.open(Binding::to("p"), Timestamp::from_millis(0), &text), None);
            let _ = parse(&text);
        }
    }
}
