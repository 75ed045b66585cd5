//! Counters start at zero, keep their window and lose nothing.

use std::time::Duration;

use edgemcp::store::StoreErrorKind;
use futures_util::future::try_join_all;

use super::CALLERS;
use crate::ground::{Ground, holds, refused, same};

super::cases! {
    Nothing: a_counter_starts_at_zero,
    Nothing: a_counter_goes_up_down_and_below_zero,
    Nothing: a_counter_reads_and_lists_as_its_digits,
    Nothing: a_counter_keeps_the_end_it_started_with,
    Nothing: a_counter_without_end_stays_without,
    Nothing: a_put_ends_the_counter_and_a_delete_starts_it_over,
    Nothing: the_digits_of_a_whole_number_are_a_counter_however_they_got_there,
    Nothing: what_is_no_counter_is_refused_and_stays,
    Nothing: a_counter_reaches_both_ends_of_i64_and_goes_no_further,
    Atomic: increments_at_once_lose_nothing,
    Atomic: increments_at_once_on_an_expired_counter_lose_nothing,
}

const TTL: Duration = Duration::from_secs(600);

async fn a_counter_starts_at_zero(on: &Ground) -> Result<(), String> {
    let (up, down, still) = (on.key("up")?, on.key("down")?, on.key("still")?);
    same("by 1", on.increment(&up, 1, None).await?, 1)?;
    same("by -3", on.increment(&down, -3, None).await?, -3)?;
    same("by 0", on.increment(&still, 0, None).await?, 0)?;
    holds("a counter at zero is there", on.get(&still).await?, "0", None)
}

async fn a_counter_goes_up_down_and_below_zero(on: &Ground) -> Result<(), String> {
    let key = on.key("count")?;
    for (by, sum) in [(5, 5), (-2, 3), (-10, -7), (7, 0), (1_000_000_007, 1_000_000_007)] {
        same(&format!("by {by}"), on.increment(&key, by, None).await?, sum)?;
    }
    Ok(())
}

async fn a_counter_reads_and_lists_as_its_digits(on: &Ground) -> Result<(), String> {
    let key = on.key("digits")?;
    on.increment(&key, -120, Some(TTL)).await?;
    let end = Some(on.now().after(TTL));
    holds("get", on.get(&key).await?, "-120", end)?;
    let mut page = on.list(&on.partition("p")?, None, 10).await?;
    let (item, entry) = page.entries.pop().ok_or("the counter is not listed")?;
    same("item", item.as_str(), "digits")?;
    holds("listed", Some(entry), "-120", end)
}

async fn a_counter_keeps_the_end_it_started_with(on: &Ground) -> Result<(), String> {
    let key = on.key("window")?;
    let end = Some(on.now().after(TTL));
    on.increment(&key, 1, Some(TTL)).await?;
    on.advance(TTL / 2);
    on.increment(&key, 1, Some(TTL)).await?;
    holds("with a ttl", on.get(&key).await?, "2", end)?;
    on.increment(&key, 1, None).await?;
    holds("without one", on.get(&key).await?, "3", end)?;
    on.advance(TTL / 2);
    same("it ends", on.get(&key).await?, None)
}

async fn a_counter_without_end_stays_without(on: &Ground) -> Result<(), String> {
    let key = on.key("open")?;
    on.increment(&key, 1, None).await?;
    on.increment(&key, 1, Some(TTL)).await?;
    on.advance(TTL);
    holds("get", on.get(&key).await?, "2", None)
}

async fn a_put_ends_the_counter_and_a_delete_starts_it_over(on: &Ground) -> Result<(), String> {
    let key = on.key("over")?;
    on.increment(&key, 5, Some(TTL)).await?;
    on.put(&key, "plain", None).await?;
    holds("after the put", on.get(&key).await?, "plain", None)?;
    on.delete(&key).await?;
    same("after the delete", on.increment(&key, 2, None).await?, 2)?;
    on.delete(&key).await?;
    same("deleted", on.get(&key).await?, None)
}

async fn the_digits_of_a_whole_number_are_a_counter_however_they_got_there(
    on: &Ground,
) -> Result<(), String> {
    for (digits, sum) in [("41", 42), ("0", 1), ("-1", 0), ("-9223372036854775808", i64::MIN + 1)] {
        let key = on.key(digits)?;
        on.put(&key, digits, Some(TTL)).await?;
        same(digits, on.increment(&key, 1, None).await?, sum)?;
        holds(digits, on.get(&key).await?, sum.to_string(), Some(on.now().after(TTL)))?;
    }
    Ok(())
}

async fn what_is_no_counter_is_refused_and_stays(on: &Ground) -> Result<(), String> {
    for value in [&b"plain"[..], b"", b"1.5", b"1e3", b" 1", b"\xff\x00", b"99999999999999999999"] {
        let key = on.key("plain")?;
        on.put(&key, value, Some(TTL)).await?;
        on.settle();
        let what = String::from_utf8_lossy(value).into_owned();
        refused(&what, on.store().increment(&key, 1, None).await, StoreErrorKind::NotACounter)?;
        holds(&what, on.get(&key).await?, value, Some(on.now().after(TTL)))?;
    }
    Ok(())
}

async fn a_counter_reaches_both_ends_of_i64_and_goes_no_further(on: &Ground) -> Result<(), String> {
    for (name, end, step) in [("top", i64::MAX, 1), ("bottom", i64::MIN, -1)] {
        let key = on.key(name)?;
        same(name, on.increment(&key, end - step, None).await?, end - step)?;
        same(name, on.increment(&key, step, None).await?, end)?;
        on.settle();
        for by in [step, end] {
            refused(name, on.store().increment(&key, by, None).await, StoreErrorKind::NotACounter)?;
        }
        holds(name, on.get(&key).await?, end.to_string(), None)?;
    }
    Ok(())
}

async fn increments_at_once_lose_nothing(on: &Ground) -> Result<(), String> {
    let key = on.key("race")?;
    every_sum_once(on, &key).await?;
    holds("the end is the first one's", on.get(&key).await?, "12", Some(on.now().after(TTL)))
}

async fn increments_at_once_on_an_expired_counter_lose_nothing(on: &Ground) -> Result<(), String> {
    let key = on.key("race")?;
    on.increment(&key, 1_000, Some(TTL)).await?;
    on.advance(TTL);
    every_sum_once(on, &key).await?;
    holds("the window is new", on.get(&key).await?, "12", Some(on.now().after(TTL)))
}

async fn every_sum_once(on: &Ground, key: &edgemcp::store::Key) -> Result<(), String> {
    let mut sums = try_join_all((0..CALLERS).map(|_| on.increment(key, 1, Some(TTL)))).await?;
    sums.sort_unstable();
    same("the sums", sums, (1..).take(CALLERS).collect())
}
