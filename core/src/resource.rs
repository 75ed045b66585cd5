//! A resource: something the client can read, at one URI or at all that fit a template.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    apps::{self, Page},
    arguments::{self, ArgumentError, Constraints},
    auth::Requirement,
    compose::Place,
    context::Context,
    error::Error,
    future::{BoxFuture, MaybeSend},
    handle,
    lifespan::Key,
    model::{About, Annotations, CacheHint, Icon, Kind, Meta, ResourceContents, ResourceDefinition, Text},
    output::IntoResourceOutput,
    uri::UriTemplate,
};

/// What a read becomes: a future, or what is wrong with the URI's values.
pub(crate) type Reading = Result<BoxFuture<'static, Result<Vec<ResourceContents>, Error>>, ArgumentError>;

type Read = dyn Fn(Context, &[(&str, String)], &Constraints) -> Reading + Send + Sync;

/// A resource: something the client can read.
///
/// A URI with `{placeholders}` makes it a template: the handler's parameters are their values, each by its name.
/// `#[resource("…")]` on a function makes one; this is what it makes.
///
/// ```
/// # use edgemcp::prelude::*;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct User { user_id: u64 }
///
/// let config = Resource::new("data://config", "config", |_, _: NoArguments| async { "debug = false" });
/// let profile = Resource::new("user://{user_id}/profile", "profile", |_, User { user_id }| async move {
///     match user_id {
///         7 => Ok("Ada"),
///         _ => Err(Error::resource_not_found(format!("user://{user_id}/profile"))),
///     }
/// });
/// let server = Server::new("users", "1.0.0").resource(config).resource(profile);
/// ```
///
/// A clone is the same resource: it shares the handler.
#[derive(Clone)]
pub struct Resource {
    pub(crate) definition: ResourceDefinition,
    pub(crate) tags: Vec<Text>,
    /// `None` where the URI is none, which the problems say.
    pub(crate) template: Option<UriTemplate>,
    pub(crate) cache: CacheHint,
    pub(crate) page: Option<Page>,
    pub(crate) problems: Vec<String>,
    pub(crate) states: Vec<Key>,
    /// Whether it is read though the server's lifespans have not started.
    pub(crate) starts_nothing: bool,
    pub(crate) version: Option<Text>,
    pub(crate) requirements: Vec<Requirement>,
    /// Where in the tree of servers it is.
    pub(crate) place: Place,
    constraints: Arc<Constraints>,
    read: Arc<Read>,
}

impl Resource {
    /// A resource at `uri`, which clients list as `name`.
    pub fn new<P, O, F, Fut>(uri: impl Into<Text>, name: impl Into<Text>, handler: F) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        O: IntoResourceOutput,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = O> + MaybeSend + 'static,
    {
        let uri = uri.into();
        let schema = arguments::input_schema::<P>();
        let mut problems = arguments::beyond_strings(&schema);
        let template = match UriTemplate::parse(&uri) {
            Ok(template) => {
                problems.extend(mismatches(&template, &schema));
                Some(template)
            }
            Err(error) => {
                problems.push(error.0);
                None
            }
        };
        let constraints = Constraints::compile(&schema).unwrap_or_else(|found| {
            problems.extend(found);
            Constraints::default()
        });
        let mime_type = match uri.starts_with(apps::SCHEME) {
            true => Some(apps::PAGE_MIME_TYPE),
            false => O::MIME_TYPE,
        };
        Self {
            definition: ResourceDefinition {
                uri,
                name: name.into(),
                title: None,
                description: None,
                mime_type: mime_type.map(Text::Borrowed),
                icons: Vec::new(),
                size: None,
                annotations: None,
                meta: Meta::new(),
            },
            tags: Vec::new(),
            template,
            cache: CacheHint::NONE,
            page: None,
            problems,
            states: Vec::new(),
            starts_nothing: false,
            version: None,
            requirements: Vec::new(),
            place: Place::default(),
            constraints: Arc::new(constraints),
            read: Arc::new(move |cx, values, constraints| {
                let arguments = handle::reading(&cx, || arguments::from_strings(values, constraints))?;
                let answer = handler(cx, arguments);
                Ok(Box::pin(async move { answer.await.into_resource_output() }))
            }),
        }
    }

