//! What can go wrong around a store of this machine loses nothing that was answered, on SQLite and on files.
//!
//! Each test says in one line how often it tried, and what was lost: `fault: NAME on STORE: N rounds, M lost`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/damage.rs"]
mod damage;
#[path = "faults/keeper.rs"]
mod keeper;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/many.rs"]
mod many;
#[path = "faults/races.rs"]
mod races;
#[path = "faults/unusable.rs"]
mod unusable;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use edgemcp::{
    platform::{Clock, Timestamp},
    store::{Consistency, Key, Partition, StoreError, Survey},
};
use edgemcp_native::{FileStore, SqliteStore};
use edgemcp_testkit::ManualClock;

/// 2027-01-15, a moment with a fraction of a second.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_123);

/// Which store a fault comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Files,
}

/// A store in a folder that goes with the test.
struct Subject {
    kind: Kind,
    folder: tempfile::TempDir,
}

impl Subject {
    fn new(kind: Kind) -> Self {
        Self { kind, folder: tempfile::tempdir().unwrap() }
    }

    /// Both of them.
    fn each() -> [Self; 2] {
        [Self::new(Kind::Sqlite), Self::new(Kind::Files)]
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "SQLite",
            Kind::Files => "files",
        }
    }

    /// The folder that the store's file is in, or that the store is.
    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// As `--store` takes it.
    fn path(&self) -> String {
        self.path_in(&self.home())
    }

    fn path_in(&self, home: &Path) -> String {
        let home = home.to_str().unwrap();
        match self.kind {
            Kind::Sqlite => format!("{home}/store.sqlite3"),
            Kind::Files => format!("{home}/"),
        }
    }

    fn open(&self) -> Arc<dyn Survey> {
        self.open_on(Arc::new(ManualClock::at(START)))
    }

    fn open_on(&self, clock: Arc<dyn Clock>) -> Arc<dyn Survey> {
        match self.kind {
            Kind::Sqlite => Arc::new(SqliteStore::open(self.path(), clock)),
            Kind::Files => Arc::new(FileStore::open(self.path(), clock)),
        }
    }

    /// Says what came of a fault.
    fn tell(&self, fault: &str, rounds: usize, lost: usize) {
        println!("fault: {fault} on {}: {rounds} rounds, {lost} lost", self.name());
        assert_eq!(lost, 0, "{fault} on {}", self.name());
    }
}

/// Where `keeper` keeps its entries.
fn partition() -> Partition {
    Partition::new("faults", "kept").unwrap()
}

fn key(item: &str) -> Key {
    partition().item(item).unwrap()
}

async fn get(store: &dyn Survey, item: &str) -> Result<Option<Bytes>, StoreError> {
    Ok(store.get(&key(item), Consistency::Strong).await?.map(|entry| entry.value))
}

/// The names of all entries of a partition, page by page.
async fn items(store: &dyn Survey, partition: &Partition) -> Result<Vec<String>, StoreError> {
    let (mut items, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(partition, after.as_deref(), usize::MAX).await?;
        items.extend(page.entries.into_iter().map(|(item, _)| item));
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}

/// The names of all entries there are, which reads each of them.
async fn surveyed(store: &dyn Survey) -> Result<Vec<String>, StoreError> {
    let (mut keys, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.survey(after.as_deref()).await?;
        keys.extend(page.entries.into_iter().map(|entry| entry.key.to_string()));
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}
