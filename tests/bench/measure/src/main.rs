//! Measures what a request costs each server, and says how they compare.
//!
//! `tests/bench/run` builds it and the servers, and runs it: `bench-measure native [--quick | --where]`.

mod callgrind;
mod client;
mod report;
mod server;

use std::{
    collections::VecDeque,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    callgrind::Profile,
    client::{Client, Era},
    server::{Kind, Running},
};

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// The two numbers of requests whose difference is counted.
    pub(crate) counted: (usize, usize),
    /// How many requests are timed together.
    pub(crate) timed: usize,
    /// How often that is done.
    pub(crate) rounds: usize,
}

const FULL: Effort = Effort { counted: (500, 2500), timed: 6400, rounds: 9 };

const QUICK: Effort = Effort { counted: (100, 500), timed: 1600, rounds: 5 };

/// How many requests a server is asked at a time where it is timed. Where it is counted there is one, since that is the
/// same each time.
pub(crate) const AT_A_TIME: usize = 16;

/// What is measured: a server with so many tools, asked by clients of one era.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) tools: usize,
    pub(crate) era: Era,
}

impl Cell {
    fn all() -> Vec<Self> {
        let servers =
            Kind::ALL.into_iter().flat_map(|kind| kind.tools().iter().map(move |tools| (kind, *tools)));
        let cells = servers.flat_map(|(kind, tools)| Era::ALL.map(|era| Self { kind, tools, era }));
        // The modern era has no sessions.
        cells.filter(|cell| !(cell.kind.has_sessions() && cell.era == Era::Modern)).collect()
    }

    /// The bare server, asked by the same client.
    pub(crate) fn bare(self) -> Self {
        Self { kind: Kind::Bare, tools: 1, era: self.era }
    }

    fn client(self, running: &Running, connections: usize) -> Result<Client, String> {
        Client::connect(running.port, self.era, self.kind.has_sessions(), connections)
    }

    fn file(self) -> String {
        format!("{:?}-{}-{}", self.kind, self.tools, self.era.name())
    }
}

/// What one cell has cost.
pub(crate) struct Measured {
    pub(crate) cell: Cell,
    pub(crate) instructions: f64,
    /// In each round, in microseconds.
    pub(crate) cpu_us: Vec<f64>,
}

/// Counts a cell's instructions with one number of requests.
fn count(cell: Cell, requests: usize, logs: &Path) -> Result<Profile, String> {
    let profile = logs.join(format!("{}-{requests}.callgrind", cell.file()));
    let running = Running::start_counted(cell.kind, cell.tools, &profile)?;
    cell.client(&running, 1)?.ask(requests)?;
    running.end()?;
    Profile::read(&profile)
}

/// What a request costs in a cell.
fn profile(cell: Cell, effort: Effort, logs: &Path) -> Result<Profile, String> {
    let slowness = cell.kind.slowness(cell.tools);
    let (fewer, more) = (effort.counted.0 / slowness, effort.counted.1 / slowness);
    Ok(count(cell, more, logs)?.each_more_than(&count(cell, fewer, logs)?, more - fewer))
}

/// The profiles of all cells, as many at once as there are processors: what is counted does not depend on who else runs.
fn profiles(cells: &[Cell], effort: Effort, logs: &Path) -> Result<Vec<Profile>, String> {
    let left: Mutex<VecDeque<_>> = Mutex::new(cells.iter().copied().enumerate().collect());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        let mut done = Vec::new();
        while let Some((number, cell)) = next() {
            done.push((number, profile(cell, effort, logs)?));
        }
        Ok::<_, String>(done)
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut done = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            done.extend(worker.join().map_err(|_| "counting has panicked".to_owned())??);
        }
        Ok::<_, String>(())
    })?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, profile)| profile).collect())
}

