//! Lists of components, as hooks see them.

use std::{fmt, slice, sync::Arc};

use crate::{
    model::{About, Listing, Text},
    prompt::Prompt,
    resource::Resource,
    server::tables::Tables,
    tool::Tool,
};

/// What a list has: tools, resources or prompts.
pub trait Component: Clone + Send + Sync + 'static {
    /// What filters know of it.
    fn about(&self) -> About<'_>;

    #[doc(hidden)]
    fn all(source: &Source) -> &[Arc<Self>];
}

/// Where a list that nobody has changed comes from.
#[doc(hidden)]
#[derive(Clone)]
pub struct Source {
    pub(crate) tables: Arc<Tables>,
    pub(crate) listing: Listing,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("listing", &self.listing).finish_non_exhaustive()
    }
}

impl Component for Tool {
    fn about(&self) -> About<'_> {
        self.about()
    }

    fn all(source: &Source) -> &[Arc<Self>] {
        source.tables.tools()
    }
}

impl Component for Resource {
    fn about(&self) -> About<'_> {
        self.about()
    }

    fn all(source: &Source) -> &[Arc<Self>] {
        source.tables.resources(source.listing == Listing::ResourceTemplates)
    }
}

impl Component for Prompt {
    fn about(&self) -> About<'_> {
        self.about()
    }

    fn all(source: &Source) -> &[Arc<Self>] {
        source.tables.prompts()
    }
}

/// A list of components on its way to a client, with their tags. One that nobody changes is answered with bytes that were
/// written once.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// As the server has it; `None` where a hook has made the list.
    whole: Option<Source>,
    changed: Option<Vec<Arc<T>>>,
    unavailable: Vec<Unavailable>,
}

/// What a list lacks, since it could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The mount, by its prefix or its name.
    pub mount: Text,
    /// Why, as a client may read it.
    pub why: Text,
}

impl<T: Component> Listed<T> {
    pub(crate) fn whole(tables: &Arc<Tables>, listing: Listing) -> Self {
        let whole = Some(Source { tables: Arc::clone(tables), listing });
        Self { whole, changed: None, unavailable: Vec::new() }
    }

    /// A list of these.
    pub fn new(components: impl IntoIterator<Item = T>) -> Self {
        components.into_iter().map(Arc::new).collect::<Vec<_>>().into()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// All of them, in the order in which clients see them.
    pub fn iter(&self) -> slice::Iter<'_, Arc<T>> {
        self.as_slice().iter()
    }

    fn as_slice(&self) -> &[Arc<T>] {
        match (&self.changed, &self.whole) {
            (Some(changed), _) => changed,
            (None, Some(whole)) => T::all(whole),
            (None, None) => &[],
        }
    }

    /// Whether it still is what the server has, and all of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.is_some() && self.changed.is_none() && self.unavailable.is_empty()
    }

    fn change(&mut self) -> &mut Vec<Arc<T>> {
        let whole = &self.whole;
        self.changed.get_or_insert_with(|| whole.as_ref().map_or_else(Vec::new, |whole| T::all(whole).to_vec()))
    }

    /// Leaves out what `keep` is not true of.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        if self.iter().any(|component| !keep(component)) {
            self.change().retain(|component| keep(component));
        }
    }

    /// Adds one. Clients find it in the list; for them to use it, a hook must answer for it.
    pub fn push(&mut self, component: T) {
        self.change().push(Arc::new(component));
    }

    /// Shows each as `change` makes it.
    pub fn map(mut self, mut change: impl FnMut(T) -> T) -> Self {
        for component in self.change() {
            *component = Arc::new(change(T::clone(component)));
        }
        self
    }

    /// Says that something is missing.
    pub fn lacks(&mut self, unavailable: Unavailable) {
        self.unavailable.push(unavailable);
    }

    /// What is missing.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    pub(crate) fn into_vec(mut self) -> Vec<Arc<T>> {
        std::mem::take(self.change())
    }
}

impl<T> From<Vec<Arc<T>>> for Listed<T> {
    fn from(components: Vec<Arc<T>>) -> Self {
        Self { whole: None, changed: Some(components), unavailable: Vec::new() }
    }
}
