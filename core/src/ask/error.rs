//! Why an ask was not answered as it was asked.

use std::fmt;

use crate::{
    error::{Error, ErrorKind, ToolError},
    limits::echo,
    model::Text,
};

/// Why an ask was not answered as it was asked. A handler can look at it and go on without; raised with `?`, it tells
/// the model or the client.
///
/// ```
/// # use edgemcp::{AskError, prelude::*};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Name { name: String }
/// /// Greet a user by the name they give, or without one.
/// #[tool]
/// async fn greet(cx: &Context) -> Result<String, ToolError> {
///     match cx.elicit::<Name>("What is your name?").await {
///         Ok(Name { name }) => Ok(format!("Hello, {name}!")),
///         Err(AskError::Declined | AskError::Cancelled) => Ok("Hello!".to_owned()),
///         Err(other) => Err(other.into()),
///     }
/// }
/// # let _ = greet::tool();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// The person said no.
    Declined,
    /// The person dismissed the question without an answer.
    Cancelled,
    /// The client did not declare the capability this needs, by its path in `ClientCapabilities`.
    MissingCapability(&'static str),
    /// The client answered with an error: its code and message.
    Refused(i64, String),
    /// The client cannot be asked here; the text says what to configure, or which client it takes.
    Unavailable(Text),
    /// The answer is not what was asked for; the text says why.
    Invalid(String),
    /// The handler asks something else than what was answered; the text says under which key.
    Changed(String),
    /// The person has to open these addresses first, and the client then call again (2025-11-25, error -32042): each
    /// with what it is for.
    UrlRequired(String, String),
}

impl AskError {
    pub(crate) fn unavailable(why: impl Into<Text>) -> Self {
        Self::Unavailable(why.into())
    }

    pub(crate) fn changed(key: &str) -> Self {
        Self::Changed(format!(
            "the answer under {} is to another question than the one that is asked now: start again without \
             `requestState` (a handler must ask the same each time it runs)",
            echo(key)
        ))
    }

    /// The error that ends the request, where this is not for a model to read.
    fn protocol(&self) -> Option<Error> {
        match self {
            Self::MissingCapability(capability) => {
                Some(Error::missing_client_capability("what is asked of the client", capability))
            }
            Self::Invalid(why) | Self::Changed(why) => Some(Error::invalid_params(why.clone())),
            Self::UrlRequired(message, url) => {
                let kind = ErrorKind::UrlElicitationRequired { message: message.clone(), url: url.clone() };
                Some(Error::new(kind, "an address has to be opened before this can be done"))
            }
            Self::Declined | Self::Cancelled | Self::Refused(..) | Self::Unavailable(_) => None,
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => f.write_str("the user declined to answer"),
            Self::Cancelled => f.write_str("the user dismissed the question"),
            Self::MissingCapability(capability) => {
                write!(f, "the client did not declare the capability {capability:?}")
            }
            Self::Refused(code, message) => write!(f, "the client refused with {code}: {message}"),
            Self::Unavailable(why) => write!(f, "the client cannot be asked: {why}"),
            Self::Invalid(why) | Self::Changed(why) => f.write_str(why),
            Self::UrlRequired(message, url) => {
                write!(f, "an address has to be opened first: {message} ({url})")
            }
        }
    }
}

// Not a `std::error::Error`: `?` masks those, and these sentences are for whoever is asked.
impl From<AskError> for ToolError {
    fn from(error: AskError) -> Self {
        match error.protocol() {
            Some(protocol) => Self::protocol(protocol),
            None => Self::new(error.to_string()),
        }
    }
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        error.protocol().unwrap_or_else(|| Self::new(ErrorKind::InvalidRequest, error.to_string()))
    }
}
