//! All of a transaction happens, or none of it.

use std::time::Duration;

use edgemcp::store::{Condition, Key, StoreErrorKind, TRANSACTION_WRITES_MAX, Write};
use futures_util::future::try_join_all;

use super::CALLERS;
use crate::ground::{Ground, holds, refused, same};

super::cases! {
    Nothing: transactions_are_served_or_refused_by_name,
    Transactions: a_transaction_whose_conditions_hold_happens_whole,
    Transactions: a_transaction_of_which_one_condition_fails_leaves_everything,
    Transactions: a_check_changes_nothing_and_decides_all_the_same,
    Transactions: an_expired_entry_is_absent_to_a_transaction,
    Transactions: a_transaction_compares_a_counter_by_its_digits,
    Transactions: of_several_transactions_at_once_exactly_one_wins,
    Transactions: a_transaction_of_nothing_happens,
    Transactions: a_transaction_at_the_limit_happens_and_a_longer_one_is_refused,
    Transactions: two_writes_of_one_item_are_refused,
    Transactions: a_transaction_deletes_what_is_not_there,
}

const MINUTE: Duration = Duration::from_secs(60);

fn equals(value: &'static str) -> Condition {
    Condition::Equals(value.into())
}

fn three(on: &Ground) -> Result<[Key; 3], String> {
    Ok([on.key("a")?, on.key("b")?, on.key("c")?])
}

async fn transactions_are_served_or_refused_by_name(on: &Ground) -> Result<(), String> {
    let key = on.key("a")?;
    let writes = [Write::put("a", "x", None).when(Condition::Absent)];
    if on.capabilities().transactions {
        return same("it happened", on.transact(key.partition(), &writes).await?, true);
    }
    refused("transact", on.store().transact(key.partition(), &writes).await, StoreErrorKind::Unsupported)?;
    same("a", on.get(&key).await?, None)
}

async fn a_transaction_whose_conditions_hold_happens_whole(on: &Ground) -> Result<(), String> {
    let [a, b, c] = three(on)?;
    on.put(&a, "old", None).await?;
    on.put(&b, "gone", Some(MINUTE)).await?;
    let writes = [
        Write::put("a", "new", Some(MINUTE)).when(equals("old")),
        Write::delete("b").when(equals("gone")),
        Write::put("c", "first", None).when(Condition::Absent),
    ];
    same("it happened", on.transact(a.partition(), &writes).await?, true)?;
    holds("a", on.get(&a).await?, "new", Some(on.now().after(MINUTE)))?;
    same("b", on.get(&b).await?, None)?;
    holds("c", on.get(&c).await?, "first", None)?;
    same("again", on.transact(a.partition(), &writes).await?, false)
}

async fn a_transaction_of_which_one_condition_fails_leaves_everything(on: &Ground) -> Result<(), String> {
    let [a, b, c] = three(on)?;
    on.put(&a, "a", None).await?;
    on.put(&b, "b", None).await?;
    for failing in [equals("x"), equals(""), Condition::Absent] {
        for at in 0..3 {
            let mut writes = vec![Write::put("a", "no", None), Write::put("c", "no", None)];
            writes.insert(at, Write::delete("b").when(failing.clone()));
            same("it happened", on.transact(a.partition(), &writes).await?, false)?;
        }
    }
    holds("a", on.get(&a).await?, "a", None)?;
    holds("b", on.get(&b).await?, "b", None)?;
    same("c", on.get(&c).await?, None)
}

async fn a_check_changes_nothing_and_decides_all_the_same(on: &Ground) -> Result<(), String> {
    let [a, b, _] = three(on)?;
    on.put(&a, "open", Some(MINUTE)).await?;
    let end = Some(on.now().after(MINUTE));
    let writes = |state: &'static str| [Write::check("a", equals(state)), Write::put("b", state, None)];
    same("where it fails", on.transact(a.partition(), &writes("shut")).await?, false)?;
    same("b", on.get(&b).await?, None)?;
    same("where it holds", on.transact(a.partition(), &writes("open")).await?, true)?;
    holds("a", on.get(&a).await?, "open", end)?;
    holds("b", on.get(&b).await?, "open", None)?;
    let absent = [Write::check("c", Condition::Absent), Write::delete("b")];
    same("of what is not there", on.transact(a.partition(), &absent).await?, true)?;
    same("b", on.get(&b).await?, None)
}

