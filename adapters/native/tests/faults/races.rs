//! Of two processes that want the same exactly one gets it, and what one writes the other reads whole.

use std::collections::BTreeMap;

use edgemcp::store::Put;

use super::{
    Subject, get, items,
    keeper::{Keeper, value},
    key, partition,
};

const ROUNDS: usize = 1000;

/// Asks both at once, each round the other one first, and counts the rounds that had not exactly one winner.
fn race(subject: &Subject, order: impl Fn(usize, &str) -> String) -> (usize, BTreeMap<usize, &'static str>) {
    let mut racers = [("one", Keeper::start(&subject.path())), ("other", Keeper::start(&subject.path()))];
    let (mut lost, mut winners) = (0, BTreeMap::new());
    for round in 0..ROUNDS {
        racers.reverse();
        for (name, racer) in &mut racers {
            racer.tell(&order(round, name));
        }
        let mut won = Vec::new();
        for (name, racer) in &mut racers {
            match &*racer.says().unwrap() {
                "won" => won.push(*name),
                answer => assert_eq!(answer, "lost"),
            }
        }
        lost += usize::from(won.len() != 1);
        winners.extend(won.first().map(|name| (round, *name)));
    }
    (lost, winners)
}

fn wins_of(name: &str, winners: &BTreeMap<usize, &'static str>) -> usize {
    winners.values().filter(|winner| **winner == name).count()
}

#[tokio::test]
async fn of_two_processes_that_put_if_absent_exactly_one_wins() {
    for subject in Subject::each() {
        let (mut lost, winners) = race(&subject, |round, name| format!("put_if {round} {name}"));
        let store = subject.open();
        for (round, winner) in &winners {
            let found = get(&*store, &round.to_string()).await.unwrap().unwrap();
            lost += usize::from(found != *winner);
        }
        assert!(wins_of("one", &winners) > 0 && wins_of("other", &winners) > 0, "it was a race");
        subject.tell("two processes race on put_if", ROUNDS, lost);
    }
}

#[tokio::test]
async fn of_two_processes_that_take_exactly_one_gets_it() {
    for subject in Subject::each() {
        let store = subject.open();
        let tickets: Vec<_> =
            (0..ROUNDS).map(|round| Put::new(key(&round.to_string()), "ticket", None)).collect();
        store.put_many(&tickets).await.unwrap();
        let (lost, winners) = race(&subject, |round, _| format!("take {round}"));
        assert_eq!(items(&*store, &partition()).await.unwrap(), [""; 0]);
        assert!(wins_of("one", &winners) > 0 && wins_of("other", &winners) > 0, "it was a race");
        subject.tell("two processes race on take", ROUNDS, lost);
    }
}

#[tokio::test]
async fn who_reads_while_another_process_writes_sees_whole_values_and_never_an_earlier_one() {
    const BYTES: usize = 40_000;
    for subject in Subject::each() {
        let store = subject.open();
        let mut writer = Keeper::start(&subject.path());
        assert_eq!(writer.asked(&format!("rewrites 0 1 {BYTES}")), "0");
        writer.says();
        let (mut lost, mut reads, mut last) = (0, 0, 0);
        writer.tell(&format!("rewrites 1 {ROUNDS} {BYTES}"));
        for written in 1..ROUNDS {
            assert_eq!(writer.says().unwrap(), written.to_string());
            for _ in 0..8 {
                let found = get(&*store, "same").await.unwrap().unwrap();
                let n: usize =
                    std::str::from_utf8(&found).unwrap().split(' ').next().unwrap().parse().unwrap();
                assert!(n >= written && n >= last, "{n} after {last}, and {written} was answered");
                lost += usize::from(found != value(n, BYTES));
                (reads, last) = (reads + 1, n);
            }
        }
        subject.tell("read while another process writes", reads, lost);
    }
}

#[tokio::test]
async fn who_reads_while_another_process_transacts_sees_all_of_a_transaction_or_nothing() {
    const TRANSACTIONS: usize = 100;
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse::<usize>().unwrap();
    for subject in Subject::each() {
        let store = subject.open();
        let mut writer = Keeper::start(&subject.path());
        assert_eq!(writer.asked("transacts 0 1"), "0");
        writer.says();
        writer.tell(&format!("transacts 1 {TRANSACTIONS}"));
        let (mut lost, mut reads) = (0, 0);
        loop {
            let page = store.list(&partition(), None, 100).await.unwrap();
            let values: Vec<_> = page.entries.iter().map(|(_, entry)| number(&entry.value)).collect();
            lost += values.iter().filter(|n| **n != values[0]).count();
            reads += 1;
            if values[0] == TRANSACTIONS - 1 {
                break;
            }
            for _ in 0..100 {
                // What has been seen of a transaction is in all its items from then on.
                let first = get(&*store, "at-0").await.unwrap().unwrap();
                let other = get(&*store, "at-24").await.unwrap().unwrap();
                lost += usize::from(number(&other) < number(&first));
                reads += 1;
            }
        }
        subject.tell("read while another process transacts", reads, lost);
    }
}
