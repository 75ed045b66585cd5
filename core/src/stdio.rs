//! The same exchange over lines of text: one JSON-RPC message a line, in and out.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use serde_json::value::RawValue;

use crate::{
    changes,
    context::Client,
    error::Error,
    exchange::Exchange,
    flow::{Event, Flow},
    future::BoxStream,
    journal::Answer,
    limits::SUBSCRIPTIONS_MAX,
    line::{Hears, Line},
    model::LoggingLevel,
    platform::Platform,
    seal::random_id,
    service::Service,
    version::{Era, ProtocolVersion},
    wire::jsonrpc::{self, Id, Outcome},
};

/// One client on stdio. There is no bearer token over stdio, so a verifier is not asked: whoever starts the process
/// may use it (2026-07-28, basic/authorization, "Protocol Requirements").
#[derive(Debug)]
pub struct Connection {
    service: Arc<Service>,
    platform: Platform,
    headers: Arc<HeaderMap>,
    peer: Arc<Peer>,
}

impl Connection {
    /// A client that has said nothing yet.
    pub fn new(service: Arc<Service>, platform: Platform) -> Self {
        Self { service, platform, headers: Arc::default(), peer: Arc::default() }
    }

    /// The lines that `line` is answered with, without their line ends: what is said while it is worked on, and the
    /// answer, where there is one. Lines may be answered at the same time and in any order, but those of an `initialize`
    /// must be asked for once before the next line is handed in.
    pub fn receive(&self, line: Bytes) -> Lines {
        let said = Arc::new(Line::new(Hears::default()));
        let exchange = Exchange {
            headers: Arc::clone(&self.headers),
            peer: Some(Arc::clone(&self.peer)),
            line: Arc::clone(&said),
            takes_stream: true,
            ..Exchange::with_nobody(&self.service.current(&self.platform, &HeaderMap::new()), &self.platform)
        };
        Lines(Some(Flow::new(&self.platform, Box::pin(exchange.reply(line)), said)))
    }

    /// What the client is told unasked, each without its line end. It is to be read beside the lines, as long as the
    /// connection lasts; where nothing will be told it ends at once.
    pub fn notices(&self) -> BoxStream<'static, Bytes> {
        let tables = Arc::clone(&self.service.tables);
        Box::pin(changes::notices(tables, self.platform.clone(), Arc::clone(&self.peer)))
    }

    /// The answer to a line of more than [`Service::body_bytes_max`] bytes.
    pub fn line_too_long(&self) -> Bytes {
        let error =
            Error::invalid_request(format!("the line has more than {} bytes", self.service.body_bytes_max()));
        jsonrpc::failure(None, &error, Era::Legacy).into()
    }
}

/// The lines that one line is answered with. Dropping it ends the work on it.
pub struct Lines(Option<Flow>);

impl Stream for Lines {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(flow) = &mut self.0 else { return Poll::Ready(None) };
        match std::task::ready!(flow.poll_next(cx)) {
            Event::Said(_, message) => Poll::Ready(Some(message.into())),
            // A connection has one stream, which stays.
            Event::Opened(_) | Event::Closed => self.poll_next(cx),
            Event::Done(reply) => {
                self.0 = None;
                Poll::Ready(reply.body.map(Bytes::from))
            }
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

/// What a connection remembers of its client, which a legacy one says once.
#[derive(Default)]
pub(crate) struct Peer(Mutex<State>);

#[derive(Default)]
struct State {
    id: Option<String>,
    version: Option<ProtocolVersion>,
    client: Client,
    level: Option<LoggingLevel>,
    /// How many requests the server has made.
    asked: u64,
    /// Those that wait for an answer: their id, and the ask behind it.
    waiting: Vec<(String, Weak<Line>, String)>,
    /// The client's requests that are worked on, by their id as JSON.
    running: Vec<(String, Weak<Line>)>,
    /// The resources that the client has subscribed to.
    subscribed: Vec<String>,
}

impl Peer {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision a legacy message is of: a message over stdio does not name it again.
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.lock().version.unwrap_or(ProtocolVersion::LATEST_LEGACY)
    }

    /// Who the client said it is, in its handshake.
    pub(crate) fn client(&self) -> Client {
        self.lock().client.clone()
    }

    /// The least level of log that the client wants, once it said so.
    pub(crate) fn level(&self) -> Option<LoggingLevel> {
        self.lock().level
    }

    /// Remembers a handshake.
    pub(crate) fn settle(&self, version: ProtocolVersion, client: Client) {
        let mut state = self.lock();
        state.version = Some(version);
        state.client = client;
    }

    pub(crate) fn set_level(&self, level: LoggingLevel) {
        self.lock().level = Some(level);
    }

    /// What tells this connection from others; nothing does where the platform has no randomness.
    pub(crate) fn id(&self, platform: &Platform) -> Option<String> {
        let mut state = self.lock();
        if state.id.is_none() {
            state.id = random_id(platform.random()).ok();
        }
        state.id.clone()
    }

    /// Whether there was a handshake, which only the legacy era has.
    pub(crate) fn is_legacy(&self) -> bool {
        self.lock().version.is_some()
    }

    /// The resources that the client has subscribed to.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        self.lock().subscribed.clone()
    }

