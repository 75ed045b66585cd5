//! Two of the three error types: `Error` answers the client's program, `ToolError` answers the model.
//!
//! The third, [`StoreError`](crate::store::StoreError), is for the code that uses a store. Whatever else goes wrong in
//! a handler can be raised with `?`; it is logged, and neither the client nor the model sees its text.

use std::{any::TypeId, borrow::Cow, fmt, io, time::Duration};

use crate::{limits::echo, model::Text, platform::FetchError, store::StoreError, version::Era};

/// A protocol error: the request could not be served, and the client's program is told why.
///
/// Resource and prompt handlers return it. Any [`std::error::Error`] becomes one through `?`: it is logged, and the
/// client sees only that the server failed.
///
/// ```
/// # use edgemcp::Error;
/// fn page(number: u32) -> Result<String, Error> {
///     if number == 0 {
///         return Err(Error::invalid_params("pages are counted from 1"));
///     }
///     Ok(String::from_utf8(vec![b'a'; 3])?)
/// }
/// assert_eq!(page(0).unwrap_err().message(), "pages are counted from 1");
/// ```
#[derive(Debug)]
pub struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) message: Text,
    pub(crate) cause: Option<Box<Cause>>,
}

/// Why something failed, for the log and for the middlewares; neither clients nor models see it.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) text: String,
    /// The type of the error that was raised, where one was.
    pub(crate) type_id: Option<TypeId>,
    /// Whether the same may succeed if it is tried again: a connection, a time-out, a throttled store.
    pub(crate) transient: bool,
    /// What went wrong, where the error is one that says so.
    pub(crate) says: Option<Says>,
}

/// What an error says of itself that the core knows: one of the standard library's, or of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// What was looked for is not there.
    NotFound,
    /// It is not allowed.
    Denied,
    /// It took too long.
    TimedOut,
    /// A value is not what it has to be.
    Invalid,
}

impl Cause {
    /// A cause that is known by its text alone.
    pub(crate) fn text(text: impl Into<String>) -> Box<Self> {
        Box::new(Self { text: text.into(), type_id: None, transient: false, says: None })
    }

    /// As [`text`](Self::text), of what may succeed if it is tried again.
    pub(crate) fn passing(text: impl Into<String>) -> Box<Self> {
        Box::new(Self { transient: true, ..*Self::text(text) })
    }

    pub(crate) fn of<E: std::error::Error + 'static>(error: &E) -> Box<Self> {
        let (transient, says) = known(error).unwrap_or_default();
        Box::new(Self { text: chain(error), type_id: Some(TypeId::of::<E>()), transient, says })
    }

    /// Whether the error that was raised was an `E`.
    pub(crate) fn is<E: 'static>(&self) -> bool {
        self.type_id == Some(TypeId::of::<E>())
    }
}

/// Whole seconds, rounded up, so that nobody comes too early.
pub(crate) fn seconds_ceil(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Whether an error, or one of its sources, says that it may pass, and what else it says.
fn known(error: &(dyn std::error::Error + 'static)) -> Option<(bool, Option<Says>)> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<StoreError>() {
            return Some((error.is_retryable(), None));
        }
        if let Some(error) = error.downcast_ref::<FetchError>() {
            let timed_out = matches!(error, FetchError::Timeout(_));
            let passes = timed_out || matches!(error, FetchError::Connection(_));
            return Some((passes, timed_out.then_some(Says::TimedOut)));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind;
            return Some(match error.kind() {
                ErrorKind::TimedOut => (true, Some(Says::TimedOut)),
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::NotConnected
                | ErrorKind::BrokenPipe
                | ErrorKind::Interrupted => (true, None),
                ErrorKind::NotFound => (false, Some(Says::NotFound)),
                ErrorKind::PermissionDenied => (false, Some(Says::Denied)),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => (false, Some(Says::Invalid)),
                _ => (false, None),
            });
        }
        next = error.source();
    }
    None
}

