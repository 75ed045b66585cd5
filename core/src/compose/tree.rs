//! Lays a tree of servers out flat: one list of components, each of which knows where it is from.

use std::{any::TypeId, sync::Arc};

use super::{
    Hop, Live, Mount, OnDuplicate, Place,
    live::State,
    mount::{Mounted, What},
    prefix::Prefix,
    remotes::{Elsewhere, RemoteMount, RemoteState},
    tags::Tags,
};
use crate::{
    completion::Of,
    lifespan::{Key, Span},
    middleware::{Chain, Middleware, Unavailable, order},
    model::Text,
    server::{HttpRoute, Server, check},
    store::Need,
    transform::{Components, Transform, Visibility, version},
};

/// How deep servers are mounted in each other at the most.
const DEPTH_MAX: usize = 16;

/// A server in the tree, without what is its endpoint's.
pub(crate) struct Node {
    name: Text,
    scope: usize,
    components: Components,
    parts: Vec<Part>,
    middlewares: Vec<Arc<dyn Middleware>>,
    transforms: Vec<Arc<dyn Transform>>,
    visibility: Visibility,
    tags: Tags,
    on_duplicate: OnDuplicate,
    live: Option<Live>,
    /// What was changed of it when it was laid out last, and when that could be served.
    latest: Option<Arc<State>>,
    good: Option<Arc<State>>,
    /// Whether other servers are mounted in it, so that not all of it is always there.
    has_remotes: bool,
}

/// What a server has of others.
enum Part {
    Mounted(Layer, Node),
    Imported(Layer, Node),
    /// Another server, by its number among them.
    Remote(Layer, usize),
}

/// From the view of what is mounted to that of its parent.
#[derive(Clone)]
struct Layer(Arc<[Arc<dyn Transform>]>);

impl Layer {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        for transform in self.0.iter() {
            transform.apply(components, problems);
        }
    }
}

/// A server in the tree, as requests meet it.
#[doc(hidden)]
pub struct Scope {
    /// What it is called.
    pub(crate) name: Text,
    pub(crate) parent: usize,
    /// Its own middlewares.
    pub(crate) chain: Chain,
    layer: Layer,
    pub(crate) prefix: Option<Prefix>,
    /// Whether names may become any others on the way from here to its parent.
    pub(crate) renames: bool,
}

impl Scope {
    /// `components`, which are in this server's view, in the view of its parent.
    pub(crate) fn lift(&self, components: &mut Components) {
        // It went well when the server was built.
        self.layer.apply(components, &mut Vec::new());
    }

    /// `uri`, which is in this server's view, in the view of its parent.
    pub(crate) fn lift_uri(&self, uri: &str) -> String {
        self.prefix.as_ref().map_or_else(|| uri.to_owned(), |prefix| prefix.of_uri(uri))
    }
}

/// A tree of servers.
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// The first is the root's.
    pub(crate) scopes: Arc<[Scope]>,
    pub(crate) lives: Vec<Live>,
    pub(crate) remotes: Arc<[RemoteMount]>,
}

/// What comes along with the components.
#[derive(Default)]
pub(crate) struct Gathered {
    scopes: Vec<Scope>,
    lives: Vec<Live>,
    remotes: Vec<RemoteMount>,
    /// Whether only components are wanted.
    components_only: bool,
    pub(crate) spans: Vec<(usize, Span)>,
    pub(crate) routes: Vec<HttpRoute>,
    pub(crate) needs: Vec<(Text, Vec<Need>)>,
    pub(crate) problems: Vec<String>,
}

