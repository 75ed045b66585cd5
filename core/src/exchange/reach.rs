//! What a handler is given, and how its client can be reached from there.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Exchange;
use crate::{
    ask::Reach,
    changes,
    context::{Client, Context, Declared, Inner},
    drive::DEFAULT_LEVEL,
    error::Error,
    inbound::Route,
    lifespan::States,
    line::{Hears, HearsLog, Resumes},
    model::Abilities,
    version::{Era, ProtocolVersion},
};

impl Exchange {
    /// What the handler of a request is given.
    pub(super) fn context(
        &self,
        body: &Bytes,
        route: Route<'_>,
        reach: Reach,
        states: States,
    ) -> Result<Context, Error> {
        // A slice of the request's own bytes, so that nothing is copied for handlers that never ask.
        let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
        let Route { version, meta } = route;
        let era = version.era();
        let client = match (era, &self.peer, &self.session, &self.taken) {
            (Era::Modern, ..) => Client {
                info: meta.client_info.map(slice),
                declared: meta.client_capabilities.map(slice).map_or(Declared::Unknown, Declared::Json),
            },
            (Era::Legacy, _, _, Some(taken)) => taken.client.clone(),
            (Era::Legacy, Some(peer), ..) => peer.client(),
            (Era::Legacy, None, Some(session), None) => session.client(),
            (Era::Legacy, None, None, None) => Client::default(),
        };
        if self.takes_stream {
            let log = match (era, &self.peer, &self.session) {
                (Era::Modern, ..) => meta.log_level()?.map_or(HearsLog::Nothing, HearsLog::From),
                (Era::Legacy, Some(peer), _) => HearsLog::From(peer.level().unwrap_or(DEFAULT_LEVEL)),
                (Era::Legacy, None, Some(_)) => HearsLog::AsSession,
                (Era::Legacy, None, None) => HearsLog::From(DEFAULT_LEVEL),
            };
            let progress_token = meta.progress_token()?.map(ToOwned::to_owned);
            self.line.set_hears(Hears { progress_token, log });
        }
        if era == Era::Legacy && self.peer.is_none() {
            self.line.outlives(match reach {
                Reach::Store => Resumes::of(version),
                _ => Resumes::No,
            });
        }
        let kept = match &self.taken {
            Some(taken) => Arc::clone(&taken.kept).into(),
            None => OnceLock::new(),
        };
        Ok(Context::new(Inner {
            tables: Arc::clone(&self.tables),
            platform: self.platform.clone(),
            principal: self.principal.clone(),
            version,
            headers: Arc::clone(&self.headers),
            client,
            trace: [meta.traceparent, meta.tracestate, meta.baggage].map(|raw| raw.map(slice)),
            line: Arc::clone(&self.line),
            reach,
            message: body.clone(),
            connection: self.peer.as_ref().and_then(|peer| peer.id(&self.platform)),
            is_stdio: self.peer.is_some(),
            session: self.session.clone().filter(|_| era == Era::Legacy),
            kept,
            is_task: self.taken.as_ref().is_some_and(|taken| taken.is_task),
            states,
            is_taken_up: self.taken.is_some(),
            extensions: Mutex::default(),
        }))
    }

    /// What the server's lifespans have started, which is awaited where this is the first request of the instance.
    pub(super) async fn started(&self) -> Result<States, Error> {
        self.tables.lifespans.started(&self.platform).await
    }

    /// What the platform lets the server do for clients of this era.
    pub(crate) fn abilities(&self, era: Era) -> Abilities {
        changes::abilities(&self.tables, &self.platform, era, self.peer.as_deref())
    }

    /// How the client of a call can be asked something.
    pub(super) fn reach(&self, version: ProtocolVersion) -> Reach {
        if self.taken.is_some() {
            return Reach::Store;
        }
        if version.era() == Era::Modern {
            return Reach::Again;
        }
        if self.peer.is_some() {
            return Reach::Connection;
        }
        if self.session.is_none() {
            return Reach::Nowhere(
                "it has no session, since no key to seal one with is configured (`EDGEMCP_SEAL_KEYS`), sessions are \
                 switched off, or the client did not send `Mcp-Session-Id`",
            );
        }
        if !self.takes_stream {
            return Reach::Nowhere("it takes no stream (send `Accept: application/json, text/event-stream`)");
        }
        let store = self.platform.strong_store().capabilities();
        if !store.atomic || !store.consistent {
            return Reach::Nowhere(
                "its answer would come through the store, which must be atomic and consistent (Workers: bind a Durable \
                 Object as `EDGEMCP_OBJECTS`, since KV is neither; Lambda: set `EDGEMCP_TABLE`)",
            );
        }
        if self.platform.hold_max().is_none() && version < ProtocolVersion::V2025_11_25 {
            return Reach::Nowhere(
                "answers leave this platform in one piece, and clients before 2025-11-25 do not come back for the rest \
                 (Lambda: set `EDGEMCP_LAMBDA_RESPONSE` to `streamed`)",
            );
        }
        Reach::Store
    }
}
