//! Two handles on one store, as two processes have.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    store::{
        Capabilities, Condition, Consistency, Entry, Key, Page, Partition, Put, Store, StoreError, Survey,
        SurveyPage, Write,
    },
};

/// Two handles on one place, as two processes have, of which each operation takes the other one.
pub(crate) struct Alternating<S>([S; 2], AtomicUsize);

impl<S> Alternating<S> {
    pub(crate) fn of(handles: [S; 2]) -> Self {
        Self(handles, AtomicUsize::new(0))
    }

    fn next(&self) -> &S {
        let turn = self.1.fetch_add(1, Ordering::Relaxed);
        &self.0[turn % 2]
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl<S: Store> Store for Alternating<S> {
    fn capabilities(&self) -> Capabilities {
        self.0[0].capabilities()
    }
    fn get<'a>(&'a self, key: &'a Key, how: Consistency) -> Answer<'a, Option<Entry>> {
        self.next().get(key, how)
    }
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()> {
        self.next().put(key, value, ttl)
    }
    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.next().delete(key)
    }
    fn take<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        self.next().take(key)
    }
    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Answer<'a, bool> {
        self.next().put_if(key, value, ttl, condition)
    }
    fn increment<'a>(&'a self, key: &'a Key, by: i64, ttl: Option<Duration>) -> Answer<'a, i64> {
        self.next().increment(key, by, ttl)
    }
    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Page> {
        self.next().list(partition, after, limit)
    }
    fn get_many<'a>(&'a self, keys: &'a [Key], how: Consistency) -> Answer<'a, Vec<Option<Entry>>> {
        self.next().get_many(keys, how)
    }
    fn put_many<'a>(&'a self, puts: &'a [Put]) -> Answer<'a, ()> {
        self.next().put_many(puts)
    }
    fn transact<'a>(&'a self, partition: &'a Partition, writes: &'a [Write]) -> Answer<'a, bool> {
        self.next().transact(partition, writes)
    }
    // Of what is written while it watches, the other handle writes every second change.
    fn watch<'a>(&'a self, partition: &'a Partition) -> Answer<'a, BoxStream<'static, String>> {
        self.0[0].watch(partition)
    }
}

impl<S: Survey> Survey for Alternating<S> {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, SurveyPage> {
        self.next().survey(after)
    }
    fn purge_expired(&self) -> Answer<'_, u64> {
        self.next().purge_expired()
    }
}
