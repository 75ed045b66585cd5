//! Which table, where, and with whose keys.

use aws_sdk_dynamodb::config::Credentials;
use edgemcp::platform::Vars;

use super::item::ITEM_VALUE_BYTES_MAX;

/// The variable that names the table.
pub(crate) const TABLE: &str = "EDGEMCP_TABLE";
const CREATE_TABLE: &str = "EDGEMCP_CREATE_TABLE";
const VALUE_BYTES: &str = "EDGEMCP_TABLE_VALUE_BYTES_MAX";

/// The largest value of an entry, in bytes, where the configuration names no other: what a request's body has at most.
pub const VALUE_BYTES_MAX: usize = 4 << 20;

/// The largest value that a configuration can let through, in bytes.
pub const SPLIT_VALUE_BYTES_MAX: usize = 16 << 20;

/// The table of a [`DynamoDbStore`](crate::DynamoDbStore), and how to reach it.
#[derive(Clone, Debug)]
pub struct DynamoDbConfig {
    pub(super) table: String,
    pub(super) region: String,
    pub(super) credentials: DynamoDbCredentials,
    pub(super) endpoint: Option<String>,
    pub(super) create_table: bool,
    pub(super) value_bytes_max: usize,
    pub(super) part_bytes: usize,
}

/// The keys that sign requests. Their debug form does not show them.
#[derive(Clone)]
pub struct DynamoDbCredentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
}

impl DynamoDbConfig {
    /// The table `table` in `region`.
    pub fn new(
        table: impl Into<String>,
        region: impl Into<String>,
        credentials: DynamoDbCredentials,
    ) -> Self {
        Self {
            table: table.into(),
            region: region.into(),
            credentials,
            endpoint: None,
            create_table: false,
            value_bytes_max: VALUE_BYTES_MAX,
            part_bytes: ITEM_VALUE_BYTES_MAX,
        }
    }

    /// Another DynamoDB than the region's, such as an emulator: `http://127.0.0.1:8000`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Takes values of so many bytes and no larger ones, [`SPLIT_VALUE_BYTES_MAX`] at the most; a larger one is refused
    /// as [`TooLarge`](edgemcp::store::StoreErrorKind::TooLarge), with its size. What is larger than
    /// [`ITEM_VALUE_BYTES_MAX`](crate::ITEM_VALUE_BYTES_MAX) is split over several items, so that is the limit to set
    /// where none is to be. Without this it is [`VALUE_BYTES_MAX`].
    #[must_use]
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes.min(SPLIT_VALUE_BYTES_MAX);
        self
    }

    /// Splits what is larger than so many bytes into parts of that size, from 1 to
    /// [`ITEM_VALUE_BYTES_MAX`](crate::ITEM_VALUE_BYTES_MAX), which it is without this. A table can be written with
    /// several sizes, and read with any: every entry says how it was split.
    #[must_use]
    pub fn part_bytes(mut self, bytes: usize) -> Self {
        self.part_bytes = bytes.clamp(1, ITEM_VALUE_BYTES_MAX);
        self
    }

    /// The table that `EDGEMCP_TABLE` names, or `None` where it names none. Region and keys come from the variables
    /// that Lambda sets, and `EDGEMCP_TABLE_VALUE_BYTES_MAX` is [`value_bytes_max`](Self::value_bytes_max).
    ///
    /// # Errors
    /// What is missing or cannot be meant, and what to set.
    pub fn from_vars(vars: &dyn Vars) -> Result<Option<Self>, String> {
        let Some(table) = vars.var(TABLE) else { return Ok(None) };
        let mut missing = Vec::new();
        let mut needed = |names: &[&str]| {
            names.iter().find_map(|name| vars.var(name)).unwrap_or_else(|| {
                missing.push(format!("`{}`", names.join("` or `")));
                String::new()
            })
        };
        let region = needed(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let credentials = DynamoDbCredentials {
            access_key_id: needed(&["AWS_ACCESS_KEY_ID"]),
            secret_access_key: needed(&["AWS_SECRET_ACCESS_KEY"]),
            session_token: vars.var("AWS_SESSION_TOKEN"),
        };
        if !missing.is_empty() {
            return Err(format!(
                "`{TABLE}` is set, but not {} (AWS Lambda sets what is missing; for an emulator any value will do)",
                missing.join(", nor ")
            ));
        }
        let mut config = Self::new(table, region, credentials);
        config.endpoint = vars.var("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| vars.var("AWS_ENDPOINT_URL"));
        config.create_table = match vars.var(CREATE_TABLE).as_deref() {
            None | Some("0") => false,
            Some("1") if config.endpoint.is_some() => true,
            Some("1") => {
                return Err(format!(
                    "`{CREATE_TABLE}` is for emulators, and `AWS_ENDPOINT_URL_DYNAMODB` names none (in AWS the table \
                     is part of the deployment)"
                ));
            }
            Some(other) => return Err(format!("`{CREATE_TABLE}` is {other:?}; it takes `1` or `0`")),
        };
        if let Some(bytes) = vars.var(VALUE_BYTES) {
            config.value_bytes_max = match bytes.parse() {
                Ok(bytes @ 1..=SPLIT_VALUE_BYTES_MAX) => bytes,
                _ => {
                    return Err(format!(
                        "`{VALUE_BYTES}` is {bytes:?}; it takes bytes, from 1 to {SPLIT_VALUE_BYTES_MAX} \
                         ({VALUE_BYTES_MAX} where it is not set, and none is split up to {ITEM_VALUE_BYTES_MAX})"
                    ));
                }
            };
        }
        Ok(Some(config))
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Where the function runs.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Whose keys sign requests.
    pub(crate) fn credentials(&self) -> &DynamoDbCredentials {
        &self.credentials
    }

    pub(super) fn creates_table(&self) -> bool {
        self.create_table
    }
}

impl DynamoDbCredentials {
    /// Keys, and the token that comes with temporary ones.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token,
        }
    }

    /// The keys in the form that the AWS SDK takes.
    pub(crate) fn for_sdk(&self) -> Credentials {
        let Self { access_key_id, secret_access_key, session_token } = self.clone();
        // Lambda replaces an instance before its credentials end.
        Credentials::new(access_key_id, secret_access_key, session_token, None, "edgemcp")
    }
}

