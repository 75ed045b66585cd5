//! Decides what an inbound message is, before anything acts on it: which era, which revision, or what is wrong.
//!
//! The rungs stand in the order of 2026-07-28, basic/versioning and basic/transports/streamable-http; the first that
//! fails is the answer. A modern message says so itself in `params._meta`; a header alone names a revision whose
//! metadata is then missing; everything else is legacy.

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind},
    http::headers::{self, Single},
    limits::echo,
    version::{Era, ProtocolVersion},
    wire::params::{self, Meta, Params},
};

/// How a message came, and what is known from that.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport<'a> {
    Http(&'a HeaderMap),
    /// Over stdio the revision of a legacy client is what its `initialize` settled.
    Stdio {
        negotiated: ProtocolVersion,
    },
}

/// What a message is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) version: ProtocolVersion,
    /// What a modern request says about its client.
    pub(crate) meta: Meta<'a>,
}

/// Why a message is refused, in the terms of the era it seems to be of.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) era: Era,
    pub(crate) error: Error,
}

impl Transport<'_> {
    fn version_header(&self) -> Single<'_> {
        match self {
            Transport::Http(headers) => headers::single(headers, &headers::PROTOCOL_VERSION),
            Transport::Stdio { .. } => Single::Absent,
        }
    }

    /// The era that the transport alone speaks for, where no message could be read.
    pub(crate) fn era(&self) -> Era {
        match self.version_header() {
            Single::Value(name) if ProtocolVersion::parse(name).is_some_and(|v| v.era() == Era::Modern) => {
                Era::Modern
            }
            _ => Era::Legacy,
        }
    }
}

/// What the request `method` with `params` is.
///
/// # Errors
/// The first rung of the ladder that fails.
pub(crate) fn request<'a>(
    transport: Transport<'_>,
    method: &str,
    params: &Params<'a>,
) -> Result<Route<'a>, Rejection> {
    let era = transport.era();
    let meta = params.meta().map_err(|error| Rejection { era, error })?;
    match (meta, era) {
        (Some(meta), _) if meta.protocol_version.is_some() => {
            modern(transport, method, params, meta).map_err(|error| Rejection { era: Era::Modern, error })
        }
        (_, Era::Modern) => Err(Rejection {
            era,
            error: Error::invalid_params(
                "`params._meta` must have \"io.modelcontextprotocol/protocolVersion\" and \
                 \"io.modelcontextprotocol/clientCapabilities\"",
            ),
        }),
        (meta, Era::Legacy) => {
            let route = Route { meta: meta.unwrap_or_default().legacy(), ..legacy(transport)? };
            // Legacy clients have no routing headers. One that is there all the same was read by a gateway, so it
            // must not say one thing to the gateway and the body another to us.
            match transport {
                Transport::Http(headers) => routing_agrees(headers, method, params, false)
                    .map(|()| route)
                    .map_err(|error| Rejection { era, error }),
                Transport::Stdio { .. } => Ok(route),
            }
        }
    }
}

/// Which revision a notification or a posted response is of. Nothing in it is acted on, so nothing more is asked.
///
/// # Errors
/// `InvalidRequest` where the header names a revision that is not served.
pub(crate) fn notification<'a>(transport: Transport<'_>) -> Result<Route<'a>, Rejection> {
    match transport.era() {
        Era::Modern => Ok(Route { version: ProtocolVersion::V2026_07_28, meta: Meta::default() }),
        Era::Legacy => legacy(transport),
    }
}

/// Whether a batch may come this way: only 2025-03-26 has them, and it has no version header.
pub(crate) fn takes_batches(transport: Transport<'_>) -> bool {
    legacy(transport).is_ok_and(|route| route.version == ProtocolVersion::V2025_03_26)
}

