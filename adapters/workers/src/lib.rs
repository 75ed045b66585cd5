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
//! A Worker that has a `fetch` of its own nests the server with [`fetch()`], or takes only its [`platform()`].
//!
//! On other targets everything here compiles, and nothing of it runs.

mod event;
mod headers;
mod kv;
mod outbound;
mod read;
mod request;
mod response;
mod thrown;

#[doc(hidden)]
pub mod __private;

pub use worker;

pub use self::{
    event::{STORE_BINDING, fetch, platform},
    kv::{KvStore, LIST_CALLS_MAX, VALUE_BYTES_MAX},
    outbound::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT},
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
