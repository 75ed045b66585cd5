//! Writes out what the schemas of tools refer to, for clients that do not follow `$ref`.

mod keywords;
mod writer;

use super::Middleware;
use crate::transform::{Components, Transform};

/// The most values that a schema may have once it is written out.
pub const DEREFERENCED_VALUES_MAX: usize = 20_000;

/// The most references that a schema may have before it is written out.
pub const REFERENCES_MAX: usize = 1000;

/// Writes out what the schemas of tools refer to, once, when the server is built: each `$ref` becomes what it points to.
/// Many clients hand schemas to models that do not follow references.
///
/// It is for tools that bring their own schema ([`Tool::with_schema`](crate::Tool::with_schema)), and for those of mounted
/// and remote servers; what is derived from Rust types is written out anyhow. It is both a middleware and a
/// [`Transform`]. What a call is checked against stays as it was.
///
/// - What stands beside a `$ref` holds too: a description or a default takes the place of the target's own, and a
///   constraint that cannot simply be added stands beside an `allOf` with the target.
/// - A type that contains itself cannot be written out: references to it stay, and so does its definition. At the root
///   of a schema it is written out once, since clients look for `type: object` there.
/// - References to other documents, to anchors and to what is not there stay as they are; nothing is ever fetched.
/// - The `mapping` of an OpenAPI `discriminator` is left out, since it names definitions that are gone.
///
/// # Limits
/// A schema that has more than [`REFERENCES_MAX`] references, or would have more than [`DEREFERENCED_VALUES_MAX`] values or
/// nest deeper than [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX) levels, stays as it is; so does one with an `$id`
/// below its root or a `$dynamicRef`, in which a reference means something else at each place.
///
/// # Source
/// FastMCP 4, `DereferenceRefsMiddleware`; JSON Schema 2020-12, section 8.2.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::Dereference;
/// let server = Server::new("tools", "1.0.0").middleware(Dereference);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Dereference;

impl Transform for Dereference {
    fn apply(&self, components: &mut Components, _: &mut Vec<String>) {
        for tool in &mut components.tools {
            let schemas = [Some(&mut tool.definition.input_schema), tool.definition.output_schema.as_mut()];
            for schema in schemas.into_iter().flatten() {
                if let Some(written_out) = writer::written_out(schema) {
                    *schema = written_out;
                }
            }
        }
    }
}

impl Middleware for Dereference {
    fn prepare(&self, components: &mut Components, problems: &mut Vec<String>) {
        self.apply(components, problems);
    }
}
