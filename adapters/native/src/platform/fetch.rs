//! Asks other servers over HTTP and HTTPS.

use std::{error::Error, sync::OnceLock, time::Duration};

use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Fetch, FetchError},
};
use http::{Request, Response, uri::Scheme};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// How long one fetch may take, from the look-up of the name to the last byte of the answer.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(30);

/// The largest answer one fetch reads, in bytes.
pub const FETCH_BYTES_MAX: usize = 8 << 20;

/// How long an idle connection is kept for the next fetch.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// How many idle connections are kept for each server.
const IDLE_PER_HOST_MAX: usize = 8;

/// The HTTP client: HTTP/1.1 over TCP or TLS, with the certificates that this machine trusts (or those in the file
/// that `SSL_CERT_FILE` names). It keeps connections, follows no redirect and needs a tokio runtime.
///
/// # Limits
/// [`FETCH_TIME_MAX`] and [`FETCH_BYTES_MAX`], unless [`with_limits`](Self::with_limits) says otherwise.
pub struct HttpFetch {
    // Reading the certificates takes milliseconds, which a server that fetches nothing need not pay.
    client: OnceLock<Result<HttpsClient, String>>,
    time_max: Duration,
    bytes_max: usize,
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl HttpFetch {
    /// A client that has connected to nothing yet.
    pub fn new() -> Self {
        Self::with_limits(FETCH_TIME_MAX, FETCH_BYTES_MAX)
    }

    /// A client with other limits: how long a fetch may take, and how many bytes its answer may have.
    pub fn with_limits(time_max: Duration, bytes_max: usize) -> Self {
        Self { client: OnceLock::new(), time_max, bytes_max }
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let client = self.client.get_or_init(client).as_ref();
        let client = client.map_err(|why| FetchError::Connection(why.clone()))?;
        let response = client.request(request.map(Full::new)).await;
        let (parts, body) = response.map_err(|error| FetchError::Connection(causes(&error)))?.into_parts();
        match Limited::new(body, self.bytes_max).collect().await {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(self.bytes_max)),
            Err(error) => Err(FetchError::Connection(causes(&*error))),
        }
    }
}

impl Default for HttpFetch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpFetch")
            .field("time_max", &self.time_max)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            check(request.uri())?;
            tokio::time::timeout(self.time_max, self.answer(request))
                .await
                .unwrap_or(Err(FetchError::Timeout(self.time_max)))
        })
    }
}

/// The text names no address: one can hold a secret in its query, and these texts go to the log.
fn check(uri: &http::Uri) -> Result<(), FetchError> {
    let problem = if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        "it must start with http:// or https://"
    } else if uri.host().is_none_or(str::is_empty) {
        "it names no host"
    } else if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        "it holds a user name (send an `Authorization` header instead)"
    } else {
        return Ok(());
    };
    Err(FetchError::Address(problem.to_owned()))
}

fn client() -> Result<HttpsClient, String> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        // Plain HTTP would still work, but a client that only fails at its first HTTPS address surprises later.
        let why: String = found.errors.iter().map(|error| format!(": {error}")).collect();
        return Err(format!(
            "this machine has no root certificates{why} (install the package `ca-certificates`, or set \
             `SSL_CERT_FILE`)"
        ));
    }
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot start: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(https))
}

/// The error and what caused it, since hyper's own text says only which step failed.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
