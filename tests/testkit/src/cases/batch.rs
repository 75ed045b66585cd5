//! Many entries are read and written at once as they are one by one.

use std::time::Duration;

use bytes::Bytes;
use edgemcp::store::{Key, Put, StoreErrorKind};

use crate::ground::{Ground, holds, refused, same};

super::cases! {
    Nothing: many_are_read_in_the_order_they_were_asked_for,
    Nothing: many_are_written_with_their_ends,
    Nothing: nothing_is_read_and_written_of_nothing,
    Nothing: of_two_of_one_key_the_last_one_stays,
    ValueLimit: one_value_over_the_limit_is_refused_among_many,
}

/// More than DynamoDB takes at once, in reads (100) and in writes (25).
const MANY: usize = 130;

fn keys(on: &Ground, count: usize) -> Result<Vec<Key>, String> {
    // Over several partitions, as callers have them.
    (0..count)
        .map(|n| {
            on.partition(&format!("p{}", n % 3))?.item(format!("n{n:03}")).map_err(|error| error.to_string())
        })
        .collect()
}

async fn many_are_read_in_the_order_they_were_asked_for(on: &Ground) -> Result<(), String> {
    let mut keys = keys(on, MANY)?;
    for (n, key) in keys.iter().enumerate() {
        if n.is_multiple_of(4) {
            on.put(key, format!("value {n}"), None).await?;
        }
    }
    // One is a counter, one is asked for twice, and they are asked for in no order of theirs.
    let counter = on.key("counter")?;
    on.increment(&counter, 3, None).await?;
    keys.reverse();
    keys.push(counter);
    keys.extend(keys.first().cloned());
    let found = on.get_many(&keys).await?;
    let value = |n: usize| n.is_multiple_of(4).then(|| Bytes::from(format!("value {n}")));
    let mut want: Vec<_> = (0..MANY).rev().map(value).collect();
    want.push(Some("3".into()));
    want.push(value(MANY - 1));
    same("values", found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect(), want)
}

async fn many_are_written_with_their_ends(on: &Ground) -> Result<(), String> {
    let ttl = |n: usize| n.is_multiple_of(2).then(|| Duration::from_secs(100 + n as u64));
    let keys = keys(on, MANY)?;
    on.put(keys.first().ok_or("there are keys")?, "before", None).await?;
    let puts: Vec<_> =
        keys.iter().enumerate().map(|(n, key)| Put::new(key.clone(), format!("value {n}"), ttl(n))).collect();
    on.put_many(&puts).await?;
    for (n, key) in keys.iter().enumerate() {
        let end = ttl(n).map(|ttl| on.now().after(ttl));
        holds(&key.to_string(), on.get(key).await?, format!("value {n}"), end)?;
    }
    on.advance(Duration::from_secs(150));
    let found = on.get_many(&keys).await?;
    let is_there: Vec<_> = found.iter().map(Option::is_some).collect();
    same("those that have not ended", is_there, (0..MANY).map(|n| n % 2 == 1 || n > 50).collect())
}

async fn nothing_is_read_and_written_of_nothing(on: &Ground) -> Result<(), String> {
    on.put_many(&[]).await?;
    same("entries", on.get_many(&[]).await?, vec![])
}

async fn of_two_of_one_key_the_last_one_stays(on: &Ground) -> Result<(), String> {
    let (key, other) = (on.key("twice")?, on.key("once")?);
    let hour = Some(Duration::from_secs(3600));
    let puts = [
        Put::new(key.clone(), "first", hour),
        Put::new(other.clone(), "other", None),
        Put::new(key.clone(), "last", None),
    ];
    on.put_many(&puts).await?;
    holds("the one twice written", on.get(&key).await?, "last", None)?;
    holds("the other", on.get(&other).await?, "other", None)
}

async fn one_value_over_the_limit_is_refused_among_many(on: &Ground) -> Result<(), String> {
    let limit = on.capabilities().value_bytes_max.ok_or("the store has a limit")?;
    let (small, large) = (on.key("small")?, on.key("large")?);
    on.put(&large, "before", None).await?;
    let puts = [Put::new(small, "x", None), Put::new(large.clone(), vec![0; limit + 1], None)];
    refused("put_many", on.store().put_many(&puts).await, StoreErrorKind::TooLarge)?;
    holds("what was there", on.get(&large).await?, "before", None)
}