/// What kind of failure an [`Error`] is; its code and status follow from this alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not JSON.
    Parse,
    /// The JSON is not a message this endpoint takes.
    InvalidRequest,
    /// The method does not exist in the request's era, or the server has nothing it applies to.
    MethodNotFound,
    /// The parameters are not what the method takes.
    InvalidParams,
    /// No resource has this URI.
    ResourceNotFound {
        /// The URI that was asked for.
        uri: String,
    },
    /// The server failed; the cause is in its log.
    Internal,
    /// A handler panicked; the cause is in the log, under the id that the message names.
    Panicked,
    /// A tool failed, and the model is told. Middlewares meet it; a client gets a result that says `isError`.
    Tool,
    /// The client asks for more than it may in a while.
    RateLimited {
        /// How long to wait before the next request.
        retry_after: Duration,
    },
    /// The token is good and lacks scopes for this.
    InsufficientScope {
        /// The scopes that are needed.
        scopes: Vec<String>,
    },
    /// The caller may not do this.
    Forbidden,
    /// What a server or a middleware has its own code for.
    Custom {
        /// The JSON-RPC error code.
        code: i32,
    },
    /// An HTTP header is missing or contradicts the body.
    HeaderMismatch,
    /// What is asked for needs a capability that the client did not declare.
    MissingClientCapability {
        /// Its path in `ClientCapabilities`: `sampling`, or `elicitation.url`.
        capability: &'static str,
    },
    /// The person has to open an address first (2025-11-25, client/elicitation).
    UrlElicitationRequired {
        /// What the address is for.
        message: String,
        /// The address.
        url: String,
    },
    /// The request names a revision this server does not speak in its era.
    UnsupportedVersion {
        /// The name in the request.
        requested: String,
    },
}

impl ErrorKind {
    /// The JSON-RPC error code, per era (2026-07-28, basic/index, "Error Codes").
    pub const fn code(&self, era: Era) -> i32 {
        match (self, era) {
            (Self::Parse, _) => -32700,
            (Self::InvalidRequest, _) | (Self::MissingClientCapability { .. }, Era::Legacy) => -32600,
            (Self::MethodNotFound, _) => -32601,
            (Self::InvalidParams, _) | (Self::ResourceNotFound { .. }, Era::Modern) => -32602,
            (Self::ResourceNotFound { .. }, Era::Legacy) => -32002,
            (Self::Internal | Self::Panicked | Self::Tool, _) => -32603,
            // As FastMCP has them.
            (Self::RateLimited { .. } | Self::InsufficientScope { .. } | Self::Forbidden, _) => -32000,
            (Self::Custom { code }, _) => *code,
            (Self::HeaderMismatch, _) => -32020,
            (Self::MissingClientCapability { .. }, Era::Modern) => -32021,
            (Self::UnsupportedVersion { .. }, _) => -32022,
            // Only 2025-11-25 has it.
            (Self::UrlElicitationRequired { .. }, _) => -32042,
        }
    }

    /// The HTTP status, per era. Legacy clients take a status other than 200 for a broken transport, so there only
    /// messages that could not be read have one.
    pub const fn status(&self, era: Era) -> http::StatusCode {
        use http::StatusCode;
        match (self, era) {
            (Self::Parse | Self::InvalidRequest | Self::HeaderMismatch, _)
            | (Self::UnsupportedVersion { .. }, _)
            | (Self::InvalidParams | Self::ResourceNotFound { .. }, Era::Modern)
            | (Self::MissingClientCapability { .. }, Era::Modern) => StatusCode::BAD_REQUEST,
            (Self::MethodNotFound, Era::Modern) => StatusCode::NOT_FOUND,
            (Self::Panicked, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (Self::RateLimited { .. }, Era::Modern) => StatusCode::TOO_MANY_REQUESTS,
            // RFC 6750, section 3.1: whoever can get the scope asks for it.
            (Self::InsufficientScope { .. } | Self::Forbidden, _) => StatusCode::FORBIDDEN,
            (Self::RateLimited { .. }, Era::Legacy)
            | (Self::Internal | Self::Tool | Self::Custom { .. }, _)
            | (Self::UrlElicitationRequired { .. }, _)
            | (Self::MethodNotFound | Self::InvalidParams | Self::ResourceNotFound { .. }, Era::Legacy)
            | (Self::MissingClientCapability { .. }, Era::Legacy) => StatusCode::OK,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Text>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// The parameters are not what the method takes; `message` says what was expected and what came.
    pub fn invalid_params(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::InvalidParams, message)
    }

    /// There is no resource at `uri`.
    pub fn resource_not_found(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let message = format!("no resource has the URI {}", echo(&uri));
        Self::new(ErrorKind::ResourceNotFound { uri }, message)
    }

    /// The server failed. `cause` goes to its log; the client is told no more than that.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Internal,
            message: Cow::Borrowed("the server failed; the cause is in its log"),
            cause: Some(Cause::text(cause)),
        }
    }

