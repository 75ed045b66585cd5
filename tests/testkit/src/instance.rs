//! An instance of a server, asked as a client asks it.

#![allow(clippy::panic, reason = "a test that cannot go on may panic")]

use std::{fmt, sync::Arc};

use edgemcp::{
    Server, Service,
    platform::{Clock, Platform},
    store::Store,
};
use http::{Request, StatusCode};

use crate::Counting;

/// An instance of a server on a store and a clock. Clones are the same instance.
///
/// ```
/// # use std::sync::Arc;
/// # use edgemcp::{Server, platform::Timestamp, store::MemoryStore};
/// # use edgemcp_testkit::{Instance, ManualClock};
/// let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
/// let instance = Instance::new(Server::new("empty", "1"), Arc::new(MemoryStore::new(clock.clone())), clock);
/// let (status, answer) = futures_executor::block_on(instance.ask("server/discover", "{}"));
/// assert_eq!(status, 200);
/// assert!(answer.contains("supportedVersions"));
/// ```
#[derive(Clone)]
pub struct Instance {
    service: Arc<Service>,
    platform: Platform,
}

impl Instance {
    /// An instance of `server` that keeps everything in `store`.
    ///
    /// # Panics
    /// Where the definition is wrong, with what is.
    pub fn new(server: Server, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let service = server.build().unwrap_or_else(|error| panic!("{error}"));
        let platform = Platform::builder(clock, Arc::new(Counting::default())).store(store).build();
        Self { service: Arc::new(service), platform }
    }

    /// What a client of 2026-07-28 is answered that asks for `method`. `params` is a JSON object without `_meta`, such as
    /// `{"name":"add"}`.
    ///
    /// # Panics
    /// Where that is no request, and where its answer breaks off.
    pub async fn ask(&self, method: &str, params: &str) -> (StatusCode, String) {
        const REVISION: &str = "2026-07-28";
        let members = params.trim().trim_start_matches('{').trim_end_matches('}');
        let comma = if members.trim().is_empty() { "" } else { "," };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{members}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{REVISION}","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let mut request = Request::post("/mcp")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", method);
        if let Some(name) = members.split("\"name\":\"").nth(1).and_then(|rest| rest.split('"').next()) {
            request = request.header("mcp-name", name);
        }
        let request = request.body(body.into()).unwrap_or_else(|error| panic!("{error}"));
        let (parts, body) = self.service.handle(&self.platform, request).await.into_parts();
        let body = body.collect(usize::MAX).await.unwrap_or_else(|error| panic!("{error}"));
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("service", &self.service).finish_non_exhaustive()
    }
}
