//! A server's program as a process: started, listened to, told to stop.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

/// Fails a test that would otherwise hang.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `hello` in a home of its own, and with nothing of this process's settings.
pub fn hello(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
    for variable in [
        "EDGEMCP_HOST",
        "EDGEMCP_PORT",
        "EDGEMCP_TRANSPORT",
        "EDGEMCP_STORE",
        "EDGEMCP_ENV_FILE",
        "EDGEMCP_LOG",
        "EDGEMCP_LOG_FORMAT",
        "HELLO_GREETING",
        "EDGEMCP_SEAL_KEYS",
    ] {
        command.env_remove(variable);
    }
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("data")).current_dir(home).args(args);
    command
}

pub fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn ran(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

/// A running program. It is ended with the test, however that ends.
pub struct Running {
    pub child: Child,
    /// Its standard error, line by line.
    pub said: mpsc::Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = lines(child.stderr.take().unwrap());
        Self { child, said }
    }

    /// The next line on standard error.
    pub fn says(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("it says something")
    }

    /// Its address, once it says that it is ready.
    pub fn ready(&self) -> SocketAddr {
        let line = self.says();
        let address =
            line.strip_prefix("hello 0.1.0 is at http://").and_then(|rest| rest.strip_suffix("/mcp"));
        address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, and what it still wrote to standard output and error.
    pub fn ended(mut self) -> (Option<i32>, String, Vec<String>) {
        drop(self.child.stdin.take());
        let (sender, status) = mpsc::channel();
        let stdout = self.child.stdout.take();
        std::thread::scope(|scope| {
            let child = &mut self.child;
            let id = child.id().to_string();
            scope.spawn(move || sender.send(child.wait().unwrap()).unwrap());
            let status = status.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
                panic!("it did not end")
            });
            let mut out = String::new();
            if let Some(mut stdout) = stdout {
                stdout.read_to_string(&mut out).unwrap();
            }
            (status.code(), out, self.said.iter().collect())
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a pipe is read while the test goes on")]
pub fn lines(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn get(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

pub fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
