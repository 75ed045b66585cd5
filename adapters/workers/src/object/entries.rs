//! Keeps the entries of one partition in its object's SQLite database, and nothing longer than it must.
//!
//! SQLite is asked without waiting, so nothing else runs in the object between the first statement of an operation
//! and its last: that is what makes each one atomic. Workers hold back the answer until what was written is safe.

use std::cell::Cell;

use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Entry, LIST_PAGE_MAX, Page, StoreErrorKind},
};
use worker::{
    js_sys::{Array, Date, Function, Object, Promise, Reflect, Uint8Array},
    wasm_bindgen::{JsCast, JsValue, closure::ScopedClosure},
    worker_sys::{DurableObjectStorage, SqlStorage},
};

use super::{
    batch::MANY_BYTES_MAX,
    message::{Action, Answer, Ask, Refusal, Work, Write},
};
use crate::{counter::count, thrown};

/// How long an entry that has ended is kept, and an object that has become empty: the clocks of those who read may be
/// behind the object's, and one alarm then deletes what ended within a minute.
const KEPT_MS: f64 = 60_000.0;

/// How far ahead an alarm is set at most. What ends later moves it on when it rings; Workers refuse dates past 2262.
const ALARM_AHEAD_MAX_MS: f64 = 365.0 * 24.0 * 60.0 * 60.0 * 1000.0;

/// After how many bytes of values a page ends early, since an isolate has 128 MB for everything.
pub(super) const PAGE_BYTES_MAX: usize = 8 << 20;

