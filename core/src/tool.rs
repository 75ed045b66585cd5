//! A tool: something the model can do.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

use crate::{
    apps::ToolUi,
    arguments::{self, ArgumentError, Constraints},
    auth::Requirement,
    compose::Place,
    context::Context,
    error::ToolError,
    future::{BoxFuture, MaybeSend},
    handle,
    lifespan::Key,
    model::{About, Icon, Kind, Meta, Text, ToolDefinition, ToolHints},
    output::{self, IntoToolOutput, ToolOutput},
    param_headers::{self, ParamHeader},
    task::TaskSupport,
    transform::Mark,
};

/// What a call to a tool becomes: a future, or what is wrong with its arguments.
pub(crate) type Calling = Result<BoxFuture<'static, Result<ToolOutput, ToolError>>, ArgumentError>;

type Call = dyn Fn(Context, Option<&RawValue>, &Constraints) -> Calling + Send + Sync;

/// A tool: something the model can do.
///
/// `#[tool]` on a function makes one; this is what it makes. Wrong arguments never reach the handler: the model gets a
/// text naming the path, what was expected and what came.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Repeat {
///     /// What to repeat.
///     #[schemars(length(max = 100))]
///     text: String,
///     /// How many times.
///     #[schemars(range(min = 1, max = 10))]
///     times: usize,
/// }
///
/// let tool = Tool::new("repeat", "Repeats a text.", |_, Repeat { text, times }| async move { text.repeat(times) })
///     .read_only(true);
/// let server = Server::new("text", "1.0.0").tool(tool);
/// ```
///
/// A clone is the same tool: it shares the handler.
#[derive(Clone)]
pub struct Tool {
    pub(crate) definition: ToolDefinition,
    pub(crate) tags: Vec<Text>,
    pub(crate) wrapped: bool,
    pub(crate) version: Option<Text>,
    pub(crate) requirements: Vec<Requirement>,
    /// Whether it is called and not listed.
    pub(crate) unlisted: bool,
    /// The search that finds it, where there is one for it.
    pub(crate) found_by: Option<Mark>,
    /// Whether its arguments are those of a Rust type, which ignores what its schema does not name.
    pub(crate) is_typed: bool,
    /// Where in the tree of servers it is.
    pub(crate) place: Place,
    pub(crate) constraints: Arc<Constraints>,
    pub(crate) client_capabilities: Vec<&'static str>,
    /// The arguments that clients repeat in headers.
    pub(crate) headers: Vec<ParamHeader>,
    pub(crate) ui: Option<ToolUi>,
    pub(crate) task: Option<TaskSupport>,
    pub(crate) problems: Vec<String>,
    pub(crate) states: Vec<Key>,
    /// Whether it looks over all that the server has, that of servers that are mounted over HTTP among it.
    pub(crate) surveys: bool,
    call: Arc<Call>,
}

impl Tool {
    /// A tool that clients call by `name`, whose `description` tells the model what it is for.
    ///
    /// The handler's arguments are a struct (or [`NoArguments`](crate::NoArguments)); its schema is what clients see,
    /// and its constraints are enforced. (A field's `#[serde(alias)]` is not in the schema, so a value sent under it
    /// meets no constraint.)
    ///
    /// Arguments that do not fit are deserialized twice, the second time to find out where: a `Deserialize` of your own
    /// should do nothing but read.
    pub fn new<A, O, F, Fut>(name: impl Into<Text>, description: impl Into<Text>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        O: IntoToolOutput,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        let input_schema = arguments::input_schema::<A>();
        let mut problems = Vec::new();
        if input_schema.get("type").and_then(Value::as_str) != Some("object") {
            problems.push("its arguments are no object; take a struct with named fields".to_owned());
        }
        let constraints = Constraints::compile(&input_schema).unwrap_or_else(|found| {
            problems.extend(found);
            Constraints::default()
        });
        let call = Arc::new(move |cx, raw: Option<&RawValue>, constraints: &Constraints| -> Calling {
            let arguments = handle::reading(&cx, || arguments::from_json(raw, constraints))?;
            let answer = handler(cx, arguments);
            Ok(Box::pin(async move { answer.await.into_tool_output() }))
        });
        let mut tool = Self::of::<O>(name.into(), description.into(), input_schema, call);
        tool.constraints = Arc::new(constraints);
        tool.is_typed = true;
        tool.problems.extend(problems);
        tool
    }

