//! Does something around every operation, and nothing to what it reads and writes.

use crate::{
    future::{BoxFuture, BoxStream, MaybeSend},
    store::{Action, Entry, Key, Page, Partition, Put, Store, StoreError, Write},
};

/// An operation on its way to a store.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    /// The method's name.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: About<'a>,
    /// The bytes of the values it writes.
    pub(super) bytes_written: usize,
    /// Whether it comes to the same when it is done twice.
    pub(super) is_repeatable: bool,
}

/// What an operation is about.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    /// One entry.
    Key(&'a Key),
    /// So many entries, of any partitions.
    Keys(usize),
    /// A partition.
    Partition(&'a Partition),
}

impl<'a> Operation<'a> {
    pub(super) fn new(name: &'static str, about: About<'a>) -> Self {
        Self { name, about, bytes_written: 0, is_repeatable: true }
    }

    pub(super) fn writing(mut self, bytes: usize) -> Self {
        self.bytes_written = bytes;
        self
    }

    /// It is another operation when it is done twice: the second taker gets nothing, and a counter counts on.
    pub(super) fn once(mut self) -> Self {
        self.is_repeatable = false;
        self
    }
}

/// What an operation has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Entries that were asked for and found.
    pub(super) hits: usize,
    /// Entries that were asked for and are not there.
    pub(super) misses: usize,
    /// The bytes of their values.
    pub(super) bytes: usize,
}

/// What an operation can come to.
pub(super) trait Outcome: MaybeSend {
    /// What was read.
    fn read(&self) -> Read {
        Read::default()
    }
}

impl Outcome for () {}
impl Outcome for bool {}
impl Outcome for i64 {}

impl Outcome for Option<Entry> {
    fn read(&self) -> Read {
        match self {
            Some(entry) => Read { hits: 1, misses: 0, bytes: entry.value.len() },
            None => Read { hits: 0, misses: 1, bytes: 0 },
        }
    }
}

impl Outcome for Vec<Option<Entry>> {
    fn read(&self) -> Read {
        self.iter().map(Outcome::read).fold(Read::default(), |sum, one| Read {
            hits: sum.hits + one.hits,
            misses: sum.misses + one.misses,
            bytes: sum.bytes + one.bytes,
        })
    }
}

impl Outcome for Page {
    fn read(&self) -> Read {
        let bytes = self.entries.iter().map(|(_, entry)| entry.value.len()).sum();
        Read { hits: self.entries.len(), misses: 0, bytes }
    }
}

