//! What never changes while a server lives, found by name and written once per revision.

use std::sync::OnceLock;

use serde_json::value::RawValue;

use super::Server;
use crate::{
    model::{CacheHint, CacheScope, Implementation, Listing, Offers, Text},
    prompt::Prompt,
    resource::Resource,
    session::Sessions,
    state::RequestState,
    tool::Tool,
    uri::UriError,
    version::ProtocolVersion,
    wire::{definition, results::For},
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
    tools: Vec<Tool>,
    tools_by_name: Index,
    resources: Vec<Resource>,
    resources_by_uri: Index,
    prompts: Vec<Prompt>,
    prompts_by_name: Index,
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
    initialize: OnceLock<Box<RawValue>>,
    discover: OnceLock<Box<RawValue>>,
    tools: OnceLock<Box<RawValue>>,
    resources: OnceLock<Box<RawValue>>,
    resource_templates: OnceLock<Box<RawValue>>,
    prompts: OnceLock<Box<RawValue>>,
}

/// An answer that is the same for every request of a revision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fixed {
    Initialize,
    Discover,
    List(Listing),
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
            verifier,
            list_ttl,
            request_state,
            sessions,
            ..
        } = server;
        let scope = match verifier {
            // Behind authorization a shared cache must not answer for us (2026-07-28, server/utilities/caching).
            Some(_) => CacheScope::Private,
            None => CacheScope::Public,
        };
        Self {
            offers: Offers {
                tools: !tools.is_empty(),
                resources: !resources.is_empty(),
                prompts: !prompts.is_empty(),
            },
            hint: CacheHint { ttl_ms: u64::try_from(list_ttl.as_millis()).unwrap_or(u64::MAX), scope },
            tools_by_name: Index::new(tools.iter().map(|tool| &tool.definition.name)),
            resources_by_uri: Index::new(resources.iter().map(|resource| &resource.definition.uri)),
            prompts_by_name: Index::new(prompts.iter().map(|prompt| &prompt.definition.name)),
            tools,
            resources,
            prompts,
            who,
            instructions,
            request_state,
            sessions,
            written: Default::default(),
        }
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

    /// The answer `which`, written once per revision.
    pub(crate) fn fixed(&self, which: Fixed, version: ProtocolVersion) -> &RawValue {
        let written = self.written(version);
        let answer = match which {
            Fixed::Initialize => &written.initialize,
            Fixed::Discover => &written.discover,
            Fixed::List(Listing::Tools) => &written.tools,
            Fixed::List(Listing::Resources) => &written.resources,
            Fixed::List(Listing::ResourceTemplates) => &written.resource_templates,
            Fixed::List(Listing::Prompts) => &written.prompts,
        };
        answer.get_or_init(|| self.write(which, self.results_for(version)))
    }

    fn write(&self, which: Fixed, to: For<'_>) -> Box<RawValue> {
        let (offers, instructions, hint) = (self.offers, self.instructions.as_deref(), self.hint);
        let resources = |templates: bool| {
            let of_kind = self.resources.iter().filter(move |resource| resource.is_template() == templates);
            of_kind.map(|resource| &resource.definition)
        };
        match which {
            Fixed::Initialize => definition::initialize(to, offers, instructions),
            Fixed::Discover => definition::discover(to, offers, instructions, hint),
            Fixed::List(Listing::Tools) => {
                definition::tools(to, self.tools.iter().map(|tool| &tool.definition), hint)
            }
            Fixed::List(Listing::Resources) => definition::resources(to, resources(false), hint),
            Fixed::List(Listing::ResourceTemplates) => {
                definition::resource_templates(to, resources(true), hint)
            }
            Fixed::List(Listing::Prompts) => {
                definition::prompts(to, self.prompts.iter().map(|prompt| &prompt.definition), hint)
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
