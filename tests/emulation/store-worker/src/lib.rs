//! Runs the store contract inside workerd, one case a request, so that a driver outside can tell what each came to; and
//! does to a store what a driver of faults asks for.
//!
//! - `GET /cases` answers the names of all cases.
//! - `POST /cases/NAME?store=STORE&run=RUN` runs one and answers `{"name", "store", "ok", "skipped", "detail"}`, where
//!   `run` (32 characters at most) keeps the entries of one run from those of another.
//! - `POST /operations?store=STORE` does one operation, which the body says in JSON.
//! - `POST /settling?store=STORE&run=RUN&rounds=ROUNDS` answers how many rounds of writing were lost.
//! - `POST /faults?partition=PARTITION&way=WAY&times=TIMES` lets the object of a partition fail, of `faulty-object`.
//! - `PUT /kv?name=NAME&metadata=JSON` writes the body into the namespace, past the store.
//!
//! The stores are `kv`, `stale-kv`, `failing-kv` (with `&way=`) and `object`, `faulty-object`.

mod operation;
mod settling;
mod simulated;

use std::{collections::HashMap, sync::Arc};

use edgemcp::{platform::Timestamp, store::Store};
use edgemcp_testkit::{ManualClock, Outcome, Subject, cases};
use edgemcp_workers::{DurableObjectStore, KvStore, OBJECT_BINDING, STORE_BINDING};
use serde_json::json;
use worker::{Context, Date, Env, Error, Method, Request, Response, Result, event};

use self::operation::Asked;

edgemcp_workers::durable_object!();

/// Objects of the class that fails when it is told to.
const FAULTY_BINDING: &str = "FAULTY_OBJECTS";

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _: Context) -> Result<Response> {
    let url = request.url()?;
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let asked = |name: &str| match query.get(name) {
        Some(value) => Ok(value.as_str()),
        None => Err(Error::from(format!("{} needs ?{name}=", url.path()))),
    };
    match (request.method(), url.path()) {
        (Method::Get, "/cases") => Response::from_json(&cases().map(|case| case.name).collect::<Vec<_>>()),
        (Method::Post, "/operations") => {
            let operation: Asked = serde_json::from_str(&request.text().await?)?;
            let store = open(&env, asked("store")?, &query, operation.now_ms)?;
            Response::from_json(&operation.answer(&*store.store).await)
        }
        (Method::Post, "/settling") => {
            let rounds = asked("rounds")?.parse().map_err(|error| format!("rounds: {error}"))?;
            let Opened { store, clock, .. } = open(&env, asked("store")?, &query, None)?;
            let lost = settling::lost(&*store, &clock, asked("run")?, rounds).await;
            Response::from_json(&lost.map_err(|error| error.to_string())?)
        }
        (Method::Post, "/faults") => {
            let objects = env.durable_object(FAULTY_BINDING)?;
            let object = objects.id_from_name(asked("partition")?)?.get_stub()?;
            object.fetch_with_str(&format!("https://fault/{}?{}", asked("way")?, asked("times")?)).await
        }
        (Method::Put, "/kv") => {
            let metadata = query.get("metadata").map(String::as_str);
            simulated::write_past_the_store(&env, asked("name")?, &request.bytes().await?, metadata).await?;
            Response::empty()
        }
        (Method::Post, path) => match path.strip_prefix("/cases/") {
            Some(name) => run(name, asked("run")?, open(&env, asked("store")?, &query, None)?).await,
            None => Response::error("there is nothing here", 404),
        },
        _ => Response::error("there is nothing here", 404),
    }
}

async fn run(name: &str, run: &str, opened: Opened) -> Result<Response> {
    let Some(case) = cases().find(|case| case.name == name) else {
        return Response::error(format!("the contract has no case \"{name}\" (GET /cases lists them)"), 404);
    };
    let Opened { label, store, clock, settle } = opened;
    let subject = Subject::new(store, clock, run);
    let subject = match settle {
        Some(settle) => subject.settled_by(settle),
        None => subject,
    };
    let (ok, skipped, detail) = match case.run(&subject).await {
        Outcome::Passed => (true, false, String::new()),
        Outcome::Failed(why) => (false, false, why),
        Outcome::Skipped(need) => (false, true, need.to_string()),
    };
    Response::from_json(
        &json!({ "name": name, "store": label, "ok": ok, "skipped": skipped, "detail": detail }),
    )
}

/// A store, what the list of cells calls it, its clock, and what brings every earlier write to it where some are late.
struct Opened {
    label: &'static str,
    store: Arc<dyn Store>,
    clock: ManualClock,
    settle: Option<Box<dyn Fn() + Send + Sync>>,
}

fn open(env: &Env, name: &str, query: &HashMap<String, String>, now_ms: Option<u64>) -> Result<Opened> {
    // At the real present if nothing else is said, because KV counts its own TTL from there.
    let clock = ManualClock::at(Timestamp::from_millis(now_ms.unwrap_or_else(|| Date::now().as_millis())));
    let (label, store, settle) = match name {
        "kv" => ("Workers KV", kv(env, &clock)?, None),
        "stale-kv" => {
            let (env, settle) = simulated::seen_from_far_away(env, STORE_BINDING, &clock)?;
            ("Workers KV, stale", kv(&env, &clock)?, Some(Box::new(settle) as _))
        }
        "failing-kv" => {
            let way = query.get("way").map_or("", String::as_str);
            let env = simulated::failing_in(env, STORE_BINDING, way)?;
            ("Workers KV, failing", kv(&env, &clock)?, None)
        }
        "object" => ("Durable Object", object(env, OBJECT_BINDING, &clock)?, None),
        "faulty-object" => ("Durable Object, faulty", object(env, FAULTY_BINDING, &clock)?, None),
        other => return Err(format!("there is no store \"{other}\"").into()),
    };
    Ok(Opened { label, store, clock, settle })
}

fn kv(env: &Env, clock: &ManualClock) -> Result<Arc<dyn Store>> {
    let store = KvStore::new(env, STORE_BINDING, Arc::new(clock.clone()))
        .ok_or_else(|| format!("wrangler.toml binds no KV namespace as `{STORE_BINDING}`"))?;
    Ok(Arc::new(store))
}

fn object(env: &Env, binding: &str, clock: &ManualClock) -> Result<Arc<dyn Store>> {
    let store = DurableObjectStore::new(env, binding, Arc::new(clock.clone()))
        .ok_or_else(|| format!("wrangler.toml binds no Durable Objects as `{binding}`"))?;
    Ok(Arc::new(store))
}
