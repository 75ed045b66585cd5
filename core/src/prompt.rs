//! A prompt: a conversation's opening that a person can pick and fill in.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    arguments::{self, ArgumentError, Constraints},
    auth::Requirement,
    compose::Place,
    context::Context,
    error::Error,
    future::{BoxFuture, MaybeSend},
    handle,
    lifespan::Key,
    model::{About, Icon, Kind, Meta, PromptArgument, PromptDefinition, PromptMessage, Text},
    output::IntoPromptOutput,
};

/// What getting a prompt becomes: a future, or what is wrong with its arguments.
pub(crate) type Getting = Result<BoxFuture<'static, Result<Vec<PromptMessage>, Error>>, ArgumentError>;

type Get = dyn Fn(Context, &[(Cow<'_, str>, Cow<'_, str>)], &Constraints) -> Getting + Send + Sync;

/// A prompt: a conversation's opening that a person can pick and fill in.
///
/// Clients send its arguments as strings; a field that is a number or a flag is read from one. `#[prompt]` on a
/// function makes one; this is what it makes.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Review {
///     /// What to review.
///     code: String,
///     /// How many remarks at the most.
///     remarks: Option<u8>,
/// }
///
/// let prompt = Prompt::new("review", "Asks for a code review.", |_, Review { code, remarks }| async move {
///     format!("Review this, in {} remarks at most:\n{code}", remarks.unwrap_or(5))
/// });
/// let server = Server::new("reviews", "1.0.0").prompt(prompt);
/// ```
///
/// A clone is the same prompt: it shares the handler.
#[derive(Clone)]
pub struct Prompt {
    pub(crate) definition: PromptDefinition,
    pub(crate) tags: Vec<Text>,
    pub(crate) problems: Vec<String>,
    pub(crate) states: Vec<Key>,
    pub(crate) version: Option<Text>,
    pub(crate) requirements: Vec<Requirement>,
    /// Where in the tree of servers it is.
    pub(crate) place: Place,
    constraints: Arc<Constraints>,
    get: Arc<Get>,
}

impl Prompt {
    /// A prompt that clients get by `name`, whose `description` tells people what it is for.
    pub fn new<A, O, F, Fut>(name: impl Into<Text>, description: impl Into<Text>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        O: IntoPromptOutput,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        let schema = arguments::input_schema::<A>();
        let mut problems = arguments::beyond_strings(&schema);
        let constraints = Constraints::compile(&schema).unwrap_or_else(|found| {
            problems.extend(found);
            Constraints::default()
        });
        Self {
            definition: PromptDefinition {
                name: name.into(),
                title: None,
                description: description.into(),
                icons: Vec::new(),
                arguments: prompt_arguments(&schema),
                meta: Meta::new(),
            },
            tags: Vec::new(),
            problems,
            states: Vec::new(),
            version: None,
            requirements: Vec::new(),
            place: Place::default(),
            constraints: Arc::new(constraints),
            get: Arc::new(move |cx, pairs, constraints| {
                let arguments = handle::reading(&cx, || arguments::from_strings(pairs, constraints))?;
                let answer = handler(cx, arguments);
                Ok(Box::pin(async move { answer.await.into_prompt_output() }))
            }),
        }
    }

    /// Sets another description than it was made with.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.definition.description = description.into();
        self
    }

    /// A prompt of another server's: it looks as `definition` says, and `get` passes its arguments on.
    pub(crate) fn passed_on(
        definition: PromptDefinition,
        get: impl Fn(
            Context,
            &[(Cow<'_, str>, Cow<'_, str>)],
        ) -> BoxFuture<'static, Result<Vec<PromptMessage>, Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            definition,
            tags: Vec::new(),
            problems: Vec::new(),
            states: Vec::new(),
            version: None,
            requirements: Vec::new(),
            place: Place::default(),
            constraints: Arc::default(),
            get: Arc::new(move |cx, pairs, _| Ok(get(cx, pairs))),
        }
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.push(icon);
        self
    }

    /// Adds a member to the definition's `_meta`. Its key has a prefix of the server's own, as in `com.example/team`
    /// (2026-07-28, basic/index, "`_meta`").
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.definition.meta.insert(key.into(), value.into());
        self
    }

    /// Sets the version of the component. Of several of one name the highest is listed and called, unless the client asks
    /// for another in `_meta` (`{"fastmcp": {"version": "1.0"}}`, as FastMCP's clients do).
    #[must_use]
    pub fn version(mut self, version: impl Into<Text>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Lets only those see and use the prompt that meet `requirement`, of which there may be several.
    ///
    /// ```
    /// # use edgemcp::{auth::Requirement, prelude::*};
    /// let prompt = Prompt::new("audit", "Audits.", |_, _: NoArguments| async { "Audit." }).requires(Requirement::scopes(["admin"]));
    /// ```
    #[must_use]
    pub fn requires(mut self, requirement: impl Into<Requirement>) -> Self {
        self.requirements.push(requirement.into());
        self
    }

    /// What middlewares and filters know of it.
    pub fn about(&self) -> About<'_> {
        About {
            kind: Kind::Prompt,
            key: &self.definition.name,
            name: &self.definition.name,
            title: self.definition.title.as_deref(),
            description: Some(&self.definition.description),
            tags: &self.tags,
            version: self.version.as_deref(),
            meta: &self.definition.meta,
        }
    }

    /// Adds a tag, by which servers, mounts and middlewares choose. Clients do not see tags.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Text>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Says that the handler takes a [`State<T>`](crate::State), as `#[prompt]` does for a parameter of that type:
    /// [`Server::build`](crate::Server::build) then checks that a lifespan gives one.
    #[must_use]
    pub fn takes_state<T: 'static>(mut self) -> Self {
        self.states.push(Key::of::<T>());
        self
    }

    pub(crate) fn get(&self, cx: Context, arguments: &[(Cow<'_, str>, Cow<'_, str>)]) -> Getting {
        (self.get)(cx, arguments, &self.constraints)
    }
}

/// A struct's fields as the arguments clients ask people for.
fn prompt_arguments(schema: &Value) -> Vec<PromptArgument> {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, property)| PromptArgument {
            name: name.clone(),
            title: None,
            description: property.get("description").and_then(Value::as_str).map(str::to_owned),
            required: required.iter().any(|required| required == name),
        })
        .collect()
}

/// What [`Server::prompt`](crate::Server::prompt) takes: a [`Prompt`], which is what `#[prompt]` makes beside a function.
#[diagnostic::on_unimplemented(
    message = "this is no prompt",
    label = "register what `#[prompt]` made beside the function: `summarize::prompt()`, not `summarize`"
)]
pub trait IntoPrompt {
    /// The prompt.
    fn into_prompt(self) -> Prompt;
}

impl IntoPrompt for Prompt {
    fn into_prompt(self) -> Prompt {
        self
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt").field("definition", &self.definition).finish_non_exhaustive()
    }
}
