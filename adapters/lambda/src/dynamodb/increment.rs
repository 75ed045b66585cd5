//! Adds to a counter without losing a count, whatever is there before.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use edgemcp::store::{Entry, Key, StoreError, StoreErrorKind};

use super::{
    ABSENT, DynamoDbStore, LIVE,
    client::{Throttled, once},
    error::failed,
    item::{self, COUNT, EXPIRES_MS, Item, VALUE, count, decode, encode, number},
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
            Some(item) => Some(decode("increment", &item)?).filter(|entry| entry.is_live(store.clock.now())),
            None => None,
        };
        // There is a counter only where none was before, or it was written with other digits than its own; both are
        // put in one piece, if nobody was faster.
        let (sum, is_done) = match found {
            None => {
                let fresh = Entry { value: by.to_string().into(), expires_at: store.end(ttl) };
                let values = [(":now", store.now())];
                (by, store.put_where("increment", key, &fresh, ABSENT, &values).await?)
            }
            Some(old) => {
                let Some(sum) = count(&old.value).and_then(|count| count.checked_add(by)) else {
                    let detail = format!("{key} is no counter, or its sum would leave i64");
                    return Err(StoreError::new(StoreErrorKind::NotACounter, "increment", detail));
                };
                (sum, replace(store, key, &old, sum).await?)
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
    let mut throttled = Throttled::new(&*store.clock);
    loop {
        let update = client
            .update_item()
            .table_name(store.config.table())
            .set_key(Some(item::key(key)))
            .update_expression(format!("SET {COUNT} = {COUNT} + :by"))
            .condition_expression(format!("{COUNT} BETWEEN :least AND :most AND {LIVE}"))
            .expression_attribute_values(":by", number(by))
            .expression_attribute_values(":least", number(least))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":now", store.now())
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match update.customize().config_override(once()).send().await {
            Ok(answer) => return sum(answer.attributes()).map(Met::Sum),
            Err(error) => error,
        };
        if let Some(UpdateItemError::ConditionalCheckFailedException(met)) = error.as_service_error() {
            return Ok(Met::Other(met.item().cloned()));
        }
        throttled.pause(failed("increment", &store.config, &error)).await?;
    }
}

fn sum(updated: Option<&Item>) -> Result<i64, StoreError> {
    let corrupt =
        || StoreError::new(StoreErrorKind::Corrupt, "increment", "DynamoDB returned no whole number");
    let entry = decode("increment", updated.ok_or_else(corrupt)?)?;
    count(&entry.value).ok_or_else(corrupt)
}

/// Puts the sum over exactly `old`, which keeps its end.
async fn replace(store: &DynamoDbStore, key: &Key, old: &Entry, sum: i64) -> Result<bool, StoreError> {
    let (name, value) = encode(&old.value);
    debug_assert_eq!(name, VALUE, "an `n` that could take the addition was added to");
    let new = Entry { value: sum.to_string().into(), expires_at: old.expires_at };
    match old.expires_at {
        None => {
            let condition = format!("{name} = :old AND attribute_not_exists({EXPIRES_MS})");
            store.put_where("increment", key, &new, &condition, &[(":old", value)]).await
        }
        Some(end) => {
            let condition = format!("{name} = :old AND {EXPIRES_MS} = :end");
            let values = [(":old", value), (":end", number(end.as_millis()))];
            store.put_where("increment", key, &new, &condition, &values).await
        }
    }
}
