//! Which Redis, how to reach it, and who is asking; the URL that says so, and how it is shown without its secrets.

use std::{fmt, str::FromStr, time::Duration};

use edgemcp::store::{StoreError, StoreErrorKind};
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates,
    io::tcp::TcpSettings,
};

use crate::name::{Names, PREFIX, prefix_problem};

/// How long one operation may take in all, unless [`RedisConfig::operation_timeout`] says otherwise.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long Redis may take to accept a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// After how long without a word an idle connection is probed.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);

/// How long between two probes, and how many of them may stay without an answer.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVES_MAX: u32 = 3;

/// What a URL may be, as a wrong one is told.
const FORM: &str = "`redis://user:password@host:6379/0`, `rediss://…` for TLS, `valkey://…`, `valkeys://…`, or `unix:///path`";

/// What a URL's query may set, as an unknown one is told.
const SETTINGS: &str =
    "`cluster`, `node=HOST:PORT`, `prefix=NAME` and `ca=FILE`, of a socket also `user`, `pass` and `db`";

/// The Redis or Valkey of a [`RedisStore`](crate::RedisStore): one server, or a cluster.
///
/// As text it is a URL: `redis://` or `valkey://`, `rediss://` or `valkeys://` for TLS, `unix:///path/to/redis.sock` for
/// a socket. User and password stand in front of the host, percent-encoded, the database's number behind it. Of a socket
/// they are `user`, `pass` and `db` in the query.
///
/// The query says the rest: `cluster` where it is one (with `node=host:port`, as often as there are more to begin with),
/// `prefix` for the name that all keys begin with, and `ca` for the file of a certificate authority of one's own.
///
/// Its debug form does not show the password.
///
/// ```
/// use edgemcp_redis::RedisConfig;
///
/// let config: RedisConfig = "rediss://app:s3cret@redis.example:6380/?cluster&prefix=calculator".parse()?;
/// assert_eq!(config.to_string(), "rediss://app:***@redis.example:6380/");
/// let error = "redis://app:s3cret@host:port".parse::<RedisConfig>().unwrap_err();
/// assert!(!error.to_string().contains("s3cret"));
/// # Ok::<_, edgemcp::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    /// The URL without its secrets and its query.
    shown: String,
    node: ConnectionInfo,
    more_nodes: Vec<ConnectionInfo>,
    is_cluster: bool,
    prefix: String,
    ca: Option<Vec<u8>>,
    pub(crate) operation_timeout: Duration,
}

