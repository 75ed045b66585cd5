//! The server that is asked: something of everything that reads what a client sends.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use edgemcp::{
    AskError, CacheHint, Change, Completion, Completions, Handle, LoggingLevel, Progress, RequestState,
    Server, Service, Sessions, TaskSupport,
    auth::{Principal, StaticTokens},
    prelude::*,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

/// The bearer token that the guarded server takes.
pub(crate) const TOKEN: &str = "sesame";

/// The origin whose pages may call the guarded server.
pub(crate) const ORIGIN: &str = "https://page.example";

/// Anybody may call it.
pub(crate) static OPEN: LazyLock<Arc<Service>> = LazyLock::new(|| built(server()));

/// It has a verifier, names an origin, takes each state once, keeps long ones, and lets sessions be ended.
pub(crate) static GUARDED: LazyLock<Arc<Service>> = LazyLock::new(|| {
    let principal = Principal::new("ada").from_issuer("https://issuer.example").scope("mcp:read");
    built(
        server()
            .verifier(StaticTokens::new().token(TOKEN, principal))
            .allow_origin(ORIGIN)
            .request_state(RequestState::new().single_use().spill().bytes_max(400))
            .sessions(Sessions::new().revocable()),
    )
});

fn built(server: Server) -> Arc<Service> {
    match server.build() {
        Ok(service) => Arc::new(service),
        Err(error) => panic!("{error}"),
    }
}

thread_local! {
    /// What handlers were given, for a target to look at.
    static SEEN: RefCell<Seen> =
        const { RefCell::new(Seen { order: None, tree: None, carts: 0, values: None }) };
}

/// What handlers were given.
#[derive(Default)]
pub(crate) struct Seen {
    /// The arguments of the last `order`.
    pub(crate) order: Option<Order>,
    /// The arguments of the last `plant`.
    pub(crate) tree: Option<Value>,
    /// How often a handle on a cart was opened.
    pub(crate) carts: usize,
    /// The values that the last resource was read with, by their names.
    pub(crate) values: Option<BTreeMap<String, String>>,
}

/// What handlers were given since this was asked.
pub(crate) fn seen() -> Seen {
    SEEN.take()
}

fn see(act: impl FnOnce(&mut Seen)) {
    SEEN.with_borrow_mut(act);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Addends {
    a: i64,
    b: i64,
}

/// Arguments with a constraint of every kind.
#[allow(dead_code, reason = "some are only read")]
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Order {
    #[schemars(length(min = 2, max = 8), regex(pattern = r"^[a-z ü]+$"))]
    pub(crate) name: String,
    #[schemars(range(min = 1, max = 10))]
    pub(crate) count: u8,
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 100.5, "multipleOf" = 0.5))]
    pub(crate) weight: Option<f64>,
    #[schemars(length(max = 3), inner(length(min = 1, max = 4)))]
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) color: Option<Color>,
    pub(crate) parts: Option<Tree>,
    #[schemars(extend("maxProperties" = 2))]
    #[serde(default)]
    pub(crate) notes: BTreeMap<String, i32>,
    pub(crate) rest: Option<Value>,
}

/// A type that contains itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Tree {
    #[schemars(length(max = 3))]
    pub(crate) name: String,
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub(crate) below: Vec<Tree>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    Red,
    Green,
}

/// JSON that goes back as it came.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Verbatim(Box<RawValue>);

impl JsonSchema for Verbatim {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Verbatim".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

#[derive(Deserialize, JsonSchema)]
struct Anything {
    value: Verbatim,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "it is what the headers repeat")]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: Option<i64>,
    #[schemars(extend("x-mcp-header" = "Fast"))]
    fast: Option<bool>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Name {
    #[schemars(length(max = 20))]
    name: String,
}

/// A form with a field of every kind.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Form {
    text: String,
    #[schemars(range(min = 0, max = 9))]
    number: i32,
    weight: Option<f64>,
    #[serde(default)]
    flag: bool,
    color: Color,
    colors: Option<Vec<Color>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Cart {
    number: u64,
}

#[derive(Deserialize, JsonSchema)]
struct InCart {
    cart: Handle<Cart>,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    name: String,
}

