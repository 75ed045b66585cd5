//! A function is not the tool that stands beside it.

use edgemcp::prelude::*;

/// Add two integers.
#[tool]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// A profile.
#[resource("user://{id}")]
fn profile(id: String) -> String {
    id
}

#[completion(resource = "user://{id}")]
fn users(id: String) -> Vec<String> {
    vec![id]
}

fn main() {
    let _ = add::tool();
    let _ = profile::resource();
    let _ = users::completion();
    let _ = Server::new("test", "1").tool(add);
    let _ = Server::new("test", "1").resource(profile);
    let _ = Server::new("test", "1").completion(users);
}
