//! What the store does when DynamoDB throttles, fails, leaves things undone or breaks the connection: nothing happens
//! twice, and what may help is tried again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use edgemcp::store::{
    Condition, Consistency, Key, Put, Store, StoreError, StoreErrorKind, Survey as _, Write,
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbStore};
use serde_json::{Value, json};

use crate::{
    table::Tireless,
    wire::{self, Told},
};

/// The operations that a DynamoDB was asked for, and a store on it.
struct Troubled {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    clock: Tireless,
    store: DynamoDbStore,
}

/// A store on a DynamoDB that tells this, request by request, and breaks the connection from then on.
async fn troubled(told: impl IntoIterator<Item = Told, IntoIter: Send + 'static>) -> Troubled {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut told = told.into_iter();
    let seen = asked.clone();
    let address = wire::serve(move |asked| {
        let body = serde_json::from_slice(&asked.body).unwrap();
        seen.lock().unwrap().push((asked.operation().to_owned(), body));
        told.next().unwrap_or(Told::Break)
    })
    .await;
    let clock = Tireless::new();
    let keys = edgemcp_lambda::DynamoDbCredentials::new("id", "secret", None);
    let config = DynamoDbConfig::new("t", "eu-central-1", keys).endpoint(format!("http://{address}"));
    Troubled { asked, store: DynamoDbStore::new(config, Arc::new(clock.clone())), clock }
}

impl Troubled {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// What each request had at a place of its JSON.
    fn each(&self, place: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, body)| body.pointer(place).cloned().unwrap_or_default()).collect()
    }
}

fn refused(status: u16, code: &str) -> Told {
    let body = format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"no\"}}");
    Told::Answer(status, "content-type: application/x-amz-json-1.0\r\n".to_owned(), body)
}

fn throttled() -> Told {
    refused(400, "ProvisionedThroughputExceededException")
}

fn done(body: &str) -> Told {
    Told::Answer(200, "content-type: application/x-amz-json-1.0\r\n".to_owned(), body.to_owned())
}

fn key() -> Key {
    Key::new("c", "i", "x").unwrap()
}

/// The operations that must happen once.
const ONCE: [&str; 4] = ["put_if", "take", "delete", "increment"];

/// Those that may be asked for again.
const AGAIN: [&str; 8] =
    ["get", "put", "list", "get_many", "put_many", "transact", "survey", "purge_expired"];

async fn run(store: &DynamoDbStore, operation: &str) -> Result<(), StoreError> {
    match operation {
        "put_if" => store.put_if(&key(), "v".into(), None, Condition::Absent).await.map(drop),
        "take" => store.take(&key()).await.map(drop),
        "increment" => store.increment(&key(), 1, None).await.map(drop),
        "get" => store.get(&key(), Consistency::Strong).await.map(drop),
        "put" => store.put(&key(), "v".into(), None).await,
        "delete" => store.delete(&key()).await,
        "list" => store.list(key().partition(), None, 10).await.map(drop),
        "get_many" => store.get_many(&[key()], Consistency::Strong).await.map(drop),
        "put_many" => store.put_many(&[Put::new(key(), "v", None)]).await,
        "transact" => store.transact(key().partition(), &[Write::put("x", "v", None)]).await.map(drop),
        "survey" => store.survey(None).await.map(drop),
        "purge_expired" => store.purge_expired().await.map(drop),
        other => panic!("{other}"),
    }
}

/// Whether these are as many pauses, each between its two bounds in milliseconds.
fn are_between(pauses: &[Duration], bounds: &[(u64, u64)]) -> bool {
    let is_within = |(pause, (least, most)): (&Duration, &(u64, u64))| {
        (Duration::from_millis(*least)..=Duration::from_millis(*most)).contains(pause)
    };
    pauses.len() == bounds.len() && pauses.iter().zip(bounds).all(is_within)
}

