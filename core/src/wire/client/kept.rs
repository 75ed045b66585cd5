//! What is kept of another server: which revision it speaks and in which session, and what it lists.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{model::Offers, version::ProtocolVersion};

/// How another server is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) version: ProtocolVersion,
    /// The session that it has begun, in the legacy era.
    pub(crate) session: Option<String>,
    pub(crate) offers: Offers,
}

#[derive(Serialize, Deserialize)]
struct WirePeer<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    tools: bool,
    resources: bool,
    prompts: bool,
    completions: bool,
}

impl Peer {
    /// The peer as bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let Offers { tools, resources, prompts, completions, .. } = self.offers;
        let (version, session) = (Cow::Borrowed(self.version.as_str()), self.session.clone());
        // Strings and flags.
        serde_json::to_vec(&WirePeer { version, session, tools, resources, prompts, completions })
            .unwrap_or_default()
    }

    /// The peer in `bytes`; `None` where they hold none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let WirePeer { version, session, tools, resources, prompts, completions } = crate::wire::read(bytes)?;
        let offers = Offers { tools, resources, prompts, completions, ..Offers::default() };
        Some(Self { version: ProtocolVersion::parse(&version)?, session, offers })
    }
}

/// The lists of another server, each entry as it came.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Catalog<'a> {
    /// When they were asked for, and how long they are good from then on; both in milliseconds.
    pub(crate) at: u64,
    pub(crate) ttl: u64,
    /// Whether its arguments can be completed.
    pub(crate) completions: bool,
    #[serde(borrow)]
    pub(crate) tools: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) resources: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) templates: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) prompts: Vec<&'a RawValue>,
}

impl<'a> Catalog<'a> {
    /// The catalog as bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        // Numbers, a flag, and JSON that was read before.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The catalog in `bytes`; `None` where they hold none.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        crate::wire::read(bytes)
    }
}

#[cfg(test)]
mod properties {
    use proptest::{option, prelude::*};

    use super::*;
    use crate::properties::{config, raw};

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_kept_is_read_as_it_was_written(
            session in option::of(any::<String>()), version in 0..4_usize, flags: [bool; 4], at: u64,
            entries in prop::collection::vec(raw(), 0..4),
        ) {
            let [tools, resources, prompts, completions] = flags;
            let offers = Offers { tools, resources, prompts, completions, ..Offers::default() };
            let peer = Peer { version: ProtocolVersion::ALL[version], session, offers };
            let read = Peer::read(&peer.write()).unwrap();
            prop_assert_eq!((read.version, read.session), (peer.version, peer.session));
            prop_assert_eq!((read.offers.tools, read.offers.completions), (tools, completions));

            let catalog = Catalog { at, tools: entries.iter().map(|entry| &**entry).collect(), ..Catalog::default() };
            let written = catalog.write();
            let read = Catalog::read(&written).unwrap();
            prop_assert_eq!(read.at, at);
            let texts = |entries: &[&RawValue]| entries.iter().map(|entry| entry.get().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(texts(&read.tools), texts(&catalog.tools));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes: Vec<u8>, text in crate::properties::json()) {
            let text = text.to_string();
            let _ = (Peer::read(&bytes), Catalog::read(&bytes), Peer::read(text.as_bytes()), Catalog::read(text.as_bytes()));
        }
    }
}
