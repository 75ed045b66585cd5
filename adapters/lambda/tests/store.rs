//! The DynamoDB store keeps the contract of every store, on two emulators of DynamoDB, and writes what its table says.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "common/emulators.rs"]
mod emulators;
#[path = "common/table.rs"]
mod table;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use edgemcp::{
    platform::{Clock as _, Vars},
    store::{Action, Condition, Consistency, Store, StoreErrorKind, Survey as _, Write},
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbStore, ITEM_VALUE_BYTES_MAX, VALUE_BYTES_MAX};
use edgemcp_testkit::{Report, Subject, run_all};
use emulators::Emulator;
use table::{HOUR, Table, config, key, keys, present, value};

async fn contract(emulator: &Emulator, set: impl FnOnce(DynamoDbConfig) -> DynamoDbConfig) -> Report {
    let table = Table::with(&emulator.address, set).await;
    let subject = Subject::new(table.store.clone(), table.clock.clone(), "run").surveyed_by(table.store);
    let report = run_all(&subject).await;
    println!("on {}:\n{report}", emulator.name);
    report
}

#[tokio::test]
async fn the_dynamodb_store_keeps_the_contract_on_dynoxide() {
    contract(&Emulator::dynamodb().await, |config| config).await.verdict().unwrap();
}

#[tokio::test]
async fn the_dynamodb_store_keeps_the_contract_on_ministack() {
    contract(&Emulator::ministack().await, |config| config).await.verdict().unwrap();
}

/// Every value of the contract that is longer than two bytes, and no counter, is then in parts.
fn split(config: DynamoDbConfig) -> DynamoDbConfig {
    config.part_bytes(2).value_bytes_max(512)
}

#[tokio::test]
async fn values_in_parts_keep_the_contract_on_dynoxide() {
    contract(&Emulator::dynamodb().await, split).await.verdict().unwrap();
}

#[tokio::test]
async fn values_in_parts_keep_the_contract_on_ministack() {
    contract(&Emulator::ministack().await, split).await.verdict().unwrap();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn binary(bytes: impl AsRef<[u8]>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.as_ref()))
}

