//! A server of plain routes, each of which shows one thing that the Workers adapter does.

mod objects;

use std::time::Duration;

use bytes::Bytes;
use edgemcp::{
    Icon, Server,
    http::{Body, BodyError},
    middleware::RateLimiting,
    platform::{LogLevel, Platform},
    store::{Consistency, Key, LIST_PAGE_MAX, Partition, Store, StoreError},
};
use edgemcp_workers::worker::wasm_bindgen::externref_heap_live_count;
use futures_util::{future::try_join_all, stream};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, SET_COOKIE},
};

/// How long apart the pieces of `/stream` are.
const PIECE_EVERY: Duration = Duration::from_millis(400);

/// The routes, and limits of an endpoint that has nothing else.
pub fn server() -> Server {
    let minute = Duration::from_secs(60);
    let native = RateLimiting::by_limiter(edgemcp_workers::RateLimit::new("CALLS").period(minute));
    let server = Server::new("probe", env!("CARGO_PKG_VERSION"))
        .middleware(native.methods(["ping"]))
        .middleware(RateLimiting::sliding_window(5, minute).methods(["server/discover"]))
        .route(Method::GET, "/plain", plain)
        .route(Method::POST, "/echo", echo)
        .route(Method::GET, "/stream", stream)
        .route(Method::GET, "/handed-on", handed_on)
        .route(Method::GET, "/waiting", waiting)
        .route(Method::GET, "/broken-stream", broken_stream)
        .route(Method::GET, "/nothing", nothing)
        .route(Method::GET, "/var", var)
        .route(Method::GET, "/icon-file", icon_file)
        .route(Method::POST, "/log", log)
        .route(Method::GET, "/random", random)
        .route(Method::PUT, "/entry", put)
        .route(Method::GET, "/entry", get)
        .route(Method::POST, "/many", put_many)
        .route(Method::GET, "/many", list_many)
        .route(Method::POST, "/later", later)
        .route(Method::GET, "/outside", outside)
        .route(Method::GET, "/hold", hold)
        .route(Method::GET, "/held", held)
        .route(Method::PUT, "/strong", objects::put)
        .route(Method::GET, "/strong", objects::get)
        .route(Method::GET, "/watch", objects::watch)
        .route(Method::PUT, "/ended", objects::put_ended)
        .route(Method::GET, "/ended", objects::get_ended)
        .route(Method::POST, "/large", objects::large)
        .route(Method::POST, "/batch", objects::batch)
        .route(Method::POST, "/transaction", objects::transaction)
        .route(Method::POST, "/raw", objects::raw)
        .route(Method::GET, "/failing", objects::failing);
    if cfg!(feature = "broken") { server.route(Method::GET, "/plain", plain) } else { server }
}

edgemcp_workers::export!(server);
edgemcp_workers::durable_object!();

async fn plain(_: Platform, request: Request<Bytes>) -> Response<Body> {
    let name = request.headers().get("x-name").map(HeaderValue::as_bytes).unwrap_or_default();
    let text = format!("{} {} {}", request.method(), request.uri(), String::from_utf8_lossy(name));
    let mut response = Response::new(Body::from(text));
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_static("a=1"));
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_static("b=2"));
    response
}

async fn echo(_: Platform, request: Request<Bytes>) -> Response<Body> {
    Response::new(Body::from(request.into_body()))
}

