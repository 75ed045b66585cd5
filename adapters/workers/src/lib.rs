//! Runs an edgemcp server on Cloudflare Workers.
//!
//! [`export!`] is all that most servers need:
//!
//! ```
//! # mod worker {
//! use edgemcp::Server;
//!
//! /// The whole server.
//! pub fn server() -> Server {
//!     Server::new("calculator", env!("CARGO_PKG_VERSION"))
//! }
//!
//! edgemcp_workers::export!(server);
//! # }
//! ```
//!
//! with `crate-type = ["cdylib", "rlib"]` in the crate's `[lib]` and a `wrangler.toml` of
//!
//! ```toml
//! name = "calculator"
//! main = "build/index.js"
//! compatibility_date = "2026-07-28"
//! compatibility_flags = ["enable_request_signal"]   # a client that goes away ends its request
//!
//! [build]
//! command = "worker-build --release"
//!
//! [[kv_namespaces]]               # the server's store; leave it out where nothing is stored
//! binding = "EDGEMCP_STORE"
//!
//! [vars]                          # what `Platform::var` answers, as do secrets (`wrangler secret put NAME`)
//! GREETING = "Hello"
//! ```
//!
//! What a server seals (sessions, the state of a call that waits, handles) needs a key that all isolates share:
//! `wrangler secret put EDGEMCP_SEAL_KEYS` with the output of `openssl rand -base64 32`, and for `wrangler dev` a line
//! `EDGEMCP_SEAL_KEYS=…` in the file `.dev.vars`.
//!
//! # Settings
//!
//! | var or secret | what it sets |
//! | --- | --- |
//! | `EDGEMCP_SEAL_KEYS` | what sessions, states and handles are sealed with ([`edgemcp::SEAL_KEYS`]); a secret |
//! | `EDGEMCP_LOG` | the least level that is logged: `debug`, `info` (default), `warning`, `error`, `off` |
//! | `EDGEMCP_LOG_FORMAT` | how: `text` (default), or `json`, of which Workers Logs makes fields |
//!
//! What a server itself is told, a [`Config`](edgemcp::config::Config), is read from vars and secrets too:
//! `Settings::from_platform(cx.platform())`. `wrangler dev` reads them from the file `.dev.vars` beside `wrangler.toml`,
//! and where there is none from `.env` and `.env.local`; `--env-file` names others.
//!
//! # What must be seen at once and must happen once
//!
//! KV shows a write elsewhere up to a minute late, and has no compare-and-set. A server that needs more (answers that
//! reach another instance, a step that runs once, a change that is told) has Durable Objects beside it, or instead of
//! it. Their class is in this crate; a Worker exports it with [`durable_object!`]:
//!
//! ```
//! # mod worker {
//! # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "1.0.0") }
//! edgemcp_workers::export!(server);
//! edgemcp_workers::durable_object!();
//! # }
//! ```
//!
//! and `wrangler.toml` binds it:
//!
//! ```toml
//! [[durable_objects.bindings]]    # the server's strong store, and its store where there is no EDGEMCP_STORE
//! name = "EDGEMCP_OBJECTS"
//! class_name = "EdgemcpObject"
//!
//! [[migrations]]                  # each object keeps its entries in SQLite; the first deployment makes it so
//! tag = "v1"
//! new_sqlite_classes = ["EdgemcpObject"]
//! ```
//!
//! [`Platform::strong_store`](edgemcp::platform::Platform::strong_store) is then a [`DurableObjectStore`]. Several
//! Workers share one set of objects where one of them has the migration and the others add
//! `script_name = "its-name"` to the binding; each of them has the macro.
//!
//! # Work after an answer
//!
//! Workers give it 30 s (`waitUntil`). A task that takes longer is ended there, and begun once more when its client asks
//! after it: [`Context::step`](edgemcp::Context::step) keeps what it has done, so it comes further each time. Work of
//! another size belongs to a process that holds the same store, if that is one it can reach, or to a queue of the
//! server's own.
//!
//! # More than a server
//!
//! A Worker that has a `fetch` of its own nests the server with [`fetch()`], or takes only its [`platform()`].
//!
//! On other targets everything here compiles, and nothing of it runs.

