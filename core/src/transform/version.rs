//! Which of two versions is the higher one.

use std::cmp::Ordering;

/// Compares two versions: numbers as numbers, whatever stands between dots; `1.0-beta` is lower than `1.0`.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('v'), b.trim_start_matches('v'));
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(part), None) => match ends_against(part) {
                Ordering::Equal => {}
                ordering => return ordering,
            },
            (None, Some(part)) => match ends_against(part) {
                Ordering::Equal => {}
                ordering => return ordering.reverse(),
            },
            (Some(one), Some(other)) => {
                let ordering = match (one.parse::<u64>(), other.parse::<u64>()) {
                    (Ok(one), Ok(other)) => one.cmp(&other),
                    (Ok(_), Err(_)) => Ordering::Greater,
                    (Err(_), Ok(_)) => Ordering::Less,
                    (Err(_), Err(_)) => one.cmp(other),
                };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
        }
    }
}

/// How a version compares to one that ends where it goes on with `part`: `1.0.1` is higher, `1.0rc1` lower, `1.0.0` the same.
fn ends_against(part: &str) -> Ordering {
    match part.parse::<u64>() {
        Ok(0) => Ordering::Equal,
        Ok(_) => Ordering::Greater,
        Err(_) => Ordering::Less,
    }
}

/// Runs of digits, and runs of letters.
fn parts(version: &str) -> impl Iterator<Item = &str> {
    let mut rest = version;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let first = rest.chars().next()?;
        let end = rest
            .find(|c: char| !c.is_alphanumeric() || c.is_ascii_digit() != first.is_ascii_digit())
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_people_count() {
        let ordered =
            ["0.9", "1.0-alpha", "1.0-beta", "1.0rc1", "1.0", "1.0.1", "1.2", "1.10", "v2", "2.0.1"];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("2", "2.0"), Ordering::Equal);
        assert_eq!(compare("2025-01-31", "2025-02-01"), Ordering::Less);
    }
}
