//! Shows a KV namespace as it is seen from far away: what is written shows a minute later, and so does a deletion.
//!
//! The staleness is put under the store and not over it, so that the store's own reads (in `increment`, in `list`)
//! meet it too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use edgemcp::platform::Clock;
use edgemcp_testkit::ManualClock;
use worker::{
    Env, Result,
    js_sys::{Object, Reflect},
    wasm_bindgen::{self, JsCast, JsValue, prelude::*},
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
    let env = Object::new();
    Reflect::set(&env, &binding.into(), &namespace)?;
    Ok((env.unchecked_into(), move || settle.store(true, Ordering::Relaxed)))
}
