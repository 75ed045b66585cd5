//! Stores values in another form, and compares them all the same.
//!
//! What [`Encrypted`](super::Encrypted) and `Compressed` share: a value has more than one form in the store below, so a
//! comparison there cannot be one of values. Each is done here as a read, a comparison of what was read, and a
//! compare-and-set of the form that was read, until one of them settles it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{forward::forward, too_large, unsupported};
use crate::{
    future::BoxFuture,
    platform::{Clock, Log, LogLevel, Random},
    retry::Backoff,
    store::{
        Action, Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError,
        StoreErrorKind, Write, transaction,
    },
};

/// How often a comparison is tried that others come between. Then it is
/// [`Throttled`](crate::store::StoreErrorKind::Throttled), and nothing has happened.
pub const COMPARE_ATTEMPTS_MAX: u32 = 16;

/// Others have moved on after a few round trips.
const BETWEEN_ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(250));

/// What becomes of an entry whose value cannot be read: it is damaged, of another key, or was moved from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// Reading it is an error of kind [`Corrupt`](crate::store::StoreErrorKind::Corrupt), and writing under a condition
    /// leaves it. So an instance with a wrong key stops, instead of doing again what others have done, and writing over
    /// what others hold.
    #[default]
    Error,
    /// It counts as absent, with a line in the log: it can be written over, and counted from zero. Good where what is
    /// kept can be had again, such as logins, as FastMCP has it.
    Absent,
}

/// The form in which values are stored.
pub(super) trait Form: Send + Sync {
    /// Whether the digits of a counter are stored as they are, so that the store below can count.
    const COUNTS: bool;

    /// The largest value where the largest form is `below`.
    fn value_bytes_max(&self, below: Option<usize>) -> Option<usize>;

    /// `value` as it is stored under `key`; the error says what is missing.
    fn write(&self, key: &Key, value: &Bytes) -> Result<Bytes, &'static str>;

    /// What was stored under `key` in this form; `None` where nothing was.
    fn read(&self, key: &Key, form: &Bytes) -> Option<Value>;
}

/// What was read of a form.
pub(super) struct Value {
    pub(super) value: Bytes,
    /// Whether it would be stored in the same way now.
    pub(super) is_current: bool,
}

/// A store with its values in another form.
pub(super) struct Coded<F> {
    pub(super) below: Arc<dyn Store>,
    pub(super) form: F,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) log: Option<Arc<dyn Log>>,
    pub(super) unreadable: Unreadable,
    pub(super) rewrites: bool,
}

/// An entry as it is below, and as it is to be seen.
struct Seen {
    form: Option<Bytes>,
    entry: Option<Entry>,
}

impl Seen {
    /// What must hold below for nothing to have come between.
    fn unchanged(self) -> Condition {
        self.form.map_or(Condition::Absent, Condition::Equals)
    }
}

impl<F: Form> Coded<F> {
    fn value_bytes_max(&self) -> Option<usize> {
        self.form.value_bytes_max(self.below.capabilities().value_bytes_max)
    }

    fn write(&self, operation: &'static str, key: &Key, value: &Bytes) -> Result<Bytes, StoreError> {
        match self.value_bytes_max() {
            Some(max) if value.len() > max => Err(too_large(operation, key, value.len(), max)),
            _ => self
                .form
                .write(key, value)
                .map_err(|missing| StoreError::new(StoreErrorKind::Unavailable, operation, missing)),
        }
    }

    fn read(
        &self,
        operation: &'static str,
        key: &Key,
        entry: Entry,
    ) -> Result<Option<(Entry, bool)>, StoreError> {
        let Entry { value: form, expires_at } = entry;
        if let Some(Value { value, is_current }) = self.form.read(key, &form) {
            return Ok(Some((Entry { value, expires_at }, is_current)));
        }
        let name = self.below.capabilities().name;
        let detail = format!("what {name} has under {key} was not written here, or with another key");
        match self.unreadable {
            Unreadable::Error => Err(StoreError::new(StoreErrorKind::Corrupt, operation, detail)),
            Unreadable::Absent => {
                self.warn(&format!("store {operation}: {detail}; it is taken for absent"));
                Ok(None)
            }
        }
    }

    fn warn(&self, line: &str) {
        if let Some(log) = &self.log {
            log.log(LogLevel::Warning, line);
        }
    }

