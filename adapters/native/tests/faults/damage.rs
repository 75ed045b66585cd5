//! A file that is damaged is an error that says so, never a panic, and what is not damaged is served.

use std::{fs, path::PathBuf};

use edgemcp::store::{Condition, StoreError, StoreErrorKind, Survey};

use super::{Kind, Subject, get, items, key, partition, surveyed};

const ENTRIES: usize = 60;

const ROUNDS: usize = 300;

/// Numbers without order, the same in each run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).unwrap()
    }
}

async fn filled(subject: &Subject) {
    let store = subject.open();
    for n in 0..ENTRIES {
        store.put(&key(&n.to_string()), format!("value {n} ").repeat(40).into(), None).await.unwrap();
    }
}

/// The file that the entry `n` is in.
fn file(subject: &Subject, n: usize) -> PathBuf {
    match subject.kind {
        Kind::Sqlite => subject.path().into(),
        Kind::Files => subject.home().join(format!("faults/kept/{n}.json")),
    }
}

/// How many entries are read, and what the others are answered with.
async fn served(store: &dyn Survey) -> (usize, Vec<StoreError>) {
    let (mut served, mut errors) = (0, Vec::new());
    for n in 0..ENTRIES {
        match get(store, &n.to_string()).await {
            Ok(found) => served += usize::from(found.is_some()),
            Err(error) => errors.push(error),
        }
    }
    (served, errors)
}

/// What each kind of operation is refused with.
async fn refusals(store: &dyn Survey, n: usize) -> Vec<StoreError> {
    let key = key(&n.to_string());
    let refused = [
        items(store, &partition()).await.map(drop),
        surveyed(store).await.map(drop),
        store.increment(&key, 1, None).await.map(drop),
        store.put_if(&key, "x".into(), None, Condition::Equals("y".into())).await.map(drop),
        store.take(&key).await.map(drop),
        store.put(&key, "x".into(), None).await,
        store.purge_expired().await.map(drop),
    ];
    refused.into_iter().filter_map(Result::err).collect()
}

#[tokio::test]
async fn bytes_that_flip_are_an_error_or_another_value_and_never_a_panic() {
    for subject in Subject::each() {
        filled(&subject).await;
        let whole: Vec<_> = (0..ENTRIES).map(|n| fs::read(file(&subject, n)).unwrap()).collect();
        let (mut lot, mut lost, mut refused, mut reads) = (Lot(4), 0, 0, 0);
        for round in 0..ROUNDS {
            let n = lot.below(ENTRIES);
            let mut damaged = whole[n].clone();
            for _ in 0..=lot.below(8) {
                let at = lot.below(damaged.len());
                damaged[at] ^= 1 << lot.below(8);
            }
            fs::write(file(&subject, n), &damaged).unwrap();
            {
                let store = subject.open();
                let (served, mut errors) = served(&*store).await;
                if subject.kind == Kind::Files {
                    assert!(served + errors.len() >= ENTRIES - 1 && errors.len() <= 1, "round {round}");
                }
                reads += served;
                errors.extend(refusals(&*store, n).await);
                refused += usize::from(!errors.is_empty());
                // An increment of text is refused as it should be, and the marks of the file's owner can be hit too.
                errors.retain(|error| error.kind() != StoreErrorKind::NotACounter);
                let wrong = |error: &StoreError| {
                    !matches!(error.kind(), StoreErrorKind::Corrupt | StoreErrorKind::Denied)
                };
                for error in errors.iter().filter(|error| wrong(error)) {
                    println!("round {round}: {:?}: {error}", error.kind());
                    lost += 1;
                }
            }
            if subject.kind == Kind::Sqlite {
                fs::remove_dir_all(subject.home()).unwrap();
                fs::create_dir(subject.home()).unwrap();
            }
            fs::write(file(&subject, n), &whole[n]).unwrap();
        }
        assert!(refused > ROUNDS / 4, "{refused} of {ROUNDS} were noticed");
        println!("{}: {reads} of {} reads were served", subject.name(), ROUNDS * ENTRIES);
        subject.tell("file with flipped bytes", ROUNDS, lost);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_not_what_it_was_is_corrupt() {
    for subject in Subject::each() {
        filled(&subject).await;
        let path = file(&subject, 7);
        let whole = fs::read(&path).unwrap();
        let mut without_header = whole.clone();
        without_header[..100].fill(0);
        let mut cuts: Vec<_> = (1..20).map(|part| whole[..whole.len() * part / 20].to_vec()).collect();
        cuts.extend([without_header, b"Dear Sir or Madam, ".repeat(100), vec![0; whole.len()]]);
        let (rounds, mut lost) = (cuts.len(), 0);
        for damaged in cuts {
            fs::write(&path, &damaged).unwrap();
            let store = subject.open();
            let (served, errors) = served(&*store).await;
            // What cannot be read is said to be so, and not to be absent.
            lost += ENTRIES - served - errors.len();
            lost += errors.iter().filter(|error| error.kind() != StoreErrorKind::Corrupt).count();
            let path = path.to_str().unwrap();
            assert!(errors.iter().all(|error| error.to_string().contains(path)), "{errors:?}");
            assert!(!errors.is_empty(), "{} of {} bytes", damaged.len(), whole.len());
            if subject.kind == Kind::Files {
                assert_eq!(served, ENTRIES - 1, "the others are served");
            }
            drop(store);
            assert!(fs::read(path).unwrap() == damaged, "it is left for a person to look at");
        }
        fs::write(&path, &whole).unwrap();
        lost += ENTRIES - served(&*subject.open()).await.0;
        subject.tell("file cut off or overwritten", rounds, lost);
    }
}
