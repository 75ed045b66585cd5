//! Another MCP server, reached over HTTP, whose tools, resources and prompts are mounted like a server's own.
//!
//! ```
//! use edgemcp::{compose::Mount, prelude::*, remote::Remote};
//!
//! let weather = Remote::new("https://weather.example/mcp").bearer_from("WEATHER_TOKEN");
//! let server = Server::new("assistant", "1.0.0").mount(Mount::new("weather", weather));
//! ```
//!
//! What is asked of the other server, and when:
//!
//! | | requests to it |
//! | --- | --- |
//! | a call, a read, a prompt, a completion | one |
//! | the first of them, on an instance that finds nothing in the store | one or two more: which era it is of |
//! | a list, once what is known of it is older than [`list_ttl`](Remote::list_ttl) | one for each kind it has |
//! | a request that does not concern it | none |
//!
//! What is known of it, its lists and the session of the legacy era, is kept by each instance and in the platform's
//! [store](crate::platform::Platform::store), so that an instance that has just started asks for none of it. Where it does
//! not answer, its lists of up to [`STALE_MAX`] ago are good for as long, and each list of this server says what it
//! lacks; its tools fail with a text that says so.
//!
//! Arguments go to it as they came, and results come back as they are, kinds of content that nobody here knows among
//! them; it is the one that checks. What it asks the client for is asked of this server's own client, where it is of
//! 2026-07-28; to one of before this server declares that it can be asked nothing, since an answer has to come whole.
//! For the same reason what it reports while it works arrives with its answer.

mod client;
mod failure;
mod forward;
mod known;
mod post;
mod snapshot;

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use self::{failure::Failure, known::Shelf};
use crate::{
    compose::remotes::{Elsewhere, Found, RemoteState},
    future::BoxFuture,
    limits::echo,
    middleware::Unavailable,
    model::Text,
    platform::Platform,
    seal::fingerprint,
    version::Era,
};

/// How long another server may take for one HTTP request, unless [`Remote::timeout`] says otherwise.
pub const REMOTE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the lists of another server are good, unless [`Remote::list_ttl`] says otherwise.
pub const REMOTE_LIST_TTL: Duration = Duration::from_secs(300);

/// How long the lists of a server that does not answer any more are used.
pub const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How many servers may pass a request on, one to the next; past it they are taken to mount each other.
pub const HOPS_MAX: u32 = 5;

/// Counts the servers that have passed a request on.
const HOPS: HeaderName = HeaderName::from_static("edgemcp-hops");

/// Headers that the protocol or the connection owns; whoever set them would break the one or the other.
const OWNED: [HeaderName; 15] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HOPS,
];

/// Another MCP server, to be mounted ([`Mount::new`](crate::compose::Mount::new)). [The module](self) has an example.
///
/// It is asked through [`Platform::fetch`], in either era. Nothing of what a client sends in headers reaches it, unless
/// it is named here.
///
/// # Limits
/// [`REMOTE_BYTES_MAX`](crate::limits::REMOTE_BYTES_MAX) an answer, [`REMOTE_ENTRIES_MAX`](crate::limits::REMOTE_ENTRIES_MAX)
/// entries a list, [`REMOTE_PAGES_MAX`](crate::limits::REMOTE_PAGES_MAX) pages, [`HOPS_MAX`] servers in a row.
///
/// # Source
/// 2026-07-28, basic/versioning ("Backward Compatibility") and basic/transports/streamable-http; 2025-11-25,
/// basic/lifecycle and basic/transports.
pub struct Remote {
    config: Arc<Config>,
    shelf: Arc<Shelf>,
}

#[derive(Clone)]
struct Config {
    /// What clients and the log call it.
    name: Text,
    address: Address,
    headers: Vec<(HeaderName, Source)>,
    forwarded: Vec<HeaderName>,
    forwards_authorization: bool,
    timeout: Duration,
    list_ttl: Duration,
    era: Option<Era>,
    problems: Vec<String>,
}

/// Where it is.
#[derive(Clone)]
enum Address {
    Given(Uri),
    /// Where this setting says.
    Setting(Text),
    /// It is none, which the problems say.
    None,
}

/// Where the value of a header comes from.
#[derive(Clone)]
enum Source {
    Given(HeaderValue),
    /// A setting, with this in front of it.
    Setting {
        name: Text,
        before: &'static str,
    },
}

impl Remote {
    /// The server whose endpoint is `url`, an `https://` or `http://` address without a user name. What is wrong with it is
    /// reported when the server is built that mounts it.
    pub fn new(url: impl Into<Text>) -> Self {
        let url = url.into();
        match checked(&url) {
            Ok(parsed) => {
                let name = parsed.host().unwrap_or("remote").to_owned();
                Self::at(Address::Given(parsed), name.into(), Vec::new())
            }
            Err(problem) => Self::at(Address::None, "remote".into(), vec![problem]),
        }
    }

