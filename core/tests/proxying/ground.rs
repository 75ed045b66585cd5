//! What the tests of other servers share: a server at the other end of `Platform::fetch`, and one that mounts it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    Server,
    compose::Mount,
    future::BoxFuture,
    platform::{Fetch, FetchError},
    prelude::*,
    remote::Remote,
};
use edgemcp_testkit::ManualClock;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::common::{self, Answer, Settings, Stage};

pub(crate) const URL: &str = "https://far.example/mcp";

/// Which revisions a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Both,
    ModernOnly,
    LegacyOnly,
}

/// What becomes of a request on its way.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Open,
    /// Nobody is there.
    Cut,
    /// It arrives, and no answer comes.
    Silent,
    /// Somebody else answers: a status, a media type and a body.
    Blocked(u16, &'static str, String),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) http: Method,
    pub(crate) headers: HeaderMap,
    /// `Null` where there is none.
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or(self.http.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Answers a request instead of the server, where it has something to say.
pub(crate) type Instead = Arc<dyn Fn(&Seen) -> Option<Response<Bytes>> + Send + Sync>;

/// A server at the other end.
#[derive(Clone)]
pub(crate) struct Far {
    pub(crate) stage: Arc<Mutex<Stage>>,
    speaks: Arc<Mutex<Speaks>>,
    way: Arc<Mutex<Way>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    instead: Arc<Mutex<Option<Instead>>>,
    /// The clock of whoever asks.
    clock: Arc<Mutex<Option<ManualClock>>>,
}

impl Far {
    pub(crate) fn new(server: Server, speaks: Speaks) -> Self {
        Self {
            stage: Arc::new(Mutex::new(Stage::new(server))),
            speaks: Arc::new(Mutex::new(speaks)),
            way: Arc::new(Mutex::new(Way::Open)),
            seen: Arc::default(),
            instead: Arc::default(),
            clock: Arc::default(),
        }
    }

    pub(crate) fn set_way(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    pub(crate) fn set_speaks(&self, speaks: Speaks) {
        *self.speaks.lock().unwrap() = speaks;
    }

    pub(crate) fn answer_instead(
        &self,
        instead: impl Fn(&Seen) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) {
        *self.instead.lock().unwrap() = Some(Arc::new(instead));
    }

    /// The server is another one from now on.
    pub(crate) fn becomes(&self, server: Server) {
        *self.stage.lock().unwrap() = Stage::new(server);
    }

    /// The server is the same, and opens nothing that it has sealed before.
    pub(crate) fn loses_its_key(&self, server: Server) {
        let settings = Settings(vec![("EDGEMCP_SEAL_KEYS", common::OLD_KEY.to_owned())]);
        *self.stage.lock().unwrap() = Stage::built(server, settings, |builder| builder);
    }

    /// The methods of the requests since the last time this was asked.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.take().iter().map(|seen| seen.method().to_owned()).collect()
    }

    /// The requests since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Fetch for Far {
    fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let (parts, body) = request.into_parts();
        let seen = Seen {
            http: parts.method.clone(),
            headers: parts.headers.clone(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        assert_eq!(parts.uri, URL);
        let way = self.way.lock().unwrap().clone();
        match way {
            Way::Open => {}
            Way::Cut => {
                let error = FetchError::Connection("connection refused by 10.0.0.7".to_owned());
                return Box::pin(std::future::ready(Err(error)));
            }
            Way::Silent => {
                let clock = self.clock.lock().unwrap().clone().unwrap();
                return Box::pin(async move {
                    // Whoever waits finds that its time is up.
                    clock.advance(Duration::from_secs(10));
                    std::future::pending().await
                });
            }
            Way::Blocked(status, kind, text) => return answered(respond(status, kind, text)),
        }
        if let Some(answer) = self.instead.lock().unwrap().as_ref().and_then(|instead| instead(&seen)) {
            return answered(answer);
        }
        let is_modern = seen.header("mcp-protocol-version") == Some("2026-07-28");
        match *self.speaks.lock().unwrap() {
            Speaks::LegacyOnly if is_modern => {
                let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Unsupported protocol version"}}"#;
                return answered(respond(400, "application/json", error.to_owned()));
            }
            Speaks::ModernOnly if !is_modern => {
                let error = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": {"code": -32602, "message": "`_meta` is missing"}});
                return answered(respond(400, "application/json", error.to_string()));
            }
            _ => {}
        }
        let stage = self.stage.lock().unwrap().clone();
        let request = Request::from_parts(parts, body);
        Box::pin(async move {
            let (parts, body) = stage.service.handle(&stage.platform, request).await.into_parts();
            Ok(Response::from_parts(parts, body.collect(usize::MAX).await.unwrap()))
        })
    }
}

fn answered(answer: Response<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, FetchError>> {
    Box::pin(std::future::ready(Ok(answer)))
}

pub(crate) fn respond(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}

/// A result, in JSON, as the answer to `seen`.
pub(crate) fn result(seen: &Seen, result: &Value) -> Response<Bytes> {
    let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": result});
    respond(200, "application/json", body.to_string())
}

/// A server that mounts `remote` under `far`, and has something of its own.
pub(crate) fn near(remote: Remote) -> Server {
    Server::new("near", "1.0.0")
        .tool(Tool::new("own", "Answer.", |_, _: NoArguments| async { "own" }))
        .mount(Mount::under("far", remote))
}

pub(crate) fn remote() -> Remote {
    Remote::new(URL)
}

/// A stage with `server`, for which `far` is at the other end.
pub(crate) fn stage_of(server: Server, far: &Far) -> Stage {
    let settings = Settings(vec![
        ("EDGEMCP_SEAL_KEYS", common::KEY.to_owned()),
        ("FAR_TOKEN", "s3cret".to_owned()),
        ("TEST_TOKEN", "sesame".to_owned()),
    ]);
    let fetch = Arc::new(far.clone());
    let stage = Stage::built(server, settings, |builder| builder.fetch(fetch));
    *far.clock.lock().unwrap() = Some(stage.clock.clone());
    stage
}

/// A stage that mounts `far`.
pub(crate) fn stage(far: &Far) -> Stage {
    stage_of(near(remote()), far)
}

/// Another instance of what `stage` runs, with nothing in memory.
pub(crate) fn another(stage: &Stage) -> Stage {
    stage.beside(near(remote()))
}

/// The names in a list.
pub(crate) fn names(answer: &Answer, list: &str, key: &str) -> Vec<String> {
    let entries =
        answer.json["result"][list].as_array().unwrap_or_else(|| panic!("no {list}: {}", answer.text));
    entries.iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn tools(stage: &Stage) -> Vec<String> {
    names(&stage.modern("tools/list", json!({})), "tools", "name")
}

pub(crate) fn add(stage: &Stage) -> Answer {
    stage.modern("tools/call", json!({"name": "far_add", "arguments": {"a": 1, "b": 2}}))
}
