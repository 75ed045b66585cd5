//! What a tool may return, and how it becomes content for the model and data for the program.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    arguments,
    error::{Error, ToolError},
    finite,
    model::{CacheHint, Content, Meta, PromptMessage, ResourceContents, Text},
};

/// What a tool answers.
#[derive(Clone, Debug, Default)]
pub struct ToolOutput {
    pub(crate) content: Vec<Content>,
    pub(crate) structured: Option<Box<RawValue>>,
    pub(crate) is_error: bool,
    pub(crate) meta: Meta,
    /// Whether the structured value is carried under `result`, where that is decided.
    pub(crate) wrapped: Option<bool>,
}

impl ToolOutput {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block that the model reads.
    #[must_use]
    pub fn content(mut self, content: impl Into<Content>) -> Self {
        self.content.push(content.into());
        self
    }

    /// Adds a member to the result's `_meta`, which programs read and models do not. Its key has a prefix of the
    /// server's own, as in `com.example/cost` (2026-07-28, basic/index, "`_meta`").
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Sets the structured value, which programs read; the model reads the same JSON unless there is other content.
    ///
    /// # Errors
    /// Where `value` cannot be written as JSON.
    pub fn structured(mut self, value: &impl Serialize) -> Result<Self, ToolError> {
        self.structured = Some(finite::to_raw_json(value).map_err(ToolError::masked)?);
        Ok(self)
    }

    /// The blocks that the model reads; none where it reads the structured value.
    pub fn blocks(&self) -> &[Content] {
        &self.content
    }

    /// The structured value as JSON, where there is one.
    pub fn structured_json(&self) -> Option<&str> {
        self.structured.as_deref().map(RawValue::get)
    }

    /// Whether it is a failure that the model may read about.
    pub fn is_failure(&self) -> bool {
        self.is_error
    }

    /// Whether the structured value is carried under `result`: what its schema says, or else whether it is an object.
    pub(crate) fn is_wrapped(&self) -> bool {
        let is_no_object = || self.structured_json().is_some_and(|json| !json.trim_start().starts_with('{'));
        self.wrapped.unwrap_or_else(is_no_object)
    }

    /// Marks the answer as a failure that the model may read about.
    #[must_use]
    pub fn is_error(mut self) -> Self {
        self.is_error = true;
        self
    }
}

/// What a read resource holds, and how long clients may keep it.
#[derive(Clone, Debug)]
pub struct ResourceOutput {
    pub(crate) contents: Vec<ResourceContents>,
    pub(crate) cache: CacheHint,
}

impl ResourceOutput {
    /// These contents, which clients are not to keep.
    pub fn new(contents: impl IntoIterator<Item = ResourceContents>) -> Self {
        Self { contents: contents.into_iter().collect(), cache: CacheHint::NONE }
    }

    /// Sets how long clients may keep them.
    #[must_use]
    pub fn cache(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// The contents.
    pub fn contents(&self) -> &[ResourceContents] {
        &self.contents
    }
}

/// What a prompt says.
#[derive(Clone, Debug)]
pub struct PromptOutput {
    pub(crate) description: Text,
    pub(crate) messages: Vec<PromptMessage>,
}

impl PromptOutput {
    /// These messages.
    pub fn new(messages: impl IntoIterator<Item = PromptMessage>) -> Self {
        Self { description: Text::default(), messages: messages.into_iter().collect() }
    }

    /// Sets what the prompt is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = description.into();
        self
    }

    /// The messages.
    pub fn messages(&self) -> &[PromptMessage] {
        &self.messages
    }
}

/// A value that reaches the client as structured content, and the model as the same JSON in text.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Weather { celsius: f64 }
/// let tool = Tool::new("weather", "The weather here.", |_, _: NoArguments| async { Json(Weather { celsius: 21.5 }) });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// What a tool's handler may return.
///
/// Text goes to the model as it is. Numbers, flags and [`Json`] are structured: the tool then has an output schema,
/// and a value that is no object is carried as `{"result": value}`, as in FastMCP.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing a tool can return",
    label = "a tool returns text, a number, `Json(value)`, `Content`, or a `Result` of one of these",
    note = "wrap a value of your own: `Json({Self})`, with `#[derive(serde::Serialize, schemars::JsonSchema)]` on it"
)]
pub trait IntoToolOutput {
    /// The answer.
    ///
    /// # Errors
    /// [`ToolError`], which the model is told.
    fn into_tool_output(self) -> Result<ToolOutput, ToolError>;

    /// The schema of the structured value, where there is one.
    fn output_schema() -> Option<Value> {
        None
    }
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(self)
    }
}

impl IntoToolOutput for () {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::new())
    }
}

impl IntoToolOutput for Content {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::new().content(self))
    }
}

impl IntoToolOutput for Vec<Content> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput { content: self, ..ToolOutput::default() })
    }
}

impl IntoToolOutput for String {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::new().content(self))
    }
}

impl IntoToolOutput for &'static str {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::new().content(self))
    }
}

/// What [`Json`] carries out of a tool: any type that serde writes and schemars describes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as JSON",
    label = "a tool's result has a schema",
    note = "put `#[derive(serde::Serialize, schemars::JsonSchema)]` on `{Self}`; both crates belong into the Cargo.toml: `serde = {{ version = \"1\", features = [\"derive\"] }}`, `schemars = \"1\"`"
)]
pub trait Answer: Serialize + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Answer for T {}

