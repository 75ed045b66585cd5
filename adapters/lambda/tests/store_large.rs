//! Values in parts, seen from beside: what they cost, what is left of them, and what a reader gets while they change.
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
#[path = "common/wire.rs"]
mod wire;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::store::{Action, Condition, Consistency, Put, Store, StoreErrorKind, Survey as _, Write};
use edgemcp_lambda::DynamoDbStore;
use emulators::Emulator;
use futures_util::future::try_join_all;
use table::{HOUR, Table, key, value};
use wire::{Asked, Told};

/// The address of a DynamoDB that is this one, but for what is told otherwise.
async fn between(to: &str, mut tell: impl FnMut(&Asked) -> Option<Told> + Send + 'static) -> String {
    let to = to.to_owned();
    wire::serve(move |asked| tell(asked).unwrap_or_else(|| Told::Pass(to.clone()))).await
}

/// A store on the table whose requests are noted.
async fn noted(table: &Table, address: &str) -> (DynamoDbStore, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let address = between(address, move |asked| {
        noted.lock().unwrap().push(asked.operation().to_owned());
        None
    })
    .await;
    (table.behind(&address), asked)
}

#[tokio::test]
async fn a_small_value_costs_one_request_whatever_is_done_with_it() {
    let emulator = Emulator::dynamodb().await;
    let table = Table::new(&emulator.address).await;
    let (store, asked) = noted(&table, &emulator.address).await;
    let (key, partition) = (key("x"), key("x").partition().clone());
    let expect = |operations: &[&str], what: &str| {
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), operations, "{what}");
    };
    store.put(&key, "1".into(), Some(HOUR)).await.unwrap();
    expect(&["PutItem"], "put where nothing is");
    store.put(&key, "a".into(), None).await.unwrap();
    expect(&["PutItem"], "put over another");
    store.get(&key, Consistency::Strong).await.unwrap().unwrap();
    expect(&["GetItem"], "get");
    assert!(!store.put_if(&key, "b".into(), None, Condition::Absent).await.unwrap());
    expect(&["PutItem"], "put_if where something is");
    assert!(store.put_if(&key, "b".into(), None, Condition::Equals("a".into())).await.unwrap());
    expect(&["PutItem"], "put_if over what it expects");
    assert!(!store.put_if(&key, "b".into(), None, Condition::Equals("a".into())).await.unwrap());
    expect(&["PutItem"], "put_if over another");
    assert_eq!(store.take(&key).await.unwrap().unwrap().value, "b");
    expect(&["DeleteItem"], "take");
    store.delete(&key).await.unwrap();
    expect(&["DeleteItem"], "delete");
    store.put(&key, "7".into(), None).await.unwrap();
    asked.lock().unwrap().clear();
    assert_eq!(store.increment(&key, 1, None).await.unwrap(), 8);
    expect(&["UpdateItem"], "increment");
    store.list(&partition, None, 100).await.unwrap();
    expect(&["Query"], "list");
    let puts: Vec<_> = (0..25).map(|n| Put::new(table::key(&format!("n{n}")), "v", None)).collect();
    store.put_many(&puts).await.unwrap();
    expect(&["BatchWriteItem"], "put_many of 25");
    let keys: Vec<_> = (0..100).map(|n| table::key(&format!("n{n}"))).collect();
    store.get_many(&[&keys[..], &keys[..]].concat(), Consistency::Strong).await.unwrap();
    expect(&["BatchGetItem"], "get_many of a hundred, each twice");
    let writes = [
        Write::put("n0", "w", None),
        Write::delete("n1").when(Condition::Equals("v".into())),
        Write::check("n2", Condition::Equals("v".into())),
        Write::put("new", "w", None).when(Condition::Absent),
    ];
    assert!(store.transact(&partition, &writes).await.unwrap());
    expect(&["TransactWriteItems"], "transact");
    let nothing = Write { item: "n0".into(), condition: None, action: Action::Check };
    assert!(store.transact(&partition, &[nothing]).await.unwrap());
    expect(&[], "a transaction that only looks, and at nothing");
    store.put(&key, value(1000, 1), None).await.unwrap();
    expect(&["PutItem"], "a kilobyte");
}

