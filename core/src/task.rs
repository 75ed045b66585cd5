//! Calls that go on as tasks: the client gets an id at once, and asks after it (extension
//! `io.modelcontextprotocol/tasks`).
//!
//! A task is a call that is kept in the store before its client hears of it. Whoever holds the store can run it: this
//! process in the background, or another that it is handed over to; a lease makes sure that one does. It is asked things
//! like any call that is kept, and one whose runner is gone goes on when its client asks after it.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::{
    ask,
    auth::Principal,
    call::{self, Done, Found, Kept, LEASE},
    context::Context,
    error::Error,
    exchange::Exchange,
    journal::Answer,
    limits::echo,
    model::Responses,
    platform::{LogLevel, Platform, Timestamp},
    seal::{fingerprint, random_id},
    server::tables::Tables,
    store::{LIST_PAGE_MAX, Partition, StoreError},
    version::ProtocolVersion,
    wire::{call::TaskTimes, capabilities, results::InputRequest, task as wire},
};

/// The client capability that lets a call become a task.
pub(crate) const CAPABILITY: &str = "extensions.io.modelcontextprotocol/tasks";

/// How long a task is kept, unless the server says otherwise.
pub const TASK_TTL: Duration = Duration::from_secs(3600);

/// How often a client is told to ask after a task, unless the server says otherwise.
pub const TASK_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The collection of the tasks that are not done, a partition for each server.
const COLLECTION: &str = "edgemcp.tasks";

/// How tasks are kept, for [`Server::tasks`](crate::Server::tasks).
///
/// ```
/// # use std::time::Duration;
/// use edgemcp::{Server, Tasks};
/// let server = Server::new("reports", "1.0.0")
///     .tasks(Tasks::new().ttl(Duration::from_secs(24 * 3600)).poll_interval(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tasks {
    ttl: Duration,
    poll_interval: Duration,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { ttl: TASK_TTL, poll_interval: TASK_POLL_INTERVAL }
    }
}

impl Tasks {
    /// Kept for [`TASK_TTL`], asked after every [`TASK_POLL_INTERVAL`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a task is kept from its creation on, whether or not it is done by then.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how often clients are told to ask after a task.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }
}

/// Whether calls to a tool go on as tasks, for [`Tool::task`](crate::Tool::task). A client that does not declare the
/// extension gets the result in place of a task, where the tool can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSupport {
    /// Where the client takes tasks.
    Optional,
    /// Always: a client that takes none is refused with -32021.
    Required,
    /// Once the handler says so ([`Context::become_task`](crate::Context::become_task)).
    ByHandler,
}

/// Whether a client declares that it takes tasks.
pub(crate) fn declares(client_capabilities: Option<&RawValue>) -> bool {
    client_capabilities.is_some_and(|raw| capabilities::has(raw.get(), CAPABILITY))
}

/// Refuses a request about a task of a client that takes none, and where there are none.
pub(crate) fn must_declare(exchange: &Exchange, client_capabilities: Option<&RawValue>) -> Result<(), Error> {
    if !exchange.tables.offers.tasks || !is_able(&exchange.platform) {
        return Err(Error::method_not_found("this server has no tasks"));
    }
    match declares(client_capabilities) {
        true => Ok(()),
        false => Err(Error::missing_client_capability("a request about a task", CAPABILITY)),
    }
}

/// Whether tasks can be had on this platform: where they are kept so that nobody does them twice, and where somebody
/// does them once the call is answered.
pub(crate) fn is_able(platform: &Platform) -> bool {
    let store = platform.strong_store().capabilities();
    store.atomic && store.consistent && (platform.background().is_some() || platform.delegate().is_some())
}

