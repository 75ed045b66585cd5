//! Redis servers of a test's own: each a process on a free port, in a folder of its own, that ends with its test.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

pub(crate) mod cluster;
pub(crate) mod tls;
pub(crate) mod wire;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{Condition, Key, Partition, StoreError},
};
use edgemcp_redis::{RedisConfig, RedisStore};
use edgemcp_testkit::ManualClock;
use redis::Value;
use tempfile::TempDir;

/// A Redis that runs, or was killed and will again.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
    /// What the test itself speaks to it with.
    pub(crate) admin: String,
}

impl Server {
    /// One without a password, on a port that was free.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut server = Self::stopped(arguments);
        server.run().await;
        server
    }

    /// One that does not run yet.
    pub(crate) fn stopped(arguments: &[&str]) -> Self {
        let port = free_port();
        Self {
            port,
            folder: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            process: None,
            admin: format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Runs it, with what it wrote to its folder before, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        self.spawn();
        for _ in 0..500 {
            if let Ok(Value::SimpleString(_)) = self.try_ask(&["PING"]).await {
                return;
            }
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                panic!("redis-server ended: {status}; {}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("redis-server does not answer on port {}; {}", self.port, self.log());
    }

    /// Runs it, and does not wait.
    pub(crate) fn spawn(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "where the server is belongs to this machine")]
        let program =
            std::env::var_os("EDGEMCP_REDIS_SERVER").map_or_else(|| "redis-server".into(), PathBuf::from);
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let port = self.port.to_string();
        let mut command = Command::new(&program);
        command.arg("--bind").arg("127.0.0.1").arg("--save").arg("").args(["--loglevel", "notice"]);
        // Those of TLS listen there and nowhere else.
        if !self.arguments.iter().any(|argument| argument == "--tls-port") {
            command.args(["--port", &port]);
        }
        let process = command
            .args(self.arguments.iter().map(|argument| argument.replace("PORT", &port)))
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{program:?} does not start: {error} (get it with `deploy/toolchain/install stores`, then `. \
                     deploy/toolchain/env.sh`; or set `EDGEMCP_REDIS_SERVER` to the redis-server or valkey-server you \
                     have)"
                )
            });
        self.process = Some(process);
    }

    /// Settings from its next start on.
    pub(crate) fn also(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Ends it at once, as a machine that fails does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn store(&self, clock: Arc<dyn Clock>) -> RedisStore {
        RedisStore::open(&self.url(), clock).unwrap()
    }

    /// A store whose operations may not take long.
    pub(crate) fn hasty_store(&self, clock: Arc<dyn Clock>) -> RedisStore {
        let config: RedisConfig = self.url().parse().unwrap();
        RedisStore::new(config.operation_timeout(Duration::from_secs(1)), clock)
    }

    /// What Redis answers to a command, past the store.
    pub(crate) async fn ask(&self, command: &[&str]) -> Value {
        self.try_ask(command).await.unwrap()
    }

    async fn try_ask(&self, command: &[&str]) -> redis::RedisResult<Value> {
        ask(&self.admin, command).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// What the Redis at `url` answers to a command.
pub(crate) async fn ask(url: &str, command: &[&str]) -> redis::RedisResult<Value> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let (name, arguments) = command.split_first().unwrap();
    redis::cmd(name).arg(arguments).query_async(&mut connection).await
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// 2027-01-15, a moment with a fraction of a second. Redis' own clock shows another, which must not matter.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

/// A clock that stands still, for stores that are to judge ends by it.
pub(crate) fn clock() -> ManualClock {
    ManualClock::at(START)
}

/// The system's clock, for stores that are to pause and go on.
#[derive(Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "what is faulty takes real time")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

pub(crate) fn partition() -> Partition {
    Partition::new("notes", "of").unwrap()
}

pub(crate) fn key(item: &str) -> Key {
    partition().item(item).unwrap()
}

pub(crate) fn equals(value: &'static str) -> Condition {
    Condition::Equals(value.into())
}

/// Does `operation` until it is done, for a minute at most.
pub(crate) async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(operation: impl Fn() -> F) -> T {
    for _ in 0..600 {
        match operation().await {
            Ok(done) => return done,
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it was not done within a minute");
}
