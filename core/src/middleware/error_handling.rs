//! Turns errors into others that say more to clients, counts them, and tells whoever wants to know.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Answering, Message, Middleware, Next, Stage};
use crate::{
    context::Context,
    error::{Error, ErrorKind, Says},
    limits,
    log::on_one_line,
    platform::LogLevel,
};

/// The most keys that [`ErrorCounts`] keeps apart; what comes after is counted as `other`.
pub const ERROR_KEYS_MAX: usize = 1000;

type IsFrom = fn(&Error) -> bool;
type Map = dyn Fn(&Error) -> Error + Send + Sync;
type OnError = dyn Fn(&Context, &Failure<'_>) + Send + Sync;

/// Handles the errors of all that stands inside of it, so it is added first: maps them, counts them, logs them.
///
/// What a handler raises with `?` reaches clients as "the server failed" (a model as "the tool failed"), and the log with
/// its cause. This says more, by the type of the error that was raised:
///
/// | raised | JSON-RPC | text |
/// | --- | --- | --- |
/// | `io::Error`: not found | -32001; a resource's own error where one is read | `Not found: …` |
/// | `io::Error`: permission denied | -32000 | `Permission denied: …` |
/// | `io::Error`, [`FetchError`](crate::platform::FetchError): timed out | -32000 | `Request timeout: …` |
/// | `io::Error`: invalid input or data; `serde_json::Error`; what `str::parse` gives for numbers and flags; UTF-8 | -32602 | `Invalid params: …` |
/// | your own type, with [`map`](Self::map) | yours | yours |
///
/// A tool's failure keeps being one that the model reads, with that text. What the handler or the core put in words
/// itself, such as [`ToolError::new`](crate::ToolError::new) and wrong arguments, is not touched; nor are panics.
///
/// The text ends in "the cause is in the server's log", since causes name paths, hosts and secrets;
/// [`mask_details(false)`](Self::mask_details) puts the cause there instead, while you develop. A `serde_json::Error` may
/// just as well come from an API's answer as from what the client sent: where it does, map it to something else.
///
/// Errors with a cause are in the log anyhow, at [`LogLevel::Error`]. This adds a line at [`LogLevel::Warning`] for the
/// others, which are mostly the client's own: `Error in tools/call: InvalidParams: no tool is named "ad"`.
///
/// # Source
/// FastMCP, `ErrorHandlingMiddleware`: its codes and texts, but for the details that are left out.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::ErrorHandling;
///
/// #[derive(Debug)]
/// struct SoldOut;
/// # impl std::fmt::Display for SoldOut {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("sold out") }
/// # }
/// # impl std::error::Error for SoldOut {}
///
/// let handling = ErrorHandling::new().map::<SoldOut>(|_| ToolError::new("it is sold out; try another day").into());
/// let counts = handling.counts();
/// let server = Server::new("tickets", "1.0.0").middleware(handling);
/// assert_eq!(counts.get("Tool:tools/call"), 0);
/// ```
pub struct ErrorHandling {
    maps: Vec<(IsFrom, Box<Map>)>,
    transforms: bool,
    masks: bool,
    on_error: Option<Box<OnError>>,
    counts: ErrorCounts,
}

/// An error, and what it is the answer to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The method, such as `tools/call`.
    pub method: &'a str,
    /// What was called, read or got: a tool's or prompt's name, a resource's URI.
    pub target: Option<&'a str>,
    /// The error as it was raised, before it is mapped.
    pub error: &'a Error,
}

/// How often requests have failed, by the kind of the error and the method: `Internal:tools/call`. A clone reads the same
/// counts.
///
/// They are of this instance and begin with it: where there are many, each has its own.
///
/// # Limits
/// [`ERROR_KEYS_MAX`] keys; methods are a client's own words.
#[derive(Clone, Debug, Default)]
pub struct ErrorCounts(Arc<Mutex<BTreeMap<String, u64>>>);

impl ErrorCounts {
    /// How often requests have failed so.
    pub fn get(&self, key: &str) -> u64 {
        self.with(|counts| counts.get(key).copied().unwrap_or_default())
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.with(|counts| counts.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, u64>) -> T) -> T {
        // Nothing leaves it half-written.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, kind: &'static str, method: &str) {
        self.with(|counts| {
            let key = format!("{kind}:{method}");
            let key = match counts.len() < ERROR_KEYS_MAX || counts.contains_key(&key) {
                true => key,
                false => "other".to_owned(),
            };
            let count = counts.entry(key).or_default();
            *count = count.saturating_add(1);
        });
    }
}

impl ErrorHandling {
    /// Maps what the table says, and masks details.
    pub fn new() -> Self {
        Self {
            maps: Vec::new(),
            transforms: true,
            masks: true,
            on_error: None,
            counts: ErrorCounts::default(),
        }
    }

