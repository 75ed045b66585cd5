//! A handler's own calls are tried again, and what they came to is kept for a while.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::Stage;
use edgemcp::{
    NoArguments, Server,
    cache::{CACHED_BYTES_MAX, Cache},
    platform::{Clock, Platform, Timestamp},
    prelude::*,
    retry::{Backoff, Retry},
    store::{MemoryStore, Store},
};
use edgemcp_testkit::{Counting, FAILURE, ManualClock, TestStore};
use futures_executor::block_on;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct On {
    clock: ManualClock,
    store: TestStore,
    log: Arc<common::Lines>,
    platform: Platform,
}

fn on() -> On {
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_123));
    let store = TestStore::new(MemoryStore::new(Arc::new(clock.clone())));
    let log = Arc::<common::Lines>::default();
    let platform = Platform::builder(Arc::new(clock.clone()), Arc::<Counting>::default());
    let platform = platform.store(Arc::new(store.clone())).log(log.clone()).build();
    On { clock, store, log, platform }
}

/// Runs `future` while the clock moves on whenever it waits, and says how long that took.
fn run_on<T>(clock: &ManualClock, future: impl Future<Output = T>) -> (T, Duration) {
    let begun = clock.now();
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..1_000_000 {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return (done, clock.now().since(begun));
        }
        clock.advance(Duration::from_millis(1));
    }
    panic!("it does not end");
}

/// A call that fails so often and then says how often it was made.
struct Calls {
    made: Cell<u32>,
    fails: u32,
}

impl Calls {
    fn failing(fails: u32) -> Self {
        Self { made: Cell::new(0), fails }
    }

    async fn call(&self) -> Result<u32, String> {
        self.made.set(self.made.get() + 1);
        match self.made.get() {
            made if made > self.fails => Ok(made),
            made => Err(format!("error {made}")),
        }
    }
}

#[test]
fn a_call_is_tried_again_until_it_succeeds_or_was_tried_often_enough() {
    for (attempts, fails, want) in [
        (3, 0, Ok(1)),
        (3, 2, Ok(3)),
        (3, 3, Err("error 3".to_owned())),
        (1, 1, Err("error 1".to_owned())),
        (0, 1, Err("error 1".to_owned())),
    ] {
        let on = on();
        let calls = Calls::failing(fails);
        let retry = Retry::new().attempts(attempts);
        let (done, _) = run_on(&on.clock, retry.run(&on.platform, async || calls.call().await));
        assert_eq!(done, want);
        assert_eq!(calls.made.get(), (fails + 1).min(attempts.max(1)));
    }
}

#[test]
fn an_error_that_is_not_worth_it_is_returned_at_once() {
    let on = on();
    let calls = Calls::failing(5);
    let retry = Retry::new().attempts(5).when(|error: &String| error != "error 2");
    let (done, _) = run_on(&on.clock, retry.run(&on.platform, || calls.call()));
    assert_eq!(done, Err("error 2".to_owned()));
}

#[test]
fn the_wait_between_is_drawn_and_grows_to_its_greatest() {
    let on = on();
    let calls = Calls::failing(6);
    let backoff = Backoff::new(SECOND, SECOND * 4);
    let retry = Retry::new().attempts(7).backoff(backoff);
    let (done, took) = run_on(&on.clock, retry.run(&on.platform, || calls.call()));
    assert_eq!(done, Ok(7));
    // The randomness of tests counts: its n-th draw is n in the lowest and in no other byte of eight, so next to nothing.
    let random = Counting::default();
    let waits: Duration = (1..=6).map(|n| backoff.wait(n, &random)).sum();
    assert!(took >= waits && took <= waits + Duration::from_millis(6), "{took:?} of {waits:?}");
    assert_eq!([1, 2, 3, 4, 5].map(|n| backoff.longest(n).as_secs()), [1, 2, 4, 4, 4]);
}

/// Randomness that draws the greatest there is.
struct Greatest;

impl edgemcp::platform::Random for Greatest {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), edgemcp::platform::RandomError> {
        buffer.fill(0xff);
        Ok(())
    }
}

struct NoRandomness;

impl edgemcp::platform::Random for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), edgemcp::platform::RandomError> {
        Err(edgemcp::platform::RandomError)
    }
}

/// A platform on `clock` whose waits are as long as they can be.
fn slow(clock: &ManualClock) -> Platform {
    Platform::builder(Arc::new(clock.clone()), Arc::new(NoRandomness)).build()
}

