//! Writes to a store that shows writes late, and counts what is not there once they have settled.

use std::{collections::BTreeMap, time::Duration};

use edgemcp::store::{Consistency, Key, Store, StoreError};
use edgemcp_testkit::ManualClock;

/// So many entries are written over and over.
const KEYS: u32 = 7;

/// How late a write shows at the most.
const SETTLES_AFTER: Duration = Duration::from_secs(60);

/// How many of `rounds` showed, before they had settled, what was never written, or after it anything but the last.
pub(crate) async fn lost(
    store: &dyn Store,
    clock: &ManualClock,
    run: &str,
    rounds: u32,
) -> Result<u32, StoreError> {
    let mut lost = 0;
    // What was written under each key; `None` where it was deleted.
    let mut written: BTreeMap<Key, Vec<Option<String>>> = BTreeMap::new();
    for round in 0..rounds {
        let key = Key::new("settling", run, format!("k{}", round % KEYS))?;
        let value = (!round.is_multiple_of(5)).then(|| format!("round {round}"));
        match &value {
            Some(value) => store.put(&key, value.clone().into(), None).await?,
            None => store.delete(&key).await?,
        }
        let all = written.entry(key.clone()).or_default();
        all.push(value);
        // Some of them settle with the next, and some before.
        clock.advance(if round.is_multiple_of(3) { SETTLES_AFTER / 4 } else { Duration::ZERO });
        let seen = read(store, &key).await?;
        if !all.contains(&seen) && seen.is_some() {
            lost += 1;
        }
        if round.is_multiple_of(10) || round + 1 == rounds {
            clock.advance(SETTLES_AFTER);
            for (key, all) in &written {
                if Some(&read(store, key).await?) != all.last() {
                    lost += 1;
                }
            }
        }
    }
    Ok(lost)
}

async fn read(store: &dyn Store, key: &Key) -> Result<Option<String>, StoreError> {
    let found = store.get(key, Consistency::Strong).await?;
    Ok(found.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
}