/// The components of a tree, and those of each server that has middlewares, as it sees them.
#[derive(Default)]
pub(crate) struct Flat {
    pub(crate) components: Components,
    pub(crate) views: Vec<(usize, Components)>,
    /// The mounted servers of which not all is known, by their scopes.
    pub(crate) lacks: Vec<(usize, Unavailable)>,
    /// Whether nothing at all is known of one.
    is_partial: bool,
    pub(crate) problems: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Tree {
    /// Takes from `server` and all that is mounted in it what makes up the tree.
    pub(crate) fn plant(server: &mut Server) -> (Self, Gathered) {
        let mut gathered = Gathered::default();
        let layer = Layer(Arc::from([]));
        let root = gathered.node(server, 0, layer, None, &mut Vec::new());
        let scopes = std::mem::take(&mut gathered.scopes).into();
        let lives = std::mem::take(&mut gathered.lives);
        let remotes = std::mem::take(&mut gathered.remotes).into();
        (Self { root, scopes, lives, remotes }, gathered)
    }

    /// The components of the tree, where so much is known of other servers. Where nothing of it changes they are wanted
    /// once, and taken; otherwise they are copied.
    pub(crate) fn flatten(&mut self, states: &[RemoteState]) -> Flat {
        self.flatten_as(states, false)
    }

    /// The same with the changes of the last time that it could be served ([`keep`](Self::keep)).
    pub(crate) fn flatten_before(&mut self, states: &[RemoteState]) -> Flat {
        self.flatten_as(states, true)
    }

    /// What was laid out last can be served.
    pub(crate) fn keep(&mut self) {
        self.root.keep();
    }

    fn flatten_as(&mut self, states: &[RemoteState], before: bool) -> Flat {
        let known = |at: usize| states.get(at).and_then(|state| state.snapshot.as_ref());
        let is_partial = (0..self.remotes.len()).any(|at| known(at).is_none());
        let mut flat = Flat { is_partial, ..Flat::default() };
        let keep = !self.is_fixed();
        let around = Around { keep, before, scopes: &self.scopes, remotes: &self.remotes, states };
        flat.components = self.root.flatten(around, &mut flat);
        for (mount, state) in self.remotes.iter().zip(states) {
            flat.lacks.extend(state.lacks.clone().map(|lacks| (mount.scope, lacks)));
        }
        leave_out(&mut flat);
        flat
    }

    /// Finds what is wrong with the components. `states` is what lifespans give, and for which scope.
    pub(crate) fn check(&self, flat: &mut Flat, states: &[(usize, Key)]) {
        let scopes = &self.scopes;
        let gives = |scope: usize, key: Key| {
            let parent = |at: &usize| match at {
                0 => None,
                at => scopes.get(*at).map(|scope| scope.parent),
            };
            std::iter::successors(Some(scope), parent).any(|at| states.contains(&(at, key)))
        };
        check::components(&flat.components, gives, &mut flat.problems);
    }

    /// Whether nothing of it ever changes.
    pub(crate) fn is_fixed(&self) -> bool {
        self.lives.is_empty() && self.remotes.is_empty()
    }

    /// How often something of the tree has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.lives.iter().map(Live::generation).sum()
    }
}

impl Gathered {
    fn node(
        &mut self,
        server: &mut Server,
        parent: usize,
        layer: Layer,
        prefix: Option<Prefix>,
        path: &mut Vec<(TypeId, Text)>,
    ) -> Node {
        let scope = self.scopes.len();
        let mut middlewares = std::mem::take(&mut server.middlewares);
        if self.components_only {
            middlewares.clear();
        }
        let who = |problem: String| format!("server {:?}: {problem}", server.who.name);
        if !server.any_middleware_order {
            self.problems.extend(order::problems(&middlewares).into_iter().map(who));
        }
        for middleware in &middlewares {
            let problems = middleware.problems();
            self.problems.extend(
                problems.into_iter().map(|problem| format!("middleware `{}`: {problem}", middleware.name())),
            );
            self.needs.extend(middleware.store_needs());
        }
        let renames = layer.0.len() > usize::from(prefix.is_some()) || !server.transforms.is_empty();
        let chain = middlewares.iter().cloned().collect();
        self.scopes.push(Scope { name: server.who.name.clone(), parent, chain, layer, prefix, renames });
        self.lives.extend(server.live.clone());
        self.spans.extend(std::mem::take(&mut server.lifespans).into_iter().map(|span| (scope, span)));
        for route in std::mem::take(&mut server.routes) {
            // The parent's own routes are there first, and win.
            let is_taken = |known: &HttpRoute| known.method == route.method && known.path == route.path;
            if scope == 0 || !self.routes.iter().any(is_taken) {
                self.routes.push(route);
            }
        }
        self.needs.extend(std::mem::take(&mut server.needs));
        let has_verifier = server.verifier.is_some();
        let parts = std::mem::take(&mut server.parts);
        let parts = parts.into_iter().filter_map(|part| {
            self.part(part.mount, part.imported, (&server.who.name, has_verifier), scope, path)
        });
        let parts: Vec<Part> = parts.collect();
        let has_remotes = parts.iter().any(|part| match part {
            Part::Mounted(_, node) | Part::Imported(_, node) => node.has_remotes,
            Part::Remote(..) => true,
        });
        Node {
            has_remotes,
            name: server.who.name.clone(),
            scope,
            components: Components {
                tools: std::mem::take(&mut server.tools),
                resources: std::mem::take(&mut server.resources),
                prompts: std::mem::take(&mut server.prompts),
                completions: std::mem::take(&mut server.completions),
            },
            parts,
            middlewares,
            transforms: std::mem::take(&mut server.transforms),
            visibility: std::mem::take(&mut server.visibility),
            tags: std::mem::take(&mut server.tags),
            on_duplicate: server.on_duplicate,
            live: server.live.clone(),
            latest: None,
            good: None,
        }
    }

