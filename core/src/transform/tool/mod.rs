//! Changes a tool: what clients see of it, and what its arguments are for them.

mod argument;
mod mapping;
mod schema;

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, value::RawValue};

pub use self::argument::ArgTransform;
use self::mapping::{Argument, Fallback, Mapping, Others, Unmapped};
use super::{Components, Transform};
use crate::{
    arguments::Constraints,
    error::{ErrorKind, ToolError},
    exchange::perform,
    middleware::CallTool,
    model::{Icon, Meta, Text, ToolHints},
    param_headers,
    tool::{Calling, Tool},
};

/// Changes one tool: what clients see of it, and what its arguments are for them. The tool itself stays as it is; the arguments
/// of a call are mapped to those that it takes, and what is not touched reaches it as the client has written it, byte for
/// byte. A sentence about wrong arguments speaks of them as clients know them.
///
/// ```
/// use edgemcp::{prelude::*, transform::{ArgTransform, ToolTransform}};
///
/// /// Execute a query.
/// #[tool]
/// async fn exec_sql(stmt: String, timeout_ms: Option<u32>) -> String {
///     format!("{stmt} ({timeout_ms:?})")
/// }
///
/// let server = Server::new("sales", "1.0.0").tool(exec_sql::tool()).transform(
///     ToolTransform::new("exec_sql")
///         .rename("query_sales")
///         .description("Reads sales figures with SQL.")
///         .read_only(true)
///         .argument("stmt", ArgTransform::new().rename("sql").example("SELECT sum(total) FROM orders"))
///         .argument("timeout_ms", ArgTransform::new().hide().default(2000)),
/// );
/// # assert!(server.build().is_ok());
/// ```
///
/// Arguments that the tool's schema does not name reach the tool where the schema says that they may be there, or where it is
/// one that the tool brings. Other tools would ignore them, so they are left out.
///
/// # Errors
/// [`Server::build`](crate::Server::build) reports a tool or an argument that is not there, two arguments of one name, a hidden
/// argument without a default, and a default that its argument cannot be.
#[derive(Clone, Debug)]
pub struct ToolTransform {
    of: Text,
    of_version: Option<Text>,
    once: Once,
    rename: Option<Text>,
    title: Option<Text>,
    description: Option<Text>,
    tags: Option<Vec<Text>>,
    more_tags: Vec<Text>,
    icons: Option<Vec<Icon>>,
    hints: ToolHints,
    meta: Meta,
    arguments: Vec<(Text, ArgTransform)>,
    is_disabled: bool,
}

impl ToolTransform {
    /// A change of the tool `name`, in all its versions.
    pub fn new(name: impl Into<Text>) -> Self {
        Self {
            of: name.into(),
            of_version: None,
            once: Once::default(),
            rename: None,
            title: None,
            description: None,
            tags: None,
            more_tags: Vec::new(),
            icons: None,
            hints: ToolHints::default(),
            meta: Meta::new(),
            arguments: Vec::new(),
            is_disabled: false,
        }
    }

    /// A change of the tool `name` in this version alone.
    pub fn of_version(name: impl Into<Text>, version: impl Into<Text>) -> Self {
        Self { of_version: Some(version.into()), ..Self::new(name) }
    }

    /// Makes it no mistake that there is no such tool: it may come later, from a server that is live, or from a remote one.
    #[must_use]
    pub fn if_there(mut self) -> Self {
        self.once = Once::never_needed();
        self
    }

    /// Sets the name that clients call it by.
    #[must_use]
    pub fn rename(mut self, name: impl Into<Text>) -> Self {
        self.rename = Some(name.into());
        self
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what it is for, which tells the model when to call it.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets its tags, in place of those it has.
    #[must_use]
    pub fn tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Text>) -> Self {
        self.more_tags.push(tag.into());
        self
    }

