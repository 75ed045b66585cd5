//! Many keys, odd keys and large values are kept as they are.

use edgemcp::store::{Key, LIST_PAGE_MAX, Put, StoreErrorKind};
use edgemcp_native::STORE_VALUE_BYTES_MAX;
use tokio::time::Instant;

use super::{Subject, get, items, key, partition, surveyed};

const MANY: usize = 10_000;

#[tokio::test]
async fn ten_thousand_keys_of_one_partition_are_paged_through() {
    for subject in Subject::each() {
        let store = subject.open();
        let names: Vec<_> = (0..MANY).map(|n| format!("N{n:05}")).collect();
        for some in names.chunks(500) {
            let puts: Vec<_> = some.iter().map(|name| Put::new(key(name), name.clone(), None)).collect();
            store.put_many(&puts).await.unwrap();
        }
        for when in ["just written", "left alone"] {
            let started = Instant::now();
            let found = items(&*store, &partition()).await.unwrap();
            let pages = MANY / LIST_PAGE_MAX;
            println!("{}, {when}: {pages} pages in {:?}", subject.name(), started.elapsed());
            let lost = names.iter().filter(|name| found.binary_search(name).is_err()).count();
            assert_eq!(found.len(), MANY);
            subject.tell(&format!("10,000 keys in one partition paged through, {when}"), pages, lost);
            #[cfg(unix)]
            if subject.kind == super::Kind::Files {
                let folder = std::fs::File::open(subject.home().join("faults/kept")).unwrap();
                folder.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            }
        }
        assert_eq!(surveyed(&*store).await.unwrap().len(), MANY);
    }
}

#[tokio::test]
async fn keys_with_every_odd_character_in_each_part_are_kept_apart() {
    for subject in Subject::each() {
        let store = subject.open();
        let characters: Vec<String> = ('!'..='~').filter(|c| *c != '/').map(String::from).collect();
        let mut parts: Vec<String> =
            characters.iter().flat_map(|c| [c.clone(), format!("a{c}b"), c.repeat(128)]).collect();
        parts.extend(
            ["CON", "con", "nul.txt", "COM1", "lpt9.", "..", "...", "a.", ".store", ".new-0", ".journal"]
                .map(str::to_owned),
        );
        parts.sort();
        parts.dedup();
        let keys: Vec<Key> = parts
            .iter()
            .flat_map(|part| [[part, "i", "x"], ["c", part, "x"], ["c", "i", part]])
            .map(|[collection, id, item]| Key::new(collection, id, item).unwrap())
            .collect();
        let puts: Vec<_> = keys.iter().map(|key| Put::new(key.clone(), key.to_string(), None)).collect();
        store.put_many(&puts).await.unwrap();
        let found = store.get_many(&keys, edgemcp::store::Consistency::Strong).await.unwrap();
        let is_kept = |(key, entry): (&Key, &Option<edgemcp::store::Entry>)| {
            entry.as_ref().is_some_and(|entry| entry.value == key.to_string())
        };
        let lost = keys.len() - keys.iter().zip(&found).filter(|pair| is_kept(*pair)).count();
        let mut names: Vec<_> = keys.iter().map(Key::to_string).collect();
        names.sort();
        names.dedup();
        let mut told = surveyed(&*store).await.unwrap();
        told.sort();
        assert_eq!(told, names);
        subject.tell("keys with every odd character in each part", keys.len(), lost);
    }
}

#[tokio::test]
async fn a_value_at_the_limit_is_kept_and_one_byte_more_changes_nothing() {
    for subject in Subject::each() {
        let store = subject.open();
        // Text, bytes that are none, and what JSON makes longest.
        let fillers = [b'x', 0xff, b'"'];
        let mut lost = 0;
        for filler in fillers {
            let at = vec![filler; STORE_VALUE_BYTES_MAX];
            store.put(&key("large"), at.clone().into(), None).await.unwrap();
            let over = vec![b'y'; STORE_VALUE_BYTES_MAX + 1];
            let refused = store.put(&key("large"), over.into(), None).await.unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::TooLarge);
            lost += usize::from(get(&*store, "large").await.unwrap().unwrap() != at);
        }
        subject.tell("value at the limit and one byte over", fillers.len(), lost);
    }
}
