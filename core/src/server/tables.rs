//! What never changes while a server lives, found by name and written once per revision.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use http::HeaderName;
use serde_json::value::RawValue;

use super::catalogue::Catalogue;
use crate::{
    compose::{
        changing::Changing,
        remotes::{Sought, could_be},
        tree::{Flat, Scope},
    },
    cursor::{self, Fingerprint},
    error::Error,
    lifespan::Lifespans,
    limits::echo,
    middleware::{Chain, Listed},
    model::{Abilities, CacheHint, CacheScope, Implementation, Listing, Offers, Text, Unavailable},
    prompt::Prompt,
    resource::Resource,
    session::Sessions,
    state::RequestState,
    task::Tasks,
    tool::Tool,
    version::ProtocolVersion,
    wire::{
        definition::{self, Capabilities, Paging},
        results::For,
    },
};

/// How long clients may keep a list that lacks something.
const LACKING_TTL: Duration = Duration::from_secs(15);

/// What of a definition is not its components.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) who: Implementation,
    pub(crate) instructions: Option<Text>,
    /// Whether it asks who is calling.
    pub(crate) is_private: bool,
    /// The headers of a client's that other servers get, which answers may depend on.
    pub(crate) forwarded: Arc<[HeaderName]>,
    pub(crate) list_ttl: Duration,
    pub(crate) list_page_size: Option<NonZeroUsize>,
    pub(crate) list_changed: bool,
    pub(crate) resource_subscriptions: bool,
    pub(crate) request_state: RequestState,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) lifespans: Arc<Lifespans>,
    /// Whether components of every kind may come while it runs.
    pub(crate) offers_all: bool,
    /// Whether they may come with completions.
    pub(crate) offers_completions: bool,
}

/// A list of any kind, on its way to a client.
pub(crate) enum AnyList {
    Tools(Listed<Tool>),
    Resources(Listed<Resource>),
    ResourceTemplates(Listed<Resource>),
    Prompts(Listed<Prompt>),
}

impl AnyList {
    pub(crate) fn listing(&self) -> Listing {
        match self {
            Self::Tools(_) => Listing::Tools,
            Self::Resources(_) => Listing::Resources,
            Self::ResourceTemplates(_) => Listing::ResourceTemplates,
            Self::Prompts(_) => Listing::Prompts,
        }
    }

    /// Whether it is what the server has.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Tools(list) => list.is_whole(),
            Self::Resources(list) | Self::ResourceTemplates(list) => list.is_whole(),
            Self::Prompts(list) => list.is_whole(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Tools(list) => list.len(),
            Self::Resources(list) | Self::ResourceTemplates(list) => list.len(),
            Self::Prompts(list) => list.len(),
        }
    }

    fn unavailable(&self) -> &[Unavailable] {
        match self {
            Self::Tools(list) => list.unavailable(),
            Self::Resources(list) | Self::ResourceTemplates(list) => list.unavailable(),
            Self::Prompts(list) => list.unavailable(),
        }
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Tools(list) => Box::new(list.iter().map(|tool| tool.definition.name.as_ref())),
            Self::Resources(list) | Self::ResourceTemplates(list) => {
                Box::new(list.iter().map(|resource| resource.definition.uri.as_ref()))
            }
            Self::Prompts(list) => Box::new(list.iter().map(|prompt| prompt.definition.name.as_ref())),
        }
    }
}

/// What a client is told whose cursor is none.
pub(crate) fn no_page(cursor: &str) -> Error {
    Error::invalid_params(format!(
        "cursor {} is none of this list, or the list has changed: start without one",
        echo(cursor)
    ))
}

