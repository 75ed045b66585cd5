//! What the least would cost: the same POST, read with serde_json into the same types, answered with the same bytes, by axum.
//! It has no tools to choose from, looks at no header, and refuses nothing that MCP refuses.
//!
//! Usage: `bench-bare`. It prints its port once it listens.

use std::error::Error;

use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    name: &'a str,
    arguments: Add,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a str>,
}

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    content: [Content; 1],
    structured_content: Sum,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<OutputMeta>,
}

#[derive(Serialize)]
struct Content {
    r#type: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Sum {
    result: i64,
}

#[derive(Serialize)]
struct OutputMeta {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server: ServerInfo,
}

#[derive(Serialize)]
struct ServerInfo {
    name: &'static str,
    version: &'static str,
}

/// The answer to a call of `add`; `None` for what is none, and for a sum that does not fit.
fn answer(body: &[u8]) -> Option<Vec<u8>> {
    let Call { id, method: "tools/call", params: Params { name: "add", arguments, meta } } =
        serde_json::from_slice(body).ok()?
    else {
        return None;
    };
    let result = arguments.a.checked_add(arguments.b)?;
    let is_modern = meta.and_then(|meta| meta.version) == Some("2026-07-28");
    let server = ServerInfo { name: "calculator", version: "1.0.0" };
    let output = Output {
        content: [Content { r#type: "text", text: result.to_string() }],
        structured_content: Sum { result },
        result_type: is_modern.then_some("complete"),
        meta: is_modern.then_some(OutputMeta { server }),
    };
    serde_json::to_vec(&Answer { jsonrpc: "2.0", id, result: output }).ok()
}

async fn mcp(body: Bytes) -> Response {
    match answer(&body) {
        Some(answer) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(axum::serve(listener, Router::new().route("/mcp", post(mcp))).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}
