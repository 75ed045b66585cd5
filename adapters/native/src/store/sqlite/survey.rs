//! Looks over the whole file for its operator, and deletes all that has expired.

use edgemcp::{
    future::BoxFuture,
    store::{Key, LIST_PAGE_MAX, StoreError, Survey, SurveyPage, Surveyed},
};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    Failure, SqliteStore,
    entries::{delete_expired, moment, names},
};

/// The most entries that one transaction of a purge deletes, so that other processes have their turn in between.
const PURGE_MAX: u32 = 1000;

impl Survey for SqliteStore {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>> {
        Box::pin(async move {
            let after = after.map(str::parse::<Key>).transpose()?;
            // No partition is empty, so every one comes after the empty text.
            let (partition, item) = after.as_ref().map(names).unwrap_or_default();
            self.run("survey", move |session, _| page(&session.connection, &partition, &item)).await
        })
    }

    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut purged = 0_u64;
            loop {
                let deleted = self
                    .run("purge_expired", |session, clock| {
                        let transaction =
                            session.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                        let deleted = delete_expired(&transaction, clock.now(), PURGE_MAX)?;
                        transaction.commit()?;
                        session.tell();
                        Ok(deleted)
                    })
                    .await?;
                purged = purged.saturating_add(u64::try_from(deleted).unwrap_or(u64::MAX));
                if deleted == 0 {
                    return Ok(purged);
                }
            }
        })
    }
}

/// The entries after this one, in the order of the table's key. The length of a value is read without the value.
fn page(connection: &Connection, partition: &str, item: &str) -> Result<SurveyPage, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT partition || '/' || item AS key, length(value) AS bytes, expires_at FROM entries
         WHERE (partition, item) > (?1, ?2) ORDER BY partition, item",
    )?;
    let mut rows = select.query(params![partition, item])?;
    let mut page = SurveyPage::default();
    while let Some(row) = rows.next()? {
        if page.entries.len() == LIST_PAGE_MAX {
            page.next = page.entries.last().map(|entry| entry.key.to_string());
            break;
        }
        let name: String = row.get("key")?;
        page.entries.push(Surveyed {
            key: name.parse().map_err(|_| Failure::NotAKey(name))?,
            value_bytes: row.get::<_, u32>("bytes")? as usize,
            expires_at: row.get::<_, Option<i64>>("expires_at")?.map(moment),
        });
    }
    Ok(page)
}
