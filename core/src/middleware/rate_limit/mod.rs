//! Refuses requests of who sends too many.

mod algorithm;
mod count;
mod whom;

use std::time::Duration;

use http::HeaderName;

use self::{
    algorithm::Algorithm,
    count::Counter,
    whom::{By, Whom},
};
pub use self::{
    count::{LOCAL_CLIENTS_MAX, Limiter, Verdict},
    whom::Per,
};
use super::{Message, Middleware, Next, Response, Stage};
use crate::{
    context::Context,
    error::Error,
    future::BoxFuture,
    model::Text,
    platform::LogLevel,
    store::{Need, Partition},
    wire,
};

/// The collection of the counts.
const COLLECTION: &str = "edgemcp.rate";

/// What becomes of requests while nobody can count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They fail, as what they would do with the store would. A limit is there for what must not be exceeded (a bill,
    /// somebody else's service, a guessed password), and whoever can bring the store down must not get rid of it so.
    #[default]
    Refuse,
    /// They go on uncounted, with a line in the log: for a limit that is a courtesy.
    Admit,
}

/// Refuses requests of who sends too many, with FastMCP's error (-32000, `Rate limit exceeded for client: …`), HTTP 429 and
/// `Retry-After` (legacy clients get 200, which they need to read an error at all).
///
/// ```
/// use std::time::Duration;
///
/// use edgemcp::{middleware::{Per, RateLimiting}, prelude::*};
///
/// let server = Server::new("tools", "1.0.0")
///     // Ten requests a second in the long run, and twenty at once.
///     .middleware(RateLimiting::token_bucket(10.0).address_header("cf-connecting-ip"))
///     // And of the one that costs money a hundred a day, whoever calls it.
///     .middleware(
///         RateLimiting::fixed_window(100, Duration::from_secs(24 * 60 * 60)).per(Per::Tool).tools(["render"]),
///     );
/// ```
///
/// Every request counts, lists and pings among them, unless [`methods`](Self::methods) or [`tools`](Self::tools) says
/// otherwise, and so does each round of a call that asks its client for something. What nobody's request has begun (a task
/// that goes on, a call that another instance takes up) does not count again. Neither do notifications.
///
/// # Where it is counted
/// In the platform's [strong store](crate::platform::Platform::strong_store), so that all instances share one count, and
/// the store's own expiry forgets clients that are idle. It must be atomic and consistent: DynamoDB, Redis, SQLite and
/// Durable Objects are, Workers KV is not, and there the server is refused with the way out. That is a
/// [Durable Object](https://developers.cloudflare.com/durable-objects/), the platform's own limiter
/// ([`by_limiter`](Self::by_limiter)), or [`local`](Self::local).
///
/// | | let through | operations of the store, admitted / refused |
/// | --- | --- | --- |
/// | [`token_bucket`](Self::token_bucket) | in any time `t`: burst + rate × `t` | 2 / 1 |
/// | [`sliding_window`](Self::sliding_window) | in any window: its requests | 2 / 1 |
/// | [`fixed_window`](Self::fixed_window) | in any window: twice its requests, at its ends | 1 / 1 |
///
/// # Limits
/// That is exact, whatever comes at the same moment, for instances whose clocks agree. One whose clock is ahead by `d` lets
/// through, once, what comes back in `d`.
///
/// Bucket and window read a count and write it if nobody else has written meanwhile, up to 20 times, with pauses between
/// them that grow to 256 ms. So requests that share one count and come at the same moment wait for one another, for some
/// seconds at the most and mostly for much less, and what was not counted by then is refused, since it was too much at once:
/// a count takes as many requests in a second as reads and writes fit into it one after another. For one limit that is
/// shared by everybody on many instances take a fixed window, whose count is one increment and waits for nobody.
#[derive(Debug)]
pub struct RateLimiting {
    counter: Counter,
    by: By,
    address_header: Option<Result<HeaderName, String>>,
    methods: Vec<Text>,
    tools: Vec<Text>,
    on_failure: OnFailure,
    shared_as: Option<Text>,
    problems: Vec<String>,
}

/// FastMCP's: ten requests a second in the long run, and twenty at once.
impl Default for RateLimiting {
    fn default() -> Self {
        Self::token_bucket(10.0)
    }
}

