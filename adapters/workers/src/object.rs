//! Keeps entries in Durable Objects, one for each partition: seen at once, one operation after another, and watched.

mod batch;
mod class;
mod entries;
mod frame;
mod message;
mod namespace;
mod watch;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, PlatformBuilder, Timestamp},
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError,
        StoreErrorKind, Write,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use worker::{Env, send::SendFuture};

pub use self::class::Object;
use self::{
    batch::{AT_ONCE, MANY_BYTES_MAX},
    frame::SEVERAL_MAX,
    message::{Answer, Ask, WATCH, Work},
    namespace::Namespace,
    watch::Watch,
};

/// The namespace of Durable Objects that is the server's strong store, by the name of its binding.
pub const OBJECT_BINDING: &str = "EDGEMCP_OBJECTS";

/// The largest value a [`DurableObjectStore`] takes, in bytes: a row of an object's database has 2,000,000, and its
/// item, its end and what SQLite notes of it take up to 256.
pub const OBJECT_VALUE_BYTES_MAX: usize = 2_000_000 - 256;

/// A [`Store`] in Durable Objects, one for each partition.
///
/// An object is in one place at a time and does one operation after another, so every read sees every earlier write,
/// and of several callers at once exactly one wins. It keeps its entries in an SQLite database of its own. Expiry is
/// judged by the store's clock, to the millisecond; an object deletes what has ended about a minute after, and itself
/// once it has been empty for so long.
///
/// The Worker that has the objects exports their class with [`durable_object!`](crate::durable_object); one that only
/// binds it, by the other's `script_name`, uses the same objects.
///
/// # Limits
/// - [`OBJECT_VALUE_BYTES_MAX`] a value, 10 GB a partition. The values and conditions of a
///   [`transact`](Store::transact) have twice [`OBJECT_VALUE_BYTES_MAX`] in all; more are too large.
/// - A partition takes about a thousand operations a second; past it they fail as throttled. Spread a collection over
///   many ids.
/// - An operation is one request to one place on Earth, which Workers choose by who first asks for the partition. It
///   counts against the subrequests of the event, as one. [`get_many`](Store::get_many) and
///   [`put_many`](Store::put_many) are one for every partition, 1,000 entries and twice [`OBJECT_VALUE_BYTES_MAX`]
///   of values; what one of `put_many`'s writes is written as a whole or not at all.
/// - [`watch`](Store::watch) holds one WebSocket open, of 32,768 that an object has at most. It ends where the object
///   moves or is deployed anew, and with the event.
/// - An end past the year 287396 is rounded.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use edgemcp::{platform::Clock, store::{Condition, Key, Store, StoreError}};
/// # use edgemcp_workers::{DurableObjectStore, OBJECT_BINDING, worker::Env};
/// # async fn example(env: &Env, clock: Arc<dyn Clock>) -> Result<(), StoreError> {
/// let store = DurableObjectStore::new(env, OBJECT_BINDING, clock).expect("wrangler.toml binds it");
/// let key = Key::new("orders", "2026", "7")?;
/// if store.put_if(&key, "paid".into(), None, Condition::Absent).await? {
///     // Nobody else comes here for this order.
/// }
/// # Ok(()) }
/// ```
pub struct DurableObjectStore {
    namespace: Namespace,
    clock: Arc<dyn Clock>,
}

