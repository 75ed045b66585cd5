//! Fernet tokens, as Python's `cryptography` makes and opens them.

use std::{fmt, num::NonZeroU32, time::Duration};

use ::base64::{Engine, engine::general_purpose::URL_SAFE};
use aes::{
    Aes128,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};
use ring::{hmac, pbkdf2};

use super::cipher::{Cipher, STORE_KEYS, StoreKeysError, Unsealed};
use crate::{
    keyring::{KeysError, URL_SAFE_ANY_PADDING, listed},
    platform::{Platform, Random, RandomError, Timestamp},
    store::Key,
};

/// How far in the future a token may have been made for [`Fernet::open_within`], since clocks differ.
pub const FERNET_CLOCK_SKEW: Duration = Duration::from_secs(60);

const VERSION: u8 = 0x80;
const HALF_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const HEAD_BYTES: usize = 1 + TIME_BYTES + BLOCK_BYTES;
const TAG_BYTES: usize = 32;

/// py-key-value's `KDF_ITERATIONS`.
const ROUNDS: NonZeroU32 = NonZeroU32::new(1_200_000).unwrap();

/// Keys that make and open Fernet tokens (AES-128-CBC and HMAC-SHA256), the same as Python's
/// `cryptography.fernet.Fernet` and `MultiFernet`: the first one makes, and all of them open.
///
/// As a [`Cipher`] of an [`Encrypted`](super::Encrypted) store it is for data that Python reads or has written. A token is
/// bound to no entry, so whoever can write to the store can copy one user's value to another;
/// [`StoreKeys`](super::StoreKeys) notice that, and their values are shorter.
///
/// # Limits
/// A token is a third longer than the value, and some 100 bytes more. At most eight keys
/// ([`SEAL_KEYS_MAX`](crate::limits::SEAL_KEYS_MAX)).
///
/// # Source
/// The [Fernet specification](https://github.com/fernet/spec/blob/master/Spec.md), version 0x80.
///
/// ```
/// # use edgemcp::{platform::{Platform, RandomError}, store::wrap::Fernet};
/// # fn example(platform: &Platform) -> Result<(), Box<dyn std::error::Error>> {
/// let key = Fernet::generate_key(platform.random())?;
/// let fernet = Fernet::parse(&key)?;
/// let token = fernet.seal(b"tea", platform.now(), platform.random())?;
/// assert!(token.starts_with("gAAAA"));
/// assert_eq!(fernet.open(&token)?, b"tea");
/// # Ok(()) }
/// ```
pub struct Fernet {
    first: Pair,
    rest: Vec<Pair>,
}

/// The two keys that a Fernet key is.
struct Pair {
    signing: hmac::Key,
    encryption: [u8; HALF_BYTES],
}

/// What is no token of these keys: damaged, made with another key, too old, or something else. Which is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FernetError;

impl fmt::Display for FernetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no Fernet token of these keys, or it is too old")
    }
}

impl std::error::Error for FernetError {}

/// A token that was opened.
struct Opened {
    content: Vec<u8>,
    made_s: u64,
    by_first: bool,
}

const MAKER: &str =
    "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`";

impl Fernet {
    /// The keys that `platform` is configured with, in [`STORE_KEYS`].
    ///
    /// # Errors
    /// [`StoreKeysError`] where there are none, or one is no Fernet key.
    pub fn new(platform: &Platform) -> Result<Self, StoreKeysError> {
        Self::parse(&platform.var(STORE_KEYS).unwrap_or_default())
    }

