//! Tells clients what has changed: those who listen on the modern era, and those who have subscribed on the legacy one.
//!
//! Whoever makes a change notes it in the store, and every instance that holds a client's stream watches there. Where
//! nobody can hold a stream, a legacy client comes by and asks what was noted since.

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    future::{Either, select},
    stream,
};
use serde_json::value::RawValue;

use crate::{
    auth,
    error::Error,
    exchange::{Exchange, Reply, perform},
    future::BoxStream,
    limits::SUBSCRIPTIONS_MAX,
    line::Resumes,
    model::{Abilities, Change, Listened},
    platform::{Platform, Timestamp},
    seal::{Sealer, fingerprint},
    server::tables::Tables,
    session::Session,
    stdio::Peer,
    store::{Consistency, Key, LIST_PAGE_MAX, Partition, Store, StoreError},
    task,
    version::{Era, ProtocolVersion},
    wire::{
        jsonrpc::Id,
        notify::{self, SubscriptionMeta},
    },
};

/// The longest a client may listen before it has to begin anew.
pub const LISTEN_MAX: Duration = Duration::from_secs(3600);

/// The most tasks a subscription tells of; each is watched on its own.
pub const TASKS_WATCHED_MAX: usize = 16;

/// A platform that does not hold a stream for so long is none to listen on.
const HOLD_MIN: Duration = Duration::from_secs(60);

/// How long it is known that something has changed.
const CHANGE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// After how long a client comes by again where no stream can be held.
const COME_BY_EVERY: Duration = Duration::from_secs(30);

/// The collection of changes, a partition for each server.
const COLLECTION: &str = "edgemcp.changes";

/// What the stream of changes is called in the ids of its events, which have the second after it.
pub(crate) const STREAM: &str = "changes";

/// What clients of this era can be told on this platform.
pub(crate) fn abilities(tables: &Tables, platform: &Platform, era: Era, peer: Option<&Peer>) -> Abilities {
    let store = platform.strong_store().capabilities();
    let changes = match (era, peer) {
        (_, Some(_)) => store.watch,
        (Era::Modern, None) => store.watch && platform.hold_max().is_some_and(|hold| hold >= HOLD_MIN),
        // A client that comes by needs a session that says what it has subscribed to.
        (Era::Legacy, None) => store.consistent && tables.sessions.are_on() && Sealer::new(platform).is_ok(),
    };
    Abilities { changes, tasks: era == Era::Modern && task::is_able(platform) }
}

fn partition(tables: &Tables) -> Result<Partition, StoreError> {
    Ok(Partition::new(COLLECTION, fingerprint(tables.who.name.as_bytes()))?)
}

/// The item under which a change is noted.
fn item(change: &Change) -> String {
    match change {
        Change::Tools => "tools".to_owned(),
        Change::Prompts => "prompts".to_owned(),
        Change::Resources => "resources".to_owned(),
        Change::Resource(uri) => subscription(uri),
    }
}

/// What the items of resources begin with.
const SUBSCRIPTION: &str = "uri.";

/// The item of a change of the resource at `uri`, and of a subscription to it.
fn subscription(uri: &str) -> String {
    format!("{SUBSCRIPTION}{}", fingerprint(uri.as_bytes()))
}

/// Notes that something has changed.
///
/// # Errors
/// Where the server does not offer to tell, and where the store fails.
pub(crate) async fn publish(tables: &Tables, platform: &Platform, change: &Change) -> Result<(), Error> {
    let offers = tables.offers;
    let (offered, with) = match change {
        Change::Tools | Change::Prompts | Change::Resources => (offers.list_changed, "list_changed"),
        Change::Resource(_) => (offers.subscribe, "resource_subscriptions"),
    };
    if !offered {
        return Err(Error::internal(format!(
            "the server does not offer to tell clients of this change: add `Server::{with}()`"
        )));
    }
    let store = platform.strong_store();
    if !store.capabilities().consistent {
        // Nobody is told that they could hear of it.
        return Ok(());
    }
    let now = platform.now().as_millis().to_string();
    Ok(store.put(&partition(tables)?.item(item(change))?, now.into(), Some(CHANGE_TTL)).await?)
}

