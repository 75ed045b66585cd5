//! Of several callers at once exactly one wins.

use bytes::Bytes;
use edgemcp::store::Condition;
use futures_util::future::{join_all, try_join_all};

use super::CALLERS;
use crate::ground::{Ground, holds, same};

super::cases! {
    Atomic: put_if_absent_writes_only_where_nothing_is,
    Atomic: put_if_equals_writes_only_over_that_value,
    Atomic: put_if_equals_compares_bytes_and_not_text,
    Atomic: put_if_equals_takes_a_counter_by_its_digits,
    Atomic: of_several_who_put_if_absent_exactly_one_wins,
    Atomic: of_several_who_put_if_equals_exactly_one_wins,
    Atomic: take_gives_the_entry_and_leaves_nothing,
    Atomic: a_counter_is_taken_as_its_digits,
    Atomic: of_several_takers_exactly_one_gets_the_entry,
}

async fn put_if_absent_writes_only_where_nothing_is(on: &Ground) -> Result<(), String> {
    let key = on.key("absent")?;
    same("the first", on.put_if(&key, "1", None, Condition::Absent).await?, true)?;
    same("the second", on.put_if(&key, "2", None, Condition::Absent).await?, false)?;
    holds("the first stays", on.get(&key).await?, "1", None)?;
    on.delete(&key).await?;
    same("after a delete", on.put_if(&key, "3", None, Condition::Absent).await?, true)?;
    holds("get", on.get(&key).await?, "3", None)
}

async fn put_if_equals_writes_only_over_that_value(on: &Ground) -> Result<(), String> {
    let key = on.key("equals")?;
    let equals = |value: &'static str| Condition::Equals(value.into());
    same("where nothing is", on.put_if(&key, "x", None, equals("")).await?, false)?;
    same("nothing was written", on.get(&key).await?, None)?;
    on.put(&key, "1", None).await?;
    for other in ["", "0", "1 ", "11", "x"] {
        same(other, on.put_if(&key, "no", None, equals(other)).await?, false)?;
    }
    same("the value", on.put_if(&key, "2", None, equals("1")).await?, true)?;
    same("the value before it", on.put_if(&key, "no", None, equals("1")).await?, false)?;
    holds("get", on.get(&key).await?, "2", None)?;
    same("to empty", on.put_if(&key, "", None, equals("2")).await?, true)?;
    same("from empty", on.put_if(&key, "3", None, equals("")).await?, true)
}

async fn put_if_equals_compares_bytes_and_not_text(on: &Ground) -> Result<(), String> {
    let key = on.key("bytes")?;
    let bytes = |last: u8| Bytes::from(vec![0, 255, 0, 128, last]);
    on.put(&key, bytes(1), None).await?;
    let other = Condition::Equals(bytes(2));
    same("other bytes", on.put_if(&key, "no", None, other).await?, false)?;
    let those = Condition::Equals(bytes(1));
    same("those bytes", on.put_if(&key, bytes(3), None, those).await?, true)?;
    holds("get", on.get(&key).await?, bytes(3), None)
}

async fn put_if_equals_takes_a_counter_by_its_digits(on: &Ground) -> Result<(), String> {
    let key = on.key("counter")?;
    same("increment", on.increment(&key, 41, None).await?, 41)?;
    same("other digits", on.put_if(&key, "no", None, Condition::Equals("4".into())).await?, false)?;
    same("absent", on.put_if(&key, "no", None, Condition::Absent).await?, false)?;
    same("increment", on.increment(&key, 1, None).await?, 42)?;
    same("its digits", on.put_if(&key, "done", None, Condition::Equals("42".into())).await?, true)?;
    holds("get", on.get(&key).await?, "done", None)
}

async fn of_several_who_put_if_absent_exactly_one_wins(on: &Ground) -> Result<(), String> {
    let key = &on.key("race")?;
    let wins = try_join_all(
        (0..CALLERS)
            .map(|n| async move { on.put_if(key, format!("caller {n}"), None, Condition::Absent).await }),
    )
    .await?;
    only_winner(on, key, &wins).await
}

async fn of_several_who_put_if_equals_exactly_one_wins(on: &Ground) -> Result<(), String> {
    let key = &on.key("race")?;
    on.put(key, "before", None).await?;
    let wins = try_join_all((0..CALLERS).map(|n| async move {
        on.put_if(key, format!("caller {n}"), None, Condition::Equals("before".into())).await
    }))
    .await?;
    only_winner(on, key, &wins).await
}

async fn only_winner(on: &Ground, key: &edgemcp::store::Key, wins: &[bool]) -> Result<(), String> {
    same("winners", wins.iter().filter(|won| **won).count(), 1)?;
    let winner = wins.iter().position(|won| *won).ok_or("nobody won")?;
    holds("the winner's value is there", on.get(key).await?, format!("caller {winner}"), None)
}

async fn take_gives_the_entry_and_leaves_nothing(on: &Ground) -> Result<(), String> {
    let key = on.key("taken")?;
    same("nothing there", on.take(&key).await?, None)?;
    on.put(&key, "x", None).await?;
    holds("the first", on.take(&key).await?, "x", None)?;
    same("the second", on.take(&key).await?, None)?;
    same("get", on.get(&key).await?, None)
}

async fn a_counter_is_taken_as_its_digits(on: &Ground) -> Result<(), String> {
    let key = on.key("counter")?;
    on.increment(&key, -7, None).await?;
    holds("take", on.take(&key).await?, "-7", None)?;
    same("a counter starts again", on.increment(&key, 1, None).await?, 1)
}

async fn of_several_takers_exactly_one_gets_the_entry(on: &Ground) -> Result<(), String> {
    let key = &on.key("race")?;
    for round in 0..3 {
        on.put(key, format!("round {round}"), None).await?;
        let mut taken = Vec::new();
        for result in join_all((0..CALLERS).map(|_| on.take(key))).await {
            taken.extend(result?);
        }
        same("takers who got it", taken.len(), 1)?;
        holds("what they got", taken.pop(), format!("round {round}"), None)?;
    }
    Ok(())
}