    /// Adds an icon; those that it has are left out.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.get_or_insert_default().push(icon);
        self
    }

    /// Hints whether it leaves everything as it is.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.hints.read_only = Some(read_only);
        self
    }

    /// Hints whether it may destroy something.
    #[must_use]
    pub fn destructive(mut self, destructive: bool) -> Self {
        self.hints.destructive = Some(destructive);
        self
    }

    /// Hints whether calling it twice is the same as calling it once.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.hints.idempotent = Some(idempotent);
        self
    }

    /// Hints whether it reaches out to the world.
    #[must_use]
    pub fn open_world(mut self, open_world: bool) -> Self {
        self.hints.open_world = Some(open_world);
        self
    }

    /// Sets a member of its `_meta`; one that is `null` is left out.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Changes the argument `name`.
    #[must_use]
    pub fn argument(mut self, name: impl Into<Text>, transform: ArgTransform) -> Self {
        self.arguments.push((name.into(), transform));
        self
    }

    /// Sets whether it is there at all. What is not is in no list, and a call does not find it.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.is_disabled = !enabled;
        self
    }

    fn is_of(&self, tool: &Tool) -> bool {
        tool.definition.name == self.of && (self.of_version.is_none() || tool.version == self.of_version)
    }

    /// The tool as it is from now on.
    fn change(&self, tool: &Tool, problems: &mut Vec<String>) -> Tool {
        let mut changed = self.reshape(tool, problems);
        let Tool { definition, tags, .. } = &mut changed;
        if let Some(name) = &self.rename {
            definition.name = name.clone();
        }
        if let Some(title) = &self.title {
            definition.title = Some(title.clone());
        }
        if let Some(description) = &self.description {
            definition.description = description.clone();
        }
        retag(tags, self.tags.as_deref(), &self.more_tags);
        if let Some(icons) = &self.icons {
            definition.icons = icons.clone();
        }
        let hints = &mut definition.hints;
        hints.read_only = self.hints.read_only.or(hints.read_only);
        hints.destructive = self.hints.destructive.or(hints.destructive);
        hints.idempotent = self.hints.idempotent.or(hints.idempotent);
        hints.open_world = self.hints.open_world.or(hints.open_world);
        set_meta(&mut definition.meta, &self.meta);
        changed
    }

    /// The tool with its arguments changed.
    fn reshape(&self, tool: &Tool, problems: &mut Vec<String>) -> Tool {
        if self.arguments.is_empty() {
            return tool.clone();
        }
        let told = problems.len();
        let who = format!("tool {:?}", self.of);
        let schema = schema::unfolded(tool.definition.input_schema.clone());
        self.check(&who, &schema, problems);
        let mut found = Vec::new();
        let shown = schema::changed(schema.clone(), &self.arguments, &mut found);
        problems.extend(found.into_iter().map(|problem| format!("{who}: {problem}")));
        if problems.len() > told {
            return tool.clone();
        }
        let mut changed = tool.clone();
        match param_headers::of(&shown) {
            Ok(headers) => changed.headers = headers,
            Err(found) => problems.extend(found.into_iter().map(|problem| format!("{who}: {problem}"))),
        }
        if self.arguments.iter().any(|(_, transform)| transform.maps()) {
            match self.mapping(&who, tool, &schema, &shown) {
                Ok(mapping) => changed = mapped(changed, tool, mapping),
                Err(found) => problems.extend(found),
            }
        }
        changed.definition.input_schema = shown;
        changed
    }

    /// Adds what of the changes cannot be made of these arguments.
    fn check(&self, who: &str, schema: &Value, problems: &mut Vec<String>) {
        let known: Vec<_> = schema::properties(schema).map(|(name, _)| name.as_str()).collect();
        for (at, (name, transform)) in self.arguments.iter().enumerate() {
            if !known.contains(&name.as_ref()) {
                let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                problems.push(format!("{who} has no argument {name:?} to change (it has {has})"));
                continue;
            }
            if self.arguments.iter().take(at).any(|(earlier, _)| earlier == name) {
                problems
                    .push(format!("argument {name:?} of {who} is changed twice (put both changes into one)"));
            }
            let found = transform.contradictions();
            problems.extend(found.map(|problem| format!("argument {name:?} of {who} {problem}")));
            if transform.is_hidden && !transform.has_default() && schema::is_required(schema, name) {
                problems.push(format!(
                    "argument {name:?} of {who} is hidden, and every call must have it (give it a default)"
                ));
            }
        }
    }

    /// How calls are mapped.
    fn mapping(&self, who: &str, tool: &Tool, schema: &Value, shown: &Value) -> Result<Mapping, Vec<String>> {
        let mut problems = Vec::new();
        let mut arguments = Vec::new();
        for (name, property) in schema::properties(schema) {
            let transform =
                self.arguments.iter().find(|(known, _)| known == name).map(|(_, transform)| transform);
            let (is_hidden, renamed) =
                transform.map_or((false, None), |of| (of.is_hidden, of.rename.as_deref()));
            let shown_name = (!is_hidden).then(|| renamed.unwrap_or(name).to_owned());
            let fallback = transform.and_then(|transform| match (&transform.default, &transform.default_from) {
                (Some(value), _) => {
                    let raw = RawValue::from_string(value.to_string()).ok()?;
                    if let Some(why) = schema::misfit(value, property).or_else(|| violated(tool, name, &raw)) {
                        problems.push(format!(
                            "the default of argument {name:?} of {who} is nothing that the tool takes: {why} (give it \
                             another)"
                        ));
                    }
                    Some(Fallback::Value(raw))
                }
                (None, Some(compute)) => Some(Fallback::Computed(Arc::clone(compute))),
                (None, None) => None,
            });
            let check = transform.and_then(|transform| transform.shape.as_ref()).zip(shown_name.as_deref());
            let check = check.and_then(|(shape, argument)| match (shape.check)(argument, shown) {
                Ok(check) => Some(check),
                Err(found) => {
                    problems
                        .extend(found.into_iter().map(|why| format!("argument {name:?} of {who}: {why}")));
                    None
                }
            });
            let required =
                shown_name.as_deref().is_some_and(|shown_name| schema::is_required(shown, shown_name));
            arguments.push(Argument { name: name.clone(), shown: shown_name, required, fallback, check });
        }
        match problems.is_empty() {
            true => Ok(Mapping { arguments, others: others(tool, schema) }),
            false => Err(problems),
        }
    }
}