mod call;
mod counter;
mod event;
mod headers;
mod kv;
mod object;
mod outbound;
mod rate_limit;
mod read;
mod request;
mod response;
mod thrown;

#[doc(hidden)]
pub mod __private;

pub use worker;

pub use self::{
    event::{HOLD_MAX, STORE_BINDING, fetch, platform},
    kv::{KvStore, LIST_CALLS_MAX, VALUE_BYTES_MAX},
    object::{DurableObjectStore, OBJECT_BINDING, OBJECT_VALUE_BYTES_MAX},
    outbound::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT},
    rate_limit::RateLimit,
};

/// Makes the function that returns the server answer the Worker's `fetch` event.
///
/// The server is built once per isolate, on its first request. Where its definition is wrong, every request is
/// answered with a 500 that says so, and the Worker's log lists what is wrong.
///
/// It is a compile error to name anything but a function of no arguments that returns a
/// [`Server`](edgemcp::Server).
#[macro_export]
macro_rules! export {
    ($server:path $(,)?) => {
        const _: () = {
            fn __edgemcp_server() -> $crate::__private::Server {
                $crate::__private::define($server)
            }

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                use $crate::__private::{js_sys, wasm_bindgen, wasm_bindgen_futures};

                static SERVICE: $crate::__private::Definition =
                    $crate::__private::Definition::new(|| __edgemcp_server().build());

                #[wasm_bindgen::prelude::wasm_bindgen]
                pub async fn fetch(
                    request: $crate::__private::Request,
                    env: $crate::__private::Env,
                    context: $crate::__private::Context,
                ) -> wasm_bindgen::JsValue {
                    $crate::__private::answer(&SERVICE, request, env, context).await
                }
            };
        };
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "edgemcp_workers::export! takes the module-level function that returns the server, e.g. `pub fn server() -> Server`"
        );
    };
}

/// Exports the class `EdgemcpObject`, whose Durable Objects are the server's strong store, and lets
/// [`platform`](platform()) use what `wrangler.toml` binds as [`OBJECT_BINDING`].
///
/// A Worker without it carries none of that code. Write it once in the crate that is the Worker, beside [`export!`] or
/// a `fetch` of your own; the [crate's page](crate) has the lines for `wrangler.toml`. Namespaces that are bound under
/// other names are for [`DurableObjectStore::new`].
///
/// It is a compile error to hand it anything.
#[macro_export]
macro_rules! durable_object {
    () => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__private::{
                js_sys,
                wasm_bindgen::{self, prelude::wasm_bindgen},
            };

            #[wasm_bindgen(wasm_bindgen = wasm_bindgen, start, private)]
            pub fn __edgemcp_objects() {
                $crate::__private::enable_objects();
            }

            #[wasm_bindgen(wasm_bindgen = wasm_bindgen)]
            pub struct EdgemcpObject($crate::__private::Object);

            #[wasm_bindgen(wasm_bindgen = wasm_bindgen)]
            impl EdgemcpObject {
                #[wasm_bindgen(constructor)]
                pub fn new(
                    state: $crate::__private::DurableObjectState,
                    _: $crate::__private::Env,
                ) -> ::core::result::Result<EdgemcpObject, wasm_bindgen::JsValue> {
                    ::core::result::Result::map($crate::__private::Object::new(state), EdgemcpObject)
                }

                pub fn fetch(&self, request: $crate::__private::Request) -> js_sys::Promise {
                    self.0.fetch(request)
                }

                pub fn alarm(&self) -> ::core::result::Result<js_sys::Promise, wasm_bindgen::JsValue> {
                    self.0.alarm()
                }

                #[wasm_bindgen(js_name = webSocketClose)]
                pub fn web_socket_close(&self, socket: $crate::__private::WebSocket) {
                    self.0.closed(&socket);
                }
            }
        };
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "edgemcp_workers::durable_object! takes nothing: the class is called `EdgemcpObject`, and `wrangler.toml` binds it as `EDGEMCP_OBJECTS`"
        );
    };
}
