//! The methods of 2025-11-25 and before: those of both eras, and the handshake.

use super::params::{self, Params};
use crate::{error::Error, model::Request};

/// What `method` asks for; `None` for a method of another era or of none.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: &Params<'a>) -> Result<Option<Request<'a>>, Error> {
    match method {
        "initialize" => Ok(Some(Request::Initialize { requested: params.protocol_version()? })),
        "ping" => Ok(Some(Request::Ping)),
        _ => params.decode(method),
    }
}

/// Whether this era has `method`.
pub(super) fn knows(method: &str) -> bool {
    matches!(method, "initialize" | "ping") || params::knows(method)
}
