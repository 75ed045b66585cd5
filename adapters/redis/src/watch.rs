//! Hears of changes through one connection, which is made for whoever watches first.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use edgemcp::{
    future::BoxStream,
    store::{Partition, StoreError, StoreErrorKind, Watchers},
};
use redis::{PushInfo, PushKind, Value};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    config::RedisConfig,
    connection::{Connection, Listener},
    error::{Failure, failed},
    name::Names,
};

const OPERATION: &str = "watch";

/// How often it is tried to begin a watch, where the connection is lost meanwhile.
const ATTEMPTS_MAX: u32 = 2;

/// What this store's watches stand on.
pub(crate) struct Subscriptions {
    config: RedisConfig,
    names: Names,
    watchers: Arc<Watchers>,
    open: Mutex<Option<Subscribed>>,
}

struct Subscribed {
    connection: Connection,
    channels: BTreeSet<Partition>,
    is_lost: Arc<AtomicBool>,
}

impl Subscriptions {
    pub(crate) fn new(config: RedisConfig, names: Names) -> Self {
        Self { config, names, watchers: Arc::default(), open: Mutex::new(None) }
    }

    /// What changes in `partition` from now on.
    pub(crate) async fn watch(
        &self,
        partition: &Partition,
    ) -> Result<BoxStream<'static, String>, StoreError> {
        let limit = self.config.operation_timeout;
        let watch = async {
            let mut attempts_left = ATTEMPTS_MAX;
            loop {
                attempts_left -= 1;
                let failure = match self.begin(partition).await {
                    Ok(watch) => return Ok(watch),
                    Err(failure) => failure,
                };
                if attempts_left == 0 || !failure.error.is_retryable() {
                    return Err(failure.error);
                }
            }
        };
        timeout(limit, watch).await.unwrap_or_else(|_| {
            let detail = format!("it was not begun at {} within {limit:?}", self.config);
            Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION, detail))
        })
    }

    async fn begin(&self, partition: &Partition) -> Result<BoxStream<'static, String>, Failure> {
        let mut open = self.open.lock().await;
        if open.as_ref().is_some_and(|open| open.is_lost.load(Ordering::Relaxed)) {
            *open = None;
        }
        let subscribed = match &mut *open {
            Some(subscribed) => subscribed,
            closed => closed.insert(self.connect().await?),
        };
        // Before Redis is asked, so that what is told from its answer on finds somebody who hears it.
        let watch = self.watchers.watch(partition);
        if let Err(error) = self.subscribe(subscribed, partition).await {
            *open = None;
            return Err(failed(OPERATION, &self.config, &error));
        }
        if subscribed.is_lost.load(Ordering::Relaxed) {
            *open = None;
            return Err(Failure::lost(OPERATION, format!("the connection to {} was lost", self.config)));
        }
        Ok(watch)
    }

    /// Sees to it that what happens in `partition` is told, and what nobody watches any more is not.
    async fn subscribe(&self, open: &mut Subscribed, partition: &Partition) -> redis::RedisResult<()> {
        if !open.channels.contains(partition) {
            open.connection.subscribe(&self.names.channel(partition)).await?;
            open.channels.insert(partition.clone());
        }
        let watched = self.watchers.partitions();
        let unwatched: Vec<_> = open.channels.difference(&watched).cloned().collect();
        for partition in unwatched {
            // Taken out first: what is told of it meanwhile is told to nobody, and it may be asked for anew.
            open.channels.remove(&partition);
            open.connection.unsubscribe(&self.names.channel(&partition)).await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Subscribed, Failure> {
        let is_lost = Arc::new(AtomicBool::new(false));
        let listener = listener(self.names.clone(), Arc::downgrade(&self.watchers), is_lost.clone());
        let connection = Connection::open(&self.config, OPERATION, listener).await?;
        Ok(Subscribed { connection, channels: BTreeSet::new(), is_lost })
    }
}

/// Tells the watchers what Redis tells, and ends them where something may have gone untold.
fn listener(names: Names, watchers: Weak<Watchers>, is_lost: Arc<AtomicBool>) -> Listener {
    Arc::new(move |info: PushInfo| {
        let Some(watchers) = watchers.upgrade() else { return };
        let end = || {
            is_lost.store(true, Ordering::Relaxed);
            watchers.end();
        };
        match info.kind {
            PushKind::Message | PushKind::SMessage => {
                let [channel, item] = info.data.as_slice() else { return };
                let partition = text(channel).and_then(|channel| names.channel_of(channel));
                let key = partition.zip(text(item)).and_then(|(partition, item)| partition.item(item).ok());
                // Anybody may publish anything there, and what is no item of ours is nobody's change.
                if let Some(key) = key {
                    watchers.tell(&key);
                }
            }
            PushKind::Disconnection => end(),
            // Unasked, where a cluster moves the partition to another node.
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                let channel = info.data.first().and_then(text);
                let partition = channel.and_then(|channel| names.channel_of(channel));
                if partition.is_some_and(|partition| watchers.partitions().contains(&partition)) {
                    end();
                }
            }
            _ => {}
        }
    })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
