//! Decides what is there for everybody, and what for some.

use std::{fmt, sync::Arc};

use super::{Components, Filter, Transform};
use crate::{
    auth::{Principal, Requirement},
    model::{About, Kind, Meta, Text},
};

/// Which components are there: marks that enable or disable what a filter chooses, of which the last one counts. What no mark
/// chooses is enabled. What is disabled is in no list, and a call does not find it.
///
/// [`Server::enable`](crate::Server::enable) and its like set such marks, which count after all transforms; as a
/// [`Transform`] it counts where it stands.
///
/// ```
/// use edgemcp::transform::{Filter, Visibility};
///
/// // All but the tools for admins, of which one is there nevertheless.
/// let visibility = Visibility::new()
///     .disable(Filter::new().tag("admin"))
///     .enable(Filter::new().name("whoami"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Visibility {
    marks: Vec<Mark>,
}

#[derive(Clone, Debug)]
struct Mark {
    filter: Filter,
    enables: bool,
}

impl Visibility {
    /// Everything is enabled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enables what `filter` chooses.
    #[must_use]
    pub fn enable(mut self, filter: Filter) -> Self {
        self.mark(filter, true);
        self
    }

    /// Disables what `filter` chooses.
    #[must_use]
    pub fn disable(mut self, filter: Filter) -> Self {
        self.mark(filter, false);
        self
    }

    /// Enables what `filter` chooses, and disables everything else.
    #[must_use]
    pub fn enable_only(mut self, filter: Filter) -> Self {
        self.only(filter);
        self
    }

    pub(crate) fn mark(&mut self, filter: Filter, enables: bool) {
        // What was said of the same before no longer counts, and who says it again and again is not to fill the memory.
        self.marks.retain(|mark| mark.filter != filter);
        self.marks.push(Mark { filter, enables });
    }

    pub(crate) fn only(&mut self, filter: Filter) {
        // What was said before no longer counts for anything.
        self.marks.clear();
        self.mark(Filter::new(), false);
        self.mark(filter, true);
    }

    /// These marks, and those of `later` after them.
    pub(crate) fn then(&self, later: Self) -> Self {
        let mut both = self.clone();
        both.marks.extend(later.marks);
        both
    }

    /// Whether the component is enabled.
    pub fn is_enabled(&self, about: &About<'_>) -> bool {
        let last = self.marks.iter().rev().find(|mark| mark.filter.chooses(about));
        last.is_none_or(|mark| mark.enables)
    }
}

impl Transform for Visibility {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        problems.extend(self.marks.iter().filter_map(|mark| mark.filter.problems()));
        if !self.marks.is_empty() {
            components.retain(|about| self.is_enabled(about));
        }
    }
}

type Sees = dyn Fn(&About<'_>, Option<&Principal>) -> bool + Send + Sync;

/// Shows each caller what a closure says: it gets what is known of a component where the transform stands, and who is calling
/// (`None` where nobody is known). What a caller is not shown is in no list of theirs, and a call is
/// refused as if it were not there.
///
/// Over stdio nobody is asked: whoever starts the process may use all of it. The closure is asked whenever a component is
/// listed or called, so it should only look at what it gets.
///
/// ```
/// use edgemcp::{prelude::*, transform::VisibleTo};
///
/// // Everybody sees what is tagged `public`, and each tenant its own tools.
/// let tenants = VisibleTo::new(|about, principal| {
///     let tenant = principal.and_then(|who| who.claims().get("tenant")?.as_str());
///     about.has_tag("public") || tenant.is_some_and(|tenant| about.has_tag(tenant))
/// });
/// let server = Server::new("tools", "1.0.0").transform(tenants);
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone)]
pub struct VisibleTo(Arc<Sees>);

impl VisibleTo {
    /// Shows what `sees` says.
    pub fn new(sees: impl Fn(&About<'_>, Option<&Principal>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(sees))
    }
}

impl Transform for VisibleTo {
    fn apply(&self, components: &mut Components, _: &mut Vec<String>) {
        for tool in &mut components.tools {
            let requirement = self.requirement(&tool.about());
            tool.requirements.push(requirement);
        }
        for resource in &mut components.resources {
            let requirement = self.requirement(&resource.about());
            resource.requirements.push(requirement);
        }
        for prompt in &mut components.prompts {
            let requirement = self.requirement(&prompt.about());
            prompt.requirements.push(requirement);
        }
    }
}

impl VisibleTo {
    fn requirement(&self, about: &About<'_>) -> Requirement {
        let (sees, known) = (Arc::clone(&self.0), Known::new(about));
        Requirement::shown(move |principal| sees(&known.about(), principal))
    }
}

/// What is known of a component where a transform stands: under a prefix it may be called otherwise later.
struct Known {
    kind: Kind,
    key: String,
    name: String,
    title: Option<String>,
    description: Option<String>,
    tags: Vec<Text>,
    version: Option<String>,
    meta: Meta,
}

impl Known {
    fn new(about: &About<'_>) -> Self {
        Self {
            kind: about.kind,
            key: about.key.to_owned(),
            name: about.name.to_owned(),
            title: about.title.map(str::to_owned),
            description: about.description.map(str::to_owned),
            tags: about.tags.to_vec(),
            version: about.version.map(str::to_owned),
            meta: about.meta.clone(),
        }
    }

    fn about(&self) -> About<'_> {
        About {
            kind: self.kind,
            key: &self.key,
            name: &self.name,
            title: self.title.as_deref(),
            description: self.description.as_deref(),
            tags: &self.tags,
            version: self.version.as_deref(),
            meta: &self.meta,
        }
    }
}

impl fmt::Debug for VisibleTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisibleTo").finish_non_exhaustive()
    }
}