    /// A tool that brings its own JSON Schema (2020-12): one that another service describes, or that no Rust type says.
    ///
    /// Clients see `schema` as it is. What it asks is asked of every call, and the handler gets arguments that fit it;
    /// `format` and the `content…` keywords are notes for the client, as the standard has it. A `pattern` matches in
    /// linear time, so it has no look-around and no back-references.
    ///
    /// # Errors
    /// [`Server::build`](crate::Server::build) reports a schema that is none, that is of another dialect (`$schema`), whose
    /// root is not of `type: object`, or that refers to something outside of it: nothing is ever fetched. (The schema of
    /// 2020-12 itself can be referred to.)
    ///
    /// # Limits
    /// A schema nests no deeper than [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX) levels. Of arguments that do not fit a
    /// choice of shapes, the model hears the reason where that is found in bounded work.
    ///
    /// The validator is compiled here, once, which takes milliseconds and draws random seeds: on Workers, which refuse
    /// those outside a request, build the server in one, as `edgemcp_workers::export!` does. A Worker carries some 680 kB
    /// more (gzipped), and SIMD that `worker-build` has to be told of, in the Worker's `Cargo.toml`:
    ///
    /// ```toml
    /// [package.metadata.wasm-pack.profile.release]
    /// wasm-opt = ["-O", "--enable-simd"]
    /// ```
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// use serde_json::{Value, json};
    ///
    /// let schema = json!({
    ///     "type": "object",
    ///     "properties": {
    ///         "email": {"type": "string", "pattern": "@"},
    ///         "phone": {"type": "string"},
    ///     },
    ///     "anyOf": [{"required": ["email"]}, {"required": ["phone"]}],
    ///     "additionalProperties": false,
    /// });
    /// let tool = Tool::with_schema("invite", "Invites somebody.", schema, |_, arguments: Value| async move {
    ///     match arguments.get("email").and_then(Value::as_str) {
    ///         Some(email) => format!("wrote to {email}"),
    ///         None => "called".to_owned(),
    ///     }
    /// });
    /// let server = Server::new("guests", "1.0.0").tool(tool);
    /// # assert!(server.build().is_ok());
    /// ```
    ///
    /// # Source
    /// JSON Schema 2020-12; 2026-07-28, schema, `Tool.inputSchema`.
    #[cfg(feature = "json-schema")]
    pub fn with_schema<O, F, Fut>(
        name: impl Into<Text>,
        description: impl Into<Text>,
        schema: Value,
        handler: F,
    ) -> Self
    where
        O: IntoToolOutput,
        F: Fn(Context, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        let (own, problems) = match arguments::OwnSchema::compile(&schema) {
            Ok(own) => (Some(own), Vec::new()),
            Err(problems) => (None, problems),
        };
        let call = Arc::new(move |cx, raw: Option<&RawValue>, _: &Constraints| -> Calling {
            // A server whose schema is none is never built.
            let own = own.as_ref().ok_or_else(|| ArgumentError("the tool's schema is none".to_owned()))?;
            let answer = handler(cx, own.read(raw)?);
            Ok(Box::pin(async move { answer.await.into_tool_output() }))
        });
        let mut tool = Self::of::<O>(name.into(), description.into(), schema, call);
        tool.problems.extend(problems);
        tool
    }

    fn of<O: IntoToolOutput>(name: Text, description: Text, input_schema: Value, call: Arc<Call>) -> Self {
        let (output_schema, wrapped) = O::output_schema().map(output::carried).unzip();
        let (headers, problems) = match param_headers::of(&input_schema) {
            Ok(headers) => (headers, Vec::new()),
            Err(problems) => (Vec::new(), problems),
        };
        Self {
            definition: ToolDefinition {
                name,
                title: None,
                description,
                icons: Vec::new(),
                input_schema,
                output_schema,
                hints: ToolHints::default(),
                meta: Meta::new(),
            },
            tags: Vec::new(),
            wrapped: wrapped.unwrap_or_default(),
            version: None,
            requirements: Vec::new(),
            unlisted: false,
            found_by: None,
            is_typed: false,
            place: Place::default(),
            constraints: Arc::default(),
            client_capabilities: Vec::new(),
            headers,
            ui: None,
            task: None,
            problems,
            states: Vec::new(),
            surveys: false,
            call,
        }
    }

