//! Answers one event after the other with a service: the part of a function between its events and its server.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    Service,
    future::BoxFuture,
    http::Body,
    platform::{LogLevel, Platform, Timestamp},
};
use futures_util::future::{Either, select};
use http::{HeaderMap, Method, Request, Response, StatusCode, header::ACCEPT};
use lambda_runtime::{Context, Diagnostic, FunctionResponse, LambdaEvent};
use serde_json::value::RawValue;

use crate::{
    background::Behind,
    event::{self, Event, Kind, Refusal},
    response::{AnswerStream, buffered, bytes_max, plain, streamed},
};

/// How long before Lambda's deadline an answer that is still missing is given up. Lambda ends the whole instance at
/// its deadline, and the next request would wait for a new one.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(500);

/// What `lambda_runtime` sends back for an event.
pub type Answer = FunctionResponse<Box<RawValue>, AnswerStream>;

/// A service behind Lambda's events. [`run`](crate::run) makes one; make one yourself to put it into a
/// [`lambda_runtime`] loop of your own, with layers or other kinds of events beside it.
///
/// ```no_run
/// use edgemcp_lambda::Function;
/// use lambda_runtime::{LambdaEvent, service_fn};
/// use serde_json::value::RawValue;
/// # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "1.0.0") }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let function = Function::new(server().build()?, edgemcp_lambda::platform()?);
/// let handler = |event: LambdaEvent<Box<RawValue>>| {
///     let function = function.clone();
///     async move { function.answer(event).await }
/// };
/// lambda_runtime::run(service_fn(handler)).await
/// # }
/// ```
#[derive(Clone)]
pub struct Function {
    service: Arc<Service>,
    platform: Platform,
}

impl Function {
    /// A function that answers with `service` on `platform`. Answers are streamed where the platform says that they
    /// may be held open ([`Platform::hold_max`]), and leave in one piece where it does not.
    pub fn new(service: Service, platform: Platform) -> Self {
        Self { service: Arc::new(service), platform }
    }

    /// Answers one event.
    ///
    /// What a client did wrong is an answer with a 4xx status. An answer that is too large for Lambda is a 502, one
    /// that is not there [`DEADLINE_MARGIN`] before the deadline a 504. A load balancer takes no stream, so it gets
    /// its answer in one piece in either mode.
    ///
    /// The function's own event, `{"edgemcp":{"task":"…"}}`, is answered with `null` once the task is done, waits for
    /// its client, or is somebody else's, and [`DEADLINE_MARGIN`] before the deadline at the latest; so it is where
    /// there is no such task. It may come more than once.
    ///
    /// # Errors
    /// Where the event comes from none of the sources that speak HTTP (a queue, a schedule, `{}`): nobody would read
    /// an answer, and the invocation must count as failed, so that a queue keeps its messages. Where the store fails
    /// before a task could be taken up: Lambda then invokes the function again.
    pub async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let platform = with_deadline(self.platform.clone(), &context);
        let event = event::read(payload.get(), self.service.body_bytes_max());
        // It may be megabytes, and the request has its own copy.
        drop(payload);
        match event {
            Ok(Event::Request(kind, request)) => Ok(self.respond(platform, kind, request).await),
            Ok(Event::Task(id)) => self.run_task(&platform, &id).await,
            Err(unknown) => Err(Diagnostic {
                error_type: "edgemcp.UnknownEvent".to_owned(),
                error_message: unknown.to_string(),
            }),
        }
    }

    /// Ends what the server's lifespans have started: for Lambda's shutdown phase.
    pub async fn stop(&self) {
        self.service.stop(&self.platform).await;
    }

    /// Whether there is anything to do then.
    pub(crate) fn cleans_up(&self) -> bool {
        self.service.cleans_up()
    }

    async fn respond(
        &self,
        platform: Platform,
        kind: Kind,
        request: Result<Request<Bytes>, Refusal>,
    ) -> Answer {
        let streams = platform.hold_max().is_some() && matches!(kind, Kind::V1 | Kind::V2);
        let platform = if streams { platform } else { platform.with_hold_max(None) };
        let (response, behind) = match request {
            Ok(request) => {
                let behind = match streams && self.may_be_held(&request) {
                    true => Behind::new(platform.clone()),
                    false => None,
                };
                let platform = match &behind {
                    Some(behind) => platform.clone().with_background(Arc::new(behind.clone())),
                    None => platform.clone(),
                };
                let answer = self.service.handle(&platform, request);
                (within(&platform, answer).await.unwrap_or_else(|| too_late(&platform)), behind)
            }
            Err(Refusal::BodyTooLarge) => (self.service.body_too_large(), None),
            Err(Refusal::Bad(status, why)) => (plain(status, &why), None),
        };
        match streams {
            true => {
                let time_up = time_up(&platform);
                FunctionResponse::StreamingResponse(streamed(response, platform, time_up, behind))
            }
            false => FunctionResponse::BufferedResponse(in_one_piece(kind, response, &platform).await),
        }
    }

    /// Whether the stream of an answer may stay open for work that goes on after it: where the client reads events, it
    /// has its answer before the stream ends. It is not where it comes back for what is left (a session of the legacy
    /// era), since an open stream would only keep it from that, nor on a plain route, whose caller may wait for the
    /// end.
    fn may_be_held(&self, request: &Request<Bytes>) -> bool {
        let (path, endpoint) = (request.uri().path(), self.service.path());
        (path == endpoint || path.strip_suffix('/') == Some(endpoint))
            && request.method() == Method::POST
            && !request.headers().contains_key("mcp-session-id")
            && reads_events(request.headers())
    }

    async fn run_task(&self, platform: &Platform, id: &str) -> Result<Answer, Diagnostic> {
        match within(platform, self.service.run_task(platform, id)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                platform.log(LogLevel::Error, &format!("a task could not be gone on with: {error}"));
                let error_message = format!("the task {id} could not be gone on with: {}", error.message());
                return Err(Diagnostic { error_type: "edgemcp.Task".to_owned(), error_message });
            }
            // Not an error: Lambda would only begin it again, and its client does so if it still wants it.
            None => platform.log(
                LogLevel::Error,
                "a task was left: the function's time is up (raise its timeout, or divide the work into steps?)",
            ),
        }
        Ok(FunctionResponse::BufferedResponse(Box::default()))
    }
}

