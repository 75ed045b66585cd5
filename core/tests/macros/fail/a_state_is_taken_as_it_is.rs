//! What a server has started is taken as `State<…>`, which is known by its name.

use edgemcp::prelude::*;

struct App;

/// Borrowed.
#[tool]
async fn borrowed(app: &State<App>) {}

/// Perhaps.
#[resource("data://perhaps")]
async fn perhaps(app: Option<State<App>>) -> String {
    String::new()
}

/// With an option of arguments.
#[prompt]
fn with_an_option(#[arg(description = "The app.")] app: State<App>) -> String {
    String::new()
}

/// Taken apart.
#[tool]
async fn taken_apart((app, _): State<App>) {}

/// What it gives is still looked at.
#[tool]
async fn gives_nothing_that_is_known(app: State<App>) -> App {
    App
}

fn main() {}
