//! Routes that show what Durable Objects do from one request to the next, and by themselves.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    http::Body,
    platform::{Clock, LogLevel, Platform, Timestamp},
    store::{Consistency, Key, LIST_PAGE_MAX, Partition, Put, Store, StoreError, Write},
};
use edgemcp_workers::{
    DurableObjectStore, OBJECT_BINDING, OBJECT_VALUE_BYTES_MAX, STORE_BINDING,
    worker::{
        Env,
        js_sys::{Promise, Uint8Array},
        send::SendFuture,
        wasm_bindgen::{self, JsCast, JsValue, prelude::*},
        wasm_bindgen_futures::JsFuture,
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

    /// What the object of a partition answers to these bytes: its status and its body.
    #[wasm_bindgen(js_name = askRaw)]
    fn ask_raw(partition: &str, operation: &str, body: &[u8]) -> Promise;
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

/// Writes as many entries of as many bytes as the body says, all at once, and reads them so; answers how many came back
/// as they were. Every third is of another partition.
pub(crate) async fn batch(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let store = platform.strong_store();
    let [count, bytes] = numbers(&request);
    let value = |n: usize| Bytes::from(vec![u8::try_from(n % 251).unwrap_or_default(); bytes]);
    let batch = async {
        let run = platform.now().as_millis();
        let key = |n: usize| {
            Key::new("probe", format!("batch-{run}-{}", u8::from(n.is_multiple_of(3))), format!("{n}"))
        };
        let puts = (0..count).map(|n| Ok::<_, StoreError>(Put::new(key(n)?, value(n), None)));
        store.put_many(&puts.collect::<Result<Vec<_>, _>>()?).await?;
        let keys = (0..count).map(key).collect::<Result<Vec<_>, _>>()?;
        let found = store.get_many(&keys, Consistency::Strong).await?;
        let same = found
            .iter()
            .enumerate()
            .filter(|(n, entry)| entry.as_ref().is_some_and(|entry| entry.value == value(*n)));
        Ok::<_, StoreError>(format!("{} of {}", same.count(), found.len()))
    };
    match batch.await {
        Ok(same) => Response::new(Body::from(same)),
        Err(error) => crate::refuse(&platform, &error),
    }
}

/// A transaction of as many values as the body says, and of as many bytes in all; answers what came of it.
pub(crate) async fn transaction(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let store = platform.strong_store();
    let [count, bytes] = numbers(&request);
    let each = bytes.div_ceil(count.max(1)).min(OBJECT_VALUE_BYTES_MAX);
    let writes: Vec<_> = (0..count)
        .map(|n| Write::put(format!("item-{n}"), vec![0; each.min(bytes.saturating_sub(n * each))], None))
        .collect();
    let transact = async { store.transact(crate::key()?.partition(), &writes).await };
    Response::new(Body::from(match transact.await {
        Ok(happened) => happened.to_string(),
        Err(error) => format!("{:?}", error.kind()),
    }))
}

/// Sends the body to the object of the probe's entries, as the operation that the query names, and answers what came back.
pub(crate) async fn raw(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let operation = request.uri().query().unwrap_or_default().to_owned();
    let answer = SendFuture::new(async move {
        let answer = JsFuture::from(ask_raw("probe/entries", &operation, request.body())).await.ok()?;
        Some(Bytes::from(Uint8Array::new(&answer).to_vec()))
    });
    match answer.await {
        Some(answer) => Response::new(Body::from(answer)),
        None => {
            platform.log(LogLevel::Error, "the object did not answer");
            crate::status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// The two numbers in the body.
fn numbers(request: &Request<Bytes>) -> [usize; 2] {
    let text = std::str::from_utf8(request.body()).unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or_default());
    [(); 2].map(|()| numbers.next().unwrap_or_default())
}

/// What kind of error it is to ask objects that fail in the way that the query names.
pub(crate) async fn failing(platform: Platform, request: Request<Bytes>) -> Response<Body> {
    let store = match request.uri().query().unwrap_or_default() {
        "being-kv" => open(&bindings(), STORE_BINDING, &platform),
        way => open(failing_in(way).unchecked_ref(), OBJECT_BINDING, &platform),
    };
    let Some(store) = store else { return crate::status(StatusCode::NOT_IMPLEMENTED) };
    let key = crate::key();
    let read = async { store.get(&key.clone()?, Consistency::Strong).await.map(drop) };
    let read_many = async { store.get_many(&[key.clone()?], Consistency::Strong).await.map(drop) };
    let write_many = async { store.put_many(&[Put::new(key.clone()?, "x", None)]).await };
    let transact = async {
        let writes = [Write::put("one", "x", None)];
        store.transact(key.clone()?.partition(), &writes).await.map(drop)
    };
    let mut kinds = Vec::new();
    for result in [read.await, read_many.await, write_many.await, transact.await] {
        kinds.push(match result {
            Ok(()) => "none".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
    }
    kinds.dedup();
    Response::new(Body::from(kinds.join(" ")))
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