impl RedisConfig {
    /// The server that `url` names.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied) where it is none, or cannot be meant; the password is not in the text.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let shown = redacted(url);
        let wrong = |why: &str| denied(&format!("the URL {shown:?} {why}"));
        let mut parsed = redis::parse_redis_url(url)
            .ok_or_else(|| wrong(&format!("is none of a Redis (it takes {FORM})")))?;
        if parsed.fragment().is_some() {
            return Err(wrong(
                "has a `#`; a password with one is written `%23`, and certificates are always checked (`ca=FILE` names \
                 an authority of your own)",
            ));
        }
        let is_socket = parsed.scheme().contains("unix");
        let mut settings = Settings::default();
        let mut of_socket = Vec::new();
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "cluster" if value.is_empty() || value == "true" => settings.is_cluster = true,
                "node" => settings.more_nodes.push(value.into_owned()),
                "prefix" => settings.prefix = Some(value.into_owned()),
                "ca" => settings.ca = Some(value.into_owned()),
                "user" | "pass" | "db" if is_socket => {
                    of_socket.push((name.into_owned(), value.into_owned()));
                }
                _ => {
                    return Err(wrong(&format!("sets {name:?}, which is no setting (there are {SETTINGS})")));
                }
            }
        }
        parsed.set_query(None);
        if !of_socket.is_empty() {
            parsed.query_pairs_mut().extend_pairs(of_socket);
        }
        // What the library says of a URL has nothing of the URL in it, but for a number.
        let node = parsed
            .into_connection_info()
            .map_err(|error| wrong(&format!("cannot be meant: {error} (it takes {FORM})")))?;
        let mut config = Self {
            shown: shown.clone(),
            node,
            more_nodes: Vec::new(),
            is_cluster: false,
            prefix: PREFIX.to_owned(),
            ca: None,
            operation_timeout: OPERATION_TIMEOUT,
        };
        if let Some(prefix) = settings.prefix {
            config = config.prefix(prefix)?;
        }
        if let Some(path) = settings.ca {
            if !config.is_tls() {
                return Err(wrong("has a `ca`, which is for TLS (begin it with `rediss://`)"));
            }
            let pem = std::fs::read(&path)
                .map_err(|error| wrong(&format!("names the `ca` {path:?}, which cannot be read: {error}")))?;
            config = config.root_certificates(pem)?;
        }
        if settings.is_cluster || !settings.more_nodes.is_empty() {
            config = config.cluster(settings.more_nodes)?;
        }
        Ok(config)
    }

    /// Says that the server is one of a cluster, whose others are found by asking it. `nodes` are more to begin with, as
    /// `host:port`, should it be down; they have the same user, password and TLS.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied) where it is a socket, or has a database's number: a cluster has one.
    pub fn cluster<T: Into<String>>(
        mut self,
        nodes: impl IntoIterator<Item = T>,
    ) -> Result<Self, StoreError> {
        let shown = &self.shown;
        if matches!(self.node.addr(), ConnectionAddr::Unix(_)) {
            return Err(denied(&format!(
                "{shown} is a socket, and the nodes of a cluster are not (name a host)"
            )));
        }
        if self.node.redis_settings().db() != 0 {
            return Err(denied(&format!(
                "{shown} names a database, and a cluster has number 0 alone (set a `prefix` instead)"
            )));
        }
        self.is_cluster = true;
        for node in nodes {
            let node = self.at(&node.into())?;
            self.more_nodes.push(node);
        }
        Ok(self)
    }

    /// Another name than `edgemcp` for all keys and channels to begin with, so that several servers share one Redis and
    /// keep apart what is theirs: 1 to 64 letters, digits, dots, dashes and underscores.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied) where it is no such name.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, StoreError> {
        self.prefix = prefix.into();
        match prefix_problem(&self.prefix) {
            None => Ok(self),
            Some(problem) => Err(denied(&problem)),
        }
    }

    /// The certificates of the authorities that may vouch for the server, as PEM, in place of those that this machine
    /// trusts.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied) where they are none.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Result<Self, StoreError> {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let pem = pem.into();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.map_err(|error| error.to_string());
            let added =
                added.and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(|why| denied(&format!("the root certificates cannot be read: {why}")))?;
        }
        if roots.is_empty() {
            return Err(denied(
                "there is no certificate among the root certificates (PEM begins with `-----BEGIN`)",
            ));
        }
        self.ca = Some(pem);
        Ok(self)
    }

    /// Another limit than [`OPERATION_TIMEOUT`] for one operation, its attempts and the pauses between them.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    pub(crate) fn names(&self) -> Names {
        Names::new(self.prefix.clone(), self.node.redis_settings().db())
    }

    pub(crate) fn certificates(&self) -> Option<TlsCertificates> {
        self.ca.clone().map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.node.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The server that the URL names, as this store connects to it.
    pub(crate) fn first(&self) -> ConnectionInfo {
        prepared(self.node.clone())
    }

    /// The others of a cluster to begin with.
    pub(crate) fn others(&self) -> impl Iterator<Item = ConnectionInfo> {
        self.more_nodes.iter().cloned().map(prepared)
    }

    /// The same server at another address.
    fn at(&self, address: &str) -> Result<ConnectionInfo, StoreError> {
        let parsed = address.rsplit_once(':').and_then(|(host, port)| {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            Some((host.to_owned(), port.parse::<u16>().ok()?))
        });
        let Some((host, port)) = parsed.filter(|(host, _)| !host.is_empty() && !host.contains(['/', '@']))
        else {
            // A whole URL here may have a password in it.
            let node = redacted(address);
            return Err(denied(&format!(
                "the node {node:?} is no `host:port`, such as `redis-2.example:6379`"
            )));
        };
        let addr = match self.node.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Ok(self.node.clone().set_addr(addr))
    }
}

/// What the query of a URL sets.
#[derive(Default)]
struct Settings {
    is_cluster: bool,
    more_nodes: Vec<String>,
    prefix: Option<String>,
    ca: Option<String>,
}

/// A node as this store connects to it.
fn prepared(node: ConnectionInfo) -> ConnectionInfo {
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVES_MAX);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    // The third version of the protocol tells of a lost connection at once, also on one that waits for nothing.
    let redis = node.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    node.set_tcp_settings(tcp).set_redis_settings(redis)
}

pub(crate) fn denied(detail: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Denied, "open", detail)
}

/// A URL as it may be shown: without the password, and without its query, where that of a socket stands. What is no whole
/// URL is hidden rather than guessed at, since what is mistyped is often the password.
fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let hidden = || format!("{scheme}://***");
    let (user, rest) = match rest.split_once('@') {
        None => (String::new(), rest),
        // One that is not encoded ends nobody knows where.
        Some((_, rest)) if rest.contains('@') => return hidden(),
        Some((user, _)) if user.contains(['/', '?', '#']) => return hidden(),
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:***@"), rest),
            None => (format!("{user}@"), rest),
        },
    };
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let authority = place.split('/').next().unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_address =
        authority.ends_with(']') || authority.rsplit_once(':').is_none_or(|(_, port)| is_port(port));
    if is_address { format!("{scheme}://{user}{place}") } else { hidden() }
}

impl FromStr for RedisConfig {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        Self::parse(url)
    }
}

