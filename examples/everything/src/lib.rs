//! The server that the official conformance suite talks to: every name and text is the suite's.

mod asked;
mod prompts;
mod resources;
mod routed;
mod said;
mod tasks;
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
        .tool(said::test_tool_with_progress::tool())
        .tool(said::test_tool_with_logging::tool())
        .tool(said::test_logging_tool::tool())
        .tool(said::test_reconnection::tool())
        .tool(said::test_trigger_tool_change::tool())
        .tool(said::test_trigger_prompt_change::tool())
        .tool(said::test_touch_watched::tool())
        .tool(asked::test_elicitation::tool())
        .tool(asked::test_elicitation_sep1034_defaults::tool())
        .tool(asked::test_elicitation_sep1330_enums::tool())
        .tool(asked::test_sampling::tool())
        .tool(asked::test_streaming_elicitation::tool())
        .tool(asked::test_input_required_result_elicitation::tool())
        .tool(asked::test_input_required_result_sampling::tool())
        .tool(asked::test_input_required_result_list_roots::tool())
        .tool(asked::test_input_required_result_request_state::tool())
        .tool(asked::test_input_required_result_tampered_state::tool())
        .tool(asked::test_input_required_result_multiple_inputs::tool())
        .tool(asked::test_input_required_result_multi_round::tool())
        .tool(asked::test_input_required_result_capabilities::tool())
        .tool(asked::test_step::tool())
        .tool(routed::test_x_mcp_header::tool())
        .tool(routed::json_schema_2020_12_tool())
        .tool(tasks::greet::tool())
        .tool(tasks::slow_compute::tool())
        .tool(tasks::failing_job::tool())
        .tool(tasks::protocol_error_job::tool())
        .tool(tasks::confirm_delete::tool())
        .tool(tasks::multi_input::tool())
        .tool(tasks::test_tool_with_task::tool())
        .resource(resources::static_text::resource())
        .resource(resources::static_binary::resource())
        .resource(resources::watched::resource())
        .resource(resources::template::resource())
        .prompt(prompts::test_simple_prompt::prompt())
        .prompt(prompts::test_prompt_with_arguments::prompt())
        .prompt(prompts::test_prompt_with_embedded_resource::prompt())
        .prompt(prompts::test_prompt_with_image::prompt())
        .prompt(asked::test_input_required_result_prompt::prompt())
        .completion(prompts::arg1::completion())
        .list_changed()
        .resource_subscriptions()
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
