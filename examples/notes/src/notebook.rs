//! Keeps the notes of one user, encrypted, under keys that tell nothing of them.

use std::{sync::Arc, time::Duration};

use edgemcp::{
    prelude::*,
    store::{Consistency, Entry, Key, Partition, Store, wrap::Encrypted},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::App;

/// A note.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// The notes of whoever is asking.
pub(crate) struct Notebook {
    store: Arc<dyn Store>,
    partition: Partition,
}

impl Notebook {
    pub(crate) fn of(cx: &Context, app: &App) -> Result<Self, ToolError> {
        let user = cx.principal().ok_or_else(|| ToolError::new("there is no notebook for nobody"))?;
        // One partition a user, so that the load spreads; the name is nobody's business, so it is a digest.
        let partition = Partition::of_text("notes", &format!("{}\n{}", user.issuer(), user.subject()))?;
        let platform = cx.platform();
        let store = Encrypted::new(
            platform.strong_store().clone(),
            app.keys.clone(),
            platform.clock().clone(),
            platform.random_source().clone(),
        );
        Ok(Self { store: Arc::new(store), partition })
    }

    /// Where the note of this title is kept.
    pub(crate) fn key(&self, title: &str) -> Result<Key, ToolError> {
        Ok(self.partition.item_of_text(title)?)
    }

    /// The key of this item, which [`key`](Self::key) has given.
    pub(crate) fn key_at(&self, item: String) -> Result<Key, ToolError> {
        Ok(self.partition.item(item)?)
    }

    pub(crate) async fn write(&self, note: &Note, kept_for: Duration) -> Result<(), ToolError> {
        Ok(self.store.put(&self.key(&note.title)?, serde_json::to_vec(note)?.into(), Some(kept_for)).await?)
    }

    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Note>, ToolError> {
        let entry = self.store.get(key, Consistency::Strong).await?;
        entry.as_ref().map(note).transpose()
    }

    pub(crate) async fn delete(&self, title: &str) -> Result<(), ToolError> {
        Ok(self.store.delete(&self.key(title)?).await?)
    }

    /// All titles, in alphabetical order: the store has the notes in that of their digests.
    pub(crate) async fn titles(&self) -> Result<Vec<String>, ToolError> {
        let (mut titles, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.list(&self.partition, after.as_deref(), usize::MAX).await?;
            for (_, entry) in &page.entries {
                titles.push(note(entry)?.title);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        titles.sort();
        Ok(titles)
    }
}

fn note(entry: &Entry) -> Result<Note, ToolError> {
    Ok(serde_json::from_slice(&entry.value)?)
}
