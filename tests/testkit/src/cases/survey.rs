//! An operator sees every entry, and what has expired goes when it is told to.

use std::time::Duration;

use edgemcp::store::Key;

use crate::ground::{Ground, same};

super::cases! {
    Survey: a_survey_finds_every_entry_of_every_partition,
    Survey: what_is_purged_is_only_what_has_expired,
}

const MINUTE: Duration = Duration::from_secs(60);

async fn a_survey_finds_every_entry_of_every_partition(on: &Ground) -> Result<(), String> {
    let mut want = Vec::new();
    for n in 0..250_usize {
        let id = format!("p{}", n % 7);
        let key = on.partition(&id)?.item(format!("n{n:03}")).map_err(|error| error.to_string())?;
        let ttl = n.is_multiple_of(3).then(|| MINUTE + Duration::from_secs(n as u64));
        on.put(&key, vec![b'v'; n], ttl).await?;
        want.push((key, n, ttl.map(|ttl| on.now().after(ttl))));
    }
    let counter = Key::new(on.collection(), "count!~", "er").map_err(|error| error.to_string())?;
    on.increment(&counter, -120, None).await?;
    want.push((counter, 4, None));
    want.sort();
    on.settle();
    let found = on.survey().await?.into_values();
    same("found", found.map(|found| (found.key, found.value_bytes, found.expires_at)).collect(), want)
}

async fn what_is_purged_is_only_what_has_expired(on: &Ground) -> Result<(), String> {
    on.put(&on.key("stays")?, "x", None).await?;
    on.put(&on.key("lives")?, "x", Some(MINUTE * 2)).await?;
    on.put(&on.key("ends")?, "x", Some(MINUTE)).await?;
    on.advance(MINUTE);
    on.purge_expired().await?;
    on.settle();
    let found: Vec<_> = on.survey().await?.into_keys().map(|key| key.item().to_owned()).collect();
    same("what is left", found, vec!["lives".to_owned(), "stays".to_owned()])?;
    same("nothing is left to purge of what lives", on.purge_expired().await?, 0)
}
