//! A value that a server hands out sealed, and gets back as an argument: how state is carried where there are no
//! sessions.

use std::{borrow::Cow, cell::RefCell, fmt, ops::Deref, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _};

use crate::{
    context::Context,
    error::ToolError,
    finite,
    output::{IntoToolOutput, ToolOutput},
    seal::{Binding, Sealer},
    state::bound_to,
};

/// How long a handle is good, unless it is said otherwise.
pub const HANDLE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest a handle may be, in bytes. A model writes it out in full whenever it passes it on.
pub const HANDLE_BYTES_MAX: usize = 2 << 10;

/// A value that this server has handed out, sealed: one tool returns it, another takes it as an argument, and what is
/// between, clients and models, can neither read nor change it.
///
/// `T` is `Serialize`, `Deserialize` and `JsonSchema`. A handle is made by [`Context::handle`], and is a text for clients.
/// It is bound to the server, the type (its name and module: one that is renamed or moved opens no older handles) and the
/// principal, and ends after a while; what was changed, has ended, or belongs to somebody else is refused before the
/// handler runs. It names something, and is no proof that whoever holds it
/// may have it: on a server without a verifier, everybody who has learned of it can use it.
///
/// ```
/// use edgemcp::prelude::*;
///
/// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// struct Cart { number: u64 }
///
/// /// Open a cart, to put things into.
/// #[tool]
/// async fn open_cart(cx: &Context) -> Result<Handle<Cart>, ToolError> {
///     cx.handle(Cart { number: 7 })
/// }
///
/// /// Put something into a cart.
/// #[tool]
/// async fn put(cart: Handle<Cart>, what: String) -> String {
///     format!("{what} is in cart {}", cart.number)
/// }
/// # assert!(Server::new("shop", "1").tool(open_cart::tool()).tool(put::tool()).build().is_ok());
/// ```
#[derive(Clone)]
pub struct Handle<T> {
    value: T,
    token: String,
}

impl<T> Handle<T> {
    /// What it stands for.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// What clients see of it.
    pub fn as_str(&self) -> &str {
        &self.token
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Context {
    /// A handle on `value`, good for [`HANDLE_TTL`].
    ///
    /// # Errors
    /// Where no key to seal with is configured ([`SEAL_KEYS`](crate::SEAL_KEYS)), and where the handle would be longer
    /// than [`HANDLE_BYTES_MAX`](crate::limits::HANDLE_BYTES_MAX): keep the value in the store, and put its key into the
    /// handle.
    pub fn handle<T: Serialize + JsonSchema>(&self, value: T) -> Result<Handle<T>, ToolError> {
        self.handle_for(value, HANDLE_TTL)
    }

    /// A handle on `value`, good for so long.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub fn handle_for<T: Serialize + JsonSchema>(
        &self,
        value: T,
        ttl: Duration,
    ) -> Result<Handle<T>, ToolError> {
        let platform = self.platform();
        let content = finite::to_raw_json(&value).map_err(ToolError::masked)?;
        let failed = |error: crate::seal::SealError| ToolError::masked(error.to_string());
        let sealer = Sealer::new(platform).map_err(failed)?;
        let (binding, end) = (binding::<T>(self), platform.now().after(ttl));
        let token = sealer.seal(platform.random(), binding, end, content.get().as_bytes()).map_err(failed)?;
        if token.len() > HANDLE_BYTES_MAX {
            return Err(ToolError::masked(format!(
                "a handle on this value has {} bytes, more than {HANDLE_BYTES_MAX}: keep the value in the store, and \
                 put its key into the handle",
                token.len()
            )));
        }
        Ok(Handle { value, token })
    }
}

fn binding<T: JsonSchema>(cx: &Context) -> Binding {
    // A name alone may be another type's too, of another module.
    let binding = Binding::to("handle").and(cx.0.tables.who.name.as_bytes()).and(T::schema_id().as_bytes());
    bound_to(binding, cx.principal())
}

thread_local! {
    /// The request whose arguments are read just now. Reading them awaits nothing, so there is one at a time.
    static READING: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Reads arguments, so that the handles among them are opened for the request `cx`.
pub(crate) fn reading<T>(cx: &Context, read: impl FnOnce() -> T) -> T {
    struct Restore(Option<Context>);
    impl Drop for Restore {
        fn drop(&mut self) {
            READING.set(self.0.take());
        }
    }
    let _restore = Restore(READING.replace(Some(cx.clone())));
    read()
}

impl<'de, T: DeserializeOwned + JsonSchema> Deserialize<'de> for Handle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = String::deserialize(deserializer)?;
        let Some(cx) = READING.with_borrow(Clone::clone) else {
            return Err(D::Error::custom("a handle is opened as an argument, and nowhere else"));
        };
        let value = open(&cx, &token).ok_or_else(|| {
            D::Error::custom(
                "this handle is none that was given out for this, or it has expired: get another one",
            )
        })?;
        Ok(Self { value, token })
    }
}

fn open<T: DeserializeOwned + JsonSchema>(cx: &Context, token: &str) -> Option<T> {
    if token.len() > HANDLE_BYTES_MAX {
        return None;
    }
    let sealer = Sealer::new(cx.platform()).ok()?;
    let (content, _) = sealer.open(binding::<T>(cx), cx.now(), token)?;
    crate::wire::read(&content)
}

impl<T> Serialize for Handle<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.token)
    }
}

impl<T: JsonSchema> JsonSchema for Handle<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Handle_{}", T::schema_name()).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "maxLength": HANDLE_BYTES_MAX})
    }
}

impl<T> IntoToolOutput for Handle<T> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::new().content(self.token))
    }
}

/// Nothing of what it stands for, which may be a secret.
impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
