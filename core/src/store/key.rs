//! Names an entry so that every store can spread its load: a partition, and an item within it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

/// The longest collection, id or item, in bytes. Workers KV takes keys of 512 bytes in all, after escaping.
pub const KEY_PART_BYTES_MAX: usize = 128;

/// A part of a key that no store takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    part: &'static str,
    why: String,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of a key {}", self.part, self.why)
    }
}

impl std::error::Error for KeyError {}

/// The entries that live together: on DynamoDB one partition key, on Workers KV one prefix.
///
/// The id spreads a collection over many partitions (a session, a user, a day), since one partition for a whole
/// collection would cap it at what one partition can take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    collection: String,
    id: String,
}

impl Partition {
    /// The partition `id` of `collection`.
    ///
    /// # Errors
    /// [`KeyError`] where a part is empty, longer than [`KEY_PART_BYTES_MAX`], or has a character outside printable
    /// ASCII or a `/`. Hash or encode outside data before it becomes a key.
    pub fn new(collection: impl Into<String>, id: impl Into<String>) -> Result<Self, KeyError> {
        let (collection, id) = (collection.into(), id.into());
        check("collection", &collection)?;
        check("id", &id)?;
        Ok(Self { collection, id })
    }

    /// The partition of `collection` that `text` stands for, whatever is in it: a name that a user chose, an address, the
    /// subject of a token. The id is a digest (SHA-256), so two texts do not meet, and nobody reads the text in it.
    ///
    /// ```
    /// # use edgemcp::store::{KeyError, Partition};
    /// let partition = Partition::of_text("notes", "https://idp.example|Ada Lovelace")?;
    /// let key = partition.item_of_text("Tea & scones / rum")?;
    /// # Ok::<_, KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] where the collection is none.
    pub fn of_text(collection: impl Into<String>, text: &str) -> Result<Self, KeyError> {
        Self::new(collection, of_text(text))
    }

    /// What kind of entries these are.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Which of them.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key of `item` in this partition.
    ///
    /// # Errors
    /// As [`Partition::new`].
    pub fn item(&self, item: impl Into<String>) -> Result<Key, KeyError> {
        let item = item.into();
        check("item", &item)?;
        Ok(Key { partition: self.clone(), item })
    }

    /// The key of what `text` stands for in this partition, whatever is in it, as in [`of_text`](Self::of_text). Where the
    /// text is wanted again it belongs into the value.
    ///
    /// # Errors
    /// None; a digest is always an item.
    pub fn item_of_text(&self, text: &str) -> Result<Key, KeyError> {
        self.item(of_text(text))
    }
}

/// `collection/id`, which no two partitions share, since neither part holds a `/`.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

/// The name of one entry.
///
/// ```
/// # use edgemcp::store::Key;
/// let key = Key::new("counters", "calculator", "calls").unwrap();
/// assert_eq!(key.to_string(), "counters/calculator/calls");
/// assert!(Key::new("counters", "a/b", "calls").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    partition: Partition,
    item: String,
}

impl Key {
    /// The entry `item` of the partition `id` of `collection`.
    ///
    /// # Errors
    /// As [`Partition::new`].
    pub fn new(
        collection: impl Into<String>,
        id: impl Into<String>,
        item: impl Into<String>,
    ) -> Result<Self, KeyError> {
        Partition::new(collection, id)?.item(item)
    }

    /// Where the entry lives.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Its name there.
    pub fn item(&self) -> &str {
        &self.item
    }
}

/// `collection/id/item`, which no two keys share.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.item)
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(collection), Some(id), Some(item), None) => Self::new(collection, id, item),
            _ => Err(KeyError { part: "text", why: "is not `collection/id/item`".to_owned() }),
        }
    }
}

/// A digest of a text that no two texts share, in characters of a key.
fn of_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn check(part: &'static str, text: &str) -> Result<(), KeyError> {
    let why = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > KEY_PART_BYTES_MAX {
        format!("has {} bytes, more than {KEY_PART_BYTES_MAX}", text.len())
    } else if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '/') {
        format!("has {bad:?}; only printable ASCII without `/` and spaces is taken")
    } else {
        return Ok(());
    };
    Err(KeyError { part, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_at_the_limit_is_taken_and_one_byte_more_is_not() {
        assert!(Key::new("c", "i".repeat(KEY_PART_BYTES_MAX), "x").is_ok());
        let error = Key::new("c", "i".repeat(KEY_PART_BYTES_MAX + 1), "x").unwrap_err();
        assert_eq!(error.to_string(), "the id of a key has 129 bytes, more than 128");
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key::new("c", "i.d", "x~!").unwrap();
        assert_eq!(key.to_string().parse(), Ok(key));
        for bad in ["", "c/i", "c/i/x/y", "c//x", "/i/x", "c/i/", "c/i/a b"] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "c/i".parse::<Key>().unwrap_err().to_string(),
            "the text of a key is not `collection/id/item`"
        );
    }

    #[test]
    fn any_text_can_stand_for_a_key_and_no_two_for_one() {
        let texts = ["", "/", "a", "A", "a/b", "ü", " ", "\0", &"x".repeat(100_000)];
        let mut keys: Vec<_> = texts
            .iter()
            .map(|text| Partition::of_text("c", text).unwrap().item_of_text(text).unwrap().to_string())
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), texts.len());
        assert!(Partition::of_text("a b", "x").is_err());
    }

    #[test]
    fn what_could_leave_its_partition_is_no_key() {
        for bad in ["", "a/b", "a b", "ü", "a\n"] {
            assert!(Partition::new("c", bad).is_err(), "{bad:?}");
            assert!(Partition::new(bad, "i").is_err(), "{bad:?}");
            assert!(Key::new("c", "i", bad).is_err(), "{bad:?}");
        }
    }
}
