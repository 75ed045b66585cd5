//! A completion: what a person may mean by what they have typed of an argument so far.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    arguments::{self, ArgumentError, Constraints},
    compose::Place,
    context::Context,
    error::Error,
    future::{BoxFuture, MaybeSend},
    handle,
    lifespan::Key,
    model::Text,
};

/// The most values one completion may offer (2026-07-28, server/utilities/completion).
pub const COMPLETION_VALUES_MAX: usize = 100;

/// What completing becomes: a future, or what is wrong with the arguments.
pub(crate) type Completing = Result<BoxFuture<'static, Result<Completions, Error>>, ArgumentError>;

type Complete = dyn Fn(Context, &[(Cow<'_, str>, Cow<'_, str>)]) -> Completing + Send + Sync;

/// What an argument belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Prompt(Text),
    Resource(Text),
}

/// A completion: what a person may mean by what they have typed of an argument of a prompt, or of a placeholder of a
/// resource template.
///
/// The handler's fields are arguments by their names: the one that is completed has what was typed so far, and the
/// others, which are `Option`s, what the person has chosen before. `#[completion]` on a function makes one; this is what
/// it makes.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Trip { city: String, country: Option<String> }
///
/// let prompt = Prompt::new("trip", "Plans a trip.", |_, Trip { city, .. }| async move { format!("Plan a trip to {city}.") });
/// let cities = Completion::prompt("trip", "city", |_, Trip { city, country }| async move {
///     let known = if country.as_deref() == Some("France") { ["Paris", "Lyon"] } else { ["Berlin", "Bern"] };
///     known.into_iter().filter(|name| name.starts_with(&city)).collect::<Vec<_>>()
/// });
/// let server = Server::new("trips", "1.0.0").prompt(prompt).completion(cities);
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone)]
pub struct Completion {
    pub(crate) of: Of,
    pub(crate) argument: Text,
    /// The arguments that its handler asks for.
    pub(crate) takes: Vec<String>,
    pub(crate) problems: Vec<String>,
    pub(crate) states: Vec<Key>,
    pub(crate) place: Place,
    complete: Arc<Complete>,
}

impl Completion {
    /// A completion of the argument `argument` of the prompt `prompt`.
    pub fn prompt<A, O, F, Fut>(prompt: impl Into<Text>, argument: impl Into<Text>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        O: IntoCompletions,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        Self::new(Of::Prompt(prompt.into()), argument.into(), handler)
    }

    /// A completion of the placeholder `argument` of the resource template `uri`.
    pub fn resource<A, O, F, Fut>(uri: impl Into<Text>, argument: impl Into<Text>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        O: IntoCompletions,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        Self::new(Of::Resource(uri.into()), argument.into(), handler)
    }

    fn new<A, O, F, Fut>(of: Of, argument: Text, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        O: IntoCompletions,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        let complete = Arc::new(move |cx, pairs: &[(Cow<'_, str>, Cow<'_, str>)]| -> Completing {
            // What is half typed meets no constraint yet.
            let read = || arguments::from_strings(pairs, &Constraints::default());
            let arguments = handle::reading(&cx, read)?;
            let answer = handler(cx, arguments);
            Ok(Box::pin(async move { answer.await.into_completions() }))
        });
        let schema = arguments::input_schema::<A>();
        let mut problems = arguments::beyond_strings(&schema);
        problems.extend(mismatches(&argument, &schema));
        let takes = properties(&schema).map(str::to_owned).collect();
        Self { of, argument, takes, problems, states: Vec::new(), place: Place::default(), complete }
    }

    /// A completion of another server's, to which `complete` passes on what was typed.
    pub(crate) fn passed_on(
        of: Of,
        argument: Text,
        complete: impl Fn(
            Context,
            &[(Cow<'_, str>, Cow<'_, str>)],
        ) -> BoxFuture<'static, Result<Completions, Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let complete = Arc::new(move |cx, pairs: &[(Cow<'_, str>, Cow<'_, str>)]| -> Completing {
            Ok(complete(cx, pairs))
        });
        let (takes, problems, states) = (Vec::new(), Vec::new(), Vec::new());
        Self { of, argument, takes, problems, states, place: Place::default(), complete }
    }

    /// Says that the handler takes a [`State<T>`](crate::State), as `#[completion]` does for a parameter of that type.
    #[must_use]
    pub fn takes_state<T: 'static>(mut self) -> Self {
        self.states.push(Key::of::<T>());
        self
    }

    pub(crate) fn complete(&self, cx: Context, pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Completing {
        (self.complete)(cx, pairs)
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str())
}

/// What of `argument` and of the others would keep the handler from ever running.
fn mismatches(argument: &str, schema: &Value) -> Vec<String> {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let others = required.iter().filter_map(Value::as_str).filter(|name| *name != argument);
    let mut problems: Vec<_> = others
        .map(|name| {
            format!("its handler needs `{name}`, which may not have been chosen yet; take an `Option`")
        })
        .collect();
    let takes_any = schema.get("additionalProperties").is_some_and(Value::is_object);
    if !takes_any && !properties(schema).any(|name| name == argument) {
        problems.push(format!(
            "its handler does not take `{argument}`, so it would not see what was typed; add the field"
        ));
    }
    problems
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("of", &self.of)
            .field("argument", &self.argument)
            .finish_non_exhaustive()
    }
}

/// What a completion offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    pub(crate) values: Vec<String>,
    pub(crate) total: Option<usize>,
    pub(crate) has_more: bool,
}

impl Completions {
    /// These values, the best first. Of more than [`COMPLETION_VALUES_MAX`] the client gets so many, and hears that there
    /// are more.
    pub fn new<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let (count, has_more) = (values.len(), values.len() > COMPLETION_VALUES_MAX);
        values.truncate(COMPLETION_VALUES_MAX);
        Self { values, total: has_more.then_some(count), has_more }
    }

    /// Sets how many values there are in all.
    #[must_use]
    pub fn total(mut self, total: usize) -> Self {
        self.has_more |= total > self.values.len();
        self.total = Some(total);
        self
    }

    /// Sets whether there are more values than these.
    #[must_use]
    pub fn has_more(mut self, has_more: bool) -> Self {
        self.has_more = has_more;
        self
    }
}

/// What a completion's handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing a completion can offer",
    label = "a completion offers a list of texts, `Completions`, or a `Result` of one of these"
)]
pub trait IntoCompletions {
    /// The values.
    ///
    /// # Errors
    /// [`Error`], which the client is told.
    fn into_completions(self) -> Result<Completions, Error>;
}

impl IntoCompletions for Completions {
    fn into_completions(self) -> Result<Completions, Error> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Into<String>> IntoCompletions for Vec<V> {
    fn into_completions(self) -> Result<Completions, Error> {
        Ok(Completions::new(self))
    }
}

impl<T: IntoCompletions, E: Into<Error>> IntoCompletions for Result<T, E> {
    fn into_completions(self) -> Result<Completions, Error> {
        self.map_err(Into::into)?.into_completions()
    }
}

/// What [`Server::completion`](crate::Server::completion) takes: a [`Completion`], which is what `#[completion]` makes beside a function.
#[diagnostic::on_unimplemented(
    message = "this is no completion",
    label = "register what `#[completion]` made beside the function: `city::completion()`, not `city`"
)]
pub trait IntoCompletion {
    /// The completion.
    fn into_completion(self) -> Completion;
}

impl IntoCompletion for Completion {
    fn into_completion(self) -> Completion {
        self
    }
}
