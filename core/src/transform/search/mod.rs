//! Lets models search a catalogue of tools that is too large to be listed.

mod bm25;
#[cfg(feature = "pattern")]
mod pattern;
mod words;

use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};

#[cfg(feature = "pattern")]
pub use self::pattern::RegexSearch;
use super::{Components, Transform, tool::Once};
use crate::{
    context::Context,
    error::ToolError,
    exchange::perform,
    limits::{SEARCH_CHARS_MAX, echo},
    middleware::CallTool,
    model::Text,
    output::ToolOutput,
    server::tables::Tables,
    tool::Tool,
    wire::definition,
};

/// The most tools that one search tells of, unless it is said otherwise: as FastMCP.
const RESULTS_MAX: usize = 5;

/// Which search finds a tool. The tools that search and call have it too, and are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark(Arc<()>);

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How a catalogue is searched.
#[derive(Clone, Debug)]
struct Settings {
    search_tool: Text,
    call_tool: Text,
    max_results: usize,
    always_visible: Vec<Text>,
    once: Once,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            search_tool: "search_tools".into(),
            call_tool: "call_tool".into(),
            max_results: RESULTS_MAX,
            always_visible: Vec::new(),
            once: Once::default(),
        }
    }
}

/// What every search is told alike.
macro_rules! settings {
    ($search:ident) => {
        impl $search {
            /// Sets the name of the tool that searches; `search_tools` unless said otherwise.
            #[must_use]
            pub fn search_tool(mut self, name: impl Into<Text>) -> Self {
                self.settings.search_tool = name.into();
                self
            }

            /// Sets the name of the tool that calls what was found; `call_tool` unless said otherwise.
            #[must_use]
            pub fn call_tool(mut self, name: impl Into<Text>) -> Self {
                self.settings.call_tool = name.into();
                self
            }

            /// Sets how many tools one search tells of at the most; 5 unless said otherwise.
            #[must_use]
            pub fn max_results(mut self, count: usize) -> Self {
                self.settings.max_results = count;
                self
            }

            /// Leaves these tools in the list; they need not be searched for.
            #[must_use]
            pub fn always_visible<T: Into<Text>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
                self.settings.always_visible.extend(names.into_iter().map(Into::into));
                self
            }
        }
    };
}
#[cfg(feature = "pattern")]
use settings;

/// Replaces a long list of tools by two: `search_tools` finds those that words speak of, the best first, with their definitions,
/// and `call_tool` calls one. So a model reads a few definitions instead of thousands.
///
/// What is searched for stands in a tool's name, title and description, and in the names and descriptions of its arguments. Words
/// are found in singular and plural, in the parts of names (`getUserProfile`, `get_user_profile`), and in akin forms where
/// the very word stands nowhere. Only what the caller may see is found: what a [`Requirement`](crate::auth::Requirement) or a
/// middleware's `on_list_tools` keeps from the caller's list stays out. A call goes through the middlewares twice, as
/// `call_tool` and as the tool that is called, which can also be called by its own name.
///
/// What is searched is put in order with the first search, not when the server starts: some 20 ms for 1,000 tools. Each
/// search then takes a tenth of a millisecond.
///
/// ```
/// use edgemcp::{prelude::*, transform::BM25Search};
///
/// /// Send a message by e-mail.
/// #[tool]
/// async fn send_email(to: String, text: String) -> String {
///     format!("{} letters to {to}", text.len())
/// }
///
/// /// Say what the time is.
/// #[tool]
/// async fn now(cx: &Context) -> String {
///     cx.now().to_rfc3339()
/// }
///
/// // Clients see `now`, `search_tools` and `call_tool`.
/// let server = Server::new("office", "1.0.0")
///     .tool(send_email::tool())
///     .tool(now::tool())
///     .transform(BM25Search::new().always_visible(["now"]));
/// # assert!(server.build().is_ok());
/// ```
///
/// # Limits
/// A query has [`SEARCH_CHARS_MAX`](crate::limits::SEARCH_CHARS_MAX) characters at the most.
///
/// # Source
/// FastMCP 3.1, `BM25SearchTransform`; Okapi BM25, with a tool's name counting three times as much as what describes it.
#[derive(Clone, Debug, Default)]
pub struct BM25Search {
    settings: Settings,
}