    /// Sets another description than it was made with.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.definition.description = description.into();
        self
    }

    /// Leaves the tool out of lists; who knows its name can call it.
    #[must_use]
    pub fn unlisted(mut self) -> Self {
        self.unlisted = true;
        self
    }

    /// A tool of another server's: it looks as `definition` says, and `call` passes its arguments on unread.
    pub(crate) fn passed_on(
        definition: ToolDefinition,
        headers: Vec<ParamHeader>,
        call: impl Fn(Context, Option<&RawValue>) -> BoxFuture<'static, Result<ToolOutput, ToolError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let call =
            Arc::new(move |cx, raw: Option<&RawValue>, _: &Constraints| -> Calling { Ok(call(cx, raw)) });
        let mut tool = Self::of::<()>(Text::default(), Text::default(), Value::Null, call);
        let (output_schema, wrapped) = definition.output_schema.map(output::carried).unzip();
        tool.definition = ToolDefinition { output_schema, ..definition };
        tool.wrapped = wrapped.unwrap_or_default();
        tool.headers = headers;
        tool
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

    /// Sets the version of the component. Of several of one name the highest is listed and called, unless the client asks
    /// for another in `_meta` (`{"fastmcp": {"version": "1.0"}}`, as FastMCP's clients do).
    #[must_use]
    pub fn version(mut self, version: impl Into<Text>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Lets only those see and use the tool that meet `requirement`, of which there may be several.
    ///
    /// ```
    /// # use edgemcp::{auth::Requirement, prelude::*};
    /// let tool = Tool::new("wipe", "Wipes the disk.", |_, _: NoArguments| async {}).requires(Requirement::scopes(["admin"]));
    /// ```
    #[must_use]
    pub fn requires(mut self, requirement: impl Into<Requirement>) -> Self {
        self.requirements.push(requirement.into());
        self
    }

    /// What middlewares and filters know of it.
    pub fn about(&self) -> About<'_> {
        About {
            kind: Kind::Tool,
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

    /// Adds a member to the definition's `_meta`. Its key has a prefix of the server's own, as in `com.example/team`
    /// (2026-07-28, basic/index, "`_meta`").
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.definition.meta.insert(key.into(), value.into());
        self
    }

    /// Names the page that hosts show beside the tool's result ([`apps`](crate::apps)). The server must have a resource
    /// for it.
    #[must_use]
    pub fn ui(mut self, ui: impl Into<ToolUi>) -> Self {
        let ui = ui.into();
        ui.write(&mut self.definition.meta);
        self.ui = Some(ui);
        self
    }

    /// Lets calls go on as tasks: the client gets an id at once, and asks after it. The handler then runs once the call is
    /// answered, on whichever instance takes it up; it can ask things meanwhile, and the messages of its
    /// [`progress`](Context::progress) are what clients see of it. Tasks are offered where the store is atomic and
    /// consistent and the platform can work after it has answered.
    #[must_use]
    pub fn task(mut self, support: TaskSupport) -> Self {
        self.task = Some(support);
        self
    }

    /// Hints whether the tool leaves everything as it is. Clients assume not.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.definition.hints.read_only = Some(read_only);
        self
    }

    /// Hints whether the tool may destroy something. Clients assume so.
    #[must_use]
    pub fn destructive(mut self, destructive: bool) -> Self {
        self.definition.hints.destructive = Some(destructive);
        self
    }

    /// Hints whether calling it twice is the same as calling it once. Clients assume not.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.definition.hints.idempotent = Some(idempotent);
        self
    }

    /// Hints whether the tool reaches out to the world. Clients assume so.
    #[must_use]
    pub fn open_world(mut self, open_world: bool) -> Self {
        self.definition.hints.open_world = Some(open_world);
        self
    }

    /// Refuses calls whose client does not declare the capability `name`, such as `sampling`, before the handler runs
    /// (2026-07-28, basic/index: error -32021). Legacy clients declare theirs in a handshake that only a session
    /// remembers, so one without a session is refused too.
    #[must_use]
    pub fn client_capability(mut self, name: &'static str) -> Self {
        self.client_capabilities.push(name);
        self
    }

    /// Says that the handler takes a [`State<T>`](crate::State), as `#[tool]` does for a parameter of that type:
    /// [`Server::build`](crate::Server::build) then checks that a lifespan gives one.
    #[must_use]
    pub fn takes_state<T: 'static>(mut self) -> Self {
        self.states.push(Key::of::<T>());
        self
    }

    /// The same tool, whose calls are answered by `call`.
    pub(crate) fn called_by(
        mut self,
        call: impl Fn(Context, Option<&RawValue>, &Constraints) -> Calling + Send + Sync + 'static,
    ) -> Self {
        self.call = Arc::new(call);
        self
    }

    pub(crate) fn call(&self, cx: Context, arguments: Option<&RawValue>) -> Calling {
        (self.call)(cx, arguments, &self.constraints)
    }
}

/// What [`Server::tool`](crate::Server::tool) takes: a [`Tool`], which is what `#[tool]` makes beside a function.
#[diagnostic::on_unimplemented(
    message = "this is no tool",
    label = "register what `#[tool]` made beside the function: `add::tool()`, not `add`"
)]
pub trait IntoTool {
    /// The tool.
    fn into_tool(self) -> Tool;
}

impl IntoTool for Tool {
    fn into_tool(self) -> Tool {
        self
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("definition", &self.definition).finish_non_exhaustive()
    }
}
