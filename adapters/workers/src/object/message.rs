//! Says what a store asks of an object and what the object answers, as bytes that each side parses into types.
//!
//! They travel within one account, yet not within one version: while a deployment rolls out, a Worker meets objects
//! of the version before. An operation that is new has a name that such an object does not know, and refuses; what
//! changes of one that is there changes [`ADDRESS`] with it.

use bytes::{Buf, BufMut, Bytes};
use edgemcp::{
    platform::Timestamp,
    store::{Condition, Entry, Page, StoreErrorKind},
};

use super::frame::{
    condition, end, entry, named_entry, put, put_condition, put_end, put_entries, put_entry, several, text,
    time,
};

/// What every request's address begins with; the operation's name follows, so that the object's log names it.
pub(super) const ADDRESS: &str = "https://object/v1/";

/// The operation whose answer is a WebSocket.
pub(super) const WATCH: &str = "watch";

/// One operation on an object's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The present moment, as the store's clock has it: the object has none that expiry is judged by.
    pub(super) now: Timestamp,
    pub(super) work: Work,
}

/// What there is to do, by item; the partition is the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Get {
        item: String,
    },
    Put {
        item: String,
        entry: Entry,
    },
    Delete {
        item: String,
    },
    Take {
        item: String,
    },
    PutIf {
        item: String,
        entry: Entry,
        condition: Condition,
    },
    Increment {
        item: String,
        by: i64,
        end: Option<Timestamp>,
    },
    List {
        after: Option<String>,
        limit: usize,
    },
    GetMany {
        items: Vec<String>,
    },
    /// All of them or none.
    PutMany {
        entries: Vec<(String, Entry)>,
    },
    Transact {
        writes: Vec<Write>,
    },
}

/// One write of a transaction: a [`Write`](edgemcp::store::Write), with its entry's end in the place of a TTL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) item: String,
    pub(super) condition: Option<Condition>,
    pub(super) action: Action,
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Put(Entry),
    Delete,
    Check,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Found(Option<Entry>),
    Wrote(bool),
    Sum(i64),
    Listed(Page),
    Refused(Refusal),
    /// What was found of the first items of those asked for; the others are for another request.
    FoundMany(Vec<Option<Entry>>),
}

/// Why an object does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: StoreErrorKind,
    /// For the log.
    pub(super) detail: String,
}

impl Work {
    /// The method of [`Store`](edgemcp::store::Store) that this is.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::Take { .. } => "take",
            Self::PutIf { .. } => "put_if",
            Self::Increment { .. } => "increment",
            Self::List { .. } => "list",
            Self::GetMany { .. } => "get_many",
            Self::PutMany { .. } => "put_many",
            Self::Transact { .. } => "transact",
        }
    }
}

impl Ask {
    /// The request's body; its address has the work's name.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.put_u64_le(self.now.as_millis());
        match &self.work {
            Work::Get { item } | Work::Delete { item } | Work::Take { item } => put(&mut frame, item),
            Work::Put { item, entry } => {
                put(&mut frame, item);
                put_entry(&mut frame, entry);
            }
            Work::PutIf { item, entry, condition } => {
                put(&mut frame, item);
                put_entry(&mut frame, entry);
                put_condition(&mut frame, condition);
            }
            Work::Increment { item, by, end } => {
                put(&mut frame, item);
                frame.put_i64_le(*by);
                put_end(&mut frame, *end);
            }
            Work::List { after, limit } => {
                // No item is empty.
                put(&mut frame, after.as_deref().unwrap_or_default());
                frame.put_u64_le(*limit as u64);
            }
            Work::GetMany { items } => {
                frame.put_u64_le(items.len() as u64);
                items.iter().for_each(|item| put(&mut frame, item));
            }
            Work::PutMany { entries } => put_entries(&mut frame, entries),
            Work::Transact { writes } => {
                frame.put_u64_le(writes.len() as u64);
                writes.iter().for_each(|write| put_write(&mut frame, write));
            }
        }
        frame
    }

    /// What `frame` asks in the operation `name`; `None` where it is no such request.
    pub(super) fn decode(name: &str, mut frame: Bytes) -> Option<Self> {
        let frame = &mut frame;
        let now = time(frame)?;
        let work = match name {
            "get" => Work::Get { item: text(frame)? },
            "put" => Work::Put { item: text(frame)?, entry: entry(frame)? },
            "delete" => Work::Delete { item: text(frame)? },
            "take" => Work::Take { item: text(frame)? },
            "put_if" => {
                Work::PutIf { item: text(frame)?, entry: entry(frame)?, condition: condition(frame)? }
            }
            "increment" => {
                Work::Increment { item: text(frame)?, by: frame.try_get_i64_le().ok()?, end: end(frame)? }
            }
            "list" => {
                let after = Some(text(frame)?).filter(|after| !after.is_empty());
                Work::List { after, limit: usize::try_from(frame.try_get_u64_le().ok()?).ok()? }
            }
            "get_many" => Work::GetMany { items: several(frame, text)? },
            "put_many" => Work::PutMany { entries: several(frame, named_entry)? },
            "transact" => Work::Transact { writes: several(frame, write)? },
            _ => return None,
        };
        frame.is_empty().then_some(Self { now, work })
    }
}