impl BM25Search {
    /// A search by words.
    pub fn new() -> Self {
        Self::default()
    }
}

settings!(BM25Search);

impl Transform for BM25Search {
    fn apply(&self, components: &mut Components, problems: &mut Vec<String>) {
        install(&self.settings, ByWords, components, problems);
    }
}

/// A way to search.
trait Search: Send + Sync + 'static {
    /// What `search_tools` says of itself.
    const DESCRIPTION: &'static str;

    /// What is asked.
    type Query: DeserializeOwned + JsonSchema + Send;

    /// What is known of the tools.
    type Index: Send + Sync;

    fn index(&self, tools: &[Arc<Tool>]) -> Self::Index;

    /// The numbers of the tools that fit, the best first.
    fn find(&self, index: &Self::Index, query: &Self::Query) -> Result<Vec<usize>, ToolError>;
}

/// Puts the tools of `components` behind a search.
fn install<S: Search>(
    settings: &Settings,
    search: S,
    components: &mut Components,
    problems: &mut Vec<String>,
) {
    let tools = &mut components.tools;
    let is_there = |name: &&Text| tools.iter().any(|tool| tool.definition.name == **name);
    let missing: Vec<_> = settings.always_visible.iter().filter(|name| !is_there(name)).collect();
    if settings.once.is_missed(missing.is_empty()) {
        let names = missing.into_iter();
        problems.extend(
            names.map(|name| format!("there is no tool {name:?} to be always visible (leave it out)")),
        );
    }
    if settings.max_results == 0 {
        problems.push("a search that tells of 0 tools finds nothing (write `max_results(5)`)".to_owned());
    }
    let mark = Mark::default();
    let mut is_empty = true;
    for tool in tools.iter_mut().filter(|tool| !tool.unlisted) {
        if !settings.always_visible.contains(&tool.definition.name) {
            (tool.unlisted, tool.found_by, is_empty) = (true, Some(mark.clone()), false);
        }
    }
    if is_empty {
        return;
    }
    let desk = Arc::new(Desk {
        search,
        mark: mark.clone(),
        max_results: settings.max_results,
        shelf: OnceLock::new(),
    });
    let (found_by, caller) = (Some(mark.clone()), settings.call_tool.clone());
    let description = S::DESCRIPTION.replace("`call_tool`", &format!("`{caller}`"));
    let search = Tool::new(settings.search_tool.clone(), description, move |cx, query: S::Query| {
        let desk = Arc::clone(&desk);
        async move { desk.search(&cx, query).await }
    });
    let call = Tool::new(
        settings.call_tool.clone(),
        format!("Calls a tool that `{}` has found.", settings.search_tool),
        move |cx: Context, call: Call| {
            let mark = mark.clone();
            async move { call.run(&cx, &mark).await }
        },
    );
    for mut tool in [search.read_only(true).open_world(false), call] {
        tool.found_by = found_by.clone();
        tool.surveys = true;
        tools.push(tool);
    }
}

/// What `call_tool` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Call {
    /// The tool's name.
    name: String,
    /// What the tool takes, as its `inputSchema` says.
    #[schemars(with = "Option<Map<String, Value>>")]
    arguments: Option<Box<RawValue>>,
}

impl Call {
    async fn run(self, cx: &Context, mark: &Mark) -> Result<ToolOutput, ToolError> {
        let Self { name, arguments } = self;
        let known = cx.0.tables.components.tool(&name);
        if known.is_some_and(|tool| !tool.unlisted && tool.found_by.as_ref() == Some(mark)) {
            return Err(ToolError::new(format!(
                "{} is called by itself: give the name of another tool",
                echo(&name)
            )));
        }
        if known.is_none() {
            return Err(ToolError::new(format!("no tool is named {}: search for one first", echo(&name))));
        }
        cx.call_tool(CallTool { name, arguments }).await
    }
}

