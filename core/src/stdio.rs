//! The same exchange over lines of text: one JSON-RPC message a line, in and out.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    exchange::Exchange, inbound::Transport, platform::Platform, service::Service, version::ProtocolVersion,
};

/// One client on stdio. There is no bearer token over stdio, so a verifier is not asked: whoever starts the process
/// may use it (2026-07-28, basic/authorization, "Protocol Requirements").
#[derive(Debug)]
pub struct Connection {
    service: Arc<Service>,
    platform: Platform,
    headers: Arc<HeaderMap>,
    /// The revision a legacy client settled with `initialize`, by its place in [`ProtocolVersion::ALL`]; a legacy
    /// message over stdio does not name it again.
    negotiated: AtomicUsize,
}

impl Connection {
    /// A client that has said nothing yet.
    pub fn new(service: Arc<Service>, platform: Platform) -> Self {
        let negotiated = AtomicUsize::new(ProtocolVersion::LATEST_LEGACY.index());
        Self { service, platform, headers: Arc::default(), negotiated }
    }

    /// Answers one line, without its line end; `None` where there is nothing to say. Lines may be answered at the
    /// same time and in any order, but an `initialize` must be answered before the next line is handed in.
    pub async fn receive(&self, line: Bytes) -> Option<Bytes> {
        let negotiated = self.negotiated.load(Ordering::Relaxed);
        let negotiated =
            ProtocolVersion::ALL.get(negotiated).copied().unwrap_or(ProtocolVersion::LATEST_LEGACY);
        let exchange = Exchange {
            tables: &self.service.tables,
            platform: &self.platform,
            principal: None,
            transport: Transport::Stdio { negotiated },
            headers: &self.headers,
        };
        let reply = exchange.reply(&line).await;
        if let Some(settled) = reply.settled {
            self.negotiated.store(settled.index(), Ordering::Relaxed);
        }
        reply.body.map(Bytes::from)
    }

    /// The answer to a line of more than [`Service::body_bytes_max`] bytes.
    pub fn line_too_long(&self) -> Bytes {
        let error = crate::error::Error::invalid_request(format!(
            "the line has more than {} bytes",
            self.service.body_bytes_max()
        ));
        crate::wire::jsonrpc::failure(None, &error, crate::version::Era::Legacy).into()
    }
}
