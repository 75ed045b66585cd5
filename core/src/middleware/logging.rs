//! Logs what comes in, and what becomes of it.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{
    Answering, Message, Middleware, Next, Stage,
    ending::{Ending, watched},
    payload::{self, Names},
};
use crate::{context::Context, log::on_one_line, platform::LogLevel};

/// The most characters of a payload that a line of [`Logging`] has, unless it is told otherwise.
pub const PAYLOAD_CHARS_MAX: usize = 1000;

type Serializer = dyn Fn(&Message) -> String + Send + Sync;

/// What is logged of a message.
struct Options {
    level: LogLevel,
    methods: Vec<String>,
    payloads: bool,
    payload_length: bool,
    payload_tokens: bool,
    max_payload_length: Option<usize>,
    serializer: Option<Box<Serializer>>,
    redacted: Names,
}

impl Options {
    fn new(max_payload_length: Option<usize>) -> Self {
        Self {
            level: LogLevel::Info,
            methods: Vec::new(),
            payloads: false,
            payload_length: false,
            payload_tokens: false,
            max_payload_length,
            serializer: None,
            redacted: Names::default(),
        }
    }
}

/// How the fields of an event become a line.
type Write = fn(Map<String, Value>) -> String;

macro_rules! logging {
    ($($(#[$doc:meta])* $logging:ident $max_payload_length:expr, $write:ident;)*) => {$(
        $(#[$doc])*
        pub struct $logging(Options);

        impl $logging {
            /// Every message, at [`LogLevel::Info`], without payloads.
            pub fn new() -> Self {
                Self(Options::new($max_payload_length))
            }

            /// Sets the level it logs at; what fails is logged at [`LogLevel::Error`] all the same.
            #[must_use]
            pub fn level(mut self, level: LogLevel) -> Self {
                self.0.level = level;
                self
            }

            /// Logs only messages of these methods, such as `tools/call`.
            #[must_use]
            pub fn methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
                self.0.methods.extend(methods.into_iter().map(Into::into));
                self
            }

            /// Logs what is sent along as well: `payload` and `payload_type`. Arguments are personal data more often than
            /// not; what is named like a secret is left out ([`redact`](Self::redact)).
            #[must_use]
            pub fn include_payloads(mut self, include: bool) -> Self {
                self.0.payloads = include;
                self
            }

            /// Logs how many characters the payload has, as JSON: `payload_length`.
            #[must_use]
            pub fn include_payload_length(mut self, include: bool) -> Self {
                self.0.payload_length = include;
                self
            }

            /// Logs how many tokens of a model the payload may be, at four characters each: `payload_tokens`.
            #[must_use]
            pub fn estimate_payload_tokens(mut self, estimate: bool) -> Self {
                self.0.payload_tokens = estimate;
                self
            }

            /// Sets how many characters of a payload are logged at the most; the rest becomes `...`. Platforms cut a line as
            /// a whole after [`LOG_MESSAGE_BYTES_MAX`](crate::platform::LOG_MESSAGE_BYTES_MAX).
            #[must_use]
            pub fn max_payload_length(mut self, characters: usize) -> Self {
                self.0.max_payload_length = Some(characters);
                self
            }

            /// Leaves out the values of members with these names too, beside those of
            /// [`SECRET_NAMES`](super::SECRET_NAMES): `iban` is in `customerIban` and in `IBAN_2`, at any depth of the
            /// payload, and in the query of a URI.
            #[must_use]
            pub fn redact<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
                self.0.redacted.add(names);
                self
            }

            /// Leaves out the values of members with these names, and of no others.
            #[must_use]
            pub fn redact_only<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
                self.0.redacted = Names::none();
                self.0.redacted.add(names);
                self
            }

            /// Writes payloads another way. What is written is logged as it is, so leaving secrets out is up to `write`.
            #[must_use]
            pub fn payload_serializer(mut self, write: impl Fn(&Message) -> String + Send + Sync + 'static) -> Self {
                self.0.serializer = Some(Box::new(write));
                self
            }
        }

        impl Default for $logging {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Debug for $logging {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($logging)).field("level", &self.0.level).finish_non_exhaustive()
            }
        }

        impl Middleware for $logging {
            fn stage(&self) -> Stage {
                Stage::Observation
            }

            fn on_message<'a>(
                &'a self,
                cx: &'a Context,
                message: Message,
                next: Next<Message>,
            ) -> Answering<'a, Message> {
                logged(&self.0, $write, cx, message, next)
            }
        }
    )*};
}

