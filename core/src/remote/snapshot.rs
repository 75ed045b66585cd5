//! What another server lists, as components that pass on to it.

use std::{sync::Arc, time::Duration};

use futures_util::future::{Either, ready, try_join3};
use http::HeaderMap;
use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

use super::{
    Remote,
    client::{Client, Request},
    failure::Failure,
    forward,
    known::{self, Held, Known},
};
use crate::{
    completion::Of,
    compose::remotes::{Elsewhere, Found, RemoteState, Snapshot},
    limits::{REMOTE_BYTES_MAX, REMOTE_ENTRIES_MAX, REMOTE_PAGES_MAX, echo},
    middleware::Unavailable,
    platform::{LogLevel, Platform, Timestamp},
    transform::Components,
    uri::UriTemplate,
    wire::client::{self, Catalog, Listed, Params},
};

/// The shortest time for which lists are good, whatever a server says, so that no storm of clients is passed on to it.
const TTL_MIN: Duration = Duration::from_secs(1);

/// The lists of `remote`, as good as they have to be for a client that lists.
///
/// # Errors
/// Where it does not answer, and nothing is known of it that could be used.
pub(super) async fn fresh(
    remote: &Remote,
    platform: &Platform,
    caller: &HeaderMap,
) -> Result<Found, Unavailable> {
    let known = remote.shelf.of(remote, caller);
    known.look(remote, platform, caller).await;
    let now = platform.now();
    let held = known.held().filter(|held| held.is_usable(now));
    if let Some(held) = held.as_ref().filter(|held| now < held.end) {
        return Ok(Found { snapshot: Arc::clone(&held.snapshot), stale: None });
    }
    let failure = match known.failed(now, caller) {
        Some(why) => Failure::Before(why),
        None => match ask(remote, platform, caller, &known).await {
            Ok(held) => return Ok(Found { snapshot: held.snapshot, stale: None }),
            Err(failure) => {
                known.set_failed(platform.now(), &failure);
                let cause = failure.cause();
                platform.log(
                    LogLevel::Warning,
                    &format!("remote {:?}: its lists could not be had: {cause}", remote.name()),
                );
                failure
            }
        },
    };
    let unavailable = unavailable(remote, failure.why());
    match held {
        Some(held) => Ok(Found { snapshot: held.snapshot, stale: Some(unavailable) }),
        None => Err(unavailable),
    }
}

/// The lists of `remote`, however old.
///
/// # Errors
/// As [`fresh`].
pub(super) async fn any(
    remote: &Remote,
    platform: &Platform,
    caller: &HeaderMap,
) -> Result<Found, Unavailable> {
    let known = remote.shelf.of(remote, caller);
    known.look(remote, platform, caller).await;
    match peek(remote, platform, caller) {
        RemoteState { snapshot: Some(snapshot), lacks } => Ok(Found { snapshot, stale: lacks }),
        RemoteState { snapshot: None, .. } => fresh(remote, platform, caller).await,
    }
}

/// What this instance knows of the lists of `remote`, and why it is not all.
pub(super) fn peek(remote: &Remote, platform: &Platform, caller: &HeaderMap) -> RemoteState {
    let (known, now) = (remote.shelf.of(remote, caller), platform.now());
    let held = known.held().filter(|held| held.is_usable(now));
    RemoteState {
        snapshot: held.map(|held| held.snapshot),
        lacks: known.failed(now, caller).map(|why| unavailable(remote, why)),
    }
}

fn unavailable(remote: &Remote, why: String) -> Unavailable {
    Unavailable { mount: remote.name().to_owned().into(), why: why.into() }
}

/// Asks for all that the server lists.
async fn ask(
    remote: &Remote,
    platform: &Platform,
    caller: &HeaderMap,
    known: &Arc<Known>,
) -> Result<Held, Failure> {
    let client = Client { remote, platform, caller, known };
    let offers = client.peer().await?.offers;
    let at = platform.now();
    let all = |is_offered: bool, method, name| match is_offered {
        true => Either::Left(pages(client, method, name)),
        false => Either::Right(ready(Ok(Pages::default()))),
    };
    // The first alone: where servers mount each other in a circle, it finds that out for the others.
    let tools = all(offers.tools, "tools/list", "tools").await?;
    let (resources, templates, prompts) = try_join3(
        all(offers.resources, "resources/list", "resources"),
        all(offers.resources, "resources/templates/list", "resourceTemplates"),
        all(offers.prompts, "prompts/list", "prompts"),
    )
    .await?;
    let said = [&tools, &resources, &templates, &prompts].into_iter().filter_map(|pages| pages.ttl_ms).min();
    let ttl = said.map_or(remote.config.list_ttl, |ms| remote.config.list_ttl.min(Duration::from_millis(ms)));
    let catalog = Catalog {
        at: at.as_millis(),
        ttl: u64::try_from(ttl.max(TTL_MIN).as_millis()).unwrap_or(u64::MAX),
        completions: offers.completions,
        tools: tools.borrowed(),
        resources: resources.borrowed(),
        templates: templates.borrowed(),
        prompts: prompts.borrowed(),
    };
    let held = known.hold(held(remote, platform, &catalog, true));
    known::keep_lists(remote, platform, caller, catalog.write()).await;
    Ok(held)
}

