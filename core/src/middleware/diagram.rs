//! Draws which middlewares stand around what.

use std::fmt::Write as _;

use crate::compose::tree::Scope;

/// The middlewares of a server and of what is mounted in it, the outermost first.
pub(crate) fn of(scopes: &[Scope]) -> String {
    let mut drawing = String::from("request\n   │\n");
    draw(scopes, 0, 1, &mut drawing);
    drawing.push_str("   │\nresponse\n");
    drawing
}

fn draw(scopes: &[Scope], at: usize, depth: usize, drawing: &mut String) {
    let Some(scope) = scopes.get(at) else { return };
    let chain = scope.chain.iter().map(|middleware| middleware.name());
    let inner = depth + scope.chain.len();
    for (depth, name) in (depth..).zip(chain) {
        line(drawing, depth, &format!("▼ {name}"));
    }
    let under = match &scope.prefix {
        Some(prefix) => format!(", under {:?}", prefix.name),
        None => String::new(),
    };
    let version =
        if at == 0 { "its own tools, resources and prompts" } else { "its tools, resources and prompts" };
    line(drawing, inner, &format!("● {}{under}: {version}", scope.name));
    for (child, _) in scopes.iter().enumerate().skip(1).filter(|(_, child)| child.parent == at) {
        draw(scopes, child, inner, drawing);
    }
    for (depth, middleware) in (depth..inner).zip(scope.chain.iter()).rev() {
        line(drawing, depth, &format!("▲ {}", middleware.name()));
    }
}

fn line(drawing: &mut String, depth: usize, what: &str) {
    // A `String` takes everything.
    let _ = writeln!(drawing, "{:indent$}{what}", "", indent = depth * 3);
}
