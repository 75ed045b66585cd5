//! Keeps a call in the store: what was asked, what was answered, what is to be sent, and who works on it.
//!
//! | item | what it holds |
//! | --- | --- |
//! | `call` | the request, and from whom |
//! | `ask.000` | something the client was asked |
//! | `answer.000` | its answer; the first one stays |
//! | `step.…` | the result of a step, or that it was begun |
//! | `event.0000000000` | a message of the stream that must not be lost, by its place in it |
//! | `closed` | the handler has closed its stream |
//! | `done` | what the call came to; that it was put among the events is all it says for one that has a stream |
//! | `wanted` | the client has come back, though the call is not kept: whoever works on it is to keep it |
//! | `updated` | when a task came further, in milliseconds |
//! | `message` | what a task says of how far it is |
//! | `lease` | until when an instance works on it, and which |

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::too_large;
use crate::{
    error::Error,
    journal::{Answer, Asked, Journal, Recorded, Step},
    platform::{Clock, Platform, Timestamp},
    store::{
        Condition, Consistency, Key, KeyError, LIST_PAGE_MAX, Partition, Store, StoreError, StoreErrorKind,
    },
    wire::{
        call::{self, AskRecord, Record},
        results::InputRequest,
    },
};

/// How long a call is kept.
pub(crate) const CALL_TTL: Duration = Duration::from_secs(3600);

/// How long an instance works on a call before it must say again that it still does.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// The collection of calls, a partition for each.
const COLLECTION: &str = "edgemcp.call";

/// A call in the store.
pub(crate) struct Kept {
    pub(crate) id: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    partition: Partition,
    pub(crate) ttl: Duration,
    /// When whoever works on it must say again that it does, in milliseconds.
    lease_due: AtomicU64,
}

/// A call as it was found.
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) asks: Vec<FoundAsk>,
    pub(crate) steps: Vec<Step>,
    /// The messages that must not be lost, by their place.
    pub(crate) events: Vec<(u32, Bytes)>,
    pub(crate) is_closed: bool,
    pub(crate) done: Option<Done>,
    /// Whether somebody works on it.
    pub(crate) is_held: bool,
    pub(crate) updated: Option<Timestamp>,
    pub(crate) message: Option<String>,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Done {
    /// It stands among the events of its stream.
    Sent,
    /// A task's result, or the error it failed with.
    Ended(Answer),
    /// Its client did not want it any more.
    Cancelled,
}

/// What stands in place of a result where it was sent, and where there is none. Neither is what an answer is kept as.
const SENT: &[u8] = b"sent";
const CANCELLED: &[u8] = b"cancelled";

impl Done {
    fn write(&self) -> Bytes {
        match self {
            Self::Sent => Bytes::from_static(SENT),
            Self::Ended(answer) => call::write_answer(answer).into(),
            Self::Cancelled => Bytes::from_static(CANCELLED),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            SENT => Some(Self::Sent),
            CANCELLED => Some(Self::Cancelled),
            bytes => call::answer(bytes).map(Self::Ended),
        }
    }
}

/// Something that was asked, and its answer.
pub(crate) struct FoundAsk {
    key: String,
    digest: String,
    method: String,
    params: Box<RawValue>,
    answer: Option<Answer>,
}

