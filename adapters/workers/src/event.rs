//! Answers one `fetch` event: the request in, the server's answer out, and what the server may ask of the platform.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, Poll},
    time::Duration,
};

use edgemcp::{
    Service,
    future::BoxFuture,
    platform::{
        Background, Clock, Exposure, Host, Instances, Log, LogFilter, LogFormat, LogLevel, LogLine,
        LogSettings, Platform, Random, RandomError, Timestamp, Vars,
    },
};
use futures_util::future::{Either, select};
use http::StatusCode;
use worker::{
    Context, Env,
    js_sys::{Date, JSON, Reflect, global},
    send::SendFuture,
    wasm_bindgen::{JsCast, JsValue},
    web_sys::{self, EventTarget, WorkerGlobalScope, console},
    worker_sys,
};

use crate::{
    KvStore,
    call::Call,
    object,
    request::{self, Unreadable},
    response,
};

/// The KV namespace that is the server's store, by the name of its binding.
pub const STORE_BINDING: &str = "EDGEMCP_STORE";

/// How long an answer's stream may be held open while there is nothing to send. Workers themselves end one only with
/// its client's connection; a quarter of an hour is long for a person to think, and what was asked can be asked again.
pub const HOLD_MAX: Duration = Duration::from_secs(15 * 60);

const HOST: Host = Host {
    name: "Cloudflare Workers",
    instances: Instances::Many,
    stores: "export `edgemcp_workers::durable_object!()` and bind it as `EDGEMCP_OBJECTS` in wrangler.toml",
};

/// The longest `setTimeout` takes; past it, it would fire at once.
const TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Answers a request with `service`, inside a Worker's own `fetch`.
///
/// ```
/// use std::sync::LazyLock;
///
/// use edgemcp::{Server, Service};
/// use edgemcp_workers::worker::{Context, Env, Request, Response, Result};
///
/// static SERVICE: LazyLock<Service> =
///     LazyLock::new(|| Server::new("calculator", "1.0.0").build().expect("the definition is tested"));
///
/// // #[worker::event(fetch)]
/// async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
///     match request.path().as_str() {
///         "/mcp" => Ok(edgemcp_workers::fetch(&SERVICE, request, &env, &context).await),
///         _ => Response::error("not found", 404),
///     }
/// }
/// ```
///
/// With the `http` feature of `worker` (axum), make the request with `worker::Request::try_from`.
///
/// # Limits
/// No more of the body is read than the server takes; a larger one is answered with a 413.
pub async fn fetch(
    service: &Service,
    request: worker::Request,
    env: &Env,
    context: &Context,
) -> worker::Response {
    // JavaScript's futures are not `Send`, and axum asks for `Send` even on the one thread of a Worker.
    SendFuture::new(answer(service, request.inner(), env, context)).await
}

pub(crate) async fn answer(
    service: &Service,
    request: &web_sys::Request,
    env: &Env,
    context: &Context,
) -> worker::Response {
    let mut gone = ClientGone::from(request);
    let answering = async {
        match request::from_js(request, service.body_bytes_max()).await {
            Ok(request) => {
                let platform = platform(env, context);
                match service.refusal(&platform) {
                    Some(refusal) => refusal,
                    None => service.handle(&platform, request).await,
                }
            }
            Err(Unreadable::TooLarge) => service.body_too_large(),
            Err(Unreadable::Malformed(what)) => response::text(StatusCode::BAD_REQUEST, what),
        }
    };
    let response = match &mut gone {
        None => answering.await,
        // What is dropped here is a handler that nobody waits for, or goes on behind the event.
        Some(gone) => match select(pin!(answering), gone).await {
            Either::Left((response, _)) => response,
            Either::Right(_) => response::text(StatusCode::BAD_REQUEST, "the client has gone\n"),
        },
    };
    response::to_worker(response, gone)
}

/// Resolves once the client has gone.
pub(crate) struct ClientGone {
    signal: EventTarget,
    call: Call,
}

impl ClientGone {
    const EVENT: &str = "abort";

    /// `None` where Workers do not tell (`enable_request_signal`).
    fn from(request: &web_sys::Request) -> Option<Self> {
        // Without the flag there is no such property, which `Request::signal` does not expect.
        let signal = Reflect::get(request, &"signal".into()).ok()?.dyn_into::<EventTarget>().ok()?;
        let call = Call::new();
        // It takes the name of an event and a function, and refuses neither.
        let _ = signal.add_event_listener_with_callback(Self::EVENT, call.function());
        Some(Self { signal, call })
    }
}

impl Future for ClientGone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        Pin::new(&mut self.call).poll(cx)
    }
}

