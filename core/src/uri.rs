//! Resource URIs: whether one is a URI at all, and which values a template finds in one.
//!
//! Templates are RFC 6570 level 1: `{name}` stands for one path segment or a part of it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in a value as it is (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a text is no resource URI or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UriError(pub(crate) String);

/// A URI with `{placeholders}`, or without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UriTemplate {
    /// Alternating: text, placeholder, text, …, text.
    texts: Vec<String>,
    names: Vec<String>,
}

impl UriTemplate {
    /// Reads a URI or template.
    ///
    /// # Errors
    /// [`UriError`] where it has no scheme, its braces do not match, or a placeholder is unusable.
    pub(crate) fn parse(text: &str) -> Result<Self, UriError> {
        let error = |why: String| Err(UriError(format!("URI {text:?} {why}")));
        if scheme(text).is_none() {
            return error(format!("has no scheme: write e.g. \"data://{}\"", text.trim_start_matches('/')));
        }
        let mut template = Self { texts: Vec::new(), names: Vec::new() };
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return error("has a `{` that no `}` closes".to_owned());
            };
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if name.is_empty() || !is_name || name.starts_with(|c: char| c.is_ascii_digit()) {
                return error(format!(
                    "has the placeholder {{{name}}}; only {{name}} is supported, a parameter's name"
                ));
            }
            if template.names.iter().any(|known| known == name) {
                return error(format!("has the placeholder {{{name}}} twice"));
            }
            if literal.is_empty() && !template.names.is_empty() {
                return error(format!("has nothing between {{{name}}} and the placeholder before it"));
            }
            if literal.contains('}') {
                return error("has a `}` that no `{` opens".to_owned());
            }
            template.texts.push(literal.to_owned());
            template.names.push(name.to_owned());
            rest = after;
        }
        if rest.contains('}') {
            return error("has a `}` that no `{` opens".to_owned());
        }
        template.texts.push(rest.to_owned());
        Ok(template)
    }

    /// The placeholders, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The URI with these values, in the order of the placeholders.
    pub(crate) fn fill<'a>(&self, values: impl Iterator<Item = &'a str>) -> String {
        let mut texts = self.texts.iter();
        let mut uri = texts.next().cloned().unwrap_or_default();
        for (value, text) in values.zip(texts) {
            uri.extend(utf8_percent_encode(value, ESCAPED));
            uri.push_str(text);
        }
        uri
    }

    /// The placeholders' values in `uri`, percent-decoded; `None` where it does not match.
    ///
    /// A value is never empty and never spans a `/`. It ends where the text after it first stands; the last one of a
    /// segment reaches as far as the text after it lets it.
    ///
    /// # Errors
    /// [`UriError`] where a value could leave the place it names: `.` and `..`, a slash or a NUL behind an escape, or
    /// bytes that are no UTF-8.
    pub(crate) fn values<'a>(&'a self, uri: &str) -> Option<Result<Vec<(&'a str, String)>, UriError>> {
        let (first, rest_texts) = self.texts.split_first()?;
        let mut rest = uri.strip_prefix(first.as_str())?;
        let mut values = Vec::with_capacity(self.names.len());
        for (index, (name, text)) in self.names.iter().zip(rest_texts).enumerate() {
            let is_last = index + 1 == self.names.len();
            let segment = rest.split('/').next().unwrap_or_default();
            let end = if is_last {
                rest.len().checked_sub(text.len()).filter(|_| rest.ends_with(text.as_str()))?
            } else if text.contains('/') {
                // The text after the value leaves the segment, so it stands at the segment's end.
                let tail = text.split('/').next().unwrap_or_default();
                segment.len().checked_sub(tail.len())?
            } else {
                // A value has at least one character.
                let from = segment.chars().next().map(char::len_utf8)?;
                segment.get(from..)?.find(text.as_str())? + from
            };
            let value = rest.get(..end)?;
            if value.is_empty() || value.contains('/') {
                return None;
            }
            rest = rest.get(end..)?.strip_prefix(text.as_str())?;
            values.push((name.as_str(), value));
        }
        rest.is_empty().then(|| {
            values
                .into_iter()
                .map(|(name, value)| decode(name, value).map(|value| (name, value.into_owned())))
                .collect()
        })
    }
}

/// The scheme of `uri`: what stands before `://` or, in a URI without authority, before the first `:`.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let mut letters = scheme.bytes();
    let starts = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
    let goes_on = letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (starts && goes_on).then_some(scheme)
}

