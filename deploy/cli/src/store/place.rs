//! Finds the store that is meant: by a path, a URL, a table, or the name of its server.

use std::{fmt, path::Path, sync::Arc};

use edgemcp::{
    platform::{Clock, Vars},
    store::Survey,
};
use edgemcp_lambda::{DynamoDbConfig, DynamoDbStore};
use edgemcp_native::{EnvVars, FileStore, SqliteStore, store_path};
use edgemcp_redis::{RedisConfig, RedisStore};

/// The scheme of a table.
const DYNAMODB: &str = "dynamodb:";

/// Where a store is kept.
pub(super) enum Place {
    /// An SQLite file.
    File(String),
    /// A folder of plain files.
    Folder(String),
    /// A Redis or Valkey server.
    Redis(Box<RedisConfig>),
    /// A DynamoDB table.
    DynamoDb(DynamoDbConfig),
}

/// The environment, in which the table is the one that was named.
struct OfTable<'a>(&'a str);

impl Vars for OfTable<'_> {
    fn var(&self, name: &str) -> Option<String> {
        match name {
            "EDGEMCP_TABLE" => Some(self.0.to_owned()),
            // A command makes a table when it is told to, and never by the way.
            "EDGEMCP_CREATE_TABLE" => None,
            name => EnvVars.var(name),
        }
    }
}

impl Place {
    /// The place that the options name.
    ///
    /// # Errors
    /// What cannot be meant, and what to write instead.
    pub(super) fn read(store: Option<&str>, server: Option<&str>) -> Result<Self, String> {
        let text = match (store.filter(|store| !store.is_empty()), server) {
            (Some(store), None) => store,
            (_, Some(server)) => {
                let path = store_path(server).map_err(|error| error.to_string())?;
                return Ok(Self::File(path.to_string_lossy().into_owned()));
            }
            (None, None) => {
                return Err("which store? (`--store PATH`, `--store redis://…`, `--store dynamodb:TABLE`, or `--server \
                            NAME` for the default store of a server on this machine)"
                    .to_owned());
            }
        };
        if let Some(table) = text.strip_prefix(DYNAMODB) {
            let table = table.trim_start_matches('/');
            if table.is_empty() {
                return Err("`dynamodb:` names no table (write `dynamodb:TABLE`)".to_owned());
            }
            let config = DynamoDbConfig::from_vars(&OfTable(table))?;
            return config.map(Self::DynamoDb).ok_or_else(|| "the table has no name".to_owned());
        }
        match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("redis" | "rediss" | "valkey" | "valkeys" | "redis+unix" | "valkey+unix" | "unix") => {
                let config = RedisConfig::parse(text).map_err(|error| error.to_string())?;
                Ok(Self::Redis(Box::new(config)))
            }
            Some("kv" | "durable-object" | "workers") => Err(
                "what Workers keep can be seen through wrangler alone: `wrangler kv key list --binding EDGEMCP_STORE`; a \
                 Durable Object cannot be listed from outside"
                    .to_owned(),
            ),
            Some(scheme) if text.contains("://") => Err(format!(
                "no store has the scheme {scheme:?} (there are paths, `redis://`, `rediss://` and `dynamodb:TABLE`)"
            )),
            _ if matches!(text, "memory" | ":memory:") => {
                Err("what is kept in memory is in its own process alone".to_owned())
            }
            _ if text.ends_with(['/', '\\']) || Path::new(text).is_dir() => Ok(Self::Folder(text.to_owned())),
            _ => Ok(Self::File(text.to_owned())),
        }
    }

    /// Opens the store, which must be there: looking for one makes none.
    ///
    /// # Errors
    /// Where there is none, or its address cannot be meant.
    pub(super) fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Survey>, String> {
        Ok(match self {
            Self::File(path) if !Path::new(path).exists() => {
                return Err(format!(
                    "there is no store at {path} (a server makes it when it first keeps something)"
                ));
            }
            // SQLite would make one of it.
            Self::File(path)
                if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0) =>
            {
                return Err(format!("there is no store at {path}: the file is empty"));
            }
            Self::Folder(path) if !Path::new(path).exists() => {
                return Err(format!(
                    "there is no store in {path} (a server makes it when it first keeps something)"
                ));
            }
            Self::File(path) => Arc::new(SqliteStore::open(path, clock)),
            Self::Folder(path) => Arc::new(FileStore::open(path, clock)),
            Self::Redis(config) => Arc::new(RedisStore::new((**config).clone(), clock)),
            Self::DynamoDb(config) => Arc::new(DynamoDbStore::new(config.clone(), clock)),
        })
    }

    /// Makes the table, where the place is one.
    ///
    /// # Errors
    /// Where the place is none, and where DynamoDB refuses.
    pub(super) async fn create_table(&self, clock: Arc<dyn Clock>) -> Result<String, String> {
        let Self::DynamoDb(config) = self else {
            return Err(format!("{self} has no table: a server makes it by itself"));
        };
        let store = DynamoDbStore::new(config.clone(), clock);
        store.create_table().await.map_err(|error| format!("{self}: {error}"))?;
        Ok(format!("{self} is there\n"))
    }
}

/// As people name it, without a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Folder(path) => f.write_str(path),
            Self::Redis(config) => config.fmt(f),
            Self::DynamoDb(config) => write!(f, "the table {}", config.table()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Place, String> {
        Place::read(Some(text), None)
    }

    #[test]
    fn a_place_is_a_path_a_url_or_a_table() {
        assert!(matches!(read("a/store.sqlite3"), Ok(Place::File(path)) if path == "a/store.sqlite3"));
        assert!(matches!(read("a/store/"), Ok(Place::Folder(_))));
        assert!(matches!(read("/"), Ok(Place::Folder(_))));
        for url in ["redis://localhost", "rediss://a:b@c:6380/1", "valkey://localhost"] {
            assert!(matches!(read(url), Ok(Place::Redis(_))), "{url}");
        }
    }

    #[test]
    fn what_is_none_says_the_way_out() {
        for (text, part) in [
            ("memory", "its own process"),
            ("kv:EDGEMCP_STORE", "wrangler kv key list"),
            ("postgres://localhost", "no store has the scheme \"postgres\""),
            ("dynamodb:", "names no table"),
            ("", "--server NAME"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (url, shown) in [
            ("rediss://user:word@redis.example:6380/1", "rediss://user:***@redis.example:6380/1"),
            ("unix:///run/redis.sock?user=app&pass=word&db=2", "unix:///run/redis.sock"),
            ("valkey+unix:///run/redis.sock?pass=word", "valkey+unix:///run/redis.sock"),
        ] {
            let place = read(url).map(|place| place.to_string());
            assert_eq!(place.as_deref(), Ok(shown));
        }
        for url in [
            "rediss://user:qx@zq@redis.example/x",
            "redis://user:qx?zq@redis.example",
            "unix:///s?pass=qx@zq",
        ] {
            let said = read(url).map_or_else(|error| error, |place| place.to_string());
            assert!(!said.contains("qx") && !said.contains("zq"), "{said}");
        }
    }
}
