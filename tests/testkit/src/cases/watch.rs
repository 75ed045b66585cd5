//! Who watches a partition is told what changes in it, and nothing else.

use std::{pin::pin, task::Poll};

use edgemcp::{
    future::BoxStream,
    store::{Condition, StoreErrorKind},
};
use futures_util::{
    StreamExt,
    future::{Either, poll_fn, select},
};

use crate::ground::{Ground, refused, same};

super::cases! {
    Nothing: watching_is_offered_exactly_where_the_capabilities_say_so,
    Watch: a_watch_tells_of_a_change_after_it,
    Watch: every_kind_of_change_is_told,
    Watch: two_who_watch_are_both_told,
    Watch: a_watch_hears_nothing_of_another_partition,
}

/// How many reads of the store an item may take to be told. A test cannot sleep, and this many round trips are long.
const READS_MAX: usize = 1000;

async fn watching_is_offered_exactly_where_the_capabilities_say_so(on: &Ground) -> Result<(), String> {
    let partition = on.partition("p")?;
    let watch = on.store().watch(&partition).await;
    match on.capabilities().watch {
        true => watch.map(drop).map_err(|error| format!("watch failed: {error}")),
        false => refused("watch", watch.map(drop), StoreErrorKind::Unsupported),
    }
}

async fn watch(on: &Ground, id: &str) -> Result<BoxStream<'static, String>, String> {
    on.store().watch(&on.partition(id)?).await.map_err(|error| format!("watch failed: {error}"))
}

/// The next item that is told.
async fn told(on: &Ground, watch: &mut BoxStream<'static, String>) -> Result<String, String> {
    let key = on.key("while-waiting")?;
    let reads = pin!(async {
        for _ in 0..READS_MAX {
            on.get_now(&key).await?;
            let mut yielded = false;
            poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
                true => Poll::Ready(()),
                false => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
        }
        Err::<(), String>(format!("nothing was told within {READS_MAX} reads"))
    });
    match select(watch.next(), reads).await {
        Either::Left((Some(item), _)) => Ok(item),
        Either::Left((None, _)) => Err("the watch ended".to_owned()),
        Either::Right((failed, _)) => failed.map(|()| String::new()),
    }
}

async fn a_watch_tells_of_a_change_after_it(on: &Ground) -> Result<(), String> {
    on.put(&on.partition("w")?.item("before").map_err(|error| error.to_string())?, "1", None).await?;
    let mut watch = watch(on, "w").await?;
    let key = on.partition("w")?.item("after").map_err(|error| error.to_string())?;
    on.put(&key, "2", None).await?;
    same("what is told", told(on, &mut watch).await?, "after".to_owned())
}

async fn every_kind_of_change_is_told(on: &Ground) -> Result<(), String> {
    let partition = on.partition("k")?;
    let key = |item: &str| partition.item(item).map_err(|error| error.to_string());
    let mut watch = watch(on, "k").await?;
    on.put(&key("put")?, "1", None).await?;
    same("a put", told(on, &mut watch).await?, "put".to_owned())?;
    on.increment(&key("increment")?, 1, None).await?;
    same("an increment", told(on, &mut watch).await?, "increment".to_owned())?;
    on.put_if(&key("put-if")?, "1", None, Condition::Absent).await?;
    same("a put_if", told(on, &mut watch).await?, "put-if".to_owned())?;
    on.delete(&key("put")?).await?;
    same("a delete", told(on, &mut watch).await?, "put".to_owned())?;
    on.take(&key("increment")?).await?;
    same("a take", told(on, &mut watch).await?, "increment".to_owned())
}

async fn two_who_watch_are_both_told(on: &Ground) -> Result<(), String> {
    let (mut one, mut other) = (watch(on, "t").await?, watch(on, "t").await?);
    let key = on.partition("t")?.item("x").map_err(|error| error.to_string())?;
    on.put(&key, "1", None).await?;
    same("the first", told(on, &mut one).await?, "x".to_owned())?;
    same("the second", told(on, &mut other).await?, "x".to_owned())
}

async fn a_watch_hears_nothing_of_another_partition(on: &Ground) -> Result<(), String> {
    let mut watch = watch(on, "n").await?;
    for id in ["n2", "m"] {
        let key = on.partition(id)?.item("elsewhere").map_err(|error| error.to_string())?;
        on.put(&key, "1", None).await?;
    }
    let key = on.partition("n")?.item("here").map_err(|error| error.to_string())?;
    on.put(&key, "1", None).await?;
    same("what is told first", told(on, &mut watch).await?, "here".to_owned())
}
