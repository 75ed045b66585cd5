//! Turns the request of a `fetch` event into one of `http`, with as much of its body as the server takes.

use bytes::Bytes;
use http::{Method, Request, Uri, header::CONTENT_LENGTH};
use worker::web_sys;

use crate::{
    headers,
    read::{self, ReadError},
};

/// Why a request does not reach the server.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Its body is larger than the server takes.
    TooLarge,
    /// It is none that a server can be asked; the text says what is wrong with it.
    Malformed(&'static str),
}

pub(crate) async fn from_js(
    request: &web_sys::Request,
    body_bytes_max: usize,
) -> Result<Request<Bytes>, Unreadable> {
    // Not `worker::Request::method`, which takes a method that it does not know for a GET.
    let method = Method::from_bytes(request.method().as_bytes())
        .map_err(|_| Unreadable::Malformed("the method of this request is no HTTP method\n"))?;
    let uri: Uri = request
        .url()
        .parse()
        .map_err(|_| Unreadable::Malformed("the URL of this request has a character that none may have\n"))?;
    let headers = headers::from_js(&request.headers())
        .ok_or(Unreadable::Malformed("a header of this request is no HTTP header\n"))?;

    // A length that is announced is refused before anything is read; one that lies is met while reading.
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > body_bytes_max as u64) {
        return Err(Unreadable::TooLarge);
    }
    let body = match request.body() {
        None => Bytes::new(),
        Some(stream) => read::read(&stream, body_bytes_max).await.map_err(|error| match error {
            ReadError::TooLarge => Unreadable::TooLarge,
            ReadError::Broken => Unreadable::Malformed("the body of this request broke off\n"),
        })?,
    };

    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
