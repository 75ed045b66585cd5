//! The frames between a Worker and its Durable Objects: the name of an operation and a newline, then what is asked; or
//! only an answer.

#[path = "../../../../adapters/workers/src/object/frame.rs"]
mod frame;
#[allow(dead_code, reason = "a part of the adapter, which uses all of it")]
#[path = "../../../../adapters/workers/src/object/message.rs"]
mod message;

use bytes::Bytes;

use self::message::{Answer, Ask};
use super::legacy::line;

pub(crate) fn run(data: &[u8]) {
    let (name, frame) = line(data);
    if let Ok(name) = std::str::from_utf8(name)
        && let Some(ask) = Ask::decode(name, Bytes::copy_from_slice(frame))
    {
        assert_eq!(ask.work.name(), name);
        let again = ask.encode();
        assert_eq!(again, frame, "there is one way to write {ask:?}");
        assert_eq!(Ask::decode(name, again.into()), Some(ask));
    }
    if let Some(answer) = Answer::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(Answer::decode(answer.encode().into()), Some(answer));
    }
}
