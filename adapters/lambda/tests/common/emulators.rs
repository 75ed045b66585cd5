//! The emulators of DynamoDB and of Lambda's own APIs, each a process that ends with its test.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::{Child, Command};

/// An emulator that listens.
pub(crate) struct Emulator {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Host and port.
    pub(crate) address: String,
    process: Child,
}

impl Emulator {
    /// A DynamoDB: dynoxide.
    pub(crate) async fn dynamodb() -> Self {
        Self::dynoxide(free_port(), None).await
    }

    /// Does a test on each DynamoDB there is, of two who have not read each other's code.
    pub(crate) async fn each(test: impl AsyncFn(&Self)) {
        for emulator in [Self::dynamodb().await, Self::ministack().await] {
            println!("on {}", emulator.name);
            test(&emulator).await;
        }
    }

    /// dynoxide, in memory or on a file.
    pub(crate) async fn dynoxide(port: u16, file: Option<&Path>) -> Self {
        Self::start("EDGEMCP_DYNOXIDE", "dynoxide", port, |command, port| {
            command.args(["serve", "--host", "127.0.0.1", "--log", "quiet", "--port", port]);
            if let Some(file) = file {
                command.arg("--db-path").arg(file);
            }
        })
        .await
    }

    /// MiniStack, with nothing of AWS but its DynamoDB, in memory.
    pub(crate) async fn ministack() -> Self {
        Self::start("EDGEMCP_MINISTACK", "ministack", free_port(), |command, port| {
            let settings = [
                ("SERVICES", "dynamodb"),
                ("BIND_HOST", "127.0.0.1"),
                ("GATEWAY_PORT", port),
                ("LOG_LEVEL", "ERROR"),
                ("IOT_MTLS_ENABLED", "0"),
                ("SFTP_ENABLED", "0"),
                // It notes its process there.
                ("TMPDIR", env!("CARGO_TARGET_TMPDIR")),
            ];
            command.envs(settings);
        })
        .await
    }

    /// A Lambda without functions: cargo-lambda's emulator of the runtime API, for whoever takes its events, and of the
    /// function URL. Nothing but its answer is waited for: it has no asynchronous invocations.
    pub(crate) async fn lambda() -> Self {
        Self::start("EDGEMCP_CARGO_LAMBDA", "cargo-lambda", free_port(), |command, port| {
            // It starts only where there is a program to run, though it runs none here.
            let folder = "../../examples/calculator";
            let watch = ["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", port];
            command.args(watch).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        })
        .await
    }

    async fn start(
        variable: &str,
        name: &'static str,
        port: u16,
        arguments: impl Fn(&mut Command, &str),
    ) -> Self {
        #[expect(clippy::disallowed_methods, reason = "where the emulator is belongs to this machine")]
        let program = std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
        let mut command = Command::new(&program);
        arguments(&mut command, &port.to_string());
        let mut process = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap_or_else(|error| {
            panic!(
                "the emulator {program:?} does not start: {error} (get it with `deploy/toolchain/install lambda`, then \
                 `. deploy/toolchain/env.sh`; or set `{variable}` to where it is)"
            )
        });
        let address = format!("127.0.0.1:{port}");
        for _ in 0..1500 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                return Self { name, address, process };
            }
            if let Some(status) = process.try_wait().unwrap() {
                panic!("the emulator {program:?} ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the emulator {program:?} does not listen on {address}");
    }

    /// How many of so many rounds it can be asked for: MiniStack is written in Python, and reads a partition whole for
    /// each page of it.
    pub(crate) fn rounds(&self, of: usize) -> usize {
        if self.name == "ministack" { of / 10 } else { of }
    }

    /// Kills it where it stands (SIGKILL).
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Its address with a scheme.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