fn decode<'a>(name: &str, value: &'a str) -> Result<Cow<'a, str>, UriError> {
    let refuse = |why: &str| Err(UriError(format!("`{name}` {why}")));
    let Ok(decoded) = percent_decode_str(value).decode_utf8() else {
        return refuse("is no UTF-8 once its percent escapes are decoded");
    };
    if matches!(&*decoded, "." | "..") || decoded.contains(['/', '\\', '\0']) {
        return refuse("could leave the place it names (`.`, `..`, a slash, a backslash or NUL)");
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, uri: &str) -> Option<Vec<String>> {
        let template = UriTemplate::parse(template).unwrap();
        let values = template.values(uri)?.unwrap();
        Some(values.into_iter().map(|(_, value)| value).collect())
    }

    fn is(values: Option<Vec<String>>, expected: &[&str]) -> bool {
        values.is_some_and(|values| values == expected)
    }

    #[test]
    fn a_placeholder_stands_for_one_segment_or_a_part_of_it() {
        assert!(is(values("user://{id}/profile", "user://7/profile"), &["7"]));
        assert!(is(values("org://{org}/team/{team}/members", "org://a/team/b%20c/members"), &["a", "b c"]));
        assert!(is(values("log://{year}-{month}.txt", "log://2026-11.txt"), &["2026", "11"]));
        assert!(is(values("f://{name}.json", "f://a.json.json"), &["a.json"]));
        assert!(is(values("data://config", "data://config"), &[]));
    }

    #[test]
    fn what_does_not_fit_does_not_match() {
        for uri in
            ["user:///profile", "user://a/b/profile", "user://a/profile/", "user://a", "users://a/profile"]
        {
            assert_eq!(values("user://{id}/profile", uri), None, "{uri}");
        }
        assert_eq!(values("data://config", "data://config2"), None);
    }

    #[test]
    fn a_value_that_could_leave_its_place_is_refused() {
        let template = UriTemplate::parse("file://{name}/raw").unwrap();
        for value in ["..", ".", "%2e%2e", "a%2Fb", "a%5Cb", "a%00", "%ff"] {
            let uri = format!("file://{value}/raw");
            assert!(template.values(&uri).unwrap().is_err(), "{value}");
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_with_the_way_out() {
        let why = |text: &str| UriTemplate::parse(text).unwrap_err().0;
        assert_eq!(why("config"), r#"URI "config" has no scheme: write e.g. "data://config""#);
        assert!(why("a://{x").contains("no `}` closes"));
        assert!(why("a://x}").contains("no `{` opens"));
        assert!(why("a://{x}/{x}").contains("twice"));
        assert!(why("a://{x}{y}").contains("nothing between"));
        assert!(why("a://{+path}").contains("only {name} is supported"));
    }
}

#[cfg(test)]
mod properties {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    /// Texts for between the placeholders; what is encoded has none of their letters.
    fn texts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[-._~/]{1,3}", 1..5)
    }

    fn template(texts: &[String], last: &str) -> String {
        let parts = texts.iter().zip(0..).map(|(text, number)| format!("{{v{number}}}{text}"));
        format!("data://{}{last}", parts.collect::<String>())
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn the_values_that_fill_a_template_are_found_again(
            texts in texts(), values in prop::collection::vec(any::<String>(), 5),
        ) {
            let template = template(&texts, "");
            let filled = texts.iter().zip(&values).map(|(text, value)| {
                format!("{}{text}", utf8_percent_encode(value, NON_ALPHANUMERIC))
            });
            let uri = format!("data://{}", filled.collect::<String>());
            let values: Vec<_> = values.into_iter().take(texts.len()).collect();
            let is_safe = |value: &str| !matches!(value, "." | "..") && !value.contains(['/', '\\', '\0']);
            let template = UriTemplate::parse(&template).unwrap();
            match template.values(&uri) {
                None => prop_assert!(values.iter().any(String::is_empty), "{uri}"),
                Some(Err(_)) => prop_assert!(!values.iter().all(|value| is_safe(value)), "{uri}"),
                Some(Ok(found)) => {
                    let found: Vec<_> = found.into_iter().map(|(_, value)| value).collect();
                    prop_assert_eq!(found, values);
                }
            }
        }

        #[test]
        fn what_is_found_is_what_stands_there_and_cannot_leave_its_place(
            texts in texts(), last in "[a-z/]{0,2}", uri in "data://[-._~/a-c%0-9A-F]{0,20}",
        ) {
            let template = UriTemplate::parse(&template(&texts, &last)).unwrap();
            let Some(Ok(values)) = template.values(&uri) else { return Ok(()) };
            let mut filled = template.texts[0].clone();
            for ((_, value), text) in values.iter().zip(&template.texts[1..]) {
                prop_assert!(!value.is_empty() && !value.contains('/') && value != "..");
                filled.push_str(value);
                filled.push_str(text);
            }
            prop_assert_eq!(&*percent_decode_str(&uri).decode_utf8().unwrap(), &*filled);
        }

        #[test]
        fn any_text_is_a_template_or_says_why_not(text: String, braces in "a:[{}a-z0-9_/]{0,12}", uri: String) {
            for text in [text, braces] {
                let Ok(template) = UriTemplate::parse(&text) else { continue };
                prop_assert_eq!(template.texts.len(), template.names.len() + 1);
                let _ = template.values(&uri);
                if template.names.is_empty() {
                    prop_assert_eq!(template.values(&text), Some(Ok(Vec::new())));
                }
            }
        }
    }
}
