//! Serves HTTP on a socket: HTTP/1.1, within limits, until told to stop.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use edgemcp::platform::LogLevel;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;

use crate::nest::McpService;

/// How many connections are served at once. More wait until one closes; most systems give a process 1024 files.
pub const CONNECTIONS_MAX: usize = 900;

/// How long a request's head may take to arrive, from the connection or the last answer on. It also ends idle
/// connections.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// How many bytes of a request's head are read without its end in sight before it is answered with 431.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long a client may take to make room for the next bytes of an answer. Without it, one that never reads would hold
/// its connection for as long as it likes.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// How long open requests may go on once the server was told to stop.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// How long to wait before the next connection is accepted where the system had no room for one.
const ACCEPT_RETRY_EVERY: Duration = Duration::from_millis(100);

/// How many ports above a busy one are tried for one to propose.
const PORTS_TRIED_MAX: u16 = 100;

/// Serves `mcp` on `listener` until `stop` resolves. Then no connection is accepted any more, and open requests may
/// end within [`STOP_TIME_MAX`]. Says how many connections were cut then.
///
/// A client that closes its connection ends its requests: their handlers are dropped where they wait.
///
/// # Limits
/// [`CONNECTIONS_MAX`], [`HEAD_TIME_MAX`], [`HEAD_BYTES_MAX`], [`WRITE_TIME_MAX`], 100 headers, and those of
/// [`McpService`].
///
/// ```no_run
/// # fn server() -> edgemcp::Server { edgemcp::Server::new("calculator", "0.1.0") }
/// use edgemcp::platform::Exposure;
/// use edgemcp_native::{McpService, NativePlatform, serve_http};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = server().build()?;
/// let platform = NativePlatform::builder(service.name()).exposure(Exposure::Loopback).build();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
/// serve_http(listener, McpService::new(service, platform), stop).await;
/// # Ok(()) }
/// ```
pub async fn serve_http(listener: TcpListener, mcp: McpService, stop: impl Future<Output = ()>) -> usize {
    Serving {
        connections_max: CONNECTIONS_MAX,
        head_time_max: HEAD_TIME_MAX,
        write_time_max: WRITE_TIME_MAX,
        stop_time_max: STOP_TIME_MAX,
    }
    .serve(listener, mcp, stop)
    .await
}

struct Serving {
    connections_max: usize,
    head_time_max: Duration,
    write_time_max: Duration,
    stop_time_max: Duration,
}

impl Serving {
    async fn serve(self, listener: TcpListener, mcp: McpService, stop: impl Future<Output = ()>) -> usize {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head_time_max).max_buf_size(HEAD_BYTES_MAX);
        let graceful = GracefulShutdown::new();
        // Whoever drops this drops the connections, with their handlers.
        let mut open = JoinSet::new();
        let room = Arc::new(Semaphore::new(self.connections_max));
        let mut stop = pin!(stop);
        loop {
            let accepted = async {
                // The semaphore is never closed.
                let place = room.clone().acquire_owned().await.ok();
                (place, accept(&listener, &mcp).await)
            };
            let (place, stream) = tokio::select! {
                accepted = accepted => accepted,
                Some(_) = open.join_next() => continue,
                () = &mut stop => break,
            };
            // Answers are small and go out at once; waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(self.write_time_max));
            let connection =
                graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), mcp.clone()));
            let mcp = mcp.clone();
            open.spawn(async move {
                if let Err(error) = connection.await {
                    mcp.platform().log(LogLevel::Debug, &format!("a connection ended: {error}"));
                }
                drop(place);
            });
        }
        drop(listener);
        if tokio::time::timeout(self.stop_time_max, graceful.shutdown()).await.is_ok() {
            return 0;
        }
        while open.try_join_next().is_some() {}
        open.len()
    }
}

/// The next connection. Whatever else happens is told and survived.
async fn accept(listener: &TcpListener, mcp: &McpService) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client gave up before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            // Out of files or memory, as a rule: trying again at once would only burn the processor.
            Err(error) => {
                mcp.platform().log(LogLevel::Error, &format!("no connection could be accepted: {error}"));
                tokio::time::sleep(ACCEPT_RETRY_EVERY).await;
            }
        }
    }
}

/// Listens on `host` and `port`.
///
/// # Errors
/// A text for whoever started the server, with the way out.
pub(crate) async fn listen(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "port {port} is reserved to the system (try `--port {}`)",
                if port < 1024 { 8000 } else { 0 }
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{host} is no address of this machine (try `--host 127.0.0.1`, or `--host 0.0.0.0` for all)"
            )
        }
        _ => format!("{host} port {port} cannot be listened on: {error} (try another `--host` or `--port`)"),
    };
    match TcpListener::bind((host, port)).await {
        Ok(listener) => {
            let address = listener.local_addr().map_err(cannot)?;
            Ok((listener, address))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let free = next_free(host, port).await.unwrap_or(0);
            Err(format!("port {port} is taken (try `--port {free}`)"))
        }
        Err(error) => Err(cannot(error)),
    }
}

