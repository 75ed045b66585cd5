//! Makes the DynamoDB client: its time limits, its retries, its one HTTPS stack.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        BehaviorVersion, Builder, Region, SharedCredentialsProvider, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    operation::create_table::CreateTableError,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use aws_smithy_async::rt::sleep::TokioSleep;
use edgemcp::store::{StoreError, StoreErrorKind};

use super::{
    config::DynamoDbConfig,
    error::{failed, malformed},
    item::{PARTITION, SORT},
    pause::PAUSE,
};
use crate::fetch::{CONNECT_TIMEOUT, Https};

/// How long an operation of the store may take, with all its attempts and pauses; of many entries, each batch of them.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one attempt may take. DynamoDB answers in milliseconds, so one that takes seconds is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often an operation that may be sent twice is tried.
const ATTEMPTS_MAX: u32 = 3;

pub(super) fn client(config: &DynamoDbConfig, https: &Https) -> Client {
    let DynamoDbConfig { region, endpoint, credentials, .. } = config;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let mut builder = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials.for_sdk()))
        .http_client(https.for_sdk())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_initial_backoff(PAUSE));
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Client::from_conf(builder.build())
}

/// The configuration of a write that must not be sent twice: an answer that was lost does not tell whether it happened.
pub(super) fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

/// Ends what takes longer than an operation may.
pub(super) async fn limited<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(OPERATION_TIMEOUT, work).await.unwrap_or_else(|_| {
        let detail = format!("DynamoDB took longer than {} s", OPERATION_TIMEOUT.as_secs());
        Err(StoreError::new(StoreErrorKind::Unavailable, operation, detail))
    })
}

pub(super) async fn create_table(client: &Client, config: &DynamoDbConfig) -> Result<(), StoreError> {
    const OPERATION: &str = "create_table";
    let malformed = |error| malformed(OPERATION, &error);
    let mut create =
        client.create_table().table_name(config.table()).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(PARTITION, KeyType::Hash), (SORT, KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(malformed)?;
        let key =
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(malformed)?;
        create = create.attribute_definitions(attribute).key_schema(key);
    }
    match create.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(failed(OPERATION, config, &error)),
        },
    }
}
