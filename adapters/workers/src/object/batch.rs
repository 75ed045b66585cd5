//! Divides many keys and entries into requests: each to the object of one partition, and none larger than it takes.

use edgemcp::{
    platform::Timestamp,
    store::{Entry, Key, Partition, Put},
};

use super::{OBJECT_VALUE_BYTES_MAX, frame::SEVERAL_MAX};

/// How many objects are asked at once. Workers hold six connections open at a time.
pub(super) const AT_ONCE: usize = 6;

/// The most bytes of values in one request, and after how many an object leaves the rest of them to the next: a value
/// and a condition are as much. Six of them are under way at once, in an isolate that has 128 MB for everything.
pub(super) const MANY_BYTES_MAX: usize = 2 * OBJECT_VALUE_BYTES_MAX;

/// The keys of each partition, each with its place among `keys`.
pub(super) fn by_partition(keys: &[Key]) -> Vec<Vec<(usize, &Key)>> {
    let mut places: Vec<_> = keys.iter().enumerate().collect();
    places.sort_by(|(_, one), (_, other)| one.partition().cmp(other.partition()));
    let of_one = |one: &(usize, &Key), other: &(usize, &Key)| one.1.partition() == other.1.partition();
    places.chunk_by(of_one).map(<[_]>::to_vec).collect()
}

/// The requests that write `puts` at `now`, the last one of each key.
pub(super) fn writes(puts: &[Put], now: Timestamp) -> Vec<(&Partition, Vec<(String, Entry)>)> {
    let mut puts: Vec<_> = Put::last_of_each(puts).collect();
    puts.sort_by(|one, other| one.key.partition().cmp(other.key.partition()));
    let mut requests: Vec<(&Partition, Vec<(String, Entry)>)> = Vec::new();
    let mut bytes = 0;
    for put in puts {
        let (partition, length) = (put.key.partition(), put.value.len());
        let entry = Entry { value: put.value.clone(), expires_at: put.ttl.map(|ttl| now.after(ttl)) };
        let entry = (put.key.item().to_owned(), entry);
        match requests.last_mut() {
            Some((same, entries))
                if *same == partition && entries.len() < SEVERAL_MAX && bytes + length <= MANY_BYTES_MAX =>
            {
                bytes += length;
                entries.push(entry);
            }
            _ => {
                bytes = length;
                requests.push((partition, vec![entry]));
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key(partition: &str, item: impl Into<String>) -> Key {
        Key::new("c", partition, item).unwrap()
    }

    /// How many entries each request has, by its partition.
    fn shape(puts: &[Put]) -> Vec<(&str, usize)> {
        writes(puts, NOW).into_iter().map(|(partition, entries)| (partition.id(), entries.len())).collect()
    }

    #[test]
    fn keys_are_gathered_by_partition_and_keep_their_places() {
        let keys = [key("b", "1"), key("a", "1"), key("b", "1"), key("a", "2"), key("c", "1")];
        let [b, a, again, a2, c] = &keys;
        assert_eq!(by_partition(&keys), [vec![(1, a), (3, a2)], vec![(0, b), (2, again)], vec![(4, c)]]);
        assert!(by_partition(&[]).is_empty());
    }

    #[test]
    fn entries_are_gathered_by_partition_with_their_ends_and_the_last_of_each_key() {
        let minute = Some(Duration::from_secs(60));
        let puts = [
            Put::new(key("b", "1"), "first", None),
            Put::new(key("a", "1"), "ends", minute),
            Put::new(key("b", "1"), "last", None),
        ];
        let [(a, of_a), (b, of_b)] = &writes(&puts, NOW)[..] else { panic!("two partitions") };
        let entry = |value: &'static str, end: Option<u64>| Entry {
            value: value.into(),
            expires_at: end.map(Timestamp::from_millis),
        };
        assert_eq!(
            (a.id(), &of_a[..]),
            ("a", &[("1".to_owned(), entry("ends", Some(1_800_000_060_000)))][..])
        );
        assert_eq!((b.id(), &of_b[..]), ("b", &[("1".to_owned(), entry("last", None))][..]));
    }

    #[test]
    fn a_request_has_no_more_entries_than_an_object_reads() {
        let mut puts: Vec<_> =
            (0..SEVERAL_MAX).map(|n| Put::new(key("a", n.to_string()), "x", None)).collect();
        assert_eq!(shape(&puts), [("a", SEVERAL_MAX)]);
        puts.push(Put::new(key("a", "more"), "x", None));
        assert_eq!(shape(&puts), [("a", SEVERAL_MAX), ("a", 1)]);
    }

    #[test]
    fn a_request_has_no_more_bytes_than_an_object_reads() {
        let put = |item: &str, length| Put::new(key("a", item), vec![0; length], None);
        let mut puts = vec![put("1", OBJECT_VALUE_BYTES_MAX), put("2", OBJECT_VALUE_BYTES_MAX)];
        assert_eq!(shape(&puts), [("a", 2)]);
        puts.push(put("3", 1));
        puts.push(put("4", OBJECT_VALUE_BYTES_MAX));
        assert_eq!(shape(&puts), [("a", 2), ("a", 2)]);
        // Another partition begins to count anew.
        puts.push(Put::new(key("b", "1"), vec![0; OBJECT_VALUE_BYTES_MAX], None));
        puts.push(Put::new(key("b", "2"), vec![0; OBJECT_VALUE_BYTES_MAX], None));
        assert_eq!(shape(&puts), [("a", 2), ("a", 2), ("b", 2)]);
    }
}
