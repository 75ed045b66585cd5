//! Tools: every kind of content, and every way to fail.

use edgemcp::prelude::*;

use crate::{DOT_PNG, SILENCE_WAV};

/// Return a text.
#[tool(read_only)]
pub(crate) fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Return an image.
#[tool(read_only)]
pub(crate) fn test_image_content() -> Content {
    Content::image(DOT_PNG, "image/png")
}

/// Return a sound.
#[tool(read_only)]
pub(crate) fn test_audio_content() -> Content {
    Content::audio(SILENCE_WAV, "audio/wav")
}

/// Return the contents of a resource.
#[tool(read_only)]
pub(crate) fn test_embedded_resource() -> Content {
    let contents = ResourceContents::text("This is an embedded resource content.");
    Content::resource(contents.uri("test://embedded-resource").mime_type("text/plain"))
}

/// Return several kinds of content at once.
#[tool(read_only)]
pub(crate) fn test_multiple_content_types() -> Vec<Content> {
    let contents = ResourceContents::text(r#"{"test":"data","value":123}"#);
    vec![
        Content::text("Multiple content types test:"),
        Content::image(DOT_PNG, "image/png"),
        Content::resource(contents.uri("test://mixed-content-resource").mime_type("application/json")),
    ]
}

/// Fail, as the model may read.
#[tool(read_only)]
pub(crate) fn test_error_handling() -> Result<(), ToolError> {
    Err(ToolError::new("This tool intentionally returns an error for testing"))
}

/// Do nothing, for clients that declare sampling.
#[tool(read_only)]
pub(crate) fn test_missing_capability() -> &'static str {
    "The client declared sampling."
}
