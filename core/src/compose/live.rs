//! Components that come and go while a server runs.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    model::Kind,
    prompt::IntoPrompt,
    resource::IntoResource,
    server::{BuildError, check},
    tool::IntoTool,
    transform::{Components, Filter, Visibility},
};

/// A handle to a server's components that are added and taken away while it runs: [`Server::live`](crate::Server::live). A
/// clone is the same handle. The next request finds what was changed, in the server itself as wherever it is mounted.
///
/// It is this instance's: another process, isolate or container has its own, so what all of them are to see is better decided
/// by what is in the store (a middleware that filters). Clients that keep lists are told of a change by
/// [`Context::changed`](crate::Context::changed).
///
/// ```
/// use edgemcp::{compose::{Live, Mount}, prelude::*};
///
/// let plugins = Live::new();
/// let host = Server::new("plugins", "1.0.0").live(&plugins);
/// let service = Server::new("editor", "1.0.0").mount(Mount::under("plugins", host)).build()?;
///
/// plugins.add_tool(Tool::new("spell", "Checks the spelling.", |_, _: NoArguments| async { "fine" }))?;
/// // Clients now see the tool `plugins_spell`.
/// # Ok::<_, edgemcp::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    generation: AtomicU64,
    state: RwLock<State>,
}

/// What was changed.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) added: Components,
    pub(crate) removed: Vec<(Kind, String)>,
    pub(crate) visibility: Visibility,
}

impl Live {
    /// A handle that has changed nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often something has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        // Nothing leaves it half-written.
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.write().unwrap_or_else(PoisonError::into_inner));
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Adds a tool, in place of one of the same name and version.
    ///
    /// # Errors
    /// What is wrong with it; nothing is changed then.
    pub fn add_tool(&self, tool: impl IntoTool) -> Result<(), BuildError> {
        let tool = tool.into_tool();
        let mut problems = Vec::new();
        check::tool(&tool, &mut problems);
        BuildError::of("a live server", problems)?;
        self.change(|state| {
            let name = &tool.definition.name;
            state.removed.retain(|(kind, key)| *kind != Kind::Tool || key != name);
            state.added.tools.retain(|known| known.definition.name != *name || known.version != tool.version);
            state.added.tools.push(tool);
        });
        Ok(())
    }

    /// Adds a resource or a resource template, in place of one of the same URI.
    ///
    /// # Errors
    /// What is wrong with it; nothing is changed then.
    pub fn add_resource(&self, resource: impl IntoResource) -> Result<(), BuildError> {
        let resource = resource.into_resource();
        let mut problems = Vec::new();
        check::resource(&resource, &mut problems);
        BuildError::of("a live server", problems)?;
        self.change(|state| {
            let uri = &resource.definition.uri;
            state.removed.retain(|(kind, key)| *kind != Kind::Resource || key != uri);
            state
                .added
                .resources
                .retain(|known| known.definition.uri != *uri || known.version != resource.version);
            state.added.resources.push(resource);
        });
        Ok(())
    }

    /// Adds a prompt, in place of one of the same name.
    ///
    /// # Errors
    /// What is wrong with it; nothing is changed then.
    pub fn add_prompt(&self, prompt: impl IntoPrompt) -> Result<(), BuildError> {
        let prompt = prompt.into_prompt();
        let mut problems = Vec::new();
        check::prompt(&prompt, &mut problems);
        BuildError::of("a live server", problems)?;
        self.change(|state| {
            let name = &prompt.definition.name;
            state.removed.retain(|(kind, key)| *kind != Kind::Prompt || key != name);
            state
                .added
                .prompts
                .retain(|known| known.definition.name != *name || known.version != prompt.version);
            state.added.prompts.push(prompt);
        });
        Ok(())
    }

    /// Takes the tool `name` away, in all its versions, whether it was added here or stands in the definition. Nothing happens
    /// where there is none.
    pub fn remove_tool(&self, name: &str) {
        self.change(|state| {
            state.added.tools.retain(|tool| tool.definition.name != name);
            state.remove(Kind::Tool, name);
        });
    }

    /// Takes the resource or template at `uri` away.
    pub fn remove_resource(&self, uri: &str) {
        self.change(|state| {
            state.added.resources.retain(|resource| resource.definition.uri != uri);
            state.remove(Kind::Resource, uri);
        });
    }

    /// Takes the prompt `name` away.
    pub fn remove_prompt(&self, name: &str) {
        self.change(|state| {
            state.added.prompts.retain(|prompt| prompt.definition.name != name);
            state.remove(Kind::Prompt, name);
        });
    }
}

/// What is there at all. Each counts after what was said before, in the definition as here.
impl Live {
    /// Enables what `filter` chooses.
    ///
    /// ```
    /// # use edgemcp::{compose::Live, transform::Filter};
    /// let live = Live::new();
    /// live.disable(Filter::new().tag("beta"));
    /// live.enable(Filter::new().name("summarize"));
    /// ```
    pub fn enable(&self, filter: Filter) {
        self.change(|state| state.visibility.mark(filter, true));
    }

    /// Disables what `filter` chooses: it is in no list, and a call does not find it.
    pub fn disable(&self, filter: Filter) {
        self.change(|state| state.visibility.mark(filter, false));
    }

    /// Enables what `filter` chooses, and disables everything else.
    pub fn enable_only(&self, filter: Filter) {
        self.change(|state| state.visibility.only(filter));
    }
}

impl State {
    fn remove(&mut self, kind: Kind, key: &str) {
        // Who says it again and again is not to fill the memory.
        if !self.removed.iter().any(|(of, known)| *of == kind && known == key) {
            self.removed.push((kind, key.to_owned()));
        }
    }

    /// Makes the changes. What was added is in place of what the definition has under the same name.
    pub(crate) fn apply(&self, components: &mut Components) {
        let is_removed =
            |kind: Kind, key: &str| self.removed.iter().any(|(of, known)| *of == kind && known == key);
        components.tools.retain(|tool| {
            let about = tool.about();
            let is_replaced = |added: &crate::Tool| {
                added.definition.name == about.key && added.version.as_deref() == about.version
            };
            !is_removed(Kind::Tool, about.key) && !self.added.tools.iter().any(is_replaced)
        });
        components.resources.retain(|resource| {
            let about = resource.about();
            let is_replaced = |added: &crate::Resource| {
                added.definition.uri == about.key && added.version.as_deref() == about.version
            };
            !is_removed(Kind::Resource, about.key) && !self.added.resources.iter().any(is_replaced)
        });
        components.prompts.retain(|prompt| {
            let about = prompt.about();
            let is_replaced = |added: &crate::Prompt| {
                added.definition.name == about.key && added.version.as_deref() == about.version
            };
            !is_removed(Kind::Prompt, about.key) && !self.added.prompts.iter().any(is_replaced)
        });
        components.tools.extend(self.added.tools.iter().cloned());
        components.resources.extend(self.added.resources.iter().cloned());
        components.prompts.extend(self.added.prompts.iter().cloned());
        components.drop_idle_completions();
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_again_and_again_is_remembered_once() {
        let live = Live::new();
        for _ in 0..3 {
            live.remove_tool("a");
            live.remove_resource("a");
            live.remove_prompt("a");
        }
        assert_eq!(live.state().removed.len(), 3);
    }
}