/// An open watch.
pub(super) struct Watch(pub(super) BoxStream<'static, String>);

impl Outcome for Watch {}

/// A store that does something around every operation of the store below it.
pub(super) trait Around: Send + Sync {
    /// The store below.
    fn below(&self) -> &dyn Store;

    /// Does `operation`, which `call` does on the store below, as often as it is called.
    fn around<'a, T: Outcome + 'a>(
        &'a self,
        operation: Operation<'a>,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>>;
}

/// The bytes that `writes` write.
pub(super) fn bytes_of_writes(writes: &[Write]) -> usize {
    let bytes = |write: &Write| match &write.action {
        Action::Put { value, .. } => value.len(),
        Action::Delete | Action::Check => 0,
    };
    writes.iter().map(bytes).sum()
}

/// The bytes that `puts` write.
pub(super) fn bytes_of_puts(puts: &[Put]) -> usize {
    puts.iter().map(|put| put.value.len()).sum()
}

/// Implements [`Store`](crate::store::Store) for a type that is [`Around`] another store, with that one's capabilities.
macro_rules! around {
    ($wrapper:ty) => {
        impl $crate::store::Store for $wrapper {
            fn capabilities(&self) -> $crate::store::Capabilities {
                $crate::store::wrap::around::Around::below(self).capabilities()
            }

            fn get<'a>(
                &'a self,
                key: &'a $crate::store::Key,
                consistency: $crate::store::Consistency,
            ) -> $crate::future::BoxFuture<'a, Result<Option<$crate::store::Entry>, $crate::store::StoreError>>
            {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("get", About::Key(key));
                self.around(operation, move || self.below().get(key, consistency))
            }

            fn put<'a>(
                &'a self,
                key: &'a $crate::store::Key,
                value: bytes::Bytes,
                ttl: Option<std::time::Duration>,
            ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("put", About::Key(key)).writing(value.len());
                self.around(operation, move || self.below().put(key, value.clone(), ttl))
            }

            fn delete<'a>(
                &'a self,
                key: &'a $crate::store::Key,
            ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation};
                self.around(Operation::new("delete", About::Key(key)), move || self.below().delete(key))
            }

            fn take<'a>(
                &'a self,
                key: &'a $crate::store::Key,
            ) -> $crate::future::BoxFuture<'a, Result<Option<$crate::store::Entry>, $crate::store::StoreError>>
            {
                use $crate::store::wrap::around::{About, Around, Operation};
                self.around(Operation::new("take", About::Key(key)).once(), move || self.below().take(key))
            }

            fn put_if<'a>(
                &'a self,
                key: &'a $crate::store::Key,
                value: bytes::Bytes,
                ttl: Option<std::time::Duration>,
                condition: $crate::store::Condition,
            ) -> $crate::future::BoxFuture<'a, Result<bool, $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("put_if", About::Key(key)).writing(value.len()).once();
                self.around(operation, move || self.below().put_if(key, value.clone(), ttl, condition.clone()))
            }

            fn increment<'a>(
                &'a self,
                key: &'a $crate::store::Key,
                by: i64,
                ttl: Option<std::time::Duration>,
            ) -> $crate::future::BoxFuture<'a, Result<i64, $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("increment", About::Key(key)).once();
                self.around(operation, move || self.below().increment(key, by, ttl))
            }

            fn list<'a>(
                &'a self,
                partition: &'a $crate::store::Partition,
                after: Option<&'a str>,
                limit: usize,
            ) -> $crate::future::BoxFuture<'a, Result<$crate::store::Page, $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("list", About::Partition(partition));
                self.around(operation, move || self.below().list(partition, after, limit))
            }

            fn get_many<'a>(
                &'a self,
                keys: &'a [$crate::store::Key],
                consistency: $crate::store::Consistency,
            ) -> $crate::future::BoxFuture<
                'a,
                Result<Vec<Option<$crate::store::Entry>>, $crate::store::StoreError>,
            > {
                use $crate::store::wrap::around::{About, Around, Operation};
                let operation = Operation::new("get_many", About::Keys(keys.len()));
                self.around(operation, move || self.below().get_many(keys, consistency))
            }

            fn put_many<'a>(
                &'a self,
                puts: &'a [$crate::store::Put],
            ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation, bytes_of_puts};
                let operation = Operation::new("put_many", About::Keys(puts.len())).writing(bytes_of_puts(puts));
                self.around(operation, move || self.below().put_many(puts))
            }

            fn transact<'a>(
                &'a self,
                partition: &'a $crate::store::Partition,
                writes: &'a [$crate::store::Write],
            ) -> $crate::future::BoxFuture<'a, Result<bool, $crate::store::StoreError>> {
                use $crate::store::wrap::around::{About, Around, Operation, bytes_of_writes};
                let operation = Operation::new("transact", About::Partition(partition));
                let operation = operation.writing(bytes_of_writes(writes)).once();
                self.around(operation, move || self.below().transact(partition, writes))
            }

            fn watch<'a>(
                &'a self,
                partition: &'a $crate::store::Partition,
            ) -> $crate::future::BoxFuture<
                'a,
                Result<$crate::future::BoxStream<'static, String>, $crate::store::StoreError>,
            > {
                use $crate::store::wrap::around::{About, Around, Operation, Watch};
                let operation = Operation::new("watch", About::Partition(partition));
                let watch = self.around(operation, move || {
                    Box::pin(async move { self.below().watch(partition).await.map(Watch) })
                });
                Box::pin(async move { watch.await.map(|Watch(told)| told) })
            }
        }
    };
}
pub(super) use around;
