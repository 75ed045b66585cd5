//! A call as it is kept in the store, and what belongs to it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::jsonrpc::present;
use crate::{
    journal::{Answer, Step},
    version::ProtocolVersion,
};

/// A call, as it came and from whom.
#[derive(Debug)]
pub(crate) struct Record {
    /// The whole request, a JSON object.
    pub(crate) message: Box<RawValue>,
    pub(crate) version: ProtocolVersion,
    pub(crate) who: Option<Who>,
    /// The session it belongs to; `None` for one of the modern era.
    pub(crate) session: Option<String>,
    /// The client's `Implementation`.
    pub(crate) info: Option<Bytes>,
    /// The known capabilities of the client, as bits.
    pub(crate) capabilities: u16,
    /// Where it is a task: since when, and for how long.
    pub(crate) task: Option<TaskTimes>,
}

/// When a task was created, and how long it is kept from then on; both in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskTimes {
    pub(crate) created: u64,
    pub(crate) ttl: u64,
}

/// A principal, in its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) claims: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    info: Option<&'a RawValue>,
    capabilities: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskTimes>,
}

impl Record {
    /// The record as bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let info = self.info.as_ref().and_then(|info| super::read(info));
        let kept = Kept {
            message: &self.message,
            version: self.version.as_str().into(),
            who: self.who.clone(),
            session: self.session.as_deref().map(Cow::Borrowed),
            info,
            capabilities: self.capabilities,
            task: self.task,
        };
        // Strings, numbers, and JSON that was read before.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// The record in `bytes`; `None` where they hold none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let Kept { message, version, who, session, info, capabilities, task } = super::read(bytes)?;
        Some(Self {
            message: message.to_owned(),
            version: ProtocolVersion::parse(&version)?,
            who,
            session: session.map(Cow::into_owned),
            info: info.map(|info| Bytes::copy_from_slice(info.get().as_bytes())),
            capabilities,
            task,
        })
    }
}

/// Something that was asked, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AskRecord<'a> {
    #[serde(borrow)]
    pub(crate) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) digest: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) params: &'a RawValue,
}

/// A step that was taken, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StepRecord<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) result: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct AnswerRecord<'a> {
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
}

/// `value` as bytes.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    // The shapes of this module have string keys and no fallible parts, so writing them cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

/// What was asked, in `bytes`; `None` where they hold nothing that was.
pub(crate) fn ask(bytes: &[u8]) -> Option<AskRecord<'_>> {
    super::read(bytes)
}

/// A step's result, in `bytes`; `None` for one that was begun and not ended.
pub(crate) fn step(bytes: &[u8]) -> Option<Step> {
    let StepRecord { name, result } = super::read(bytes)?;
    Some(Step { name: name.into_owned(), result: result.to_owned() })
}

/// An answer as bytes.
pub(crate) fn write_answer(answer: &Answer) -> Vec<u8> {
    write(&match answer {
        Answer::Result(result) => AnswerRecord { result: Some(result), error: None },
        Answer::Refusal(error) => AnswerRecord { result: None, error: Some(error) },
    })
}

