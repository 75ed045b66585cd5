//! Tools whose calls go on as tasks.

use std::time::Duration;

use edgemcp::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// Greet somebody, at once.
#[tool(read_only)]
pub(crate) fn greet(
    /** Whom to greet. */
    name: String,
) -> String {
    format!("Hello, {name}!")
}

/// Compute for some seconds.
#[tool(read_only, task)]
pub(crate) async fn slow_compute(
    cx: &Context,
    /** How long. */
    seconds: u64,
    /** What to call it. */
    label: Option<String>,
) -> String {
    cx.platform().sleep(Duration::from_secs(seconds)).await;
    format!("Computed {} for {seconds} s.", label.as_deref().unwrap_or("something"))
}

/// Fail after a second, as the model may read.
#[tool(read_only, task = "required")]
pub(crate) async fn failing_job(cx: &Context) -> Result<(), ToolError> {
    cx.platform().sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("This job always fails."))
}

/// Fail for the client's program.
#[tool(read_only, task)]
pub(crate) fn protocol_error_job() -> Result<(), Error> {
    Err(Error::internal("this job is no result, but an error"))
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    confirm: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Delete a file, if the user confirms.
#[tool(destructive, task)]
pub(crate) async fn confirm_delete(
    cx: &Context,
    /** The file. */
    filename: String,
) -> Result<String, ToolError> {
    let Confirmed { confirm } = cx.elicit(format!("Delete {filename}?")).key("confirm").await?;
    Ok(if confirm { format!("Deleted {filename}.") } else { format!("Kept {filename}.") })
}

/// Ask for two things at once.
#[tool(task)]
pub(crate) async fn multi_input(cx: &Context) -> Result<String, ToolError> {
    let asks = cx.ask().elicit::<Name>("What is your name?").key("name");
    let (Name { name }, Confirmed { confirm }) =
        asks.elicit::<Confirmed>("Is that so?").key("confirm").await?;
    Ok(format!("{name}: {confirm}"))
}

/// Ask for a name, and greet in a task.
#[tool(task = "by_handler")]
pub(crate) async fn test_tool_with_task(cx: &Context) -> Result<String, ToolError> {
    let Name { name } = cx.elicit("What is your name?").key("user_name").await?;
    cx.become_task().await;
    Ok(format!("Hello, {name}!"))
}