#[tokio::test]
async fn an_item_has_the_attributes_that_the_table_is_documented_with() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        table.store.put(&key("text"), "value".into(), Some(Duration::from_millis(1_500))).await.unwrap();
        table.store.increment(&key("count"), 7, None).await.unwrap();
        let end = table.clock.now().after(Duration::from_millis(1_500));
        let names = |name: &str| ("collection/id".to_owned(), name.to_owned());
        let item = |name: &str, attributes: &[(&str, AttributeValue)]| {
            let keys = [("pk", text("collection/id")), ("sk", text(name))];
            let all = keys.iter().chain(attributes);
            (names(name), all.map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let ends = [("expires_ms", number(end.as_millis())), ("ttl", number(end.as_secs_ceil()))];
        let expected: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::from([
            item("text", &[("v", binary("value")), ends[0].clone(), ends[1].clone()]),
            item("count", &[("n", number(7))]),
        ]);
        assert_eq!(table.items().await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_large_value_has_the_items_that_the_table_is_documented_with() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        let (value, now) = (value(ITEM_VALUE_BYTES_MAX * 2 + 1, 1), table.clock.now());
        table.store.put(&key("large"), value.clone(), Some(HOUR)).await.unwrap();
        let items = table.items().await;
        let head = &items[&("collection/id".to_owned(), "large".to_owned())];
        let id = head["large_id"].as_s().unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &value);
        let end = now.after(HOUR);
        let expected = [
            ("pk", text("collection/id")),
            ("sk", text("large")),
            ("large_id", text(id)),
            ("large_parts", number(3)),
            ("large_bytes", number(value.len())),
            ("large_sha256", binary(digest)),
            ("expires_ms", number(end.as_millis())),
            ("ttl", number(end.as_secs_ceil())),
        ];
        assert_eq!(*head, expected.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!(items.len(), 4);
        for (at, chunk) in value.chunks(ITEM_VALUE_BYTES_MAX).enumerate() {
            let (partition, sort) = (format!("collection/id/large/{id}"), format!("000{at}"));
            let part = &items[&(partition.clone(), sort.clone())];
            let expected = [
                ("pk", text(&partition)),
                ("sk", text(&sort)),
                ("v", binary(chunk)),
                ("written_ms", number(now.as_millis())),
                ("ttl", number(end.as_secs_ceil() + 24 * 3600)),
            ];
            assert!(*part == expected.map(|(name, value)| (name.to_owned(), value)).into(), "part {at}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_transaction_over_what_dynamodb_takes_is_refused_with_its_size_and_larger_values_are_not_in_it() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        let partition = key("x").partition().clone();
        let writes = |count: usize, bytes: usize| -> Vec<_> {
            (0..count).map(|n| Write::put(format!("n{n}"), value(bytes, n as u64), None)).collect()
        };
        let error = table.store.transact(&partition, &writes(11, 400_000)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
        for size in ["4405632", "4194304"] {
            assert!(error.to_string().contains(size), "{error}");
        }
        assert!(table.items().await.is_empty(), "nothing of it is written");
        // MiniStack counts the request's base64 for the items' bytes.
        let fitting = if emulator.name == "ministack" { 7 } else { 10 };
        assert!(table.store.transact(&partition, &writes(fitting, 400_000)).await.unwrap());
        let large = writes(3, VALUE_BYTES_MAX);
        assert!(table.store.transact(&partition, &large).await.unwrap());
        for write in &large {
            let Action::Put { value, .. } = &write.action else { panic!("{write:?}") };
            assert!(table.get(&key(&write.item)).await.as_ref() == Some(value), "{}", write.item);
        }
    })
    .await;
}

#[tokio::test]
async fn digits_in_another_form_than_a_counters_own_can_be_added_to() {
    Emulator::each(async |emulator| {
        // The last of them is in parts.
        let table = Table::with(&emulator.address, |config| config.part_bytes(16)).await;
        let end = Some(table.clock.now().after(HOUR));
        let long = format!("{:040}", 7);
        let cases =
            [("plus", "+7", Some(HOUR), end), ("zero", "007", None, None), ("long", &long, Some(HOUR), end)];
        for (item, digits, ttl, expires_at) in cases {
            let key = key(item);
            table.store.put(&key, digits.to_owned().into(), ttl).await.unwrap();
            assert_eq!(table.store.increment(&key, 1, Some(HOUR * 2)).await.unwrap(), 8);
            let entry = table.store.get(&key, Consistency::Strong).await.unwrap().unwrap();
            assert_eq!((entry.value.as_ref(), entry.expires_at), (&b"8"[..], expires_at), "{digits}");
        }
        assert_eq!(table.parts().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_listing_of_large_values_goes_on_where_a_page_ends_by_its_size() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        let sizes = [ITEM_VALUE_BYTES_MAX, VALUE_BYTES_MAX, 3, VALUE_BYTES_MAX, ITEM_VALUE_BYTES_MAX, 4];
        let values: Vec<_> = (0..).zip(sizes).map(|(seed, bytes)| value(bytes, seed)).collect();
        for (name, value) in ["a", "b", "c", "d", "e", "f"].iter().zip(&values) {
            table.store.put(&key(name), value.clone(), None).await.unwrap();
        }
        let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = table.store.list(key("a").partition(), after.as_deref(), 100).await.unwrap();
            let bytes: usize = page.entries.iter().map(|(_, entry)| entry.value.len()).sum();
            assert!(page.entries.len() == 1 || bytes <= 4 << 20, "{bytes} bytes in one page");
            listed.extend(page.entries.into_iter().map(|(_, entry)| entry.value));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(listed == values);
        assert!(pages > 2, "{pages} pages for eight megabytes");
    })
    .await;
}

#[tokio::test]
async fn a_condition_on_a_large_value_holds_of_that_value_alone() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        let (old, new) = (value(ITEM_VALUE_BYTES_MAX + 5, 1), value(ITEM_VALUE_BYTES_MAX + 5, 2));
        let put_if = async |value: &_, condition| {
            table.store.put_if(&key("x"), bytes::Bytes::clone(value), Some(HOUR), condition).await.unwrap()
        };
        assert!(put_if(&old, Condition::Absent).await);
        assert!(!put_if(&new, Condition::Absent).await);
        assert!(!put_if(&new, Condition::Equals(new.clone())).await);
        assert!(!put_if(&new, Condition::Equals("small".into())).await);
        assert!(put_if(&new, Condition::Equals(old.clone())).await);
        assert!(table.get(&key("x")).await == Some(new.clone()));
        assert_eq!(table.parts().await, 2, "those of the new value");
        table.clock.advance(HOUR);
        assert!(!put_if(&old, Condition::Equals(new)).await, "it has ended");
        assert!(put_if(&old, Condition::Absent).await);
        assert!(table.get(&key("x")).await == Some(old));
        assert_eq!(table.parts().await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_table_written_with_another_part_size_is_read_compared_and_written_over() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        let small = table.another(|config| config.part_bytes(4));
        small.put(&key("x"), "in parts".into(), None).await.unwrap();
        assert_eq!(table.get(&key("x")).await.unwrap(), "in parts");
        let equals = |value: &'static str| Condition::Equals(value.into());
        assert!(table.store.put_if(&key("x"), "in one".into(), None, equals("in parts")).await.unwrap());
        assert_eq!(table.parts().await, 0);
        assert!(small.put_if(&key("x"), "in parts".into(), None, equals("in one")).await.unwrap());
        let writes = [Write::check("x", equals("in parts")), Write::put("y", "z", None)];
        assert!(table.store.transact(key("x").partition(), &writes).await.unwrap());
        let writes = [Write::put("x", "in one", None).when(equals("in parts"))];
        assert!(table.store.transact(key("x").partition(), &writes).await.unwrap());
        assert_eq!(table.get(&key("x")).await.unwrap(), "in one");
        assert_eq!(table.parts().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_survey_tells_a_large_value_as_one_entry_with_its_whole_length() {
    Emulator::each(async |emulator| {
        let table = Table::new(&emulator.address).await;
        for (item, bytes) in [("large", VALUE_BYTES_MAX), ("small", 3)] {
            table.store.put(&key(item), value(bytes, 1), None).await.unwrap();
        }
        let (mut found, mut after, mut pages) = (BTreeMap::new(), None, 0);
        loop {
            let page = table.store.survey(after.as_deref()).await.unwrap();
            found.extend(page.entries.into_iter().map(|entry| (entry.key, entry.value_bytes)));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, BTreeMap::from([(key("large"), VALUE_BYTES_MAX), (key("small"), 3)]));
        assert!(pages > 1, "DynamoDB reads a megabyte at a time");
        let error = table.store.survey(Some("nowhere")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::InvalidKey, "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_the_way_out() {
    Emulator::each(async |emulator| {
        let config = config(&emulator.address);
        let store = DynamoDbStore::new(config.clone(), Arc::new(present()));
        let error = store.get(&key("x"), Consistency::Strong).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        let text = error.to_string();
        for part in ["store get: ", config.table(), "eu-central-1", "EDGEMCP_TABLE"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    })
    .await;
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
    Emulator::each(async |emulator| {
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
    })
    .await;
}
