//! What a handler asks of the client while it works: input of a person's, a model's words, the client's roots.
//!
//! Each ask is a builder that is awaited. How the answer comes is not the handler's business: a modern client sends its
//! request again with the answers in it, and the handler runs again up to here; a legacy client answers a request of
//! the server's. So what a handler does before an ask may happen more than once; [`Context::step`] keeps what must not.

mod check;
mod elicit;
mod error;
mod form;
mod roots;
mod sample;
mod several;

use std::future::poll_fn;

use serde_json::value::RawValue;

pub(crate) use self::check::check;
pub use self::{
    elicit::{Elicit, ElicitUrl},
    error::AskError,
    roots::Roots,
    sample::Sample,
    several::Asks,
};
use crate::{
    context::Context,
    journal::{Answer, Strange},
    model::Ask,
    wire,
};

/// Something that can be asked, and how its answer is read.
pub trait Question: sealed::Question {}

impl<Q: sealed::Question> Question for Q {}

pub(crate) mod sealed {
    use super::{Answer, Ask, AskError};

    /// The half of `Question` that no other crate sees.
    pub trait Question {
        /// What the answer becomes.
        type Output;

        /// What is asked, and under which key.
        fn ask(&self) -> Result<(Option<&str>, Ask), AskError>;

        /// What the answer says.
        fn read(&self, answer: Answer) -> Result<Self::Output, AskError>;
    }
}

/// How a client can be asked something during a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It sends its request again, with the answers (2026-07-28, basic/patterns/mrtr).
    Again,
    /// It answers over the connection that it holds open.
    Connection,
    /// It answers to any instance, and the answer comes through the store.
    Store,
    /// Not at all; the text says what to do about it.
    Nowhere(&'static str),
}

/// Asks one question and waits for its answer.
pub(crate) async fn put<Q: sealed::Question>(cx: &Context, question: Q) -> Result<Q::Output, AskError> {
    let index = register(cx, &question)?;
    let answer = poll_fn(|task| cx.line().poll_answer(index, task)).await;
    question.read(answer)
}

/// Puts a question on the line, and says where its answer will be.
pub(crate) fn register<Q: sealed::Question>(cx: &Context, question: &Q) -> Result<usize, AskError> {
    if cx.line().is_in_step() {
        return Err(AskError::unavailable("a step asks nothing, since it is done once: ask before it"));
    }
    let (key, ask) = question.ask()?;
    cx.can_ask(&ask)?;
    let params = wire::ask::params(&ask, cx.protocol_version()).map_err(AskError::unavailable)?;
    cx.line().journal(|journal| journal.ask(key, ask.method(), params)).map_err(|strange| match strange {
        Strange::Changed(key) => AskError::changed(&key),
        Strange::TooMany => AskError::unavailable("a call asks 64 things at most"),
    })
}

/// The result a client answered with.
pub(crate) fn result(answer: Answer) -> Result<Box<RawValue>, AskError> {
    match answer {
        Answer::Result(result) => Ok(result),
        Answer::Refusal(error) => {
            let (code, message) = wire::ask::refusal(&error);
            Err(AskError::Refused(code, message))
        }
    }
}

/// An answer that is not what was asked for.
pub(crate) fn invalid(why: String) -> AskError {
    AskError::Invalid(format!("the client's answer is none: {why}"))
}
