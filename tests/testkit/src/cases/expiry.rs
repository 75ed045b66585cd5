//! An entry ends at the very millisecond it was put to end, whatever the back end itself deletes and when.

use std::time::Duration;

use edgemcp::store::Condition;

use crate::ground::{Ground, holds, same};

super::cases! {
    Nothing: an_entry_says_when_it_ends,
    Nothing: an_entry_is_live_one_millisecond_before_its_end_and_absent_at_it,
    Nothing: a_ttl_shorter_than_the_back_end_takes_ends_when_it_should,
    Nothing: a_ttl_of_nothing_ends_at_once,
    Nothing: a_ttl_beyond_all_time_is_no_error,
    Nothing: a_put_without_ttl_clears_the_earlier_end,
    Nothing: a_put_with_ttl_moves_the_end,
    Nothing: an_expired_entry_can_be_put_again,
    Nothing: an_expired_counter_starts_again_at_zero,
    Nothing: an_expired_value_does_not_keep_a_counter_from_starting,
    Nothing: an_expired_entry_is_not_listed,
    Atomic: an_expired_entry_is_absent_to_put_if,
    Atomic: an_expired_entry_is_absent_to_take,
    Atomic: a_conditional_put_sets_and_clears_the_end,
}

const MS: Duration = Duration::from_millis(1);

/// Longer than Workers KV's minimum, and no whole number of seconds.
const TTL: Duration = Duration::from_millis(90_001);

async fn an_entry_says_when_it_ends(on: &Ground) -> Result<(), String> {
    let key = on.key("ends")?;
    on.advance(Duration::from_millis(7));
    for ttl in [TTL, Duration::from_millis(1_500), Duration::from_secs(100 * 365 * 86_400)] {
        on.put(&key, "x", Some(ttl)).await?;
        holds(&format!("{ttl:?}"), on.get(&key).await?, "x", Some(on.now().after(ttl)))?;
        let page = on.list(&on.partition("p")?, None, 10).await?;
        let ends: Vec<_> = page.entries.iter().map(|(_, entry)| entry.expires_at).collect();
        same("listed", ends, vec![Some(on.now().after(ttl))])?;
    }
    Ok(())
}

async fn an_entry_is_live_one_millisecond_before_its_end_and_absent_at_it(on: &Ground) -> Result<(), String> {
    let key = on.key("edge")?;
    let end = on.now().after(TTL);
    on.put(&key, "x", Some(TTL)).await?;
    on.advance(TTL - MS);
    holds("one millisecond before", on.get(&key).await?, "x", Some(end))?;
    on.advance(MS);
    same("at the end", on.get(&key).await?, None)?;
    same("at the end, eventually", on.get_eventually(&key).await?, None)?;
    on.advance(MS);
    same("after the end", on.get(&key).await?, None)
}

async fn a_ttl_shorter_than_the_back_end_takes_ends_when_it_should(on: &Ground) -> Result<(), String> {
    let key = on.key("short")?;
    on.put(&key, "x", Some(MS)).await?;
    holds("at once", on.get(&key).await?, "x", Some(on.now().after(MS)))?;
    on.advance(MS);
    same("a millisecond later", on.get(&key).await?, None)
}

async fn a_ttl_of_nothing_ends_at_once(on: &Ground) -> Result<(), String> {
    let key = on.key("nothing")?;
    on.put(&key, "old", None).await?;
    on.put(&key, "x", Some(Duration::ZERO)).await?;
    same("get", on.get(&key).await?, None)
}

async fn a_ttl_beyond_all_time_is_no_error(on: &Ground) -> Result<(), String> {
    let key = on.key("forever")?;
    on.put(&key, "x", Some(Duration::MAX)).await?;
    on.advance(Duration::from_secs(86_400));
    same("get", on.get(&key).await?.map(|entry| entry.value), Some("x".into()))?;
    let counter = on.key("counter")?;
    same("increment", on.increment(&counter, 1, Some(Duration::MAX)).await?, 1)?;
    same("increment", on.increment(&counter, 1, Some(Duration::MAX)).await?, 2)
}

async fn a_put_without_ttl_clears_the_earlier_end(on: &Ground) -> Result<(), String> {
    let key = on.key("cleared")?;
    on.put(&key, "x", Some(TTL)).await?;
    on.put(&key, "y", None).await?;
    holds("at once", on.get(&key).await?, "y", None)?;
    on.advance(TTL);
    holds("past the earlier end", on.get(&key).await?, "y", None)
}