/// Where tools are searched for.
struct Desk<S: Search> {
    search: S,
    mark: Mark,
    max_results: usize,
    /// What was put in order with the first search. A server that is live is laid out anew with each change, and so is this.
    shelf: OnceLock<Shelf<S>>,
}

/// Tools, in order.
struct Shelf<S: Search> {
    tools: Vec<Arc<Tool>>,
    index: S::Index,
}

impl<S: Search> Desk<S> {
    async fn search(&self, cx: &Context, query: S::Query) -> Result<ToolOutput, ToolError> {
        let shelf = self.shelf.get_or_init(|| self.lay_out(&cx.0.tables));
        let found = self.search.find(&shelf.index, &query)?;
        let found = found.into_iter().filter_map(|at| shelf.tools.get(at).cloned());
        let seen = perform::seen(cx, found.collect()).await?;
        let more = seen.len().saturating_sub(self.max_results);
        let definitions = seen.iter().take(self.max_results).map(|tool| &tool.definition);
        let structured = definition::found(definitions, more, cx.protocol_version());
        Ok(ToolOutput { structured: Some(structured), ..ToolOutput::default() })
    }

    fn lay_out(&self, tables: &Tables) -> Shelf<S> {
        let is_found = |tool: &&Arc<Tool>| tool.unlisted && tool.found_by.as_ref() == Some(&self.mark);
        let tools: Vec<_> = tables.components.all_tools().filter(is_found).cloned().collect();
        Shelf { index: self.search.index(&tools), tools }
    }
}

/// Searches by words.
struct ByWords;

/// What `search_tools` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Words {
    /// What the tool is to do, in a few words.
    #[schemars(length(min = 1, max = SEARCH_CHARS_MAX))]
    query: String,
}

impl Search for ByWords {
    const DESCRIPTION: &'static str = "Searches the catalogue of tools for words, and gives the definitions of those that \
                                       fit best. Call one with `call_tool`.";

    type Query = Words;
    type Index = bm25::Index;

    fn index(&self, tools: &[Arc<Tool>]) -> bm25::Index {
        bm25::Index::new(tools.iter().map(|tool| {
            let mut fields = Vec::new();
            fields_of(tool, |text, field| fields.push((text, field.weight())));
            fields
        }))
    }

    fn find(&self, index: &bm25::Index, Words { query }: &Words) -> Result<Vec<usize>, ToolError> {
        Ok(index.search(query))
    }
}

/// Where a text of a tool stands.
#[derive(Clone, Copy)]
enum Field {
    Name,
    Title,
    Description,
    Argument,
    /// What describes an argument, or one of the values that it can be.
    OfArgument,
}

impl Field {
    /// What a word counts in it.
    fn weight(self) -> f32 {
        match self {
            Self::Name => 3.0,
            Self::Title => 2.0,
            Self::Description | Self::Argument => 1.0,
            Self::OfArgument => 0.5,
        }
    }
}

/// Gives `each` text that a tool is found by.
fn fields_of<'a>(tool: &'a Tool, mut each: impl FnMut(&'a str, Field)) {
    let definition = &tool.definition;
    each(&definition.name, Field::Name);
    if let Some(title) = &definition.title {
        each(title, Field::Title);
    }
    each(&definition.description, Field::Description);
    arguments(&definition.input_schema, &mut each);
}

fn arguments<'a>(schema: &'a Value, each: &mut impl FnMut(&'a str, Field)) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        for (name, property) in properties {
                            each(name, Field::Argument);
                            arguments(property, each);
                        }
                    }
                    ("description" | "title" | "const", Value::String(text)) => each(text, Field::OfArgument),
                    ("enum", Value::Array(choice)) => {
                        choice
                            .iter()
                            .filter_map(Value::as_str)
                            .for_each(|text| each(text, Field::OfArgument));
                    }
                    ("default" | "examples", _) => {}
                    (_, value) => arguments(value, each),
                }
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| arguments(schema, each)),
        _ => {}
    }
}
