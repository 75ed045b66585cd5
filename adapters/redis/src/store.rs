//! Keeps entries in Redis: what each operation of a store is there.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, Timestamp},
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, LIST_PAGE_MAX, Page, Partition, Put, Store,
        StoreError, StoreErrorKind, Write,
    },
};
use futures_util::future::try_join_all;
use redis::Value;

use crate::{
    client::{RedisClient, Sent},
    config::RedisConfig,
    entry,
    name::Names,
    script::{INCREMENT, PAGE, TAKE, WRITE},
    watch::Subscriptions,
};

/// The largest value a [`RedisStore`] takes, in bytes. Redis itself takes 512 MB, and serves nobody else meanwhile.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// The bytes of values after which a page of [`Store::list`] ends early.
const LIST_BYTES_MAX: usize = VALUE_BYTES_MAX;

/// How far the clocks of a store's users may differ from one another, and from Redis': so much longer than its lifetime
/// Redis keeps an entry. Whether it has ended is judged on every read, by the reader's clock.
pub const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(60);

/// The longest lifetime that Redis is told, in milliseconds: 3,000 years. What lives longer is left to live.
const LIFETIME_MS_MAX: u128 = 100_000_000_000_000;

/// How many reads or writes of one call are under way at once.
const AT_ONCE: usize = 100;

/// A store in Redis or Valkey: durable as the server is configured, shared, consistent and atomic.
///
/// It connects on first use, with one connection for all callers (in a cluster one to each node), and connects again
/// where that is lost. While Redis is down operations fail as [`Unavailable`](StoreErrorKind::Unavailable). What may be
/// done twice (reads, `put`, `delete`) is tried again by itself, three times in all, and so is what Redis says that it
/// did not do. An `increment`, a `take`, a `put_if` or a transaction whose answer was lost is not: it may have happened.
///
/// Every write is one script, so it is atomic, also in a cluster, where a partition is in one slot. Reads and writes go
/// to the primary. Whether an entry has ended is judged by the store's clock, to the millisecond; Redis frees its memory
/// up to [`CLOCK_DIFFERENCE_MAX`] later.
///
/// A write that was answered is there for every later read. Whether it outlives the server is the server's to say:
/// `appendonly yes` with `appendfsync always` loses nothing, `everysec` a second where the machine fails, and a
/// failover what had not reached the replica. `maxmemory-policy` must be `noeviction`, since the others delete entries
/// as if they had ended.
///
/// A watch hears of every change, whoever made it, through one further connection, which is made for the first of them.
/// It ends where that is lost. Operations need a tokio runtime.
///
/// # Limits
/// - [`VALUE_BYTES_MAX`] a value; Redis 6.0 or newer or any Valkey, a cluster of 7.0 or newer.
/// - [`OPERATION_TIMEOUT`](crate::OPERATION_TIMEOUT) an operation, [`CONNECT_TIMEOUT`](crate::CONNECT_TIMEOUT) a
///   connection.
/// - [`WATCH_ITEMS_MAX`](edgemcp::store::WATCH_ITEMS_MAX) items that one watch has told and nobody has heard.
///
/// ```no_run
/// use std::sync::Arc;
/// use edgemcp::{platform::Clock, store::{Key, Store, StoreError}};
/// use edgemcp_redis::RedisStore;
///
/// # async fn example(clock: Arc<dyn Clock>) -> Result<(), StoreError> {
/// let store = RedisStore::open("redis://127.0.0.1:6379", clock)?;
/// let key = Key::new("visits", "2026", "november")?;
/// let count = store.increment(&key, 1, None).await?;
/// # Ok(()) }
/// ```
pub struct RedisStore {
    pub(crate) client: RedisClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) names: Names,
    subscriptions: Subscriptions,
}

