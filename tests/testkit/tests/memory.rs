//! The memory store keeps the contract of every store, and the contract notices stores that do not.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::Timestamp,
    store::{
        Capabilities, Condition, Consistency, Entry, Key, MemoryStore, Page, Partition, Put, Store,
        StoreError, Write,
    },
};
use edgemcp_testkit::{ManualClock, Subject, run_all};
use futures_executor::block_on;

/// 2027-01-15, a moment with a fraction of a second.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

#[test]
fn the_memory_store_keeps_the_contract() {
    let clock = ManualClock::at(START);
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let report = block_on(run_all(&Subject::new(store.clone(), clock, "memory").surveyed_by(store)));
    print!("{report}");
    report.verdict().unwrap();
}

/// A memory store with one thing wrong, since a contract that no store can break says nothing.
struct Spoiled {
    store: MemoryStore,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    ForgetsTheEnd,
    EndsLate,
    KeepsTheEarlierEnd,
    DeletesNothing,
    TakesWithoutRemoving,
    PutsWhateverTheCondition,
    RenewsTheWindow,
    LosesCounts,
    IgnoresTheLimit,
    EndsTheListingEarly,
    ListsTheNeighbours,
    RefusesNothingAtAll,
    AnswersABatchInAnotherOrder,
    WritesHalfOfABatch,
    TransactsWithoutConditions,
    TransactsByHalves,
    TellsOfTheNeighbours,
    TellsNothing,
}

impl Store for Spoiled {
    fn capabilities(&self) -> Capabilities {
        let atomic = self.fault != Fault::RefusesNothingAtAll;
        Capabilities { name: "spoiled", atomic, ..self.store.capabilities() }
    }

    fn get<'a>(
        &'a self,
        key: &'a Key,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let entry = self.store.get(key, consistency).await?;
            Ok(match self.fault {
                Fault::ForgetsTheEnd => entry.map(|entry| Entry { expires_at: None, ..entry }),
                _ => entry,
            })
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        match self.fault {
            Fault::EndsLate => {
                self.store.put(key, value, ttl.map(|ttl| ttl.saturating_add(Duration::from_millis(1))))
            }
            Fault::KeepsTheEarlierEnd if ttl.is_none() => Box::pin(async move {
                let earlier = self.store.get(key, Consistency::Strong).await?;
                let ttl = earlier.and_then(|entry| entry.expires_at).map(|end| end.since(START));
                self.store.put(key, value, ttl).await
            }),
            _ => self.store.put(key, value, ttl),
        }
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        match self.fault {
            Fault::DeletesNothing => Box::pin(std::future::ready(Ok(()))),
            _ => self.store.delete(key),
        }
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        match self.fault {
            Fault::TakesWithoutRemoving => self.store.get(key, Consistency::Strong),
            _ => self.store.take(key),
        }
    }

    fn put_if<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: Condition,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        match self.fault {
            Fault::PutsWhateverTheCondition => Box::pin(async move {
                self.store.put(key, value, ttl).await?;
                Ok(true)
            }),
            _ => self.store.put_if(key, value, ttl, condition),
        }
    }

    fn increment<'a>(
        &'a self,
        key: &'a Key,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(async move {
            let sum = match self.fault {
                Fault::LosesCounts => {
                    let before = self.store.get(key, Consistency::Strong).await?;
                    // Another caller gets its turn between the read and the write, as over a network.
                    let mut yielded = false;
                    std::future::poll_fn(|cx| {
                        if std::mem::replace(&mut yielded, true) {
                            return std::task::Poll::Ready(());
                        }
                        cx.waker().wake_by_ref();
                        std::task::Poll::Pending
                    })
                    .await;
                    match before {
                        None => {
                            self.store.delete(key).await?;
                            self.store.increment(key, by, ttl).await?
                        }
                        Some(_) => self.store.increment(key, by, ttl).await?,
                    }
                }
                _ => self.store.increment(key, by, ttl).await?,
            };
            if self.fault == Fault::RenewsTheWindow {
                self.store.delete(key).await?;
                self.store.increment(key, sum, ttl).await?;
            }
            Ok(sum)
        })
    }

    fn list<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let limit = if self.fault == Fault::IgnoresTheLimit { 1_000 } else { limit };
            let mut page = self.store.list(partition, after, limit).await?;
            match self.fault {
                Fault::EndsTheListingEarly => page.next = None,
                Fault::ListsTheNeighbours => {
                    let neighbour = Partition::new(partition.collection(), format!("{}b", partition.id()))?;
                    page.entries.extend(self.store.list(&neighbour, after, limit).await?.entries);
                }
                _ => {}
            }
            Ok(page)
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let mut found = self.store.get_many(keys, consistency).await?;
            if self.fault == Fault::AnswersABatchInAnotherOrder {
                found.reverse();
            }
            Ok(found)
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [Put]) -> BoxFuture<'a, Result<(), StoreError>> {
        match self.fault {
            Fault::WritesHalfOfABatch => self.store.put_many(puts.get(..puts.len() / 2).unwrap_or_default()),
            _ => self.store.put_many(puts),
        }
    }

    fn transact<'a>(
        &'a self,
        partition: &'a Partition,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            match self.fault {
                Fault::TransactsWithoutConditions => {
                    let writes: Vec<_> =
                        writes.iter().map(|write| Write { condition: None, ..write.clone() }).collect();
                    self.store.transact(partition, &writes).await
                }
                Fault::TransactsByHalves => {
                    let mut all = true;
                    for write in writes {
                        all &= self.store.transact(partition, std::slice::from_ref(write)).await?;
                    }
                    Ok(all)
                }
                _ => self.store.transact(partition, writes).await,
            }
        })
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> BoxFuture<'a, Result<BoxStream<'static, String>, StoreError>> {
        Box::pin(async move {
            let own = self.store.watch(partition).await?;
            let told: BoxStream<'static, String> = match self.fault {
                Fault::TellsNothing => Box::pin(futures_util::stream::pending()),
                Fault::TellsOfTheNeighbours => {
                    let neighbour = Partition::new(partition.collection(), format!("{}2", partition.id()))?;
                    let neighbour = self.store.watch(&neighbour).await?;
                    Box::pin(futures_util::stream::select(neighbour, own))
                }
                _ => own,
            };
            Ok(told)
        })
    }
}

#[test]
fn a_store_with_one_thing_wrong_fails() {
    use Fault::*;
    for fault in [
        ForgetsTheEnd,
        EndsLate,
        KeepsTheEarlierEnd,
        DeletesNothing,
        TakesWithoutRemoving,
        PutsWhateverTheCondition,
        RenewsTheWindow,
        LosesCounts,
        IgnoresTheLimit,
        EndsTheListingEarly,
        ListsTheNeighbours,
        RefusesNothingAtAll,
        AnswersABatchInAnotherOrder,
        WritesHalfOfABatch,
        TransactsWithoutConditions,
        TransactsByHalves,
        TellsOfTheNeighbours,
        TellsNothing,
    ] {
        let clock = ManualClock::at(START);
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let report = block_on(run_all(&Subject::new(Arc::new(Spoiled { store, fault }), clock, "spoiled")));
        assert!(report.failed() > 0, "{fault:?} went unnoticed:\n{report}");
        assert!(report.passed() > 20, "{fault:?} is one fault, so most of the contract holds:\n{report}");
    }
}
