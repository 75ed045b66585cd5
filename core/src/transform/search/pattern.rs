//! Searches a catalogue of tools with a regular expression.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use regex_lite::RegexBuilder;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Field, Search, Settings, fields_of, install, settings};
use crate::{
    error::ToolError,
    limits::{SEARCH_PATTERN_CHARS_MAX, echo},
    model::Text,
    tool::Tool,
    transform::{Components, Transform},
};

/// The most bytes of a compiled pattern. Matching takes time in proportion to them, and a counted repetition has many in few
/// characters. Ten alternatives have some 3,000.
const COMPILED_BYTES_MAX: usize = 4 << 10;

/// Replaces a long list of tools by two: `search_tools` finds those that a regular expression matches, with their definitions,
/// and `call_tool` calls one. Where models are better at words, take [`BM25Search`](super::BM25Search), which says more of
/// what is found and what is not.
///
/// A pattern is looked for in a tool's name, title and description, and in the names and descriptions of its arguments, each for
/// itself; those whose name it matches come first. Upper and lower case are the same, unless
/// [`case_sensitive`](Self::case_sensitive) is said.
///
/// ```
/// use edgemcp::{prelude::*, transform::RegexSearch};
///
/// let server = Server::new("files", "1.0.0")
///     .tool(Tool::new("read_file", "Reads a file.", |_, _: NoArguments| async { "…" }))
///     .tool(Tool::new("write_file", "Writes a file.", |_, _: NoArguments| async {}))
///     .transform(RegexSearch::new().max_results(10));
/// # assert!(server.build().is_ok());
/// ```
///
/// # Limits
/// A pattern has [`SEARCH_PATTERN_CHARS_MAX`](crate::limits::SEARCH_PATTERN_CHARS_MAX) characters at the most, and some 4 kB once
/// it is compiled. It matches in linear time, so it has no look-around and no back-references; who means harm can still make a
/// search among 1,000 tools take some 0.2 s.
///
/// # Source
/// FastMCP 3.1, `RegexSearchTransform`.
#[derive(Clone, Debug, Default)]
pub struct RegexSearch {
    settings: Settings,
    is_case_sensitive: bool,
}

impl RegexSearch {
    /// A search with regular expressions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells upper and lower case apart.
    #[must_use]
    pub fn case_sensitive(mut self) -> Self {
        self.is_case_sensitive = true;
        self
    }
}

settings!(RegexSearch);

impl Transform for RegexSearch {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        let search = ByPattern { is_case_sensitive: self.is_case_sensitive };
        install(&self.settings, search, components, problems);
    }
}

struct ByPattern {
    is_case_sensitive: bool,
}

/// What `search_tools` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pattern {
    /// A regular expression, such as `invoice|receipt`, without look-around and back-references.
    #[schemars(length(min = 1, max = SEARCH_PATTERN_CHARS_MAX))]
    pattern: String,
}

impl Search for ByPattern {
    const DESCRIPTION: &'static str = "Searches the catalogue of tools with a regular expression, and gives the definitions \
                                       of those that it matches. Call one with `call_tool`.";

    type Query = Pattern;
    /// Each text once, since many tools have the same arguments; and which tools have it, as their name or otherwise.
    type Index = BTreeMap<String, Vec<(usize, bool)>>;

    fn index(&self, tools: &[Arc<Tool>]) -> Self::Index {
        let mut index = Self::Index::new();
        for (at, tool) in tools.iter().enumerate() {
            fields_of(tool, |text, field| {
                let of = index.entry(text.to_owned()).or_default();
                of.push((at, matches!(field, Field::Name)));
            });
        }
        index
    }

    fn find(&self, index: &Self::Index, Pattern { pattern }: &Pattern) -> Result<Vec<usize>, ToolError> {
        let mut builder = RegexBuilder::new(pattern);
        builder.case_insensitive(!self.is_case_sensitive).size_limit(COMPILED_BYTES_MAX);
        let regex = builder.build().map_err(|error| {
            ToolError::new(format!(
                "{} is no regular expression that can be searched with: {error} (write a simpler one, as `invoice|receipt`)",
                echo(pattern)
            ))
        })?;
        let matching = index.iter().filter(|(text, _)| regex.is_match(text)).flat_map(|(_, of)| of);
        let (mut by_name, mut others) = (BTreeSet::new(), BTreeSet::new());
        for (at, is_name) in matching {
            if *is_name {
                by_name.insert(*at)
            } else {
                others.insert(*at)
            };
        }
        let others = others.difference(&by_name);
        Ok(by_name.iter().chain(others).copied().collect())
    }
}