    fn part(
        &mut self,
        mount: Mount,
        imported: bool,
        (parent_name, parent_verifies): (&Text, bool),
        parent: usize,
        path: &mut Vec<(TypeId, Text)>,
    ) -> Option<Part> {
        let Mount { what: Mounted(what), prefix, tags, transforms, components_only } = mount;
        self.problems.extend(prefix.iter().flat_map(Prefix::problems));
        let mut layer: Vec<Arc<dyn Transform>> = Vec::new();
        if !tags.is_idle() {
            layer.push(Arc::new(tags));
        }
        layer.extend(transforms);
        if let Some(prefix) = prefix.clone() {
            layer.push(Arc::new(prefix));
        }
        let layer = Layer(layer.into());
        let (key, mut server) = match what {
            What::Elsewhere(remote) => return self.remote(remote, imported, layer, prefix, parent),
            What::Server(server) => (None, *server),
            What::Definition(key, define) => {
                if let Some(at) = path.iter().position(|(known, _)| *known == key) {
                    let names = path.iter().skip(at).map(|(_, name)| name.as_ref());
                    let names: Vec<_> = names.chain(path.get(at).map(|(_, name)| name.as_ref())).collect();
                    self.problems.push(format!(
                        "servers are mounted in a circle: {} (leave one mount out)",
                        names.join(" > ")
                    ));
                    return None;
                }
                (Some(key), define())
            }
        };
        if path.len() >= DEPTH_MAX {
            self.problems.push(format!(
                "server {:?} is mounted more than {DEPTH_MAX} servers deep (is it mounted in itself?)",
                server.who.name
            ));
            return None;
        }
        if server.verifier.is_some() && !parent_verifies {
            self.problems.push(format!(
                "server {:?} asks for bearer tokens, and {parent_name:?}, in which it is mounted, does not (give \
                 {parent_name:?} the verifier)",
                server.who.name
            ));
        }
        if imported {
            if !server.middlewares.is_empty() && !components_only {
                self.problems.push(format!(
                    "server {:?} has middlewares, which `import_server` would leave out (mount it, or say \
                     `Mount::components_only()`)",
                    server.who.name
                ));
            }
            if server.live.is_some() {
                self.problems.push(format!(
                    "server {:?} is live, and `import_server` would copy it as it is now (mount it)",
                    server.who.name
                ));
            }
            server.middlewares.clear();
        }
        path.push((key.unwrap_or(TypeId::of::<()>()), server.who.name.clone()));
        let node = if imported {
            // Its components are the parent's own from now on, and what else it has stays behind.
            let mut apart = Self { components_only, ..Self::default() };
            let node = apart.node(&mut server, 0, layer.clone(), None, path);
            self.problems.extend(apart.problems);
            // Its handlers need the same of a store, wherever they are.
            self.needs.extend(apart.needs);
            if !components_only && apart.scopes.iter().any(|scope| !scope.chain.is_empty()) {
                self.problems.push(format!(
                    "a server that is mounted in {:?} has middlewares, which `import_server` would leave out (mount it, or \
                     say `Mount::components_only()`)",
                    server.who.name
                ));
            }
            if server.live.is_none() && !apart.lives.is_empty() {
                self.problems.push(format!(
                    "a server that is mounted in {:?} is live, and `import_server` would copy it as it is now (mount it)",
                    server.who.name
                ));
            }
            if !apart.remotes.is_empty() {
                self.problems.push(format!(
                    "server {:?} has another server mounted, and `import_server` would copy what is known of it now (mount \
                     it)",
                    server.who.name
                ));
            }
            if !apart.spans.is_empty() {
                self.problems.push(format!(
                    "server {:?} has a lifespan, which `import_server` would leave out (mount it, or give the \
                     lifespan to {parent_name:?})",
                    server.who.name
                ));
            }
            Some(Part::Imported(layer, node))
        } else {
            let node = self.node(&mut server, parent, layer.clone(), prefix, path);
            Some(Part::Mounted(layer, node))
        };
        path.pop();
        node
    }
}

