//! Says what the file of a key's part is called, such that it is safe and its own on every file system, and reads it back.
//!
//! Small letters, digits and `-_.@=` stand for themselves, the rest is percent-encoded: capital letters too, since `A`
//! and `a` are one name on macOS and Windows, and whatever Windows gives a meaning of its own. The few names that would
//! be too long so are base32 behind a `~`.

use data_encoding::BASE32_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest percent-encoded name, in bytes. File systems take 255, of which a suffix needs some.
const ENCODED_BYTES_MAX: usize = 200;

/// What begins a name in base32. It is no letter of the others.
const BASE32: char = '~';

const ESCAPED: &AsciiSet = &escaped();

const fn escaped() -> AsciiSet {
    let mut set = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'=');
    let mut letter = b'A';
    while letter <= b'Z' {
        set = set.add(letter);
        letter += 1;
    }
    set
}

/// What the file or folder of `part` is called.
pub(super) fn name(part: &str) -> String {
    let mut name: String = utf8_percent_encode(part, ESCAPED).collect();
    // A leading dot hides a file, and `.` and `..` are folders already.
    if name.starts_with('.') {
        name.replace_range(..1, "%2E");
    }
    // Windows drops a dot at the end.
    if name.ends_with('.') {
        name.pop();
        name.push_str("%2E");
    }
    if let Some((first, rest)) = name.split_at_checked(1).filter(|_| is_device(&name)) {
        name = format!("%{:02X}{rest}", first.bytes().next().unwrap_or_default());
    }
    if name.len() > ENCODED_BYTES_MAX {
        name = format!("{BASE32}{}", BASE32_NOPAD.encode(part.as_bytes()));
    }
    name
}

/// Whether Windows takes it for a device, whatever stands behind its first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let numbered = ["com", "lpt"].iter().find_map(|device| stem.strip_prefix(device));
    matches!(stem, "con" | "prn" | "aux" | "nul")
        || numbered.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The part whose file or folder is called so; `None` where none is.
pub(super) fn part(name: &str) -> Option<String> {
    let part = match name.strip_prefix(BASE32) {
        Some(code) => String::from_utf8(BASE32_NOPAD.decode(code.as_bytes()).ok()?).ok()?,
        None => percent_decode_str(name).decode_utf8().ok()?.into_owned(),
    };
    // Of the many ways to write a part one is its name.
    (self::name(&part) == name).then_some(part)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use edgemcp::store::KEY_PART_BYTES_MAX;

    use super::*;

    /// Every part of one and of two characters, and many that a file system gives a meaning.
    fn parts() -> Vec<String> {
        let characters: Vec<char> = ('!'..='~').filter(|c| *c != '/').collect();
        let mut parts: Vec<String> = characters.iter().map(char::to_string).collect();
        parts.extend(characters.iter().flat_map(|a| characters.iter().map(move |b| format!("{a}{b}"))));
        for device in
            ["con", "PRN", "aux", "nul", "Com1", "com0", "lpt9", "COM10", "con.json", "nul.", "xcon"]
        {
            parts.push(device.to_owned());
        }
        parts.extend(
            ["...", "a.b", ".a", "a.", "%2E", "%2e", "%25", "~MFRGG", "LONGFI~1", "lost+found"]
                .map(str::to_owned),
        );
        parts.extend(characters.iter().map(|c| c.to_string().repeat(KEY_PART_BYTES_MAX)));
        parts.push("aA".repeat(KEY_PART_BYTES_MAX / 2));
        parts.push("Aa".repeat(KEY_PART_BYTES_MAX / 2));
        parts
    }

    #[test]
    fn every_part_comes_back_from_its_name() {
        for part in parts() {
            assert_eq!(super::part(&name(&part)).as_deref(), Some(&*part), "{}", name(&part));
        }
    }

    #[test]
    fn no_two_parts_share_a_name_where_case_does_not_count() {
        let parts: HashSet<_> = parts().into_iter().collect();
        let names: HashSet<_> = parts.iter().map(|part| name(part).to_ascii_lowercase()).collect();
        assert_eq!(names.len(), parts.len());
    }

    #[test]
    fn every_name_is_one_on_every_system() {
        for name in parts().iter().map(|part| name(part)) {
            let fits = name.len() <= 255 - ".json".len();
            let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@=%~".contains(&b));
            let has_dots = name.starts_with('.') || name.ends_with('.');
            let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
            let is_device = ["con", "prn", "aux", "nul", "com0", "com1", "lpt9"].contains(&&*stem);
            assert!(fits && is_plain && !has_dots && !is_device, "{name}");
        }
    }

    #[test]
    fn plain_parts_are_their_own_names() {
        for part in ["notes", "2026-11-30", "a_b.c", "ada@example.com", "com10", "console"] {
            assert_eq!(name(part), part);
        }
        assert_eq!(name("Ada:1"), "%41da%3A1");
        assert_eq!(name("con.json"), "%63on.json");
        assert_eq!(name(".."), "%2E%2E");
    }

    #[test]
    fn what_is_called_otherwise_is_the_file_of_no_part() {
        for foreign in [
            "Notes",
            "%6eotes",
            "%6Eotes",
            "lost+found",
            ".hidden",
            "a.",
            "a b",
            "ü",
            "%",
            "%FF",
            "~",
            "~A",
            "con",
        ] {
            assert_eq!(part(foreign), None, "{foreign}");
        }
        // Base32 is for what is too long otherwise.
        assert_eq!(part("~MFRGG"), None);
    }

    #[test]
    fn a_name_is_encoded_up_to_its_limit() {
        let capitals = |count: usize| "A".repeat(count);
        let fits = format!("{}xx", capitals(66));
        assert_eq!(name(&fits).len(), ENCODED_BYTES_MAX);
        assert!(!name(&fits).starts_with(BASE32));
        assert!(name(&format!("{fits}x")).starts_with(BASE32));
    }
}
