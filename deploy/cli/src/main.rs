//! The command `edgemcp`: what an operator does with what servers keep.

mod store;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// The exit code of a command that failed.
const FAILED: u8 = 1;

/// Looks after MCP servers that are written with edgemcp.
#[derive(Parser)]
#[command(name = "edgemcp", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look over a store: what is in it, how large it is, what has expired.
    Store(store::Arguments),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    let done = match command {
        Command::Store(arguments) => runtime.block_on(store::run(arguments)),
    };
    match done {
        Ok(text) => print(&text),
        Err(problem) => fail(&problem),
    }
}

fn print(text: &str) -> ExitCode {
    // Whoever reads it may have seen enough, as `head` has.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(problem: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "error: {problem}");
    ExitCode::from(FAILED)
}
