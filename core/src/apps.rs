//! MCP Apps: tools that have a page to show (SEP-1865, `io.modelcontextprotocol/ui`).
//!
//! A page is a resource with a `ui://` URI that holds HTML; a tool names it, and the host shows it in a sandbox beside
//! the tool's result. Hosts without the extension show the result's text, so a tool must still return one.
//!
//! ```
//! use edgemcp::{apps::{Page, Permission, ToolUi}, prelude::*};
//!
//! let page = Resource::new("ui://dice/page", "dice", |_, _: NoArguments| async { "<!doctype html><p>⚅" })
//!     .page(Page::new().connect_domain("https://dice.example").permission(Permission::ClipboardWrite));
//! let roll = Tool::new("roll", "Roll a die.", |_, _: NoArguments| async { 6 }).ui("ui://dice/page");
//! let server = Server::new("dice", "1.0.0").resource(page).tool(roll);
//! assert!(server.build().is_ok());
//! ```

use serde_json::{Map, Value, json};

use crate::model::{Meta, Text};

/// The media type of a page.
pub const PAGE_MIME_TYPE: &str = "text/html;profile=mcp-app";

/// The scheme of a page's URI.
pub(crate) const SCHEME: &str = "ui://";

/// Who may call a tool that has a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The model.
    Model,
    /// The page itself.
    App,
}

/// The page a tool shows, for [`Tool::ui`](crate::Tool::ui). A `ui://` URI alone becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolUi {
    pub(crate) resource_uri: Text,
    visibility: Vec<Visibility>,
}

impl ToolUi {
    /// The page at `resource_uri`, a `ui://` URI that the server has a resource for.
    pub fn new(resource_uri: impl Into<Text>) -> Self {
        Self { resource_uri: resource_uri.into(), visibility: Vec::new() }
    }

    /// Adds somebody who may call the tool; both may unless one is named.
    #[must_use]
    pub fn visible_to(mut self, who: Visibility) -> Self {
        self.visibility.push(who);
        self
    }

    pub(crate) fn write(&self, meta: &mut Meta) {
        let mut ui = json!({"resourceUri": self.resource_uri});
        if let (Value::Object(ui), false) = (&mut ui, self.visibility.is_empty()) {
            let names = self.visibility.iter().map(|who| match who {
                Visibility::Model => "model",
                Visibility::App => "app",
            });
            ui.insert("visibility".to_owned(), names.collect());
        }
        meta.insert("ui".to_owned(), ui);
        // Hosts from before the extension was settled read this one.
        meta.insert("ui/resourceUri".to_owned(), self.resource_uri.as_ref().into());
    }
}

impl<T: Into<Text>> From<T> for ToolUi {
    fn from(resource_uri: T) -> Self {
        Self::new(resource_uri)
    }
}

/// Something a page may use beyond its own frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// Where the device is.
    Geolocation,
    /// Writing to the clipboard.
    ClipboardWrite,
}

/// How a host shows a page, for [`Resource::page`](crate::Resource::page). Unless said otherwise a page reaches nothing
/// outside of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    connect: Vec<Text>,
    resource: Vec<Text>,
    frame: Vec<Text>,
    base_uri: Vec<Text>,
    permissions: Vec<Permission>,
    domain: Option<Text>,
    prefers_border: Option<bool>,
}

impl Page {
    /// A page that reaches nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an origin that the page may send requests to (`connect-src`).
    #[must_use]
    pub fn connect_domain(mut self, origin: impl Into<Text>) -> Self {
        self.connect.push(origin.into());
        self
    }

    /// Adds an origin that the page may load scripts, styles, images and fonts from.
    #[must_use]
    pub fn resource_domain(mut self, origin: impl Into<Text>) -> Self {
        self.resource.push(origin.into());
        self
    }

    /// Adds an origin that the page may show frames of (`frame-src`).
    #[must_use]
    pub fn frame_domain(mut self, origin: impl Into<Text>) -> Self {
        self.frame.push(origin.into());
        self
    }

    /// Adds an origin that the page may name as its base (`base-uri`).
    #[must_use]
    pub fn base_uri_domain(mut self, origin: impl Into<Text>) -> Self {
        self.base_uri.push(origin.into());
        self
    }

    /// Asks for something beyond the page's own frame.
    #[must_use]
    pub fn permission(mut self, permission: Permission) -> Self {
        self.permissions.push(permission);
        self
    }

    /// Asks for an origin of the page's own; its form is the host's.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<Text>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets whether the host is to draw a border around the page.
    #[must_use]
    pub fn prefers_border(mut self, border: bool) -> Self {
        self.prefers_border = Some(border);
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        let lists = [
            ("connectDomains", &self.connect),
            ("resourceDomains", &self.resource),
            ("frameDomains", &self.frame),
            ("baseUriDomains", &self.base_uri),
        ];
        let csp: Map<_, _> = lists
            .into_iter()
            .filter(|(_, origins)| !origins.is_empty())
            .map(|(name, origins)| (name.to_owned(), json!(origins)))
            .collect();
        let permissions: Map<_, _> = self
            .permissions
            .iter()
            .map(|permission| match permission {
                Permission::Camera => "camera",
                Permission::Microphone => "microphone",
                Permission::Geolocation => "geolocation",
                Permission::ClipboardWrite => "clipboardWrite",
            })
            .map(|name| (name.to_owned(), json!({})))
            .collect();
        let mut page = Map::new();
        for (name, members) in [("csp", csp), ("permissions", permissions)] {
            if !members.is_empty() {
                page.insert(name.to_owned(), members.into());
            }
        }
        page.extend(self.domain.iter().map(|domain| ("domain".to_owned(), domain.as_ref().into())));
        page.extend(self.prefers_border.map(|border| ("prefersBorder".to_owned(), border.into())));
        page.into()
    }
}
