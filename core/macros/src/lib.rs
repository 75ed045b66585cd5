//! The attributes of edgemcp: sugar over `Tool::new`, `Resource::new`, `Prompt::new` and `Completion::prompt`, which are
//! the real API; the derive of `Config`, which asks a `Reader`; and `icon!` and `include_icon!`, which make an `Icon`.
//!
//! Use them through the crate `edgemcp`, which exports them. An attribute leaves its function as it is, so that a unit
//! test calls it like any other, and adds a type of the same name with one associated function that gives the builder:
//! `add::tool()`, `profile::resource()`, `review::prompt()`, `city::completion()`. What an attribute has no option for is
//! said to the builder: `add::tool().meta("com.example/team", "maths")`.

mod arguments;
mod completion;
mod config;
mod doc;
mod errors;
mod icon;
mod item;
mod nearest;
mod options;
mod picture;
mod prompt;
mod resource;
mod shape;
mod tool;
mod uri;

use proc_macro::TokenStream;

/// Makes a tool of a function: `add` stays callable, and `add::tool()` is the `Tool` to register.
///
/// The function is `fn` or `async fn`, free (no `self`) and not generic. It has three kinds of parameters, in any order:
///
/// - the context, at most once: `&Context` or `Context`, known by that name;
/// - what the server has started, `State<T>`, known by that name, too (`Server::lifespan`);
/// - arguments, which is every other parameter: owned types that are `Deserialize` and `JsonSchema`. `Option<T>` may be
///   left out by the caller. A doc comment on an argument becomes its description in the schema.
///
/// What it returns is anything that is `IntoToolOutput`. Its doc comment is what the model reads to choose the tool, so
/// a tool without one does not compile.
///
/// ```
/// use edgemcp::prelude::*;
///
/// /// Add two integers.
/// #[tool(read_only, idempotent)]
/// pub async fn add(
///     /// First addend.
///     a: i64,
///     #[arg(description = "Second addend.", default = 1, range(min = 0, max = 100))] b: i64,
/// ) -> i64 {
///     a + b
/// }
///
/// let server = Server::new("calculator", "1.0.0").tool(add::tool());
/// # assert!(server.build().is_ok());
/// ```
///
/// # Options
///
/// | option | meaning | else |
/// | --- | --- | --- |
/// | `name = "…"` | the name clients call: 1 to 128 of `A-Z a-z 0-9 _ - .` | the function's name |
/// | `title = "…"` | what people see | none |
/// | `description = "…"` | what the model reads | the doc comment |
/// | `read_only` | changes nothing | not said |
/// | `destructive = false` | changes, but destroys nothing | not said |
/// | `idempotent` | twice is as good as once | not said |
/// | `open_world = false` | reaches nothing outside | not said |
/// | `task` | calls go on as tasks where the client takes them (`TaskSupport::Optional`) | never |
/// | `task = "required"` | they always do; a client that takes none is refused | never |
/// | `task = "by_handler"` | they do once the handler says so | never |
/// | `ui = "ui://…"` | the page that hosts show beside the result; the server must have a resource for it | none |
/// | `client_capability = "elicitation"` | refuses a client without it before the function runs; may be repeated | none |
/// | `icon = "https://…"` | a picture, checked as by [`icon!`](macro@icon); may be repeated | none |
/// | `icon = include_icon!("…")`, `icon = Icon::new(…)` | likewise, from a file or made by the program | none |
/// | `tags("a", "b")` | words to choose components by | none |
///
/// # Options of an argument: `#[arg(…)]`
///
/// | option | meaning |
/// | --- | --- |
/// | `rename = "…"` | the name in the request and the schema |
/// | `description = "…"` | instead of the doc comment |
/// | `default`, `default = …` | the value when it is left out: the type's own, or this one; in the schema if the type is `Serialize` |
/// | `example = …` | a value to show; may be repeated |
/// | `length(min = 1, max = 100)`, `length(equal = 2)` | characters of a text, items of a list, entries of a map |
/// | `range(min = 0, max = 100)` | bounds of a number, both included |
/// | `pattern = "…"` | a regular expression that a text must match (feature `pattern` of `edgemcp`) |
/// | `header = "…"` | clients repeat the argument in the header `Mcp-Param-…`, so that gateways route by it (SEP-2243) |
///
/// A `header` is for a text, an integer or a boolean, and its name is a token (RFC 9110) that no other argument of the tool
/// has; what the compiler cannot see of this is found when the server is built.
///
/// # Limits
///
/// - The type beside the function takes its name among types, so a module of the same name cannot be in the same scope.
/// - The generated code names the crate `edgemcp`, so it must be a dependency under that name.
/// - `length`, `range` and `pattern` of a type of your own hold if its schema is a text, a list or a number. Those of a
///   type that serializes as something else belong into that type.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(options.into(), item.into()).into()
}

