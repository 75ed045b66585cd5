//! Looks over all entries of a store, node by node, a few at a time, so that Redis serves others meanwhile.

use edgemcp::{
    future::BoxFuture,
    store::{Key, LIST_PAGE_MAX, Partition, StoreError, StoreErrorKind, Survey, SurveyPage, Surveyed},
};
use futures_util::future::try_join_all;

use crate::{
    client::Sent,
    connection::Node,
    entry,
    name::Named,
    script::{CLEAR, LOOK},
    store::{RedisStore, unexpected},
};

/// About how many keys one step looks at. Redis serves nobody else meanwhile.
const STEP: usize = 200;

/// Where a survey is: the node, where there are several, and Redis' own cursor there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    node: Option<Node>,
    cursor: u64,
}

impl Place {
    /// As text: `17`, or `127.0.0.1:7000 17` in a cluster.
    fn write(&self) -> String {
        match &self.node {
            None => self.cursor.to_string(),
            Some(node) => format!("{node} {}", self.cursor),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let Some((node, cursor)) = text.rsplit_once(' ') else {
            return Some(Self { node: None, cursor: text.parse().ok()? });
        };
        Some(Self { node: Some(Node::read(node)?), cursor: cursor.parse().ok()? })
    }
}

impl RedisStore {
    /// Where a walk over all nodes begins.
    async fn first(&self, operation: &'static str) -> Result<Place, StoreError> {
        Ok(Place { node: self.client.primaries(operation).await?.into_iter().next(), cursor: 0 })
    }

    /// Some names that match `pattern`, and where the next step begins.
    async fn step(
        &self,
        operation: &'static str,
        pattern: &str,
        place: &Place,
    ) -> Result<(Vec<String>, Option<Place>), StoreError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(place.cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let found = self.client.ask_node(operation, &scan, place.node.as_ref()).await?;
        let (cursor, names): (u64, Vec<Vec<u8>>) =
            redis::from_redis_value(found).map_err(|_| unexpected(operation))?;
        // What is no text is not this store's.
        let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect();
        if cursor != 0 {
            return Ok((names, Some(Place { node: place.node.clone(), cursor })));
        }
        let Some(node) = &place.node else { return Ok((names, None)) };
        let nodes = self.client.primaries(operation).await?;
        if !nodes.contains(node) {
            let detail =
                "the cluster has other nodes than before, so that some entries may be missed (begin again)";
            return Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail));
        }
        let next = nodes.into_iter().find(|other| other > node);
        Ok((names, next.map(|node| Place { node: Some(node), cursor: 0 })))
    }

    async fn describe(&self, key: Key) -> Result<Option<Surveyed>, StoreError> {
        const OPERATION: &str = "survey";
        let name = self.names.entry(key.partition(), key.item());
        // In one step: between two an entry may be replaced, and the head of one does not go with the length of another.
        let last = (entry::HEAD_BYTES_MAX - 1).to_string().into_bytes();
        let found = match self.client.run(OPERATION, &LOOK, Sent::Again, &[name], &[last]).await {
            Ok(found) => found,
            // Something else under this name is no entry, and no reason not to see the others.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => return Ok(None),
            Err(error) => return Err(error),
        };
        let (start, bytes): (Vec<u8>, usize) =
            redis::from_redis_value(found).map_err(|_| unexpected(OPERATION))?;
        Ok(entry::surveyed(key, &start, bytes))
    }

    async fn survey_page(&self, after: Option<&str>) -> Result<SurveyPage, StoreError> {
        const OPERATION: &str = "survey";
        let place = match after {
            None => self.first(OPERATION).await?,
            Some(after) => Place::read(after).ok_or_else(|| {
                let detail = format!("{after:?} is no place in a survey of Redis (begin with none)");
                StoreError::new(StoreErrorKind::InvalidKey, OPERATION, detail)
            })?,
        };
        let (names, next) = self.step(OPERATION, &self.names.pattern(), &place).await?;
        let keys = names.iter().filter_map(|name| match self.names.read(name) {
            Some(Named::Entry(key)) => Some(key),
            _ => None,
        });
        let entries = try_join_all(keys.map(|key| self.describe(key))).await?.into_iter().flatten().collect();
        Ok(SurveyPage { entries, next: next.map(|place| place.write()) })
    }

    /// Deletes what has ended in `partition`, and what its indexes have besides.
    async fn clear(&self, partition: &Partition) -> Result<u64, StoreError> {
        const OPERATION: &str = "purge_expired";
        let (mut count, mut after) = (0, None::<String>);
        loop {
            let items = self.items_after(OPERATION, partition, after.as_deref(), LIST_PAGE_MAX).await?;
            if items.is_empty() {
                return Ok(count);
            }
            let (mut names, mut arguments) = self.on(partition);
            names.extend(items.iter().map(|item| self.names.entry(partition, item)));
            arguments.extend(items.iter().map(|item| item.clone().into_bytes()));
            let cleared = self.client.run(OPERATION, &CLEAR, Sent::Once, &names, &arguments).await?;
            count += redis::from_redis_value::<u64>(cleared).map_err(|_| unexpected(OPERATION))?;
            after = items.into_iter().next_back();
        }
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        const OPERATION: &str = "purge_expired";
        let (mut count, mut place) = (0, Some(self.first(OPERATION).await?));
        while let Some(here) = place {
            let (names, next) = self.step(OPERATION, &self.names.items_pattern(), &here).await?;
            // Every entry is in the index of its partition.
            for name in names {
                if let Some(Named::Items(partition)) = self.names.read(&name) {
                    count += self.clear(&partition).await?;
                }
            }
            place = next;
        }
        Ok(count)
    }
}

impl Survey for RedisStore {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>> {
        Box::pin(self.survey_page(after))
    }

    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.purge())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let node = |host: &str| Some(Node { host: host.to_owned(), port: 7000 });
        for node in [None, node("127.0.0.1"), node("::1"), node("redis.example")] {
            let place = Place { node, cursor: u64::MAX };
            assert_eq!(Place::read(&place.write()), Some(place));
        }
        for bad in ["", "x", "h:1", "h 1", "h:x 1", "-1", "h:1 x"] {
            assert_eq!(Place::read(bad), None, "{bad:?}");
        }
    }
}