/// Makes the call a task, and says so to its client.
pub(crate) async fn create(cx: &Context) -> Result<Box<RawValue>, Error> {
    let inner = &cx.0;
    let (platform, config) = (&inner.platform, &inner.tables.tasks);
    let id = random_id(platform.random())?;
    let created = platform.now();
    let kept = Kept::new(platform, &id, config.ttl)?;
    let ttl = u64::try_from(config.ttl.as_millis()).unwrap_or(u64::MAX);
    let record = cx.record(Some(TaskTimes { created: created.as_millis(), ttl }))?;
    kept.begin(&record, &cx.line().journal(|journal| journal.recorded())).await?;
    let queued = queue(&inner.tables)?.item(&id)?;
    let started = async {
        platform.strong_store().put(&queued, "1".into(), Some(config.ttl)).await?;
        start(&Exchange::behind(cx), &id).await
    };
    if let Err(error) = started.await {
        // Nobody will do it, and nobody has heard of it.
        kept.forget().await?;
        return Err(error);
    }
    let task = wire::Task {
        id: &id,
        standing: wire::Standing::Working,
        message: None,
        created: created.to_rfc3339(),
        updated: created.to_rfc3339(),
        ttl: config.ttl,
        poll_interval: config.poll_interval,
    };
    Ok(task.created(inner.tables.results_for(inner.version)))
}

/// Has the task done by somebody.
async fn start(exchange: &Exchange, id: &str) -> Result<(), Error> {
    let platform = &exchange.platform;
    if let Some(delegate) = platform.delegate() {
        return Ok(delegate.delegate(id).await?);
    }
    let Some(background) = platform.background() else {
        return Err(Error::internal("nothing here can go on with a task once its call is answered"));
    };
    let (exchange, id) = (exchange.again(), id.to_owned());
    background.run(Box::pin(async move {
        if let Err(error) = call::run(&exchange, &id).await {
            exchange.platform.log(LogLevel::Error, &format!("a task could not be gone on with: {error}"));
        }
    }));
    Ok(())
}

/// Goes on with the task `id`, unless somebody does, or it is done, or there is none.
pub(crate) async fn run(exchange: &Exchange, id: &str) -> Result<(), Error> {
    let Ok(kept) = Kept::new(&exchange.platform, id, exchange.tables.tasks.ttl) else { return Ok(()) };
    match kept.record().await? {
        Some(record) if record.task.is_some() => call::run(exchange, id).await.map(drop),
        _ => Ok(()),
    }
}

