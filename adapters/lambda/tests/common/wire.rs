//! A small HTTP server that plays the other side of a connection: Lambda's runtime API, or a DynamoDB in trouble.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

use std::sync::{Arc, Mutex};

use edgemcp::future::BoxFuture;
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
    /// The header lines as they came.
    lines: String,
}

impl Asked {
    /// Which operation of DynamoDB is asked for: `PutItem`.
    pub(crate) fn operation(&self) -> &str {
        let line = self.lines.lines().find(|line| line.to_ascii_lowercase().starts_with("x-amz-target:"));
        line.and_then(|line| line.rsplit_once('.')).map_or("", |(_, operation)| operation.trim())
    }

    /// The request as its one on a new connection.
    fn again(&self) -> Vec<u8> {
        let own = ["connection:", "content-length:", "transfer-encoding:"];
        let is_own = |line: &str| own.iter().any(|own| line.to_ascii_lowercase().starts_with(own));
        let lines: String = self
            .lines
            .lines()
            .filter(|line| !line.is_empty() && !is_own(line))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let head = format!(
            "{} HTTP/1.1\r\n{lines}content-length: {}\r\nconnection: close\r\n\r\n",
            self.what,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// What comes back.
pub(crate) enum Told {
    /// A status, more header lines, a body.
    Answer(u16, String, String),
    /// Nothing: the connection breaks.
    Break,
    /// Nothing: the connection stays open.
    Silence,
    /// What the server at this address says.
    Pass(String),
    /// The server at this address is asked, and nothing of its answer comes back: the connection breaks.
    Lose(String),
    /// Something, once something else has happened.
    After(BoxFuture<'static, ()>, Box<Told>),
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
        let mut told = (tell.lock().unwrap())(&asked);
        while let Told::After(before, then) = told {
            before.await;
            told = *then;
        }
        let (status, head, body) = match told {
            Told::Answer(status, head, body) => (status, head, body),
            Told::Break | Told::After(..) => return,
            Told::Silence => std::future::pending().await,
            Told::Pass(to) => {
                if let Some(answer) = pass(&to, &asked).await {
                    let _ = socket.write_all(&answer).await;
                }
                return;
            }
            Told::Lose(to) => {
                pass(&to, &asked).await;
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n{head}\r\n{body}", body.len());
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// All that the server at `to` answers, or nothing where there is none.
async fn pass(to: &str, asked: &Asked) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(to).await.ok()?;
    server.write_all(&asked.again()).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

async fn request(socket: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    socket.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let what = first.rsplit_once(' ')?.0.to_owned();
    let mut lines = String::new();
    while !lines.ends_with("\r\n\r\n") && lines != "\r\n" {
        socket.read_line(&mut lines).await.ok()?;
    }
    let head = lines.to_ascii_lowercase();
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
    Some(Asked { what, head, body, lines })
}