    /// The server whose endpoint the setting `variable` names, as where it differs between stages. Where it is not set, or is no
    /// such address, the server's tools fail and each list says what it lacks; the log says why.
    ///
    /// ```
    /// # use edgemcp::{compose::Mount, prelude::*, remote::Remote};
    /// let wiki = Remote::from_setting("WIKI_URL").bearer_from("WIKI_TOKEN");
    /// let server = Server::new("assistant", "1.0.0").mount(Mount::under("wiki", wiki));
    /// # assert!(server.build().is_ok());
    /// ```
    pub fn from_setting(variable: impl Into<Text>) -> Self {
        Self::at(Address::Setting(variable.into()), "remote".into(), Vec::new())
    }

    fn at(address: Address, name: Text, problems: Vec<String>) -> Self {
        let config = Config {
            name,
            address,
            headers: Vec::new(),
            forwarded: Vec::new(),
            forwards_authorization: false,
            timeout: REMOTE_TIMEOUT,
            list_ttl: REMOTE_LIST_TTL,
            era: None,
            problems,
        };
        Self { config: Arc::new(config), shelf: Arc::default() }
    }

    /// Sends this header with every request to it. A secret is no text of the program's:
    /// [`header_from`](Self::header_from) takes it from a setting.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("header {}: its value has a character that no header can have", echo(name)));
        self.with_header(name, value.map(Source::Given))
    }

    /// Sends the value of the setting or secret `variable` in this header, with every request to it. Where it is not set, no
    /// request is sent, and the log says why.
    #[must_use]
    pub fn header_from(self, name: &str, variable: impl Into<Text>) -> Self {
        self.with_header(name, Ok(Source::Setting { name: variable.into(), before: "" }))
    }

    /// Sends the setting or secret `variable` as a bearer token with every request to it. It is this server's own token,
    /// whoever asks.
    #[must_use]
    pub fn bearer_from(self, variable: impl Into<Text>) -> Self {
        let source = Source::Setting { name: variable.into(), before: "Bearer " };
        self.with_header(header::AUTHORIZATION.as_str(), Ok(source))
    }

    /// Passes this header of a client's on with its calls, reads and prompts, where it sends one: a tenant, a trace. Lists
    /// are asked for without it, since they are the same for everybody.
    ///
    /// `Authorization` takes [`forward_authorization`](Self::forward_authorization), and cookies are not passed on.
    #[must_use]
    pub fn forward_header(mut self, name: &str) -> Self {
        let config = Arc::make_mut(&mut self.config);
        match header_name(name) {
            Ok(header::AUTHORIZATION) => config.problems.push(
                "the header `authorization` is not forwarded by name: say `Remote::forward_authorization()`, and read \
                 what that means"
                    .to_owned(),
            ),
            Ok(header::COOKIE) => config.problems.push(
                "cookies are not forwarded: a browser sends them to this server, and to no other".to_owned(),
            ),
            Ok(name) => config.forwarded.push(name),
            Err(problem) => config.problems.push(problem),
        }
        self
    }

    /// Passes the client's own `Authorization` on, with every request made for it.
    ///
    /// **This hands the token of your user to somebody else's server.** That server can use it wherever the token is good,
    /// this server among it, and MCP forbids it (2026-07-28, basic/authorization, "Token Passthrough"), unless both servers
    /// are one resource to whoever issues the tokens, such as a gateway and what stands behind it. Where they are not, take a
    /// token of this server's own ([`bearer_from`](Self::bearer_from)).
    ///
    /// What the other server lists may depend on the token, so each caller's lists are kept apart, by a fingerprint of the
    /// token: those of 64 callers in an instance, and any number in the store. A call that goes on after its request, such as
    /// a task, has the token of the request that it goes on for, or none.
    #[must_use]
    pub fn forward_authorization(mut self) -> Self {
        Arc::make_mut(&mut self.config).forwards_authorization = true;
        self
    }

    /// Sets how long it may take for one HTTP request; [`REMOTE_TIMEOUT`] unless said otherwise. What is slower counts as not
    /// answered.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.config).timeout = timeout;
        self
    }

    /// Sets how long its lists are good; [`REMOTE_LIST_TTL`] unless said otherwise, or less where it says so itself. They
    /// are asked for again when a client lists, and when it calls what was not listed.
    #[must_use]
    pub fn list_ttl(mut self, ttl: Duration) -> Self {
        Arc::make_mut(&mut self.config).list_ttl = ttl;
        self
    }

    /// Sets which era it is spoken to in. Unless said, it is asked as of 2026-07-28, and, where it does not understand that,
    /// as of 2025-11-25 and before; which of them it is, is remembered.
    #[must_use]
    pub fn era(mut self, era: Era) -> Self {
        Arc::make_mut(&mut self.config).era = Some(era);
        self
    }

    fn with_header(mut self, name: &str, source: Result<Source, String>) -> Self {
        let config = Arc::make_mut(&mut self.config);
        match header_name(name).and_then(|name| Ok((name, source?))) {
            Ok(header) => config.headers.push(header),
            Err(problem) => config.problems.push(problem),
        }
        self
    }

    /// Another handle of it.
    fn share(&self) -> Self {
        Self { config: Arc::clone(&self.config), shelf: Arc::clone(&self.shelf) }
    }

    /// What tells it from other servers, and from itself under other settings. Nothing that is secret is in it.
    fn identity(&self, platform: &Platform) -> String {
        let Config { headers, forwards_authorization, era, .. } = &*self.config;
        // Where the address is a setting's, it is the one that is set now.
        let url = self.config.url(platform).ok();
        let mut text = format!("{url:?} {forwards_authorization} {era:?}");
        for (name, source) in headers {
            let value = match source {
                Source::Given(value) => value.as_bytes().escape_ascii().to_string(),
                Source::Setting { name, before } => format!("{before}${name}"),
            };
            text.push_str(&format!("\n{name}: {value}"));
        }
        fingerprint(text.as_bytes())
    }
}

