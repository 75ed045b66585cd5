//! What a server's definition needs: `use edgemcp::prelude::*;`.

pub use crate::{
    Base64, Completion, Completions, Content, Context, Error, Icon, Json, NoArguments, Prompt, PromptMessage,
    Resource, ResourceContents, Server, Tool, ToolError, ToolOutput, completion, prompt, resource, tool,
};
