//! A result of one's own needs both derives.

use edgemcp::prelude::*;

struct Station;

/// Find a station.
#[tool]
fn nearest() -> Result<Json<Station>, ToolError> {
    Ok(Json(Station))
}

fn main() {
    let _ = nearest::tool();
}