impl Config {
    /// Where it is.
    fn url(&self, platform: &Platform) -> Result<Uri, Failure> {
        match &self.address {
            Address::Given(url) => Ok(url.clone()),
            Address::Setting(variable) => match platform.var(variable) {
                Some(url) => checked(url.trim()).map_err(|problem| {
                    Failure::Misconfigured(format!("the setting `{variable}`: {problem}"))
                }),
                None => {
                    Err(Failure::Misconfigured(format!("the setting `{variable}`, its address, is not set")))
                }
            },
            // A server with such an address is not built.
            Address::None => Err(Failure::Misconfigured("it has no address".to_owned())),
        }
    }
}

/// An address that can be asked.
///
/// # Errors
/// What is wrong with it. A query may hold a key, so it is not repeated.
fn checked(url: &str) -> Result<Uri, String> {
    let shown = echo(url.split('?').next().unwrap_or_default());
    let parsed: Uri = url.parse().map_err(|_| format!("{shown} is no URL; write \"https://host/mcp\""))?;
    match parsed.scheme_str() {
        Some("https" | "http") if parsed.host().is_some_and(|host| !host.is_empty()) => {}
        _ => return Err(format!("{shown} is no address of a server: write \"https://host/mcp\"")),
    }
    match parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        true => Err("its address holds a user name (take `Remote::header_from` instead)".to_owned()),
        false => Ok(parsed),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{} is no name of a header", echo(name)))?;
    match OWNED.contains(&parsed) || parsed.as_str().starts_with("mcp-") {
        true => Err(format!("the header `{parsed}` belongs to the connection or the protocol, which set it")),
        false => Ok(parsed),
    }
}

impl Elsewhere for Remote {
    fn set_name(&mut self, name: &str) {
        Arc::make_mut(&mut self.config).name = name.to_owned().into();
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn problems(&self) -> Vec<String> {
        let config = &self.config;
        let mut problems = config.problems.clone();
        let authorizes = config.headers.iter().any(|(name, _)| *name == header::AUTHORIZATION);
        if authorizes && config.forwards_authorization {
            problems.push(
                "it is to get a token of this server's own and the client's, and can get one: leave out \
                 `bearer_from` or `forward_authorization`"
                    .to_owned(),
            );
        }
        problems.iter().map(|problem| format!("remote {:?}: {problem}", config.name)).collect()
    }

    fn is_per_caller(&self) -> bool {
        self.config.forwards_authorization
    }

    fn forwarded(&self) -> Vec<HeaderName> {
        let token = Some(header::AUTHORIZATION).filter(|_| self.config.forwards_authorization);
        self.config.forwarded.iter().cloned().chain(token).collect()
    }

    fn snapshot<'a>(
        &'a self,
        platform: &'a Platform,
        caller: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Found, Unavailable>> {
        Box::pin(snapshot::fresh(self, platform, caller))
    }

    fn known<'a>(
        &'a self,
        platform: &'a Platform,
        caller: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Found, Unavailable>> {
        Box::pin(snapshot::any(self, platform, caller))
    }

    fn peek(&self, platform: &Platform, caller: &HeaderMap) -> RemoteState {
        snapshot::peek(self, platform, caller)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address can hold a key.
        let host = match &self.config.address {
            Address::Given(url) => url.host(),
            Address::Setting(variable) => Some(variable.as_ref()),
            Address::None => None,
        };
        f.debug_struct("Remote")
            .field("name", &self.config.name)
            .field("host", &host)
            .field("era", &self.config.era)
            .finish_non_exhaustive()
    }
}
