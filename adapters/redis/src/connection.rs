//! One connection to Redis for many callers: made when it is first needed, and made anew when it is lost.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use edgemcp::store::{StoreError, StoreErrorKind};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    config::{CONNECT_TIMEOUT, RedisConfig},
    error::{Failure, failed},
};

/// What hears of what Redis says unasked.
pub(crate) type Listener = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// What rustls says of a certificate, which the library hands on as a failure of the connection.
const NOT_VOUCHED_FOR: &str = "invalid peer certificate";

/// A connection that is open, or was. Clones are the same one.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    // It connects to each node by itself, and again where one is lost.
    Cluster(ClusterConnection),
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Node {
    /// The node at `host:port`; of an IPv6 address the last colon is the port's.
    pub(crate) fn read(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Connection {
    /// Connects. Where it fails, nothing was sent.
    pub(crate) async fn open(
        config: &RedisConfig,
        operation: &'static str,
        listener: Listener,
    ) -> Result<Self, Failure> {
        if config.is_tls() {
            use_ring();
        }
        let connecting = async {
            match config.is_cluster() {
                true => open_cluster(config, listener).await.map(Self::Cluster),
                false => open_single(config, listener).await.map(Self::Single),
            }
        };
        let why = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => failed(operation, config, &error).error,
            Err(_) => {
                let detail = format!("no connection to {config} within {CONNECT_TIMEOUT:?}");
                return Err(Failure::lost(operation, detail).unsent());
            }
        };
        let why_it_is = said(&why);
        if why.kind() != StoreErrorKind::Denied && !why_it_is.contains(NOT_VOUCHED_FOR) {
            return Err(Failure::of(why.kind(), operation, why_it_is).unsent());
        }
        let way_out = match why_it_is.contains(NOT_VOUCHED_FOR) {
            true => " (name the authority that vouches for it with `ca=FILE`)",
            false => "",
        };
        let detail = format!("{config} lets nobody in so: {why_it_is}{way_out}");
        Err(Failure::of(StoreErrorKind::Denied, operation, detail))
    }

    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => match command.query_async(connection).await {
                Err(error) if error.code() == Some("ASK") => asking(connection, command, error).await,
                answer => answer,
            },
        }
    }

    async fn send_to(&mut self, command: &Cmd, node: &Node) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let Node { host, port } = node.clone();
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                connection.route_command(command.clone(), route).await?.extract_error()
            }
        }
    }

    /// The nodes that have entries of their own; of a single server there is none to choose.
    async fn primaries(&mut self) -> RedisResult<Vec<Node>> {
        let Self::Cluster(connection) = self else { return Ok(Vec::new()) };
        let route = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = connection.route_command(redis::cmd("PING"), route).await?;
        let Value::Map(answers) = answers else { return Err(unexpected("PING")) };
        let node = |(address, _): (Value, Value)| {
            let address: String = redis::from_redis_value(address)?;
            Node::read(&address).ok_or_else(|| unexpected("PING"))
        };
        let mut nodes = answers.into_iter().map(node).collect::<RedisResult<Vec<_>>>()?;
        nodes.sort();
        // The library asks those that it is connected to, and does not say that there are others.
        let slots: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
        if nodes.len() < owners(&slots).ok_or_else(|| unexpected("CLUSTER SLOTS"))? {
            return Err((
                ErrorKind::ClusterConnectionNotFound,
                "one of the cluster's nodes cannot be reached",
            )
                .into());
        }
        Ok(nodes)
    }

    /// Asks to hear of what is published at `channel`, and waits until it is so.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Single(connection) => connection.subscribe(channel).await,
            // At the very node that has the partition: between nodes a message may be lost, and nobody would know.
            Self::Cluster(connection) => connection.ssubscribe(channel).await,
        }
    }

    /// Asks to hear of it no longer.
    pub(crate) async fn unsubscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Single(connection) => connection.unsubscribe(channel).await,
            Self::Cluster(connection) => connection.sunsubscribe(channel).await,
        }
    }
}

/// How many primaries there are in the answer to `CLUSTER SLOTS`: ranges, each with its first slot, its last one and its
/// nodes, the primary first, each with its address and its id.
fn owners(slots: &Value) -> Option<usize> {
    let Value::Array(ranges) = slots else { return None };
    let mut owners = std::collections::BTreeSet::new();
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let Some(Value::Array(primary)) = range.get(2) else { return None };
        let Some(Value::BulkString(id)) = primary.get(2) else { return None };
        owners.insert(id);
    }
    Some(owners.len())
}

fn unexpected(command: &'static str) -> RedisError {
    (ErrorKind::UnexpectedReturnType, "an answer of another form", command.to_owned()).into()
}

async fn open_single(config: &RedisConfig, listener: Listener) -> RedisResult<MultiplexedConnection> {
    let client = match config.certificates() {
        Some(certificates) => Client::build_with_tls(config.first(), certificates)?,
        None => Client::open(config.first())?,
    };
    // How long an answer may take is counted by whoever waits for it.
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_push_sender(push_sender(listener));
    client.get_multiplexed_async_connection_with_config(&settings).await
}