/// All entries of a list.
#[derive(Default)]
struct Pages {
    entries: Vec<Box<RawValue>>,
    ttl_ms: Option<u64>,
}

impl Pages {
    fn borrowed(&self) -> Vec<&RawValue> {
        self.entries.iter().map(|entry| &**entry).collect()
    }
}

async fn pages(client: Client<'_>, method: &'static str, name: &str) -> Result<Pages, Failure> {
    let mut pages = Pages::default();
    let (mut cursor, mut bytes): (Option<String>, usize) = (None, 0);
    for _ in 0..REMOTE_PAGES_MAX {
        let request = Request::plain(method, Params { cursor: cursor.as_deref(), ..Params::default() });
        let answer = match client.ask(&request).await {
            Ok(answer) => answer,
            // Who has resources need not have templates, and some then do not know the method.
            Err(Failure::Refused(refusal)) if refusal.code == -32601 => return Ok(pages),
            Err(failure) => return Err(failure),
        };
        let foreign = |why: String| Failure::Foreign(format!("{method}: {why}"));
        bytes += answer.result.get().len();
        let Listed { entries, next_cursor, ttl_ms } = client::list(&answer.result, name).map_err(foreign)?;
        pages.ttl_ms = pages.ttl_ms.into_iter().chain(ttl_ms).min();
        pages.entries.extend(entries.into_iter().map(ToOwned::to_owned));
        if pages.entries.len() > REMOTE_ENTRIES_MAX || bytes > REMOTE_BYTES_MAX {
            return Err(foreign(format!(
                "it lists more than {REMOTE_ENTRIES_MAX} entries or {REMOTE_BYTES_MAX} bytes"
            )));
        }
        match next_cursor {
            None => return Ok(pages),
            next if next == cursor => {
                return Err(foreign("its cursor leads back to where it stands".to_owned()));
            }
            next => cursor = next,
        }
    }
    Err(Failure::Foreign(format!("{method}: it has more than {REMOTE_PAGES_MAX} pages")))
}

/// What the store has of `remote`, where it is still of use.
pub(super) fn kept(remote: &Remote, platform: &Platform, bytes: &[u8]) -> Option<Held> {
    let catalog = Catalog::read(bytes)?;
    Some(held(remote, platform, &catalog, false)).filter(|held| held.is_usable(platform.now()))
}

/// The lists in `catalog`. What cannot be passed on is left out, and the log says why where the lists are new.
fn held(remote: &Remote, platform: &Platform, catalog: &Catalog<'_>, is_new: bool) -> Held {
    let mut components = Components::default();
    let leave_out = |what: &str, entry: &RawValue, why: String| {
        if is_new {
            let shown = echo(entry.get());
            platform.log(
                LogLevel::Warning,
                &format!("remote {:?}: {what} {shown} is left out: {why}", remote.name()),
            );
        }
    };
    for entry in &catalog.tools {
        match client::tool(entry).and_then(|definition| forward::tool(remote, definition)) {
            Ok(tool)
                if components.tools.iter().any(|known| known.definition.name == tool.definition.name) =>
            {
                leave_out("tool", entry, "another one has its name".to_owned());
            }
            Ok(tool) => components.tools.push(tool),
            Err(why) => leave_out("tool", entry, why),
        }
    }
    for entry in catalog.resources.iter().chain(&catalog.templates) {
        match client::resource(entry).and_then(|definition| forward::resource(remote, definition)) {
            Ok(resource)
                if components
                    .resources
                    .iter()
                    .any(|known| known.definition.uri == resource.definition.uri) =>
            {
                leave_out("resource", entry, "another one has its URI".to_owned());
            }
            Ok(resource) => components.resources.push(resource),
            Err(why) => leave_out("resource", entry, why),
        }
    }
    for entry in &catalog.prompts {
        match client::prompt(entry) {
            Ok(prompt) if components.prompts.iter().any(|known| known.definition.name == prompt.name) => {
                leave_out("prompt", entry, "another one has its name".to_owned());
            }
            Ok(definition) => components.prompts.push(forward::prompt(remote, definition)),
            Err(why) => leave_out("prompt", entry, why),
        }
    }
    if catalog.completions {
        for prompt in &components.prompts {
            let of = Of::Prompt(prompt.definition.name.clone());
            let names = prompt.definition.arguments.iter().map(|argument| argument.name.as_str());
            components.completions.extend(names.map(|name| forward::completion(remote, of.clone(), name)));
        }
        for resource in &components.resources {
            let of = Of::Resource(resource.definition.uri.clone());
            let names = resource.template.iter().flat_map(UriTemplate::names);
            components.completions.extend(names.map(|name| forward::completion(remote, of.clone(), name)));
        }
    }
    let at = Timestamp::from_millis(catalog.at);
    let snapshot = Arc::new(Snapshot { components, generation: generation(catalog) });
    Held { snapshot, at, end: at.after(Duration::from_millis(catalog.ttl)) }
}

/// A number for what is listed, and not for when.
fn generation(catalog: &Catalog<'_>) -> u64 {
    let lists = Catalog {
        at: 0,
        ttl: 0,
        completions: catalog.completions,
        tools: catalog.tools.clone(),
        resources: catalog.resources.clone(),
        templates: catalog.templates.clone(),
        prompts: catalog.prompts.clone(),
    };
    let digest = digest(&SHA256, &lists.write());
    digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
