//! A notebook for each user: configured, started once per instance, and encrypted in whichever store the platform has.
//!
//! It needs a key and a token for each user. Natively, and for `cargo lambda watch --env-file .env`, they are in `.env`; for
//! `wrangler dev` the same lines are in `.dev.vars`:
//!
//! ```sh
//! echo "EDGEMCP_STORE_KEYS=$(openssl rand -base64 32)" >>.env
//! echo "NOTES_TOKEN_ADA=$(openssl rand -hex 16)" >>.env
//! cargo run -p notes
//! ```
//!
//! Deployed, they are secrets: `wrangler secret put EDGEMCP_STORE_KEYS`, or the function's environment.

mod notebook;

use std::{sync::Arc, time::Duration};

use edgemcp::{
    Health,
    auth::{Principal, StaticTokens},
    platform::Platform,
    prelude::*,
    store::{Need, wrap::StoreKeys},
};

use crate::notebook::{Note, Notebook};

/// The server's own configuration. What is missing or malformed is said all at once.
#[derive(Config)]
#[config(prefix = "NOTES_")]
struct Settings {
    /// How many notes a user may have.
    #[config(default = 100)]
    notes_max: usize,
    /// How long a note is kept after it was last written.
    #[config(default = Duration::from_secs(365 * 24 * 60 * 60))]
    kept_for: Duration,
}

/// What the server starts once per instance: its configuration, and the keys of what it keeps, which are read, checked
/// and made ready here and never per call. A pool of connections or a client would stand beside them.
struct App {
    settings: Settings,
    keys: Arc<StoreKeys>,
}

impl App {
    async fn start(platform: Platform) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self { settings: Settings::from_platform(&platform)?, keys: Arc::new(StoreKeys::new(&platform)?) })
    }
}

/// Write a note, over one of the same title.
#[tool]
async fn write_note(
    cx: &Context,
    app: State<App>,
    /// What it is called.
    #[arg(length(min = 1, max = 100))]
    title: String,
    /// What it says.
    #[arg(length(max = 10_000))]
    text: String,
) -> Result<String, ToolError> {
    let notebook = Notebook::of(cx, &app)?;
    if notebook.read(&notebook.key(&title)?).await?.is_none()
        && notebook.titles().await?.len() >= app.settings.notes_max
    {
        let max = app.settings.notes_max;
        return Err(ToolError::new(format!("the notebook is full ({max} notes): delete one first")));
    }
    notebook.write(&Note { title: title.clone(), text }, app.settings.kept_for).await?;
    // Under which name it is stored: what a session keeps is not encrypted, and a title is for its user alone.
    cx.session()?.set("last", notebook.key(&title)?.item()).await?;
    Ok(format!("{title:?} is written"))
}

/// Read a note; the one that was written or read last, unless it is said which.
#[tool(read_only)]
async fn read_note(
    cx: &Context,
    app: State<App>,
    /// What it is called.
    title: Option<String>,
) -> Result<Json<Note>, ToolError> {
    let (session, notebook) = (cx.session()?, Notebook::of(cx, &app)?);
    let key = match &title {
        Some(title) => notebook.key(title)?,
        // Kept for this client between its requests, on whichever instance they meet.
        None => {
            let last: Option<String> = session.get("last").await?;
            notebook.key_at(last.ok_or_else(|| ToolError::new("there is no last note: say which"))?)?
        }
    };
    let note = notebook.read(&key).await?.ok_or_else(|| match &title {
        Some(title) => ToolError::new(format!("there is no note {title:?}")),
        None => ToolError::new("the last note is deleted: say which"),
    })?;
    session.set("last", key.item()).await?;
    Ok(Json(note))
}

/// List the titles of all notes.
#[tool(read_only)]
async fn list_notes(cx: &Context, app: State<App>) -> Result<Json<Vec<String>>, ToolError> {
    Ok(Json(Notebook::of(cx, &app)?.titles().await?))
}

/// Delete a note.
#[tool(idempotent)]
async fn delete_note(
    cx: &Context,
    app: State<App>,
    /// What it is called.
    title: String,
) -> Result<String, ToolError> {
    Notebook::of(cx, &app)?.delete(&title).await?;
    Ok(format!("{title:?} is deleted"))
}

/// A note, by its title.
#[resource("note://{title}")]
async fn note(cx: &Context, app: State<App>, title: String) -> Result<String, Error> {
    let notebook = Notebook::of(cx, &app)?;
    let note = notebook.read(&notebook.key(&title)?).await?;
    note.map(|note| note.text).ok_or_else(|| Error::resource_not_found(format!("note://{title}")))
}

/// The definition.
pub fn server() -> Server {
    Server::new("notes", env!("CARGO_PKG_VERSION"))
        .title("Notes")
        .instructions("Each user has a notebook of their own.")
        // Whose notebook it is. In production a verifier of access tokens stands here.
        .verifier(
            StaticTokens::new()
                .var("NOTES_TOKEN_ADA", Principal::new("ada"))
                .var("NOTES_TOKEN_BOB", Principal::new("bob")),
        )
        // A platform whose store could lose a note does not start, and says what to use instead.
        .store_has("the notebook", [Need::Durable, Need::Shared, Need::Consistent])
        .lifespan(App::start)
        .tool(write_note::tool())
        .tool(read_note::tool())
        .tool(list_notes::tool())
        .tool(delete_note::tool())
        .resource(note::resource())
        .resource(Health::new())
}

#[cfg(target_arch = "wasm32")]
edgemcp_workers::export!(server);
// The class of the objects that keep the notes: on Workers, KV alone is not consistent.
#[cfg(target_arch = "wasm32")]
edgemcp_workers::durable_object!();

#[cfg(test)]
mod tests {
    /// What the compiler cannot see (two tools of one name) is found here instead of at the first start.
    #[test]
    fn the_definition_can_be_served() {
        super::server().build().expect("the definition is sound");
    }
}
