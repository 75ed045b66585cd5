//! Finds middlewares that stand in an order which defeats one of them.

use super::Middleware;
use std::sync::Arc;

/// What a middleware is for, which says where in the order it may stand: outermost error handling, then timing and logging,
/// then rate limiting, then caching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It turns errors into others: whatever stands outside of it, its errors would pass by.
    ErrorHandling,
    /// It watches: what stands outside of it is not seen.
    Observation,
    /// It refuses what is too much.
    RateLimiting,
    /// It answers from what is kept: what stands inside of it does not run for such an answer.
    Caching,
    /// It may stand anywhere.
    Any,
}

/// The name of a type without its path.
pub(crate) fn short(name: &str) -> &str {
    let end = name.find('<').unwrap_or(name.len());
    let path = name.get(..end).unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

/// What is wrong with the order of `middlewares`, the outermost first.
pub(crate) fn problems(middlewares: &[Arc<dyn Middleware>]) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, inner) in middlewares.iter().enumerate() {
        let outer = middlewares.iter().take(at);
        let offender = match inner.stage() {
            Stage::ErrorHandling => outer
                .filter(|outer| outer.stage() != Stage::ErrorHandling)
                .map(|outer| (outer, "what it refuses would not be handled"))
                .next(),
            Stage::RateLimiting => outer
                .filter(|outer| outer.stage() == Stage::Caching)
                .map(|outer| (outer, "what it answers from the cache would not be counted"))
                .next(),
            Stage::Observation | Stage::Caching | Stage::Any => None,
        };
        if let Some((outer, why)) = offender {
            problems.push(format!(
                "middleware `{}` stands before `{}`, and {why} (add `{}` first, or say \
                 `Server::any_middleware_order()`)",
                outer.name(),
                inner.name(),
                inner.name()
            ));
        }
    }
    problems
}
