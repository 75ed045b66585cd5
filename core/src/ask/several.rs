//! Asks several things at once, so that a client is asked once for all of them.

use std::future::poll_fn;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{AskError, Elicit, ElicitUrl, Question, Roots, Sample, register};
use crate::{
    context::Context,
    future::BoxFuture,
    journal::Answer,
    model::{SamplingMessage, Text},
};

/// Several asks at once, made by [`Context::ask`]. Await it: the answers come as a tuple, in the order of the asks, or
/// the first error in that order.
///
/// ```
/// # use edgemcp::prelude::*;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Name { name: String }
/// # async fn example(cx: &Context) -> Result<(), ToolError> {
/// let (Name { name }, greeting, roots) = cx
///     .ask()
///     .elicit::<Name>("What is your name?").key("name")
///     .sample("Say something kind.").key("greeting")
///     .roots()
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "asks are awaited"]
#[derive(Debug)]
pub struct Asks<Q> {
    cx: Context,
    questions: Q,
}

impl Asks<()> {
    pub(crate) fn new(cx: Context) -> Self {
        Self { cx, questions: () }
    }
}

impl<Q> Asks<Q> {
    /// Adds a form, as [`Context::elicit`] makes one.
    pub fn elicit<T>(self, message: impl Into<String>) -> Asks<Q::Appended>
    where
        Q: Append<Elicit<T>>,
        T: DeserializeOwned + JsonSchema,
    {
        let question = Elicit::new(self.cx.clone(), message.into());
        self.and(question)
    }

    /// Adds an address to open, as [`Context::elicit_url`] does.
    pub fn elicit_url(self, message: impl Into<String>, url: impl Into<String>) -> Asks<Q::Appended>
    where
        Q: Append<ElicitUrl>,
    {
        let question = ElicitUrl::new(self.cx.clone(), message.into(), url.into());
        self.and(question)
    }

    /// Adds a text for the client's model, as [`Context::sample`] does.
    pub fn sample(self, prompt: impl Into<String>) -> Asks<Q::Appended>
    where
        Q: Append<Sample>,
    {
        let question = Sample::new(self.cx.clone(), SamplingMessage::user(prompt.into()));
        self.and(question)
    }

    /// Adds the question for the client's roots.
    pub fn roots(self) -> Asks<Q::Appended>
    where
        Q: Append<Roots>,
    {
        let question = Roots::new(self.cx.clone());
        self.and(question)
    }

    /// Adds an ask that was made apart, with all that it can be told.
    pub fn and<A: Question>(self, question: A) -> Asks<Q::Appended>
    where
        Q: Append<A>,
    {
        Asks { cx: self.cx, questions: self.questions.append(question) }
    }

    /// Names the ask that was added last.
    pub fn key(mut self, key: impl Into<Text>) -> Self
    where
        Q: Together,
    {
        self.questions.name_last(key.into());
        self
    }
}

impl<Q: Together + crate::future::MaybeSend + 'static> IntoFuture for Asks<Q> {
    type Output = Result<Q::Answers, AskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { cx, questions } = self;
            let indexes = questions.register(&cx)?;
            let mut answers = Vec::with_capacity(indexes.len());
            // Every ask is on the line before the first one is waited for.
            for index in indexes {
                answers.push(poll_fn(|task| cx.line().poll_answer(index, task)).await);
            }
            questions.read(answers)
        })
    }
}

/// A tuple of questions that can have one more.
pub trait Append<A> {
    /// The longer tuple.
    type Appended;

    /// The tuple with `question` at its end.
    fn append(self, question: A) -> Self::Appended;
}

/// A tuple of questions that are asked at once.
pub trait Together {
    /// Their answers.
    type Answers;

    /// Puts all of them on the line.
    #[doc(hidden)]
    fn register(&self, cx: &Context) -> Result<Vec<usize>, AskError>;

    /// What the answers say.
    #[doc(hidden)]
    fn read(self, answers: Vec<Answer>) -> Result<Self::Answers, AskError>;

    /// Names the last one.
    #[doc(hidden)]
    fn name_last(&mut self, key: Text);
}

/// A question that can be named.
pub trait Named {
    /// Names it.
    #[doc(hidden)]
    fn name(&mut self, key: Text);
}

macro_rules! tuples {
    ($(($($question:ident)*) $last:ident,)*) => {
        $(
            #[allow(non_snake_case, reason = "a variable for each type")]
            impl<$($question,)* $last> Append<$last> for ($($question,)*) {
                type Appended = ($($question,)* $last,);

                fn append(self, question: $last) -> Self::Appended {
                    let ($($question,)*) = self;
                    ($($question,)* question,)
                }
            }

            #[allow(non_snake_case, reason = "a variable for each type")]
            impl<$($question: Question,)* $last: Question + Named> Together for ($($question,)* $last,) {
                type Answers = ($($question::Output,)* $last::Output,);

                fn register(&self, cx: &Context) -> Result<Vec<usize>, AskError> {
                    let ($($question,)* $last,) = self;
                    Ok(vec![$(register(cx, $question)?,)* register(cx, $last)?])
                }

                fn read(self, answers: Vec<Answer>) -> Result<Self::Answers, AskError> {
                    let ($($question,)* $last,) = self;
                    let mut answers = answers.into_iter();
                    let mut next = || {
                        answers.next().ok_or_else(|| AskError::unavailable("an ask lost its answer"))
                    };
                    Ok(($($question.read(next()?)?,)* $last.read(next()?)?,))
                }

                fn name_last(&mut self, key: Text) {
                    let ($($question,)* $last,) = self;
                    $(let _ = $question;)*
                    $last.name(key);
                }
            }
        )*
    };
}

tuples! {
    () A,
    (A) B,
    (A B) C,
    (A B C) D,
    (A B C D) E,
    (A B C D E) F,
    (A B C D E F) G,
    (A B C D E F G) H,
}
