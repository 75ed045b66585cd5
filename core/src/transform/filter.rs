//! Chooses components by what they are: their kind, name, tags and version.

use super::{Components, Transform, version};
use crate::model::{About, Kind, Text};

/// A choice of components: by kind, name, tag and version. Of each of these that is given a component must meet one; a
/// filter that gives none chooses all.
///
/// [`Server::enable`](crate::Server::enable), [`disable`](crate::Server::disable) and
/// [`enable_only`](crate::Server::enable_only) take one. As a [`Transform`] it leaves only what it chooses. A filter that
/// chooses nothing is no mistake, since what it means may come later, from a mounted server.
///
/// ```
/// use edgemcp::{prelude::*, transform::{Filter, Kind}};
///
/// let reading = Filter::new().kind(Kind::Tool).tag("read").tag("search");
/// let server = Server::new("files", "1.0.0")
///     .tool(Tool::new("list", "Lists files.", |_, _: NoArguments| async { "…" }).tag("read"))
///     .tool(Tool::new("wipe", "Wipes the disk.", |_, _: NoArguments| async {}))
///     .transform(reading);
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    kinds: Vec<Kind>,
    names: Vec<Text>,
    tags: Vec<Text>,
    versions: Option<Versions>,
}

impl Filter {
    /// All components.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of this kind, or of another that is given.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Those of this name or URI, or of another that is given; as it is where the filter stands.
    #[must_use]
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Those with this tag, or with another that is given.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Text>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Those of this version. Versions are compared as [`VersionFilter`] says.
    #[must_use]
    pub fn version(mut self, version: impl Into<Text>) -> Self {
        self.versions.get_or_insert_default().is = Some(version.into());
        self
    }

    /// Those of this version or a higher one.
    #[must_use]
    pub fn version_gte(mut self, version: impl Into<Text>) -> Self {
        self.versions.get_or_insert_default().gte = Some(version.into());
        self
    }

    /// Those of a version below this one.
    #[must_use]
    pub fn version_lt(mut self, version: impl Into<Text>) -> Self {
        self.versions.get_or_insert_default().lt = Some(version.into());
        self
    }

    /// Chooses those without a version too, where versions are asked for.
    #[must_use]
    pub fn unversioned(mut self) -> Self {
        self.versions.get_or_insert_default().unversioned = true;
        self
    }

    /// Whether it chooses the component.
    pub fn chooses(&self, about: &About<'_>) -> bool {
        let Self { kinds, names, tags, versions } = self;
        (kinds.is_empty() || kinds.contains(&about.kind))
            && (names.is_empty() || names.iter().any(|name| name == about.key || name == about.name))
            && (tags.is_empty() || tags.iter().any(|tag| about.has_tag(tag)))
            && versions.as_ref().is_none_or(|versions| versions.take(about.version))
    }

    pub(crate) fn problems(&self) -> Option<String> {
        self.versions.as_ref().and_then(Versions::problem)
    }
}

impl Transform for Filter {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        problems.extend(self.problems());
        components.retain(|about| self.chooses(about));
    }
}

/// Leaves only the components of some versions; of several of one name the highest that is left is listed and called. So one
/// definition serves as several: each entry point filters another range.
///
/// Numbers in versions are compared as numbers, and `1.0-beta` is lower than `1.0`. What has no version stays, unless
/// [`unversioned(false)`](Self::unversioned) is said.
///
/// ```
/// use edgemcp::{prelude::*, transform::VersionFilter};
///
/// pub fn server() -> Server {
///     Server::new("search", "2.1.0")
///         .tool(Tool::new("find", "Finds by words.", |_, _: NoArguments| async { "…" }).version("1.0"))
///         .tool(Tool::new("find", "Finds by meaning.", |_, _: NoArguments| async { "…" }).version("2.0"))
/// }
///
/// let stable = server().transform(VersionFilter::new().lt("2.0"));
/// # assert!(stable.build().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct VersionFilter(Versions);

impl Default for VersionFilter {
    fn default() -> Self {
        Self(Versions { unversioned: true, ..Versions::default() })
    }
}

impl VersionFilter {
    /// All versions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this version and higher ones.
    #[must_use]
    pub fn gte(mut self, version: impl Into<Text>) -> Self {
        self.0.gte = Some(version.into());
        self
    }

    /// Only versions below this one.
    #[must_use]
    pub fn lt(mut self, version: impl Into<Text>) -> Self {
        self.0.lt = Some(version.into());
        self
    }

    /// Sets whether what has no version stays.
    #[must_use]
    pub fn unversioned(mut self, stays: bool) -> Self {
        self.0.unversioned = stays;
        self
    }
}

impl Transform for VersionFilter {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        problems.extend(self.0.problem());
        components.retain(|about| self.0.take(about.version));
    }
}

/// A range of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Versions {
    is: Option<Text>,
    gte: Option<Text>,
    lt: Option<Text>,
    unversioned: bool,
}

impl Versions {
    fn take(&self, version: Option<&str>) -> bool {
        let Some(of) = version else { return self.unversioned };
        let Self { is, gte, lt, .. } = self;
        is.as_ref().is_none_or(|is| version::compare(of, is).is_eq())
            && gte.as_ref().is_none_or(|least| version::compare(of, least).is_ge())
            && lt.as_ref().is_none_or(|end| version::compare(of, end).is_lt())
    }

    fn problem(&self) -> Option<String> {
        let (gte, lt) = (self.gte.as_deref()?, self.lt.as_deref()?);
        version::compare(gte, lt)
            .is_ge()
            .then(|| format!("no version is at least {gte:?} and below {lt:?} (write the lower one first)"))
    }
}
