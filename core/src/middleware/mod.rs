//! What can stand around every request of a server: middlewares, one inside the other.
//!
//! A middleware is an object with hooks, each of which sees a kind of message on its way in and the answer on its way
//! out. [`Server::middleware`](crate::Server::middleware) adds one; the first that is added is the outermost.
//!
//! ```text
//! on_message                          everything
//! ├─ on_request                       what is answered
//! │  ├─ on_initialize, on_discover
//! │  ├─ on_list_tools, on_list_resources, on_list_resource_templates, on_list_prompts
//! │  ├─ on_call_tool, on_read_resource, on_get_prompt
//! │  └─ on_complete, on_task
//! └─ on_notification                  what is not
//! ```
//!
//! The hooks of one middleware nest in this order before the next middleware's `on_message`. Each gets the request's
//! [`Context`], the message, and what comes [`Next`], which can be run once: calling it twice does not compile, and not
//! calling it takes a response of the right type. A hook is a part of the call: it can ask the person in front of the
//! client, and on a stateless server it then runs again, as handlers do.
//!
//! ```
//! use edgemcp::{future::BoxFuture, middleware::{CallTool, Middleware, Next}, prelude::*};
//!
//! /// Lets nobody but admins call what is tagged so.
//! struct AccessControl;
//!
//! impl Middleware for AccessControl {
//!     fn on_call_tool<'a>(
//!         &'a self,
//!         cx: &'a Context,
//!         call: CallTool,
//!         next: Next<CallTool>,
//!     ) -> BoxFuture<'a, Result<ToolOutput, Error>> {
//!         Box::pin(async move {
//!             let is_for_admins = cx.tool(call.name()).is_some_and(|tool| tool.about().has_tag("admin"));
//!             if is_for_admins && !cx.principal().is_some_and(|who| who.has_scope("admin")) {
//!                 return Err(Error::forbidden("this tool is for admins"));
//!             }
//!             next.run(call).await
//!         })
//!     }
//! }
//!
//! let server = Server::new("tools", "1.0.0").middleware(AccessControl);
//! ```
//!
//! One hook alone is a closure: [`on_call_tool`] and its like.

mod authorization;
mod chain;
mod dereference;
pub(crate) mod diagram;
mod ending;
mod error_handling;
mod hook;
mod list;
mod logging;
mod message;
pub(crate) mod order;
mod payload;
mod ping;
mod rate_limit;
mod response_cache;
mod response_limit;
mod retry;
mod timing;
mod tool_injection;

pub use self::{
    authorization::Authorization,
    chain::Next,
    dereference::{DEREFERENCED_VALUES_MAX, Dereference, REFERENCES_MAX},
    error_handling::{ERROR_KEYS_MAX, ErrorCounts, ErrorHandling, Failure},
    hook::{
        Hook, on_call_tool, on_complete, on_discover, on_get_prompt, on_initialize, on_list_prompts,
        on_list_resource_templates, on_list_resources, on_list_tools, on_message, on_notification,
        on_read_resource, on_request, on_task,
    },
    list::{Component, Listed},
    logging::{Logging, PAYLOAD_CHARS_MAX, StructuredLogging},
    message::{
        CallTool, Complete, Discover, GetPrompt, Hooked, Initialize, ListPrompts, ListResourceTemplates,
        ListResources, ListTools, Message, Notification, Other, ReadResource, Response, TaskMethod,
    },
    order::Stage,
    payload::{REDACTED, SECRET_NAMES},
    ping::Ping,
    rate_limit::{LOCAL_CLIENTS_MAX, Limiter, OnFailure, Per, RateLimiting, Verdict},
    response_cache::{
        CACHED_ARGUMENTS_BYTES_MAX, CACHED_RESPONSE_BYTES_MAX, CacheCounts, CacheStatistics, CachedMethod,
        ResponseCaching,
    },
    response_limit::{RESPONSE_BYTES_MAX, ResponseLimiting},
    retry::Retry,
    timing::{DetailedTiming, Timing},
    tool_injection::{PromptTools, ResourceTools, ToolInjection},
};
pub(crate) use self::{
    chain::{Chain, Course, End, Gate},
    message::mismatch,
};
pub use crate::model::Unavailable;
use crate::{
    completion::Completions,
    context::Context,
    error::Error,
    future::BoxFuture,
    model::Text,
    output::{PromptOutput, ResourceOutput, ToolOutput},
    prompt::Prompt,
    resource::Resource,
    store::Need,
    tool::Tool,
    transform::Components,
};

/// What a hook gives: the response to its message, once it is there.
pub type Answering<'a, R> = BoxFuture<'a, Result<<R as Hooked>::Response, Error>>;

macro_rules! hooks {
    ($($(#[$doc:meta])* $hook:ident($message:ty) -> $response:ty;)*) => {
        /// What can stand around every request of a server. Every hook forwards unless it is written.
        ///
        /// [The module](self) has an example.
        pub trait Middleware: Send + Sync {
            /// What it is called in messages: its type's name unless said otherwise.
            fn name(&self) -> &str {
                order::short(std::any::type_name::<Self>())
            }

            /// What it is for, which says where in the order it may stand.
            fn stage(&self) -> Stage {
                Stage::Any
            }

            /// What it adds to a server or changes of it, once, when the server is built.
            fn prepare(&self, components: &mut Components, problems: &mut Vec<String>) {
                let _ = (components, problems);
            }

            /// What it needs of the [`strong_store`](crate::platform::Platform::strong_store), and how it is called in the
            /// message where a platform's store lacks it, as in [`Server::store_has`](crate::Server::store_has).
            fn store_needs(&self) -> Option<(Text, Vec<Need>)> {
                None
            }

            /// What of its own settings is wrong, each a sentence with its way out; the server is then not built.
            fn problems(&self) -> Vec<String> {
                Vec::new()
            }

            $($(#[$doc])*
            fn $hook<'a>(&'a self, cx: &'a Context, message: $message, next: Next<$message>) -> BoxFuture<'a, Result<$response, Error>> {
                let _ = cx;
                next.run(message)
            })*
        }
    };
}

hooks! {
    /// Every message: requests and notifications, those that no method is there for among them.
    on_message(Message) -> Response;
    /// Every request.
    on_request(Message) -> Response;
    /// Every notification.
    on_notification(Message) -> Response;
    /// A legacy client begins. To be refused it must be before `next`; what comes after cannot change the answer.
    on_initialize(Initialize) -> ();
    /// A modern client asks what the server is.
    on_discover(Discover) -> ();
    /// A tool is called.
    on_call_tool(CallTool) -> ToolOutput;
    /// A resource is read.
    on_read_resource(ReadResource) -> ResourceOutput;
    /// A prompt is got.
    on_get_prompt(GetPrompt) -> PromptOutput;
    /// The tools are listed. What is taken from the list can still be called, unless `on_call_tool` refuses it.
    on_list_tools(ListTools) -> Listed<Tool>;
    /// The resources are listed.
    on_list_resources(ListResources) -> Listed<Resource>;
    /// The resource templates are listed.
    on_list_resource_templates(ListResourceTemplates) -> Listed<Resource>;
    /// The prompts are listed.
    on_list_prompts(ListPrompts) -> Listed<Prompt>;
    /// An argument is completed.
    on_complete(Complete) -> Completions;
    /// A task is asked after, answered or cancelled.
    on_task(TaskMethod) -> ();
}