/// Sends what a modern client listens to, until it goes away or its time is up (2026-07-28,
/// basic/patterns/subscriptions); the result ends the subscription.
pub(crate) async fn listen(
    exchange: &Exchange,
    id: Id<'_>,
    listened: Listened<'_>,
    declares_tasks: bool,
) -> Result<Box<RawValue>, Error> {
    let (tables, platform) = (&exchange.tables, &exchange.platform);
    let able = exchange.abilities(Era::Modern);
    let offers = tables.offers;
    let tells_of_tasks = offers.tasks && able.tasks;
    if !able.changes || !(offers.list_changed || offers.subscribe || tells_of_tasks) {
        return Err(Error::method_not_found(
            "this server has nothing to listen to here; its lists say how long they are good (`ttlMs`)",
        ));
    }
    if !exchange.takes_stream {
        return Err(Error::invalid_request(
            "a subscription is a stream: send `Accept: application/json, text/event-stream`",
        ));
    }
    let mut sources: Vec<BoxStream<'static, Source>> = Vec::new();
    let mut honoured = Listened {
        tools: listened.tools && offers.list_changed && offers.tools,
        prompts: listened.prompts && offers.list_changed && offers.prompts,
        resources: listened.resources && offers.list_changed && offers.resources,
        uris: listened
            .uris
            .into_iter()
            .filter(|uri| offers.subscribe && permit(exchange, uri).is_ok())
            .collect(),
        tasks: Vec::new(),
    };
    let store = platform.strong_store();
    // What is watched before it is acknowledged is not missed after.
    let changes = store.watch(&partition(tables)?).await?;
    sources.push(Box::pin(changes.map(Source::Change).chain(stream::once(async { Source::Lost }))));
    let tasks = listened.tasks.into_iter().filter(|_| declares_tasks && tells_of_tasks);
    for task in tasks.take(TASKS_WATCHED_MAX) {
        let Some(partition) = task::partition(exchange, &task).await else { continue };
        let number = honoured.tasks.len();
        let changes = store.watch(&partition).await?.map(move |_| Source::Task(number));
        sources.push(Box::pin(changes.chain(stream::once(async { Source::Lost }))));
        honoured.tasks.push(task);
    }
    let meta = SubscriptionMeta { subscription_id: id.raw() };
    exchange.line.send(notify::acknowledged(&honoured, meta));
    let hold = platform.hold_max().unwrap_or(LISTEN_MAX).min(LISTEN_MAX);
    let mut time_up = pin!(platform.hold(hold));
    let mut sources = stream::select_all(sources);
    let mut told = vec![Vec::new(); honoured.tasks.len()];
    loop {
        let source = match select(sources.next(), time_up.as_mut()).await {
            Either::Left((source, _)) => source.unwrap_or(Source::Lost),
            Either::Right(((), _)) => Source::Lost,
        };
        match source {
            Source::Change(item) => {
                if let Some(change) = honoured.named(&item) {
                    exchange.line.send(notify::changed(&change, Some(meta)));
                }
            }
            Source::Task(number) => {
                let (Some(task), Some(before)) = (honoured.tasks.get(number), told.get_mut(number)) else {
                    continue;
                };
                let Some(message) = task::notification(exchange, task, meta).await else { continue };
                // Not everything that is kept with a task is of interest to its client.
                if *before != message {
                    before.clone_from(&message);
                    exchange.line.send(message);
                }
            }
            // What is missed from here on the client learns when it begins anew.
            Source::Lost => return Ok(notify::subscription_ended(meta)),
        }
    }
}

/// What has happened.
enum Source {
    /// A change was noted under this item.
    Change(String),
    /// Something of the task with this number has changed.
    Task(usize),
    /// Nothing more will be told.
    Lost,
}

impl Listened<'_> {
    /// The change that is noted under `item`, where it is one that is listened to.
    fn named(&self, item: &str) -> Option<Change> {
        match item {
            "tools" => self.tools.then_some(Change::Tools),
            "prompts" => self.prompts.then_some(Change::Prompts),
            "resources" => self.resources.then_some(Change::Resources),
            item => {
                let uri = self.uris.iter().find(|uri| subscription(uri) == item)?;
                Some(Change::Resource(Cow::Owned(uri.clone().into_owned())))
            }
        }
    }
}

