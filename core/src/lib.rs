//! MCP servers for serverless and edge: one definition that runs on Cloudflare Workers, AWS Lambda and your machine.
//!
//! ```
//! use edgemcp::prelude::*;
//!
//! /// Add two integers.
//! #[tool]
//! pub async fn add(/** First addend. */ a: i64, /** Second addend. */ b: i64) -> i64 {
//!     a + b
//! }
//!
//! pub fn server() -> Server {
//!     Server::new("calculator", "1.0.0").tool(add::tool())
//! }
//! # assert!(server().build().is_ok());
//! ```
//!
//! This crate knows the Model Context Protocol and nothing that runs it: no sockets, no clock, no randomness. A
//! definition ([`Server`]) is built once into a [`Service`]; an adapter hands it each request together with a
//! [`Platform`](platform::Platform).

pub mod apps;
mod arguments;
mod ask;
pub mod auth;
mod base64;
pub mod cache;
mod call;
mod changes;
mod completion;
pub mod compose;
pub mod config;
mod context;
mod cursor;
mod drive;
mod error;
mod exchange;
mod finite;
mod flow;
pub mod future;
mod handle;
mod health;
pub mod http;
mod image;
mod inbound;
mod journal;
mod keyring;
mod lifespan;
pub mod limits;
mod line;
mod log;
pub mod middleware;
mod model;
mod output;
mod param_headers;
pub mod platform;
pub mod prelude;
mod prompt;
#[cfg(test)]
mod properties;
pub mod remote;
mod resource;
pub mod retry;
mod seal;
mod server;
mod service;
mod session;
mod state;
pub mod stdio;
pub mod store;
mod stream;
mod task;
mod tool;
pub mod transform;
mod uri;
mod version;
mod wire;

pub use edgemcp_macros::{completion, icon, include_icon, prompt, resource, tool};

pub use self::{
    arguments::NoArguments,
    ask::{AskError, Asks, Elicit, ElicitUrl, Question, Roots, Sample},
    base64::Base64,
    completion::{Completion, Completions, IntoCompletion, IntoCompletions},
    context::{Context, SESSION_VALUE_TTL, SessionState, TraceContext},
    error::{Error, ErrorKind, ToolError},
    handle::{HANDLE_TTL, Handle},
    health::{HEALTH_TIME_MAX, HEALTH_URI, Health},
    image::{IconError, Image, ImageError},
    lifespan::{Lifespan, START_TIME_MAX, State},
    model::{
        Annotations, CacheHint, Change, Content, Icon, LoggingLevel, ModelPreferences, Progress,
        PromptMessage, ResourceContents, ResourceLink, Role, Root, Sampled, SamplingContent, SamplingMessage,
        SamplingTool, Text, Theme, ToolChoice,
    },
    output::{
        Answer, IntoPromptOutput, IntoResourceOutput, IntoToolOutput, Json, PromptOutput, ResourceOutput,
        ToolOutput,
    },
    prompt::{IntoPrompt, Prompt},
    resource::{IntoResource, Resource},
    seal::SEAL_KEYS,
    server::{BuildError, Server},
    service::Service,
    session::{SESSION_TTL, Sessions},
    state::{RequestState, STATE_TTL},
    stream::KEEP_ALIVE_EVERY,
    task::{TASK_POLL_INTERVAL, TASK_TTL, TaskSupport, Tasks},
    tool::{IntoTool, Tool},
    version::{Era, ProtocolVersion},
};

/// What code made by the attributes names, so that a server's crate need not depend on it.
#[doc(hidden)]
pub mod __private {
    pub use {schemars, serde, serde_json};

    /// What an argument may be.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be an argument",
        label = "clients could neither send it nor see what it is",
        note = "put `#[derive(serde::Deserialize, schemars::JsonSchema)]` on `{Self}`, or take a type that has both; the crates belong into the Cargo.toml: `serde = {{ version = \"1\", features = [\"derive\"] }}`, `schemars = \"1\"`"
    )]
    pub trait Argument {}

    #[diagnostic::do_not_recommend]
    impl<T: serde::de::DeserializeOwned + schemars::JsonSchema> Argument for T {}

    /// What a handler with a `State<T>` gives: its own output, or that the state is not there.
    pub struct Stated<O>(Result<O, crate::ToolError>);

    impl<O> Stated<O> {
        /// The handler's own output.
        pub const fn given(output: O) -> Self {
            Self(Ok(output))
        }

        /// The state is not there.
        pub const fn lacking(error: crate::ToolError) -> Self {
            Self(Err(error))
        }
    }

    impl<O: crate::IntoToolOutput> crate::IntoToolOutput for Stated<O> {
        fn into_tool_output(self) -> Result<crate::ToolOutput, crate::ToolError> {
            self.0?.into_tool_output()
        }

        fn output_schema() -> Option<serde_json::Value> {
            O::output_schema()
        }
    }

    impl<O: crate::IntoResourceOutput> crate::IntoResourceOutput for Stated<O> {
        const MIME_TYPE: Option<&'static str> = O::MIME_TYPE;

        fn into_resource_output(self) -> Result<Vec<crate::ResourceContents>, crate::Error> {
            self.0?.into_resource_output()
        }
    }

    impl<O: crate::IntoPromptOutput> crate::IntoPromptOutput for Stated<O> {
        fn into_prompt_output(self) -> Result<Vec<crate::PromptMessage>, crate::Error> {
            self.0?.into_prompt_output()
        }
    }

    impl<O: crate::IntoCompletions> crate::IntoCompletions for Stated<O> {
        fn into_completions(self) -> Result<crate::Completions, crate::Error> {
            self.0?.into_completions()
        }
    }

    /// Says what an argument must be, where the derives would only say which of their traits is missing.
    pub const fn argument<T: Argument>() {}
}
