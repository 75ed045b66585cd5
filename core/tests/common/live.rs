//! Requests that take their time, looked at while they are worked on: on a clock that a test moves.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{ProtocolVersion, future::BoxFuture, http::Body, platform::Background};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use serde_json::{Value, json};

use super::{Answer, Stage, events};

pub const LATEST: ProtocolVersion = ProtocolVersion::V2025_11_25;

/// Work that goes on after the answer, until the test ends it.
#[derive(Clone, Default)]
pub struct Behind(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Background for Behind {
    fn run(&self, work: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(work);
    }
}

impl Behind {
    /// Goes on with all of it as far as it goes now.
    pub fn poll(&self) {
        let works = std::mem::take(&mut *self.0.lock().unwrap());
        for mut work in works {
            if work.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending() {
                self.0.lock().unwrap().push(work);
            }
        }
    }

    /// The process ends, and all of it with it: nothing of it is run to say so.
    pub fn lose(&self) {
        std::mem::forget(std::mem::take(&mut *self.0.lock().unwrap()));
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// One client in its session.
pub struct Session<'a> {
    pub stage: &'a Stage,
    pub id: String,
    pub version: ProtocolVersion,
    pub token: Option<&'static str>,
}

pub fn capabilities() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}})
}

pub fn initialize(version: ProtocolVersion, capabilities: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version.as_str(),
        "capabilities": capabilities,
        "clientInfo": {"name": "c", "version": "9"},
    }})
}

impl<'a> Session<'a> {
    pub fn begin(stage: &'a Stage) -> Self {
        Self::of(stage, LATEST, &capabilities(), None)
    }

    pub fn of(
        stage: &'a Stage,
        version: ProtocolVersion,
        capabilities: &Value,
        token: Option<&'static str>,
    ) -> Self {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let answer = stage.post(initialize(version, capabilities).to_string(), &headers);
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        Self { stage, id, version, token }
    }

    /// The same session, on another instance.
    pub fn at(&self, stage: &'a Stage) -> Self {
        Session { stage, id: self.id.clone(), ..*self }
    }

    pub fn request(&self, method: Method, body: String, more: &[(&str, &str)]) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", self.version.as_str());
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    pub fn post(&self, message: &Value) -> Answer {
        Answer::new(self.stage.send(self.request(Method::POST, message.to_string(), &[])))
    }

    /// Calls a tool, and reads what comes.
    pub fn call(&self, name: &str) -> Reading {
        Reading::of(self.stage, self.request(Method::POST, call(name).to_string(), &[]))
    }

    /// Comes back to a stream.
    pub fn resume(&self, last: &str) -> Reading {
        Reading::of(self.stage, self.request(Method::GET, String::new(), &[("last-event-id", last)]))
    }

    pub fn answer(&self, id: &str, result: Value) -> Answer {
        self.post(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }
}

pub fn call(name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": name, "_meta": {"progressToken": "p"},
    }})
}

pub fn accept(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

/// A request under way, read as far as it goes.
pub struct Reading {
    pub answering: Option<BoxFuture<'static, Response<Body>>>,
    pub response: Option<Response<Body>>,
    pub text: String,
    pub ended: bool,
}

impl Reading {
    pub fn of(stage: &Stage, request: Request<Bytes>) -> Self {
        let (service, platform) = (stage.service.clone(), stage.platform.clone());
        let answering = Box::pin(async move { service.handle(&platform, request).await });
        let mut reading =
            Self { answering: Some(answering), response: None, text: String::new(), ended: false };
        reading.poll();
        reading
    }

    /// Reads what is there now.
    pub fn poll(&mut self) -> &mut Self {
        let mut task = Task::from_waker(Waker::noop());
        if let Some(answering) = &mut self.answering
            && let Poll::Ready(response) = answering.as_mut().poll(&mut task)
        {
            self.answering = None;
            self.response = Some(response);
        }
        while let Some(response) = self.response.as_mut().filter(|_| !self.ended) {
            match Pin::new(response.body_mut()).poll_frame(&mut task) {
                Poll::Ready(Some(frame)) => {
                    let data = frame.unwrap().into_data().unwrap();
                    self.text.push_str(std::str::from_utf8(&data).unwrap());
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        self
    }

    pub fn status(&self) -> StatusCode {
        self.response.as_ref().unwrap().status()
    }

    pub fn events(&self) -> Vec<Value> {
        events(&self.text)
    }

    /// The requests that the server makes on the stream.
    pub fn asks(&self) -> Vec<Value> {
        self.events()
            .into_iter()
            .filter(|event| event.get("method").is_some() && event.get("id").is_some())
            .collect()
    }

    pub fn ask_id(&self) -> String {
        self.asks().first().unwrap_or_else(|| panic!("nothing is asked: {}", self.text))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The id of the last event.
    pub fn last_id(&self) -> String {
        self.text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
    }

    /// The text of the answer.
    pub fn answer(&self) -> Option<String> {
        let answer = self.events().into_iter().find(|event| event["id"] == 7)?;
        Some(answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned())
    }
}

/// Moves the clock in small steps, so that what waits looks after each of them.
pub fn pass(stage: &Stage, time: Duration, mut poll: impl FnMut()) {
    let step = Duration::from_millis(100);
    for _ in 0..time.as_millis() / step.as_millis() {
        stage.clock.advance(step);
        poll();
    }
}