#[tokio::test]
async fn whatever_goes_over_a_large_value_leaves_no_part_of_it() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        let (store, partition) = (&table.store, key("x").partition().clone());
        let (old, new) = (value(450, 1), value(250, 2));
        let equals_old = || Condition::Equals(old.clone());
        // What is done, and how many parts are then there.
        for (what, parts) in [
            ("a small put", 0),
            ("a large put", 3),
            ("a put_if", 0),
            ("a large put_if", 3),
            ("a put_if over what has ended", 3),
            ("a delete", 0),
            ("a take", 0),
            ("a take of what has ended", 0),
            ("a put of a transaction", 0),
            ("a large put of a transaction", 3),
            ("a put of a transaction over what has ended", 0),
            ("a delete of a transaction", 0),
            ("a conditional delete of a transaction", 0),
            ("a large put among many", 3),
            ("a purge of what has ended", 0),
            // These leave what was there.
            ("a put_if over another value", 5),
            ("a put_if where nothing is", 5),
            ("a transaction whose condition fails", 5),
            ("a check", 5),
        ] {
            store.delete(&key("x")).await.unwrap();
            store.put(&key("x"), old.clone(), Some(HOUR)).await.unwrap();
            assert_eq!(table.parts().await, 5);
            let transact = async |write: Write| store.transact(&partition, &[write]).await.unwrap();
            let put_if = async |value: Bytes, condition| {
                store.put_if(&key("x"), value, None, condition).await.unwrap()
            };
            let is_done = match what {
                "a small put" => store.put(&key("x"), "s".into(), None).await.is_ok(),
                "a large put" => store.put(&key("x"), new.clone(), None).await.is_ok(),
                "a put_if" => put_if("s".into(), equals_old()).await,
                "a large put_if" => put_if(new.clone(), equals_old()).await,
                "a put_if over what has ended" => {
                    table.clock.advance(HOUR);
                    put_if(new.clone(), Condition::Absent).await
                }
                "a delete" => store.delete(&key("x")).await.is_ok(),
                "a take" => store.take(&key("x")).await.unwrap().unwrap().value == old,
                "a take of what has ended" => {
                    table.clock.advance(HOUR);
                    store.take(&key("x")).await.unwrap().is_none()
                }
                "a put of a transaction" => transact(Write::put("x", "s", None)).await,
                "a large put of a transaction" => {
                    transact(Write::put("x", new.clone(), None).when(equals_old())).await
                }
                "a put of a transaction over what has ended" => {
                    table.clock.advance(HOUR);
                    transact(Write::put("x", "s", None).when(Condition::Absent)).await
                }
                "a delete of a transaction" => transact(Write::delete("x")).await,
                "a conditional delete of a transaction" => {
                    transact(Write::delete("x").when(equals_old())).await
                }
                "a large put among many" => {
                    store.put_many(&[Put::new(key("x"), new.clone(), None)]).await.is_ok()
                }
                "a purge of what has ended" => {
                    table.clock.advance(HOUR);
                    store.purge_expired().await.unwrap() == 1
                }
                "a put_if over another value" => !put_if(new.clone(), Condition::Equals(new.clone())).await,
                "a put_if where nothing is" => !put_if(new.clone(), Condition::Absent).await,
                "a transaction whose condition fails" => {
                    let check = Write::check("y", Condition::Equals("no".into()));
                    let writes = [Write::put("x", new.clone(), None), check];
                    !store.transact(&partition, &writes).await.unwrap()
                }
                "a check" => transact(Write::check("x", equals_old())).await,
                other => panic!("{other}"),
            };
            assert!(is_done, "{what}");
            assert_eq!(table.parts().await, parts, "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_batch_puts_over_a_large_value_leaves_parts_that_go_after_an_hour() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        let kept = value(250, 1);
        table.store.put(&key("stays"), kept.clone(), None).await.unwrap();
        table.store.put(&key("x"), value(450, 2), None).await.unwrap();
        table.store.put_many(&[Put::new(key("x"), "small", None)]).await.unwrap();
        assert_eq!(table.parts().await, 5 + 3);
        table.clock.advance(HOUR - Duration::from_millis(1));
        assert_eq!(table.store.purge_expired().await.unwrap(), 0);
        assert_eq!(table.parts().await, 5 + 3, "their head could still be about to be put");
        table.clock.advance(Duration::from_millis(1));
        assert_eq!(table.store.purge_expired().await.unwrap(), 0, "they are no entries");
        assert_eq!(table.parts().await, 3, "those that are named stay");
        assert!(table.get(&key("stays")).await == Some(kept));
        assert_eq!(table.get(&key("x")).await.unwrap(), "small");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_ends_half_way_changes_nothing_and_what_is_left_of_it_goes() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        table.store.put(&key("x"), "old".into(), None).await.unwrap();
        // Its parts come through, its head does not.
        let address = between(&emulator.address, |asked| {
            ["PutItem", "TransactWriteItems"].contains(&asked.operation()).then_some(Told::Break)
        })
        .await;
        let broken = table.behind(&address);
        let error = broken.put(&key("x"), value(250, 1), None).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        let new = Condition::Equals("old".into());
        broken.put_if(&key("x"), value(250, 2), Some(HOUR), new).await.unwrap_err();
        broken.transact(key("x").partition(), &[Write::put("x", value(250, 3), None)]).await.unwrap_err();
        assert_eq!(table.get(&key("x")).await.unwrap(), "old");
        assert_eq!(table.parts().await, 9);
        let with_an_end = table.items().await.into_values().filter(|item| item.contains_key("ttl")).count();
        assert_eq!(with_an_end, 3, "DynamoDB deletes those of the one that had an end");
        table.clock.advance(HOUR);
        table.store.purge_expired().await.unwrap();
        assert_eq!(table.parts().await, 0);
        assert_eq!(table.get(&key("x")).await.unwrap(), "old");
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_for_good_leaves_no_parts() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        let denied = || {
            let body = "{\"__type\":\"x#AccessDeniedException\",\"message\":\"no\"}".to_owned();
            Told::Answer(400, String::new(), body)
        };
        let address = between(&emulator.address, move |asked| {
            ["PutItem", "TransactWriteItems"].contains(&asked.operation()).then(denied)
        })
        .await;
        let store = table.behind(&address);
        let writes = [Write::put("x", value(250, 1), None), Write::put("y", value(250, 2), None)];
        let mut errors = vec![
            store.put(&key("x"), value(250, 1), None).await.unwrap_err(),
            store.put_if(&key("x"), value(250, 1), None, Condition::Absent).await.unwrap_err(),
            store.transact(key("x").partition(), &writes).await.unwrap_err(),
        ];
        // The parts of the second of two values.
        let mut batches = 0;
        let address = between(&emulator.address, move |asked| {
            batches += usize::from(asked.operation() == "BatchWriteItem");
            (batches == 2 && asked.operation() == "BatchWriteItem").then(denied)
        })
        .await;
        let store = table.behind(&address);
        errors.push(store.transact(key("x").partition(), &writes).await.unwrap_err());
        for error in errors {
            assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        }
        assert!(table.items().await.is_empty());
    })
    .await;
}

