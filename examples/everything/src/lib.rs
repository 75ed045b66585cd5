//! The server that the official conformance suite talks to: every name and text is the suite's.

mod prompts;
mod resources;
mod tools;

use edgemcp::Server;

/// The definition.
pub fn server() -> Server {
    Server::new("everything", env!("CARGO_PKG_VERSION"))
        .title("Everything")
        .instructions("This server is a fixture: its components exist to be tested.")
        .tool(tools::test_simple_text::tool())
        .tool(tools::test_image_content::tool())
        .tool(tools::test_audio_content::tool())
        .tool(tools::test_embedded_resource::tool())
        .tool(tools::test_multiple_content_types::tool())
        .tool(tools::test_error_handling::tool())
        .tool(tools::test_missing_capability::tool().client_capability("sampling"))
        .resource(resources::static_text::resource())
        .resource(resources::static_binary::resource())
        .resource(resources::watched::resource())
        .resource(resources::template::resource())
        .prompt(prompts::test_simple_prompt::prompt())
        .prompt(prompts::test_prompt_with_arguments::prompt())
        .prompt(prompts::test_prompt_with_embedded_resource::prompt())
        .prompt(prompts::test_prompt_with_image::prompt())
}

#[cfg(target_arch = "wasm32")]
edgemcp_workers::export!(server);
#[cfg(target_arch = "wasm32")]
edgemcp_workers::durable_object!();

/// One transparent pixel.
const DOT_PNG: &[u8] = include_bytes!("media/dot.png");
/// Ten milliseconds of silence.
const SILENCE_WAV: &[u8] = include_bytes!("media/silence.wav");

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_can_be_served() {
        super::server().build().expect("the definition is sound");
    }
}
