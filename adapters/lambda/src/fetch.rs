//! The one HTTPS client of a function: hyper with rustls on ring, for the store and for `Platform::fetch`.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector as _, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Fetch, FetchError},
};
use http::{Request, Response, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// How long opening a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a fetch may take, until the last byte of its answer.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that a fetch reads, in bytes.
pub const FETCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long an idle connection is kept. Lambda freezes a function between two events, and a connection that the other
/// side gave up meanwhile would fail the first request after it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The client, made when it is first used: reading the trusted certificates takes milliseconds that a function
/// without outgoing requests need not spend.
#[derive(Debug, Default)]
pub(crate) struct Https(OnceLock<SharedHttpConnector>);

impl Https {
    fn connector(&self) -> &SharedHttpConnector {
        self.0.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
            let connector = Connector::builder()
                .sleep_impl(TokioSleep::new())
                .connector_settings(settings)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build();
            SharedHttpConnector::new(connector)
        })
    }

    /// The client in the form that the AWS SDK takes.
    pub(crate) fn for_sdk(&self) -> SharedHttpClient {
        let connector = self.connector().clone();
        http_client_fn(move |_, _| connector.clone())
    }
}

/// `Platform::fetch`.
#[derive(Debug)]
pub(crate) struct HttpsFetch {
    https: Arc<Https>,
    timeout: Duration,
    bytes_max: usize,
}

impl HttpsFetch {
    pub(crate) fn new(https: Arc<Https>) -> Self {
        Self::within(https, FETCH_TIMEOUT)
    }

    /// One that gives up earlier.
    pub(crate) fn within(https: Arc<Https>, timeout: Duration) -> Self {
        Self { https, timeout, bytes_max: FETCH_BYTES_MAX }
    }

    async fn answer(&self, request: HttpRequest) -> Result<Response<Bytes>, FetchError> {
        let connection = |error: &dyn std::error::Error| FetchError::Connection(chain(error));
        let response = self.https.connector().call(request).await;
        let response = response.map_err(|error| connection(error.into_source().as_ref()))?;
        let response = response.try_into_http1x().map_err(|error| connection(&error))?;
        let (parts, body) = response.into_parts();
        match Limited::new(body, self.bytes_max).collect().await {
            Ok(collected) => Ok(Response::from_parts(parts, collected.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(self.bytes_max)),
            Err(error) => Err(connection(error.as_ref())),
        }
    }
}

impl Fetch for HttpsFetch {
    fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            check(request.uri())?;
            // What remains to be wrong are header values that are not text.
            let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(|error| {
                FetchError::Address(format!("the request cannot be sent: {}", chain(&error)))
            })?;
            match tokio::time::timeout(self.timeout, self.answer(request)).await {
                Ok(answer) => answer,
                Err(_) => Err(FetchError::Timeout(self.timeout)),
            }
        })
    }
}

/// The text names no address: one can hold a secret in its query, and these texts go to the log.
fn check(uri: &Uri) -> Result<(), FetchError> {
    let is_web = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
    let problem = if !is_web || uri.host().is_none_or(str::is_empty) {
        "it must be an absolute `https://` or `http://` one"
    } else if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        "it holds a user name (send an `Authorization` header instead)"
    } else {
        return Ok(());
    };
    Err(FetchError::Address(problem.to_owned()))
}

/// An error and what caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn fetch(timeout: Duration, bytes_max: usize) -> HttpsFetch {
        HttpsFetch { https: Arc::default(), timeout, bytes_max }
    }

    fn get(uri: &str) -> Request<Bytes> {
        Request::get(uri).header("x-asked", "yes").body(Bytes::new()).unwrap()
    }

    /// A server for one request, which answers with `answer` and hands back what was asked, the connection left open.
    async fn server(
        answer: &'static str,
    ) -> (String, tokio::task::JoinHandle<(String, tokio::net::TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/a?b=c", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            (String::from_utf8(asked).unwrap(), socket)
        });
        (address, task)
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole_and_a_redirect_is_not_followed() {
        let (address, task) =
            server("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 3\r\n\r\nabc")
                .await;
        let response = fetch(FETCH_TIMEOUT, 3).fetch(get(&address)).await.unwrap();
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], "http://127.0.0.1:1/");
        assert_eq!(response.body(), "abc");
        let (asked, _socket) = task.await.unwrap();
        assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n") && asked.contains("x-asked: yes"), "{asked}");
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_given_up() {
        let (address, _task) = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd").await;
        let error = fetch(FETCH_TIMEOUT, 3).fetch(get(&address)).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge(3)), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_given_up() {
        let (address, _task) = server("HTTP/1.1 200 OK\r\n").await;
        let error = fetch(Duration::from_millis(50), 3).fetch(get(&address)).await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout(_)), "{error:?}");
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_a_failed_connection() {
        let error = fetch(FETCH_TIMEOUT, 3).fetch(get("http://127.0.0.1:1/")).await.unwrap_err();
        assert!(matches!(&error, FetchError::Connection(_)), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_no_web_address_is_refused_before_anything_is_sent() {
        for address in ["/relative", "ftp://example.com/", "example.com:443"] {
            let error = fetch(FETCH_TIMEOUT, 3).fetch(get(address)).await.unwrap_err();
            assert!(
                matches!(&error, FetchError::Address(why) if why.contains("https://")),
                "{address}: {error:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_that_is_refused_does_not_tell_the_log_its_secrets() {
        for address in [
            "ftp://example.com/?key=hunter2",
            "http://ada:hunter2@127.0.0.1:1/",
            "https://hunter2@127.0.0.1:1/",
        ] {
            let error = fetch(FETCH_TIMEOUT, 3).fetch(get(address)).await.unwrap_err();
            assert!(matches!(error, FetchError::Address(_)), "{address}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