    /// The keys in `setting`, separated by commas: each 32 bytes as URL-safe base64, which is Python's format.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn parse(setting: &str) -> Result<Self, StoreKeysError> {
        Self::read(setting).map_err(|error| StoreKeysError::new(error, MAKER))
    }

    fn read(setting: &str) -> Result<Self, KeysError> {
        let mut pairs = listed(setting)?.into_iter().zip(1..).map(|(part, number)| {
            let bytes = URL_SAFE_ANY_PADDING.decode(part).ok();
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.map(|bytes| Pair::new(&bytes)).ok_or_else(|| {
                KeysError::BadKey(format!(
                    "has no Fernet key (32 bytes as URL-safe base64) at place {number}"
                ))
            })
        });
        let first = pairs.next().ok_or(KeysError::NoKey)??;
        Ok(Self { first, rest: pairs.collect::<Result<_, _>>()? })
    }

    /// The key that py-key-value's `FernetEncryptionWrapper` derives from `source_material` and `salt`: PBKDF2-HMAC-SHA256
    /// with 1 200 000 rounds. That is about a second of work, so do it once; it is for reading what was written so.
    ///
    /// # Errors
    /// [`StoreKeysError`] where one of them is blank, which py-key-value refuses too.
    pub fn derive(source_material: &str, salt: &str) -> Result<Self, StoreKeysError> {
        if source_material.trim().is_empty() || salt.trim().is_empty() {
            let why = "no key can be derived: the source material or the salt is blank";
            return Err(StoreKeysError(why.to_owned()));
        }
        let mut bytes = [0; 2 * HALF_BYTES];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            salt.as_bytes(),
            source_material.as_bytes(),
            &mut bytes,
        );
        Ok(Self { first: Pair::new(&bytes), rest: Vec::new() })
    }

    /// A new key, as Python's `Fernet.generate_key` makes it. Keep it as a secret is kept.
    ///
    /// # Errors
    /// [`RandomError`] where there is no randomness.
    pub fn generate_key(random: &dyn Random) -> Result<String, RandomError> {
        let mut bytes = [0; 2 * HALF_BYTES];
        random.fill(&mut bytes)?;
        Ok(URL_SAFE.encode(bytes))
    }

    /// A token with `content` in it, made at `now`: Python's `Fernet.encrypt`.
    ///
    /// # Errors
    /// [`RandomError`] where there is no randomness.
    pub fn seal(&self, content: &[u8], now: Timestamp, random: &dyn Random) -> Result<String, RandomError> {
        let mut iv = [0; BLOCK_BYTES];
        random.fill(&mut iv)?;
        Ok(self.seal_with(content, now, iv))
    }

    fn seal_with(&self, content: &[u8], now: Timestamp, iv: [u8; BLOCK_BYTES]) -> String {
        let mut token = vec![VERSION];
        token.extend_from_slice(&(now.as_millis() / 1000).to_be_bytes());
        token.extend_from_slice(&iv);
        let cipher = cbc::Encryptor::<Aes128>::new(&self.first.encryption.into(), &iv.into());
        token.extend_from_slice(&cipher.encrypt_padded_vec::<Pkcs7>(content));
        let tag = hmac::sign(&self.first.signing, &token);
        token.extend_from_slice(tag.as_ref());
        URL_SAFE.encode(token)
    }

    /// What is in `token`, however old it is: Python's `Fernet.decrypt`.
    ///
    /// # Errors
    /// [`FernetError`].
    pub fn open(&self, token: &str) -> Result<Vec<u8>, FernetError> {
        self.opened(token.as_bytes()).map(|opened| opened.content).ok_or(FernetError)
    }

    /// What is in `token`, unless it was made more than `ttl` ago, or in the future by more than [`FERNET_CLOCK_SKEW`]:
    /// Python's `Fernet.decrypt_at_time`. A token has whole seconds.
    ///
    /// # Errors
    /// [`FernetError`].
    pub fn open_within(&self, token: &str, ttl: Duration, now: Timestamp) -> Result<Vec<u8>, FernetError> {
        let opened = self.opened(token.as_bytes()).ok_or(FernetError)?;
        let now_s = now.as_millis() / 1000;
        let is_too_old = opened.made_s.saturating_add(ttl.as_secs()) < now_s;
        let is_of_the_future = now_s.saturating_add(FERNET_CLOCK_SKEW.as_secs()) < opened.made_s;
        if is_too_old || is_of_the_future { Err(FernetError) } else { Ok(opened.content) }
    }

    fn opened(&self, token: &[u8]) -> Option<Opened> {
        let token = URL_SAFE.decode(token).ok()?;
        let signed = token.len().checked_sub(TAG_BYTES)?;
        let (signed, tag) = token.split_at_checked(signed)?;
        let (head, message) = signed.split_at_checked(HEAD_BYTES)?;
        let (version, head) = head.split_first()?;
        let (made, iv) = head.split_first_chunk::<TIME_BYTES>()?;
        if *version != VERSION {
            return None;
        }
        let pairs = std::iter::once((&self.first, true)).chain(self.rest.iter().map(|pair| (pair, false)));
        // The tag is compared in constant time, and nothing is decrypted before it is right.
        let (pair, by_first) =
            pairs.into_iter().find(|(pair, _)| hmac::verify(&pair.signing, signed, tag).is_ok())?;
        let cipher = cbc::Decryptor::<Aes128>::new_from_slices(&pair.encryption, iv).ok()?;
        let content = cipher.decrypt_padded_vec::<Pkcs7>(message).ok()?;
        Some(Opened { content, made_s: u64::from_be_bytes(*made), by_first })
    }
}

