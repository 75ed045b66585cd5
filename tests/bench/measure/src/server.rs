//! Starts the servers that are compared, plainly or under callgrind, and says what time of the processor each has used.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// How many tools the servers have.
pub(crate) const TOOLS: [usize; 3] = [1, 101, 1001];

/// A server, by how it is written and configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Bare,
    Edgemcp,
    EdgemcpInSessions,
    RmcpShared,
    RmcpReadme,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Bare, Self::Edgemcp, Self::EdgemcpInSessions, Self::RmcpShared, Self::RmcpReadme];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare axum",
            Self::Edgemcp => "edgemcp",
            Self::EdgemcpInSessions => "edgemcp, in a session",
            Self::RmcpShared => "rmcp, one router",
            Self::RmcpReadme => "rmcp, as its README",
        }
    }

    /// With how many tools it is measured. The bare server has none to choose from; sessions cost the same with any.
    pub(crate) fn tools(self) -> &'static [usize] {
        match self {
            Self::Bare | Self::EdgemcpInSessions => &[1],
            _ => &TOOLS,
        }
    }

    /// Whether its legacy client is in a session, as clients of 2025-11-25 are where a server begins one.
    pub(crate) fn has_sessions(self) -> bool {
        self == Self::EdgemcpInSessions
    }

    /// By how much fewer requests it is measured with, where one takes long: it makes all tools in each.
    pub(crate) fn slowness(self, tools: usize) -> usize {
        match self {
            Self::RmcpReadme => (tools / 10).max(1),
            _ => 1,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Bare => "bench-bare",
            Self::Edgemcp | Self::EdgemcpInSessions => "bench-edgemcp",
            Self::RmcpShared | Self::RmcpReadme => "bench-rmcp",
        }
    }

    fn arguments(self, tools: usize) -> Vec<String> {
        let way = match self {
            Self::Bare => return Vec::new(),
            Self::Edgemcp => None,
            Self::EdgemcpInSessions => Some("sessions"),
            Self::RmcpShared => Some("shared"),
            Self::RmcpReadme => Some("readme"),
        };
        std::iter::once(tools.to_string()).chain(way.map(str::to_owned)).collect()
    }
}

/// A server that runs, until this is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
}

impl Running {
    /// Starts a server.
    ///
    /// # Errors
    /// Where it does not say its port.
    pub(crate) fn start(kind: Kind, tools: usize) -> Result<Self, String> {
        Self::spawn(Command::new(program(kind)?).args(kind.arguments(tools)).stderr(Stdio::inherit()))
    }

    /// Starts a server under callgrind, which writes `profile` at the end of it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) fn start_counted(kind: Kind, tools: usize, profile: &Path) -> Result<Self, String> {
        let log = profile.with_extension("log");
        let log = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut valgrind = Command::new("valgrind");
        valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
        Self::spawn(valgrind.arg(program(kind)?).args(kind.arguments(tools)).stderr(log))
    }

    fn spawn(command: &mut Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let failed = |error| format!("{command:?} cannot be run: {error}");
        let mut running = Self { child: child.map_err(failed)?, port: 0 };
        let mut line = String::new();
        if let Some(output) = running.child.stdout.as_mut() {
            BufReader::new(output).read_line(&mut line).map_err(failed)?;
        }
        running.port = line.trim().parse().map_err(|_| format!("{command:?} said no port: {line:?}"))?;
        Ok(running)
    }

    /// The processor's time that it has used so far, its own and the system's for it, in nanoseconds.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(crate) fn cpu_ns(&self) -> Result<u64, String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let failed = |error| format!("{tasks} cannot be read (this needs Linux): {error}");
        let mut sum = 0;
        for task in fs::read_dir(&tasks).map_err(failed)? {
            let stat = fs::read_to_string(task.map_err(failed)?.path().join("schedstat")).map_err(failed)?;
            let ns = stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
            sum += ns.ok_or_else(|| format!("{tasks}: {stat:?} is no time"))?;
        }
        Ok(sum)
    }

    /// Ends it as a signal would, so that callgrind writes what it counted.
    ///
    /// # Errors
    /// Where the signal cannot be sent.
    pub(crate) fn end(mut self) -> Result<(), String> {
        let failed = |error| format!("a server could not be ended: {error}");
        Command::new("kill").arg(self.child.id().to_string()).status().map_err(failed)?;
        self.child.wait().map(drop).map_err(failed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of a server, which stands beside this one.
fn program(kind: Kind) -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    Ok(here.with_file_name(kind.program()))
}
