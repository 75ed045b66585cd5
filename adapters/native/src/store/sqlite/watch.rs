//! Tells those who watch a partition what changes in it, whichever process of this machine changes it.
//!
//! SQLite tells nobody of another process's commits. So while somebody watches, and only then, the file holds a log
//! of what changes in the watched partitions. Triggers write it, in the transaction of the change itself, so that no
//! writer can forget to, an older version of this program included. Each process reads on in the log after its own
//! commits, and every [`STORE_WATCH_EVERY`] for those of others.
//!
//! A process that ends without taking its name off the list of watchers loses it after [`LEASE`]. Whoever takes the
//! last name off takes the log away too, and with it what it costs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use edgemcp::{
    future::{BoxFuture, BoxStream},
    platform::{Clock, Timestamp},
    store::{Partition, Watchers},
};
use rusqlite::{Connection, TransactionBehavior, params, types::ValueRef};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::{Failure, Session, SqliteStore, entries::sql_ms, file::Place};

/// How often a [`SqliteStore`] that is watched looks for what other processes have changed.
pub const STORE_WATCH_EVERY: Duration = Duration::from_millis(100);

/// The most changes of watched partitions that a [`SqliteStore`] keeps for a process that has not looked yet. One
/// that missed some has its watches ended.
pub const STORE_CHANGES_MAX: u32 = 10_000;

/// How long a process that no longer says so counts as watching.
const LEASE: Duration = Duration::from_secs(30);

/// How often a process says that it still watches, so that two failures to do so in time cost no watch.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// All of it goes when nobody watches, so it is no part of the schema and has no version.
const LOG: &str = "
    CREATE TABLE IF NOT EXISTS watchers (id INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS watched (
        partition TEXT NOT NULL,
        watcher INTEGER NOT NULL,
        PRIMARY KEY (partition, watcher)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS changes (
        seq INTEGER PRIMARY KEY,
        partition TEXT NOT NULL,
        item TEXT NOT NULL
    ) STRICT;
";

const NO_LOG: &str = "
    DROP TRIGGER log_insert;
    DROP TRIGGER log_update;
    DROP TRIGGER log_delete;
    DROP TABLE watchers;
    DROP TABLE watched;
    DROP TABLE changes;
";

/// Each kind of change, and what it calls the row.
const CHANGES: [(&str, &str); 3] = [("insert", "new"), ("update", "new"), ("delete", "old")];

/// What this process watches.
pub(super) struct Watching {
    watchers: Arc<Watchers>,
    /// This process among those that watch. Random, so that one that was taken off the list is never taken for
    /// another.
    id: i64,
    /// The last change that was told.
    seq: i64,
    renew_at: Timestamp,
    task: AbortOnDropHandle<()>,
}

/// What the task that listens for other processes needs of its store, which it does not keep from being dropped.
pub(super) struct Listener {
    place: Place,
    clock: Arc<dyn Clock>,
    session: Weak<Mutex<Option<Session>>>,
}

/// Ends the watches however the task ends: with its store, with its runtime, by a failure.
struct EndsWatches(Arc<Watchers>);

impl Drop for EndsWatches {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Session {
    /// Begins a watch of `partition`.
    pub(super) fn watch(
        &mut self,
        partition: &Partition,
        clock: &dyn Clock,
        listener: Listener,
    ) -> Result<BoxStream<'static, String>, Failure> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = clock.now();
        // What changed up to here is for those who watch already, and not for this one.
        let earlier = self.watching.take().and_then(|watching| watching.still(&transaction));
        let watching = match earlier {
            Some(watching) => watching,
            None => Watching::begin(&transaction, now, listener)?,
        };
        watching.add(&transaction, partition)?;
        transaction.commit()?;
        // Nobody looks before the session is let go, so the watch hears all that is committed from here on.
        let stream = watching.watchers.watch(partition);
        self.watching = Some(watching);
        Ok(stream)
    }

    /// Tells of what was just committed. It stays committed even where that fails, which ends the watches instead.
    pub(super) fn tell(&mut self) {
        self.watching = self.watching.take().and_then(|watching| watching.still(&self.connection));
    }

    /// Does what is due while somebody watches. Whether somebody still does.
    fn look(&mut self, clock: &dyn Clock) -> Result<bool, Failure> {
        // Whatever fails below, its watches end.
        let Some(mut watching) = self.watching.take() else { return Ok(false) };
        let watched = watching.watchers.partitions();
        if watched.is_empty() {
            forget(&mut self.connection, Some(watching.id), clock.now())?;
            return Ok(false);
        }
        let now = clock.now();
        if now >= watching.renew_at {
            watching.renew(&mut self.connection, watched.iter(), now)?;
        }
        self.watching = watching.still(&self.connection);
        Ok(self.watching.is_some())
    }

    /// Takes away what processes left that ended without doing so.
    pub(super) fn tidy(&mut self, now: Timestamp) -> Result<(), Failure> {
        // Most files have no log, and need no lock to see that.
        if has_log(&self.connection)? { forget(&mut self.connection, None, now) } else { Ok(()) }
    }
}

impl Watching {
    fn begin(connection: &Connection, now: Timestamp, listener: Listener) -> Result<Self, Failure> {
        connection.execute_batch(LOG)?;
        for (change, row) in CHANGES {
            connection.execute_batch(&format!(
                "CREATE TRIGGER IF NOT EXISTS log_{change} AFTER {change} ON entries
                 WHEN EXISTS (SELECT 1 FROM watched WHERE partition = {row}.partition)
                 BEGIN
                     INSERT INTO changes (partition, item) VALUES ({row}.partition, {row}.item);
                     DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - {STORE_CHANGES_MAX};
                 END"
            ))?;
        }
        let id = connection.query_row(
            "INSERT INTO watchers (id, until) VALUES (random(), ?1) RETURNING id",
            [sql_ms(now.after(LEASE))],
            |row| row.get(0),
        )?;
        let seq = connection.query_row("SELECT coalesce(max(seq), 0) FROM changes", (), |row| row.get(0))?;
        let watchers = Arc::<Watchers>::default();
        let task = tokio::spawn(listener.listen(now, EndsWatches(watchers.clone())));
        Ok(Self { watchers, id, seq, renew_at: now.after(RENEW_EVERY), task: AbortOnDropHandle::new(task) })
    }

    fn add(&self, connection: &Connection, partition: &Partition) -> Result<(), Failure> {
        let mut insert = connection
            .prepare_cached("INSERT OR IGNORE INTO watched (partition, watcher) VALUES (?1, ?2)")?;
        insert.execute(params![partition.to_string(), self.id])?;
        Ok(())
    }

    /// Says that this process still watches, and what.
    fn renew<'a>(
        &mut self,
        connection: &mut Connection,
        watched: impl Iterator<Item = &'a Partition>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let until = sql_ms(now.after(LEASE));
        if transaction.execute("UPDATE watchers SET until = ?2 WHERE id = ?1", [self.id, until])? == 0 {
            // It was late and is off the list, which the look after this finds.
            return Ok(());
        }
        transaction.execute("DELETE FROM watched WHERE watcher = ?1", [self.id])?;
        for partition in watched {
            self.add(&transaction, partition)?;
        }
        forget_lapsed(&transaction, None, now)?;
        transaction.commit()?;
        self.renew_at = now.after(RENEW_EVERY);
        Ok(())
    }

    /// Tells of what has changed since it was last called; itself again where nothing was missed.
    fn still(mut self, connection: &Connection) -> Option<Self> {
        let hears_all = !self.task.is_finished() && self.read_on(connection).unwrap_or(false);
        hears_all.then_some(self)
    }

    /// Tells of what has changed since it was last called. Whether nothing was missed.
    fn read_on(&mut self, connection: &Connection) -> Result<bool, Failure> {
        // One statement sees one moment: a name that is on the list then was on it all the time before.
        let mut select = connection.prepare_cached(
            "SELECT NULL AS seq, NULL AS partition, NULL AS item FROM watchers WHERE id = ?1
             UNION ALL SELECT seq, partition, item FROM changes WHERE seq > ?2 ORDER BY seq",
        )?;
        let mut rows = select.query([self.id, self.seq])?;
        let listed =
            rows.next()?.is_some_and(|row| row.get_ref("seq").is_ok_and(|seq| seq == ValueRef::Null));
        if !listed {
            return Ok(false);
        }
        let mut watched = None;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get("seq")?;
            if seq.checked_sub(1) != Some(self.seq) {
                return Ok(false);
            }
            self.seq = seq;
            let watched = watched.get_or_insert_with(|| {
                let named = |partition: Partition| (partition.to_string(), partition);
                self.watchers.partitions().into_iter().map(named).collect::<BTreeMap<_, _>>()
            });
            // Other processes watch other partitions.
            if let Some(partition) = watched.get(&row.get::<_, String>("partition")?) {
                match partition.item(row.get::<_, String>("item")?) {
                    Ok(key) => self.watchers.tell(&key),
                    // No store writes such an item, so the log is not what it should be.
                    Err(_) => return Ok(false),
                }
            }
        }
        Ok(true)
    }
}