/// A definition, laid out for serving.
pub(crate) struct Tables {
    pub(crate) who: Implementation,
    instructions: Option<Text>,
    pub(crate) offers: Offers,
    hint: CacheHint,
    /// The headers of a client's that other servers get, which answers may depend on.
    pub(crate) forwarded: Arc<[HeaderName]>,
    pub(crate) request_state: RequestState,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) lifespans: Arc<Lifespans>,
    /// The components, as clients see them.
    pub(crate) components: Catalogue,
    /// The middlewares of the server itself.
    pub(crate) chain: Chain,
    pub(crate) scopes: Arc<[Scope]>,
    /// What each mounted server with middlewares sees; some of [`scopes`](Self::scopes).
    views: BTreeMap<usize, Catalogue>,
    /// Whether something of each list is not for everybody, in the order of [`Listing::ALL`].
    guarded: [bool; Listing::ALL.len()],
    /// What could not be asked for, by the scopes that lack it.
    lacks: Vec<(usize, Unavailable)>,
    /// The server whose layout this is, where it has others.
    pub(crate) changing: Weak<Changing>,
    page_size: Option<NonZeroUsize>,
    /// What each list is, in the order of [`Listing::ALL`]; only lists with pages need to know.
    fingerprints: [OnceLock<Fingerprint>; Listing::ALL.len()],
    /// Per revision, written when it is first asked for: most servers meet one or two.
    written: [Written; ProtocolVersion::ALL.len()],
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
    /// Lays out a server, which has been checked.
    pub(crate) fn new(server: Settings, flat: Flat, scopes: Arc<[Scope]>) -> Self {
        let Settings {
            who,
            instructions,
            is_private,
            forwarded,
            list_ttl,
            list_page_size,
            list_changed,
            resource_subscriptions,
            request_state,
            sessions,
            tasks,
            lifespans,
            offers_all,
            offers_completions,
        } = server;
        let scope = match is_private {
            // Behind authorization a shared cache must not answer for us (2026-07-28, server/utilities/caching).
            true => CacheScope::Private,
            false => CacheScope::Public,
        };
        let components = Catalogue::new(flat.components);
        let views = flat.views.into_iter().map(|(scope, components)| (scope, Catalogue::new(components)));
        let (tools, prompts) = (components.tools(), components.prompts());
        let (resources, templates) = (components.resources(false), components.resources(true));
        let has_tools = components.all_tools().next().is_some();
        let has_resources = !resources.is_empty() || !templates.is_empty();
        let guarded = [
            tools.iter().any(|tool| !tool.requirements.is_empty()),
            resources.iter().any(|resource| !resource.requirements.is_empty()),
            templates.iter().any(|template| !template.requirements.is_empty()),
            prompts.iter().any(|prompt| !prompt.requirements.is_empty()),
        ];
        let offers = Offers {
            tools: has_tools || offers_all,
            resources: has_resources || offers_all,
            prompts: !prompts.is_empty() || offers_all,
            completions: !components.completions.is_empty() || offers_completions,
            list_changed,
            subscribe: resource_subscriptions && has_resources,
            tasks: components.all_tools().any(|tool| tool.task.is_some()),
            apps: tools.iter().any(|tool| tool.ui.is_some()),
        };
        let mut tables = Self {
            offers,
            forwarded,
            hint: CacheHint::new(
                if flat.lacks.is_empty() { list_ttl } else { list_ttl.min(LACKING_TTL) },
                scope,
            ),
            chain: scopes.first().map_or_else(|| Arc::from([]), |root| Arc::clone(&root.chain)),
            scopes,
            views: views.collect(),
            guarded,
            components,
            lacks: flat.lacks,
            changing: Weak::new(),
            page_size: list_page_size,
            fingerprints: Default::default(),
            who,
            instructions,
            request_state,
            sessions,
            tasks,
            lifespans,
            written: Default::default(),
        };
        if tables.page_size.is_some() {
            tables.allot_pages();
        }
        tables
    }

    fn allot_pages(&mut self) {
        for listing in Listing::ALL {
            let pages = self
                .components
                .names(listing)
                .count()
                .div_ceil(self.page_size.map_or(usize::MAX, NonZeroUsize::get));
            for written in &mut self.written {
                if let Some(list) = written.lists.get_mut(listing as usize) {
                    list.rest.resize_with(pages.saturating_sub(1), OnceLock::new);
                }
            }
        }
    }

    /// The page of `listing` that `cursor` asks for; `None` where it is none of this list's.
    pub(crate) fn page(&self, listing: Listing, cursor: Option<&str>) -> Option<usize> {
        let Some(cursor) = cursor else { return Some(0) };
        let pages = self.written.first()?.lists.get(listing as usize)?.rest.len() + 1;
        cursor::read(cursor, listing, &self.fingerprint(listing)).filter(|page| *page < pages)
    }

    /// What the mounted server `scope` sees, and its middlewares.
    pub(crate) fn view(&self, scope: usize) -> Option<(&Catalogue, &Scope)> {
        Some((self.views.get(&scope)?, self.scopes.get(scope)?))
    }

    /// What could not be asked for, so that lists lack it.
    pub(crate) fn unavailable(&self) -> impl Iterator<Item = &Unavailable> {
        self.lacks.iter().map(|(_, lacks)| lacks)
    }

    /// Why `sought`, which is not here, cannot be said not to be: it could be a server's that cannot be asked.
    pub(crate) fn lacking(&self, sought: Sought<'_>) -> Option<String> {
        let mut lacks = self.lacks.iter().filter(|(scope, _)| could_be(&self.scopes, *scope, sought));
        let (_, Unavailable { mount, why }) = lacks.next()?;
        Some(format!("the server mounted as {mount:?} cannot be asked ({why})"))
    }

    /// Whether mounted servers have middlewares.
    pub(crate) fn has_views(&self) -> bool {
        !self.views.is_empty()
    }

    /// The scope, and those of the servers around it, from the inside.
    pub(crate) fn path(&self, scope: usize) -> impl Iterator<Item = usize> {
        let parent = |scope: &usize| match scope {
            0 => None,
            scope => self.scopes.get(*scope).map(|scope| scope.parent),
        };
        std::iter::successors(Some(scope), parent)
    }

    /// `uri`, as the mounted server of `scope` knows it, as clients do.
    pub(crate) fn lift_uri(&self, scope: usize, uri: String) -> String {
        let scopes = self.path(scope).filter_map(|scope| self.scopes.get(scope));
        scopes.fold(uri, |uri, scope| scope.lift_uri(&uri))
    }

    /// Whether something of `listing` is not for everybody.
    pub(crate) fn is_guarded(&self, listing: Listing) -> bool {
        self.guarded.get(listing as usize).is_some_and(|guarded| *guarded)
    }

    /// Whether a list can be answered with bytes that were written once.
    pub(crate) fn is_fixed(&self, listing: Listing) -> bool {
        self.chain.is_empty() && !self.has_views() && !self.is_guarded(listing)
    }

    fn fingerprint(&self, listing: Listing) -> Fingerprint {
        let of = || {
            cursor::fingerprint(self.components.names(listing), self.page_size.map_or(0, NonZeroUsize::get))
        };
        self.fingerprints.get(listing as usize).map_or_else(of, |known| *known.get_or_init(of))
    }

    /// What results of `version` are written for.
    pub(crate) fn results_for(&self, version: ProtocolVersion) -> For<'_> {
        let server_info =
            self.written(version).server_info.get_or_init(|| definition::implementation(&self.who, version));
        For { version, server_info }
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
        let next_cursor =
            (self.page_size.is_some() && self.components.names(listing).count() > end).then(|| {
                cursor::write(
                    listing,
                    &self.fingerprint(listing),
                    u32::try_from(page + 1).unwrap_or(u32::MAX),
                )
            });
        let unavailable: Vec<_> = self.unavailable().cloned().collect();
        let paging = Paging { next_cursor, hint: self.hint, unavailable: &unavailable };
        self.write_components(listing, (start, size), paging, to)
    }

    fn write_components(
        &self,
        listing: Listing,
        (start, size): (usize, usize),
        paging: Paging<'_>,
        to: For<'_>,
    ) -> Box<RawValue> {
        let all = &self.components;
        match listing {
            Listing::Tools => definition::tools(
                to,
                all.tools().iter().skip(start).take(size).map(|tool| &tool.definition),
                paging,
            ),
            Listing::Resources => definition::resources(
                to,
                all.resources(false).iter().skip(start).take(size).map(|resource| &resource.definition),
                paging,
            ),
            Listing::ResourceTemplates => definition::resource_templates(
                to,
                all.resources(true).iter().skip(start).take(size).map(|resource| &resource.definition),
                paging,
            ),
            Listing::Prompts => definition::prompts(
                to,
                all.prompts().iter().skip(start).take(size).map(|prompt| &prompt.definition),
                paging,
            ),
        }
    }

    /// A list that is not as the server has it, from where `cursor` says.
    ///
    /// # Errors
    /// Where the cursor is none of this list.
    pub(crate) fn write_changed(
        &self,
        list: &AnyList,
        cursor: Option<&str>,
        version: ProtocolVersion,
    ) -> Result<Box<RawValue>, Error> {
        let listing = list.listing();
        let size = self.page_size.map_or(usize::MAX, NonZeroUsize::get);
        let fingerprint = || cursor::fingerprint(list.keys(), self.page_size.map_or(0, NonZeroUsize::get));
        let page = match cursor {
            None => 0,
            Some(cursor) => {
                let page = cursor::read(cursor, listing, &fingerprint());
                page.filter(|page| page.saturating_mul(size) < list.len()).ok_or_else(|| no_page(cursor))?
            }
        };
        let (start, end) = (page.saturating_mul(size), page.saturating_add(1).saturating_mul(size));
        let next_cursor = (self.page_size.is_some() && list.len() > end)
            .then(|| cursor::write(listing, &fingerprint(), u32::try_from(page + 1).unwrap_or(u32::MAX)));
        // It is this caller's list, so nobody may keep it for others.
        let hint = CacheHint { scope: CacheScope::Private, ..self.hint };
        let paging = Paging { next_cursor, hint, unavailable: list.unavailable() };
        let to = self.results_for(version);
        Ok(match list {
            AnyList::Tools(tools) => {
                let tools = tools.iter().skip(start).take(size);
                definition::tools(to, tools.map(|tool| &tool.definition), paging)
            }
            AnyList::Resources(resources) => {
                let resources = resources.iter().skip(start).take(size);
                definition::resources(to, resources.map(|resource| &resource.definition), paging)
            }
            AnyList::ResourceTemplates(templates) => {
                let templates = templates.iter().skip(start).take(size);
                definition::resource_templates(to, templates.map(|template| &template.definition), paging)
            }
            AnyList::Prompts(prompts) => {
                let prompts = prompts.iter().skip(start).take(size);
                definition::prompts(to, prompts.map(|prompt| &prompt.definition), paging)
            }
        })
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