impl RedisStore {
    /// The store at `url`, of the form that [`RedisConfig`] describes. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied) where the URL cannot be meant; the password is not in the text.
    pub fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self::new(RedisConfig::parse(url)?, clock))
    }

    /// The store that `config` says. Nothing is connected yet.
    pub fn new(config: RedisConfig, clock: Arc<dyn Clock>) -> Self {
        let names = config.names();
        let subscriptions = Subscriptions::new(config.clone(), names.clone());
        Self { client: RedisClient::new(config, clock.clone()), clock, names, subscriptions }
    }

    async fn read(&self, operation: &'static str, key: &Key) -> Result<Option<Entry>, StoreError> {
        let name = self.names.entry(key.partition(), key.item());
        let raw = self.client.ask(operation, redis::cmd("GET").arg(name)).await?;
        Ok(self.entry(operation, key, raw)?.filter(|entry| entry.is_live(self.clock.now())))
    }

    /// The entry that `raw` is.
    fn entry(&self, operation: &'static str, key: &Key, raw: Value) -> Result<Option<Entry>, StoreError> {
        match raw {
            Value::Nil => Ok(None),
            Value::BulkString(raw) => match entry::read(raw) {
                Some(entry) => Ok(Some(entry)),
                None => Err(self.foreign(operation, key)),
            },
            _ => Err(self.foreign(operation, key)),
        }
    }

    fn foreign(&self, operation: &'static str, key: &Key) -> StoreError {
        let prefix = self.names.prefix();
        let detail = format!(
            "what Redis has under {key} with the prefix {prefix:?} was not written by this store (set another `prefix`)"
        );
        StoreError::new(StoreErrorKind::Corrupt, operation, detail)
    }

    /// The names that every script on a partition begins with, and its arguments.
    pub(crate) fn on(&self, partition: &Partition) -> (Vec<String>, Vec<Vec<u8>>) {
        let publish = if self.client.config().is_cluster() { "SPUBLISH" } else { "PUBLISH" };
        let now = self.clock.now().as_millis().to_string();
        let arguments = [now, self.names.channel(partition), publish.to_owned()];
        let names = vec![self.names.items(partition), self.names.ends(partition)];
        (names, arguments.map(String::into_bytes).into())
    }

    /// Does all of `writes`, or none where a condition fails.
    async fn write(
        &self,
        operation: &'static str,
        sent: Sent,
        partition: &Partition,
        writes: &[WriteRef<'_>],
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let (mut names, mut arguments) = self.on(partition);
        for WriteRef { item, condition, action } in writes {
            names.push(self.names.entry(partition, item));
            let (condition, expected) = match condition {
                None => (&b""[..], &b""[..]),
                Some(Condition::Absent) => (&b"absent"[..], &b""[..]),
                Some(Condition::Equals(value)) => (&b"equals"[..], &value[..]),
            };
            let (action, raw, lifetime) = match action {
                ActionRef::Put(value, ttl) => {
                    check_size(operation, value)?;
                    (&b"put"[..], [head(now, *ttl).as_bytes(), value].concat(), lifetime(*ttl))
                }
                ActionRef::Delete => (&b"delete"[..], Vec::new(), String::new()),
                ActionRef::Check => (&b"check"[..], Vec::new(), String::new()),
            };
            arguments.extend([item.as_bytes(), condition, expected, action].map(<[u8]>::to_vec));
            arguments.extend([raw, lifetime.into_bytes()]);
        }
        match self.client.run(operation, &WRITE, sent, &names, &arguments).await? {
            Value::Int(happened) => Ok(happened == 1),
            _ => Err(unexpected(operation)),
        }
    }

    async fn put_one(&self, operation: &'static str, put: PutRef<'_>) -> Result<(), StoreError> {
        let PutRef { key, value, ttl } = put;
        let write = WriteRef { item: key.item(), condition: None, action: ActionRef::Put(value, ttl) };
        self.write(operation, Sent::Again, key.partition(), &[write]).await.map(drop)
    }

    async fn page(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        const OPERATION: &str = "list";
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        let now = self.clock.now();
        let (mut page, mut bytes) = (Page::default(), 0_usize);
        let mut after = after.map(str::to_owned);
        loop {
            // One more than is asked for tells whether there is more.
            let items = self.items_after(OPERATION, partition, after.as_deref(), limit + 1).await?;
            let is_last = items.len() <= limit;
            let names: Vec<_> = items.iter().map(|item| self.names.entry(partition, item)).collect();
            if names.is_empty() {
                return Ok(page);
            }
            let rest = LIST_BYTES_MAX.saturating_sub(bytes).to_string().into_bytes();
            let raws = self.client.run(OPERATION, &PAGE, Sent::Again, &names, &[rest]).await?;
            let Value::Array(raws) = raws else { return Err(unexpected(OPERATION)) };
            let read = raws.len();
            for (item, raw) in items.iter().zip(raws) {
                let key = partition.item(item.as_str())?;
                let Some(entry) = self.entry(OPERATION, &key, raw)?.filter(|entry| entry.is_live(now)) else {
                    continue;
                };
                if page.entries.len() == limit || bytes >= LIST_BYTES_MAX {
                    page.next = page.entries.last().map(|(item, _)| item.clone());
                    return Ok(page);
                }
                bytes = bytes.saturating_add(entry.value.len());
                page.entries.push((item.clone(), entry));
            }
            if is_last && read == items.len() {
                return Ok(page);
            }
            // What was looked at, ended entries too.
            after = read.checked_sub(1).and_then(|last| items.get(last)).cloned();
        }
    }

    /// The items of `partition` after one, so many at most, whether or not they have ended.
    pub(crate) async fn items_after(
        &self,
        operation: &'static str,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let start = after.map_or("-".to_owned(), |after| format!("({after}"));
        let mut range = redis::cmd("ZRANGEBYLEX");
        range.arg(self.names.items(partition)).arg(start).arg("+").arg("LIMIT").arg(0).arg(limit);
        let items = self.client.ask(operation, &range).await?;
        redis::from_redis_value(items).map_err(|_| unexpected(operation))
    }
}

