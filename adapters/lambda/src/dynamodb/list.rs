//! Lists a partition, page by page, with the values that are in parts.

use edgemcp::store::{Entry, LIST_PAGE_MAX, Page, Partition, StoreError};

use super::{
    DynamoDbStore,
    error::failed,
    item::{Held, PARTITION, SORT, corrupt, decode, sort_key, text},
};

const OPERATION: &str = "list";

/// The bytes of values after which a page ends early. DynamoDB itself ends one after a megabyte of items, but what is in
/// parts is not among them.
const PAGE_BYTES_MAX: usize = 4 << 20;

impl DynamoDbStore {
    pub(super) async fn list_page(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        let mut query = self
            .client()
            .await?
            .query()
            .table_name(self.config.table())
            // A caller cannot ask for a fresh list, and lists are read right after writes.
            .consistent_read(true)
            .expression_attribute_values(":pk", text(partition.to_string()))
            // One more than asked for tells whether this page is the last one.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
        query = match after {
            None => query.key_condition_expression(format!("{PARTITION} = :pk")),
            Some(after) => query
                .key_condition_expression(format!("{PARTITION} = :pk AND {SORT} > :after"))
                .expression_attribute_values(":after", text(partition.item(after)?.item())),
        };
        let answer = query.send().await.map_err(|error| failed(OPERATION, &self.config, &error))?;
        let now = self.clock.now();
        // DynamoDB's own limit, by size, may have ended the page before ours by number.
        let read_up_to = answer.last_evaluated_key().map(|last| sort_key(OPERATION, last)).transpose()?;
        let mut page = Page { entries: Vec::new(), next: read_up_to };
        let (mut previous, mut bytes) = (None::<String>, 0_usize);
        for (position, item) in answer.items().iter().enumerate() {
            let name = sort_key(OPERATION, item)?;
            let key = partition.item(name.as_str());
            let key = key.map_err(|_| corrupt(OPERATION, item, "no item's name in `sk`"))?;
            let head = decode(OPERATION, item)?;
            bytes = bytes.saturating_add(if head.is_live(now) { head.value_bytes() } else { 0 });
            if position == limit || (bytes > PAGE_BYTES_MAX && !page.entries.is_empty()) {
                page.next = previous;
                break;
            }
            let entry = match head.held {
                Held::Here(value) => {
                    Some(Entry { value, expires_at: head.expires_at }).filter(|entry| entry.is_live(now))
                }
                Held::Apart(_) => self.load(OPERATION, &key, head).await?,
            };
            page.entries.extend(entry.map(|entry| (name.clone(), entry)));
            previous = Some(name);
        }
        Ok(page)
    }
}
