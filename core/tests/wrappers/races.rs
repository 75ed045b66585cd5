//! Of several callers of an encrypted store exactly one wins, over a store that lets others come between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use edgemcp::{
    platform::Clock,
    store::{
        Condition, Partition, Store, StoreError, StoreErrorKind, Write,
        wrap::{COMPARE_ATTEMPTS_MAX, Encrypted},
    },
};
use futures_util::future::{join_all, try_join_all};

use crate::stage::{KEY, MINUTE, START, Scripted, Stage, get, key, put, run_on, value};

const CALLERS: usize = 12;
const ROUNDS: usize = 1_000;

/// Two callers, each with a wrapper of its own, as two instances have it.
fn instances(on: &Stage) -> (Arc<Scripted>, [Encrypted; 2]) {
    let below = Scripted::new(on.memory.clone());
    let instances = [(); 2].map(|()| on.encrypted(below.clone(), KEY));
    (below, instances)
}

#[test]
fn of_two_who_compare_and_set_exactly_one_wins_a_thousand_times() {
    let on = Stage::new();
    let (_, [one, other]) = instances(&on);
    put(&one, &key("x"), "0", None);
    for round in 0..ROUNDS {
        let equals = || Condition::Equals(round.to_string().into());
        let set = |store: &'static str| format!("{store} {round}");
        let x = key("x");
        let (wins, _) = run_on(&on.clock, async {
            let ours = one.put_if(&x, set("one").into(), None, equals());
            let theirs = other.put_if(&x, set("other").into(), None, equals());
            futures_util::future::join(ours, theirs).await
        });
        let wins = (wins.0.unwrap(), wins.1.unwrap());
        let winner = match wins {
            (true, false) => set("one"),
            (false, true) => set("other"),
            _ => panic!("round {round}: {wins:?}"),
        };
        assert_eq!(value(&one, &key("x")), Some(winner));
        put(&other, &key("x"), (round + 1).to_string(), None);
    }
    println!("fault: two race to put_if on Encrypted: {ROUNDS} rounds, 0 lost");
}

#[test]
fn of_two_who_take_exactly_one_gets_it_a_thousand_times() {
    let on = Stage::new();
    let (_, [one, other]) = instances(&on);
    for round in 0..ROUNDS {
        put(&one, &key("x"), round.to_string(), None);
        let x = key("x");
        let (taken, _) = run_on(&on.clock, async { join_all([one.take(&x), other.take(&x)]).await });
        let taken: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1, "round {round}");
        assert_eq!(taken[0].value, round.to_string());
    }
    println!("fault: two race to take on Encrypted: {ROUNDS} rounds, 0 lost");
}

#[test]
fn counts_of_many_at_once_lose_nothing_and_keep_their_window() {
    let on = Stage::new();
    let (_, instances) = instances(&on);
    for round in 0..20 {
        let n = key(&format!("n{round}"));
        let count = |caller: usize| instances[caller % 2].increment(&n, 1, Some(MINUTE));
        let (sums, took) = run_on(&on.clock, try_join_all((0..CALLERS).map(count)));
        let mut sums = sums.unwrap();
        sums.sort_unstable();
        assert_eq!(sums, (1..=CALLERS as i64).collect::<Vec<_>>());
        let end = get(&instances[0], &n).unwrap().expires_at.unwrap();
        assert!(end <= on.clock.now().after(MINUTE) && end >= on.clock.now().after(MINUTE - took));
        assert!(end >= START.after(MINUTE));
    }
}

#[test]
fn of_many_transactions_exactly_one_happens_and_happens_whole() {
    let on = Stage::new();
    let (_, instances) = instances(&on);
    let partition = Partition::new("notes", "ada").unwrap();
    for round in 0..50 {
        put(&instances[0], &key("ticket"), "one", None);
        let partition = &partition;
        let buy = |caller: usize| {
            let store = &instances[caller % 2];
            async move {
                let writes = [
                    Write::delete("ticket").when(Condition::Equals("one".into())),
                    Write::put("a", format!("{round} {caller}"), None),
                    Write::put("b", format!("{round} {caller}"), None),
                ];
                store.transact(partition, &writes).await
            }
        };
        let (wins, _) = run_on(&on.clock, try_join_all((0..CALLERS).map(buy)));
        let wins = wins.unwrap();
        assert_eq!(wins.iter().filter(|won| **won).count(), 1, "round {round}");
        let winner = wins.iter().position(|won| *won).unwrap();
        for item in ["a", "b"] {
            assert_eq!(value(&instances[1], &key(item)), Some(format!("{round} {winner}")));
        }
        assert_eq!(get(&instances[0], &key("ticket")), None);
    }
}

#[test]
fn who_is_outrun_each_time_is_told_so_and_has_changed_nothing() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = on.encrypted(below.clone(), KEY);
    // The same value in another form, each time before it is compared.
    let writer = on.encrypted(on.memory.clone(), KEY);
    put(&writer, &key("x"), "5", None);
    let writes = Arc::new(AtomicU32::new(0));
    let count = writes.clone();
    below.comes_between(move || {
        count.fetch_add(1, Ordering::Relaxed);
        put(&writer, &key("x"), "5", None);
    });
    let outrun = |error: Option<StoreError>| {
        let error = error.unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Throttled);
        assert!(error.to_string().ends_with("each of the 16 times it was read"), "{error}");
        assert_eq!(writes.swap(0, Ordering::Relaxed), COMPARE_ATTEMPTS_MAX);
    };
    let x = key("x");
    let equals = || Condition::Equals("5".into());
    let (set, took) = run_on(&on.clock, store.put_if(&x, "6".into(), None, equals()));
    outrun(set.err());
    assert!(took < Duration::from_secs(4), "{took:?}");
    outrun(run_on(&on.clock, store.increment(&x, 1, None)).0.err());
    let spend = [Write::delete("x").when(equals()), Write::put("y", "6", None)];
    outrun(run_on(&on.clock, store.transact(x.partition(), &spend)).0.err());
    assert_eq!(value(&store, &x).as_deref(), Some("5"));
    assert_eq!(get(&*on.memory, &key("y")), None);
}

#[test]
fn a_transaction_of_which_one_condition_fails_is_decided_at_once() {
    let on = Stage::new();
    let below = Scripted::new(on.memory.clone());
    let store = on.encrypted(below.clone(), KEY);
    put(&store, &key("x"), "5", None);
    put(&store, &key("there"), "", None);
    let x = key("x");
    for fails in [
        Write::put("there", "1", None).when(Condition::Absent),
        Write::put("there", "1", None).when(Condition::Equals("1".into())),
        Write::put("nowhere", "1", None).when(Condition::Equals("".into())),
    ] {
        let writes = [Write::delete("x").when(Condition::Equals("5".into())), fails];
        let (happened, took) = run_on(&on.clock, store.transact(x.partition(), &writes));
        assert!(matches!(happened, Ok(false)), "{happened:?}");
        assert_eq!(took, Duration::ZERO, "nobody waits for what cannot come to hold");
    }
    assert_eq!(value(&store, &x).as_deref(), Some("5"));
}