fn legacy<'a>(transport: Transport<'_>) -> Result<Route<'a>, Rejection> {
    let served = || ProtocolVersion::ALL.map(ProtocolVersion::as_str).join(", ");
    let refuse = |what: String| {
        let error = Error::invalid_request(format!("`MCP-Protocol-Version` {what}; served are {}", served()));
        Err(Rejection { era: Era::Legacy, error })
    };
    let version = match (transport, transport.version_header()) {
        (Transport::Stdio { negotiated }, _) => negotiated,
        (Transport::Http(_), Single::Absent) => ProtocolVersion::UNNAMED_LEGACY,
        (Transport::Http(_), Single::Unusable) => {
            return refuse("stands there twice or is not readable".to_owned());
        }
        (Transport::Http(_), Single::Value(name)) => match ProtocolVersion::parse(name) {
            Some(version) if version.era() == Era::Legacy => version,
            _ => return refuse(format!("names {}", echo(name))),
        },
    };
    Ok(Route { version, meta: Meta::default() })
}

fn modern<'a>(
    transport: Transport<'_>,
    method: &str,
    params: &Params<'a>,
    meta: Meta<'a>,
) -> Result<Route<'a>, Error> {
    let is_object = |raw: &RawValue| raw.get().starts_with('{');
    let Some(named) = meta.protocol_version.and_then(params::string) else {
        return Err(Error::invalid_params("\"io.modelcontextprotocol/protocolVersion\" must be a string"));
    };
    if !meta.client_capabilities.is_some_and(is_object) {
        return Err(Error::invalid_params(
            "`params._meta` must have \"io.modelcontextprotocol/clientCapabilities\", an object",
        ));
    }
    if !meta.client_info.is_none_or(is_object) {
        return Err(Error::invalid_params("\"io.modelcontextprotocol/clientInfo\" must be an object"));
    }
    if let Transport::Http(headers) = transport {
        agree(headers, &headers::PROTOCOL_VERSION, "MCP-Protocol-Version", &named)?;
    }
    let Some(version) = ProtocolVersion::parse(&named).filter(|version| version.era() == Era::Modern) else {
        let message = format!(
            "revision {} is not served this way; send it `initialize`, or ask in a served one",
            echo(&named)
        );
        return Err(Error::new(ErrorKind::UnsupportedVersion { requested: named.into_owned() }, message));
    };
    if let Transport::Http(headers) = transport {
        routing_agrees(headers, method, params, true)?;
    }
    Ok(Route { version, meta })
}

/// Checks the headers that gateways route by, where they are there or must be.
fn routing_agrees(
    headers: &HeaderMap,
    method: &str,
    params: &Params<'_>,
    required: bool,
) -> Result<(), Error> {
    let checks = |name: &http::HeaderName| required || headers.contains_key(name);
    if checks(&headers::METHOD) {
        agree(headers, &headers::METHOD, "Mcp-Method", method)?;
    }
    // A body without its name is refused when its parameters are read, by a text that says so.
    match params.routed_name(method).filter(|_| checks(&headers::NAME)) {
        Some(name) => agree(headers, &headers::NAME, "Mcp-Name", &name),
        None => Ok(()),
    }
}

/// Checks that the header repeats what the body says.
fn agree(headers: &HeaderMap, name: &http::HeaderName, shown: &str, body: &str) -> Result<(), Error> {
    // A name alone may be wrapped. A gateway that routes by the others reads them as they stand, and so must we.
    let read =
        |value| if *name == headers::NAME { headers::decode(value) } else { Some(Cow::Borrowed(value)) };
    match headers::single(headers, name) {
        Single::Value(value) if read(value).as_deref() == Some(body) => Ok(()),
        Single::Value(value) => Err(Error::header_mismatch(format!(
            "header `{shown}` is {} but the body says {}",
            echo(value),
            echo(body)
        ))),
        Single::Absent => {
            Err(Error::header_mismatch(format!("header `{shown}` is missing; the body says {}", echo(body))))
        }
        Single::Unusable => {
            Err(Error::header_mismatch(format!("header `{shown}` stands there twice or is not readable")))
        }
    }
}
