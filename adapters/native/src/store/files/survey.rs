//! Looks over the whole folder for its operator, and deletes all that has expired.

use edgemcp::{
    future::BoxFuture,
    store::{Key, LIST_PAGE_MAX, Partition, StoreError, Survey, SurveyPage, Surveyed},
};

use super::{Failure, FileStore, Shared, listing::What, name::name, sweep::Walk};
use crate::store::LIST_BYTES_MAX;

impl Survey for FileStore {
    fn survey<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SurveyPage, StoreError>> {
        Box::pin(async move {
            let after = after.map(str::parse::<Key>).transpose()?;
            self.run("survey", move |shared| shared.survey(after.as_ref())).await
        })
    }

    /// A file that somebody has damaged stays, since nobody can say when it ends.
    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.run("purge_expired", |shared| Walk::default().purge(shared)))
    }
}

impl Shared {
    /// The entries after this one, in the order of their collections, ids and items.
    fn survey(&self, after: Option<&Key>) -> Result<SurveyPage, Failure> {
        let (mut page, mut bytes) = (SurveyPage::default(), 0);
        let partition = after.map(Key::partition);
        let root = self.place.root().to_owned();
        for_each_from(self, &root, partition.map(Partition::collection), |collection, is_first| {
            let id = partition.filter(|_| is_first).map(Partition::id);
            for_each_from(self, &root.join(name(collection)), id, |id, is_first| {
                let Ok(partition) = Partition::new(collection, id) else { return Ok(true) };
                let item = after.filter(|_| is_first).map(Key::item);
                self.add(&mut page, &mut bytes, &partition, item.unwrap_or_default())
            })
        })?;
        Ok(page)
    }

    /// Adds the entries of one partition to the page. Whether it goes on after them.
    fn add(
        &self,
        page: &mut SurveyPage,
        bytes: &mut usize,
        partition: &Partition,
        after: &str,
    ) -> Result<bool, Failure> {
        let mut folder = self.place.folder(partition);
        if folder.has_journal()? {
            folder = self.place.lock(partition)?.1;
        }
        let mut after = after.to_owned();
        loop {
            let window = self.listings.window(folder.path(), What::Files, &after)?;
            let items = window.after(&after);
            for item in items {
                // It may have gone since.
                let Some(entry) = folder.read(item)? else { continue };
                let Ok(key) = partition.item(item.as_str()) else { continue };
                if page.entries.len() == LIST_PAGE_MAX || *bytes >= LIST_BYTES_MAX {
                    page.next = page.entries.last().map(|entry| entry.key.to_string());
                    return Ok(false);
                }
                let value_bytes = entry.value.len();
                *bytes = bytes.saturating_add(value_bytes);
                page.entries.push(Surveyed { key, value_bytes, expires_at: entry.expires_at });
            }
            match items.last() {
                Some(last) if !window.is_last => after = last.clone(),
                _ => return Ok(true),
            }
        }
    }
}

/// Calls `act` on each folder's part in `path` from `first` on, and says of each whether it is that, until it says not
/// to go on. Whether it never did.
fn for_each_from(
    shared: &Shared,
    path: &std::path::Path,
    first: Option<&str>,
    mut act: impl FnMut(&str, bool) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    // It may not be there any more, in which case nothing is found in it.
    if let Some(first) = first
        && !act(first, true)?
    {
        return Ok(false);
    }
    let mut after = first.unwrap_or_default().to_owned();
    loop {
        let window = shared.listings.window(path, What::Folders, &after)?;
        let parts = window.after(&after);
        for part in parts {
            if !act(part, false)? {
                return Ok(false);
            }
        }
        match parts.last() {
            Some(last) if !window.is_last => after = last.clone(),
            _ => return Ok(true),
        }
    }
}
