//! Keeps a call in the store: what was asked, what was answered, what is to be sent, and who works on it.
//!
//! | item | what it holds |
//! | --- | --- |
//! | `call` | the request, and from whom |
//! | `ask.000` | something the client was asked |
//! | `answer.000` | its answer; the first one stays |
//! | `step.…` | the result of a step, or that it was begun |
//! | `event.000000` | a message of the stream that must not be lost, by its place in it |
//! | `closed` | the handler has closed its stream |
//! | `done` | the answer of the call has been put among the events |
//! | `lease` | the instance that works on it, for a while |

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    journal::{Answer, Asked, Journal, Step},
    platform::Platform,
    store::{Condition, Consistency, KeyError, LIST_PAGE_MAX, Partition, Store, StoreError, StoreErrorKind},
    wire::call::{self, AskRecord, Record},
};

/// How long a call is kept after the last thing that happened to it.
pub(crate) const CALL_TTL: Duration = Duration::from_secs(3600);

/// How long an instance works on a call before it must say again that it still does.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// The collection of calls, a partition for each.
const COLLECTION: &str = "edgemcp.call";

/// A call in the store.
pub(crate) struct Kept {
    pub(crate) id: String,
    store: Arc<dyn Store>,
    partition: Partition,
    ttl: Duration,
}

/// A call as it was found.
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) asks: Vec<FoundAsk>,
    pub(crate) steps: Vec<Step>,
    /// The messages that must not be lost, by their place.
    pub(crate) events: Vec<(u32, Bytes)>,
    pub(crate) is_closed: bool,
    pub(crate) is_done: bool,
}

/// Something that was asked, and its answer.
pub(crate) struct FoundAsk {
    key: String,
    digest: String,
    answer: Option<Answer>,
}

impl Kept {
    /// The call `id`, whether or not it is there.
    ///
    /// # Errors
    /// [`KeyError`] where this is no id.
    pub(crate) fn new(platform: &Platform, id: &str, ttl: Duration) -> Result<Self, KeyError> {
        let partition = Partition::new(COLLECTION, id)?;
        Ok(Self { id: id.to_owned(), store: Arc::clone(platform.strong_store()), partition, ttl })
    }

    /// Where it is kept.
    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    async fn put(&self, item: &str, value: impl Into<Bytes>) -> Result<(), StoreError> {
        self.store.put(&self.partition.item(item)?, value.into(), Some(self.ttl)).await
    }

    async fn put_first(
        &self,
        item: &str,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.store.put_if(&self.partition.item(item)?, value.into(), Some(ttl), Condition::Absent).await
    }

