//! Says what a store asks of an object and what the object answers, as bytes that each side parses into types.
//!
//! They travel within one account, yet not within one version: while a deployment rolls out, a Worker meets objects
//! of the version before. What changes here changes [`ADDRESS`] with it.

use bytes::{Buf, BufMut, Bytes};
use edgemcp::{
    platform::Timestamp,
    store::{Condition, Entry, Page, StoreErrorKind},
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
    Get { item: String },
    Put { item: String, entry: Entry },
    Delete { item: String },
    Take { item: String },
    PutIf { item: String, entry: Entry, condition: Condition },
    Increment { item: String, by: i64, end: Option<Timestamp> },
    List { after: Option<String>, limit: usize },
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
                match condition {
                    Condition::Absent => frame.put_u8(0),
                    Condition::Equals(value) => {
                        frame.put_u8(1);
                        put(&mut frame, value);
                    }
                }
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
            "put_if" => Work::PutIf {
                item: text(frame)?,
                entry: entry(frame)?,
                condition: match frame.try_get_u8().ok()? {
                    0 => Condition::Absent,
                    1 => Condition::Equals(bytes(frame)?),
                    _ => return None,
                },
            },
            "increment" => {
                Work::Increment { item: text(frame)?, by: frame.try_get_i64_le().ok()?, end: end(frame)? }
            }
            "list" => {
                let after = Some(text(frame)?).filter(|after| !after.is_empty());
                Work::List { after, limit: usize::try_from(frame.try_get_u64_le().ok()?).ok()? }
            }
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
                frame.put_u64_le(page.entries.len() as u64);
                for (item, entry) in &page.entries {
                    put(&mut frame, item);
                    put_entry(&mut frame, entry);
                }
            }
            Self::Refused(Refusal { kind, detail }) => {
                frame.put_u8(6);
                frame.put_u8(code(*kind));
                put(&mut frame, detail);
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
                let mut entries = Vec::new();
                for _ in 0..frame.try_get_u64_le().ok()? {
                    entries.push((text(frame)?, entry(frame)?));
                }
                Self::Listed(Page { entries, next })
            }
            6 => Self::Refused(Refusal { kind: kind(frame.try_get_u8().ok()?), detail: text(frame)? }),
            _ => return None,
        };
        frame.is_empty().then_some(answer)
    }
}

fn put(frame: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    frame.put_u64_le(bytes.len() as u64);
    frame.put_slice(bytes);
}

fn put_end(frame: &mut Vec<u8>, end: Option<Timestamp>) {
    match end {
        None => frame.put_u8(0),
        Some(end) => {
            frame.put_u8(1);
            frame.put_u64_le(end.as_millis());
        }
    }
}

fn put_entry(frame: &mut Vec<u8>, entry: &Entry) {
    put_end(frame, entry.expires_at);
    put(frame, &entry.value);
}

fn bytes(frame: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(frame.try_get_u64_le().ok()?).ok()?;
    (length <= frame.len()).then(|| frame.split_to(length))
}

fn text(frame: &mut Bytes) -> Option<String> {
    String::from_utf8(bytes(frame)?.into()).ok()
}

fn time(frame: &mut Bytes) -> Option<Timestamp> {
    frame.try_get_u64_le().ok().map(Timestamp::from_millis)
}

fn end(frame: &mut Bytes) -> Option<Option<Timestamp>> {
    match frame.try_get_u8().ok()? {
        0 => Some(None),
        1 => time(frame).map(Some),
        _ => None,
    }
}

fn entry(frame: &mut Bytes) -> Option<Entry> {
    let expires_at = end(frame)?;
    Some(Entry { value: bytes(frame)?, expires_at })
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
    use super::*;

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
        ]
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
        assert_eq!(Ask::decode("get", frame.into()), None);
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

    fn any_work() -> impl Strategy<Value = Work> {
        let condition = option::of(prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|value| value.map_or(Condition::Absent, |value| Condition::Equals(value.into())));
        let item = any::<String>();
        prop_oneof![
            item.prop_map(|item| Work::Get { item }),
            (item, an_entry()).prop_map(|(item, entry)| Work::Put { item, entry }),
            item.prop_map(|item| Work::Delete { item }),
            item.prop_map(|item| Work::Take { item }),
            (item, an_entry(), condition).prop_map(|(item, entry, condition)| Work::PutIf {
                item,
                entry,
                condition
            }),
            (item, any::<i64>(), end()).prop_map(|(item, by, end)| Work::Increment { item, by, end }),
            (option::of("[ -~]{1,9}"), any::<usize>()).prop_map(|(after, limit)| Work::List { after, limit }),
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
