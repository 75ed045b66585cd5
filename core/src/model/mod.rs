//! What a server and a client say to each other, in neither era's wire form.
//!
//! The `wire` module turns these into each revision's JSON, leaving out what a revision does not know.

mod content;
mod definition;
mod request;

use std::borrow::Cow;

pub use self::{
    content::{Annotations, Content, PromptMessage, ResourceContents, ResourceLink, Role},
    definition::{Icon, Theme},
};
pub(crate) use self::{
    content::{Block, ResourceData},
    definition::{
        CacheHint, CacheScope, Implementation, Offers, PromptArgument, PromptDefinition, ResourceDefinition,
        ToolDefinition, ToolHints,
    },
    request::Request,
};

/// Text that is mostly known when the program is compiled.
pub type Text = Cow<'static, str>;