impl RateLimiting {
    fn new(counter: Counter) -> Self {
        Self {
            counter,
            by: By::Per(Per::default()),
            address_header: None,
            methods: Vec::new(),
            tools: Vec::new(),
            on_failure: OnFailure::default(),
            shared_as: None,
            problems: Vec::new(),
        }
    }

    /// So many requests per second in the long run, and twice as many at once unless [`burst`](Self::burst) says otherwise.
    pub fn token_bucket(per_second: f64) -> Self {
        Self::new(Counter::Store(Algorithm::TokenBucket { per_second, burst: None }))
    }

    /// So many requests in any window of this length. Up to 64 are counted to the millisecond; of more a request counts for
    /// up to a 64th of the window longer.
    pub fn sliding_window(requests: u32, window: Duration) -> Self {
        Self::new(Counter::Store(Algorithm::SlidingWindow { requests, window }))
    }

    /// So many requests in each window, all of which begin at a multiple of their length since 1970: minutes, hours, days.
    pub fn fixed_window(requests: u32, window: Duration) -> Self {
        Self::new(Counter::Store(Algorithm::FixedWindow { requests, window }))
    }

    /// As many requests as `limiter` lets through, which counts in its own way.
    pub fn by_limiter(limiter: impl Limiter + 'static) -> Self {
        Self::new(Counter::Limiter(Box::new(limiter)))
    }

    /// How many requests a [`token_bucket`](Self::token_bucket) lets through at once.
    #[must_use]
    pub fn burst(mut self, requests: u32) -> Self {
        match self.counter.algorithm_mut() {
            Some(Algorithm::TokenBucket { burst, .. }) => *burst = Some(requests),
            _ => self.problems.push(format!(
                "it has a burst of {requests}, and no token bucket (leave `burst` out, or begin with `token_bucket`)"
            )),
        }
        self
    }

    /// Who shares one count; [`Per::Client`] unless said otherwise.
    #[must_use]
    pub fn per(mut self, per: Per) -> Self {
        self.by = By::Per(per);
        self
    }

    /// Requests share a count for which `choose` gives the same text; one for which it gives none is not counted.
    ///
    /// ```
    /// # use edgemcp::middleware::RateLimiting;
    /// // Each tenant has its own.
    /// let limits = RateLimiting::token_bucket(50.0)
    ///     .by(|cx, _| cx.principal()?.claims().get("tenant")?.as_str().map(str::to_owned));
    /// ```
    #[must_use]
    pub fn by(
        mut self,
        choose: impl Fn(&Context, &Message) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.by = By::Closure(Box::new(choose));
        self
    }

    /// Knows clients without a principal by the address in this header: `cf-connecting-ip` on Workers, `x-forwarded-for`
    /// behind a load balancer or API Gateway. Of several addresses the last one counts, and of one of IPv6 its first 64 bits.
    ///
    /// It must be one that your own platform or proxy writes. One that passes through from clients lets each of them be as
    /// many as it likes.
    #[must_use]
    pub fn address_header(mut self, name: &str) -> Self {
        self.address_header = Some(name.parse().map_err(|_| name.to_owned()));
        self
    }

