//! Of two processes that want the same exactly one gets it.

use std::collections::BTreeMap;

use edgemcp::store::Put;

use super::{Subject, get, items, keeper::Keeper, key, partition};

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
