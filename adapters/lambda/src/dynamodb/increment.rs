//! Adds to a counter without losing a count, whatever is there before.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use edgemcp::store::{Entry, Key, StoreError, StoreErrorKind};

use super::{
    DynamoDbStore,
    client::once,
    error::failed,
    expected::{Expected, LIVE},
    item::{self, COUNT, Item, VALUE, corrupt, count, decode, number},
    pause::{LEFT_ATTEMPTS_MAX, Pauses, THROTTLED_ATTEMPTS_MAX},
};

/// How often a counter that others make and end at the same time is tried.
const ATTEMPTS_MAX: u32 = 8;

/// What an addition met.
enum Met {
    /// A counter, which now has this sum.
    Sum(i64),
    /// No counter that could take the addition; what is there instead, if anything is.
    Other(Option<Item>),
}

pub(super) async fn increment(
    store: &DynamoDbStore,
    key: &Key,
    by: i64,
    ttl: Option<Duration>,
) -> Result<i64, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        let found = match add(store, key, by).await? {
            Met::Sum(sum) => return Ok(sum),
            Met::Other(found) => found,
        };
        let found = match found {
            Some(item) => store.load("increment", key, decode("increment", &item)?).await?,
            None => None,
        };
        // There is a counter only where none was before, or it was written with other digits than its own; both are
        // put in one piece, if nobody was faster.
        let (sum, is_done) = match found {
            None => {
                let fresh = Entry { value: by.to_string().into(), expires_at: store.end(ttl) };
                (by, store.put_where("increment", key, fresh, Expected::Absent).await?)
            }
            Some(old) => {
                let Some(sum) = count(&old.value).and_then(|count| count.checked_add(by)) else {
                    let detail = format!("{key} is no counter, or its sum would leave i64");
                    return Err(StoreError::new(StoreErrorKind::NotACounter, "increment", detail));
                };
                // It keeps its end.
                let new = Entry { value: sum.to_string().into(), expires_at: old.expires_at };
                (sum, store.put_where("increment", key, new, Expected::Entry(&old)).await?)
            }
        };
        if is_done {
            return Ok(sum);
        }
    }
    let detail = format!("{key} was made and ended by others {ATTEMPTS_MAX} times meanwhile");
    Err(StoreError::new(StoreErrorKind::Unavailable, "increment", detail))
}

/// Adds to a counter that is there, has not ended and can take it: one request, and the only one as a rule.
async fn add(store: &DynamoDbStore, key: &Key, by: i64) -> Result<Met, StoreError> {
    let (least, most) = if by < 0 { (i64::MIN - by, i64::MAX) } else { (i64::MIN, i64::MAX - by) };
    let client = store.client().await?;
    let mut pauses = Pauses::new(&*store.clock, THROTTLED_ATTEMPTS_MAX);
    let mut turns = Pauses::new(&*store.clock, LEFT_ATTEMPTS_MAX);
    loop {
        let update = client
            .update_item()
            .table_name(store.config.table())
            .set_key(Some(item::key(key)))
            .update_expression(format!("SET {COUNT} = {COUNT} + :by"))
            .condition_expression(format!(
                "{COUNT} BETWEEN :least AND :most AND attribute_not_exists({VALUE}) AND {LIVE}"
            ))
            .expression_attribute_values(":by", number(by))
            .expression_attribute_values(":least", number(least))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":now", number(store.clock.now().as_millis()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match update.customize().config_override(once()).send().await {
            Ok(answer) => return sum(key, answer.attributes()).map(Met::Sum),
            Err(error) => error,
        };
        let why = failed("increment", &store.config, &error);
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(met)) => {
                return Ok(Met::Other(met.item().cloned()));
            }
            // It did not happen, since a transaction with the counter is under way.
            Some(UpdateItemError::TransactionConflictException(_)) => turns.wait(why).await?,
            _ => pauses.if_throttled(why).await?,
        }
    }
}

fn sum(key: &Key, updated: Option<&Item>) -> Result<i64, StoreError> {
    let sum = updated.and_then(|updated| updated.get(COUNT)).and_then(|sum| sum.as_n().ok());
    // DynamoDB adds to any number.
    sum.and_then(|sum| count(sum.as_bytes()))
        .ok_or_else(|| corrupt("increment", &item::key(key), "an `n` that is no whole number"))
}
