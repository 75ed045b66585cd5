//! Tells how a server is: its store, what it has started, and whatever else it depends on.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, join_all, select};
use serde_json::{Map, Value, json};

use crate::{
    arguments::NoArguments,
    context::Context,
    error::ToolError,
    future::{BoxFuture, MaybeSend, caught},
    model::Text,
    output::Json,
    platform::LogLevel,
    resource::{IntoResource, Resource},
    store::{Capabilities, Consistency, Key, Store},
};

/// The URI of a [`Health`], unless it is said otherwise.
pub const HEALTH_URI: &str = "health://status";

/// How long one check may take, unless it is said otherwise.
pub const HEALTH_TIME_MAX: Duration = Duration::from_secs(5);

type Check = dyn Fn(Context) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// A resource that tells how the server is, at [`HEALTH_URI`].
///
/// It asks the store, tells whether the [`lifespan`](crate::Server::lifespan) has started (and starts it, if nothing has
/// yet), and runs the checks that were added, all at once:
///
/// ```json
/// {
///   "status": "degraded",
///   "timestamp": "2026-07-28T09:30:00.250Z",
///   "server": {"name": "notes", "version": "1.0.0"},
///   "store": {"name": "DynamoDB", "durable": true, "shared": true},
///   "checks": {
///     "store": {"healthy": true, "ms": 4},
///     "api": {"healthy": false, "ms": 5000, "error": "no answer within 5s"}
///   }
/// }
/// ```
///
/// `status` is `healthy` where every check is. Why one failed is in the server's log; a client is told no more than that
/// it did. On Workers, whose clock stands still between two I/O operations, `ms` is the time across those.
///
/// ```
/// # use edgemcp::{Health, prelude::*};
/// let health = Health::new().check("api", |cx| async move {
///     let request = http::Request::get("https://api.example/health").body(Default::default())?;
///     match cx.platform().fetch().fetch(request).await?.status().is_success() {
///         true => Ok(()),
///         false => Err(ToolError::new("it answers with an error")),
///     }
/// });
/// let server = Server::new("notes", "1.0.0").resource(health);
/// # assert!(server.build().is_ok());
/// ```
pub struct Health {
    uri: Text,
    time_max: Duration,
    checks: Vec<(Text, Box<Check>)>,
}

impl Health {
    /// Asks the store and the lifespan.
    pub fn new() -> Self {
        Self { uri: Text::Borrowed(HEALTH_URI), time_max: HEALTH_TIME_MAX, checks: Vec::new() }
    }

    /// Sets the resource's URI; [`HEALTH_URI`] unless said otherwise.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<Text>) -> Self {
        self.uri = uri.into();
        self
    }

    /// Sets how long each check may take; [`HEALTH_TIME_MAX`] unless said otherwise.
    #[must_use]
    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = time;
        self
    }

    /// Adds a check of something else that the server depends on, by its name in the answer. An error is for the log.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: impl Into<Text>, check: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ToolError>> + MaybeSend + 'static,
    {
        let check = Box::new(move |cx| -> BoxFuture<'static, Result<(), String>> {
            let checking = check(cx);
            Box::pin(async move { checking.await.map_err(|error| crate::Error::from(error).for_the_log()) })
        });
        self.checks.push((name.into(), check));
        self
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Health").field("uri", &self.uri).field("checks", &checks).finish_non_exhaustive()
    }
}

impl IntoResource for Health {
    fn into_resource(self) -> Resource {
        let Self { uri, time_max, checks } = self;
        let checks = Arc::new(checks);
        let mut resource = Resource::new(uri, "health", move |cx, _: NoArguments| {
            let checks = Arc::clone(&checks);
            async move { Json(report(&cx, time_max, &checks).await) }
        })
        .description("How the server is: its store and what it depends on");
        resource.starts_nothing = true;
        resource
    }
}

async fn report(cx: &Context, time_max: Duration, checks: &[(Text, Box<Check>)]) -> Value {
    let (store, strong) = (cx.store(), cx.platform().strong_store());
    let mut all: Vec<(&str, BoxFuture<'_, Result<(), String>>)> = vec![("store", Box::pin(probe(store)))];
    if !Arc::ptr_eq(store, strong) {
        all.push(("strong_store", Box::pin(probe(strong))));
    }
    if let Some(started) = cx.started() {
        let started = started.map_err(str::to_owned);
        all.push(("lifespan", Box::pin(std::future::ready(started))));
    }
    for (name, check) in checks {
        let cx = cx.clone();
        // Called within its examination, since it can panic before it has given a future.
        all.push((name.as_ref(), Box::pin(async move { check(cx).await })));
    }
    let found = join_all(all.into_iter().map(|(name, check)| examine(cx, name, time_max, check))).await;
    let is_healthy = found.iter().all(|(_, finding)| finding.get("healthy") == Some(&Value::Bool(true)));
    let mut report = json!({
        "status": if is_healthy { "healthy" } else { "degraded" },
        "timestamp": cx.now().to_rfc3339(),
        "server": {"name": cx.0.tables.who.name, "version": cx.0.tables.who.version},
        "store": told(&store.capabilities()),
    });
    if let Some(report) = report.as_object_mut() {
        if !Arc::ptr_eq(store, strong) {
            report.insert("strong_store".to_owned(), told(&strong.capabilities()));
        }
        report.insert("checks".to_owned(), Value::Object(found.into_iter().collect::<Map<_, _>>()));
    }
    report
}

fn told(store: &Capabilities) -> Value {
    json!({"name": store.name, "durable": store.durable, "shared": store.shared})
}

/// Reads what is not there, which takes a store that answers.
async fn probe(store: &Arc<dyn Store>) -> Result<(), String> {
    let read = async { store.get(&Key::new("edgemcp.health", "probe", "none")?, Consistency::Strong).await };
    read.await.map(drop).map_err(|error| error.to_string())
}

/// Runs a check within its time.
async fn examine(
    cx: &Context,
    name: &str,
    time_max: Duration,
    check: BoxFuture<'_, Result<(), String>>,
) -> (String, Value) {
    let begun = cx.now();
    let (outcome, told) = match select(pin!(caught(check)), cx.platform().sleep(time_max)).await {
        Either::Left((outcome, _)) => {
            (outcome.and_then(|done| done), "it failed; the cause is in the server's log".to_owned())
        }
        Either::Right(((), _)) => {
            let late = format!("no answer within {time_max:?}");
            (Err(late.clone()), late)
        }
    };
    let mut finding = json!({
        "healthy": outcome.is_ok(),
        "ms": u64::try_from(cx.now().since(begun).as_millis()).unwrap_or(u64::MAX),
    });
    if let Err(cause) = outcome {
        cx.platform().log(LogLevel::Warning, &format!("the check {name:?} failed: {cause}"));
        if let Some(finding) = finding.as_object_mut() {
            finding.insert("error".to_owned(), told.into());
        }
    }
    (name.to_owned(), finding)
}