impl Answer {
    /// The answer's body.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        match self {
            Self::Done => frame.put_u8(0),
            Self::Found(None) => frame.put_u8(1),
            Self::Found(Some(entry)) => {
                frame.put_u8(2);
                put_entry(&mut frame, entry);
            }
            Self::Wrote(wrote) => {
                frame.put_u8(3);
                frame.put_u8(u8::from(*wrote));
            }
            Self::Sum(sum) => {
                frame.put_u8(4);
                frame.put_i64_le(*sum);
            }
            Self::Listed(page) => {
                frame.put_u8(5);
                put(&mut frame, page.next.as_deref().unwrap_or_default());
                put_entries(&mut frame, &page.entries);
            }
            Self::Refused(Refusal { kind, detail }) => {
                frame.put_u8(6);
                frame.put_u8(code(*kind));
                put(&mut frame, detail);
            }
            Self::FoundMany(found) => {
                frame.put_u8(7);
                frame.put_u64_le(found.len() as u64);
                for entry in found {
                    frame.put_u8(u8::from(entry.is_some()));
                    if let Some(entry) = entry {
                        put_entry(&mut frame, entry);
                    }
                }
            }
        }
        frame
    }

    /// What `frame` answers; `None` where it is no answer.
    pub(super) fn decode(mut frame: Bytes) -> Option<Self> {
        let frame = &mut frame;
        let answer = match frame.try_get_u8().ok()? {
            0 => Self::Done,
            1 => Self::Found(None),
            2 => Self::Found(Some(entry(frame)?)),
            3 => Self::Wrote(frame.try_get_u8().ok()? != 0),
            4 => Self::Sum(frame.try_get_i64_le().ok()?),
            5 => {
                let next = Some(text(frame)?).filter(|next| !next.is_empty());
                Self::Listed(Page { entries: several(frame, named_entry)?, next })
            }
            6 => Self::Refused(Refusal { kind: kind(frame.try_get_u8().ok()?), detail: text(frame)? }),
            7 => Self::FoundMany(several(frame, |frame| match frame.try_get_u8().ok()? {
                0 => Some(None),
                1 => entry(frame).map(Some),
                _ => None,
            })?),
            _ => return None,
        };
        frame.is_empty().then_some(answer)
    }
}

fn put_write(frame: &mut Vec<u8>, write: &Write) {
    put(frame, &write.item);
    frame.put_u8(u8::from(write.condition.is_some()));
    if let Some(condition) = &write.condition {
        put_condition(frame, condition);
    }
    match &write.action {
        Action::Check => frame.put_u8(0),
        Action::Delete => frame.put_u8(1),
        Action::Put(entry) => {
            frame.put_u8(2);
            put_entry(frame, entry);
        }
    }
}

fn write(frame: &mut Bytes) -> Option<Write> {
    let item = text(frame)?;
    let condition = match frame.try_get_u8().ok()? {
        0 => None,
        1 => Some(condition(frame)?),
        _ => return None,
    };
    let action = match frame.try_get_u8().ok()? {
        0 => Action::Check,
        1 => Action::Delete,
        2 => Action::Put(entry(frame)?),
        _ => return None,
    };
    Some(Write { item, condition, action })
}

fn code(kind: StoreErrorKind) -> u8 {
    match kind {
        StoreErrorKind::Throttled => 1,
        StoreErrorKind::TooLarge => 2,
        StoreErrorKind::NotACounter => 3,
        StoreErrorKind::Corrupt => 4,
        StoreErrorKind::Denied => 5,
        // An object refuses for no other reason.
        _ => 0,
    }
}

