//! Reads and writes the rows that entries are.

use edgemcp::{
    platform::Timestamp,
    store::{Entry, Key, Page},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Failure;
use crate::store::LIST_BYTES_MAX;

/// The most expired entries one write deletes besides its own work.
const SWEEP_MAX: u32 = 32;

pub(super) fn page(
    connection: &Connection,
    partition: &str,
    after: &str,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT value, expires_at, item FROM entries WHERE partition = ?1 AND item > ?2
         AND (expires_at IS NULL OR expires_at > ?3) ORDER BY item",
    )?;
    let mut rows = select.query(params![partition, after, sql_ms(now)])?;
    let (mut page, mut bytes) = (Page::default(), 0_usize);
    while let Some(row) = rows.next()? {
        if page.entries.len() == limit || bytes >= LIST_BYTES_MAX {
            page.next = page.entries.last().map(|(item, _)| item.clone());
            break;
        }
        let entry = entry(row)?;
        bytes = bytes.saturating_add(entry.value.len());
        page.entries.push((row.get("item")?, entry));
    }
    Ok(page)
}

pub(super) fn live(
    connection: &Connection,
    partition: &str,
    item: &str,
    now: Timestamp,
) -> Result<Option<Entry>, Failure> {
    let mut select = connection
        .prepare_cached("SELECT value, expires_at FROM entries WHERE partition = ?1 AND item = ?2")?;
    let found = select.query_row(params![partition, item], entry).optional()?;
    Ok(found.filter(|entry| entry.is_live(now)))
}

pub(super) fn upsert(
    transaction: &Transaction<'_>,
    partition: &str,
    item: &str,
    value: &[u8],
    expires_at: Option<Timestamp>,
) -> Result<(), Failure> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO entries (partition, item, value, expires_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (partition, item) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
    )?;
    upsert.execute(params![partition, item, value, expires_at.map(sql_ms)])?;
    Ok(())
}

pub(super) fn remove(transaction: &Transaction<'_>, partition: &str, item: &str) -> Result<(), Failure> {
    let mut delete = transaction.prepare_cached("DELETE FROM entries WHERE partition = ?1 AND item = ?2")?;
    delete.execute(params![partition, item])?;
    Ok(())
}

/// Deletes the entry and returns it, whether or not it has expired.
pub(super) fn take(
    transaction: &Transaction<'_>,
    partition: &str,
    item: &str,
) -> Result<Option<Entry>, Failure> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM entries WHERE partition = ?1 AND item = ?2 RETURNING value, expires_at",
    )?;
    Ok(delete.query_row(params![partition, item], entry).optional()?)
}

/// Deletes some of what has expired, so that the file does not grow with what nobody reads any more.
pub(super) fn sweep(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
    delete_expired(transaction, now, SWEEP_MAX)?;
    Ok(())
}

/// Deletes what has expired, those first that did so first, and says how many of at most `max` that were.
pub(super) fn delete_expired(
    transaction: &Transaction<'_>,
    now: Timestamp,
    max: u32,
) -> Result<usize, Failure> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM entries WHERE (partition, item) IN
         (SELECT partition, item FROM entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    Ok(delete.execute(params![sql_ms(now), max])?)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let value: Vec<u8> = row.get("value")?;
    let end: Option<i64> = row.get("expires_at")?;
    Ok(Entry { value: value.into(), expires_at: end.map(moment) })
}

/// What [`sql_ms`] has written.
pub(super) fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(ms).unwrap_or(0))
}

pub(super) fn names(key: &Key) -> (String, String) {
    (key.partition().to_string(), key.item().to_owned())
}

/// SQLite's integers end at half of a `u64`, which is 292 million years from now.
pub(super) fn sql_ms(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}