/// A schema that refers to itself below each kind of choice.
fn tree() -> Value {
    json!({
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "required": ["tree"],
        "unevaluatedProperties": false,
        "$defs": {
            "tree": {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3},
                    {"$ref": "#/$defs/branch"},
                ],
            },
            "branch": {
                "type": "object",
                "oneOf": [
                    {"properties": {"left": {"$ref": "#/$defs/tree"}}, "required": ["left"]},
                    {"properties": {"right": {"$ref": "#/$defs/tree"}}, "required": ["right"]},
                ],
            },
        },
    })
}

fn asking(server: Server) -> Server {
    server
        .tool(Tool::new("greet", "Ask for a name.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        }))
        .tool(Tool::new("survey", "Ask for everything at once.", |cx: Context, _: NoArguments| async move {
            let (form, said, roots) = cx
                .ask()
                .elicit::<Form>("Fill this in.")
                .key("form")
                .sample("Say hello.")
                .key("said")
                .roots()
                .key("roots")
                .await?;
            cx.elicit_url("Sign in.", "https://example.com/sign-in").await?;
            Ok::<_, ToolError>(format!("{} {} {}", form.text, said.text(), roots.len()))
        }))
        .tool(Tool::new(
            "stubborn",
            "Ask again, whatever is answered.",
            |cx: Context, _: NoArguments| async move {
                let first = cx.elicit::<u8>("A number?").await;
                let number: u32 = cx.step("count", || async { Ok::<_, ToolError>(7) }).await?;
                let second = cx.elicit::<Color>("A color?").await;
                let told = |answer: Result<(), AskError>| match answer {
                    Ok(()) => "yes".to_owned(),
                    Err(error) => error.to_string(),
                };
                Ok::<_, ToolError>(format!(
                    "{} {number} {}",
                    told(first.map(|_| ())),
                    told(second.map(|_| ()))
                ))
            },
        ))
        .prompt(Prompt::new("asked", "Ask, then say it.", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, Error>(name)
        }))
        .resource(Resource::new("data://asked", "asked", |cx: Context, _: NoArguments| async move {
            let Name { name } = cx.elicit("What is your name?").key("name").await?;
            Ok::<_, Error>(name)
        }))
}

fn saying(server: Server) -> Server {
    server
        .tool(Tool::new("say", "Say how far it is.", |cx: Context, _: NoArguments| async move {
            for (step, level) in LoggingLevel::ALL.into_iter().enumerate() {
                cx.progress((step as f64, 8.0));
                cx.log(level, level.as_str());
            }
            format!("{:?} {:?}", cx.client(), cx.trace())
        }))
        .tool(Tool::new("leave", "Close the stream, then go on.", |cx: Context, _: NoArguments| async move {
            cx.close_stream().await;
            cx.progress(1.0);
            cx.platform().sleep(Duration::from_secs(5)).await;
            "came back"
        }))
        .tool(Tool::new("touch", "Say that all has changed.", |cx: Context, _: NoArguments| async move {
            for change in
                [Change::Tools, Change::Prompts, Change::Resources, Change::Resource("data://config".into())]
            {
                cx.changed(change).await?;
            }
            Ok::<_, ToolError>("told")
        }))
        .list_changed()
        .resource_subscriptions()
}

fn remembering(server: Server) -> Server {
    server
        .tool(Tool::new("count", "Count.", |cx: Context, _: NoArguments| async move {
            let session = cx.session()?;
            let count = session.get::<u32>("count").await?.unwrap_or(0) + 1;
            session.set("count", &count).await?;
            Ok::<_, ToolError>(count)
        }))
        .tool(Tool::new("open", "Open a cart.", |cx: Context, _: NoArguments| async move {
            cx.handle(Cart { number: 7 })
        }))
        .tool(Tool::new("name", "Give a name.", |cx: Context, Named { name }| async move {
            cx.handle(Name { name })
        }))
        .tool(Tool::new("put", "Put into a cart.", |_, InCart { cart }| async move {
            see(|seen| seen.carts += 1);
            assert_eq!(cart.number, 7, "no other cart was ever handed out");
            "put"
        }))
}

fn working(server: Server) -> Server {
    server
        .tool(
            Tool::new("slow", "Take a minute.", |cx: Context, _: NoArguments| async move {
                cx.progress(Progress::new(1.0).message("half of it"));
                cx.platform().sleep(Duration::from_secs(60)).await;
                "slept"
            })
            .task(TaskSupport::Optional),
        )
        .tool(
            Tool::new("confirm", "Ask for two things.", |cx: Context, _: NoArguments| async move {
                let (Name { name }, Form { text, .. }) =
                    cx.ask().elicit("Who?").key("name").elicit("What?").key("form").await?;
                Ok::<_, ToolError>(format!("{name} {text}"))
            })
            .task(TaskSupport::Required),
        )
        .tool(
            Tool::new("later", "Ask, then go on as a task.", |cx: Context, _: NoArguments| async move {
                let Name { name } = cx.elicit("Who?").key("name").await?;
                cx.become_task().await;
                Ok::<_, ToolError>(name)
            })
            .task(TaskSupport::ByHandler),
        )
}

/// What fills templates and prompts: a string stands for each of these.
#[derive(Debug, Deserialize, JsonSchema, Serialize, PartialEq)]
pub(crate) struct Strings {
    pub(crate) text: String,
    pub(crate) small: Option<u8>,
    pub(crate) large: Option<i64>,
    pub(crate) weight: Option<f64>,
    pub(crate) flag: Option<bool>,
    pub(crate) color: Option<Color>,
}

#[derive(Deserialize, JsonSchema)]
struct User {
    id: u64,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    folder: String,
    name: String,
    ext: String,
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    one: String,
    two: String,
}

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

/// The templates whose values are looked at.
pub(crate) const TEMPLATES: [&str; 3] =
    ["file://{folder}/{name}.{ext}", "pair://{one}-{two}/", "city://{city}/map"];

fn read(values: [(&str, String); 3]) -> &'static str {
    let values = values.into_iter().filter(|(name, _)| !name.is_empty());
    see(|seen| seen.values = Some(values.map(|(name, value)| (name.to_owned(), value)).collect()));
    "read"
}