    /// The client asks for more than it may, and may ask again after `retry_after`: HTTP 429 with `Retry-After` (legacy
    /// clients get 200, which they need to read an error at all), JSON-RPC -32000.
    pub fn rate_limited(message: impl Into<Text>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::RateLimited { retry_after }, message)
    }

    /// The caller lacks one of these scopes: HTTP 403 with a challenge that names them (RFC 6750, section 3.1), so that a
    /// client that can get them asks for them.
    pub fn insufficient_scope(message: impl Into<Text>, scopes: impl IntoIterator<Item = String>) -> Self {
        Self::new(ErrorKind::InsufficientScope { scopes: scopes.into_iter().collect() }, message)
    }

    /// The caller may not do this, whatever scopes it asks for: HTTP 403, JSON-RPC -32000.
    pub fn forbidden(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// An error with a code of its own. JSON-RPC keeps -32768 to -32000 for itself and for MCP (2026-07-28,
    /// basic/index, "Error Codes"); any other number is yours.
    pub fn custom(code: i32, message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::Custom { code }, message)
    }

    /// A handler panicked. `id` finds the cause in the log.
    pub(crate) fn panicked(id: &str, cause: &str) -> Self {
        Self {
            kind: ErrorKind::Panicked,
            message: format!("the server failed; the cause is in its log under {id}").into(),
            cause: Some(Cause::text(format!("{cause} ({id})"))),
        }
    }

    pub(crate) fn invalid_request(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    pub(crate) fn method_not_found(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::MethodNotFound, message)
    }

    pub(crate) fn header_mismatch(message: impl Into<Text>) -> Self {
        Self::new(ErrorKind::HeaderMismatch, message)
    }

    pub(crate) fn missing_client_capability(what: &str, capability: &'static str) -> Self {
        let message =
            format!("{what} needs the client capability {capability:?}, which the request does not declare");
        Self::new(ErrorKind::MissingClientCapability { capability }, message)
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What the client is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why it failed, for the log alone.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_ref().map(|cause| cause.text.as_str())
    }

    /// Whether the same may succeed if it is tried again: what was raised with `?` was a connection's or a time-out's
    /// error, or a store's that says so.
    pub fn is_transient(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.transient)
    }

    /// Whether what was raised with `?` was an `E`.
    pub fn is_from<E: std::error::Error + 'static>(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.is::<E>())
    }

    /// The cause as the log has it, or else what the client is told.
    pub(crate) fn for_the_log(self) -> String {
        self.cause.map_or_else(|| self.message.into_owned(), |cause| cause.text)
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self { cause: Some(Cause::of(&error)), ..Self::internal("") }
    }
}

/// A tool failed, and the model is told so that it can try something else.
///
/// [`ToolError::new`] is shown to the model word for word. Any [`std::error::Error`] becomes one through `?`: it is
/// logged, and the model sees only that the tool failed, since such texts name paths, hosts and secrets.
///
/// ```
/// # use edgemcp::ToolError;
/// fn divide(a: f64, b: f64) -> Result<f64, ToolError> {
///     if b == 0.0 {
///         return Err(ToolError::new("cannot divide by zero"));
///     }
///     Ok(a / b)
/// }
/// assert_eq!(divide(1.0, 0.0).unwrap_err().message(), "cannot divide by zero");
/// ```
#[derive(Debug)]
pub struct ToolError {
    pub(crate) message: Text,
    pub(crate) cause: Option<Box<Cause>>,
    /// What ends the request instead, where the failure is not for a model to read.
    pub(crate) protocol: Option<Box<Error>>,
}

impl ToolError {
    /// A failure the model may read about.
    pub fn new(message: impl Into<Text>) -> Self {
        Self { message: message.into(), cause: None, protocol: None }
    }

    /// A failure that the client's program is told, instead of the model.
    pub(crate) fn protocol(error: Error) -> Self {
        match error.kind {
            ErrorKind::Tool => Self { message: error.message, cause: error.cause, protocol: None },
            _ => Self { message: error.message.clone(), cause: None, protocol: Some(Box::new(error)) },
        }
    }

    /// A failure whose `cause` is only logged.
    pub fn masked(cause: impl Into<String>) -> Self {
        Self {
            message: Cow::Borrowed("the tool failed; the cause is in the server's log"),
            cause: Some(Cause::text(cause)),
            protocol: None,
        }
    }

    /// What the model is told.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl<E: std::error::Error + 'static> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self { cause: Some(Cause::of(&error)), ..Self::masked("") }
    }
}

/// A tool that fails so fails for the client's program, and not for the model: the request is answered with the error.
impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        Self::protocol(error)
    }
}

/// A step of a prompt or a resource fails as a tool does.
impl From<ToolError> for Error {
    fn from(error: ToolError) -> Self {
        match error.protocol {
            Some(protocol) => *protocol,
            None => Self { kind: ErrorKind::Tool, message: error.message, cause: error.cause },
        }
    }
}

/// An error's text and those of its sources, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// For the log: what the client is told, and the cause where there is one.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {}", self.message, cause.text),
            None => f.write_str(&self.message),
        }
    }
}
