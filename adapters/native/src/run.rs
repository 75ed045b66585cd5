//! Runs a server as a program: command line, HTTP or stdio, signals, exit code.

use std::{
    ffi::OsString,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    pin::pin,
    process::ExitCode,
    sync::Arc,
};

use edgemcp::{
    SEAL_KEYS, Server, Service,
    platform::{Clock, Exposure, Log, LogLevel, Platform, Vars as _},
    store::{MemoryStore, Store, StoreOpener},
};
use tokio::{io::BufReader, net::TcpListener, sync::oneshot};

use crate::{
    http::{STOP_TIME_MAX, listen, serve_http},
    nest::McpService,
    options::{Command, Given, Options, OptionsError, StorePlace, StoreUrl, Transport, help},
    platform::{EnvFiles, NativePlatform, SealKey, StderrLog, StopSignal, SystemClock, TokioBackground},
    signals::Signals,
    stdio::serve_stdio,
    store::{FileStore, SqliteStore},
};

/// The exit code of a server that could not start, or lost its client.
const FAILED: u8 = 1;

/// The exit code of a command line that cannot be followed.
const USAGE: u8 = 2;

/// Runs `server` as this program, until it is told to stop: [`Program`] with the stores that this crate has.
///
/// It listens at `http://127.0.0.1:8000/mcp` and keeps its store in this user's data folder; the command line and
/// the variables behind it change that, and `--help` tells how. Variables are the process's own, and behind them those
/// of the files `.dev.vars` and `.env` in the working directory ([`EnvFiles`]). One line on standard error says when it is
/// ready.
///
/// SIGINT and SIGTERM stop it: open requests may end, and then background work, each within [`STOP_TIME_MAX`]; a second
/// signal ends it at once.
///
/// The exit code is 0 after it was stopped, 1 where it could not start (each problem is named on standard error), 2
/// where the command line cannot be followed, and as shells count where a second signal ended it.
///
/// ```no_run
/// use std::process::ExitCode;
/// use edgemcp::Server;
///
/// pub fn server() -> Server {
///     Server::new("calculator", env!("CARGO_PKG_VERSION"))
/// }
///
/// fn main() -> ExitCode {
///     edgemcp_native::run(server)
/// }
/// ```
pub fn run(server: impl FnOnce() -> Server) -> ExitCode {
    Program::new(server).run()
}

/// A server as a program, with what [`run()`] does not bring by itself.
///
/// ```no_run
/// # use std::{process::ExitCode, sync::Arc};
/// # use edgemcp::{Server, store::{MemoryStore, StoreOpener}};
/// # fn server() -> Server { Server::new("calculator", "1.0.0") }
/// # mod edgemcp_redis {
/// #     use super::*;
/// #     pub fn opener() -> StoreOpener {
/// #         StoreOpener::new(&["redis"], |_, clock| Ok(Arc::new(MemoryStore::new(clock))))
/// #     }
/// # }
/// fn main() -> ExitCode {
///     // Then `--store redis://localhost:6379`, or `EDGEMCP_STORE`.
///     edgemcp_native::Program::new(server).store(edgemcp_redis::opener()).run()
/// }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing before `run` is called"]
pub struct Program<S> {
    server: S,
    openers: Vec<StoreOpener>,
}

impl<S: FnOnce() -> Server> Program<S> {
    /// The program that serves `server`.
    pub fn new(server: S) -> Self {
        Self { server, openers: Vec::new() }
    }

    /// Lets the program's user choose a store that `opener` opens, by its URL.
    ///
    /// Such a store is shared by several machines. So that they know one another's sessions and states, give all of them
    /// the same [`SEAL_KEYS`]; without it each has a key of its own, which the log says.
    pub fn store(mut self, opener: StoreOpener) -> Self {
        self.openers.push(opener);
        self
    }