impl Gathered {
    /// Another server, mounted in that of the scope `parent`.
    fn remote(
        &mut self,
        mut remote: Box<dyn Elsewhere>,
        imported: bool,
        layer: Layer,
        prefix: Option<Prefix>,
        parent: usize,
    ) -> Option<Part> {
        if let Some(prefix) = &prefix {
            remote.set_name(&prefix.name);
        }
        self.problems.extend(remote.problems());
        if imported {
            self.problems.push(format!(
                "remote {:?} cannot be imported, since what it has is known only once it is asked (mount it)",
                remote.name()
            ));
            return None;
        }
        let scope = self.scopes.len();
        let renames = layer.0.len() > usize::from(prefix.is_some());
        let name = remote.name().to_owned().into();
        let (chain, layer_too) = (Arc::from([]), layer.clone());
        self.scopes.push(Scope { name, parent, chain, layer: layer_too, prefix, renames });
        self.remotes.push(RemoteMount { remote, scope });
        Some(Part::Remote(layer, self.remotes.len() - 1))
    }
}

/// What a server is laid out among.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// Whether it is laid out again.
    keep: bool,
    /// Whether what was changed since it could be served does not count.
    before: bool,
    scopes: &'a [Scope],
    remotes: &'a [RemoteMount],
    states: &'a [RemoteState],
}

impl Node {
    fn flatten(&mut self, around: Around<'_>, flat: &mut Flat) -> Components {
        let mut own = match around.keep {
            true => self.components.clone(),
            false => std::mem::take(&mut self.components),
        };
        for place in places(&mut own) {
            place.scope = self.scope;
        }
        self.latest = match around.before {
            true => self.good.clone(),
            false => self.live.as_ref().map(|live| Arc::new(live.state().clone())),
        };
        if let Some(changed) = &self.latest {
            changed.apply(&mut own);
        }
        let mut all = Merge::new(self.on_duplicate);
        all.add(own);
        for part in &mut self.parts {
            let components = match part {
                Part::Mounted(layer, node) => {
                    let mut components = node.flatten(around, flat);
                    if around.scopes.get(node.scope).is_some_and(|scope| !scope.chain.is_empty()) {
                        flat.views.push((node.scope, components.clone()));
                        pass(&mut components, node.scope);
                    }
                    layer.apply(&mut components, &mut flat.problems);
                    components
                }
                Part::Imported(layer, node) => {
                    let mut components = node.flatten(Around { scopes: &[], ..around }, flat);
                    for place in places(&mut components) {
                        place.scope = self.scope;
                        place.hops.clear();
                    }
                    layer.apply(&mut components, &mut flat.problems);
                    components
                }
                Part::Remote(layer, at) => {
                    let known = around.states.get(*at).and_then(|state| state.snapshot.as_ref());
                    let (Some(snapshot), Some(mount)) = (known, around.remotes.get(*at)) else { continue };
                    let mut components = snapshot.components.clone();
                    for place in places(&mut components) {
                        *place = Place { scope: mount.scope, remote: true, ..Place::default() };
                    }
                    let told = flat.problems.len();
                    layer.apply(&mut components, &mut flat.problems);
                    flat.warn(told);
                    components
                }
            };
            all.add(components);
        }
        let mut components = all.finish(flat);
        let told = flat.problems.len();
        for transform in &self.transforms {
            transform.apply(&mut components, &mut flat.problems);
        }
        for middleware in &self.middlewares {
            middleware.prepare(&mut components, &mut flat.problems);
        }
        // What they have added is this server's own.
        for place in places(&mut components).filter(|place| place.scope == 0) {
            place.scope = self.scope;
        }
        if flat.problems.len() == told && !(self.transforms.is_empty() && self.middlewares.is_empty()) {
            // What was renamed may have the name of another now.
            components = Merge { components, policy: self.on_duplicate }.finish(flat);
        }
        let live = self.latest.as_ref().map(|changed| changed.visibility.clone());
        self.visibility.then(live.unwrap_or_default()).apply(&mut components, &mut flat.problems);
        for problem in flat.problems.iter_mut().skip(told) {
            *problem = format!("server {:?}: {problem}", self.name);
        }
        if self.has_remotes {
            flat.warn(told);
        }
        self.tags.apply(&mut components, &mut flat.problems);
        components
    }

