//! Sessions of the legacy era, as requests begin, name and end them.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use super::{Exchange, Reply};
use crate::{
    call::{self, CALL_TTL},
    changes, drive,
    error::Error,
    future::BoxFuture,
    http::headers::{self, Single},
    line::Resumes,
    model::LoggingLevel,
    session::{self, Session},
    store::StoreError,
    version::{Era, ProtocolVersion},
    wire::{
        capabilities,
        params::{self, Members},
    },
};

/// A session that is not there.
pub(super) struct NoSession;

impl Exchange {
    /// Opens the session that the request names, where it names one.
    pub(super) async fn open_session(&mut self) -> Result<Result<(), NoSession>, Error> {
        if self.peer.is_some() || self.session.is_some() {
            return Ok(Ok(()));
        }
        let id = match headers::single(&self.headers, &session::HEADER) {
            Single::Absent => return Ok(Ok(())),
            Single::Unusable => return Ok(Err(NoSession)),
            Single::Value(id) => id,
        };
        let session = Session::open(&self.tables, &self.platform, self.principal.as_deref(), id);
        let Some(session) = session else { return Ok(Err(NoSession)) };
        if session.is_revoked(&self.tables, &self.platform).await? {
            return Ok(Err(NoSession));
        }
        self.session = Some(session);
        Ok(Ok(()))
    }

    /// What a client gets that opens a stream of its session, or comes back to one; `None` where there is none.
    pub(crate) async fn stream_of_session(mut self) -> Option<BoxFuture<'static, Reply>> {
        if !self.takes_stream {
            return None;
        }
        match self.open_session().await {
            Ok(Ok(())) => {}
            Ok(Err(NoSession)) => return Some(Box::pin(async { Reply::no_session(None) })),
            Err(error) => {
                let reply = self.failed("session", None, Era::Legacy, error);
                return Some(Box::pin(async { reply }));
            }
        }
        let session = self.session.clone()?;
        let last = match headers::single(&self.headers, &headers::LAST_EVENT_ID) {
            Single::Value(id) => call::read_event_id(id).map(|(call, after)| (call.to_owned(), after)),
            _ => None,
        };
        match last {
            Some((stream, since)) if stream == changes::STREAM => self.changes(session, Some(since)),
            Some((call, after)) => {
                self.line.resumes_as(Resumes::of(session.version));
                Some(Box::pin(async move {
                    let parties = self.again();
                    match call::take_up(self, &session, &call, after).await {
                        Ok(reply) => reply,
                        Err(error) => {
                            let status = StatusCode::NOT_FOUND;
                            Reply { status, ..parties.failed("a call", None, Era::Legacy, error) }
                        }
                    }
                }))
            }
            None => self.changes(session, None),
        }
    }

    /// The stream of what changes, for a client that has one.
    fn changes(self, session: Session, since: Option<u32>) -> Option<BoxFuture<'static, Reply>> {
        if !changes::has_stream(&self, &session) {
            return None;
        }
        Some(Box::pin(async move {
            let parties = self.again();
            match changes::stream(self, &session, since).await {
                Ok(reply) => reply,
                Err(error) => {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    Reply { status, ..parties.failed("the stream of changes", None, Era::Legacy, error) }
                }
            }
        }))
    }

    /// What a client gets that ends its session; `None` where sessions cannot be ended.
    pub(crate) async fn end_session(mut self) -> Option<Reply> {
        if !self.tables.sessions.revocable {
            return None;
        }
        let ended = match self.open_session().await {
            Ok(Ok(())) => match &self.session {
                Some(session) => session.revoke(&self.tables, &self.platform).await,
                None => return Some(Reply::no_session(None)),
            },
            Ok(Err(NoSession)) => return Some(Reply::no_session(None)),
            Err(error) => Err(error),
        };
        Some(match ended {
            Ok(()) => Reply { status: StatusCode::NO_CONTENT, ..Reply::accepted() },
            Err(error) => Reply {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..self.failed("the end of a session", None, Era::Legacy, error)
            },
        })
    }

    /// The id of a new session; none where this server has none.
    pub(super) fn begin_session(
        &self,
        version: ProtocolVersion,
        declared: &Bytes,
        client_info: Option<&RawValue>,
    ) -> Option<String> {
        let bits = std::str::from_utf8(declared).map_or(0, capabilities::bits);
        let info = client_info.and_then(|raw| Members::read(raw.get())).and_then(|info| {
            let text = |name| info.get(name).and_then(params::string).map(Cow::into_owned);
            Some((text("name")?, text("version")?))
        });
        Session::begin(&self.tables, &self.platform, self.principal.as_deref(), version, bits, info)
    }

    /// Keeps the least level of log that a session wants, where there is a store to keep it in.
    pub(super) async fn keep_level(&self, session: &Session, level: LoggingLevel) -> Result<(), Error> {
        let store = self.platform.strong_store();
        if store.capabilities().value_bytes_max != Some(0) {
            let left = session.left(&self.platform);
            store.put(&session.key("level")?, level.as_str().into(), Some(left)).await?;
        }
        Ok(())
    }

    /// Tells whichever instance works on the request `id` that its client does not want the answer any more.
    pub(super) async fn note_cancelled(&self, session: &Session, id: &RawValue) -> Result<(), StoreError> {
        let store = self.platform.strong_store();
        match store.capabilities().consistent {
            true => store.put(&drive::cancelled(&session.id, id.get())?, "1".into(), Some(CALL_TTL)).await,
            // Nobody would look.
            false => Ok(()),
        }
    }
}
