//! What can be done to an argument of a tool.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::mapping::{Check, Compute};
use crate::{
    arguments::{self, Constraints},
    context::Context,
    error::ToolError,
    finite, handle,
    model::Text,
};

/// What is done to an argument of a tool: part of a [`ToolTransform`](super::ToolTransform).
///
/// ```
/// use edgemcp::{prelude::*, transform::{ArgTransform, ToolTransform}};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Find { q: String, limit: Option<u32>, tenant: String }
///
/// let find = Tool::new("find", "Finds.", |_, Find { q, .. }| async move { q });
/// let server = Server::new("search", "1.0.0").tool(find).transform(
///     ToolTransform::new("find")
///         .argument("q", ArgTransform::new().rename("query").description("Words to look for."))
///         .argument("limit", ArgTransform::new().default(10))
///         .argument("tenant", ArgTransform::new().hide().default_from(|cx| {
///             let who = cx.principal().ok_or_else(|| ToolError::new("sign in first"))?;
///             Ok(who.subject().to_owned())
///         })),
/// );
/// # assert!(server.build().is_ok());
/// ```
#[derive(Clone, Default)]
pub struct ArgTransform {
    pub(super) rename: Option<Text>,
    pub(super) description: Option<Text>,
    pub(super) default: Option<Value>,
    pub(super) default_from: Option<Arc<Compute>>,
    pub(super) is_hidden: bool,
    pub(super) is_required: bool,
    pub(super) shape: Option<Shape>,
    pub(super) examples: Vec<Value>,
    pub(super) problems: Vec<String>,
}

/// What an argument is from now on.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) schema: Value,
    /// Whether the schema refers to nothing outside of it.
    pub(super) is_alone: bool,
    pub(super) check: Arc<CheckOf>,
}

/// Makes what asks of a value whether it is what a whole schema says of the argument of this name; or says what is wrong with the
/// schema.
type CheckOf = dyn Fn(&str, &Value) -> Result<Arc<Check>, Vec<String>> + Send + Sync;

#[cfg(feature = "json-schema")]
fn check_of_schema(argument: &str, shown: &Value) -> Result<Arc<Check>, Vec<String>> {
    use crate::arguments::{ArgumentError, OwnSchema};
    // The whole schema, with what is referred to, but nothing of what it asks of the others.
    let mut alone = shown.clone();
    if let Some(root) = alone.as_object_mut() {
        root.retain(|keyword, _| ["$defs", "definitions", "properties", "type"].contains(&keyword.as_str()));
    }
    let own = OwnSchema::compile(&alone)?;
    let key = Value::from(argument).to_string();
    let prefix = format!("invalid argument `{argument}");
    Ok(Arc::new(move |_: &Context, value: &RawValue| {
        let arguments = RawValue::from_string(format!("{{{key}:{}}}", value.get()))
            .map_err(|error| ArgumentError(error.to_string()))?;
        own.read(Some(&arguments)).map(drop).map_err(|error| {
            // As of a value that stands alone, which whoever asks puts in its place.
            let rest = error.0.strip_prefix(&prefix);
            let what = rest.map(|rest| match rest.strip_prefix("`: ") {
                Some(what) => format!("invalid arguments: {what}"),
                None => format!("invalid argument `{}", rest.trim_start_matches('.')),
            });
            ArgumentError(what.unwrap_or(error.0))
        })
    }))
}

impl ArgTransform {
    /// Changes nothing yet.
    pub fn new() -> Self {
        <Self as Default>::default()
    }