async fn stream(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    let pieces = stream::unfold(0, move |piece| {
        let platform = platform.clone();
        async move {
            if piece == 3 {
                return None;
            }
            if piece > 0 {
                platform.sleep(PIECE_EVERY).await;
            }
            Some((Ok(Bytes::from(format!("piece {piece}\n"))), piece + 1))
        }
    });
    let mut response = Response::new(Body::stream(Box::pin(pieces)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A sleep that is begun by the event, and waited for by whoever reads its answer.
async fn handed_on(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    let mut sleep = platform.sleep(PIECE_EVERY);
    assert!(futures_util::poll!(&mut sleep).is_pending());
    let woken = stream::once(async move {
        sleep.await;
        Ok(Bytes::from_static(b"woken"))
    });
    Response::new(Body::stream(Box::pin(woken)))
}

/// Says in the log that nobody waits any more.
struct Waiting(Platform);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.log(LogLevel::Info, "nobody waits any more");
    }
}

/// A stream that goes on for longer than any test, and says so again and again.
async fn waiting(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    let waiting = Waiting(platform.clone());
    let pieces = stream::unfold(waiting, |waiting| async move {
        waiting.0.sleep(PIECE_EVERY).await;
        Some((Ok(Bytes::from_static(b"still here\n")), waiting))
    });
    let mut response = Response::new(Body::stream(Box::pin(pieces)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

async fn broken_stream(_: Platform, _: Request<Bytes>) -> Response<Body> {
    let pieces = [Ok(Bytes::from_static(b"half")), Err(BodyError::from("the wire was cut"))];
    Response::new(Body::stream(Box::pin(stream::iter(pieces))))
}

async fn nothing(_: Platform, _: Request<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from("a 204 has no body"));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

async fn var(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    match platform.var(request.uri().query().unwrap_or_default()) {
        Some(value) => Response::new(Body::from(value)),
        None => status(StatusCode::NOT_FOUND),
    }
}

/// Why an icon's file cannot be read here.
async fn icon_file(_: Platform, _: Request<Bytes>) -> Response<Body> {
    match Icon::from_file("logo.png") {
        Ok(_) => status(StatusCode::NO_CONTENT),
        Err(error) => Response::new(Body::from(error.to_string())),
    }
}

/// Logs the body at every level.
async fn log(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let what = String::from_utf8_lossy(request.body());
    for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error] {
        platform.log(level, &format!("{} {what}", level.as_str()));
    }
    status(StatusCode::NO_CONTENT)
}

async fn random(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    let mut bytes = vec![0; 100_000];
    match platform.random().fill(&mut bytes) {
        Ok(()) => Response::new(Body::from(bytes)),
        Err(_) => status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn put(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    put_into(&platform, &**platform.store(), key(), request.into_body()).await
}

async fn put_into(
    platform: &Platform,
    store: &dyn Store,
    key: Result<Key, StoreError>,
    value: Bytes,
) -> Response<Body> {
    match write(store, key, value).await {
        Ok(()) => status(StatusCode::NO_CONTENT),
        Err(error) => refuse(platform, &error),
    }
}

async fn get(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    get_from(&platform, &**platform.store(), key()).await
}

async fn get_from(platform: &Platform, store: &dyn Store, key: Result<Key, StoreError>) -> Response<Body> {
    let read = async { store.get(&key?, Consistency::Strong).await };
    match read.await {
        Ok(Some(entry)) => Response::new(Body::from(entry.value)),
        Ok(None) => status(StatusCode::NOT_FOUND),
        Err(error) => refuse(platform, &error),
    }
}

/// Puts as many entries as the body says, named by their numbers.
async fn put_many(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let count = std::str::from_utf8(request.body()).ok().and_then(|count| count.parse::<u32>().ok());
    let platform = &platform;
    let puts = (0..count.unwrap_or_default()).map(|number| async move {
        let key = many()?.item(format!("{number:05}"))?;
        platform.store().put(&key, Bytes::from_static(b"x"), None).await
    });
    match try_join_all(puts).await {
        Ok(_) => status(StatusCode::NO_CONTENT),
        Err(error) => refuse(platform, &error),
    }
}

/// The names of all entries after the item that the query names, page by page in one event.
async fn list_many(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let list = async {
        let (partition, mut names) = (many()?, Vec::new());
        let mut after = request.uri().query().map(str::to_owned);
        loop {
            let page = platform.store().list(&partition, after.as_deref(), LIST_PAGE_MAX).await?;
            names.extend(page.entries.into_iter().map(|(name, _)| name));
            after = page.next;
            if after.is_none() {
                return Ok(names.join(" "));
            }
        }
    };
    match list.await {
        Ok(names) => Response::new(Body::from(names)),
        Err(error) => refuse(&platform, &error),
    }
}

fn many() -> Result<Partition, StoreError> {
    Ok(Partition::new("probe", "many")?)
}

/// Writes the entry after the answer.
async fn later(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let (work, body) = (platform.clone(), request.into_body());
    let Some(background) = platform.background() else { return status(StatusCode::NOT_IMPLEMENTED) };
    background.run(Box::pin(async move {
        work.sleep(PIECE_EVERY).await;
        if let Err(error) = write(&**work.store(), key(), body).await {
            work.log(LogLevel::Error, &error.to_string());
        }
    }));
    status(StatusCode::ACCEPTED)
}

async fn outside(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let asked = Request::get(request.uri().query().unwrap_or_default()).body(Bytes::new());
    let Ok(asked) = asked else { return status(StatusCode::BAD_REQUEST) };
    match platform.fetch().fetch(asked).await {
        Ok(answer) => answer.map(Body::from),
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

/// How long an answer may be held open, in seconds.
async fn hold(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    Response::new(Body::from(platform.hold_max().map_or(0, |hold| hold.as_secs()).to_string()))
}

/// How many values of JavaScript this isolate holds on to.
async fn held(_: Platform, _: Request<Bytes>) -> Response<Body> {
    Response::new(Body::from(externref_heap_live_count().to_string()))
}

async fn write(store: &dyn Store, key: Result<Key, StoreError>, value: Bytes) -> Result<(), StoreError> {
    store.put(&key?, value, Some(Duration::from_secs(600))).await
}

fn key() -> Result<Key, StoreError> {
    Ok(Key::new("probe", "entries", "one")?)
}

fn refuse(platform: &Platform, error: &StoreError) -> Response<Body> {
    platform.log(LogLevel::Error, &error.to_string());
    status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