impl<T: Answer> IntoToolOutput for Json<T> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        let structured = finite::to_raw_json(&self.0).map_err(ToolError::masked)?;
        Ok(ToolOutput { structured: Some(structured), ..ToolOutput::default() })
    }

    fn output_schema() -> Option<Value> {
        Some(arguments::output_schema::<T>())
    }
}

macro_rules! scalars {
    ($($scalar:ty)*) => {
        $(impl IntoToolOutput for $scalar {
            fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
                Json(self).into_tool_output()
            }

            fn output_schema() -> Option<Value> {
                Json::<Self>::output_schema()
            }
        })*
    };
}

scalars!(bool i8 i16 i32 i64 u8 u16 u32 u64 isize usize f32 f64);

impl<T: IntoToolOutput, E: Into<ToolError>> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        self.map_err(Into::into)?.into_tool_output()
    }

    fn output_schema() -> Option<Value> {
        T::output_schema()
    }
}

/// The output schema as clients see it, and whether values are carried under `result`.
pub(crate) fn carried(schema: Value) -> (Value, bool) {
    if schema.get("type").and_then(Value::as_str) == Some("object") {
        return (schema, false);
    }
    let mut schema = schema;
    move_references(&mut schema);
    let wrapped = json!({
        "type": "object",
        "properties": {"result": schema},
        "required": ["result"],
        // FastMCP's clients unwrap what says so.
        "x-fastmcp-wrap-result": true,
    });
    (wrapped, true)
}

/// Points the references of a schema that contains itself to where it stands once it is wrapped.
fn move_references(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(reference) if name == "$ref" && reference.starts_with('#') => {
                        reference.insert_str(1, "/properties/result");
                    }
                    value => move_references(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(move_references),
        _ => {}
    }
}

/// What a resource's handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing a resource can hold",
    label = "a resource holds text, bytes, `Json(value)`, `ResourceContents`, or a `Result` of one of these",
    note = "wrap a value of your own: `Json({Self})`, with `#[derive(serde::Serialize)]` on it"
)]
pub trait IntoResourceOutput {
    /// The media type where the resource names none.
    const MIME_TYPE: Option<&'static str>;

    /// What the resource holds; never nothing.
    ///
    /// # Errors
    /// [`Error`], which the client is told.
    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error>;
}

impl IntoResourceOutput for String {
    const MIME_TYPE: Option<&'static str> = Some("text/plain");

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![ResourceContents::text(self)])
    }
}

impl IntoResourceOutput for &'static str {
    const MIME_TYPE: Option<&'static str> = Some("text/plain");

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![ResourceContents::text(self)])
    }
}

impl IntoResourceOutput for Vec<u8> {
    const MIME_TYPE: Option<&'static str> = Some("application/octet-stream");

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![ResourceContents::blob(self)])
    }
}

impl IntoResourceOutput for Bytes {
    const MIME_TYPE: Option<&'static str> = Some("application/octet-stream");

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![ResourceContents::blob(self)])
    }
}

impl<T: Serialize> IntoResourceOutput for Json<T> {
    const MIME_TYPE: Option<&'static str> = Some("application/json");

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        let json = finite::to_raw_json(&self.0).map_err(Error::internal)?;
        Ok(vec![ResourceContents::text(Box::<str>::from(json))])
    }
}

impl IntoResourceOutput for ResourceContents {
    const MIME_TYPE: Option<&'static str> = None;

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![self])
    }
}

impl IntoResourceOutput for Vec<ResourceContents> {
    const MIME_TYPE: Option<&'static str> = None;

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        match self.is_empty() {
            // 2026-07-28, server/resources: what is not there is an error, never empty contents.
            true => Err(Error::internal("a resource handler returned no contents; return an error instead")),
            false => Ok(self),
        }
    }
}

impl<T: IntoResourceOutput, E: Into<Error>> IntoResourceOutput for Result<T, E> {
    const MIME_TYPE: Option<&'static str> = T::MIME_TYPE;

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        self.map_err(Into::into)?.into_resource_output()
    }
}

/// What a prompt's handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing a prompt can say",
    label = "a prompt says text, `PromptMessage`s, or a `Result` of one of these"
)]
pub trait IntoPromptOutput {
    /// The messages.
    ///
    /// # Errors
    /// [`Error`], which the client is told.
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error>;
}

impl IntoPromptOutput for String {
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error> {
        Ok(vec![PromptMessage::user(self)])
    }
}

impl IntoPromptOutput for &'static str {
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error> {
        Ok(vec![PromptMessage::user(self)])
    }
}

impl IntoPromptOutput for PromptMessage {
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error> {
        Ok(vec![self])
    }
}

impl IntoPromptOutput for Vec<PromptMessage> {
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error> {
        Ok(self)
    }
}

impl<T: IntoPromptOutput, E: Into<Error>> IntoPromptOutput for Result<T, E> {
    fn into_prompt_output(self) -> Result<Vec<PromptMessage>, Error> {
        self.map_err(Into::into)?.into_prompt_output()
    }
}
