//! A shop: tools in two versions, and some for its staff alone.

use edgemcp::prelude::*;

/// Order an article.
#[tool]
async fn order(
    article: String,
    #[arg(range(min = 1, max = 10))] count: Option<u8>,
    channel: String,
) -> String {
    format!("{} × {article}, ordered by {channel}", count.unwrap_or(1))
}

/// Take everything off the shelves.
#[tool(tags("staff"))]
async fn close() -> &'static str {
    "closed"
}

/// What there is.
#[resource("data://goods")]
async fn goods() -> Json<[&'static str; 2]> {
    Json(["tea", "coffee"])
}

/// What something costs, in cents.
fn price(version: &'static str, cents: u32) -> Tool {
    Tool::new("price", "Says what something costs.", move |_, _: NoArguments| async move { cents })
        .version(version)
}

/// The definition.
pub(crate) fn server() -> Server {
    Server::new("shop", env!("CARGO_PKG_VERSION"))
        .tool(order::tool())
        .tool(close::tool())
        // The higher one is listed and called, unless a client asks for the other.
        .tool(price("1.0", 100))
        .tool(price("2.0", 120))
        .resource(goods::resource())
}
