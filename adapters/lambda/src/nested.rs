//! Lets a server answer inside a user's own `lambda_http` function.

use bytes::Bytes;
use edgemcp::{Service, http::Body, platform::Platform};
use http::{HeaderValue, Request, Response, StatusCode, header::HOST};
use lambda_http::{RequestExt as _, request::RequestContext};

use crate::{
    event::{self, Refusal},
    function::with_deadline,
    path::Place,
    response::plain,
};

/// Answers a request of a `lambda_http` function with `service`, so that other routes can stand beside it.
///
/// The answer has a [`Body`] of edgemcp's, which `lambda_http::run` and `lambda_http::run_with_streaming_response`
/// both take as it is. The stage and the base path of API Gateway are taken off the path, as [`run`](crate::run) does;
/// the deadline is that of the invocation.
///
/// Set `EDGEMCP_LAMBDA_RESPONSE=streamed` with the second of the two, and only there: on a platform that holds answers
/// open, `lambda_http::run` would wait for each of them to end.
///
/// # Limits
/// The event was converted by `lambda_http`, which fails the invocation on a `Host` or a base64 body that is none,
/// and neither the size of an answer nor the deadline is watched. There is no work after an answer, and `lambda_http`
/// does not know the event by which a function invokes itself, so there are no tasks; leave `EDGEMCP_LAMBDA_TASKS` out.
/// To have all that, answer events with a [`Function`](crate::Function), and give the server its other routes with
/// `Server::route`.
///
/// ```no_run
/// use edgemcp::http::Body;
/// use lambda_http::{Error, Request, RequestExt as _, Response, service_fn};
/// # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "1.0.0") }
///
/// # async fn example() -> Result<(), Error> {
/// let service = &server().build()?;
/// let platform = &edgemcp_lambda::platform()?;
/// lambda_http::run(service_fn(|request: Request| async move {
///     Ok::<_, Error>(match request.raw_http_path() {
///         "/version" => Response::new(Body::from("1.0.0")),
///         _ => edgemcp_lambda::handle(service, platform, request).await,
///     })
/// }))
/// .await
/// # }
/// ```
pub async fn handle(service: &Service, platform: &Platform, request: lambda_http::Request) -> Response<Body> {
    let platform = match request.lambda_context_ref() {
        Some(context) => with_deadline(platform.clone(), context),
        None => platform.clone(),
    };
    match plain_request(request, service.body_bytes_max()) {
        Ok(request) => service.handle(&platform, request).await,
        Err(Refusal::BodyTooLarge) => service.body_too_large(),
        Err(Refusal::Bad(status, why)) => plain(status, &why),
    }
}

fn plain_request(request: lambda_http::Request, body_bytes_max: usize) -> Result<Request<Bytes>, Refusal> {
    let uri = {
        let (stage, context_path, route) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => {
                (context.stage.as_deref(), context.path.as_deref(), context.resource_path.as_deref())
            }
            Some(RequestContext::ApiGatewayV2(context)) => {
                (context.stage.as_deref(), context.http.path.as_deref(), context.route_key.as_deref())
            }
            _ => (None, None, None),
        };
        // A request that a test or a layer made has no raw path.
        let path = Some(request.raw_http_path()).filter(|path| !path.is_empty());
        let path = path.unwrap_or_else(|| request.uri().path());
        let parameters = request.path_parameters_ref();
        let place = Place { path, stage, context_path, route };
        event::uri(place, |name| parameters?.first(name), request.uri().query().unwrap_or_default())?
    };
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let (mut parts, body) = request.into_parts();
    parts.uri = uri;
    if let Some(Ok(host)) = authority
        && !parts.headers.contains_key(HOST)
    {
        parts.headers.insert(HOST, host);
    }
    let body = match body {
        lambda_http::Body::Empty => Bytes::new(),
        lambda_http::Body::Text(text) => text.into(),
        lambda_http::Body::Binary(bytes) => bytes.into(),
        // The type is open to kinds that a later version knows.
        _ => {
            let why = "the body is neither text nor bytes".to_owned();
            return Err(Refusal::Bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
    };
    if body.len() > body_bytes_max {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(Request::from_parts(parts, body))
}
