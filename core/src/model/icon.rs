//! What do clients show beside a server, a tool, a resource or a prompt? An icon.

use super::Text;

/// A picture that clients of 2025-11-25 and later show beside a server, tool, resource, template or prompt.
///
/// An address that is known when the program is compiled is better given to [`icon!`](macro@crate::icon), and a file of
/// the crate to [`include_icon!`](macro@crate::include_icon): both find a mistake before the server is built.
///
/// ```
/// # use edgemcp::{Theme, prelude::*};
/// # let from_settings = "https://example.com";
/// let server = Server::new("notes", "1.0.0")
///     .icon(Icon::new(format!("{from_settings}/light.png")).size("48x48").size("96x96").theme(Theme::Light))
///     .icon(Icon::new(format!("{from_settings}/dark.svg")).mime_type("image/svg+xml").size("any").theme(Theme::Dark));
/// # assert!(server.build().is_ok());
/// ```
///
/// # Source
/// 2026-07-28, schema, `Icon`; basic/index, "Icons".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    pub(crate) src: Text,
    pub(crate) mime_type: Option<Text>,
    pub(crate) sizes: Vec<Text>,
    pub(crate) theme: Option<Theme>,
}

/// The background an [`Icon`] is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A light background.
    Light,
    /// A dark background.
    Dark,
}

impl Icon {
    /// An icon at `src`: an `https:` URL, which may be `http:` on this machine alone, or a `data:` URI with an image in
    /// base64. Anything else is reported when the server is built.
    pub fn new(src: impl Into<Text>) -> Self {
        Self { src: src.into(), mime_type: None, sizes: Vec::new(), theme: None }
    }

    /// Sets the media type, such as `image/png`; what the address itself says unless said otherwise.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Adds a size the icon can be shown at: width and height in pixels, such as `48x48`, or `any` for a vector image.
    /// Anything else is reported when the server is built. Clients take an icon without one for good at any size.
    #[must_use]
    pub fn size(mut self, size: impl Into<Text>) -> Self {
        self.sizes.push(size.into());
        self
    }

    /// Sets the background the icon is made for; either unless said otherwise.
    #[must_use]
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = Some(theme);
        self
    }
}