const MAKE: &str = "
    CREATE TABLE IF NOT EXISTS entries (item TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entries_by_end ON entries (expires_at) WHERE expires_at IS NOT NULL;
";

const DELETE: &str = "DELETE FROM entries WHERE item = ? RETURNING 1";

const EARLIEST_END: &str = "SELECT min(expires_at) FROM entries WHERE expires_at IS NOT NULL";

/// The entries of one object.
pub(super) struct Entries {
    storage: DurableObjectStorage,
    /// Whether the table is known to be there. Nobody makes it but to write, so that an object that is only ever
    /// read from takes up no space.
    made: Cell<bool>,
}

impl Entries {
    pub(super) fn new(storage: DurableObjectStorage) -> Self {
        Self { storage, made: Cell::new(false) }
    }

    /// Does what is asked, and names the items that have changed by it.
    pub(super) fn carry_out(&self, ask: Ask) -> Result<(Answer, Vec<String>), Refusal> {
        let now = ask.now;
        match ask.work {
            Work::Get { item } => Ok((Answer::Found(self.live(&item, now)?), vec![])),
            Work::Put { item, entry } => {
                self.write(&item, &entry)?;
                Ok((Answer::Done, vec![item]))
            }
            Work::Delete { item } => {
                let gone = self.remove(DELETE, &item)?;
                Ok((Answer::Done, gone.map(|_| item).into_iter().collect()))
            }
            Work::Take { item } => {
                let gone =
                    self.remove("DELETE FROM entries WHERE item = ? RETURNING value, expires_at", &item)?;
                let Some(row) = gone else { return Ok((Answer::Found(None), vec![])) };
                let taken = entry(&row, 0)?;
                Ok((Answer::Found(Some(taken).filter(|entry| entry.is_live(now))), vec![item]))
            }
            Work::PutIf { item, entry, condition } => {
                if !condition.holds(self.live(&item, now)?.as_ref()) {
                    return Ok((Answer::Wrote(false), vec![]));
                }
                self.write(&item, &entry)?;
                Ok((Answer::Wrote(true), vec![item]))
            }
            Work::Increment { item, by, end } => {
                let (count, expires_at) = match self.live(&item, now)? {
                    Some(entry) => (count(&entry.value), entry.expires_at),
                    None => (Some(0), end),
                };
                let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
                    let detail = format!("{item} is no counter, or its sum would leave i64");
                    return Err(Refusal { kind: StoreErrorKind::NotACounter, detail });
                };
                self.write(&item, &Entry { value: sum.to_string().into(), expires_at })?;
                Ok((Answer::Sum(sum), vec![item]))
            }
            Work::List { after, limit } => Ok((Answer::Listed(self.page(after, limit, now)?), vec![])),
            Work::GetMany { items } => Ok((Answer::FoundMany(self.many(&items, now)?), vec![])),
            Work::PutMany { entries } => {
                let put = |(item, entry)| Write { item, condition: None, action: Action::Put(entry) };
                let writes: Vec<_> = entries.into_iter().map(put).collect();
                Ok((Answer::Done, self.all_or_nothing(&writes)?))
            }
            Work::Transact { writes } => {
                for write in &writes {
                    if let Some(condition) = &write.condition
                        && !condition.holds(self.live(&write.item, now)?.as_ref())
                    {
                        return Ok((Answer::Wrote(false), vec![]));
                    }
                }
                Ok((Answer::Wrote(true), self.all_or_nothing(&writes)?))
            }
        }
    }

    /// What the alarm is for: deletes what has ended, or everything where nothing is left, and sets the next alarm.
    /// Resolves once that is safe.
    pub(super) fn tidy(&self) -> Result<Promise, Refusal> {
        let nothing = || Promise::resolve(&JsValue::UNDEFINED);
        if !self.is_made()? {
            return Ok(nothing());
        }
        let now = Date::now();
        self.first("DELETE FROM entries WHERE expires_at <= ?", &[(now - KEPT_MS).into()])?;
        if self.is_empty()? {
            self.made.set(false);
            return self.storage.delete_all().map_err(refusal);
        }
        match self.earliest_end()? {
            Some(end) => self.set_alarm((end + KEPT_MS).max(now + KEPT_MS)),
            None => Ok(nothing()),
        }
    }

    fn live(&self, item: &str, now: Timestamp) -> Result<Option<Entry>, Refusal> {
        if !self.is_made()? {
            return Ok(None);
        }
        let row = self.first("SELECT value, expires_at FROM entries WHERE item = ?", &[item.into()])?;
        let found = row.map(|row| entry(&row, 0)).transpose()?;
        Ok(found.filter(|entry| entry.is_live(now)))
    }

    fn write(&self, item: &str, entry: &Entry) -> Result<(), Refusal> {
        self.make()?;
        let end = match entry.expires_at {
            None => JsValue::NULL,
            Some(end) => {
                let end = ms(end);
                // Before the entry, so that none is ever without. An alarm is there already where something ends
                // earlier: it sets the next one.
                if self.earliest_end()?.is_none_or(|earliest| end < earliest) {
                    drop(self.set_alarm(end + KEPT_MS)?);
                }
                end.into()
            }
        };
        self.first(
            "INSERT INTO entries (item, value, expires_at) VALUES (?, ?, ?)
             ON CONFLICT (item) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
            &[item.into(), Uint8Array::from(&*entry.value).into(), end],
        )?;
        Ok(())
    }

    /// Does all of `writes`, whatever their conditions, or nothing where one of them fails; names what has changed.
    fn all_or_nothing(&self, writes: &[Write]) -> Result<Vec<String>, Refusal> {
        // Not in the transaction, which would take the table back where it fails.
        if writes.iter().any(|write| matches!(write.action, Action::Put(_))) {
            self.make()?;
        }
        let (mut changed, mut refused) = (Vec::new(), None);
        let mut all = || -> Result<(), JsValue> {
            for write in writes {
                match self.act(write) {
                    Ok(true) => changed.push(write.item.clone()),
                    Ok(false) => {}
                    Err(why) => {
                        refused = Some(why);
                        // What is thrown undoes what was done, and is thrown on to below.
                        return Err(JsValue::UNDEFINED);
                    }
                }
            }
            Ok(())
        };
        let transaction: Function =
            Reflect::get(&self.storage, &"transactionSync".into()).map_err(refusal)?.unchecked_into();
        // A panic drops the whole instance, so nothing half-done is seen after it.
        let closure =
            ScopedClosure::<dyn FnMut() -> Result<(), JsValue>>::borrow_mut_assert_unwind_safe(&mut all);
        let done = transaction.call1(&self.storage, closure.as_ref());
        drop(closure);
        match done {
            Ok(_) => Ok(changed),
            Err(thrown) => Err(refused.unwrap_or_else(|| refusal(thrown))),
        }
    }

    /// Does one of several writes, and says whether that has changed its item.
    fn act(&self, write: &Write) -> Result<bool, Refusal> {
        match &write.action {
            Action::Put(entry) => self.write(&write.item, entry).map(|()| true),
            Action::Delete => Ok(self.remove(DELETE, &write.item)?.is_some()),
            Action::Check => Ok(false),
        }
    }

    /// The row that the statement `delete` takes away.
    fn remove(&self, delete: &str, item: &str) -> Result<Option<Array>, Refusal> {
        if !self.is_made()? {
            return Ok(None);
        }
        let row = self.first(delete, &[item.into()])?;
        if row.is_some() && self.is_empty()? {
            // Not at once: what is emptied is often filled again, and would be made anew each time.
            drop(self.set_alarm(Date::now() + KEPT_MS)?);
        }
        Ok(row)
    }

    /// The entries of the first of `items`, at least of one.
    fn many(&self, items: &[String], now: Timestamp) -> Result<Vec<Option<Entry>>, Refusal> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for item in items {
            if bytes > MANY_BYTES_MAX {
                break;
            }
            let entry = self.live(item, now)?;
            bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
            found.push(entry);
        }
        Ok(found)
    }

    fn page(&self, after: Option<String>, limit: usize, now: Timestamp) -> Result<Page, Refusal> {
        let mut page = Page::default();
        if !self.is_made()? {
            return Ok(page);
        }
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        // No item is empty, so the empty one is before all.
        let after = after.unwrap_or_default();
        let rows = self.rows(
            "SELECT item, value, expires_at FROM entries
             WHERE item > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY item LIMIT ?",
            &[after.into(), ms(now).into(), ((limit + 1) as f64).into()],
        )?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            if page.entries.len() == limit || bytes > PAGE_BYTES_MAX {
                page.next = page.entries.last().map(|(item, _)| item.clone());
                // As a statement's end in `first`, where this was the last row of it.
                rows.next()?;
                break;
            }
            let Some(item) = row.get(0).as_string() else { return Err(corrupt("an item that is no text")) };
            let entry = entry(&row, 1)?;
            bytes += entry.value.len();
            page.entries.push((item, entry));
        }
        Ok(page)
    }

    fn make(&self) -> Result<(), Refusal> {
        if !self.made.get() {
            self.first(MAKE, &[])?;
            self.made.set(true);
        }
        Ok(())
    }

    fn is_made(&self) -> Result<bool, Refusal> {
        if !self.made.get() {
            let row = self.first("SELECT 1 FROM sqlite_master WHERE name = 'entries'", &[])?;
            self.made.set(row.is_some());
        }
        Ok(self.made.get())
    }

    fn is_empty(&self) -> Result<bool, Refusal> {
        Ok(self.first("SELECT 1 FROM entries LIMIT 1", &[])?.is_none())
    }

    fn earliest_end(&self) -> Result<Option<f64>, Refusal> {
        Ok(self.first(EARLIEST_END, &[])?.and_then(|row| row.get(0).as_f64()))
    }

    /// The alarm is set as soon as this returns; that it is safe, the answer waits for as for every other write.
    fn set_alarm(&self, at_ms: f64) -> Result<Promise, Refusal> {
        let at_ms = at_ms.min(Date::now() + ALARM_AHEAD_MAX_MS);
        self.storage.set_alarm(Date::new(&at_ms.into()), Object::new()).map_err(refusal)
    }

    /// The first row of a statement that has at most one, once it has run to its end.
    fn first(&self, query: &str, bindings: &[JsValue]) -> Result<Option<Array>, Refusal> {
        let rows = self.rows(query, bindings)?;
        let row = rows.next()?;
        if row.is_some() {
            // A statement that has not seen its end is kept open, and compiled again for the next one who needs it.
            rows.next()?;
        }
        Ok(row)
    }

    fn rows(&self, query: &str, bindings: &[JsValue]) -> Result<Rows, Refusal> {
        // It throws where the class was not migrated to SQLite, which the binding in `worker` cannot tell.
        let sql: SqlStorage = Reflect::get(&self.storage, &"sql".into())
            .map_err(|why| Refusal { kind: StoreErrorKind::Denied, detail: thrown::message(&why) })?
            .unchecked_into();
        let cursor = sql.exec(query, bindings.iter().collect()).map_err(refusal)?;
        Ok(Rows(cursor.raw()))
    }
}

