//! Tools, and a prompt, that ask their client: for a form, a model's words, its roots.

use std::time::Duration;

use edgemcp::{
    AskError, Sampled,
    prelude::*,
    store::{Consistency, Key},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who somebody is.
#[derive(Serialize, Deserialize, JsonSchema)]
struct User {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// How somebody took a form, in the words of the suite.
fn told<T: Serialize>(prefix: &str, answer: Result<T, AskError>) -> Result<String, ToolError> {
    let (action, content) = match answer {
        Ok(content) => ("accept", json!(content)),
        Err(AskError::Declined) => ("decline", json!({})),
        Err(AskError::Cancelled) => ("cancel", json!({})),
        Err(other) => return Err(other.into()),
    };
    Ok(format!("{prefix}: action={action}, content={content}"))
}

/// Ask who the user is.
#[tool]
pub(crate) async fn test_elicitation(
    cx: &Context,
    /** What to ask. */
    message: String,
) -> Result<String, ToolError> {
    told("User response", cx.elicit::<User>(message).await)
}

/// A form with a default in every field.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Defaults {
    name: String,
    age: i64,
    score: f64,
    status: Status,
    verified: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { name: "John Doe".to_owned(), age: 30, score: 95.5, status: Status::Active, verified: true }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

/// Ask with a default in every field.
#[tool]
pub(crate) async fn test_elicitation_sep1034_defaults(cx: &Context) -> Result<String, ToolError> {
    told("Elicitation completed", cx.elicit::<Defaults>("Please review and update the form fields").await)
}

/// A form with every kind of choice.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Choices {
    untitled_single: Untitled,
    titled_single: Titled,
    #[schemars(extend("enumNames" = ["Option One", "Option Two", "Option Three"]))]
    legacy_enum: Legacy,
    untitled_multi: Vec<Untitled>,
    titled_multi: Vec<Titled>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Untitled {
    Option1,
    Option2,
    Option3,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Titled {
    /// First Option
    Value1,
    /// Second Option
    Value2,
    /// Third Option
    Value3,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Legacy {
    Opt1,
    Opt2,
    Opt3,
}

/// Ask with every kind of choice.
#[tool]
pub(crate) async fn test_elicitation_sep1330_enums(cx: &Context) -> Result<String, ToolError> {
    told("Elicitation completed", cx.elicit::<Choices>("Please choose").await)
}

/// Ask the client's model.
#[tool]
pub(crate) async fn test_sampling(
    cx: &Context,
    /** What to ask. */
    prompt: String,
) -> Result<String, ToolError> {
    let sampled = cx.sample(prompt).max_tokens(100).await?;
    Ok(format!("LLM response: {}", sampled.text()))
}

/// Ask for a name, by whichever way the client takes it.
#[tool]
pub(crate) async fn test_streaming_elicitation(cx: &Context) -> Result<String, ToolError> {
    hello(cx).await
}

async fn hello(cx: &Context) -> Result<String, ToolError> {
    let Name { name } = cx.elicit("What is your name?").key("user_name").await?;
    Ok(format!("Hello, {name}!"))
}

/// Ask for a name.
#[tool]
pub(crate) async fn test_input_required_result_elicitation(cx: &Context) -> Result<String, ToolError> {
    hello(cx).await
}

/// Ask for a model's words.
#[tool]
pub(crate) async fn test_input_required_result_sampling(cx: &Context) -> Result<String, ToolError> {
    let sampled = cx.sample("What is the capital of France?").max_tokens(100).key("capital_question").await?;
    Ok(sampled.text())
}

/// Ask for roots.
#[tool]
pub(crate) async fn test_input_required_result_list_roots(cx: &Context) -> Result<String, ToolError> {
    let roots = cx.roots().key("client_roots").await?;
    let uris: Vec<_> = roots.iter().map(|root| root.uri.as_str()).collect();
    Ok(format!("The roots are: {}", uris.join(", ")))
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    ok: bool,
}

/// Ask for a confirmation, and carry on from there.
#[tool]
pub(crate) async fn test_input_required_result_request_state(cx: &Context) -> Result<String, ToolError> {
    let Confirmed { ok } = cx.elicit("Please confirm").key("confirm").await?;
    Ok(format!("state-ok, confirmed: {ok}"))
}

/// Ask for a confirmation with a state that nobody can change.
#[tool]
pub(crate) async fn test_input_required_result_tampered_state(cx: &Context) -> Result<String, ToolError> {
    let Confirmed { ok } = cx.elicit("Please confirm").key("confirm").await?;
    Ok(format!("confirmed: {ok}"))
}

/// Ask for several things at once.
#[tool]
pub(crate) async fn test_input_required_result_multiple_inputs(cx: &Context) -> Result<String, ToolError> {
    let asks = cx.ask().elicit::<Name>("What is your name?").key("user_name");
    let asks = asks.and(cx.sample("Generate a greeting").max_tokens(50).key("greeting"));
    let (Name { name }, greeting, roots) = asks.roots().key("client_roots").await?;
    let greeting: Sampled = greeting;
    Ok(format!("{name}: {} ({} roots)", greeting.text(), roots.len()))
}

#[derive(Deserialize, JsonSchema)]
struct Color {
    color: String,
}

/// Ask one thing after the other.
#[tool]
pub(crate) async fn test_input_required_result_multi_round(cx: &Context) -> Result<String, ToolError> {
    let Name { name } = cx.elicit("Step 1: What is your name?").key("step1").await?;
    let Color { color } = cx.elicit("Step 2: What is your favorite color?").key("step2").await?;
    Ok(format!("{name} likes {color}."))
}

/// Ask only what the client can be asked.
#[tool]
pub(crate) async fn test_input_required_result_capabilities(cx: &Context) -> Result<String, ToolError> {
    match cx.client_has("elicitation.form") {
        true => hello(cx).await,
        false => Ok(cx.sample("Say hello.").max_tokens(50).key("hello").await?.text()),
    }
}

/// Count in a step, ask, and say how often the step ran.
#[tool]
pub(crate) async fn test_step(
    cx: &Context,
    /** Tells this run from any other. */
    run: String,
) -> Result<String, ToolError> {
    let key = Key::new("everything.steps", run, "count")?;
    let store = cx.platform().strong_store();
    cx.step("count", || async { store.increment(&key, 1, Some(STEP_TTL)).await }).await?;
    let _: bool = cx.elicit("Go on?").key("go_on").await?;
    let count = store.get(&key, Consistency::Strong).await?.map(|entry| entry.value);
    let count = count.as_deref().and_then(|count| std::str::from_utf8(count).ok()).unwrap_or("no");
    Ok(format!("The step ran {count} times."))
}

/// How long a count of [`test_step`] is kept.
const STEP_TTL: Duration = Duration::from_secs(600);

#[derive(Deserialize, JsonSchema)]
struct PromptContext {
    context: String,
}

/// A prompt that asks before it is there.
#[prompt]
pub(crate) async fn test_input_required_result_prompt(cx: &Context) -> Result<String, Error> {
    let PromptContext { context } =
        cx.elicit("What context should the prompt use?").key("user_context").await?;
    Ok(format!("Use this context: {context}"))
}
