//! What is known of another server, for each caller whose token reaches it: how it is spoken to, and what it lists.
//!
//! It is kept by this instance, and in the store for those that start later. Two requests that find nothing both ask:
//! one could wait for the other only by awaiting another request's future, which Workers forbid.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};

use super::{HOPS, Remote, STALE_MAX, failure::Failure, snapshot};
use crate::{
    compose::remotes::{Elsewhere, Snapshot},
    platform::{LogLevel, Platform, Timestamp},
    seal::fingerprint,
    store::{Consistency, Key, Partition, StoreError},
    wire::client::Peer,
};

/// The most callers whose lists an instance keeps apart.
const CALLERS_MAX: usize = 64;

/// How long a server that did not answer is left alone with lists.
const LEFT_ALONE: Duration = Duration::from_secs(15);

/// The collection of what is known of other servers, a partition for each and each caller.
const COLLECTION: &str = "edgemcp.remote";

/// What is known for each caller, the latest last.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<(String, Arc<Known>)>>);

/// What is known of another server.
#[derive(Default)]
pub(super) struct Known(Mutex<Knows>);

#[derive(Default)]
struct Knows {
    peer: Option<Arc<Peer>>,
    held: Option<Held>,
    /// Until when it is left alone, and why.
    failed: Option<(Timestamp, String)>,
    /// The same for requests that other servers have passed on: where they go in a circle.
    circled: Option<(Timestamp, String)>,
    /// Whether the store has been looked into.
    looked: bool,
}

/// What it listed.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) snapshot: Arc<Snapshot>,
    /// When it was asked for.
    pub(super) at: Timestamp,
    /// Until when it is good.
    pub(super) end: Timestamp,
}

impl Held {
    /// Whether it can be used while the server does not answer.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        now < self.at.after(STALE_MAX)
    }
}

impl Shelf {
    /// What is known for a caller with these headers.
    pub(super) fn of(&self, remote: &Remote, caller: &HeaderMap) -> Arc<Known> {
        let key = key(remote, caller);
        // Nothing leaves it half-written.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|(of, _)| *of == key) {
            let found = known.remove(at);
            let known_here = Arc::clone(&found.1);
            known.push(found);
            return known_here;
        }
        if known.len() >= CALLERS_MAX {
            known.remove(0);
        }
        let fresh = Arc::new(Known::default());
        known.push((key, Arc::clone(&fresh)));
        fresh
    }
}

/// What tells a caller from others: nothing, where the server hears of none.
fn key(remote: &Remote, caller: &HeaderMap) -> String {
    match caller.get(header::AUTHORIZATION).filter(|_| remote.is_per_caller()) {
        Some(token) => fingerprint(token.as_bytes()),
        None => String::new(),
    }
}

/// Where the store has it.
fn partition(remote: &Remote, platform: &Platform, caller: &HeaderMap) -> Result<Partition, StoreError> {
    let id = fingerprint(format!("{} {}", remote.identity(platform), key(remote, caller)).as_bytes());
    Ok(Partition::new(COLLECTION, id)?)
}

/// The items of a partition.
const PEER: &str = "peer";
const LISTS: &str = "lists";

impl Known {
    fn knows(&self) -> MutexGuard<'_, Knows> {
        // Nothing leaves it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn peer(&self) -> Option<Arc<Peer>> {
        self.knows().peer.clone()
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.knows().held.clone()
    }

    /// Why the server is left alone now by what `caller` asks, where it is.
    pub(super) fn failed(&self, now: Timestamp, caller: &HeaderMap) -> Option<String> {
        let knows = self.knows();
        let circled = knows.circled.as_ref().filter(|_| caller.contains_key(&HOPS));
        let mut failed = knows.failed.iter().chain(circled);
        failed.find(|(end, _)| now < *end).map(|(_, why)| why.clone())
    }

    /// Leaves the server alone for a while.
    pub(super) fn set_failed(&self, now: Timestamp, failure: &Failure) {
        let (end, mut knows) = (now.after(LEFT_ALONE), self.knows());
        match failure {
            // A client may have made up by how many servers it comes, so this says nothing of what comes by none.
            Failure::Circle(_) => knows.circled = Some((end, failure.why())),
            _ => knows.failed = Some((end, failure.why())),
        }
    }

    /// Has the lists asked for again; they are used while that fails.
    pub(super) fn expire(&self) {
        let mut knows = self.knows();
        if let Some(held) = &mut knows.held {
            held.end = held.at;
        }
        knows.failed = None;
    }

    /// What it lists from now on. Where that is what it listed before, it stays the same.
    pub(super) fn hold(&self, mut held: Held) -> Held {
        let mut knows = self.knows();
        if let Some(before) =
            knows.held.as_ref().filter(|before| before.snapshot.generation == held.snapshot.generation)
        {
            held.snapshot = Arc::clone(&before.snapshot);
        }
        knows.failed = None;
        knows.held = Some(held.clone());
        held
    }

    /// Takes what the store has of it, once per instance.
    pub(super) async fn look(&self, remote: &Remote, platform: &Platform, caller: &HeaderMap) {
        if self.knows().looked || !platform.store().capabilities().is_store() {
            return;
        }
        let keys = || {
            Ok::<[Key; 2], StoreError>({
                let partition = partition(remote, platform, caller)?;
                [partition.item(PEER)?, partition.item(LISTS)?]
            })
        };
        let found = async { platform.store().get_many(&keys()?, Consistency::Eventual).await };
        let mut found = match found.await {
            Ok(found) => found.into_iter(),
            Err(error) => return warn(remote, platform, "could not be looked up", &error),
        };
        let peer = found.next().flatten().and_then(|entry| Peer::read(&entry.value));
        let held = found.next().flatten().and_then(|entry| snapshot::kept(remote, platform, &entry.value));
        let mut knows = self.knows();
        knows.looked = true;
        // Another request may have asked the server meanwhile.
        knows.peer = knows.peer.take().or(peer.map(Arc::new));
        knows.held = knows.held.take().or(held);
    }

    /// How the server is spoken to from now on; `None` where that is to be found out.
    pub(super) async fn set_peer(
        &self,
        remote: &Remote,
        platform: &Platform,
        caller: &HeaderMap,
        peer: Arc<Peer>,
    ) {
        let value = peer.write();
        self.knows().peer = Some(peer);
        keep(remote, platform, caller, PEER, value).await;
    }

    /// Forgets how the server is spoken to, unless that was found out anew since.
    pub(super) fn forget(&self, peer: &Arc<Peer>) {
        let mut knows = self.knows();
        if knows.peer.as_ref().is_some_and(|known| Arc::ptr_eq(known, peer)) {
            knows.peer = None;
        }
    }
}

/// Keeps what the server lists.
pub(super) async fn keep_lists(remote: &Remote, platform: &Platform, caller: &HeaderMap, lists: Vec<u8>) {
    keep(remote, platform, caller, LISTS, lists).await;
}

async fn keep(remote: &Remote, platform: &Platform, caller: &HeaderMap, item: &str, value: Vec<u8>) {
    if !platform.store().capabilities().is_store() {
        return;
    }
    let kept = async {
        let key = partition(remote, platform, caller)?.item(item)?;
        platform.store().put(&key, value.into(), Some(STALE_MAX)).await
    };
    if let Err(error) = kept.await {
        warn(remote, platform, "could not be kept", &error);
    }
}

fn warn(remote: &Remote, platform: &Platform, what: &str, error: &StoreError) {
    platform
        .log(LogLevel::Warning, &format!("remote {:?}: what is known of it {what}: {error}", remote.name()));
}
