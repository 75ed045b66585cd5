//! Tables on the emulators, stores on them, and a look at what stands in a table.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{Consistency, Key, Store as _},
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore};
use edgemcp_testkit::ManualClock;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A table on a DynamoDB, and a store on it whose clock stands.
pub(crate) struct Table {
    pub(crate) config: DynamoDbConfig,
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<DynamoDbStore>,
    raw: Client,
}

impl Table {
    /// An empty one.
    pub(crate) async fn new(address: &str) -> Self {
        Self::with(address, |config| config).await
    }

    /// An empty one, and a store on it that is configured so.
    pub(crate) async fn with(address: &str, set: impl FnOnce(DynamoDbConfig) -> DynamoDbConfig) -> Self {
        let config = set(config(address));
        let clock = present();
        let store = Arc::new(DynamoDbStore::new(config.clone(), Arc::new(clock.clone())));
        store.create_table().await.unwrap();
        Self { config, clock, store, raw: raw(address) }
    }

    /// Another store on this table, that is configured so.
    pub(crate) fn another(&self, set: impl FnOnce(DynamoDbConfig) -> DynamoDbConfig) -> DynamoDbStore {
        DynamoDbStore::new(set(self.config.clone()), Arc::new(self.clock.clone()))
    }

    /// Another store on this table, behind another address.
    pub(crate) fn behind(&self, address: &str) -> DynamoDbStore {
        self.another(|config| config.endpoint(format!("http://{address}")))
    }

    /// What the store reads under a key.
    pub(crate) async fn get(&self, key: &Key) -> Option<Bytes> {
        self.store.get(key, Consistency::Strong).await.unwrap().map(|entry| entry.value)
    }

    /// All items that stand in the table, by their keys.
    pub(crate) async fn items(&self) -> BTreeMap<(String, String), BTreeMap<String, AttributeValue>> {
        let (mut items, mut after) = (BTreeMap::new(), None);
        loop {
            let scan = self.raw.scan().table_name(self.config.table()).consistent_read(true);
            let page = scan.set_exclusive_start_key(after).send().await.unwrap();
            for item in page.items.unwrap() {
                let part = |name: &str| item[name].as_s().unwrap().clone();
                items.insert((part("pk"), part("sk")), item.clone().into_iter().collect());
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return items;
            }
        }
    }

    /// How many of them are parts of values.
    pub(crate) async fn parts(&self) -> usize {
        self.items().await.keys().filter(|(partition, _)| partition.matches('/').count() == 3).count()
    }

    /// Puts an item under a key as somebody else would.
    pub(crate) async fn put_raw(&self, key: &Key, attributes: &[(&str, AttributeValue)]) {
        self.put_raw_named(&key.partition().to_string(), key.item(), attributes).await;
    }

    /// Puts an item where no key of ours would.
    pub(crate) async fn put_raw_named(
        &self,
        partition: &str,
        sort: &str,
        attributes: &[(&str, AttributeValue)],
    ) {
        let keys = [("pk", partition), ("sk", sort)];
        let keys = keys.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let item: HashMap<_, _> = keys.into_iter().chain(attributes).collect();
        self.raw.put_item().table_name(self.config.table()).set_item(Some(item)).send().await.unwrap();
    }
}

/// A table of its own on the DynamoDB at this address.
pub(crate) fn config(address: &str) -> DynamoDbConfig {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let table = format!("table-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    DynamoDbConfig::new(table, "eu-central-1", keys()).endpoint(format!("http://{address}"))
}

pub(crate) fn keys() -> DynamoDbCredentials {
    DynamoDbCredentials::new("emulated", "emulated", None)
}

/// A client without the store's own code.
fn raw(address: &str) -> Client {
    Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .endpoint_url(format!("http://{address}"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    )
}

/// A clock that stands at the real present, since an emulator deletes by the real one.
pub(crate) fn present() -> ManualClock {
    #[expect(clippy::disallowed_methods, reason = "the emulator's own deletion goes by the system's clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    ManualClock::at(Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap()))
}

/// A clock that stands, and on which every sleep is over at once, which it notes.
#[derive(Clone)]
pub(crate) struct Tireless {
    clock: ManualClock,
    slept: Arc<std::sync::Mutex<Vec<Duration>>>,
}

impl Tireless {
    pub(crate) fn new() -> Self {
        Self { clock: present(), slept: Arc::default() }
    }

    /// How long each sleep was to be.
    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Clock for Tireless {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn key(item: &str) -> Key {
    Key::new("collection", "id", item).unwrap()
}

/// A value of so many bytes that no part of it is like another, and no other value's.
pub(crate) fn value(bytes: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut value = Vec::with_capacity(bytes + 8);
    while value.len() < bytes {
        value.extend_from_slice(&next());
    }
    value.truncate(bytes);
    value.into()
}

/// The line by which a suite of faults tells of one.
pub(crate) fn tell(fault: &str, rounds: usize, lost: usize) {
    println!("fault: {fault} on DynamoDB: {rounds} rounds, {lost} lost");
}