/// One write of a script.
struct WriteRef<'a> {
    item: &'a str,
    condition: Option<&'a Condition>,
    action: ActionRef<'a>,
}

enum ActionRef<'a> {
    Put(&'a [u8], Option<Duration>),
    Delete,
    Check,
}

struct PutRef<'a> {
    key: &'a Key,
    value: &'a [u8],
    ttl: Option<Duration>,
}

/// What an entry begins with that is written now.
fn head(now: Timestamp, ttl: Option<Duration>) -> String {
    entry::head(ttl.map(|ttl| now.after(ttl)))
}

/// How long Redis is to keep an entry, in milliseconds; nothing where it is to stay.
fn lifetime(ttl: Option<Duration>) -> String {
    let ms = ttl.map(|ttl| ttl.as_millis().saturating_add(CLOCK_DIFFERENCE_MAX.as_millis()));
    ms.filter(|ms| *ms <= LIFETIME_MS_MAX).map(|ms| ms.to_string()).unwrap_or_default()
}

fn check_size(operation: &'static str, value: &[u8]) -> Result<(), StoreError> {
    if value.len() <= VALUE_BYTES_MAX {
        return Ok(());
    }
    let detail =
        format!("the value has {} bytes, more than the {VALUE_BYTES_MAX} of the Redis store", value.len());
    Err(StoreError::new(StoreErrorKind::TooLarge, operation, detail))
}

/// What is answered to another question than was asked.
pub(crate) fn unexpected(operation: &'static str) -> StoreError {
    let detail = "Redis answered in another form than its command has (is a proxy between?)";
    StoreError::new(StoreErrorKind::Corrupt, operation, detail)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("config", self.client.config()).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "Redis",
            durable: true,
            shared: true,
            consistent: true,
            atomic: true,
            transactions: true,
            watch: true,
            value_bytes_max: Some(VALUE_BYTES_MAX),
            ttl_min: None,
        }
    }

    fn get<'a>(&'a self, key: &'a Key, _: Consistency) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(self.read("get", key))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.put_one("put", PutRef { key, value: &value, ttl }).await })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let write = WriteRef { item: key.item(), condition: None, action: ActionRef::Delete };
            self.write("delete", Sent::Again, key.partition(), &[write]).await.map(drop)
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let (mut names, mut arguments) = self.on(key.partition());
            names.push(self.names.entry(key.partition(), key.item()));
            arguments.push(key.item().into());
            let raw = self.client.run("take", &TAKE, Sent::Once, &names, &arguments).await?;
            self.entry("take", key, raw)
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let action = ActionRef::Put(&value, ttl);
            let write = WriteRef { item: key.item(), condition: Some(&condition), action };
            self.write("put_if", Sent::Once, key.partition(), &[write]).await
        })
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(async move {
            let (mut names, mut arguments) = self.on(key.partition());
            names.push(self.names.entry(key.partition(), key.item()));
            let head = head(self.clock.now(), ttl);
            arguments
                .extend([key.item().to_owned(), by.to_string(), head, lifetime(ttl)].map(String::into_bytes));
            let sum = self.client.run("increment", &INCREMENT, Sent::Once, &names, &arguments).await?;
            let sum: String = redis::from_redis_value(sum).map_err(|_| unexpected("increment"))?;
            sum.parse().map_err(|_| unexpected("increment"))
        })
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let after = after.map(|after| partition.item(after)).transpose()?;
            self.page(partition, after.as_ref().map(Key::item), limit).await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        _: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let mut entries = Vec::with_capacity(keys.len());
            for keys in keys.chunks(AT_ONCE) {
                // They share a connection, on which one does not wait for the other's answer.
                entries.extend(try_join_all(keys.iter().map(|key| self.read("get_many", key))).await?);
            }
            Ok(entries)
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let puts: Vec<_> = Put::last_of_each(puts).collect();
            puts.iter().try_for_each(|put| check_size("put_many", &put.value))?;
            for puts in puts.chunks(AT_ONCE) {
                let put = |put: &&'a Put| {
                    self.put_one("put_many", PutRef { key: &put.key, value: &put.value, ttl: put.ttl })
                };
                try_join_all(puts.iter().map(put)).await?;
            }
            Ok(())
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Write::check_all(partition, writes)?;
            if writes.is_empty() {
                return Ok(true);
            }
            let write = |write: &'a Write| {
                let action = match &write.action {
                    Action::Put { value, ttl } => ActionRef::Put(value, *ttl),
                    Action::Delete => ActionRef::Delete,
                    Action::Check => ActionRef::Check,
                };
                WriteRef { item: &write.item, condition: write.condition.as_ref(), action }
            };
            let writes: Vec<_> = writes.iter().map(write).collect();
            self.write("transact", Sent::Once, partition, &writes).await
        })
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        Box::pin(self.subscriptions.watch(partition))
    }
}
