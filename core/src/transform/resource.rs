//! Changes a resource or a resource template: where it is, and what clients see of it.

use serde_json::Value;

use super::{
    Components, Transform,
    tool::{Once, nothing_there, retag, set_meta},
};
use crate::{
    completion::Of,
    model::{Annotations, Icon, Meta, Text},
    uri::UriTemplate,
};

/// Changes one resource, or one resource template: where it is, and what clients see of it.
///
/// ```
/// use edgemcp::{prelude::*, transform::ResourceTransform};
///
/// let config = Resource::new("data://config", "config", |_, _: NoArguments| async { "debug = false" });
/// let server = Server::new("app", "1.0.0").resource(config).transform(
///     ResourceTransform::new("data://config").uri("app://settings").name("settings").tag("public"),
/// );
/// # assert!(server.build().is_ok());
/// ```
///
/// # Errors
/// [`Server::build`](crate::Server::build) reports a resource that is not there, and a template's URI with other placeholders.
#[derive(Clone, Debug)]
pub struct ResourceTransform {
    of: Text,
    once: Once,
    uri: Option<Text>,
    name: Option<Text>,
    title: Option<Text>,
    description: Option<Text>,
    mime_type: Option<Text>,
    annotations: Option<Annotations>,
    tags: Option<Vec<Text>>,
    more_tags: Vec<Text>,
    icons: Option<Vec<Icon>>,
    meta: Meta,
    is_disabled: bool,
}

impl ResourceTransform {
    /// A change of the resource at `uri`, or of the template that is written so.
    pub fn new(uri: impl Into<Text>) -> Self {
        Self {
            of: uri.into(),
            once: Once::default(),
            uri: None,
            name: None,
            title: None,
            description: None,
            mime_type: None,
            annotations: None,
            tags: None,
            more_tags: Vec::new(),
            icons: None,
            meta: Meta::new(),
            is_disabled: false,
        }
    }

    /// Makes it no mistake that there is no such resource: it may come later, from a server that is live.
    #[must_use]
    pub fn if_there(mut self) -> Self {
        self.once = Once::never_needed();
        self
    }

    /// Sets where it is. A template keeps its placeholders, in their order.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<Text>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Sets its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what it holds, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets its media type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Sets hints about who it is for.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Sets its tags, in place of those it has.
    #[must_use]
    pub fn tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Text>) -> Self {
        self.more_tags.push(tag.into());
        self
    }

    /// Adds an icon; those that it has are left out.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.get_or_insert_default().push(icon);
        self
    }

    /// Sets a member of its `_meta`; one that is `null` is left out.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Sets whether it is there at all. What is not is in no list, and cannot be read.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.is_disabled = !enabled;
        self
    }

    /// Lets the resource, and what speaks of it, be at `uri`.
    fn move_to(&self, uri: &Text, components: &mut Components, problems: &mut Vec<String>) {
        let template = match UriTemplate::parse(uri) {
            Ok(template) => template,
            Err(error) => return problems.push(error.0),
        };
        for resource in components.resources.iter_mut().filter(|resource| resource.definition.uri == self.of)
        {
            let names = resource.template.as_ref().map(UriTemplate::names).unwrap_or_default();
            if names != template.names() {
                let of = |names: &[String]| match names.is_empty() {
                    true => "none".to_owned(),
                    false => names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", "),
                };
                problems.push(format!(
                    "resource {:?} has the placeholders {}, and {uri:?} has {} (write the same, in the same order)",
                    self.of,
                    of(names),
                    of(template.names())
                ));
            }
            resource.definition.uri = uri.clone();
            resource.template = Some(template.clone());
        }
        let completions = components.completions.iter_mut();
        for completion in completions.filter(|completion| completion.of == Of::Resource(self.of.clone())) {
            completion.of = Of::Resource(uri.clone());
        }
        for tool in &mut components.tools {
            if let Some(ui) = tool.ui.as_mut().filter(|ui| ui.resource_uri == self.of) {
                ui.resource_uri = uri.clone();
                ui.write(&mut tool.definition.meta);
            }
        }
    }
}

impl Transform for ResourceTransform {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        let resources = &mut components.resources;
        let is_there = resources.iter().any(|resource| resource.definition.uri == self.of);
        if self.once.is_missed(is_there) {
            let known: Vec<_> = resources.iter().map(|resource| resource.definition.uri.as_ref()).collect();
            problems.push(nothing_there("resource", &self.of, "", &known));
        }
        if self.is_disabled {
            resources.retain(|resource| resource.definition.uri != self.of);
            components.drop_idle_completions();
            return;
        }
        for resource in resources.iter_mut().filter(|resource| resource.definition.uri == self.of) {
            let definition = &mut resource.definition;
            if let Some(name) = &self.name {
                definition.name = name.clone();
            }
            for (new, old) in [
                (&self.title, &mut definition.title),
                (&self.description, &mut definition.description),
                (&self.mime_type, &mut definition.mime_type),
            ] {
                if new.is_some() {
                    *old = new.clone();
                }
            }
            if self.annotations.is_some() {
                definition.annotations = self.annotations.clone();
            }
            retag(&mut resource.tags, self.tags.as_deref(), &self.more_tags);
            if let Some(icons) = &self.icons {
                definition.icons = icons.clone();
            }
            set_meta(&mut definition.meta, &self.meta);
        }
        if let Some(uri) = self.uri.as_ref().filter(|uri| **uri != self.of) {
            self.move_to(uri, components, problems);
        }
    }
}
