//! The smallest program: a server, and a `main` that runs it over HTTP or stdio.
//!
//! `cargo run -p edgemcp-native --bin hello -- --help` tells how. Besides `greet` it has a tool and a route that
//! wait for another server's word, and one that goes on after its answer, so that its end can be watched.

use std::process::ExitCode;

use bytes::Bytes;
use edgemcp::{
    http::Body,
    platform::{LogLevel, Platform},
    prelude::*,
};
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};

/// What is configured.
#[derive(Config)]
#[config(prefix = "HELLO_")]
struct Settings {
    /// The word that comes before the name.
    #[config(default = "Hello")]
    greeting: String,
}

/// Greet somebody.
#[tool]
async fn greet(
    cx: &Context,
    /** Whom to greet. */
    name: String,
) -> Result<String, ToolError> {
    let Settings { greeting } = Settings::from_platform(cx.platform())?;
    Ok(format!("{greeting}, {name}!"))
}

/// Count how often this was called, in the store.
#[tool]
async fn count(cx: &Context) -> Result<i64, ToolError> {
    let key = edgemcp::store::Key::new("hello", "count", "calls")?;
    Ok(cx.store().increment(&key, 1, None).await?)
}

/// Wait for the word of another server.
#[tool]
async fn relay(
    cx: &Context,
    /** Where to ask. */
    url: String,
) -> Result<String, ToolError> {
    Ok(word_of(cx.platform(), &url).await)
}

/// What the server at `url` says, or why it said nothing.
async fn word_of(platform: &Platform, url: &str) -> String {
    let Ok(request) = Request::get(url).body(Bytes::new()) else {
        return format!("{url:?} is no address");
    };
    match platform.fetch().fetch(request).await {
        Ok(answer) => String::from_utf8_lossy(answer.body()).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Says that it has begun, then what the server in the query says.
async fn relay_in_parts(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let url = request.uri().query().unwrap_or_default().to_owned();
    let word = async move { format!("{}\n", word_of(&platform, &url).await) };
    let parts = stream::once(async { "begun\n".to_owned() }).chain(stream::once(word));
    Response::new(Body::stream(Box::pin(parts.map(|part| Ok(Bytes::from(part))))))
}

/// Answers at once, and logs later what the server in the query says.
async fn relay_later(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let url = request.uri().query().unwrap_or_default().to_owned();
    let later = platform.clone();
    let Some(background) = platform.background() else {
        return Response::new(Body::from("never\n"));
    };
    background.run(Box::pin(async move {
        let word = word_of(&later, &url).await;
        later.log(LogLevel::Info, &format!("later: {word}"));
    }));
    Response::new(Body::from("later\n"))
}

fn server() -> Server {
    Server::new("hello", "0.1.0")
        .tool(greet::tool())
        .tool(count::tool())
        .tool(relay::tool())
        .route(Method::GET, "/greeting", |platform, _| async move {
            let settings = Settings::from_platform(&platform);
            Response::new(Body::from(
                settings.map_or_else(|error| error.to_string(), |settings| settings.greeting),
            ))
        })
        .route(Method::GET, "/health", |_, _| async { Response::new(Body::from("ok\n")) })
        .route(Method::GET, "/relay", relay_in_parts)
        .route(Method::GET, "/later", relay_later)
}

fn main() -> ExitCode {
    edgemcp_native::run(server)
}
