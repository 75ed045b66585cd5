//! Names and URIs under a prefix.

use crate::{
    completion::Of,
    model::Text,
    transform::{Components, Transform},
    uri::UriTemplate,
};

/// What stands between a prefix and a name, unless a mount says otherwise.
const SEPARATOR: &str = "_";

/// How a prefix becomes part of a resource's URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourcePrefixFormat {
    /// The first segment of the path: `data://config` becomes `data://prefix/config`. FastMCP has it since 2.4.
    #[default]
    Path,
    /// A part of the scheme: `data://config` becomes `prefix+data://config`, as before FastMCP 2.4.
    Protocol,
}

/// A prefix of names and URIs.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    pub(crate) name: Text,
    pub(crate) separator: Text,
    pub(crate) format: ResourcePrefixFormat,
}

impl Prefix {
    pub(crate) fn new(name: impl Into<Text>) -> Self {
        Self { name: name.into(), separator: SEPARATOR.into(), format: ResourcePrefixFormat::default() }
    }

    /// `name`, under the prefix.
    pub(crate) fn of_name(&self, name: &str) -> String {
        format!("{}{}{name}", self.name, self.separator)
    }

    /// `uri`, under the prefix; one without `://` stays as it is in the path format.
    pub(crate) fn of_uri(&self, uri: &str) -> String {
        match (self.format, uri.split_once("://")) {
            (ResourcePrefixFormat::Protocol, _) => format!("{}+{uri}", self.name),
            (ResourcePrefixFormat::Path, Some((scheme, path))) => {
                format!("{scheme}://{}/{path}", self.name)
            }
            (ResourcePrefixFormat::Path, None) => uri.to_owned(),
        }
    }

    /// Whether `name` could be a tool's or prompt's under the prefix.
    pub(crate) fn is_of_name(&self, name: &str) -> bool {
        name.strip_prefix(self.name.as_ref()).is_some_and(|rest| rest.starts_with(self.separator.as_ref()))
    }

    /// Whether `uri` could be a resource's under the prefix.
    pub(crate) fn is_of_uri(&self, uri: &str) -> bool {
        match (self.format, uri.split_once("://")) {
            (ResourcePrefixFormat::Protocol, _) => {
                uri.strip_prefix(self.name.as_ref()).is_some_and(|rest| rest.starts_with('+'))
            }
            (ResourcePrefixFormat::Path, Some((_, path))) => {
                path.strip_prefix(self.name.as_ref()).is_some_and(|rest| rest.starts_with('/'))
            }
            (ResourcePrefixFormat::Path, None) => true,
        }
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let name_can = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut problems = Vec::new();
        if self.name.is_empty() || !self.name.chars().all(name_can) {
            problems.push(format!(
                "prefix {:?} cannot stand in a name (A-Z, a-z, 0-9, `_`, `-` and `.` can; leave it out for no prefix)",
                self.name
            ));
        }
        if !self.separator.chars().all(name_can) {
            problems.push(format!("separator {:?} cannot stand in a name", self.separator));
        }
        let scheme_can = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if self.format == ResourcePrefixFormat::Protocol
            && !(self.name.starts_with(|c: char| c.is_ascii_alphabetic())
                && self.name.chars().all(scheme_can))
        {
            problems.push(format!(
                "prefix {:?} cannot begin a scheme, as `ResourcePrefixFormat::Protocol` needs (a letter, then letters, \
                 digits, `-` and `.`)",
                self.name
            ));
        }
        problems
    }
}

impl Transform for Prefix {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        for tool in &mut components.tools {
            tool.definition.name = self.of_name(&tool.definition.name).into();
            if let Some(ui) = &mut tool.ui {
                ui.resource_uri = self.of_uri(&ui.resource_uri).into();
                ui.write(&mut tool.definition.meta);
            }
        }
        for resource in &mut components.resources {
            let uri = self.of_uri(&resource.definition.uri);
            match UriTemplate::parse(&uri) {
                Ok(template) => resource.template = Some(template),
                Err(error) => problems.push(error.0),
            }
            resource.definition.uri = uri.into();
            resource.definition.name = self.of_name(&resource.definition.name).into();
        }
        for prompt in &mut components.prompts {
            prompt.definition.name = self.of_name(&prompt.definition.name).into();
        }
        for completion in &mut components.completions {
            completion.of = match &completion.of {
                Of::Prompt(name) => Of::Prompt(self.of_name(name).into()),
                Of::Resource(uri) => Of::Resource(self.of_uri(uri).into()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_uris_are_as_fastmcp_has_them() {
        let path = Prefix::new("weather");
        assert_eq!(path.of_name("get_forecast"), "weather_get_forecast");
        assert_eq!(path.of_uri("resource://path/to"), "resource://weather/path/to");
        assert_eq!(path.of_uri("resource:///abs"), "resource://weather//abs");
        assert_eq!(path.of_uri("urn:x"), "urn:x");
        let protocol = Prefix { format: ResourcePrefixFormat::Protocol, ..path };
        assert_eq!(protocol.of_uri("resource://path/to"), "weather+resource://path/to");
    }

    #[test]
    fn what_is_under_a_prefix_is_recognized() {
        for format in [ResourcePrefixFormat::Path, ResourcePrefixFormat::Protocol] {
            let prefix = Prefix { format, ..Prefix::new("api") };
            assert!(prefix.is_of_uri(&prefix.of_uri("data://x/y")));
            assert!(!prefix.is_of_uri("data://apis/y") && !prefix.is_of_uri("data://x"));
            assert!(prefix.is_of_name("api_x") && !prefix.is_of_name("apix") && !prefix.is_of_name("ap"));
        }
    }
}