impl Pair {
    fn new(bytes: &[u8; 2 * HALF_BYTES]) -> Self {
        let (signing, rest) = bytes.split_at(HALF_BYTES);
        let mut encryption = [0; HALF_BYTES];
        encryption.copy_from_slice(rest);
        Self { signing: hmac::Key::new(hmac::HMAC_SHA256, signing), encryption }
    }
}

/// Tokens are stored as text, as Python has them.
impl Cipher for Fernet {
    fn seal(
        &self,
        _: &Key,
        value: &[u8],
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RandomError> {
        Self::seal(self, value, now, random).map(String::into_bytes)
    }

    fn open(&self, _: &Key, sealed: &[u8]) -> Option<Unsealed> {
        let opened = self.opened(sealed)?;
        Some(Unsealed { value: opened.content, is_current: opened.by_first })
    }

    fn value_bytes_max(&self, sealed_bytes_max: usize) -> usize {
        let token = sealed_bytes_max / 4 * 3;
        let message = token.saturating_sub(HEAD_BYTES + TAG_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
        // One byte at least is padding.
        message.saturating_sub(1)
    }
}

/// Nothing of the keys.
impl fmt::Debug for Fernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fernet({} keys)", 1 + self.rest.len())
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{Drawn, config};

    fn fernet(keys: &[[u8; 32]]) -> Fernet {
        let keys: Vec<_> = keys.iter().map(|key| URL_SAFE.encode(key)).collect();
        Fernet::parse(&keys.join(",")).unwrap()
    }

    /// The keys, moments and tokens of the specification's `generate.json` and `verify.json`.
    #[test]
    fn the_tokens_of_the_specification_are_made_and_opened() {
        let fernet = Fernet::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        let made = Timestamp::from_millis(499_162_800_000);
        let iv = std::array::from_fn(|n| n as u8);
        assert_eq!(fernet.seal_with(b"hello", made, iv), token);
        assert_eq!(fernet.open(token).as_deref(), Ok(&b"hello"[..]));
        let (ttl, now) = (Duration::from_secs(60), Timestamp::from_millis(499_162_801_000));
        assert_eq!(fernet.open_within(token, ttl, now).as_deref(), Ok(&b"hello"[..]));
    }

    /// Those of its `invalid.json`, each with what is wrong with it.
    #[test]
    fn what_the_specification_refuses_is_refused() {
        let fernet = Fernet::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        let (ttl, now) = (Duration::from_secs(60), Timestamp::from_millis(499_162_801_000));
        for (wrong, token) in [
            (
                "incorrect mac",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
            ),
            ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=="),
            (
                "invalid base64",
                "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            ),
            (
                "payload size not multiple of block size",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
            ),
            (
                "payload padding error",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
            ),
            (
                "far-future TS (unacceptable clock skew)",
                "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
            ),
            (
                "expired TTL",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            ),
            (
                "incorrect IV (causes padding error)",
                "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
            ),
        ] {
            let now = match wrong {
                "expired TTL" => now.after(ttl * 2),
                _ => now,
            };
            assert_eq!(fernet.open_within(token, ttl, now), Err(FernetError), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_good_for_its_time_to_the_second_and_a_minute_before() {
        let (fernet, made) = (fernet(&[[7; 32]]), Timestamp::from_millis(1_000_000_999));
        let token = fernet.seal(b"x", made, &Drawn(1)).unwrap();
        let ttl = Duration::from_secs(10);
        for (now_s, is_good) in [(1_000_010, true), (1_000_011, false), (999_940, true), (999_939, false)] {
            let now = Timestamp::from_millis(now_s * 1000);
            assert_eq!(fernet.open_within(&token, ttl, now).is_ok(), is_good, "{now_s}");
        }
    }

    #[test]
    fn a_setting_without_a_key_says_the_way_out_and_nothing_of_the_key() {
        let secret = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e";
        let error =
            Fernet::parse(&format!("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=,{secret}")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(
                "`EDGEMCP_STORE_KEYS` has no Fernet key (32 bytes as URL-safe base64) at place 2"
            ),
            "{text}"
        );
        assert!(text.contains("generate_key") && !text.contains("cw_0"), "{text}");
        let text = Fernet::parse(" , ").unwrap_err().to_string();
        assert!(text.starts_with("no key to encrypt a store with is configured"), "{text}");
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_token_opens_to_what_it_was_made_of(
            content in prop::collection::vec(any::<u8>(), 0..100), key: [u8; 32], drawn: u64, now: u64,
        ) {
            let fernet = fernet(&[key]);
            let token = fernet.seal(&content, Timestamp::from_millis(now), &Drawn(drawn)).unwrap();
            prop_assert_eq!(fernet.open(&token).unwrap(), content);
        }

        #[test]
        fn a_token_is_as_long_as_is_said(bytes in 0..300_usize) {
            let (fernet, moment) = (fernet(&[[7; 32]]), Timestamp::from_millis(0));
            let length = |bytes: usize| fernet.seal(&vec![0; bytes], moment, &Drawn(1)).unwrap().len();
            // What is said to fit does, and one byte more does not.
            let max = fernet.value_bytes_max(length(bytes));
            prop_assert!(max >= bytes);
            prop_assert!(length(max) <= length(bytes));
            prop_assert!(length(max + 1) > length(bytes));
        }

        #[test]
        fn what_was_changed_does_not_open(
            content in prop::collection::vec(any::<u8>(), 0..40), place in any::<prop::sample::Index>(), to: char,
        ) {
            let fernet = fernet(&[[7; 32]]);
            let token = fernet.seal(&content, Timestamp::from_millis(1), &Drawn(1)).unwrap();
            let (before, rest) = token.split_at(place.index(token.len()));
            let changed: String = before.chars().chain([to]).chain(rest.chars().skip(1)).collect();
            prop_assert_eq!(fernet.open(&changed).is_ok(), changed == token);
            prop_assert!(fernet.open(before).is_err());
            let longer = format!("{token}{to}");
            prop_assert!(fernet.open(&longer).is_err());
        }

        #[test]
        fn keys_rotate(content in prop::collection::vec(any::<u8>(), 0..40), one: [u8; 32], other: [u8; 32]) {
            prop_assume!(one != other);
            let token = fernet(&[one]).seal(&content, Timestamp::from_millis(1), &Drawn(1)).unwrap();
            prop_assert_eq!(fernet(&[other, one]).open(&token).unwrap(), content);
            prop_assert!(fernet(&[other]).open(&token).is_err());
        }

        #[test]
        fn no_text_is_a_token_and_no_setting_breaks_anything(text: String) {
            prop_assert!(fernet(&[[7; 32]]).open(&text).is_err());
            let _ = Fernet::parse(&text);
        }
    }
}
