//! Tries a request again that may succeed later.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{
    Answering, CallTool, Complete, GetPrompt, Hooked, ListPrompts, ListResourceTemplates, ListResources,
    ListTools, Middleware, Next, ReadResource,
};
use crate::{
    context::Context,
    error::Error,
    journal::Journal,
    limits::echo,
    log::on_one_line,
    platform::LogLevel,
    retry::{Backoff, Retry as Tries},
};

type Judge = dyn Fn(&Error) -> bool + Send + Sync;

/// Tries a request again that failed with an error that may pass: up to three times more, after up to 1, 2 and 4 s.
///
/// - **Errors**: those that [may pass](Error::is_transient), such as a connection that broke, a time-out, a store that asks
///   for patience; [`when`](Self::when) says which instead. What a tool tells the model ([`ToolError::new`](crate::ToolError::new))
///   is its answer, and is not tried again.
/// - **Requests**: reads, prompts, lists and completions, which change nothing. A tool is called again only where it says that this does no harm,
///   with [`idempotent`](crate::Tool::idempotent) or [`read_only`](crate::Tool::read_only), or where [`tools`](Self::tools)
///   or [`all_tools`](Self::all_tools) says it: an error is no proof that nothing was done, and an order that is placed
///   twice costs more than one that the model has to place again. FastMCP tries every tool again.
/// - **Waits**: each is drawn evenly from nothing up to twice the last one's longest, so that callers who failed together
///   do not come back together ([`Backoff`]). None is begun that would end past
///   [`Platform::deadline`](crate::platform::Platform::deadline): the client then gets the last error.
///
/// Each try runs what stands inside of this once more. What the client was asked in an earlier try is not asked again, and
/// a [`step`](Context::step) that was done is not done again. Each failure is logged at [`LogLevel::Warning`]:
/// `tools/call "weather" failed (attempt 1/4): …`. A try that has begun is not cut short, so a handler that may hang needs
/// a time limit of its own.
///
/// For a single call within a handler there is [`retry::Retry`](crate::retry::Retry).
///
/// # Source
/// FastMCP, `RetryMiddleware`: its defaults, with jitter.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::Retry;
///
/// let retry = Retry::new().max_retries(2).base_delay(Duration::from_millis(200)).tools(["weather"]);
/// let server = Server::new("weather", "1.0.0").middleware(retry);
/// ```
pub struct Retry {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
    multiplier: u32,
    judge: Option<Box<Judge>>,
    tools: Vec<String>,
    all_tools: bool,
}

impl Retry {
    /// Three more tries, after 1 s at the most and twice as long each time, for errors that may pass.
    pub fn new() -> Self {
        Self {
            max_retries: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            multiplier: 2,
            judge: None,
            tools: Vec::new(),
            all_tools: false,
        }
    }

    /// Sets how often a request is tried again at the most, after the first time.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the longest that the first wait can be.
    #[must_use]
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the longest that any wait can be; 60 s unless said otherwise.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets how many times as long each wait can be as the one before.
    #[must_use]
    pub fn backoff_multiplier(mut self, multiplier: u32) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Says which errors are worth another try, instead of those that may pass by their type.
    #[must_use]
    pub fn when(mut self, is_retryable: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.judge = Some(Box::new(is_retryable));
        self
    }

    /// Says that calling these tools twice does no harm, whatever they say themselves.
    #[must_use]
    pub fn tools<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.tools.extend(names.into_iter().map(Into::into));
        self
    }

    /// Says that calling any tool twice does no harm, as FastMCP takes for granted.
    #[must_use]
    pub fn all_tools(mut self) -> Self {
        self.all_tools = true;
        self
    }

    /// Whether a call of the tool `name` may happen twice.
    fn may_call_again(&self, cx: &Context, name: &str) -> bool {
        let says_so = || {
            cx.tool(name).is_some_and(|tool| {
                let hints = &tool.definition.hints;
                hints.idempotent == Some(true) || hints.read_only == Some(true)
            })
        };
        self.all_tools || self.tools.iter().any(|known| known == name) || says_so()
    }

    async fn tried<R: Hooked + Clone>(
        &self,
        cx: &Context,
        request: R,
        next: Next<R>,
    ) -> Result<R::Response, Error> {
        let attempts = self.max_retries.saturating_add(1);
        let what = {
            let message = request.clone().into_message();
            match message.target() {
                Some(target) => format!("{} {}", message.method(), echo(target)),
                None => message.method().to_owned(),
            }
        };
        let attempt = AtomicU32::new(0);
        let is_retryable = |error: &Error| {
            let is_retryable = self.judge.as_ref().map_or_else(|| error.is_transient(), |judge| judge(error));
            if is_retryable {
                let number = attempt.load(Ordering::Relaxed);
                let line = format!("{what} failed (attempt {number}/{attempts}): {error}");
                cx.platform().log(LogLevel::Warning, &on_one_line(&line));
            }
            is_retryable
        };
        let mark = cx.line().journal(|journal| journal.mark());
        let backoff = Backoff::new(self.base_delay, self.max_delay).multiplier(self.multiplier);
        let tries = Tries::new().attempts(attempts).backoff(backoff).when(is_retryable);
        tries
            .run(cx.platform(), || {
                if attempt.fetch_add(1, Ordering::Relaxed) > 0 {
                    cx.line().journal(|journal: &mut Journal| journal.go_back(&mark));
                }
                next.again().run(request.clone())
            })
            .await
    }
}

macro_rules! again {
    ($($hook:ident($message:ident);)*) => {
        impl Middleware for Retry {
            fn on_call_tool<'a>(
                &'a self,
                cx: &'a Context,
                call: CallTool,
                next: Next<CallTool>,
            ) -> Answering<'a, CallTool> {
                match self.may_call_again(cx, call.name()) {
                    true => Box::pin(self.tried(cx, call, next)),
                    false => next.run(call),
                }
            }

            $(fn $hook<'a>(&'a self, cx: &'a Context, request: $message, next: Next<$message>) -> Answering<'a, $message> {
                Box::pin(self.tried(cx, request, next))
            })*
        }
    };
}

again! {
    on_read_resource(ReadResource);
    on_get_prompt(GetPrompt);
    on_list_tools(ListTools);
    on_list_resources(ListResources);
    on_list_resource_templates(ListResourceTemplates);
    on_list_prompts(ListPrompts);
    on_complete(Complete);
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("max_retries", &self.max_retries)
            .field("base_delay", &self.base_delay)
            .field("max_delay", &self.max_delay)
            .field("backoff_multiplier", &self.multiplier)
            .field("tools", &self.tools)
            .field("all_tools", &self.all_tools)
            .finish_non_exhaustive()
    }
}
