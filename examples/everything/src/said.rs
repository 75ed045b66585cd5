//! Tools that say something while they work: progress, lines of log, changes; and one whose client goes and comes back.

use std::time::Duration;

use edgemcp::{Change, LoggingLevel, Progress, prelude::*};

/// How long these tools pause between two things they say.
const PAUSE: Duration = Duration::from_millis(50);

async fn pause(cx: &Context) {
    cx.platform().sleep(PAUSE).await;
}

/// Report progress three times.
#[tool(read_only)]
pub(crate) async fn test_tool_with_progress(cx: &Context) -> &'static str {
    for (done, message) in [(0.0, "begun"), (50.0, "half of it"), (100.0, "all of it")] {
        cx.progress(Progress::new(done).total(100.0).message(message));
        pause(cx).await;
    }
    "Tool with progress executed successfully"
}

/// Log three lines.
#[tool(read_only)]
pub(crate) async fn test_tool_with_logging(cx: &Context) -> &'static str {
    for line in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        cx.info(line);
        pause(cx).await;
    }
    "Tool with logging executed successfully"
}

/// Log a line of every level.
#[tool(read_only)]
pub(crate) fn test_logging_tool(cx: &Context) -> &'static str {
    for level in LoggingLevel::ALL {
        cx.log_as("everything", level, level.as_str());
    }
    "Logged at every level."
}

/// Close the stream before the answer, which the client then comes back for.
#[tool(read_only)]
pub(crate) async fn test_reconnection(cx: &Context) -> &'static str {
    cx.close_stream().await;
    pause(cx).await;
    "Reconnection test completed successfully"
}

/// Tell clients that the list of tools has changed.
#[tool]
pub(crate) async fn test_trigger_tool_change(cx: &Context) -> Result<&'static str, ToolError> {
    cx.changed(Change::Tools).await?;
    Ok("The list of tools has changed.")
}

/// Tell clients that the list of prompts has changed.
#[tool]
pub(crate) async fn test_trigger_prompt_change(cx: &Context) -> Result<&'static str, ToolError> {
    cx.changed(Change::Prompts).await?;
    Ok("The list of prompts has changed.")
}

/// Tell clients that the watched resource has changed.
#[tool]
pub(crate) async fn test_touch_watched(cx: &Context) -> Result<&'static str, ToolError> {
    cx.changed(Change::Resource("test://watched-resource".into())).await?;
    Ok("The watched resource has changed.")
}
