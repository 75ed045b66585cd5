//! Asks the client's model to say something.

use serde_json::Value;

use super::{AskError, invalid, put, result, sealed::Question};
use crate::{
    context::Context,
    future::BoxFuture,
    journal::Answer,
    model::{Ask, ModelPreferences, Sampled, Sampling, SamplingMessage, SamplingTool, Text, ToolChoice},
    wire,
};

/// The most tokens a model may say unless said otherwise.
const MAX_TOKENS: u32 = 512;

/// Something for the client's model to go on with, made by [`Context::sample`]. Await it.
///
/// Sampling is deprecated since 2026-07-28; clients go on having it for a year at least.
#[must_use = "an ask is awaited"]
#[derive(Debug)]
pub struct Sample {
    cx: Context,
    key: Option<Text>,
    sampling: Sampling,
}

impl Sample {
    pub(crate) fn new(cx: Context, first: SamplingMessage) -> Self {
        let sampling = Sampling {
            messages: vec![first],
            max_tokens: MAX_TOKENS,
            system_prompt: None,
            temperature: None,
            stop_sequences: Vec::new(),
            preferences: None,
            tools: Vec::new(),
            tool_choice: None,
            metadata: None,
        };
        Self { cx, key: None, sampling }
    }

    /// Names the ask, as [`Elicit::key`](super::Elicit::key) does.
    pub fn key(mut self, key: impl Into<Text>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a message to the conversation.
    pub fn message(mut self, message: SamplingMessage) -> Self {
        self.sampling.messages.push(message);
        self
    }

    /// Sets the system prompt. The client may change it or leave it out.
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.sampling.system_prompt = Some(prompt.into());
        self
    }

    /// Sets the most tokens the model may say; 512 unless said otherwise.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.sampling.max_tokens = tokens;
        self
    }

    /// Sets how much chance there is in it. A temperature that is not finite is left out.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.sampling.temperature = temperature.is_finite().then_some(temperature);
        self
    }

    /// Adds a text at which the model stops.
    pub fn stop_sequence(mut self, text: impl Into<String>) -> Self {
        self.sampling.stop_sequences.push(text.into());
        self
    }

    /// Sets what matters in the choice of the model.
    pub fn model_preferences(mut self, preferences: ModelPreferences) -> Self {
        self.sampling.preferences = Some(preferences);
        self
    }

    /// Adds a tool that the model may want to be called (since 2025-11-25; the client must declare `sampling.tools`).
    pub fn tool(mut self, tool: SamplingTool) -> Self {
        self.sampling.tools.push(tool);
        self
    }

    /// Sets whether the model may, must or must not use tools.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.sampling.tool_choice = Some(choice);
        self
    }

    /// Sets what the client hands on to the model's provider, in the provider's own form.
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.sampling.metadata = Some(metadata);
        self
    }
}

impl Question for Sample {
    type Output = Sampled;

    fn ask(&self) -> Result<(Option<&str>, Ask), AskError> {
        Ok((self.key.as_deref(), Ask::Sample(Box::new(self.sampling.clone()))))
    }

    fn read(&self, answer: Answer) -> Result<Sampled, AskError> {
        wire::ask::sampled(&result(answer)?).map_err(invalid)
    }
}

impl IntoFuture for Sample {
    type Output = Result<Sampled, AskError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { put(&self.cx.clone(), self).await })
    }
}

impl super::several::Named for Sample {
    fn name(&mut self, key: Text) {
        self.key = Some(key);
    }
}
