//! Shows a value without what may be a secret: an operator's screen and logs are no place for tokens.

use ring::digest::{SHA256, digest as sha256};
use serde_json::{Map, Value};

/// Names of members whose value is left out, by a part of them: what servers, OAuth and HTTP call their secrets.
const SECRET_NAMES: [&str; 16] = [
    "token",
    "secret",
    "password",
    "passwd",
    "key",
    "code",
    "verifier",
    "challenge",
    "credential",
    "auth",
    "cookie",
    "session",
    "nonce",
    "signature",
    "state",
    "email",
];

/// A word of a text that is longer may be a token, whatever the text is called.
const WORD_CHARS_MAX: usize = 32;

/// What a credential follows in a header (RFC 9110, section 11.1), which is written in any case.
const SCHEMES: [&str; 3] = ["bearer", "basic", "dpop"];

/// How deep JSON is looked into.
const DEPTH_MAX: usize = 32;

/// A value as it may be shown.
pub(super) struct Shown {
    /// What it is: `counter`, `JSON`, `text`, `bytes`, `Fernet token`, …
    pub(super) kind: &'static str,
    pub(super) value: Value,
}

/// The value with what may be a secret left out.
pub(super) fn redact(bytes: &[u8]) -> Shown {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Shown { kind: "bytes", value: left_out(bytes.len()) };
    };
    if text.parse::<i64>().is_ok() {
        return Shown { kind: "counter", value: text.into() };
    }
    if text.starts_with("gAAAAA") {
        return Shown { kind: "Fernet token", value: left_out(bytes.len()) };
    }
    match serde_json::from_str(text) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => {
            Shown { kind: "JSON", value: without_secrets(json, DEPTH_MAX) }
        }
        // Nobody knows what a lone text is.
        _ => Shown { kind: "text", value: left_out(bytes.len()) },
    }
}

/// The value as it is.
pub(super) fn reveal(bytes: &[u8]) -> Shown {
    let Shown { kind, .. } = redact(bytes);
    let value = match std::str::from_utf8(bytes) {
        Ok(text) => match serde_json::from_str(text) {
            Ok(json) if kind == "JSON" => json,
            _ => text.into(),
        },
        Err(_) => bytes.escape_ascii().to_string().into(),
    };
    Shown { kind, value }
}

/// The first half of the value's SHA-256, by which two values can be compared without either being shown.
pub(super) fn digest(bytes: &[u8]) -> String {
    sha256(&SHA256, bytes).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn without_secrets(json: Value, depth: usize) -> Value {
    match json {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let value = match (is_secret(&name), depth) {
                    (_, 0) => "…".into(),
                    (true, _) if !matches!(value, Value::Null | Value::Bool(_)) => left_out(length(&value)),
                    _ => without_secrets(value, depth - 1),
                };
                // A map may have secrets for names, as one from tokens to users.
                (
                    if may_be_a_token(&name) {
                        format!("<{} characters>", name.chars().count())
                    } else {
                        name
                    },
                    value,
                )
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(_) if depth == 0 => "…".into(),
        Value::Array(values) => {
            values.into_iter().map(|value| without_secrets(value, depth - 1)).collect::<Vec<_>>().into()
        }
        Value::String(text) if may_be_a_token(&text) || holds_json(&text) => left_out(text.len()),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn may_be_a_token(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
        if word.chars().count() > WORD_CHARS_MAX || (is_scheme && words.peek().is_some()) {
            return true;
        }
    }
    false
}

/// Whether a text is JSON in its own right, as Python's stores keep it: its members would be shown under no name.
fn holds_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    }
}

fn left_out(bytes: usize) -> Value {
    format!("<{bytes} bytes, left out; `--reveal` shows them>").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        redact(value.to_string().as_bytes()).value.to_string()
    }

    #[test]
    fn what_is_called_a_secret_is_left_out_however_deep_it_is() {
        let value = json!({
            "client_id": "inspector",
            "client_secret": "hunter2",
            "tokens": [{"access_token": "hunter2", "expires_in": 3600, "ok": true}],
            "nested": {"deep": {"Authorization": "hunter2", "apiKey": {"v": "hunter2"}, "pin_code": 1234}},
            "scope": "read write",
        });
        let shown = shown(&value);
        assert!(!shown.contains("hunter2") && !shown.contains("1234"), "{shown}");
        for part in ["inspector", "read write"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn what_looks_like_a_token_is_left_out_whatever_it_is_called() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghij";
        let value = json!({"a": token, "b": [token], token: 1, "c": "Bearer abc", "d": "a text of several words, which may be long"});
        let shown = shown(&value);
        assert!(!shown.contains("eyJ") && !shown.contains("Bearer"), "{shown}");
        assert!(shown.contains("several words"), "{shown}");
    }

    #[test]
    fn a_secret_among_other_words_is_left_out() {
        let key = "-----BEGIN KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB\n-----END KEY-----";
        let inner = json!({"access_token": "hunter2"}).to_string().replace(':', ": ");
        for (value, secret) in [
            (json!({"pem": key}), "MIGH"),
            (json!({"value": inner}), "hunter2"),
            (json!({"value": format!(" [{inner}]")}), "hunter2"),
            (json!({"header": "bearer hunter2"}), "hunter2"),
            (json!({"curl": "-H Authorization: Bearer hunter2"}), "hunter2"),
            (json!({"line": "Basic aHVudGVyMg=="}), "aHVud"),
            (json!({"bearer hunter2": 1}), "hunter2"),
        ] {
            let shown = shown(&value);
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown(&json!({"note": "what the bearer"})).contains("what the bearer"), "nothing follows it");
    }

    #[test]
    fn a_value_that_nobody_knows_is_left_out_and_a_counter_is_not() {
        for (bytes, kind) in [
            (&b"hunter2"[..], "text"),
            (b"\"hunter2\"", "text"),
            (b"\xff\x00hunter2", "bytes"),
            (b"gAAAAABhunter2", "Fernet token"),
            (b"", "text"),
        ] {
            let shown = redact(bytes);
            assert_eq!(shown.kind, kind);
            assert!(!shown.value.to_string().contains("hunter2"), "{kind}");
        }
        let counter = redact(b"-42");
        assert_eq!((counter.kind, counter.value), ("counter", json!("-42")));
    }

    #[test]
    fn what_is_revealed_is_the_value() {
        assert_eq!(reveal(b"{\"secret\":\"x\"}").value, json!({"secret": "x"}));
        assert_eq!(reveal(b"hunter2").value, json!("hunter2"));
        assert_eq!(reveal(b"\xff\"").value, json!("\\xff\\\""));
    }

    #[test]
    fn json_that_nests_deeper_than_is_looked_into_is_cut() {
        let mut value = json!({"secret": "hunter2"});
        for _ in 0..60 {
            value = json!([{"x": value}]);
        }
        assert!(!shown(&value).contains("hunter2"));
    }

    #[test]
    fn equal_values_have_equal_digests() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
    }
}