async fn open_cluster(config: &RedisConfig, listener: Listener) -> RedisResult<ClusterConnection> {
    let first = config.first();
    let tcp = first.tcp_settings().clone();
    // What was sent to a node that is then lost may have been done, so nothing is sent again by the library; what a node
    // refused because it has no such partition any more is, by whoever called.
    let mut builder = ClusterClientBuilder::new(std::iter::once(first).chain(config.others()))
        .retries(0)
        .use_protocol(redis::ProtocolVersion::RESP3)
        .tcp_settings(tcp)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(config.operation_timeout)
        .push_sender(push_sender(listener));
    if let Some(certificates) = config.certificates() {
        builder = builder.certs(certificates);
    }
    builder.build()?.get_async_connection().await
}

fn push_sender(listener: Listener) -> impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static {
    move |info| {
        listener(info);
        Ok(())
    }
}

/// Sends `command` to the node that a cluster is moving its partition to, as `refusal` says; that one takes it only after
/// it was told that it is meant.
async fn asking(
    connection: &mut ClusterConnection,
    command: &Cmd,
    refusal: RedisError,
) -> RedisResult<Value> {
    let node = refusal.redirect_node().and_then(|(address, _)| Node::read(address));
    let Some(Node { host, port }) = node else { return Err(refusal) };
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let node = SingleNodeRoutingInfo::ByAddress { host, port };
    let mut answers = connection.route_pipeline(both, 0, 2, node).await?;
    answers.pop().ok_or(refusal)?.extract_error()
}

/// What an error says, without the operation in front, which is said again.
fn said(error: &StoreError) -> String {
    let text = error.to_string();
    text.split_once(": ").map_or(text.clone(), |(_, detail)| detail.to_owned())
}

/// A program may have two crypto stacks linked, of which rustls does not choose one by itself and would panic.
fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, with its own choice; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The connection that a store's operations share.
pub(crate) struct Shared {
    config: RedisConfig,
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Connection,
    is_lost: Arc<AtomicBool>,
}

/// Where a command goes.
pub(crate) enum To<'a> {
    /// Where its keys are.
    Keys,
    /// This node.
    Node(&'a Node),
}

impl Shared {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { config, open: Mutex::new(None) }
    }

    pub(crate) fn config(&self) -> &RedisConfig {
        &self.config
    }

    /// Sends `command` once, and waits for its answer for `limit` at most.
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        command: &Cmd,
        to: To<'_>,
        limit: Duration,
    ) -> Result<Value, Failure> {
        let (mut connection, is_lost) = self.connection(operation).await?;
        let answer = async {
            match to {
                To::Keys => connection.send(command).await,
                To::Node(node) => connection.send_to(command, node).await,
            }
        };
        let answer = timeout(limit, answer).await;
        self.judge(operation, answer, &is_lost, limit)
    }

    /// The nodes that have entries of their own, in an order that stays; of a single server there is none to choose.
    pub(crate) async fn primaries(
        &self,
        operation: &'static str,
        limit: Duration,
    ) -> Result<Vec<Node>, Failure> {
        let (mut connection, is_lost) = self.connection(operation).await?;
        let nodes = timeout(limit, connection.primaries()).await;
        self.judge(operation, nodes, &is_lost, limit)
    }

    fn judge<T>(
        &self,
        operation: &'static str,
        answer: Result<RedisResult<T>, tokio::time::error::Elapsed>,
        is_lost: &AtomicBool,
        limit: Duration,
    ) -> Result<T, Failure> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if self.ends_the_connection(&error) {
                    is_lost.store(true, Ordering::Relaxed);
                }
                Err(failed(operation, &self.config, &error))
            }
            Err(_) => {
                // Behind a server that does not answer there may be none: a new connection tells, and an old one would
                // for as long as the system waits, which is minutes.
                if !self.config.is_cluster() {
                    is_lost.store(true, Ordering::Relaxed);
                }
                let detail = format!("no answer from {} within {limit:?}", self.config);
                Err(Failure::lost(operation, detail))
            }
        }
    }

    fn ends_the_connection(&self, error: &RedisError) -> bool {
        match self.config.is_cluster() {
            // One node that is lost is the library's to connect to again. Only its own end is told so.
            true => error.to_string().starts_with("redis_cluster: "),
            false => error.is_unrecoverable_error() || error.is_io_error(),
        }
    }

    /// The connection, and the mark of its loss.
    async fn connection(&self, operation: &'static str) -> Result<(Connection, Arc<AtomicBool>), Failure> {
        // Whoever comes meanwhile waits for the one attempt that is made.
        let mut open = self.open.lock().await;
        if let Some(Open { connection, is_lost }) = open.as_ref()
            && !is_lost.load(Ordering::Relaxed)
        {
            return Ok((connection.clone(), is_lost.clone()));
        }
        *open = None;
        let is_lost = Arc::new(AtomicBool::new(false));
        let (mark, is_cluster) = (is_lost.clone(), self.config.is_cluster());
        let listener: Listener = Arc::new(move |info| {
            if info.kind == PushKind::Disconnection && !is_cluster {
                mark.store(true, Ordering::Relaxed);
            }
        });
        let connection = Connection::open(&self.config, operation, listener).await?;
        *open = Some(Open { connection: connection.clone(), is_lost: is_lost.clone() });
        Ok((connection, is_lost))
    }
}