    /// Remembers that the client wants to hear of a resource; says whether that is not one too many.
    pub(crate) fn subscribe(&self, uri: &str) -> bool {
        let mut state = self.lock();
        if state.subscribed.iter().any(|known| known == uri) {
            return true;
        }
        let fits = state.subscribed.len() < SUBSCRIPTIONS_MAX;
        if fits {
            state.subscribed.push(uri.to_owned());
        }
        fits
    }

    /// Forgets that the client wants to hear of a resource.
    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.lock().subscribed.retain(|known| known != uri);
    }

    /// Sends the asks of `line` that the client was not sent yet.
    pub(crate) fn ask(&self, line: &Arc<Line>) {
        let mut state = self.lock();
        let requests: Vec<_> = line.journal(|journal| {
            journal
                .see()
                .filter_map(|(_, asked)| {
                    let (method, params) = asked.request.as_ref()?;
                    state.asked += 1;
                    let id = format!("ask-{}", state.asked);
                    let message = jsonrpc::request(&id, method, params);
                    state.waiting.push((id, Arc::downgrade(line), asked.key.clone()));
                    Some(message)
                })
                .collect()
        });
        drop(state);
        for request in requests {
            line.send(request);
        }
    }

    /// Hands an answer to the ask it is for; one to no ask at all is dropped.
    pub(crate) fn answer(&self, id: &RawValue, outcome: Outcome<'_>) {
        let mut state = self.lock();
        state.waiting.retain(|(_, line, _)| line.strong_count() > 0);
        let Ok(id) = serde_json::from_str::<String>(id.get()) else { return };
        let Some(place) = state.waiting.iter().position(|(waiting, ..)| *waiting == id) else { return };
        let (_, line, key) = state.waiting.swap_remove(place);
        drop(state);
        let answer = match outcome {
            Outcome::Result(result) => Answer::Result(result.to_owned()),
            Outcome::Error(error) => Answer::Refusal(error.to_owned()),
        };
        if let Some(line) = line.upgrade() {
            line.journal(|journal| journal.answer(&key, answer));
        }
    }

    /// Notes that the request `id` is worked on, until the guard is dropped.
    pub(crate) fn run<'a>(&'a self, id: Id<'_>, line: &Arc<Line>) -> Running<'a> {
        let line = Arc::downgrade(line);
        self.lock().running.push((id.json().to_owned(), line.clone()));
        Running { peer: self, line }
    }

    /// Cancels the request `id`, where it is worked on.
    pub(crate) fn cancel(&self, id: &RawValue) {
        let state = self.lock();
        for (_, line) in state.running.iter().filter(|(running, _)| running == id.get()) {
            if let Some(line) = line.upgrade() {
                line.cancel();
            }
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// A request that is worked on.
pub(crate) struct Running<'a> {
    peer: &'a Peer,
    line: Weak<Line>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.peer.lock().running.retain(|(_, line)| !line.ptr_eq(&self.line));
    }
}
