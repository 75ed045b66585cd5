//! Splits a value that is too large for one item over several, and puts it together again.
//!
//! The parts are written before the head that names them, and deleted once no head names them any more. They are never
//! changed: each write has parts of its own. So whoever has read a head finds its parts, or finds that the head has been
//! written anew.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use bytes::{Bytes, BytesMut};
use edgemcp::{
    platform::Timestamp,
    store::{Consistency, Entry, Key, StoreError, StoreErrorKind},
};

use super::{
    DynamoDbStore,
    batch::{READS_AT_ONCE, WRITES_AT_ONCE, by_key, write_of},
    error::failed,
    item::{
        self, Head, Held, Item, PARTITION, Parts, SORT, TTL, VALUE, WRITTEN_MS, binary, corrupt, counter,
        decode, number, sha256, text,
    },
};

/// How much of a value is read or written in one request, in bytes, so that an attempt stays short.
const BYTES_AT_ONCE: usize = 4 << 20;

/// How much longer than its entry a part is kept by DynamoDB's own deletion, in seconds: no clock that is wrong by less
/// takes the parts from under a head that is still there.
const PARTS_OUTLIVE_S: u64 = 24 * 3600;

/// How often an entry is read that others write anew each time.
const READS_MAX: u32 = 8;

/// The partition key of a value's parts. It has three `/`, so it is no entry's, and no listing meets it.
fn partition(of: &Key, id: &str) -> String {
    format!("{of}/{id}")
}

/// The key and the id that [`partition`] made this of.
pub(super) fn read_partition(partition: &str) -> Option<(Key, &str)> {
    let (key, id) = partition.rsplit_once('/')?;
    Some((key.parse().ok()?, id))
}

fn part_key(of: &Key, id: &str, number: u32) -> Item {
    Item::from([(PARTITION.to_owned(), text(partition(of, id))), (SORT.to_owned(), text(part_name(number)))])
}

fn part_name(number: u32) -> String {
    format!("{number:04}")
}

