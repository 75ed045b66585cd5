//! Finds the name a user meant among those that exist.

/// The candidate nearest to `name`, if one is near enough to be what was meant: a few letters away, or the same but for
/// leading or trailing words (`id` and `user_id`).
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| {
        let distance = distance(name, candidate);
        let letters = name.chars().count().max(candidate.chars().count());
        let near = distance * 3 <= letters || extends(name, candidate) || extends(candidate, name);
        near.then_some(distance)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| near(candidate).map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether `long` is `short` with words before or after it.
fn extends(long: &str, short: &str) -> bool {
    let before = long.strip_suffix(short).is_some_and(|rest| rest.ends_with('_'));
    let after = long.strip_prefix(short).is_some_and(|rest| rest.starts_with('_'));
    !short.is_empty() && (before || after)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in to.iter().enumerate() {
            let replaced = at(&last, column) + usize::from(letter != other);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = Some(other) == previous && column > 0 && to.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["name", "title", "description", "read_only"];
        for (written, meant) in [
            ("nmae", "name"),
            ("tittle", "title"),
            ("desciption", "description"),
            ("readonly", "read_only"),
            ("Name", "name"),
        ] {
            assert_eq!(nearest(written, known), Some(meant), "{written}");
        }
        assert_eq!(nearest("version", known), None);
    }

    #[test]
    fn a_missing_word_is_understood() {
        assert_eq!(nearest("id", ["name", "user_id"]), Some("user_id"));
        assert_eq!(nearest("user_id", ["name", "id"]), Some("id"));
        assert_eq!(nearest("user", ["user_id"]), Some("user_id"));
        assert_eq!(nearest("ser", ["parser_x"]), None);
    }

    #[test]
    fn letters_are_counted_like_a_typist_would() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
