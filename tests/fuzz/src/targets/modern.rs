//! The body of a POST of 2026-07-28, and after an empty line the answers to what its handler asks.

use edgemcp::Era;
use http::Request;

use crate::{
    asked::{Asked, asked},
    check::{changes_nothing_where_refused, one, parts},
    client::{again, is_json, modern},
    said::Message,
    server::OPEN,
    stage::Stage,
};

/// How often a request is sent again.
const ROUNDS: usize = 4;

pub(crate) fn run(data: &[u8]) {
    let parts = parts(data);
    let stage = Stage::new(&OPEN);
    let mut responses = parts[1..].iter().filter(|part| is_json(part)).cycle();
    let mut body = parts[0].to_vec();
    for _ in 0..ROUNDS {
        let state = send(&stage, modern(body.clone()), &asked(&body));
        let (Some(state), Some(responses)) = (state, responses.next()) else { break };
        let responses = String::from_utf8_lossy(responses);
        let Some(next) = again(&body, &state, &responses) else { break };
        body = next.into_bytes();
    }
    stage.settle();
    stage.has_no_fault();
}

/// Sends it, and gives the state of a request that waits for answers.
fn send(stage: &Stage, request: Request<bytes::Bytes>, asked: &Asked<'_>) -> Option<String> {
    let answer = changes_nothing_where_refused(
        stage,
        || stage.send(request),
        |answer| answer.messages().last().is_some_and(|message| message.failure().is_some()),
    );
    let messages = one(&answer, asked, Era::Modern);
    messages.last().and_then(state)
}

/// The state in a result that asks for something; it has both or neither.
pub(crate) fn state(message: &Message<'_>) -> Option<String> {
    let state = message.text("requestState");
    let waits = message.text("resultType").as_deref() == Some("input_required");
    assert_eq!(state.is_some(), waits, "{message:?}");
    assert_eq!(message.member("inputRequests").is_some_and(|asks| asks.get() != "{}"), waits, "{message:?}");
    state
}
