//! The DynamoDB store keeps the contract of every store, on an emulator of DynamoDB, and writes what its table says.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "common/emulators.rs"]
mod emulators;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use edgemcp::{
    platform::{Clock as _, Timestamp, Vars},
    store::{Consistency, KEY_PART_BYTES_MAX, Key, Store, StoreErrorKind},
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore, VALUE_BYTES_MAX};
use edgemcp_testkit::{ManualClock, Subject, run_all};
use emulators::Emulator;

/// A table of its own on a DynamoDB emulator.
fn config(emulator: &Emulator) -> DynamoDbConfig {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let table = format!("table-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    DynamoDbConfig::new(table, "eu-central-1", keys()).endpoint(emulator.url())
}

async fn store(emulator: &Emulator) -> (DynamoDbStore, ManualClock) {
    let clock = present();
    let store = DynamoDbStore::new(config(emulator), Arc::new(clock.clone()));
    store.create_table().await.unwrap();
    (store, clock)
}

fn keys() -> DynamoDbCredentials {
    DynamoDbCredentials::new("emulated", "emulated", None)
}

/// A clock that stands at the real present, since the emulator deletes by the real one.
fn present() -> ManualClock {
    #[expect(clippy::disallowed_methods, reason = "the emulator's own deletion goes by the system's clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    ManualClock::at(Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap()))
}

const HOUR: Duration = Duration::from_secs(3600);

fn key(item: &str) -> Key {
    Key::new("collection", "id", item).unwrap()
}

#[tokio::test]
async fn the_dynamodb_store_keeps_the_contract() {
    let emulator = Emulator::dynamodb().await;
    let (store, clock) = store(&emulator).await;
    let report = run_all(&Subject::new(Arc::new(store), clock, "run")).await;
    print!("{report}");
    report.verdict().unwrap();
}

#[tokio::test]
async fn an_item_has_the_attributes_that_the_table_is_documented_with() {
    let emulator = Emulator::dynamodb().await;
    let clock = present();
    let config = config(&emulator);
    let store = DynamoDbStore::new(config.clone(), Arc::new(clock.clone()));
    store.create_table().await.unwrap();
    store.put(&key("text"), "value".into(), Some(Duration::from_millis(1_500))).await.unwrap();
    store.increment(&key("count"), 7, None).await.unwrap();

    let raw = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("a", "b", None, None, "test"))
            .endpoint_url(emulator.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    );
    let items = raw.scan().table_name(config.table()).send().await.unwrap().items.unwrap();
    let item = |name: &str| {
        let item = items.iter().find(|item| item["sk"].as_s().unwrap() == name).unwrap().clone();
        item.into_iter().collect::<BTreeMap<_, _>>()
    };
    let end = clock.now().after(Duration::from_millis(1_500));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: u64| AttributeValue::N(number.to_string());
    let expected = BTreeMap::from([
        ("pk".to_owned(), text("collection/id")),
        ("sk".to_owned(), text("text")),
        ("v".to_owned(), AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("value"))),
        ("expires_ms".to_owned(), number(end.as_millis())),
        ("ttl".to_owned(), number(end.as_secs_ceil())),
    ]);
    assert_eq!(item("text"), expected);
    let expected = BTreeMap::from([
        ("pk".to_owned(), text("collection/id")),
        ("sk".to_owned(), text("count")),
        ("n".to_owned(), number(7)),
    ]);
    assert_eq!(item("count"), expected);
}

#[tokio::test]
async fn the_largest_value_fits_beside_the_longest_key() {
    let emulator = Emulator::dynamodb().await;
    let (store, _) = store(&emulator).await;
    let part = "x".repeat(KEY_PART_BYTES_MAX);
    let key = Key::new(&*part, &*part, &*part).unwrap();
    let value = Bytes::from(vec![b'v'; VALUE_BYTES_MAX]);
    store.put(&key, value.clone(), Some(HOUR)).await.unwrap();
    let entry = store.get(&key, Consistency::Strong).await.unwrap().unwrap();
    assert!(entry.value == value);
}

#[tokio::test]
async fn digits_in_another_form_than_a_counters_own_can_be_added_to() {
    let emulator = Emulator::dynamodb().await;
    let (store, clock) = store(&emulator).await;
    let end = Some(clock.now().after(HOUR));
    for (item, digits, ttl, expires_at) in [("plus", "+7", Some(HOUR), end), ("zero", "007", None, None)] {
        let key = key(item);
        store.put(&key, digits.into(), ttl).await.unwrap();
        assert_eq!(store.increment(&key, 1, Some(HOUR * 2)).await.unwrap(), 8);
        let entry = store.get(&key, Consistency::Strong).await.unwrap().unwrap();
        assert_eq!((entry.value.as_ref(), entry.expires_at), (&b"8"[..], expires_at), "{digits}");
    }
}

#[tokio::test]
async fn a_listing_of_large_values_goes_on_where_dynamodb_ends_a_page() {
    let emulator = Emulator::dynamodb().await;
    let (store, _) = store(&emulator).await;
    let names = ["a", "b", "c", "d"];
    for name in names {
        store.put(&key(name), Bytes::from(vec![b'v'; VALUE_BYTES_MAX]), None).await.unwrap();
    }
    let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.list(key("a").partition(), after.as_deref(), 100).await.unwrap();
        listed.extend(page.entries.into_iter().map(|(name, _)| name));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, names);
    assert!(pages > 1, "DynamoDB reads a megabyte at a time");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_the_way_out() {
    let emulator = Emulator::dynamodb().await;
    let config = config(&emulator);
    let store = DynamoDbStore::new(config.clone(), Arc::new(present()));
    let error = store.get(&key("x"), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    let text = error.to_string();
    for part in ["store get: ", config.table(), "eu-central-1", "EDGEMCP_TABLE"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable() {
    let config = DynamoDbConfig::new("table", "eu-central-1", keys()).endpoint("http://127.0.0.1:1");
    let store = DynamoDbStore::new(config, Arc::new(present()));
    let error = store.get(&key("x"), Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable());
}

struct Set(BTreeMap<&'static str, String>);

impl Vars for Set {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

#[tokio::test]
async fn an_emulators_table_is_made_on_first_use_where_the_environment_says_so() {
    let emulator = Emulator::dynamodb().await;
    let vars = Set(BTreeMap::from([
        ("EDGEMCP_TABLE", "made".to_owned()),
        ("EDGEMCP_CREATE_TABLE", "1".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", emulator.url()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "emulated".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "emulated".to_owned()),
    ]));
    let config = DynamoDbConfig::from_vars(&vars).unwrap().unwrap();
    let one = DynamoDbStore::new(config.clone(), Arc::new(present()));
    let other = DynamoDbStore::new(config, Arc::new(present()));
    assert_eq!(one.increment(&key("count"), 1, None).await.unwrap(), 1);
    assert_eq!(other.increment(&key("count"), 1, None).await.unwrap(), 2, "a table that is there stays");
}