/// The URL, without the password and the query.
impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.shown)
            .field(
                "more_nodes",
                &self.more_nodes.iter().map(|node| node.addr().to_string()).collect::<Vec<_>>(),
            )
            .field("is_cluster", &self.is_cluster)
            .field("prefix", &self.prefix)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> RedisConfig {
        url.parse().unwrap()
    }

    fn refused(url: &str) -> String {
        let error = RedisConfig::parse(url).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied);
        error.to_string()
    }

    #[test]
    fn a_url_says_where_it_is_who_asks_and_which_database() {
        let config = parsed("redis://app:s%40cret@redis.example:6380/7");
        assert_eq!(config.node.addr().to_string(), "redis.example:6380");
        let redis = config.node.redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("app"), Some("s@cret"), 7));
        assert_eq!(parsed("valkey://[::1]").node.addr().to_string(), "::1:6379");
        for (url, is_tls) in
            [("redis://h", false), ("valkey://h", false), ("rediss://h", true), ("valkeys://h", true)]
        {
            assert_eq!(matches!(parsed(url).node.addr(), ConnectionAddr::TcpTls { .. }), is_tls, "{url}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_has_user_password_and_database_in_its_query() {
        let config = parsed("unix:///run/redis.sock?user=app&pass=a@b&db=2&prefix=x");
        assert_eq!(config.node.addr().to_string(), "/run/redis.sock");
        let redis = config.node.redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("app"), Some("a@b"), 2));
        assert_eq!((config.to_string().as_str(), config.prefix.as_str()), ("unix://***", "x"));
        assert_eq!(parsed("unix:///run/redis.sock?pass=word").to_string(), "unix:///run/redis.sock");
    }

    #[test]
    fn the_query_says_what_a_url_has_no_place_for() {
        let config = parsed("redis://:pw@h/?cluster&node=a:1&node=[::1]:2&prefix=calculator");
        assert!(config.is_cluster());
        let nodes: Vec<_> = std::iter::once(config.first()).chain(config.others()).collect();
        let addresses: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(addresses, ["h:6379", "a:1", "::1:2"]);
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("pw")));
        assert_eq!(config.names().prefix(), "calculator");
        assert!(!parsed("redis://h").is_cluster());
        assert_eq!(parsed("redis://h").names().prefix(), "edgemcp");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_there_is() {
        for (url, parts) in [
            ("postgres://h", ["is none of a Redis", "rediss://"]),
            ("h:6379", ["is none of a Redis", "`redis://"]),
            ("redis://h/x", ["cannot be meant", "database number"]),
            ("redis://h/?protocol=resp2", ["\"protocol\"", "`prefix=NAME`"]),
            ("redis://h/?pass=x", ["\"pass\"", "there are"]),
            ("redis://h/?cluster=3", ["\"cluster\"", "`cluster`"]),
            ("rediss://h/#insecure", ["`#`", "ca=FILE"]),
            ("redis://h/?ca=/ca.pem", ["is for TLS", "rediss://"]),
            ("rediss://h/?ca=/no/such/ca.pem", ["/no/such/ca.pem", "cannot be read"]),
            ("redis://h/?prefix=a*", ["\"a*\"", "letters"]),
            ("redis://h/3?cluster", ["number 0", "`prefix`"]),
            ("redis://h/?node=b", ["\"***\"", "`host:port`"]),
            ("unix:///run/redis.sock?cluster", ["socket", "name a host"]),
        ] {
            let error = refused(url);
            assert!(parts.iter().all(|part| error.contains(part)), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_is_in_no_text_however_the_url_is_mistyped() {
        for url in [
            "redis://app:s3cret@h:port",
            "redis://app:s3cret@h/x",
            "redis://:s3cret",
            "redis://app:s3cret",
            "redis:app:s3cret@h",
            "redis://app:s3cret?x@h",
            "redis://app:s3cret/x@h",
            "redis://app:pw@s3cret@h/x",
            "redis://app:s3cret@h/?node=redis://app:s3cret@b:1",
            "redis://app:s3cret@h/#s3cret",
            "app:s3cret@h",
            "http://app:s3cret@h",
            "unix:///sock?db=x&pass=s3cret",
            "unix:///sock?db=x&pass=a@s3cret",
        ] {
            let error = refused(url);
            assert!(!error.contains("s3cret"), "{url}: {error}");
        }
        for url in ["redis://app:s3cret@h", "unix:///sock?pass=s3cret", "redis://s3cret@h/?cluster&node=b:1"]
        {
            let config = parsed(&url.replace("s3cret@h/?", "app:s3cret@h/?"));
            assert!(!format!("{config:?} {config}").contains("s3cret"), "{config:?}");
        }
    }

    #[test]
    fn root_certificates_are_read_at_once() {
        for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = parsed("rediss://h").root_certificates(pem).unwrap_err();
            assert!(error.to_string().contains("root certificates"), "{error}");
        }
    }
}
