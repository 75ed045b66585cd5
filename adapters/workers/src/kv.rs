//! Keeps entries in Workers KV: durable and everywhere, but seen elsewhere a minute late, and never compared-and-set.

mod namespace;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Store, StoreError,
        StoreErrorKind,
    },
};
use worker::{Env, send::SendFuture};

use self::namespace::Namespace;
use crate::counter::count;

/// The largest value Workers KV takes: 25 MiB.
pub const VALUE_BYTES_MAX: usize = 25 << 20;

/// How many times one [`Store::list`] asks KV for 1,000 names before it gives up.
pub const LIST_CALLS_MAX: usize = 50;

/// The shortest time after which KV deletes an entry by itself; it refuses a shorter one.
const TTL_MIN: Duration = Duration::from_secs(60);

/// A longer TTL is kept in the entry only; KV itself then never deletes it.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How many names KV gives at a time, at most.
const NAMES_PER_CALL: usize = 1000;

/// How many places in lists are remembered; the store lives for one event, so this many are many.
const BOOKMARKS_MAX: usize = 256;

/// A [`Store`] in a Workers KV namespace.
///
/// An entry lives under `collection/id/item`, as the very bytes that were put; its end is in the entry's metadata, to
/// the millisecond, because KV's own expiry is coarser and never shorter than a minute.
///
/// # Limits
/// - What was written is seen at once where it was written, and up to a minute later elsewhere; so is its absence,
///   where somebody has asked for it before it was there.
/// - One write per second and key; the next one fails as throttled.
/// - [`increment`](Store::increment) is a read and a write: two at once can lose a count, and so can one after another
///   in two places.
/// - [`get_many`](Store::get_many) and [`put_many`](Store::put_many) are one operation for every entry, six at a time.
///   (KV reads a hundred at once only as text or JSON, and values are any bytes.)
/// - [`take`](Store::take) and [`put_if`](Store::put_if) are not offered, since KV has no compare-and-set.
/// - [`list`](Store::list) is one KV operation for every 1,000 names up to its end and one per entry. KV can only list
///   from the start, so a page far into a large partition costs more, unless the same event has listed up to there;
///   past [`LIST_CALLS_MAX`] times 1,000 names it is refused. An event has 1,000 operations (50 on the free plan).
pub struct KvStore {
    namespace: Namespace,
    clock: Arc<dyn Clock>,
    bookmarks: Mutex<Vec<Bookmark>>,
}

/// How many values are read at once; Workers hold six connections open at a time.
const READS_AT_ONCE: usize = 6;

/// After how many bytes of values a page ends early, since an isolate has 128 MB for everything.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// How to go on after the last name that a call to KV gave.
struct Bookmark {
    last: String,
    cursor: String,
}

impl KvStore {
    /// The store in the namespace that `wrangler.toml` binds as `binding`; `None` where it binds nothing so.
    pub fn new(env: &Env, binding: &str, clock: Arc<dyn Clock>) -> Option<Self> {
        let namespace = Namespace::bound(env, binding)?;
        Some(Self { namespace, clock, bookmarks: Mutex::default() })
    }

    async fn read(&self, operation: &'static str, key: &Key) -> Result<Option<Entry>, StoreError> {
        let found = self.namespace.get(operation, &key.to_string()).await?;
        Ok(found.filter(|entry| is_live(entry.expires_at, self.clock.now())))
    }