/// What no two writes have in common.
pub(super) fn fresh_id(operation: &'static str) -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let detail = format!("the system has no randomness to name a write with: {error}");
        StoreError::new(StoreErrorKind::Unavailable, operation, detail)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl DynamoDbStore {
    /// Whether a value is split. A counter never is, so that it can be added to.
    pub(super) fn is_split(&self, value: &[u8]) -> bool {
        value.len() > self.config.part_bytes && counter(value).is_none()
    }

    /// Where a value is to be: in its entry's item, or in parts, which are written by this.
    pub(super) async fn hold(
        &self,
        operation: &'static str,
        key: &Key,
        value: Bytes,
        expires_at: Option<Timestamp>,
    ) -> Result<Held, StoreError> {
        if !self.is_split(&value) {
            return Ok(Held::Here(value));
        }
        let chunks: Vec<_> = value.chunks(self.config.part_bytes).collect();
        let parts = Parts {
            id: fresh_id(operation)?,
            count: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            bytes: value.len(),
            sha256: sha256(&value),
        };
        let numbered: Vec<_> = (0..).zip(chunks).collect();
        let at_once = (BYTES_AT_ONCE / self.config.part_bytes).clamp(1, WRITES_AT_ONCE);
        for some in numbered.chunks(at_once) {
            let mut writes = Vec::with_capacity(some.len());
            for (at, chunk) in some {
                let mut part = part_key(key, &parts.id, *at);
                part.insert(VALUE.to_owned(), binary(chunk));
                part.insert(WRITTEN_MS.to_owned(), number(self.clock.now().as_millis()));
                if let Some(end) = expires_at {
                    let end = end.as_secs_ceil().saturating_add(PARTS_OUTLIVE_S);
                    part.insert(TTL.to_owned(), number(end));
                }
                writes.push(write_of(operation, part)?);
            }
            if let Err(error) = self.write_items(operation, writes).await {
                self.drop_parts(key, &parts).await;
                return Err(error);
            }
        }
        Ok(Held::Apart(parts))
    }

    /// Deletes parts that no head names. One that stays behind is in nobody's way: it goes with its TTL, or with
    /// [`purge_expired`](edgemcp::store::Survey::purge_expired). So a failure of this is none of the operation's.
    pub(super) async fn drop_parts(&self, key: &Key, parts: &Parts) {
        let mut deletes = (0..parts.count).filter_map(|number| {
            let part = part_key(key, &parts.id, number);
            let delete = DeleteRequest::builder().set_key(Some(part)).build().ok()?;
            Some(WriteRequest::builder().delete_request(delete).build())
        });
        loop {
            let some: Vec<_> = deletes.by_ref().take(WRITES_AT_ONCE).collect();
            if some.is_empty() || self.write_items("delete", some).await.is_err() {
                return;
            }
        }
    }

    /// The head of an entry, ended or not.
    pub(super) async fn head(
        &self,
        operation: &'static str,
        key: &Key,
        consistency: Consistency,
    ) -> Result<Option<Head>, StoreError> {
        let answer = self
            .client()
            .await?
            .get_item()
            .table_name(self.config.table())
            .set_key(Some(item::key(key)))
            .consistent_read(consistency == Consistency::Strong)
            .send()
            .await
            .map_err(|error| failed(operation, &self.config, &error))?;
        answer.item().map(|item| decode(operation, item)).transpose()
    }

    /// The entry of a head: itself, or put together of its parts, or of those of a newer head where they are gone.
    /// `None` where it has ended, or was deleted meanwhile.
    pub(super) async fn load(
        &self,
        operation: &'static str,
        key: &Key,
        head: Head,
    ) -> Result<Option<Entry>, StoreError> {
        Ok(self.load_of(operation, key, head).await?.map(|(entry, _)| entry))
    }

    /// As [`load`](Self::load), with the parts that the entry was put together of.
    pub(super) async fn load_of(
        &self,
        operation: &'static str,
        key: &Key,
        head: Head,
    ) -> Result<Option<(Entry, Option<Parts>)>, StoreError> {
        let Head { mut held, mut expires_at } = head;
        for _ in 0..READS_MAX {
            if expires_at.is_some_and(|end| end <= self.clock.now()) {
                return Ok(None);
            }
            let parts = match held {
                Held::Here(value) => return Ok(Some((Entry { value, expires_at }, None))),
                Held::Apart(parts) => parts,
            };
            if let Some(value) = self.parts(operation, key, &parts).await? {
                return Ok(Some((Entry { value, expires_at }, Some(parts))));
            }
            let Some(newer) = self.head(operation, key, Consistency::Strong).await? else { return Ok(None) };
            let is_same = matches!(&newer.held, Held::Apart(newer) if newer.id == parts.id);
            if is_same && newer.is_live(self.clock.now()) {
                let item = item::attributes(key, &newer.held, newer.expires_at);
                return Err(corrupt(operation, &item, "parts that are missing, or not as long as it says"));
            }
            Head { held, expires_at } = newer;
        }
        let detail = format!("{key} was written anew by others {READS_MAX} times while it was read");
        Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
    }

    /// The value that these parts make; `None` where some are not there.
    async fn parts(
        &self,
        operation: &'static str,
        key: &Key,
        parts: &Parts,
    ) -> Result<Option<Bytes>, StoreError> {
        // What others wrote may say anything, so nothing is made as large as it says.
        let mut value = BytesMut::new();
        let mut next = 0;
        let part_bytes = parts.bytes / usize::try_from(parts.count).unwrap_or(usize::MAX).max(1);
        let at_once = (BYTES_AT_ONCE / part_bytes.max(1)).clamp(1, READS_AT_ONCE);
        while next < parts.count {
            let numbers: Vec<_> = (next..parts.count).take(at_once).collect();
            let keys = numbers.iter().map(|number| part_key(key, &parts.id, *number)).collect();
            let found = self.read_items(operation, keys, Consistency::Strong).await?;
            let found = by_key(operation, found)?;
            for number in numbers {
                let Some(part) = found.get(&(partition(key, &parts.id), part_name(number))) else {
                    return Ok(None);
                };
                match part.get(VALUE).and_then(|value| value.as_b().ok()) {
                    Some(chunk) => value.extend_from_slice(chunk.as_ref()),
                    None => return Err(corrupt(operation, part, "no binary `v`")),
                }
                next = number.saturating_add(1);
            }
        }
        Ok((value.len() == parts.bytes).then(|| value.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_parts_names_their_entry_and_is_no_entrys_own() {
        let key = Key::new("c!~", "i.d", "x").unwrap();
        let partition = partition(&key, "00ff");
        assert_eq!(read_partition(&partition), Some((key, "00ff")));
        for entrys in ["c/i", "c/i/x", "c", "", "c/i/x/y/z"] {
            assert_eq!(read_partition(entrys), None, "{entrys:?}");
        }
    }

    #[test]
    fn two_writes_have_two_ids_without_a_slash() {
        let (one, other) = (fresh_id("put").unwrap(), fresh_id("put").unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
}