    fn seen(&self, operation: &'static str, key: &Key, found: Option<Entry>) -> Result<Seen, StoreError> {
        let form = found.as_ref().map(|entry| entry.value.clone());
        let entry = found.map(|entry| self.read(operation, key, entry)).transpose()?.flatten();
        Ok(Seen { form, entry: entry.map(|(entry, _)| entry) })
    }

    async fn see(&self, operation: &'static str, key: &Key) -> Result<Seen, StoreError> {
        self.seen(operation, key, self.below.get(key, Consistency::Strong).await?)
    }

    /// The entry as it is to be seen, stored anew where it is not as it would be stored now.
    async fn show(
        &self,
        operation: &'static str,
        key: &Key,
        found: Option<Entry>,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(found) = found else { return Ok(None) };
        let form = found.value.clone();
        let Some((entry, is_current)) = self.read(operation, key, found)? else { return Ok(None) };
        // Without a compare-and-set it could go over what somebody else has just written.
        if self.rewrites && !is_current && self.below.capabilities().atomic {
            let anew = async {
                let new = self.write(operation, key, &entry.value)?;
                self.below.put_if(key, new, self.left(&entry), Condition::Equals(form)).await
            };
            // What was read is good, whether or not this could be done.
            if let Err(error) = anew.await {
                self.warn(&format!("{key} could not be stored anew: {error}"));
            }
        }
        Ok(Some(entry))
    }

    /// How long an entry has left to live, for it to end when it would.
    fn left(&self, entry: &Entry) -> Option<Duration> {
        entry.expires_at.map(|end| end.since(self.clock.now()))
    }

    async fn wait(&self, attempt: u32) {
        self.clock.sleep(BETWEEN_ATTEMPTS.wait(attempt, &*self.random)).await;
    }

    fn outrun(operation: &'static str, what: &dyn std::fmt::Display) -> StoreError {
        let detail = format!("others changed {what} each of the {COMPARE_ATTEMPTS_MAX} times it was read");
        StoreError::new(StoreErrorKind::Throttled, operation, detail)
    }

    fn not_atomic(&self, operation: &'static str) -> StoreError {
        let name = self.below.capabilities().name;
        unsupported(
            operation,
            format!(
                "{name} has no compare-and-set (use a Durable Object, DynamoDB, Redis or SQLite for what must happen \
                 once)"
            ),
        )
    }

    async fn compare_and_put(
        &self,
        key: &Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        if !self.below.capabilities().atomic {
            return Err(self.not_atomic("put_if"));
        }
        let form = self.write("put_if", key, &value)?;
        if condition == Condition::Absent {
            if self.below.put_if(key, form.clone(), ttl, Condition::Absent).await? {
                return Ok(true);
            }
            // Something is there, and what that is matters only where it may count as absent.
            if self.unreadable == Unreadable::Error {
                return Ok(false);
            }
        }
        for attempt in 1..=COMPARE_ATTEMPTS_MAX {
            let seen = self.see("put_if", key).await?;
            if !condition.holds(seen.entry.as_ref()) {
                return Ok(false);
            }
            if self.below.put_if(key, form.clone(), ttl, seen.unchanged()).await? {
                return Ok(true);
            }
            self.wait(attempt).await;
        }
        Err(Self::outrun("put_if", key))
    }

