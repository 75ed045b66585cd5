//! Says how an entry is written to its file, so that people can read it, and reads it back.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use data_encoding::BASE64;
use edgemcp::{
    platform::Timestamp,
    store::{Entry, Key},
};
use serde::{Deserialize, Serialize};

use crate::store::STORE_VALUE_BYTES_MAX;

/// The longest file of an entry, in bytes: a value of line ends alone is twice as long in JSON.
pub(super) const DOCUMENT_BYTES_MAX: usize = 2 * STORE_VALUE_BYTES_MAX + BESIDES_BYTES_MAX;

/// More than a file ever has besides the value.
const BESIDES_BYTES_MAX: usize = 4096;

/// 9999-12-31T23:59:59.999Z, the last moment of RFC 3339.
const MOMENT_MAX: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// How many of a file's first bytes say when its entry ends, which stands before the value.
pub(super) const HEAD_BYTES: usize = 2048;

/// In front of that, in a file that nobody has edited. A line's end cannot stand in JSON's text.
const END: &str = "\n  \"expires_at\": ";

#[derive(Debug, Deserialize, Serialize)]
struct Document<'a> {
    #[serde(borrow)]
    collection: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    item: Cow<'a, str>,
    expires_at: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// The file of an entry, as text.
///
/// # Errors
/// Where it cannot be written as JSON, which no entry is known for.
pub(super) fn write(key: &Key, value: &[u8], expires_at: Option<Timestamp>) -> serde_json::Result<Vec<u8>> {
    let text = std::str::from_utf8(value).ok().filter(|text| is_readable(text));
    let document = Document {
        collection: key.partition().collection().into(),
        id: key.partition().id().into(),
        item: key.item().into(),
        expires_at: expires_at.map(|end| end.min(MOMENT_MAX).to_rfc3339()),
        value: text.map(Cow::Borrowed),
        value_base64: text.is_none().then(|| BASE64.encode(value)),
    };
    let mut written = serde_json::to_vec_pretty(&document)?;
    written.push(b'\n');
    Ok(written)
}

/// Whether a person has something of it, and JSON makes it twice as long at the most.
fn is_readable(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// The entry in the file of `key`.
///
/// # Errors
/// What is wrong with the file, without a word of what is in it, since that may be a secret.
pub(super) fn read(key: &Key, written: &[u8]) -> Result<Entry, String> {
    let document: Document<'_> = serde_json::from_slice(written).map_err(|error| {
        format!("is not the JSON of an entry from line {}, column {} on", error.line(), error.column())
    })?;
    let names = (&*document.collection, &*document.id, &*document.item);
    if names != (key.partition().collection(), key.partition().id(), key.item()) {
        return Err(format!("is the file of another entry than {key}"));
    }
    let value: Bytes = match (document.value, document.value_base64) {
        (Some(text), None) => text.into_owned().into_bytes().into(),
        (None, Some(base64)) => match BASE64.decode(base64.as_bytes()) {
            Ok(value) => value.into(),
            Err(error) => {
                return Err(format!("has a `value_base64` that is no base64 at {}", error.position));
            }
        },
        _ => return Err("has not one of `value` and `value_base64`".to_owned()),
    };
    let expires_at = document.expires_at.map(|text| moment(&text)).transpose()?;
    Ok(Entry { value, expires_at })
}

