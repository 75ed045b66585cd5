//! A process that is killed loses nothing it has answered, and leaves nothing half done.

use std::thread::yield_now;

use super::{
    Kind, Subject, get, items,
    keeper::{Keeper, value},
    partition, surveyed,
};

/// At least so many are answered.
const WRITES: usize = 1000;

const TRANSACTIONS: usize = 300;

/// At least so often is the process killed, each time before it has done what it was told.
const KILLS: usize = 20;

const NEVER_DONE: usize = 1_000_000;

/// The size of a write, such that one is not as the next.
const BYTES: usize = 3000;

/// How many answers to wait for before each kill, and how long to look away after the last: the same in each run, and
/// no two alike.
fn moments() -> impl Iterator<Item = (usize, usize)> {
    (1_usize..).map(|n| (n.wrapping_mul(7919) % 61, n.wrapping_mul(104_729) % 17))
}

/// Lets `keeper` work from `from` on until a kill, and returns the first number that it has not answered.
fn until_killed(subject: &Subject, order: &str, from: usize, (answers, pause): (usize, usize)) -> usize {
    let mut keeper = Keeper::start(&subject.path());
    keeper.tell(order);
    let mut said = Vec::new();
    while said.len() < answers {
        said.push(keeper.says().unwrap());
    }
    (0..pause).for_each(|_| yield_now());
    said.extend(keeper.kill());
    let numbers: Vec<usize> = said.iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers, (from..from + numbers.len()).collect::<Vec<_>>());
    from + numbers.len()
}

fn is_sound(subject: &Subject) {
    match subject.kind {
        Kind::Sqlite => {
            let file = rusqlite::Connection::open(subject.path()).unwrap();
            let check: String = file.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
            assert_eq!(check, "ok");
        }
        Kind::Files => {
            let folder = subject.home().join("faults/kept");
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                let text = std::fs::read(&path).unwrap();
                let json = serde_json::from_slice::<serde_json::Value>(&text);
                assert!(json.is_ok(), "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_in_the_middle_of_its_writes_loses_none_that_it_answered() {
    for subject in Subject::each() {
        let (mut next, mut kills, mut moments) = (0, 0, moments());
        while next < WRITES || kills < KILLS {
            let order = format!("puts {next} {NEVER_DONE} {BYTES}");
            next = until_killed(&subject, &order, next, moments.next().unwrap());
            kills += 1;
            let store = subject.open();
            if let Some(last) = next.checked_sub(1) {
                let found = get(&*store, &last.to_string()).await.unwrap();
                assert_eq!(found.unwrap(), value(last, BYTES), "right after kill {kills}");
            }
        }
        let store = subject.open();
        let mut lost = 0;
        for n in 0..next {
            let found = get(&*store, &n.to_string()).await.unwrap();
            lost += usize::from(found.is_none_or(|found| found != value(n, BYTES)));
        }
        store.purge_expired().await.unwrap();
        // One more may have been written than was answered.
        let there = surveyed(&*store).await.unwrap().len();
        assert!((next..=next + 1).contains(&there), "{there} are there, {next} were answered");
        assert_eq!(items(&*store, &partition()).await.unwrap().len(), there);
        is_sound(&subject);
        subject.tell(&format!("process killed {kills} times in the middle of writes"), next, lost);
    }
}

#[tokio::test]
async fn a_process_that_is_killed_in_the_middle_of_a_transaction_leaves_all_of_it_or_nothing() {
    for subject in Subject::each() {
        let (mut next, mut kills, mut lost, mut moments) = (0, 0, 0, moments());
        while next < TRANSACTIONS || kills < KILLS {
            let (answers, pause) = moments.next().unwrap();
            let order = format!("transacts {next} {NEVER_DONE}");
            next = until_killed(&subject, &order, next, (answers % 12, pause));
            kills += 1;
            let store = subject.open();
            let first = get(&*store, "at-0").await.unwrap();
            for at in 1..8 {
                assert_eq!(
                    get(&*store, &format!("at-{at}")).await.unwrap(),
                    first,
                    "at-{at} after kill {kills}"
                );
            }
            let n = first.map(|n| std::str::from_utf8(&n).unwrap().parse::<usize>().unwrap());
            // One more may have happened than was answered.
            let done = n.map_or(0, |n| n + 1);
            lost += next.saturating_sub(done);
            assert!(done <= next + 1, "{done} happened, {next} were answered");
        }
        is_sound(&subject);
        subject.tell(
            &format!("process killed {kills} times in the middle of transactions"),
            TRANSACTIONS,
            lost,
        );
    }
}