impl Kept {
    /// The call `id`, whether or not it is there.
    ///
    /// # Errors
    /// [`KeyError`] where this is no id.
    pub(crate) fn new(platform: &Platform, id: &str, ttl: Duration) -> Result<Self, KeyError> {
        let partition = Partition::new(COLLECTION, id)?;
        let (store, clock) = (Arc::clone(platform.strong_store()), Arc::clone(platform.clock()));
        Ok(Self { id: id.to_owned(), store, clock, partition, ttl, lease_due: AtomicU64::default() })
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

    /// Keeps the call, with what was answered and done before it had to be.
    ///
    /// # Errors
    /// What its client is told: that the request is too large to be kept, or that the server failed.
    pub(crate) async fn begin(&self, record: &Record, so_far: &Recorded) -> Result<(), Error> {
        for name in &so_far.begun {
            self.put(&step_item(name), BEGUN).await?;
        }
        for (name, result) in &so_far.steps {
            self.put(&step_item(name), call::write(&call::StepRecord { name: name.into(), result })).await?;
        }
        for (number, (asked, answer)) in so_far.asks.iter().enumerate() {
            // What is answered is not put to anybody again, so it does not matter how it was asked.
            let (method, params) =
                asked.request.as_ref().map_or(("", RawValue::NULL), |(method, params)| (*method, params));
            let (key, digest) = (asked.key.as_str().into(), asked.digest.as_str().into());
            self.put_ask(number, &AskRecord { key, digest, method: method.into(), params }).await?;
            self.put(&answer_item(number), call::write_answer(answer)).await?;
        }
        let record = record.write();
        let bytes = record.len();
        self.put("call", record).await.map_err(|error| match error.kind() {
            StoreErrorKind::TooLarge => too_large::request(bytes, self.store.capabilities().value_bytes_max),
            _ => error.into(),
        })
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
            done: None,
            is_held: false,
            updated: None,
            message: None,
        };
        let mut answers = Vec::new();
        let mut after = None::<String>;
        loop {
            let page = self.store.list(&self.partition, after.as_deref(), LIST_PAGE_MAX).await?;
            for (item, entry) in page.entries {
                // What there is once has no number, and what has one is no other thing of that kind.
                let (kind, suffix) = match item.split_once('.') {
                    Some((kind, suffix)) => (kind, Some(suffix)),
                    None => (item.as_str(), None),
                };
                let number = || suffix.and_then(|number| number.parse::<u32>().ok());
                let corrupt = || self.corrupt(&item);
                match (kind, suffix) {
                    ("ask", Some(_)) => {
                        let AskRecord { key, digest, method, params } =
                            call::ask(&entry.value).ok_or_else(corrupt)?;
                        found.asks.push(FoundAsk {
                            key: key.into_owned(),
                            digest: digest.into_owned(),
                            method: method.into_owned(),
                            params: params.to_owned(),
                            answer: None,
                        });
                    }
                    ("answer", Some(_)) => {
                        let answer = call::answer(&entry.value).ok_or_else(corrupt)?;
                        answers.push((number().ok_or_else(corrupt)?, answer));
                    }
                    ("step", Some(_)) => found.steps.extend(call::step(&entry.value)),
                    ("event", Some(_)) => found.events.push((number().ok_or_else(corrupt)?, entry.value)),
                    ("closed", None) => found.is_closed = true,
                    ("done", None) => found.done = Some(Done::read(&entry.value).ok_or_else(corrupt)?),
                    ("lease", None) => found.is_held = is_live(&entry.value, self.clock.now()),
                    ("updated", None) => found.updated = millis(&entry.value),
                    ("message", None) => found.message = String::from_utf8(entry.value.to_vec()).ok(),
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

    /// Answers what is asked where that is larger than the store takes.
    pub(crate) async fn refuse_ask(&self, number: usize, asked: AskRecord<'_>) -> Result<(), StoreError> {
        // As in `begin`, how it was asked does not matter.
        self.put_ask(number, &AskRecord { method: "".into(), params: RawValue::NULL, ..asked }).await?;
        match too_large::answer(-32603, "what is asked") {
            Some(refusal) => self.put_answer(number, &refusal).await.map(drop),
            None => Ok(()),
        }
    }

    /// Keeps an answer, unless there is one already; says whether it did.
    pub(crate) async fn put_answer(&self, number: usize, answer: &Answer) -> Result<bool, StoreError> {
        let put = async |answer: &Answer| {
            self.put_first(&answer_item(number), call::write_answer(answer), self.ttl).await
        };
        match put(answer).await {
            // Sent again it would be no smaller, so whoever has asked is told instead.
            Err(error) if error.kind() == StoreErrorKind::TooLarge => {
                put(&too_large::answer(-32602, "the answer").ok_or(error)?).await
            }
            kept => kept,
        }
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
        self.put("done", Done::Sent.write()).await
    }

    /// Keeps what a task came to, unless that is settled already.
    pub(crate) async fn end(&self, done: &Done, now: Timestamp) -> Result<(), StoreError> {
        let put = async |done: &Done| self.put_first("done", done.write(), self.ttl).await;
        let is_first = match put(done).await {
            // Done again it would be no smaller, so its client is told instead.
            Err(error) if error.kind() == StoreErrorKind::TooLarge => {
                put(&Done::Ended(too_large::answer(-32603, "the result").ok_or(error)?)).await?
            }
            kept => kept?,
        };
        if is_first {
            self.touch(now).await?;
        }
        Ok(())
    }

    /// Notes when a task came further.
    pub(crate) async fn touch(&self, now: Timestamp) -> Result<(), StoreError> {
        self.put("updated", now.as_millis().to_string()).await
    }

    /// Keeps what a task says of how far it is.
    pub(crate) async fn put_message(&self, message: &str, now: Timestamp) -> Result<(), StoreError> {
        self.put("message", message.to_owned()).await?;
        self.touch(now).await
    }

    /// Takes back a call that nobody has heard of.
    pub(crate) async fn forget(&self) -> Result<(), StoreError> {
        self.store.delete(&self.partition.item("call")?).await
    }

    /// Whether somebody works on it.
    pub(crate) async fn is_held(&self) -> Result<bool, StoreError> {
        Ok(self.get("lease").await?.is_some_and(|lease| is_live(&lease, self.clock.now())))
    }

    /// Notes that the client has come back to a call that is not kept.
    pub(crate) async fn want(&self) -> Result<(), StoreError> {
        self.store.put(&self.wanted_key()?, "1".into(), Some(LEASE)).await
    }

    /// Where it is noted that the client has come back.
    pub(crate) fn wanted_key(&self) -> Result<Key, KeyError> {
        self.partition.item("wanted")
    }

    /// Where it is kept what it came to.
    pub(crate) fn done_key(&self) -> Result<Key, KeyError> {
        self.partition.item("done")
    }

    /// Takes the call to work on it, as `owner`; says whether nobody else does.
    pub(crate) async fn take(&self, owner: &str) -> Result<bool, StoreError> {
        let mut is_taken = self.put_lease(owner, Condition::Absent).await?;
        if !is_taken
            && let Some(lease) = self.get("lease").await?
            && !is_live(&lease, self.clock.now())
        {
            is_taken = self.put_lease(owner, Condition::Equals(lease)).await?;
        }
        Ok(is_taken)
    }

    /// Whether it must be said again that it is worked on.
    pub(crate) fn is_lease_due(&self) -> bool {
        self.clock.now().as_millis() >= self.lease_due.load(Ordering::Relaxed)
    }

    /// Goes on working on it; says whether it is still this owner's. It is where it came to this too late and nobody else
    /// has taken the call meanwhile, as where a handler keeps its thread busy.
    pub(crate) async fn go_on(&self, owner: &str) -> Result<bool, StoreError> {
        match self.get("lease").await? {
            Some(lease) if is_owned(&lease, owner) => self.put_lease(owner, Condition::Equals(lease)).await,
            _ => Ok(false),
        }
    }

    /// Lets somebody else work on it.
    pub(crate) async fn leave(&self, owner: &str) -> Result<(), StoreError> {
        let Some(lease) = self.get("lease").await?.filter(|lease| is_owned(lease, owner)) else {
            return Ok(());
        };
        let over = Some(Duration::ZERO);
        let key = self.partition.item("lease")?;
        self.store.put_if(&key, lease.clone(), over, Condition::Equals(lease)).await.map(drop)
    }

    /// Writes a new lease. It stays after its end, so that who was late can tell whether somebody else was there.
    async fn put_lease(&self, owner: &str, condition: Condition) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let lease = format!("{} {owner}", now.after(LEASE).as_millis());
        let key = self.partition.item("lease")?;
        let is_own = self.store.put_if(&key, lease.into(), Some(self.ttl.max(LEASE)), condition).await?;
        if is_own {
            self.lease_due.store(now.after(LEASE / 3).as_millis(), Ordering::Relaxed);
        }
        Ok(is_own)
    }

    fn corrupt(&self, item: &str) -> StoreError {
        let detail = format!("{}/{item} is not what this server writes", self.partition);
        StoreError::new(StoreErrorKind::Corrupt, "call", detail)
    }
}

impl Found {
    /// What is asked and not answered.
    pub(crate) fn open(&self) -> impl Iterator<Item = InputRequest<'_>> {
        self.asks.iter().filter(|ask| ask.answer.is_none()).map(FoundAsk::request)
    }

    /// What is asked under this key and not answered, and its number.
    pub(crate) fn open_as(&self, key: &str) -> Option<(usize, InputRequest<'_>)> {
        let open = |ask: &FoundAsk| ask.answer.is_none() && ask.key == key;
        let number = self.asks.iter().position(open)?;
        Some((number, self.asks.get(number)?.request()))
    }

    /// Puts what was answered and done into the journal of a run that takes the call up.
    pub(crate) fn recall(&mut self, journal: &mut Journal) {
        for FoundAsk { key, digest, answer, .. } in self.asks.drain(..) {
            journal.remember(key, digest, answer);
        }
        for asked in &mut journal.asks {
            // It was sent when it was kept, and stands among the events.
            asked.is_sent = true;
        }
        journal.steps.append(&mut self.steps);
    }
}

impl FoundAsk {
    fn request(&self) -> InputRequest<'_> {
        (&self.key, &self.method, &self.params)
    }
}

fn millis(bytes: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(bytes).ok()?.parse().ok().map(Timestamp::from_millis)
}

/// What an ask is kept as.
pub(crate) fn ask_record(asked: &Asked) -> Option<AskRecord<'_>> {
    let (method, params) = asked.request.as_ref()?;
    let (key, digest) = (asked.key.as_str().into(), asked.digest.as_str().into());
    Some(AskRecord { key, digest, method: (*method).into(), params })
}

