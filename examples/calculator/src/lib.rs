//! A calculator: the whole server, and no platform named.

use edgemcp::{prelude::*, store::Key};

/// Add two integers.
#[tool(read_only)]
pub async fn add(
    /** First addend. */
    a: i64,
    /** Second addend. */
    b: i64,
) -> Result<i64, ToolError> {
    a.checked_add(b).ok_or_else(|| ToolError::new("the sum does not fit into 64 bits"))
}

/// Divide one number by another.
#[tool(read_only)]
pub async fn divide(
    /** What to divide. */
    a: f64,
    /** What to divide by. */
    b: f64,
) -> Result<f64, ToolError> {
    if b == 0.0 {
        return Err(ToolError::new("cannot divide by zero"));
    }
    Ok(a / b)
}

/// Count one more calculation, and say how many there were. The count outlives the process: it is in the store.
#[tool]
pub async fn count(cx: &Context) -> Result<i64, ToolError> {
    let key = Key::new("counters", "calculator", "calculations")?;
    Ok(cx.store().increment(&key, 1, None).await?)
}

/// Constants worth knowing by heart.
#[resource("calculator://constants", mime_type = "application/json")]
pub async fn constants() -> &'static str {
    r#"{"e": 2.718281828459045, "pi": 3.141592653589793}"#
}

/// The square of an integer.
#[resource("calculator://square/{number}")]
pub async fn square(number: i32) -> String {
    i64::from(number).pow(2).to_string()
}

/// Ask for a calculation to be explained.
#[prompt]
pub async fn explain(
    /** The calculation, such as 2 + 3. */
    calculation: String,
    /** Who it is explained to. */
    audience: Option<String>,
) -> String {
    let audience = audience.unwrap_or_else(|| "a curious child".to_owned());
    format!("Explain {calculation} to {audience}, step by step.")
}

/// The definition.
pub fn server() -> Server {
    Server::new("calculator", env!("CARGO_PKG_VERSION"))
        .title("Calculator")
        .instructions("Use the tools for arithmetic instead of computing in your head.")
        .tool(add::tool())
        .tool(divide::tool())
        .tool(count::tool())
        .resource(constants::resource())
        .resource(square::resource())
        .prompt(explain::prompt())
}

#[cfg(target_arch = "wasm32")]
edgemcp_workers::export!(server);

#[cfg(test)]
mod tests {
    /// What the compiler cannot see (two tools of one name) is found here instead of at the first start.
    #[test]
    fn the_definition_can_be_served() {
        super::server().build().expect("the definition is sound");
    }
}
