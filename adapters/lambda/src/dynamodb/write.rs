//! Writes and takes single entries: under a condition, and over whatever parts their old value had.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemError, put_item::PutItemError},
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Consistency, Entry, Key, StoreError, StoreErrorKind},
};

use super::{
    DynamoDbStore,
    client::once,
    error::failed,
    expected::{Expected, Guard},
    item::{self, Head, Held, Item, Parts, attributes, decode},
    pause::{LEFT_ATTEMPTS_MAX, Pauses, THROTTLED_ATTEMPTS_MAX},
};

/// How often a write is sent for another entry that it met.
const MEETINGS_MAX: u32 = 8;

/// What happens to an entry.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    /// It becomes this one.
    Put(&'a Held, Option<Timestamp>),
    /// It goes.
    Delete,
    /// It goes, and is returned.
    Take,
}

impl<'a> Change<'a> {
    /// The parts that are written for it.
    pub(super) fn own(self) -> Option<&'a Parts> {
        match self {
            Self::Put(Held::Apart(parts), _) => Some(parts),
            Self::Put(Held::Here(_), _) | Self::Delete | Self::Take => None,
        }
    }
}

/// What came of a write.
enum Sent {
    /// It happened. What was there before, of what is taken.
    Done(Option<Item>),
    /// Its condition did not hold. What was there instead.
    Met(Option<Item>),
    /// It did not happen, since a transaction with the entry is under way.
    InTheWay(StoreError),
}

/// How often a write may be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempts {
    /// Again where its answer was lost, too.
    UntilAnswered,
    /// Again only where DynamoDB says that it did not happen.
    Once,
}

/// What a condition on a value is about, before it is written over.
pub(super) enum Found {
    /// It cannot hold.
    Other,
    /// It may hold, of an entry in one item or in these parts.
    Like(Option<Parts>),
}

impl DynamoDbStore {
    /// Puts an entry over whatever is there.
    pub(super) async fn put_anyway(
        &self,
        operation: &'static str,
        key: &Key,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let end = self.end(ttl);
        let held = self.hold(operation, key, value, end).await?;
        let change = Change::Put(&held, end);
        let put =
            self.change(operation, key, change, Expected::Anything, None, Attempts::UntilAnswered).await;
        self.drop_if_lost(key, &held, &put).await;
        put.map(drop)
    }

    /// Puts an entry where what it is put over is as expected, and says whether it did.
    pub(super) async fn put_where(
        &self,
        operation: &'static str,
        key: &Key,
        entry: Entry,
        expected: Expected<'_>,
    ) -> Result<bool, StoreError> {
        let over = match self.find(operation, key, expected).await? {
            Found::Other => return Ok(false),
            Found::Like(parts) => parts,
        };
        let held = self.hold(operation, key, entry.value, entry.expires_at).await?;
        let change = Change::Put(&held, entry.expires_at);
        let put = self.change(operation, key, change, expected, over, Attempts::Once).await;
        self.drop_if_lost(key, &held, &put).await;
        put
    }

    /// Deletes an entry. A delete whose answer is lost is not sent again: meanwhile somebody else may have seen that
    /// the entry is gone, and put another.
    pub(super) async fn delete_anyway(&self, key: &Key) -> Result<(), StoreError> {
        self.change("delete", key, Change::Delete, Expected::Anything, None, Attempts::Once).await.map(drop)
    }

    /// Deletes an entry if it has ended, and says whether it is gone.
    pub(super) async fn delete_ended(&self, operation: &'static str, key: &Key) -> Result<bool, StoreError> {
        self.change(operation, key, Change::Delete, Expected::Absent, None, Attempts::Once).await
    }

    /// Deletes an entry and returns it. One in parts is read before it is deleted, so that nobody deletes what nobody
    /// gets.
    pub(super) async fn take_now(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        const OPERATION: &str = "take";
        let mut met: Option<Head> = None;
        for _ in 0..MEETINGS_MAX {
            let now = self.clock.now();
            let (over, read) = match met.take() {
                None => (None, None),
                Some(head) => match self.load_of(OPERATION, key, head.clone()).await? {
                    Some((entry, parts)) => (parts, Some(entry)),
                    // It has ended, or is gone.
                    None => (head.into_parts(), None),
                },
            };
            // Of those in parts, exactly the one that was read.
            let guard = Expected::Anything.guard(over.as_ref(), None, now);
            match self.send(OPERATION, key, Change::Take, &guard, Attempts::Once).await? {
                Sent::Done(None) => return Ok(None),
                Sent::Done(Some(item)) => {
                    let Head { held, expires_at } = decode(OPERATION, &item)?;
                    let taken = match held {
                        Held::Here(value) => Some(Entry { value, expires_at }),
                        Held::Apart(parts) => {
                            self.drop_parts(key, &parts).await;
                            read
                        }
                    };
                    return Ok(taken.filter(|entry| entry.is_live(now)));
                }
                Sent::Met(found) => met = found.map(|item| decode(OPERATION, &item)).transpose()?,
                Sent::InTheWay(error) => return Err(error),
            }
        }
        Err(crowded(OPERATION, key))
    }

