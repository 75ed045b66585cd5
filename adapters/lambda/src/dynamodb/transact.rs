//! Writes several entries of a partition, all or none, and reads why DynamoDB cancelled it where it did.

use aws_sdk_dynamodb::{
    error::BuildError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};
use edgemcp::{
    platform::Timestamp,
    store::{Action, Key, Partition, StoreError, StoreErrorKind, Write},
};

use super::{
    DynamoDbStore,
    error::{failed, malformed},
    expected::Expected,
    item::{self, Held, ITEM_OVERHEAD_BYTES_MAX, Parts, attributes, decode},
    large::fresh_id,
    pause::{LEFT_ATTEMPTS_MAX, Pauses},
    write::Found,
};

const OPERATION: &str = "transact";

/// The code of a write whose condition did not hold.
const CONDITION: &str = "ConditionalCheckFailed";

/// The most bytes of all items of a transaction.
const TRANSACTION_BYTES_MAX: usize = 4 << 20;

/// How often a transaction is sent for other entries than those it met.
const MEETINGS_MAX: u32 = 8;

/// A write of a transaction, as far as it has come.
struct Part<'a> {
    key: Key,
    write: &'a Write,
    expected: Expected<'a>,
    over: Option<Parts>,
    /// What is put, where it is and when it ends.
    held: Option<(Held, Option<Timestamp>)>,
}

/// What came of a transaction.
enum Sent {
    Done,
    /// What each of its writes met, where that is why it did not happen.
    Cancelled(Vec<CancellationReason>),
}

impl DynamoDbStore {
    pub(super) async fn transact_all(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<bool, StoreError> {
        Write::check_all(partition, writes)?;
        self.check_transaction(writes)?;
        let mut parts = Vec::with_capacity(writes.len());
        for write in writes {
            // Only looking, and at nothing, is no part of it.
            if matches!((&write.action, &write.condition), (Action::Check, None)) {
                continue;
            }
            let key = partition.item(write.item.as_str())?;
            let expected = Expected::from(write.condition.as_ref());
            match self.find(OPERATION, &key, expected).await? {
                Found::Other => return Ok(false),
                Found::Like(over) => parts.push(Part { key, write, expected, over, held: None }),
            }
        }
        if parts.is_empty() {
            return Ok(true);
        }
        if let Err(error) = self.hold_all(&mut parts).await {
            for Part { key, held, .. } in &parts {
                if let Some((Held::Apart(held), _)) = held {
                    self.drop_parts(key, held).await;
                }
            }
            return Err(error);
        }
        let done = self.send_all(&mut parts).await;
        for Part { key, held, .. } in &parts {
            if let Some((held, _)) = held {
                self.drop_if_lost(key, held, &done).await;
            }
        }
        if matches!(done, Ok(true)) {
            for Part { key, over, write, .. } in &parts {
                if let (Some(over), Action::Put { .. } | Action::Delete) = (over, &write.action) {
                    self.drop_parts(key, over).await;
                }
            }
        }
        done
    }

    /// Checks the size of each value and of all of them.
    fn check_transaction(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut bytes = 0_usize;
        for write in writes {
            bytes = bytes.saturating_add(ITEM_OVERHEAD_BYTES_MAX);
            if let Action::Put { value, .. } = &write.action {
                self.check_size(OPERATION, value)?;
                // A value in parts is not in the transaction, only its head.
                if !self.is_split(value) {
                    bytes = bytes.saturating_add(value.len());
                }
            }
        }
        if bytes <= TRANSACTION_BYTES_MAX {
            return Ok(());
        }
        let detail = format!(
            "the writes have {bytes} bytes with their keys, more than the {TRANSACTION_BYTES_MAX} of a transaction of \
             DynamoDB"
        );
        Err(StoreError::new(StoreErrorKind::TooLarge, OPERATION, detail))
    }

    async fn hold_all(&self, parts: &mut [Part<'_>]) -> Result<(), StoreError> {
        for part in parts {
            if let Action::Put { value, ttl } = &part.write.action {
                let end = self.end(*ttl);
                part.held = Some((self.hold(OPERATION, &part.key, value.clone(), end).await?, end));
            }
        }
        Ok(())
    }

    /// Sends the transaction until it happens, or cannot.
    async fn send_all(&self, parts: &mut [Part<'_>]) -> Result<bool, StoreError> {
        let mut pauses = Pauses::new(&*self.clock, LEFT_ATTEMPTS_MAX);
        for _ in 0..MEETINGS_MAX {
            let now = self.clock.now();
            let reasons = loop {
                match self.send_transaction(parts, now).await? {
                    Sent::Done => return Ok(true),
                    Sent::Cancelled(reasons) => match why(&reasons) {
                        Why::Met => break reasons,
                        Why::InTheWay(error) => pauses.wait(error).await?,
                        Why::Refused(error) => return Err(error),
                    },
                }
            };
            // Each that did not go through met parts that it can be written over, or its condition does not hold.
            for (part, reason) in parts.iter_mut().zip(&reasons) {
                if reason.code() != Some(CONDITION) {
                    continue;
                }
                let Some(item) = reason.item() else { return Ok(false) };
                let head = decode(OPERATION, item)?;
                if !part.expected.holds(&head, now) {
                    return Ok(false);
                }
                part.over = head.into_parts();
            }
        }
        let detail = format!("the entries were written by others {MEETINGS_MAX} times meanwhile");
        Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION, detail))
    }

    /// Sends the transaction as it stands. An answer that is lost is safe to ask for again: DynamoDB knows the token of
    /// what it has done for ten minutes.
    async fn send_transaction(&self, parts: &[Part<'_>], now: Timestamp) -> Result<Sent, StoreError> {
        let mut request =
            self.client().await?.transact_write_items().client_request_token(fresh_id(OPERATION)?);
        for part in parts {
            let write =
                part.as_item(self.config.table(), now).map_err(|error| malformed(OPERATION, &error))?;
            request = request.transact_items(write);
        }
        let Err(error) = request.send().await else { return Ok(Sent::Done) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                Ok(Sent::Cancelled(cancelled.cancellation_reasons().to_vec()))
            }
            _ => Err(failed(OPERATION, &self.config, &error)),
        }
    }
}

impl Part<'_> {
    fn as_item(&self, table: &str, now: Timestamp) -> Result<TransactWriteItem, BuildError> {
        let guard = self.expected.guard(self.over.as_ref(), None, now);
        let returned = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        let item = match (&self.held, &self.write.action) {
            (Some((held, end)), _) => item.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(attributes(&self.key, held, *end)))
                    .condition_expression(&guard.expression)
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(returned)
                    .build()?,
            ),
            (None, Action::Delete) => item.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(item::key(&self.key)))
                    .condition_expression(&guard.expression)
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(returned)
                    .build()?,
            ),
            (None, Action::Check | Action::Put { .. }) => item.condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(item::key(&self.key)))
                    .condition_expression(&guard.expression)
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(returned)
                    .build()?,
            ),
        };
        Ok(item.build())
    }
}

