//! A server to ask, and clients of both eras that ask it through the highest API: bytes of HTTP in, bytes out.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

pub mod asked;
pub mod live;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use edgemcp::{
    ProtocolVersion, Server, Service,
    http::Body,
    platform::{Exposure, Log, LogLevel, Platform, PlatformBuilder, Timestamp, Vars},
    prelude::*,
    store::MemoryStore,
};
use edgemcp_testkit::{Counting, ManualClock, TestStore};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

/// Two integers.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addends {
    /// First addend.
    pub a: i64,
    /// Second addend.
    pub b: i64,
}

/// A server with something of every kind.
pub fn server() -> Server {
    Server::new("test", "1.2.3")
        .title("Test")
        .instructions("Ask.")
        .website_url("https://example.com")
        .icon(Icon::new("https://example.com/icon.png").size("48x48"))
        .tool(Tool::new("add", "Add two integers.", |_, Addends { a, b }| async move { a + b }))
        .tool(Tool::new("fail", "Fail.", |_, _: NoArguments| async {
            Err::<(), _>(ToolError::new("there is nothing to do"))
        }))
        .tool(Tool::new("leak", "Fail, naming a secret.", |_, _: NoArguments| async {
            Err::<(), ToolError>(std::io::Error::other("password hunter2 refused by db.internal").into())
        }))
        .tool(Tool::new("nan", "Return what JSON cannot carry.", |_, _: NoArguments| async { f64::NAN }))
        .tool(
            Tool::new("sampler", "Needs sampling.", |_, _: NoArguments| async { "ok" })
                .client_capability("sampling"),
        )
        .resource(Resource::new("data://config", "config", |_, _: NoArguments| async { "debug = false" }))
        .resource(Resource::new("user://{id}/profile", "profile", |_, User { id }| async move {
            match id {
                7 => Ok(Json(json!({"name": "Ada"}))),
                _ => Err(Error::resource_not_found(format!("user://{id}/profile"))),
            }
        }))
        .prompt(Prompt::new("greet", "Greet somebody.", |_, Greet { name, times }| async move {
            format!("Greet {name} {} times.", times.unwrap_or(1))
        }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct User {
    id: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greet {
    /// Whom to greet.
    name: String,
    times: Option<u8>,
}

/// What the platform was told to log.
#[derive(Default)]
pub struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl Log for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }
}

impl Lines {
    pub fn all(&self) -> String {
        let lines = self.0.lock().unwrap();
        lines.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// What was logged since the last time.
    pub fn take(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The messages of what was logged since the last time.
    pub fn messages(&self) -> Vec<String> {
        self.take().into_iter().map(|(_, message)| message).collect()
    }
}

/// A platform without surprises.
#[derive(Clone)]
pub struct Stage {
    pub service: Arc<Service>,
    pub platform: Platform,
    pub clock: ManualClock,
    /// What it keeps, unless the test gave its platform another store.
    pub store: TestStore,
    pub log: Arc<Lines>,
    pub random: Arc<Counting>,
}

/// A key to seal with, and the one before it.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const OLD_KEY: &str = "HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI=";

/// The settings of a platform, by name.
pub struct Settings(pub Vec<(&'static str, String)>);

impl Vars for Settings {
    fn var(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self(vec![("TEST_TOKEN", "sesame".to_owned()), ("EDGEMCP_SEAL_KEYS", KEY.to_owned())])
    }
}

impl Stage {
    pub fn new(server: Server) -> Self {
        Self::exposed(server, Exposure::Public)
    }

    pub fn exposed(server: Server, exposure: Exposure) -> Self {
        Self::built(server, Settings::default(), |builder| builder.exposure(exposure))
    }

    /// A stage with these settings, and whatever else of its platform a test changes.
    pub fn built(
        server: Server,
        settings: Settings,
        change: impl FnOnce(PlatformBuilder) -> PlatformBuilder,
    ) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let store = TestStore::new(MemoryStore::new(Arc::new(clock.clone())));
        let log = Arc::new(Lines::default());
        let random = Arc::new(Counting::default());
        let builder = Platform::builder(Arc::new(clock.clone()), random.clone())
            .store(Arc::new(store.clone()))
            .vars(Arc::new(settings))
            .log(log.clone());
        let platform = change(builder).build();
        Self { service: Arc::new(server.build().unwrap()), platform, clock, store, log, random }
    }

    /// Another instance of the same server: another definition, built anew, on the same platform.
    pub fn beside(&self, server: Server) -> Self {
        Self { service: Arc::new(server.build().unwrap()), ..self.clone() }
    }

    pub fn send(&self, request: Request<Bytes>) -> Response<Body> {
        futures_executor::block_on(self.service.handle(&self.platform, request))
    }

    /// Posts `body` with these headers beside `Content-Type: application/json`.
    pub fn post(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/mcp").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::new(self.send(request.body(body.into()).unwrap()))
    }

    /// A request of 2026-07-28 with all that it must have.
    pub fn modern(&self, method: &str, params: Value) -> Answer {
        self.modern_as(None, method, params)
    }

    /// A request of 2026-07-28 with this bearer token.
    pub fn modern_as(&self, token: Option<&str>, method: &str, params: Value) -> Answer {
        let (body, mut headers) = modern(method, params);
        if let Some(token) = token {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post(body.to_string(), &headers)
    }

    /// A request of a legacy revision, after the handshake.
    pub fn legacy(&self, version: ProtocolVersion, method: &str, params: Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(body.to_string(), &[("mcp-protocol-version", version.as_str())])
    }

    /// The same request in every revision, one after the other: `see` looks before the next one is sent.
    pub fn each(&self, method: &str, params: &Value, mut see: impl FnMut(ProtocolVersion, Answer)) {
        for version in ProtocolVersion::ALL {
            let answer = match version {
                ProtocolVersion::V2026_07_28 => self.modern(method, params.clone()),
                _ => self.legacy(version, method, params.clone()),
            };
            see(version, answer);
        }
    }

    /// The same request in every revision: what must not depend on it is asked of all.
    pub fn everywhere(&self, method: &str, params: Value) -> Vec<(ProtocolVersion, Answer)> {
        ProtocolVersion::ALL
            .into_iter()
            .map(|version| {
                let answer = match version {
                    ProtocolVersion::V2026_07_28 => self.modern(method, params.clone()),
                    _ => self.legacy(version, method, params.clone()),
                };
                (version, answer)
            })
            .collect()
    }
}

/// Body and headers of a request of 2026-07-28.
pub fn modern(method: &str, mut params: Value) -> (Value, Vec<(&'static str, String)>) {
    let mut headers =
        vec![("mcp-protocol-version", "2026-07-28".to_owned()), ("mcp-method", method.to_owned())];
    let name = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.get("taskId"),
        _ => None,
    };
    if let Some(Value::String(name)) = name {
        headers.push(("mcp-name", name.clone()));
    }
    let meta = params["_meta"].take();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (name, value) in meta.as_object().into_iter().flatten() {
        params["_meta"][name] = value.clone();
    }
    (json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), headers)
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub text: String,
    /// `Null` where the body is no JSON.
    pub json: Value,
}

impl Answer {
    pub fn new(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = futures_executor::block_on(body.collect(usize::MAX)).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = match parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            true => events(&text).pop().unwrap_or_default(),
            false => serde_json::from_str(&text).unwrap_or_default(),
        };
        Self { status: parts.status, headers: parts.headers, text, json }
    }

    /// The messages of a stream.
    pub fn events(&self) -> Vec<Value> {
        events(&self.text)
    }

    pub fn code(&self) -> Option<i64> {
        self.json["error"]["code"].as_i64()
    }

    /// What the model or the client is told.
    pub fn message(&self) -> &str {
        let said = self.json["error"]["message"].as_str();
        said.or(self.json["result"]["content"][0]["text"].as_str()).unwrap_or(&self.text)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The messages in the text of a stream; priming events and comments are none.
pub fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// What a client that can be asked everything declares.
pub fn capable() -> Value {
    json!({"io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {},
    }})
}