    /// What is there where a condition is on a value that would be in parts, which only their digest can be compared
    /// with.
    pub(super) async fn find(
        &self,
        operation: &'static str,
        key: &Key,
        expected: Expected<'_>,
    ) -> Result<Found, StoreError> {
        match expected.value() {
            Some(value) if self.is_split(value) => {
                let head = self.head(operation, key, Consistency::Strong).await?;
                let head = head.filter(|head| expected.holds(head, self.clock.now()));
                Ok(head.map_or(Found::Other, |head| Found::Like(head.into_parts())))
            }
            _ => Ok(Found::Like(None)),
        }
    }

    /// Makes a change where what is there is as expected, and says whether it did.
    async fn change(
        &self,
        operation: &'static str,
        key: &Key,
        change: Change<'_>,
        expected: Expected<'_>,
        over: Option<Parts>,
        attempts: Attempts,
    ) -> Result<bool, StoreError> {
        let mut over = over;
        for _ in 0..MEETINGS_MAX {
            let now = self.clock.now();
            let guard = expected.guard(over.as_ref(), change.own(), now);
            match self.send(operation, key, change, &guard, attempts).await? {
                Sent::Done(_) => {
                    if let Some(parts) = over {
                        self.drop_parts(key, &parts).await;
                    }
                    return Ok(true);
                }
                Sent::InTheWay(error) => return Err(error),
                // Whatever it met is not said, or it is none of what was expected.
                Sent::Met(None) if !matches!(expected, Expected::Anything) => return Ok(false),
                Sent::Met(None) => over = None,
                Sent::Met(Some(item)) => {
                    let head = decode(operation, &item)?;
                    if !expected.holds(&head, now) {
                        return Ok(false);
                    }
                    over = head.into_parts();
                }
            }
        }
        Err(crowded(operation, key))
    }

    /// Sends a write under a condition.
    async fn send(
        &self,
        operation: &'static str,
        key: &Key,
        change: Change<'_>,
        guard: &Guard,
        attempts: Attempts,
    ) -> Result<Sent, StoreError> {
        let mut pauses = Pauses::new(&*self.clock, THROTTLED_ATTEMPTS_MAX);
        let mut turns = Pauses::new(&*self.clock, LEFT_ATTEMPTS_MAX);
        loop {
            let sent = match change {
                Change::Put(held, end) => {
                    let item = attributes(key, held, end);
                    self.send_put(operation, item, guard, attempts).await
                }
                Change::Delete | Change::Take => {
                    let returned = match change {
                        Change::Take => ReturnValue::AllOld,
                        _ => ReturnValue::None,
                    };
                    self.send_delete(operation, item::key(key), guard, returned).await
                }
            };
            match (sent, attempts) {
                (Ok(Sent::InTheWay(error)), _) => turns.wait(error).await?,
                (Err(error), Attempts::Once) => pauses.if_throttled(error).await?,
                (sent, _) => return sent,
            }
        }
    }

    async fn send_put(
        &self,
        operation: &'static str,
        item: Item,
        guard: &Guard,
        attempts: Attempts,
    ) -> Result<Sent, StoreError> {
        let put = self
            .client()
            .await?
            .put_item()
            .table_name(self.config.table())
            .set_item(Some(item))
            .condition_expression(&guard.expression)
            .set_expression_attribute_values(guard.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sent = match attempts {
            Attempts::UntilAnswered => put.send().await,
            Attempts::Once => put.customize().config_override(once()).send().await,
        };
        match sent {
            Ok(_) => Ok(Sent::Done(None)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(met)) => {
                    Ok(Sent::Met(met.item().cloned()))
                }
                Some(PutItemError::TransactionConflictException(_)) => {
                    Ok(Sent::InTheWay(failed(operation, &self.config, &error)))
                }
                _ => Err(failed(operation, &self.config, &error)),
            },
        }
    }

    async fn send_delete(
        &self,
        operation: &'static str,
        key: Item,
        guard: &Guard,
        returned: ReturnValue,
    ) -> Result<Sent, StoreError> {
        let delete = self
            .client()
            .await?
            .delete_item()
            .table_name(self.config.table())
            .set_key(Some(key))
            .condition_expression(&guard.expression)
            .set_expression_attribute_values(guard.values())
            .return_values(returned)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match delete.customize().config_override(once()).send().await {
            Ok(answer) => Ok(Sent::Done(answer.attributes)),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(met)) => {
                    Ok(Sent::Met(met.item().cloned()))
                }
                Some(DeleteItemError::TransactionConflictException(_)) => {
                    Ok(Sent::InTheWay(failed(operation, &self.config, &error)))
                }
                _ => Err(failed(operation, &self.config, &error)),
            },
        }
    }

    /// Deletes the parts of a write that has not happened. Where its answer was lost, it may have.
    pub(super) async fn drop_if_lost(&self, key: &Key, held: &Held, written: &Result<bool, StoreError>) {
        let has_not = match written {
            Ok(happened) => !happened,
            Err(error) => error.kind() != StoreErrorKind::Unavailable,
        };
        if let (Held::Apart(parts), true) = (held, has_not) {
            self.drop_parts(key, parts).await;
        }
    }
}

fn crowded(operation: &'static str, key: &Key) -> StoreError {
    let detail = format!("{key} was written by others {MEETINGS_MAX} times meanwhile");
    StoreError::new(StoreErrorKind::Unavailable, operation, detail)
}
