//! Reads the text of a `.env` or `.dev.vars` file: one `NAME=value` a line.
//!
//! It reads what `wrangler` does in `.dev.vars`, which is the syntax of Node's `dotenv`. The crates there are read
//! otherwise (`dotenvy` replaces `$NAME` by another variable's value, so that a password with a `$` in it is another
//! one), and tell what is wrong by quoting the line, which may hold a secret, without its number.

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The line's number, from 1.
    pub(super) line: usize,
    /// What is wrong and what to write, and nothing of what stands there.
    pub(super) why: &'static str,
}

/// The names and values in `text`, in their order. Of one that is set twice the last counts.
///
/// A value begins and ends with `'`, `"` or `` ` ``, and may then have several lines and every other character; or it
/// ends with its line, or at a `#` behind a space. Within `"` alone `\n` and `\r` stand for the end of a line. Nothing
/// else is replaced.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = text.as_str();
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(found);
        }
        // Ends of lines that come before what is left, so an error is told where its variable begins.
        let line = 1 + text.strip_suffix(rest).unwrap_or_default().matches('\n').count();
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, below)| below);
            continue;
        }
        let (variable, below) = variable(rest).map_err(|why| Malformed { line, why })?;
        found.push(variable);
        rest = below;
    }
}

/// The variable that `text` begins with, and what stands on the lines below it.
fn variable(text: &str) -> Result<((String, String), &str), &'static str> {
    const FORM: &str = "a line is `NAME=value`, empty, or a comment that begins with `#`";
    let (name, value) = assignment(text)
        .or_else(|| {
            assignment(text.strip_prefix("export")?.strip_prefix(is_blank)?.trim_start_matches(is_blank))
        })
        .ok_or(FORM)?;
    let trimmed = value.trim_start_matches(is_blank);
    let (value, below) = match trimmed.chars().next() {
        Some(quote @ ('\'' | '"' | '`')) => quoted(trimmed, quote)?,
        _ => bare(value)?,
    };
    Ok(((name.to_owned(), value), below))
}

/// The name in front of a `=`, and what stands behind that.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim_end_matches(is_blank);
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name.then_some((name, value))
}

/// A value that begins with `quote`, and what stands on the lines below it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let mut escaped = false;
    let end = inner.find(|c| {
        let is_end = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    let (value, behind) = end.and_then(|end| inner.split_at_checked(end)).ok_or(
        "the quote that begins here is not closed: close it, or put the value in quotes of another kind",
    )?;
    let behind = behind.strip_prefix(quote).unwrap_or(behind);
    let (behind, below) = behind.split_once('\n').unwrap_or((behind, ""));
    let behind = behind.trim_start_matches(is_blank);
    if !behind.is_empty() && !behind.starts_with('#') {
        return Err(
            "something stands behind the closing quote: remove it, or put the value in quotes of another kind",
        );
    }
    let value = match quote {
        '"' => value.replace("\\n", "\n").replace("\\r", "\r"),
        _ => value.to_owned(),
    };
    Ok((value, below))
}

/// A value without quotes, and what stands on the lines below it.
fn bare(text: &str) -> Result<(String, &str), &'static str> {
    let (line, below) = text.split_once('\n').unwrap_or((text, ""));
    let value = match line.split_once('#') {
        None => line,
        // Some read the rest as the value's, and some as a comment, which would make another password of it unseen.
        Some((before, _)) if !before.ends_with(is_blank) => {
            return Err("a `#` begins a comment: put the value in quotes, or a space before the comment");
        }
        Some((before, _)) => before,
    };
    Ok((value.trim().to_owned(), below))
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap_or_else(|error| panic!("{error:?} in {text:?}"))
    }

    /// What `dotenv` 16, which is in wrangler 4, reads from each of these.
    #[test]
    fn a_value_is_what_wrangler_reads() {
        for (text, value) in [
            ("A=b", "b"),
            ("  A = b c  ", "b c"),
            ("export A=b", "b"),
            ("export  A=b", "b"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A=b # a comment", "b"),
            ("A=b=c", "b=c"),
            ("A=it's", "it's"),
            ("A=p$B${B}\\n", "p$B${B}\\n"),
            ("A='b # c'", "b # c"),
            ("A='b\\n\"c\"' # a comment", "b\\n\"c\""),
            ("A=\"b#c\"", "b#c"),
            ("A=\"b\\nc\\rd\\te\"", "b\nc\rd\\te"),
            ("A=\"say \\\"b\\\"\"", "say \\\"b\\\""),
            ("A=`it's \"b\"`", "it's \"b\""),
            ("A=\"b\nc\"", "b\nc"),
            ("A='b\r\nc'", "b\nc"),
            ("A=\" b \"", " b "),
            ("A='{\"b\": 1}'", "{\"b\": 1}"),
            ("A=ü", "ü"),
            ("\u{feff}A=b", "b"),
            ("A=first\nA=b", "b"),
        ] {
            let found = read(text);
            assert_eq!(found.last(), Some(&("A".to_owned(), value.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn names_comments_and_empty_lines_are_told_apart() {
        let text = "# A=1\n\n  # B=2\nC_1=3\r\nd.e-f=4\n\nexport=5\n\t\nexport G=6\n# the end";
        let found = read(text);
        let pairs: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("C_1", "3"), ("d.e-f", "4"), ("export", "5"), ("G", "6")]);
        assert_eq!([read(""), read("\n\n"), read("#")], [const { Vec::new() }; 3]);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line_and_nothing_of_it() {
        let form = "`NAME=value`";
        for (text, line, why) in [
            ("hunter2", 1, form),
            ("A=1\nhunter2\nB=2", 2, form),
            ("=hunter2", 1, form),
            ("A B=hunter2", 1, form),
            ("A: hunter2", 1, form),
            ("$A=hunter2", 1, form),
            ("A=\"1\n2\"\n\nB=\"hunter2\nC=3", 4, "is not closed"),
            ("A='hunter2", 1, "is not closed"),
            ("A=1\r\nB=\"hunter2\" hunter3", 2, "behind the closing quote"),
            ("A=\"hunter2\"hunter3\"", 1, "behind the closing quote"),
            ("A=1\nB=hunter2#3", 2, "begins a comment"),
            ("A=#hunter2", 1, "begins a comment"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error:?}");
            assert!(error.why.contains(why) && !error.why.contains("hunter"), "{text:?}: {error:?}");
        }
    }
}