impl std::fmt::Debug for DynamoDbCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DynamoDbCredentials")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Set(BTreeMap<&'static str, &'static str>);

    impl Vars for Set {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }
    }

    const COMPLETE: [(&str, &str); 4] = [
        (TABLE, "calculator"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hidden-key"),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Result<Option<DynamoDbConfig>, String> {
        DynamoDbConfig::from_vars(&Set(COMPLETE.iter().chain(more).copied().collect()))
    }

    #[test]
    fn without_a_table_there_is_no_store_and_nothing_else_is_asked_for() {
        assert!(DynamoDbConfig::from_vars(&Set(BTreeMap::new())).unwrap().is_none());
    }

    #[test]
    fn a_table_takes_region_keys_and_endpoint_from_the_environment() {
        let config = with(&[]).unwrap().unwrap();
        assert_eq!((config.table.as_str(), config.region.as_str()), ("calculator", "eu-central-1"));
        assert_eq!(config.credentials.access_key_id, "id");
        assert_eq!((config.credentials.session_token, config.endpoint), (None, None));

        let config = with(&[
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://dynamodb"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!(config.credentials.session_token.as_deref(), Some("token"));
        assert_eq!(config.endpoint.as_deref(), Some("http://dynamodb"));
        let config = with(&[("AWS_ENDPOINT_URL", "http://all")]).unwrap().unwrap();
        assert_eq!(config.endpoint.as_deref(), Some("http://all"));
    }

    #[test]
    fn what_is_missing_beside_the_table_is_named() {
        let problem_of = |vars| DynamoDbConfig::from_vars(&Set(vars)).unwrap_err();
        let with_the_table_alone = problem_of(COMPLETE.into_iter().take(1).collect());
        for (missing, _) in COMPLETE.iter().skip(1) {
            let problem = problem_of(COMPLETE.into_iter().filter(|(name, _)| name != missing).collect());
            assert!(problem.contains(missing), "{problem}");
            assert!(with_the_table_alone.contains(missing), "{with_the_table_alone}");
        }
    }

    #[test]
    fn a_table_is_made_in_an_emulator_only() {
        assert!(!with(&[]).unwrap().unwrap().create_table);
        assert!(with(&[(CREATE_TABLE, "1")]).unwrap_err().contains("AWS_ENDPOINT_URL_DYNAMODB"));
        let emulator = ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000");
        assert!(with(&[(CREATE_TABLE, "1"), emulator]).unwrap().unwrap().create_table);
        assert!(with(&[(CREATE_TABLE, "yes"), emulator]).unwrap_err().contains("\"yes\""));
    }

    #[test]
    fn the_largest_value_is_as_set_between_nothing_and_what_can_be_split() {
        let max = |bytes| with(&[(VALUE_BYTES, bytes)]).map(|config| config.unwrap().value_bytes_max);
        assert_eq!(with(&[]).unwrap().unwrap().value_bytes_max, VALUE_BYTES_MAX);
        assert_eq!(max("1"), Ok(1));
        assert_eq!(max("16777216"), Ok(SPLIT_VALUE_BYTES_MAX));
        for bad in ["0", "16777217", "4MiB", "-1"] {
            let problem = max(bad).unwrap_err();
            for part in [VALUE_BYTES, bad, "16777216", "409088"] {
                assert!(problem.contains(part), "{part} in {problem}");
            }
        }
    }

    #[test]
    fn what_is_set_in_code_stays_within_what_can_be_kept() {
        let config = || DynamoDbConfig::new("t", "r", DynamoDbCredentials::new("id", "key", None));
        assert_eq!(config().value_bytes_max(usize::MAX).value_bytes_max, SPLIT_VALUE_BYTES_MAX);
        assert_eq!(config().part_bytes(0).part_bytes, 1);
        assert_eq!(config().part_bytes(usize::MAX).part_bytes, ITEM_VALUE_BYTES_MAX);
    }

    #[test]
    fn keys_are_not_shown() {
        let config = with(&[("AWS_SESSION_TOKEN", "hidden-token")]).unwrap().unwrap();
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
    }
}
