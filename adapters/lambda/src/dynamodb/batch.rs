//! Reads and writes many items in one request, and what DynamoDB leaves of it in another.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use edgemcp::store::{Consistency, Entry, Key, Put, StoreError, StoreErrorKind};

use super::{
    DynamoDbStore,
    client::limited,
    error::{failed, malformed},
    item::{self, Held, ITEM_BYTES_MAX, Item, PARTITION, SORT, attributes, corrupt, decode},
    pause::{LEFT_ATTEMPTS_MAX, Pauses},
};

/// The most items one BatchGetItem reads. What is beyond 16 MB of them DynamoDB leaves.
pub(super) const READS_AT_ONCE: usize = 100;

/// The most items one BatchWriteItem writes.
pub(super) const WRITES_AT_ONCE: usize = 25;

/// The most bytes one BatchWriteItem takes.
const WRITE_BYTES_MAX: usize = 16_000_000;

// So many of the largest items are within it, so nobody has to count bytes.
const _: () = assert!(WRITES_AT_ONCE * ITEM_BYTES_MAX < WRITE_BYTES_MAX);

impl DynamoDbStore {
    pub(super) async fn get_each(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        const OPERATION: &str = "get_many";
        // DynamoDB refuses to read one item twice.
        let mut seen = HashSet::with_capacity(keys.len());
        let once: Vec<_> = keys.iter().filter(|key| seen.insert(*key)).collect();
        let mut found = HashMap::with_capacity(once.len());
        for some in once.chunks(READS_AT_ONCE) {
            let items = some.iter().map(|key| item::key(key)).collect();
            let heads = limited(OPERATION, self.read_items(OPERATION, items, consistency)).await?;
            let mut heads = by_key(OPERATION, heads)?;
            for key in some {
                let Some(item) = heads.remove(&name(key)) else { continue };
                let entry = self.load(OPERATION, key, decode(OPERATION, &item)?);
                if let Some(entry) = limited(OPERATION, entry).await? {
                    found.insert(*key, entry);
                }
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    pub(super) async fn put_each(&self, puts: &[Put]) -> Result<(), StoreError> {
        const OPERATION: &str = "put_many";
        for put in puts {
            self.check_size(OPERATION, &put.value)?;
        }
        let (large, small): (Vec<_>, Vec<_>) =
            Put::last_of_each(puts).partition(|put| self.is_split(&put.value));
        for some in small.chunks(WRITES_AT_ONCE) {
            let mut writes = Vec::with_capacity(some.len());
            for put in some {
                let item = attributes(&put.key, &Held::Here(put.value.clone()), self.end(put.ttl));
                writes.push(write_of(OPERATION, item)?);
            }
            limited(OPERATION, self.write_items(OPERATION, writes)).await?;
        }
        // One by one, so that one of them is in memory at a time in the form in which it is sent.
        for put in large {
            limited(OPERATION, self.put_anyway(OPERATION, &put.key, put.value.clone(), put.ttl)).await?;
        }
        Ok(())
    }

    /// The items under `keys`, a hundred at most, in no order. What is not there is left out.
    pub(super) async fn read_items(
        &self,
        operation: &'static str,
        keys: Vec<Item>,
        consistency: Consistency,
    ) -> Result<Vec<Item>, StoreError> {
        let client = self.client().await?;
        let mut pauses = Pauses::new(&*self.clock, LEFT_ATTEMPTS_MAX);
        let (mut found, mut left) = (Vec::with_capacity(keys.len()), keys);
        loop {
            let asked = left.len();
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(consistency == Consistency::Strong)
                .build()
                .map_err(|error| malformed(operation, &error))?;
            let answer = client
                .batch_get_item()
                .request_items(self.config.table(), keys)
                .send()
                .await
                .map_err(|error| failed(operation, &self.config, &error))?;
            found.extend(answer.responses.unwrap_or_default().into_values().flatten());
            left = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|left| left.keys)
                .collect();
            if left.is_empty() {
                return Ok(found);
            }
            if left.len() < asked {
                pauses.begin_again();
            }
            pauses.wait(left_over(operation, left.len())).await?;
        }
    }

    /// Puts and deletes items, [`WRITES_AT_ONCE`] at most. Where one fails the others may be written or not.
    pub(super) async fn write_items(
        &self,
        operation: &'static str,
        writes: Vec<WriteRequest>,
    ) -> Result<(), StoreError> {
        let client = self.client().await?;
        let mut pauses = Pauses::new(&*self.clock, LEFT_ATTEMPTS_MAX);
        let mut left = writes;
        loop {
            let asked = left.len();
            let answer = client
                .batch_write_item()
                .request_items(self.config.table(), left)
                .send()
                .await
                .map_err(|error| failed(operation, &self.config, &error))?;
            left = answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
            if left.is_empty() {
                return Ok(());
            }
            if left.len() < asked {
                pauses.begin_again();
            }
            pauses.wait(left_over(operation, left.len())).await?;
        }
    }
}

/// The write of a whole item, for a batch.
pub(super) fn write_of(operation: &'static str, item: Item) -> Result<WriteRequest, StoreError> {
    let put =
        PutRequest::builder().set_item(Some(item)).build().map_err(|error| malformed(operation, &error))?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// Items by the names that [`name`] gives them.
pub(super) fn by_key(
    operation: &'static str,
    items: Vec<Item>,
) -> Result<HashMap<(String, String), Item>, StoreError> {
    let named = items.into_iter().map(|item| {
        let part = |of| item.get(of).and_then(|part| part.as_s().ok()).cloned();
        match part(PARTITION).zip(part(SORT)) {
            Some(name) => Ok((name, item)),
            None => Err(corrupt(operation, &item, "no text in `pk` and `sk`")),
        }
    });
    named.collect()
}

fn name(key: &Key) -> (String, String) {
    (key.partition().to_string(), key.item().to_owned())
}

fn left_over(operation: &'static str, count: usize) -> StoreError {
    let detail = format!("DynamoDB left {count} items of a batch undone each time it was asked");
    StoreError::new(StoreErrorKind::Throttled, operation, detail)
}