/// What each request has cost of the processor, in microseconds, for each cell and round. All servers run all the time, and
/// each round asks all of them, so that a machine which becomes slower or faster does so for all.
fn times(cells: &[Cell], effort: Effort) -> Result<Vec<Vec<f64>>, String> {
    let mut running: Vec<(Kind, usize, Running)> = Vec::new();
    for kind in Kind::ALL {
        for tools in kind.tools() {
            running.push((kind, *tools, Running::start(kind, *tools)?));
        }
    }
    let server = |cell: Cell| {
        let found = running.iter().find(|(kind, tools, _)| (*kind, *tools) == (cell.kind, cell.tools));
        found.map(|(_, _, running)| running).ok_or_else(|| format!("{cell:?} has no server"))
    };
    let mut clients = Vec::new();
    for cell in cells {
        let client = cell.client(server(*cell)?, AT_A_TIME)?;
        clients.push((*cell, client, Vec::with_capacity(effort.rounds)));
    }
    same_bytes(&clients)?;
    for round in 0..=effort.rounds {
        for (cell, client, times) in &mut clients {
            let requests = effort.timed / cell.kind.slowness(cell.tools);
            let before = server(*cell)?.cpu_ns()?;
            client.ask(requests)?;
            let used = server(*cell)?.cpu_ns()? - before;
            // In the first round everything is touched for the first time.
            if round > 0 {
                times.push(used as f64 / 1000.0 / requests as f64);
            }
        }
    }
    Ok(clients.into_iter().map(|(_, _, times)| times).collect())
}

/// Refuses a comparison in which the bare server answers other bytes than edgemcp.
fn same_bytes(clients: &[(Cell, Client, Vec<f64>)]) -> Result<(), String> {
    let right = |kind, era| {
        let found = clients.iter().find(|(cell, ..)| cell.kind == kind && cell.era == era);
        found.map(|(_, client, _)| client.right())
    };
    match Era::ALL.into_iter().find(|era| right(Kind::Bare, *era) != right(Kind::Edgemcp, *era)) {
        None => Ok(()),
        Some(era) => Err(format!(
            "the bare server answers other bytes than edgemcp to {} clients; change tests/bench/bare:\n{}\n{}",
            era.name(),
            String::from_utf8_lossy(right(Kind::Bare, era).unwrap_or_default()),
            String::from_utf8_lossy(right(Kind::Edgemcp, era).unwrap_or_default())
        )),
    }
}

fn compare(effort: Effort, logs: &Path) -> Result<(), String> {
    let cells = Cell::all();
    let times = times(&cells, effort)?;
    let profiles = profiles(&cells, effort, logs)?;
    let measured = cells.into_iter().zip(profiles).zip(times);
    let measured: Vec<_> = measured
        .map(|((cell, profile), cpu_us)| Measured { cell, instructions: profile.total, cpu_us })
        .collect();
    print(&report::comparison(&measured, effort)?)
}

fn explain(logs: &Path) -> Result<(), String> {
    let kinds = [Kind::Bare, Kind::Edgemcp, Kind::EdgemcpInSessions];
    let cells: Vec<_> =
        Cell::all().into_iter().filter(|cell| cell.tools == 1 && kinds.contains(&cell.kind)).collect();
    let profiles: Vec<_> = cells.iter().copied().zip(profiles(&cells, FULL, logs)?).collect();
    for (cell, ours) in profiles.iter().filter(|(cell, _)| cell.kind != Kind::Bare) {
        let bare = profiles.iter().find(|(other, _)| *other == cell.bare());
        let (_, bare) = bare.ok_or_else(|| format!("{:?} was not counted", cell.bare()))?;
        print(&report::explanation(*cell, ours, bare))?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), String> {
    // Whoever reads may have read enough.
    let printed = std::io::stdout().write_all(text.as_bytes());
    printed.map_err(|error| format!("the figures cannot be printed: {error}"))
}

/// A folder of its own for what callgrind writes. It stays where a measurement fails.
fn logs() -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("edgemcp-bench.{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    Ok(folder)
}

fn run() -> Result<(), String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let logs = logs()?;
    match arguments.as_slice() {
        ["native"] => compare(FULL, &logs),
        ["native", "--quick"] => compare(QUICK, &logs),
        ["native", "--where"] => explain(&logs),
        other => Err(format!("{other:?} cannot be measured (`tests/bench/run --help` says what can)")),
    }
    .map_err(|problem| format!("{problem}\nwhat was counted until then is in {}", logs.display()))?;
    fs::remove_dir_all(&logs).map_err(|error| format!("{} cannot be removed: {error}", logs.display()))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
