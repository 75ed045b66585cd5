//! Names what a store keeps in Redis, so that a partition is in one slot of a cluster and no two names collide.

use edgemcp::store::{Key, Partition};

/// The prefix of every name, unless the configuration says otherwise.
pub(crate) const PREFIX: &str = "edgemcp";

/// The longest prefix, in bytes.
pub(crate) const PREFIX_BYTES_MAX: usize = 64;

/// What the name of a partition's index of items ends with.
const ITEMS: &str = ":items";

/// What the name of a partition's index of ends ends with.
const ENDS: &str = ":ends";

/// The names of one store.
///
/// `{edgemcp:collection/id}/item` is an entry, and `{edgemcp:collection/id}:items` and `…:ends` are the indexes of its
/// partition. A cluster hashes what is between the first brace and the next closing one. That is the same for all names
/// of a partition, whatever braces its own parts have, and never nothing, which would hash the whole name instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    prefix: String,
    db: i64,
}

/// What a name in Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Entry(Key),
    Items(Partition),
}

impl Names {
    /// The names that begin with `prefix`, in the database `db`.
    pub(crate) fn new(prefix: String, db: i64) -> Self {
        Self { prefix, db }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What all names of `partition` begin with.
    fn tag(&self, partition: &Partition) -> String {
        format!("{{{}:{partition}}}", self.prefix)
    }

    pub(crate) fn entry(&self, partition: &Partition, item: &str) -> String {
        format!("{}/{item}", self.tag(partition))
    }

    /// The sorted set of a partition's items, all with score 0, so that Redis has them in byte order.
    pub(crate) fn items(&self, partition: &Partition) -> String {
        format!("{}{ITEMS}", self.tag(partition))
    }

    /// The sorted set of those items that end, by when Redis deletes them.
    pub(crate) fn ends(&self, partition: &Partition) -> String {
        format!("{}{ENDS}", self.tag(partition))
    }

    /// Where changes in `partition` are published. Channels are the same in all databases of a server.
    pub(crate) fn channel(&self, partition: &Partition) -> String {
        format!("{}@{}", self.tag(partition), self.db)
    }

    /// The partition whose changes are published at `channel`.
    pub(crate) fn channel_of(&self, channel: &str) -> Option<Partition> {
        let name = channel.strip_suffix(&format!("}}@{}", self.db))?;
        let (collection, id) = self.untagged(name)?.split_once('/')?;
        Partition::new(collection, id).ok()
    }

    /// What matches the names of this store, and of one whose prefix only begins alike; in Redis' own patterns.
    pub(crate) fn pattern(&self) -> String {
        format!("{{{}:*", self.prefix)
    }

    /// What matches the indexes of items.
    pub(crate) fn items_pattern(&self) -> String {
        format!("{}}}{ITEMS}", self.pattern())
    }

    /// What `name` is, where it is one of this store's.
    pub(crate) fn read(&self, name: &str) -> Option<Named> {
        let mut parts = self.untagged(name)?.split('/');
        // No part of a key holds a slash, so the number of them tells an entry from an index.
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(collection), Some(id), Some(item), None) => {
                Key::new(collection, id.strip_suffix('}')?, item).ok().map(Named::Entry)
            }
            (Some(collection), Some(id), None, None) => {
                let id = id.strip_suffix(ITEMS)?.strip_suffix('}')?;
                Partition::new(collection, id).ok().map(Named::Items)
            }
            _ => None,
        }
    }

    fn untagged<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix('{')?.strip_prefix(self.prefix.as_str())?.strip_prefix(':')
    }
}

/// What is wrong with a prefix: it could end the hash tag, or be a pattern.
pub(crate) fn prefix_problem(prefix: &str) -> Option<String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(is_fine) {
        return Some(format!(
            "the prefix {prefix:?} is not of 1 to {PREFIX_BYTES_MAX} letters, digits, dots, dashes and underscores"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new("app".to_owned(), 3)
    }

    /// The part of a name that a cluster hashes: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec
    fn hashed(name: &str) -> &str {
        let Some((_, rest)) = name.split_once('{') else { return name };
        match rest.split_once('}') {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => name,
        }
    }

    #[test]
    fn all_names_of_a_partition_hash_alike_whatever_braces_it_has() {
        for (collection, id) in
            [("c", "i"), ("}", "{"), ("{}", "}"), ("a}b", "{x}"), ("}}", "}}"), ("~!", "{{")]
        {
            let (names, partition) = (names(), Partition::new(collection, id).unwrap());
            let tag = hashed(&names.items(&partition)).to_owned();
            assert!(tag.starts_with("app:"), "{tag}");
            for item in ["x", "}", "{", "{}", ":items"] {
                assert_eq!(hashed(&names.entry(&partition, item)), tag);
            }
            assert_eq!(hashed(&names.ends(&partition)), tag);
            assert_eq!(hashed(&names.channel(&partition)), tag);
        }
    }

    #[test]
    fn a_name_is_read_as_what_it_was_written_for() {
        let names = names();
        for (collection, id) in
            [("c", "i"), ("}", "{"), ("x:items", "}:items"), ("{app:c", "i}"), ("c", "i}@3")]
        {
            let partition = Partition::new(collection, id).unwrap();
            assert_eq!(names.read(&names.items(&partition)), Some(Named::Items(partition.clone())));
            assert_eq!(names.read(&names.ends(&partition)), None);
            assert_eq!(names.channel_of(&names.channel(&partition)), Some(partition.clone()));
            for item in ["x", "}", ":items", "}:items", "@3"] {
                let key = partition.item(item).unwrap();
                assert_eq!(names.read(&names.entry(&partition, item)), Some(Named::Entry(key)));
            }
        }
    }

    #[test]
    fn what_is_not_this_stores_is_not_read() {
        let names = names();
        for foreign in
            ["", "app:c/i", "{app}", "{apps:c/i}/x", "{app:c/i/x", "{app:c/i}/x/y", "{app:c}/x", "session:9"]
        {
            assert_eq!(names.read(foreign), None, "{foreign:?}");
        }
        let elsewhere = Names::new("app".to_owned(), 4).channel(&Partition::new("c", "i").unwrap());
        assert_eq!(names.channel_of(&elsewhere), None, "another database");
    }

    #[test]
    fn a_prefix_is_plain_and_short() {
        assert_eq!(prefix_problem(PREFIX), None);
        assert_eq!(prefix_problem(&"x".repeat(PREFIX_BYTES_MAX)), None);
        for bad in ["", "a}", "{a", "a*", "a/b", "a b", "ü", &"x".repeat(PREFIX_BYTES_MAX + 1)] {
            assert!(prefix_problem(bad).unwrap().contains("is not of 1 to 64"), "{bad:?}");
        }
    }
}
