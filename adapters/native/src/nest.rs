//! Puts a server into an axum router, a hyper server, or any tower stack.

use std::{
    convert::Infallible,
    error::Error,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use edgemcp::{
    Service,
    future::BoxFuture,
    http::Body,
    platform::{LogLevel, Platform},
};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

/// How long a request's body may take to arrive.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, so that a client which sends all of it before it
/// reads still gets its answer instead of a broken connection. Bytes.
const DRAIN_BYTES_MAX: usize = 16 << 20;

/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// A server as a hyper and tower service, for any body of a request.
///
/// It answers its own paths (`/mcp`, and the routes the server carries) and 404 elsewhere. It needs a tokio runtime.
///
/// A body is read into memory up to the server's limit and within [`BODY_TIME_MAX`]; more is a 413, slower a 408. A
/// handler that panics costs its own request a 500.
///
/// ```no_run
/// # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "0.1.0") }
/// use axum::{Router, routing::get};
/// use edgemcp::platform::Exposure;
/// use edgemcp_native::{McpService, NativePlatform};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = server().build()?;
/// // This listens on loopback, so a `Host` from elsewhere is refused.
/// let platform = NativePlatform::builder(service.name()).exposure(Exposure::Loopback).build();
/// let app: Router = Router::new()
///     .route("/", get(|| async { "the rest of the application" }))
///     .route_service("/mcp", McpService::new(service, platform));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// axum::serve(listener, app).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct McpService {
    service: Arc<Service>,
    platform: Platform,
}

impl McpService {
    /// The server `service` on `platform`.
    pub fn new(service: impl Into<Arc<Service>>, platform: Platform) -> Self {
        Self { service: service.into(), platform }
    }

    /// The platform it answers with.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Answers one request; never fails.
    pub fn answer<B>(&self, request: Request<B>) -> BoxFuture<'static, Response<Body>>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Self { service, platform } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // Whoever asks first waits for the answer, and has sent nothing that would have to be thrown away.
            let waits = parts.headers.contains_key(header::EXPECT);
            let bytes = match read(body, service.body_bytes_max(), waits).await {
                Ok(bytes) => bytes,
                Err(Unread::TooLarge) => return service.body_too_large(),
                Err(Unread::TooSlow) => {
                    return plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
                }
                Err(Unread::Broken) => return plain(StatusCode::BAD_REQUEST, "the body broke off"),
            };
            let request = Request::from_parts(parts, bytes);
            match AssertUnwindSafe(service.handle(&platform, request)).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    platform.log(LogLevel::Error, "a handler panicked; its request was answered with 500");
                    plain(StatusCode::INTERNAL_SERVER_ERROR, "the server failed at this request")
                }
            }
        })
    }
}

impl std::fmt::Debug for McpService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpService")
            .field("name", &self.service.name())
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl<B> hyper::service::Service<Request<B>> for McpService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<B>) -> Answer {
        Answer(self.answer(request))
    }
}

impl<B> tower_service::Service<Request<B>> for McpService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        Answer(self.answer(request))
    }
}

/// The answer that [`McpService`] is making.
pub struct Answer(BoxFuture<'static, Response<Body>>);

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Why a body could not be had whole.
enum Unread {
    TooLarge,
    TooSlow,
    Broken,
}

async fn read<B>(body: B, bytes_max: usize, client_waits: bool) -> Result<Bytes, Unread>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut body = Box::pin(body);
    let too_large = |body| {
        if !client_waits {
            tokio::spawn(tokio::time::timeout(DRAIN_TIME_MAX, drain(body)));
        }
        Err(Unread::TooLarge)
    };
    // What the client itself says is too large need not be read to know it.
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max) {
        return too_large(body);
    }
    let read = {
        let mut whole = pin!(collect(&mut body, bytes_max));
        match whole.as_mut().now_or_never() {
            // Most bodies are there with their head, and need no timer.
            Some(read) => read,
            None => tokio::time::timeout(BODY_TIME_MAX, whole).await.unwrap_or(Err(Unread::TooSlow)),
        }
    };
    match read {
        Err(Unread::TooLarge) => too_large(body),
        read => read,
    }
}

/// The whole body. One that comes in one piece is that piece.
async fn collect<B>(body: &mut Pin<Box<B>>, bytes_max: usize) -> Result<Bytes, Unread>
where
    B: http_body::Body,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // What is no data is trailers, which say nothing here.
        let Ok(mut piece) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        let bytes = piece.remaining();
        if bytes > bytes_max.saturating_sub(whole.len()) {
            return Err(Unread::TooLarge);
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece.copy_to_bytes(bytes));
        }
        whole.put(piece);
    }
    Ok(whole.freeze())
}

async fn drain<B>(body: B)
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut rest = pin!(Limited::new(body, DRAIN_BYTES_MAX));
    while let Some(Ok(_)) = rest.frame().await {}
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
