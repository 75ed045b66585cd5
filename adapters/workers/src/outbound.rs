//! Sends a server's own requests with Workers' `fetch`.

use std::time::Duration;

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Fetch, FetchError},
};
use http::{Request, Response, StatusCode, Uri};
use worker::{
    js_sys::{self, Uint8Array},
    send::SendFuture,
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
    web_sys::{self, AbortSignal, RequestInit, RequestRedirect, WorkerGlobalScope},
};

use crate::{
    event::Event,
    headers,
    read::{self, ReadError},
    thrown,
};

/// The most bytes of an answer that [`Platform::fetch`](edgemcp::platform::Platform::fetch) reads.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How long [`Platform::fetch`](edgemcp::platform::Platform::fetch) waits for a whole answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Fetch for Event {
    fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(SendFuture::new(async move {
            let signal = AbortSignal::timeout_with_u32(ANSWER_TIMEOUT.as_millis() as u32);
            // However the exchange fails once the time is over, that is why.
            exchange(request, &signal).await.map_err(|error| match signal.aborted() {
                true => FetchError::Timeout(ANSWER_TIMEOUT),
                false => error,
            })
        }))
    }
}

async fn exchange(request: Request<Bytes>, signal: &AbortSignal) -> Result<Response<Bytes>, FetchError> {
    let (parts, body) = request.into_parts();
    check(&parts.uri)?;
    let init = RequestInit::new();
    init.set_method(parts.method.as_str());
    init.set_headers(headers::to_js(&parts.headers).map_err(FetchError::Connection)?.as_ref());
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    if !body.is_empty() {
        init.set_body(&Uint8Array::from(&*body));
    }
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = JsFuture::from(scope.fetch_with_str_and_init(&parts.uri.to_string(), &init))
        .await
        .map_err(connection)?;
    let answer: web_sys::Response = answer.dyn_into().map_err(connection)?;

    let body = match answer.body() {
        None => Bytes::new(),
        Some(stream) => read::read(&stream, ANSWER_BYTES_MAX).await.map_err(|error| match error {
            ReadError::TooLarge => FetchError::TooLarge(ANSWER_BYTES_MAX),
            ReadError::Broken => FetchError::Connection("the answer broke off".to_owned()),
        })?,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status())
        .map_err(|_| FetchError::Connection(format!("status {} is none", answer.status())))?;
    *response.headers_mut() = headers::from_js(&answer.headers())
        .ok_or_else(|| FetchError::Connection("the answer has a header that is none".to_owned()))?;
    Ok(response)
}

/// The text names no address: one can hold a secret in its query, and these texts go to the log. JavaScript's own
/// refusal of a user name would show it.
fn check(uri: &Uri) -> Result<(), FetchError> {
    let problem = if !matches!(uri.scheme_str(), Some("https" | "http")) {
        "it must start with https:// or http://"
    } else if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        "it holds a user name (send an `Authorization` header instead)"
    } else {
        return Ok(());
    };
    Err(FetchError::Address(problem.to_owned()))
}

fn connection(why: JsValue) -> FetchError {
    FetchError::Connection(thrown::message(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_refused_does_not_tell_the_log_its_secrets() {
        for address in
            ["ftp://example.com/?key=hunter2", "/relative?hunter2", "https://ada:hunter2@example.com/"]
        {
            let error = check(&Uri::from_static(address)).unwrap_err();
            assert!(matches!(error, FetchError::Address(_)), "{address}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        check(&Uri::from_static("https://example.com/?key=hunter2")).unwrap();
    }
}
