//! What a server and a client say to each other, in neither era's wire form.
//!
//! The `wire` module turns these into each revision's JSON, leaving out what a revision does not know.

mod about;
mod ask;
mod content;
mod definition;
mod icon;
mod notice;
mod request;

use std::borrow::Cow;

pub use self::{
    about::{About, Kind, Unavailable},
    ask::{ModelPreferences, Root, Sampled, SamplingContent, SamplingMessage, SamplingTool, ToolChoice},
    content::{Annotations, Content, PromptMessage, ResourceContents, ResourceLink, Role},
    definition::CacheHint,
    icon::{Icon, Theme},
    notice::{Change, LoggingLevel, Progress},
};
pub(crate) use self::{
    ask::{Action, Ask, Sampling},
    content::{Block, ResourceData, Whole},
    definition::{
        Abilities, CacheScope, Implementation, Meta, Offers, PromptArgument, PromptDefinition,
        ResourceDefinition, ToolDefinition, ToolHints,
    },
    request::{Completed, Input, Listened, Listing, Pairs, Request, Responses},
};

/// Text that is mostly known when the program is compiled.
pub type Text = Cow<'static, str>;
