//! Turns a handler that waits for input into a state that the client carries, and back (2026-07-28, basic/patterns/mrtr).

use std::time::Duration;

use serde_json::value::RawValue;

use crate::{
    auth::Principal,
    context::Context,
    error::Error,
    model::Input,
    platform::LogLevel,
    platform::Platform,
    seal::{Binding, SealError, Sealer, random_id},
    store::{Condition, Consistency, Key, Lack, Need, StoreError},
    wire::{results::InputRequired, state as wire},
};

/// The longest a `requestState` may be, in bytes, unless the server says otherwise.
pub const STATE_BYTES_MAX: usize = 32 << 10;

/// How long a `requestState` is good, unless the server says otherwise.
pub const STATE_TTL: Duration = Duration::from_secs(600);

/// The collection of the states that are kept in the store.
const COLLECTION: &str = "edgemcp.state";

/// How the state of a call that waits for input travels, for [`Server::request_state`](crate::Server::request_state).
///
/// The state holds what the client has answered so far and the results of [`Context::step`]s. It is sealed with the
/// keys in [`SEAL_KEYS`](crate::SEAL_KEYS), and bound to the server, the principal, the method and its parameters: one
/// that was changed, has expired, or belongs to somebody or something else is refused with -32602.
///
/// ```
/// # use std::time::Duration;
/// use edgemcp::{RequestState, Server};
/// let server = Server::new("shop", "1.0.0")
///     .request_state(RequestState::new().ttl(Duration::from_secs(3600)).single_use());
/// ```
#[derive(Clone, Debug)]
pub struct RequestState {
    pub(crate) ttl: Duration,
    bytes_max: usize,
    pub(crate) single_use: bool,
    spills: bool,
}

impl Default for RequestState {
    fn default() -> Self {
        Self { ttl: STATE_TTL, bytes_max: STATE_BYTES_MAX, single_use: false, spills: false }
    }
}

impl RequestState {
    /// Sealed, good for [`STATE_TTL`], of [`STATE_BYTES_MAX`] at most, and good as often as it is sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a state is good; a person has so long to answer.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the longest a state may be, in bytes.
    #[must_use]
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Takes each state once. Without this a state is good until it expires, so a client that sends one twice has the
    /// handler run twice from there. It needs an atomic store, and an ask refuses where there is none.
    #[must_use]
    pub fn single_use(mut self) -> Self {
        self.single_use = true;
        self
    }

    /// Keeps a state that is too long in the store instead of refusing it; the client then carries its name. It needs a
    /// consistent store.
    #[must_use]
    pub fn spill(mut self) -> Self {
        self.spills = true;
        self
    }

    /// What the store must have for these states.
    ///
    /// # Errors
    /// What it lacks, by name and with the way out.
    pub(crate) fn check(&self, platform: &Platform) -> Result<(), Lack> {
        if self.single_use {
            platform.store_has("`RequestState::single_use`", &[Need::Atomic])?;
        }
        if self.spills {
            platform.store_has("`RequestState::spill`", &[Need::Consistent])?;
        }
        Ok(())
    }
}

/// The binding to who is asking: to a principal, or to everybody who is nobody in particular.
pub(crate) fn bound_to(binding: Binding, principal: Option<&Principal>) -> Binding {
    match principal {
        None => binding.and(b"anonymous"),
        Some(principal) => binding
            .and(b"principal")
            .and(principal.issuer().as_bytes())
            .and(principal.subject().as_bytes())
            .and(principal.client().unwrap_or_default().as_bytes()),
    }
}

/// What a state of this request is bound to.
fn binding(cx: &Context) -> Binding {
    let binding = Binding::to("request state").and(cx.0.tables.who.name.as_bytes());
    bound_to(binding, cx.principal()).and(&wire::identity(&cx.0.message))
}

/// What tells this request from any other of the same principal.
pub(crate) fn identity(cx: &Context) -> String {
    let digest = binding(cx).and(b"identity").digest();
    crate::seal::fingerprint(digest.as_ref())
}

/// The result that tells the client what to answer, and gives it the state to send along.
pub(crate) async fn suspend(cx: &Context) -> Result<Box<RawValue>, Error> {
    let config = &cx.0.tables.request_state;
    let platform = &cx.0.platform;
    config.check(platform).map_err(|lack| Error::internal(lack.to_string()))?;
    let failed = |error: SealError| Error::internal(error.to_string());
    let sealer = Sealer::new(platform).map_err(failed)?;
    let nonce = match config.single_use {
        true => Some(random_id(platform.random())?),
        false => None,
    };
    let content = cx.line().journal(|journal| wire::write(journal, nonce.as_deref()));
    let end = platform.now().after(config.ttl);
    let seal = |content: &[u8]| sealer.seal(platform.random(), binding(cx), end, content).map_err(failed);
    let mut state = seal(&content)?;
    if state.len() > config.bytes_max {
        if !config.spills {
            let (bytes, max) = (state.len(), config.bytes_max);
            return Err(Error::internal(format!(
                "the state of this call has {bytes} bytes, more than {max}: keep large results of steps in the store \
                 (`cx.store()`), let states spill (`RequestState::spill`), or raise `RequestState::bytes_max`"
            )));
        }
        let id = random_id(platform.random())?;
        platform.strong_store().put(&key(&id)?, state.into(), Some(config.ttl)).await?;
        state = seal(format!("\"{id}\"").as_bytes())?;
    }
    let to = cx.0.tables.results_for(cx.0.version);
    Ok(cx.line().journal(|journal| InputRequired::new(to, journal.open(), &state).into_raw()))
}

/// Takes up what came back with the request: what is in its state, and the answers beside it.
pub(crate) async fn resume(cx: &Context, input: Input<'_>) -> Result<(), Error> {
    let Some(state) = input.state else {
        cx.line().journal(|journal| {
            for (key, answer) in input.responses {
                journal.remember_unasked(key.into_owned(), answer.to_owned());
            }
        });
        return Ok(());
    };
    let strange = || {
        Error::invalid_params(
            "`requestState` is none that this server gave out for this request, or it has expired: start again \
             without it",
        )
    };
    let platform = &cx.0.platform;
    let sealer = Sealer::new(platform).map_err(|error| {
        platform.log(LogLevel::Error, &format!("a state cannot be opened: {error}"));
        strange()
    })?;
    let open = |token: &str| sealer.open(binding(cx), platform.now(), token);
    let (mut content, end) = open(&state).ok_or_else(strange)?;
    if let Some(id) = content.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        let id = std::str::from_utf8(id).map_err(|_| strange())?;
        let kept = platform.strong_store().get(&key(id)?, Consistency::Strong).await?.ok_or_else(strange)?;
        let kept = std::str::from_utf8(&kept.value).map_err(|_| strange())?;
        (content, _) = open(kept).ok_or_else(strange)?;
    }
    let nonce = cx.line().journal(|journal| {
        let nonce = wire::read(&content, journal).ok_or_else(strange)?;
        for (key, answer) in input.responses {
            journal.answer(&key, crate::journal::Answer::Result(answer.to_owned()));
        }
        Ok::<_, Error>(nonce)
    })?;
    if let Some(nonce) = nonce {
        let left = end.since(platform.now());
        match platform
            .strong_store()
            .put_if(&key(&nonce)?, "used".into(), Some(left), Condition::Absent)
            .await
        {
            Ok(true) => {}
            Ok(false) => return Err(strange()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn key(id: &str) -> Result<Key, StoreError> {
    Ok(Key::new(COLLECTION, id, "state")?)
}
