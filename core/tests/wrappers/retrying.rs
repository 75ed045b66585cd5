//! What a store may answer later is asked again, what must not happen twice is not, and nobody waits for ever.

use std::{sync::Arc, time::Duration};

use edgemcp::{
    retry::Backoff,
    store::{
        Condition, Consistency, Put, Store, StoreErrorKind, Write,
        wrap::{Retry, Timeout},
    },
};

use crate::stage::{Act, Scripted, Stage, key, put, run_on, value};

const UNAVAILABLE: Act = Act::Fail(StoreErrorKind::Unavailable);
const THROTTLED: Act = Act::Fail(StoreErrorKind::Throttled);

fn retry(on: &Stage) -> (Arc<Scripted>, Retry) {
    let below = Scripted::new(on.memory.clone());
    (below.clone(), Retry::new(below, on.clock(), on.random()))
}

/// Does each operation once and says which of them failed.
async fn each(store: &dyn Store, operation: &str) -> Result<(), StoreErrorKind> {
    let x = key("x");
    let writes = [Write::put("x", "1", None)];
    let puts = [Put::new(x.clone(), "1", None)];
    match operation {
        "get" => store.get(&x, Consistency::Strong).await.map(drop),
        "put" => store.put(&x, "1".into(), None).await,
        "delete" => store.delete(&x).await,
        "take" => store.take(&x).await.map(drop),
        "put_if" => store.put_if(&x, "1".into(), None, Condition::Absent).await.map(drop),
        "increment" => store.increment(&x, 1, None).await.map(drop),
        "list" => store.list(x.partition(), None, 10).await.map(drop),
        "get_many" => store.get_many(std::slice::from_ref(&x), Consistency::Strong).await.map(drop),
        "put_many" => store.put_many(&puts).await,
        "transact" => store.transact(x.partition(), &writes).await.map(drop),
        other => panic!("{other}"),
    }
    .map_err(|error| error.kind())
}

const TWICE_AS_ONCE: [&str; 6] = ["get", "put", "delete", "list", "get_many", "put_many"];
const ONCE: [&str; 4] = ["take", "put_if", "increment", "transact"];

#[test]
fn what_may_happen_twice_is_tried_again_after_every_error_that_is_worth_it() {
    for operation in TWICE_AS_ONCE {
        let on = Stage::new();
        let (below, store) = retry(&on);
        below.then(&[UNAVAILABLE, THROTTLED]);
        let (done, _) = run_on(&on.clock, each(&store, operation));
        assert_eq!(done, Ok(()), "{operation}");
        assert_eq!(below.done(), [operation; 3]);
    }
}

#[test]
fn what_must_not_happen_twice_is_tried_again_only_where_nothing_happened() {
    for operation in ONCE {
        let on = Stage::new();
        let (below, store) = retry(&on);
        below.then(&[THROTTLED, THROTTLED]);
        assert_eq!(run_on(&on.clock, each(&store, operation)).0, Ok(()), "{operation}");
        assert_eq!(below.done(), [operation; 3]);
        for act in [UNAVAILABLE, Act::Lose] {
            below.then(&[act]);
            let (done, _) = run_on(&on.clock, each(&store, operation));
            assert_eq!(done, Err(StoreErrorKind::Unavailable), "{operation}");
            assert_eq!(below.done(), [operation]);
        }
    }
}

#[test]
fn a_count_whose_answer_was_lost_is_counted_once() {
    let on = Stage::new();
    let (below, store) = retry(&on);
    below.then(&[Act::Lose]);
    let x = key("x");
    assert!(run_on(&on.clock, store.increment(&x, 1, None)).0.is_err());
    assert_eq!(run_on(&on.clock, store.increment(&x, 1, None)).0.unwrap(), 2);
}

#[test]
fn an_error_that_is_not_worth_it_is_returned_at_once() {
    use StoreErrorKind::*;
    for kind in [TooLarge, InvalidKey, Unsupported, NotACounter, Corrupt, Denied] {
        let on = Stage::new();
        let (below, store) = retry(&on);
        below.then(&[Act::Fail(kind)]);
        let (done, took) = run_on(&on.clock, each(&store, "get"));
        assert_eq!((done, took), (Err(kind), Duration::ZERO));
        assert_eq!(below.done(), ["get"]);
    }
}

#[test]
fn it_gives_up_after_so_many_tries_with_the_last_error() {
    for attempts in [0, 1, 2, 5] {
        let on = Stage::new();
        let (below, store) = retry(&on);
        let store = store.attempts(attempts);
        below.then(&[[UNAVAILABLE; 4].as_slice(), &[THROTTLED; 4]].concat());
        let (done, _) = run_on(&on.clock, each(&store, "get"));
        let last = if attempts == 5 { StoreErrorKind::Throttled } else { StoreErrorKind::Unavailable };
        assert_eq!(done, Err(last));
        assert_eq!(below.done().len(), attempts.max(1) as usize);
    }
}

#[test]
fn it_waits_longer_each_time_and_never_longer_than_is_said() {
    let on = Stage::new();
    let (below, store) = retry(&on);
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
    let store = store.attempts(6).backoff(backoff);
    below.then(&[UNAVAILABLE; 6]);
    let (done, took) = run_on(&on.clock, each(&store, "get"));
    assert!(done.is_err());
    // 100, 200, 400, 400 and 400 ms at the longest, each drawn evenly.
    assert!(took <= Duration::from_millis(1500), "{took:?}");
    assert_eq!(on.random.draws(), 5);
}

#[test]
fn a_store_that_never_answers_is_unavailable_after_its_time() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = Timeout::new(below.clone(), Duration::from_secs(2), on.clock());
    for operation in TWICE_AS_ONCE.iter().chain(&ONCE) {
        below.then(&[Act::Hang]);
        let (done, took) = run_on(&on.clock, each(&store, operation));
        assert_eq!((done, took), (Err(StoreErrorKind::Unavailable), Duration::from_secs(2)), "{operation}");
    }
    let x = key("x");
    below.then(&[Act::Hang]);
    let (error, _) = run_on(&on.clock, store.get(&x, Consistency::Strong));
    assert_eq!(error.unwrap_err().to_string(), "store get: memory did not answer within 2s");
    put(&store, &x, "1", None);
    assert_eq!(value(&store, &x).as_deref(), Some("1"));
}

#[test]
fn each_try_has_its_time_where_the_limit_is_inside() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let timed = Arc::new(Timeout::new(below.clone(), Duration::from_secs(1), on.clock()));
    let store = Retry::new(timed, on.clock(), on.random());
    put(&*on.memory, &key("x"), "1", None);
    below.then(&[Act::Hang, Act::Hang]);
    let x = key("x");
    let (found, took) = run_on(&on.clock, store.get(&x, Consistency::Strong));
    assert_eq!(found.unwrap().unwrap().value, "1");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2400), "{took:?}");
    // What must not happen twice is not tried again: it may have happened.
    below.then(&[Act::Hang]);
    below.done();
    assert!(run_on(&on.clock, store.take(&x)).0.is_err());
    assert_eq!(below.done(), ["take"]);
}
