//! Which components are shown, by their tags.

use crate::{
    model::{About, Text},
    transform::{Components, Transform},
};

/// A filter by tags: what has an excluded tag is out; where tags are included, the rest needs one of them. (FastMCP 2.)
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    pub(crate) include: Option<Vec<Text>>,
    pub(crate) exclude: Vec<Text>,
}

impl Tags {
    pub(crate) fn include<T: Into<Text>>(&mut self, tags: impl IntoIterator<Item = T>) {
        self.include.get_or_insert_default().extend(tags.into_iter().map(Into::into));
    }

    pub(crate) fn exclude<T: Into<Text>>(&mut self, tags: impl IntoIterator<Item = T>) {
        self.exclude.extend(tags.into_iter().map(Into::into));
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    fn lets_through(&self, about: &About<'_>) -> bool {
        let has = |tags: &[Text]| tags.iter().any(|tag| about.has_tag(tag));
        !has(&self.exclude) && self.include.as_deref().is_none_or(has)
    }
}

impl Transform for Tags {
    fn apply(&self, components: &mut Components, _: &mut Vec<String>) {
        if !self.is_idle() {
            components.retain(|about| self.lets_through(about));
        }
    }
}