fn kind(code: u8) -> StoreErrorKind {
    match code {
        1 => StoreErrorKind::Throttled,
        2 => StoreErrorKind::TooLarge,
        3 => StoreErrorKind::NotACounter,
        4 => StoreErrorKind::Corrupt,
        5 => StoreErrorKind::Denied,
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::frame::SEVERAL_MAX, *};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);

    fn an_entry(end: Option<u64>) -> Entry {
        Entry { value: Bytes::from_static(b"\xff\x00 any"), expires_at: end.map(Timestamp::from_millis) }
    }

    fn every_work() -> Vec<Work> {
        let item = || "an-item".to_owned();
        vec![
            Work::Get { item: item() },
            Work::Put { item: item(), entry: an_entry(None) },
            Work::Put { item: item(), entry: Entry { value: Bytes::new(), expires_at: None } },
            Work::Put { item: item(), entry: an_entry(Some(u64::MAX)) },
            Work::Delete { item: item() },
            Work::Take { item: item() },
            Work::PutIf { item: item(), entry: an_entry(Some(7)), condition: Condition::Absent },
            Work::PutIf { item: item(), entry: an_entry(None), condition: Condition::Equals("".into()) },
            Work::Increment { item: item(), by: i64::MIN, end: None },
            Work::Increment { item: item(), by: -1, end: Some(NOW) },
            Work::List { after: None, limit: 1 },
            Work::List { after: Some(item()), limit: 100 },
            Work::GetMany { items: vec![] },
            Work::GetMany { items: vec![item(), "b".to_owned(), item()] },
            Work::PutMany { entries: vec![] },
            Work::PutMany { entries: vec![(item(), an_entry(None)), (item(), an_entry(Some(7)))] },
            Work::Transact { writes: vec![] },
            Work::Transact { writes: every_write() },
        ]
    }

    fn every_write() -> Vec<Write> {
        let conditions = [None, Some(Condition::Absent), Some(Condition::Equals("old".into()))];
        let actions = [Action::Put(an_entry(Some(7))), Action::Delete, Action::Check];
        let each = |condition: Option<Condition>| {
            actions.clone().map(|action| Write {
                item: "an-item".to_owned(),
                condition: condition.clone(),
                action,
            })
        };
        conditions.into_iter().flat_map(each).collect()
    }

    fn every_answer() -> Vec<Answer> {
        let page = |next: Option<&str>| {
            let entries = vec![("a".to_owned(), an_entry(None)), ("b".to_owned(), an_entry(Some(1)))];
            Answer::Listed(Page { entries, next: next.map(str::to_owned) })
        };
        let refused = |kind| Answer::Refused(Refusal { kind, detail: "größer".to_owned() });
        vec![
            Answer::Done,
            Answer::Found(None),
            Answer::Found(Some(an_entry(Some(u64::MAX)))),
            Answer::Wrote(true),
            Answer::Wrote(false),
            Answer::Sum(i64::MIN),
            page(None),
            page(Some("b")),
            refused(StoreErrorKind::Unavailable),
            refused(StoreErrorKind::Throttled),
            refused(StoreErrorKind::TooLarge),
            refused(StoreErrorKind::NotACounter),
            refused(StoreErrorKind::Corrupt),
            refused(StoreErrorKind::Denied),
            Answer::FoundMany(vec![]),
            Answer::FoundMany(vec![None, Some(an_entry(None)), None, Some(an_entry(Some(1)))]),
        ]
    }

    #[test]
    fn what_is_asked_arrives_as_it_was_asked() {
        for work in every_work() {
            let ask = Ask { now: NOW, work };
            let arrived = Ask::decode(ask.work.name(), ask.encode().into());
            assert_eq!(arrived.as_ref(), Some(&ask));
        }
    }

    #[test]
    fn what_is_answered_arrives_as_it_was_answered() {
        for answer in every_answer() {
            assert_eq!(Answer::decode(answer.encode().into()).as_ref(), Some(&answer));
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_message() {
        for work in every_work() {
            let ask = Ask { now: NOW, work };
            let (name, whole) = (ask.work.name(), Bytes::from(ask.encode()));
            for length in 0..whole.len() {
                assert_eq!(Ask::decode(name, whole.slice(..length)), None, "{ask:?}, {length} bytes of it");
            }
            assert_eq!(Ask::decode(name, [&whole[..], b"\0"].concat().into()), None, "{ask:?} and more");
        }
        for answer in every_answer() {
            let whole = Bytes::from(answer.encode());
            for length in 0..whole.len() {
                assert_eq!(Answer::decode(whole.slice(..length)), None, "{answer:?}, {length} bytes of it");
            }
            assert_eq!(Answer::decode([&whole[..], b"\0"].concat().into()), None, "{answer:?} and more");
        }
    }

    #[test]
    fn a_length_beyond_all_memory_is_no_message() {
        let mut frame = Vec::new();
        frame.put_u64_le(0);
        frame.put_u64_le(u64::MAX);
        for name in ["get", "get_many", "put_many", "transact"] {
            assert_eq!(Ask::decode(name, frame.clone().into()), None, "{name}");
        }
        frame.splice(..8, [7]);
        assert_eq!(Answer::decode(frame.into()), None);
    }

    #[test]
    fn more_of_a_kind_than_a_message_has_are_none() {
        for (count, is_read) in [(SEVERAL_MAX, true), (SEVERAL_MAX + 1, false)] {
            let ask = Ask { now: NOW, work: Work::GetMany { items: vec!["x".to_owned(); count] } };
            assert_eq!(Ask::decode("get_many", ask.encode().into()).is_some(), is_read, "{count} items");
            let answer = Answer::FoundMany(vec![None; count]);
            assert_eq!(Answer::decode(answer.encode().into()).is_some(), is_read, "{count} entries");
        }
    }

    #[test]
    fn an_operation_of_another_version_is_none() {
        let ask = Ask { now: NOW, work: Work::Get { item: "x".to_owned() } };
        assert_eq!(Ask::decode("rename", ask.encode().into()), None);
    }
}

#[cfg(test)]
mod properties {
    use proptest::{
        option,
        prelude::*,
        test_runner::{Config, RngSeed},
    };

    use super::*;

    /// The same cases in every run; `PROPTEST_CASES` draws more of them.
    fn config() -> Config {
        Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
    }

    fn end() -> impl Strategy<Value = Option<Timestamp>> {
        option::of(any::<u64>()).prop_map(|end| end.map(Timestamp::from_millis))
    }

    fn an_entry() -> impl Strategy<Value = Entry> {
        (prop::collection::vec(any::<u8>(), 0..40), end())
            .prop_map(|(value, expires_at)| Entry { value: value.into(), expires_at })
    }

    fn a_condition() -> impl Strategy<Value = Condition> {
        option::of(prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|value| value.map_or(Condition::Absent, |value| Condition::Equals(value.into())))
    }

    fn a_write() -> impl Strategy<Value = Write> {
        let action =
            prop_oneof![an_entry().prop_map(Action::Put), Just(Action::Delete), Just(Action::Check),];
        (any::<String>(), option::of(a_condition()), action).prop_map(|(item, condition, action)| Write {
            item,
            condition,
            action,
        })
    }

    fn any_work() -> impl Strategy<Value = Work> {
        let item = any::<String>();
        prop_oneof![
            item.prop_map(|item| Work::Get { item }),
            (item, an_entry()).prop_map(|(item, entry)| Work::Put { item, entry }),
            item.prop_map(|item| Work::Delete { item }),
            item.prop_map(|item| Work::Take { item }),
            (item, an_entry(), a_condition()).prop_map(|(item, entry, condition)| Work::PutIf {
                item,
                entry,
                condition
            }),
            (item, any::<i64>(), end()).prop_map(|(item, by, end)| Work::Increment { item, by, end }),
            (option::of("[ -~]{1,9}"), any::<usize>()).prop_map(|(after, limit)| Work::List { after, limit }),
            prop::collection::vec(item, 0..4).prop_map(|items| Work::GetMany { items }),
            prop::collection::vec((item, an_entry()), 0..4).prop_map(|entries| Work::PutMany { entries }),
            prop::collection::vec(a_write(), 0..4).prop_map(|writes| Work::Transact { writes }),
        ]
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        let page = (prop::collection::vec((any::<String>(), an_entry()), 0..4), option::of("[ -~]{1,9}"));
        prop_oneof![
            Just(Answer::Done),
            option::of(an_entry()).prop_map(Answer::Found),
            any::<bool>().prop_map(Answer::Wrote),
            any::<i64>().prop_map(Answer::Sum),
            page.prop_map(|(entries, next)| Answer::Listed(Page { entries, next })),
            (any::<u8>(), any::<String>())
                .prop_map(|(code, detail)| Answer::Refused(Refusal { kind: kind(code), detail })),
            prop::collection::vec(option::of(an_entry()), 0..4).prop_map(Answer::FoundMany),
        ]
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_asked_and_answered_arrives_as_it_was_said(now: u64, work in any_work(), answer in any_answer()) {
            let ask = Ask { now: Timestamp::from_millis(now), work };
            prop_assert_eq!(Ask::decode(ask.work.name(), ask.encode().into()), Some(ask));
            prop_assert_eq!(Answer::decode(answer.encode().into()), Some(answer));
        }

        #[test]
        fn any_bytes_are_a_message_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..60), work in any_work(), other in any_work(),
            place in any::<prop::sample::Index>(), byte: u8,
        ) {
            let ask = Ask { now: Timestamp::from_millis(0), work };
            let mut changed = ask.encode();
            let index = place.index(changed.len());
            changed[index] = byte;
            for frame in [bytes, changed] {
                if let Some(read) = Ask::decode(other.name(), frame.clone().into()) {
                    prop_assert_eq!(read.encode(), &frame[..]);
                }
                if let Some(read) = Answer::decode(frame.into()) {
                    prop_assert_eq!(Answer::decode(read.encode().into()), Some(read));
                }
            }
        }
    }
}