    async fn count(&self, key: &Key, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        let is_atomic = self.below.capabilities().atomic;
        for attempt in 1..=COMPARE_ATTEMPTS_MAX {
            let seen = self.see("increment", key).await?;
            let (count, ttl) = match &seen.entry {
                Some(entry) => (digits(&entry.value), self.left(entry)),
                None => (Some(0), ttl),
            };
            let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
                let detail = format!("{key} is no counter, or its sum would leave i64");
                return Err(StoreError::new(StoreErrorKind::NotACounter, "increment", detail));
            };
            let form = self.write("increment", key, &sum.to_string().into())?;
            if !is_atomic {
                return self.below.put(key, form, ttl).await.map(|()| sum);
            }
            if self.below.put_if(key, form, ttl, seen.unchanged()).await? {
                return Ok(sum);
            }
            self.wait(attempt).await;
        }
        Err(Self::outrun("increment", key))
    }

    async fn take_it(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let Some(taken) = self.below.take(key).await? else { return Ok(None) };
        let (form, left) = (taken.value.clone(), self.left(&taken));
        match self.read("take", key, taken) {
            Ok(entry) => Ok(entry.map(|(entry, _)| entry)),
            Err(error) => {
                // Who has the right key shall still find it, unless there is something newer by now.
                self.below.put_if(key, form, left, Condition::Absent).await?;
                Err(error)
            }
        }
    }

    async fn transact_in(&self, partition: &Partition, writes: &[Write]) -> Result<bool, StoreError> {
        if !self.below.capabilities().transactions {
            return Err(transaction::unsupported(self.below.capabilities().name));
        }
        Write::check_all(partition, writes)?;
        let keys = writes.iter().map(|write| partition.item(write.item.as_str()));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let mut below = Vec::with_capacity(writes.len());
        for (write, key) in writes.iter().zip(&keys) {
            let action = match &write.action {
                Action::Put { value, ttl } => {
                    Action::Put { value: self.write("transact", key, value)?, ttl: *ttl }
                }
                Action::Delete => Action::Delete,
                Action::Check => Action::Check,
            };
            below.push(Write { action, ..write.clone() });
        }
        // Whether something is there can be asked below, unless what cannot be read counts as absent.
        let is_compared = |write: &Write| match &write.condition {
            Some(Condition::Equals(_)) => true,
            Some(Condition::Absent) => self.unreadable == Unreadable::Absent,
            None => false,
        };
        if !writes.iter().any(is_compared) {
            return self.below.transact(partition, &below).await;
        }
        for attempt in 1..=COMPARE_ATTEMPTS_MAX {
            if !self.see_conditions(writes, &keys, &mut below).await? {
                return Ok(false);
            }
            if self.below.transact(partition, &below).await? {
                return Ok(true);
            }
            self.wait(attempt).await;
        }
        Err(Self::outrun("transact", partition))
    }

    /// Whether all conditions hold of what is there now, which are then put into `below` as they can be compared there.
    async fn see_conditions(
        &self,
        writes: &[Write],
        keys: &[Key],
        below: &mut [Write],
    ) -> Result<bool, StoreError> {
        let triples = writes.iter().zip(keys).zip(below);
        let triples: Vec<_> = triples.filter(|((write, _), _)| write.condition.is_some()).collect();
        let keys: Vec<_> = triples.iter().map(|((_, key), _)| (*key).clone()).collect();
        let found = self.below.get_many(&keys, Consistency::Strong).await?;
        for (((write, key), below), found) in triples.into_iter().zip(found) {
            // What is there need not be read to say that it is.
            if write.condition == Some(Condition::Absent) && self.unreadable == Unreadable::Error {
                if found.is_some() {
                    return Ok(false);
                }
                continue;
            }
            let seen = self.seen("transact", key, found)?;
            if !write.may_follow(seen.entry.as_ref()) {
                return Ok(false);
            }
            below.condition = Some(seen.unchanged());
        }
        Ok(true)
    }
}

fn digits(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl<F: Form> Store for Coded<F> {
    fn capabilities(&self) -> Capabilities {
        Capabilities { value_bytes_max: self.value_bytes_max(), ..self.below.capabilities() }
    }

    forward! { below: delete watch }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move { self.show("get", key, self.below.get(key, consistency).await?).await })
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.below.put(key, self.write("put", key, &value)?, ttl).await })
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(self.take_it(key))
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.compare_and_put(key, value, ttl, condition))
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        match F::COUNTS {
            true => self.below.increment(key, by, ttl),
            false => Box::pin(self.count(key, by, ttl)),
        }
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let page = self.below.list(partition, after, limit).await?;
            let mut entries = Vec::with_capacity(page.entries.len());
            for (item, entry) in page.entries {
                let key = partition.item(item.as_str())?;
                if let Some((entry, _)) = self.read("list", &key, entry)? {
                    entries.push((item, entry));
                }
            }
            Ok(Page { entries, next: page.next })
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let found = self.below.get_many(keys, consistency).await?;
            let mut shown = Vec::with_capacity(found.len());
            for (key, found) in keys.iter().zip(found) {
                shown.push(self.show("get_many", key, found).await?);
            }
            Ok(shown)
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let below = puts.iter().map(|put| {
                Ok(Put::new(put.key.clone(), self.write("put_many", &put.key, &put.value)?, put.ttl))
            });
            let below = below.collect::<Result<Vec<_>, StoreError>>()?;
            self.below.put_many(&below).await
        })
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.transact_in(partition, writes))
    }
}
