//! Sessions of the legacy era without a memory: the id itself says, sealed, what the handshake settled.
//!
//! Any instance takes any session, after any cold start, without looking anything up: real clients do not begin anew
//! when a server forgets them. So a session cannot be ended either, unless [`Sessions::revocable`] makes every request
//! look whether it was.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::{
    auth::Principal,
    context::{Client, Declared},
    error::Error,
    http::headers::{self, Single},
    platform::{LogLevel, Platform, Timestamp},
    seal::{Binding, SealError, Sealer, hexadecimal},
    server::tables::Tables,
    state::bound_to,
    store::{Consistency, Key, Lack, Need, Partition, StoreError},
    version::{Era, ProtocolVersion},
    wire::definition,
};

/// Carries a session's id.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// The longest an `Mcp-Session-Id` may be, in bytes.
pub const SESSION_ID_BYTES_MAX: usize = 512;

/// How long a session is good, unless the server says otherwise: 30 days.
pub const SESSION_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest name and version of a client that its session remembers, in bytes as JSON.
const INFO_BYTES_MAX: usize = 256;

/// The collection of what belongs to a session, a partition for each.
const COLLECTION: &str = "edgemcp.session";

const NONCE_BYTES: usize = 16;

/// Sessions of legacy clients, for [`Server::sessions`](crate::Server::sessions).
///
/// There are sessions where keys to seal with are configured ([`SEAL_KEYS`](crate::SEAL_KEYS)). Without one a legacy
/// client can be told things, but not asked: nobody remembers what it declared that it can do.
///
/// ```
/// # use std::time::Duration;
/// use edgemcp::{Server, Sessions};
/// let server = Server::new("shop", "1.0.0").sessions(Sessions::new().ttl(Duration::from_secs(24 * 3600)).revocable());
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    ttl: Duration,
    pub(crate) revocable: bool,
    off: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { ttl: SESSION_TTL, revocable: false, off: false }
    }
}

impl Sessions {
    /// Sealed sessions that are good for [`SESSION_TTL`] and cannot be ended.
    pub fn new() -> Self {
        Self::default()
    }

    /// No sessions: each request of a legacy client stands alone.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// What the store must have for these sessions.
    ///
    /// # Errors
    /// What it lacks, by name and with the way out.
    pub(crate) fn check(&self, platform: &Platform) -> Result<(), Lack> {
        match self.revocable {
            true => platform.store_has("`Sessions::revocable`", &[Need::Consistent]),
            false => Ok(()),
        }
    }

    /// Whether there are sessions, given a key to seal them with.
    pub(crate) fn are_on(&self) -> bool {
        !self.off
    }

    /// Sets how long a session is good.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Lets clients end their sessions with a DELETE, which is answered with 405 otherwise. It costs every request of a
    /// session one strong read of the store, which must be consistent.
    #[must_use]
    pub fn revocable(mut self) -> Self {
        self.revocable = true;
        self
    }
}

/// Whether a request is about a session, and not of the modern era, which has none and ignores their ids.
pub(crate) fn is_named(headers: &HeaderMap) -> bool {
    let is_modern = match headers::single(headers, &headers::PROTOCOL_VERSION) {
        Single::Value(name) => {
            ProtocolVersion::parse(name).is_some_and(|version| version.era() == Era::Modern)
        }
        _ => false,
    };
    headers.contains_key(HEADER) && !is_modern
}

/// A session, as its id says.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Tells it from any other, as 32 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) version: ProtocolVersion,
    pub(crate) capabilities: u16,
    info: Option<Bytes>,
    pub(crate) end: Timestamp,
}

/// What a session's id is bound to.
fn binding(tables: &Tables, principal: Option<&Principal>) -> Binding {
    bound_to(Binding::to("session").and(tables.who.name.as_bytes()), principal)
}

impl Session {
    /// The id of a new session with a client that settled `version` and is `client`; `None` where there are no sessions.
    pub(crate) fn begin(
        tables: &Tables,
        platform: &Platform,
        principal: Option<&Principal>,
        version: ProtocolVersion,
        capabilities: u16,
        info: Option<(String, String)>,
    ) -> Option<String> {
        let config = &tables.sessions;
        if config.off {
            return None;
        }
        let failed = |error: SealError| {
            // A server without a key has no sessions, which is a choice. A key that is none is a mistake.
            if error != SealError::NoKey {
                platform.log(LogLevel::Error, &format!("no session can be begun: {error}"));
            }
        };
        let sealer = Sealer::new(platform).map_err(failed).ok()?;
        let mut content = vec![version.index() as u8];
        content.extend_from_slice(&capabilities.to_be_bytes());
        let mut nonce = [0; NONCE_BYTES];
        platform.random().fill(&mut nonce).map_err(|error| failed(error.into())).ok()?;
        content.extend_from_slice(&nonce);
        if let Some((name, version)) = info {
            let info = definition::client(&name, &version);
            content.extend(info.get().as_bytes().iter().filter(|_| info.get().len() <= INFO_BYTES_MAX));
        }
        let end = platform.now().after(config.ttl);
        sealer.seal(platform.random(), binding(tables, principal), end, &content).map_err(failed).ok()
    }

    /// The session with this id; `None` where it is none of this server's and this principal's, or has ended.
    pub(crate) fn open(
        tables: &Tables,
        platform: &Platform,
        principal: Option<&Principal>,
        id: &str,
    ) -> Option<Self> {
        if tables.sessions.off || id.len() > SESSION_ID_BYTES_MAX {
            return None;
        }
        let (content, end) =
            Sealer::new(platform).ok()?.open(binding(tables, principal), platform.now(), id)?;
        let (version, rest) = content.split_first()?;
        let (capabilities, rest) = rest.split_first_chunk::<2>()?;
        let (nonce, info) = rest.split_first_chunk::<NONCE_BYTES>()?;
        Some(Self {
            id: hexadecimal(nonce),
            version: *ProtocolVersion::ALL.get(usize::from(*version))?,
            capabilities: u16::from_be_bytes(*capabilities),
            info: (!info.is_empty()).then(|| Bytes::copy_from_slice(info)),
            end,
        })
    }

    /// Who the client said it is, in its handshake.
    pub(crate) fn client(&self) -> Client {
        Client { info: self.info.clone(), declared: Declared::Bits(self.capabilities) }
    }

    /// Where what belongs to the session is kept.
    pub(crate) fn partition(&self) -> Result<Partition, StoreError> {
        Ok(Partition::new(COLLECTION, &self.id)?)
    }

    /// Where `item` of the session is kept.
    pub(crate) fn key(&self, item: &str) -> Result<Key, StoreError> {
        Ok(self.partition()?.item(item)?)
    }

    /// How long the session is still good.
    pub(crate) fn left(&self, platform: &Platform) -> Duration {
        self.end.since(platform.now())
    }

    /// Whether the session was ended.
    pub(crate) async fn is_revoked(&self, tables: &Tables, platform: &Platform) -> Result<bool, StoreError> {
        if !tables.sessions.revocable {
            return Ok(false);
        }
        let entry = platform.strong_store().get(&self.key("revoked")?, Consistency::Strong).await?;
        Ok(entry.is_some())
    }

    /// Ends the session for every instance.
    pub(crate) async fn revoke(&self, tables: &Tables, platform: &Platform) -> Result<(), Error> {
        let store = platform.strong_store();
        tables.sessions.check(platform).map_err(|lack| Error::internal(lack.to_string()))?;
        Ok(store.put(&self.key("revoked")?, "1".into(), Some(self.left(platform))).await?)
    }
}
