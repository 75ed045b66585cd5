//! Where in the tree of servers a component is.

use crate::model::Text;

/// Where a component comes from, and whom a request passes on the way to it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The server it belongs to, by the number of its scope; 0 is the server itself.
    pub(crate) scope: usize,
    /// The mounted servers on the way that have middlewares, from the outside.
    pub(crate) hops: Vec<Hop>,
    /// Whether it is another server's, reached over HTTP.
    pub(crate) remote: bool,
    /// How many of them, the innermost ones, its handler enters by itself, as one does that maps arguments before.
    pub(crate) entered: usize,
}

impl Place {
    /// The mounted server that a request enters which has passed so many.
    pub(crate) fn next(&self, passed: usize) -> Option<&Hop> {
        let to_enter = self.hops.len().saturating_sub(self.entered);
        self.hops.get(passed).filter(|_| passed < to_enter)
    }
}

/// A mounted server with middlewares of its own.
#[derive(Clone, Debug)]
pub struct Hop {
    pub(crate) scope: usize,
    /// What the component is called there: a name or a URI.
    pub(crate) key: Text,
}