    fn keep(&mut self) {
        self.good.clone_from(&self.latest);
        for part in &mut self.parts {
            if let Part::Mounted(_, node) | Part::Imported(_, node) = part {
                node.keep();
            }
        }
    }
}

impl Flat {
    /// Makes warnings of the problems from this one on: what another server lists does not decide whether this one is
    /// served, and what cannot be done to it may be possible once it is known.
    fn warn(&mut self, told: usize) {
        let problems = self.problems.split_off(told.min(self.problems.len()));
        if !self.is_partial {
            self.warnings.extend(problems);
        }
    }
}

/// Leaves out what of other servers' cannot be served here.
fn leave_out(flat: &mut Flat) {
    let Flat { components, warnings, .. } = flat;
    let mut fits = |place: &Place, what: &str, name: &str| {
        let mut problems = Vec::new();
        if place.remote {
            check::name(&format!("{what} {name:?}"), name, &mut problems);
        }
        let is_fine = problems.is_empty();
        warnings.extend(
            problems.into_iter().map(|problem| format!("left out, as another server lists it: {problem}")),
        );
        is_fine
    };
    components.tools.retain(|tool| fits(&tool.place, "tool", &tool.definition.name));
    components.prompts.retain(|prompt| fits(&prompt.place, "prompt", &prompt.definition.name));
    let Components { resources, prompts, completions, .. } = components;
    completions.retain(|completion| match &completion.of {
        _ if !completion.place.remote => true,
        Of::Prompt(name) => prompts.iter().any(|prompt| prompt.definition.name == *name),
        Of::Resource(uri) => resources.iter().any(|resource| resource.definition.uri == *uri),
    });
}

fn places(components: &mut Components) -> impl Iterator<Item = &mut super::Place> {
    let tools = components.tools.iter_mut().map(|tool| &mut tool.place);
    let resources = components.resources.iter_mut().map(|resource| &mut resource.place);
    let prompts = components.prompts.iter_mut().map(|prompt| &mut prompt.place);
    let completions = components.completions.iter_mut().map(|completion| &mut completion.place);
    tools.chain(resources).chain(prompts).chain(completions)
}

/// Notes that whoever asks for these passes the middlewares of `scope`.
fn pass(components: &mut Components, scope: usize) {
    for tool in &mut components.tools {
        tool.place.hops.insert(0, Hop { scope, key: tool.definition.name.clone() });
    }
    for resource in &mut components.resources {
        resource.place.hops.insert(0, Hop { scope, key: resource.definition.uri.clone() });
    }
    for completion in &mut components.completions {
        let (Of::Prompt(key) | Of::Resource(key)) = &completion.of;
        completion.place.hops.insert(0, Hop { scope, key: key.clone() });
    }
    for prompt in &mut components.prompts {
        prompt.place.hops.insert(0, Hop { scope, key: prompt.definition.name.clone() });
    }
}

/// Components of several servers in one.
struct Merge {
    components: Components,
    policy: OnDuplicate,
}

impl Merge {
    fn new(policy: OnDuplicate) -> Self {
        Self { components: Components::default(), policy }
    }

    fn add(&mut self, more: Components) {
        self.components.tools.extend(more.tools);
        self.components.resources.extend(more.resources);
        self.components.prompts.extend(more.prompts);
        self.components.completions.extend(more.completions);
    }

    fn finish(self, flat: &mut Flat) -> Components {
        let Self { mut components, policy } = self;
        let Components { tools, resources, prompts, .. } = &mut components;
        *tools = settle("tools are named", std::mem::take(tools), policy, flat, |tool| {
            (tool.definition.name.clone(), tool.version.clone(), tool.place.remote)
        });
        *resources = settle("resources have the URI", std::mem::take(resources), policy, flat, |resource| {
            (resource.definition.uri.clone(), resource.version.clone(), resource.place.remote)
        });
        *prompts = settle("prompts are named", std::mem::take(prompts), policy, flat, |prompt| {
            (prompt.definition.name.clone(), prompt.version.clone(), prompt.place.remote)
        });
        components
    }
}

/// Decides between components of one name and version; `key` also says which are another server's.
fn settle<T>(
    what: &str,
    components: Vec<T>,
    policy: OnDuplicate,
    flat: &mut Flat,
    key: impl Fn(&T) -> (Text, Option<Text>, bool),
) -> Vec<T> {
    let keys: Vec<_> = components.iter().map(key).collect();
    let out = outdone(what, &keys, policy, flat);
    if out.is_empty() {
        return components;
    }
    let mut out = out.into_iter();
    components.into_iter().filter(|_| !out.next().unwrap_or_default()).collect()
}

