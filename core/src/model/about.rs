//! What middlewares, filters and transforms know of a component.

use super::{Meta, Text};

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A tool.
    Tool,
    /// A resource at one URI.
    Resource,
    /// A resource template.
    ResourceTemplate,
    /// A prompt.
    Prompt,
}

/// What a filter knows of a component; everything in it is as clients see it, but for the tags, which they do not.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct About<'a> {
    /// What it is.
    pub kind: Kind,
    /// What clients ask for it by: a tool's or prompt's name, a resource's URI.
    pub key: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The name people see.
    pub title: Option<&'a str>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Its tags.
    pub tags: &'a [Text],
    /// Its version, where it has one.
    pub version: Option<&'a str>,
    /// The `_meta` of its definition.
    pub meta: &'a Meta,
}

impl About<'_> {
    /// Whether `tag` is among the tags.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag)
    }
}

/// What a list lacks, since it could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The mount, by its prefix or its name.
    pub mount: Text,
    /// Why, as a client may read it.
    pub why: Text,
}
