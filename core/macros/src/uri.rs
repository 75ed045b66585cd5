//! Reads a resource's URI or URI template (RFC 3986; RFC 6570 level 1) and says what is wrong with it.

/// The placeholders of a URI in its order, and none where it is plain.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn placeholders(uri: &str) -> Result<Vec<String>, Vec<String>> {
    let mut wrong = Vec::new();
    wrong.extend(check_scheme(uri));
    let mut placeholders: Vec<String> = Vec::new();
    let mut rest = uri;
    let mut follows_placeholder = false;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        wrong.extend(check_letters(uri, before));
        let Some(inside) = from.strip_prefix('{') else {
            wrong.push(format!("uri {uri:?} has a `}}` without a `{{`: write placeholders as `{{name}}`"));
            return Err(wrong);
        };
        let Some((name, after)) = inside.split_once('}').filter(|(name, _)| !name.contains('{')) else {
            wrong.push(format!("uri {uri:?} has a `{{` without a `}}`: write placeholders as `{{name}}`"));
            return Err(wrong);
        };
        match check_placeholder(name) {
            Err(message) => wrong.push(format!("uri {uri:?}: {message}")),
            Ok(()) if placeholders.iter().any(|earlier| earlier == name) => {
                wrong.push(format!("uri {uri:?} has `{{{name}}}` twice: give each placeholder its own name"));
            }
            Ok(()) => {
                if follows_placeholder && before.is_empty() {
                    let last = placeholders.last().map_or("", String::as_str);
                    wrong.push(format!(
                        "uri {uri:?}: nothing tells where `{{{last}}}` ends and `{{{name}}}` begins: put e.g. `/` between"
                    ));
                }
                placeholders.push(name.to_owned());
            }
        }
        follows_placeholder = true;
        rest = after;
    }
    wrong.extend(check_letters(uri, rest));
    if wrong.is_empty() { Ok(placeholders) } else { Err(wrong) }
}

/// RFC 3986 section 3.1.
fn check_scheme(uri: &str) -> Option<String> {
    let end = uri.find([':', '/', '?', '#']);
    let scheme = end.and_then(|end| uri.split_at_checked(end)).filter(|(_, rest)| rest.starts_with(':'));
    let Some((scheme, rest)) = scheme.filter(|(scheme, _)| !scheme.is_empty()) else {
        let path = uri.trim_start_matches([':', '/']);
        return Some(format!("uri {uri:?} has no scheme: write e.g. {:?}", format!("data://{path}")));
    };
    if scheme.contains(['{', '}']) {
        return Some(format!(
            "uri {uri:?}: a scheme is fixed, so it holds no placeholder: write e.g. \"data://…\""
        ));
    }
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
    if !scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !scheme.chars().all(is_letter) {
        return Some(format!(
            "uri {uri:?}: {scheme:?} is no scheme: it begins with a letter and goes on with `A-Z a-z 0-9 + - .`"
        ));
    }
    let nothing_follows = rest.trim_start_matches([':', '/']).is_empty();
    nothing_follows.then(|| format!("uri {uri:?} names nothing: write e.g. \"{scheme}://config\""))
}

/// What stands between placeholders is already a URI: anything else would have to be percent-encoded.
fn check_letters(uri: &str, part: &str) -> Option<String> {
    let forbidden = |letter: &char| !letter.is_ascii_graphic() || "\"<>\\^`|".contains(*letter);
    let letter = part.chars().find(forbidden)?;
    let mut bytes = [0; 4];
    let encoded: String = letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
    Some(format!("uri {uri:?} contains {letter:?}: write it percent-encoded, `{encoded}`"))
}

