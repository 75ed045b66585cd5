//! The limits on everything that comes from outside, each a named constant.

/// The most bytes a request body may have, unless the server says otherwise: 4 MiB, as FastMCP.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// The most levels of arrays and objects a message may nest.
pub const JSON_DEPTH_MAX: usize = 100;

/// The most messages a 2025-03-26 batch may hold.
pub const BATCH_MESSAGES_MAX: usize = 50;

/// The most members the arguments of a prompt, or what a client says about itself, may have.
pub const MEMBERS_MAX: usize = 1000;

/// The most bytes a request id or a progress token may have, a text's quotes among them.
pub const ID_BYTES_MAX: usize = 256;

/// The most bytes a method name may have.
pub const METHOD_BYTES_MAX: usize = 128;

/// The most bytes a resource URI may have.
pub const URI_BYTES_MAX: usize = 8 << 10;

/// The most bytes a bearer token may have.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// The most resources and tasks one client may listen to at once.
pub const SUBSCRIPTIONS_MAX: usize = 1000;

/// The most bytes an answer of another server may have.
pub const REMOTE_BYTES_MAX: usize = 8 << 20;

/// The most tools, resources, templates or prompts another server may list, and the most parts one of its results may have.
pub const REMOTE_ENTRIES_MAX: usize = 2000;

/// The most pages a list of another server may have.
pub const REMOTE_PAGES_MAX: usize = 100;

/// The most characters of what tools are searched for by ([`BM25Search`](crate::transform::BM25Search)).
pub const SEARCH_CHARS_MAX: usize = 500;

/// The most characters of a pattern that tools are searched for by.
pub const SEARCH_PATTERN_CHARS_MAX: usize = 200;

pub use crate::{
    changes::{LISTEN_MAX, TASKS_WATCHED_MAX},
    completion::COMPLETION_VALUES_MAX,
    context::SESSION_VALUE_BYTES_MAX,
    handle::HANDLE_BYTES_MAX,
    image::ICON_BYTES_MAX,
    journal::{ASKS_MAX, STEPS_MAX},
    keyring::{SEAL_KEY_BYTES_MIN, SEAL_KEYS_MAX},
    line::SAID_WAITING_MAX,
    session::SESSION_ID_BYTES_MAX,
    state::STATE_BYTES_MAX,
};

/// The most characters of outside text that an error message repeats.
pub const ECHO_CHARS_MAX: usize = 100;

/// `text` as an error message may repeat it: quoted, and cut after [`ECHO_CHARS_MAX`] characters.
pub(crate) fn echo(text: &str) -> String {
    format!("{:?}", cut(text))
}

/// JSON as an error message may repeat it: cut after [`ECHO_CHARS_MAX`] characters.
pub(crate) fn cut(json: &str) -> std::borrow::Cow<'_, str> {
    match json.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()).into(),
        None => json.into(),
    }
}
