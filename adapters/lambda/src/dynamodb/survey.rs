//! Looks over the whole table for its operator, and deletes what has ended, with the parts that nothing names.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::scan::builders::ScanFluentBuilder,
    types::{DeleteRequest, WriteRequest},
};
use edgemcp::{
    future::BoxFuture,
    platform::Timestamp,
    store::{Consistency, Key, StoreError, StoreErrorKind, Survey, SurveyPage, Surveyed},
};
use futures_util::future::try_join_all;

use super::{
    DynamoDbStore,
    batch::WRITES_AT_ONCE,
    client::limited,
    error::{failed, malformed},
    item::{EXPIRES_MS, Held, Item, PARTITION, SORT, WRITTEN_MS, corrupt, decode, number, text},
    large::read_partition,
};

const SURVEY: &str = "survey";
const PURGE: &str = "purge_expired";

/// How old a part must be before it can count as left over: far older than one whose writer is about to put its head.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3600);

/// How many deletes are under way at once.
const AT_ONCE: usize = 8;

impl Survey for DynamoDbStore {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>> {
        Box::pin(limited(SURVEY, self.survey_page(after)))
    }

    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.purge())
    }
}

/// A page of the table.
struct Scanned {
    items: Vec<Item>,
    next: Option<Item>,
}

impl DynamoDbStore {
    async fn scan(
        &self,
        operation: &'static str,
        after: Option<Item>,
        of: impl FnOnce(ScanFluentBuilder) -> ScanFluentBuilder,
    ) -> Result<Scanned, StoreError> {
        let scan = self.client().await?.scan().table_name(self.config.table()).consistent_read(true);
        let answer = of(scan)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(|error| failed(operation, &self.config, &error))?;
        Ok(Scanned { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    async fn survey_page(&self, after: Option<&str>) -> Result<SurveyPage, StoreError> {
        let after = after.map(read_place).transpose()?;
        let entries = format!("attribute_not_exists({WRITTEN_MS})");
        let scanned = self.scan(SURVEY, after, |scan| scan.filter_expression(entries)).await?;
        let mut page = SurveyPage::default();
        for item in &scanned.items {
            let key =
                key(item).ok_or_else(|| corrupt(SURVEY, item, "no key of an entry in `pk` and `sk`"))?;
            let head = decode(SURVEY, item)?;
            page.entries.push(Surveyed { key, value_bytes: head.value_bytes(), expires_at: head.expires_at });
        }
        page.next = match scanned.next {
            None => None,
            Some(last) => {
                Some(place(&last).ok_or_else(|| corrupt(SURVEY, &last, "no text in `pk` and `sk`"))?)
            }
        };
        Ok(page)
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        let (mut purged, mut after) = (0, None);
        loop {
            let now = self.clock.now();
            let page = self.scan(PURGE, after, |scan| {
                scan.filter_expression(format!("{EXPIRES_MS} <= :now OR attribute_exists({WRITTEN_MS})"))
                    .expression_attribute_values(":now", number(now.as_millis()))
                    .projection_expression(format!("{PARTITION}, {SORT}, {WRITTEN_MS}"))
            });
            let page = limited(PURGE, page).await?;
            let (parts, ended): (Vec<_>, Vec<_>) =
                page.items.into_iter().partition(|item| item.contains_key(WRITTEN_MS));
            let ended: Vec<_> = ended.iter().filter_map(key).collect();
            for some in ended.chunks(AT_ONCE) {
                let deletes = some.iter().map(|key| limited(PURGE, self.purge_one(key)));
                purged += try_join_all(deletes).await?.into_iter().map(u64::from).sum::<u64>();
            }
            self.purge_parts(parts, now).await?;
            match page.next {
                None => return Ok(purged),
                next => after = next,
            }
        }
    }

    /// Deletes an entry that has ended, unless it was written anew meanwhile, and says whether it did.
    async fn purge_one(&self, key: &Key) -> Result<bool, StoreError> {
        match self.delete_ended(PURGE, key).await {
            // Whoever wrote it may know what it is.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(false),
            purged => purged,
        }
    }

    /// Deletes those of these parts that no head names.
    async fn purge_parts(&self, parts: Vec<Item>, now: Timestamp) -> Result<(), StoreError> {
        let mut left_over = Vec::new();
        // All parts of a value come one after the other, so that its head is read once.
        let mut judged: Option<(String, bool)> = None;
        for part in parts {
            let Some((partition, sort)) = names(&part) else { continue };
            let written = part.get(WRITTEN_MS).and_then(|ms| ms.as_n().ok()).and_then(|ms| ms.parse().ok());
            let is_old =
                written.is_some_and(|written| now.since(Timestamp::from_millis(written)) >= LEFT_OVER_AFTER);
            if !is_old {
                continue;
            }
            let is_left = match &judged {
                Some((judged, is_left)) if judged == partition => *is_left,
                _ => {
                    let is_left = limited(PURGE, self.is_left_over(partition)).await?;
                    judged = Some((partition.to_owned(), is_left));
                    is_left
                }
            };
            if is_left {
                let key =
                    Item::from([(PARTITION.to_owned(), text(partition)), (SORT.to_owned(), text(sort))]);
                let delete = DeleteRequest::builder().set_key(Some(key)).build();
                let delete = delete.map_err(|error| malformed(PURGE, &error))?;
                left_over.push(WriteRequest::builder().delete_request(delete).build());
            }
        }
        for some in left_over.chunks(WRITES_AT_ONCE) {
            limited(PURGE, self.write_items(PURGE, some.to_vec())).await?;
        }
        Ok(())
    }

    /// Whether the parts in this partition are those of no entry.
    async fn is_left_over(&self, partition: &str) -> Result<bool, StoreError> {
        let Some((key, id)) = read_partition(partition) else { return Ok(false) };
        match self.head(PURGE, &key, Consistency::Strong).await {
            Ok(None) => Ok(true),
            Ok(Some(head)) => Ok(!matches!(head.held, Held::Apart(parts) if parts.id == id)),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn names(item: &Item) -> Option<(&str, &str)> {
    let part = |name| item.get(name).and_then(|part| part.as_s().ok());
    Some((part(PARTITION)?, part(SORT)?))
}

fn key(item: &Item) -> Option<Key> {
    let (partition, sort) = names(item)?;
    format!("{partition}/{sort}").parse().ok()
}

/// Where a page of the survey ends. Neither an entry's key nor a part's has a space.
fn place(last: &Item) -> Option<String> {
    let (partition, sort) = names(last)?;
    Some(format!("{partition} {sort}"))
}

/// Reads what [`place`] writes.
fn read_place(after: &str) -> Result<Item, StoreError> {
    let Some((partition, sort)) = after.split_once(' ') else {
        let detail = format!("{after:?} is no place in a survey; it takes `next` of the page before");
        return Err(StoreError::new(StoreErrorKind::InvalidKey, SURVEY, detail));
    };
    Ok(Item::from([(PARTITION.to_owned(), text(partition)), (SORT.to_owned(), text(sort))]))
}
