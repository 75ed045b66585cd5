//! The bytes of the protocol: JSON-RPC envelopes, and each era's parameters and results.
//!
//! Everything here is a pure function over bytes and values; this is the one place that derives serde for protocol
//! shapes.

pub(crate) mod ask;
pub(crate) mod cached;
pub(crate) mod call;
pub(crate) mod capabilities;
pub(crate) mod client;
pub(crate) mod definition;
pub(crate) mod exact;
pub(crate) mod given;
pub(crate) mod jsonrpc;
mod legacy;
mod modern;
pub(crate) mod notify;
pub(crate) mod params;
pub(crate) mod results;
pub(crate) mod state;
pub(crate) mod task;

use self::params::Params;
use crate::{error::Error, model::Request, version::Era};

/// What `json` is; `None` where it is something else. (As text: what reads both texts and bytes is compiled twice, which
/// is five kilobytes of a Worker.)
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
}

/// Whether a request of either era has this method.
pub(crate) fn knows(method: &str) -> bool {
    legacy::knows(method) || modern::knows(method)
}

/// What `method` with `params` asks for in `era`.
///
/// # Errors
/// `MethodNotFound` for a method that is not in the era's table, `InvalidParams` for parameters it does not take.
pub(crate) fn decode<'a>(era: Era, method: &str, params: &Params<'a>) -> Result<Request<'a>, Error> {
    let request = match era {
        Era::Legacy => legacy::decode(method, params)?,
        Era::Modern => modern::decode(method, params)?,
    };
    request.ok_or_else(|| {
        let other = match era {
            Era::Legacy => modern::knows(method).then_some("2026-07-28"),
            Era::Modern => legacy::knows(method).then_some("2025-11-25 and before"),
        };
        let method = crate::limits::echo(method);
        Error::method_not_found(match other {
            Some(other) => {
                format!("method {method} belongs to revision {other}, which this request is not of")
            }
            None => format!("method {method} does not exist"),
        })
    })
}
