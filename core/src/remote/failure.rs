//! Why another server gave no result, and what of that a client is told.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::{
    error::{Cause, Error, ErrorKind, ToolError},
    limits::cut,
    platform::FetchError,
    wire::client::Refusal,
};

/// The most characters of another server's error message that are passed on.
const MESSAGE_CHARS_MAX: usize = 1000;

/// The capabilities that a client can be told it lacks.
const CAPABILITIES: [&str; 7] = [
    "elicitation.url",
    "elicitation.form",
    "elicitation",
    "sampling.tools",
    "sampling.context",
    "sampling",
    "roots",
];

/// Why another server gave no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer came.
    Fetch(FetchError),
    /// It was not asked for as long as this.
    Slow(Duration),
    /// It has failed, or whoever stands in front of it.
    Status(StatusCode),
    /// It does not let this server in.
    Unauthorized(StatusCode),
    /// It asks for fewer requests.
    Limited(Duration),
    /// It answered with what is no answer; the text says what.
    Foreign(String),
    /// It answered with an error.
    Refused(Refusal),
    /// This server is not set up to ask it; the text is for the log.
    Misconfigured(String),
    /// Servers pass the request on in a circle.
    Circle(u32),
    /// It did not answer a moment ago, so it was not asked again.
    Before(String),
}

impl Failure {
    /// Why, in a few words that a client may read.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Fetch(FetchError::Timeout(after)) | Self::Slow(after) => {
                format!("no answer within {after:?}")
            }
            Self::Fetch(FetchError::TooLarge(bytes)) => format!("its answer is larger than {bytes} bytes"),
            Self::Fetch(_) => "it cannot be reached".to_owned(),
            Self::Status(status) => format!("it answered with HTTP status {}", status.as_u16()),
            Self::Unauthorized(status) => {
                format!("it does not let this server in, with HTTP status {}", status.as_u16())
            }
            Self::Limited(after) => format!("it asks to wait {} s", after.as_secs()),
            Self::Foreign(_) => "its answer is none of this protocol".to_owned(),
            Self::Refused(refusal) => {
                format!("it answered with error {}: {}", refusal.code, cut(&plain(&refusal.message)))
            }
            Self::Misconfigured(_) => {
                "this server is not set up to ask it; its log says what is missing".to_owned()
            }
            Self::Circle(hops) => {
                format!("the request was passed on by {hops} servers, so two of them mount each other")
            }
            Self::Before(why) => why.clone(),
        }
    }

    /// Why, for the log. Addresses and headers can hold secrets, and are not in it.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Fetch(error) => error.to_string(),
            Self::Foreign(what) | Self::Misconfigured(what) => what.clone(),
            Self::Status(status) if status.is_redirection() => {
                format!("HTTP status {status}, a redirect (give `Remote::new` the address that it leads to)")
            }
            other => other.why(),
        }
    }

    /// What a request fails with. `who` is what the server is called, and `uri` what was read.
    pub(super) fn error(self, who: &str, uri: Option<&str>) -> Error {
        let (why, cause) = (self.why(), format!("remote {who:?}: {}", self.cause()));
        let says = |what: &str| format!("the server mounted as {who:?} {what}");
        let internal = |message: String, cause| Error {
            message: message.into(),
            cause: Some(cause),
            ..Error::internal("")
        };
        match self {
            Self::Refused(refusal) => refused(refusal, who, uri),
            Self::Limited(after) => {
                Error::rate_limited(says(&format!("asks for fewer requests ({why})")), after)
            }
            Self::Fetch(error) => {
                let cause = Box::new(Cause { text: cause, ..*Cause::of(&error) });
                internal(says(&format!("does not answer ({why})")), cause)
            }
            Self::Slow(_) | Self::Status(_) | Self::Before(_) => {
                internal(says(&format!("does not answer ({why})")), Cause::passing(cause))
            }
            Self::Unauthorized(_) | Self::Foreign(_) | Self::Misconfigured(_) | Self::Circle(_) => {
                internal(says(&format!("cannot be used ({why})")), Cause::text(cause))
            }
        }
    }

    /// What a tool fails with: the model reads that its server does not answer, and the client's program what that server
    /// itself refuses.
    pub(super) fn tool_error(self, who: &str) -> ToolError {
        let is_refusal = matches!(self, Self::Refused(_) | Self::Limited(_));
        let error = self.error(who, None);
        match is_refusal {
            true => ToolError::protocol(error),
            false => ToolError { message: error.message, cause: error.cause, protocol: None },
        }
    }
}

/// An error of another server as one of this server's: of the same code, where the code means the same to a client of
/// this one.
fn refused(Refusal { code, message, data }: Refusal, who: &str, uri: Option<&str>) -> Error {
    let message: String = plain(&message).chars().take(MESSAGE_CHARS_MAX).collect();
    let names_a_resource = || data.as_ref().is_some_and(|data| data.get("uri").is_some());
    match (code, uri) {
        // The two eras have codes of their own for it.
        (-32002, Some(uri)) => Error::resource_not_found(uri),
        (-32602, Some(uri)) if names_a_resource() => Error::resource_not_found(uri),
        (-32602, _) => Error::invalid_params(message),
        (-32603, _) => Error::new(ErrorKind::Internal, message),
        (-32021, _) => {
            let required = data.as_ref().and_then(|data| data.get("requiredCapabilities"));
            let lacks =
                |path: &&&str| path.split('.').try_fold(required?, |value: &Value, name| value.get(name));
            match CAPABILITIES.iter().find(|path| lacks(path).is_some()) {
                Some(capability) => Error::new(ErrorKind::MissingClientCapability { capability }, message),
                None => Error::custom(-32021, message),
            }
        }
        // What is wrong with how it was asked is no mistake of this server's client.
        (-32700 | -32600 | -32601 | -32020 | -32022 | -32042, _) => Error {
            message: format!("the server mounted as {who:?} refused what was passed on (error {code})")
                .into(),
            ..Error::internal(format!("remote {who:?}: error {code}: {message}"))
        },
        (code, _) => match i32::try_from(code) {
            Ok(code) => Error::custom(code, message),
            Err(_) => Error::new(ErrorKind::Internal, message),
        },
    }
}

/// A text without what could forge lines or colors where it is shown.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
