//! Finds everything that is wrong with a definition, before it serves anything.

use std::fmt;

use ::base64::{Engine, engine::general_purpose::STANDARD};

use super::{HttpRoute, Server};
use crate::{
    apps::{self, ToolUi},
    completion::{Completion, Of},
    http::origin::is_loopback,
    lifespan::{self, Key, Span},
    model::{Icon, Text},
    prompt::Prompt,
    resource::Resource,
    tool::Tool,
    transform::Components,
};

/// The most characters a tool or prompt name may have (2026-07-28, server/tools, "Tool Names").
pub(super) const NAME_CHARS_MAX: usize = 128;

/// Everything that is wrong with a server's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    server: String,
    problems: Vec<String>,
}

impl BuildError {
    /// These `problems` of `server`, where there are any.
    pub(crate) fn of(server: &str, problems: Vec<String>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self { server: server.to_owned(), problems }),
        }
    }

    /// The problems, each a sentence with its way out.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the definition of server {:?} cannot be served:", self.server)?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// What is wrong with the settings of `server`, before its components are taken from it.
pub(crate) fn settings(server: &Server, problems: &mut Vec<String>) {
    if server.who.name.is_empty() {
        problems.push("the server has no name".to_owned());
    }
    if server.who.version.is_empty() {
        problems.push("the server has no version (write `env!(\"CARGO_PKG_VERSION\")`)".to_owned());
    }
    icons("the server", &server.who.icons, problems);
    origins(server, problems);
}

/// What is wrong with `components`. `gives` says whether a lifespan gives what a component of the server of a scope takes.
pub(crate) fn components(
    components: &Components,
    gives: impl Fn(usize, Key) -> bool,
    problems: &mut Vec<String>,
) {
    // What another server lists was looked at when it came.
    for one in components.tools.iter().filter(|tool| !tool.place.remote) {
        tool(one, problems);
    }
    for one in components.resources.iter().filter(|resource| !resource.place.remote) {
        resource(one, problems);
    }
    for one in components.prompts.iter().filter(|prompt| !prompt.place.remote) {
        prompt(one, problems);
    }
    completions(components, problems);
    states(components, gives, problems);
    pages(components, problems);
}

pub(crate) fn tool(tool: &Tool, problems: &mut Vec<String>) {
    let who = format!("tool {:?}", tool.definition.name);
    name(&who, &tool.definition.name, problems);
    if tool.definition.description.trim().is_empty() {
        problems.push(format!("{who} has no description, by which the model chooses it"));
    }
    icons(&who, &tool.definition.icons, problems);
    problems.extend(tool.problems.iter().map(|problem| format!("{who}: {problem}")));
}

pub(crate) fn resource(resource: &Resource, problems: &mut Vec<String>) {
    let who = format!("resource {:?}", resource.definition.uri);
    icons(&who, &resource.definition.icons, problems);
    if resource.definition.name.is_empty() {
        problems.push(format!("{who} has no name"));
    }
    problems.extend(resource.problems.iter().map(|problem| format!("{who}: {problem}")));
}

pub(crate) fn prompt(prompt: &Prompt, problems: &mut Vec<String>) {
    let who = format!("prompt {:?}", prompt.definition.name);
    name(&who, &prompt.definition.name, problems);
    icons(&who, &prompt.definition.icons, problems);
    problems.extend(prompt.problems.iter().map(|problem| format!("{who}: {problem}")));
}

pub(crate) fn name(who: &str, name: &str, problems: &mut Vec<String>) {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        problems.push(format!("{who}: a name has 1 to {NAME_CHARS_MAX} characters"));
    }
    if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.')) {
        problems.push(format!("{who}: {bad:?} cannot stand in a name (A-Z, a-z, 0-9, `_`, `-` and `.` can)"));
    }
}