/// A store on the table whose first request of this kind waits until another store has put a value.
async fn overtaken(table: &Table, address: &str, operation: &'static str, by: Bytes) -> DynamoDbStore {
    let other = Arc::new(table.another(|config| config));
    let (to, mut is_first) = (address.to_owned(), true);
    let address = between(address, move |asked| {
        if asked.operation() != operation || !std::mem::take(&mut is_first) {
            return None;
        }
        let (other, by) = (other.clone(), by.clone());
        let put = Box::pin(async move { other.put(&key("x"), by, Some(HOUR * 4)).await.unwrap() });
        Some(Told::After(put, Box::new(Told::Pass(to.clone()))))
    })
    .await;
    table.behind(&address)
}

#[tokio::test]
async fn a_reader_whose_parts_go_meanwhile_gets_the_newer_value() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        for (newer, parts) in [(value(250, 2), 3), (Bytes::from_static(b"small"), 0)] {
            for operation in ["get", "eventual get", "list", "get_many", "take", "increment"] {
                table.store.put(&key("x"), value(450, 1), None).await.unwrap();
                let reader = overtaken(&table, &emulator.address, "BatchGetItem", newer.clone()).await;
                let (key, parts) = (key("x"), if operation == "take" { 0 } else { parts });
                let read = match operation {
                    "get" => reader.get(&key, Consistency::Strong).await.unwrap(),
                    "eventual get" => reader.get(&key, Consistency::Eventual).await.unwrap(),
                    "list" => {
                        let page = reader.list(key.partition(), None, 10).await.unwrap();
                        page.entries.into_iter().next().map(|(_, entry)| entry)
                    }
                    "get_many" => {
                        let keys = [key.clone()];
                        reader.get_many(&keys, Consistency::Strong).await.unwrap().remove(0)
                    }
                    "take" => reader.take(&key).await.unwrap(),
                    "increment" => {
                        let error = reader.increment(&key, 1, None).await.unwrap_err();
                        assert_eq!(error.kind(), StoreErrorKind::NotACounter, "{error}");
                        table.store.get(&key, Consistency::Strong).await.unwrap()
                    }
                    other => panic!("{other}"),
                };
                let read = read.unwrap_or_else(|| panic!("{operation}"));
                assert!(read.value == newer, "{operation}");
                assert_eq!(
                    read.expires_at,
                    Some(edgemcp::platform::Clock::now(&table.clock).after(HOUR * 4))
                );
                assert_eq!(table.parts().await, parts, "{operation}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_is_renewed_while_it_is_purged_stays() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        for (old, new) in [("small", value(5, 1)), ("small", value(250, 2))] {
            table.store.put(&key("x"), old.into(), Some(HOUR)).await.unwrap();
            table.clock.advance(HOUR);
            let purging = overtaken(&table, &emulator.address, "DeleteItem", new.clone()).await;
            assert_eq!(purging.purge_expired().await.unwrap(), 0);
            assert!(table.get(&key("x")).await == Some(new));
        }
    })
    .await;
}