    /// Runs it, as [`run()`] does.
    pub fn run(self) -> ExitCode {
        let mut args = std::env::args_os();
        let program = args.next();
        let configured = match Command::parse(args) {
            Ok(Command::Help) => return print(&help(&name(program))),
            Ok(Command::Version) => Err(version_line as fn(&Service) -> String),
            Ok(Command::Middleware) => Err(Service::middleware_diagram as _),
            Ok(Command::Serve(given)) => match configured(*given) {
                Ok(configured) => Ok(configured),
                Err((code, problem)) => return fail(code, &problem),
            },
            Err(error) => return fail(USAGE, &error.to_string()),
        };
        let service = match (self.server)().build() {
            Ok(service) => Arc::new(service),
            Err(problems) => return fail(FAILED, &problems.to_string()),
        };
        let (options, vars) = match configured {
            Ok(configured) => configured,
            Err(tells) => return print(&tells(&service)),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match store(&options.store, service.name(), &clock, &self.openers) {
            Ok(store) => store,
            Err(problem) => return fail(USAGE, &problem),
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(FAILED, &format!("the runtime cannot start: {error}")),
        };
        let served = runtime.block_on(serve(service, options, (store, clock), vars));
        let code = served.unwrap_or_else(|problem| fail(FAILED, &problem));
        // A thread that still reads standard input cannot be stopped, and must not hold up the exit.
        runtime.shutdown_background();
        code
    }
}

/// How to serve, and the settings of the server.
///
/// # Errors
/// An exit code, and what is wrong.
fn version_line(service: &Service) -> String {
    format!("{} {}\n", service.name(), service.version())
}

fn configured(given: Given) -> Result<(Options, EnvFiles), (u8, String)> {
    let usage = |error: OptionsError| (USAGE, error.to_string());
    let named = given.env_files(variable).map_err(usage)?;
    let files = if named.is_empty() { EnvFiles::in_folder(".") } else { EnvFiles::read(named) };
    let files = files.map_err(|error| (FAILED, error.to_string()))?;
    let options = given.or_vars(|name| {
        let in_file = || files.in_file(name).map(|(value, file)| (value.into(), Some(file.to_owned())));
        variable(name).map(|value| (value, None)).or_else(in_file)
    });
    Ok((options.map_err(usage)?, files))
}

async fn serve(
    service: Arc<Service>,
    options: Options,
    (store, clock): (Arc<dyn Store>, Arc<dyn Clock>),
    vars: EnvFiles,
) -> Result<ExitCode, String> {
    let signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"))?;
    let (background, stopping) = (TokioBackground::new(), StopSignal::new());
    let log = StderrLog::from_vars(&vars, clock.clone());
    let files: Vec<_> = vars.paths().iter().map(|path| path.display().to_string()).collect();
    if !files.is_empty() {
        log.log(LogLevel::Info, &format!("settings are read from {} too", files.join(" and ")));
    }
    let has_seal_keys = vars.var(SEAL_KEYS).is_some_and(|keys| !keys.is_empty());
    let platform = NativePlatform::builder(service.name())
        .clock(clock)
        .store(store)
        .vars(Arc::new(vars))
        .log(Arc::new(log.clone()))
        .background(Arc::new(background.clone()))
        .stopping(Arc::new(stopping.clone()));
    // Asked of a platform that makes no key, since it may be that nothing is ever sealed.
    let problems = service.problems(&platform.clone().seal_key(SealKey::Memory).build());
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let platform = platform.seal_key(seal_key(&options.store, service.name()));
    if matches!(options.store, StorePlace::Url(_)) && !has_seal_keys {
        let message = format!(
            "other machines share this store and not this machine's key, so they do not know its sessions and states \
             (set `{SEAL_KEYS}` on all of them to the same output of `openssl rand -base64 32`)"
        );
        platform.clone().build().log(LogLevel::Warning, &message);
    }
    match options.transport {
        Transport::Http => {
            let (listener, address) = listen(&options.host, options.port).await?;
            let loopback = address.ip().is_loopback();
            let platform =
                platform.exposure(if loopback { Exposure::Loopback } else { Exposure::Public }).build();
            if !loopback && !service.has_verifier() {
                let message = format!(
                    "everybody who reaches {address} may call this server (give it a verifier, or leave out `--host`)"
                );
                platform.log(LogLevel::Warning, &message);
            }
            Ok(over_http(service, platform, (listener, address), (signals, stopping), &background, &log)
                .await)
        }
        // Whoever started this process is its one client, and sends no `Host`.
        Transport::Stdio => {
            over_stdio(service, platform.build(), (signals, stopping), &background, &log).await
        }
    }
}

async fn over_http(
    service: Arc<Service>,
    platform: Platform,
    (listener, address): (TcpListener, SocketAddr),
    signals: (Signals, StopSignal),
    background: &TokioBackground,
    log: &StderrLog,
) -> ExitCode {
    start(&service, &platform).await;
    log.announce(&format!(
        "{} {} is at http://{address}{}",
        service.name(),
        service.version(),
        service.path()
    ));
    let (stop, stopped) = oneshot::channel();
    let mcp = McpService::new(service.clone(), platform.clone());
    let serving = async {
        let cut = serve_http(listener, mcp, hung_up(stopped)).await;
        if cut > 0 {
            let message = format!("{cut} connections were cut {STOP_TIME_MAX:?} after the signal");
            platform.log(LogLevel::Warning, &message);
        }
        finish(&service, background, &platform).await;
    };
    match until_stopped(serving, stop, signals).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

async fn over_stdio(
    service: Arc<Service>,
    platform: Platform,
    signals: (Signals, StopSignal),
    background: &TokioBackground,
    log: &StderrLog,
) -> Result<ExitCode, String> {
    start(&service, &platform).await;
    log.announce(&format!("{} {} is at its standard input and output", service.name(), service.version()));
    let (stop, stopped) = oneshot::channel();
    let serving = async {
        let (input, output) = (BufReader::new(tokio::io::stdin()), tokio::io::stdout());
        let served = serve_stdio(service.clone(), platform.clone(), input, output, hung_up(stopped)).await;
        finish(&service, background, &platform).await;
        served
    };
    match until_stopped(serving, stop, signals).await {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(format!("the client has gone: {error}")),
        Err(code) => Ok(ExitCode::from(code)),
    }
}

/// Runs `serving` to its end, which a signal asks for by dropping `stop`. A second signal does not wait for it.
///
/// # Errors
/// The exit code, where there was a second signal.
async fn until_stopped<T>(
    serving: impl Future<Output = T>,
    stop: oneshot::Sender<()>,
    (mut signals, stopping): (Signals, StopSignal),
) -> Result<T, u8> {
    let mut serving = pin!(serving);
    tokio::select! {
        done = &mut serving => return Ok(done),
        _ = signals.next() => {
            stopping.stop();
            drop(stop);
        }
    }
    tokio::select! {
        done = serving => Ok(done),
        code = signals.next() => Err(code),
    }
}

/// Resolves once the other end is dropped.
async fn hung_up(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
}

/// Starts the server's lifespans before its first client comes. One that fails is started by the first request that
/// needs it, so what is wrong can be put right meanwhile.
async fn start(service: &Service, platform: &Platform) {
    if let Err(why) = service.start(platform).await {
        platform.log(LogLevel::Error, &why);
    }
}

/// Waits for background work, and ends what the lifespans have started.
async fn finish(service: &Service, background: &TokioBackground, platform: &Platform) {
    if !background.finished(STOP_TIME_MAX).await {
        let message =
            format!("{} pieces of background work were cut after {STOP_TIME_MAX:?}", background.len());
        platform.log(LogLevel::Warning, &message);
    }
    if tokio::time::timeout(STOP_TIME_MAX, service.stop(platform)).await.is_err() {
        let message = format!("the server's lifespans were not cleaned up within {STOP_TIME_MAX:?}");
        platform.log(LogLevel::Warning, &message);
    }
}

fn store(
    place: &StorePlace,
    name: &str,
    clock: &Arc<dyn Clock>,
    openers: &[StoreOpener],
) -> Result<Arc<dyn Store>, String> {
    let StoreUrl { from, url } = match place {
        StorePlace::Default => return Ok(Arc::new(SqliteStore::open_default(name, clock.clone()))),
        StorePlace::Memory => return Ok(Arc::new(MemoryStore::new(clock.clone()))),
        StorePlace::File(path) => return Ok(Arc::new(SqliteStore::open(path, clock.clone()))),
        StorePlace::Folder(path) => return Ok(Arc::new(FileStore::open(path, clock.clone()))),
        StorePlace::Url(url) => url,
    };
    if let Some(opener) = openers.iter().find(|opener| opener.opens(url)) {
        return opener.open(url, clock.clone()).map_err(|error| format!("{from}: {error}"));
    }
    let scheme = url.split("://").next().unwrap_or_default();
    let schemes: Vec<_> = openers.iter().flat_map(StoreOpener::schemes).copied().collect();
    Err(match (scheme, &schemes[..]) {
        ("redis" | "rediss" | "valkey" | "valkeys", []) => format!(
            "{from} is a `{scheme}://` URL, and this program was built without that store (add the crate \
             `edgemcp-redis`, and run the server with \
             `edgemcp_native::Program::new(server).store(edgemcp_redis::opener()).run()`)"
        ),
        (_, []) => format!(
            "{from} is a `{scheme}://` URL, and this program was built without a store that has one (it takes a \
             file's path, or `memory`; `edgemcp_native::Program` takes other stores)"
        ),
        (_, schemes) => format!(
            "{from} is a `{scheme}://` URL, and no store of this program opens it (there are {})",
            schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// Beside the store, so that both are moved and deleted together. Where that is elsewhere, as for the default store.
fn seal_key(place: &StorePlace, name: &str) -> SealKey {
    match place {
        StorePlace::Default | StorePlace::Url(_) => SealKey::beside_default_store(name),
        StorePlace::Memory => SealKey::Memory,
        StorePlace::File(path) => SealKey::File(path.with_extension("seal.key")),
        // A file at the top of the folder is no entry.
        StorePlace::Folder(path) => SealKey::File(path.join("seal.key")),
    }
}

#[expect(clippy::disallowed_methods, reason = "this adapter is where the settings come from")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The program's name as its user typed it, without the folder.
fn name(program: Option<OsString>) -> String {
    let program = program.unwrap_or_default();
    Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Standard output carries answers only; everything else that people read goes here. A closed one is no reason to
/// stop.
fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn print(text: &str) -> ExitCode {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(code: u8, problem: &str) -> ExitCode {
    say(problem);
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_kept_with_the_store() {
        let key = |place: StorePlace| seal_key(&place, "calculator");
        assert_eq!(key(StorePlace::File("a/b.sqlite3".into())), SealKey::File("a/b.seal.key".into()));
        assert_eq!(key(StorePlace::Folder("a/b/".into())), SealKey::File("a/b/seal.key".into()));
        assert_eq!(key(StorePlace::Memory), SealKey::Memory);
    }
}
