//! What a client declares that it can do.

use super::params::Members;

/// The capabilities that a server may ask for, each with its bit. A session carries the bits, so a place in this list
/// is for ever.
const KNOWN: [&str; 9] = [
    "elicitation.form",
    "elicitation.url",
    "sampling",
    "sampling.tools",
    "sampling.context",
    "roots",
    "elicitation",
    "extensions.io.modelcontextprotocol/tasks",
    "extensions.io.modelcontextprotocol/ui",
];

/// Whether `ClientCapabilities`, as JSON, have the capability at `path`: `sampling`, `sampling.tools`.
///
/// `{"elicitation": {}}` means forms, as it did before there were addresses (2025-11-25, client/elicitation).
pub(crate) fn has(declared: &str, path: &str) -> bool {
    let Some(members) = Members::read(declared) else { return false };
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(capability) = members.get(name).filter(|raw| raw.get().starts_with('{')) else { return false };
    match rest {
        "" => true,
        "form" if name == "elicitation" => Members::read(capability.get())
            .is_some_and(|modes| modes.is_empty() || modes.get("form").is_some()),
        // An extension's id has dots of its own, so a path has two parts at most.
        rest => {
            let inner = Members::read(capability.get()).and_then(|inner| inner.get(rest));
            inner.is_some_and(|raw| raw.get().starts_with('{'))
        }
    }
}

/// The known capabilities in `declared`, as bits.
pub(crate) fn bits(declared: &str) -> u16 {
    KNOWN
        .iter()
        .zip(0..)
        .filter(|(path, _)| has(declared, path))
        .fold(0, |bits, (_, place)| bits | 1 << place)
}

/// Whether the capability at `path` is among `bits`.
pub(crate) fn among(bits: u16, path: &str) -> bool {
    KNOWN.iter().zip(0..).any(|(known, place)| *known == path && bits & (1 << place) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_elicitation_means_forms_and_a_named_mode_means_itself() {
        for (declared, form, url) in [
            (r#"{"elicitation":{}}"#, true, false),
            (r#"{"elicitation":{"form":{}}}"#, true, false),
            (r#"{"elicitation":{"url":{}}}"#, false, true),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, true, true),
            (r#"{"elicitation":null}"#, false, false),
            (r#"{"elicitation":true}"#, false, false),
            ("{}", false, false),
            ("[]", false, false),
        ] {
            assert_eq!(has(declared, "elicitation.form"), form, "{declared}");
            assert_eq!(has(declared, "elicitation.url"), url, "{declared}");
            let bits = bits(declared);
            assert_eq!(among(bits, "elicitation.form"), form, "{declared}");
            assert_eq!(among(bits, "elicitation.url"), url, "{declared}");
        }
    }

    #[test]
    fn a_path_of_an_extension_keeps_its_dots() {
        let declared = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
        assert!(has(declared, "extensions.io.modelcontextprotocol/tasks"));
        assert!(!has(declared, "extensions.io.modelcontextprotocol/ui"));
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, json};

    /// Capabilities that could be some of ours, or not.
    fn declared() -> impl Strategy<Value = serde_json::Value> {
        let modes = prop::sample::subsequence(
            vec![
                "form",
                "url",
                "tools",
                "context",
                "io.modelcontextprotocol/tasks",
                "io.modelcontextprotocol/ui",
            ],
            0..=6,
        );
        let inner = (modes, json()).prop_map(|(modes, any)| {
            let modes = modes.into_iter().map(|mode| (mode.to_owned(), any.clone()));
            serde_json::Value::Object(modes.collect())
        });
        let names = prop::sample::subsequence(vec!["elicitation", "sampling", "roots", "extensions"], 0..=4);
        (names, inner, json()).prop_map(|(names, inner, any)| {
            let value = |number: usize| if number % 3 == 2 { any.clone() } else { inner.clone() };
            let members =
                names.into_iter().enumerate().map(|(number, name)| (name.to_owned(), value(number)));
            serde_json::Value::Object(members.collect())
        })
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn the_bits_say_what_the_json_says(declared in prop_oneof![declared(), json()]) {
            let declared = declared.to_string();
            let bits = bits(&declared);
            for path in KNOWN {
                prop_assert_eq!(among(bits, path), has(&declared, path), "{} {}", declared, path);
            }
        }
    }
}