    /// A resource of another server's: it looks as `definition` says, and `read` gets the values of its template.
    pub(crate) fn passed_on(
        definition: ResourceDefinition,
        template: UriTemplate,
        read: impl Fn(Context, &[(&str, String)]) -> BoxFuture<'static, Result<Vec<ResourceContents>, Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            definition,
            tags: Vec::new(),
            template: Some(template),
            cache: CacheHint::NONE,
            page: None,
            problems: Vec::new(),
            states: Vec::new(),
            starts_nothing: false,
            version: None,
            requirements: Vec::new(),
            place: Place::default(),
            constraints: Arc::default(),
            read: Arc::new(move |cx, values, _| Ok(read(cx, values))),
        }
    }

    /// Sets the name people see.
    #[must_use]
    pub fn title(mut self, title: impl Into<Text>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// Sets what the resource holds, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<Text>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// Sets the media type; unless said otherwise it follows from what the handler returns, and is
    /// [`PAGE_MIME_TYPE`](crate::apps::PAGE_MIME_TYPE) for a `ui://` URI.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Text>) -> Self {
        self.definition.mime_type = Some(mime_type.into());
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.push(icon);
        self
    }

    /// Sets hints about who the resource is for.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.definition.annotations = Some(annotations);
        self
    }

    /// Sets how long clients may keep what the resource holds; not at all unless said otherwise.
    #[must_use]
    pub fn cache(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Adds a member to the definition's `_meta`. Its key has a prefix of the server's own, as in `com.example/team`
    /// (2026-07-28, basic/index, "`_meta`").
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.definition.meta.insert(key.into(), value.into());
        self
    }

    /// Sets how hosts show the page that this resource is ([`apps`](crate::apps)).
    #[must_use]
    pub fn page(mut self, page: Page) -> Self {
        self.definition.meta.insert("ui".to_owned(), page.to_json());
        self.page = Some(page);
        self
    }

    /// Sets the version of the component. Of several of one name the highest is listed and called, unless the client asks
    /// for another in `_meta` (`{"fastmcp": {"version": "1.0"}}`, as FastMCP's clients do).
    #[must_use]
    pub fn version(mut self, version: impl Into<Text>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Lets only those see and use the resource that meet `requirement`, of which there may be several.
    ///
    /// ```
    /// # use edgemcp::{auth::Requirement, prelude::*};
    /// let resource = Resource::new("data://keys", "keys", |_, _: NoArguments| async { "…" }).requires(Requirement::scopes(["admin"]));
    /// ```
    #[must_use]
    pub fn requires(mut self, requirement: impl Into<Requirement>) -> Self {
        self.requirements.push(requirement.into());
        self
    }

    fn kind(&self) -> Kind {
        if self.is_template() { Kind::ResourceTemplate } else { Kind::Resource }
    }

    /// What middlewares and filters know of it.
    pub fn about(&self) -> About<'_> {
        About {
            kind: self.kind(),
            key: &self.definition.uri,
            name: &self.definition.name,
            title: self.definition.title.as_deref(),
            description: self.definition.description.as_deref(),
            tags: &self.tags,
            version: self.version.as_deref(),
            meta: &self.definition.meta,
        }
    }

    /// Adds a tag, by which servers, mounts and middlewares choose. Clients do not see tags.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Text>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Says that the handler takes a [`State<T>`](crate::State), as `#[resource]` does for a parameter of that type:
    /// [`Server::build`](crate::Server::build) then checks that a lifespan gives one.
    #[must_use]
    pub fn takes_state<T: 'static>(mut self) -> Self {
        self.states.push(Key::of::<T>());
        self
    }

    /// Whether the URI has placeholders.
    pub(crate) fn is_template(&self) -> bool {
        self.template.as_ref().is_some_and(|template| !template.names().is_empty())
    }

    /// Whether this is the resource at `uri`, or a template that it fits.
    pub(crate) fn serves(&self, uri: &str) -> bool {
        self.definition.uri == uri
            || self.template.as_ref().is_some_and(|template| template.values(uri).is_some())
    }

    pub(crate) fn read(&self, cx: Context, values: &[(&str, String)]) -> Reading {
        (self.read)(cx, values, &self.constraints)
    }
}

/// Placeholders that are no parameter, and parameters that are no placeholder.
fn mismatches(template: &UriTemplate, schema: &Value) -> Vec<String> {
    let none = serde_json::Map::new();
    let parameters = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let takes: Vec<_> = parameters.keys().map(String::as_str).collect();
    let takes = match takes.is_empty() {
        true => "none".to_owned(),
        false => takes.join(", "),
    };
    let strangers = template.names().iter().filter(|name| !parameters.contains_key(*name)).map(|name| {
        format!(
            "its URI has the placeholder {{{name}}}, which is no parameter of its handler (it takes {takes})"
        )
    });
    let missing = required
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !template.names().iter().any(|known| known == name))
        .map(|name| {
            format!("its handler takes `{name}`, which is no placeholder of its URI (write {{{name}}})")
        });
    strangers.chain(missing).collect()
}

/// What [`Server::resource`](crate::Server::resource) takes: a [`Resource`], which is what `#[resource]` makes beside a function.
#[diagnostic::on_unimplemented(
    message = "this is no resource",
    label = "register what `#[resource]` made beside the function: `profile::resource()`, not `profile`"
)]
pub trait IntoResource {
    /// The resource.
    fn into_resource(self) -> Resource;
}

impl IntoResource for Resource {
    fn into_resource(self) -> Resource {
        self
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("definition", &self.definition).finish_non_exhaustive()
    }
}