/// When the entry ends whose file begins with these bytes; `None` where only the whole file tells.
pub(super) fn end(head: &[u8]) -> Option<Option<Timestamp>> {
    let text = String::from_utf8_lossy(head);
    let (_, rest) = text.split_once(END)?;
    let (end, _) = rest.split_once(",\n")?;
    serde_json::from_str::<Option<&str>>(end)
        .ok()?
        .map(|text| moment(text).ok())
        .map_or(Some(None), |end| end.map(Some))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let since_1970 = humantime::parse_rfc3339(text)
        .ok()
        .and_then(|moment| moment.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map(|since: Duration| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    since_1970
        .map(Timestamp::from_millis)
        .ok_or_else(|| "has an `expires_at` that is no moment such as 2027-01-15T08:00:00.123Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("notes", "Ada", "1").unwrap()
    }

    fn written(value: &[u8], expires_at: Option<Timestamp>) -> String {
        String::from_utf8(write(&key(), value, expires_at).unwrap()).unwrap()
    }

    #[test]
    fn an_entry_is_written_for_people() {
        let end = Timestamp::from_millis(1_800_000_000_123);
        let expected = r#"{
  "collection": "notes",
  "id": "Ada",
  "item": "1",
  "expires_at": "2027-01-15T08:00:00.123Z",
  "value": "Buy \"milk\".\nAnd tea: ☕"
}
"#;
        assert_eq!(written("Buy \"milk\".\nAnd tea: ☕".as_bytes(), Some(end)), expected);
        assert!(written(b"\xff\0", None).contains("\"expires_at\": null,\n  \"value_base64\": \"/wA=\"\n"));
    }

    #[test]
    fn every_value_and_end_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for value in [&b""[..], b"text", b"\0", b"\x1b[31m", b"\xff", "\u{85}\u{feff}".as_bytes(), &all] {
            for end in
                [None, Some(Timestamp::from_millis(0)), Some(Timestamp::from_millis(1)), Some(MOMENT_MAX)]
            {
                let entry = read(&key(), written(value, end).as_bytes()).unwrap();
                assert_eq!((&*entry.value, entry.expires_at), (value, end));
            }
        }
    }

    #[test]
    fn the_first_bytes_of_a_file_say_when_its_entry_ends() {
        let names = ["\"".repeat(128), "\\".repeat(128), "\"".repeat(128)];
        let key = Key::new(&names[0], &names[1], &names[2]).unwrap();
        for expires_at in [None, Some(Timestamp::from_millis(1_800_000_000_123))] {
            let written = write(&key, &vec![b'"'; HEAD_BYTES], expires_at).unwrap();
            assert_eq!(end(&written[..HEAD_BYTES]), Some(expires_at));
        }
        for other in
            ["", "{\n  \"expires_at\": nu", "{\n  \"expires_at\": 5,\n", "{\n  \"expires_at\": \"soon\",\n"]
        {
            assert_eq!(end(other.as_bytes()), None, "{other}");
        }
        let by_hand = r#"{"collection":"notes","id":"Ada","item":"1","expires_at":null,"value":"x"}"#;
        assert_eq!(end(by_hand.as_bytes()), None);
    }

    #[test]
    fn an_end_past_the_last_moment_of_the_calendar_is_that_moment() {
        let past = Timestamp::from_millis(u64::MAX);
        assert_eq!(read(&key(), written(b"x", Some(past)).as_bytes()).unwrap().expires_at, Some(MOMENT_MAX));
        assert!(written(b"x", Some(past)).contains("\"9999-12-31T23:59:59.999Z\""));
    }

    #[test]
    fn no_value_makes_a_longer_file_than_is_read() {
        let names = ["\"".repeat(128), "\\".repeat(128), "\"".repeat(128)];
        let key = Key::new(&names[0], &names[1], &names[2]).unwrap();
        for filler in [b'\n', b'"', 0, 0xff] {
            let value = vec![filler; 100_000];
            let written = write(&key, &value, Some(MOMENT_MAX)).unwrap();
            let bytes_max = 2 * value.len() + BESIDES_BYTES_MAX;
            assert!(written.len() <= bytes_max, "{} bytes of {filler}", written.len());
        }
    }

    #[test]
    fn what_people_write_is_read() {
        let by_hand = r#"{"item":"1","id":"Ada","note":["mine"],"value":"A\u0041","collection":"notes"}"#;
        let entry = read(&key(), by_hand.as_bytes()).unwrap();
        assert_eq!((&*entry.value, entry.expires_at), (&b"AA"[..], None));
    }

    #[test]
    fn what_is_no_entry_says_why_and_nothing_of_what_is_in_it() {
        let with = |rest: &str| format!(r#"{{"collection":"notes","id":"Ada","item":"1"{rest}}}"#);
        for (file, why) in [
            (String::new(), "is not the JSON of an entry from line 1, column 0 on"),
            (with(r#","value":"secret"#), "is not the JSON"),
            (with(r#","value":["secret"]"#), "is not the JSON"),
            (with(""), "has not one of"),
            (with(r#","value":"secret","value_base64":"""#), "has not one of"),
            (with(r#","value_base64":"secret!""#), "has a `value_base64` that is no base64 at"),
            (with(r#","value":"x","expires_at":"secret""#), "has an `expires_at` that is no moment"),
            (with(r#","value":"x","expires_at":"1969-12-31T23:59:59Z""#), "has an `expires_at`"),
            (
                with(r#","value":"x""#).replace("Ada", "secret"),
                "is the file of another entry than notes/Ada/1",
            ),
        ] {
            let error = read(&key(), file.as_bytes()).unwrap_err();
            assert!(error.starts_with(why) && !error.contains("secret"), "{file}: {error}");
        }
    }
}
