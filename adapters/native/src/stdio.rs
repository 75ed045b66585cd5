//! Serves one client over a pair of streams, one JSON text a line: standard input and output.

use std::{io, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::{
    Service,
    platform::{LogLevel, Platform},
    stdio::Connection,
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use crate::http::STOP_TIME_MAX;

/// How many requests of the client are worked on at once. More wait in its pipe.
pub const STDIO_REQUESTS_MAX: usize = 1000;

/// How long open requests may go on after the client closed its end.
pub const STDIO_STOP_TIME_MAX: Duration = Duration::from_secs(60);

/// How many answers may wait for a client that does not read.
const ANSWERS_WAITING_MAX: usize = 64;

/// Serves the client that writes to `input` and reads from `output`, until `input` ends or `stop` resolves. Open
/// requests are finished first: within [`STDIO_STOP_TIME_MAX`] where the client has ended its input, within
/// [`STOP_TIME_MAX`] where the server is stopped.
///
/// Requests are begun in the order of their lines and worked on at the same time; each answer is written as one
/// whole line. A line longer than the server's body limit is answered with an error, and the next one is read.
///
/// # Errors
/// Where `input` cannot be read or `output` cannot be written, which is how a client that has gone looks.
///
/// ```no_run
/// # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "0.1.0") }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use edgemcp_native::{NativePlatform, serve_stdio};
///
/// let service = server().build()?;
/// let platform = NativePlatform::builder(service.name()).build();
/// let input = tokio::io::BufReader::new(tokio::io::stdin());
/// serve_stdio(service, platform, input, tokio::io::stdout(), std::future::pending()).await?;
/// # Ok(()) }
/// ```
pub async fn serve_stdio(
    service: impl Into<Arc<Service>>,
    platform: Platform,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = service.into();
    let line_bytes_max = service.body_bytes_max();
    let connection = Arc::new(Connection::new(service, platform.clone()));
    let (answers, waiting) = mpsc::channel(ANSWERS_WAITING_MAX);
    let told = answers.clone();
    let mut notices = connection.notices();
    let telling = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(notice) = notices.next().await {
            if told.send(notice).await.is_err() {
                break;
            }
        }
    }));
    let mut reading = pin!(read(input, line_bytes_max, connection, platform, answers, stop));
    // The writer ends once every answer's sender is gone, and at once where nobody reads any more.
    let mut writing = pin!(write(output, waiting));
    let read = tokio::select! {
        read = &mut reading => read,
        written = &mut writing => return written,
    };
    // The writer waits for this sender too.
    drop(telling);
    let written = tokio::time::timeout(STOP_TIME_MAX, writing).await;
    read.and(written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
}

async fn read(
    mut input: impl AsyncBufRead + Unpin,
    line_bytes_max: usize,
    connection: Arc<Connection>,
    platform: Platform,
    answers: mpsc::Sender<Bytes>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut stop = pin!(stop);
    // Whoever drops this drops the open requests.
    let mut open = JoinSet::new();
    let room = Arc::new(Semaphore::new(STDIO_REQUESTS_MAX));
    let time_max = loop {
        let next = async {
            // The semaphore is never closed.
            let place = room.clone().acquire_owned().await.ok();
            (place, next_line(&mut input, line_bytes_max).await)
        };
        let (place, line) = tokio::select! {
            next = next => next,
            () = &mut stop => break STOP_TIME_MAX,
        };
        while open.try_join_next().is_some() {}
        let line = match line? {
            Line::End => break STDIO_STOP_TIME_MAX,
            Line::TooLong => None,
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            Line::Whole(line) => Some(line),
        };
        let receiver = connection.clone();
        let (answers, platform) = (answers.clone(), platform.clone());
        let mut request = Box::pin(async move {
            let lines = match line {
                Some(line) => receiver.receive(line).left_stream(),
                None => futures_util::stream::iter([receiver.line_too_long()]).right_stream(),
            };
            let mut lines = pin!(AssertUnwindSafe(lines).catch_unwind());
            while let Some(line) = lines.next().await {
                match line {
                    // Where this fails nobody is left to read it, which the writer tells.
                    Ok(line) => drop(answers.send(line).await),
                    Err(_) => platform.log(LogLevel::Error, "a handler panicked; its request has no answer"),
                }
            }
            drop(place);
        });
        // Begun here, so that an `initialize` is under way before the line after it is looked at.
        if futures_util::poll!(&mut request).is_pending() {
            open.spawn(request);
        }
    };
    if tokio::time::timeout(time_max, async { while open.join_next().await.is_some() {} }).await.is_err() {
        let message = format!("{} requests were cut after {time_max:?}", open.len());
        platform.log(LogLevel::Warning, &message);
    }
    Ok(())
}

async fn write(mut output: impl AsyncWrite + Unpin, mut answers: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(answer) = answers.recv().await {
        output.write_all(&answer).await?;
        output.write_all(b"\n").await?;
        output.flush().await?;
    }
    Ok(())
}

/// What came next.
enum Line {
    Whole(Bytes),
    TooLong,
    End,
}

/// Reads up to the next line's end, of which at most `bytes_max` bytes are kept. What comes after the last line's
/// end counts as a line.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Line> {
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let chunk = input.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(match (too_long, line.is_empty()) {
                (true, _) => Line::TooLong,
                (false, true) => Line::End,
                (false, false) => Line::Whole(line.into()),
            });
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = end.and_then(|end| chunk.get(..end)).unwrap_or(chunk);
        too_long = too_long || line.len().saturating_add(part.len()) > bytes_max;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole(line.into()) });
        }
    }
}
