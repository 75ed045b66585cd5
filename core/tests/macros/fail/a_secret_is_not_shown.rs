use edgemcp::prelude::*;

/// Tell the key.
#[tool]
fn tell() -> Result<Secret, ToolError> {
    Ok("hunter2".into())
}

/// Tell it as JSON.
#[tool]
fn json() -> Json<Secret> {
    Json("hunter2".into())
}

fn main() {
    let key: Secret = "hunter2".into();
    println!("{key}");
}