/// Makes a resource of a function: `profile` stays callable, and `profile::resource()` is the `Resource` to register.
///
/// The URI comes first. One with placeholders (`{user_id}`, RFC 6570 level 1) is a template, and then each placeholder is
/// a parameter of the same name and each parameter but the context is a placeholder; both are checked by the compiler.
///
/// ```
/// use edgemcp::prelude::*;
///
/// /// Who a user is.
/// #[resource("user://{user_id}/profile", mime_type = "application/json")]
/// pub async fn profile(cx: &Context, user_id: u64) -> Result<String, Error> {
///     match user_id {
///         7 => Ok(r#"{"name": "Ada"}"#.to_owned()),
///         _ => Err(Error::resource_not_found(format!("user://{user_id}/profile"))),
///     }
/// }
///
/// let server = Server::new("users", "1.0.0").resource(profile::resource());
/// # assert!(server.build().is_ok());
/// ```
///
/// # Options
///
/// `name = "…"` (else the function's name), `title = "…"`, `description = "…"` (else the doc comment),
/// `mime_type = "…"`, `annotations = …` (an `Annotations`), `icon = "…"`, `tags("a", "b")`. Parameters take the `#[arg(…)]`
/// of a [`tool`](macro@tool), but for `header` and `default`: a URI that matches always holds every placeholder.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    resource::expand(options.into(), item.into()).into()
}

/// Makes a prompt of a function: `review` stays callable, and `review::prompt()` is the `Prompt` to register.
///
/// Parameters are as for a [`tool`](macro@tool), but for `header`. Clients send every argument of a prompt as text; it is read into the type of
/// the parameter.
///
/// ```
/// use edgemcp::prelude::*;
///
/// /// Review a piece of code.
/// #[prompt]
/// pub fn review(/** The code. */ code: String, /** How many remarks at the most. */ remarks: Option<u8>) -> String {
///     format!("Review this, in {} remarks at most:\n\n{code}", remarks.unwrap_or(5))
/// }
///
/// let server = Server::new("reviews", "1.0.0").prompt(review::prompt());
/// # assert!(server.build().is_ok());
/// ```
///
/// # Options
///
/// `name = "…"` (else the function's name), `title = "…"`, `description = "…"` (else the doc comment), `icon = "…"`,
/// `tags("a", "b")`.
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    prompt::expand(options.into(), item.into()).into()
}

/// Makes a completion of a function: `city` stays callable, and `city::completion()` is the `Completion` to register.
///
/// Its parameters are arguments of a prompt, or placeholders of a resource template, by their names. One of them is
/// completed, and has what the person typed of it so far. The others have what was chosen before, if it was, so they are
/// `Option`s (or have a `default`); what the function does not ask for is left out. The context may be among them.
///
/// It returns a `Vec` of texts, `Completions`, or a `Result` of one of these.
///
/// ```
/// use edgemcp::prelude::*;
///
/// /// Plan a trip.
/// #[prompt]
/// pub fn trip(country: String, city: String) -> String {
///     format!("Plan a trip to {city}, {country}.")
/// }
///
/// #[completion(prompt = "trip")]
/// pub async fn city(city: String, country: Option<String>) -> Vec<&'static str> {
///     let known = if country.as_deref() == Some("France") { ["Paris", "Lyon"] } else { ["Berlin", "Bern"] };
///     known.into_iter().filter(|name| name.starts_with(&city)).collect()
/// }
///
/// let server = Server::new("trips", "1.0.0").prompt(trip::prompt()).completion(city::completion());
/// # assert!(server.build().is_ok());
/// ```
///
/// # Options
///
/// | option | meaning | else |
/// | --- | --- | --- |
/// | `prompt = "…"` | the prompt, by the name that clients get it by | one of the two |
/// | `resource = "…"` | the resource template, by its URI with placeholders | one of the two |
/// | `argument = "…"` | what is completed, by the name that clients send | the first parameter that is no context |
///
/// An argument takes `#[arg(rename = "…")]` and `#[arg(default)]`. That the prompt or the resource is there and has these
/// arguments is checked when the server is built.
#[proc_macro_attribute]
pub fn completion(options: TokenStream, item: TokenStream) -> TokenStream {
    completion::expand(options.into(), item.into()).into()
}

