//! A server whose tools ask, and platforms that hold its answers open.

use std::{sync::Arc, time::Duration};

use edgemcp::{AskError, LoggingLevel, Progress, Server, prelude::*};

use super::{Settings, Stage, live::Behind};

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Name {
    pub name: String,
}

pub fn server() -> Server {
    Server::new("asking", "1")
        .tool(Tool::new("greet", "Greet.", |cx: Context, _: NoArguments| async move {
            cx.progress(Progress::new(1.0).total(2.0));
            let Name { name } = cx.elicit("What is your name?").await?;
            cx.progress((2.0, 2.0));
            Ok::<_, ToolError>(format!("Hello, {name}!"))
        }))
        .tool(Tool::new("both", "Ask for two things at once.", |cx: Context, _: NoArguments| async move {
            let (Name { name }, said) =
                cx.ask().elicit::<Name>("What is your name?").sample("Say hello.").await?;
            Ok::<_, ToolError>(format!("{name} {}", said.text()))
        }))
        .tool(Tool::new("log", "Log at every level.", |cx: Context, _: NoArguments| async move {
            for level in LoggingLevel::ALL {
                cx.log(level, level.as_str());
            }
        }))
        .tool(Tool::new("url", "Send somebody somewhere.", |cx: Context, _: NoArguments| async move {
            cx.elicit_url("Sign in.", "https://example.com/sign-in").await?;
            Ok::<_, ToolError>("opened")
        }))
        .tool(Tool::new("lenient", "Ask, and say how it went.", |cx: Context, _: NoArguments| async move {
            Ok::<_, ToolError>(match cx.elicit::<Name>("What is your name?").await {
                Ok(Name { name }) => name,
                Err(AskError::Refused(code, message)) => format!("refused: {code} {message}"),
                Err(other) => format!("{other}"),
            })
        }))
        .tool(Tool::new("wait", "Wait for a minute.", |cx: Context, _: NoArguments| async move {
            cx.platform().sleep(Duration::from_secs(60)).await;
            "waited"
        }))
        .tool(Tool::new("leave", "Close the stream, then go on.", |cx: Context, _: NoArguments| async move {
            cx.close_stream().await;
            cx.platform().sleep(Duration::from_secs(5)).await;
            "came back"
        }))
        .tool(Tool::new("who", "Say who the client is.", |cx: Context, _: NoArguments| async move {
            format!("{:?} {} {}", cx.client(), cx.client_has("sampling"), cx.client_has("roots"))
        }))
}

/// A platform that holds a stream for a minute, and works behind an answer.
pub fn stage() -> (Stage, Behind) {
    stage_of(server())
}

/// The same, of another server.
pub fn stage_of(server: Server) -> (Stage, Behind) {
    let behind = Behind::default();
    let mut stage =
        Stage::built(server, Settings::default(), |builder| builder.hold_max(Duration::from_secs(60)));
    stage.platform = stage.platform.with_background(Arc::new(behind.clone()));
    (stage, behind)
}

/// A platform that sends answers in one piece, and does nothing behind them.
pub fn one_piece() -> Stage {
    Stage::new(server())
}
