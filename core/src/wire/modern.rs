//! The methods of 2026-07-28: those of both eras, and discovery.

use super::params::{self, Params};
use crate::{error::Error, model::Request};

/// What `method` asks for; `None` for a method of another era or of none.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: &Params<'a>) -> Result<Option<Request<'a>>, Error> {
    match method {
        "server/discover" => Ok(Some(Request::Discover)),
        _ => params.decode(method),
    }
}

/// Whether this era has `method`.
pub(super) fn knows(method: &str) -> bool {
    method == "server/discover" || params::knows(method)
}