/// RFC 6570 section 2.3, of which level 1 has plain names only.
fn check_placeholder(name: &str) -> Result<(), String> {
    let operator = match name.chars().next() {
        None => return Err("`{}` has no name: write `{name}`".to_owned()),
        Some('+') => "reserved expansion",
        Some('#') => "fragment expansion",
        Some('.') => "label expansion",
        Some('/') => "path expansion",
        Some(';') => "path-style parameters",
        Some('?') => "a form-style query",
        Some('&') => "a query continuation",
        Some('=' | ',' | '!' | '@' | '|') => "an operator that RFC 6570 keeps for later",
        _ => "",
    };
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let plain: String = name.chars().filter(|letter| is_letter(*letter)).collect();
    if !operator.is_empty() {
        let sign: String = name.chars().take(1).collect();
        return Err(format!(
            "`{sign}` in `{{{name}}}` ({operator}) is not supported: write plain placeholders such as `{{name}}`"
        ));
    }
    if name.contains(',') {
        let each: Vec<String> = name.split(',').map(|name| format!("{{{}}}", name.trim())).collect();
        return Err(format!("`,` in `{{{name}}}` is not supported: write `{}`", each.join("/")));
    }
    if let Some(base) = name.strip_suffix('*') {
        return Err(format!(
            "`*` in `{{{name}}}` (explode) is not supported: write `{{{base}}}`, which matches one segment"
        ));
    }
    if let Some((base, _)) = name.split_once(':') {
        return Err(format!("`:` in `{{{name}}}` (prefix) is not supported: write `{{{base}}}`"));
    }
    if let Some(letter) = name.chars().find(|letter| !is_letter(*letter)) {
        return Err(format!(
            "`{{{name}}}` contains {letter:?}: a placeholder is named like a parameter, e.g. `{{{plain}}}`"
        ));
    }
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(format!("`{{{name}}}` begins with a digit: a placeholder is named like a parameter"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(uri: &str) -> String {
        placeholders(uri).expect_err(uri).join("\n")
    }

    #[test]
    fn a_plain_uri_has_no_placeholders() {
        for uri in [
            "data://config",
            "urn:isbn:0451450523",
            "file:///etc/hosts",
            "a+b-c.1://x?y=z#w",
            "mailto:a@b.c",
            "x://%7B",
        ] {
            assert_eq!(placeholders(uri), Ok(vec![]), "{uri}");
        }
    }

    #[test]
    fn placeholders_come_in_order() {
        let names = |uri: &str| placeholders(uri).unwrap();
        assert_eq!(names("user://{user_id}/profile"), ["user_id"]);
        assert_eq!(names("repo://{owner}/{name}?ref={r1}"), ["owner", "name", "r1"]);
        assert_eq!(names("x:{a}.{b}"), ["a", "b"]);
    }

    #[test]
    fn a_scheme_is_asked_for() {
        assert_eq!(wrong("config"), r#"uri "config" has no scheme: write e.g. "data://config""#);
        assert_eq!(wrong("/config"), r#"uri "/config" has no scheme: write e.g. "data://config""#);
        assert_eq!(wrong("://config"), r#"uri "://config" has no scheme: write e.g. "data://config""#);
        assert_eq!(wrong("config/a:b"), r#"uri "config/a:b" has no scheme: write e.g. "data://config/a:b""#);
        assert_eq!(wrong("users/{id}"), r#"uri "users/{id}" has no scheme: write e.g. "data://users/{id}""#);
        assert!(wrong("").contains("has no scheme"));
        assert!(wrong("1a://x").contains(r#""1a" is no scheme"#));
        assert!(wrong("a_b://x").contains(r#""a_b" is no scheme"#));
        assert!(wrong("{scheme}://x").contains("holds no placeholder"));
        assert!(wrong("data://").contains(r#"write e.g. "data://config""#));
    }

    #[test]
    fn braces_come_in_pairs() {
        for uri in ["a://{b", "a://b{", "a://{b/{c}", "a://{b{c}}"] {
            assert!(wrong(uri).contains("has a `{` without a `}`"), "{uri}");
        }
        for uri in ["a://b}", "a://{b}}", "a://}b{"] {
            assert!(wrong(uri).contains("has a `}` without a `{`"), "{uri}");
        }
    }

    #[test]
    fn every_operator_of_rfc_6570_is_refused_by_name() {
        for (placeholder, says) in [
            ("{+path}", "`+` in `{+path}` (reserved expansion) is not supported"),
            ("{#part}", "fragment"),
            ("{.ext}", "label"),
            ("{/path}", "path expansion"),
            ("{;x}", "path-style"),
            ("{?q}", "`?` in `{?q}` (a form-style query) is not supported"),
            ("{&q}", "continuation"),
            ("{=x}", "keeps for later"),
            ("{!x}", "keeps for later"),
            ("{@x}", "keeps for later"),
            ("{|x}", "keeps for later"),
            ("{a,b}", "write `{a}/{b}`"),
            ("{path*}", "(explode)"),
            ("{id:3}", "(prefix)"),
            ("{user-id}", "e.g. `{userid}`"),
            ("{}", "`{}` has no name"),
            ("{1st}", "begins with a digit"),
        ] {
            let message = wrong(&format!("a://{placeholder}"));
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn placeholders_are_told_apart() {
        assert!(wrong("a://{b}/{b}").contains("has `{b}` twice"));
        assert!(wrong("a://{b}{c}").contains("nothing tells where `{b}` ends and `{c}` begins"));
    }

    #[test]
    fn what_is_no_uri_is_encoded() {
        assert!(wrong("a://b c").contains("`%20`"));
        assert!(wrong("a://größe").contains("`%C3%B6`"));
        assert!(wrong("a://b\"{c}").contains("`%22`"));
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        assert_eq!(placeholders("config {?q}/{b}/{b}").unwrap_err().len(), 4);
    }
}
