//! Decides for whom a request counts, and what its client is told of that.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName};

use crate::{context::Context, limits::cut, middleware::Message};

/// Who shares one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Per {
    /// Each client has its own: by its principal's issuer and subject; else by its address, where
    /// [`RateLimiting::address_header`](super::RateLimiting::address_header) says how to know it; else by its session or its
    /// connection. Clients of which none of this is known share one.
    ///
    /// A session is no identity, since whoever wants another gets one. Where clients are not authenticated, and may mean
    /// ill, name the header.
    #[default]
    Client,
    /// Each principal has its own, by issuer and subject. (Not by its OAuth client: a user who registers ten has no more.)
    /// Requests without a principal share one.
    Principal,
    /// Each tool has its own, which all its clients share. What calls no tool is not counted.
    Tool,
    /// Each client has one for each tool. What calls no tool is not counted.
    ClientAndTool,
    /// All requests share one.
    Everybody,
}

type Choose = dyn Fn(&Context, &Message) -> Option<String> + Send + Sync;

/// How it is decided who shares one count.
pub(super) enum By {
    Per(Per),
    Closure(Box<Choose>),
}

/// Whom a request counts for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whom {
    /// Tells it from anybody else. It may hold what is nobody's business, so it is hashed before it goes anywhere.
    pub(super) key: String,
    /// How it is called in what its own client is told, such as `client: ada`; `None` for everybody.
    pub(super) told: Option<String>,
}

impl By {
    /// Whom `message` counts for; `None` where it counts for nobody.
    pub(super) fn whom(
        &self,
        cx: &Context,
        message: &Message,
        address_header: Option<&HeaderName>,
    ) -> Option<Whom> {
        let per = match self {
            Self::Per(per) => *per,
            Self::Closure(choose) => {
                // What a user's own function makes of a request may be a token, so nobody is told of it.
                let key = choose(cx, message)?;
                return Some(Whom { key: key_of(&["own", &key]), told: Some("client: this one".to_owned()) });
            }
        };
        let tool = || match message {
            // Clients make up names as they like, and each would have a count of its own.
            Message::CallTool(call) => Some(cx.tool(call.name()).map_or("", |tool| tool.about().key)),
            _ => None,
        };
        Some(match per {
            Per::Everybody => Whom { key: key_of(&["everybody"]), told: None },
            Per::Principal => principal(cx).unwrap_or_else(nobody),
            Per::Client => client(cx, address_header),
            Per::Tool => {
                let tool = tool()?;
                Whom { key: key_of(&["tool", tool]), told: Some(format!("tool: {}", shown(tool))) }
            }
            Per::ClientAndTool => {
                let tool = tool()?;
                let Whom { key, told } = client(cx, address_header);
                let told = told.map(|client| format!("tool: {}, {client}", shown(tool)));
                Whom { key: key_of(&["tool", tool, &key]), told }
            }
        })
    }
}

impl fmt::Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Per(per) => per.fmt(f),
            Self::Closure(_) => f.write_str("Closure"),
        }
    }
}

fn shown(tool: &str) -> &str {
    if tool.is_empty() { "one that is not there" } else { tool }
}

/// Parts as one text that no other parts have.
fn key_of(parts: &[&str]) -> String {
    format!("{parts:?}")
}

fn nobody() -> Whom {
    Whom { key: key_of(&["nobody"]), told: Some("client: anonymous".to_owned()) }
}

fn principal(cx: &Context) -> Option<Whom> {
    let principal = cx.principal()?;
    Some(Whom {
        key: key_of(&["principal", principal.issuer(), principal.subject()]),
        told: Some(format!("client: {}", cut(principal.subject()))),
    })
}

fn client(cx: &Context, address_header: Option<&HeaderName>) -> Whom {
    let address = || {
        let address = address(cx.headers(), address_header?)?;
        Some(Whom { key: key_of(&["address", &address]), told: Some(format!("client: {address}")) })
    };
    // The ids of sessions and connections are nobody's business, not even in what their own client is told.
    let session = || {
        let session = cx.0.session.as_ref()?;
        Some(Whom { key: key_of(&["session", &session.id]), told: Some("client: this session".to_owned()) })
    };
    let connection = || {
        let connection = cx.0.connection.as_ref()?;
        let told = Some("client: this connection".to_owned());
        Some(Whom { key: key_of(&["connection", connection]), told })
    };
    principal(cx).or_else(address).or_else(session).or_else(connection).unwrap_or_else(nobody)
}

/// The address that the nearest proxy saw. Of several in one header it is the last one, since each proxy adds its own at the
/// end, and what stands before that the client may have written. An IPv6 address counts by its first 64 bits, which is
/// what one client is given of them (RFC 6177).
fn address(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let text = value.rsplit(',').next()?.trim();
    let ip: IpAddr = text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_address_is_the_one_that_the_nearest_proxy_has_added() {
        let name = HeaderName::from_static("x-forwarded-for");
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            address(&headers, &name)
        };
        for (values, expected) in [
            (&["192.0.2.7"][..], Some("192.0.2.7")),
            (&["10.0.0.1, 192.0.2.7"], Some("192.0.2.7")),
            (&["10.0.0.1", "192.0.2.7:443"], Some("192.0.2.7")),
            (&["::ffff:192.0.2.7"], Some("192.0.2.7")),
            (&["2001:db8:1:2:3:4:5:6"], Some("2001:db8:1:2::/64")),
            (&["[2001:db8:1:2::9]:443"], Some("2001:db8:1:2::/64")),
            (&[""], None),
            (&["192.0.2.7, unknown"], None),
            (&["\u{fc}"], None),
            (&[], None),
        ] {
            assert_eq!(of(values).as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn two_clients_have_no_key_in_common() {
        assert_ne!(key_of(&["principal", "a", "b\", \"c"]), key_of(&["principal", "a", "b", "c"]));
        assert_ne!(key_of(&["principal", "ab", "c"]), key_of(&["principal", "a", "bc"]));
    }
}
