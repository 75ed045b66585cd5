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
use edgemcp::{
    platform::Clock,
    store::{StoreError, StoreErrorKind},
};

use super::{
    config::DynamoDbConfig,
    error::failed,
    item::{PARTITION, SORT},
};
use crate::fetch::{CONNECT_TIMEOUT, Https};

/// How long one call of DynamoDB may take, with all its attempts.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one attempt may take. DynamoDB answers in milliseconds, so one that takes seconds is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often an operation that may be sent twice is tried.
const ATTEMPTS_MAX: u32 = 3;

/// The first pause between two attempts.
const BACKOFF: Duration = Duration::from_millis(50);

/// How often a write that must not be sent twice is sent in all, where DynamoDB says that it did not happen.
const THROTTLED_ATTEMPTS_MAX: u32 = 3;

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
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_initial_backoff(BACKOFF));
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Client::from_conf(builder.build())
}

/// The configuration of a write that must not be sent twice: an answer that was lost does not tell whether it happened.
pub(super) fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

/// The pauses between the attempts of such a write: DynamoDB did not carry out what it throttled.
pub(super) struct Throttled<'a> {
    clock: &'a dyn Clock,
    attempts_left: u32,
    pause: Duration,
}

impl<'a> Throttled<'a> {
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, attempts_left: THROTTLED_ATTEMPTS_MAX - 1, pause: BACKOFF }
    }

    /// Waits before another attempt, or hands the error back where there is to be none.
    pub(super) async fn pause(&mut self, error: StoreError) -> Result<(), StoreError> {
        if error.kind() != StoreErrorKind::Throttled || self.attempts_left == 0 {
            return Err(error);
        }
        self.attempts_left -= 1;
        self.clock.sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }
}

pub(super) async fn create_table(client: &Client, config: &DynamoDbConfig) -> Result<(), StoreError> {
    const OPERATION: &str = "create_table";
    let malformed = |error: aws_sdk_dynamodb::error::BuildError| {
        StoreError::new(StoreErrorKind::Denied, OPERATION, error.to_string())
    };
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
