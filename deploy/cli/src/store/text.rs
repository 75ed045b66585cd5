//! Writes tables, sizes and times for people.

use edgemcp::platform::Timestamp;

/// A column of a table.
pub(super) struct Column {
    title: &'static str,
    is_right: bool,
}

impl Column {
    pub(super) const fn left(title: &'static str) -> Self {
        Self { title, is_right: false }
    }

    pub(super) const fn right(title: &'static str) -> Self {
        Self { title, is_right: true }
    }
}

/// A table with a head, its columns as wide as they must be.
pub(super) fn table(columns: &[Column], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = columns.iter().map(|column| column.title.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns.len()).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells =
            row.iter().zip(columns).zip(&widths).map(|((cell, column), width)| match column.is_right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A text that moves nobody's cursor: what users have stored could otherwise rewrite an operator's screen.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Bytes in the unit that leaves one to three digits before the point.
pub(super) fn size(bytes: usize) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.95 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{amount:.1} {}", units.get(unit).copied().unwrap_or_default())
}

/// When an entry ends, and how far that is.
pub(super) fn age(end: Option<Timestamp>, now: Timestamp) -> String {
    let Some(end) = end else { return "never".to_owned() };
    let at = end.to_rfc3339();
    match end <= now {
        true => format!("{at} (expired)"),
        false => format!("{at} (in {})", about(end.since(now).as_secs())),
    }
}

/// A time in its two largest units.
fn about(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1_234_567_890, "1.2 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn an_end_says_how_far_it_is() {
        let at = |ms| Some(Timestamp::from_millis(ms));
        let now = Timestamp::from_millis(1_785_231_000_000);
        assert_eq!(age(None, now), "never");
        assert_eq!(age(at(1_785_231_000_000), now), "2026-07-28T09:30:00.000Z (expired)");
        assert_eq!(age(at(1_785_231_059_000), now), "2026-07-28T09:30:59.000Z (in 59 s)");
        assert_eq!(age(at(1_785_231_090_500), now), "2026-07-28T09:31:30.500Z (in 1 min 30 s)");
        assert_eq!(age(at(1_785_231_000_000 + 86_400_000 * 2), now), "2026-07-30T09:30:00.000Z (in 2 d 0 h)");
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), "23456".to_owned()]];
        let text = table(&[Column::left("NAME"), Column::right("N")], rows.into_iter());
        assert_eq!(text, "NAME        N\na           1\nlonger  23456\n");
    }
}
