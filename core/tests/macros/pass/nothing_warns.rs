//! What the attributes emit is clean under every lint a user may turn on, in every place a function may stand.
#![deny(warnings, missing_docs, unreachable_pub, unused, nonstandard_style, rust_2018_idioms, future_incompatible)]
#![deny(unused_qualifications, unused_lifetimes, let_underscore_drop, single_use_lifetimes, missing_debug_implementations)]
#![forbid(unsafe_code)]

use std::time::Duration;

use edgemcp::{
    Server, completion,
    config::{Config, Secret},
    prompt, resource, tool,
};

/// Add two integers.
#[tool]
pub const fn add(a: i64, b: i64) -> i64 {
    a + b
}

mod inner {
    /// Read from text by itself.
    #[derive(Clone, Copy, Debug)]
    pub(super) enum Colour {
        Red,
    }

    impl std::str::FromStr for Colour {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            if text == "red" { Ok(Self::Red) } else { Err("there is red only") }
        }
    }

    /// Seen by the parent only.
    #[edgemcp::tool(read_only)]
    pub(super) async fn subtract(a: i64, b: i64) -> i64 {
        a - b
    }

    /// Seen by nobody else.
    #[edgemcp::tool]
    async fn hidden() {}

    pub(crate) fn more() -> edgemcp::Tool {
        hidden::tool()
    }
}

/// Old.
#[tool]
#[deprecated = "use `add`"]
#[must_use]
pub fn plus(a: i64) -> i64 {
    a
}

/// Not in this build, so neither is its tool.
#[tool]
#[cfg(any())]
pub fn gone(a: Missing) -> i64 {
    a
}

/// Who it is.
#[resource("user://{user_id}")]
async fn user(user_id: u64) -> String {
    user_id.to_string()
}

/// Say hello.
#[prompt]
fn hello(name: String) -> String {
    format!("Hello, {name}!")
}

/// The users there are.
#[completion(resource = "user://{user_id}")]
async fn users(user_id: String) -> Vec<String> {
    vec![user_id]
}

/// Names that begin like this.
#[completion(prompt = "hello")]
pub fn names(#[arg(rename = "name")] start: String) -> Vec<String> {
    vec![start]
}

/// Say where.
#[tool(task, icon = "https://example.com/icon.png")]
fn locate(#[arg(header = "Region")] region: String) -> String {
    region
}

macro_rules! constant_tools {
    ($($(#[doc = $doc:literal])* $name:ident = $value:expr;)*) => {
        $($(#[doc = $doc])* #[tool] fn $name(#[arg(default = $value)] value: u32) -> u32 { value })*
    };
}

constant_tools! {
    /// One.
    one = 1;
    /// Two.
    two = 2;
}

/// What is configured.
#[derive(Clone, Debug, Config)]
#[config(prefix = "CALCULATOR_")]
pub struct Settings {
    /// Another service's key.
    pub key: Secret,
    /// How long it may take.
    #[config(name = "TIME_MAX", default = Duration::from_secs(reader()))]
    pub time_max: Duration,
    #[config(default)]
    r#type: Vec<Option<inner::Colour>>,
    /// Where results are rounded.
    #[config(nested, prefix = "ROUND_")]
    #[deprecated]
    pub round: Round,
    /// Nothing yet.
    #[config(nested)]
    pub nothing: Nothing,
}

const fn reader() -> u64 {
    30
}

/// How results are rounded.
#[derive(Clone, Copy, Debug, Config)]
pub struct Round {
    /// After so many digits.
    #[config(default = {
        let digits = 2;
        digits + 1
    })]
    pub digits: u8,
}

/// No variable.
#[derive(Clone, Copy, Debug, Config)]
pub struct Nothing {}

/// The whole server.
pub fn server() -> Server {
    /// Inside a function body.
    #[tool]
    async fn multiply(a: f64, #[allow(unused)] b: f64) -> f64 {
        a
    }
    Server::new("calculator", "1.0.0")
        .tool(add::tool())
        .tool(inner::subtract::tool())
        .tool(inner::more())
        .tool(multiply::tool())
        .tool(plus::tool())
        .tool(one::tool())
        .tool(two::tool())
        .resource(user::resource())
        .prompt(hello::prompt())
        .completion(users::completion())
        .completion(names::completion())
        .tool(locate::tool())
}

fn main() {
    const FIVE: i64 = add(2, 3);
    assert_eq!(FIVE, 5);
    if let Err(error) = server().build() {
        panic!("{error}");
    }
    match Settings::from_vars(&[("CALCULATOR_KEY", "hunter2")]) {
        Ok(settings) => assert_eq!((settings.time_max.as_secs(), settings.r#type.len()), (30, 0)),
        Err(error) => panic!("{error}"),
    }
}
