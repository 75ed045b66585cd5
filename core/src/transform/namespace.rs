//! Puts components under a prefix.

use super::{Components, Transform};
use crate::{
    compose::{ResourcePrefixFormat, prefix::Prefix},
    model::Text,
};

/// Puts all components under a prefix, as a mount does: the tool `forecast` becomes `weather_forecast`, the resource
/// `data://cities` becomes `data://weather/cities`.
///
/// ```
/// use edgemcp::{prelude::*, transform::Namespace};
///
/// let server = Server::new("weather", "1.0.0")
///     .tool(Tool::new("forecast", "Says how it will be.", |_, _: NoArguments| async { "Sunny." }))
///     .transform(Namespace::new("weather"));
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Namespace(Prefix);

impl Namespace {
    /// The namespace `prefix`, of letters, digits, `_`, `-` and `.`.
    pub fn new(prefix: impl Into<Text>) -> Self {
        Self(Prefix::new(prefix))
    }

    /// Sets what stands between the prefix and a tool's or prompt's name; `_` unless said otherwise.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<Text>) -> Self {
        self.0.separator = separator.into();
        self
    }

    /// Sets how the prefix becomes part of resources' URIs.
    #[must_use]
    pub fn resource_prefix_format(mut self, format: ResourcePrefixFormat) -> Self {
        self.0.format = format;
        self
    }
}

impl Transform for Namespace {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        let found = self.0.problems();
        match found.is_empty() {
            true => self.0.apply(components, problems),
            false => problems.extend(found),
        }
    }
}
