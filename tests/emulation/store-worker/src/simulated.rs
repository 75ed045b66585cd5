//! Shows a KV namespace as its local simulator does not: seen from far away, where what is written or deleted shows a
//! minute later; failing; and with entries that are nobody's.
//!
//! The staleness and the failures are put under the store and not over it, so that the store's own reads (in
//! `increment`, in `list`) meet them too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use edgemcp::platform::Clock;
use edgemcp_testkit::ManualClock;
use edgemcp_workers::STORE_BINDING;
use worker::{
    Env, Result,
    js_sys::{Function, JSON, Object, Promise, Reflect, Uint8Array},
    wasm_bindgen::{self, JsCast, JsValue, prelude::*},
    wasm_bindgen_futures::JsFuture,
};

#[wasm_bindgen(module = "/src/stale.js")]
extern "C" {
    /// `namespace` with every write held back; `now` tells the time in milliseconds, `settled` whether all of it has
    /// arrived by now.
    #[wasm_bindgen(js_name = heldBack)]
    fn held_back(
        namespace: &JsValue,
        now: &Closure<dyn Fn() -> f64>,
        settled: &Closure<dyn Fn() -> bool>,
    ) -> JsValue;
}

#[wasm_bindgen(module = "/src/failing.js")]
extern "C" {
    /// `namespace`, of which every second call fails in this way.
    fn failing(namespace: &JsValue, way: &str) -> JsValue;
}

/// `env` with its namespace `binding` failing in this way: "throttled", "refused" or "lost".
pub(crate) fn failing_in(env: &Env, binding: &str, way: &str) -> Result<Env> {
    with(binding, &failing(&Reflect::get(env, &binding.into())?, way))
}

/// Puts `value` under `name`, with this JSON as its metadata, as anybody can who has the namespace.
pub(crate) async fn write_past_the_store(
    env: &Env,
    name: &str,
    value: &[u8],
    metadata: Option<&str>,
) -> Result<()> {
    let namespace = Reflect::get(env, &STORE_BINDING.into())?;
    let put: Function = Reflect::get(&namespace, &"put".into())?.dyn_into()?;
    let options = Object::new();
    if let Some(metadata) = metadata {
        Reflect::set(&options, &"metadata".into(), &JSON::parse(metadata)?)?;
    }
    let done = put.call3(&namespace, &name.into(), &Uint8Array::from(value).buffer(), &options)?;
    JsFuture::from(Promise::from(done)).await?;
    Ok(())
}

/// `env` with its namespace `binding` seen from far away, and what brings every earlier write there.
pub(crate) fn seen_from_far_away(
    env: &Env,
    binding: &str,
    clock: &ManualClock,
) -> Result<(Env, impl Fn() + Send + Sync + 'static)> {
    let settle = Arc::new(AtomicBool::new(false));
    let (clock, asked) = (clock.clone(), settle.clone());
    let now = Closure::<dyn Fn() -> f64>::new(move || clock.now().as_millis() as f64);
    let settled = Closure::<dyn Fn() -> bool>::new(move || asked.swap(false, Ordering::Relaxed));
    let namespace = held_back(&Reflect::get(env, &binding.into())?, &now, &settled);
    // The namespace calls them for as long as it lives, which JavaScript does not tell; an isolate of tests is short.
    now.forget();
    settled.forget();
    Ok((with(binding, &namespace)?, move || settle.store(true, Ordering::Relaxed)))
}

fn with(binding: &str, namespace: &JsValue) -> Result<Env> {
    let env = Object::new();
    Reflect::set(&env, &binding.into(), namespace)?;
    Ok(env.unchecked_into())
}
