//! Says what of a call is larger than the store takes. Sent again it would be no smaller, so whoever can make it smaller is
//! told: the client of its request, and of what it answers; the handler of what it asks.

use serde_json::value::RawValue;

use crate::{error::Error, journal::Answer};

/// The error of a request that takes so many bytes to keep, of a store that takes so many at most.
pub(super) fn request(bytes: usize, bytes_max: Option<usize>) -> Error {
    let most = match bytes_max {
        Some(most) => format!("the {most} that the server's store takes"),
        None => "the server's store takes".to_owned(),
    };
    Error::invalid_params(format!(
        "the request takes {bytes} bytes to keep, more than {most}; it is kept while its client is asked something, and \
         as a task (send less at once)"
    ))
}

/// What stands in place of an answer.
pub(super) fn answer(code: i32, what: &str) -> Option<Answer> {
    let refusal = format!(r#"{{"code":{code},"message":"{what} is larger than the server's store takes"}}"#);
    RawValue::from_string(refusal).ok().map(Answer::Refusal)
}
