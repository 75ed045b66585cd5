//! Asks the person in front of the client: by a form, or by an address to open.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{AskError, form, put, sealed::Question};
use crate::{
    context::Context,
    future::BoxFuture,
    journal::Answer,
    model::{Action, Ask, Text},
    wire,
};

/// A form for the person in front of the client, made by [`Context::elicit`]. Await it.
///
/// `T` is a struct of texts, numbers, flags and choices, or one such value. Doc comments become the descriptions of its
/// fields, `#[serde(default)]` or `#[serde(default = "…")]` what stands in them, and an enum is a choice, with its
/// variants' doc comments (or `#[schemars(title = "…")]`) as titles; a `Vec` of one is a choice of several. Never ask for
/// a password or a key in a form: [`Context::elicit_url`] is for those (2026-07-28, client/elicitation).
///
/// A default is in the form only if the field's type is `Serialize` too; otherwise the field may be left out, and people
/// do not see what it is then.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Wishes {
///     #[schemars(range(min = 1, max = 9))]
///     copies: u8,
///     /// How it is bound.
///     #[serde(default)]
///     binding: Binding,
/// }
///
/// #[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// enum Binding {
///     /// Hard cover
///     Hard,
///     /// Paperback
///     #[default]
///     Paper,
/// }
///
/// /// Order a book.
/// #[tool]
/// async fn order(cx: &Context, title: String) -> Result<String, ToolError> {
///     let Wishes { copies, binding } = cx.elicit("How do you want it?").await?;
///     let sure: bool = cx.elicit(format!("{copies} of {title}, {binding:?}?")).await?;
///     Ok(if sure { "Ordered.".to_owned() } else { "Then not.".to_owned() })
/// }
/// # let _ = order::tool();
/// ```
#[must_use = "an ask is awaited"]
#[derive(Debug)]
pub struct Elicit<T> {
    cx: Context,
    key: Option<Text>,
    message: String,
    schema: Option<Value>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Elicit<T> {
    pub(crate) fn new(cx: Context, message: String) -> Self {
        Self { cx, key: None, message, schema: None, answer: PhantomData }
    }

    /// Names the ask. Without a name an ask is known by its place among the others; with one, a client that knows the
    /// server can send the answer at once.
    pub fn key(mut self, key: impl Into<Text>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the form by hand: an object's schema of flat fields, where `T`'s own will not do. The answer fits it and `T`,
    /// which may be a `serde_json::Value`.
    pub fn schema(mut self, schema: Value) -> Self {
        self.schema = Some(schema);
        self
    }
}

impl<T: DeserializeOwned + JsonSchema> Question for Elicit<T> {
    type Output = T;

    fn ask(&self) -> Result<(Option<&str>, Ask), AskError> {
        let schema = match &self.schema {
            Some(schema) => {
                form::constraints(schema)?;
                schema.clone()
            }
            None => form::of::<T>()?.0,
        };
        Ok((self.key.as_deref(), Ask::Form { message: self.message.clone(), schema }))
    }

    fn read(&self, answer: Answer) -> Result<T, AskError> {
        accepted(answer, |content| form::read(content, self.schema.as_ref()))
    }
}

impl<T: DeserializeOwned + JsonSchema + 'static> IntoFuture for Elicit<T> {
    type Output = Result<T, AskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { put(&self.cx.clone(), self).await })
    }
}

/// An address for the person in front of the client to open, made by [`Context::elicit_url`]. Await it.
///
/// It is answered once the person agreed to open the address, which is before they are done there: look in your own
/// state, and ask again where it does not have what you need.
#[must_use = "an ask is awaited"]
#[derive(Debug)]
pub struct ElicitUrl {
    cx: Context,
    key: Option<Text>,
    message: String,
    url: String,
}

impl ElicitUrl {
    pub(crate) fn new(cx: Context, message: String, url: String) -> Self {
        Self { cx, key: None, message, url }
    }

    /// Names the ask, as [`Elicit::key`] does.
    pub fn key(mut self, key: impl Into<Text>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl Question for ElicitUrl {
    type Output = ();

    fn ask(&self) -> Result<(Option<&str>, Ask), AskError> {
        Ok((self.key.as_deref(), Ask::Url { message: self.message.clone(), url: self.url.clone() }))
    }

    fn read(&self, answer: Answer) -> Result<(), AskError> {
        accepted(answer, |_| Ok(()))
    }
}

impl IntoFuture for ElicitUrl {
    type Output = Result<(), AskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { put(&self.cx.clone(), self).await })
    }
}

/// What an accepted elicitation says.
fn accepted<T>(
    answer: Answer,
    read: impl FnOnce(Option<&serde_json::value::RawValue>) -> Result<T, AskError>,
) -> Result<T, AskError> {
    let answer = super::result(answer)?;
    let (action, content) = wire::ask::elicited(&answer).map_err(super::invalid)?;
    match action {
        Action::Accept => read(content),
        Action::Decline => Err(AskError::Declined),
        Action::Cancel => Err(AskError::Cancelled),
    }
}

impl<T> super::several::Named for Elicit<T> {
    fn name(&mut self, key: Text) {
        self.key = Some(key);
    }
}

impl super::several::Named for ElicitUrl {
    fn name(&mut self, key: Text) {
        self.key = Some(key);
    }
}
