//! What a server remembers of a client between its requests, in the store.

use std::{fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::Context;
use crate::{
    error::ToolError,
    finite,
    handle::Handle,
    limits::echo,
    platform::Platform,
    seal::{Binding, fingerprint},
    state::bound_to,
    store::{Consistency, Key, Partition, Store},
};

/// How long a value of a session is kept, unless it is said otherwise.
pub const SESSION_VALUE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes a value of a session may have, as JSON.
pub const SESSION_VALUE_BYTES_MAX: usize = 64 << 10;

/// The collections of what is kept, by what it is kept under.
const BY_PRINCIPAL: &str = "edgemcp.principal-state";
const BY_CONNECTION: &str = "edgemcp.connection-state";
const BY_HANDLE: &str = "edgemcp.handle-state";

/// Values that a server keeps for a client between its requests: [`Context::session`].
///
/// They are in the platform's [`strong_store`](Platform::strong_store), so every instance sees them at once, or on
/// Workers KV alone within a minute. Two requests at the same time can overwrite each other's values; for what must count,
/// use the store itself.
#[derive(Clone)]
pub struct SessionState {
    store: Arc<dyn Store>,
    partition: Partition,
    ttl: Duration,
}

impl Context {
    /// What is kept for this client between its requests: on the legacy era in its session (over stdio, its connection);
    /// on the modern era, which has neither, for its principal. So there is nothing for a modern client of a server without
    /// a [`verifier`](crate::Server::verifier): [`session_of`](Self::session_of) keeps things under a handle instead.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// /// Count how often you ask.
    /// #[tool]
    /// async fn count(cx: &Context) -> Result<u32, ToolError> {
    ///     let session = cx.session()?;
    ///     let count = session.get("count").await?.unwrap_or(0) + 1;
    ///     session.set("count", &count).await?;
    ///     Ok(count)
    /// }
    /// # let _ = count::tool();
    /// ```
    ///
    /// # Errors
    /// Where there is neither a session nor a principal; the text says the way out.
    pub fn session(&self) -> Result<SessionState, ToolError> {
        let inner = &self.0;
        if let Some(session) = &inner.session {
            let left = session.left(&inner.platform);
            return Ok(SessionState::new(&inner.platform, session.partition()?, SESSION_VALUE_TTL.min(left)));
        }
        let partition = match (&inner.principal, &inner.connection) {
            (Some(principal), _) => {
                let binding = Binding::to("session state").and(inner.tables.who.name.as_bytes());
                let digest = bound_to(binding, Some(principal)).digest();
                Partition::new(BY_PRINCIPAL, fingerprint(digest.as_ref()))?
            }
            (None, Some(connection)) if !self.is_modern() => {
                Partition::new(BY_CONNECTION, connection.as_str())?
            }
            _ => {
                return Err(ToolError::new(
                    "there is no session to keep anything in: a client of 2026-07-28 has none, and nobody knows who it \
                     is (let the server have a verifier, or give out a `Handle` and use `Context::session_of`); an \
                     earlier client has one where `EDGEMCP_SEAL_KEYS` is set and it sends its `Mcp-Session-Id`",
                ));
            }
        };
        Ok(SessionState::new(&inner.platform, partition, SESSION_VALUE_TTL))
    }

    /// What is kept under `handle`, by whoever has it: state that goes from call to call in the arguments, where there
    /// is no session. The value that the handle stands for tells it from other handles of its type and its principal, so it
    /// should hold something of its own, such as a number that is drawn.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// struct Cart { number: u64 }
    ///
    /// /// Put something into a cart.
    /// #[tool]
    /// async fn put(cx: &Context, cart: Handle<Cart>, what: String) -> Result<String, ToolError> {
    ///     let state = cx.session_of(&cart)?;
    ///     let mut things: Vec<String> = state.get("things").await?.unwrap_or_default();
    ///     things.push(what);
    ///     state.set("things", &things).await?;
    ///     Ok(things.join(", "))
    /// }
    /// # let _ = put::tool();
    /// ```
    ///
    /// # Errors
    /// Where the handle's value cannot be written as JSON.
    pub fn session_of<T: Serialize + JsonSchema>(
        &self,
        handle: &Handle<T>,
    ) -> Result<SessionState, ToolError> {
        let value = finite::to_raw_json(&**handle).map_err(ToolError::masked)?;
        let binding = Binding::to("handle state").and(self.0.tables.who.name.as_bytes());
        let binding = binding.and(T::schema_id().as_bytes()).and(value.get().as_bytes());
        let digest = bound_to(binding, self.principal()).digest();
        let partition = Partition::new(BY_HANDLE, fingerprint(digest.as_ref()))?;
        Ok(SessionState::new(&self.0.platform, partition, SESSION_VALUE_TTL))
    }
}

impl SessionState {
    fn new(platform: &Platform, partition: Partition, ttl: Duration) -> Self {
        Self { store: Arc::clone(platform.strong_store()), partition, ttl }
    }

    /// Keeps what is set from here on for so long.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// Where the store fails, and where what is kept is no `T`.
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ToolError> {
        let entry = self.store.get(&self.key(name)?, Consistency::Strong).await?;
        let Some(entry) = entry else { return Ok(None) };
        serde_json::from_slice(&entry.value).map(Some).map_err(|error| {
            ToolError::masked(format!("what the session keeps as {} is another type: {error}", echo(name)))
        })
    }

    /// Keeps `value` as `name`.
    ///
    /// # Errors
    /// Where the store fails, and where the value has more than
    /// [`SESSION_VALUE_BYTES_MAX`](crate::limits::SESSION_VALUE_BYTES_MAX) bytes; what was kept stays then.
    pub async fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), ToolError> {
        let json = finite::to_raw_json(value).map_err(ToolError::masked)?;
        let bytes = json.get().len();
        if bytes > SESSION_VALUE_BYTES_MAX {
            return Err(ToolError::masked(format!(
                "the value of {} has {bytes} bytes, more than the {SESSION_VALUE_BYTES_MAX} that a session keeps: put it \
                 into the store (`cx.store()`), and keep its key",
                echo(name)
            )));
        }
        let value = json.get().to_owned().into();
        Ok(self.store.put(&self.key(name)?, value, Some(self.ttl)).await?)
    }

    /// Forgets the value of `name`.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn delete(&self, name: &str) -> Result<(), ToolError> {
        Ok(self.store.delete(&self.key(name)?).await?)
    }

    /// Any text is a name, and what a session has of the server's own has other keys.
    fn key(&self, name: &str) -> Result<Key, ToolError> {
        Ok(self.partition.item(format!("user.{}", fingerprint(name.as_bytes())))?)
    }
}

impl fmt::Debug for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionState").finish_non_exhaustive()
    }
}
