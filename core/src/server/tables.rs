//! What never changes while a server lives, found by name and written once per revision.

use std::{borrow::Cow, num::NonZeroUsize, sync::OnceLock};

use serde_json::value::RawValue;

use super::Server;
use crate::{
    completion::{Completion, Of},
    cursor::{self, Fingerprint},
    lifespan::Lifespans,
    model::{
        Abilities, CacheHint, CacheScope, Completed, Implementation, Listing, Offers, ResourceDefinition,
        Text,
    },
    prompt::Prompt,
    resource::Resource,
    session::Sessions,
    state::RequestState,
    task::Tasks,
    tool::Tool,
    uri::UriError,
    version::ProtocolVersion,
    wire::{
        definition::{self, Capabilities, Paging},
        results::For,
    },
};

/// A resource, and the values its template found in the URI.
type Found<'a> = (&'a Resource, Result<Vec<(&'a str, String)>, UriError>);

/// A definition, laid out for serving.
pub(crate) struct Tables {
    pub(crate) who: Implementation,
    instructions: Option<Text>,
    pub(crate) offers: Offers,
    hint: CacheHint,
    pub(crate) request_state: RequestState,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) lifespans: Lifespans,
    tools: Vec<Tool>,
    tools_by_name: Index,
    resources: Vec<Resource>,
    resources_by_uri: Index,
    prompts: Vec<Prompt>,
    prompts_by_name: Index,
    /// A handful, and asked for while a person types: they need no index.
    completions: Vec<Completion>,
    page_size: Option<NonZeroUsize>,
    /// What each list is, in the order of [`Listing::ALL`]; only lists with pages need to know.
    fingerprints: [OnceLock<Fingerprint>; Listing::ALL.len()],
    /// Per revision, written when it is first asked for: most servers meet one or two.
    written: [Written; ProtocolVersion::ALL.len()],
}

/// Where each name stands, sorted by name. It is smaller than a hash map, needs no seed, and loses nothing at the sizes
/// a server has.
struct Index(Vec<(Text, usize)>);

impl Index {
    fn new<'a>(names: impl Iterator<Item = &'a Text>) -> Self {
        let mut sorted = Vec::<(Text, usize)>::new();
        for (name, index) in names.zip(0..) {
            // Insertion is quadratic, and at these sizes a sort is only more code for a Worker to carry.
            let place = sorted.partition_point(|(known, _)| known < name);
            sorted.insert(place, (name.clone(), index));
        }
        Self(sorted)
    }

    fn get(&self, name: &str) -> Option<usize> {
        let found = self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        self.0.get(found).map(|(_, index)| *index)
    }
}

/// The answers that are the same for every request of a revision.
#[derive(Default)]
struct Written {
    server_info: OnceLock<Box<RawValue>>,
    /// For each of what a platform can be able to.
    initialize: [OnceLock<Box<RawValue>>; Abilities::COUNT],
    discover: [OnceLock<Box<RawValue>>; Abilities::COUNT],
    /// In the order of [`Listing::ALL`].
    lists: [Pages; Listing::ALL.len()],
}

/// The pages of a list. Most lists have one, which needs no allocation.
#[derive(Default)]
struct Pages {
    first: OnceLock<Box<RawValue>>,
    rest: Vec<OnceLock<Box<RawValue>>>,
}

/// An answer that is the same for every request of a revision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fixed {
    Initialize(Abilities),
    Discover(Abilities),
    /// A list, and the number of its page.
    List(Listing, usize),
}

impl Tables {
    /// Lays out `server`, which has been checked.
    pub(crate) fn new(server: Server) -> Self {
        let Server {
            who,
            instructions,
            tools,
            resources,
            prompts,
            completions,
            verifier,
            list_ttl,
            list_page_size,
            list_changed,
            resource_subscriptions,
            request_state,
            sessions,
            tasks,
            lifespans,
            ..
        } = server;
        let scope = match verifier {
            // Behind authorization a shared cache must not answer for us (2026-07-28, server/utilities/caching).
            Some(_) => CacheScope::Private,
            None => CacheScope::Public,
        };
        let mut tables = Self {
            offers: Offers {
                tools: !tools.is_empty(),
                resources: !resources.is_empty(),
                prompts: !prompts.is_empty(),
                completions: !completions.is_empty(),
                list_changed,
                subscribe: resource_subscriptions && !resources.is_empty(),
                tasks: tools.iter().any(|tool| tool.task.is_some()),
                apps: tools.iter().any(|tool| tool.ui.is_some()),
            },
            hint: CacheHint::new(list_ttl, scope),
            tools_by_name: Index::new(tools.iter().map(|tool| &tool.definition.name)),
            resources_by_uri: Index::new(resources.iter().map(|resource| &resource.definition.uri)),
            prompts_by_name: Index::new(prompts.iter().map(|prompt| &prompt.definition.name)),
            tools,
            resources,
            prompts,
            completions,
            page_size: list_page_size,
            fingerprints: Default::default(),
            who,
            instructions,
            request_state,
            sessions,
            tasks,
            lifespans: Lifespans::new(lifespans),
            written: Default::default(),
        };
        if tables.page_size.is_some() {
            tables.allot_pages();
        }
        tables
    }

    fn allot_pages(&mut self) {
        for listing in Listing::ALL {
            let pages =
                self.names(listing).count().div_ceil(self.page_size.map_or(usize::MAX, NonZeroUsize::get));
            for written in &mut self.written {
                if let Some(list) = written.lists.get_mut(listing as usize) {
                    list.rest.resize_with(pages.saturating_sub(1), OnceLock::new);
                }
            }
        }
    }

