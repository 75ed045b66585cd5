//! Picks the adapter that serves the definition.

use std::process::ExitCode;

use middleware::server;

#[cfg(all(feature = "lambda", feature = "native"))]
fn main() -> ExitCode {
    match edgemcp_lambda::is_lambda() {
        true => edgemcp_lambda::run(server),
        false => edgemcp_native::run(server),
    }
}

#[cfg(all(feature = "lambda", not(feature = "native")))]
fn main() -> ExitCode {
    edgemcp_lambda::run(server)
}

#[cfg(all(feature = "native", not(feature = "lambda")))]
fn main() -> ExitCode {
    edgemcp_native::run(server)
}

#[cfg(not(any(feature = "lambda", feature = "native")))]
compile_error!("no adapter is chosen: build with the feature `native` or `lambda`");