/// Reads a struct from variables: `Settings::from_platform(cx.platform())`.
///
/// Each field is a variable. It is called by the field's name in capitals, and its doc comment tells whoever has to set
/// it what it is for. What a field's type may be, and how it is written, is in the table of `edgemcp::config::Setting`: an
/// `Option` need not be set, and a `Secret` is never shown.
///
/// ```
/// use edgemcp::prelude::*;
///
/// #[derive(Config)]
/// #[config(prefix = "NOTES_")]
/// struct Settings {
///     /// The key of the search service.
///     #[config(name = "SEARCH_KEY")]
///     key: Secret,
///     /// How many notes a page has.
///     #[config(default = 20)]
///     page_size: u8,
///     #[config(nested)]
///     mail: Mail,
/// }
///
/// #[derive(Config)]
/// struct Mail {
///     /// Who mails are from.
///     from: Option<String>,
/// }
///
/// let names: Vec<String> = Settings::variables().into_iter().map(|variable| variable.name).collect();
/// assert_eq!(names, ["SEARCH_KEY", "NOTES_PAGE_SIZE", "NOTES_MAIL_FROM"]);
/// ```
///
/// # Options
///
/// | option | of | meaning |
/// | --- | --- | --- |
/// | `prefix = "NOTES_"` | the struct | stands before every name that a field has by itself |
/// | `name = "SEARCH_KEY"` | a field | its whole name, without that prefix |
/// | `default` | a field | the value where it is not set: its type's own |
/// | `default = 20` | a field | the value where it is not set; a text becomes what the type makes of it (`Into`) |
/// | `nested` | a field | its type derives `Config` too; the field's name stands before its names, as in `NOTES_MAIL_FROM` |
/// | `nested, prefix = "SMTP_"` | a field | this stands before them instead; `prefix = ""`: nothing does |
///
/// # Limits
///
/// - The generated code names the crate `edgemcp`, so it must be a dependency under that name.
/// - The struct has named fields, and no parameters.
#[proc_macro_derive(Config, attributes(config))]
pub fn config(item: TokenStream) -> TokenStream {
    config::expand(item.into()).into()
}

/// An icon at an address that is known, with what is wrong about it found by the compiler.
///
/// ```
/// use edgemcp::prelude::*;
///
/// let server = Server::new("notes", "1.0.0")
///     .icon(icon!("https://example.com/light.png", size = "48x48", size = "96x96", theme = Light))
///     .icon(icon!("https://example.com/dark", mime_type = "image/svg+xml", size = "any", theme = Dark))
///     .icon(icon!("data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"));
/// # assert!(server.build().is_ok());
/// ```
///
/// The address is `https://…` (`http://` on this machine alone), or `data:<media type>;base64,<data>` with an image. Of a
/// PNG, JPEG, GIF, WebP or SVG in a `data:` URI it is checked that it is what its media type says, and the icon has its
/// media type and its size without being told. It is an `Icon`, so whatever else it should have its methods say.
///
/// # Options
///
/// | option | meaning | else |
/// | --- | --- | --- |
/// | `size = "48x48"`, `size = "any"` | width and height in pixels it is good for; may be repeated | the picture's own, of a `data:` URI |
/// | `theme = Light`, `theme = Dark` | the background it is made for | either |
/// | `mime_type = "image/png"` | what is at the address | what a `data:` URI says |
///
/// # Source
/// 2026-07-28, schema, `Icon`; basic/index, "Icons". RFC 2397.
#[proc_macro]
pub fn icon(tokens: TokenStream) -> TokenStream {
    icon::address(tokens.into()).into()
}

/// An icon that carries a file in itself, read by the compiler, so that it is there on Workers too.
///
/// The path begins at the file it is written in, like that of `include_bytes!`. A change of the file compiles the crate
/// anew.
///
/// ```
/// use edgemcp::prelude::*;
///
/// let server = Server::new("dots", "1.0.0").icon(include_icon!("../../tests/assets/dot.png"));
/// # assert!(server.build().is_ok());
///
/// /// Draw a dot.
/// #[tool(icon = include_icon!("../../tests/assets/dot.png", theme = Dark))]
/// fn draw(x: u8, y: u8) {}
/// # assert!(Server::new("dots", "1.0.0").tool(draw::tool()).build().is_ok());
/// ```
///
/// It is a PNG, JPEG, GIF, WebP or SVG file, whatever its name, and the icon has its media type and size: the pixels it
/// has, or `any` of an SVG.
///
/// # Options
///
/// `size = "48x48"` instead of the picture's own, which may be repeated, and `theme = Light` or `theme = Dark`, as for
/// [`icon!`](macro@icon).
///
/// # Limits
/// A file has 65536 bytes at the most, since every list carries the icon. A larger one is served at an address.
#[proc_macro]
pub fn include_icon(tokens: TokenStream) -> TokenStream {
    icon::file(tokens.into()).into()
}