/// What stands in place of a step's result while it is worked on. It is no JSON, so no result reads like it.
pub(crate) const BEGUN: &[u8] = b"begun";

/// The item of a step's result.
pub(crate) fn step_item(name: &str) -> String {
    format!("step.{}", crate::seal::fingerprint(name.as_bytes()))
}

/// Whether somebody works on the call that has this lease. What cannot be read holds nobody up.
fn is_live(lease: &[u8], now: Timestamp) -> bool {
    let until = std::str::from_utf8(lease).ok().and_then(|lease| lease.split_once(' ')?.0.parse().ok());
    until.is_some_and(|until| now < Timestamp::from_millis(until))
}

/// Whether the lease is this owner's, over or not.
fn is_owned(lease: &[u8], owner: &str) -> bool {
    lease.strip_suffix(owner.as_bytes()).is_some_and(|until| until.ends_with(b" "))
}

fn answer_item(number: usize) -> String {
    format!("answer.{number:03}")
}

fn event_item(place: u32) -> String {
    // As many digits as a place can have, so that the items sort as the places do.
    format!("event.{place:010}")
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, raw};

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn events_are_listed_in_the_order_of_their_places(one: u32, other: u32) {
            prop_assert_eq!(event_item(one).cmp(&event_item(other)), one.cmp(&other));
            prop_assert_eq!(event_item(one).strip_prefix("event.").unwrap().parse(), Ok(one));
        }

        #[test]
        fn what_a_call_came_to_is_read_as_it_was_written(json in raw(), bytes: Vec<u8>) {
            for done in [
                Done::Sent,
                Done::Cancelled,
                Done::Ended(Answer::Result(json.clone())),
                Done::Ended(Answer::Refusal(json)),
            ] {
                let written = done.write();
                let read = Done::read(&written).unwrap();
                prop_assert_eq!(read.write(), written);
                prop_assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&done));
            }
            let _ = Done::read(&bytes);
        }
    }
}
