//! Other servers that are mounted: which requests concern them, and what is known of them for whoever asks.

use std::sync::Arc;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName};

use super::tree::Scope;
use crate::{
    future::BoxFuture,
    middleware::Unavailable,
    model::{Completed, Request, Text},
    platform::Platform,
    server::tables::Tables,
    transform::Components,
};

/// A server that is not in this process. The one there is is [`Remote`](crate::remote::Remote); through this a server that
/// mounts none carries nothing of it.
pub(crate) trait Elsewhere: Send + Sync {
    /// Has clients and the log call it `name`.
    fn set_name(&mut self, name: &str);

    /// What it is called.
    fn name(&self) -> &str;

    /// What is wrong with its settings, each with its way out.
    fn problems(&self) -> Vec<String>;

    /// Whether what it lists may depend on who asks.
    fn is_per_caller(&self) -> bool;

    /// The headers of a client's that it gets with calls, reads and prompts, so that what it answers may depend on them.
    fn forwarded(&self) -> Vec<HeaderName>;

    /// Its components, as they are listed for a request with these headers. They are asked for where what is known is too
    /// old.
    ///
    /// # Errors
    /// Where it does not answer, and nothing is known of it.
    fn snapshot<'a>(
        &'a self,
        platform: &'a Platform,
        caller: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Found, Unavailable>>;

    /// As [`snapshot`](Self::snapshot), however old: to find what is called, which the other server judges anew.
    fn known<'a>(
        &'a self,
        platform: &'a Platform,
        caller: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Found, Unavailable>>;

    /// What this instance knows of its components.
    fn peek(&self, platform: &Platform, caller: &HeaderMap) -> RemoteState;
}

/// What another server listed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) components: Components,
    /// Tells it from others: the same for the same lists, whoever has asked for them and when.
    pub(crate) generation: u64,
}

/// What is known of what another server lists.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Why it is not newer, where the server does not answer.
    pub(crate) stale: Option<Unavailable>,
}

/// Another server in the tree.
pub(crate) struct RemoteMount {
    pub(crate) remote: Box<dyn Elsewhere>,
    pub(crate) scope: usize,
}

/// What is known of another server.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteState {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// Why that is not all.
    pub(crate) lacks: Option<Unavailable>,
}

/// Tells what is known from what was known before.
pub(crate) type StateKey = (Option<u64>, Option<Text>);

impl RemoteState {
    pub(crate) fn key(&self) -> StateKey {
        let generation = self.snapshot.as_ref().map(|snapshot| snapshot.generation);
        (generation, self.lacks.as_ref().map(|lacks| lacks.why.clone()))
    }
}

impl From<Result<Found, Unavailable>> for RemoteState {
    fn from(found: Result<Found, Unavailable>) -> Self {
        match found {
            Ok(Found { snapshot, stale }) => Self { snapshot: Some(snapshot), lacks: stale },
            Err(lacks) => Self { snapshot: None, lacks: Some(lacks) },
        }
    }
}

/// What a request asks for, as far as it could be another server's.
#[derive(Clone, Copy)]
pub(crate) enum Sought<'a> {
    /// All there is of a kind.
    List,
    Tool(&'a str),
    Prompt(&'a str),
    Resource(&'a str),
    /// A resource or a template by its own text, as completions name it.
    Template(&'a str),
}

impl<'a> Sought<'a> {
    /// What `request` asks for; `None` where no component is.
    pub(crate) fn of(request: &'a Request<'_>) -> Option<Self> {
        match request {
            Request::List { .. } => Some(Self::List),
            Request::CallTool { name, .. } => Some(Self::Tool(name)),
            Request::GetPrompt { name, .. } => Some(Self::Prompt(name)),
            Request::ReadResource { uri, .. } => Some(Self::Resource(uri)),
            Request::Complete { of: Completed::Prompt(name), .. } => Some(Self::Prompt(name)),
            Request::Complete { of: Completed::Resource(uri), .. } => Some(Self::Template(uri)),
            _ => None,
        }
    }

    /// Whether `tables` have it.
    fn is_in(self, tables: &Tables) -> bool {
        let components = &tables.components;
        match self {
            Self::List => false,
            Self::Tool(name) => components.tool(name).is_some(),
            Self::Prompt(name) => components.prompt(name).is_some(),
            Self::Resource(uri) => components.resource(uri).is_some(),
            Self::Template(uri) => {
                let all = [false, true].map(|templates| components.resources(templates));
                all.iter().any(|resources| resources.iter().any(|resource| resource.definition.uri == uri))
            }
        }
    }
}

/// Whether `sought` could be what is mounted as `scope`: whether it has the outermost prefix on the way there.
pub(crate) fn could_be(scopes: &[Scope], scope: usize, sought: Sought<'_>) -> bool {
    let parent = |at: &usize| match at {
        0 => None,
        at => scopes.get(*at).map(|scope| scope.parent),
    };
    let way: Vec<_> = std::iter::successors(Some(scope), parent).filter_map(|at| scopes.get(at)).collect();
    if way.iter().any(|scope| scope.renames) {
        return true;
    }
    let Some(prefix) = way.iter().rev().find_map(|scope| scope.prefix.as_ref()) else { return true };
    match sought {
        Sought::List => true,
        Sought::Tool(name) | Sought::Prompt(name) => prefix.is_of_name(name),
        Sought::Resource(uri) | Sought::Template(uri) => prefix.is_of_uri(uri),
    }
}

/// What this instance knows of each, for a request with these headers.
pub(crate) fn peek(remotes: &[RemoteMount], platform: &Platform, caller: &HeaderMap) -> Vec<RemoteState> {
    remotes.iter().map(|mount| mount.remote.peek(platform, caller)).collect()
}

/// What is known of each once those are asked that `sought` concerns; `None` where it concerns none, or is there.
/// `lay_out` makes of what is known what is served.
pub(crate) async fn find(
    remotes: &[RemoteMount],
    scopes: &[Scope],
    (platform, caller): (&Platform, &HeaderMap),
    sought: Sought<'_>,
    now: &Tables,
    lay_out: impl Fn(&[RemoteState]) -> Arc<Tables>,
) -> Option<Arc<Tables>> {
    let sought = match sought {
        Sought::Tool(name) if now.components.tool(name).is_some_and(|tool| tool.surveys) => Sought::List,
        sought => sought,
    };
    if sought.is_in(now) || !remotes.iter().any(|mount| could_be(scopes, mount.scope, sought)) {
        return None;
    }
    let ask = async |is_fresh: bool| {
        let states = remotes.iter().map(async |mount| match could_be(scopes, mount.scope, sought) {
            true if is_fresh => mount.remote.snapshot(platform, caller).await.into(),
            true => mount.remote.known(platform, caller).await.into(),
            false => mount.remote.peek(platform, caller),
        });
        lay_out(&join_all(states).await)
    };
    if !matches!(sought, Sought::List) {
        let tables = ask(false).await;
        if sought.is_in(&tables) {
            return Some(tables);
        }
    }
    Some(ask(true).await)
}
