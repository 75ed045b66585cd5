//! A small HTTP server that plays the other side of a connection: Lambda's runtime API, or a DynamoDB in trouble.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path: `POST /2018-06-01/…`.
    pub(crate) what: String,
    /// The header lines in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What comes back.
pub(crate) enum Told {
    /// A status, more header lines, a body.
    Answer(u16, String, String),
    /// Nothing: the connection breaks.
    Break,
    /// Nothing: the connection stays open.
    Silence,
}

/// Serves on a port of its own, until the runtime ends.
pub(crate) async fn serve(tell: impl FnMut(&Asked) -> Told + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tell = Arc::new(Mutex::new(tell));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(socket, tell.clone()));
        }
    });
    address
}

async fn connection(socket: TcpStream, tell: Arc<Mutex<impl FnMut(&Asked) -> Told>>) {
    let mut socket = BufReader::new(socket);
    while let Some(asked) = request(&mut socket).await {
        let told = (tell.lock().unwrap())(&asked);
        let (status, head, body) = match told {
            Told::Answer(status, head, body) => (status, head, body),
            Told::Break => return,
            Told::Silence => std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n{head}\r\n{body}", body.len());
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(socket: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    socket.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let what = first.rsplit_once(' ')?.0.to_owned();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        socket.read_line(&mut head).await.ok()?;
    }
    let head = head.to_ascii_lowercase();
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            socket.read_line(&mut size).await.ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            socket.read_exact(&mut chunk).await.ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some((_, rest)) = head.split_once("content-length: ") {
        body = vec![0; rest.lines().next()?.trim().parse().ok()?];
        socket.read_exact(&mut body).await.ok()?;
    }
    Some(Asked { what, head, body })
}
