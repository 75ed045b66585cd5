//! What can be done to the components of a server or a mount before they are served: rename, hide, filter, add.

mod filter;
mod namespace;
mod prompt;
mod resource;
mod search;
mod tool;
pub(crate) mod version;
mod visibility;

use std::fmt;

pub(crate) use self::search::Mark;
#[cfg(feature = "pattern")]
pub use self::search::RegexSearch;
pub use self::{
    filter::{Filter, VersionFilter},
    namespace::Namespace,
    prompt::PromptTransform,
    resource::ResourceTransform,
    search::BM25Search,
    tool::{ArgTransform, ToolTransform},
    visibility::{Visibility, VisibleTo},
};
use crate::{completion::Completion, prompt::Prompt, resource::Resource, tool::Tool};
pub use crate::{
    middleware::{Dereference, PromptTools as PromptsAsTools, ResourceTools as ResourcesAsTools},
    model::{About, Kind},
};

/// What a server or a mount has, on its way to being served.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Components {
    /// The tools, in the order in which they are listed. Several may have one name, of different versions.
    pub tools: Vec<Tool>,
    /// The resources and resource templates.
    pub resources: Vec<Resource>,
    /// The prompts.
    pub prompts: Vec<Prompt>,
    pub(crate) completions: Vec<Completion>,
}

impl Components {
    /// Leaves out what `keep` is not true of.
    pub fn retain(&mut self, mut keep: impl FnMut(&About<'_>) -> bool) {
        self.tools.retain(|tool| keep(&tool.about()));
        self.resources.retain(|resource| keep(&resource.about()));
        self.prompts.retain(|prompt| keep(&prompt.about()));
        self.drop_idle_completions();
    }

    /// Completions of what is no longer there would be a mistake of nobody's.
    pub(crate) fn drop_idle_completions(&mut self) {
        use crate::completion::Of;
        let Self { resources, prompts, completions, .. } = self;
        completions.retain(|completion| match &completion.of {
            Of::Prompt(name) => prompts.iter().any(|prompt| prompt.definition.name == *name),
            Of::Resource(uri) => resources.iter().any(|resource| resource.definition.uri == *uri),
        });
    }
}

/// Something that is done to the components of a server ([`Server::transform`](crate::Server::transform)) or of a mount
/// ([`Mount::transform`](crate::compose::Mount::transform)): once, when the server is built, and again where a mounted
/// server has changed. Requests pay nothing for it.
///
/// ```
/// use edgemcp::{prelude::*, transform::{Components, Transform}};
///
/// /// Says in every description whose tools these are.
/// struct Signed(&'static str);
///
/// impl Transform for Signed {
///     fn apply(&self, components: &mut Components, _problems: &mut Vec<String>) {
///         for tool in &mut components.tools {
///             let description = format!("{} ({})", tool.about().description.unwrap_or_default(), self.0);
///             *tool = tool.clone().description(description);
///         }
///     }
/// }
///
/// let server = Server::new("tools", "1.0.0").transform(Signed("by Example Ltd."));
/// ```
pub trait Transform: Send + Sync {
    /// Changes `components`. What cannot be done, such as renaming what is not there, is added to `problems` as a sentence
    /// with its way out; the server is then not built.
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>);
}

impl fmt::Debug for dyn Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform")
    }
}