/// What clients must reject of an icon (2026-07-28, basic/index, "Icons"), and what they could not show.
fn icons(who: &str, icons: &[Icon], problems: &mut Vec<String>) {
    let is_pixels = |side: &str| {
        !side.is_empty() && !side.starts_with('0') && side.bytes().all(|digit| digit.is_ascii_digit())
    };
    let is_size = |size: &str| {
        size == "any"
            || size.split_once('x').is_some_and(|(width, height)| is_pixels(width) && is_pixels(height))
    };
    for Icon { src, sizes, .. } in icons {
        let wrong = match (src.strip_prefix("data:"), src.strip_prefix("http://")) {
            (Some(data), _) => match data.split_once(";base64,") {
                Some((mime_type, _)) if !mime_type.starts_with("image/") => {
                    ", which is no image: write `data:image/png;base64,<data>`, or the media type it has"
                }
                Some((_, data)) if STANDARD.decode(data).is_err() => {
                    ", whose data is no base64 (RFC 4648, section 4, with its `=`)"
                }
                Some(_) => "",
                None => NO_ADDRESS,
            },
            (None, Some(rest)) if !is_loopback(rest.split('/').next().unwrap_or_default()) => {
                ", which clients reject: write `https://`"
            }
            (None, None) if !src.starts_with("https://") => NO_ADDRESS,
            _ => "",
        };
        if !wrong.is_empty() {
            problems.push(format!("{who} has the icon {}{wrong}", crate::limits::echo(src)));
        }
        for size in sizes.iter().filter(|size| !is_size(size)) {
            let (size, src) = (crate::limits::echo(size), crate::limits::echo(src));
            problems.push(format!(
                "{who} has the icon {src} in size {size}: write width and height in pixels, as in \"48x48\", or \"any\""
            ));
        }
    }
}

const NO_ADDRESS: &str = ": write an `https://` URL, or `data:<media type>;base64,<data>`";

/// A completion completes an argument that is there, and is the only one that does.
fn completions(server: &Components, problems: &mut Vec<String>) {
    let mut seen = Vec::new();
    for completion in server.completions.iter().filter(|completion| !completion.place.remote) {
        let Completion { of, argument, takes, .. } = completion;
        let (who, arguments): (_, Option<Vec<&str>>) = match of {
            Of::Prompt(name) => (format!("prompt {name:?}"), {
                let prompt = server.prompts.iter().find(|prompt| prompt.definition.name == *name);
                prompt.map(|prompt| {
                    prompt.definition.arguments.iter().map(|known| known.name.as_str()).collect()
                })
            }),
            Of::Resource(uri) => (format!("resource {uri:?}"), {
                let resource = server.resources.iter().find(|resource| resource.definition.uri == *uri);
                let template = resource.and_then(|resource| resource.template.as_ref());
                template.map(|template| template.names().iter().map(AsRef::as_ref).collect())
            }),
        };
        match arguments {
            None => problems.push(format!(
                "a completion is for the {who}, which this server does not have (add it, or name it as it is named)"
            )),
            Some(arguments) if !arguments.contains(&argument.as_ref()) => {
                let has = if arguments.is_empty() { "none".to_owned() } else { arguments.join(", ") };
                problems.push(format!(
                    "a completion is for {argument:?} of the {who}, which has no such argument (it has {has})"
                ));
            }
            Some(_) if seen.contains(&(of, argument)) => {
                problems.push(format!("two completions are for {argument:?} of the {who} (leave one out)"));
            }
            Some(arguments) => {
                for name in takes.iter().filter(|name| !arguments.contains(&name.as_str())) {
                    problems.push(format!(
                        "the completion of {argument:?} of the {who} asks for `{name}`, which is no argument of it (it \
                         has {})",
                        arguments.join(", ")
                    ));
                }
            }
        }
        let found = completion.problems.iter();
        problems
            .extend(found.map(|problem| format!("the completion of {argument:?} of the {who}: {problem}")));
        seen.push((of, argument));
    }
}

