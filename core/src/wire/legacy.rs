//! The methods of 2025-11-25 and before: those of both eras, and the handshake.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::params;
use crate::{error::Error, model::Request};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialize<'a> {
    #[serde(borrow)]
    protocol_version: Cow<'a, str>,
}

/// What `method` asks for; `None` for a method of another era or of none.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: Option<&'a RawValue>) -> Result<Option<Request<'a>>, Error> {
    Ok(Some(match method {
        "initialize" => {
            let Initialize { protocol_version } = params::read(method, params)?;
            Request::Initialize { requested: protocol_version }
        }
        "ping" => Request::Ping,
        _ => return params::decode(method, params),
    }))
}

/// Whether this era has `method`.
pub(super) fn knows(method: &str) -> bool {
    matches!(method, "initialize" | "ping") || params::knows(method)
}