/// What a statement gives, row by row.
struct Rows(worker::js_sys::Iterator);

impl Rows {
    fn next(&self) -> Result<Option<Array>, Refusal> {
        let step = self.0.next().map_err(refusal)?;
        Ok((!step.done()).then(|| step.value().unchecked_into()))
    }
}

/// The entry whose value is in the column `at` of `row`, and whose end is in the one after it.
fn entry(row: &Array, at: u32) -> Result<Entry, Refusal> {
    let value = row.get(at);
    if !value.is_instance_of::<worker::js_sys::ArrayBuffer>() {
        return Err(corrupt("a value that is no bytes"));
    }
    let value = Bytes::from(Uint8Array::new(&value).to_vec());
    // A number that no `u64` is becomes the nearest one.
    let expires_at = row.get(at + 1).as_f64().map(|end| Timestamp::from_millis(end as u64));
    Ok(Entry { value, expires_at })
}

/// JavaScript and this table have no larger whole numbers than 2^53; that is the year 287396.
fn ms(time: Timestamp) -> f64 {
    time.as_millis() as f64
}

fn corrupt(what: &str) -> Refusal {
    Refusal { kind: StoreErrorKind::Corrupt, detail: format!("the table has {what}") }
}

fn refusal(thrown: JsValue) -> Refusal {
    let detail = thrown::message(&thrown);
    Refusal { kind: kind(&detail), detail }
}

/// What a failed statement means. Workers give SQLite's code in words only: "database disk image is malformed:
/// SQLITE_CORRUPT".
fn kind(message: &str) -> StoreErrorKind {
    if message.contains("SQLITE_TOOBIG") {
        StoreErrorKind::TooLarge
    } else if ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_MISMATCH"].iter().any(|code| message.contains(code))
    {
        StoreErrorKind::Corrupt
    } else {
        StoreErrorKind::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_decides_whether_to_try_again() {
        for (message, expected) in [
            ("string or blob too big: SQLITE_TOOBIG", StoreErrorKind::TooLarge),
            ("database disk image is malformed: SQLITE_CORRUPT_VTAB", StoreErrorKind::Corrupt),
            ("database or disk is full: SQLITE_FULL", StoreErrorKind::Unavailable),
            ("Durable Object storage is no longer accessible.", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(kind(message), expected, "{message}");
        }
    }
}
