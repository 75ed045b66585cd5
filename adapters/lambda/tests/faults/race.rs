//! Two writers want the same thing a thousand times, and clocks go wrong: exactly one of them has it each time.

use std::{sync::Arc, time::Duration};

use edgemcp::store::{Condition, Consistency, Store as _, Write};
use edgemcp_lambda::DynamoDbStore;
use edgemcp_testkit::ManualClock;

use crate::{
    emulators::Emulator,
    table::{HOUR, Table, key, tell},
};

const ROUNDS: usize = 1_000;

/// Two writers, each with a client of its own, and how often they met.
async fn race(fault: &str, rounds: usize, meet: impl AsyncFn([&DynamoDbStore; 2], usize) -> usize) {
    let (mut all, mut wrong) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::with(&emulator.address, |config| config.part_bytes(20)).await;
        let writers = [table.another(|config| config), table.another(|config| config)];
        for round in 0..emulator.rounds(rounds) {
            all += 1;
            wrong += usize::from(meet(writers.each_ref(), round).await != 1);
        }
        assert_eq!(table.parts().await, 0, "parts of those who lost, on {}", emulator.name);
    }
    tell(fault, all, wrong);
    assert_eq!(wrong, 0, "rounds without exactly one winner");
}

#[tokio::test]
async fn of_two_who_put_if_absent_exactly_one_wins_each_of_a_thousand_rounds() {
    race("two writers racing on put_if absent", ROUNDS, async |[one, other], round| {
        let key = key(&format!("n{round}"));
        let put = async |store: &DynamoDbStore, value: &'static str| {
            store.put_if(&key, value.into(), None, Condition::Absent).await.unwrap()
        };
        let (first, second) = futures_util::join!(put(one, "one"), put(other, "other"));
        let winner = one.get(&key, Consistency::Strong).await.unwrap().unwrap().value;
        assert_eq!(winner, if first { "one" } else { "other" });
        usize::from(first) + usize::from(second)
    })
    .await;
}

#[tokio::test]
async fn of_two_who_put_if_equals_exactly_one_wins_each_of_a_thousand_rounds() {
    race("two writers racing on put_if equals", ROUNDS, async |[one, other], round| {
        let key = key("x");
        if round == 0 {
            one.put(&key, "0".into(), None).await.unwrap();
        }
        let (before, after) = (round.to_string(), (round + 1).to_string());
        let put = async |store: &DynamoDbStore| {
            let condition = Condition::Equals(before.clone().into());
            store.put_if(&key, after.clone().into(), None, condition).await.unwrap()
        };
        let (first, second) = futures_util::join!(put(one), put(other));
        usize::from(first) + usize::from(second)
    })
    .await;
}

#[tokio::test]
async fn of_two_who_take_exactly_one_has_it_each_of_a_thousand_rounds() {
    race("two writers racing on take", ROUNDS, async |[one, other], round| {
        let key = key("x");
        // Every fourth is in parts.
        let value = if round.is_multiple_of(4) { "a value that is in three parts of 20" } else { "small" };
        one.put(&key, value.into(), None).await.unwrap();
        let (first, second) = futures_util::join!(one.take(&key), other.take(&key));
        let taken = [first.unwrap(), second.unwrap()].into_iter().flatten();
        taken.map(|entry| assert_eq!(entry.value, value)).count()
    })
    .await;
}

#[tokio::test]
async fn of_two_transactions_exactly_one_happens_each_time() {
    race("two writers racing on transact", ROUNDS, async |[one, other], round| {
        let (spent, next) = (format!("token{round}"), format!("token{}", round + 1));
        let partition = key("x").partition().clone();
        // What is spent is in parts each other time.
        let token = |round: usize| match round.is_multiple_of(2) {
            true => round.to_string(),
            false => format!("{round}: a token in several parts"),
        };
        if round == 0 {
            one.put(&key(&spent), token(0).into(), None).await.unwrap();
        }
        let writes = [
            Write::delete(&spent).when(Condition::Equals(token(round).into())),
            Write::put(&next, token(round + 1), None).when(Condition::Absent),
        ];
        let (first, second) =
            futures_util::join!(one.transact(&partition, &writes), other.transact(&partition, &writes));
        usize::from(first.unwrap()) + usize::from(second.unwrap())
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_moved_ends_and_renews_entries_and_loses_none() {
    const ROUNDS: u64 = 50;
    let (mut rounds, mut lost) = (0, 0);
    for emulator in [Emulator::dynamodb().await, Emulator::ministack().await] {
        let table = Table::with(&emulator.address, |config| config.part_bytes(20)).await;
        let now = edgemcp::platform::Clock::now(&table.clock);
        // Another instance, whose clock is an hour behind and is put right, and put back again.
        let at = |moment| DynamoDbStore::new(table.config.clone(), Arc::new(ManualClock::at(moment)));
        let behind = edgemcp::platform::Timestamp::from_millis(now.as_millis() - 3_600_000);
        for round in 0..ROUNDS {
            rounds += 1;
            let item = key(&format!("n{round}"));
            let value = "a value that is in three parts of 20";
            at(behind).put(&item, value.into(), Some(HOUR * 2)).await.unwrap();
            // It ends an hour from now, whoever asks.
            let ends = |seconds| now.after(Duration::from_secs(seconds));
            let is_there = async |moment| {
                at(moment)
                    .get(&item, Consistency::Strong)
                    .await
                    .unwrap()
                    .is_some_and(|entry| entry.value == value)
            };
            lost += usize::from(!is_there(now).await);
            lost += usize::from(!is_there(ends(3_599)).await);
            assert!(!is_there(ends(3_600)).await, "it has ended");
            // A clock that goes back finds it again, since it was not written over.
            lost += usize::from(!is_there(behind).await);
            // What was put over it after its end is there at every moment.
            let renewed =
                at(ends(3_600)).put_if(&item, "renewed".into(), None, Condition::Absent).await.unwrap();
            let read = at(behind).get(&item, Consistency::Strong).await.unwrap();
            lost += usize::from(!renewed || read.is_none_or(|entry| entry.value != "renewed"));
            assert!(!at(behind).put_if(&item, "again".into(), None, Condition::Absent).await.unwrap());
        }
        assert_eq!(table.parts().await, 0);
    }
    tell("clock moved", rounds, lost);
    assert_eq!(lost, 0);
}
