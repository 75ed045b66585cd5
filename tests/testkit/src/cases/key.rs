//! Every key that can be made can be stored, and no two keys meet.

use edgemcp::store::{KEY_PART_BYTES_MAX, Key, Partition};

use crate::ground::{Ground, holds, same};

super::cases! {
    Nothing: every_character_a_key_takes_is_stored,
    Nothing: a_key_of_the_greatest_length_is_stored,
    Nothing: keys_that_look_alike_do_not_meet,
}

/// Printable ASCII without `/`, in byte order.
fn characters() -> impl Iterator<Item = char> {
    ('!'..='~').filter(|c| *c != '/')
}

async fn every_character_a_key_takes_is_stored(on: &Ground) -> Result<(), String> {
    let all: String = characters().collect();
    let partition = on.partition(&all)?;
    for c in characters() {
        on.put(&partition.item(c).map_err(|error| error.to_string())?, c.to_string(), None).await?;
    }
    let key = partition.item(&*all).map_err(|error| error.to_string())?;
    on.put(&key, "all of them", None).await?;

    holds("all of them", on.get(&key).await?, "all of them", None)?;
    for c in characters() {
        let key = partition.item(c).map_err(|error| error.to_string())?;
        holds(&format!("{c:?}"), on.get(&key).await?, c.to_string(), None)?;
    }
    let mut want: Vec<String> = characters().map(String::from).chain([all]).collect();
    want.sort();
    same("listed, in byte order", on.list_all(&partition, 40).await?.0, want)
}

async fn a_key_of_the_greatest_length_is_stored(on: &Ground) -> Result<(), String> {
    for filler in ["x", "%", "\"", "~"] {
        let fill = |start: &str| {
            let missing = KEY_PART_BYTES_MAX.saturating_sub(start.len());
            format!("{start}{}", filler.repeat(missing))
        };
        let key = Key::new(fill(on.collection()), fill("i"), fill("n")).map_err(|error| error.to_string())?;
        on.put(&key, filler, None).await?;
        holds(filler, on.get(&key).await?, filler, None)?;
        let (items, _) = on.list_all(key.partition(), 10).await?;
        same("listed", items, vec![key.item().to_owned()])?;
        on.delete(&key).await?;
        same("deleted", on.get(&key).await?, None)?;
    }
    Ok(())
}

async fn keys_that_look_alike_do_not_meet(on: &Ground) -> Result<(), String> {
    let parts = [
        ("a", "b"),
        ("A", "b"),
        ("a", "B"),
        ("a.b", "b"),
        ("a", "a.b"),
        ("ab", "b"),
        ("a", "bb"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("a#b", "c"),
        ("a", "b#c"),
        ("a%2Fb", "c"),
        ("a", "b%2Fc"),
        ("a%", "b"),
        ("a", "%b"),
        ("a", "_"),
        ("a", "%"),
        ("a", "*"),
        ("a", "?"),
        ("a", "\\"),
        ("a", "'"),
        ("a", ".."),
        ("..", "b"),
    ];
    let keys: Vec<Key> = parts
        .iter()
        .map(|(id, item)| Partition::new(on.collection(), *id)?.item(*item))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    for key in &keys {
        on.put(key, key.to_string(), None).await?;
    }
    for key in &keys {
        holds(&key.to_string(), on.get(key).await?, key.to_string(), None)?;
    }
    Ok(())
}
