//! What the official Rust SDK costs: the same `add` beside any number of other tools, on axum.
//!
//! Usage: `bench-rmcp TOOLS readme|shared`. It prints its port once it listens. `readme` makes the router in each request, as
//! what `#[tool_router(server_handler)]` of rmcp's README stands for does; `shared` makes it once, which is the most its
//! users can save. Both are stateless and answer in JSON, as the README says of serverless.

use std::{
    error::Error,
    sync::{Arc, OnceLock},
};

use rmcp::{
    ErrorData, Json, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::ToolCallContext, wrapper::Parameters},
    model::{CallToolRequestParams, CallToolResponse, ServerCapabilities, ServerConfig, Tool},
    schemars,
    service::RequestContext,
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

/// The names of the other tools. A program has them written down, so they are made before the first request.
static OTHERS: OnceLock<Vec<String>> = OnceLock::new();

/// What `add` takes.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    /// First addend.
    a: i64,
    /// Second addend.
    b: i64,
}

/// What `add` answers.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Sum {
    result: i64,
}

fn sum(a: i64, b: i64) -> Result<Json<Sum>, String> {
    a.checked_add(b).map(|result| Json(Sum { result })).ok_or("the sum does not fit into 64 bits".to_owned())
}

/// As in the README.
#[derive(Clone)]
struct AsTheReadme;

#[tool_router]
impl AsTheReadme {
    #[tool(description = "Add two integers.", annotations(read_only_hint = true))]
    fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Result<Json<Sum>, String> {
        sum(a, b)
    }

    /// `#[tool_router]` makes such a chain of one route for each `#[tool]`.
    fn all() -> ToolRouter<Self> {
        let others = OTHERS.get().into_iter().flatten();
        others.fold(Self::tool_router(), |router, name| {
            let mut tool = Self::add_tool_attr();
            tool.name = name.as_str().into();
            router.with_route((tool, Self::add))
        })
    }
}

// What `#[tool_router(server_handler)]` adds, with the other tools in it too.
#[tool_handler(router = Self::all())]
impl ServerHandler for AsTheReadme {}

/// With one router for all requests.
#[derive(Clone)]
struct Shared {
    router: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Shared {
    #[tool(description = "Add two integers.", annotations(read_only_hint = true))]
    fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Result<Json<Sum>, String> {
        sum(a, b)
    }

    fn new() -> Self {
        let others = OTHERS.get().into_iter().flatten();
        let router = others.fold(Self::tool_router(), |router, name| {
            let mut tool = Self::add_tool_attr();
            tool.name = name.as_str().into();
            router.with_route((tool, Self::add))
        });
        Self { router: Arc::new(router) }
    }
}

impl ServerHandler for Shared {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.router.call(ToolCallContext::new(self, request, context)).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

async fn serve<S: ServerHandler + Send + 'static>(
    handler: impl Fn() -> S + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service =
        StreamableHttpService::new(move || Ok(handler()), LocalSessionManager::default().into(), config);
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(axum::serve(listener, router).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let tools: usize = arguments.next().ok_or("how many tools?")?.parse()?;
    let others = tools.checked_sub(1).ok_or("there is one tool at the least")?;
    OTHERS.get_or_init(|| (0..others).map(|number| format!("other_{number}")).collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.next().as_deref() {
        Some("readme") => runtime.block_on(serve(|| AsTheReadme)),
        Some("shared") => {
            let shared = Shared::new();
            runtime.block_on(serve(move || shared.clone()))
        }
        other => Err(format!("{other:?} is no way to serve (`readme` and `shared` are)").into()),
    }
}
