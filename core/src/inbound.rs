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
    Http {
        headers: &'a HeaderMap,
        /// The revision that they name, which is looked at again and again.
        version: Single<'a>,
    },
    /// Over stdio the revision of a legacy client is what its `initialize` settled.
    Stdio { negotiated: ProtocolVersion },
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

impl<'a> Transport<'a> {
    /// An HTTP request with these headers.
    pub(crate) fn http(headers: &'a HeaderMap) -> Self {
        Self::Http { headers, version: headers::single(headers, &headers::PROTOCOL_VERSION) }
    }

    /// Whether a header says which revision a message is of.
    pub(crate) fn names_version(&self) -> bool {
        self.version_header() != Single::Absent
    }

    fn version_header(&self) -> Single<'a> {
        match *self {
            Transport::Http { version, .. } => version,
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
                Transport::Http { headers, .. } => routing_agrees(headers, method, params, false)
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
        (Transport::Http { .. }, Single::Absent) => ProtocolVersion::UNNAMED_LEGACY,
        (Transport::Http { .. }, Single::Unusable) => {
            return refuse("stands there twice or is not readable".to_owned());
        }
        (Transport::Http { .. }, Single::Value(name)) => match ProtocolVersion::parse(name) {
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
    if let Transport::Http { version, .. } = transport {
        agree(version, &headers::PROTOCOL_VERSION, "MCP-Protocol-Version", &named)?;
    }
    let Some(version) = ProtocolVersion::parse(&named).filter(|version| version.era() == Era::Modern) else {
        let message = format!(
            "revision {} is not served this way; send it `initialize`, or ask in a served one",
            echo(&named)
        );
        return Err(Error::new(ErrorKind::UnsupportedVersion { requested: named.into_owned() }, message));
    };
    if let Transport::Http { headers, .. } = transport {
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
    let checked = |name: &http::HeaderName| {
        Some(headers::single(headers, name)).filter(|said| required || *said != Single::Absent)
    };
    if let Some(said) = checked(&headers::METHOD) {
        agree(said, &headers::METHOD, "Mcp-Method", method)?;
    }
    let Some(said) = checked(&headers::NAME) else { return Ok(()) };
    // A body without its name is refused when its parameters are read, by a text that says so.
    match params.routed_name(method) {
        Some(name) => agree(said, &headers::NAME, "Mcp-Name", &name),
        None => Ok(()),
    }
}

/// Checks that the header `name`, which says `said`, repeats what the body says.
fn agree(said: Single<'_>, name: &http::HeaderName, shown: &str, body: &str) -> Result<(), Error> {
    // A name alone may be wrapped. A gateway that routes by the others reads them as they stand, and so must we.
    let read =
        |value| if *name == headers::NAME { headers::decode(value) } else { Some(Cow::Borrowed(value)) };
    match said {
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

#[cfg(test)]
mod properties {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    use http::HeaderValue;
    use proptest::{option, prelude::*};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::properties::{config, json};

    const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

    /// A revision's name, or what is none.
    fn named() -> impl Strategy<Value = String> {
        let known = (0..ProtocolVersion::ALL.len()).prop_map(|index| ProtocolVersion::ALL[index].as_str());
        let unknown = prop::sample::select(vec!["", "2024-11-05", "2027-01-01", "2025-11-25 ", "DRAFT"]);
        prop_oneof![6 => known.prop_map(str::to_owned), 1 => unknown.prop_map(str::to_owned), 1 => any::<String>()]
    }

    /// Nearly always this, and sometimes something else.
    fn nearly<T: std::fmt::Debug + Clone + 'static>(
        what: T,
        other: impl Strategy<Value = T> + 'static,
    ) -> impl Strategy<Value = T> {
        prop_oneof![9 => Just(what), 1 => other]
    }

    #[derive(Clone, Debug)]
    struct Message {
        method: String,
        params: Value,
        version: Vec<String>,
        repeats: [Option<String>; 2],
    }

    /// Any message: mostly one that a client of either era sends, with a part of it that is something else.
    fn message() -> impl Strategy<Value = Message> {
        let known = vec!["tools/call", "prompts/get", "resources/read", "tasks/get", "tools/list", "ping"];
        let known = prop::sample::select(known).prop_map(str::to_owned);
        let method = prop_oneof![6 => known, 1 => any::<String>()];
        let name = prop_oneof!["[a-z]{1,9}", any::<String>()];
        (method, name, any::<bool>()).prop_flat_map(|(method, name, is_modern)| {
            let said = if is_modern { "2026-07-28" } else { "2025-06-18" };
            let meta = (
                nearly(
                    is_modern.then(|| said.into()),
                    option::of(prop_oneof![named().prop_map(Value::from), json()]),
                ),
                nearly(json!({}), json()),
                option::weighted(0.1, json()),
            );
            let meta = meta.prop_map(|(version, capabilities, info)| {
                let capabilities = ("io.modelcontextprotocol/clientCapabilities".to_owned(), capabilities);
                let mut meta = Map::from_iter([capabilities]);
                meta.extend(version.map(|version| (VERSION.to_owned(), version)));
                meta.extend(info.map(|info| ("io.modelcontextprotocol/clientInfo".to_owned(), info)));
                Value::Object(meta)
            });
            let meta = prop_oneof![9 => meta, 1 => json()];
            let members =
                Map::from_iter(["name", "uri", "taskId"].map(|key| (key.to_owned(), name.clone().into())));
            let params = option::weighted(0.9, meta).prop_map(move |meta| {
                let mut params = members.clone();
                params.extend(meta.map(|meta| ("_meta".to_owned(), meta)));
                Value::Object(params)
            });
            let texts = || option::of("[ -~]{0,9}");
            let wrapped = format!("=?base64?{}?=", STANDARD.encode(&name));
            let shown = if name.bytes().all(|byte| byte.is_ascii_graphic()) { name } else { wrapped };
            (
                params,
                nearly(vec![said.to_owned()], prop::collection::vec(named(), 0..3)),
                nearly(is_modern.then(|| method.clone()), texts()),
                nearly(is_modern.then_some(shown), texts()),
            )
                .prop_map(move |(params, version, method_header, name)| Message {
                    method: method.clone(),
                    params,
                    version,
                    repeats: [method_header, name],
                })
        })
    }

    fn headers(message: &Message) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut append = |name: http::HeaderName, value: &str| {
            headers.extend(HeaderValue::from_bytes(value.as_bytes()).ok().map(|value| (name, value)));
        };
        message.version.iter().for_each(|version| append(headers::PROTOCOL_VERSION, version));
        for (name, value) in [headers::METHOD, headers::NAME].into_iter().zip(&message.repeats) {
            value.iter().for_each(|value| append(name.clone(), value));
        }
        headers
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn every_message_is_modern_or_legacy_or_refused(message in message()) {
            let headers = headers(&message);
            let raw = RawValue::from_string(message.params.to_string()).unwrap();
            let params = Params::of(serde_json::from_str(raw.get()).unwrap()).unwrap();
            let named = match headers::single(&headers, &headers::PROTOCOL_VERSION) {
                Single::Value(name) => Some(name),
                Single::Absent | Single::Unusable => None,
            };
            let of_header = named.and_then(ProtocolVersion::parse);
            let says_so = message.params["_meta"].get(VERSION).is_some();
            let is_modern = says_so || of_header.is_some_and(|version| version.era() == Era::Modern);

            match request(Transport::http(&headers), &message.method, &params) {
                Ok(route) => {
                    prop_assert_eq!(route.version.era() == Era::Modern, is_modern);
                    match route.version.era() {
                        Era::Modern => {
                            prop_assert_eq!(named, Some(route.version.as_str()));
                            prop_assert_eq!(message.params["_meta"][VERSION].as_str(), named);
                            prop_assert!(message.params["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_object());
                            prop_assert!(headers.contains_key(headers::METHOD));
                        }
                        Era::Legacy => {
                            prop_assert_eq!(route.version, of_header.unwrap_or(ProtocolVersion::UNNAMED_LEGACY));
                            prop_assert!(route.meta.protocol_version.is_none() && route.meta.client_info.is_none());
                        }
                    }
                    // A gateway has read the same.
                    if let Single::Value(value) = headers::single(&headers, &headers::METHOD) {
                        prop_assert_eq!(value, &*message.method);
                    }
                    if let (Single::Value(value), Some(name)) =
                        (headers::single(&headers, &headers::NAME), params.routed_name(&message.method))
                    {
                        prop_assert_eq!(headers::decode(value), Some(name));
                    }
                }
                Err(Rejection { era, error }) => {
                    prop_assert_eq!(era == Era::Modern, is_modern, "{:?}", error);
                    prop_assert!(error.cause.is_none() && !error.message.is_empty() && error.message.len() < 1000);
                }
            }
            // What is no request is of the era that its headers are of.
            match notification(Transport::http(&headers)) {
                Ok(route) => prop_assert_eq!(
                    route.version,
                    of_header.unwrap_or(ProtocolVersion::UNNAMED_LEGACY)
                ),
                Err(rejection) => prop_assert!(rejection.era == Era::Legacy && of_header.is_none()),
            }
        }

        #[test]
        fn over_stdio_a_message_is_of_its_handshake_unless_it_says_it_is_modern(
            message in message(), which in 0..ProtocolVersion::ALL.len() - 1,
        ) {
            let negotiated = ProtocolVersion::ALL[which];
            let transport = Transport::Stdio { negotiated };
            let raw = RawValue::from_string(message.params.to_string()).unwrap();
            let says_so = message.params["_meta"].get(VERSION).is_some();
            match request(transport, &message.method, &Params::of(serde_json::from_str(raw.get()).unwrap()).unwrap()) {
                Ok(route) => {
                    let expected = if says_so { ProtocolVersion::V2026_07_28 } else { negotiated };
                    prop_assert_eq!(route.version, expected);
                }
                Err(Rejection { era, .. }) => prop_assert_eq!(era == Era::Modern, says_so),
            }
            prop_assert_eq!(notification(transport).unwrap().version, negotiated);
        }
    }
}