    fn names(&self, listing: Listing) -> Box<dyn Iterator<Item = &str> + '_> {
        match listing {
            Listing::Tools => Box::new(self.tools.iter().map(|tool| tool.definition.name.as_ref())),
            Listing::Resources => Box::new(self.resources(false).map(|definition| definition.uri.as_ref())),
            Listing::ResourceTemplates => {
                Box::new(self.resources(true).map(|definition| definition.uri.as_ref()))
            }
            Listing::Prompts => Box::new(self.prompts.iter().map(|prompt| prompt.definition.name.as_ref())),
        }
    }

    fn resources(&self, templates: bool) -> impl Iterator<Item = &ResourceDefinition> {
        let of_kind = self.resources.iter().filter(move |resource| resource.is_template() == templates);
        of_kind.map(|resource| &resource.definition)
    }

    /// The page of `listing` that `cursor` asks for; `None` where it is none of this list's.
    pub(crate) fn page(&self, listing: Listing, cursor: Option<&str>) -> Option<usize> {
        let Some(cursor) = cursor else { return Some(0) };
        let pages = self.written.first()?.lists.get(listing as usize)?.rest.len() + 1;
        cursor::read(cursor, listing, &self.fingerprint(listing)).filter(|page| *page < pages)
    }

    fn fingerprint(&self, listing: Listing) -> Fingerprint {
        let of = || cursor::fingerprint(self.names(listing), self.page_size.map_or(0, NonZeroUsize::get));
        self.fingerprints.get(listing as usize).map_or_else(of, |known| *known.get_or_init(of))
    }

    /// The tool `name`.
    pub(crate) fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools_by_name.get(name).and_then(|index| self.tools.get(index))
    }

    /// The prompt `name`.
    pub(crate) fn prompt(&self, name: &str) -> Option<&Prompt> {
        self.prompts_by_name.get(name).and_then(|index| self.prompts.get(index))
    }

    /// The resource at `uri`, or the first template it fits, with the values found in it.
    pub(crate) fn resource(&self, uri: &str) -> Option<Found<'_>> {
        let exact = self.resources_by_uri.get(uri).and_then(|index| self.resources.get(index));
        if let Some(resource) = exact.filter(|resource| !resource.is_template()) {
            return Some((resource, Ok(Vec::new())));
        }
        let mut templates = self.resources.iter().filter(|resource| resource.is_template());
        templates.find_map(|resource| Some((resource, resource.template.as_ref()?.values(uri)?)))
    }

    /// What results of `version` are written for.
    pub(crate) fn results_for(&self, version: ProtocolVersion) -> For<'_> {
        let server_info =
            self.written(version).server_info.get_or_init(|| definition::implementation(&self.who, version));
        For { version, server_info }
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
                let index = self.resources_by_uri.get(uri).ok_or("resource or template")?;
                let resource = self.resources.get(index).ok_or("resource or template")?;
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

    /// The answer `which`, written once per revision.
    pub(crate) fn fixed(&self, which: Fixed, version: ProtocolVersion) -> Cow<'_, RawValue> {
        let written = self.written(version);
        let place = match which {
            Fixed::Initialize(abilities) => written.initialize.get(abilities.index()),
            Fixed::Discover(abilities) => written.discover.get(abilities.index()),
            Fixed::List(listing, page) => written.lists.get(listing as usize).and_then(|pages| match page {
                0 => Some(&pages.first),
                page => pages.rest.get(page - 1),
            }),
        };
        let write = || self.write(which, self.results_for(version));
        match place {
            Some(place) => Cow::Borrowed(place.get_or_init(write)),
            None => Cow::Owned(write()),
        }
    }

    fn write(&self, which: Fixed, to: For<'_>) -> Box<RawValue> {
        let (instructions, hint) = (self.instructions.as_deref(), self.hint);
        match which {
            Fixed::Initialize(abilities) => {
                definition::initialize(to, Capabilities::new(self.offers, abilities), instructions)
            }
            Fixed::Discover(abilities) => {
                definition::discover(to, Capabilities::new(self.offers, abilities), instructions, hint)
            }
            Fixed::List(listing, page) => self.write_list(listing, page, to),
        }
    }

    fn write_list(&self, listing: Listing, page: usize, to: For<'_>) -> Box<RawValue> {
        let size = self.page_size.map_or(usize::MAX, NonZeroUsize::get);
        let (start, end) = (page.saturating_mul(size), page.saturating_add(1).saturating_mul(size));
        let next_cursor = (self.page_size.is_some() && self.names(listing).count() > end).then(|| {
            cursor::write(listing, &self.fingerprint(listing), u32::try_from(page + 1).unwrap_or(u32::MAX))
        });
        let paging = Paging { next_cursor, hint: self.hint };
        match listing {
            Listing::Tools => {
                let tools = self.tools.iter().skip(start).take(size);
                definition::tools(to, tools.map(|tool| &tool.definition), paging)
            }
            Listing::Resources => {
                definition::resources(to, self.resources(false).skip(start).take(size), paging)
            }
            Listing::ResourceTemplates => {
                definition::resource_templates(to, self.resources(true).skip(start).take(size), paging)
            }
            Listing::Prompts => {
                let prompts = self.prompts.iter().skip(start).take(size);
                definition::prompts(to, prompts.map(|prompt| &prompt.definition), paging)
            }
        }
    }

    fn written(&self, version: ProtocolVersion) -> &Written {
        let [oldest, second, third, newest] = &self.written;
        match version {
            ProtocolVersion::V2025_03_26 => oldest,
            ProtocolVersion::V2025_06_18 => second,
            ProtocolVersion::V2025_11_25 => third,
            ProtocolVersion::V2026_07_28 => newest,
        }
    }
}
