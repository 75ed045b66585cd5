//! A process that is killed loses nothing it has answered, and leaves nothing half done.

use std::thread::yield_now;

use edgemcp::store::TRANSACTION_WRITES_MAX;
use tokio::time::Instant;

use super::{
    Kind, Subject, get, items,
    keeper::{Keeper, value},
    partition, surveyed,
};

/// At least so many are answered.
const WRITES: usize = 1000;

const TRANSACTIONS: usize = 100;

/// At least so often is the process killed, each time before it has done what it was told.
const KILLS: usize = 60;

const NEVER_DONE: usize = 1_000_000;

/// The size of a write, so that it takes its time.
const BYTES: usize = 40_000;

/// After how many answers to kill, and in which thousandth of the write that comes next: the same in each run, and no
/// two alike.
fn moments(answers_max: usize) -> impl Iterator<Item = (usize, u32)> {
    (1_usize..).map(move |n| {
        let thousandth = u32::try_from(n.wrapping_mul(104_729) % 1100).unwrap();
        (1 + n.wrapping_mul(7919) % answers_max, thousandth)
    })
}

/// Lets `keeper` work from `from` on until a kill, and returns the first number that it has not answered.
fn until_killed(subject: &Subject, order: &str, from: usize, (answers, thousandth): (usize, u32)) -> usize {
    let mut keeper = Keeper::start(&subject.path());
    keeper.tell(order);
    let mut said = vec![keeper.says().unwrap()];
    let begun = Instant::now();
    while said.len() <= answers {
        said.push(keeper.says().unwrap());
    }
    // As long as the writes before it have taken.
    let pause = begun.elapsed() / u32::try_from(answers).unwrap() * thousandth / 1000;
    let answered = Instant::now();
    while answered.elapsed() < pause {
        yield_now();
    }
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
        let (mut next, mut kills, mut moments) = (0, 0, moments(12));
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
        let (mut next, mut kills, mut lost, mut moments) = (0, 0, 0, moments(2));
        while next < TRANSACTIONS || kills < KILLS {
            let order = format!("transacts {next} {NEVER_DONE}");
            next = until_killed(&subject, &order, next, moments.next().unwrap());
            kills += 1;
            let store = subject.open();
            let first = get(&*store, "at-0").await.unwrap();
            for at in 1..TRANSACTION_WRITES_MAX {
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