impl Transform for ToolTransform {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        let tools = &mut components.tools;
        if self.once.is_missed(tools.iter().any(|tool| self.is_of(tool))) {
            let mut known: Vec<_> = tools.iter().map(|tool| tool.definition.name.as_ref()).collect();
            known.dedup();
            let version = self.of_version.as_ref().map(|version| format!(" in version {version:?}"));
            problems.push(nothing_there("tool", &self.of, &version.unwrap_or_default(), &known));
        }
        if self.is_disabled {
            tools.retain(|tool| !self.is_of(tool));
        }
        for tool in tools.iter_mut().filter(|tool| self.is_of(tool)) {
            *tool = self.change(tool, problems);
        }
    }
}

/// Whether what is to be changed was ever there. A name that was right once is no mistake when what it named was taken away
/// from a server that is live.
#[derive(Clone, Debug, Default)]
pub(super) struct Once(Arc<AtomicBool>);

impl Once {
    /// Nothing has to be there.
    pub(super) fn never_needed() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Whether it is not there, and never was.
    pub(super) fn is_missed(&self, is_there: bool) -> bool {
        !self.0.fetch_or(is_there, Ordering::Relaxed) && !is_there
    }
}

/// What is told where there is nothing to change.
pub(super) fn nothing_there(kind: &str, name: &str, version: &str, known: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    let has = match known.len() {
        0 => "there is none".to_owned(),
        count if count <= SHOWN_MAX => format!("there are {}", known.join(", ")),
        count => format!("there are {count} others"),
    };
    format!("there is no {kind} {name:?}{version} to change ({has})")
}

/// Sets tags in place of others, and adds more.
pub(super) fn retag(tags: &mut Vec<Text>, instead: Option<&[Text]>, more: &[Text]) {
    if let Some(instead) = instead {
        *tags = instead.to_vec();
    }
    let new: Vec<_> = more.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
    tags.extend(new);
}

/// Sets members of a `_meta`, and leaves out those that are `null`.
pub(super) fn set_meta(meta: &mut Meta, members: &Meta) {
    for (key, value) in members {
        match value {
            Value::Null => drop(meta.shift_remove(key)),
            value => drop(meta.insert(key.clone(), value.clone())),
        }
    }
}

/// Which constraint of the tool the value of an argument does not meet.
fn violated(tool: &Tool, name: &str, value: &RawValue) -> Option<String> {
    let arguments = format!("{{{}:{}}}", Value::from(name), value.get());
    tool.constraints.check(&arguments).err().map(|error| error.0)
}

/// What becomes of arguments that `schema` does not name.
fn others(tool: &Tool, schema: &Value) -> Others {
    let is_open = ["patternProperties", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "$ref"];
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => Others::Refuse,
        Some(_) => Others::Pass,
        None if !tool.is_typed || is_open.iter().any(|keyword| schema.get(*keyword).is_some()) => {
            Others::Pass
        }
        None => Others::Drop,
    }
}

/// `changed`, whose calls are calls of `tool` with their arguments mapped.
fn mapped(mut changed: Tool, tool: &Tool, mapping: Mapping) -> Tool {
    let mut inner = tool.clone();
    // Whoever calls the tool that stands in its place has seen to these.
    (inner.task, inner.client_capabilities) = (None, Vec::new());
    let (inner, mapping) = (Arc::new(inner), Arc::new(mapping));
    // Arguments are mapped before the mounted servers are entered, whose middlewares know the tool as it was.
    changed.place.entered = changed.place.hops.len();
    changed.called_by(move |cx, raw, _: &Constraints| -> Calling {
        let arguments = match mapping.map(&cx, raw) {
            Ok(arguments) => arguments,
            Err(Unmapped::Wrong(error)) => return Err(error),
            Err(Unmapped::Failed(error)) => return Ok(Box::pin(ready(Err(error)))),
        };
        if inner.place.hops.is_empty() {
            return inner.call(cx, Some(&arguments)).or_else(|mut error| match mapping.rename(&error.0) {
                Some(said) => {
                    error.0 = said;
                    Err(error)
                }
                None => Ok(Box::pin(ready(Err(ToolError::masked(error.0))))),
            });
        }
        let call =
            CallTool { name: inner.definition.name.clone().into(), arguments: Some(arguments.into_owned()) };
        let (inner, mapping) = (Arc::clone(&inner), Arc::clone(&mapping));
        Ok(Box::pin(async move {
            let answered = perform::enter_tool(cx, inner, 0, call).await;
            answered.map_err(|error| match &error.kind {
                ErrorKind::Tool if error.cause.is_none() => match mapping.rename(&error.message) {
                    Some(said) if said == error.message => error.into(),
                    Some(said) => ToolError::new(said),
                    None => ToolError::masked(error.message),
                },
                _ => error.into(),
            })
        }))
    })
}