    /// Says what an error becomes that was raised as an `E` (with `?`, not wrapped in another). The first map for a type
    /// counts, and it goes before the table. `map` sees the [cause](Error::cause), which the log keeps; the client gets
    /// what it returns: an [`Error`] as one, a [`ToolError`](crate::ToolError) as a text for the model where a tool was
    /// called.
    #[must_use]
    pub fn map<E: std::error::Error + 'static>(
        mut self,
        map: impl Fn(&Error) -> Error + Send + Sync + 'static,
    ) -> Self {
        self.maps.push((Error::is_from::<E>, Box::new(map)));
        self
    }

    /// Sets whether errors are mapped at all, or only counted, logged and told of.
    #[must_use]
    pub fn transform_errors(mut self, transform: bool) -> Self {
        self.transforms = transform;
        self
    }

    /// Sets whether texts leave out the cause; they do unless said otherwise. Where they do not, whatever an error of a
    /// back end says reaches clients and models.
    #[must_use]
    pub fn mask_details(mut self, mask: bool) -> Self {
        self.masks = mask;
        self
    }

    /// Calls `on_error` with each error, as it was raised. A panic in it is logged, and changes nothing.
    #[must_use]
    pub fn on_error(mut self, on_error: impl Fn(&Context, &Failure<'_>) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Box::new(on_error));
        self
    }

    /// How often requests have failed, to be read while the server runs.
    pub fn counts(&self) -> ErrorCounts {
        self.counts.clone()
    }

    fn note(&self, cx: &Context, failure: &Failure<'_>) {
        let Failure { method, error, .. } = failure;
        let kind = name(error.kind());
        self.counts.count(kind, method);
        if error.cause().is_none() {
            let line = format!("Error in {method}: {kind}: {}", error.message());
            cx.platform().log(LogLevel::Warning, &on_one_line(&line));
        }
        if let Some(on_error) = &self.on_error
            && catch_unwind(AssertUnwindSafe(|| on_error(cx, failure))).is_err()
        {
            let line = format!("Error in error callback: it panicked at an error in {method}");
            cx.platform().log(LogLevel::Error, &on_one_line(&line));
        }
    }

    /// What the client gets instead of `error`.
    fn mapped(&self, method: &str, target: Option<&str>, error: Error) -> Error {
        if !self.transforms {
            return error;
        }
        let own = self.maps.iter().find(|(is_from, _)| is_from(&error));
        let mapped = match own {
            Some((_, map)) => Some(map(&error)),
            None => self.by_table(method, target, &error),
        };
        match mapped {
            // The log still gets the cause.
            Some(mapped) if mapped.cause.is_none() => Error { cause: error.cause, ..mapped },
            Some(mapped) => mapped,
            None => error,
        }
    }

    fn by_table(&self, method: &str, target: Option<&str>, error: &Error) -> Option<Error> {
        let cause =
            error.cause.as_deref().filter(|_| matches!(error.kind, ErrorKind::Internal | ErrorKind::Tool))?;
        let says = cause.says.or_else(|| is_invalid(error).then_some(Says::Invalid));
        let what = match says {
            Some(Says::NotFound) if method.starts_with("resources/") => "Resource not found",
            Some(Says::NotFound) => "Not found",
            Some(Says::Denied) => "Permission denied",
            Some(Says::TimedOut) => "Request timeout",
            Some(Says::Invalid) => "Invalid params",
            None if self.masks => return None,
            None => "Internal error",
        };
        let text = match self.masks {
            true => format!("{what}: the cause is in the server's log"),
            false => format!("{what}: {}", cause.text),
        };
        if error.kind == ErrorKind::Tool {
            return Some(Error::new(ErrorKind::Tool, text));
        }
        Some(match (says, target) {
            (Some(Says::NotFound), Some(uri)) if method.starts_with("resources/") => {
                Error::new(ErrorKind::ResourceNotFound { uri: uri.to_owned() }, text)
            }
            (Some(Says::NotFound), _) => Error::custom(-32001, text),
            (Some(Says::Denied | Says::TimedOut), _) => Error::custom(-32000, text),
            (Some(Says::Invalid), _) => Error::invalid_params(text),
            (None, _) => Error::new(ErrorKind::Internal, text),
        })
    }
}

/// Whether what was raised says that a value is not what it has to be.
fn is_invalid(error: &Error) -> bool {
    error.is_from::<serde_json::Error>()
        || error.is_from::<std::num::ParseIntError>()
        || error.is_from::<std::num::ParseFloatError>()
        || error.is_from::<std::num::TryFromIntError>()
        || error.is_from::<std::str::ParseBoolError>()
        || error.is_from::<std::str::Utf8Error>()
        || error.is_from::<std::string::FromUtf8Error>()
}

/// The name of a kind of error, without what it carries.
fn name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Parse => "Parse",
        ErrorKind::InvalidRequest => "InvalidRequest",
        ErrorKind::MethodNotFound => "MethodNotFound",
        ErrorKind::InvalidParams => "InvalidParams",
        ErrorKind::ResourceNotFound { .. } => "ResourceNotFound",
        ErrorKind::Internal => "Internal",
        ErrorKind::Panicked => "Panicked",
        ErrorKind::Tool => "Tool",
        ErrorKind::RateLimited { .. } => "RateLimited",
        ErrorKind::InsufficientScope { .. } => "InsufficientScope",
        ErrorKind::Forbidden => "Forbidden",
        ErrorKind::Custom { .. } => "Custom",
        ErrorKind::HeaderMismatch => "HeaderMismatch",
        ErrorKind::MissingClientCapability { .. } => "MissingClientCapability",
        ErrorKind::UrlElicitationRequired { .. } => "UrlElicitationRequired",
        ErrorKind::UnsupportedVersion { .. } => "UnsupportedVersion",
    }
}

impl Middleware for ErrorHandling {
    fn stage(&self) -> Stage {
        Stage::ErrorHandling
    }

    fn on_message<'a>(
        &'a self,
        cx: &'a Context,
        message: Message,
        next: Next<Message>,
    ) -> Answering<'a, Message> {
        Box::pin(async move {
            let method = limits::cut(message.method()).into_owned();
            let target = message.target().map(str::to_owned);
            let error = match next.run(message).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            self.note(cx, &Failure { method: &method, target: target.as_deref(), error: &error });
            Err(self.mapped(&method, target.as_deref(), error))
        })
    }
}

impl Default for ErrorHandling {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ErrorHandling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorHandling")
            .field("maps", &self.maps.len())
            .field("transform_errors", &self.transforms)
            .field("mask_details", &self.masks)
            .finish_non_exhaustive()
    }
}