/// Keeps that a legacy client wants to hear of the resource at `uri`.
pub(crate) async fn subscribe(exchange: &Exchange, uri: &str) -> Result<(), Error> {
    let session = subscriber(exchange)?;
    permit(exchange, uri)?;
    let Some(session) = session else {
        return match exchange.peer.as_ref().is_none_or(|peer| peer.subscribe(uri)) {
            true => Ok(()),
            false => Err(too_many()),
        };
    };
    let (store, left) = (exchange.platform.strong_store(), session.left(&exchange.platform));
    let key = session.key(&subscription(uri))?;
    if others(&**store, &key).await? >= SUBSCRIPTIONS_MAX {
        return Err(too_many());
    }
    Ok(store.put(&key, uri.to_owned().into(), Some(left)).await?)
}

/// Whether there is a resource at `uri` that the caller may read: who may not does not hear of it either.
fn permit(exchange: &Exchange, uri: &str) -> Result<(), Error> {
    let found = exchange.tables.components.resource(uri);
    let (resource, _) = found.ok_or_else(|| Error::resource_not_found(uri))?;
    if exchange.peer.is_some() {
        return Ok(());
    }
    auth::check(&resource.requirements, exchange.principal.as_deref(), &resource.about())
        .map_err(|error| perform::unseen(error, uri))
}

/// How many subscriptions there are beside the one under `key`.
async fn others(store: &dyn Store, key: &Key) -> Result<usize, StoreError> {
    let (mut count, mut after) = (0, SUBSCRIPTION.to_owned());
    loop {
        let page = store.list(key.partition(), Some(&after), LIST_PAGE_MAX).await?;
        let items = page.entries.iter().map(|(item, _)| item);
        // The session keeps other things too.
        count += items.filter(|item| item.starts_with(SUBSCRIPTION) && *item != key.item()).count();
        match page.next.filter(|next| next.starts_with(SUBSCRIPTION)) {
            Some(next) => after = next,
            None => return Ok(count),
        }
    }
}

fn too_many() -> Error {
    Error::invalid_params("the session has subscribed to too many resources: unsubscribe from one")
}

/// Forgets that a legacy client wants to hear of the resource at `uri`.
pub(crate) async fn unsubscribe(exchange: &Exchange, uri: &str) -> Result<(), Error> {
    match subscriber(exchange)? {
        Some(session) => {
            Ok(exchange.platform.strong_store().delete(&session.key(&subscription(uri))?).await?)
        }
        None => {
            if let Some(peer) = &exchange.peer {
                peer.unsubscribe(uri);
            }
            Ok(())
        }
    }
}

/// The session whose subscriptions these are; `None` for a connection, which keeps its own.
fn subscriber(exchange: &Exchange) -> Result<Option<&Session>, Error> {
    if !exchange.tables.offers.subscribe || !exchange.abilities(Era::Legacy).changes {
        return Err(Error::method_not_found("this server tells of no changes of resources here"));
    }
    match (&exchange.peer, &exchange.session) {
        (Some(_), _) => Ok(None),
        (None, Some(session)) => Ok(Some(session)),
        (None, None) => Err(Error::invalid_request(
            "a subscription belongs to a session: send the `Mcp-Session-Id` that `initialize` was answered with",
        )),
    }
}

/// Whether there is a stream of changes for a legacy client.
pub(crate) fn has_stream(exchange: &Exchange, session: &Session) -> bool {
    let offers = exchange.tables.offers;
    let held =
        exchange.platform.hold_max().is_some() && exchange.platform.strong_store().capabilities().watch;
    (offers.list_changed || offers.subscribe)
        && exchange.abilities(Era::Legacy).changes
        // Clients before that come by again at once, and not often.
        && (held || session.version >= ProtocolVersion::V2025_11_25)
}

/// Sends what changes on the stream that a legacy client holds open, after the second `since`: for as long as the
/// platform holds it, or at once what there is.
pub(crate) async fn stream(
    exchange: Exchange,
    session: &Session,
    since: Option<u32>,
) -> Result<Reply, Error> {
    let (tables, platform, line) = (&exchange.tables, &exchange.platform, &exchange.line);
    let store = platform.strong_store();
    let partition = partition(tables)?;
    let watch = match platform.hold_max() {
        Some(_) if store.capabilities().watch => Some(store.watch(&partition).await?),
        _ => None,
    };
    line.resumes_as(Resumes::of(session.version));
    if watch.is_none() {
        line.retry_after(COME_BY_EVERY);
    }
    line.resumes_at(STREAM, since.unwrap_or(second(platform.now())));
    line.open();
    if let Err(error) = tell_all(&exchange, session, &partition, since, watch).await {
        // In the stream an error would take the place of what its client comes back for.
        exchange.log_failure("the stream of changes", &error);
    }
    Ok(Reply::accepted())
}