impl Listener {
    pub(super) fn of(store: &SqliteStore) -> Self {
        let SqliteStore { place, clock, session } = store;
        Self { place: place.clone(), clock: clock.clone(), session: Arc::downgrade(session) }
    }

    /// Looks again and again until nobody watches any more.
    async fn listen(self, mut looked_at: Timestamp, _ends_watches: EndsWatches) {
        loop {
            self.until(looked_at.after(STORE_WATCH_EVERY)).await;
            looked_at = self.clock.now();
            let Some(session) = self.session.upgrade() else { return };
            let store = SqliteStore { place: self.place.clone(), clock: self.clock.clone(), session };
            if !matches!(store.run("watch", Session::look).await, Ok(true)) {
                return;
            }
        }
    }

    fn until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        // The system's clock can be set back, which must not make this wait for longer.
        self.clock.sleep(moment.since(self.clock.now()).min(STORE_WATCH_EVERY))
    }
}

/// Takes the watcher `id` and those that have lapsed off the list, and the log away where none is left.
fn forget(connection: &mut Connection, id: Option<i64>, now: Timestamp) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !has_log(&transaction)? {
        return Ok(());
    }
    forget_lapsed(&transaction, id, now)?;
    if !transaction.prepare("SELECT 1 FROM watchers")?.exists(())? {
        transaction.execute_batch(NO_LOG)?;
    }
    transaction.commit()?;
    Ok(())
}

fn has_log(connection: &Connection) -> Result<bool, Failure> {
    Ok(connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'watchers'")?.exists(())?)
}

fn forget_lapsed(connection: &Connection, id: Option<i64>, now: Timestamp) -> Result<(), Failure> {
    let mut forget = connection.prepare_cached("DELETE FROM watchers WHERE id = ?1 OR until <= ?2")?;
    if forget.execute(params![id, sql_ms(now)])? > 0 {
        connection.execute("DELETE FROM watched WHERE watcher NOT IN (SELECT id FROM watchers)", ())?;
    }
    Ok(())
}
