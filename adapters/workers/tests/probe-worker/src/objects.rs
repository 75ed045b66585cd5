//! Routes that show what Durable Objects do from one request to the next, and by themselves.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    http::Body,
    platform::{Clock, Platform, Timestamp},
    store::{Consistency, Key, LIST_PAGE_MAX, Partition, Store, StoreError},
};
use edgemcp_workers::{
    DurableObjectStore, OBJECT_BINDING, OBJECT_VALUE_BYTES_MAX, STORE_BINDING,
    worker::{
        Env,
        wasm_bindgen::{self, JsCast, JsValue, prelude::*},
    },
};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};

#[wasm_bindgen(module = "/src/failing.js")]
extern "C" {
    /// The bindings of this Worker.
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: JsValue;

    /// Bindings whose objects fail in this way.
    #[wasm_bindgen(js_name = failingIn)]
    fn failing_in(way: &str) -> JsValue;
}

/// How far the clock of `/ended` is behind the object's.
const BEHIND_MS: u64 = 3_600_000;

pub(crate) async fn put(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let store = platform.strong_store();
    crate::put_into(&platform, &**store, crate::key(), request.into_body()).await
}

pub(crate) async fn get(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    crate::get_from(&platform, &**platform.strong_store(), crate::key()).await
}

/// Says when it listens, and then which items change, a line each.
pub(crate) async fn watch(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    let watch = async { platform.strong_store().watch(crate::key()?.partition()).await };
    match watch.await {
        Ok(watch) => {
            let lines = stream::iter(["listening".to_owned()]).chain(watch);
            let body = Body::stream(Box::pin(lines.map(|line| Ok(Bytes::from(line + "\n")))));
            // `wrangler dev` compresses what is no stream of events, and holds it back for that.
            let mut response = Response::new(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response
        }
        Err(error) => crate::refuse(&platform, &error),
    }
}

/// Puts an entry that has ended as its object has the time, and lives on as the store has it.
pub(crate) async fn put_ended(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    match open(&bindings(), OBJECT_BINDING, &platform) {
        Some(store) => crate::put_into(&platform, &store, ended(), request.into_body()).await,
        None => crate::status(StatusCode::NOT_IMPLEMENTED),
    }
}

pub(crate) async fn get_ended(platform: Platform, _: Request<Bytes>) -> Response<Body> {
    match open(&bindings(), OBJECT_BINDING, &platform) {
        Some(store) => crate::get_from(&platform, &store, ended()).await,
        None => crate::status(StatusCode::NOT_IMPLEMENTED),
    }
}

/// Puts as many of the largest values as the body says, and answers how many entries each page of their list has.
pub(crate) async fn large(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let count = std::str::from_utf8(request.body()).ok().and_then(|count| count.parse::<u32>().ok());
    let store = platform.strong_store();
    let pages = async {
        let partition = Partition::new("probe", "large")?;
        for item in 0..count.unwrap_or_default() {
            let value = Bytes::from(vec![b'x'; OBJECT_VALUE_BYTES_MAX]);
            store.put(&partition.item(item.to_string())?, value, None).await?;
        }
        let (mut pages, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.list(&partition, after.as_deref(), LIST_PAGE_MAX).await?;
            pages.push(page.entries.len().to_string());
            after = page.next;
            if after.is_none() {
                return Ok(pages.join(" "));
            }
        }
    };
    match pages.await {
        Ok(pages) => Response::new(Body::from(pages)),
        Err(error) => crate::refuse(&platform, &error),
    }
}

/// What kind of error it is to ask objects that fail in the way that the query names.
pub(crate) async fn failing(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let store = match request.uri().query().unwrap_or_default() {
        "being-kv" => open(&bindings(), STORE_BINDING, &platform),
        way => open(failing_in(way).unchecked_ref(), OBJECT_BINDING, &platform),
    };
    let Some(store) = store else { return crate::status(StatusCode::NOT_IMPLEMENTED) };
    let read = async { store.get(&crate::key()?, Consistency::Strong).await };
    match read.await {
        Ok(_) => crate::status(StatusCode::NO_CONTENT),
        Err(error) => Response::new(Body::from(format!("{:?}", error.kind()))),
    }
}

fn bindings() -> Env {
    ENV.with(|env| env.clone().unchecked_into())
}

fn open(env: &Env, binding: &str, platform: &Platform) -> Option<DurableObjectStore> {
    DurableObjectStore::new(env, binding, Arc::new(Slow(platform.clone())))
}

fn ended() -> Result<Key, StoreError> {
    Ok(Key::new("probe", "ended", "one")?)
}

struct Slow(Platform);

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now().as_millis() - BEHIND_MS)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }
}
