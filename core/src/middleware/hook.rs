//! Middlewares of one hook, made of a closure.

use std::fmt;

use super::{
    CallTool, Complete, Discover, GetPrompt, Hooked, Initialize, ListPrompts, ListResourceTemplates,
    ListResources, ListTools, Listed, Message, Middleware, Next, ReadResource, Response, TaskMethod,
};
use crate::{
    completion::Completions,
    context::Context,
    error::Error,
    future::{BoxFuture, MaybeSend},
    output::{PromptOutput, ResourceOutput, ToolOutput},
    prompt::Prompt,
    resource::Resource,
    tool::Tool,
};

type Run<R> =
    dyn Fn(Context, R, Next<R>) -> BoxFuture<'static, Result<<R as Hooked>::Response, Error>> + Send + Sync;

/// A middleware of one hook: what [`on_call_tool`] and its like make of a closure.
pub struct Hook<const HOOK: char, R: Hooked> {
    run: Box<Run<R>>,
}

impl<const HOOK: char, R: Hooked> fmt::Debug for Hook<HOOK, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

macro_rules! hooks {
    ($($letter:literal $hook:ident($message:ident) -> $response:ty;)*) => {$(
        /// A middleware of this one hook, made of a closure.
        ///
        /// ```
        /// use edgemcp::{middleware, prelude::*};
        ///
        #[doc = concat!("let hook = middleware::", stringify!($hook), "(|cx: Context, message, next| async move {")]
        ///     cx.platform().log(edgemcp::platform::LogLevel::Debug, "on the way in");
        ///     next.run(message).await
        /// });
        /// let server = Server::new("tools", "1.0.0").middleware(hook);
        /// ```
        pub fn $hook<F, Fut>(hook: F) -> Hook<$letter, $message>
        where
            F: Fn(Context, $message, Next<$message>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<$response, Error>> + MaybeSend + 'static,
        {
            Hook { run: Box::new(move |cx, message, next| Box::pin(hook(cx, message, next))) }
        }

        impl Middleware for Hook<$letter, $message> {
            fn name(&self) -> &str {
                concat!("a closure `", stringify!($hook), "`")
            }

            fn $hook<'a>(&'a self, cx: &'a Context, message: $message, next: Next<$message>) -> BoxFuture<'a, Result<$response, Error>> {
                (self.run)(cx.clone(), message, next)
            }
        }
    )*};
}

hooks! {
    'm' on_message(Message) -> Response;
    'r' on_request(Message) -> Response;
    'n' on_notification(Message) -> Response;
    'i' on_initialize(Initialize) -> ();
    'd' on_discover(Discover) -> ();
    'c' on_call_tool(CallTool) -> ToolOutput;
    'u' on_read_resource(ReadResource) -> ResourceOutput;
    'g' on_get_prompt(GetPrompt) -> PromptOutput;
    'T' on_list_tools(ListTools) -> Listed<Tool>;
    'R' on_list_resources(ListResources) -> Listed<Resource>;
    'U' on_list_resource_templates(ListResourceTemplates) -> Listed<Resource>;
    'P' on_list_prompts(ListPrompts) -> Listed<Prompt>;
    'C' on_complete(Complete) -> Completions;
    't' on_task(TaskMethod) -> ();
}
