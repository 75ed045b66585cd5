//! Reads a server's own configuration from variables: the environment, or a Worker's vars and secrets.
//!
//! A configuration is a struct that derives [`Config`]. Each of its fields is a variable, known by the field's name in
//! capitals, and the field's doc comment tells whoever has to set it what it is for.
//!
//! ```
//! use std::time::Duration;
//!
//! use edgemcp::prelude::*;
//!
//! #[derive(Config)]
//! #[config(prefix = "NOTES_")]
//! struct Settings {
//!     /// The key of the search service.
//!     search_key: Secret,
//!     /// Who may write, by name.
//!     #[config(default)]
//!     editors: Vec<String>,
//!     /// How long a search may take.
//!     #[config(default = Duration::from_secs(10))]
//!     search_time_max: Duration,
//! }
//!
//! let settings = Settings::from_vars(&[("NOTES_SEARCH_KEY", "hunter2"), ("NOTES_EDITORS", "ada, grace")]).unwrap();
//! assert_eq!(settings.editors, ["ada", "grace"]);
//! assert_eq!(settings.search_time_max, Duration::from_secs(10));
//!
//! // All that is wrong is said at once.
//! let wrong = Settings::from_vars(&[("NOTES_SEARCH_TIME_MAX", "10")]).err().unwrap();
//! assert_eq!(
//!     wrong.to_string(),
//!     "`NOTES_SEARCH_KEY` is not set; it takes a text (The key of the search service): set it in the environment or \
//!      in `.env`, on Workers with `wrangler secret put NOTES_SEARCH_KEY`\n\
//!      `NOTES_SEARCH_TIME_MAX` is \"10\"; it takes a time such as 250ms, 30s, 5m, 2h or 1d (How long a search may take): \
//!      set it in the environment or in `.env`, on Workers under `[vars]` in wrangler.toml"
//! );
//! ```
//!
//! In a handler it is `Settings::from_platform(cx.platform())?`: reading is quick, and on Workers there are no variables
//! outside of a request.

mod reader;
mod secret;
mod setting;

pub use edgemcp_macros::Config;

pub use self::{
    reader::{Asked, ConfigError, Need, Problem, Reader, Variable},
    secret::{Secret, Zeroize},
    setting::Setting,
};
use crate::platform::{Platform, Vars};

/// A configuration that is read from variables. Derive it; [`macro@Config`] tells how.
///
/// Where a derive cannot say it, write [`read`](Self::read) yourself, which is what the derive writes:
///
/// ```
/// use edgemcp::{config::Reader, prelude::*};
///
/// struct Proxy {
///     address: String,
///     login: Option<(String, Secret)>,
/// }
///
/// impl Config for Proxy {
///     fn read(reader: &mut Reader<'_>) -> Option<Self> {
///         let address = reader.var("PROXY").description("The proxy's address.").read();
///         let user: Option<Option<String>> = reader.var("PROXY_USER").read();
///         let password: Option<Option<Secret>> = reader.var("PROXY_PASSWORD").read();
///         Some(Self { address: address?, login: user?.zip(password?) })
///     }
/// }
///
/// let proxy = Proxy::from_vars(&[("PROXY", "proxy.example:3128")]).unwrap();
/// assert!(proxy.login.is_none());
/// assert_eq!(Proxy::variables()[2].name, "PROXY_PASSWORD");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a configuration",
    note = "put `#[derive(Config)]` on `{Self}` (`use edgemcp::prelude::*;`)"
)]
pub trait Config: Sized {
    /// Asks `reader` for every variable, and then puts together what it gave: `None` where something is missing, which
    /// the reader has noted by then.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// Reads it from a platform's settings and secrets.
    ///
    /// # Errors
    /// [`ConfigError`], which names everything that is missing or malformed. It holds no secret, but it is for the log,
    /// not for a client: `?` in a handler sends it there.
    fn from_platform(platform: &Platform) -> Result<Self, ConfigError> {
        Self::from_vars(&reader::OfPlatform(platform))
    }

    /// Reads it from `vars`. One that is set to nothing is not set.
    ///
    /// # Errors
    /// [`ConfigError`], which names everything that is missing or malformed.
    fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Reader::new(vars).finish(|reader| Self::read(reader))
    }

    /// What it reads, in that order, without reading it: for whoever has to set it.
    ///
    /// ```
    /// use edgemcp::{config::Need, prelude::*};
    ///
    /// #[derive(Config)]
    /// struct Settings {
    ///     /// How many notes a page has.
    ///     #[config(default = 20)]
    ///     page_size: u8,
    /// }
    ///
    /// let variable = &Settings::variables()[0];
    /// assert_eq!(variable.name, "PAGE_SIZE");
    /// assert_eq!(variable.description, "How many notes a page has.");
    /// assert_eq!(variable.expected.as_deref(), Some("a whole number from 0 to 255"));
    /// assert_eq!(variable.need, Need::Default(Some("20".to_owned())));
    /// assert!(!variable.secret);
    /// ```
    fn variables() -> Vec<Variable> {
        Reader::list(|reader| drop(Self::read(reader)))
    }
}