/// Which of several of one name and version do not count; nothing where no name is there twice. It sorts, since a map's code
/// would weigh 15 kB in a Worker.
fn outdone(
    what: &str,
    keys: &[(Text, Option<Text>, bool)],
    policy: OnDuplicate,
    flat: &mut Flat,
) -> Vec<bool> {
    let mut sorted: Vec<_> = keys.iter().zip(0_usize..).collect();
    sorted
        .sort_unstable_by(|(one, at), (other, there)| (&one.0, &one.1, at).cmp(&(&other.0, &other.1, there)));
    let mut out = Vec::new();
    for named in sorted.chunk_by(|(one, _), (next, _)| one.0 == next.0) {
        // An unversioned one sorts before the versioned ones of its name.
        if let [((name, None, _), _), .., ((_, Some(_), _), _)] = named {
            flat.problems.push(format!(
                "{what} {name:?} with a version and without one (give each a version, or none)"
            ));
        }
        for same in named.chunk_by(|(one, _), (next, _)| one.1 == next.1) {
            let [((name, version, _), _), _, ..] = same else { continue };
            out.resize(keys.len(), false);
            let mut leave_out = |(_, at): &(&(Text, Option<Text>, bool), usize)| {
                if let Some(out) = out.get_mut(*at) {
                    *out = true;
                }
            };
            let count = if same.len() == 2 { "two".to_owned() } else { same.len().to_string() };
            let of = version.as_ref().map(|version| format!(" in version {version:?}")).unwrap_or_default();
            let is_own = |((_, _, remote), _): &&(&(Text, Option<Text>, bool), usize)| !remote;
            let own = same.iter().filter(is_own).count();
            if policy == OnDuplicate::Error && own < same.len() {
                // Another server can list what it likes, and takes nothing from this one by it.
                flat.warnings.push(format!(
                    "{count} {what} {name:?}{of}; that of the server mounted over HTTP does not count (mount it under a \
                     prefix)"
                ));
                // Where all are other servers', the first one counts.
                same.iter().filter(|it| !is_own(it)).skip(usize::from(own == 0)).for_each(&mut leave_out);
            }
            match policy {
                OnDuplicate::Error if own > 1 => flat.problems.push(format!(
                    "{count} {what} {name:?}{of} (rename one, mount one under a prefix, or say which counts with \
                     `Server::on_duplicate`)"
                )),
                OnDuplicate::Error => {}
                OnDuplicate::Warn | OnDuplicate::Replace => {
                    if policy == OnDuplicate::Warn {
                        flat.warnings.push(format!("{count} {what} {name:?}{of}; the last one counts"));
                    }
                    same.iter().rev().skip(1).for_each(leave_out);
                }
                OnDuplicate::Ignore => same.iter().skip(1).for_each(leave_out),
            }
        }
    }
    out
}

/// Splits `components` into those of the highest version of each name, in their order, and the rest.
pub(crate) fn highest<T>(components: Vec<T>, key: impl Fn(&T) -> (Text, Option<Text>)) -> (Vec<T>, Vec<T>) {
    let keys: Vec<_> = components.iter().map(key).collect();
    if keys.iter().all(|(_, version)| version.is_none()) {
        return (components, Vec::new());
    }
    let mut highest = are_highest(&keys).into_iter();
    components.into_iter().partition(|_| highest.next().unwrap_or_default())
}

/// Which of these are the highest version of their name; of equal ones the first.
fn are_highest(keys: &[(Text, Option<Text>)]) -> Vec<bool> {
    let by_version = |one: &Option<Text>, other: &Option<Text>| match (one, other) {
        (Some(one), Some(other)) => version::compare(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    };
    let mut sorted: Vec<_> = keys.iter().zip(0_usize..).collect();
    sorted.sort_unstable_by(|((one, of), at), ((other, than), there)| {
        one.cmp(other).then_with(|| by_version(than, of)).then(at.cmp(there))
    });
    let mut highest = vec![false; keys.len()];
    for named in sorted.chunk_by(|(one, _), (next, _)| one.0 == next.0) {
        if let Some(highest) = named.first().and_then(|(_, at)| highest.get_mut(*at)) {
            *highest = true;
        }
    }
    highest
}
