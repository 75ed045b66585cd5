//! Two instances share a limit on Redis: whatever comes at the same moment, no more go on than may.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Server as Redis, clock};
use edgemcp::{
    Server,
    future::BoxFuture,
    middleware::RateLimiting,
    platform::{Clock, Timestamp},
    prelude::*,
};
use edgemcp_testkit::{Instance, ManualClock};

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
fn instances(redis: &Redis, clock: &Standing, limits: &dyn Fn() -> RateLimiting) -> [Instance; 2] {
    [(); 2].map(|()| {
        let tool = Tool::new("one", "One.", |_, _: NoArguments| async { 1 });
        let server = Server::new("limited", "1").tool(tool).middleware(limits());
        Instance::new(server, Arc::new(redis.store(Arc::new(clock.clone()))), Arc::new(clock.clone()))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_that_come_at_once_to_two_instances_exactly_as_many_go_on_as_may() {
    let redis = Redis::start(&[]).await;
    let minute = Duration::from_secs(60);
    for (name, limits) in [
        ("token bucket", &(|| RateLimiting::token_bucket(1.0).burst(60)) as &dyn Fn() -> RateLimiting),
        ("sliding window", &|| RateLimiting::sliding_window(60, minute)),
        ("fixed window", &|| RateLimiting::fixed_window(60, minute)),
    ] {
        let standing = Standing(clock());
        let instances = instances(&redis, &standing, limits);
        let went_on = admitted(&instances, 300).await;
        println!("{name}: {went_on} of 300");
        assert_eq!(went_on, 60, "{name}");
        standing.0.advance(minute);
        assert_eq!(admitted(&instances, 100).await, 60, "{name}, a minute later");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_may_go_on_wait_for_one_another_and_are_not_refused() {
    let redis = Redis::start(&[]).await;
    let standing = Standing(clock());
    let instances = instances(&redis, &standing, &|| RateLimiting::token_bucket(1.0).burst(100));
    assert_eq!(admitted(&instances, 100).await, 100);
}
