//! Takes up a call where another request, or another instance, left it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{CALL_TTL, Kept, kept::Found, outside::wait_for_change};
use crate::{
    auth::Principal,
    context::{Client, Declared},
    drive,
    error::Error,
    exchange::{Exchange, Reply, Taken, request_id},
    journal::Answer,
    platform::Platform,
    seal::random_id,
    session::Session,
    store::{Consistency, StoreError},
    wire::call::{Record, Who},
};

/// How long to wait for another instance that works on the call, before looking again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long to wait for whoever works on a call to keep it.
const WANTED_FOR: Duration = Duration::from_secs(3);

/// More places than a stream ever has between two messages that are kept, for reports of progress and lines of log.
const NOT_KEPT_MAX: u32 = 1 << 20;

/// Keeps the answer that a client posted to the request with `id`. An answer that nobody waits for is dropped.
///
/// # Errors
/// Where the store does not take it: the client must send it again.
pub(crate) async fn answer(
    exchange: &Exchange,
    session: &Session,
    id: &RawValue,
    answer: Answer,
) -> Result<(), StoreError> {
    let platform = &exchange.platform;
    let id = serde_json::from_str::<String>(id.get()).unwrap_or_default();
    let Some((call, number)) = super::read_event_id(&id) else { return Ok(()) };
    let kept = Kept::new(platform, call, CALL_TTL)?;
    let is_own =
        kept.record().await?.is_some_and(|record| belongs(&record, session, exchange.principal.as_deref()));
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    if !is_own || !kept.has_ask(number).await? {
        return Ok(());
    }
    kept.put_answer(number, &answer).await?;
    // Whoever holds the call finds the answer. Where nobody does, the call goes on from here, if the platform lets it;
    // otherwise it waits for its client to come back.
    if let Some(background) = platform.background() {
        let call = call.to_owned();
        let exchange = exchange.again();
        background.run(Box::pin(async move {
            let _ = run(&exchange, &call).await;
        }));
    }
    Ok(())
}

/// Whether the call is this session's and this principal's.
fn belongs(record: &Record, session: &Session, principal: Option<&Principal>) -> bool {
    record.session.as_deref() == Some(&*session.id) && is_whose(record, principal)
}

/// Whether the call was made by this principal: by the same subject of the same issuer, through the same client. Another
/// token of theirs has other claims.
pub(crate) fn is_whose(record: &Record, principal: Option<&Principal>) -> bool {
    match (&record.who, principal) {
        (None, None) => true,
        (Some(who), Some(principal)) => {
            who.issuer == principal.issuer()
                && who.subject == principal.subject()
                && who.client.as_deref() == principal.client()
        }
        _ => false,
    }
}

/// Sends what the stream of `call` has after the event at `after`, and goes on with the call.
pub(crate) async fn take_up(
    exchange: Exchange,
    session: &Session,
    call: &str,
    after: u32,
) -> Result<Reply, Error> {
    let line = &exchange.line;
    let kept = Kept::new(&exchange.platform, call, CALL_TTL)?;
    let record = match kept.record().await? {
        None => wanted(&exchange.platform, &kept).await?,
        record => record,
    };
    if !record.is_some_and(|record| belongs(&record, session, exchange.principal.as_deref())) {
        return Err(Error::invalid_request(
            "no call of this session has this `Last-Event-ID`, or it was given up; call again",
        ));
    }
    line.resumes_at(call, after);
    line.open();
    Ok(follow(&exchange, &kept, after).await.unwrap_or_else(|error| {
        // In the stream an error would take the place of what its client comes back for.
        exchange.log_failure("a call", &error);
        Reply::accepted()
    }))
}

