//! Keeps what was read last, within so many entries and bytes.

use std::collections::BTreeMap;

use crate::{
    platform::Timestamp,
    store::{Entry, Key},
};

/// What was read, by its key, and what may be forgotten first.
pub(crate) struct Lru {
    slots: BTreeMap<Key, Slot>,
    /// The keys by when they were last asked for.
    order: BTreeMap<u64, Key>,
    asked: u64,
    bytes: usize,
    pub(super) entries_max: usize,
    pub(super) bytes_max: usize,
}

struct Slot {
    found: Option<Entry>,
    until: Timestamp,
    asked: u64,
}

impl Slot {
    /// The bytes of value and key, the latter as often as they are here.
    fn bytes(&self, key: &Key) -> usize {
        let partition = key.partition();
        let key = partition.collection().len() + partition.id().len() + key.item().len();
        2 * key + self.found.as_ref().map_or(0, |entry| entry.value.len())
    }
}

impl Lru {
    /// One that keeps so much.
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let (slots, order) = (BTreeMap::new(), BTreeMap::new());
        Self { slots, order, asked: 0, bytes: 0, entries_max, bytes_max }
    }

    /// What was found under `key`, where that is still known; a miss is known too.
    pub(crate) fn get(&mut self, key: &Key, now: Timestamp) -> Option<Option<Entry>> {
        let slot = self.slots.get_mut(key)?;
        let has_ended = slot.found.as_ref().is_some_and(|entry| !entry.is_live(now));
        if now >= slot.until || has_ended {
            self.remove(key);
            return None;
        }
        self.order.remove(&slot.asked);
        self.asked += 1;
        slot.asked = self.asked;
        self.order.insert(self.asked, key.clone());
        Some(slot.found.clone())
    }

    /// Keeps what was found until then, in the place of what was asked for longest ago. What is larger than all that may
    /// be kept is not.
    pub(crate) fn insert(&mut self, key: &Key, found: Option<Entry>, until: Timestamp) {
        self.remove(key);
        self.asked += 1;
        let slot = Slot { found, until, asked: self.asked };
        let bytes = slot.bytes(key);
        if bytes > self.bytes_max || self.entries_max == 0 {
            return;
        }
        while self.slots.len() >= self.entries_max || self.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(slot) = self.slots.remove(&oldest) {
                self.bytes -= slot.bytes(&oldest);
            }
        }
        self.bytes += bytes;
        self.order.insert(slot.asked, key.clone());
        self.slots.insert(key.clone(), slot);
    }

    /// Forgets what was found under `key`.
    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(slot) = self.slots.remove(key) {
            self.bytes -= slot.bytes(key);
            self.order.remove(&slot.asked);
        }
    }

    /// How many entries and bytes are kept.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, Option<usize>),
        Get(u8),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..12_u8, prop::option::of(0..60_usize)).prop_map(|(key, bytes)| Step::Insert(key, bytes)),
            2 => (0..12_u8).prop_map(Step::Get),
            1 => (0..12_u8).prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        #![proptest_config(config())]

        /// Against the same thing said plainly: a list in the order of asking.
        #[test]
        fn what_was_asked_for_last_stays_within_its_bounds(
            steps in steps(), entries_max in 0..6_usize, bytes_max in 0..150_usize,
        ) {
            let (now, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
            let mut lru = Lru::new(entries_max, bytes_max);
            let mut list: Vec<(u8, Option<usize>)> = Vec::new();
            let size = |(_, bytes): &(u8, Option<usize>)| bytes.unwrap_or(0) + 2 * 3;
            for step in steps {
                let key = |n: u8| Key::new("c", "i", char::from(b'a' + n).to_string()).unwrap();
                match step {
                    Step::Insert(n, bytes) => {
                        let found = bytes.map(|bytes| Entry { value: vec![n; bytes].into(), expires_at: None });
                        lru.insert(&key(n), found, until);
                        list.retain(|(other, _)| *other != n);
                        if size(&(n, bytes)) <= bytes_max && entries_max > 0 {
                            list.push((n, bytes));
                            while list.len() > entries_max || list.iter().map(size).sum::<usize>() > bytes_max {
                                list.remove(0);
                            }
                        }
                    }
                    Step::Get(n) => {
                        let known = list.iter().position(|(other, _)| *other == n).map(|at| list.remove(at));
                        list.extend(known);
                        let got = lru.get(&key(n), now).map(|found| found.map(|entry| entry.value.len()));
                        prop_assert_eq!(got, known.map(|(_, bytes)| bytes));
                    }
                    Step::Remove(n) => {
                        lru.remove(&key(n));
                        list.retain(|(other, _)| *other != n);
                    }
                }
                prop_assert_eq!(lru.size(), (list.len(), list.iter().map(size).sum()));
            }
        }
    }
}