/// Whether the client takes a stream of events, and says so.
fn reads_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_zero = |q: &str| q.bytes().all(|b| matches!(b, b'0' | b'.'));
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
            && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero))
    })
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// The platform for one event, which Lambda cuts at the context's deadline.
pub(crate) fn with_deadline(platform: Platform, context: &Context) -> Platform {
    let deadline = Timestamp::from_millis(context.deadline);
    // Lambda hands over no event whose time is up. A deadline in the past comes from a stand-in of Lambda's:
    // cargo-lambda's has one in 1970.
    if deadline > platform.now() { platform.with_deadline(deadline) } else { platform }
}

async fn in_one_piece(kind: Kind, response: Response<Body>, platform: &Platform) -> Box<RawValue> {
    let bytes_max = bytes_max(kind);
    let (parts, body) = response.into_parts();
    let Some(bytes) = within(platform, body.collect(bytes_max)).await else {
        return own(kind, too_late(platform));
    };
    let why = match bytes {
        Ok(bytes) => match buffered(kind, &parts, &bytes, bytes_max) {
            Ok(json) => return json,
            Err(size) => format!("it has {size} bytes"),
        },
        Err(error) => error.to_string(),
    };
    platform.log(
        LogLevel::Error,
        &format!("an answer was given up: {why} (Lambda takes {bytes_max} bytes in one piece)"),
    );
    let way_out = match kind {
        Kind::V1 | Kind::V2 => " (`EDGEMCP_LAMBDA_RESPONSE=streamed` takes larger ones)",
        Kind::Alb { .. } => "",
    };
    let why = format!("the answer broke off, or has more bytes than the {bytes_max} for one piece{way_out}");
    own(kind, plain(StatusCode::BAD_GATEWAY, &why))
}

/// An answer of this adapter's own, which is always small.
fn own(kind: Kind, response: Response<Body>) -> Box<RawValue> {
    let (parts, body) = response.into_parts();
    let bytes = body.into_bytes().unwrap_or_default();
    buffered(kind, &parts, &bytes, usize::MAX).unwrap_or_default()
}

fn too_late(platform: &Platform) -> Response<Body> {
    platform.log(LogLevel::Error, "an answer was given up: the function's time is up (raise its timeout?)");
    plain(StatusCode::GATEWAY_TIMEOUT, "the function's time is up, and the answer is not there")
}

/// Resolves [`DEADLINE_MARGIN`] before the deadline.
fn time_up(platform: &Platform) -> Option<BoxFuture<'static, ()>> {
    let left = platform.deadline()?.since(platform.now()).saturating_sub(DEADLINE_MARGIN);
    Some(platform.sleep(left))
}

/// What `work` gives, or `None` where it is not ready in time. Work that is ready at once is never late.
pub(crate) async fn within<T>(platform: &Platform, work: impl Future<Output = T>) -> Option<T> {
    let Some(time_up) = time_up(platform) else { return Some(work.await) };
    match select(pin!(work), time_up).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