#[test]
fn a_wait_is_as_long_as_is_drawn_and_the_longest_without_randomness() {
    let backoff = Backoff::new(SECOND, MINUTE);
    let near = |wait: Duration, whole: Duration| wait < whole && whole - wait < Duration::from_nanos(2);
    assert!(near(backoff.wait(1, &Greatest), SECOND));
    assert!(near(backoff.wait(3, &Greatest), SECOND * 4));
    assert_eq!(backoff.wait(3, &NoRandomness), SECOND * 4);
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let calls = Calls::failing(2);
    let retry = Retry::new().backoff(backoff);
    let (done, took) = run_on(&clock, retry.run(&slow(&clock), || calls.call()));
    assert_eq!((done, took), (Ok(3), SECOND * 3));
}

#[test]
fn no_try_begins_after_its_time_nor_after_the_platforms() {
    // Waits of 1, 2 and 4 s: tries begin after 0, 1, 3 and 7 s.
    let tries = |within: Option<Duration>, deadline: Option<Duration>| {
        let clock = ManualClock::at(Timestamp::from_millis(5_000));
        let mut platform = slow(&clock);
        if let Some(deadline) = deadline {
            platform = platform.with_deadline(clock.now().after(deadline));
        }
        let mut retry = Retry::new().attempts(4).backoff(Backoff::new(SECOND, MINUTE));
        if let Some(within) = within {
            retry = retry.within(within);
        }
        let calls = Calls::failing(9);
        let (done, took) = run_on(&clock, retry.run(&platform, || calls.call()));
        assert_eq!(done, Err(format!("error {}", calls.made.get())));
        (calls.made.get(), took)
    };
    let ms = Duration::from_millis;
    assert_eq!(tries(None, None), (4, SECOND * 7));
    assert_eq!(tries(Some(ms(3001)), None), (3, SECOND * 3));
    // Nobody waits for a try that will not be made.
    assert_eq!(tries(Some(SECOND * 3), None), (2, SECOND));
    assert_eq!(tries(None, Some(SECOND * 3)), (2, SECOND));
    assert_eq!(tries(Some(MINUTE), Some(ms(1001))), (2, SECOND));
    assert_eq!(tries(Some(ms(1001)), Some(MINUTE)), (2, SECOND));
    assert_eq!(tries(Some(Duration::ZERO), None), (1, Duration::ZERO));
}

#[test]
fn a_result_is_kept_for_its_time() {
    let on = on();
    let cache = Cache::new(&on.platform, "rates").unwrap();
    let calls = Calls::failing(0);
    let ask = |key: &'static str| block_on(cache.get_or(key, MINUTE, || calls.call()));
    assert_eq!(ask("eur"), Ok(1));
    assert_eq!(ask("eur"), Ok(1));
    assert_eq!(ask("usd"), Ok(2));
    on.clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(ask("eur"), Ok(1));
    on.clock.advance(Duration::from_millis(1));
    assert_eq!(ask("eur"), Ok(3));
    block_on(cache.forget("eur")).unwrap();
    assert_eq!(ask("eur"), Ok(4));
    // Another instance, another name.
    let other = Cache::new(&on.platform, "rates").unwrap();
    assert_eq!(block_on(other.get_or("eur", MINUTE, || calls.call())), Ok(4));
    let other = Cache::new(&on.platform, "rate").unwrap();
    assert_eq!(block_on(other.get_or("eur", MINUTE, || calls.call())), Ok(5));
}

#[test]
fn any_text_is_a_key_and_no_two_meet() {
    let on = on();
    let cache = Cache::new(&on.platform, "any").unwrap();
    let long = "x".repeat(10_000);
    let longer = format!("{long}y");
    let keys = ["", " ", "a/b", "a", "A", "größe 🦀", "\0", "\n", "a\0", &long, &longer];
    for key in keys {
        let made = block_on(cache.get_or(key, MINUTE, async || Ok::<_, String>(key.to_owned())));
        assert_eq!(made.unwrap(), key);
    }
    for key in keys {
        let kept = block_on(cache.get_or(key, MINUTE, async || Err::<String, _>("made again")));
        assert_eq!(kept.as_deref(), Ok(key));
    }
}

#[test]
fn neither_an_error_nor_nothing_is_kept() {
    let on = on();
    let cache = Cache::new(&on.platform, "users").unwrap();
    let calls = Calls::failing(1);
    assert!(block_on(cache.get_or("ada", MINUTE, || calls.call())).is_err());
    assert_eq!(block_on(cache.get_or("ada", MINUTE, || calls.call())), Ok(2));
    let find =
        |found: Option<u32>| block_on(cache.get_or("bob", MINUTE, async || Ok::<_, String>(found))).unwrap();
    assert_eq!(find(None), None);
    assert_eq!(find(Some(7)), Some(7));
    assert_eq!(find(None), Some(7));
    // An empty list is a result.
    let list =
        |made: Vec<u32>| block_on(cache.get_or("list", MINUTE, async || Ok::<_, String>(made))).unwrap();
    assert_eq!(list(vec![]), [0; 0]);
    assert_eq!(list(vec![1]), [0; 0]);
    assert_eq!(on.log.all(), "");
}

