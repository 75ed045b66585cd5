//! DynamoDB dies and comes back, is silent, or asks for fewer requests for a while: what was acknowledged is there.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use edgemcp::store::{Condition, Consistency, Put, Store, StoreError, StoreErrorKind, Write};
use edgemcp_lambda::{DynamoDbStore, OPERATION_TIMEOUT};
use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use crate::{
    emulators::{Emulator, free_port},
    table::{Table, Tireless, key, tell, value},
    wire::{self, Told},
};

/// Where an emulator keeps a table; it goes with its test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let file = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sqlite")));
        file.remove();
        file
    }

    fn remove(&self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}

#[tokio::test]
async fn a_database_that_is_killed_amid_a_thousand_writes_loses_nothing_that_was_acknowledged() {
    const WRITERS: usize = 4;
    const WRITES: usize = 1_000;
    let (file, port) = (File::new("killed"), free_port());
    let emulator = Emulator::dynoxide(port, Some(&file.0)).await;
    let table = Table::with(&emulator.address, |config| config.part_bytes(200)).await;
    let (acknowledged, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (is_half, is_refused) = (Notify::new(), Notify::new());
    // One in four is in parts.
    let value_of = |n: usize| value(if n.is_multiple_of(4) { 700 } else { 100 }, n as u64);
    let writer = async |writer: usize| {
        let mut acknowledged_here = Vec::new();
        for n in (writer..WRITES).step_by(WRITERS) {
            let counter = table.store.increment(&key("count"), 1, None).await;
            match table.store.put(&key(&format!("n{n}")), value_of(n), None).await {
                Ok(()) => {
                    acknowledged_here.push((n, counter.is_ok()));
                    if acknowledged.fetch_add(1, Ordering::Relaxed) == WRITES / 4 {
                        is_half.notify_one();
                    }
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    refused.fetch_add(1, Ordering::Relaxed);
                    is_refused.notify_one();
                }
            }
        }
        acknowledged_here
    };
    let kill = async {
        is_half.notified().await;
        emulator.kill().await;
        is_refused.notified().await;
        Emulator::dynoxide(port, Some(&file.0)).await
    };
    let (_emulator, written) = futures_util::join!(kill, join_all((0..WRITERS).map(writer)));
    let written: Vec<_> = written.into_iter().flatten().collect();
    let mut lost = 0;
    for (n, _) in &written {
        lost += usize::from(table.get(&key(&format!("n{n}"))).await != Some(value_of(*n)));
    }
    let counted = written.iter().filter(|(_, is_counted)| *is_counted).count();
    let count: usize =
        std::str::from_utf8(&table.get(&key("count")).await.unwrap()).unwrap().parse().unwrap();
    lost += counted.saturating_sub(count);
    tell("killed amid writes", WRITES, lost);
    assert_eq!(lost, 0);
    assert!(written.len() > WRITES / 2, "{} acknowledged", written.len());
    assert!(refused.load(Ordering::Relaxed) > 0, "it was killed amid writes");
}

#[tokio::test]
async fn a_database_is_used_as_soon_as_it_is_there_and_again_when_it_comes_back() {
    let (file, port) = (File::new("down"), free_port());
    let address = format!("127.0.0.1:{port}");
    let config = crate::table::config(&address);
    let store = DynamoDbStore::new(config, Arc::new(crate::table::present()));
    let mut rounds = 0;
    let mut down = async |store: &DynamoDbStore, when: &str| {
        for operation in ALL {
            let error = run(store, operation, 0).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{operation}, {when}: {error}");
            rounds += 1;
        }
    };
    down(&store, "down at start").await;
    let mut lost = 0;
    for round in 0..3 {
        let emulator = Emulator::dynoxide(port, Some(&file.0)).await;
        store.create_table().await.unwrap();
        for before in 0..round {
            let kept = store.get(&key(&format!("kept{before}")), Consistency::Strong).await.unwrap();
            lost += usize::from(kept.is_none_or(|kept| kept.value != value(50, before)));
        }
        store.put(&key(&format!("kept{round}")), value(50, round), None).await.unwrap();
        emulator.kill().await;
        down(&store, "gone down").await;
    }
    tell("down at start, going down, coming back", rounds, lost);
    assert_eq!(lost, 0);
}

/// Every operation, by its name.
const ALL: [&str; 11] = [
    "get",
    "put",
    "delete",
    "take",
    "put_if",
    "increment",
    "list",
    "get_many",
    "put_many",
    "transact",
    "large put",
];

/// Does an operation on entries of this round, and says what is wrong with what came of it.
async fn run(store: &DynamoDbStore, operation: &str, round: usize) -> Result<(), StoreError> {
    let item = format!("{}{round}", operation.replace(' ', "-"));
    let key = key(&item);
    match operation {
        "get" => store.get(&key, Consistency::Strong).await.map(drop),
        "put" => store.put(&key, "v".into(), None).await,
        "delete" => store.delete(&key).await,
        "take" => store.take(&key).await.map(drop),
        "put_if" => store.put_if(&key, "v".into(), None, Condition::Absent).await.map(drop),
        "increment" => store.increment(&key, 1, None).await.map(drop),
        "list" => store.list(key.partition(), None, 100).await.map(drop),
        "get_many" => store.get_many(&[key], Consistency::Strong).await.map(drop),
        "put_many" => store.put_many(&[Put::new(key, "v", None)]).await,
        "transact" => store.transact(key.partition(), &[Write::put(item, "v", None)]).await.map(drop),
        "large put" => store.put(&key, value(500_000, 1), None).await,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_database_that_never_answers_is_given_up_in_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    let address = wire::serve(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        Told::Silence
    })
    .await;
    let store = DynamoDbStore::new(crate::table::config(&address), Arc::new(crate::table::present()));
    let began = Instant::now();
    let each = ALL.iter().map(async |operation| {
        let error = run(&store, operation, 0).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{operation}: {error}");
        let took = began.elapsed();
        assert!(took < OPERATION_TIMEOUT + Duration::from_secs(2), "{operation} took {took:?}");
        // What must not happen twice is sent once, so it ends with its first attempt.
        if ["take", "delete", "put_if", "increment"].contains(operation) {
            assert!(took < OPERATION_TIMEOUT / 2, "{operation} took {took:?}");
        }
    });
    join_all(each).await;
    tell("no answer", ALL.len(), 0);
    assert!(asked.load(Ordering::Relaxed) > ALL.len(), "those that may were tried again");
}

#[tokio::test]
async fn a_database_that_leaves_a_little_each_time_is_given_up_in_time() {
    let mut left = 100;
    let address = wire::serve(move |_| {
        left -= 1;
        let keys: Vec<_> =
            (0..left).map(|n| json!({"pk": {"S": "c/i"}, "sk": {"S": format!("n{n}")}})).collect();
        let body = json!({"Responses": {}, "UnprocessedKeys": {"table-0": {"Keys": keys}}}).to_string();
        let slow = Box::pin(tokio::time::sleep(Duration::from_millis(1_500)));
        Told::After(slow, Box::new(Told::Answer(200, String::new(), body)))
    })
    .await;
    let store = DynamoDbStore::new(crate::table::config(&address), Arc::new(Tireless::new()));
    let keys: Vec<_> = (0..100).map(|n| key(&format!("n{n}"))).collect();
    let began = Instant::now();
    let error = store.get_many(&keys, Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    let took = began.elapsed();
    assert!(took > OPERATION_TIMEOUT / 2 && took < OPERATION_TIMEOUT + Duration::from_secs(2), "{took:?}");
}

/// A DynamoDB that throttles two requests of three in each of its ways, or leaves what it was asked undone.
async fn throttling(to: &str) -> String {
    let (to, mut asked) = (to.to_owned(), 0_usize);
    wire::serve(move |request| {
        asked += 1;
        if asked.is_multiple_of(3) {
            return Told::Pass(to.clone());
        }
        let answer = |status, body: String| Told::Answer(status, String::new(), body);
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        match (request.operation(), asked % 2) {
            ("BatchGetItem", 0) => {
                answer(200, json!({"Responses": {}, "UnprocessedKeys": body["RequestItems"]}).to_string())
            }
            ("BatchWriteItem", 0) => {
                answer(200, json!({"UnprocessedItems": body["RequestItems"]}).to_string())
            }
            (_, odd) => {
                let code = ["ThrottlingException", "ProvisionedThroughputExceededException"][odd];
                answer(400, json!({"__type": format!("x#{code}"), "message": "slower"}).to_string())
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_database_that_throttles_for_a_while_loses_nothing() {
    const ROUNDS: usize = 8;
    let (mut rounds, mut lost) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::new(&emulator.address).await;
        let address = throttling(&emulator.address).await;
        let config = table.config.clone().endpoint(format!("http://{address}"));
        let store = DynamoDbStore::new(config, Arc::new(Tireless::new()));
        for round in 0..ROUNDS {
            for operation in ALL {
                run(&store, operation, round).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
                rounds += 1;
            }
            for operation in ["put", "put_if", "increment", "put_many", "transact", "large-put"] {
                let found = table.get(&key(&format!("{operation}{round}"))).await;
                let is_there = match operation {
                    "increment" => found.as_deref() == Some(b"1"),
                    "large-put" => found == Some(value(500_000, 1)),
                    _ => found.as_deref() == Some(b"v"),
                };
                lost += usize::from(!is_there);
            }
        }
    }
    tell("throttled for a while", rounds, lost);
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_second_write() {
    const ROUNDS: usize = 50;
    let (mut rounds, mut wrong) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::new(&emulator.address).await;
        table.store.put(&key("count"), "0".into(), None).await.unwrap();
        let (to, mut asked) = (emulator.address.clone(), HashMap::new());
        // Of each operation every other answer is lost on its way, after DynamoDB has done what it was asked.
        let address = wire::serve(move |request| {
            let asked: &mut usize = asked.entry(request.operation().to_owned()).or_default();
            *asked += 1;
            if asked.is_multiple_of(2) { Told::Pass(to.clone()) } else { Told::Lose(to.clone()) }
        })
        .await;
        let store = table.behind(&address);
        for round in 0..ROUNDS {
            rounds += 1;
            let answered = store.increment(&key("count"), 1, None).await;
            assert_eq!(answered.is_ok(), !round.is_multiple_of(2), "{answered:?}");
            // Whether it was answered or not, it happens once.
            wrong += usize::from(table.get(&key("count")).await.unwrap() != (round + 1).to_string());
            // A transaction is sent again, and known again: its condition would not hold a second time.
            let writes = [Write::put(format!("n{round}"), "v", None).when(Condition::Absent)];
            wrong += usize::from(!store.transact(key("x").partition(), &writes).await.unwrap());
        }
    }
    tell("lost answers", rounds, wrong);
    assert_eq!(wrong, 0);
}