impl DurableObjectStore {
    /// The store in the namespace that `wrangler.toml` binds as `binding`; `None` where it binds nothing so.
    pub fn new(env: &Env, binding: &str, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self { namespace: Namespace::bound(env, binding)?, clock })
    }

    /// Asks an object, with the time at which the operation was called.
    fn ask<'a>(
        &'a self,
        partition: &'a Partition,
        work: Work,
    ) -> impl Future<Output = Result<Answer, StoreError>> + 'a {
        self.namespace.ask(partition, Ask { now: self.clock.now(), work })
    }

    /// What is under these keys of one partition, each with its place.
    async fn read_many(&self, places: &[(usize, &Key)]) -> Result<Vec<(usize, Option<Entry>)>, StoreError> {
        let (mut found, mut left) = (Vec::new(), places);
        while let [(_, first), ..] = left {
            let items =
                left.iter().take(SEVERAL_MAX).map(|(_, key)| key.item().to_owned()).collect::<Vec<_>>();
            let (asked, work) = (items.len(), Work::GetMany { items });
            let entries = match self.ask(first.partition(), work).await? {
                // An object that answers nothing would be asked for ever.
                Answer::FoundMany(entries) if !entries.is_empty() && entries.len() <= asked => entries,
                _ => return self.unexpected("get_many"),
            };
            let (answered, rest) = left.split_at(entries.len());
            found.extend(answered.iter().map(|(place, _)| *place).zip(entries));
            left = rest;
        }
        Ok(found)
    }

    fn end(&self, ttl: Option<Duration>) -> Option<Timestamp> {
        ttl.map(|ttl| self.clock.now().after(ttl))
    }

    fn unexpected<T>(&self, operation: &'static str) -> Result<T, StoreError> {
        Err(self.namespace.foreign(operation))
    }
}

impl std::fmt::Debug for DurableObjectStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DurableObjectStore")
            .field("binding", &self.namespace.binding())
            .finish_non_exhaustive()
    }
}

impl Store for DurableObjectStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "Durable Object",
            durable: true,
            shared: true,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: true,
            value_bytes_max: Some(OBJECT_VALUE_BYTES_MAX),
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let work = Work::Get { item: key.item().to_owned() };
        Box::pin(SendFuture::new(async move {
            match self.ask(key.partition(), work).await? {
                Answer::Found(entry) => Ok(entry),
                _ => self.unexpected("get"),
            }
        }))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let entry = Entry { value, expires_at: self.end(ttl) };
        Box::pin(SendFuture::new(async move {
            check_size("put", key, &entry.value)?;
            match self.ask(key.partition(), Work::Put { item: key.item().to_owned(), entry }).await? {
                Answer::Done => Ok(()),
                _ => self.unexpected("put"),
            }
        }))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        let work = Work::Delete { item: key.item().to_owned() };
        Box::pin(SendFuture::new(async move {
            match self.ask(key.partition(), work).await? {
                Answer::Done => Ok(()),
                _ => self.unexpected("delete"),
            }
        }))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let work = Work::Take { item: key.item().to_owned() };
        Box::pin(SendFuture::new(async move {
            match self.ask(key.partition(), work).await? {
                Answer::Found(entry) => Ok(entry),
                _ => self.unexpected("take"),
            }
        }))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let entry = Entry { value, expires_at: self.end(ttl) };
        Box::pin(SendFuture::new(async move {
            check_size("put_if", key, &entry.value)?;
            // No entry is that long, and the object is not asked to read what is longer.
            if matches!(&condition, Condition::Equals(old) if old.len() > OBJECT_VALUE_BYTES_MAX) {
                return Ok(false);
            }
            let work = Work::PutIf { item: key.item().to_owned(), entry, condition };
            match self.ask(key.partition(), work).await? {
                Answer::Wrote(wrote) => Ok(wrote),
                _ => self.unexpected("put_if"),
            }
        }))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        let work = Work::Increment { item: key.item().to_owned(), by, end: self.end(ttl) };
        Box::pin(SendFuture::new(async move {
            match self.ask(key.partition(), work).await? {
                Answer::Sum(sum) => Ok(sum),
                _ => self.unexpected("increment"),
            }
        }))
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(SendFuture::new(async move {
            let after = after.map(|after| partition.item(after)).transpose()?;
            let after = after.map(|key| key.item().to_owned());
            match self.ask(partition, Work::List { after, limit }).await? {
                Answer::Listed(page) => Ok(page),
                _ => self.unexpected("list"),
            }
        }))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        _: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(SendFuture::new(async move {
            let partitions = batch::by_partition(keys);
            let asks = stream::iter(&partitions).map(|places| self.read_many(places));
            let mut found = asks.buffer_unordered(AT_ONCE).try_concat().await?;
            found.sort_unstable_by_key(|(place, _)| *place);
            Ok(found.into_iter().map(|(_, entry)| entry).collect())
        }))
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        let now = self.clock.now();
        Box::pin(SendFuture::new(async move {
            for put in puts {
                check_size("put_many", &put.key, &put.value)?;
            }
            let asks = stream::iter(batch::writes(puts, now)).map(Ok);
            asks.try_for_each_concurrent(AT_ONCE, async |(partition, entries)| {
                match self.ask(partition, Work::PutMany { entries }).await? {
                    Answer::Done => Ok(()),
                    _ => self.unexpected("put_many"),
                }
            })
            .await
        }))
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let now = self.clock.now();
        Box::pin(SendFuture::new(async move {
            Write::check_all(partition, writes)?;
            let Some(writes) = transaction(partition, writes, now)? else { return Ok(false) };
            match self.ask(partition, Work::Transact { writes }).await? {
                Answer::Wrote(wrote) => Ok(wrote),
                _ => self.unexpected("transact"),
            }
        }))
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        Box::pin(SendFuture::new(async move {
            let socket = self.namespace.watch(partition).await?;
            let watch = Watch::on(socket).map_err(|why| self.namespace.unreachable(WATCH, &why))?;
            Ok(Box::pin(watch) as BoxStream<'static, String>)
        }))
    }
}