/// Why DynamoDB cancelled a transaction.
enum Why {
    /// A condition did not hold.
    Met,
    /// Somebody else was in the way, or DynamoDB is asked for too much.
    InTheWay(StoreError),
    /// It would not take it another time either.
    Refused(StoreError),
}

fn why(reasons: &[CancellationReason]) -> Why {
    let codes = || reasons.iter().filter_map(|reason| reason.code());
    if codes().any(|code| code == CONDITION) {
        return Why::Met;
    }
    let said: Vec<_> = reasons
        .iter()
        .filter(|reason| reason.code() != Some("None"))
        .map(|reason| {
            format!("{}: {}", reason.code().unwrap_or("?"), reason.message().unwrap_or("no reason"))
        })
        .collect();
    let error = |kind| {
        let detail = format!("DynamoDB cancelled the transaction: {}", said.join(", "));
        StoreError::new(kind, OPERATION, detail)
    };
    for code in codes() {
        let kind = match code {
            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => continue,
            "ItemCollectionSizeLimitExceeded" => StoreErrorKind::TooLarge,
            _ => StoreErrorKind::Denied,
        };
        return Why::Refused(error(kind));
    }
    match codes().any(|code| code == "TransactionConflict") {
        true => Why::InTheWay(error(StoreErrorKind::Unavailable)),
        false => Why::InTheWay(error(StoreErrorKind::Throttled)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(codes: &[&str]) -> Result<StoreErrorKind, Option<StoreErrorKind>> {
        let reasons: Vec<_> =
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        match why(&reasons) {
            Why::Met => Err(None),
            Why::InTheWay(error) => Ok(error.kind()),
            Why::Refused(error) => Err(Some(error.kind())),
        }
    }

    #[test]
    fn a_condition_that_did_not_hold_decides_and_what_is_in_the_way_is_tried_again() {
        assert_eq!(kind(&["None", CONDITION, "TransactionConflict"]), Err(None));
        assert_eq!(
            kind(&["None", "TransactionConflict", "ThrottlingError"]),
            Ok(StoreErrorKind::Unavailable)
        );
        assert_eq!(kind(&["ProvisionedThroughputExceeded", "None"]), Ok(StoreErrorKind::Throttled));
        assert_eq!(kind(&["ThrottlingError"]), Ok(StoreErrorKind::Throttled));
        assert_eq!(
            kind(&["TransactionConflict", "ItemCollectionSizeLimitExceeded"]),
            Err(Some(StoreErrorKind::TooLarge))
        );
        assert_eq!(kind(&["ValidationError", "ThrottlingError"]), Err(Some(StoreErrorKind::Denied)));
    }
}
