//! Cuts texts into the words they are found by.

/// Words that say nothing about what is looked for.
const FILLERS: [&str; 32] = [
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "for", "from", "in", "into", "is",
    "it", "its", "me", "my", "of", "on", "or", "that", "the", "this", "to", "use", "what", "which", "with",
    "you",
];

/// Gives `each` word of `text`: in small letters, in the singular, without fillers. A word in camel case is given whole and
/// in its parts, and of scripts that write no spaces each character is a word.
pub(super) fn each(text: &str, mut each: impl FnMut(&str)) {
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        let mut rest = run;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| stands_alone(*c)) {
            let (before, after) = rest.split_at(at);
            word(before, &mut each);
            each(c.encode_utf8(&mut [0; 4]));
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        word(rest, &mut each);
    }
}

/// Gives a word, and its parts where it has several.
fn word(whole: &str, each: &mut impl FnMut(&str)) {
    let mut begin = 0;
    let mut before: Option<char> = None;
    for (at, c) in whole.char_indices() {
        let is_before_small =
            || whole.get(at..).and_then(|rest| rest.chars().nth(1)).is_some_and(char::is_lowercase);
        // `getObject`, and the last capital of `HTTPServer`.
        if before.is_some_and(|before| c.is_uppercase() && (!before.is_uppercase() || is_before_small())) {
            give(whole.get(begin..at).unwrap_or_default(), each);
            begin = at;
        }
        before = Some(c);
    }
    if begin > 0 {
        give(whole.get(begin..).unwrap_or_default(), each);
    }
    give(whole, each);
}

fn give(word: &str, each: &mut impl FnMut(&str)) {
    let word = word.to_lowercase();
    if !word.is_empty() && !FILLERS.contains(&word.as_str()) {
        each(&singular(&word));
    }
}

/// Whether a character is of a script that puts no spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// An English word in the singular, as far as its letters tell; both sides of a search are cut alike.
fn singular(word: &str) -> std::borrow::Cow<'_, str> {
    let Some(stem) = word.strip_suffix('s').filter(|stem| stem.len() > 2) else { return word.into() };
    if let Some(stem) = stem.strip_suffix("ie").filter(|stem| stem.len() > 1) {
        return format!("{stem}y").into();
    }
    match stem.strip_suffix('e') {
        Some(root)
            if root.ends_with("ss") || ["sh", "ch", "x", "z"].iter().any(|end| root.ends_with(end)) =>
        {
            root.into()
        }
        _ if stem.ends_with(['s', 'u', 'i']) => word.into(),
        _ => stem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn names_are_cut_where_people_read_a_boundary() {
        assert_eq!(words("get_user-profile.v2"), ["get", "user", "profile", "v2"]);
        assert_eq!(words("getS3Object"), ["get", "s3", "object", "gets3object"]);
        assert_eq!(words("HTTPServer"), ["http", "server", "httpserver"]);
        assert_eq!(words("GitHub"), ["git", "hub", "github"]);
    }

    #[test]
    fn one_and_many_are_the_same_word() {
        for (many, one) in [
            ("emails", "email"),
            ("queries", "query"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("classes", "class"),
            ("addresses", "address"),
            ("releases", "release"),
            ("status", "status"),
            ("s", "s"),
            ("dns", "dns"),
            ("aws", "aws"),
            ("analysis", "analysis"),
        ] {
            assert_eq!(words(many), words(one), "{many}");
        }
    }

    #[test]
    fn a_script_without_spaces_is_cut_into_characters() {
        assert_eq!(words("搜索email文件"), ["搜", "索", "email", "文", "件"]);
        assert_eq!(words("Größe ÄNDERN"), ["größe", "ändern"]);
    }

    #[test]
    fn fillers_say_nothing() {
        assert_eq!(words("add to the cart"), ["add", "cart"]);
        assert!(words("—  ...  ").is_empty());
    }
}