    async fn write(&self, operation: &'static str, key: &Key, entry: Entry) -> Result<(), StoreError> {
        let length = entry.value.len();
        if length > VALUE_BYTES_MAX {
            let detail = format!("{key} would have {length} bytes, Workers KV takes {VALUE_BYTES_MAX}");
            return Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail));
        }
        let ttl_s = entry.expires_at.and_then(|end| kv_ttl_s(end.since(self.clock.now())));
        self.namespace.put(operation, &key.to_string(), &entry, ttl_s).await
    }

    async fn page(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        let after = after.map(|after| partition.item(after)).transpose()?.map(|key| key.to_string());
        let (items, more) = self.names(partition, after.as_deref(), limit).await?;
        let mut page = Page::default();
        let (mut bytes, mut groups) = (0, items.chunks(READS_AT_ONCE));
        for group in groups.by_ref() {
            let key = |item: &String| {
                let named =
                    |_| namespace::corrupt("list", &format!("{partition}/{item}"), "a name that is no key");
                partition.item(item.as_str()).map_err(named)
            };
            let keys = group.iter().map(key).collect::<Result<Vec<_>, _>>()?;
            let found = self.get_many(&keys, Consistency::Strong).await?;
            for (item, entry) in group.iter().zip(found) {
                // It may have gone between the two calls, or be known here and not readable yet.
                let Some(entry) = entry else { continue };
                bytes += entry.value.len();
                page.entries.push((item.clone(), entry));
            }
            page.next = group.last().cloned();
            if bytes > PAGE_BYTES_MAX {
                break;
            }
        }
        // Where all that was listed is read too, there is a next page only if there are more names.
        if groups.next().is_none() && !more {
            page.next = None;
        }
        Ok(page)
    }

    /// The next `limit` items of `partition` that have not expired, and whether there are names after them.
    async fn names(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let prefix = format!("{partition}/");
        let now = self.clock.now();
        let mut items = Vec::new();
        let mut cursor = after.and_then(|after| self.bookmark(&prefix, after));
        for call in 0..LIST_CALLS_MAX {
            // From the start, one name more than asked tells whether there is a next page; after an item, there is no
            // telling how many names stand before it.
            let names_max = if call == 0 && after.is_none() { limit + 1 } else { NAMES_PER_CALL };
            let listed = self.namespace.list(&prefix, cursor.as_deref(), names_max).await?;
            let last = listed.names.last().map(|(name, _)| name.clone());
            for (name, expires_at) in listed.names {
                if after.is_some_and(|after| name.as_str() <= after) || !is_live(expires_at, now) {
                    continue;
                }
                if items.len() == limit {
                    return Ok((items, true));
                }
                if let Some(item) = name.strip_prefix(&prefix) {
                    items.push(item.to_owned());
                }
            }
            let Some(next) = listed.cursor else { return Ok((items, false)) };
            if let Some(last) = last {
                self.set_bookmark(last, next.clone());
            }
            cursor = Some(next);
        }
        if items.is_empty() {
            let names = LIST_CALLS_MAX * NAMES_PER_CALL;
            let detail = format!(
                "no entry of {partition} within {names} names (Workers KV lists from the start only: use smaller partitions)"
            );
            return Err(StoreError::new(StoreErrorKind::Unsupported, "list", detail));
        }
        Ok((items, true))
    }

    /// How to go on from the last place that is known before `after`, among the names that start with `prefix`.
    fn bookmark(&self, prefix: &str, after: &str) -> Option<String> {
        let bookmarks = self.bookmarks.lock().unwrap_or_else(PoisonError::into_inner);
        bookmarks
            .iter()
            .filter(|bookmark| bookmark.last.starts_with(prefix) && bookmark.last.as_str() <= after)
            .max_by_key(|bookmark| bookmark.last.as_str())
            .map(|bookmark| bookmark.cursor.clone())
    }

    fn set_bookmark(&self, last: String, cursor: String) {
        let mut bookmarks = self.bookmarks.lock().unwrap_or_else(PoisonError::into_inner);
        if bookmarks.len() >= BOOKMARKS_MAX {
            bookmarks.clear();
        }
        bookmarks.push(Bookmark { last, cursor });
    }
}

impl std::fmt::Debug for KvStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KvStore").field("binding", &self.namespace.binding()).finish_non_exhaustive()
    }
}

impl Store for KvStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "Workers KV",
            durable: true,
            shared: true,
            consistent: false,
            atomic: false,
            transactions: false,
            watch: false,
            value_bytes_max: Some(VALUE_BYTES_MAX),
            ttl_min: Some(TTL_MIN),
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(SendFuture::new(self.read("get", key)))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let entry = Entry { value, expires_at: ttl.map(|ttl| self.clock.now().after(ttl)) };
        Box::pin(SendFuture::new(self.write("put", key, entry)))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(SendFuture::new(async move { self.namespace.delete(&key.to_string()).await }))
    }

    fn take<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(std::future::ready(Err(not_atomic("take"))))
    }

    fn put_if<'a>(
        &'a self,
        _: &'a Key,
        _: Bytes,
        _: Option<Duration>,
        _: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(std::future::ready(Err(not_atomic("put_if"))))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(SendFuture::new(async move {
            let (count, expires_at) = match self.read("increment", key).await? {
                Some(entry) => (count(&entry.value), entry.expires_at),
                None => (Some(0), ttl.map(|ttl| self.clock.now().after(ttl))),
            };
            let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
                let detail = format!("{key} is no counter, or its sum would leave i64");
                return Err(StoreError::new(StoreErrorKind::NotACounter, "increment", detail));
            };
            let entry = Entry { value: sum.to_string().into(), expires_at };
            self.write("increment", key, entry).await?;
            Ok(sum)
        }))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(SendFuture::new(self.page(partition, after, limit)))
    }
}

fn is_live(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|end| now < end)
}

/// The TTL that KV is told, so that an entry may outlive its end in KV, but never dies before it.
fn kv_ttl_s(ttl: Duration) -> Option<u64> {
    (ttl <= TTL_MAX).then(|| ttl.max(TTL_MIN).as_millis().div_ceil(1000) as u64)
}

fn not_atomic(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unsupported,
        operation,
        "Workers KV has no compare-and-set (ask the strong store instead, once `edgemcp_workers::durable_object!` and \
         the binding `EDGEMCP_OBJECTS` make it a Durable Object)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kv_is_never_told_less_than_a_minute_and_never_less_than_the_entry_lives() {
        assert_eq!(kv_ttl_s(Duration::ZERO), Some(60));
        assert_eq!(kv_ttl_s(Duration::from_millis(60_000)), Some(60));
        assert_eq!(kv_ttl_s(Duration::from_millis(60_001)), Some(61));
    }

    #[test]
    fn an_end_in_the_far_future_is_none_for_kv() {
        assert_eq!(kv_ttl_s(TTL_MAX), Some(315_360_000));
        assert_eq!(kv_ttl_s(TTL_MAX + Duration::from_millis(1)), None);
        assert_eq!(kv_ttl_s(Duration::MAX), None);
    }
}