/// The answer in `bytes`; `None` where they hold none.
pub(crate) fn answer(bytes: &[u8]) -> Option<Answer> {
    let AnswerRecord { result, error } = super::read(bytes)?;
    match (result, error) {
        (Some(result), None) => Some(Answer::Result(result.to_owned())),
        (None, Some(error)) => Some(Answer::Refusal(error.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            message: RawValue::from_string(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#.to_owned()).unwrap(),
            version: ProtocolVersion::V2025_11_25,
            who: Some(Who {
                issuer: "i".to_owned(),
                subject: "s".to_owned(),
                client: Some("c".to_owned()),
                scopes: vec!["a".to_owned()],
                claims: Map::from_iter([("x".to_owned(), Value::from(1))]),
            }),
            session: Some("1".repeat(32)),
            info: Some(Bytes::from_static(br#"{"name":"c","version":"1"}"#)),
            capabilities: 5,
            task: Some(TaskTimes { created: 1, ttl: 2 }),
        };
        let read = Record::read(&record.write()).unwrap();
        assert_eq!(read.write(), record.write());
        assert_eq!((read.who, read.capabilities, read.task), (record.who, 5, record.task));
        assert!(Record::read(b"{}").is_none());
    }

    #[test]
    fn an_answer_of_null_is_an_answer() {
        let null = || RawValue::from_string("null".to_owned()).unwrap();
        assert!(matches!(answer(&write_answer(&Answer::Result(null()))), Some(Answer::Result(_))));
        assert!(matches!(answer(&write_answer(&Answer::Refusal(null()))), Some(Answer::Refusal(_))));
        assert!(answer(b"{}").is_none());
    }
}

#[cfg(test)]
mod properties {
    use proptest::{option, prelude::*};

    use super::*;
    use crate::properties::{config, object, raw};

    fn who() -> impl Strategy<Value = Who> {
        let texts = (any::<String>(), any::<String>(), option::of(any::<String>()));
        (texts, prop::collection::vec(any::<String>(), 0..3), object()).prop_map(
            |((issuer, subject, client), scopes, claims)| Who { issuer, subject, client, scopes, claims },
        )
    }

    fn record() -> impl Strategy<Value = Record> {
        let version = (0..ProtocolVersion::ALL.len()).prop_map(|index| ProtocolVersion::ALL[index]);
        let info = option::of(object().prop_map(|info| Bytes::from(Value::Object(info).to_string())));
        let times = option::of((any::<u64>(), any::<u64>()))
            .prop_map(|times| times.map(|(created, ttl)| TaskTimes { created, ttl }));
        let session = option::of(any::<String>());
        (raw(), version, option::of(who()), session, info, any::<u16>(), times).prop_map(
            |(message, version, who, session, info, capabilities, task)| Record {
                message,
                version,
                who,
                session,
                info,
                capabilities,
                task,
            },
        )
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_record_is_read_as_it_was_written(record in record()) {
            let read = Record::read(&record.write()).unwrap();
            prop_assert_eq!(read.message.get(), record.message.get());
            prop_assert_eq!(
                (read.version, read.who, read.session, read.info, read.capabilities, read.task),
                (record.version, record.who, record.session, record.info, record.capabilities, record.task)
            );
        }

        #[test]
        fn what_belongs_to_a_call_is_read_as_it_was_written(
            key: String, digest: String, method: String, params in raw(),
        ) {
            let asked = AskRecord {
                key: key.as_str().into(), digest: digest.as_str().into(), method: method.as_str().into(), params: &params,
            };
            let written = write(&asked);
            let read = ask(&written).unwrap();
            prop_assert_eq!((&*read.key, &*read.digest, &*read.method), (&*key, &*digest, &*method));
            prop_assert_eq!(read.params.get(), params.get());

            let taken = step(&write(&StepRecord { name: key.as_str().into(), result: &params })).unwrap();
            prop_assert_eq!((&*taken.name, taken.result.get()), (&*key, params.get()));

            match answer(&write_answer(&Answer::Result(params.clone()))) {
                Some(Answer::Result(read)) => prop_assert_eq!(read.get(), params.get()),
                other => prop_assert!(false, "{other:?}"),
            }
            match answer(&write_answer(&Answer::Refusal(params.clone()))) {
                Some(Answer::Refusal(read)) => prop_assert_eq!(read.get(), params.get()),
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn what_no_server_wrote_is_nothing_or_reads_the_same_again(json in raw(), bytes: Vec<u8>) {
            for bytes in [json.get().as_bytes(), &bytes] {
                if let Some(record) = Record::read(bytes) {
                    let written = record.write();
                    prop_assert_eq!(Record::read(&written).map(|record| record.write()), Some(written));
                }
                let _ = (ask(bytes), step(bytes), answer(bytes));
            }
        }
    }
}