/// Goes on with the tasks of a server that nobody works on; says how many there were.
pub(crate) async fn run_all(exchange: &Exchange) -> Result<usize, Error> {
    let store = exchange.platform.strong_store();
    let (partition, mut after, mut count) = (queue(&exchange.tables)?, None::<String>, 0);
    let mut failed = None;
    loop {
        let page = store.list(&partition, after.as_deref(), LIST_PAGE_MAX).await?;
        for (id, _) in page.entries {
            match run_waiting(exchange, &id).await {
                Ok(is_here) => count += usize::from(is_here),
                // The next one may be another matter.
                Err(error) => failed = Some(error),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return failed.map_or(Ok(count), Err),
        }
    }
}

/// Goes on with the task `id`, unless it waits for its client; says whether it did.
async fn run_waiting(exchange: &Exchange, id: &str) -> Result<bool, Error> {
    let kept = Kept::new(&exchange.platform, id, exchange.tables.tasks.ttl)?;
    // Whoever answers what it asks has it gone on with.
    if kept.find().await?.is_none_or(|found| found.open().next().is_some()) {
        return Ok(false);
    }
    // Each on a line of its own: what ends one must not end the next.
    Ok(call::run(&exchange.again(), id).await?.is_here())
}

/// Keeps what a task came to.
pub(crate) async fn end(
    tables: &Tables,
    kept: &Kept,
    platform: &Platform,
    answer: &Answer,
) -> Result<(), StoreError> {
    kept.end(&Done::Ended(answer.clone()), platform.now()).await?;
    platform.strong_store().delete(&queue(tables)?.item(&kept.id)?).await
}

/// The tasks of a server that are not done.
fn queue(tables: &Tables) -> Result<Partition, StoreError> {
    Ok(Partition::new(COLLECTION, fingerprint(tables.who.name.as_bytes()))?)
}

/// The task `id`, where it is the principal's.
async fn find(exchange: &Exchange, id: &str) -> Result<(Kept, Found), Error> {
    let unknown =
        || Error::invalid_params(format!("no task of yours has the id {}; it may have expired", echo(id)));
    let kept = Kept::new(&exchange.platform, id, exchange.tables.tasks.ttl).map_err(|_| unknown())?;
    let found = kept.find().await?.ok_or_else(unknown)?;
    let is_own = belongs(&found, exchange.principal.as_deref());
    if is_own { Ok((kept, found)) } else { Err(unknown()) }
}

fn belongs(found: &Found, principal: Option<&Principal>) -> bool {
    found.record.task.is_some() && call::is_whose(&found.record, principal)
}

/// How the task stands.
fn task<'a>(exchange: &Exchange, id: &'a str, found: &'a Found) -> wire::Task<'a> {
    let TaskTimes { created, ttl } = found.record.task.unwrap_or(TaskTimes { created: 0, ttl: 0 });
    let open: Vec<InputRequest<'_>> = found.open().collect();
    wire::Task {
        id,
        standing: match &found.done {
            Some(Done::Ended(answer)) => wire::Standing::Ended(answer),
            Some(Done::Cancelled) => wire::Standing::Cancelled,
            Some(Done::Sent) | None if open.is_empty() => wire::Standing::Working,
            Some(Done::Sent) | None => wire::Standing::InputRequired(open),
        },
        message: found.message.as_deref(),
        created: Timestamp::from_millis(created).to_rfc3339(),
        updated: updated(found).to_rfc3339(),
        ttl: Duration::from_millis(ttl),
        poll_interval: exchange.tables.tasks.poll_interval,
    }
}

/// When the task came further.
fn updated(found: &Found) -> Timestamp {
    found.updated.unwrap_or(Timestamp::from_millis(found.record.task.map_or(0, |task| task.created)))
}

/// The answer to `tasks/get`.
pub(crate) async fn get(exchange: &Exchange, id: &str) -> Result<Box<RawValue>, Error> {
    let (kept, found) = find(exchange, id).await?;
    let task = task(exchange, id, &found);
    let now = exchange.platform.now();
    let is_quiet = now.since(updated(&found)) > LEASE;
    if matches!(task.standing, wire::Standing::Working) && !found.is_held && is_quiet {
        // Whoever worked on it is gone. It is noted, so that the next look does not start it once more before it began.
        kept.touch(now).await?;
        start(exchange, id).await?;
    }
    Ok(task.got(exchange.tables.results_for(ProtocolVersion::V2026_07_28)))
}

/// The notification of how the task stands now; `None` where there is none of the principal's.
pub(crate) async fn notification(
    exchange: &Exchange,
    id: &str,
    meta: crate::wire::notify::SubscriptionMeta<'_>,
) -> Option<Vec<u8>> {
    let (_, found) = find(exchange, id).await.ok()?;
    Some(task(exchange, id, &found).notification(meta))
}

/// Where the task is kept, where it is the principal's.
pub(crate) async fn partition(exchange: &Exchange, id: &str) -> Option<Partition> {
    find(exchange, id).await.ok().map(|(kept, _)| kept.partition().clone())
}

/// The answer to `tasks/update`. Answers to nothing that is asked are left out.
pub(crate) async fn update(
    exchange: &Exchange,
    id: &str,
    responses: Responses<'_>,
) -> Result<Box<RawValue>, Error> {
    let (kept, found) = find(exchange, id).await?;
    let mut answers = Vec::new();
    if found.done.is_none() {
        for (key, response) in responses {
            let Some((number, (_, method, params))) = found.open_as(&key) else { continue };
            // What does not fit is refused here, where its sender still hears of it.
            ask::check(method, params, response)
                .map_err(|why| Error::invalid_params(format!("the answer under {}: {why}", echo(&key))))?;
            answers.push((number, Answer::Result(response.to_owned())));
        }
    }
    let is_answered = !answers.is_empty();
    for (number, answer) in answers {
        kept.put_answer(number, &answer).await?;
    }
    if is_answered {
        kept.touch(exchange.platform.now()).await?;
        // Whoever works on it finds the answer.
        if !kept.is_held().await? {
            start(exchange, id).await?;
        }
    }
    Ok(wire::acknowledged(exchange.tables.results_for(ProtocolVersion::V2026_07_28)))
}

/// The answer to `tasks/cancel`. A task that is done stays what it is.
pub(crate) async fn cancel(exchange: &Exchange, id: &str) -> Result<Box<RawValue>, Error> {
    let (kept, _) = find(exchange, id).await?;
    kept.end(&Done::Cancelled, exchange.platform.now()).await?;
    exchange.platform.strong_store().delete(&queue(&exchange.tables)?.item(id)?).await?;
    Ok(wire::acknowledged(exchange.tables.results_for(ProtocolVersion::V2026_07_28)))
}