/// The page that a tool shows is one that hosts can read.
fn pages(server: &Components, problems: &mut Vec<String>) {
    for tool in server.tools.iter().filter(|tool| !tool.place.remote) {
        let Some(ToolUi { resource_uri, .. }) = &tool.ui else { continue };
        let who = format!("tool {:?}", tool.definition.name);
        if !resource_uri.starts_with(apps::SCHEME) {
            problems.push(format!(
                "{who} shows {resource_uri:?}, which is no page: its URI must start with `ui://`"
            ));
        } else if !server.resources.iter().any(|resource| resource.serves(resource_uri)) {
            problems.push(format!(
                "{who} shows {resource_uri:?}, which this server has no resource for (add \
                 `Resource::new({resource_uri:?}, …)`)"
            ));
        }
    }
    for resource in &server.resources {
        if resource.page.is_some() && !resource.definition.uri.starts_with(apps::SCHEME) {
            problems.push(format!(
                "resource {:?} says how it is shown as a page, and only a `ui://` URI is one",
                resource.definition.uri
            ));
        }
    }
}

/// A state that two lifespans of a server give is one of them by chance.
pub(crate) fn given(spans: &[(usize, Span)], problems: &mut Vec<String>) {
    for (at, (scope, span)) in spans.iter().enumerate() {
        if spans.iter().take(at).any(|(other, known)| other == scope && known.key == span.key) {
            let name = span.key.name;
            problems.push(format!(
                "two lifespans give a `State<{name}>` (wrap one of them in a type of its own)"
            ));
        }
    }
}

/// A state that nobody gives would be missed in the first call.
fn states(components: &Components, gives: impl Fn(usize, Key) -> bool, problems: &mut Vec<String>) {
    let Components { tools, resources, prompts, completions } = components;
    let tools = tools.iter().map(|it| ("tool", &it.definition.name, &it.states, &it.place));
    let resources = resources.iter().map(|it| ("resource", &it.definition.uri, &it.states, &it.place));
    let prompts = prompts.iter().map(|it| ("prompt", &it.definition.name, &it.states, &it.place));
    let completions = completions.iter().map(|it| ("completion of", &it.argument, &it.states, &it.place));
    for (kind, who, takes, place) in tools.chain(resources).chain(prompts).chain(completions) {
        for key in takes.iter().filter(|key| !gives(place.scope, **key)) {
            problems.push(format!("{kind} {who:?}: {}", lifespan::lacking(*key)));
        }
    }
}

/// A browser sends scheme, host and port and nothing after them, so anything else would allow no page, silently.
fn origins(server: &Server, problems: &mut Vec<String>) {
    for origin in &server.origins.named {
        let host = origin.split_once("://").map(|(_, host)| host);
        if !host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '*', ' '])) {
            problems.push(format!(
                "origin {origin:?} is none that a browser sends: write scheme and host, as in \"https://app.example\""
            ));
        }
    }
}

pub(crate) fn paths(path: &Text, routes: &[HttpRoute], problems: &mut Vec<String>) {
    let all = std::iter::once(path).chain(routes.iter().map(|route| &route.path));
    for path in all {
        if !path.starts_with('/') || path.contains(['?', '#', '{', '}']) {
            problems.push(format!("path {path:?} must start with `/` and be plain text, as in \"/health\""));
        }
    }
    if path.len() > 1 && path.ends_with('/') {
        problems.push(format!(
            "path {path:?} ends in `/`: leave it out, the endpoint answers with and without one"
        ));
    }
    let mut seen = Vec::new();
    for route in routes {
        if route.path.trim_end_matches('/') == path.trim_end_matches('/') {
            problems.push(format!(
                "route {:?} is where the MCP endpoint is (move one with `Server::path`)",
                route.path
            ));
        }
        let key = (&route.method, &route.path);
        if seen.contains(&key) {
            problems.push(format!("two routes answer {} {}", route.method, route.path));
        }
        seen.push(key);
    }
}