/// The next port above `port` that is free now; none where there is none near.
async fn next_free(host: &str, port: u16) -> Option<u16> {
    for next in port.checked_add(1)?..=port.saturating_add(PORTS_TRIED_MAX) {
        if TcpListener::bind((host, next)).await.is_ok() {
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use edgemcp::{Server, http::Body, store::NoStore};
    use http::{Method, Response};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    use super::*;
    use crate::platform::NativePlatform;

    /// Fails a test that would otherwise hang.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Long enough that it does not pass while a test runs.
    const NEVER: Duration = Duration::from_secs(3600);

    const UNHURRIED: Serving =
        Serving { connections_max: 9, head_time_max: NEVER, write_time_max: NEVER, stop_time_max: NEVER };

    struct Served {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        cut: tokio::task::JoinHandle<usize>,
    }

    async fn served(serving: Serving) -> Served {
        let server = Server::new("limits", "0.1.0")
            .route(Method::GET, "/health", |_, _| async { Response::new(Body::from("ok")) })
            .route(Method::GET, "/never", |_, _| std::future::pending())
            .route(Method::GET, "/flood", |_, _| async {
                let chunks = std::iter::repeat_with(|| Ok(vec![0; 64 << 10].into()));
                Response::new(Body::stream(Box::pin(futures_util::stream::iter(chunks))))
            });
        let platform = NativePlatform::builder("limits").store(Arc::new(NoStore)).build();
        let mcp = McpService::new(server.build().unwrap(), platform);
        let (listener, address) = listen("127.0.0.1", 0).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let cut = tokio::spawn(serving.serve(listener, mcp, async { drop(stopped.await) }));
        Served { address, stop, cut }
    }

    impl Served {
        async fn asks(&self, path: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream
        }
    }

    async fn read(stream: &mut TcpStream) -> Option<usize> {
        tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1024])).await.expect("it comes").ok()
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_until_another_one_closes() {
        let served = served(Serving { connections_max: 2, ..UNHURRIED }).await;
        let (mut first, mut second) = (served.asks("/health").await, served.asks("/health").await);
        assert!(read(&mut first).await > Some(0) && read(&mut second).await > Some(0));
        let mut third = served.asks("/health").await;
        // The two go on being served while the third is not, however often they ask.
        for _ in 0..20 {
            second.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert!(read(&mut second).await > Some(0));
        }
        let waiting = third.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(waiting.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(read(&mut third).await > Some(0));
    }

    #[tokio::test]
    async fn a_head_that_does_not_arrive_in_time_ends_its_connection() {
        let limit = Duration::from_millis(50);
        let served = served(Serving { head_time_max: limit, ..UNHURRIED }).await;
        for begun in ["", "GET /health HTTP/1.1\r\nHo"] {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends").unwrap();
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{begun:?}");
        }
        // One that has been served ends in the same way.
        let mut idle = served.asks("/health").await;
        assert!(read(&mut idle).await > Some(0));
        assert_eq!(read(&mut idle).await, Some(0));
    }

    #[tokio::test]
    async fn a_client_that_never_reads_its_answer_gives_its_place_up() {
        let limit = Duration::from_millis(50);
        let served = served(Serving { connections_max: 1, write_time_max: limit, ..UNHURRIED }).await;
        let deaf = served.asks("/flood").await;
        let mut next = served.asks("/health").await;
        assert!(read(&mut next).await > Some(0));
        drop(deaf);
    }

    #[tokio::test]
    async fn what_is_still_open_after_the_bound_is_cut_and_counted() {
        let served = served(Serving { stop_time_max: Duration::from_millis(50), ..UNHURRIED }).await;
        let mut open = served.asks("/never").await;
        // Its request has arrived once the next connection's has been answered.
        let mut next = served.asks("/health").await;
        assert!(read(&mut next).await > Some(0));
        drop((served.stop, next));
        assert_eq!(tokio::time::timeout(PATIENCE, served.cut).await.unwrap().unwrap(), 1);
        assert!(matches!(read(&mut open).await, None | Some(0)), "the connection is gone");
    }

    #[tokio::test]
    async fn the_next_free_port_is_above_and_free() {
        let (taken, address) = listen("127.0.0.1", 0).await.unwrap();
        let problem = listen("127.0.0.1", address.port()).await.unwrap_err();
        let start = format!("port {} is taken (try `--port ", address.port());
        let proposed = problem.strip_prefix(&start).and_then(|rest| rest.strip_suffix("`)"));
        let proposed: u16 = proposed.unwrap_or_else(|| panic!("{problem}")).parse().unwrap();
        assert!(proposed > address.port());
        drop(taken);
    }

    #[tokio::test]
    async fn the_last_port_has_none_above_it() {
        assert_eq!(next_free("127.0.0.1", u16::MAX).await, None);
    }
}
