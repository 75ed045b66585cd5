//! What a case stands on: the store, the clock, and a collection that no other case writes to.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    platform::{Clock, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Put, Store,
        StoreError, StoreErrorKind, Survey, Surveyed, Write,
    },
};

use crate::{ManualClock, Subject};

type Result<T> = std::result::Result<T, String>;

/// What a case stands on. Its methods are the store's, with errors that say what was being done.
pub struct Ground {
    store: Arc<dyn Store>,
    clock: ManualClock,
    settle: Arc<dyn Fn() + Send + Sync>,
    survey: Option<Arc<dyn Survey>>,
    collection: String,
}

impl Ground {
    pub(crate) fn new(subject: &Subject, case: &str) -> Self {
        Self {
            store: subject.store.clone(),
            clock: subject.clock.clone(),
            settle: subject.settle.clone(),
            survey: subject.survey.clone(),
            collection: format!("{}.{:08x}", subject.namespace, fingerprint(case)),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    pub(crate) fn collection(&self) -> &str {
        &self.collection
    }

    pub(crate) fn partition(&self, id: &str) -> Result<Partition> {
        Partition::new(&self.collection, id).map_err(said("partition"))
    }

    pub(crate) fn key(&self, item: &str) -> Result<Key> {
        self.partition("p")?.item(item).map_err(said("key"))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// From here on every earlier write is seen.
    pub(crate) fn settle(&self) {
        (self.settle)();
    }

    /// The entry as seen once every earlier write is.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.settle();
        self.get_now(key).await
    }

    /// The entry as seen at once.
    pub(crate) async fn get_now(&self, key: &Key) -> Result<Option<Entry>> {
        self.store.get(key, Consistency::Strong).await.map_err(said("get"))
    }

    pub(crate) async fn get_eventually(&self, key: &Key) -> Result<Option<Entry>> {
        self.settle();
        self.store.get(key, Consistency::Eventual).await.map_err(said("get, eventually"))
    }

    pub(crate) async fn put(&self, key: &Key, value: impl Into<Bytes>, ttl: Option<Duration>) -> Result<()> {
        self.store.put(key, value.into(), ttl).await.map_err(said("put"))
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<()> {
        self.store.delete(key).await.map_err(said("delete"))
    }

    pub(crate) async fn take(&self, key: &Key) -> Result<Option<Entry>> {
        self.store.take(key).await.map_err(said("take"))
    }

    pub(crate) async fn put_if(
        &self,
        key: &Key,
        value: impl Into<Bytes>,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool> {
        self.store.put_if(key, value.into(), ttl, condition).await.map_err(said("put_if"))
    }

    /// Adds to the counter as it stands once every earlier write is seen.
    pub(crate) async fn increment(&self, key: &Key, by: i64, ttl: Option<Duration>) -> Result<i64> {
        self.settle();
        self.store.increment(key, by, ttl).await.map_err(said("increment"))
    }

    pub(crate) async fn list(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        self.settle();
        self.store.list(partition, after, limit).await.map_err(said("list"))
    }

    /// The entries under `keys`, once every earlier write is seen.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.settle();
        self.store.get_many(keys, Consistency::Strong).await.map_err(said("get_many"))
    }

    pub(crate) async fn put_many(&self, puts: &[Put]) -> Result<()> {
        self.store.put_many(puts).await.map_err(said("put_many"))
    }

    pub(crate) async fn transact(&self, partition: &Partition, writes: &[Write]) -> Result<bool> {
        self.store.transact(partition, writes).await.map_err(said("transact"))
    }

    /// What a survey finds of this case's own entries, by their names. It may tell one twice.
    pub(crate) async fn survey(&self) -> Result<BTreeMap<Key, Surveyed>> {
        let survey = self.survey.as_ref().ok_or("the subject has no survey")?;
        let (mut found, mut after, mut pages) = (BTreeMap::new(), None::<String>, 0);
        loop {
            let page = survey.survey(after.as_deref()).await.map_err(said("survey"))?;
            let own = page.entries.into_iter();
            let own = own.filter(|entry| entry.key.partition().collection() == self.collection);
            found.extend(own.map(|entry| (entry.key.clone(), entry)));
            pages += 1;
            match page.next {
                None => return Ok(found),
                Some(_) if pages > 1_000_000 => return Err("the survey does not end".to_owned()),
                next => after = next,
            }
        }
    }

    pub(crate) async fn purge_expired(&self) -> Result<u64> {
        let survey = self.survey.as_ref().ok_or("the subject has no survey")?;
        survey.purge_expired().await.map_err(said("purge_expired"))
    }

    /// The items of `partition`, page by page of `limit`, and how many pages that took.
    pub(crate) async fn list_all(&self, partition: &Partition, limit: usize) -> Result<(Vec<String>, usize)> {
        let (mut items, mut after, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = self.list(partition, after.as_deref(), limit).await?;
            pages += 1;
            let entries = page.entries.len();
            if entries > limit.clamp(1, LIST_PAGE_MAX) {
                return Err(format!("a page of {entries} entries, where {limit} were asked for at most"));
            }
            items.extend(page.entries.into_iter().map(|(item, _)| item));
            match page.next {
                None => return Ok((items, pages)),
                Some(next) if after.as_deref() >= Some(next.as_str()) || pages > 1_000 => {
                    return Err(format!("the listing does not move on: after {after:?} comes {next:?}"));
                }
                next => after = next,
            }
        }
    }
}

impl Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("collection", &self.collection).finish_non_exhaustive()
    }
}

/// `got` is `want`, or the case fails with both.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Result<()> {
    if got == want { Ok(()) } else { Err(format!("{what}: expected {want:?}, got {got:?}")) }
}

/// The entry is there with `value`, and ends at `expires_at`.
pub(crate) fn holds(
    what: &str,
    entry: Option<Entry>,
    value: impl Into<Bytes>,
    expires_at: Option<Timestamp>,
) -> Result<()> {
    same(what, entry.map(brief), Some(brief(Entry { value: value.into(), expires_at })))
}

/// The operation failed with `kind`.
pub(crate) fn refused<T: Debug>(
    what: &str,
    result: std::result::Result<T, StoreError>,
    kind: StoreErrorKind,
) -> Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(format!("{what}: expected the error {kind:?}, got {:?} ({error})", error.kind())),
        Ok(value) => Err(format!("{what}: expected the error {kind:?}, got {value:?}")),
    }
}

/// A value long enough to fill a screen is told by its length and its end.
fn brief(entry: Entry) -> (usize, Bytes, Option<Timestamp>) {
    let bytes = entry.value.len();
    (bytes, entry.value.slice(bytes.saturating_sub(300)..), entry.expires_at)
}

fn said<E: std::fmt::Display>(operation: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{operation} failed: {error}")
}

/// FNV-1a, so that a case's collection is short and stays the same from run to run.
fn fingerprint(case: &str) -> u32 {
    case.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