#[tokio::test]
async fn a_throttled_write_is_sent_again_after_a_pause_and_given_up_after_three() {
    for operation in ONCE {
        let answer = if operation == "increment" { "{\"Attributes\":{\"n\":{\"N\":\"1\"}}}" } else { "{}" };
        let on = troubled([throttled(), throttled(), done(answer)]).await;
        run(&on.store, operation).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(on.asked(), 3, "{operation}");
        let pauses = on.clock.slept();
        assert!(are_between(&pauses, &[(25, 50), (50, 100)]), "{operation}: {pauses:?}");

        let on = troubled([throttled(), throttled(), throttled(), done(answer)]).await;
        let error = run(&on.store, operation).await.unwrap_err();
        assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Throttled, 3), "{operation}");
    }
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_waits_for_its_turn_and_gives_up_after_eight() {
    let in_the_way = || refused(400, "TransactionConflictException");
    for operation in ONCE.into_iter().chain(["put"]) {
        let answer = if operation == "increment" { "{\"Attributes\":{\"n\":{\"N\":\"1\"}}}" } else { "{}" };
        let on = troubled([in_the_way(), in_the_way(), in_the_way(), done(answer)]).await;
        run(&on.store, operation).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(on.asked(), 4, "{operation}");
        let pauses = on.clock.slept();
        assert!(are_between(&pauses, &[(25, 50), (50, 100), (100, 200)]), "{operation}: {pauses:?}");

        let on = troubled((0..9).map(|_| refused(400, "TransactionConflictException"))).await;
        let error = run(&on.store, operation).await.unwrap_err();
        assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Unavailable, 8), "{operation}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    for operation in ONCE {
        for trouble in [Told::Break, refused(500, "InternalServerError")] {
            let on = troubled([trouble]).await;
            let error = run(&on.store, operation).await.unwrap_err();
            assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Unavailable, 1), "{operation}: {error}");
        }
    }
}

#[tokio::test]
async fn what_may_happen_twice_is_tried_three_times() {
    for operation in AGAIN {
        let on = troubled([refused(500, "InternalServerError"), Told::Break, done("{}")]).await;
        run(&on.store, operation).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(on.asked(), 3, "{operation}");

        let on = troubled([]).await;
        let error = run(&on.store, operation).await.unwrap_err();
        assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Unavailable, 3), "{operation}: {error}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_table_and_what_the_role_needs_and_no_secret() {
    let on = troubled([refused(400, "AccessDeniedException")]).await;
    let error = run(&on.store, "get").await.unwrap_err();
    let text = error.to_string();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Denied, 1), "{text}");
    for part in ["AccessDeniedException", "\"t\"", "eu-central-1", "dynamodb:GetItem"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_counter_that_others_make_and_end_all_the_time_is_given_up() {
    let lost = || refused(400, "ConditionalCheckFailedException");
    let on = troubled(std::iter::repeat_with(lost).take(100)).await;
    let error = run(&on.store, "increment").await.unwrap_err();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Unavailable, 16), "{error}");
}

#[tokio::test]
async fn no_two_who_were_turned_away_come_back_at_the_same_moments() {
    let mut moments = Vec::new();
    for _ in 0..8 {
        let on = troubled([throttled(), throttled(), done("{}")]).await;
        run(&on.store, "take").await.unwrap();
        moments.push(on.clock.slept());
    }
    moments.sort();
    moments.dedup();
    assert!(moments.len() > 1, "{moments:?}");
}

fn item(name: &str) -> Value {
    json!({"pk": {"S": "c/i"}, "sk": {"S": name}, "v": {"B": "dg=="}})
}

fn key_of(name: &str) -> Value {
    json!({"pk": {"S": "c/i"}, "sk": {"S": name}})
}

#[tokio::test]
async fn keys_that_dynamodb_leaves_are_asked_for_again_until_all_are_read() {
    let left = |found: &[&str], left: &[&str]| {
        let found: Vec<_> = found.iter().map(|name| item(name)).collect();
        let left: Vec<_> = left.iter().map(|name| key_of(name)).collect();
        let unprocessed = if left.is_empty() { json!({}) } else { json!({"t": {"Keys": left}}) };
        done(&json!({"Responses": {"t": found}, "UnprocessedKeys": unprocessed}).to_string())
    };
    let keys = ["a", "b", "c", "a"].map(|name| Key::new("c", "i", name).unwrap());
    let answers = [left(&["b"], &["a", "c"]), left(&[], &["a", "c"]), left(&["a"], &["c"]), left(&[], &[])];
    let on = troubled(answers).await;
    let found = on.store.get_many(&keys, Consistency::Strong).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
    let asked = on.each("/RequestItems/t/Keys");
    assert_eq!(asked[0], json!([key_of("a"), key_of("b"), key_of("c")]), "no key twice");
    assert_eq!(asked[1..], [json!([key_of("a"), key_of("c")]), asked[1].clone(), json!([key_of("c")])]);
    assert!(on.each("/RequestItems/t/ConsistentRead").iter().all(|strong| *strong == json!(true)));
    // It begins again where something came.
    assert!(are_between(&on.clock.slept(), &[(25, 50), (50, 100), (25, 50)]), "{:?}", on.clock.slept());

    let nothing = move || left(&[], &["a"]);
    let on = troubled(std::iter::repeat_with(nothing).take(100)).await;
    let error = on.store.get_many(&keys[..1], Consistency::Strong).await.unwrap_err();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Throttled, 8), "{error}");
    let all: Duration = on.clock.slept().iter().sum();
    assert!(all < Duration::from_secs(4), "{all:?}");
}

