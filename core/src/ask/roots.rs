//! Asks which folders and files the client works on.

use super::{AskError, invalid, put, result, sealed::Question};
use crate::{
    context::Context,
    future::BoxFuture,
    journal::Answer,
    model::{Ask, Root, Text},
    wire,
};

/// A question for the client's roots, made by [`Context::roots`]. Await it.
///
/// Roots are deprecated since 2026-07-28; clients go on having them for a year at least.
#[must_use = "an ask is awaited"]
#[derive(Debug)]
pub struct Roots {
    cx: Context,
    key: Option<Text>,
}

impl Roots {
    pub(crate) fn new(cx: Context) -> Self {
        Self { cx, key: None }
    }

    /// Names the ask, as [`Elicit::key`](super::Elicit::key) does.
    pub fn key(mut self, key: impl Into<Text>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl Question for Roots {
    type Output = Vec<Root>;

    fn ask(&self) -> Result<(Option<&str>, Ask), AskError> {
        Ok((self.key.as_deref(), Ask::Roots))
    }

    fn read(&self, answer: Answer) -> Result<Vec<Root>, AskError> {
        wire::ask::roots(&result(answer)?).map_err(invalid)
    }
}

impl IntoFuture for Roots {
    type Output = Result<Vec<Root>, AskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { put(&self.cx.clone(), self).await })
    }
}

impl super::several::Named for Roots {
    fn name(&mut self, key: Text) {
        self.key = Some(key);
    }
}