fn reading(server: Server) -> Server {
    server
        .resource(
            Resource::new("data://config", "config", |_, _: NoArguments| async { "debug = false" })
                .cache(CacheHint::public(Duration::from_secs(60))),
        )
        .resource(Resource::new("user://{id}/profile", "profile", |_, User { id }| async move {
            match id {
                7 => Ok(format!("{id}")),
                _ => Err(Error::resource_not_found(format!("user://{id}/profile"))),
            }
        }))
        .resource(Resource::new(TEMPLATES[0], "file", |_, File { folder, name, ext }| async move {
            read([("folder", folder), ("name", name), ("ext", ext)])
        }))
        .resource(Resource::new(TEMPLATES[1], "pair", |_, Pair { one, two }| async move {
            read([("one", one), ("two", two), ("", String::new())])
        }))
        .resource(Resource::new(TEMPLATES[2], "map", |_, City { city }| async move {
            read([("city", city), ("", String::new()), ("", String::new())])
        }))
        .prompt(Prompt::new("strings", "Say what was read.", |_, strings: Strings| async move {
            serde_json::to_string(&strings).unwrap_or_default()
        }))
        .completion(Completion::prompt("strings", "text", |_, strings: Strings| async move {
            vec![serde_json::to_string(&strings).unwrap_or_default()]
        }))
        .completion(Completion::resource(TEMPLATES[2], "city", |_, City { city }| async move {
            Completions::new((0..150).map(|number| format!("{city}{number}")))
        }))
}

/// The definition.
fn server() -> Server {
    let server = Server::new("fuzzed", "1")
        .tool(Tool::new("add", "Add two integers.", |_, Addends { a, b }| async move { a.wrapping_add(b) }))
        .tool(Tool::new("order", "Order something.", |_, order: Order| async move {
            see(|seen| seen.order = Some(order));
            "ordered"
        }))
        .tool(Tool::with_schema("plant", "Plant a tree.", tree(), |_, arguments: Value| async move {
            see(|seen| seen.tree = Some(arguments));
            "planted"
        }))
        .tool(Tool::new("echo", "Say it again.", |cx: Context, Anything { value }| async move {
            cx.progress(1.0);
            Json(value)
        }))
        .tool(Tool::new("place", "Place something.", |_, Place { region, .. }| async move { region }))
        .tool(
            Tool::new("sampler", "Needs a client that samples.", |_, _: NoArguments| async { "ok" })
                .client_capability("sampling"),
        )
        .list_page_size(3);
    reading(working(remembering(saying(asking(server)))))
}