#[tokio::test]
async fn items_that_dynamodb_leaves_are_sent_again_until_all_are_written() {
    let left = |left: &[&str]| {
        let left: Vec<_> = left.iter().map(|name| json!({"PutRequest": {"Item": item(name)}})).collect();
        let unprocessed = if left.is_empty() { json!({}) } else { json!({"t": left}) };
        done(&json!({"UnprocessedItems": unprocessed}).to_string())
    };
    let puts: Vec<_> =
        (0..30).map(|n| Put::new(Key::new("c", "i", format!("n{n}")).unwrap(), "v", None)).collect();
    let on = troubled([left(&["n3", "n4"]), left(&["n4"]), left(&[]), left(&[])]).await;
    on.store.put_many(&puts).await.unwrap();
    let sent = on.each("/RequestItems/t");
    assert_eq!(sent.iter().map(|sent| sent.as_array().unwrap().len()).collect::<Vec<_>>(), [25, 2, 1, 5]);
    assert_eq!(sent[2], json!([{"PutRequest": {"Item": item("n4")}}]));

    let on = troubled(std::iter::repeat_with(move || left(&["n0"])).take(100)).await;
    let error = on.store.put_many(&puts[..1]).await.unwrap_err();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Throttled, 8), "{error}");
}

fn cancelled(reasons: &[&str]) -> Told {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code, "Message": "no"})).collect();
    let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let body = json!({"__type": code, "Message": "cancelled", "CancellationReasons": reasons});
    Told::Answer(400, "content-type: application/x-amz-json-1.0\r\n".to_owned(), body.to_string())
}

#[tokio::test]
async fn a_transaction_that_others_are_in_the_way_of_is_sent_again_with_a_token_of_its_own() {
    let partition = key().partition().clone();
    let writes = [Write::put("x", "v", None), Write::delete("y")];
    for reasons in [
        ["TransactionConflict", "None"],
        ["None", "ThrottlingError"],
        ["ProvisionedThroughputExceeded", "TransactionConflict"],
    ] {
        let on = troubled([cancelled(&reasons), cancelled(&reasons), done("{}")]).await;
        assert!(on.store.transact(&partition, &writes).await.unwrap());
        let tokens = on.each("/ClientRequestToken");
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2], "{tokens:?}");
        assert!(are_between(&on.clock.slept(), &[(25, 50), (50, 100)]), "{:?}", on.clock.slept());

        let on = troubled(std::iter::repeat_with(move || cancelled(&reasons)).take(100)).await;
        let error = on.store.transact(&partition, &writes).await.unwrap_err();
        assert!(error.is_retryable() && on.asked() == 8, "{error}");
    }
    let on = troubled([cancelled(&["ConditionalCheckFailed", "TransactionConflict"])]).await;
    assert!(!on.store.transact(&partition, &[writes[0].clone().when(Condition::Absent)]).await.unwrap());
    let on = troubled([cancelled(&["None", "ItemCollectionSizeLimitExceeded"])]).await;
    let error = on.store.transact(&partition, &writes).await.unwrap_err();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::TooLarge, 1), "{error}");
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_is_sent_again_as_the_same() {
    let on = troubled([Told::Break, refused(500, "InternalServerError"), done("{}")]).await;
    run(&on.store, "transact").await.unwrap();
    let tokens = on.each("/ClientRequestToken");
    assert!(tokens.len() == 3 && tokens[0].is_string(), "{tokens:?}");
    assert!(tokens[0] == tokens[1] && tokens[1] == tokens[2], "{tokens:?}");
}

#[tokio::test]
async fn the_template_grants_what_requests_need_and_nothing_more() {
    let mut needed = BTreeSet::from(["ConditionCheckItem".to_owned()]);
    for operation in ONCE.iter().chain(&AGAIN) {
        let on = troubled([]).await;
        run(&on.store, operation).await.unwrap_err();
        needed.insert(on.asked.lock().unwrap()[0].0.clone());
    }
    // A transaction needs the rights of its writes; to look the table over and to purge it is for its operator.
    assert!(needed.remove("TransactWriteItems") && needed.remove("Scan"));
    let template = include_str!("../../../../deploy/templates/lambda.yaml");
    let granted = |text: &str, before: &str| -> BTreeSet<String> {
        let actions =
            text.split(before).skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphabetic()).next());
        actions.map(str::to_owned).collect()
    };
    assert_eq!(granted(template, "- dynamodb:"), needed);
    assert_eq!(granted(include_str!("../../src/lib.rs"), "\"dynamodb:"), needed);
    let on = troubled([refused(400, "AccessDeniedException")]).await;
    let text = run(&on.store, "get").await.unwrap_err().to_string();
    for right in needed {
        assert!(text.contains(&right), "{right} in {text}");
    }
}