/// What an object is asked to write at `now`; `None` where a condition is one that no object can meet.
fn transaction(
    partition: &Partition,
    writes: &[Write],
    now: Timestamp,
) -> Result<Option<Vec<message::Write>>, StoreError> {
    let (mut asked, mut bytes, mut can_be_met) = (Vec::new(), 0, true);
    for Write { item, condition, action } in writes {
        if let Some(Condition::Equals(old)) = condition {
            // No entry is that long, and the object is not asked to read what is longer.
            can_be_met &= old.len() <= OBJECT_VALUE_BYTES_MAX;
            bytes += old.len();
        }
        let action = match action {
            Action::Put { value, ttl } => {
                check_size("transact", &partition.item(item.as_str())?, value)?;
                bytes += value.len();
                message::Action::Put(Entry {
                    value: value.clone(),
                    expires_at: ttl.map(|ttl| now.after(ttl)),
                })
            }
            Action::Delete => message::Action::Delete,
            Action::Check => message::Action::Check,
        };
        asked.push(message::Write { item: item.clone(), condition: condition.clone(), action });
    }
    if can_be_met && bytes > MANY_BYTES_MAX {
        let detail = format!(
            "a transaction of {partition} has {bytes} bytes of values and conditions, a Durable Object takes \
             {MANY_BYTES_MAX} at once"
        );
        return Err(StoreError::new(StoreErrorKind::TooLarge, "transact", detail));
    }
    Ok(can_be_met.then_some(asked))
}

/// A value that no object takes is not sent to one.
fn check_size(operation: &'static str, key: &Key, value: &Bytes) -> Result<(), StoreError> {
    let length = value.len();
    if length <= OBJECT_VALUE_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("{key} would have {length} bytes, a Durable Object takes {OBJECT_VALUE_BYTES_MAX}");
    Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
}

/// Gives a platform its objects, and says whether it has another store already.
type Equip = fn(PlatformBuilder, &Env, Arc<dyn Clock>, bool) -> PlatformBuilder;

/// What [`durable_object!`](crate::durable_object) sets. Without it nothing reaches the code of this store, and the
/// linker leaves all of it out of the Worker.
static EQUIP: OnceLock<Equip> = OnceLock::new();

/// The platform with what is bound as [`OBJECT_BINDING`] as its strong store, where this Worker can use it.
pub(crate) fn equip(
    builder: PlatformBuilder,
    env: &Env,
    clock: &Arc<impl Clock + 'static>,
    is_stored: bool,
) -> PlatformBuilder {
    match EQUIP.get() {
        Some(equip) => equip(builder, env, clock.clone(), is_stored),
        None => builder,
    }
}

/// Lets [`platform`](crate::platform()) do so, from when the Worker starts.
pub fn enable() {
    EQUIP.get_or_init(|| {
        |builder, env, clock, is_stored| match DurableObjectStore::new(env, OBJECT_BINDING, clock) {
            Some(store) if is_stored => builder.strong_store(Arc::new(store)),
            // A platform's store is its strong one where it has no other.
            Some(store) => builder.store(Arc::new(store)),
            None => builder,
        }
    });
}
