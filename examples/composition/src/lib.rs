//! A server made of servers: two mounted, one imported, and one that is somewhere else, reached over HTTP.
//!
//! `cargo run -p composition` serves it, with the calculator beside it as the server that is somewhere else. Another one is
//! named by its address, which is how it is on Workers and Lambda: `COMPOSITION_REMOTE=https://calculator.example/mcp`.

mod shop;
mod units;
mod weather;

use edgemcp::{
    compose::{Mount, ResourcePrefixFormat},
    include_icon,
    prelude::*,
    remote::Remote,
    transform::{ArgTransform, BM25Search, ToolTransform},
};

/// The address of the server that is somewhere else.
pub const REMOTE: &str = "COMPOSITION_REMOTE";

/// The definition, with the other server at the address that [`REMOTE`] says.
pub fn server() -> Server {
    with_remote(Remote::from_setting(REMOTE))
}

/// The definition, with `remote` as the other server.
pub fn with_remote(remote: Remote) -> Server {
    Server::new("composition", env!("CARGO_PKG_VERSION"))
        .title("Composition")
        .icon(include_icon!("../assets/sun.png"))
        // `weather_forecast`, `data://weather/cities`: with its own middleware and its own lifespan.
        .mount(Mount::under("weather", weather::server))
        // `shop.buy`, `shop+data://goods`: without what is for its staff, and with a tool under another name, one of whose
        // arguments is nobody's business.
        .mount(
            Mount::under("shop", shop::server)
                .separator(".")
                .resource_prefix_format(ResourcePrefixFormat::Protocol)
                .exclude_tags(["staff"])
                .transform(
                    ToolTransform::new("order")
                        .rename("buy")
                        .description("Buys something.")
                        .argument("article", ArgTransform::new().rename("what"))
                        .argument("channel", ArgTransform::new().hide().default("assistant")),
                ),
        )
        // As if its tools had been written here.
        .import_server(units::server)
        // `calc_add`: whatever the other server has.
        .mount(Mount::under("calc", remote))
}

/// The same behind a search, for a model that need not read a long catalogue.
pub fn searchable(remote: Remote) -> Server {
    with_remote(remote).transform(BM25Search::new())
}

#[cfg(target_arch = "wasm32")]
edgemcp_workers::export!(server);

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler cannot see is found here instead of at the first start.
    #[test]
    fn the_definitions_can_be_served() {
        server().build().expect("the definition is sound");
        searchable(Remote::from_setting(REMOTE)).build().expect("the searchable one is sound");
    }
}