async fn a_put_with_ttl_moves_the_end(on: &Ground) -> Result<(), String> {
    let key = on.key("moved")?;
    on.put(&key, "x", Some(TTL)).await?;
    on.advance(TTL - MS);
    on.put(&key, "y", Some(TTL)).await?;
    let end = on.now().after(TTL);
    on.advance(TTL - MS);
    holds("past the earlier end", on.get(&key).await?, "y", Some(end))?;
    on.advance(MS);
    same("at the later end", on.get(&key).await?, None)
}

async fn an_expired_entry_can_be_put_again(on: &Ground) -> Result<(), String> {
    let key = on.key("again")?;
    on.put(&key, "x", Some(TTL)).await?;
    on.advance(TTL);
    same("expired", on.get(&key).await?, None)?;
    on.put(&key, "y", None).await?;
    holds("put again", on.get(&key).await?, "y", None)
}

async fn an_expired_counter_starts_again_at_zero(on: &Ground) -> Result<(), String> {
    let key = on.key("window")?;
    same("the first", on.increment(&key, 5, Some(TTL)).await?, 5)?;
    on.advance(TTL - MS);
    same("one millisecond before the end", on.increment(&key, 5, Some(TTL)).await?, 10)?;
    on.advance(MS);
    same("at the end", on.increment(&key, 3, Some(TTL)).await?, 3)?;
    holds("the new window", on.get(&key).await?, "3", Some(on.now().after(TTL)))?;
    on.advance(TTL);
    same("without a ttl", on.increment(&key, 1, None).await?, 1)?;
    holds("no end", on.get(&key).await?, "1", None)
}

async fn an_expired_value_does_not_keep_a_counter_from_starting(on: &Ground) -> Result<(), String> {
    let key = on.key("was-a-value")?;
    on.put(&key, "no counter", Some(TTL)).await?;
    on.advance(TTL);
    same("increment", on.increment(&key, 2, None).await?, 2)?;
    holds("get", on.get(&key).await?, "2", None)
}

async fn an_expired_entry_is_not_listed(on: &Ground) -> Result<(), String> {
    let partition = on.partition("p")?;
    for n in 0..10 {
        let ttl = (n % 3 != 0).then_some(TTL);
        on.put(&on.key(&format!("{n}"))?, "x", ttl).await?;
    }
    same("before the end", on.list_all(&partition, 100).await?.0.len(), 10)?;
    on.advance(TTL);
    // Pages that would hold nothing but expired entries must not end the listing.
    for limit in [1, 2, 100] {
        let (items, _) = on.list_all(&partition, limit).await?;
        same(&format!("after the end, by {limit}"), items, ["0", "3", "6", "9"].map(String::from).to_vec())?;
    }
    Ok(())
}

async fn an_expired_entry_is_absent_to_put_if(on: &Ground) -> Result<(), String> {
    let key = on.key("if")?;
    on.put(&key, "x", Some(TTL)).await?;
    on.advance(TTL - MS);
    same("absent, before", on.put_if(&key, "y", None, Condition::Absent).await?, false)?;
    on.advance(MS);
    same("equals", on.put_if(&key, "y", None, Condition::Equals("x".into())).await?, false)?;
    same("absent", on.put_if(&key, "y", None, Condition::Absent).await?, true)?;
    holds("get", on.get(&key).await?, "y", None)
}

async fn an_expired_entry_is_absent_to_take(on: &Ground) -> Result<(), String> {
    let (early, late) = (on.key("early")?, on.key("late")?);
    let end = on.now().after(TTL);
    on.put(&early, "x", Some(TTL)).await?;
    on.put(&late, "x", Some(TTL)).await?;
    on.advance(TTL - MS);
    holds("one millisecond before", on.take(&early).await?, "x", Some(end))?;
    on.advance(MS);
    same("at the end", on.take(&late).await?, None)?;
    on.put(&late, "new", None).await?;
    holds("put again", on.take(&late).await?, "new", None)
}

async fn a_conditional_put_sets_and_clears_the_end(on: &Ground) -> Result<(), String> {
    let key = on.key("both")?;
    same("absent", on.put_if(&key, "1", Some(TTL), Condition::Absent).await?, true)?;
    holds("set", on.get(&key).await?, "1", Some(on.now().after(TTL)))?;
    same("equals", on.put_if(&key, "2", None, Condition::Equals("1".into())).await?, true)?;
    holds("cleared", on.get(&key).await?, "2", None)?;
    same("equals", on.put_if(&key, "3", Some(TTL), Condition::Equals("2".into())).await?, true)?;
    on.advance(TTL);
    same("ended", on.get(&key).await?, None)
}
