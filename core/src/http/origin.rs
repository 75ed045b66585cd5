//! Decides which browsers' pages may call the endpoint, and tells them so (CORS).
//!
//! A request without `Origin` is no browser's and passes. A page's origin must be allowed by name; beyond that, pages
//! served from loopback may call a server that is asked for by a loopback name, which is how local tools such as the
//! MCP Inspector work. An origin that merely equals `Host` is not enough: under DNS rebinding the attacker owns both.

use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};

use super::{
    Body,
    headers::{self, Single},
    refusal,
};
use crate::platform::Exposure;

/// How long a browser may remember what a preflight allowed, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "7200";

/// A session of the legacy era is also read and ended.
const ALLOWED_METHODS: &str = "GET, POST, DELETE, OPTIONS";

/// Request headers a page may send; `Mcp-Param-*` comes on top, by prefix.
const ALLOWED_HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "baggage",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "tracestate",
];

const EXPOSED_HEADERS: &str = "WWW-Authenticate, MCP-Protocol-Version, Mcp-Session-Id";

/// Which origins may call the endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins {
    pub(crate) any: bool,
    pub(crate) named: Vec<String>,
}

/// The origin of a request that passed: the page's, where it is a page's.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Option<HeaderValue>);

impl AllowedOrigins {
    /// Checks `Host` and `Origin`.
    ///
    /// # Errors
    /// The 403 that says which of them is refused, and how to allow it.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        exposure: Exposure,
    ) -> Result<Caller, Box<Response<Body>>> {
        let host = host(headers, uri);
        let refuse = |why: String| Err(Box::new(refusal::text(StatusCode::FORBIDDEN, why)));
        if exposure == Exposure::Loopback && !host.is_some_and(is_loopback) {
            return refuse(
                "this server listens on loopback and is asked for by another name, as in DNS rebinding; ask for \
                 localhost or 127.0.0.1, or listen on a public address"
                    .to_owned(),
            );
        }
        let origin = match headers::single(headers, &header::ORIGIN) {
            Single::Absent => return Ok(Caller(None)),
            Single::Unusable => return refuse("the `Origin` header is not readable".to_owned()),
            Single::Value(origin) => origin,
        };
        let is_local = || {
            let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            page.is_some_and(is_loopback) && host.is_some_and(is_loopback)
        };
        if self.any || self.named.iter().any(|named| named.eq_ignore_ascii_case(origin)) || is_local() {
            return Ok(Caller(headers.get(header::ORIGIN).cloned()));
        }
        let origin = crate::limits::echo(origin);
        refuse(format!("pages of {origin} may not call this server; allow them with `Server::allow_origin`"))
    }
}

impl Caller {
    /// The answer to a preflight (Fetch, section 3.3).
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
        if self.0.is_none() {
            return response;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_MAX_AGE_S));
        let mut allowed = ALLOWED_HEADERS.join(", ");
        if let Single::Value(requested) = headers::single(request, &header::ACCESS_CONTROL_REQUEST_HEADERS) {
            let params = requested.split(',').map(str::trim);
            for name in params.filter(|name| name.to_ascii_lowercase().starts_with("mcp-param-")) {
                allowed.push_str(", ");
                allowed.push_str(name);
            }
        }
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        response
    }

    /// Lets the page read `response`.
    pub(crate) fn admit(self, response: &mut Response<Body>) {
        let Some(origin) = self.0 else { return };
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match headers::single(headers, &header::HOST) {
        Single::Value(host) => Some(host),
        Single::Absent => uri.authority().map(http::uri::Authority::as_str),
        Single::Unusable => None,
    }
}

/// Whether `authority` (`host` or `host:port`) names this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let until = |text, end| str::split_once(text, end).map_or(text, |(host, _)| host);
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => until(bracketed, ']'),
        None => until(authority, ':'),
    };
    // What clients write, nearly always.
    if matches!(host, "127.0.0.1" | "localhost" | "::1") {
        return true;
    }
    let is_v4 = || {
        let mut parts = host.split('.');
        parts.next() == Some("127")
            && parts.clone().count() == 3
            // Rust would read a sign too, which is part of no address but can be of a name.
            && parts.all(|part| part.parse::<u8>().is_ok() && !part.starts_with('+'))
    };
    host.eq_ignore_ascii_case("localhost") || is_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for yes in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.9.9.9", "[::1]:8000"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "",
            "127.0.0.+1",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "evil@localhost",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
