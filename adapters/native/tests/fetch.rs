//! The HTTP client asks real servers, over TCP and TLS, within its limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::platform::{Fetch, FetchError, Vars};
use edgemcp_native::{EnvVars, HttpFetch};
use http::Request;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that tells this test's second process what to fetch.
const FETCHED: &str = "EDGEMCP_TEST_FETCHED";

/// A server that reads one request and its body, and answers with these bytes; its port.
async fn answering(answer: impl Into<Vec<u8>>) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.into();
    let asked = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        exchange(stream, &answer).await
    });
    (port, asked)
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut stream = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    request.push_str(&String::from_utf8(body).unwrap());
    // A client that has read enough may have closed its end.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    request
}

fn get(url: impl AsRef<str>) -> Request<Bytes> {
    Request::get(url.as_ref()).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_request_goes_out_whole_and_an_error_status_is_an_answer() {
    let (port, asked) =
        answering("HTTP/1.1 404 Not Found\r\nX-Kind: note\r\nContent-Length: 7\r\n\r\nno note").await;
    let request = Request::post(format!("http://127.0.0.1:{port}/notes?of=ada"))
        .header("Authorization", "Bearer abc")
        .body(Bytes::from("a note"))
        .unwrap();
    let answer = HttpFetch::new().fetch(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-kind"]), (404, &"note".parse().unwrap()));
    assert_eq!(answer.body(), "no note");
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with("POST /notes?of=ada HTTP/1.1\r\n") && asked.ends_with("\r\n\r\na note"),
        "{asked}"
    );
    assert!(asked.to_ascii_lowercase().contains(&format!("host: 127.0.0.1:{port}\r\n")), "{asked}");
    assert!(asked.contains("Bearer abc"), "{asked}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (port, _asked) =
        answering("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    let answer = HttpFetch::new().fetch(get(format!("http://127.0.0.1:{port}/"))).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (302, &"http://127.0.0.1:1/".parse().unwrap())
    );
}

#[tokio::test]
async fn an_answer_at_the_limit_is_read_and_one_byte_more_is_too_large() {
    let fetch = HttpFetch::with_limits(PATIENCE, 10);
    let (port, _asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789").await;
    assert_eq!(fetch.fetch(get(format!("http://127.0.0.1:{port}/"))).await.unwrap().body(), "0123456789");
    for larger in [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789x",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789x",
    ] {
        let (port, _asked) = answering(larger).await;
        let error = fetch.fetch(get(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge(10)), "{larger:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_end_its_answer_is_given_up() {
    let limit = Duration::from_millis(50);
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let _silent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // A client takes an answer only once it has asked.
            stream.read_exact(&mut [0; 16]).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let fetch = HttpFetch::with_limits(limit, 10);
        let error = fetch.fetch(get(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout(after) if after == limit), "{begun:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_connection_error_with_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error =
        HttpFetch::new().fetch(get(format!("http://127.0.0.1:{port}/?key=secret"))).await.unwrap_err();
    assert!(matches!(&error, FetchError::Connection(why) if why.contains("refused")), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_is_refused_without_being_repeated() {
    for address in ["/path", "ftp://localhost/", "http://ada:secret@localhost/", "localhost:80"] {
        let error = HttpFetch::new().fetch(get(address)).await.unwrap_err();
        assert!(matches!(&error, FetchError::Address(_)), "{address}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

/// The trusted certificates come from the environment, so this runs itself again with one of its own.
#[test]
fn https_trusts_the_authorities_of_the_machine_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let [trusted, other] = [authority("Trusted"), authority("Other")];
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, trusted.1.pem()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (authority, outcome) in [(trusted, "answered: hello over TLS"), (other, "UnknownIssuer")] {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = tokio_rustls::TlsAcceptor::from(identity(&authority));
        let server = runtime.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = tls.accept(stream).await {
                exchange(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nhello over TLS").await;
            }
        });
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_with_other_roots", "--nocapture", "--include-ignored"])
            .env(FETCHED, format!("https://localhost:{port}/"))
            .env("SSL_CERT_FILE", &roots)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(said.contains(outcome), "{said}{}", String::from_utf8_lossy(&child.stderr));
        server.abort();
    }
}

#[tokio::test]
#[ignore = "run by the test above, in a process whose roots it chose"]
async fn in_a_process_with_other_roots() {
    let Some(url) = EnvVars.var(FETCHED) else { return };
    match HttpFetch::new().fetch(get(url)).await {
        Ok(answer) => println!("answered: {}", String::from_utf8_lossy(answer.body())),
        Err(error) => println!("failed: {error}"),
    }
}

type Authority = (rcgen::Issuer<'static, rcgen::KeyPair>, rcgen::Certificate);

fn authority(name: &str) -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    (rcgen::Issuer::new(params, key), certificate)
}

/// The server `localhost`, as the authority vouches for it.
fn identity((issuer, _): &Authority) -> Arc<rustls::ServerConfig> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    Arc::new(config)
}
