//! Components, found by name.

use std::sync::Arc;

use crate::{
    completion::{Completion, Of},
    compose::tree,
    model::{Completed, Listing, Text},
    prompt::Prompt,
    resource::Resource,
    tool::Tool,
    transform::Components,
    uri::UriError,
};

/// A resource, and the values its template found in the URI.
pub(crate) type Found<'a> = (&'a Arc<Resource>, Result<Vec<(&'a str, String)>, UriError>);

/// The components of a server, as it sees them.
#[derive(Default)]
pub(crate) struct Catalogue {
    tools: Kept<Tool>,
    resources: Kept<Resource>,
    templates: Kept<Resource>,
    prompts: Kept<Prompt>,
    /// A handful, and asked for while a person types: they need no index.
    pub(crate) completions: Vec<Completion>,
    has_versions: bool,
}

/// Components of one kind: those that are listed, and the others, which can be asked for by name (and version).
struct Kept<T> {
    listed: Vec<Arc<T>>,
    by_key: Index,
    /// What is called and not listed.
    unlisted: Vec<Arc<T>>,
    unlisted_by_key: Index,
    /// Those of a version that is not the highest.
    older: Vec<Arc<T>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            listed: Vec::new(),
            by_key: Index(Vec::new()),
            unlisted: Vec::new(),
            unlisted_by_key: Index(Vec::new()),
            older: Vec::new(),
        }
    }
}

impl<T> Kept<T> {
    fn new(
        components: Vec<T>,
        key: impl Fn(&T) -> (Text, Option<Text>),
        is_listed: impl Fn(&T) -> bool,
    ) -> Self {
        let (best, older) = tree::highest(components, &key);
        let (listed, unlisted): (Vec<_>, Vec<_>) =
            best.into_iter().map(Arc::new).partition(|it| is_listed(it));
        let index = |kept: &[Arc<T>]| Index::new(kept.iter().map(|component| key(component).0));
        Self {
            by_key: index(&listed),
            unlisted_by_key: index(&unlisted),
            listed,
            unlisted,
            older: older.into_iter().map(Arc::new).collect(),
        }
    }

    fn get(&self, key: &str) -> Option<&Arc<T>> {
        match self.by_key.get(key) {
            Some(index) => self.listed.get(index),
            None => self.unlisted.get(self.unlisted_by_key.get(key)?),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.listed.iter().chain(&self.unlisted)
    }
}

/// Where each name stands, sorted by name. It is smaller than a hash map, needs no seed, and loses nothing at the sizes
/// a server has.
struct Index(Vec<(Text, usize)>);

impl Index {
    fn new(names: impl Iterator<Item = Text>) -> Self {
        let mut sorted: Vec<_> = names.zip(0..).collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    fn get(&self, name: &str) -> Option<usize> {
        let found = self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        self.0.get(found).map(|(_, index)| *index)
    }
}

impl Catalogue {
    pub(crate) fn new(components: Components) -> Self {
        let Components { tools, resources, prompts, completions } = components;
        let has_versions = tools.iter().any(|tool| tool.version.is_some())
            || resources.iter().any(|resource| resource.version.is_some())
            || prompts.iter().any(|prompt| prompt.version.is_some());
        let (templates, resources): (Vec<_>, Vec<_>) = resources.into_iter().partition(Resource::is_template);
        let uri = |resource: &Resource| (resource.definition.uri.clone(), resource.version.clone());
        Self {
            tools: Kept::new(
                tools,
                |tool| (tool.definition.name.clone(), tool.version.clone()),
                |tool| !tool.unlisted,
            ),
            resources: Kept::new(resources, uri, |_| true),
            templates: Kept::new(templates, uri, |_| true),
            prompts: Kept::new(
                prompts,
                |prompt| (prompt.definition.name.clone(), prompt.version.clone()),
                |_| true,
            ),
            completions,
            has_versions,
        }
    }

    /// The tools that are listed.
    pub(crate) fn tools(&self) -> &[Arc<Tool>] {
        &self.tools.listed
    }

    /// All tools that can be called by their name alone.
    pub(crate) fn all_tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.all()
    }

    pub(crate) fn resources(&self, templates: bool) -> &[Arc<Resource>] {
        if templates { &self.templates.listed } else { &self.resources.listed }
    }

    pub(crate) fn prompts(&self) -> &[Arc<Prompt>] {
        &self.prompts.listed
    }

