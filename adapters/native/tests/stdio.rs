//! Stdio over a pair of pipes in memory: how much is worked on at once, and that a lost client ends its requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use edgemcp::{NoArguments, platform::Platform, prelude::*, store::NoStore};
use edgemcp_native::{NativePlatform, STDIO_REQUESTS_MAX, STDIO_STOP_TIME_MAX, STOP_TIME_MAX, serve_stdio};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, DuplexStream, ReadBuf},
    sync::{Semaphore, oneshot},
    time::Instant,
};

struct Gate {
    begun: AtomicUsize,
    dropped: AtomicUsize,
    open: Semaphore,
}

/// Counts when the handler ends, however it does.
struct Ended(Arc<Gate>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate { begun: AtomicUsize::new(0), dropped: AtomicUsize::new(0), open: Semaphore::new(0) })
}

fn gated(gate: &Arc<Gate>) -> Server {
    let gate = gate.clone();
    Server::new("gated", "0.1.0").tool(Tool::new("wait", "Wait at the gate.", move |_, NoArguments {}| {
        let gate = gate.clone();
        async move {
            gate.begun.fetch_add(1, Ordering::SeqCst);
            let _ended = Ended(gate.clone());
            gate.open.acquire().await.unwrap().forget();
            "through".to_owned()
        }
    }))
}

fn platform() -> Platform {
    NativePlatform::builder("gated").store(Arc::new(NoStore)).build()
}

struct Client {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn client(gate: &Arc<Gate>, output_bytes: usize) -> Client {
    let (input, from_client) = tokio::io::duplex(1 << 20);
    let (to_client, output) = tokio::io::duplex(output_bytes);
    let (stop, stopped) = oneshot::channel::<()>();
    let service = gated(gate).build().unwrap();
    let served =
        tokio::spawn(serve_stdio(service, platform(), BufReader::new(from_client), to_client, async {
            let _ = stopped.await;
        }));
    Client { input, output: BufReader::new(output), stop, served }
}

impl Client {
    async fn calls(&mut self, count: usize) {
        for id in 0..count {
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"wait","arguments":{{}}}}}}"#
            );
            self.input.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        }
        settled().await;
    }

    async fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).await.unwrap();
        line
    }
}

/// Every task has gone as far as it can: this runtime has one thread, and nothing here waits for the system.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_up_to_the_limit_are_begun_and_the_next_waits_for_one_to_end() {
    let gate = gate();
    let mut client = client(&gate, 1 << 20);
    client.calls(STDIO_REQUESTS_MAX).await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), STDIO_REQUESTS_MAX);
    client.calls(1).await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), STDIO_REQUESTS_MAX, "one more waits");
    gate.open.add_permits(1);
    assert!(client.answer().await.contains("through"));
    settled().await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), STDIO_REQUESTS_MAX + 1);
}

/// One line, and then a look at how many requests have begun before the next is read.
struct OneLine {
    line: &'static [u8],
    gate: Arc<Gate>,
    begun: Option<oneshot::Sender<usize>>,
}

impl AsyncRead for OneLine {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        unreachable!("it is read through its buffer")
    }
}

impl AsyncBufRead for OneLine {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<std::io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.line.is_empty()
            && let Some(begun) = this.begun.take()
        {
            begun.send(this.gate.begun.load(Ordering::SeqCst)).unwrap();
        }
        Poll::Ready(Ok(this.line))
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        let this = self.get_mut();
        this.line = &this.line[bytes..];
    }
}

#[tokio::test]
async fn a_request_is_begun_before_the_next_line_is_read() {
    let gate = gate();
    gate.open.add_permits(1);
    let (begun, seen) = oneshot::channel();
    let line = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{}}}"#;
    let line = [&line[..], b"\n"].concat().leak();
    let input = OneLine { line, gate: gate.clone(), begun: Some(begun) };
    let service = gated(&gate).build().unwrap();
    serve_stdio(service, platform(), input, tokio::io::sink(), std::future::pending()).await.unwrap();
    assert_eq!(seen.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_do_not_end_are_cut_after_the_bound_once_the_client_has_ended_its_input() {
    let gate = gate();
    let mut client = client(&gate, 1 << 20);
    client.calls(2).await;
    let started = Instant::now();
    let Client { input, output: _output, stop: _stop, served } = client;
    drop(input);
    served.await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), STDIO_STOP_TIME_MAX.as_secs());
    settled().await;
    assert_eq!(gate.dropped.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_that_do_not_end_are_cut_sooner_once_the_server_is_stopped() {
    let gate = gate();
    let mut client = client(&gate, 1 << 20);
    client.calls(2).await;
    let started = Instant::now();
    let Client { input: _input, output: _output, stop, served } = client;
    drop(stop);
    served.await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), STOP_TIME_MAX.as_secs());
    settled().await;
    assert_eq!(gate.dropped.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_that_no_longer_reads_ends_its_open_requests() {
    let gate = gate();
    let mut client = client(&gate, 1 << 20);
    client.calls(3).await;
    let Client { input: _input, output, stop: _stop, served } = client;
    drop(output);
    gate.open.add_permits(1);
    assert_eq!(served.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    settled().await;
    assert_eq!(gate.dropped.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_does_not_hold_up_the_end_for_ever() {
    let gate = gate();
    gate.open.add_permits(200);
    let mut client = client(&gate, 16);
    client.calls(200).await;
    let Client { input, output: _output, stop: _stop, served } = client;
    drop(input);
    assert_eq!(served.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_does_not_keep_the_server_from_being_stopped() {
    let gate = gate();
    let mut client = client(&gate, 16);
    let too_long = [&vec![b'x'; edgemcp::limits::BODY_BYTES_MAX + 1][..], b"\n"].concat();
    // More answers than may wait for it.
    for _ in 0..80 {
        let written = client.input.write_all(&too_long);
        if tokio::time::timeout(STOP_TIME_MAX, written).await.is_err() {
            break;
        }
    }
    let started = Instant::now();
    let Client { input: _input, output: _output, stop, served } = client;
    drop(stop);
    let stopped = tokio::time::timeout(STDIO_STOP_TIME_MAX, served).await.expect("it stops").unwrap();
    assert_eq!(stopped.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(started.elapsed() <= STOP_TIME_MAX * 2, "{:?}", started.elapsed());
}
