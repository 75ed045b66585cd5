//! What a store gives back of a call that was kept, whoever has written it: lines of an item, a space, and its value, which
//! stand in place of what the server has written. `{session}` stands for the client's session.
//!
//! The first line says how the call was made: `legacy` or `task`.

use std::time::Duration;

use bytes::Bytes;
use edgemcp::store::{Partition, Store};
use http::{Method, Request};

use super::legacy::{Client, line};
use crate::{
    client::modern_call,
    said::events,
    server::OPEN,
    stage::{Answer, Reading, Stage},
};

/// Where calls are kept.
const COLLECTION: &str = "edgemcp.call";

pub(crate) fn run(data: &[u8]) {
    let (kind, lines) = line(data);
    match kind {
        b"task" => task(lines),
        _ => legacy(lines),
    }
}

/// A legacy client comes back for a call, answers what was asked, and comes back again.
fn legacy(lines: &[u8]) {
    let client = Client::new(b"2025-11-25 session stream");
    let stage = &client.stage;
    let call = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"greet"}}"#;
    let reading = stage.alone().begin(client.request(Method::POST, &[], call));
    let call =
        events(reading.so_far())[0].id.and_then(|id| id.split('.').next()).unwrap_or_default().to_owned();
    // Nobody goes on with it once its client is gone.
    drop(reading);
    stage.clock.advance(Duration::from_secs(20));
    overwrite(stage, &call, lines);

    let event = format!("{call}.0");
    let back = || stage.send(client.request(Method::GET, &[("last-event-id", event.as_bytes())], b""));
    let has_events = lines.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"event"));
    // What is kept among the events is sent as it is.
    let check = |answer: Answer| {
        if !has_events {
            drop(answer.messages());
        }
    };
    check(back());
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":"{call}.0","result":{{"action":"accept","content":{{"name":"Ada"}}}}}}"#
    );
    stage.send(client.request(Method::POST, &[], answer.as_bytes())).messages();
    stage.settle();
    check(back());
    stage.excuse();
}

/// A modern client asks after a task, answers it, and ends it; somebody goes on with it.
fn task(lines: &[u8]) {
    let stage = Stage::new(&OPEN);
    let answer = stage.send(modern_call("tools/call", r#""name":"confirm""#));
    let messages = answer.messages();
    let id = messages[0].text("taskId").unwrap_or_else(|| panic!("{answer:?}"));
    stage.settle();
    overwrite(&stage, &id, lines);
    let about = |method: &str, more: &str| -> Request<Bytes> {
        modern_call(method, &format!(r#""taskId":"{id}"{more}"#))
    };
    stage.send(about("tasks/get", "")).messages();
    let form = r#"{"action":"accept","content":{"text":"t","number":1,"color":"red"}}"#;
    let name = r#"{"action":"accept","content":{"name":"Ada"}}"#;
    let answers = format!(r#","inputResponses":{{"name":{name},"form":{form}}}"#);
    stage.send(about("tasks/update", &answers)).messages();
    stage.settle();
    stage.send(about("tasks/get", "")).messages();
    let (service, platform, task) = (stage.service.clone(), stage.platform.clone(), id.clone());
    let mut run = Reading::of(Box::pin(async move {
        // That it fails is for whoever runs it to see.
        let _ = service.run_task(&platform, &task).await;
        http::Response::new(edgemcp::http::Body::empty())
    }));
    stage.wait(|| run.poll());
    stage.send(about("tasks/cancel", "")).messages();
    stage.excuse();
}

/// Writes the lines over what is kept of a call.
fn overwrite(stage: &Stage, call: &str, lines: &[u8]) {
    let Ok(partition) = Partition::new(COLLECTION, call) else { panic!("no call was kept") };
    let record = stage.kept(&partition, "call");
    let session = serde_json::from_slice::<serde_json::Value>(&record).unwrap_or_default();
    let session = session["session"].as_str().unwrap_or_default().to_owned();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(end) = line.iter().position(|byte| *byte == b' ') else { continue };
        let (Ok(item), value) = (std::str::from_utf8(&line[..end]), &line[end + 1..]) else { continue };
        let Ok(key) = partition.item(item) else { continue };
        let value = match std::str::from_utf8(value) {
            Ok(text) => text.replace("{session}", &session).into(),
            Err(_) => Bytes::copy_from_slice(value),
        };
        drop(stage.now(stage.store.put(&key, value, Some(Duration::from_secs(3600)))));
    }
}