/// Tells the session what was noted from the second `since` on, and what is noted while the platform holds its stream.
async fn tell_all(
    exchange: &Exchange,
    session: &Session,
    partition: &Partition,
    since: Option<u32>,
    watch: Option<BoxStream<'static, String>>,
) -> Result<(), Error> {
    let platform = &exchange.platform;
    if let Some(since) = since {
        for item in noted_since(&**platform.strong_store(), partition, since).await? {
            tell(exchange, session, &item).await?;
        }
    }
    let Some(mut watch) = watch else { return Ok(()) };
    let hold = platform.hold_max().unwrap_or_default().min(LISTEN_MAX);
    let mut time_up = pin!(platform.hold(hold));
    loop {
        match select(watch.next(), time_up.as_mut()).await {
            Either::Left((Some(item), _)) => tell(exchange, session, &item).await?,
            Either::Left((None, _)) | Either::Right(((), _)) => return Ok(()),
        }
    }
}

/// The items of the changes from the second `since` on. A second is coarse, so one may be told twice, and none is missed.
async fn noted_since(
    store: &dyn Store,
    partition: &Partition,
    since: u32,
) -> Result<Vec<String>, StoreError> {
    let (mut items, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(partition, after.as_deref(), LIST_PAGE_MAX).await?;
        items.extend(page.entries.into_iter().filter_map(|(item, entry)| {
            let noted: u64 = std::str::from_utf8(&entry.value).ok()?.parse().ok()?;
            (noted / 1000 >= since.into()).then_some(item)
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(items),
        }
    }
}

/// Tells the session of what was noted under `item`, where it wants to hear of it.
async fn tell(exchange: &Exchange, session: &Session, item: &str) -> Result<(), Error> {
    let uri = async || {
        let entry = exchange.platform.strong_store().get(&session.key(item)?, Consistency::Strong).await?;
        Ok::<_, StoreError>(entry.and_then(|entry| String::from_utf8(entry.value.to_vec()).ok()))
    };
    let change = match list_change(&exchange.tables, item) {
        Some(change) => Some(change),
        None if item.starts_with(SUBSCRIPTION) => uri().await?.map(|uri| Change::Resource(Cow::Owned(uri))),
        None => None,
    };
    if let Some(change) = change {
        let now = second(exchange.platform.now());
        exchange.line.send_at(now, notify::changed(&change, None));
    }
    Ok(())
}

/// The list that has changed, where the server has it and tells of it.
fn list_change(tables: &Tables, item: &str) -> Option<Change> {
    let offers = tables.offers;
    let (change, offered) = match item {
        "tools" => (Change::Tools, offers.tools),
        "prompts" => (Change::Prompts, offers.prompts),
        "resources" => (Change::Resources, offers.resources),
        _ => return None,
    };
    (offered && offers.list_changed).then_some(change)
}

fn second(now: Timestamp) -> u32 {
    u32::try_from(now.as_millis() / 1000).unwrap_or(u32::MAX)
}

/// What a legacy client on a connection is told unasked, one message at a time.
pub(crate) fn notices(
    tables: Arc<Tables>,
    platform: Platform,
    peer: Arc<Peer>,
) -> impl Stream<Item = Bytes> + use<> {
    let store = Arc::clone(platform.strong_store());
    let offers = tables.offers;
    let watches = (offers.list_changed || offers.subscribe) && store.capabilities().watch;
    let begun = stream::once(async move {
        match partition(&tables).ok().filter(|_| watches) {
            Some(partition) => Some((store.watch(&partition).await.ok()?, tables, peer)),
            None => None,
        }
    });
    begun.filter_map(std::future::ready).flat_map(|(watch, tables, peer)| {
        watch.filter_map(move |item| std::future::ready(notice(&tables, &peer, &item)))
    })
}

fn notice(tables: &Tables, peer: &Peer, item: &str) -> Option<Bytes> {
    if !peer.is_legacy() {
        return None;
    }
    let change = list_change(tables, item).or_else(|| {
        let uri = peer.subscribed().into_iter().find(|uri| subscription(uri) == item)?;
        Some(Change::Resource(Cow::Owned(uri)))
    })?;
    Some(notify::changed(&change, None).into())
}