    pub(crate) fn names(&self, listing: Listing) -> Box<dyn Iterator<Item = &str> + '_> {
        match listing {
            Listing::Tools => Box::new(self.tools().iter().map(|tool| tool.definition.name.as_ref())),
            Listing::Resources | Listing::ResourceTemplates => {
                let resources = self.resources(listing == Listing::ResourceTemplates);
                Box::new(resources.iter().map(|resource| resource.definition.uri.as_ref()))
            }
            Listing::Prompts => Box::new(self.prompts().iter().map(|prompt| prompt.definition.name.as_ref())),
        }
    }

    /// Whether anything has a version. Where nothing has one, nobody can ask for another.
    pub(crate) fn has_versions(&self) -> bool {
        self.has_versions
    }

    /// The tool `name`.
    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// The prompt `name`.
    pub(crate) fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.prompts.get(name)
    }

    /// The tool `name` of this version, be it the highest or another.
    pub(crate) fn tool_of(&self, name: &str, version: &str) -> Option<&Arc<Tool>> {
        let mut all = self.tools.all().chain(&self.tools.older);
        all.find(|tool| tool.definition.name == name && tool.version.as_deref() == Some(version))
    }

    /// The prompt `name` of this version.
    pub(crate) fn prompt_of(&self, name: &str, version: &str) -> Option<&Arc<Prompt>> {
        let mut all = self.prompts.all().chain(&self.prompts.older);
        all.find(|prompt| prompt.definition.name == name && prompt.version.as_deref() == Some(version))
    }

    /// The resource at `uri`, or the first template it fits, with the values found in it.
    pub(crate) fn resource(&self, uri: &str) -> Option<Found<'_>> {
        if let Some(resource) = self.resources.get(uri) {
            return Some((resource, Ok(Vec::new())));
        }
        self.templates.all().find_map(|template| fits(template, uri))
    }

    /// The resource at `uri`, or the template that is written so.
    pub(crate) fn resource_by_uri(&self, uri: &str) -> Option<&Arc<Resource>> {
        self.templates.get(uri).or_else(|| self.resources.get(uri))
    }

    /// Whether what is completed is not for everybody.
    pub(crate) fn is_guarded(&self, of: &Completed<'_>) -> bool {
        match of {
            Completed::Prompt(name) => {
                self.prompt(name).is_some_and(|prompt| !prompt.requirements.is_empty())
            }
            Completed::Resource(uri) => {
                self.resource_by_uri(uri).is_some_and(|resource| !resource.requirements.is_empty())
            }
        }
    }

    /// The same as [`resource`](Self::resource), of this version.
    pub(crate) fn resource_of(&self, uri: &str, version: &str) -> Option<Found<'_>> {
        let is_of = |resource: &&Arc<Resource>| resource.version.as_deref() == Some(version);
        let mut resources = self.resources.all().chain(&self.resources.older).filter(is_of);
        if let Some(resource) = resources.find(|resource| resource.definition.uri == uri) {
            return Some((resource, Ok(Vec::new())));
        }
        let mut templates = self.templates.all().chain(&self.templates.older).filter(is_of);
        templates.find_map(|template| fits(template, uri))
    }

    /// The completion of `argument` of what a client names; no completion where there is none for it.
    ///
    /// # Errors
    /// What there is not: the prompt, the resource, or its argument.
    pub(crate) fn completion(
        &self,
        of: &Completed<'_>,
        argument: &str,
    ) -> Result<Option<&Completion>, &'static str> {
        let knows = match of {
            Completed::Prompt(name) => {
                let prompt = self.prompt(name).ok_or("prompt")?;
                prompt.definition.arguments.iter().any(|known| known.name == argument)
            }
            Completed::Resource(uri) => {
                let resource = self.resource_by_uri(uri).ok_or("resource or template")?;
                let template = resource.template.as_ref();
                template.is_some_and(|template| template.names().iter().any(|known| *known == argument))
            }
        };
        if !knows {
            return Err("argument");
        }
        Ok(self.completions.iter().find(|completion| {
            completion.argument == argument
                && match (&completion.of, of) {
                    (Of::Prompt(known), Completed::Prompt(name)) => known == name,
                    (Of::Resource(known), Completed::Resource(uri)) => known == uri,
                    _ => false,
                }
        }))
    }
}

fn fits<'a>(template: &'a Arc<Resource>, uri: &str) -> Option<Found<'a>> {
    Some((template, template.template.as_ref()?.values(uri)?))
}
