//! Picks the adapter that serves the definition.

use std::process::ExitCode;

#[cfg(all(feature = "lambda", feature = "native"))]
fn main() -> ExitCode {
    match edgemcp_lambda::is_lambda() {
        true => edgemcp_lambda::run(composition::server),
        false => here::run(),
    }
}

#[cfg(all(feature = "lambda", not(feature = "native")))]
fn main() -> ExitCode {
    edgemcp_lambda::run(composition::server)
}

#[cfg(all(feature = "native", not(feature = "lambda")))]
fn main() -> ExitCode {
    here::run()
}

#[cfg(not(any(feature = "lambda", feature = "native")))]
compile_error!("no adapter is chosen: build with the feature `native` or `lambda`");

#[cfg(feature = "native")]
mod here {
    //! On this machine, with the calculator as the other server where none is named.

    use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, thread};

    use edgemcp::{platform::Vars as _, remote::Remote, store::MemoryStore};
    use edgemcp_native::{EnvFiles, McpService, NativePlatform, SealKey, SystemClock, serve_http};
    use tokio::net::TcpListener;

    pub(crate) fn run() -> ExitCode {
        // As the server itself will see it: in the environment, or in `.env`.
        if EnvFiles::in_folder(".").is_ok_and(|vars| vars.var(composition::REMOTE).is_some()) {
            return edgemcp_native::run(composition::server);
        }
        match serve_calculator() {
            Ok(address) => {
                let remote = Remote::new(format!("http://{address}/mcp"));
                edgemcp_native::run(move || composition::with_remote(remote))
            }
            Err(error) => {
                eprintln!("the calculator cannot be served beside: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Serves the calculator for as long as this process lives, as another process somewhere else would.
    fn serve_calculator() -> io::Result<SocketAddr> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let service = calculator::server().build().map_err(io::Error::other)?;
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let platform = NativePlatform::builder("calculator").store(store).seal_key(SealKey::Memory).build();
        thread::Builder::new().name("calculator".to_owned()).spawn(move || {
            runtime.block_on(serve_http(
                listener,
                McpService::new(service, platform),
                std::future::pending(),
            ));
        })?;
        Ok(address)
    }
}
