//! Reads the entries that py-key-value wrote, FastMCP's store library, so that a deployment can move with its logins.
//!
//! py-key-value writes JSON: `{"version": 1, "value": {…}, "created_at": "…", "expires_at": "…"}`, with `key` and
//! `collection` in some stores, and without `version` before 0.3. Its `FernetEncryptionWrapper` puts
//! `{"__encrypted_data__": "…", "__encryption_version__": 1}` in the value's place.

use std::{collections::BTreeMap, fmt};

use ::base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::wrap::Fernet;
use crate::{limits::cut, platform::Timestamp};

/// The longest entry that is read, in bytes.
pub const PY_ENTRY_BYTES_MAX: usize = 16 << 20;

/// What py-key-value wrote about one entry.
#[derive(Clone, PartialEq, Eq)]
pub struct PyEntry {
    /// The value: a JSON object, as Python wrote it.
    pub value: Bytes,
    /// When it was put; some stores do not say it.
    pub created_at: Option<Timestamp>,
    /// When it ends, to the next millisecond; `None` where it has no end, or where the store keeps it outside the entry
    /// (DynamoDB's `ttl`, Redis' own).
    pub expires_at: Option<Timestamp>,
    /// Its key, where the entry has it (0.4 and later, in stores that change the names).
    pub key: Option<String>,
    /// Its collection, likewise.
    pub collection: Option<String>,
}

/// Why an entry cannot be read. Its text has nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PyEntryError {
    /// It is longer than this many bytes.
    TooLarge(usize),
    /// It is not in py-key-value's format; the text says what is missing.
    Format(String),
    /// It is in a later version of the format.
    Version(String),
    /// It is encrypted, and no key was given.
    Encrypted,
    /// It is encrypted with another key, or was damaged.
    Unopened,
}

impl fmt::Display for PyEntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(f, "the entry has more than {bytes} bytes"),
            Self::Format(why) => write!(f, "this is no entry of py-key-value: {why}"),
            Self::Version(version) => {
                write!(
                    f,
                    "the entry is in version {version} of py-key-value's format; 1 is the last one known"
                )
            }
            Self::Encrypted => {
                f.write_str("the entry is encrypted (give the Fernet keys it was written with)")
            }
            Self::Unopened => f.write_str("the entry is encrypted with another key, or was damaged"),
        }
    }
}

impl std::error::Error for PyEntryError {}

type Members = BTreeMap<String, Box<RawValue>>;

impl PyEntry {
    /// What `bytes` say, opened with `keys` where the value is encrypted. A value that is not encrypted is read with keys
    /// or without, as Python does it.
    ///
    /// FastMCP derives its Fernet key from the JWT signing key; whoever gave its store a key of their own has it.
    ///
    /// # Errors
    /// [`PyEntryError`].
    ///
    /// # Limits
    /// [`PY_ENTRY_BYTES_MAX`]. Values that its `CompressionWrapper` compressed are not read.
    ///
    /// ```
    /// # use edgemcp::{platform::Timestamp, store::py_key_value::PyEntry};
    /// let bytes = br#"{"created_at": "2026-07-28T09:30:00+00:00", "expires_at": "2026-07-28T10:30:00.25+00:00",
    ///     "value": {"client_id": "7f3a"}, "version": 1}"#;
    /// let entry = PyEntry::read(bytes, None)?;
    /// assert_eq!(entry.value, r#"{"client_id": "7f3a"}"#);
    /// assert_eq!(entry.expires_at, Some(Timestamp::from_millis(1_785_234_600_250)));
    /// # Ok::<_, edgemcp::store::py_key_value::PyEntryError>(())
    /// ```
    pub fn read(bytes: &[u8], keys: Option<&Fernet>) -> Result<Self, PyEntryError> {
        if bytes.len() > PY_ENTRY_BYTES_MAX {
            return Err(PyEntryError::TooLarge(PY_ENTRY_BYTES_MAX));
        }
        let members = object(bytes, "the entry")?;
        check_version(&members, "version")?;
        let value =
            members.get("value").ok_or_else(|| PyEntryError::Format("it has no `value`".to_owned()))?;
        // Stores that have no type for objects hold the value as text with JSON in it.
        let value = match text(Some(&**value)) {
            Some(json) => Bytes::from(json),
            None => Bytes::copy_from_slice(value.get().as_bytes()),
        };
        Ok(Self {
            value: opened(value, keys)?,
            created_at: moment(&members, "created_at")?,
            expires_at: moment(&members, "expires_at")?,
            key: text(members.get("key").map(|member| &**member)),
            collection: text(members.get("collection").map(|member| &**member)),
        })
    }