/// The call, kept by whoever works on it: a client may come back before it is seen that its connection is broken.
async fn wanted(platform: &Platform, kept: &Kept) -> Result<Option<Record>, StoreError> {
    let store = platform.strong_store().capabilities();
    // A call is kept nowhere else, and what leaves in one piece cannot break off.
    if !store.atomic || !store.consistent || platform.hold_max().is_none() {
        return Ok(None);
    }
    kept.want().await?;
    let until = platform.now().after(WANTED_FOR);
    while platform.now() < until {
        platform.sleep(LOOK_EVERY).await;
        if let Some(record) = kept.record().await? {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Sends what the call in the store has after the event at `after`, and goes on with it.
async fn follow(exchange: &Exchange, kept: &Kept, after: u32) -> Result<Reply, Error> {
    let (platform, line) = (&exchange.platform, &exchange.line);
    let until = platform.now().after(platform.hold_max().unwrap_or_default());
    let store = platform.strong_store();
    let mut watch = match store.capabilities().watch {
        true => store.watch(kept.partition()).await.ok(),
        false => None,
    };
    let mut sent = after;
    loop {
        let (events, is_done) = kept.events(sent).await?;
        for (place, message) in events {
            sent = sent.max(place);
            line.send_at(place, message.to_vec());
        }
        if is_done {
            return Ok(Reply::accepted());
        }
        if let Ran::Here(reply) = run(exchange, &kept.id).await? {
            return Ok(reply);
        }
        // Another instance works on it: what that one has to say comes through the store.
        if platform.now() >= until {
            return Ok(Reply::accepted());
        }
        wait_for_change(platform, &mut watch, LOOK_EVERY).await;
    }
}

/// Whether a call was gone on with.
pub(crate) enum Ran {
    Here(Reply),
    /// Somebody else works on it, or it is done.
    Elsewhere,
}

impl Ran {
    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

/// Goes on with the call, unless somebody else does.
pub(crate) async fn run(exchange: &Exchange, call: &str) -> Result<Ran, Error> {
    let platform = &exchange.platform;
    let owner = random_id(platform.random())?;
    let mut kept = Kept::new(platform, call, CALL_TTL)?;
    if !kept.take(&owner).await? {
        return Ok(Ran::Elsewhere);
    }
    // From here on the client may go: there is something to do without it.
    exchange.line.outlives(exchange.line.resumes());
    // Looked at under the lease, so that it is all there is.
    let Some(mut found) = kept.find().await?.filter(|found| found.done.is_none()) else {
        kept.leave(&owner).await?;
        return Ok(Ran::Elsewhere);
    };
    if is_cancelled(exchange, &found.record).await? {
        kept.finish().await?;
        kept.leave(&owner).await?;
        return Ok(Ran::Elsewhere);
    }
    if let Some(task) = found.record.task {
        kept.ttl = Duration::from_millis(task.ttl);
    }
    let line = &exchange.line;
    line.journal(|journal| found.recall(journal));
    if found.is_closed {
        line.satisfy(crate::line::Want::CloseStream);
    }
    // A client that is not here may have seen more than what is kept, and must not have passed what is still to come.
    let seen = if line.call().is_some() { 0 } else { NOT_KEPT_MAX };
    line.resumes_at(call, found.events.last().map_or(0, |(place, _)| place.saturating_add(seen)));
    let Found { record, .. } = found;
    if record.task.is_some() {
        line.begin_task();
    }
    let body = Bytes::from(String::from(Box::<str>::from(record.message)));
    let client = Client { info: record.info, declared: Declared::Bits(record.capabilities) };
    let taken = Taken {
        kept: Arc::new(kept),
        owner,
        version: record.version,
        client,
        // Whoever takes it up, it is done for whoever asked for it.
        principal: record.who.map(|who| Arc::new(who.into_principal())),
        is_task: record.task.is_some(),
        interrupted: Arc::default(),
    };
    let interrupted = Arc::clone(&taken.interrupted);
    let reply = exchange.replay(taken, &body).await;
    match interrupted.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error),
        None => Ok(Ran::Here(reply)),
    }
}

/// Whether the client has cancelled the call, as it can while nobody works on it.
async fn is_cancelled(exchange: &Exchange, record: &Record) -> Result<bool, StoreError> {
    let id = request_id(record.message.get().as_bytes());
    let (Some(session), Some(id)) = (&record.session, id) else { return Ok(false) };
    let key = drive::cancelled(session, id.json())?;
    Ok(exchange.platform.strong_store().get(&key, Consistency::Strong).await?.is_some())
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            client: principal.client().map(str::to_owned),
            scopes: principal.scopes().map(str::to_owned).collect(),
            claims: principal.claims().clone(),
        }
    }
}

impl Who {
    /// The principal again.
    pub(crate) fn into_principal(self) -> Principal {
        let mut principal = Principal::new(self.subject).from_issuer(self.issuer);
        if let Some(client) = self.client {
            principal = principal.through_client(client);
        }
        for scope in self.scopes {
            principal = principal.scope(scope);
        }
        for (name, value) in self.claims {
            principal = principal.claim(name, value);
        }
        principal
    }
}
