//! Logs how long requests take.

use std::time::Duration;

use super::{
    Answering, CallTool, GetPrompt, Hooked, ListPrompts, ListResourceTemplates, ListResources, ListTools,
    Message, Middleware, Next, ReadResource, Stage,
    ending::{Ending, watched},
};
use crate::{context::Context, error::Error, limits, log::on_one_line, platform::LogLevel};

macro_rules! timing {
    ($($(#[$doc:meta])* $timing:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $timing {
            level: LogLevel,
        }

        impl $timing {
            /// Logs at [`LogLevel::Info`].
            pub const fn new() -> Self {
                Self { level: LogLevel::Info }
            }

            /// Sets the level it logs at.
            #[must_use]
            pub const fn level(mut self, level: LogLevel) -> Self {
                self.level = level;
                self
            }
        }

        impl Default for $timing {
            fn default() -> Self {
                Self::new()
            }
        }
    )*};
}

timing! {
    /// Logs how long each request took, with a line to the platform's log:
    ///
    /// ```text
    /// Request tools/call completed in 12.00ms
    /// Request tools/call failed after 12.00ms: no tool is named "ad"
    /// Request tools/call waits for input after 12.00ms
    /// Request tools/call was left after 12.00ms
    /// ```
    ///
    /// The third is a request that has asked its client for something: it runs again, from its beginning, once that has
    /// answered, and is timed anew. The last is one whose client is gone or has cancelled it, or that goes on as a task.
    /// [`DetailedTiming`] names what was called.
    ///
    /// Times are as fine as the platform's clock, which counts milliseconds. On Workers the clock stands still between
    /// I/O, so there a time is the wall time across I/O: a handler that only computes takes 0 ms.
    ///
    /// # Source
    /// FastMCP, `TimingMiddleware`; Workers, "Performance and timers" (the clock).
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// use edgemcp::middleware::Timing;
    /// let server = Server::new("tools", "1.0.0").middleware(Timing::new());
    /// ```
    Timing;

    /// Logs how long each tool, resource, prompt and list took, by its name:
    ///
    /// ```text
    /// Tool 'add' completed in 12.00ms
    /// Resource 'data://config' failed after 12.00ms: no resource has the URI "data://config"
    /// Prompt 'greet' waits for input after 12.00ms
    /// List tools completed in 0.00ms
    /// ```
    ///
    /// What the words and the times mean is said at [`Timing`]. Of long names the beginning is logged.
    ///
    /// # Source
    /// FastMCP, `DetailedTimingMiddleware`.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// use edgemcp::{middleware::DetailedTiming, platform::LogLevel};
    /// let server = Server::new("tools", "1.0.0").middleware(DetailedTiming::new().level(LogLevel::Debug));
    /// ```
    DetailedTiming;
}

/// Runs what comes next, and logs how long `what` took.
async fn timed<R: Hooked>(
    level: LogLevel,
    cx: &Context,
    what: String,
    message: R,
    next: Next<R>,
) -> Result<R::Response, Error> {
    let log = |ending: Ending<'_>, took: Duration| {
        let took = took.as_secs_f64() * 1000.0;
        let line = match ending {
            Ending::Done => format!("{what} completed in {took:.2}ms"),
            Ending::Failed(error) => format!("{what} failed after {took:.2}ms: {error}"),
            Ending::Waits => format!("{what} waits for input after {took:.2}ms"),
            Ending::Left => format!("{what} was left after {took:.2}ms"),
        };
        cx.platform().log(level, &on_one_line(&line));
    };
    watched(cx, next.run(message), log).await
}

impl Middleware for Timing {
    fn stage(&self) -> Stage {
        Stage::Observation
    }

    fn on_request<'a>(
        &'a self,
        cx: &'a Context,
        message: Message,
        next: Next<Message>,
    ) -> Answering<'a, Message> {
        let what = format!("Request {}", message.method());
        Box::pin(timed(self.level, cx, what, message, next))
    }
}

macro_rules! detailed {
    ($($hook:ident($message:ident) $what:expr;)*) => {
        impl Middleware for DetailedTiming {
            fn stage(&self) -> Stage {
                Stage::Observation
            }

            $(fn $hook<'a>(&'a self, cx: &'a Context, message: $message, next: Next<$message>) -> Answering<'a, $message> {
                let what = $what(&message);
                Box::pin(timed(self.level, cx, what, message, next))
            })*
        }
    };
}

detailed! {
    on_call_tool(CallTool) |call: &CallTool| format!("Tool '{}'", limits::cut(call.name()));
    on_read_resource(ReadResource) |read: &ReadResource| format!("Resource '{}'", limits::cut(read.uri()));
    on_get_prompt(GetPrompt) |get: &GetPrompt| format!("Prompt '{}'", limits::cut(get.name()));
    on_list_tools(ListTools) |_| "List tools".to_owned();
    on_list_resources(ListResources) |_| "List resources".to_owned();
    on_list_resource_templates(ListResourceTemplates) |_| "List resource templates".to_owned();
    on_list_prompts(ListPrompts) |_| "List prompts".to_owned();
}