    async fn get(&self, item: &str) -> Result<Option<Bytes>, StoreError> {
        let entry = self.store.get(&self.partition.item(item)?, Consistency::Strong).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// Keeps the call, with the steps that were taken before it had to be.
    pub(crate) async fn begin(
        &self,
        record: &Record,
        steps: &[(String, Box<RawValue>)],
    ) -> Result<(), StoreError> {
        for (name, result) in steps {
            self.put(&step_item(name), call::write(&call::StepRecord { name: name.into(), result })).await?;
        }
        self.put("call", record.write()).await
    }

    /// The call, from whom, without what has happened to it.
    pub(crate) async fn record(&self) -> Result<Option<Record>, StoreError> {
        self.get("call")
            .await?
            .map(|bytes| Record::read(&bytes).ok_or_else(|| self.corrupt("call")))
            .transpose()
    }

    /// All of it; `None` where there is no such call.
    pub(crate) async fn find(&self) -> Result<Option<Found>, StoreError> {
        let Some(record) = self.record().await? else { return Ok(None) };
        let mut found = Found {
            record,
            asks: Vec::new(),
            steps: Vec::new(),
            events: Vec::new(),
            is_closed: false,
            is_done: false,
        };
        let mut answers = Vec::new();
        let mut after = None::<String>;
        loop {
            let page = self.store.list(&self.partition, after.as_deref(), LIST_PAGE_MAX).await?;
            for (item, entry) in page.entries {
                let number = || item.split_once('.').and_then(|(_, number)| number.parse::<u32>().ok());
                let corrupt = || self.corrupt(&item);
                match item.split('.').next().unwrap_or_default() {
                    "ask" => {
                        let AskRecord { key, digest, .. } = call::ask(&entry.value).ok_or_else(corrupt)?;
                        let (key, digest) = (key.into_owned(), digest.into_owned());
                        found.asks.push(FoundAsk { key, digest, answer: None });
                    }
                    "answer" => {
                        let answer = call::answer(&entry.value).ok_or_else(corrupt)?;
                        answers.push((number().ok_or_else(corrupt)?, answer));
                    }
                    "step" => found.steps.extend(call::step(&entry.value)),
                    "event" => found.events.push((number().ok_or_else(corrupt)?, entry.value)),
                    "closed" => found.is_closed = true,
                    "done" => found.is_done = true,
                    _ => {}
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        for (number, answer) in answers {
            if let Some(ask) = usize::try_from(number).ok().and_then(|number| found.asks.get_mut(number)) {
                ask.answer = Some(answer);
            }
        }
        Ok(Some(found))
    }

    /// The messages after the place `after`, and whether the call is done.
    pub(crate) async fn events(&self, after: u32) -> Result<(Vec<(u32, Bytes)>, bool), StoreError> {
        let is_done = self.get("done").await?.is_some();
        let mut events = Vec::new();
        let mut last = event_item(after);
        loop {
            let page = self.store.list(&self.partition, Some(&last), LIST_PAGE_MAX).await?;
            let next = page.next;
            for (item, entry) in page.entries {
                let place = item.strip_prefix("event.").and_then(|place| place.parse().ok());
                let Some(place) = place else { return Ok((events, is_done)) };
                events.push((place, entry.value));
            }
            match next {
                Some(next) => last = next,
                None => return Ok((events, is_done)),
            }
        }
    }

    /// Keeps what the client is asked.
    pub(crate) async fn put_ask(&self, number: usize, asked: &AskRecord<'_>) -> Result<(), StoreError> {
        self.put(&format!("ask.{number:03}"), call::write(asked)).await
    }

    /// Keeps an answer, unless there is one already; says whether it did.
    pub(crate) async fn put_answer(&self, number: usize, answer: &Answer) -> Result<bool, StoreError> {
        self.put_first(&answer_item(number), call::write_answer(answer), self.ttl).await
    }

    /// The answer to the ask with this number, once it is there.
    pub(crate) async fn answer(&self, number: usize) -> Result<Option<Answer>, StoreError> {
        let item = answer_item(number);
        self.get(&item)
            .await?
            .map(|bytes| call::answer(&bytes).ok_or_else(|| self.corrupt(&item)))
            .transpose()
    }

    /// Whether there is an ask with this number.
    pub(crate) async fn has_ask(&self, number: usize) -> Result<bool, StoreError> {
        Ok(self.get(&format!("ask.{number:03}")).await?.is_some())
    }

    /// Keeps a message that must not be lost.
    pub(crate) async fn put_event(&self, place: u32, message: &[u8]) -> Result<(), StoreError> {
        self.put(&event_item(place), message.to_vec()).await
    }

    /// Notes that the handler has closed its stream.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.put("closed", "1").await
    }

    /// Notes that there is nothing more to do.
    pub(crate) async fn finish(&self) -> Result<(), StoreError> {
        self.put("done", "1").await
    }

    /// Takes the call to work on it, as `owner`; says whether nobody else does.
    pub(crate) async fn take(&self, owner: &str) -> Result<bool, StoreError> {
        self.put_first("lease", owner.to_owned(), LEASE).await
    }

    /// Goes on working on it; says whether it is still this owner's.
    pub(crate) async fn go_on(&self, owner: &str) -> Result<bool, StoreError> {
        self.hold(owner, LEASE).await
    }

    /// Lets somebody else work on it.
    pub(crate) async fn leave(&self, owner: &str) -> Result<(), StoreError> {
        self.hold(owner, Duration::ZERO).await.map(drop)
    }

    async fn hold(&self, owner: &str, how_long: Duration) -> Result<bool, StoreError> {
        let owner = Bytes::copy_from_slice(owner.as_bytes());
        let key = self.partition.item("lease")?;
        self.store.put_if(&key, owner.clone(), Some(how_long), Condition::Equals(owner)).await
    }

    fn corrupt(&self, item: &str) -> StoreError {
        let detail = format!("{}/{item} is not what this server writes", self.partition);
        StoreError::new(StoreErrorKind::Corrupt, "call", detail)
    }
}

impl Found {
    /// Puts what was answered and done into the journal of a run that takes the call up.
    pub(crate) fn recall(&mut self, journal: &mut Journal) {
        for FoundAsk { key, digest, answer } in self.asks.drain(..) {
            journal.remember(key, digest, answer);
        }
        for asked in &mut journal.asks {
            // It was sent when it was kept, and stands among the events.
            asked.is_sent = true;
        }
        journal.steps.append(&mut self.steps);
    }
}

/// What an ask is kept as.
pub(crate) fn ask_record(asked: &Asked) -> Option<AskRecord<'_>> {
    let (method, params) = asked.request.as_ref()?;
    let (key, digest) = (asked.key.as_str().into(), asked.digest.as_str().into());
    Some(AskRecord { key, digest, method: (*method).into(), params })
}

/// The item of a step's result.
pub(crate) fn step_item(name: &str) -> String {
    format!("step.{}", crate::seal::fingerprint(name.as_bytes()))
}

fn answer_item(number: usize) -> String {
    format!("answer.{number:03}")
}

fn event_item(place: u32) -> String {
    format!("event.{place:06}")
}