#[tokio::test]
async fn parts_that_are_gone_for_good_are_damage_and_the_entry_can_be_written_anew() {
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        table.store.put(&key("x"), value(450, 1), None).await.unwrap();
        let head = table.items().await[&("collection/id".to_owned(), "x".to_owned())].clone();
        table.store.delete(&key("x")).await.unwrap();
        let head: Vec<_> = head.iter().filter(|(name, _)| name.starts_with("large_")).collect();
        let head: Vec<_> = head.into_iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        table.put_raw(&key("x"), &head).await;
        let keys = [key("x")];
        let errors = [
            table.store.get(&key("x"), Consistency::Strong).await.unwrap_err(),
            table.store.take(&key("x")).await.unwrap_err(),
            table.store.list(key("x").partition(), None, 10).await.unwrap_err(),
            table.store.get_many(&keys, Consistency::Eventual).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("collection/id/x"), "{error}");
        }
        table.store.put(&key("x"), "anew".into(), None).await.unwrap();
        assert_eq!(table.get(&key("x")).await.unwrap(), "anew");
    })
    .await;
}

#[tokio::test]
async fn whoever_reads_while_large_values_are_written_gets_one_of_them_whole() {
    const WRITERS: usize = 3;
    const ROUNDS: usize = 40;
    Emulator::each(async |emulator| {
        let table = Table::with(&emulator.address, |config| config.part_bytes(100)).await;
        let values: Vec<_> = (0..WRITERS * ROUNDS).map(|n| value(300 + n, n as u64)).collect();
        table.store.put(&key("x"), values[0].clone(), None).await.unwrap();
        let write = async |writer: usize| {
            for round in 0..ROUNDS {
                let value = values[round * WRITERS + writer].clone();
                table.store.put(&key("x"), value, None).await?;
            }
            Ok::<_, edgemcp::store::StoreError>(())
        };
        let read = async {
            for _ in 0..ROUNDS {
                let keys = [key("x")];
                let read = [
                    table.store.get(&key("x"), Consistency::Eventual).await?,
                    table.store.get_many(&keys, Consistency::Strong).await?.remove(0),
                    table
                        .store
                        .list(key("x").partition(), None, 1)
                        .await?
                        .entries
                        .pop()
                        .map(|(_, entry)| entry),
                ];
                for entry in read {
                    assert!(values.contains(&entry.unwrap().value), "of one value");
                }
            }
            Ok::<_, edgemcp::store::StoreError>(())
        };
        let (written, read) = futures_util::join!(try_join_all((0..WRITERS).map(write)), read);
        written.unwrap();
        read.unwrap();
        let last = table.get(&key("x")).await.unwrap();
        assert_eq!(table.parts().await, last.len().div_ceil(100), "those of the last value");
    })
    .await;
}