    /// Sets what clients call it.
    #[must_use]
    pub fn rename(mut self, name: impl Into<Text>) -> Self {
        self.rename = Some(name.into());
        self
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets what it is where a call has none, which clients are told unless it is hidden. A call need not have it any more.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Sets it anew for each call that has none: FastMCP's `default_factory`. Where a call asks the person in front of the
    /// client something and goes on afterwards, it is worked out again. The [`State`](crate::State)s that it finds are those
    /// of the server whose tool it is.
    ///
    /// An error of `value` is the call's.
    #[must_use]
    pub fn default_from<T: Serialize>(
        mut self,
        value: impl Fn(&Context) -> Result<T, ToolError> + Send + Sync + 'static,
    ) -> Self {
        self.default_from = Some(Arc::new(move |cx| -> Result<Box<RawValue>, ToolError> {
            finite::to_raw_json(&value(cx)?).map_err(ToolError::masked)
        }));
        self
    }

    /// Keeps it from clients: they neither see it nor can set it. It needs a default, here or in the tool.
    #[must_use]
    pub fn hide(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Asks every call for it, though the tool could do without.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Makes it what `T` is: clients see the schema of `T`, and what is no `T`, or does not meet its constraints, is refused.
    /// The tool gets the value as the client has written it, so it must take what a `T` is in JSON.
    ///
    /// ```
    /// # use edgemcp::transform::ArgTransform;
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(rename_all = "lowercase")]
    /// enum Unit { Celsius, Kelvin }
    ///
    /// // The tool takes any text, and clients are to send one of these two.
    /// let unit = ArgTransform::new().of_type::<Unit>();
    /// ```
    #[must_use]
    pub fn of_type<T: DeserializeOwned + JsonSchema>(mut self) -> Self {
        let schema = arguments::input_schema::<T>();
        let constraints = Constraints::compile(&schema).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Constraints::default()
        });
        let check = move |cx: &Context, value: &RawValue| {
            let read = || arguments::any_from_json::<T>(Some(value), &constraints, false);
            handle::reading(cx, read).map(drop)
        };
        let check: Arc<Check> = Arc::new(check);
        self.shape =
            Some(Shape { schema, is_alone: true, check: Arc::new(move |_, _| Ok(Arc::clone(&check))) });
        self
    }

    /// Makes it what `schema` says (JSON Schema 2020-12), which is asked of every call as
    /// [`Tool::with_schema`](crate::Tool::with_schema) does, and costs a Worker as much. References lead into the tool's whole
    /// schema, as in `#/$defs/place`.
    #[cfg(feature = "json-schema")]
    #[must_use]
    pub fn schema(mut self, schema: impl Into<Value>) -> Self {
        self.shape = Some(Shape { schema: schema.into(), is_alone: false, check: Arc::new(check_of_schema) });
        self
    }

    /// Adds an example of what it can be.
    #[must_use]
    pub fn example(mut self, example: impl Into<Value>) -> Self {
        self.examples.push(example.into());
        self
    }

    /// Whether it gives the argument a default.
    pub(super) fn has_default(&self) -> bool {
        self.default.is_some() || self.default_from.is_some()
    }

    /// What of it contradicts itself.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = String> + '_ {
        let is_shown = self.rename.is_some() || self.description.is_some() || self.shape.is_some();
        let found = [
            (self.is_hidden && self.is_required, "is hidden and required (leave one out)"),
            (self.has_default() && self.is_required, "is required and has a default (leave one out)"),
            (
                self.default.is_some() && self.default_from.is_some(),
                "has two defaults, `default` and `default_from` (leave one out)",
            ),
            (
                self.is_hidden && (is_shown || !self.examples.is_empty()),
                "is hidden, and nobody would see how else it is changed (leave one out)",
            ),
        ];
        found
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, what)| what.to_owned())
            .chain(self.problems.iter().cloned())
    }

    /// Whether calls have to be mapped for it: not where only clients see what was changed.
    pub(super) fn maps(&self) -> bool {
        let Self { rename, is_hidden, is_required, shape, .. } = self;
        rename.is_some() || self.has_default() || *is_hidden || *is_required || shape.is_some()
    }
}

impl fmt::Debug for ArgTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgTransform")
            .field("rename", &self.rename)
            .field("is_hidden", &self.is_hidden)
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}
