//! Changes a prompt: what clients see of it.

use serde_json::Value;

use super::{
    Components, Transform,
    tool::{Once, nothing_there, retag, set_meta},
};
use crate::{
    completion::Of,
    model::{Icon, Meta, Text},
};

/// Changes one prompt: what clients see of it.
///
/// ```
/// use edgemcp::{prelude::*, transform::PromptTransform};
///
/// /// Ask for a review.
/// #[prompt]
/// fn review(code: String) -> String {
///     format!("Review this:\n{code}")
/// }
///
/// let server = Server::new("reviews", "1.0.0").prompt(review::prompt()).transform(
///     PromptTransform::new("review").rename("code_review").describe_argument("code", "What to review, as a diff."),
/// );
/// # assert!(server.build().is_ok());
/// ```
///
/// # Errors
/// [`Server::build`](crate::Server::build) reports a prompt or an argument that is not there.
#[derive(Clone, Debug)]
pub struct PromptTransform {
    of: Text,
    once: Once,
    rename: Option<Text>,
    title: Option<Text>,
    description: Option<Text>,
    tags: Option<Vec<Text>>,
    more_tags: Vec<Text>,
    icons: Option<Vec<Icon>>,
    meta: Meta,
    arguments: Vec<(Text, Text)>,
    is_disabled: bool,
}

impl PromptTransform {
    /// A change of the prompt `name`.
    pub fn new(name: impl Into<Text>) -> Self {
        Self {
            of: name.into(),
            once: Once::default(),
            rename: None,
            title: None,
            description: None,
            tags: None,
            more_tags: Vec::new(),
            icons: None,
            meta: Meta::new(),
            arguments: Vec::new(),
            is_disabled: false,
        }
    }

    /// Makes it no mistake that there is no such prompt: it may come later, from a server that is live.
    #[must_use]
    pub fn if_there(mut self) -> Self {
        self.once = Once::never_needed();
        self
    }

    /// Sets the name that clients get it by.
    #[must_use]
    pub fn rename(mut self, name: impl Into<Text>) -> Self {
        self.rename = Some(name.into());
        self
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = Some(description.into());
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

    /// Sets what the argument `name` is for.
    #[must_use]
    pub fn describe_argument(mut self, name: impl Into<Text>, description: impl Into<Text>) -> Self {
        self.arguments.push((name.into(), description.into()));
        self
    }

    /// Sets whether it is there at all. What is not is in no list, and cannot be got.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.is_disabled = !enabled;
        self
    }
}

impl Transform for PromptTransform {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        let Components { prompts, completions, .. } = components;
        if self.once.is_missed(prompts.iter().any(|prompt| prompt.definition.name == self.of)) {
            let mut known: Vec<_> = prompts.iter().map(|prompt| prompt.definition.name.as_ref()).collect();
            known.dedup();
            problems.push(nothing_there("prompt", &self.of, "", &known));
        }
        if self.is_disabled {
            prompts.retain(|prompt| prompt.definition.name != self.of);
            components.drop_idle_completions();
            return;
        }
        for prompt in prompts.iter_mut().filter(|prompt| prompt.definition.name == self.of) {
            let definition = &mut prompt.definition;
            if self.title.is_some() {
                definition.title = self.title.clone();
            }
            if let Some(description) = &self.description {
                definition.description = description.clone();
            }
            for (name, description) in &self.arguments {
                let arguments = &mut definition.arguments;
                match arguments.iter_mut().find(|argument| argument.name == **name) {
                    Some(argument) => argument.description = Some(description.clone().into_owned()),
                    None => {
                        let has: Vec<_> = arguments.iter().map(|argument| argument.name.as_str()).collect();
                        let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
                        problems.push(format!(
                            "prompt {:?} has no argument {name:?} to change (it has {has})",
                            self.of
                        ));
                    }
                }
            }
            retag(&mut prompt.tags, self.tags.as_deref(), &self.more_tags);
            if let Some(icons) = &self.icons {
                definition.icons = icons.clone();
            }
            set_meta(&mut definition.meta, &self.meta);
            if let Some(name) = &self.rename {
                definition.name = name.clone();
            }
        }
        if let Some(name) = &self.rename {
            for completion in
                completions.iter_mut().filter(|completion| completion.of == Of::Prompt(self.of.clone()))
            {
                completion.of = Of::Prompt(name.clone());
            }
        }
    }
}
