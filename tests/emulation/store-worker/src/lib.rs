//! Runs the store contract inside workerd, one case a request, so that a driver outside can tell what each came to.
//!
//! `GET /cases` answers the names of all cases. `POST /cases/NAME?store=STORE&run=RUN` runs one and answers
//! `{"name", "store", "ok", "skipped", "detail"}`, where `store` is `kv`, `stale-kv` or `object`, and `run` (32
//! characters at most) keeps the entries of one run from those of another.

mod stale;

use std::sync::Arc;

use edgemcp::{platform::Timestamp, store::Store};
use edgemcp_testkit::{ManualClock, Outcome, Subject, cases};
use edgemcp_workers::{DurableObjectStore, KvStore, OBJECT_BINDING, STORE_BINDING};
use serde_json::json;
use worker::{Context, Date, Env, Method, Request, Response, Result, event};

edgemcp_workers::durable_object!();

#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> Result<Response> {
    let path = request.path();
    match (request.method(), path.strip_prefix("/cases")) {
        (Method::Get, Some("")) => Response::from_json(&cases().map(|case| case.name).collect::<Vec<_>>()),
        (Method::Post, Some(name)) => run(name.trim_start_matches('/'), &request, &env).await,
        _ => Response::error("GET /cases, or POST /cases/NAME?store=kv|stale-kv|object&run=RUN", 404),
    }
}

async fn run(name: &str, request: &Request, env: &Env) -> Result<Response> {
    let Some(case) = cases().find(|case| case.name == name) else {
        return Response::error(format!("the contract has no case \"{name}\" (GET /cases lists them)"), 404);
    };
    let url = request.url()?;
    let query =
        |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    let (Some(store), Some(run)) = (query("store"), query("run")) else {
        return Response::error("POST /cases/NAME needs ?store=kv|stale-kv|object&run=RUN", 400);
    };

    // At the real present, because KV counts its own TTL from there.
    let clock = ManualClock::at(Timestamp::from_millis(Date::now().as_millis()));
    let (label, subject) = match store.as_str() {
        "kv" => ("Workers KV", Subject::new(open(env, &clock)?, clock, run)),
        "stale-kv" => {
            let (env, settle) = stale::seen_from_far_away(env, STORE_BINDING, &clock)?;
            ("Workers KV, stale", Subject::new(open(&env, &clock)?, clock, run).settled_by(settle))
        }
        "object" => {
            let store = DurableObjectStore::new(env, OBJECT_BINDING, Arc::new(clock.clone()))
                .ok_or_else(|| format!("wrangler.toml binds no Durable Objects as `{OBJECT_BINDING}`"))?;
            ("Durable Object", Subject::new(Arc::new(store), clock, run))
        }
        other => {
            return Response::error(format!("there is no store \"{other}\" (kv, stale-kv, object)"), 400);
        }
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

fn open(env: &Env, clock: &ManualClock) -> Result<Arc<dyn Store>> {
    let store = KvStore::new(env, STORE_BINDING, Arc::new(clock.clone()))
        .ok_or_else(|| format!("wrangler.toml binds no KV namespace as `{STORE_BINDING}`"))?;
    Ok(Arc::new(store))
}
