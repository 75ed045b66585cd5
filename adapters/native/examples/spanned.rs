//! A server that starts something and cleans it up, and says both in its log, so that a test can see when.
//!
//! With `FAIL_ONCE` set its first start fails. Clients can listen to changes of its tools.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use edgemcp::{
    platform::{LogLevel, Platform},
    prelude::*,
};

struct App {
    platform: Platform,
}

/// Say that what the server has started is there.
#[tool]
async fn ask(app: State<App>) -> &'static str {
    app.platform.log(LogLevel::Info, "asked");
    "it is there"
}

fn server() -> Server {
    static FAILED: AtomicBool = AtomicBool::new(false);
    let lifespan = Lifespan::new(|platform| async move {
        if platform.var("FAIL_ONCE").is_some() && !FAILED.swap(true, Ordering::Relaxed) {
            return Err("there is no database yet");
        }
        platform.log(LogLevel::Info, "started");
        Ok(App { platform })
    })
    .on_stop(|app: State<App>| async move { app.platform.log(LogLevel::Info, "stopped") });
    Server::new("hello", "0.1.0").with_lifespan(lifespan).list_changed().tool(ask::tool())
}

fn main() -> ExitCode {
    edgemcp_native::run(server)
}
