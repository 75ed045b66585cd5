//! What a handler knows about the request it serves, and what it can reach from there.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    auth::Principal,
    platform::{Platform, Timestamp},
    store::Store,
    version::ProtocolVersion,
    wire::params::{self, Members},
};

/// One request, as its handler sees it. Cloning is cheap; a clone is the same request.
///
/// ```
/// # use edgemcp::prelude::*;
/// /// Says who is asking.
/// #[tool]
/// async fn whoami(cx: &Context) -> String {
///     cx.principal().map_or("somebody".to_owned(), |principal| principal.subject().to_owned())
/// }
/// # let _ = whoami::tool();
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) platform: Platform,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) version: ProtocolVersion,
    /// Shared by the messages of a batch; empty over stdio.
    pub(crate) headers: Arc<HeaderMap>,
    /// The JSON object a modern client names itself by, still in the bytes of its request.
    pub(crate) client_info: Option<Bytes>,
    pub(crate) client_capabilities: Option<Bytes>,
}

impl Context {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Where the server runs, and what it offers there.
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// The external store.
    pub fn store(&self) -> &dyn Store {
        self.0.platform.store()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.platform.now()
    }

    /// The value of the setting or secret `name`.
    pub fn var(&self, name: &str) -> Option<String> {
        self.0.platform.var(name)
    }

    /// Who is asking, where the server has a [`Verifier`](crate::auth::Verifier).
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_deref()
    }

    /// The revision of the protocol the request is of.
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.0.version
    }

    /// The HTTP headers of the request; none over stdio.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Name and version of the client's program, where it says so in the request. For display and logs: nothing
    /// vouches for it.
    pub fn client(&self) -> Option<(String, String)> {
        let info = Members::read(std::str::from_utf8(self.0.client_info.as_deref()?).ok()?)?;
        let text = |name| info.get(name).and_then(params::string).map(Cow::into_owned);
        Some((text("name")?, text("version")?))
    }

    /// Whether the client declared the capability `name` (such as `elicitation`) in the request.
    pub fn client_has(&self, name: &str) -> bool {
        let declared =
            self.0.client_capabilities.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let capability =
            |members: Members<'_>| members.get(name).is_some_and(|raw| raw.get().starts_with('{'));
        declared.and_then(Members::read).is_some_and(capability)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("version", &self.0.version)
            .field(
                "principal",
                &self.0.principal.as_ref().map(|principal| Cow::Borrowed(principal.subject())),
            )
            .finish_non_exhaustive()
    }
}
