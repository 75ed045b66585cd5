//! A partition lists its own entries, in order, page by page, and nothing of its neighbours.

use edgemcp::store::{LIST_PAGE_MAX, Partition};
use futures_util::future::try_join_all;

use crate::ground::{Ground, holds, same};

super::cases! {
    Nothing: an_empty_partition_lists_nothing,
    Nothing: a_listing_has_the_entries_as_they_are,
    Nothing: a_partition_lists_nothing_of_its_neighbours,
    Nothing: a_listing_is_in_byte_order,
    Nothing: pages_go_on_to_the_end_without_gap_or_double,
    Nothing: a_listing_goes_on_after_an_item_that_is_not_there,
    Nothing: a_page_has_at_most_what_the_limit_says_and_never_more_than_the_greatest,
    Nothing: a_page_that_its_bytes_cut_short_still_leads_to_the_end,
    Nothing: a_deleted_item_is_not_listed,
}

async fn an_empty_partition_lists_nothing(on: &Ground) -> Result<(), String> {
    let page = on.list(&on.partition("empty")?, None, 10).await?;
    same("entries", page.entries.len(), 0)?;
    same("next", page.next, None)?;
    let page = on.list(&on.partition("empty")?, Some("x"), 10).await?;
    same("entries after x", page.entries.len(), 0)?;
    same("next after x", page.next, None)
}

async fn a_listing_has_the_entries_as_they_are(on: &Ground) -> Result<(), String> {
    let ttl = std::time::Duration::from_millis(123_456);
    on.put(&on.key("a")?, vec![0, 159, 255], None).await?;
    on.put(&on.key("b")?, "text", Some(ttl)).await?;
    let mut entries = on.list(&on.partition("p")?, None, 10).await?.entries.into_iter();
    let (a, first) = entries.next().ok_or("nothing is listed")?;
    let (b, second) = entries.next().ok_or("only one is listed")?;
    same("items", (a.as_str(), b.as_str(), entries.next()), ("a", "b", None))?;
    holds("a", Some(first), vec![0, 159, 255], None)?;
    holds("b", Some(second), "text", Some(on.now().after(ttl)))
}

async fn a_partition_lists_nothing_of_its_neighbours(on: &Ground) -> Result<(), String> {
    let error = |error: edgemcp::store::KeyError| error.to_string();
    let own = on.collection();
    let ids = ["a", "ab", "a!", "a~", "a.", "a%", "a_", "A", "b", "_", "%"];
    let mut partitions: Vec<Partition> =
        ids.iter().map(|id| on.partition(id)).collect::<Result<_, String>>()?;
    for collection in [format!("{own}a"), format!("{own}!"), format!("{own}~")] {
        partitions.push(Partition::new(collection, "a").map_err(error)?);
    }
    for (n, partition) in partitions.iter().enumerate() {
        for item in ["x", "xy", &format!("only-{n}")] {
            on.put(&partition.item(item).map_err(error)?, partition.to_string(), None).await?;
        }
    }
    for (n, partition) in partitions.iter().enumerate() {
        let (items, _) = on.list_all(partition, 2).await?;
        same(&partition.to_string(), items, vec![format!("only-{n}"), "x".to_owned(), "xy".to_owned()])?;
        let page = on.list(partition, None, 10).await?;
        let values: Vec<_> = page.entries.iter().map(|(_, entry)| entry.value.clone()).collect();
        same("values", values, vec![partition.to_string().into(); 3])?;
    }
    Ok(())
}

async fn a_listing_is_in_byte_order(on: &Ground) -> Result<(), String> {
    let items = ["b", "a", "B", "A", "10", "9", "aa", "a!", "~", "!", "a~", "a0"];
    for item in items {
        on.put(&on.key(item)?, item, None).await?;
    }
    let mut want = items.map(String::from).to_vec();
    want.sort();
    same("items", on.list_all(&on.partition("p")?, 100).await?.0, want)
}

async fn pages_go_on_to_the_end_without_gap_or_double(on: &Ground) -> Result<(), String> {
    let want = numbered(on, 25).await?;
    let partition = on.partition("p")?;
    for limit in [1, 7, 24, 25, 26] {
        let (items, pages) = on.list_all(&partition, limit).await?;
        same(&format!("by {limit}"), items, want.clone())?;
        let fewest = want.len().div_ceil(limit);
        same(&format!("by {limit}, at least {fewest} pages"), pages >= fewest, true)?;
    }
    Ok(())
}

async fn a_listing_goes_on_after_an_item_that_is_not_there(on: &Ground) -> Result<(), String> {
    numbered(on, 6).await?;
    let partition = on.partition("p")?;
    on.delete(&on.key("n002")?).await?;
    for (after, want) in [
        ("n002", vec!["n003", "n004", "n005"]),
        ("n0035", vec!["n004", "n005"]),
        ("n", vec!["n000", "n001", "n003", "n004", "n005"]),
        ("n005", vec![]),
        ("z", vec![]),
    ] {
        let page = on.list(&partition, Some(after), 10).await?;
        let items: Vec<_> = page.entries.iter().map(|(item, _)| item.as_str()).collect();
        same(after, items, want)?;
    }
    Ok(())
}

async fn a_page_has_at_most_what_the_limit_says_and_never_more_than_the_greatest(
    on: &Ground,
) -> Result<(), String> {
    let want = numbered(on, LIST_PAGE_MAX + 20).await?;
    let partition = on.partition("p")?;
    for (limit, most) in
        [(0, 1), (1, 1), (5, 5), (LIST_PAGE_MAX + 1, LIST_PAGE_MAX), (usize::MAX, LIST_PAGE_MAX)]
    {
        let page = on.list(&partition, None, limit).await?;
        let entries = page.entries.len();
        same(&format!("{limit} asked: {entries} are at most {most}"), entries <= most, true)?;
        same(&format!("{limit} asked: there is more"), page.next.is_some(), true)?;
    }
    same("all of them", on.list_all(&partition, usize::MAX).await?.0, want)
}

async fn a_page_that_its_bytes_cut_short_still_leads_to_the_end(on: &Ground) -> Result<(), String> {
    // More than the 1 MB of a page of DynamoDB, and than the 8 MiB of one of Workers KV.
    let items: Vec<String> = (0..40).map(|n| format!("n{n:03}")).collect();
    let bytes = on.capabilities().value_bytes_max.unwrap_or(usize::MAX).min(250_000);
    for item in &items {
        on.put(&on.key(item)?, vec![7; bytes], None).await?;
    }
    same("items", on.list_all(&on.partition("p")?, usize::MAX).await?.0, items)
}

async fn a_deleted_item_is_not_listed(on: &Ground) -> Result<(), String> {
    let mut want = numbered(on, 5).await?;
    want.retain(|item| item != "n003");
    on.delete(&on.key("n003")?).await?;
    same("items", on.list_all(&on.partition("p")?, 2).await?.0, want)
}

/// Puts `count` items and returns their names in order.
async fn numbered(on: &Ground, count: usize) -> Result<Vec<String>, String> {
    let items: Vec<String> = (0..count).map(|n| format!("n{n:03}")).collect();
    try_join_all(items.iter().map(|item| async { on.put(&on.key(item)?, &b"x"[..], None).await })).await?;
    Ok(items)
}
