//! What a response depends on, as a text that no other request has.

use serde_json::{Map, Value};

use super::CachedMethod;
use crate::{auth::Principal, context::Context, wire::exact::canonical};

/// The most bytes of arguments by which a response is found again. A call with longer ones is not cached: putting them into
/// one form would cost more than most calls.
pub const CACHED_ARGUMENTS_BYTES_MAX: usize = 64 << 10;

/// Claims that differ from one token of the same caller to the next, and say nothing of what the caller may see.
const PASSING_CLAIMS: &[&str] = &["exp", "iat", "nbf", "jti", "auth_time"];

/// What is asked for: the component, its version, and the arguments as JSON.
pub(super) struct Asked<'a> {
    pub(super) method: CachedMethod,
    pub(super) component: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) arguments: &'a str,
}

/// The text by which a response is kept; `None` where it cannot be found again.
///
/// It begins with who may see it: an answer to one caller is no other's, whatever is asked.
pub(super) fn key(cx: &Context, asked: &Asked<'_>, varies: Option<&str>) -> Option<String> {
    if asked.arguments.len() > CACHED_ARGUMENTS_BYTES_MAX {
        return None;
    }
    let who = &cx.0.tables.who;
    // Another server that gets these may answer by them, also where nobody here has looked at the token.
    let forwarded = cx.0.tables.forwarded.iter().map(|name| {
        let value = cx.headers().get(name)?.as_bytes();
        Some(value.escape_ascii().to_string())
    });
    serde_json::to_string(&(
        (cx.principal().map(identity), forwarded.collect::<Vec<_>>()),
        // A new version of the server asks anew, and so does one that is mounted elsewhere.
        (&who.name, &who.version, cx.scope()),
        (asked.method.as_str(), asked.component, asked.version),
        canonical(asked.arguments)?,
        varies,
    ))
    .ok()
}

/// Everything of a caller that a handler or a requirement can tell two callers apart by.
fn identity(principal: &Principal) -> Value {
    let mut scopes: Vec<&str> = principal.scopes().collect();
    scopes.sort_unstable();
    scopes.dedup();
    let passes = |name: &str| PASSING_CLAIMS.contains(&name);
    let claims = principal.claims().iter().filter(|(name, _)| !passes(name));
    let claims: Map<_, _> = claims.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut identity =
        serde_json::json!([principal.issuer(), principal.subject(), principal.client(), scopes, claims]);
    identity.sort_all_objects();
    identity
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn callers_of_whom_anything_lasting_differs_are_two() {
        let ada =
            || Principal::new("ada").from_issuer("https://idp.example").through_client("app").scope("read");
        let others = [
            Principal::new("ada").through_client("app").scope("read"),
            Principal::new("ada").from_issuer("https://idp.example").scope("read"),
            Principal::new("bob").from_issuer("https://idp.example").through_client("app").scope("read"),
            ada().scope("write"),
            ada().claim("org", "b"),
            ada().claim("org", "a"),
            ada().claim("roles", json!(["admin"])),
            Principal::new("ada\",\"app").from_issuer("https://idp.example").scope("read"),
        ];
        let mut all: Vec<_> = others.iter().chain([&ada()]).map(|who| identity(who).to_string()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), others.len() + 1);
    }

    #[test]
    fn another_token_of_the_same_caller_is_the_same_caller() {
        let first =
            Principal::new("ada").scope("a").scope("b").claim("exp", 1).claim("jti", "x").claim("org", "o");
        let second = Principal::new("ada").scope("b").scope("a").scope("b").claim("org", "o").claim("exp", 2);
        assert_eq!(identity(&first), identity(&second));
        let nested = |json| Principal::new("ada").claim("realm", json);
        assert_eq!(
            identity(&nested(json!({"a": 1, "b": 2}))).to_string(),
            identity(&nested(json!({"b": 2, "a": 1}))).to_string()
        );
    }
}
