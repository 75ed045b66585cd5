//! Resources: text, bytes, and a template.

use edgemcp::prelude::*;
use serde_json::{Value, json};

use crate::DOT_PNG;

/// A text that never changes.
#[resource("test://static-text", mime_type = "text/plain")]
pub(crate) fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// Bytes that never change.
#[resource("test://static-binary", mime_type = "image/png")]
pub(crate) fn static_binary() -> Vec<u8> {
    DOT_PNG.to_vec()
}

/// A text that clients may watch.
#[resource("test://watched-resource", mime_type = "text/plain")]
pub(crate) fn watched() -> &'static str {
    "This is the content of the watched resource."
}

/// Data about one id.
#[resource("test://template/{id}/data", mime_type = "application/json")]
pub(crate) fn template(id: String) -> Json<Value> {
    Json(json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}))
}