    /// Whether it has not ended yet at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Nothing of the value, which may be a secret.
impl fmt::Debug for PyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PyEntry")
            .field("value_bytes", &self.value.len())
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn object(json: &[u8], what: &str) -> Result<Members, PyEntryError> {
    // The reason would repeat what is there, which may be a secret.
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        PyEntryError::Format(format!("{what} is no JSON object (line {line}, column {column})"))
    })
}

fn text(member: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(member?.get()).ok()
}

fn check_version(members: &Members, name: &str) -> Result<(), PyEntryError> {
    match members.get(name).map(|version| version.get()) {
        None | Some("1") => Ok(()),
        Some(other) => Err(PyEntryError::Version(cut(other).into_owned())),
    }
}

fn opened(value: Bytes, keys: Option<&Fernet>) -> Result<Bytes, PyEntryError> {
    let members = object(&value, "the value")?;
    if members.contains_key("__compressed_data__") {
        return Err(PyEntryError::Format("its value is compressed, which is not read here".to_owned()));
    }
    let Some(data) = members.get("__encrypted_data__") else { return Ok(value) };
    check_version(&members, "__encryption_version__")?;
    let keys = keys.ok_or(PyEntryError::Encrypted)?;
    let token = text(Some(data)).and_then(|data| STANDARD.decode(data).ok());
    let token = token.and_then(|token| String::from_utf8(token).ok()).ok_or(PyEntryError::Unopened)?;
    let value = keys.open(&token).map_err(|_| PyEntryError::Unopened)?;
    object(&value, "the value that was encrypted")?;
    Ok(value.into())
}

