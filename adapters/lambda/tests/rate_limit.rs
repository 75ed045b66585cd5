//! Two instances share a limit on DynamoDB: whatever comes at the same moment, no more go on than may.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

#[path = "common/emulators.rs"]
mod emulators;
#[path = "common/table.rs"]
mod table;

use std::{sync::Arc, time::Duration};

use edgemcp::{
    Server,
    future::BoxFuture,
    middleware::RateLimiting,
    platform::{Clock, Timestamp},
    prelude::*,
};
use edgemcp_lambda::DynamoDbStore;
use edgemcp_testkit::{Instance, ManualClock};
use emulators::Emulator;
use table::Table;

/// A clock that stands, and on which pauses take their time.
#[derive(Clone)]
struct Standing(ManualClock);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Two instances on stores of their own.
fn instances(table: &Table, limits: &dyn Fn() -> RateLimiting) -> [Instance; 2] {
    [(); 2].map(|()| {
        let tool = Tool::new("one", "One.", |_, _: NoArguments| async { 1 });
        let server = Server::new("limited", "1").tool(tool).middleware(limits());
        let clock = Arc::new(Standing(table.clock.clone()));
        let store = Arc::new(DynamoDbStore::new(table.config.clone(), clock.clone()));
        Instance::new(server, store, clock)
    })
}

/// How many of so many requests go on that are sent to both at once.
async fn admitted(instances: &[Instance; 2], requests: usize) -> usize {
    let asking =
        instances.iter().cycle().take(requests).cloned().map(|instance| {
            tokio::spawn(async move { instance.ask("tools/call", r#"{"name":"one"}"#).await })
        });
    let mut admitted = 0;
    for asked in asking.collect::<Vec<_>>() {
        let (status, answer) = asked.await.unwrap();
        match status.as_u16() {
            200 => admitted += 1,
            429 => assert!(answer.contains("Rate limit exceeded"), "{answer}"),
            _ => panic!("{status} {answer}"),
        }
    }
    admitted
}

#[tokio::test]
async fn of_requests_that_come_at_once_to_two_instances_no_more_go_on_than_may() {
    let minute = Duration::from_secs(60);
    Emulator::each(async |emulator| {
        for (name, limits) in [
            ("token bucket", &(|| RateLimiting::token_bucket(1.0).burst(10)) as &dyn Fn() -> RateLimiting),
            ("sliding window", &|| RateLimiting::sliding_window(10, minute)),
            ("fixed window", &|| RateLimiting::fixed_window(10, minute)),
        ] {
            let table = Table::new(&emulator.address).await;
            let instances = instances(&table, limits);
            let went_on = admitted(&instances, 60).await;
            println!("{name} on {}: {went_on} of 60", emulator.name);
            assert_eq!(went_on, 10, "{name}");
            table.clock.advance(minute);
            assert_eq!(admitted(&instances, 30).await, 10, "{name}, a minute later");
        }
    })
    .await;
}

#[tokio::test]
async fn requests_that_may_go_on_wait_for_one_another_and_are_not_refused() {
    let emulator = Emulator::dynamodb().await;
    let table = Table::new(&emulator.address).await;
    let instances = instances(&table, &|| RateLimiting::token_bucket(1.0).burst(20));
    assert_eq!(admitted(&instances, 20).await, 20);
}
