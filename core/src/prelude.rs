//! What a server's definition needs: `use edgemcp::prelude::*;`.

pub use crate::{
    Base64, Content, Context, Error, Icon, Json, NoArguments, Prompt, PromptMessage, Resource,
    ResourceContents, Server, Tool, ToolError, ToolOutput, prompt, resource, tool,
};