async fn an_expired_entry_is_absent_to_a_transaction(on: &Ground) -> Result<(), String> {
    let [a, b, _] = three(on)?;
    on.put(&a, "a", Some(MINUTE)).await?;
    on.advance(MINUTE);
    let equals = [Write::put("b", "no", None), Write::check("a", equals("a"))];
    same("equals", on.transact(a.partition(), &equals).await?, false)?;
    let absent = [Write::put("b", "yes", None), Write::put("a", "again", None).when(Condition::Absent)];
    same("absent", on.transact(a.partition(), &absent).await?, true)?;
    holds("a", on.get(&a).await?, "again", None)?;
    holds("b", on.get(&b).await?, "yes", None)
}

async fn a_transaction_compares_a_counter_by_its_digits(on: &Ground) -> Result<(), String> {
    let [a, b, _] = three(on)?;
    on.increment(&a, 7, None).await?;
    let writes = [Write::put("a", "8", None).when(equals("7")), Write::put("b", "-3", None)];
    same("it happened", on.transact(a.partition(), &writes).await?, true)?;
    same("what is put can be counted", on.increment(&a, 1, None).await?, 9)?;
    same("so can the other", on.increment(&b, 1, None).await?, -2)
}

async fn of_several_transactions_at_once_exactly_one_wins(on: &Ground) -> Result<(), String> {
    let [a, b, c] = &three(on)?;
    for round in 0..3 {
        on.put(a, "ticket", None).await?;
        let wins = try_join_all((0..CALLERS).map(|n| async move {
            let writes = [
                Write::delete("a").when(equals("ticket")),
                Write::put("b", format!("{round} {n}"), None),
                Write::put("c", format!("{round} {n}"), None),
            ];
            on.transact(a.partition(), &writes).await
        }))
        .await?;
        same("winners", wins.iter().filter(|won| **won).count(), 1)?;
        let winner = wins.iter().position(|won| *won).ok_or("nobody won")?;
        holds("b is the winner's", on.get(b).await?, format!("{round} {winner}"), None)?;
        holds("c is the winner's", on.get(c).await?, format!("{round} {winner}"), None)?;
        same("the ticket", on.get(a).await?, None)?;
    }
    Ok(())
}

async fn a_transaction_of_nothing_happens(on: &Ground) -> Result<(), String> {
    same("it happened", on.transact(&on.partition("p")?, &[]).await?, true)
}

async fn a_transaction_at_the_limit_happens_and_a_longer_one_is_refused(on: &Ground) -> Result<(), String> {
    let partition = on.partition("p")?;
    let mut writes: Vec<_> =
        (0..TRANSACTION_WRITES_MAX).map(|n| Write::put(format!("n{n:02}"), "x", None)).collect();
    same("it happened", on.transact(&partition, &writes).await?, true)?;
    same("items", on.list_all(&partition, 100).await?.0.len(), TRANSACTION_WRITES_MAX)?;
    writes.push(Write::put("more", "x", None));
    refused("one more", on.store().transact(&partition, &writes).await, StoreErrorKind::Unsupported)?;
    same("items", on.list_all(&partition, 100).await?.0.len(), TRANSACTION_WRITES_MAX)
}

async fn two_writes_of_one_item_are_refused(on: &Ground) -> Result<(), String> {
    let partition = on.partition("p")?;
    let writes = [Write::put("a", "1", None), Write::delete("a")];
    refused("transact", on.store().transact(&partition, &writes).await, StoreErrorKind::Unsupported)?;
    let writes = [Write::put("a/b", "1", None)];
    refused("no item", on.store().transact(&partition, &writes).await, StoreErrorKind::InvalidKey)?;
    same("a", on.get(&on.key("a")?).await?, None)
}

async fn a_transaction_deletes_what_is_not_there(on: &Ground) -> Result<(), String> {
    let [a, b, _] = three(on)?;
    let writes = [Write::delete("a"), Write::put("b", "b", None)];
    same("it happened", on.transact(a.partition(), &writes).await?, true)?;
    same("a", on.get(&a).await?, None)?;
    holds("b", on.get(&b).await?, "b", None)
}
