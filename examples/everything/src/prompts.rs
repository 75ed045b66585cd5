//! Prompts: plain, filled in, and with other content than text.

use edgemcp::prelude::*;

use crate::DOT_PNG;

/// A prompt without arguments.
#[prompt]
pub(crate) fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// A prompt with two arguments.
#[prompt]
pub(crate) fn test_prompt_with_arguments(
    /** The first. */
    arg1: String,
    /** The second. */
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

/// What the first argument may mean.
#[completion(prompt = "test_prompt_with_arguments")]
pub(crate) fn arg1(arg1: String) -> Vec<&'static str> {
    let known = ["paris", "park", "party"].into_iter();
    known.filter(|value| value.starts_with(&arg1)).collect()
}

/// A prompt that carries a resource.
#[prompt]
pub(crate) fn test_prompt_with_embedded_resource(
    /** The URI to carry. */
    #[arg(rename = "resourceUri")]
    resource_uri: String,
) -> Vec<PromptMessage> {
    let contents = ResourceContents::text("Embedded resource content for testing.");
    vec![
        PromptMessage::user(Content::resource(contents.uri(resource_uri).mime_type("text/plain"))),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

/// A prompt that carries an image.
#[prompt]
pub(crate) fn test_prompt_with_image() -> Vec<PromptMessage> {
    vec![
        PromptMessage::user(Content::image(DOT_PNG, "image/png")),
        PromptMessage::user("Please analyze the image above."),
    ]
}
