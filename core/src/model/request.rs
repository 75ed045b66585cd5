//! What a client asks.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// What a client asks, in either era.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Initialize { requested: Cow<'a, str> },
    Ping,
    Discover,
    ListTools,
    CallTool { name: Cow<'a, str>, arguments: Option<&'a RawValue> },
    ListResources,
    ListResourceTemplates,
    ReadResource { uri: Cow<'a, str> },
    ListPrompts,
    GetPrompt { name: Cow<'a, str>, arguments: Vec<(Cow<'a, str>, Cow<'a, str>)> },
}
