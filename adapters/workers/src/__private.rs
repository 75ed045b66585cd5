//! What `export!` and `durable_object!` expand to needs, so that a user's crate depends on nothing but this one.

use std::{panic::AssertUnwindSafe, sync::LazyLock};

use edgemcp::{BuildError, Service};
use futures_util::future::LocalBoxFuture;
use worker::wasm_bindgen::JsValue;
pub use {
    edgemcp::Server,
    worker::{
        Env, js_sys, wasm_bindgen, wasm_bindgen_futures,
        web_sys::{Request, WebSocket},
        worker_sys::{Context, DurableObjectState},
    },
};

pub use crate::object::{Object, enable as enable_objects};
use crate::{event, response};

/// The server of an isolate: built when the first request asks for it, since Workers refuse I/O, time and randomness
/// outside of one and bill what happens before it as start-up.
pub type Definition = LazyLock<Result<Service, BuildError>>;

/// A function that returns a server.
#[diagnostic::on_unimplemented(
    message = "edgemcp_workers::export! takes the module-level function that returns the server, e.g. `pub fn server() -> Server`",
    label = "this is no function that returns an `edgemcp::Server`",
    note = "arguments and `async` are not taken: what a request needs comes through `Context`"
)]
pub trait Define<R> {
    /// Calls it.
    fn define(self) -> Server;
}

#[diagnostic::do_not_recommend]
impl<F: Fn() -> R, R: IsServer> Define<R> for F {
    fn define(self) -> Server {
        self().into_server()
    }
}

/// [`Server`], as a bound: a return type that is another would be told in other words than [`Define`] has.
pub trait IsServer {
    /// Itself.
    fn into_server(self) -> Server;
}

impl IsServer for Server {
    fn into_server(self) -> Server {
        self
    }
}

/// The server that `server` defines.
pub fn define<R>(server: impl Define<R>) -> Server {
    server.define()
}

/// Answers a `fetch` event.
pub fn answer(
    definition: &'static Definition,
    request: Request,
    env: Env,
    context: Context,
) -> AssertUnwindSafe<LocalBoxFuture<'static, JsValue>> {
    // A panic unwinds to JavaScript, which drops the whole instance, so nothing half-done is seen afterwards. Boxed, so
    // that the user's crate does not compile all of it once more.
    AssertUnwindSafe(Box::pin(async move {
        let context = worker::Context::new(context);
        let response = match &**definition {
            Ok(service) => event::answer(service, &request, &env, &context).await,
            Err(error) => {
                worker::web_sys::console::error_1(&format!("the server is not built:\n{error}").into());
                let what = "the definition of this server is wrong; the Worker's log lists what is (`wrangler tail`)\n";
                response::to_worker(response::text(http::StatusCode::INTERNAL_SERVER_ERROR, what), None)
            }
        };
        worker::web_sys::Response::from(response).into()
    }))
}
