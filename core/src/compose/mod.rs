//! Servers made of servers: mounted, imported, under a prefix, filtered by tags.
//!
//! [`Server::mount`](crate::Server::mount) puts a server into another: its components are found there under a prefix, and its
//! middlewares, its lifespans and its plain routes come along. [`Server::import_server`](crate::Server::import_server) copies the
//! components alone. Either costs nothing at run time: when the server is built its components stand in one table, however
//! deep they were mounted.
//!
//! ```
//! use edgemcp::{compose::Mount, prelude::*};
//!
//! mod weather {
//!     use edgemcp::prelude::*;
//!
//!     /// Say how the weather will be.
//!     #[tool]
//!     pub async fn forecast(city: String) -> String {
//!         format!("Sunny in {city}.")
//!     }
//!
//!     pub fn server() -> Server {
//!         Server::new("weather", "1.0.0").tool(forecast::tool())
//!     }
//! }
//!
//! // Clients see the tool `weather_forecast`.
//! let server = Server::new("assistant", "1.0.0").mount(Mount::under("weather", weather::server));
//! # assert!(server.build().is_ok());
//! ```
//!
//! What a mounted server says of its endpoint (path, origins, limits, sessions, tasks) is its parent's to say. Its
//! [`Verifier`](crate::auth::Verifier) is never left out silently: a parent without one is refused.

pub(crate) mod changing;
mod live;
mod mount;
mod place;
pub(crate) mod prefix;
pub(crate) mod remotes;
pub(crate) mod tags;
pub(crate) mod tree;

pub use self::{
    live::Live,
    mount::{IntoMounted, Mount, Mounted, OnDuplicate},
    place::{Hop, Place},
    prefix::ResourcePrefixFormat,
};
