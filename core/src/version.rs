//! The protocol revisions this crate speaks, and the two eras they fall into.

use std::fmt;

/// A released revision of the Model Context Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: structured output, resource links, titles.
    V2025_06_18,
    /// 2025-11-25: icons, the last revision with `initialize`.
    V2025_11_25,
    /// 2026-07-28: stateless, metadata in every request.
    V2026_07_28,
}

/// How a revision carries its metadata: in a handshake, or in every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2025-11-25 and before: `initialize` first.
    Legacy,
    /// 2026-07-28 and after: every request stands alone.
    Modern,
}

impl ProtocolVersion {
    /// All revisions, oldest first.
    pub const ALL: [Self; 4] = [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The newest revision that begins with `initialize`; it is offered to a client that asks for an unknown one.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// What a legacy client that names no revision speaks (2025-11-25, basic/transports, "Protocol Version Header").
    pub const UNNAMED_LEGACY: Self = Self::V2025_03_26;

    /// The revision's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision with this name, where this crate speaks it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// The revision an `initialize` that asks for `requested` settles: that one where it is legacy and spoken here, the
    /// latest legacy one otherwise.
    pub(crate) fn settle(requested: &str) -> Self {
        Self::parse(requested).filter(|version| version.era() == Era::Legacy).unwrap_or(Self::LATEST_LEGACY)
    }

    /// The era this revision belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// The revisions of `era`, oldest first.
    pub fn of(era: Era) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |version| version.era() == era)
    }

    /// Where this revision's tables stand among those of all revisions.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
