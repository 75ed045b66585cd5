//! The middlewares around a server, in the order that FastMCP teaches, and each with something to do.
//!
//! `cargo run -p middleware -- --middleware` draws the order. `cargo run -p middleware` serves it; it needs a token for each
//! user, in `.env` or the environment (in `.dev.vars` for `wrangler dev`):
//!
//! ```sh
//! echo "MIDDLEWARE_TOKEN_ADA=$(openssl rand -hex 16)" >>.env
//! ```

use std::time::Duration;

use edgemcp::{
    auth::{Principal, StaticTokens},
    middleware::{
        Authorization, ErrorHandling, Logging, Next, Per, PromptTools, RateLimiting, ResourceTools,
        ResponseCaching, ResponseLimiting, Retry, Timing, ToolInjection, on_request,
    },
    prelude::*,
    store::Key,
};

/// Who pays for a request: what the closure below passes along with it.
#[derive(Clone)]
struct Tenant(String);

/// How often something was done, by anybody on any instance.
async fn times(cx: &Context, what: &str) -> Result<i64, ToolError> {
    let key = Key::new("middleware.times", "all", what)?;
    Ok(cx.platform().strong_store().increment(&key, 1, Some(Duration::from_secs(3600))).await?)
}

/// Look up what a currency is worth, and say how often that was really done. It is answered from the cache for a minute.
#[tool(read_only, idempotent)]
async fn exchange_rate(
    cx: &Context,
    /// Its code, such as EUR.
    #[arg(length(min = 3, max = 3))]
    currency: String,
) -> Result<String, ToolError> {
    let times = times(cx, &format!("rate.{currency}")).await?;
    Ok(format!("1 {currency} = 1.09 USD (looked up {times} times)"))
}

/// Render a scene, which is dear: three a minute for each user.
#[tool]
async fn render(scene: String) -> String {
    format!("{scene} is rendered")
}

/// Ask a service that fails two times of three; who calls does not notice.
#[tool(read_only)]
async fn unsteady(cx: &Context) -> Result<String, ToolError> {
    match times(cx, "unsteady").await? % 3 {
        0 => Ok("it worked".to_owned()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
    }
}

/// Fail with an error that must not be seen.
#[tool]
async fn leak() -> Result<(), ToolError> {
    Err(std::io::Error::other("password hunter2 was refused by db.internal").into())
}

/// Panic.
#[tool]
async fn crash() -> String {
    #[expect(clippy::panic, reason = "that is what it is for")]
    {
        panic!("the crash was asked for")
    }
}

/// Write so many lines, of which a client gets what fits into 2,000 bytes.
#[tool]
async fn report(lines: u16) -> String {
    (1..=lines).map(|line| format!("Zeile {line}: größer\n")).collect()
}

/// Say who pays for this request.
#[tool]
async fn tenant(cx: &Context) -> String {
    cx.extension::<Tenant>().map_or_else(|| "nobody".to_owned(), |Tenant(name)| name)
}

/// Forget everything. It is for admins.
#[tool(tags("admin"))]
async fn reset() -> &'static str {
    "everything is forgotten"
}

/// Say what time it is; a middleware adds this tool.
#[tool]
async fn server_time(cx: &Context) -> String {
    cx.now().to_rfc3339()
}

/// The currencies that are known.
#[resource("rates://currencies")]
async fn currencies() -> Json<[&'static str; 2]> {
    Json(["EUR", "CHF"])
}

/// Compare two currencies.
#[prompt]
async fn compare(one: String, other: String) -> String {
    format!("Compare {one} with {other}.")
}

/// The definition. The first middleware is the outermost.
pub fn server() -> Server {
    Server::new("middleware", env!("CARGO_PKG_VERSION"))
        .verifier(
            StaticTokens::new()
                .var("MIDDLEWARE_TOKEN_ADA", Principal::new("ada").scope("admin"))
                .var("MIDDLEWARE_TOKEN_BOB", Principal::new("bob")),
        )
        // What goes wrong further in becomes an error that clients know and that names no secret.
        .middleware(ErrorHandling::new().mask_details(true))
        .middleware(Timing::new())
        .middleware(Logging::new())
        // Before the cache, so that what it answers is counted too.
        .middleware(
            RateLimiting::sliding_window(3, Duration::from_secs(60)).per(Per::Principal).tools(["render"]),
        )
        .middleware(Authorization::default().restrict_tag("admin", ["admin"]))
        .middleware(ResponseCaching::new())
        .middleware(Retry::new().base_delay(Duration::from_millis(20)))
        .middleware(ResponseLimiting::new().max_size(2_000).tools(["report"]))
        // One hook alone is a closure; what it passes along reaches the handler.
        .middleware(on_request(|cx: Context, message, next: Next<_>| async move {
            let name = cx.headers().get("x-tenant").and_then(|name| name.to_str().ok());
            if let Some(name) = name {
                cx.extend(Tenant(name.to_owned()));
            }
            next.run(message).await
        }))
        // Tools that no definition has: one of the operator's, and those that let a client without resources and prompts
        // use them.
        .middleware(ToolInjection::new([server_time::tool()]))
        .middleware(ResourceTools)
        .middleware(PromptTools)
        .tool(exchange_rate::tool())
        .tool(render::tool())
        .tool(unsteady::tool())
        .tool(leak::tool())
        .tool(crash::tool())
        .tool(report::tool())
        .tool(tenant::tool())
        .tool(reset::tool())
        .resource(currencies::resource())
        .prompt(compare::prompt())
}

#[cfg(target_arch = "wasm32")]
edgemcp_workers::export!(server);
// The class of the objects that keep the counts: on Workers, KV alone would lose some.
#[cfg(target_arch = "wasm32")]
edgemcp_workers::durable_object!();

#[cfg(test)]
mod tests {
    /// What the compiler cannot see is found here instead of at the first start.
    #[test]
    fn the_definition_can_be_served() {
        super::server().build().expect("the definition is sound");
    }

    /// The order that the seed of this project draws, and that FastMCP teaches.
    #[test]
    fn the_order_is_the_one_that_is_taught() {
        let drawing = super::server().build().expect("the definition is sound").middleware_diagram();
        let order = [
            "▼ ErrorHandling",
            "▼ Timing",
            "▼ Logging",
            "▼ RateLimiting",
            "▼ ResponseCaching",
            "● middleware",
        ];
        let places: Vec<_> = order.iter().map(|name| drawing.find(name)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{drawing}");
    }
}
