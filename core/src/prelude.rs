//! What a server's definition needs: `use edgemcp::prelude::*;`.

pub use crate::{
    AskError, Base64, Completion, Completions, Content, Context, Error, Handle, Icon, Image, Json, Lifespan,
    NoArguments, Progress, Prompt, PromptMessage, Resource, ResourceContents, Server, State, Tool, ToolError,
    ToolOutput, completion,
    config::{Config, Secret},
    icon, include_icon, prompt, resource, tool,
};
