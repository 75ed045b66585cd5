//! Tells what a failed DynamoDB request means for a caller, and for whoever reads the log.

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{BuildError, ProvideErrorMetadata, SdkError},
};
use edgemcp::store::{StoreError, StoreErrorKind};

use super::config::DynamoDbConfig;
use crate::fetch::chain;

/// The error of an operation whose request failed.
pub(super) fn failed<E>(
    operation: &'static str,
    config: &DynamoDbConfig,
    error: &SdkError<E, HttpResponse>,
) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(answer) = error else {
        let kind = match error {
            SdkError::ConstructionFailure(_) => StoreErrorKind::Denied,
            _ => StoreErrorKind::Unavailable,
        };
        return StoreError::new(kind, operation, format!("no answer from DynamoDB: {}", chain(error)));
    };
    let code = answer.err().code().unwrap_or("unknown error");
    let message = answer.err().message().unwrap_or("DynamoDB gave no reason");
    let kind = kind(code, message, answer.raw().status().as_u16());
    let mut detail = format!("{code}: {message}");
    if kind == StoreErrorKind::Denied {
        let DynamoDbConfig { table, region, .. } = config;
        detail.push_str(&format!(" (table {table:?} in {region}: {})", way_out(code)));
    }
    StoreError::new(kind, operation, detail)
}

/// The error of a request that the AWS SDK does not make.
pub(super) fn malformed(operation: &'static str, error: &BuildError) -> StoreError {
    StoreError::new(StoreErrorKind::Denied, operation, error.to_string())
}

fn kind(code: &str, message: &str, status: u16) -> StoreErrorKind {
    match code {
        "ThrottlingException"
        | "ThrottledException"
        | "Throttling"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded" => StoreErrorKind::Throttled,
        "ItemCollectionSizeLimitExceededException" => StoreErrorKind::TooLarge,
        // DynamoDB has no code of its own for what is too large.
        "ValidationException" if message.contains("size") && message.contains("exceed") => {
            StoreErrorKind::TooLarge
        }
        // Another write of the same item is under way in a transaction of someone else's, or this very one is.
        "TransactionConflictException" | "TransactionInProgressException" => StoreErrorKind::Unavailable,
        _ if status >= 500 => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Denied,
    }
}

fn way_out(code: &str) -> &'static str {
    match code {
        "ResourceNotFoundException" => {
            "make it with the string keys `pk` and `sk`, or set `EDGEMCP_TABLE` and `AWS_REGION`; an emulator makes \
             it with `EDGEMCP_CREATE_TABLE=1`"
        }
        "AccessDeniedException" => {
            "the function's role needs dynamodb:GetItem, BatchGetItem, PutItem, BatchWriteItem, UpdateItem, DeleteItem, \
             ConditionCheckItem and Query on it, and whoever looks it over also Scan"
        }
        "ValidationException" => "does it have the string keys `pk` and `sk`?",
        _ => "are these the credentials that Lambda gave this function, and is its clock right?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_another_try_helps() {
        let too_large = "Item size has exceeded the maximum allowed size";
        assert_eq!(kind("ValidationException", too_large, 400), StoreErrorKind::TooLarge);
        for (code, status, expected) in [
            ("ThrottlingException", 400, StoreErrorKind::Throttled),
            ("ProvisionedThroughputExceededException", 400, StoreErrorKind::Throttled),
            ("RequestLimitExceeded", 400, StoreErrorKind::Throttled),
            ("ItemCollectionSizeLimitExceededException", 400, StoreErrorKind::TooLarge),
            ("TransactionConflictException", 400, StoreErrorKind::Unavailable),
            ("TransactionInProgressException", 400, StoreErrorKind::Unavailable),
            ("InternalServerError", 500, StoreErrorKind::Unavailable),
            ("ServiceUnavailable", 503, StoreErrorKind::Unavailable),
            ("ResourceNotFoundException", 400, StoreErrorKind::Denied),
            ("AccessDeniedException", 400, StoreErrorKind::Denied),
            ("ExpiredTokenException", 400, StoreErrorKind::Denied),
            ("ValidationException", 400, StoreErrorKind::Denied),
        ] {
            assert_eq!(kind(code, "no", status), expected, "{code}");
        }
    }
}
