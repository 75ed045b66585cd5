//! The methods of 2025-11-25 and before: those of both eras, the handshake, and what a session has.

use super::params::{self, Params};
use crate::{error::Error, model::Request};

/// What `method` asks for; `None` for a method of another era or of none.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: &Params<'a>) -> Result<Option<Request<'a>>, Error> {
    Ok(Some(match method {
        "initialize" => params.initialize()?,
        "ping" => Request::Ping,
        "logging/setLevel" => params.set_level()?,
        "resources/subscribe" => Request::Subscribe { uri: params.uri()? },
        "resources/unsubscribe" => Request::Unsubscribe { uri: params.uri()? },
        _ => return params.decode(method),
    }))
}

/// Whether this era has `method`.
pub(super) fn knows(method: &str) -> bool {
    const OWN: [&str; 5] =
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    OWN.contains(&method) || params::knows(method)
}