impl Drop for ClientGone {
    fn drop(&mut self) {
        let _ = self.signal.remove_event_listener_with_callback(Self::EVENT, self.call.function());
    }
}

/// What a server may ask of Workers while it answers one event, for a Worker that calls [`Service::handle`] itself.
///
/// The store is the KV namespace bound as [`STORE_BINDING`], the strong store the Durable Objects bound as
/// [`OBJECT_BINDING`](crate::OBJECT_BINDING) in a Worker that has [`durable_object!`](crate::durable_object). Where one
/// is missing the other is both; with neither, every store operation says so.
pub fn platform(env: &Env, context: &Context) -> Platform {
    // Nothing of `env` outlives the event: Workers may give a running isolate new bindings.
    let raw: &JsValue = AsRef::<worker_sys::Context>::as_ref(context).as_ref();
    let event = Arc::new(Event { env: env.clone(), context: Context::new(raw.clone().unchecked_into()) });
    let mut builder = Platform::builder(event.clone(), event.clone())
        .fetch(event.clone())
        .vars(event.clone())
        .log(event.clone())
        .exposure(Exposure::Public)
        .hold_max(HOLD_MAX)
        .host(HOST);
    let kv = KvStore::new(env, STORE_BINDING, event.clone());
    builder = object::equip(builder, env, &event, kv.is_some());
    if let Some(kv) = kv {
        builder = builder.store(Arc::new(kv));
    }
    builder.build().with_background(event)
}

/// The bindings and the lifetime of one event.
pub(crate) struct Event {
    env: Env,
    context: Context,
}

impl Clock for Event {
    fn now(&self) -> Timestamp {
        // JavaScript's milliseconds are a whole number, far below 2^53.
        Timestamp::from_millis(Date::now() as u64)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(SendFuture::new(async move {
            let mut left = duration;
            while left > TIMEOUT_MAX {
                timeout(TIMEOUT_MAX).await;
                left -= TIMEOUT_MAX;
            }
            timeout(left).await;
        }))
    }
}

/// Resolves after so long. (`worker::Delay` wakes whoever polled it first, and an answer's stream is polled by others than
/// began it.)
async fn timeout(duration: Duration) {
    /// Cleared where nobody waits for it any more, since a timer that is left keeps its event alive.
    struct Timer(WorkerGlobalScope, i32);
    impl Drop for Timer {
        fn drop(&mut self) {
            self.0.clear_timeout_with_handle(self.1);
        }
    }
    let scope: WorkerGlobalScope = global().unchecked_into();
    let millis = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let mut passed = Call::new();
    let id = scope.set_timeout_with_callback_and_timeout_and_arguments_0(passed.function(), millis);
    let _timer = id.ok().map(|id| Timer(scope, id));
    (&mut passed).await;
}

impl Random for Event {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

impl Vars for Event {
    fn var(&self, name: &str) -> Option<String> {
        let value = Reflect::get(&self.env, &name.into()).ok()?;
        if let Some(text) = value.as_string() {
            return Some(text);
        }
        // `wrangler.toml` takes numbers and booleans for vars too. JavaScript writes them, since Rust's way to write a
        // number is 15 kB.
        if value.as_f64().is_some() || value.as_bool().is_some() {
            return JSON::stringify(&value).ok()?.as_string();
        }
        None
    }
}

/// What is logged, and how, unless the vars say otherwise. The console has the time and the level of a text by itself.
const LOGGED: LogSettings = LogSettings { filter: LogFilter::From(LogLevel::Info), format: LogFormat::Text };

/// Whether this isolate has said by now what is wrong with the log's vars.
static SAID: AtomicBool = AtomicBool::new(false);

impl Log for Event {
    fn log(&self, level: LogLevel, message: &str) {
        // Asked when there is something to say, since most requests say nothing.
        let (settings, problems) = LOGGED.or_vars(self);
        if !problems.is_empty() && !SAID.swap(true, Ordering::Relaxed) {
            console::warn_1(&problems.join("\n").into());
        }
        if !settings.filter.lets_through(level) {
            return;
        }
        let message = match settings.format {
            LogFormat::Text => JsValue::from_str(message),
            LogFormat::JsonLines => JsValue::from_str(&LogLine { at: self.now(), level, message }.json()),
        };
        match level {
            LogLevel::Debug => console::debug_1(&message),
            LogLevel::Info => console::log_1(&message),
            LogLevel::Warning => console::warn_1(&message),
            LogLevel::Error => console::error_1(&message),
        }
    }
}

impl Background for Event {
    fn run(&self, work: BoxFuture<'static, ()>) {
        self.context.wait_until(work);
    }
}