/// An ISO 8601 date and time; one without an offset is UTC, as py-key-value means it.
fn moment(members: &Members, name: &str) -> Result<Option<Timestamp>, PyEntryError> {
    let Some(member) = members.get(name).filter(|member| member.get() != "null") else { return Ok(None) };
    let read = |text: &str| {
        let zoned = text.parse::<jiff::Timestamp>().ok();
        let naive = || jiff::tz::TimeZone::UTC.to_timestamp(text.parse().ok()?).ok();
        zoned.or_else(naive)
    };
    let moment = text(Some(member)).and_then(|text| read(&text)).ok_or_else(|| {
        PyEntryError::Format(format!("`{name}` is {}, and no date and time", cut(member.get())))
    })?;
    // Not a moment early, and what is before 1970 has ended all the same.
    let nanos = u128::try_from(moment.as_nanosecond()).unwrap_or(0);
    Ok(Some(Timestamp::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))))
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{Drawn, config, object as any_object};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn fernet() -> Fernet {
        Fernet::parse(KEY).unwrap()
    }

    #[test]
    fn what_is_no_entry_is_refused_with_what_is_missing_and_nothing_of_the_value() {
        for (json, said) in [
            ("", "the entry is no JSON object (line 1, column 0)"),
            ("[]", "the entry is no JSON object (line 1, column 0)"),
            (r#"{"version": 1}"#, "it has no `value`"),
            (r#"{"value": ["secret"]}"#, "the value is no JSON object (line 1, column 0)"),
            (r#"{"value": "secret"}"#, "the value is no JSON object (line 1, column 1)"),
            (r#"{"value": {"n": NaN}}"#, "the entry is no JSON object (line 1, column 17)"),
            (r#"{"value": {}, "expires_at": "soon"}"#, "`expires_at` is \"soon\", and no date and time"),
            (r#"{"value": {}, "created_at": 7}"#, "`created_at` is 7, and no date and time"),
            (r#"{"value": {"__compressed_data__": "x"}}"#, "its value is compressed, which is not read here"),
        ] {
            let error = PyEntry::read(json.as_bytes(), None).unwrap_err();
            assert_eq!(error.to_string(), format!("this is no entry of py-key-value: {said}"), "{json}");
        }
        for json in [
            r#"{"version": 2, "value": {}}"#,
            r#"{"value": {"__encrypted_data__": "x", "__encryption_version__": 2}}"#,
        ] {
            assert_eq!(PyEntry::read(json.as_bytes(), None), Err(PyEntryError::Version("2".to_owned())));
        }
    }

    #[test]
    fn an_entry_at_the_limit_is_read_and_a_longer_one_is_not() {
        let entry = |bytes: usize| {
            let (start, end) = (r#"{"value": {"x": ""#, r#""}}"#);
            format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
        };
        assert!(PyEntry::read(entry(PY_ENTRY_BYTES_MAX).as_bytes(), None).is_ok());
        let error = PyEntry::read(entry(PY_ENTRY_BYTES_MAX + 1).as_bytes(), None);
        assert_eq!(error, Err(PyEntryError::TooLarge(PY_ENTRY_BYTES_MAX)));
    }

    #[test]
    fn a_moment_is_read_with_any_offset_and_never_early() {
        for (text, ms) in [
            ("2026-07-28T09:30:00+00:00", 1_785_231_000_000),
            ("2026-07-28T09:30:00.000001+00:00", 1_785_231_000_001),
            ("2026-07-28T11:30:00+02:00", 1_785_231_000_000),
            ("2026-07-28T09:30:00", 1_785_231_000_000),
            ("2026-07-28T09:30:00Z", 1_785_231_000_000),
            ("1969-12-31T23:59:59+00:00", 0),
        ] {
            let json = format!(r#"{{"value": {{}}, "expires_at": "{text}"}}"#);
            let entry = PyEntry::read(json.as_bytes(), None).unwrap();
            assert_eq!(entry.expires_at, Some(Timestamp::from_millis(ms)), "{text}");
            assert!(!entry.is_live(Timestamp::from_millis(ms)));
            assert_eq!(entry.is_live(Timestamp::from_millis(ms.saturating_sub(1))), ms > 0);
        }
        let none = PyEntry::read(br#"{"value": {}, "expires_at": null}"#, None).unwrap();
        assert_eq!(none.expires_at, None);
    }

    #[test]
    fn an_encrypted_entry_needs_its_key() {
        let token = fernet().seal(b"{\"a\":1}", Timestamp::from_millis(0), &Drawn(1)).unwrap();
        let json = |data: &str| {
            format!(r#"{{"value": {{"__encrypted_data__": "{data}", "__encryption_version__": 1}}}}"#)
        };
        let whole = json(&STANDARD.encode(&token));
        assert_eq!(PyEntry::read(whole.as_bytes(), Some(&fernet())).unwrap().value, "{\"a\":1}");
        assert_eq!(PyEntry::read(whole.as_bytes(), None), Err(PyEntryError::Encrypted));
        let other = Fernet::parse("HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI=").unwrap();
        for (data, keys) in
            [(STANDARD.encode(&token), &other), (token, &fernet()), ("x".to_owned(), &fernet())]
        {
            assert_eq!(PyEntry::read(json(&data).as_bytes(), Some(keys)), Err(PyEntryError::Unopened));
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_value_comes_as_it_was_written(value in any_object(), is_text: bool, is_encrypted: bool) {
            prop_assume!(!value.contains_key("__encrypted_data__") && !value.contains_key("__compressed_data__"));
            let json = serde_json::to_string(&value).unwrap();
            let mut written = serde_json::Value::Object(value);
            if is_encrypted {
                let token = fernet().seal(json.as_bytes(), Timestamp::from_millis(0), &Drawn(7)).unwrap();
                written = serde_json::json!({
                    "__encrypted_data__": STANDARD.encode(token), "__encryption_version__": 1,
                });
            }
            if is_text {
                written = written.to_string().into();
            }
            let entry = serde_json::json!({"version": 1, "value": written}).to_string();
            let read = PyEntry::read(entry.as_bytes(), Some(&fernet())).unwrap();
            prop_assert_eq!(&read.value, json.as_bytes());
        }

        #[test]
        fn no_bytes_break_anything(bytes in prop::collection::vec(any::<u8>(), 0..80), text: String) {
            let _ = PyEntry::read(&bytes, Some(&fernet()));
            let json = serde_json::json!({"value": {"__encrypted_data__": text}, "expires_at": text}).to_string();
            prop_assert!(PyEntry::read(json.as_bytes(), Some(&fernet())).is_err());
        }
    }
}