logging! {
    /// Logs every message as it comes in, and again once it is done, as lines of `key=value`:
    ///
    /// ```text
    /// event=request_start method=tools/call source=client
    /// event=request_success method=tools/call source=client duration_ms=12.0
    /// event=request_error method=tools/call source=client duration_ms=3.0 error="no tool is named \"ad\""
    /// event=request_input_required method=tools/call source=client duration_ms=8.0
    /// event=request_left method=tools/call source=client duration_ms=900.0
    /// event=notification_start method=notifications/cancelled source=client
    /// ```
    ///
    /// A request that asks its client for something ends with `request_input_required`, and begins anew once it is
    /// answered. One whose client is gone or has cancelled it, or that goes on as a task, ends with `request_left`; what
    /// then runs without a request has `source=server`. A value with spaces, quotes or control characters in it stands in
    /// quotes as JSON, so that no client can make up a field or a line. `duration_ms` is as fine as the platform's clock
    /// ([`Timing`](super::Timing) says how fine that is); `error` has the cause, which clients do not see.
    ///
    /// With [`include_payloads`](Self::include_payloads) the first line has what was sent, up to [`PAYLOAD_CHARS_MAX`]
    /// characters of it. [`StructuredLogging`] writes JSON.
    ///
    /// # Source
    /// FastMCP, `LoggingMiddleware`.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// use edgemcp::middleware::Logging;
    ///
    /// let logging = Logging::new().methods(["tools/call"]).include_payloads(true).redact(["iban"]);
    /// let server = Server::new("bank", "1.0.0").middleware(logging);
    /// ```
    Logging Some(PAYLOAD_CHARS_MAX), text;

    /// Logs every message as it comes in, and again once it is done, each as one line of JSON:
    ///
    /// ```text
    /// {"event":"request_start","method":"tools/call","source":"client"}
    /// {"event":"request_error","method":"tools/call","source":"client","duration_ms":3.0,"error":"no tool is named \"ad\""}
    /// ```
    ///
    /// Its fields and events are those of [`Logging`]; payloads are whole, unless
    /// [`max_payload_length`](Self::max_payload_length) says otherwise. (Platforms cut a line after
    /// [`LOG_MESSAGE_BYTES_MAX`](crate::platform::LOG_MESSAGE_BYTES_MAX).) Where the platform's own log is JSON, the line is
    /// its `message`.
    ///
    /// # Source
    /// FastMCP, `StructuredLoggingMiddleware`.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// use edgemcp::middleware::StructuredLogging;
    /// let server = Server::new("bank", "1.0.0").middleware(StructuredLogging::new().estimate_payload_tokens(true));
    /// ```
    StructuredLogging None, json;
}

/// Runs what comes next, and logs what comes in and what becomes of it.
fn logged<'a>(
    options: &'a Options,
    write: Write,
    cx: &'a Context,
    message: Message,
    next: Next<Message>,
) -> Answering<'a, Message> {
    if !options.methods.is_empty() && !options.methods.iter().any(|method| method == message.method()) {
        return next.run(message);
    }
    Box::pin(async move {
        let kind = if message.is_notification() { "notification" } else { "request" };
        let method = message.method().to_owned();
        let event = |what: &str| {
            let source = if cx.is_taken_up() { "server" } else { "client" };
            let fields = [
                ("event", Value::from(format!("{kind}_{what}"))),
                ("method", method.as_str().into()),
                ("source", source.into()),
            ];
            Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value)))
        };
        let mut start = event("start");
        add_payload(options, &message, &mut start);
        cx.platform().log(options.level, &write(start));
        let log = |ending: Ending<'_>, took: Duration| {
            let (what, level) = match ending {
                Ending::Done => ("success", options.level),
                Ending::Failed(_) => ("error", LogLevel::Error),
                Ending::Waits => ("input_required", options.level),
                Ending::Left => ("left", options.level),
            };
            let mut end = event(what);
            end.insert("duration_ms".to_owned(), (took.as_secs_f64() * 1000.0).into());
            if let Ending::Failed(error) = ending {
                end.insert("error".to_owned(), error.to_string().into());
            }
            cx.platform().log(level, &write(end));
        };
        watched(cx, next.run(message), log).await
    })
}

/// Adds to `fields` what is to be logged of what was sent along.
fn add_payload(options: &Options, message: &Message, fields: &mut Map<String, Value>) {
    if !options.payloads && !options.payload_length && !options.payload_tokens {
        return;
    }
    let (mut value, of) = payload::of(message);
    options.redacted.redact(&mut value);
    let payload = match &options.serializer {
        Some(write) => write(message),
        None => value.to_string(),
    };
    let length = payload.chars().count();
    if options.payload_tokens {
        fields.insert("payload_tokens".to_owned(), (length / 4).into());
    }
    if options.payload_length {
        fields.insert("payload_length".to_owned(), length.into());
    }
    if options.payloads {
        let end = options.max_payload_length.and_then(|max| payload.char_indices().nth(max));
        let shown = match end {
            Some((end, _)) => format!("{}...", payload.get(..end).unwrap_or_default()),
            None => payload,
        };
        fields.insert("payload".to_owned(), shown.into());
        fields.insert("payload_type".to_owned(), of.into());
    }
}

/// The fields as `key=value`, with spaces between.
fn text(fields: Map<String, Value>) -> String {
    let shown = fields.iter().map(|(name, value)| match value {
        Value::String(text) if is_plain(text) => format!("{name}={text}"),
        value => format!("{name}={}", on_one_line(&value.to_string())),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The fields as one line of JSON.
fn json(fields: Map<String, Value>) -> String {
    // JSON has escapes for the control characters of ASCII, and leaves the others.
    let json = Value::Object(fields).to_string();
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_control() {
            true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => line.push(c),
        }
    }
    line
}

/// Whether a text can stand in a line without quotes, and be nothing but a value there.
fn is_plain(text: &str) -> bool {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\');
    !text.is_empty() && !text.contains(breaks)
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_line_of_json_is_one_line_and_says_what_it_was_given(name: String, value: String) {
            let fields = Map::from_iter([(name, Value::from(value))]);
            let line = json(fields.clone());
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
            prop_assert_eq!(serde_json::from_str::<Map<String, Value>>(&line).unwrap(), fields);
        }

        #[test]
        fn a_line_of_text_has_the_fields_it_was_given_and_no_others(value: String) {
            let line = text(Map::from_iter([("a".to_owned(), Value::from(value)), ("b".to_owned(), 1.into())]));
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
            let value = line.strip_prefix("a=").and_then(|rest| rest.strip_suffix(" b=1")).unwrap();
            let is_quoted = value.starts_with('"') && value.ends_with('"') && value.len() > 1;
            prop_assert!(is_quoted || is_plain(value), "{:?}", line);
        }
    }
}
