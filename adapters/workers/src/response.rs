//! Turns the server's answer into one of Workers: bytes as bytes, a stream as a stream.

use edgemcp::http::{Body, BodyError};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use worker::{Headers, ResponseBody, ResponseBuilder, web_sys::console};

use crate::event::ClientGone;

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The answer, whose stream ends at once where its client is gone.
pub(crate) fn to_worker(response: Response<Body>, gone: Option<ClientGone>) -> worker::Response {
    convert(response, gone).unwrap_or_else(|why| {
        console::error_1(&format!("the server's answer cannot be sent: {why}").into());
        ResponseBuilder::new().with_status(500).empty()
    })
}

fn convert(response: Response<Body>, gone: Option<ClientGone>) -> Result<worker::Response, String> {
    let (parts, body) = response.into_parts();
    let headers = crate::headers::to_js(&parts.headers)?;
    let status = parts.status.as_u16();
    // JavaScript's `Response` throws for any other.
    if !(200..=599).contains(&status) {
        return Err(format!("status {status} is not between 200 and 599"));
    }
    let builder = ResponseBuilder::new().with_status(status).with_headers(Headers(headers));
    match body.into_bytes() {
        // It also throws where one of these has a body, even one of no bytes.
        _ if matches!(status, 204 | 205 | 304) => Ok(builder.empty()),
        Ok(bytes) if bytes.is_empty() => Ok(builder.empty()),
        Ok(bytes) => Ok(builder.body(ResponseBody::Body(bytes.into()))),
        Err(stream) => {
            let stream = stream.map_err(broke_off);
            let sent = match gone {
                // Workers themselves notice only when they next send something.
                Some(gone) => builder.from_stream(stream.take_until(gone)),
                None => builder.from_stream(stream),
            };
            sent.map_err(|error| error.to_string())
        }
    }
}

/// Aborts the answer; why it broke off is for the log alone.
fn broke_off(error: BodyError) -> worker::Error {
    console::error_1(&format!("the streamed answer broke off: {error}").into());
    worker::Error::RustError("the answer broke off".to_owned())
}
