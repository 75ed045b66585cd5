//! What a client asks.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::LoggingLevel;

/// Strings by name.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What a client asks, in either era.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Initialize {
        requested: Cow<'a, str>,
        capabilities: Option<&'a RawValue>,
        client_info: Option<&'a RawValue>,
    },
    Ping,
    Discover,
    SetLevel {
        level: LoggingLevel,
    },
    List {
        listing: Listing,
        cursor: Option<Cow<'a, str>>,
    },
    CallTool {
        name: Cow<'a, str>,
        arguments: Option<&'a RawValue>,
        input: Input<'a>,
    },
    ReadResource {
        uri: Cow<'a, str>,
        input: Input<'a>,
    },
    Subscribe {
        uri: Cow<'a, str>,
    },
    Unsubscribe {
        uri: Cow<'a, str>,
    },
    GetPrompt {
        name: Cow<'a, str>,
        arguments: Pairs<'a>,
        input: Input<'a>,
    },
    Complete {
        of: Completed<'a>,
        argument: Cow<'a, str>,
        value: Cow<'a, str>,
        arguments: Pairs<'a>,
    },
    Listen(Listened<'a>),
    GetTask {
        id: Cow<'a, str>,
    },
    UpdateTask {
        id: Cow<'a, str>,
        responses: Responses<'a>,
    },
    CancelTask {
        id: Cow<'a, str>,
    },
}

impl Request<'_> {
    /// Whether it is for the server's components.
    pub(crate) fn is_of_components(&self) -> bool {
        matches!(
            self,
            Self::List { .. }
                | Self::CallTool { .. }
                | Self::ReadResource { .. }
                | Self::GetPrompt { .. }
                | Self::Complete { .. }
        )
    }
}

/// The lists of a server.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

impl Listing {
    pub(crate) const ALL: [Self; 4] = [Self::Tools, Self::Resources, Self::ResourceTemplates, Self::Prompts];
}

/// Answers to what a server has asked, by the key it asked under, still as JSON.
pub(crate) type Responses<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// What comes back with a request that is sent again (2026-07-28, basic/patterns/mrtr).
#[derive(Debug, Default)]
pub(crate) struct Input<'a> {
    pub(crate) state: Option<Cow<'a, str>>,
    pub(crate) responses: Responses<'a>,
}

/// What a value is to be completed for.
#[derive(Debug)]
pub(crate) enum Completed<'a> {
    Prompt(Cow<'a, str>),
    Resource(Cow<'a, str>),
}

/// What a client wants to hear of.
#[derive(Debug, Default)]
pub(crate) struct Listened<'a> {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: Vec<Cow<'a, str>>,
    pub(crate) tasks: Vec<Cow<'a, str>>,
}
