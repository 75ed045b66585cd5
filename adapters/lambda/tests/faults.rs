//! What the DynamoDB store does when DynamoDB throttles, fails or breaks the connection: nothing happens twice.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

#[path = "common/wire.rs"]
mod wire;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Timestamp},
    store::{Condition, Consistency, Key, Store, StoreError, StoreErrorKind},
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbCredentials, DynamoDbStore};
use wire::Told;

/// A clock that notes how long it was asked to sleep, and does not.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Duration>>>);

impl Clock for Noting {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// The operations that a DynamoDB was asked for, and a store on it.
struct Troubled {
    asked: Arc<Mutex<Vec<String>>>,
    slept: Noting,
    store: DynamoDbStore,
}

/// A store on a DynamoDB that tells this, request by request, and breaks the connection from then on.
async fn troubled(told: impl IntoIterator<Item = Told, IntoIter: Send + 'static>) -> Troubled {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut told = told.into_iter();
    let seen = asked.clone();
    let address = wire::serve(move |asked| {
        let (_, operation) = asked.head.split_once("x-amz-target: dynamodb_20120810.").unwrap();
        seen.lock().unwrap().push(operation.lines().next().unwrap().to_owned());
        told.next().unwrap_or(Told::Break)
    })
    .await;
    let slept = Noting::default();
    let credentials = DynamoDbCredentials::new("id", "secret", None);
    let config = DynamoDbConfig::new("t", "eu-central-1", credentials).endpoint(format!("http://{address}"));
    Troubled { asked, store: DynamoDbStore::new(config, Arc::new(slept.clone())), slept }
}

impl Troubled {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
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

/// The three operations that must happen once, each as whether it succeeded.
const ONCE: [&str; 3] = ["put_if", "take", "increment"];

async fn run(store: &DynamoDbStore, operation: &str) -> Result<(), StoreError> {
    match operation {
        "put_if" => store.put_if(&key(), "v".into(), None, Condition::Absent).await.map(drop),
        "take" => store.take(&key()).await.map(drop),
        "increment" => store.increment(&key(), 1, None).await.map(drop),
        "get" => store.get(&key(), Consistency::Strong).await.map(drop),
        "put" => store.put(&key(), "v".into(), None).await,
        "delete" => store.delete(&key()).await,
        "list" => store.list(key().partition(), None, 10).await.map(drop),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_throttled_write_is_sent_again_after_a_pause_and_given_up_after_three() {
    for operation in ONCE {
        let answer = if operation == "increment" { "{\"Attributes\":{\"n\":{\"N\":\"1\"}}}" } else { "{}" };
        let on = troubled([throttled(), throttled(), done(answer)]).await;
        run(&on.store, operation).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(on.asked(), 3, "{operation}");
        let pauses = on.slept.0.lock().unwrap().clone();
        assert!(are_between(&pauses, &[(25, 50), (50, 100)]), "{operation}: {pauses:?}");

        let on = troubled([throttled(), throttled(), throttled(), done(answer)]).await;
        let error = run(&on.store, operation).await.unwrap_err();
        assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Throttled, 3), "{operation}");
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
    for operation in ["get", "put", "delete", "list"] {
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
async fn an_item_that_something_else_wrote_is_corrupt() {
    let on =
        troubled([done("{\"Item\":{\"pk\":{\"S\":\"c/i\"},\"sk\":{\"S\":\"x\"},\"v\":{\"S\":\"text\"}}}")])
            .await;
    assert_eq!(run(&on.store, "get").await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_counter_that_others_make_and_end_all_the_time_is_given_up() {
    let lost = || refused(400, "ConditionalCheckFailedException");
    let on = troubled(std::iter::repeat_with(lost).take(100)).await;
    let error = run(&on.store, "increment").await.unwrap_err();
    assert_eq!((error.kind(), on.asked()), (StoreErrorKind::Unavailable, 16), "{error}");
}
