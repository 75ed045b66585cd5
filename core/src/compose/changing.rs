//! A server whose components come and go: laid out anew when something of it has changed, and not per request.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::HeaderMap;

use super::{
    Live,
    remotes::{self, RemoteMount, RemoteState, Sought, StateKey},
    tree::{Flat, Scope, Tree},
};
use crate::{
    lifespan::Key,
    model::Request,
    platform::{LogLevel, Platform},
    server::tables::{Settings, Tables},
};

/// How many layouts an instance keeps: those of callers to whom other servers show different things.
const LAYOUTS_MAX: usize = 16;

/// A server whose components come and go.
pub(crate) struct Changing {
    settings: Settings,
    /// What lifespans give, and for which scope.
    states: Vec<(usize, Key)>,
    scopes: Arc<[Scope]>,
    lives: Vec<Live>,
    remotes: Arc<[RemoteMount]>,
    tree: Mutex<Tree>,
    /// The latest last.
    layouts: Mutex<Vec<(Version, Arc<Tables>)>>,
    myself: Weak<Self>,
}

/// What a layout is of: so many changes, and what was known of other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    changes: u64,
    remotes: Vec<StateKey>,
}

impl Changing {
    /// A server of this tree, and what is served of it at first, which is `flat`.
    pub(crate) fn new(
        settings: Settings,
        states: Vec<(usize, Key)>,
        mut tree: Tree,
        flat: Flat,
    ) -> (Arc<Self>, Arc<Tables>) {
        tree.keep();
        let (scopes, lives, remotes) =
            (Arc::clone(&tree.scopes), tree.lives.clone(), Arc::clone(&tree.remotes));
        let version = Version { changes: tree.generation(), remotes: vec![(None, None); remotes.len()] };
        let changing = Arc::new_cyclic(|myself| Self {
            layouts: Mutex::default(),
            settings,
            states,
            scopes,
            lives,
            remotes,
            tree: Mutex::new(tree),
            myself: Weak::clone(myself),
        });
        let tables = changing.lay_out(flat);
        changing.layouts.lock().unwrap_or_else(PoisonError::into_inner).push((version, Arc::clone(&tables)));
        (changing, tables)
    }

    /// What is served now to a request with these headers, as far as this instance knows it.
    pub(crate) fn current(&self, platform: &Platform, caller: &HeaderMap) -> Arc<Tables> {
        self.tables(platform, &remotes::peek(&self.remotes, platform, caller))
    }

    /// What `request` is served from, where that is more than `now`: other servers are asked for what they list, where it
    /// concerns them.
    pub(crate) async fn for_request(
        &self,
        now: &Tables,
        platform: &Platform,
        caller: &HeaderMap,
        request: &Request<'_>,
    ) -> Option<Arc<Tables>> {
        if self.remotes.is_empty() {
            return None;
        }
        let sought = Sought::of(request)?;
        let lay_out = |states: &[RemoteState]| self.tables(platform, states);
        remotes::find(&self.remotes, &self.scopes, (platform, caller), sought, now, lay_out).await
    }

    fn tables(&self, platform: &Platform, states: &[RemoteState]) -> Arc<Tables> {
        let version = Version {
            changes: self.lives.iter().map(Live::generation).sum(),
            remotes: states.iter().map(RemoteState::key).collect(),
        };
        let kept = |layouts: &mut Vec<(Version, Arc<Tables>)>| {
            let at = layouts.iter().position(|(of, _)| *of == version)?;
            // The one that was asked for last is the last to be forgotten.
            let found = layouts.remove(at);
            let tables = Arc::clone(&found.1);
            layouts.push(found);
            Some(tables)
        };
        if let Some(tables) = kept(&mut self.layouts.lock().unwrap_or_else(PoisonError::into_inner)) {
            return tables;
        }
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = kept(&mut layouts) {
            return tables;
        }
        let mut flat = tree.flatten(states);
        tree.check(&mut flat, &self.states);
        for warning in flat.warnings.drain(..) {
            platform.log(LogLevel::Warning, &warning);
        }
        if flat.problems.is_empty() {
            tree.keep();
        } else {
            let problems = flat.problems.join("\n  - ");
            platform.log(LogLevel::Error, &format!("a change of the server is not served:\n  - {problems}"));
            // A layout that is there may be of what other servers show somebody else.
            flat = tree.flatten_before(states);
            tree.check(&mut flat, &self.states);
            if !flat.problems.is_empty() {
                flat = tree.flatten_before(&[]);
            }
        }
        let tables = self.lay_out(flat);
        // What has changed since does not come back.
        layouts.retain(|(of, _)| of.changes == version.changes);
        if layouts.len() >= LAYOUTS_MAX {
            layouts.remove(0);
        }
        layouts.push((version, Arc::clone(&tables)));
        tables
    }

    fn lay_out(&self, flat: Flat) -> Arc<Tables> {
        let mut tables = Tables::new(self.settings.clone(), flat, Arc::clone(&self.scopes));
        tables.changing = Weak::clone(&self.myself);
        Arc::new(tables)
    }
}