    /// Counts these methods alone, such as `tools/call`.
    #[must_use]
    pub fn methods<S: Into<Text>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods.extend(methods.into_iter().map(Into::into));
        self
    }

    /// Counts calls of these tools alone.
    #[must_use]
    pub fn tools<S: Into<Text>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.tools.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Counts in this instance instead of in the store: an approximation, since `n` instances let through `n` times as much,
    /// and one that is started anew has forgotten all. It costs nothing, and needs nothing of the store.
    ///
    /// It remembers [`LOCAL_CLIENTS_MAX`] clients unless [`local_clients_max`](Self::local_clients_max) says otherwise, a
    /// few hundred bytes each; past it, those that have not come for longest are forgotten.
    #[must_use]
    pub fn local(self) -> Self {
        self.local_clients_max(LOCAL_CLIENTS_MAX)
    }

    /// As [`local`](Self::local), and remembers so many clients.
    #[must_use]
    pub fn local_clients_max(mut self, clients: usize) -> Self {
        match self.counter.algorithm() {
            Some(algorithm) => self.counter = Counter::local(*algorithm, clients),
            None => self.problems.push("it is local, and a limiter counts for it (leave out one)".to_owned()),
        }
        if clients == 0 {
            self.problems
                .push("it remembers 0 clients, and so would refuse nobody: write 1 or more".to_owned());
        }
        self
    }

    /// What becomes of requests while nobody can count them; they fail unless said otherwise.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Shares its counts with every limit of this name on the same store, also one of another server. Otherwise they are
    /// shared by what has the same server's name and the same settings: two such limits of one server count everything twice.
    #[must_use]
    pub fn shared_as(mut self, name: impl Into<Text>) -> Self {
        self.shared_as = Some(name.into());
        self
    }

    /// Whether `message` is one that is counted.
    fn counts(&self, message: &Message) -> bool {
        let is_method =
            self.methods.is_empty() || self.methods.iter().any(|method| method == message.method());
        let is_tool = self.tools.is_empty()
            || match message {
                Message::CallTool(call) => self.tools.iter().any(|tool| tool == call.name()),
                _ => false,
            };
        is_method && is_tool
    }

    /// Says whether `message` may go on.
    ///
    /// # Errors
    /// Why it may not.
    async fn check(&self, cx: &Context, message: &Message) -> Result<(), Error> {
        if cx.is_taken_up() || !self.counts(message) {
            return Ok(());
        }
        let header = self.address_header.as_ref().and_then(|header| header.as_ref().ok());
        let Some(Whom { key, told }) = self.by.whom(cx, message, header) else { return Ok(()) };
        let limit = match &self.shared_as {
            Some(name) => format!("{:?}", ("shared", name)),
            None => {
                let algorithm = self.counter.algorithm().map(Algorithm::tag);
                format!("{:?}", (&cx.0.tables.who.name, cx.scope(), algorithm, &self.methods, &self.tools))
            }
        };
        let key = Partition::of_text(COLLECTION, &format!("{limit} {key}"))?.item("count")?;
        match self.counter.count(cx, &key).await {
            Ok(Verdict::Admitted) => Ok(()),
            Ok(Verdict::Refused { retry_after }) => Err(Error::rate_limited(self.refusal(told), retry_after)),
            Err(error) => match self.on_failure {
                OnFailure::Refuse => Err(error),
                OnFailure::Admit => {
                    let line = format!("a request goes on uncounted, since counting it failed: {error}");
                    cx.platform().log(LogLevel::Warning, &line);
                    Ok(())
                }
            },
        }
    }

    /// FastMCP's words.
    fn refusal(&self, told: Option<String>) -> String {
        let limit = self.counter.algorithm().and_then(Algorithm::told);
        match (told, limit) {
            (Some(whom), Some(limit)) => format!("Rate limit exceeded: {limit} for {whom}"),
            (Some(whom), None) => format!("Rate limit exceeded for {whom}"),
            (None, Some(limit)) => format!("Global rate limit exceeded: {limit}"),
            (None, None) => "Global rate limit exceeded".to_owned(),
        }
    }
}

impl Middleware for RateLimiting {
    fn stage(&self) -> Stage {
        Stage::RateLimiting
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        problems.extend(self.counter.algorithm().map(Algorithm::problems).unwrap_or_default());
        if let Some(Err(name)) = &self.address_header {
            problems.push(format!(
                "it takes addresses from the header {name:?}, which is none: write a name such as `cf-connecting-ip`"
            ));
        }
        for method in self.methods.iter().filter(|method| !wire::knows(method)) {
            problems.push(format!(
                "it limits the method {method:?}, which no revision has: write one that has an answer, such as \
                 `tools/call`"
            ));
        }
        let calls = self.methods.is_empty() || self.methods.iter().any(|method| method == "tools/call");
        let counts_calls_only =
            !self.tools.is_empty() || matches!(self.by, By::Per(Per::Tool | Per::ClientAndTool));
        if !calls && counts_calls_only {
            problems.push(
                "it counts calls of tools alone, and `tools/call` is not among its methods (add it, or leave the methods \
                 out)"
                    .to_owned(),
            );
        }
        problems
    }

    fn store_needs(&self) -> Option<(Text, Vec<Need>)> {
        match self.counter {
            Counter::Store(_) => {
                Some(("`RateLimiting`, unless it is `local()`,".into(), vec![Need::Atomic, Need::Consistent]))
            }
            Counter::Local { .. } | Counter::Limiter(_) => None,
        }
    }

    fn on_request<'a>(
        &'a self,
        cx: &'a Context,
        message: Message,
        next: Next<Message>,
    ) -> BoxFuture<'a, Result<Response, Error>> {
        Box::pin(async move {
            self.check(cx, &message).await?;
            next.run(message).await
        })
    }
}
