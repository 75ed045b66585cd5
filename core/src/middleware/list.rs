//! Lists of components, as hooks see them.

use std::{fmt, slice, sync::Arc};

use super::{ListPrompts, ListResourceTemplates, ListResources, ListTools, Message, Response};
use crate::{
    auth::Requirement,
    compose::Place,
    compose::tree::Scope,
    model::{About, Listing, Unavailable},
    prompt::Prompt,
    resource::Resource,
    server::{catalogue::Catalogue, tables::Tables},
    tool::Tool,
    transform::Components,
};

/// What a list has: tools, resources or prompts.
pub trait Component: Listable + Clone + Send + Sync + 'static {
    /// What filters know of it.
    fn about(&self) -> About<'_>;
}

/// What the core asks of a component.
#[doc(hidden)]
pub trait Listable: Sized {
    fn all(source: &Source) -> &[Arc<Self>];
    fn place(&self) -> &Place;
    fn requirements(&self) -> &[Requirement];
    fn lift(scope: &Scope, listed: Vec<Self>) -> Vec<Self>;
    fn in_place_of(self, other: &Self) -> Self;
    fn message(listing: Listing) -> Message;
    fn response(response: Response) -> Option<Listed<Self>>;
}

/// Where a list that nobody has changed comes from.
#[doc(hidden)]
#[derive(Clone)]
pub struct Source {
    tables: Arc<Tables>,
    listing: Listing,
    /// The mounted server whose view it is; the server's own where it is none.
    view: Option<usize>,
}

impl Source {
    fn catalogue(&self) -> &Catalogue {
        let view = self.view.and_then(|scope| self.tables.view(scope)).map(|(view, _)| view);
        view.unwrap_or(&self.tables.components)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("listing", &self.listing).finish_non_exhaustive()
    }
}

macro_rules! components {
    ($($component:ident: $all:expr, $field:ident, $message:expr, $($response:ident)|*;)*) => {$(
        impl Component for $component {
            fn about(&self) -> About<'_> {
                self.about()
            }
        }

        impl Listable for $component {
            fn all(source: &Source) -> &[Arc<Self>] {
                $all(source)
            }

            fn place(&self) -> &Place {
                &self.place
            }

            fn requirements(&self) -> &[Requirement] {
                &self.requirements
            }

            fn lift(scope: &Scope, listed: Vec<Self>) -> Vec<Self> {
                let mut components = Components { $field: listed, ..Components::default() };
                scope.lift(&mut components);
                components.$field
            }

            /// The same where `other` is, and for those whom it is for.
            fn in_place_of(mut self, other: &Self) -> Self {
                self.place.clone_from(&other.place);
                self.requirements.clone_from(&other.requirements);
                self
            }

            fn message(listing: Listing) -> Message {
                $message(listing)
            }

            fn response(response: Response) -> Option<Listed<Self>> {
                match response {
                    $(Response::$response(list) => Some(list),)*
                    _ => None,
                }
            }
        }
    )*};
}

components! {
    Tool: tools, tools, |_| Message::ListTools(ListTools::default()), Tools;
    Resource: resources, resources, list_resources, Resources | ResourceTemplates;
    Prompt: prompts, prompts, |_| Message::ListPrompts(ListPrompts {}), Prompts;
}

fn resources(source: &Source) -> &[Arc<Resource>] {
    source.catalogue().resources(source.listing == Listing::ResourceTemplates)
}

fn prompts(source: &Source) -> &[Arc<Prompt>] {
    source.catalogue().prompts()
}

fn tools(source: &Source) -> &[Arc<Tool>] {
    source.catalogue().tools()
}

fn list_resources(listing: Listing) -> Message {
    match listing {
        Listing::ResourceTemplates => Message::ListResourceTemplates(ListResourceTemplates {}),
        _ => Message::ListResources(ListResources {}),
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

impl<T: Component> Listed<T> {
    pub(crate) fn whole(tables: &Arc<Tables>, listing: Listing, view: Option<usize>) -> Self {
        let whole = Some(Source { tables: Arc::clone(tables), listing, view });
        // What is lacking is lacking wherever it is mounted, and is said once.
        let unavailable = match view {
            Some(_) => Vec::new(),
            None => tables.unavailable().cloned().collect(),
        };
        Self { whole, changed: None, unavailable }
    }

    pub(crate) fn set(&mut self, components: Vec<Arc<T>>) {
        self.changed = Some(components);
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
        self.changed
            .get_or_insert_with(|| whole.as_ref().map_or_else(Vec::new, |whole| T::all(whole).to_vec()))
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
