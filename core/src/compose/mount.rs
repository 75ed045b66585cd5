//! What is mounted, and how.

use std::{any::TypeId, fmt, sync::Arc};

use super::{
    prefix::{Prefix, ResourcePrefixFormat},
    remotes::Elsewhere,
    tags::Tags,
};
use crate::{model::Text, remote::Remote, server::Server, transform::Transform};

/// A server to be mounted in another ([`Server::mount`](crate::Server::mount)), or to be imported into it
/// ([`Server::import_server`](crate::Server::import_server)).
///
/// ```
/// # use edgemcp::{compose::{Mount, ResourcePrefixFormat}, prelude::*};
/// # mod shop { pub fn server() -> edgemcp::Server { edgemcp::Server::new("shop", "1") } }
/// let mount = Mount::under("shop", shop::server)
///     .exclude_tags(["internal"])
///     .resource_prefix_format(ResourcePrefixFormat::Protocol);
/// let server = Server::new("assistant", "1.0.0").mount(mount);
/// # assert!(server.build().is_ok());
/// ```
#[must_use = "a mount is nothing until a server has it"]
pub struct Mount {
    pub(crate) what: Mounted,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) tags: Tags,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) components_only: bool,
}

/// What can be mounted.
#[doc(hidden)]
pub struct Mounted(pub(crate) What);

pub(crate) enum What {
    Server(Box<Server>),
    /// A definition at module level, by the type of its function.
    Definition(TypeId, Box<dyn FnOnce() -> Server + Send + Sync>),
    Elsewhere(Box<dyn Elsewhere>),
}

/// What can be mounted: a server, the function that defines one, or a [`Remote`], which is reached over HTTP.
#[diagnostic::on_unimplemented(
    message = "this is nothing that can be mounted",
    label = "mount the function that defines a server (`weather::server`), a `Server`, or a `Remote`"
)]
pub trait IntoMounted {
    #[doc(hidden)]
    fn into_mounted(self) -> Mounted;
}

impl IntoMounted for Server {
    fn into_mounted(self) -> Mounted {
        Mounted(What::Server(Box::new(self)))
    }
}

impl IntoMounted for Remote {
    fn into_mounted(self) -> Mounted {
        Mounted(What::Elsewhere(Box::new(self)))
    }
}

impl<F: FnOnce() -> Server + Send + Sync + 'static> IntoMounted for F {
    fn into_mounted(self) -> Mounted {
        Mounted(What::Definition(TypeId::of::<F>(), Box::new(self)))
    }
}

impl Mount {
    /// Mounts `what` without a prefix: its components have the names that they have there.
    pub fn new(what: impl IntoMounted) -> Self {
        Self {
            what: what.into_mounted(),
            prefix: None,
            tags: Tags::default(),
            transforms: Vec::new(),
            components_only: false,
        }
    }

    /// Mounts `what` under `prefix`: the tool `forecast` becomes `prefix_forecast`, the resource `data://cities` becomes
    /// `data://prefix/cities`.
    pub fn under(prefix: impl Into<Text>, what: impl IntoMounted) -> Self {
        Self { prefix: Some(Prefix::new(prefix)), ..Self::new(what) }
    }

    /// Sets what stands between the prefix and a tool's or prompt's name; `_` unless said otherwise, as in FastMCP.
    pub fn separator(mut self, separator: impl Into<Text>) -> Self {
        if let Some(prefix) = &mut self.prefix {
            prefix.separator = separator.into();
        }
        self
    }

    /// Sets how the prefix becomes part of resources' URIs.
    pub fn resource_prefix_format(mut self, format: ResourcePrefixFormat) -> Self {
        if let Some(prefix) = &mut self.prefix {
            prefix.format = format;
        }
        self
    }

    /// Takes only what has one of `tags`, and what else is included.
    pub fn include_tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.include(tags);
        self
    }

    /// Takes nothing that has one of `tags`, whatever is included.
    pub fn exclude_tags<T: Into<Text>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.exclude(tags);
        self
    }

    /// Changes what is mounted, before it gets its prefix; the first transform that is added is the innermost.
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Arc::new(transform));
        self
    }

    /// Says that [`Server::import_server`](crate::Server::import_server) may leave out the middlewares of what is imported,
    /// which is refused otherwise: a rate limit or an access rule would be gone.
    pub fn components_only(mut self) -> Self {
        self.components_only = true;
        self
    }
}

impl<M: IntoMounted> From<M> for Mount {
    fn from(what: M) -> Self {
        Self::new(what)
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount")
            .field("prefix", &self.prefix)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// What becomes of a component whose name or URI another one has ([`Server::on_duplicate`](crate::Server::on_duplicate)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The server is not built.
    #[default]
    Error,
    /// The later one counts, and the log says so.
    Warn,
    /// The later one counts.
    Replace,
    /// The earlier one counts.
    Ignore,
}
