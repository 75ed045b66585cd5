//! Lists as they are kept: which of the server's components they had.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    context::Context,
    middleware::{Component, Listed},
    model::Listing,
    wire::{self, cached::Cached},
};

/// What a list had. The components themselves are the server's, as they are when the list is restored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All there are.
    Whole,
    /// Those with these keys, in this order.
    Keys(Vec<String>),
}

/// The list of what the server has that is asked.
pub(super) fn whole<T: Component>(cx: &Context, listing: Listing) -> Listed<T> {
    let view = Some(cx.scope()).filter(|scope| *scope != 0);
    Listed::whole(&cx.0.tables, listing, view)
}

impl Selected {
    /// What `list` has of `whole`; `None` where it has something else, or lacks what could not be asked for.
    pub(super) fn from<T: Component>(list: &Listed<T>, whole: &Listed<T>) -> Option<Self> {
        if list.is_whole() {
            return Some(Self::Whole);
        }
        if !list.unavailable().is_empty() {
            return None;
        }
        let by_key: BTreeMap<&str, &Arc<T>> = by_key(whole);
        let keys = list.iter().map(|component| {
            let key = Component::about(&**component).key;
            by_key.get(key).filter(|known| Arc::ptr_eq(known, component)).map(|_| key.to_owned())
        });
        keys.collect::<Option<_>>().map(Self::Keys)
    }

    /// The same of `whole` as it is now: what has gone meanwhile is not in it.
    pub(super) fn of<T: Component>(self, whole: Listed<T>) -> Listed<T> {
        match self {
            Self::Whole => whole,
            Self::Keys(keys) => {
                let by_key = by_key(&whole);
                let selected =
                    keys.iter().filter_map(|key| by_key.get(key.as_str()).map(|found| Arc::clone(found)));
                selected.collect::<Vec<_>>().into()
            }
        }
    }
}

fn by_key<T: Component>(list: &Listed<T>) -> BTreeMap<&str, &Arc<T>> {
    list.iter().map(|component| (Component::about(&**component).key, component)).collect()
}

impl Cached for Selected {
    fn write(&self) -> Option<String> {
        match self {
            Self::Whole => Some("true".to_owned()),
            Self::Keys(keys) => serde_json::to_string(keys).ok(),
        }
    }

    fn read(json: &str) -> Option<Self> {
        match json {
            "true" => Some(Self::Whole),
            keys => wire::read(keys.as_bytes()).map(Self::Keys),
        }
    }
}
