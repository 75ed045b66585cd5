//! A client of either era, as far as the targets need one.

use bytes::Bytes;
use edgemcp::ProtocolVersion;
use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::value::RawValue;

use crate::{
    asked::members,
    check::{quoted, wrapped},
    stage::Stage,
};

/// What a client takes that takes everything.
pub(crate) const BOTH: &str = "application/json, text/event-stream";

/// `_meta` of a modern request whose client can be asked everything and takes tasks.
pub(crate) const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":"#,
    r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#
);

/// A request with these headers; those that are none are left out.
pub(crate) fn request<'a>(
    method: Method,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: impl Into<Bytes>,
) -> Request<Bytes> {
    let mut request = Request::new(body.into());
    *request.method_mut() = method;
    *request.uri_mut() = http::Uri::from_static("/mcp");
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            request.headers_mut().append(name, value);
        }
    }
    request
}

/// The modern request that `body` is, with the headers that such a one repeats.
pub(crate) fn modern(body: impl Into<Bytes>) -> Request<Bytes> {
    let body = body.into();
    let repeated = std::str::from_utf8(&body).map(repeated).unwrap_or_default();
    let headers = [
        ("content-type", "application/json"),
        ("accept", BOTH),
        ("mcp-protocol-version", ProtocolVersion::V2026_07_28.as_str()),
    ];
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, value.as_bytes()))
        .chain(repeated.iter().map(|(name, value)| (*name, value.as_bytes())))
        .collect();
    request(Method::POST, headers, body.clone())
}

/// The modern request for `method` with these parameters, which are members of an object.
pub(crate) fn modern_call(method: &str, params: &str) -> Request<Bytes> {
    let comma = if params.is_empty() { "" } else { "," };
    modern(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":{},"params":{{{params}{comma}{META}}}}}"#,
        quoted(method)
    ))
}

/// What the headers of a request repeat of its body.
fn repeated(body: &str) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    let find = |text: &str, name: &str| -> Option<String> {
        let members = members(text)?;
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value.get().to_owned())
    };
    let string = |json: String| serde_json::from_str::<String>(&json).ok();
    let Some(method) = find(body, "method").and_then(string) else { return headers };
    let params = find(body, "params").unwrap_or_default();
    let named = match method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => "",
    };
    headers.push(("mcp-method", method));
    if let Some(name) = find(&params, named).and_then(string) {
        headers.push(("mcp-name", wrapped(&name)));
    }
    let arguments = find(&params, "arguments").unwrap_or_default();
    for (argument, header) in
        [("region", "mcp-param-region"), ("count", "mcp-param-count"), ("fast", "mcp-param-fast")]
    {
        let Some(value) = find(&arguments, argument).filter(|value| value != "null") else { continue };
        headers.push((header, string(value.clone()).map_or(value, |text| wrapped(&text))));
    }
    headers
}

/// A modern request again, with the state and the answers that came of it; `None` where it has no parameters to put
/// them into.
pub(crate) fn again(body: &[u8], state: &str, responses: &str) -> Option<String> {
    let message = members(std::str::from_utf8(body).ok()?)?;
    let params = message.iter().find(|(key, _)| key == "params").map(|(_, params)| *params)?;
    let kept = members(params.get())?.into_iter();
    let kept = kept.filter(|(key, _)| key != "requestState" && key != "inputResponses");
    let mut params: Vec<String> =
        kept.map(|(key, value)| format!("{}:{}", quoted(&key), value.get())).collect();
    params.push(format!(r#""requestState":{},"inputResponses":{responses}"#, quoted(state)));
    let rest = message.iter().filter(|(key, _)| key != "params");
    let mut members: Vec<String> =
        rest.map(|(key, value)| format!("{}:{}", quoted(key), value.get())).collect();
    members.push(format!(r#""params":{{{}}}"#, params.join(",")));
    Some(format!("{{{}}}", members.join(",")))
}

/// Whether `bytes` are JSON.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// The id of a new session of a client that can be asked everything.
pub(crate) fn session(stage: &Stage, version: &str) -> String {
    let initialize = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":{},"clientInfo":{{"name":"c",
        "version":"9"}},"capabilities":{{"elicitation":{{"form":{{}},"url":{{}}}},"sampling":{{}},"roots":{{}}}}}}}}"#,
        quoted(version)
    );
    let headers =
        [("host", &b"localhost"[..]), ("content-type", b"application/json"), ("accept", BOTH.as_bytes())];
    let answer = stage.send(request(Method::POST, headers, initialize));
    match answer.headers.get("mcp-session-id").map(HeaderValue::to_str) {
        Some(Ok(id)) => id.to_owned(),
        _ => panic!("no session was begun: {answer:?}"),
    }
}
