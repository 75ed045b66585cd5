//! Asks the rate limiter that Workers have themselves.

use std::time::Duration;

use edgemcp::{
    Context, Error,
    future::BoxFuture,
    middleware::{Limiter, Verdict},
};
use worker::{
    js_sys::{Function, Object, Promise, Reflect},
    send::SendFuture,
    wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen},
    wasm_bindgen_futures::JsFuture,
};

use crate::thrown;

/// How long a period of a limiter is, unless it is said otherwise.
const PERIOD: Duration = Duration::from_secs(60);

/// The rate limiter that `wrangler.toml` binds, for
/// [`RateLimiting::by_limiter`](edgemcp::middleware::RateLimiting::by_limiter).
///
/// It costs no operation of a store and hardly any time, since it is in the place where the Worker runs. So it also counts
/// there: each of Cloudflare's locations lets through as much as `limit` says, and each counts roughly
/// ([how](https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/)). For a limit that holds everywhere
/// take one in the [`DurableObjectStore`](crate::DurableObjectStore), as `RateLimiting::token_bucket` and the like do.
///
/// ```toml
/// [[ratelimits]]
/// name = "CALLS"
/// namespace_id = "1001"           # any number of yours; limiters of one number share their counts
/// simple = { limit = 100, period = 60 }
/// ```
///
/// ```
/// use edgemcp::{Server, middleware::RateLimiting};
///
/// /// What holds on Workers and what elsewhere.
/// fn limits() -> RateLimiting {
///     if cfg!(target_arch = "wasm32") {
///         let limiter = edgemcp_workers::RateLimit::new("CALLS");
///         RateLimiting::by_limiter(limiter).address_header("cf-connecting-ip")
///     } else {
///         RateLimiting::sliding_window(100, std::time::Duration::from_secs(60))
///     }
/// }
///
/// pub fn server() -> Server {
///     Server::new("calculator", "1.0.0").middleware(limits())
/// }
/// ```
///
/// Whoever is refused is told to come again after the whole period, since the limiter does not say how much of it is left.
///
/// # Limits
/// A period is of 10 or of 60 seconds. Outside of Workers, and where nothing is bound so, every request fails, or goes on,
/// as [`RateLimiting::on_failure`](edgemcp::middleware::RateLimiting::on_failure) says.
#[derive(Clone, Debug)]
pub struct RateLimit {
    binding: String,
    period: Duration,
}

impl RateLimit {
    /// The limiter that is bound as `binding`, with a period of 60 seconds.
    pub fn new(binding: impl Into<String>) -> Self {
        Self { binding: binding.into(), period: PERIOD }
    }

    /// The period that `wrangler.toml` gives it, which clients are told to wait; 60 seconds unless said otherwise.
    #[must_use]
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    async fn ask(&self, key: &str) -> Result<Verdict, Error> {
        let failed = |why: &JsValue| {
            Error::internal(format!("the rate limiter `{}`: {}", self.binding, thrown::message(why)))
        };
        let limiter = ENV.with(|env| Reflect::get(env, &self.binding.as_str().into()));
        let limit = limiter.ok().filter(JsValue::is_truthy).and_then(|limiter| {
            let limit = Reflect::get(&limiter, &"limit".into()).ok()?.dyn_into::<Function>().ok()?;
            Some((limiter, limit))
        });
        let Some((limiter, limit)) = limit else {
            return Err(Error::internal(format!(
                "`{}` is bound to no rate limiter (add `[[ratelimits]]` with `name = {:?}` to wrangler.toml)",
                self.binding, self.binding
            )));
        };
        let options = Object::new();
        Reflect::set(&options, &"key".into(), &key.into()).map_err(|why| failed(&why))?;
        let promise: Promise = limit.call1(&limiter, &options).map_err(|why| failed(&why))?.unchecked_into();
        let outcome = JsFuture::from(promise).await.map_err(|why| failed(&why))?;
        match Reflect::get(&outcome, &"success".into()).ok().and_then(|success| success.as_bool()) {
            Some(true) => Ok(Verdict::Admitted),
            Some(false) => Ok(Verdict::Refused { retry_after: self.period }),
            None => Err(Error::internal(format!("`{}` is bound to something else", self.binding))),
        }
    }
}

impl Limiter for RateLimit {
    fn limit<'a>(&'a self, _: &'a Context, key: &'a str) -> BoxFuture<'a, Result<Verdict, Error>> {
        if cfg!(target_arch = "wasm32") {
            return Box::pin(SendFuture::new(self.ask(key)));
        }
        let why = format!("the rate limiter `{}` is there on Workers alone", self.binding);
        Box::pin(std::future::ready(Err(Error::internal(why))))
    }
}

// What the definition of a server holds is made before there is an event, so the binding is looked for where each event
// finds its own.
#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: JsValue;
}
