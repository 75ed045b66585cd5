//! Units: components that stand on nothing, to be imported.

use edgemcp::prelude::*;

/// Convert degrees Celsius to Fahrenheit.
#[tool(read_only, idempotent)]
async fn fahrenheit(celsius: f64) -> f64 {
    celsius * 1.8 + 32.0
}

/// The definition.
pub(crate) fn server() -> Server {
    Server::new("units", env!("CARGO_PKG_VERSION")).tool(fahrenheit::tool())
}
