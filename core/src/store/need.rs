//! Says what something needs of a store, and by name what a store lacks.

use std::fmt;

use super::Capabilities;
use crate::platform::Host;

/// Something that not every store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// [`Capabilities::durable`]: what is lost with the process is lost to a user.
    Durable,
    /// [`Capabilities::shared`]: another instance must find it.
    Shared,
    /// [`Capabilities::consistent`]: what was written must be seen at once.
    Consistent,
    /// [`Capabilities::atomic`]: of several callers exactly one may win.
    Atomic,
    /// [`Capabilities::transactions`]: several entries must change together.
    Transactions,
    /// [`Capabilities::watch`]: a change must be told.
    Watch,
}

impl Need {
    /// The adjective, as in "needs a store that is …".
    const fn word(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Shared => "shared by all instances",
            Self::Consistent => "consistent",
            Self::Atomic => "atomic",
            Self::Transactions => "able to change entries together",
            Self::Watch => "able to tell of changes",
        }
    }
}

impl Capabilities {
    /// Whether the store has what is needed.
    pub const fn has(&self, need: Need) -> bool {
        match need {
            Need::Durable => self.durable,
            Need::Shared => self.shared,
            Need::Consistent => self.consistent,
            Need::Atomic => self.atomic,
            Need::Transactions => self.transactions,
            Need::Watch => self.watch,
        }
    }

    /// Whether this is a store at all, and not [`NoStore`](super::NoStore).
    pub(crate) fn is_store(&self) -> bool {
        self.value_bytes_max != Some(0)
    }

    /// Whether what is kept here is lost with its instance, or unknown to another one.
    pub const fn is_ephemeral(&self) -> bool {
        !(self.durable && self.shared)
    }
}

/// A store lacks what something needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    who: String,
    words: Vec<&'static str>,
    /// `None` where there is no store at all.
    store: Option<&'static str>,
    host: Host,
}

impl Lack {
    /// What `store` lacks of the `needs` of `who`, on `host`; `None` where it has all of it.
    pub(crate) fn find(who: &str, needs: &[Need], store: &Capabilities, host: Host) -> Option<Self> {
        let words: Vec<_> = needs.iter().filter(|need| !store.has(**need)).map(|need| need.word()).collect();
        let name = store.is_store().then_some(store.name);
        (!words.is_empty()).then(|| Self { who: who.to_owned(), words, store: name, host })
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, words, store, host } = self;
        let words = words.join(" and ");
        write!(f, "{who} needs a store that is {words}, ")?;
        match store {
            Some(store) => write!(f, "which {store} is not")?,
            None => f.write_str("and there is none")?,
        }
        write!(f, " (on {}: {})", host.name, host.stores)
    }
}

impl std::error::Error for Lack {}
