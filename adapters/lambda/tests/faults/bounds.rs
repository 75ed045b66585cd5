//! As many entries, as odd keys, as large values and as strange items as there can be.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use edgemcp::store::{
    Condition, Consistency, Key, Partition, Put, Store as _, StoreErrorKind, Survey as _, Write,
};
use edgemcp_lambda::{ITEM_VALUE_BYTES_MAX, VALUE_BYTES_MAX};

use crate::{
    emulators::Emulator,
    table::{HOUR, Table, key, tell, value},
};

#[tokio::test]
async fn ten_thousand_keys_of_one_partition_are_paged_without_gap_or_double() {
    const KEYS: usize = 10_000;
    let (mut all, mut lost) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::new(&emulator.address).await;
        let count = emulator.rounds(KEYS);
        let items: Vec<_> = (0..count).map(|n| format!("n{n:05}")).collect();
        for some in items.chunks(500) {
            let puts: Vec<_> = some.iter().map(|item| Put::new(key(item), item.clone(), None)).collect();
            table.store.put_many(&puts).await.unwrap();
        }
        let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = table.store.list(key("x").partition(), after.as_deref(), 100).await.unwrap();
            pages += 1;
            listed.extend(page.entries.into_iter().map(|(item, entry)| {
                assert_eq!(entry.value, item);
                item
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        all += count;
        lost += items.iter().filter(|item| listed.binary_search(item).is_err()).count();
        assert_eq!(listed, items, "in their order, each once");
        assert_eq!(pages, count / 100);
    }
    tell("10,000 keys in one partition", all, lost);
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn every_character_of_a_key_goes_through_every_operation() {
    let (mut all, mut lost) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::with(&emulator.address, |config| config.part_bytes(4)).await;
        let store = &table.store;
        let odd: Vec<_> = ('!'..='~').filter(|odd| *odd != '/').collect();
        let mut keys = Vec::new();
        for odd in &odd {
            let name = |place: &str| place.replace('?', &odd.to_string());
            for [collection, id, item] in [["?", "i", "x"], ["c", "?", "x"], ["c", "i", "?"], ["?", "?", "?"]]
            {
                keys.push(Key::new(name(collection), name(id), name(item)).unwrap());
            }
        }
        keys.sort();
        keys.dedup();
        // Some in one item, some in parts.
        let value_of = |key: &Key| key.to_string().chars().rev().collect::<String>();
        for key in &keys {
            let partition = key.partition();
            assert!(store.put_if(key, "1".into(), None, Condition::Absent).await.unwrap());
            assert_eq!(store.increment(key, 1, None).await.unwrap(), 2);
            let writes = [Write::put(key.item(), "x", None).when(Condition::Equals("2".into()))];
            assert!(store.transact(partition, &writes).await.unwrap());
            assert_eq!(store.take(key).await.unwrap().unwrap().value, "x");
        }
        let puts: Vec<_> = keys.iter().map(|key| Put::new(key.clone(), value_of(key), None)).collect();
        store.put_many(&puts).await.unwrap();
        let read = store.get_many(&keys, Consistency::Strong).await.unwrap();
        let mut listed = BTreeMap::new();
        for partition in keys.iter().map(Key::partition).collect::<std::collections::BTreeSet<_>>() {
            let page = store.list(partition, None, 100).await.unwrap();
            listed.extend(
                page.entries.into_iter().map(|(item, entry)| (partition.item(item).unwrap(), entry.value)),
            );
        }
        let (mut surveyed, mut after) = (BTreeMap::new(), None);
        loop {
            let page = store.survey(after.as_deref()).await.unwrap();
            surveyed.extend(page.entries.into_iter().map(|entry| (entry.key, entry.value_bytes)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (key, read) in keys.iter().zip(read) {
            all += 1;
            let value = value_of(key);
            let is_there = read.is_some_and(|entry| entry.value == value)
                && listed.get(key).is_some_and(|listed| *listed == value)
                && surveyed.get(key) == Some(&value.len());
            lost += usize::from(!is_there);
        }
        assert_eq!((listed.len(), surveyed.len()), (keys.len(), keys.len()));
        for key in &keys {
            store.delete(key).await.unwrap();
        }
        assert!(table.items().await.is_empty());
    }
    tell("keys with every character", all, lost);
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn the_largest_values_fit_beside_the_longest_key_and_one_byte_more_is_refused_with_its_size() {
    let (mut all, mut lost) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::new(&emulator.address).await;
        let part = "x".repeat(edgemcp::store::KEY_PART_BYTES_MAX);
        let key = Key::new(&*part, &*part, &*part).unwrap();
        let fits = [ITEM_VALUE_BYTES_MAX, ITEM_VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX - 1, VALUE_BYTES_MAX];
        for (seed, bytes) in (0..).zip(fits) {
            all += 1;
            let value = value(bytes, seed);
            table.store.put(&key, value.clone(), Some(HOUR)).await.unwrap();
            lost += usize::from(table.get(&key).await != Some(value));
            let parts = if bytes <= ITEM_VALUE_BYTES_MAX { 0 } else { bytes.div_ceil(ITEM_VALUE_BYTES_MAX) };
            assert_eq!(table.parts().await, parts, "{bytes} bytes");
        }
        // A configuration that wants none to be split.
        let plain = table.another(|config| config.value_bytes_max(ITEM_VALUE_BYTES_MAX));
        assert_eq!(plain.capabilities().value_bytes_max, Some(ITEM_VALUE_BYTES_MAX));
        let largest = value(ITEM_VALUE_BYTES_MAX, 9);
        plain.put(&key, largest.clone(), None).await.unwrap();
        for (store, max) in [(&*table.store, VALUE_BYTES_MAX), (&plain, ITEM_VALUE_BYTES_MAX)] {
            all += 1;
            let error = store.put(&key, value(max + 1, 10), None).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
            for size in [max, max + 1] {
                assert!(error.to_string().contains(&size.to_string()), "{error}");
            }
        }
        assert!(table.get(&key).await == Some(largest), "what is refused leaves what was there");
    }
    tell("values at the limit and one byte over", all, lost);
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn items_that_somebody_else_wrote_are_damage_and_can_be_written_over() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let value = ("v", AttributeValue::B(Blob::new("v")));
    let foreign: Vec<Vec<(&str, AttributeValue)>> = vec![
        vec![],
        vec![("v", text("text"))],
        vec![("v", AttributeValue::Null(true))],
        vec![("v", AttributeValue::L(vec![text("a")]))],
        vec![("v", AttributeValue::M([("v".to_owned(), text("a"))].into()))],
        vec![("n", text("7"))],
        vec![("n", number("1.5"))],
        vec![("n", number("9223372036854775808"))],
        vec![value.clone(), ("n", number("1"))],
        vec![value.clone(), ("expires_ms", text("soon"))],
        vec![value.clone(), ("expires_ms", number("1e30"))],
        vec![value.clone(), ("expires_ms", AttributeValue::Bool(true))],
        vec![("data", text("of another program")), ("ttl", text("x"))],
    ];
    let mut all = 0;
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        for attributes in &foreign {
            all += 1;
            let table = Table::new(&emulator.address).await;
            let (store, key) = (&table.store, key("x"));
            table.put_raw(&key, attributes).await;
            let keys = [key.clone()];
            let mut errors = vec![
                store.get(&key, Consistency::Strong).await.unwrap_err(),
                store.get_many(&keys, Consistency::Strong).await.unwrap_err(),
                store.list(key.partition(), None, 10).await.unwrap_err(),
                store.survey(None).await.unwrap_err(),
            ];
            // What counts up in spite of the rest counts; an end that is no number does not let it.
            errors.push(store.increment(&key, 1, None).await.unwrap_err());
            for error in errors {
                assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{attributes:?}: {error}");
                assert!(error.to_string().contains("collection/id/x"), "{error}");
            }
            store.purge_expired().await.unwrap();
            assert!(!store.put_if(&key, "mine".into(), None, Condition::Absent).await.unwrap_or(false));
            assert_eq!(table.items().await.len(), 1, "{attributes:?}: what is not understood stays");
            store.put(&key, "mine".into(), None).await.unwrap();
            assert_eq!(table.get(&key).await.unwrap(), "mine");
            table.put_raw(&key, attributes).await;
            let error = store.take(&key).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{attributes:?}: {error}");
            table.put_raw(&key, attributes).await;
            store.delete(&key).await.unwrap();
            assert!(table.items().await.is_empty());
        }
        // A key that is none of ours.
        let table = Table::new(&emulator.address).await;
        table.put_raw_named("collection/id", "with a space", &[("v", value.1.clone())]).await;
        let partition = Partition::new("collection", "id").unwrap();
        let listed = table.store.list(&partition, None, 10).await.unwrap_err();
        let surveyed = table.store.survey(None).await.unwrap_err();
        for error in [listed, surveyed] {
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("with a space"), "{error}");
        }
        assert_eq!(table.store.purge_expired().await.unwrap(), 0);
    }
    tell("items that somebody else wrote", all, 0);
}
