//! Entries come back as they were put, until they are overwritten or deleted.

use edgemcp::store::{Condition, StoreErrorKind};

use crate::ground::{Ground, holds, refused, same};

super::cases! {
    Nothing: what_was_never_put_is_absent,
    Nothing: what_is_put_comes_back,
    Nothing: any_bytes_come_back_unchanged,
    Nothing: an_empty_value_is_an_entry,
    Nothing: a_put_replaces_what_was_there,
    Nothing: what_is_deleted_is_absent,
    Nothing: deleting_what_is_not_there_is_no_error,
    Nothing: an_eventual_read_finds_it_in_the_end,
    Consistent: a_strong_read_sees_each_write_at_once,
    Consistent: a_miss_is_not_remembered,
    Nothing: a_large_value_comes_back_whole,
    ValueLimit: a_value_over_the_limit_is_refused_and_the_old_one_stays,
    Nothing: what_needs_atomicity_is_served_or_refused_by_name,
}

async fn what_was_never_put_is_absent(on: &Ground) -> Result<(), String> {
    same("get", on.get(&on.key("never")?).await?, None)?;
    same("get, eventually", on.get_eventually(&on.key("never")?).await?, None)
}

async fn what_is_put_comes_back(on: &Ground) -> Result<(), String> {
    let (one, other) = (on.key("one")?, on.key("other")?);
    on.put(&one, "1", None).await?;
    on.put(&other, "2", None).await?;
    holds("one", on.get(&one).await?, "1", None)?;
    holds("other", on.get(&other).await?, "2", None)
}

async fn any_bytes_come_back_unchanged(on: &Ground) -> Result<(), String> {
    let key = on.key("bytes")?;
    // Every byte, so neither UTF-8 nor free of NUL, and in an order that no text encoding survives.
    let bytes: Vec<u8> = (0..=255).rev().chain(0..=255).collect();
    on.put(&key, bytes.clone(), None).await?;
    holds("all bytes", on.get(&key).await?, bytes, None)?;
    for text in ["null", "0", "-1", "1e3", "{\"value\":\"x\"}", "größer ≥ 🦀", "\u{feff}bom", " padded "]
    {
        on.put(&key, text, None).await?;
        holds(text, on.get(&key).await?, text, None)?;
    }
    Ok(())
}

async fn an_empty_value_is_an_entry(on: &Ground) -> Result<(), String> {
    let key = on.key("empty")?;
    on.put(&key, "", None).await?;
    holds("get", on.get(&key).await?, "", None)?;
    same("listed", on.list_all(&on.partition("p")?, 10).await?.0, vec!["empty".to_owned()])
}

async fn a_put_replaces_what_was_there(on: &Ground) -> Result<(), String> {
    let key = on.key("twice")?;
    on.put(&key, "a long first value", None).await?;
    on.put(&key, "short", None).await?;
    holds("get", on.get(&key).await?, "short", None)
}

async fn what_is_deleted_is_absent(on: &Ground) -> Result<(), String> {
    let (gone, stays) = (on.key("gone")?, on.key("stays")?);
    on.put(&gone, "x", None).await?;
    on.put(&stays, "y", None).await?;
    on.delete(&gone).await?;
    same("get", on.get(&gone).await?, None)?;
    holds("the other", on.get(&stays).await?, "y", None)?;
    on.put(&gone, "again", None).await?;
    holds("put again", on.get(&gone).await?, "again", None)
}

async fn deleting_what_is_not_there_is_no_error(on: &Ground) -> Result<(), String> {
    let key = on.key("gone")?;
    on.delete(&key).await?;
    on.put(&key, "x", None).await?;
    on.delete(&key).await?;
    on.delete(&key).await?;
    same("get", on.get(&key).await?, None)
}

async fn an_eventual_read_finds_it_in_the_end(on: &Ground) -> Result<(), String> {
    let key = on.key("later")?;
    on.put(&key, "x", None).await?;
    holds("get", on.get_eventually(&key).await?, "x", None)
}

async fn a_strong_read_sees_each_write_at_once(on: &Ground) -> Result<(), String> {
    let key = on.key("fresh")?;
    for round in ["first", "second", "third"] {
        on.put(&key, round, None).await?;
        holds(round, on.get_now(&key).await?, round, None)?;
    }
    on.delete(&key).await?;
    same("after the delete", on.get_now(&key).await?, None)
}

async fn a_miss_is_not_remembered(on: &Ground) -> Result<(), String> {
    let key = on.key("missed")?;
    same("before", on.get_now(&key).await?, None)?;
    on.put(&key, "x", None).await?;
    holds("after", on.get_now(&key).await?, "x", None)
}

/// As large as a case tries where the store's limit is larger still.
const LARGE_BYTES: usize = 1024 * 1024;

async fn a_large_value_comes_back_whole(on: &Ground) -> Result<(), String> {
    let key = on.key("large")?;
    let bytes = on.capabilities().value_bytes_max.unwrap_or(LARGE_BYTES).min(LARGE_BYTES);
    // Not repetitive, so that a part that is lost or doubled shows.
    let value: Vec<u8> = (0..bytes as u64).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
    on.put(&key, value.clone(), None).await?;
    let entry = on.get(&key).await?.ok_or("the entry is absent")?;
    same("its length", entry.value.len(), value.len())?;
    same("its bytes are the same", entry.value == value, true)?;
    if on.capabilities().atomic {
        let other = on.key("large-if-absent")?;
        same("put_if", on.put_if(&other, value.clone(), None, Condition::Absent).await?, true)?;
        same("put_if wrote the same", on.get(&other).await?.is_some_and(|entry| entry.value == value), true)?;
    }
    Ok(())
}

async fn a_value_over_the_limit_is_refused_and_the_old_one_stays(on: &Ground) -> Result<(), String> {
    let key = on.key("over")?;
    let max = on.capabilities().value_bytes_max.ok_or("the store has no limit")?;
    let over = bytes::Bytes::from(vec![b'x'; max + 1]);
    on.put(&key, "old", None).await?;
    refused("put", on.store().put(&key, over.clone(), None).await, StoreErrorKind::TooLarge)?;
    holds("after the put", on.get(&key).await?, "old", None)?;
    if on.capabilities().atomic {
        let condition = Condition::Equals("old".into());
        let result = on.store().put_if(&key, over, None, condition).await;
        refused("put_if", result, StoreErrorKind::TooLarge)?;
        holds("after the put_if", on.get(&key).await?, "old", None)?;
    }
    Ok(())
}

async fn what_needs_atomicity_is_served_or_refused_by_name(on: &Ground) -> Result<(), String> {
    let key = on.key("atomic")?;
    on.put(&key, "x", None).await?;
    on.settle();
    if on.capabilities().atomic {
        same("put_if", on.put_if(&key, "y", None, Condition::Equals("x".into())).await?, true)?;
        return holds("take", on.take(&key).await?, "y", None);
    }
    for condition in [Condition::Absent, Condition::Equals("x".into())] {
        let result = on.store().put_if(&key, "y".into(), None, condition).await;
        refused("put_if", result, StoreErrorKind::Unsupported)?;
    }
    refused("take", on.store().take(&key).await, StoreErrorKind::Unsupported)?;
    holds("what was there", on.get(&key).await?, "x", None)
}