#[test]
fn a_result_at_the_limit_is_kept_and_a_longer_one_is_only_returned() {
    let on = on();
    let cache = Cache::new(&on.platform, "pages").unwrap();
    let limits = [(cache.clone(), CACHED_BYTES_MAX), (cache.value_bytes_max(10), 10)];
    for (cache, max) in limits {
        // Two bytes are the quotes.
        for (key, bytes, is_kept) in [("at", max, true), ("over", max + 1, false)] {
            let key = format!("{key} {max}");
            let made = "x".repeat(bytes - 2);
            let returned = block_on(cache.get_or(&key, MINUTE, async || Ok::<_, String>(made.clone())));
            assert_eq!(returned.unwrap(), made);
            let again = block_on(cache.get_or(&key, MINUTE, async || Err::<String, _>("made again")));
            assert_eq!(again.is_ok(), is_kept, "{key}");
        }
    }
    assert!(
        on.log.all().ends_with("a result of edgemcp.cache.pages was not kept: it has 11 bytes, more than 10")
    );
}

#[test]
fn a_store_that_fails_or_has_something_else_fails_no_call_and_the_log_says_why() {
    let on = on();
    let cache = Cache::new(&on.platform, "rates").unwrap();
    let calls = Calls::failing(0);
    on.store.fail(true);
    assert_eq!(block_on(cache.get_or("eur", MINUTE, || calls.call())), Ok(1));
    let lines = on.log.all();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines[0], format!("a result of edgemcp.cache.rates could not be read: store get: {FAILURE}"));
    assert_eq!(lines[1], format!("a result of edgemcp.cache.rates could not be kept: store put: {FAILURE}"));
    assert!(block_on(cache.forget("eur")).is_err(), "what was to be forgotten may be there");
    on.store.fail(false);

    let made = block_on(cache.get_or("eur", MINUTE, async || Ok::<_, String>("text".to_owned())));
    assert_eq!(made.as_deref(), Ok("text"));
    // The same name with another type, as after a change of the program.
    assert_eq!(block_on(cache.get_or("eur", MINUTE, || calls.call())), Ok(2));
    assert!(on.log.all().ends_with("has another type than is asked for; it is made again"));
    assert_eq!(block_on(cache.get_or("eur", MINUTE, || calls.call())), Ok(2));

    let nan = block_on(cache.get_or("nan", MINUTE, async || Ok::<_, String>(f64::NAN))).unwrap();
    assert!(nan.is_nan());
    assert!(on.log.all().ends_with("could not be kept: the result is no JSON: NaN is no JSON number"));
    on.store.value_bytes_max(3);
    assert_eq!(block_on(cache.get_or("large", MINUTE, async || Ok::<_, String>(1234))), Ok(1234));
    assert!(on.log.all().ends_with("could not be kept: store put: the value is too large"));
}

#[test]
fn a_cache_in_another_store_is_there_and_not_in_the_platforms() {
    let on = on();
    let own = TestStore::new(MemoryStore::new(Arc::new(on.clock.clone())));
    let cache = Cache::new(&on.platform, "x").unwrap().in_store(Arc::new(own.clone()) as Arc<dyn Store>);
    block_on(cache.get_or("k", MINUTE, async || Ok::<_, String>(1))).unwrap();
    assert_eq!((own.changes(), on.store.changes()), (1, 0));
}

#[test]
fn a_name_that_is_no_part_of_a_key_is_refused() {
    let on = on();
    for bad in ["", "a/b", "a b", &"x".repeat(120)] {
        assert!(Cache::new(&on.platform, bad).is_err(), "{bad:?}");
    }
    assert!(Cache::new(&on.platform, &"x".repeat(100)).is_ok());
}

#[test]
fn a_tool_retries_its_call_and_keeps_the_result_between_requests() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let tool = Tool::new("rate", "A rate.", |cx: Context, _: NoArguments| async move {
        let cache = Cache::new(cx.platform(), "rates")?;
        let retry = Retry::new().backoff(Backoff::new(Duration::ZERO, Duration::ZERO));
        let rate = cache.get_or("eur", MINUTE, async || {
            let call = async || match CALLS.fetch_add(1, Ordering::Relaxed) {
                0 => Err(ToolError::new("try again")),
                n => Ok(n),
            };
            retry.run(cx.platform(), call).await
        });
        rate.await
    });
    let stage = Stage::new(Server::new("rates", "1").tool(tool));
    for _ in 0..2 {
        let answer = stage.modern("tools/call", serde_json::json!({"name": "rate", "arguments": {}}));
        assert_eq!(answer.json["result"]["structuredContent"]["result"], 1);
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}
