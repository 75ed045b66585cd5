//! Decides whether an answer is one piece of JSON or a stream, and sends it.
//!
//! An answer is JSON as long as there is nothing to say before it. The first message makes it a stream, and so does
//! silence that lasts: a client, and whoever stands between, then sees that somebody is still there.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Response, header};

use crate::{
    call::event_id,
    exchange::Reply,
    flow::{Event, Flow},
    future::BoxFuture,
    http::{Body, BodyError, sse},
    line::{Line, Resumes},
    platform::Platform,
    seal::random_id,
    session,
};

/// After how much silence a stream says that somebody is still there.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// After how long a client comes back to a stream that was closed before its answer was there.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends what `work` answers and says on `line`. `takes_stream` is whether the client takes one, `takes_json` whether
/// it takes anything else.
pub(crate) async fn respond(
    platform: &Platform,
    work: BoxFuture<'static, Reply>,
    line: Arc<Line>,
    takes_stream: bool,
    takes_json: bool,
) -> Response<Body> {
    let mut flow = Flow::new(platform, work, line);
    // A platform that sends an answer in one piece has nobody to keep awake.
    let keeps_alive = takes_stream && platform.hold_max().is_some();
    let mut silence = None;
    let first = poll_fn(|cx| {
        if let Poll::Ready(event) = flow.poll_next(cx) {
            return Poll::Ready(Some(event));
        }
        if !keeps_alive {
            return Poll::Pending;
        }
        // Most answers are there at once, and need no timer.
        silence.get_or_insert_with(|| platform.sleep(KEEP_ALIVE_EVERY)).as_mut().poll(cx).map(|()| None)
    })
    .await;
    let first = match first {
        Some(Event::Done(reply)) if takes_json || !reply.is_success() => return whole(reply),
        first => first,
    };
    let session = match &first {
        Some(Event::Done(reply)) => reply.session.clone(),
        _ => None,
    };
    let streamed = Streamed::new(platform, flow, first);
    let mut response = match platform.hold_max() {
        Some(_) => Response::new(Body::stream(Box::pin(streamed))),
        None => Response::new(Body::from(streamed.collect().await)),
    };
    sse::set_headers(response.headers_mut());
    name_session(response.headers_mut(), session);
    response
}

/// An answer in one piece.
pub(crate) fn whole(Reply { status, body, session, header }: Reply) -> Response<Body> {
    let is_json = body.is_some();
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if is_json {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    name_session(headers, session);
    headers.extend(header);
    response
}

/// Tells the client the id of the session that it has begun.
fn name_session(headers: &mut HeaderMap, session: Option<String>) {
    // What is sealed is base64.
    if let Some(Ok(id)) = session.map(HeaderValue::try_from) {
        headers.insert(session::HEADER, id);
    }
}

/// An answer that is sent while it is made.
struct Streamed {
    platform: Platform,
    /// `None` once nothing more comes.
    flow: Option<Flow>,
    /// The call that the client can come back to.
    call: Option<String>,
    /// What is to be sent next.
    ready: Vec<u8>,
    silence: Option<BoxFuture<'static, ()>>,
}

impl Streamed {
    fn new(platform: &Platform, flow: Flow, first: Option<Event>) -> Self {
        let (line, mut ready) = (&flow.line, Vec::new());
        let resumes = line.resumes();
        let call = match (line.call(), resumes) {
            (None, Resumes::No) => None,
            // Without randomness nobody can come back, and the stream is a stream all the same.
            (None, _) => random_id(platform.random()).ok().inspect(|call| line.resumes_at(call, 0)),
            (call, _) => call,
        };
        if let (Some(call), Resumes::Primed) = (&call, resumes) {
            let before = match &first {
                Some(Event::Said(place, _)) => place.saturating_sub(1),
                Some(Event::Opened(place)) => *place,
                _ => line.place(),
            };
            ready = sse::priming(&event_id(call, before), line.retry().unwrap_or(RETRY_AFTER));
        }
        let mut streamed = Self { platform: platform.clone(), flow: Some(flow), call, ready, silence: None };
        if let Some(event) = first {
            streamed.add(event);
        }
        streamed
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Opened(_) => {}
            Event::Said(place, message) => {
                let id = self.call.as_deref().map(|call| event_id(call, place));
                self.ready.extend(sse::event(id.as_deref(), &message));
            }
            // The work that is left goes on elsewhere.
            Event::Closed => self.flow = None,
            Event::Done(reply) => {
                let place = self.flow.take().map_or(0, |flow| flow.line.next_place());
                if let Some(body) = reply.body {
                    self.add(Event::Said(place, body));
                }
            }
        }
    }

    /// Adds what there is without waiting for more.
    fn gather(&mut self, cx: &mut Context<'_>) {
        while let Some(flow) = &mut self.flow {
            match flow.poll_next(cx) {
                Poll::Ready(event) => self.add(event),
                Poll::Pending => break,
            }
        }
    }

    /// All of it, once nothing more comes.
    async fn collect(mut self) -> Vec<u8> {
        poll_fn(|cx| {
            self.gather(cx);
            match self.flow {
                Some(_) => Poll::Pending,
                None => Poll::Ready(()),
            }
        })
        .await;
        self.ready
    }
}

impl Stream for Streamed {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.gather(cx);
        if !this.ready.is_empty() {
            this.silence = None;
            return Poll::Ready(Some(Ok(std::mem::take(&mut this.ready).into())));
        }
        if this.flow.is_none() {
            return Poll::Ready(None);
        }
        let silence = this.silence.get_or_insert_with(|| this.platform.sleep(KEEP_ALIVE_EVERY));
        std::task::ready!(silence.as_mut().poll(cx));
        this.silence = None;
        Poll::Ready(Some(Ok(Bytes::from_static(sse::KEEP_ALIVE))))
    }
}
